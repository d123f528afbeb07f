"""Streams of what members say: bounded by nothing but their reader, ended with it."""

import itertools
import threading
from typing import Any

import grpc
import pytest

from fedsvc.v1 import member_pb2
from fedsvc.v1 import member_service_pb2 as pb
from fedsvc_client import AsyncClient, Client, NotFoundError
from fedsvc_client.testing import FakeServer, RefusalError


async def test_pods_come_member_by_member_and_what_is_asked_for_is_sent(
    server: FakeServer, client: AsyncClient
) -> None:
    answers = [member_pb2.MemberAnswer(cluster="a", answered=True), member_pb2.MemberAnswer(cluster="b")]
    server.on("ListMemberPods", lambda _: (pb.ListMemberPodsResponse(answer=answer) for answer in answers))
    found = [
        response.answer.cluster
        async for response in client.members.pods(
            "namespaces/shop/units/web", clusters=["clusters/a", "b"], member_seconds=1.5
        )
    ]
    assert found == ["a", "b"]
    (request,) = server.requests("ListMemberPods")
    assert list(request.scope.clusters) == ["a", "b"]
    assert request.scope.timeout_milliseconds == 1500


async def test_a_refused_stream_raises_our_own_error(server: FakeServer, client: AsyncClient) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "no", metadata={"name": "namespaces/n/units/u"})

    server.on("ListMemberEvents", refuse)
    with pytest.raises(NotFoundError):
        await anext(client.members.events("namespaces/n/units/u"))


def test_a_reader_that_stops_ends_the_call(server: FakeServer, blocking: Client) -> None:
    ended = threading.Event()

    def talk(_: Any) -> Any:
        try:
            for number in itertools.count():
                lines = pb.LogLines(lines=[str(number).encode()])
                yield pb.ReadMemberLogsResponse(lines=lines)
        finally:
            ended.set()

    server.on("ReadMemberLogs", talk)
    logs = blocking.members.logs("namespaces/shop/units/web", follow=True, tail_lines=0)
    assert next(logs).lines.lines == [b"0"]
    assert next(logs).lines.lines == [b"1"]
    logs.close()  # type: ignore[attr-defined] # it is a generator
    assert ended.wait(10)
    (request,) = server.requests("ReadMemberLogs")
    assert request.follow
    assert request.HasField("tail_lines")
    assert not request.HasField("since_seconds")
