"""Asking members: deadlines, bounds, what is refused; without members that answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from grpc import aio

from fedsvc.api.fan_out import fan_out
from fedsvc.api.log_streams import MemberLogs, stream_logs
from fedsvc.members.errors import MemberStatusError, MemberUnreachableError, UnreachableKind
from fedsvc.members.logs import LogOptions, LogSource
from fedsvc.members.registry import Members
from fedsvc.v1 import member_service_pb2 as pb


class Named(Members):
    """Members that are no more than their name."""

    def member(self, cluster: Any) -> Any:
        return SimpleNamespace(name=cluster.name)


def clusters(*names: str) -> Any:
    return [SimpleNamespace(name=name) for name in names]


async def test_each_member_has_its_own_deadline_and_what_fails_is_told_as_such() -> None:
    failures = {
        "refusing": MemberUnreachableError(UnreachableKind.REFUSED, "nothing listens there"),
        "strange": MemberStatusError(code=401, reason="Unauthorized", message="Unauthorized"),
        "forbidding": MemberStatusError(
            code=403,
            reason="Forbidden",
            message='events is forbidden: User "x" cannot list resource "events"',
            method="GET",
            path="/api/v1/namespaces/shop/events",
        ),
    }

    async def ask(member: Any) -> str:
        if member.name == "hanging":
            await asyncio.Event().wait()
        if member.name in failures:
            raise failures[member.name]
        return f"{member.name} is well"

    found = {}
    names = ("well", "hanging", *failures)
    async with aclosing(fan_out(Named(), clusters(*names), ask, seconds=0.05)) as answers:
        async for said in answers:
            found[said.cluster] = said.value if said.failure is None else said.failure.reason
    assert found == {
        "well": "well is well",
        "hanging": "DeadlinePassed",
        "refusing": "MemberUnreachable",
        "strange": "CredentialsInvalid",
        "forbidding": "RightsMissing",
    }


async def test_members_are_asked_so_many_at_a_time_and_their_time_begins_with_their_turn() -> None:
    running, most = 0, 0

    async def ask(_: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    names = [f"c{number}" for number in range(20)]
    async with aclosing(fan_out(Named(), clusters(*names), ask, seconds=5, at_once=3)) as answers:
        assert [said.failure async for said in answers] == [None] * 20
    assert most == 3


async def test_a_defect_is_raised_and_who_stops_to_listen_ends_what_is_asked() -> None:
    ended = asyncio.Event()

    async def ask(member: Any) -> str:
        if member.name == "quick":
            return "said"
        if member.name == "defect":
            raise ValueError("no member said this")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    async with aclosing(fan_out(Named(), clusters("quick", "slow"), ask, seconds=60)) as answers:
        assert (await anext(answers)).value == "said"
    assert ended.is_set()
    with pytest.raises(ValueError, match="no member"):
        async with aclosing(fan_out(Named(), clusters("defect"), ask, seconds=60)) as answers:
            await anext(answers)


class Talker:
    """A client of a member whose containers never cease to write."""

    def __init__(self) -> None:
        self.pieces = 0
        self.open = 0

    async def stream(self, path: str, params: Any, *, begin_seconds: float | None) -> AsyncGenerator[bytes, None]:
        del path, params, begin_seconds
        self.open += 1
        try:
            while True:
                self.pieces += 1
                yield b"a line\n" * 1000
                await asyncio.sleep(0)
        finally:
            self.open -= 1


async def test_what_nobody_takes_is_not_read_and_ends_with_its_reader() -> None:
    talker: Any = Talker()
    sources = [LogSource(namespace="n", pod=f"p{number}", container="c", is_only=True) for number in range(5)]
    logs = MemberLogs(cluster="a", client=talker, sources=sources)
    async with aclosing(stream_logs([logs], LogOptions(follow=True), begin_seconds=1)) as responses:
        for _ in range(3):
            assert len((await anext(responses)).lines.lines) == 1000
        for _ in range(500):
            await asyncio.sleep(0)
        assert talker.pieces < 100
        assert talker.open == 5
    assert talker.open == 0


@pytest.mark.parametrize(
    ("scope", "path"),
    [
        ({}, "scope.parent"),
        ({"parent": "namespaces/-/units/-"}, "scope.parent"),
        ({"parent": "clusters/a"}, "scope.parent"),
        ({"parent": "namespaces/shop/units/web", "clusters": ["A"]}, "scope.clusters[0]"),
        ({"parent": "namespaces/shop/units/web", "clusters": ["a"], "all_clusters": True}, "scope.all_clusters"),
        ({"parent": "namespaces/shop/units/web", "timeout_milliseconds": -1}, "scope.timeout_milliseconds"),
    ],
)
async def test_a_wrong_scope_is_refused(api: Any, helpers: Any, scope: dict[str, Any], path: str) -> None:
    refusal = await refused(
        helpers, api.members.ListMemberPods(pb.ListMemberPodsRequest(scope=pb.MemberScope(**scope)))
    )
    assert [field for field, _ in refusal.fields] == [path]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"scope": {"parent": "namespaces/shop/units/-"}}, "scope.parent"),
        ({"follow": True, "previous": True}, "previous"),
        ({"tail_lines": -1}, "tail_lines"),
        ({"since_seconds": 0}, "since_seconds"),
        ({"max_logs": -1}, "max_logs"),
    ],
)
async def test_wrong_requests_for_logs_are_refused(api: Any, helpers: Any, fields: dict[str, Any], path: str) -> None:
    request = pb.ReadMemberLogsRequest(**({"scope": {"parent": "namespaces/shop/units/web"}} | fields))
    refusal = await refused(helpers, api.members.ReadMemberLogs(request))
    assert [field for field, _ in refusal.fields] == [path]


async def test_a_unit_or_cluster_that_is_not_there_is_not_found(api: Any, helpers: Any) -> None:
    scope: dict[str, Any] = {"parent": "namespaces/shop/units/web"}
    refusal = await refused(
        helpers, api.members.ListMemberEvents(pb.ListMemberEventsRequest(scope=pb.MemberScope(**scope)))
    )
    assert (refusal.code, refusal.metadata) == (grpc.StatusCode.NOT_FOUND, {"name": "namespaces/shop/units/web"})
    await api.apply("web", helpers.config_map())
    request = pb.ListMemberPodsRequest(scope=pb.MemberScope(**scope, clusters=["nowhere"]))
    refusal = await refused(helpers, api.members.ListMemberPods(request))
    assert (refusal.code, refusal.metadata) == (grpc.StatusCode.NOT_FOUND, {"name": "clusters/nowhere"})


async def test_a_unit_that_is_nowhere_asks_nobody(api: Any, helpers: Any) -> None:
    await api.apply("web", helpers.config_map())
    call = api.members.ListMemberPods(
        pb.ListMemberPodsRequest(scope=pb.MemberScope(parent="namespaces/shop/units/web"))
    )
    assert [response async for response in call] == []


async def refused(helpers: Any, call: Any) -> Any:
    with pytest.raises(aio.AioRpcError) as caught:
        await asyncio.wait_for(call.read(), 10)
    return helpers.decode(caught.value)


class Container:
    """A client of a member whose logs are one line and go on for ever, but for those that have not started."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.waiting = {"slow"}

    async def stream(self, path: str, params: Any, *, begin_seconds: float | None) -> AsyncGenerator[bytes, None]:
        del begin_seconds
        pod = path.split("/")[-2]
        self.asked.append((pod, params.get("tailLines")))
        if pod in self.waiting:
            raise MemberStatusError(code=400, reason="BadRequest", message="is waiting to start")
        yield pod.encode() + b"\n"
        await asyncio.Event().wait()


async def test_logs_that_are_followed_go_on_with_what_comes_later_and_restarts_each_read_once() -> None:
    client: Any = Container()

    def source(pod: str, instance: str = "1", *, started: bool = True) -> LogSource:
        return LogSource(namespace="n", pod=pod, container="c", is_only=True, instance=instance, started=started)

    looks = [
        [source("old"), source("slow", started=False), source("new")],
        [source("old", "2"), source("slow"), source("new")],
    ]

    async def look() -> list[LogSource]:
        client.waiting.clear()
        return looks.pop(0) if len(looks) > 1 else looks[0]

    logs = MemberLogs(cluster="a", client=client, sources=[source("old"), source("slow", started=False)], look=look)
    options = LogOptions(follow=True, tail_lines=0)
    async with aclosing(stream_logs([logs], options, begin_seconds=1, most=4, look_seconds=0.01)) as responses:
        told: list[str] = []
        async with asyncio.timeout(10):
            while len(told) < 5:
                response = await anext(responses)
                told.append(response.lines.lines[0].decode() if response.lines.lines else response.failure.reason)
    assert told[:3] == ["old", "NotStarted", "new"]
    assert sorted(told[3:]) == ["old", "slow"]
    assert client.asked[:3] == [("old", "0"), ("slow", "0"), ("new", None)]
    assert len(client.asked) == 5


async def test_more_logs_than_are_read_at_once_are_told_and_not_read() -> None:
    client: Any = Container()
    sources = [LogSource(namespace="n", pod=f"p{number}", container="c", is_only=True) for number in range(3)]
    logs = MemberLogs(cluster="a", client=client, sources=sources)
    async with aclosing(stream_logs([logs], LogOptions(follow=True), begin_seconds=1, most=2)) as responses:
        found = [await anext(responses) for _ in range(3)]
    assert sorted(response.failure.reason for response in found) == ["", "", "TooManyLogs"]
    assert len(client.asked) == 2
