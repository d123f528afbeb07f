"""What a decision says of every cluster: made by kind of cluster, since most clusters of a fleet are alike."""

from collections.abc import Hashable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from fedsvc_placement.choosing import Choice
from fedsvc_placement.eligibility import Field, Judged, Standing
from fedsvc_placement.groups import tiers_of
from fedsvc_placement.model import ClusterVerdicts, ScorePart, Topology, Verdict, VerdictKind
from fedsvc_placement.refusals import Refusals, refusals_of
from fedsvc_placement.selecting import Measures

_WITHOUT_REPLICAS = Verdict(
    rule="Replicas",
    passed=False,
    reason="NoReplicas",
    message="it could be used, and the division gives it no replicas",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Partition:
    """The clusters of a fleet by kind, for units that ask the same."""

    # Index of the kind of each cluster.
    kind_of: Sequence[int]
    # A cluster of each kind.
    examples: Sequence[Standing]
    # The kinds where neither selecting nor dividing adds anything.
    plain: Sequence[VerdictKind]
    # Places of clusters that fit.
    fitting: frozenset[int]


@dataclass(slots=True, kw_only=True)
class _Kinds:
    """The kinds of one decision."""

    found: list[VerdictKind]
    _known: dict[Hashable, int] = field(default_factory=dict)

    def index(self, judged: Judged, select: Verdict | None, parts: tuple[ScorePart, ...], *, bound: bool) -> int:
        # What is compared by identity is shared by all that are alike.
        key = (id(judged), id(select), parts, bound)
        index = self._known.get(key)
        if index is None:
            index = self._known[key] = len(self.found)
            self.found.append(_kind(judged, select, parts, bound=bound))
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
    points = measures.scores.points
    partition = points.keep(
        ("partition",) if field_.usual else None,
        lambda: _partition(measures, field_.eligibility.unbound if field_.usual else field_.standings, points.parts),
    )
    refusals = refusals_of(measures, choice)
    places, taken = measures.fleet.places, frozenset(choice.selection.names)
    own = {*field_.own, *(places[name] for name in taken - targets)}
    kinds = _Kinds(found=list(partition.plain))
    kind_of = list(partition.kind_of)
    if refusals is not None:
        # Clusters that differ in what selecting looked at, and of which it says the same, are of one kind again.
        kinds = _Kinds(found=[])
        renumbered = [
            kinds.index(
                one.judged, refusals.verdict(one, measures.needs) if plain.fits else None, plain.score, bound=False
            )
            for one, plain in zip(partition.examples, partition.plain, strict=True)
        ]
        kind_of = [renumbered[index] for index in kind_of]
        own.update(places[name] for name in taken)
        if measures.rooms is not None:
            own |= measures.rooms.scarce() & partition.fitting
    for place in sorted(own):
        standing = field_.standings[place]
        name = standing.cluster.name
        select = None
        if standing.judged.fits and name in taken:
            select = _taken(refusals, name) if name in targets else _WITHOUT_REPLICAS
        elif standing.judged.fits and refusals is not None:
            select = refusals.verdict(standing, measures.room(name))
        kind_of[place] = kinds.index(standing.judged, select, measures.scores.parts(name), bound=standing.bound)
    rooms = measures.rooms
    return ClusterVerdicts(
        names=measures.fleet.names,
        kinds=kinds.found,
        kind_of=kind_of,
        workloads=() if rooms is None else tuple([entry.key for entry in rooms.workloads]),
        rooms=() if rooms is None else rooms.all_counted(),
        replicas=replicas,
    )


def _taken(refusals: Refusals | None, name: str) -> Verdict | None:
    return None if refusals is None else refusals.taken(name)


def _kind(judged: Judged, select: Verdict | None, parts: tuple[ScorePart, ...], *, bound: bool) -> VerdictKind:
    return VerdictKind(
        chosen=judged.fits and (select is None or select.passed),
        bound=bound,
        verdicts=judged.verdicts if select is None else (*judged.verdicts, select),
        score=parts,
        fits=judged.fits,
    )


def _partition(
    measures: Measures, standings: Sequence[Standing], parts: Mapping[str, tuple[ScorePart, ...]]
) -> _Partition:
    placement, fleet = measures.unit.placement, measures.fleet
    limits = [entry.max_groups is not None and entry.by != Topology.CLUSTER for entry in placement.spread]
    groups = [by_name for by_name, limited in zip(measures.groups(), limits, strict=True) if limited]
    tiers = [tiers_of(fleet, placement, index) for index in range(len(placement.groups))]
    numbers: dict[Hashable, int] = {}
    examples: list[Standing] = []
    kind_of: list[int] = []
    for standing in standings:
        name, judged = standing.cluster.name, standing.judged
        key: Hashable = id(judged)
        if judged.fits:
            key = (
                id(judged),
                id(parts.get(name)),
                tuple([by_name[name] for by_name in groups]),
                tuple([tier[standing.place] for tier in tiers]),
            )
        index = numbers.setdefault(key, len(numbers))
        if index == len(examples):
            examples.append(standing)
        kind_of.append(index)
    return _Partition(
        kind_of=kind_of,
        examples=examples,
        plain=[_kind(one.judged, None, parts.get(one.cluster.name, ()), bound=False) for one in examples],
        fitting=frozenset(standing.place for standing in standings if standing.judged.fits),
    )
