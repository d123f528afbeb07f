"""Throughput: N ConfigMaps of 2 KiB and N Deployments to M members, against the bare concurrent apply of the same.

    ./dev bench propagate --members 3 --count 1000 --kind real

Prints objects a second of both, their ratio, and what fedsvc and PostgreSQL used. The ceiling is taken before and
after, since the machine is noisy; a ratio is worth what the two ceilings have in common.
"""

import argparse
import asyncio
import time

from bench.fleet import (
    config_map,
    deployment,
    fleet,
    make_namespace,
    raw_apply,
    running_service,
    unit_request,
    units_stub,
)
from fedsvc.v1 import unit_pb2, unit_service_pb2

UNIT_PAIRS = 100  # ConfigMaps and Deployments in a unit


async def measure(kind: str, member_count: int, count: int) -> None:
    async with fleet(kind, member_count) as (members, kubeconfig):
        writes = 2 * count * member_count
        for namespace in ("raw-a", "raw-b", "bench"):
            await make_namespace(members, namespace)
        before = writes / await raw_apply(members, _objects(count, "raw-a"))
        async with running_service(members, kubeconfig) as service:
            channel, stub, token = units_stub(service)
            async with channel:
                metadata = (("authorization", f"Bearer {token}"),)
                objects = _objects(count, "bench")
                size = 2 * UNIT_PAIRS
                requests = [
                    unit_request(f"u{index}", objects[start : start + size])
                    for index, start in enumerate(range(0, len(objects), size))
                ]
                used = service.usage()
                start = time.monotonic()
                await asyncio.gather(*(stub.ApplyUnit(item, metadata=metadata, timeout=120) for item in requests))
                stored = time.monotonic() - start
                pending = {item.unit.name for item in requests}
                while pending:
                    await asyncio.sleep(0.1)
                    for name in sorted(pending):
                        answer = await stub.GetUnitStatus(
                            unit_service_pb2.GetUnitStatusRequest(name=name), metadata=metadata, timeout=60
                        )
                        if not _applied(answer.unit, member_count):
                            break  # not asked more than will do: answers take from what is measured
                        pending.discard(name)
                took = time.monotonic() - start
                spent = service.usage()
        after = writes / await raw_apply(members, _objects(count, "raw-b"))
    ceiling = (before + after) / 2
    rate = writes / took
    cpu = spent.cpu_seconds - used.cpu_seconds
    database_cpu = spent.postgres_cpu_seconds - used.postgres_cpu_seconds
    print(f"propagate: {count} ConfigMaps + {count} Deployments to {member_count} {kind} members = {writes} writes")
    print(f"  raw      {before:8.0f} /s before, {after:.0f} /s after")
    print(f"  fedsvc   {rate:8.0f} /s   ({took:.1f} s; intent stored after {stored:.1f} s)")
    print(f"  ratio    {rate / ceiling:8.2f}   of raw")
    print(f"  CPU      {cpu / writes * 1000:8.2f} s fedsvc + {database_cpu / writes * 1000:.2f} s PostgreSQL per 1,000")
    print(f"  memory   {spent.rss_bytes >> 20:8d} MiB fedsvc + {spent.postgres_rss_bytes >> 20} MiB PostgreSQL")


def _objects(count: int, namespace: str) -> list[dict[str, object]]:
    maps = [config_map(f"c{index}", namespace=namespace) for index in range(count)]
    deployments = [deployment(f"d{index}", namespace=namespace) for index in range(count)]
    return [item for pair in zip(maps, deployments, strict=True) for item in pair]


def _applied(unit: unit_pb2.Unit, member_count: int) -> bool:
    lines = unit.status.clusters
    return len(lines) == member_count and all(
        line.work_count == line.applied_work_count == unit.status.resource_count for line in lines
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Throughput of propagation as a ratio of the bare ceiling.")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000, help="ConfigMaps, and as many Deployments")
    parser.add_argument("--kind", choices=["real", "simulator"], default="real")
    options = parser.parse_args()
    asyncio.run(measure(options.kind, options.members, options.count))
