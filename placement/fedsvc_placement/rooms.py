"""How many replicas of a unit's workloads clusters have room for, where a placement asks for that."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from fedsvc_placement.capacity import limited
from fedsvc_placement.columns import Column
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import (
    Learned,
    Memory,
    Mode,
    PreviousBinding,
    ReplicaPolicy,
    Strategy,
    UnitInput,
    WorkloadInput,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What a unit needs, and what clusters have room for."""

    # Sorted by key.
    workloads: tuple[WorkloadInput, ...]
    # Replicas wanted of each workload: over all clusters when divided, in each when duplicated.
    needs: tuple[int, ...]
    # Whether each cluster has to hold all of them by itself.
    duplicated: bool
    # Whether a cluster of which nothing is known has any room, as where shares are fixed; elsewhere it has no more than
    # runs there.
    unknown_fits: bool
    # Of each workload, by place in the fleet: room beside what runs there.
    columns: tuple[Column, ...]
    # Place of each cluster.
    places: Mapping[str, int]
    # Of clusters that differ, by name: the unit runs there, or something was learned. None where nothing is known.
    own: Mapping[str, tuple[int | None, ...]]
    # Replicas there before.
    before: Mapping[str, tuple[int, ...]]
    _capped: dict[str, tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)

    def counted(self, name: str) -> tuple[int | None, ...]:
        """Return the room of a cluster for each workload, those before included, as it is recorded."""
        found = self.own.get(name)
        if found is not None:
            return found
        place = self.places[name]
        return tuple([column.values[place] for column in self.columns])

    def room(self, name: str) -> tuple[int, ...]:
        """Return the replicas of each workload a cluster can have, those before included, not more than needed."""
        found = self._capped.get(name)
        if found is None:
            before = self.before.get(name) or (0,) * len(self.needs)
            found = self._capped[name] = self._within_needs(self.counted(name), before)
        return found

    def beside(self, place: int) -> tuple[int, ...]:
        """Return what `room` does for the cluster at a place where the unit is not and nothing was learned."""
        return self._within_needs([column.values[place] for column in self.columns], (0,) * len(self.needs))

    def _within_needs(self, counts: Sequence[int | None], before: Sequence[int]) -> tuple[int, ...]:
        return tuple(
            [
                min(need if self.unknown_fits else was, need) if count is None else min(count, need)
                for count, need, was in zip(counts, self.needs, before, strict=True)
            ]
        )

    def all_counted(self) -> tuple[list[int | None], ...]:
        """Return for each workload what `counted` says of every cluster, by place."""
        found = tuple([list(column.values) for column in self.columns])
        for name, counts in self.own.items():
            place = self.places[name]
            for values, count in zip(found, counts, strict=True):
                values[place] = count
        return found

    def scarce(self) -> AbstractSet[int]:
        """Return the places of clusters that have too little room where the unit is not; not to be changed."""
        below = [column.below(need) for column, need in zip(self.columns, self.needs, strict=True)]
        found = below[0] if len(below) == 1 else set[int]().union(*below)
        # Of all columns the same clusters are not known.
        return found - self.columns[0].unknown if self.unknown_fits and self.columns[0].unknown else found


def counts_capacity(policy: ReplicaPolicy | None) -> bool:
    """Tell whether replicas go only where there is room for them."""
    if policy is None:
        return False
    if policy.within_capacity is not None:
        return policy.within_capacity
    return policy.mode == Mode.DIVIDED and policy.strategy != Strategy.WEIGHTED


def wanted_replicas(policy: ReplicaPolicy | None, workload: WorkloadInput) -> int:
    """Return how many replicas of a workload are asked for, by the policy or its template."""
    return workload.replicas if policy is None or policy.total is None else policy.total


def rooms_of(
    unit: UnitInput, fleet: PreparedFleet, bindings: Mapping[str, PreviousBinding], *, memory: Memory, now: datetime
) -> Rooms | None:
    """Return the room of clusters for a unit; None where its placement does not ask."""
    policy = unit.placement.replicas
    if policy is None or not counts_capacity(policy) or not unit.workloads:
        return None
    workloads = tuple(sorted(unit.workloads, key=lambda workload: workload.key))
    columns = tuple([fleet.room(workload.requests) for workload in workloads])
    learned: dict[tuple[str, str], list[Learned]] = {}
    for entry in memory.learned:
        learned.setdefault((entry.cluster, entry.workload), []).append(entry)
    before = {
        name: tuple([(binding.replicas or {}).get(workload.key, 0) for workload in workloads])
        for name, binding in bindings.items()
        if name in fleet.places
    }
    differing = {*before, *(entry.cluster for entry in memory.learned if entry.cluster in fleet.places)}
    own: dict[str, tuple[int | None, ...]] = {}
    for name in differing:
        place, there = fleet.places[name], before.get(name) or (0,) * len(workloads)
        counts = [
            None if (beside := column.values[place]) is None else beside + was
            for column, was in zip(columns, there, strict=True)
        ]
        if learned:
            counts = [
                limited(count, learned.get((name, workload.key), ()), now)
                for count, workload in zip(counts, workloads, strict=True)
            ]
        own[name] = tuple(counts)
    return Rooms(
        workloads=workloads,
        needs=tuple([wanted_replicas(policy, workload) for workload in workloads]),
        duplicated=policy.mode == Mode.DUPLICATED,
        unknown_fits=policy.mode == Mode.DUPLICATED or policy.strategy == Strategy.WEIGHTED,
        columns=columns,
        places=fleet.places,
        own=own,
        before=before,
    )
