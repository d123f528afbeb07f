"""Latency: one ConfigMap changed on an idle system, until every member shows it; and what idling costs.

    ./dev bench single --members 3 --changes 100 --kind real

The ceiling is the same change applied straight to all members, seen through the same watches.
"""

import argparse
import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Sequence

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

IDLE_SECONDS = 20


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


async def measure(kind: str, member_count: int, changes: int) -> None:
    async with fleet(kind, member_count) as (members, kubeconfig):
        for namespace in ("raw", "bench"):
            await make_namespace(members, namespace)
        raw = await _raw(members, changes)
        async with running_service(members, kubeconfig) as service:
            channel, stub, token = units_stub(service)
            metadata = (("authorization", f"Bearer {token}"),)
            async with channel:
                sight = Sight(members, "bench")
                ours = []
                async with sight.watching():
                    for index in range(changes + 5):
                        text = f"ours {index} {'x' * 2000}"
                        request = unit_request("single", [config_map("one", namespace="bench", text=text)])
                        start = time.monotonic()
                        await stub.ApplyUnit(request, metadata=metadata, timeout=30)
                        await sight.everywhere(text)
                        ours.append(time.monotonic() - start)
                        await asyncio.sleep(0.05)  # let it fall idle again: that is the case measured
            used = service.usage()
            await asyncio.sleep(IDLE_SECONDS)
            spent = service.usage()
    del ours[:5]  # the first ones make the unit, open connections and fill caches
    idle = (spent.cpu_seconds - used.cpu_seconds) / IDLE_SECONDS
    idle_database = (spent.postgres_cpu_seconds - used.postgres_cpu_seconds) / IDLE_SECONDS
    print(f"single: one ConfigMap changed, until {member_count} {kind} members show it, {changes} times")
    print(f"  raw      p50 {_at(raw, 50):6.1f} ms   p99 {_at(raw, 99):6.1f} ms")
    print(f"  fedsvc   p50 {_at(ours, 50):6.1f} ms   p99 {_at(ours, 99):6.1f} ms")
    print(f"  ratio    p50 {_at(ours, 50) / _at(raw, 50):6.1f}      p99 {_at(ours, 99) / _at(raw, 99):6.1f}")
    print(f"  idle     {idle:.2%} of a core fedsvc + {idle_database:.2%} PostgreSQL, {member_count} members")


async def _raw(members: Sequence[Member], changes: int) -> list[float]:
    sight = Sight(members, "raw")
    took = []
    async with sight.watching():
        for index in range(changes + 5):
            text = f"raw {index} {'x' * 2000}"
            start = time.monotonic()
            await raw_apply(members, [config_map("one", namespace="raw", text=text)])
            await sight.everywhere(text)
            took.append(time.monotonic() - start)
            await asyncio.sleep(0.05)
    return took[5:]


def _at(values: Sequence[float], percentile: int) -> float:
    """Milliseconds at that percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percentile - 1] * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Latency of one change, and the cost of idling.")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--kind", choices=["real", "simulator"], default="real")
    options = parser.parse_args()
    asyncio.run(measure(options.kind, options.members, options.changes))
