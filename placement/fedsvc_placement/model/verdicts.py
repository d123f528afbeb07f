"""The verdicts on a whole fleet, of which most are the same: kept by kind, and told one by one only when asked for."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload

from fedsvc_placement.model.answer import ClusterVerdict, Decision, ScorePart, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictKind:
    """What is said of many clusters alike; fields as in `ClusterVerdict`."""

    chosen: bool
    bound: bool
    # Of the rules, and of `Select` where it has something to say: many kinds differ in that alone.
    rules: tuple[Verdict, ...]
    select: Verdict | None = None
    score: tuple[ScorePart, ...] = ()

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """All verdicts, that of `Select` last."""
        return self.rules if self.select is None else (*self.rules, self.select)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClusterVerdicts(Sequence[ClusterVerdict]):
    """One `ClusterVerdict` for each cluster, sorted by name; equal to a tuple of the same."""

    # Of the clusters.
    names: tuple[str, ...]
    kinds: Sequence[VerdictKind]
    # Index of the kind of each cluster; bytes where there are few kinds.
    kind_of: Sequence[int]
    # Where room was asked for: keys of workloads, and of each the room of each cluster, None where it is not known, or
    # not told since a rule refuses the cluster.
    workloads: tuple[str, ...] = ()
    rooms: tuple[Sequence[int | None], ...] = ()
    # Replicas by workload, of those that have any.
    replicas: Mapping[str, Mapping[str, int]]
    _made: list[ClusterVerdict] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> ClusterVerdict: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ClusterVerdict, ...]: ...
    def __getitem__(self, index: int | slice) -> ClusterVerdict | tuple[ClusterVerdict, ...]:
        made = self._all()
        return tuple(made[index]) if isinstance(index, slice) else made[index]

    def __iter__(self) -> Iterator[ClusterVerdict]:
        return iter(self._all())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | ClusterVerdicts):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(self.names)

    def of(self, names: Iterable[str]) -> list[ClusterVerdict]:
        """Those on the clusters of these names that there are, sorted by name; no others are made for it."""
        found = []
        for name in sorted(set(names)):
            place = bisect_left(self.names, name)
            if place < len(self.names) and self.names[place] == name:
                index = self.kind_of[place]
                found.append(self._one(place, index, self.kinds[index].verdicts))
        return found

    def _all(self) -> Sequence[ClusterVerdict]:
        if len(self._made) != len(self.names):
            verdicts = [kind.verdicts for kind in self.kinds]
            self._made[:] = [self._one(place, index, verdicts[index]) for place, index in enumerate(self.kind_of)]
        return self._made

    def _one(self, place: int, index: int, verdicts: tuple[Verdict, ...]) -> ClusterVerdict:
        name, kind = self.names[place], self.kinds[index]
        room = {key: values[place] for key, values in zip(self.workloads, self.rooms, strict=True)}
        return ClusterVerdict(
            cluster=name,
            chosen=kind.chosen,
            bound=kind.bound,
            verdicts=verdicts,
            score=kind.score,
            replicas=self.replicas.get(name, {}) if kind.chosen else {},
            room={key: value for key, value in room.items() if value is not None},
        )


def verdicts_of(decision: Decision, names: Iterable[str]) -> Sequence[ClusterVerdict]:
    """What a decision says of the clusters of these names that there are, sorted by name; for that not all are told."""
    if isinstance(decision.clusters, ClusterVerdicts):
        return decision.clusters.of(names)
    wanted = set(names)
    return [one for one in decision.clusters if one.cluster in wanted]
