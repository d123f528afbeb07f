"""A member that is anything but an API server: it costs only itself, and no more than it may."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from fedsvc.members.transport import MAX_CONNECTIONS
from fedsvc.simulator import Faults
from fedsvc.store import clusters

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WORKS = 60


async def silence(_writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def too_long(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100000000000\r\n\r\n")
    await endless(writer)


async def without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)  # it has the processor of the test, too


async def endless(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" " * 65_536)
        await writer.drain()
        await asyncio.sleep(0.01)


@dataclass(kw_only=True)
class Impostor:
    """Answers every request in one way, and counts the connections that are open at once."""

    answering: Answering
    port: int = 0
    most: int = 0
    tasks: set["asyncio.Task[Any]"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        self.most = max(self.most, len(self.tasks))
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ssl.SSLError):
                await reader.readuntil(b"\r\n\r\n")
                await self.answering(writer)
        except asyncio.CancelledError:
            return
        finally:
            self.tasks.discard(task)
            writer.close()


@asynccontextmanager
async def listening(answering: Answering) -> AsyncIterator[Impostor]:
    made = Impostor(answering=answering)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tuple(made.tasks):
            task.cancel()


async def turn(world: Any, endpoint: str) -> None:
    """Make member "b" live at another address."""
    async with world.store.transaction() as tx:
        cluster = await clusters.lock(tx, "b")
        await clusters.update(tx, replace(cluster, connection=replace(cluster.connection, endpoint=endpoint)))


@pytest.mark.parametrize(
    ("answering", "scheme"),
    [
        pytest.param(silence, "http", id="hangs"),
        pytest.param(drip, "http", id="drips"),
        pytest.param(too_long, "http", id="too-long"),
        pytest.param(without_end, "http", id="without-end"),
        pytest.param(silence, "https", id="tls-hangs"),
        pytest.param(endless, "https", id="no-tls"),
    ],
)
async def test_what_is_no_api_server_delays_no_other_and_takes_no_more_than_it_may(
    world: Any, make_config_map: Callable[..., Any], answering: Answering, scheme: str
) -> None:
    await world.apply("first", make_config_map("first"))
    await world.until_work("b", "Applied")
    async with listening(answering) as impostor:
        await turn(world, f"{scheme}://127.0.0.1:{impostor.port}")
        await world.apply("web", *[make_config_map(f"settings-{number}") for number in range(WORKS)])

        async def others_done() -> bool:
            found = [work for work in await world.works("web") if work.cluster != "b"]
            return len(found) == 2 * WORKS and all(work.state == "Applied" for work in found)

        await world.until(others_done, seconds=20)

        async def told() -> bool:
            found = await world.works("web", cluster="b")
            assert not any(work.state == "Applied" for work in found)
            return any(work.state == "Retrying" for work in found)  # others may wait still: it gets ever fewer at once

        await world.until(told, seconds=20)
        at_work = [task for task in asyncio.all_tasks() if task.get_name().startswith("work-")]
        assert len(at_work) <= world.settings.concurrency_max
        assert impostor.most <= MAX_CONNECTIONS + 8  # for work; and for the watches, the probe and discovery

        await turn(world, world.simulator.server_of("b"))
        await world.until_work("b", "Applied", unit="web")


async def test_an_api_group_that_does_not_answer_costs_only_its_own_kinds(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3},
    }
    await world.apply("web", make_config_map())
    await world.until_work("b", "Applied")
    world.member("b").inject(Faults(broken_group="autoscaling"))

    await world.apply("web", make_config_map(a="2"), scaler)

    async def all_but_one() -> bool:
        found = {(work.cluster, work.key.kind): work.state for work in await world.works("web")}
        return [where for where, state in sorted(found.items()) if state != "Applied"] == [
            ("b", "HorizontalPodAutoscaler")
        ]

    await world.until(all_but_one, seconds=20)
    assert (await world.get("b", "/api/v1/namespaces/shop/configmaps/settings"))["data"] == {"a": "2"}
    world.member("b").inject(Faults())
    await world.until(lambda: _all_applied(world), seconds=20)


async def _all_applied(world: Any) -> bool:
    return all(work.state == "Applied" for work in await world.works("web"))


async def test_a_member_that_asks_to_be_left_alone_is_and_the_others_go_on(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("first", make_config_map("first"))
    await world.until_work("b", "Applied")
    received: list[float] = []
    clock = asyncio.get_running_loop().time
    world.member("b").inject(Faults(error_status=429, error_count=1, retry_after_seconds=1))
    world.simulator.listeners.append(lambda write: received.append(clock()) if write.cluster == "b" else None)
    began = clock()

    await world.apply("web", *[make_config_map(f"settings-{number}") for number in range(WORKS)])
    await world.until_work("a", "Applied", unit="web")
    await world.until(lambda: _all_applied(world), seconds=20)

    assert received[-1] - began >= 1.0
