"""Fleets, placements and units to decide on, the same at every run."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from random import Random

from fedsvc_placement import (
    AffinityGroup,
    Capacity,
    ClusterMatcher,
    ClusterPreference,
    ClusterSnapshot,
    Cost,
    FieldRequirement,
    Fleet,
    Grant,
    LabelSelector,
    NodeShape,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Taint,
    UnitAffinity,
    UnitInput,
    UnitMatcher,
    WorkloadInput,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REGIONS = 20
PROVIDERS = ("aws", "azure", "gcp", "site")
ALL = LabelSelector()
PROD = LabelSelector(match_labels=(("tier", "prod"),))

STRATEGIES: Mapping[str, ReplicaPolicy | None] = {
    "no replicas": None,
    "duplicated": ReplicaPolicy(),
    "duplicated in room": ReplicaPolicy(within_capacity=True),
    "weighted": ReplicaPolicy(mode="Divided"),
    "weighted, rules": ReplicaPolicy(
        mode="Divided",
        clusters=(
            ReplicaRule(clusters=ClusterMatcher(selector=PROD), weight=3, min=1, max=40),
            ReplicaRule(weight=1),
        ),
    ),
    "capacity": ReplicaPolicy(mode="Divided", strategy="Capacity"),
    "aggregated": ReplicaPolicy(mode="Divided", strategy="Aggregated"),
    "overflow": ReplicaPolicy(
        mode="Divided",
        strategy="Overflow",
        clusters=(ReplicaRule(clusters=ClusterMatcher(selector=PROD)), ReplicaRule()),
    ),
}

BY_CLUSTER = (SpreadConstraint(by="cluster", min_groups=2, max_groups=3),)
BY_REGION = (
    SpreadConstraint(by="region", min_groups=2, max_groups=3),
    SpreadConstraint(by="cluster", max_groups=4),
)

# The requests of a replica, as workloads come: few sizes, many units.
SIZES: tuple[Mapping[str, int], ...] = (
    {"cpu": 100, "memory": 1 << 27},
    {"cpu": 250, "memory": 1 << 28},
    {"cpu": 500, "memory": 1 << 30},
    {"cpu": 1000, "memory": 1 << 31},
    {"cpu": 2000, "memory": 1 << 33},
)


def cluster(index: int, random: Random) -> ClusterSnapshot:
    """A cluster of three shapes of nodes, with a grant."""
    shapes = tuple(
        NodeShape(
            count=random.randint(1, 40),
            allocatable={"cpu": cores * 1000, "memory": cores << 32, "pods": 110},
            free={
                "cpu": random.randint(0, cores * 1000),
                "memory": random.randint(0, cores << 32),
                "pods": random.randint(0, 110),
            },
        )
        for cores in (4, 16, 64)
    )
    region = index % REGIONS
    return ClusterSnapshot(
        name=f"c{index:05}",
        labels={"tier": "prod" if index % 3 else "dev"},
        provider=PROVIDERS[region % len(PROVIDERS)],
        region=f"r{region}",
        zones=(f"r{region}-{'abc'[index // REGIONS % 3]}",),
        capacity=Capacity(
            nodes=shapes,
            grants=(Grant(requests={"cpu": 500, "memory": 1 << 30}, replicas=random.randint(0, 20)),),
        ),
        cost=Cost(micros_per_core=30_000 + 100 * region, micros_per_gib=4_000),
    )


def fleet_of(count: int) -> Fleet:
    """So many clusters in twenty regions."""
    random = Random(count)  # noqa: S311 a fixed fleet, no secret
    distances = {(f"r{one}", f"r{other}"): 5 + 3 * abs(one - other) for one in range(REGIONS) for other in range(one)}
    return Fleet(clusters=tuple(cluster(index, random) for index in range(count)), distances_ms=distances)


def without_region(fleet: Fleet, region: str) -> Fleet:
    """The fleet once a region is not heard any more: its clusters have a NoExecute taint that nothing tolerates."""
    taint = Taint(key="fedsvc.io/unreachable", effect="NoExecute", time_added=NOW)
    return Fleet(
        clusters=tuple(_tainted(entry, taint) if entry.region == region else entry for entry in fleet.clusters),
        units=fleet.units,
        distances_ms=fleet.distances_ms,
    )


def _tainted(entry: ClusterSnapshot, taint: Taint) -> ClusterSnapshot:
    fields = {name: getattr(entry, name) for name in entry.__slots__}
    return ClusterSnapshot(**{**fields, "taints": (*entry.taints, taint)})


def placements() -> tuple[Placement, ...]:
    """Forty placements as a company has them: spread, room, preferences, groups, neighbours."""
    return (*_spread(), *_regional(), *_grouped(), *_beside())


def _spread() -> Iterator[Placement]:
    near = (ClusterPreference(weight=60, near_regions=("r3", "r11")), ClusterPreference(weight=40, cheap=True))
    for policy in STRATEGIES.values():
        yield Placement(cluster_selector=PROD, spread=BY_CLUSTER, replicas=policy)
        yield Placement(cluster_selector=ALL, spread=BY_REGION, replicas=policy)
        yield Placement(cluster_selector=PROD, spread=BY_REGION, replicas=policy, preferences=near)


def _regional() -> Iterator[Placement]:
    for region, policy in enumerate(STRATEGIES.values()):
        values = (f"r{region}", f"r{region + 5}", f"r{region + 10}")
        fields = (FieldRequirement(field="region", operator="In", values=values),)
        yield Placement(cluster_selector=ALL, fields=fields, replicas=policy)


def _grouped() -> Iterator[Placement]:
    site = ClusterMatcher(fields=(FieldRequirement(field="provider", operator="In", values=("site",)),))
    cloud = ClusterMatcher(fields=(FieldRequirement(field="provider", operator="In", values=("aws", "gcp")),))
    for name in ("weighted", "capacity", "aggregated", "overflow"):
        yield Placement(
            cluster_selector=PROD,
            groups=(AffinityGroup(name="site", clusters=site, overflow=(cloud,)), AffinityGroup(name="any")),
            spread=(SpreadConstraint(by="cluster", max_groups=5),),
            replicas=STRATEGIES[name],
        )


def _beside() -> Iterator[Placement]:
    for name in ("duplicated", "aggregated"):
        for mode in ("Together", "Apart"):
            matcher = UnitMatcher(selector=LabelSelector(match_labels=(("app", "app-7"),)))
            yield Placement(
                cluster_selector=PROD,
                affinities=(UnitAffinity(mode=mode, units=matcher, by="region", weight=50),),
                spread=BY_CLUSTER,
                replicas=STRATEGIES[name],
            )


def units_of(count: int) -> Iterator[UnitInput]:
    """So many units, each with one of the placements and one workload of up to twenty replicas."""
    found = placements()
    for index in range(count):
        replicas = 1 + index * 7 % 20
        yield UnitInput(
            key=f"team-{index % 97}/unit-{index:05}",
            placement=found[index % len(found)],
            labels={"app": f"app-{index % 50}"},
            workloads=(
                WorkloadInput(
                    key=f"apps/Deployment/team-{index % 97}/web", replicas=replicas, requests=SIZES[index % len(SIZES)]
                ),
            ),
        )
