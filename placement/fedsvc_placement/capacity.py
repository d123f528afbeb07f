"""How many replicas a cluster has room for: node by node, since a pod needs its room on one node, not in the sum.

What is asked of a node besides `requests` (ports, volumes, affinities) is not known here; what is thereby promised too
much stays unschedulable, and is learned.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fedsvc_placement.learning import allowed
from fedsvc_placement.model import (
    Capacity,
    ClusterSnapshot,
    Headroom,
    Learned,
    NodeShape,
    WorkloadInput,
)
from fedsvc_placement.topology import group_of

# Parts are told in millionths.
WHOLE_PPM = 1_000_000

# What a replica takes of each resource, but for those of which it takes nothing.
Demand = Sequence[tuple[str, int]]

_PODS = "pods"
# What headroom is measured on: a rare resource that only one group has would otherwise keep everything back.
_MEASURED = ("cpu", "memory")


def room_of(
    cluster: ClusterSnapshot,
    workload: WorkloadInput,
    *,
    before: int,
    reserve_ppm: int,
    learned: Sequence[Learned],
    now: datetime,
) -> int | None:
    """Return how many replicas of a workload a cluster can hold; None where nothing is known of it.

    Those that are there count as held, whatever the nodes have free: neither head-room nor grants drive them out. Only
    what was learned can make the room smaller than `before`.

    Args:
        cluster: its capacity is looked at.
        workload: what it requests by resource is looked at; what a node does not list, it lacks.
        before: replicas the cluster was given already, running or granted.
        reserve_ppm: part of each node's allocatable that is kept back, in millionths, rounded down to whole units.
        learned: what was learned of any cluster and workload.
        now: time zone aware; what was learned is forgotten by and by.
    """
    capacity = None if cluster.capacity is None else settled(cluster.capacity, reserve_ppm)
    of_it = [entry for entry in learned if entry.cluster == cluster.name and entry.workload == workload.key]
    return room_in(capacity, workload, before=before, learned=of_it, now=now)


def room_in(
    capacity: Capacity | None, workload: WorkloadInput, *, before: int, learned: Sequence[Learned], now: datetime
) -> int | None:
    """Return what `room_of` does, for a capacity that is `settled` and what was learned of its cluster and workload."""
    fits = fitting(capacity, workload.requests)
    return limited(None if fits is None else fits + before, learned, now)


def fitting(capacity: Capacity | None, requests: Mapping[str, int]) -> int | None:
    """Return how many replicas fit onto the nodes beside what is there; None where these are not known."""
    return None if capacity is None else fitting_demand(capacity, demand_of(requests))


def demand_of(requests: Mapping[str, int]) -> Demand:
    """Return what a replica that requests these takes, one of `pods` included."""
    return [(_PODS, 1), *sorted(entry for entry in requests.items() if entry[1] > 0 and entry[0] != _PODS)]


def fitting_demand(capacity: Capacity, demand: Demand) -> int:
    """Return what `fitting` does, for what `demand_of` gave."""
    # As `_fits` counts: this is asked of every cluster in which anything changed, and a call each takes a third more.
    total = 0
    for shape in capacity.nodes:
        free, most = shape.free, -1
        for resource, amount in demand:
            fits = free.get(resource, 0) // amount
            if fits <= 0:
                break
            if most < 0 or fits < most:
                most = fits
        else:
            if most > 0:
                total += shape.count * most
    return total


def limited(room: int | None, learned: Iterable[Learned], now: datetime) -> int | None:
    """Return the room that is left of what the nodes seem to have by what was learned of a cluster and workload."""
    most = room
    for entry in learned:
        limit = allowed(entry, now)
        if limit is not None and (most is None or limit < most):
            most = limit
    return most


def settled(capacity: Capacity, reserve_ppm: int) -> Capacity:
    """Return the nodes as they are once everything granted runs there, without what is kept back.

    Head-room goes first: what is granted uses the same part of the nodes as what is placed now. Grants are fitted
    largest first, each onto the nodes it fits most tightly, filling one after the other. Those that fit nowhere are
    left out: they wait there, and what is as large as they waits too.

    Args:
        capacity: of a cluster.
        reserve_ppm: part of each node's allocatable that is kept back, in millionths, rounded down to whole units.
    """
    if not capacity.grants and not reserve_ppm:
        return capacity
    nodes = [_unreserved(shape, reserve_ppm) for shape in capacity.nodes if shape.count > 0]
    grants = [(demand_of(grant.requests), grant.replicas) for grant in capacity.grants if grant.replicas > 0]
    if len(grants) > 1:
        offered: dict[str, int] = defaultdict(int)
        for shape in capacity.nodes:
            for resource, amount in shape.allocatable.items():
                offered[resource] += shape.count * amount
        grants.sort(key=lambda grant: (-_size(grant[0], offered), grant))
    for demand, replicas in grants:
        nodes = _placed(nodes, demand, replicas)
    return Capacity(nodes=tuple(nodes))


def take(capacity: Capacity, requests: Mapping[str, int], replicas: int) -> Capacity:
    """Return what is left once so many more replicas were placed: the next workload finds their room taken.

    They are fitted as grants are. Where there is head-room, the capacity must be `settled` with it before.
    """
    if replicas <= 0:
        return capacity
    return Capacity(nodes=tuple(_placed(settled(capacity, 0).nodes, demand_of(requests), replicas)))


def reserve_ppm(clusters: Iterable[ClusterSnapshot], headroom: Headroom) -> int:
    """Return the part, in millionths, that each cluster keeps back so that the loss of any one group can be borne.

    With the part g of the whole in the largest group, keeping back g everywhere leaves g (1 - g) of the whole free
    elsewhere: just what ran in that group. Measured on cpu and memory, the larger part of the two, rounded up.
    Clusters that leave, or whose capacity is unknown, are not counted; one that belongs to no group is one by itself.

    Returns 0 where there are fewer than two groups: nothing that is kept back would outlive the loss.

    Raises:
        ValueError: the topology does not exist.
    """
    offered: dict[tuple[bool, str], dict[str, int]] = {}
    for cluster in clusters:
        if cluster.deleting or cluster.capacity is None:
            continue
        name = group_of(cluster, headroom.by, headroom.label_key)
        group = offered.setdefault((True, name) if name else (False, cluster.name), defaultdict(int))
        for shape in cluster.capacity.nodes:
            for resource in _MEASURED:
                group[resource] += shape.count * shape.allocatable.get(resource, 0)
    if len(offered) < 2:
        return 0
    parts = [0]
    for resource in _MEASURED:
        whole = sum(group[resource] for group in offered.values())
        if whole:
            largest = max(group[resource] for group in offered.values())
            parts.append(-(-largest * WHOLE_PPM // whole))
    return max(parts)


def _fits(free: Mapping[str, int], demand: Demand) -> int:
    most: int | None = None
    for resource, amount in demand:
        fits = free.get(resource, 0) // amount
        if fits <= 0:
            return 0
        if most is None or fits < most:
            most = fits
    return most or 0


def _unreserved(shape: NodeShape, kept_ppm: int) -> NodeShape:
    if not kept_ppm:
        return shape
    free = {
        resource: amount - shape.allocatable.get(resource, 0) * kept_ppm // WHOLE_PPM
        for resource, amount in shape.free.items()
    }
    return NodeShape(count=shape.count, allocatable=shape.allocatable, free=free)


def _size(demand: Demand, offered: Mapping[str, int]) -> int:
    """Return the largest part of what the cluster offers that one replica takes, in millionths."""
    return max(amount * WHOLE_PPM // max(1, offered.get(resource, 0)) for resource, amount in demand)


def _placed(nodes: Sequence[NodeShape], demand: Demand, replicas: int) -> list[NodeShape]:
    """Return the nodes after as many of the replicas as fit were placed on them."""
    after = list(nodes)
    sized = [
        (fits, index) for index, shape in enumerate(nodes) if shape.count > 0 and (fits := _fits(shape.free, demand))
    ]
    # The free amounts end ties, so that the sequence of the nodes does not matter.
    sized.sort(key=lambda entry: (entry[0], sorted(nodes[entry[1]].free.items()), nodes[entry[1]].count))
    left = replicas
    for fits, index in sized:
        if left <= 0:
            break
        shape = nodes[index]
        full = min(shape.count, left // fits)
        # Where not all nodes are filled, less is left than fills one.
        rest = left - full * fits if full < shape.count else 0
        left -= full * fits + rest
        partly = 1 if rest else 0
        untouched = shape.count - full - partly
        parts = [_less(shape, count, demand, there) for count, there in ((full, fits), (partly, rest)) if count]
        if untouched:
            parts.append(NodeShape(count=untouched, allocatable=shape.allocatable, free=shape.free))
        after[index] = parts[0]
        after.extend(parts[1:])
    return after


def _less(shape: NodeShape, count: int, demand: Demand, replicas: int) -> NodeShape:
    free = dict(shape.free)
    for resource, amount in demand:
        free[resource] -= replicas * amount
    return NodeShape(count=count, allocatable=shape.allocatable, free=free)
