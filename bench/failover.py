"""Failover: one of several members is lost; how long until every unit that ran there is applied elsewhere.

    ./dev bench failover --units 1000
    ./dev bench failover --kind real --units 100 --how killed
    ./dev bench failover --kind real --units 100 --how frozen --toleration 30
    ./dev bench failover --kind real --units 100 --toleration 1 --detect 5

Each unit has one Deployment and runs on one member. Time begins when the API server is lost, and what is seen of the
others is seen through watches of their own. Phases are told by the history of failovers: until the first bad finding,
until the verdict, until the decision (the toleration of the units included), until all is applied. The ceiling is the
same Deployments applied to the same members, concurrently, and nothing else.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
import orjson
from google.protobuf.timestamp_pb2 import Timestamp

from bench.fleet import (
    Member,
    deployment,
    fleet,
    make_namespace,
    member_session,
    raw_apply,
    running_service,
    units_stub,
)
from fedsvc.testing.control_plane import control_planes, write_kubeconfig
from fedsvc.v1 import (
    automation_pb2,
    automation_service_pb2,
    automation_service_pb2_grpc,
    common_pb2,
    placement_pb2,
    unit_pb2,
    unit_service_pb2,
)

APPLYING = 16  # units that are applied at once
WAIT_SECONDS = 300.0
PAGE = 1_000

Lose = Callable[[str], Awaitable[None]]
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Members, and how one of them is lost."""

    members: list[Member]
    kubeconfig: Path
    lose: Lose


@contextlib.asynccontextmanager
async def losable(kind: str, count: int, how: str) -> AsyncIterator[Fleet]:
    """Members of which one can be killed or frozen."""
    if kind == "simulator":
        async with fleet(kind, count) as (members, kubeconfig):

            async def inject(name: str) -> None:
                root = members[0].server.rpartition("/clusters/")[0]
                faults = {"outage": "refused" if how == "killed" else "black-hole"}
                async with (
                    aiohttp.ClientSession() as session,
                    session.patch(f"{root}/_simulator/clusters/{name}/faults", json=faults) as answer,
                ):
                    answer.raise_for_status()

            yield Fleet(members=members, kubeconfig=kubeconfig, lose=inject)
        return
    names = [f"m{index}" for index in range(count)]
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as folder:
        directory = Path(folder)
        async with control_planes(names, directory=directory, controller_manager=False) as planes:
            write_kubeconfig(planes, directory / "kubeconfig")
            by_name = {plane.name: plane for plane in planes}

            async def lose(name: str) -> None:
                if how == "killed":
                    await by_name[name].kill_apiserver()
                else:
                    by_name[name].suspend_apiserver()

            yield Fleet(
                members=[
                    Member(name=plane.name, server=plane.server, token=plane.token, ssl_context=plane.ssl_context())
                    for plane in planes
                ],
                kubeconfig=directory / "kubeconfig",
                lose=lose,
            )


class Sight:
    """When each Deployment of a namespace came to each member."""

    def __init__(self, members: Sequence[Member], namespace: str) -> None:
        self._members = members
        self._namespace = namespace
        self.seen: dict[str, dict[str, float]] = {member.name: {} for member in members}
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
        url = f"{member.server}/apis/apps/v1/namespaces/{self._namespace}/deployments?watch=1"
        timeout = aiohttp.ClientTimeout(total=3_600)
        async with member_session(member) as session, session.get(url, timeout=timeout) as response:
            async for line in response.content:
                event = orjson.loads(line)
                if event["type"] == "ADDED":
                    self.seen[member.name].setdefault(event["object"]["metadata"]["name"], time.monotonic())
                    self._event.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not is_so():
                self._event.clear()
                await self._event.wait()


def _request(name: str, toleration_seconds: int | None) -> unit_service_pb2.ApplyUnitRequest:
    spread = placement_pb2.SpreadConstraint(max_groups=1)
    failover = unit_pb2.FailoverPolicy()
    if toleration_seconds is not None:
        failover.toleration_seconds = toleration_seconds
    return unit_service_pb2.ApplyUnitRequest(
        unit=unit_pb2.Unit(
            name=f"namespaces/bench/units/{name}",
            spec=unit_pb2.UnitSpec(
                placement=placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector(), spread=[spread]),
                failover=failover,
                resources=[common_pb2.Manifest(json=orjson.dumps(deployment(name, namespace="bench")))],
            ),
        )
    )


async def measure(
    kind: str, member_count: int, unit_count: int, *, how: str, toleration_seconds: int | None, detect_seconds: float
) -> None:
    async with losable(kind, member_count, how) as found:
        for namespace in ("raw", "bench"):
            await make_namespace(found.members, namespace)
        detection = ("--detect-seconds", str(detect_seconds))
        async with running_service(found.members, found.kubeconfig, arguments=detection) as service:
            channel, stub, token = units_stub(service)
            metadata: Metadata = (("authorization", f"Bearer {token}"),)
            async with channel:
                names = iter([f"u{number}" for number in range(unit_count)])

                async def apply() -> None:
                    for name in names:
                        await stub.ApplyUnit(_request(name, toleration_seconds), metadata=metadata, timeout=60)

                sight = Sight(found.members, "bench")
                async with sight.watching():
                    await asyncio.gather(*(apply() for _ in range(APPLYING)))
                    await sight.until(lambda: sum(map(len, sight.seen.values())) >= unit_count)
                    lost = max(sight.seen, key=lambda name: (len(sight.seen[name]), name))
                    moved = set(sight.seen[lost])
                    others = [member for member in found.members if member.name != lost]
                    await asyncio.sleep(10.0)  # all is quiet, and looked at in its own time again
                    spent = service.usage()
                    began, begin = time.time(), time.monotonic()
                    await found.lose(lost)
                    await sight.until(lambda: moved <= {name for one in others for name in sight.seen[one.name]})
                    used = service.usage()
                    times = sorted(
                        sight.seen[one.name][name] - begin
                        for one in others
                        for name in moved & set(sight.seen[one.name])
                    )
                    history = await _history(channel, metadata, len(moved))
        # The ceiling last: by then nobody else asks the members for anything.
        shares = [
            [deployment(name, namespace="raw") for name in moved if name in sight.seen[one.name]] for one in others
        ]
        begin = time.monotonic()
        await asyncio.gather(*(raw_apply([one], share) for one, share in zip(others, shares, strict=True)))
        raw = time.monotonic() - begin
    toleration = 30 if toleration_seconds is None else toleration_seconds
    print(f"failover: {len(moved)} of {unit_count} units ran on one of {member_count} {kind} members that was {how}")
    print(f"  detection                 {detect_seconds:g} s")
    print(f"  lost → first bad finding  {_span(history, began, 'trouble_time')}")
    print(f"  lost → Unreachable        {_span(history, began, 'detect_time')}")
    print(f"  lost → decided            {_span(history, began, 'decide_time')}   (toleration {toleration} s)")
    first, half, last = times[0], statistics.median(times), times[-1]
    print(f"  lost → seen elsewhere     {first:6.2f} s first {last:8.2f} s last, half of them {half:.2f} s")
    over = min(_seconds(entry.detect_time) for entry in history) - began + toleration
    decided = min(_seconds(entry.decide_time) for entry in history) - began
    print(f"  toleration over → last    {last - over:6.2f} s; from the first decision {last - decided:.2f} s")
    print(f"  raw                       {raw:6.2f} s for the same Deployments: {raw / (last - over):.0%}")
    cpu, postgres = used.cpu_seconds - spent.cpu_seconds, used.postgres_cpu_seconds - spent.postgres_cpu_seconds
    print(f"  processor                 {cpu:6.2f} s fedsvc + {postgres:.2f} s PostgreSQL")


async def _history(channel: grpc.aio.Channel, metadata: Metadata, count: int) -> list[automation_pb2.Failover]:
    """The failovers, once all of them are noted to be applied."""
    stub = automation_service_pb2_grpc.AutomationServiceStub(channel)
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            found: list[automation_pb2.Failover] = []
            token = ""
            while not found or token:
                request = automation_service_pb2.ListFailoversRequest(page_size=PAGE, page_token=token)
                answer = await stub.ListFailovers(request, metadata=metadata, timeout=60)
                found += answer.failovers
                token = answer.next_page_token
            if len(found) >= count and all(entry.HasField("place_time") for entry in found):
                return found
            await asyncio.sleep(0.5)


def _span(history: Sequence[automation_pb2.Failover], began: float, field: str) -> str:
    times = sorted(_seconds(getattr(entry, field)) - began for entry in history)
    return f"{times[0]:6.2f} s first {times[-1]:8.2f} s last"


def _seconds(time_of: Timestamp) -> float:
    return time_of.ToNanoseconds() / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--kind", choices=["real", "simulator"], default="simulator")
    parser.add_argument("--how", choices=["killed", "frozen"], default="killed")
    parser.add_argument("--toleration", type=int, help="seconds; without: the default of units")
    parser.add_argument("--detect", type=float, default=20.0, help="fedsvc serve --detect-seconds")
    options = parser.parse_args()
    asyncio.run(
        measure(
            options.kind,
            options.members,
            options.units,
            how=options.how,
            toleration_seconds=options.toleration,
            detect_seconds=options.detect,
        )
    )
