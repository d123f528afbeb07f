"""Which of the fitting clusters are taken: the spread constraints on the clusters of one affinity group."""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from operator import sub

from fedsvc_placement.eligibility import Standing
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import SpreadResult, UnitInput
from fedsvc_placement.preferences import Scores
from fedsvc_placement.rooms import Rooms
from fedsvc_placement.spread import Limit, Problem
from fedsvc_placement.spread_solve import pick
from fedsvc_placement.terms import name_number, ties_of
from fedsvc_placement.texts import groups_text, list_text

# What a cluster is worth, from its lowest bits: a hash for ties, its score, its tier, whether it holds all replicas.
_TIE_BITS = 30  # a digit of Python's integers
_SUM_BITS = 16  # room for sums over 65,536 clusters
_SCORE_BITS = 32
_TIER_BITS = 16
_SCORE_SHIFT = _TIE_BITS + _SUM_BITS
_TIER_SHIFT = _SCORE_SHIFT + _SCORE_BITS + _SUM_BITS
_SUFFICES_SHIFT = _TIER_SHIFT + _TIER_BITS + _SUM_BITS
_TIES = (1 << _TIE_BITS) - 1
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
    bound = {standing.place for standing in pool.bound} if keep else frozenset[int]()
    limited = any(entry.max_groups is not None for entry in measures.unit.placement.spread)
    columns = _columns(measures, pool, bound) if limited else None
    for tier in range(max(pool.tiers.values(), default=0) + 1):
        members: Sequence[int] = range(len(pool.standings))
        if pool.tiers:
            tiers = [pool.tiers.get(standing.cluster.name, 0) for standing in pool.standings]
            members = [at for at in members if tiers[at] <= tier or pool.standings[at].place in bound]
        found = _select(measures, pool, members, columns)
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
        return sum([sum(rooms.needs) - sum(rooms.room(name)) for name in names])
    left = list(rooms.needs)
    for name in names:
        # The first few most often have room for all, however many there are.
        if not any(left):
            break
        left = [max(0, need - room) for need, room in zip(left, rooms.room(name), strict=True)]
    return sum(left)


def suffices(rooms: Rooms, name: str) -> bool:
    """Tell whether a cluster has room for all replicas by itself."""
    return rooms.room(name) == rooms.needs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Columns:
    """What choosing looks at, of each cluster of a pool in its order."""

    values: Sequence[int]
    # Under each spread constraint.
    groups: tuple[Sequence[str], ...]
    # Those that are kept before better ones, by place in the pool.
    kept: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usual:
    """What of that is the same for all units that ask the same, wherever they and others are."""

    names: Sequence[str]
    # What stands for the names in ties.
    numbers: Sequence[int]
    # Place in the pool by place in the fleet.
    at: Mapping[int, int]
    # What the tier adds to the value.
    ranks: Sequence[int]
    groups: tuple[Sequence[str], ...]


def _select(measures: Measures, pool: Pool, members: Sequence[int], columns: _Columns | None) -> Selection:
    """Take the best of some members of a pool, given by place in it; all where no limit asks to choose."""
    if columns is None:
        return _selection(measures, pool, members, proven=True)
    rooms, whole = measures.rooms, len(members) == len(pool.standings)
    problem = Problem(
        values=columns.values if whole else [columns.values[at] for at in members],
        groups=columns.groups if whole else tuple([[column[at] for at in members] for column in columns.groups]),
        kept=columns.kept if whole else frozenset([index for index, at in enumerate(members) if at in columns.kept]),
        limits=tuple(
            [Limit(min_groups=one.min_groups, max_groups=one.max_groups) for one in measures.unit.placement.spread]
        ),
    )
    picked = pick(problem)
    found = _selection(measures, pool, [members[index] for index in picked.indexes], proven=picked.proven)
    if rooms is None or rooms.duplicated or not found.lacking:
        return found
    # Most often values alone lead to enough room, and then no choice is better; only where they do not, room is
    # weighed against value.
    held = [rooms.room(pool.standings[at].cluster.name) for at in members]
    picked = pick(replace(problem, needs=rooms.needs, rooms=held))
    return _selection(measures, pool, [members[index] for index in picked.indexes], proven=picked.proven)


def _selection(measures: Measures, pool: Pool, members: Sequence[int], *, proven: bool) -> Selection:
    names = tuple([pool.standings[at].cluster.name for at in members])
    return Selection(
        names=names,
        tiers={name: pool.tiers[name] for name in names if name in pool.tiers} if pool.tiers else {},
        spread=spread_results(measures, names, proven=proven),
        lacking=lacking(measures.rooms, names),
        proven=proven,
    )


def _columns(measures: Measures, pool: Pool, bound: AbstractSet[int]) -> _Columns:
    """Return what choosing looks at; all but ties and room is kept for units that ask the same."""
    scores, key = measures.scores, pool.key
    usual = scores.points.lasting.keep(None if key is None else ("columns", key), lambda: _usual(measures, pool))
    bases = scores.points.keep(None if key is None else ("bases", key), lambda: _bases(scores, usual))
    values = list(map(sub, bases, ties_of(measures.unit.key, usual.numbers, _TIE_BITS)))
    at = usual.at
    if scores.sticky:
        for standing in pool.bound:
            name = standing.cluster.name
            sticks = _worth(scores.total(name)) - _worth(scores.unbiased(name))
            values[at[standing.place]] += sticks << _SCORE_SHIFT
    rooms = measures.rooms
    if rooms is not None and rooms.duplicated:
        scarce, differ = rooms.scarce(), {rooms.places[name] for name in rooms.own}
        for place, index in at.items():
            if suffices(rooms, usual.names[index]) if place in differ else place not in scarce:
                values[index] += 1 << _SUFFICES_SHIFT
    elif rooms is not None and any(rooms.needs):
        # What can hold nothing brings a limit no nearer to what it is for, however well it scores.
        scarce, differ = rooms.scarce(), {rooms.places[name] for name in rooms.own}
        for place, index in at.items():
            if (place in scarce or place in differ) and not any(rooms.room(usual.names[index])):
                tier, tie = values[index] >> _TIER_SHIFT << _TIER_SHIFT, values[index] & _TIES
                values[index] = tier + max(1, tie)
    return _Columns(values=values, groups=usual.groups, kept=frozenset([at[place] for place in bound]))


def _usual(measures: Measures, pool: Pool) -> _Usual:
    names = [standing.cluster.name for standing in pool.standings]
    # Of overflow clusters as few as possible, and the lower tiers before the higher.
    last = max(pool.tiers.values(), default=0)
    return _Usual(
        names=names,
        numbers=[name_number(name) for name in names],
        at={standing.place: index for index, standing in enumerate(pool.standings)},
        ranks=[(last + 1 - pool.tiers.get(name, 0)) << _TIER_SHIFT if last else 0 for name in names],
        groups=tuple([[by_name[name] for name in names] for by_name in measures.groups()]),
    )


def _bases(scores: Scores, usual: _Usual) -> Sequence[int]:
    """Return what clusters are worth without ties and room, to units that are nowhere."""
    ties = (1 << _TIE_BITS) - 1
    totals = scores.points.totals
    worths = {total: (_worth(total) << _SCORE_SHIFT) + ties for total in {0, *totals.values()}}
    return [worths[totals.get(name, 0)] + rank for name, rank in zip(usual.names, usual.ranks, strict=True)]


def _worth(score: int) -> int:
    return min(worth(score), (1 << _SCORE_BITS) - 1)


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
    left = set(names)
    members = [at for at, standing in enumerate(pool.standings) if standing.cluster.name in left]
    return _selection(measures, pool, members, proven=found.proven)


def spread_results(measures: Measures, names: Sequence[str], *, proven: bool) -> tuple[SpreadResult, ...]:
    """Return how clusters stand to the limits of a unit's spread."""
    found: list[SpreadResult] = []
    for index, (entry, by_name) in enumerate(zip(measures.unit.placement.spread, measures.groups(), strict=True)):
        groups = tuple(sorted({by_name[name] for name in names}))
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
