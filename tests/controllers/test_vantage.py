"""Probes of the targets of names: what is asked, what an answer means, how fast it is sure."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from fedsvc.controllers.reaching import Reached, reach
from fedsvc.controllers.vantage import Vantage
from fedsvc.naming.gathering import Facts
from fedsvc.naming.reachable import ProbeTarget, probe_targets
from fedsvc.testing.processes import free_ports
from fedsvc_dns.planner import facts
from fedsvc_dns.planner.facts import Outcome
from fedsvc_dns.planner.memory import HealthPolicy, Policy
from fedsvc_dns.planner.zone import DnsSettings, ProbeProtocol, ProbeSettings

NOW = datetime(2026, 11, 27, tzinfo=UTC)
UP = Reached(outcome=Outcome.UP)
DOWN = Reached(outcome=Outcome.DOWN, detail="no")
UNKNOWN = Reached(outcome=Outcome.UNKNOWN)
TARGET = ProbeTarget(
    addresses=("127.0.0.1",),
    port=80,
    protocol=ProbeProtocol.TCP,
    path="/",
    host="",
    interval_seconds=5,
    timeout_seconds=1,
)
KEY = ("web", "a")


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that says one thing; its port, and what it was asked."""
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            if answer:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(answer)
                await writer.drain()
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


@pytest.mark.parametrize(
    ("answer", "outcome", "detail"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", Outcome.UP, ""),
        (b"HTTP/1.1 302 Found\r\n\r\n", Outcome.UP, ""),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", Outcome.DOWN, "answered 503 to GET /health"),
        (b"SSH-2.0-OpenSSH\r\n", Outcome.DOWN, "answered what is no HTTP"),
        (b"x" * 140_000, Outcome.DOWN, "answered what is no HTTP"),
    ],
    ids=["good", "elsewhere", "bad", "other", "endless"],
)
async def test_a_status_of_success_is_asked_for(answer: bytes, outcome: Outcome, detail: str) -> None:
    async with answering(answer) as (port, asked):
        target = replace(TARGET, port=port, protocol=ProbeProtocol.HTTP, path="/health", host="shop.example.org")
        found = await reach(target)
    assert found.outcome is outcome
    assert detail in found.detail
    assert asked[0].startswith(b"GET /health HTTP/1.1\r\nHost: shop.example.org\r\n")


HEALTH = health_pb2.HealthCheckResponse


@pytest.mark.parametrize(
    ("service", "outcome", "detail"),
    [
        ("", Outcome.UP, ""),
        ("shop.v1.Cart", Outcome.UP, ""),
        ("shop.v1.Pay", Outcome.DOWN, "says NOT_SERVING of service shop.v1.Pay"),
        ("shop.v1.Send", Outcome.DOWN, "does not know service shop.v1.Send"),
    ],
)
async def test_grpc_is_asked_by_its_health_service(service: str, outcome: Outcome, detail: str) -> None:
    server, health_servicer = aio.server(), health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await health_servicer.set("shop.v1.Cart", HEALTH.SERVING)
    await health_servicer.set("shop.v1.Pay", HEALTH.NOT_SERVING)
    await server.start()
    try:
        found = await reach(replace(TARGET, port=port, protocol=ProbeProtocol.GRPC, service=service))
    finally:
        await server.stop(None)
    assert found.outcome is outcome
    assert found.detail == (f"GRPC 127.0.0.1 port {port} {detail}" if detail else "")


async def test_a_server_of_grpc_without_health_service_is_told_so() -> None:
    server = aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        found = await reach(replace(TARGET, port=port, protocol=ProbeProtocol.GRPC))
    finally:
        await server.stop(None)
    assert (found.outcome, "has no health service" in found.detail) == (Outcome.DOWN, True)


async def test_what_does_not_speak_grpc_is_down_and_a_refusal_is_told_as_one() -> None:
    async with answering(b"HTTP/1.1 200 OK\r\n\r\n") as (port, _):
        assert (await reach(replace(TARGET, port=port, protocol=ProbeProtocol.GRPC))).outcome is Outcome.DOWN
    (nobody,) = free_ports(1)
    refused = await reach(replace(TARGET, port=nobody, protocol=ProbeProtocol.GRPC))
    assert refused.detail.startswith(f"GRPC 127.0.0.1 port {nobody}: ")


async def test_one_address_that_answers_is_enough_and_a_refusal_is_told() -> None:
    (nobody,) = free_ports(1)
    async with answering(b"") as (port, _):
        assert await reach(replace(TARGET, port=port, addresses=("127.0.0.9", "127.0.0.1"))) == UP
    refused = await reach(replace(TARGET, port=nobody))
    assert refused.outcome is Outcome.DOWN
    assert refused.detail.startswith(f"TCP 127.0.0.1 port {nobody}: ")


async def test_one_that_never_answers_is_down_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_never(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", open_never)
    found = await reach(replace(TARGET, timeout_seconds=0))
    assert found == Reached(outcome=Outcome.DOWN, detail="TCP 127.0.0.1 port 80 did not answer within 0 s")


async def test_a_network_that_cannot_be_reached_from_here_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(*_: Any, **__: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(asyncio, "open_connection", unreachable)
    assert (await reach(TARGET)).outcome is Outcome.UNKNOWN


async def test_what_changes_is_asked_again_each_second_until_it_is_sure() -> None:
    answers = [UP, UP, UP, UP, DOWN, DOWN, UNKNOWN, DOWN, DOWN]
    waits: list[float] = []
    told: list[Outcome] = []
    over = asyncio.Event()

    async def answer(_: ProbeTarget) -> Reached:
        if not answers:
            over.set()
            await asyncio.Event().wait()
        return answers.pop(0)

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    def changed() -> None:
        ((one,),) = vantage.of({KEY: TARGET}, NOW).values()
        told.append(one.outcome)

    vantage = Vantage(changed, policy=HealthPolicy(), reach_target=answer, sleep=sleep)
    assert vantage.of({KEY: TARGET}, NOW)[KEY][0].outcome is Outcome.UNKNOWN
    task = asyncio.create_task(vantage.run(), name="vantage")
    async with asyncio.timeout(5):
        await over.wait()
    ((found,),) = vantage.of({KEY: TARGET}, NOW).values()
    assert (found.outcome, found.streak, found.detail) == (Outcome.DOWN, 4, "no")
    assert [wait > 2 for wait in waits] == [False, False, True, True, False, False, True, True, True]
    assert told == [Outcome.UP, Outcome.UP, Outcome.DOWN, Outcome.DOWN]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_not_wanted_any_more_is_not_asked_and_forgotten() -> None:
    asked: asyncio.Queue[ProbeTarget] = asyncio.Queue()

    async def answer(target: ProbeTarget) -> Reached:
        asked.put_nowait(target)
        return UP

    async def never(_: float) -> None:
        await asyncio.Event().wait()

    vantage = Vantage(lambda: None, policy=HealthPolicy(), reach_target=answer, sleep=never)
    task = asyncio.create_task(vantage.run(), name="vantage")
    other = replace(TARGET, port=81)
    vantage.of({KEY: TARGET, ("web", "b"): TARGET}, NOW)
    assert await asked.get() == TARGET
    vantage.of({KEY: other}, NOW)
    assert await asked.get() == other
    assert asked.empty()
    assert vantage.of({KEY: TARGET}, NOW)[KEY][0].outcome is Outcome.UNKNOWN
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def facts_of(
    service: facts.Service, *addresses: str, ports: tuple[facts.Port, ...] = (), **resolved: tuple[str, ...]
) -> Facts:
    instance = facts.Instance(service="web", cluster="a", addresses=addresses, ports=ports)
    return Facts(
        services=(service,),
        topology=facts.Topology(zones=(), clusters=()),
        observations=facts.Observations(instances=(instance,), resolved=resolved),
        policy=Policy(),
        problems=(),
        zones={},
    )


def service(kind: facts.Kind = facts.Kind.SERVICE, *, hosts: tuple[str, ...] = (), **probe: Any) -> facts.Service:
    settings = DnsSettings(zone="main", hosts=("*.example.org", "shop.example.org"), probe=ProbeSettings(**probe))
    return facts.Service(key="web", kind=kind, namespace="shop", name="web", settings=settings, hosts=hosts)


PORTS = (facts.Port(name="dns", port=53, protocol="UDP"), facts.Port(name="web", port=8080))


@pytest.mark.parametrize(
    ("wanted", "port", "host"),
    [
        (service(), 8080, ""),
        (service(port=9000), 9000, ""),
        (service(protocol=ProbeProtocol.HTTP), 8080, "shop.example.org"),
        (service(facts.Kind.INGRESS, protocol=ProbeProtocol.HTTP, hosts=("www.example.org",)), 80, "www.example.org"),
        (service(facts.Kind.ROUTE, protocol=ProbeProtocol.HTTPS, host="x.example.org"), 443, "x.example.org"),
    ],
)
def test_what_is_not_said_of_a_probe_is_taken_from_the_object(wanted: facts.Service, port: int, host: str) -> None:
    found, problems = probe_targets(facts_of(wanted, "192.0.2.1", "lb.example.com", ports=PORTS), {})
    assert (found[KEY].port, found[KEY].host, found[KEY].addresses) == (port, host, ("192.0.2.1",))
    assert problems == ()


def test_host_names_of_balancers_are_probed_by_their_addresses_and_what_has_no_port_is_told() -> None:
    known = ("192.0.2.7", "2001:db8::7")
    found, _ = probe_targets(facts_of(service(), "balancer", ports=PORTS, balancer=known), {})
    assert found[KEY].addresses == known
    found, problems = probe_targets(facts_of(service(), "192.0.2.1", ports=PORTS[:1]), {})
    assert found == {}
    assert [one.path for one in problems] == ["services[web]"]
    unprobed = replace(service(), settings=DnsSettings(zone="main"))
    assert probe_targets(facts_of(unprobed, "192.0.2.1", ports=PORTS), {}) == ({}, ())
