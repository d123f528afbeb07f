"""Decisions by the second on one core, as the fleet grows, and the re-placement of all units when a region is lost.

    ./dev bench placement --seconds 0.2 --clusters 10,100,1000,5000 --units 1000,4000

Every mode is decided under spread constraints and on all clusters there are, for a unit that is placed already, on a
fleet that other units were decided on before (`warm`), and once on a fleet that is not (`cold`). Times are processor
times of this process, so that other work on the machine counts little. `sorts` is the time in those that sorting the
clusters by score takes, in the same run: what no engine that looks at every cluster can go below. `grows` is the
exponent by which time grows with clusters, fitted over all sizes from 100: 1.0 is linear.

The batch decides all units again after the clusters of one of twenty regions got a NoExecute taint, records included.
"""

import argparse
import math
import resource
import time
from collections.abc import Callable, Sequence

import orjson

from bench.placement_cases import ALL, BY_CLUSTER, BY_REGION, NOW, SIZES, STRATEGIES, fleet_of, units_of, without_region
from fedsvc_placement import (
    Decision,
    Fleet,
    Placement,
    PreviousBinding,
    UnitInput,
    WorkloadInput,
    decide,
    prepare_fleet,
    to_record,
)
from fedsvc_placement.batch import Ask, decide_all

LOST = "r7"


def measured(call: Callable[[], object], seconds: float) -> float:
    """Seconds of processor time a call, the best of as many as fit into the time, and at least one."""
    best = math.inf
    end = time.process_time() + seconds
    while True:
        start = time.process_time()
        call()
        now = time.process_time()
        best = min(best, now - start)
        if now >= end:
            return best


def unit_with(placement: Placement) -> UnitInput:
    """The unit that is decided on."""
    return UnitInput(
        key="shop/web",
        placement=placement,
        workloads=(WorkloadInput(key="apps/Deployment/shop/web", replicas=12, requests=SIZES[1]),),
    )


def bindings(decision: Decision) -> tuple[PreviousBinding, ...]:
    """Where a decision put a unit."""
    return tuple(PreviousBinding(cluster=entry.cluster, replicas=entry.replicas) for entry in decision.targets)


def growth(sizes: Sequence[int], times: Sequence[float]) -> str:
    """The slope of the line that fits best through the logarithms."""
    points = [(math.log(size), math.log(one)) for size, one in zip(sizes, times, strict=True) if size >= 100]
    if len(points) < 2:
        return "-"
    x, y = (sum(values) / len(points) for values in zip(*points, strict=True))
    return f"{sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points):.2f}"


def singles(sizes: Sequence[int], seconds: float) -> None:
    """Print single decisions, by mode and spread."""
    fleets = {size: fleet_of(size) for size in sizes}
    sorting = {
        size: measured(lambda: sorted(fleet.clusters, key=lambda one: (one.region, one.name)), seconds / 4)  # noqa: B023
        for size, fleet in fleets.items()
    }
    print("one decision, warm: milliseconds (sorts); cold at the largest size\n")
    print(f"{'':34}" + "".join(f"{size:>16}" for size in sizes) + f"{'grows':>8}{'cold':>10}")
    for name, policy in STRATEGIES.items():
        for title, spread in (("by cluster", BY_CLUSTER), ("by region, cluster", BY_REGION), ("on all", ())):
            unit = unit_with(Placement(cluster_selector=ALL, spread=spread, replicas=policy))
            times = []
            for fleet in fleets.values():
                prepared = prepare_fleet(fleet)
                first = decide(unit, prepared, (), NOW)
                previous = bindings(first)
                decide(unit, prepared, previous, NOW, memory=first.memory)
                times.append(
                    measured(lambda: decide(unit, prepared, previous, NOW, memory=first.memory), seconds)  # noqa: B023
                )
            cold = measured(lambda: decide(unit, prepare_fleet(fleet), (), NOW), 0)  # noqa: B023
            figures = "".join(
                f"{f'{1000 * one:.2f} ({one / sorting[size]:.1f})':>16}" for size, one in zip(sizes, times, strict=True)
            )
            print(f"{name + ' ' + title:34}{figures}{growth(sizes, times):>8}{1000 * cold:>10.1f}", flush=True)


def batch(count: int, clusters: int) -> float:
    """Print how many units a second are decided again once a region is lost; seconds of processor time."""
    fleet = prepare_fleet(fleet_of(clusters))
    units = list(units_of(count))
    first = {decision.unit: decision for decision in decide_all([Ask(unit=unit) for unit in units], fleet, NOW)}
    asks = [Ask(unit=unit, previous=bindings(first[unit.key]), memory=first[unit.key].memory) for unit in units]
    left = Fleet(
        clusters=tuple(fleet.left(cluster)[0] for cluster in fleet.clusters),
        units=tuple(fleet.units_by_key.values()),
        distances_ms=fleet.distances_ms,
    )
    after = without_region(left, LOST)
    moved, size = 0, 0
    deciding = recording = 0.0
    start = time.process_time()
    for decision in decide_all(asks, prepare_fleet(after), NOW):
        deciding += time.process_time() - start
        start = time.process_time()
        size += len(orjson.dumps(to_record(decision)))
        recording += time.process_time() - start
        moved += bool(decision.moves)
        start = time.process_time()
    spent = deciding + recording
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{count:>8} units on {clusters} clusters: {spent:.2f} s ({count / spent:,.0f} a second), of which records"
        f" {recording:.2f} s; {moved} move; {size / count / 1000:.1f} kB a record; peak {peak:.0f} MiB",
        flush=True,
    )
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=0.1, help="processor time for each figure")
    parser.add_argument("--clusters", default="10,100,1000,5000", help="sizes of the fleet, ascending")
    parser.add_argument("--units", default="1000,4000", help="sizes of the batch, ascending; 10000 takes minutes")
    parser.add_argument("--batch-clusters", type=int, default=500, help="clusters of the batch")
    arguments = parser.parse_args()
    singles([int(size) for size in arguments.clusters.split(",")], arguments.seconds)
    print(f"\nall units again, once region {LOST} is lost\n")
    counts = [int(count) for count in arguments.units.split(",")]
    times = [batch(count, arguments.batch_clusters) for count in counts]
    print(f"{'':8} time grows with units by {growth(counts, times)}")


if __name__ == "__main__":
    main()
