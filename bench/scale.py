"""A large fleet: how time and memory grow with the works, what it costs idle, how soon a restarted server is steady.

    ./dev bench scale --members 100 --works 100000

Members are the simulator, in one process of its own, which takes most of the processor: what counts here are seconds of
processor time a 1,000 works, and memory. A restarted server is steady when it watches all kinds in all members and has
nothing left to do; that it wrote nothing to members is read from its own count of applies.
"""

import argparse
import asyncio
import time

import aiohttp

from bench.fleet import config_map, deployment, fleet, make_namespace, running_service, unit_request, units_stub
from fedsvc.testing.service import Service, Usage
from fedsvc.v1 import unit_pb2, unit_service_pb2

STEPS = 4
STEP_SECONDS = 900
UNIT_OBJECTS = 100
IDLE_SECONDS = 30
KINDS = 2
STEADY_CPU = 0.25
"""Of a core: below it a server that was just started has read what it needs."""


async def measure(member_count: int, work_count: int) -> None:
    resources = work_count // member_count
    options = ["--no-pod-objects", "--pod-start-seconds", "0.01"]
    async with fleet("simulator", member_count, options=options) as (members, kubeconfig):
        await make_namespace(members, "bench")
        metrics = ("--metrics-listen", "127.0.0.1:0")
        async with running_service(members, kubeconfig, arguments=metrics) as service:
            print(f"scale: {resources} objects to {member_count} simulated members = {resources * member_count} works")
            units = _units(resources)
            for step in range(STEPS):
                await _step(service, units[step::STEPS], member_count)
            await _idle(service)
            await _restart(service, member_count)


def _units(resources: int) -> list[unit_service_pb2.ApplyUnitRequest]:
    objects = [
        make(f"o{index}", namespace="bench")
        for index in range(resources // 2)
        for make in (lambda name, namespace: config_map(name, namespace=namespace, text=name), deployment)
    ]
    return [
        unit_request(f"u{start}", objects[start : start + UNIT_OBJECTS])
        for start in range(0, len(objects), UNIT_OBJECTS)
    ]


async def _step(service: Service, requests: list[unit_service_pb2.ApplyUnitRequest], member_count: int) -> None:
    channel, stub, token = units_stub(service)
    metadata = (("authorization", f"Bearer {token}"),)
    used, start = service.usage(), time.monotonic()
    async with channel:
        for request in requests:
            await stub.ApplyUnit(request, metadata=metadata, timeout=300)
        for request in requests:
            while True:
                asked = unit_service_pb2.GetUnitStatusRequest(name=request.unit.name)
                answer = await stub.GetUnitStatus(asked, metadata=metadata, timeout=60)
                placed = len(answer.unit.status.clusters)
                if answer.unit.status.state == unit_pb2.UNIT_STATE_READY and placed == member_count:
                    break
                if time.monotonic() - start > STEP_SECONDS:
                    # On a busy machine members are too slow for their prober, and get nothing new.
                    raise RuntimeError(f"{request.unit.name} is ready on {placed} of {member_count} members only")
                await asyncio.sleep(0.5)
    took, spent = time.monotonic() - start, service.usage()
    works = sum(len(request.unit.spec.resources) for request in requests) * member_count
    cpu, database = _spent(used, spent)
    print(f"  {works:6} more works after {took:.1f} s")
    print(f"          CPU {cpu / works * 1000:.2f} s fedsvc + {database / works * 1000:.2f} s PostgreSQL per 1,000")
    print(f"          memory {spent.rss_bytes >> 20} MiB + {spent.postgres_rss_bytes >> 20} MiB", flush=True)


async def _idle(service: Service) -> None:
    await asyncio.sleep(5)  # the last summaries
    used = service.usage()
    await asyncio.sleep(IDLE_SECONDS)
    cpu, database = _spent(used, service.usage())
    print(f"  idle    {cpu / IDLE_SECONDS:.1%} of a core fedsvc + {database / IDLE_SECONDS:.1%} PostgreSQL", flush=True)


async def _restart(service: Service, member_count: int) -> None:
    await service.stop()
    start = time.monotonic()
    await service.start()
    serving = time.monotonic() - start
    watched, steady = 0.0, 0.0
    while not steady:
        before = service.usage()
        await asyncio.sleep(1)
        seen = await _metrics(service)
        if not watched and seen.get("fedsvc_watches", 0) >= KINDS * member_count:
            watched = time.monotonic() - start
        cpu, _ = _spent(before, service.usage())
        if watched and not seen.get("fedsvc_queued_works") and cpu < STEADY_CPU:
            steady = time.monotonic() - start - 1
        if time.monotonic() - start > 300:
            raise RuntimeError(f"not steady after 300 s:\n{service.tail()}")
    applies = seen.get("fedsvc_applies_total", 0)
    print(
        f"  restart serves after {serving:.1f} s, watches all after {watched:.1f} s, is steady after {steady:.1f} s;"
        f" {applies:.0f} writes to members, {service.usage().rss_bytes >> 20} MiB",
        flush=True,
    )


async def _metrics(service: Service) -> dict[str, float]:
    """The metrics of the server by name, summed over labels."""
    sums: dict[str, float] = {}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session,
        session.get(f"http://{service.metrics_address}/metrics") as response,
    ):
        for line in (await response.text()).splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                name = name.partition("{")[0]
                sums[name] = sums.get(name, 0.0) + float(value)
    return sums


def _spent(before: Usage, after: Usage) -> tuple[float, float]:
    return after.cpu_seconds - before.cpu_seconds, after.postgres_cpu_seconds - before.postgres_cpu_seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--works", type=int, default=10_000, help="100000 takes a quarter of an hour")
    given = parser.parse_args()
    asyncio.run(measure(given.members, given.works))
