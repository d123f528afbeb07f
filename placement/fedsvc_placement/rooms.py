"""How many replicas of a unit's workloads clusters have room for, where a placement asks for that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from fedsvc_placement.capacity import room_of
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import (
    ClusterSnapshot,
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
    # Replicas of each workload by cluster, those before included, not more than needed.
    by_cluster: Mapping[str, tuple[int, ...]]
    # The same without that limit, as it is recorded.
    recorded: Mapping[str, Mapping[str, int]]


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
    unit: UnitInput,
    fleet: PreparedFleet,
    clusters: Sequence[ClusterSnapshot],
    bindings: Mapping[str, PreviousBinding],
    *,
    memory: Memory,
    now: datetime,
) -> Rooms | None:
    """Return the room of clusters for a unit; None where its placement does not ask."""
    policy = unit.placement.replicas
    if policy is None or not counts_capacity(policy) or not unit.workloads:
        return None
    workloads = tuple(sorted(unit.workloads, key=lambda workload: workload.key))
    needs = tuple(wanted_replicas(policy, workload) for workload in workloads)
    by_cluster: dict[str, tuple[int, ...]] = {}
    recorded: dict[str, dict[str, int]] = {}
    # A cluster of which nothing is known has any room where shares are fixed, and no more than runs there elsewhere.
    fixed_shares = policy.mode == Mode.DUPLICATED or policy.strategy == Strategy.WEIGHTED
    learned: dict[tuple[str, str], list[Learned]] = {}
    for entry in memory.learned:
        learned.setdefault((entry.cluster, entry.workload), []).append(entry)
    for snapshot in clusters:
        cluster, version = fleet.left(snapshot)
        binding = bindings.get(cluster.name)
        found: list[int] = []
        for workload, need in zip(workloads, needs, strict=True):
            before = (binding.replicas or {}).get(workload.key, 0) if binding is not None else 0
            seen = learned.get((cluster.name, workload.key), ())
            ask = partial(room_of, cluster, workload, before=before, reserve_ppm=0, learned=seen, now=now)
            room = ask() if before or seen else _kept_room(fleet, cluster, version, workload, ask)
            if room is not None:
                recorded.setdefault(cluster.name, {})[workload.key] = room
            unknown = need if fixed_shares else before
            found.append(min(unknown if room is None else room, need))
        by_cluster[cluster.name] = tuple(found)
    return Rooms(
        workloads=workloads,
        needs=needs,
        duplicated=policy.mode == Mode.DUPLICATED,
        by_cluster=by_cluster,
        recorded=recorded,
    )


def _kept_room(
    fleet: PreparedFleet, cluster: ClusterSnapshot, version: int, workload: WorkloadInput, ask: Callable[[], int | None]
) -> int | None:
    """Return the room for a workload of which nothing runs there: the same for all that request the same."""
    requests = frozenset(workload.requests.items())
    return fleet.keep(("room", cluster.name, version, requests, workload.completions is not None), ask)
