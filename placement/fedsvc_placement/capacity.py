"""How many replicas clusters have room for."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from fedsvc_placement.model import ClusterSnapshot, Headroom, Learned, NodeShape, WorkloadInput
from fedsvc_placement.topology import group_of

_WHOLE_PPM = 1_000_000


def room_of(
    cluster: ClusterSnapshot,
    workload: WorkloadInput,
    *,
    before: int,
    reserve_ppm: int,
    learned: Sequence[Learned],
    now: datetime,
) -> int | None:
    """Return the replicas of a workload a cluster can hold, those that run there included; None: not known.

    Args:
        cluster: the cluster.
        workload: what is to run there.
        before: replicas that run there already and hence fit.
        reserve_ppm: part of the room that is kept back, in millionths.
        learned: what was seen of replicas that stayed unschedulable.
        now: time of the decision.
    """
    if cluster.capacity is None:
        return None
    seen = [entry for entry in learned if (entry.cluster, entry.workload) == (cluster.name, workload.key)]
    wanted = {**workload.requests, "pods": workload.requests.get("pods", 1)}
    free = sum(shape.count * _fits(shape, wanted) for shape in cluster.capacity.nodes)
    granted = sum(grant.replicas for grant in cluster.capacity.grants)
    room = before + max(0, free * (_WHOLE_PPM - reserve_ppm) // _WHOLE_PPM - granted)
    return min([room, *(max(entry.running, before) for entry in seen if entry.at <= now)])


def reserve_ppm(clusters: Sequence[ClusterSnapshot], headroom: Headroom) -> int:
    """Return the part of each cluster's room, in millionths, that must stay free to bear the loss of any one group."""
    groups: dict[str, int] = {}
    for cluster in clusters:
        nodes = cluster.capacity.nodes if cluster.capacity is not None else ()
        cores = sum(shape.count * shape.allocatable.get("cpu", 0) for shape in nodes)
        group = group_of(cluster, headroom.by, headroom.label_key) or f"\0{cluster.name}"
        groups[group] = groups.get(group, 0) + cores
    whole = sum(groups.values())
    return max(groups.values()) * _WHOLE_PPM // whole if whole else 0


def _fits(shape: NodeShape, wanted: Mapping[str, int]) -> int:
    return min((shape.free.get(resource, 0) // amount for resource, amount in wanted.items() if amount), default=0)
