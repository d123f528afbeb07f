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

_WITHOUT_REPLICAS = Verdict(
    rule="Replicas",
    passed=False,
    reason="NoReplicas",
    message="it could be used, and the division gives it no replicas",
)
# So many kinds can be told in a byte for each cluster.
_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class _Class:
    """Clusters of which all the same is said as long as room does not count."""

    judged: Judged
    score: tuple[ScorePart, ...]
    # None where rules refuse them.
    look: Look | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Partition:
    """The clusters of a fleet by class, for units that ask the same."""

    # Index of the class of each cluster.
    class_of: Sequence[int]
    classes: Sequence[_Class]
    # Of each class, the kind where neither selecting nor dividing adds anything.
    plain: Sequence[VerdictKind]
    # Places of clusters that fit, and of those that do not.
    fitting: frozenset[int]
    unfit: Sequence[int]


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
    partition = measures.scores.points.keep(
        ("partition",) if field_.usual else None,
        lambda: _partition(measures, field_.eligibility.unbound if field_.usual else field_.standings),
    )
    refusals = refusals_of(measures, choice)
    rooms, places = measures.rooms, measures.fleet.places
    taken = {places[name] for name in choice.selection.names}
    kept = {places[name] for name in targets}
    kinds = _Kinds(found=list(partition.plain) if refusals is None else [])
    kind_of = list(partition.class_of)
    if refusals is not None:
        # Classes that differ in what selecting looked at, and of which it says the same, are of one kind again.
        kind_of = _with_refusals(kinds, partition, refusals, measures.needs)
        if rooms is not None:
            _tell_scarce(kinds, kind_of, partition, refusals, rooms)
    look_of = looks_of(measures)
    for place in {*field_.own, *(taken if refusals is not None else taken - kept)}:
        standing = field_.standings[place]
        judged, name = standing.judged, standing.cluster.name
        select = None
        if judged.fits:
            if place in taken:
                select = _taken(refusals, name) if place in kept else _WITHOUT_REPLICAS
            elif refusals is not None:
                select = refusals.verdict(look_of(standing), measures.room(name))
        kind_of[place] = kinds.index(judged, select, measures.scores.parts(name), bound=standing.bound)
    return ClusterVerdicts(
        names=measures.fleet.names,
        kinds=kinds.found,
        kind_of=bytes(kind_of) if len(kinds.found) <= _BYTES else kind_of,
        workloads=() if rooms is None else tuple([entry.key for entry in rooms.workloads]),
        rooms=() if rooms is None else _told(rooms, partition, field_),
        replicas=replicas,
    )


def _with_refusals(kinds: _Kinds, partition: _Partition, refusals: Refusals, needs: tuple[int, ...]) -> list[int]:
    """Return the kind of each cluster if none is taken, and each that fits has room for all."""
    numbers = [
        kinds.index(one.judged, None if one.look is None else refusals.verdict(one.look, needs), one.score, bound=False)
        for one in partition.classes
    ]
    if isinstance(partition.class_of, bytes) and len(kinds.found) <= _BYTES:
        return list(partition.class_of.translate(bytes(numbers).ljust(_BYTES)))
    return [numbers[index] for index in partition.class_of]


def _tell_scarce(kinds: _Kinds, kind_of: list[int], partition: _Partition, refusals: Refusals, rooms: Rooms) -> None:
    """Say of clusters with less room than needed what is to be said of these."""
    class_of, columns = partition.class_of, [column.values for column in rooms.columns]
    known: dict[tuple[int | None, ...], int] = {}
    for place in rooms.scarce() & partition.fitting:
        key = (class_of[place], *[values[place] for values in columns])
        index = known.get(key)
        if index is None:
            one = partition.classes[class_of[place]]
            assert one.look is not None, "it fits"
            verdict = refusals.verdict(one.look, rooms.beside(place))
            index = known[key] = kinds.index(one.judged, verdict, one.score, bound=False)
        kind_of[place] = index


def _told(rooms: Rooms, partition: _Partition, field_: Field) -> tuple[Sequence[int | None], ...]:
    """Return the rooms that are told: those of clusters that fit."""
    found = rooms.all_counted()
    unfit = [*partition.unfit, *(place for place, one in field_.own.items() if not one.judged.fits)]
    for values in found:
        for place in unfit:
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


def _partition(measures: Measures, standings: Sequence[Standing]) -> _Partition:
    parts, look_of = measures.scores.points.parts, looks_of(measures)
    numbers: dict[Hashable, int] = {}
    classes: list[_Class] = []
    class_of: list[int] = []
    for standing in standings:
        judged = standing.judged
        look = look_of(standing) if judged.fits else None
        score = parts.get(standing.cluster.name, ())
        index = numbers.setdefault((id(judged), id(score) if judged.fits else 0, look), len(numbers))
        if index == len(classes):
            classes.append(_Class(judged=judged, score=score, look=look))
        class_of.append(index)
    return _Partition(
        class_of=bytes(class_of) if len(classes) <= _BYTES else class_of,
        classes=classes,
        plain=[_kind(one.judged, None, one.score, bound=False) for one in classes],
        fitting=frozenset(standing.place for standing in standings if standing.judged.fits),
        unfit=[standing.place for standing in standings if not standing.judged.fits],
    )
