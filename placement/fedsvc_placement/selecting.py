"""Which of the fitting clusters are taken: the spread constraints on the clusters of one affinity group."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedsvc_placement.eligibility import Standing
from fedsvc_placement.model import Placement, SpreadResult, UnitInput
from fedsvc_placement.preferences import Scores
from fedsvc_placement.rooms import Rooms
from fedsvc_placement.spread import Item, Limit, Problem
from fedsvc_placement.spread_solve import pick
from fedsvc_placement.terms import tie_break
from fedsvc_placement.texts import groups_text, list_text
from fedsvc_placement.topology import group_of

# What a cluster is worth, from its lowest bits: a hash for ties, its score, its tier, whether it holds all replicas.
_TIE_BITS = 32
_SUM_BITS = 16  # room for sums over 65,536 clusters
_SCORE_BITS = 32
_TIER_BITS = 16
_SCORE_SHIFT = _TIE_BITS + _SUM_BITS
_TIER_SHIFT = _SCORE_SHIFT + _SCORE_BITS + _SUM_BITS
_SUFFICES_SHIFT = _TIER_SHIFT + _TIER_BITS + _SUM_BITS
_POINT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The clusters there are to choose from."""

    # Fitting clusters, sorted by name.
    standings: tuple[Standing, ...]
    # Overflow tier of each, from 1; those of the group itself are left out.
    tiers: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What was taken."""

    # Sorted.
    names: tuple[str, ...]
    # Overflow tier of those that are in one.
    tiers: Mapping[str, int]
    # One for each spread constraint.
    spread: tuple[SpreadResult, ...]
    # Replicas without room, of all workloads.
    lacking: int

    @property
    def missing(self) -> int:
        """Groups missing under all constraints together."""
        return sum(entry.missing for entry in self.spread)

    @property
    def whole(self) -> bool:
        """Whether the whole unit is held: it is somewhere, spreads as asked for, and every replica has room."""
        return bool(self.names) and not self.missing and not self.lacking


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """By what clusters are compared."""

    unit: UnitInput
    scores: Scores
    # None where room does not count.
    rooms: Rooms | None


def worth(score: int) -> int:
    """Return what a score counts when clusters are added up: above 0, so that none is left out where it may be taken.

    A point is a thousand; a cluster without points counts one more, and less for each PreferNoSchedule taint.
    """
    return _POINT * (score + 1) if score >= 0 else max(1, _POINT // (1 - score))


def select(measures: Measures, pool: Pool, *, keep: bool) -> Selection:
    """Take the best set of clusters that exceeds no limit.

    Tiers are opened one after the other, only where the clusters before have no room for all replicas, and of the last
    one only as many clusters stay as are needed.

    Args:
        measures: by what clusters are compared.
        pool: what to choose from.
        keep: whether clusters that the unit is on come before better ones.
    """
    best: Selection | None = None
    for tier in range(max(pool.tiers.values(), default=0) + 1):
        members = [
            standing
            for standing in pool.standings
            if pool.tiers.get(standing.cluster.name, 0) <= tier or (keep and standing.bound)
        ]
        found = _select(measures, pool, members, keep=keep)
        if best is None or found.lacking < best.lacking:
            best = found
        if not best.lacking:
            break
    assert best is not None, "there is always the group itself"
    return _without_spare(measures, pool, best, keep=keep) if best.tiers else best


def lacking(rooms: Rooms | None, names: Sequence[str]) -> int:
    """Return for how many replicas these clusters have no room."""
    if rooms is None:
        return 0
    if rooms.duplicated:
        return sum(
            need - room for name in names for need, room in zip(rooms.needs, rooms.by_cluster[name], strict=True)
        )
    held = [sum(rooms.by_cluster[name][place] for name in names) for place in range(len(rooms.needs))]
    return sum(max(0, need - room) for need, room in zip(rooms.needs, held, strict=True))


def suffices(rooms: Rooms, name: str) -> bool:
    """Tell whether a cluster has room for all replicas by itself."""
    return rooms.by_cluster[name] == rooms.needs


def _select(measures: Measures, pool: Pool, members: Sequence[Standing], *, keep: bool) -> Selection:
    placement, rooms = measures.unit.placement, measures.rooms
    proven = True
    if any(entry.max_groups is not None for entry in placement.spread):
        by_sum = rooms is not None and not rooms.duplicated
        picked = pick(
            Problem(
                items=tuple(_item(measures, pool, standing, keep=keep, by_sum=by_sum) for standing in members),
                limits=tuple(
                    Limit(min_groups=entry.min_groups, max_groups=entry.max_groups) for entry in placement.spread
                ),
                needs=rooms.needs if rooms is not None and by_sum else (),
            )
        )
        members = [members[index] for index in picked.indexes]
        proven = picked.proven
    return _selection(measures, pool, members, proven=proven)


def _selection(measures: Measures, pool: Pool, members: Sequence[Standing], *, proven: bool) -> Selection:
    names = tuple(standing.cluster.name for standing in members)
    return Selection(
        names=names,
        tiers={name: pool.tiers[name] for name in names if name in pool.tiers},
        spread=_results(measures.unit.placement, members, proven=proven),
        lacking=lacking(measures.rooms, names),
    )


def _item(measures: Measures, pool: Pool, standing: Standing, *, keep: bool, by_sum: bool) -> Item:
    cluster, rooms = standing.cluster, measures.rooms
    spread = measures.unit.placement.spread
    tie, _ = tie_break(measures.unit.key, cluster.name)
    value = (1 << _TIE_BITS) - 1 - (tie >> (64 - _TIE_BITS))
    value += min(worth(measures.scores.total(cluster.name)), (1 << _SCORE_BITS) - 1) << _SCORE_SHIFT
    # Of overflow clusters as few as possible, and the lower tiers before the higher.
    if pool.tiers:
        value += (max(pool.tiers.values()) + 1 - pool.tiers.get(cluster.name, 0)) << _TIER_SHIFT
    if rooms is not None and rooms.duplicated and suffices(rooms, cluster.name):
        value += 1 << _SUFFICES_SHIFT
    return Item(
        groups=tuple(group_of(cluster, entry.by, entry.label_key) for entry in spread),
        rooms=rooms.by_cluster[cluster.name] if rooms is not None and by_sum else (),
        value=value,
        kept=keep and standing.bound,
    )


def _without_spare(measures: Measures, pool: Pool, found: Selection, *, keep: bool) -> Selection:
    """Leave out overflow clusters that nothing would go to: the highest tiers and those with the least room first."""
    rooms = measures.rooms
    if rooms is None:
        return found
    by_name = {standing.cluster.name: standing for standing in pool.standings}
    names = list(found.names)
    order = sorted(found.tiers, key=lambda name: (-found.tiers[name], sum(rooms.by_cluster[name]), name))
    for name in order:
        others = [other for other in names if other != name]
        if not (keep and by_name[name].bound) and lacking(rooms, others) <= found.lacking:
            names = others
    members = [by_name[name] for name in names]
    proven = not any(entry.message.endswith(NOT_PROVEN) for entry in found.spread)
    return _selection(measures, pool, members, proven=proven)


NOT_PROVEN = "; not proven to be the best choice, since the limits cross each other or there are too many choices"


def _results(placement: Placement, members: Sequence[Standing], *, proven: bool) -> tuple[SpreadResult, ...]:
    found: list[SpreadResult] = []
    for index, entry in enumerate(placement.spread):
        groups = tuple(sorted({group_of(standing.cluster, entry.by, entry.label_key) for standing in members}))
        missing = max(0, entry.min_groups - len(groups))
        bounds = [f"at least {entry.min_groups}"] if entry.min_groups > 1 or missing else []
        bounds += [f"at most {entry.max_groups}"] if entry.max_groups is not None else []
        message = f"{groups_text(len(groups), entry.by, entry.label_key)} of {' and '.join(bounds) or 'any number'}"
        message += f": {list_text(groups)}" if groups else ""
        found.append(
            SpreadResult(
                constraint=index, groups=groups, missing=missing, message=message + ("" if proven else NOT_PROVEN)
            )
        )
    return tuple(found)
