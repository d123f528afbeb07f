"""Decisions by the second on one core: the pure dividing of replicas, and whole decisions, as the fleet grows.

    ./dev bench placement --seconds 0.5 --clusters 10,100,1000,5000

Every cluster has three shapes of nodes and a grant; the unit has one workload of ten replicas a cluster, and runs
already with one replica too many on each third cluster. The last column is the exponent by which time grows with
clusters, from the two largest fleets: 1.0 is linear.
"""

import argparse
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from fedsvc_placement import (
    Capacity,
    ClusterSnapshot,
    Fleet,
    Grant,
    LabelSelector,
    NodeShape,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    UnitInput,
    WorkloadInput,
    decide,
)
from fedsvc_placement.replicas import divide_unit
from fedsvc_placement.terms import Chosen

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WEB = "apps/Deployment/shop/web"
ALL = LabelSelector()

POLICIES = {
    "Duplicated": ReplicaPolicy(),
    "Duplicated, within capacity": ReplicaPolicy(within_capacity=True),
    "Weighted": ReplicaPolicy(mode="Divided"),
    "Weighted, within capacity": ReplicaPolicy(mode="Divided", within_capacity=True),
    "Weighted, steady": ReplicaPolicy(mode="Divided", movement="Steady"),
    "Capacity, fresh": ReplicaPolicy(mode="Divided", strategy="Capacity", movement="Fresh"),
    "Capacity, steady": ReplicaPolicy(mode="Divided", strategy="Capacity"),
    "Aggregated, fresh": ReplicaPolicy(mode="Divided", strategy="Aggregated", movement="Fresh"),
    "Aggregated, steady": ReplicaPolicy(mode="Divided", strategy="Aggregated"),
    "Overflow, steady": ReplicaPolicy(mode="Divided", strategy="Overflow"),
}


def cluster(index: int, random: Random) -> ClusterSnapshot:
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
    grants = (Grant(requests={"cpu": 500, "memory": 1 << 30}, replicas=random.randint(0, 20)),)
    return ClusterSnapshot(
        name=f"c{index:05}",
        labels={"tier": "prod" if index % 2 else "dev"},
        region=f"r{index % 20}",
        capacity=Capacity(nodes=shapes, grants=grants),
    )


def measured(call: Callable[[], object], seconds: float) -> float:
    """Return seconds a call, the best of as many rounds as fit into the time."""
    best = math.inf
    end = time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        call()
        now = time.perf_counter()
        best = min(best, now - start)
        if now >= end:
            return best


def calls(policy: ReplicaPolicy, count: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return dividing alone and the whole decision."""
    random = Random(count)  # noqa: S311 a fixed fleet, no secret
    fleet = [cluster(index, random) for index in range(count)]
    unit = UnitInput(
        key="shop/web",
        placement=Placement(cluster_selector=ALL, replicas=policy),
        workloads=(WorkloadInput(key=WEB, replicas=10 * count, requests={"cpu": 250, "memory": 1 << 28}),),
    )
    running = [{WEB: 11 if index % 3 == 0 else 9} for index in range(count)]
    chosen = [
        Chosen(cluster=one, bound=True, before=there, held=False) for one, there in zip(fleet, running, strict=True)
    ]
    previous = [PreviousBinding(cluster=one.name, replicas=there) for one, there in zip(fleet, running, strict=True)]
    return (
        lambda: divide_unit(unit, chosen, learned=(), reserve_ppm=100_000, now=NOW),
        lambda: decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.5, help="time for each figure")
    parser.add_argument("--clusters", default="10,100,1000,5000", help="sizes of the fleet, ascending")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.clusters.split(",")]
    for title, which in (("dividing alone", 0), ("whole decisions", 1)):
        print(f"\n{title}, per second on one core (milliseconds each)\n")
        print(f"{'':28}" + "".join(f"{f'{size} clusters':>22}" for size in sizes) + f"{'grows by':>10}")
        for name, policy in POLICIES.items():
            times = [measured(calls(policy, size)[which], arguments.seconds) for size in sizes]
            figures = "".join(f"{f'{1 / one:,.0f} ({one * 1000:,.2f})':>22}" for one in times)
            print(f"{name:28}{figures}{growth(sizes, times):>10}", flush=True)


def growth(sizes: list[int], times: list[float]) -> str:
    if len(sizes) < 2:
        return "-"
    return f"{math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2]):.2f}"


if __name__ == "__main__":
    main()
