"""Which of the fitting clusters are taken: the spread constraints on the clusters of one affinity group."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice, takewhile

from fedsvc_placement.eligibility import Standing
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import SpreadResult, Topology, UnitInput
from fedsvc_placement.preferences import Scores
from fedsvc_placement.rooms import Rooms
from fedsvc_placement.spread import Item, Limit, Problem
from fedsvc_placement.spread_solve import pick
from fedsvc_placement.terms import tie_break
from fedsvc_placement.texts import groups_text, list_text

# What a cluster is worth, from its lowest bits: a hash for ties, its score, its tier, whether it holds all replicas.
_TIE_BITS = 32
_SUM_BITS = 16  # room for sums over 65,536 clusters
_SCORE_BITS = 32
_TIER_BITS = 16
_SCORE_SHIFT = _TIE_BITS + _SUM_BITS
_TIER_SHIFT = _SCORE_SHIFT + _SCORE_BITS + _SUM_BITS
_SUFFICES_SHIFT = _TIER_SHIFT + _TIER_BITS + _SUM_BITS
_POINT = 1000

_NOT_PROVEN = "; not proven to be the best choice, since the limits cross each other or there are too many choices"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The clusters there are to choose from."""

    # Fitting clusters, sorted by name.
    standings: Sequence[Standing]
    # Overflow tier of each, from 1; those of the group itself are left out.
    tiers: Mapping[str, int]
    # Those of them that the unit is on, sorted by name.
    bound: tuple[Standing, ...]
    # Names it among the pools of units that ask the same and have the same clusters in it; None where it is its own.
    key: Hashable = None


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
    # Whether no other choice is better for sure.
    proven: bool

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
    fleet: PreparedFleet
    scores: Scores
    # None where room does not count.
    rooms: Rooms | None

    def groups(self) -> tuple[Mapping[str, str], ...]:
        """Return the group of each cluster by name, under each spread constraint."""
        return tuple([self.fleet.groups(entry.by, entry.label_key) for entry in self.unit.placement.spread])

    @property
    def needs(self) -> tuple[int, ...]:
        """Replicas wanted of each workload; none where room does not count."""
        return () if self.rooms is None else self.rooms.needs

    def room(self, name: str) -> tuple[int, ...]:
        """Return how many of these a cluster has room for; none where room does not count."""
        return () if self.rooms is None else self.rooms.room(name)


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
        members = (
            [
                standing
                for standing in pool.standings
                if pool.tiers.get(standing.cluster.name, 0) <= tier or (keep and standing.bound)
            ]
            if pool.tiers
            else pool.standings
        )
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
        return sum(need - room for name in names for need, room in zip(rooms.needs, rooms.room(name), strict=True))
    held = [sum(rooms.room(name)[place] for name in names) for place in range(len(rooms.needs))]
    return sum(max(0, need - room) for need, room in zip(rooms.needs, held, strict=True))


def suffices(rooms: Rooms, name: str) -> bool:
    """Tell whether a cluster has room for all replicas by itself."""
    return rooms.room(name) == rooms.needs


def _select(measures: Measures, pool: Pool, members: Sequence[Standing], *, keep: bool) -> Selection:
    placement, rooms = measures.unit.placement, measures.rooms
    proven = True
    if any(entry.max_groups is not None for entry in placement.spread):
        if not pool.tiers:
            found = _clear_choice(measures, pool, keep=keep)
            if found is not None:
                return found
        by_sum = rooms is not None and not rooms.duplicated
        picked = pick(
            Problem(
                items=_items(measures, pool, members, keep=keep, by_sum=by_sum),
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
        spread=_results(measures, members, proven=proven),
        lacking=lacking(measures.rooms, names),
        proven=proven,
    )


def _clear_choice(measures: Measures, pool: Pool, *, keep: bool) -> Selection | None:
    """Return the best so many clusters, each by itself, where they keep every limit together and have room; else None.

    No other choice is better then: none has more clusters, and the worst of these is better than all others. So it is
    with most units that are placed already, where each cluster would otherwise have to be weighed against all.
    """
    spread, rooms = measures.unit.placement.spread, measures.rooms
    limits = [entry.max_groups for entry in spread if entry.by == Topology.CLUSTER and entry.max_groups is not None]
    if not limits or not 0 < min(limits) < len(pool.standings) or not measures.fleet.nests(spread):
        return None
    members = _best(measures, pool, min(limits), keep=keep)
    if rooms is not None and rooms.duplicated and not all(suffices(rooms, one.cluster.name) for one in members):
        return None
    for entry, by_name in zip(spread, measures.groups(), strict=True):
        groups = len({by_name[standing.cluster.name] for standing in members})
        if groups < entry.min_groups or (entry.max_groups is not None and groups > entry.max_groups):
            return None
    found = _selection(measures, pool, members, proven=True)
    return None if found.lacking else found


def _best(measures: Measures, pool: Pool, most: int, *, keep: bool) -> Sequence[Standing]:
    """Return the best clusters each by itself, sorted by name; ties are looked at where they decide."""

    def rank(standing: Standing) -> tuple[bool, int]:
        return keep and standing.bound, worth(measures.scores.total(standing.cluster.name))

    here = {standing.place for standing in pool.bound}
    others = (standing for standing in _ranked(measures, pool) if standing.place not in here)
    best = sorted([*pool.bound, *islice(others, most)], key=rank, reverse=True)
    last = rank(best[most - 1])
    sure = [standing for standing in best if rank(standing) > last]
    tied = [standing for standing in best if rank(standing) == last]
    tied += takewhile(lambda standing: rank(standing) == last, others)
    if len(sure) + len(tied) > most:
        unit = measures.unit.key
        tied = nsmallest(
            most - len(sure),
            tied,
            key=lambda one: (tie_break(unit, one.cluster.name)[0] >> (64 - _TIE_BITS), one.place),
        )
    return sorted([*sure, *tied], key=lambda standing: standing.place)


def _ranked(measures: Measures, pool: Pool) -> Sequence[Standing]:
    """Return the clusters of a pool from the highest score to the lowest, as they stand with units that are nowhere."""
    points = measures.scores.points
    return points.keep(
        None if pool.key is None else ("ranked", pool.key),
        lambda: sorted(pool.standings, key=lambda one: -worth(points.totals.get(one.cluster.name, 0))),
    )


def _items(
    measures: Measures, pool: Pool, members: Sequence[Standing], *, keep: bool, by_sum: bool
) -> tuple[Item, ...]:
    rooms, by_name = measures.rooms, measures.groups()
    # Of overflow clusters as few as possible, and the lower tiers before the higher.
    last = max(pool.tiers.values(), default=0)
    found: list[Item] = []
    for standing in members:
        name = standing.cluster.name
        tie, _ = tie_break(measures.unit.key, name)
        value = (1 << _TIE_BITS) - 1 - (tie >> (64 - _TIE_BITS))
        value += min(worth(measures.scores.total(name)), (1 << _SCORE_BITS) - 1) << _SCORE_SHIFT
        if last:
            value += (last + 1 - pool.tiers.get(name, 0)) << _TIER_SHIFT
        if rooms is not None and rooms.duplicated and suffices(rooms, name):
            value += 1 << _SUFFICES_SHIFT
        found.append(
            Item(
                groups=tuple([groups[name] for groups in by_name]),
                rooms=rooms.room(name) if rooms is not None and by_sum else (),
                value=value,
                kept=keep and standing.bound,
            )
        )
    return tuple(found)


def _without_spare(measures: Measures, pool: Pool, found: Selection, *, keep: bool) -> Selection:
    """Leave out overflow clusters that nothing would go to: the highest tiers and those with the least room first."""
    rooms = measures.rooms
    if rooms is None:
        return found
    by_name = {standing.cluster.name: standing for standing in pool.standings}
    names = list(found.names)
    order = sorted(found.tiers, key=lambda name: (-found.tiers[name], sum(rooms.room(name)), name))
    for name in order:
        others = [other for other in names if other != name]
        if not (keep and by_name[name].bound) and lacking(rooms, others) <= found.lacking:
            names = others
    members = [by_name[name] for name in names]
    return _selection(measures, pool, members, proven=found.proven)


def _results(measures: Measures, members: Sequence[Standing], *, proven: bool) -> tuple[SpreadResult, ...]:
    found: list[SpreadResult] = []
    for index, (entry, by_name) in enumerate(zip(measures.unit.placement.spread, measures.groups(), strict=True)):
        groups = tuple(sorted({by_name[standing.cluster.name] for standing in members}))
        missing = max(0, entry.min_groups - len(groups))
        bounds = [f"at least {entry.min_groups}"] if entry.min_groups > 1 or missing else []
        bounds += [f"at most {entry.max_groups}"] if entry.max_groups is not None else []
        message = f"{groups_text(len(groups), entry.by, entry.label_key)} of {' and '.join(bounds) or 'any number'}"
        message += f": {list_text(groups)}" if groups else ""
        found.append(
            SpreadResult(
                constraint=index, groups=groups, missing=missing, message=message + ("" if proven else _NOT_PROVEN)
            )
        )
    return tuple(found)
