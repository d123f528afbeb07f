"""Latency: one ConfigMap changed on an idle system, until every member shows it; and what idling costs.

    ./dev bench single --members 3 --changes 100 --kind real
    ./dev bench single --members 3 --changes 100 --kind real --during 5000

The ceiling is the same change applied straight to all members, seen through the same watches. With `--during N` another
unit, of N ConfigMaps, is rolled out again and again meanwhile: what is measured is what that costs the one change.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import aiohttp
import orjson

from bench.fleet import (
    Member,
    config_map,
    fleet,
    make_namespace,
    member_session,
    raw_apply,
    running_service,
    unit_request,
    units_stub,
)
from fedsvc.v1 import unit_service_pb2

if TYPE_CHECKING:
    from fedsvc.v1.unit_service_pb2_grpc import UnitServiceAsyncStub

IDLE_SECONDS = 20
WARM_UP = 5  # changes that make the unit, open connections and fill caches

Metadata = tuple[tuple[str, str], ...]


class Sight:
    """Tells when a value is seen in every member."""

    def __init__(self, members: Sequence[Member], namespace: str) -> None:
        self._members = members
        self._namespace = namespace
        self._seen: dict[str, set[str]] = {}
        self._event = asyncio.Event()

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._watch(member)) for member in self._members]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, member: Member) -> None:
        url = f"{member.server}/api/v1/namespaces/{self._namespace}/configmaps?watch=1"
        async with (
            member_session(member) as session,
            session.get(url, timeout=aiohttp.ClientTimeout(total=600)) as response,
        ):
            async for line in response.content:
                text = orjson.loads(line)["object"].get("data", {}).get("text", "")
                self._seen.setdefault(text, set()).add(member.name)
                self._event.set()

    async def everywhere(self, text: str) -> None:
        async with asyncio.timeout(30):
            while len(self._seen.get(text, ())) < len(self._members):
                self._event.clear()
                await self._event.wait()


async def measure(kind: str, member_count: int, changes: int, during: int) -> None:
    async with fleet(kind, member_count) as (members, kubeconfig):
        for namespace in ("raw", "bench", "other"):
            await make_namespace(members, namespace)
        raw = await _raw(members, changes)
        async with running_service(members, kubeconfig) as service:
            channel, stub, token = units_stub(service)
            metadata = (("authorization", f"Bearer {token}"),)
            async with channel:
                sight = Sight(members, "bench")
                ours = []
                rollouts: list[float] = []
                async with sight.watching():
                    for index in range(WARM_UP):
                        await _change(stub, metadata, sight, index)
                    async with _rolling_out(stub, metadata, during, member_count, rollouts):
                        for index in range(WARM_UP, WARM_UP + changes):
                            ours.append(await _change(stub, metadata, sight, index))
                            await asyncio.sleep(0.05)  # let it fall idle again: that is the case measured
            if during:
                _report(f"while a unit of {during} is rolled out", raw, ours, member_count, kind)
                print(f"  rollout  {len(rollouts)} times, in {', '.join(f'{took:.1f} s' for took in rollouts)}")
                return
            used = service.usage()
            await asyncio.sleep(IDLE_SECONDS)
            spent = service.usage()
    idle = (spent.cpu_seconds - used.cpu_seconds) / IDLE_SECONDS
    idle_database = (spent.postgres_cpu_seconds - used.postgres_cpu_seconds) / IDLE_SECONDS
    _report("on an idle system", raw, ours, member_count, kind)
    print(f"  idle     {idle:.2%} of a core fedsvc + {idle_database:.2%} PostgreSQL, {member_count} members")


def _report(when: str, raw: Sequence[float], ours: Sequence[float], member_count: int, kind: str) -> None:
    print(f"single: one ConfigMap changed {when}, until {member_count} {kind} members show it, {len(ours)} times")
    print(f"  raw      p50 {_at(raw, 50):6.1f} ms   p99 {_at(raw, 99):6.1f} ms   (with nothing else)")
    print(f"  fedsvc   p50 {_at(ours, 50):6.1f} ms   p99 {_at(ours, 99):6.1f} ms   max {max(ours) * 1000:.1f} ms")
    print(f"  ratio    p50 {_at(ours, 50) / _at(raw, 50):6.1f}      p99 {_at(ours, 99) / _at(raw, 99):6.1f}")


async def _change(stub: "UnitServiceAsyncStub", metadata: Metadata, sight: Sight, index: int) -> float:
    """Change the one ConfigMap; gives the seconds until all members show it."""
    text = f"ours {index} {'x' * 2000}"
    request = unit_request("single", [config_map("one", namespace="bench", text=text)])
    start = time.monotonic()
    await stub.ApplyUnit(request, metadata=metadata, timeout=30)
    await sight.everywhere(text)
    return time.monotonic() - start


@contextlib.asynccontextmanager
async def _rolling_out(
    stub: "UnitServiceAsyncStub", metadata: Metadata, count: int, member_count: int, took: list[float]
) -> AsyncIterator[None]:
    """Within, a unit of `count` ConfigMaps is changed as a whole whenever all members hold it; `took` gets seconds."""
    if not count:
        yield
        return
    task = asyncio.create_task(_roll_out_for_ever(stub, metadata, count, member_count, took))
    try:
        yield
        if task.done():
            task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _roll_out_for_ever(
    stub: "UnitServiceAsyncStub", metadata: Metadata, count: int, member_count: int, took: list[float]
) -> None:
    turn, writes = 0, count * member_count
    while True:
        # In another namespace: the watch that measures shall not see it.
        maps = [config_map(f"big{index}", namespace="other", text=f"{turn} {'x' * 2000}") for index in range(count)]
        start = time.monotonic()
        revision = (await stub.ApplyUnit(unit_request("big", maps), metadata=metadata, timeout=120)).unit.revision
        while True:
            await asyncio.sleep(0.25)
            request = unit_service_pb2.GetUnitStatusRequest(name="namespaces/bench/units/big")
            unit = (await stub.GetUnitStatus(request, metadata=metadata, timeout=60)).unit
            done = sum(line.applied_work_count for line in unit.status.clusters)
            if unit.status.observed_revision == revision and not unit.status.reconciling and done == writes:
                break
        took.append(time.monotonic() - start)
        turn += 1


async def _raw(members: Sequence[Member], changes: int) -> list[float]:
    sight = Sight(members, "raw")
    took = []
    async with sight.watching():
        for index in range(changes + WARM_UP):
            text = f"raw {index} {'x' * 2000}"
            start = time.monotonic()
            await raw_apply(members, [config_map("one", namespace="raw", text=text)])
            await sight.everywhere(text)
            took.append(time.monotonic() - start)
            await asyncio.sleep(0.05)
    return took[WARM_UP:]


def _at(values: Sequence[float], percentile: int) -> float:
    """Milliseconds at that percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percentile - 1] * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Latency of one change, and the cost of idling.")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--kind", choices=["real", "simulator"], default="real")
    parser.add_argument("--during", type=int, default=0, help="resources of a unit that is rolled out meanwhile")
    options = parser.parse_args()
    asyncio.run(measure(options.kind, options.members, options.changes, options.during))
