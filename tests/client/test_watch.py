import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from fedsvc.v1 import common_pb2, unit_pb2, watch_service_pb2
from fedsvc_client import (
    AsyncClient,
    FedsvcError,
    Kind,
    NotFoundError,
    Resynced,
    Synced,
    UnauthenticatedError,
    UnavailableError,
    WaitTimeoutError,
    WatchItem,
)
from fedsvc_client.testing import FakeServer, RefusalError

Code = grpc.StatusCode
Response = watch_service_pb2.WatchResponse


def upsert(name: str, **status: Any) -> watch_service_pb2.WatchChange:
    unit = unit_pb2.Unit(name=f"namespaces/a/units/{name}", revision=1, status=unit_pb2.UnitStatus(**status))
    return watch_service_pb2.WatchChange(
        type=watch_service_pb2.CHANGE_TYPE_UPSERTED, name=unit.name, unit=unit, kind=watch_service_pb2.WATCH_KIND_UNIT
    )


def deleted(name: str) -> watch_service_pb2.WatchChange:
    return watch_service_pb2.WatchChange(
        type=watch_service_pb2.CHANGE_TYPE_DELETED,
        name=f"namespaces/a/units/{name}",
        kind=watch_service_pb2.WATCH_KIND_UNIT,
    )


def condition(kind: str, status: common_pb2.ConditionStatus.ValueType, message: str = "") -> common_pb2.Condition:
    return common_pb2.Condition(type=kind, status=status, message=message)


def word(item: WatchItem) -> str:
    if isinstance(item, Synced):
        return "synced"
    if isinstance(item, Resynced):
        return "resynced"
    return item.name.rsplit("/", 1)[-1]


class Streams:
    """One script a connection: messages, then an error or the end; the last one stays open."""

    def __init__(self, *scripts: list[Response | RefusalError]) -> None:
        self.scripts = list(scripts)
        self.done = threading.Event()

    def __call__(self, _: Any) -> Iterator[Response]:
        script = self.scripts.pop(0)
        for step in script:
            if isinstance(step, RefusalError):
                raise step
            yield step
        if not self.scripts:
            self.done.wait(20)


async def take(client: AsyncClient, count: int, **arguments: Any) -> list[str]:
    async with client.watch(Kind.UNIT, **arguments) as watch:
        return [word(await anext(watch)) for _ in range(count)]


async def test_a_watch_yields_what_is_there_then_the_changes(server: FakeServer, client: AsyncClient) -> None:
    streams = Streams(
        [
            Response(changes=[upsert("x"), upsert("y")]),
            Response(initial_state_complete=True, resume_token="1"),
            Response(changes=[upsert("z")], resume_token="2"),
        ]
    )
    server.on("Watch", streams)
    async with client.watch(Kind.UNIT, Kind.CLUSTER, namespace="a", label_selector="k=v") as watch:
        assert [word(await anext(watch)) for _ in range(2)] == ["x", "y"]
        assert watch.resume_token == ""
        assert [word(await anext(watch)) for _ in range(2)] == ["synced", "z"]
        assert watch.resume_token == "2"
    streams.done.set()
    request = server.requests("Watch")[0]
    assert list(request.kinds) == [watch_service_pb2.WATCH_KIND_UNIT, watch_service_pb2.WATCH_KIND_CLUSTER]
    assert (request.namespace, request.label_selector, request.send_initial_state) == ("a", "k=v", True)


@pytest.mark.parametrize(
    "cut",
    [
        [RefusalError(Code.UNAVAILABLE, "DRAINING", "stopping")],
        [RefusalError(Code.RESOURCE_EXHAUSTED, "WATCH_TOO_SLOW", "slow")],
        [],
    ],
    ids=["drained", "slow", "ended"],
)
async def test_a_cut_watch_goes_on_from_its_token(
    server: FakeServer, client: AsyncClient, cut: list[Response | RefusalError]
) -> None:
    first: list[Response | RefusalError] = [Response(initial_state_complete=True, resume_token="1"), *cut]
    streams = Streams(first, [Response(changes=[upsert("x")], resume_token="2")])
    server.on("Watch", streams)
    assert await take(client, 2) == ["synced", "x"]
    streams.done.set()
    second = server.requests("Watch")[1]
    assert (second.resume_token, second.send_initial_state) == ("1", False)


async def test_a_watch_that_is_cut_while_the_first_state_comes_starts_over(
    server: FakeServer, client: AsyncClient
) -> None:
    streams = Streams(
        [Response(changes=[upsert("x")], resume_token="1"), RefusalError(Code.UNAVAILABLE, "DRAINING", "")],
        [Response(changes=[upsert("x")]), Response(initial_state_complete=True, resume_token="2")],
    )
    server.on("Watch", streams)
    assert await take(client, 4) == ["x", "resynced", "x", "synced"]
    streams.done.set()
    assert [request.resume_token for request in server.requests("Watch")] == ["", ""]


async def test_an_expired_token_brings_all_of_it_again(server: FakeServer, client: AsyncClient) -> None:
    streams = Streams(
        [RefusalError(Code.OUT_OF_RANGE, "RESUME_TOKEN_EXPIRED", "too old")],
        [Response(changes=[upsert("x")], initial_state_complete=True, resume_token="9")],
    )
    server.on("Watch", streams)
    assert await take(client, 3, resume_token="1") == ["resynced", "x", "synced"]
    streams.done.set()
    first, second = server.requests("Watch")
    assert (first.resume_token, first.send_initial_state) == ("1", False)
    assert (second.resume_token, second.send_initial_state) == ("", True)


async def test_other_errors_end_a_watch(server: FakeServer, client: AsyncClient) -> None:
    server.on("Watch", Streams([RefusalError(Code.UNAUTHENTICATED, "UNAUTHENTICATED", "who?")], []))
    with pytest.raises(UnauthenticatedError, match=r"who\?"):
        await take(client, 1)


async def test_a_server_that_never_answered_ends_a_watch(server: FakeServer, client: AsyncClient) -> None:
    away: list[Response | RefusalError] = [RefusalError(Code.UNAVAILABLE, "DRAINING", "away")]
    server.on("Watch", Streams(*[away] * 9))
    with pytest.raises(UnavailableError, match="away"):
        await take(client, 1)
    assert len(server.requests("Watch")) == 4


TRUE, FALSE = common_pb2.CONDITION_STATUS_TRUE, common_pb2.CONDITION_STATUS_FALSE


async def test_waiting_ends_when_the_condition_holds_for_the_newest_revision(
    server: FakeServer, client: AsyncClient
) -> None:
    streams = Streams(
        [
            Response(changes=[upsert("x", conditions=[condition("Ready", TRUE)], observed_revision=0)]),
            Response(initial_state_complete=True, resume_token="1"),
            Response(changes=[upsert("x", conditions=[condition("Ready", FALSE)], observed_revision=1)]),
            Response(changes=[upsert("x", conditions=[condition("Ready", TRUE)], observed_revision=1)]),
        ]
    )
    server.on("Watch", streams)
    unit = await client.units.wait_for("a/x", "ready", timeout_seconds=10)
    streams.done.set()
    assert unit is not None
    assert unit.status.observed_revision == 1
    assert server.requests("Watch")[0].name == "namespaces/a/units/x"


async def test_waiting_for_a_unit_that_is_not_there_is_an_error(server: FakeServer, client: AsyncClient) -> None:
    streams = Streams([Response(initial_state_complete=True, resume_token="1")])
    server.on("Watch", streams)
    with pytest.raises(NotFoundError):
        await client.units.wait_for("a/x", "applied", timeout_seconds=10)
    streams.done.set()


async def test_waiting_for_deletion_ends_when_the_unit_is_gone(server: FakeServer, client: AsyncClient) -> None:
    streams = Streams(
        [
            Response(changes=[upsert("x")], initial_state_complete=True),
            Response(changes=[deleted("x")], resume_token="2"),
        ]
    )
    server.on("Watch", streams)
    assert await client.units.wait_for("a/x", "deleted", timeout_seconds=10) is None
    streams.done.set()


async def test_waiting_in_vain_tells_where_the_unit_stands(server: FakeServer, client: AsyncClient) -> None:
    status = {"state": unit_pb2.UNIT_STATE_UNPLACED, "conditions": [condition("Placed", FALSE, "no cluster matches")]}
    streams = Streams([Response(changes=[upsert("x", **status)], initial_state_complete=True)])
    server.on("Watch", streams)
    with pytest.raises(WaitTimeoutError, match="it is Unplaced; Placed: no cluster matches"):
        await client.units.wait_for("a/x", "ready", timeout_seconds=0.5)
    streams.done.set()


def on_cluster(name: str, message: str, reason: str = "AddressPending", applied: int = 2) -> unit_pb2.UnitClusterStatus:
    return unit_pb2.UnitClusterStatus(
        cluster=name, message=message, reason=reason, work_count=2, applied_work_count=applied
    )


async def test_who_waits_is_told_what_is_lacking_whenever_that_changes(server: FakeServer, client: AsyncClient) -> None:
    def lacking(*lines: unit_pb2.UnitClusterStatus, **status: Any) -> Response:
        state = unit_pb2.UNIT_STATE_PROGRESSING
        return Response(changes=[upsert("x", clusters=lines, state=state, observed_revision=1, **status)])

    eu, us = on_cluster("eu", "v1 Service a/web: no address yet"), on_cluster("us", "v1 Service a/web: no address yet")
    streams = Streams(
        [
            Response(changes=[upsert("x")], initial_state_complete=True),
            lacking(eu, us),
            lacking(eu, us, ready_replicas=1),
            lacking(us),
            lacking(conditions=[condition("Ready", FALSE, "1 of 2 objects is healthy")]),
            Response(changes=[upsert("x", conditions=[condition("Ready", TRUE)], observed_revision=1)]),
        ]
    )
    server.on("Watch", streams)
    told: list[str] = []
    await client.units.wait_for("a/x", "ready", timeout_seconds=10, on_waiting=told.append)
    streams.done.set()
    assert told == [
        "its newest change is not decided yet",
        "it is Progressing; on eu: v1 Service a/web: no address yet (AddressPending), and 1 more cluster",
        "it is Progressing; on us: v1 Service a/web: no address yet (AddressPending)",
        "it is Progressing; Ready: 1 of 2 objects is healthy",
    ]


async def test_what_is_applied_and_not_ready_is_not_told_to_who_waits_for_it_to_be_applied(
    server: FakeServer, client: AsyncClient
) -> None:
    lines = [on_cluster("eu", "v1 Service a/web: no address yet"), on_cluster("us", "refused", "Forbidden", applied=1)]
    change = upsert("x", clusters=lines, state=unit_pb2.UNIT_STATE_APPLYING, observed_revision=1)
    streams = Streams([Response(changes=[change], initial_state_complete=True)])
    server.on("Watch", streams)
    with pytest.raises(WaitTimeoutError, match=r"it is Applying; on us: refused \(Forbidden\)\Z"):
        await client.units.wait_for("a/x", "applied", timeout_seconds=0.5)
    streams.done.set()


async def test_who_wants_to_know_is_told_of_a_lost_server_and_of_its_return(
    server: FakeServer, client: AsyncClient
) -> None:
    away = RefusalError(Code.UNAVAILABLE, "DRAINING", "the server is stopping")
    first = Response(initial_state_complete=True, resume_token="1")
    server.on("Watch", Streams([first, away], [away], [Response(changes=[upsert("x")], resume_token="2")]))
    told: list[str] = []

    def note(failure: FedsvcError | None) -> None:
        told.append("back" if failure is None else failure.message)

    assert await take(client, 2, on_trouble=note) == ["synced", "x"]
    assert told == ["the server is stopping", "back"]
