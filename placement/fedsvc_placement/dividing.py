"""From the taken clusters to the replicas of each workload: hands the chosen half over to the dividing half."""

from collections.abc import Mapping, Sequence

from fedsvc_placement.eligibility import Standing
from fedsvc_placement.model import Division, PreviousBinding, ReplicaPolicy, UnitInput
from fedsvc_placement.replicas import divide_workload, terms_of

_DUPLICATED = ReplicaPolicy()


def divide_chosen(
    unit: UnitInput, taken: Sequence[Standing], bindings: Mapping[str, PreviousBinding]
) -> tuple[Division, ...]:
    """Divide each workload of a unit to the taken clusters, sorted by name; the divisions are sorted by workload."""
    policy = unit.placement.replicas or _DUPLICATED
    if not unit.workloads:
        return ()
    terms = [
        terms_of(
            policy,
            standing.cluster,
            bindings[standing.cluster.name].replicas if standing.holds and standing.bound else None,
        )
        for standing in taken
    ]
    workloads = sorted(unit.workloads, key=lambda workload: workload.key)
    return tuple(divide_workload(unit.key, workload, policy, terms) for workload in workloads)
