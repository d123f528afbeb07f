"""A fleet and requests as they are not: clusters lost or added, replicas multiplied, another placement."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fedsvc_placement.model import ClusterSnapshot, Fleet, Placement, UnitInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Clusters that come, like one that is there: as large, and empty, without its taints, and not leaving."""

    # Name of the cluster they are like.
    like: str
    # How many.
    count: int = 1
    # Their region, empty for that of the cluster they are like.
    region: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supposition:
    """What is supposed to be different."""

    # Names of clusters, regions, zones and providers that are gone; a cluster is gone with all its zones.
    lost_clusters: frozenset[str] = frozenset()
    lost_regions: frozenset[str] = frozenset()
    lost_zones: frozenset[str] = frozenset()
    lost_providers: frozenset[str] = frozenset()
    # Clusters that come.
    added: tuple[Addition, ...] = ()
    # Replicas of all workloads, in percent, rounded up.
    replicas_percent: int = 100
    # In place of each unit's own; None: its own.
    placement: Placement | None = None


def is_lost(supposition: Supposition, cluster: ClusterSnapshot) -> bool:
    """Tell whether a cluster is supposed to be gone."""
    return (
        cluster.name in supposition.lost_clusters
        or cluster.region in supposition.lost_regions
        or cluster.provider in supposition.lost_providers
        or (bool(cluster.zones) and supposition.lost_zones.issuperset(cluster.zones))
    )


def supposed_fleet(fleet: Fleet, supposition: Supposition) -> Fleet:
    """Return the fleet as it is supposed to be.

    Raises:
        ValueError: a cluster is to be added like one that is not there.
    """
    by_name = {cluster.name: cluster for cluster in fleet.clusters}
    added: list[ClusterSnapshot] = []
    for addition in supposition.added:
        like = by_name.get(addition.like)
        if like is None:
            raise ValueError(f"cluster {addition.like!r} is not there")
        taken = {*by_name, *(cluster.name for cluster in added)}
        added.extend(_like(like, addition, taken))
    kept = tuple(cluster for cluster in fleet.clusters if not is_lost(supposition, cluster))
    return replace(fleet, clusters=(*kept, *added))


def supposed_unit(unit: UnitInput, supposition: Supposition) -> UnitInput:
    """Return a unit as it is supposed to ask."""
    percent = supposition.replicas_percent
    placement = supposition.placement or unit.placement
    if percent != 100 and placement.replicas is not None and placement.replicas.total is not None:
        placement = replace(
            placement, replicas=replace(placement.replicas, total=_scaled(placement.replicas.total, percent))
        )
    workloads = tuple(
        replace(
            workload,
            replicas=_scaled(workload.replicas, percent),
            completions=None if workload.completions is None else _scaled(workload.completions, percent),
        )
        for workload in unit.workloads
    )
    return replace(unit, placement=placement, workloads=workloads)


def _like(like: ClusterSnapshot, addition: Addition, taken: Iterable[str]) -> list[ClusterSnapshot]:
    names = set(taken)
    found: list[ClusterSnapshot] = []
    number = 0
    while len(found) < addition.count:
        number += 1
        name = f"{like.name}-new-{number}"
        if name not in names:
            found.append(_empty(_moved(replace(like, name=name), addition.region)))
    return found


def _moved(cluster: ClusterSnapshot, region: str) -> ClusterSnapshot:
    if not region or region == cluster.region:
        return cluster
    labels = {**cluster.labels, "region": region} if cluster.labels.get("region") == cluster.region else cluster.labels
    return replace(cluster, region=region, zones=(), labels=labels)


def _empty(cluster: ClusterSnapshot) -> ClusterSnapshot:
    capacity = cluster.capacity
    if capacity is not None:
        nodes = tuple(replace(shape, free=shape.allocatable) for shape in capacity.nodes)
        capacity = replace(capacity, nodes=nodes, grants=())
    return replace(cluster, taints=(), deleting=False, capacity=capacity)


def _scaled(count: int, percent: int) -> int:
    return -(-count * percent // 100)
