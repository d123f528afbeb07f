"""Planning DNS: 40,000 record sets of 2,000 services, from nothing, again, and when a target or a region changes.

    ./dev bench dns_plan --services 2000

Each service has a global name, names of three regions and of six zones, each with A and AAAA records. Times are
processor times of this process, the best of some. `first` plans with no memory, `again` with nothing new, `target` with
one cluster of one service unready, `region` after most vantages found a region dead; `diff` is the difference of the
zone as it was and as the region's loss leaves it. `changed` counts record sets that are not what they were.
"""

import argparse
import gc
import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from fedsvc_dns.planner.changes import Change, Published, difference
from fedsvc_dns.planner.facts import Cluster, Instance, Kind, Observations, Outcome, Probe, Service, Topology
from fedsvc_dns.planner.memory import Memory, Policy
from fedsvc_dns.planner.plan import Plan, plan
from fedsvc_dns.planner.zone import Budget, DnsSettings, Zone

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
REGIONS = ("asia", "eu", "us")
LOST = "us"
APEX = "example.com."
T = TypeVar("T")
VANTAGES = ("v1", "v2", "v3")


def timed(call: Callable[[], T], seconds: float) -> tuple[float, T]:
    """Seconds of processor time a call, the best of as many as fit into the time, at least one; and what it gave."""
    best = math.inf
    end = time.process_time() + seconds
    while True:
        gc.collect()
        start = time.process_time()
        made = call()
        best = min(best, time.process_time() - start)
        if time.process_time() >= end:
            return best, made


def fleet() -> Topology:
    """Three regions of two clusters in one zone each."""
    return Topology(
        zones=(Zone(name="prod", domain=APEX),),
        clusters=tuple(
            Cluster(name=f"{region}-{number}", region=region, zones=(f"z{number}",))
            for region in REGIONS
            for number in (1, 2)
        ),
    )


def services_of(count: int) -> tuple[Service, ...]:
    """So many services; none has settings of its own."""
    settings = DnsSettings(zone="prod")
    return tuple(
        Service(key=f"shop/s{number}", kind=Kind.SERVICE, namespace="shop", name=f"s{number}", settings=settings)
        for number in range(count)
    )


def seen(services: tuple[Service, ...], topology: Topology, lost: str = "") -> Observations:
    """All services in all clusters, probed from three vantages; in the lost region none is reached."""
    up, down = (
        tuple(Probe(vantage=vantage, outcome=outcome, streak=3, at=NOW) for vantage in VANTAGES)
        for outcome in (Outcome.UP, Outcome.DOWN)
    )
    return Observations(
        instances=tuple(
            Instance(
                service=service.key,
                cluster=cluster.name,
                addresses=(
                    f"10.{place}.{number // 250}.{number % 250 + 1}",
                    f"2001:db8:{place:x}::{number:x}",
                ),
                ready=3,
                probes=down if cluster.region == lost else up,
            )
            for number, service in enumerate(services)
            for place, cluster in enumerate(topology.clusters)
        )
    )


def changed_sets(before: Plan, after: Plan) -> int:
    """How many record sets are not what they were."""
    was = before.zones[APEX]
    return sum(was.get(key) != found for key, found in after.zones[APEX].items())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=2000, help="20 record sets each")
    parser.add_argument("--seconds", type=float, default=3.0, help="of measuring each figure")
    options = parser.parse_args()
    topology, services = fleet(), services_of(options.services)
    all_up, region_lost = seen(services, topology), seen(services, topology, LOST)
    first_instance = all_up.instances[0]
    one_down = replace(all_up, instances=(replace(first_instance, ready=0), *all_up.instances[1:]))

    def planned(observations: Observations, before: Plan | None, at: datetime = NOW) -> Plan:
        memory = Memory() if before is None else before.memory
        return plan(services, topology, observations, Policy(), memory=memory, now=at, previous=before)

    first_seconds, first = timed(lambda: planned(all_up, None), options.seconds)
    print(f"record sets  {len(first.zones[APEX])} of {len(services)} services in {len(topology.clusters)} clusters")
    print(f"first        {first_seconds:.2f} s")
    again_seconds, again = timed(lambda: planned(all_up, first), options.seconds)
    print(f"again        {again_seconds:.2f} s, {changed_sets(first, again)} changed")
    falling = planned(one_down, first)
    one_seconds, one = timed(lambda: planned(one_down, falling, NOW + timedelta(seconds=1)), options.seconds)
    print(f"target       {one_seconds:.2f} s, {changed_sets(first, one)} changed")
    region_seconds, after = timed(lambda: planned(region_lost, first), options.seconds)
    print(f"region       {region_seconds:.2f} s, {changed_sets(first, after)} changed (reach: under 1 s)")
    published = Published(generation=1, sets=first.zones[APEX])
    seconds, change = timed(lambda: difference(after.zones[APEX], published, Budget()), options.seconds)
    assert isinstance(change, Change)
    print(f"diff         {seconds:.2f} s, {len(change.replacements)} to replace")


if __name__ == "__main__":
    main()
