"""What a decision says of every cluster: made by kind of cluster, since most clusters of a fleet are alike."""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from fedsvc_placement.choosing import Choice
from fedsvc_placement.eligibility import Field, Judged, Standing
from fedsvc_placement.model import ClusterVerdicts, ScorePart, Verdict, VerdictKind
from fedsvc_placement.refusals import Look, Refusals, looks_of, refusals_of
from fedsvc_placement.rooms import Rooms
from fedsvc_placement.selecting import Measures

REPLICAS = "Replicas"

_WITHOUT_REPLICAS = Verdict(
    rule=REPLICAS,
    passed=False,
    reason="NoReplicas",
    message="it could be used, and the division gives it no replicas",
)
# So many kinds can be told in a byte for each cluster.
_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grain:
    """The clusters of a fleet by class, for units that ask the same, wherever others are."""

    # Index of the class of each cluster.
    class_of: Sequence[int]
    # A cluster of each class.
    examples: Sequence[Standing]
    # Places of clusters that fit, and of those that do not.
    fitting: frozenset[int]
    unfit: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """Clusters of which all the same is said as long as room does not count."""

    judged: Judged
    score: tuple[ScorePart, ...]
    # None where rules refuse them.
    look: Look | None
    # What is said where neither selecting nor dividing adds anything.
    plain: VerdictKind


@dataclass(frozen=True, slots=True, kw_only=True)
class _Partition:
    """What is said of the clusters class by class, before any is taken."""

    grain: _Grain
    classes: Sequence[_Class]


@dataclass(slots=True, kw_only=True)
class _Kinds:
    """The kinds of one decision."""

    found: list[VerdictKind] = field(default_factory=list)
    _known: dict[Hashable, int] = field(default_factory=dict)

    def index(self, judged: Judged, select: Verdict | None, score: tuple[ScorePart, ...], *, bound: bool) -> int:
        # What is compared by identity is shared by all that are alike, and held by the kinds.
        key = (id(judged.verdicts), id(select), id(score), bound)
        index = self._known.get(key)
        if index is None:
            index = self._known[key] = len(self.found)
            self.found.append(_kind(judged, select, score, bound=bound))
        return index


def verdicts_of(
    measures: Measures,
    field_: Field,
    choice: Choice,
    targets: AbstractSet[str],
    replicas: Mapping[str, Mapping[str, int]],
) -> ClusterVerdicts:
    """Return what the decision says of every cluster.

    Args:
        measures: by what clusters were compared.
        field_: how they stand.
        choice: what was taken.
        targets: names of the clusters that were taken and stay after dividing.
        replicas: by cluster and workload.
    """
    points, usual = measures.scores.points, field_.usual
    grain = points.lasting.keep(
        ("grain",) if usual else None,
        lambda: _grain(measures, field_.eligibility.unbound if usual else field_.standings),
    )
    partition = points.keep(("partition",) if usual else None, lambda: _partition(measures, grain))
    refusals = refusals_of(measures, choice)
    rooms, places = measures.rooms, measures.fleet.places
    taken = {places[name] for name in choice.selection.names}
    kept = {places[name] for name in targets}
    kinds = _Kinds(found=[one.plain for one in partition.classes] if refusals is None else [])
    kind_of = list(grain.class_of)
    if refusals is not None:
        # Classes that differ in what selecting looked at, and of which it says the same, are of one kind again.
        kind_of = _with_refusals(kinds, partition, refusals, measures.needs)
        if rooms is not None:
            _tell_scarce(kinds, kind_of, partition, refusals, rooms)
    look_of = looks_of(measures)
    known: dict[Hashable, int] = {}
    own = {*field_.own, *(taken - kept)}
    if refusals is not None:
        # What was learned of a cluster holds for this unit alone.
        own |= taken | {places[name] for name in (rooms.own if rooms is not None else ())}
    for place in own:
        standing = field_.standings[place]
        judged, name = standing.judged, standing.cluster.name
        # Without refusals, clusters of a class that were judged alike, taken and kept alike are told alike.
        key = (grain.class_of[place], id(judged), standing.bound, place in taken, place in kept)
        index = known.get(key) if refusals is None else None
        if index is None:
            select = None
            if judged.fits:
                if place in taken:
                    select = _taken(refusals, name) if place in kept else _WITHOUT_REPLICAS
                elif refusals is not None:
                    select = refusals.verdict(look_of(standing), measures.room(name))
            index = kinds.index(judged, select, measures.scores.parts(name), bound=standing.bound)
            known[key] = index
        kind_of[place] = index
    return ClusterVerdicts(
        names=measures.fleet.names,
        kinds=kinds.found,
        kind_of=bytes(kind_of) if len(kinds.found) <= _BYTES else kind_of,
        workloads=() if rooms is None else tuple([entry.key for entry in rooms.workloads]),
        rooms=() if rooms is None else _told(rooms, grain.unfit, field_),
        replicas=replicas,
    )


def _with_refusals(kinds: _Kinds, partition: _Partition, refusals: Refusals, needs: tuple[int, ...]) -> list[int]:
    """Return the kind of each cluster if none is taken, and each that fits has room for all."""
    numbers = [
        kinds.index(one.judged, None if one.look is None else refusals.verdict(one.look, needs), one.score, bound=False)
        for one in partition.classes
    ]
    class_of = partition.grain.class_of
    if isinstance(class_of, bytes) and len(kinds.found) <= _BYTES:
        return list(class_of.translate(bytes(numbers).ljust(_BYTES)))
    return [numbers[index] for index in class_of]


def _tell_scarce(kinds: _Kinds, kind_of: list[int], partition: _Partition, refusals: Refusals, rooms: Rooms) -> None:
    """Say of clusters with less room than needed what is to be said of these."""
    class_of, columns = partition.grain.class_of, [column.values for column in rooms.columns]
    known: dict[tuple[int | None, ...], int] = {}
    for place in rooms.scarce() & partition.grain.fitting:
        key = (class_of[place], *[values[place] for values in columns])
        index = known.get(key)
        if index is None:
            one = partition.classes[class_of[place]]
            assert one.look is not None, "it fits"
            verdict = refusals.verdict(one.look, rooms.beside(place))
            index = known[key] = kinds.index(one.judged, verdict, one.score, bound=False)
        kind_of[place] = index


def _told(rooms: Rooms, unfit: Sequence[int], field_: Field) -> tuple[Sequence[int | None], ...]:
    """Return the rooms that are told: those of clusters that fit."""
    found = rooms.all_counted()
    own = [place for place, one in field_.own.items() if not one.judged.fits]
    for values in found:
        for place in (*unfit, *own):
            values[place] = None
    return found


def _taken(refusals: Refusals | None, name: str) -> Verdict | None:
    return None if refusals is None else refusals.taken(name)


def _kind(judged: Judged, select: Verdict | None, score: tuple[ScorePart, ...], *, bound: bool) -> VerdictKind:
    return VerdictKind(
        chosen=judged.fits and (select is None or select.passed),
        bound=bound,
        rules=judged.verdicts,
        select=select,
        score=score,
    )


def _grain(measures: Measures, standings: Sequence[Standing]) -> _Grain:
    points, look_of = measures.scores.points, looks_of(measures)
    parts, spots = points.lasting.parts, points.spots
    numbers: dict[Hashable, int] = {}
    examples: list[Standing] = []
    class_of: list[int] = []
    for standing in standings:
        key: Hashable = id(standing.judged)
        if standing.judged.fits:
            name, look = standing.cluster.name, look_of(standing)
            key = (key, id(parts.get(name)), spots.get(name), look.tiers, look.groups)
        index = numbers.setdefault(key, len(numbers))
        if index == len(examples):
            examples.append(standing)
        class_of.append(index)
    return _Grain(
        class_of=bytes(class_of) if len(examples) <= _BYTES else class_of,
        examples=examples,
        fitting=frozenset(standing.place for standing in standings if standing.judged.fits),
        unfit=[standing.place for standing in standings if not standing.judged.fits],
    )


def _partition(measures: Measures, grain: _Grain) -> _Partition:
    parts, look_of = measures.scores.points.parts, looks_of(measures)
    classes: list[_Class] = []
    for one in grain.examples:
        judged, score = one.judged, parts.get(one.cluster.name, ())
        plain = _kind(judged, None, score, bound=False)
        classes.append(_Class(judged=judged, score=score, look=look_of(one) if judged.fits else None, plain=plain))
    return _Partition(grain=grain, classes=classes)
