"""What watches, discovery and health make of everything that can come back, over real sockets."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from fedsvc.members import inspect, tokens
from fedsvc.members.client import MemberClient
from fedsvc.members.discovery import discover
from fedsvc.members.errors import MemberError, MemberGarbageError, MemberStatusError, MemberUnreachableError
from fedsvc.model.cluster import Connection, Credential
from fedsvc.testing.scripted import ScriptedServer, http, serving, status

HTML = b"<html><title>Log in</title></html>"


def client_of(server: ScriptedServer, *, seconds: float = 5.0) -> MemberClient:
    connection = Connection(endpoint=server.endpoint, credential=Credential(token="t0ken"))
    return MemberClient(connection, request_timeout_seconds=seconds)


async def versions_seen(client: MemberClient) -> list[str]:
    async with aclosing(client.watch("/api/v1/configmaps")) as events:
        return [event.resource_version async for event in events]


# --- watches ----------------------------------------------------------------------------------------------------------


def streamed(*lines: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"".join(lines)


EVENT = b'{"type":"ADDED","object":{"metadata":{"resourceVersion":"7"}}}\n'
GONE = orjson.dumps({"type": "ERROR", "object": status(410, "Expired", "too old resource version")}) + b"\n"


@pytest.mark.parametrize(
    ("answer", "error", "words", "seen"),
    [
        pytest.param(streamed(EVENT, GONE), MemberStatusError, "too old", 1, id="gone"),
        pytest.param(streamed(EVENT, EVENT[:20]), MemberUnreachableError, "middle of an event", 1, id="cut"),
        pytest.param(streamed(HTML), MemberGarbageError, "not JSON", 0, id="html"),
        pytest.param(streamed(EVENT, b"[]\n"), MemberGarbageError, "not an event", 1, id="no-event"),
        pytest.param(streamed(b'{"type":"ERROR","object":{}}\n'), MemberStatusError, "no word", 0, id="bare-error"),
        pytest.param(http(403, status(403, "Forbidden", "no")), MemberStatusError, "no", 0, id="403"),
        pytest.param(http(302), MemberGarbageError, "redirected", 0, id="redirect"),
        pytest.param(b"", MemberUnreachableError, "broke off", 0, id="closed-at-once"),
        pytest.param(None, MemberUnreachableError, "in time", 0, id="silent"),
        pytest.param(http(403, b"{}")[:-1], MemberUnreachableError, "in time", 0, id="cut-refusal"),
    ],
)
async def test_a_watch_ends_with_the_error_that_ended_it(
    answer: bytes | None, error: type[MemberError], words: str, seen: int
) -> None:
    versions: list[str] = []

    async def follow(client: MemberClient) -> None:
        async with aclosing(client.watch("/api/v1/configmaps")) as events:
            async for event in events:
                versions.append(event.resource_version)  # noqa: PERF401 - what came before the error counts

    async with serving(ScriptedServer(answer=answer)) as server, client_of(server, seconds=0.3) as client:
        with pytest.raises(error, match=words):
            await follow(client)
    assert versions == ["7"] * seen


async def test_a_refused_watch_keeps_a_message_that_comes_in_pieces() -> None:
    body = orjson.dumps(status(403, "Forbidden", "no " * 200))
    head = b"HTTP/1.1 403 X\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:50], body[50:])) + b"0\r\n\r\n"
    async with serving(ScriptedServer(answer=head + chunks)) as server, client_of(server) as client:
        with pytest.raises(MemberStatusError, match="no no no") as caught:
            await versions_seen(client)
    assert caught.value.reason == "Forbidden"


# --- what the health controller asks ----------------------------------------------------------------------------------

VERSION = {"major": "1", "minor": "30", "gitVersion": "v1.30.2"}
NOT_FOUND = http(404, b"not here", content_type="text/plain")


@pytest.mark.parametrize(
    ("answers", "ready", "message"),
    [
        pytest.param([http(200, b"ok")], True, "", id="ready"),
        pytest.param([http(500, b"[+]ping ok\n[-]etcd failed: x\nreadyz check failed")], False, "etcd", id="not-ready"),
        pytest.param([http(503, HTML)], False, "status 503", id="no-backend"),
        pytest.param([http(403, b"{}")], None, "403", id="not-told"),
        pytest.param([http(429)], None, "429", id="busy"),
        pytest.param([NOT_FOUND, http(200, b"ok")], True, "", id="old"),
        pytest.param([NOT_FOUND, NOT_FOUND, http(200, VERSION)], None, "404", id="only-a-version"),
        pytest.param([http(200, HTML), http(200, HTML), http(200, VERSION)], None, "200", id="hidden-health"),
    ],
)
async def test_readiness_is_what_an_api_server_says(answers: list[bytes], message: str, *, ready: bool | None) -> None:
    async with serving(ScriptedServer(answer=NOT_FOUND, first=answers)) as server, client_of(server) as client:
        found = await inspect.probe(client)
    assert found.ready is ready
    assert message in found.message
    assert found.refusal is None


@pytest.mark.parametrize(
    "answer", [http(200, HTML), http(302), NOT_FOUND, http(200, {"status": "ok"})], ids=["html", "login", "404", "json"]
)
async def test_something_that_is_no_api_server_is_not_taken_for_one(answer: bytes) -> None:
    async with serving(ScriptedServer(answer=answer)) as server, client_of(server) as client:
        with pytest.raises(MemberGarbageError):
            await inspect.probe(client)


async def test_a_refused_credential_is_an_answer() -> None:
    unauthorized = http(401, status(401, "Unauthorized", "Unauthorized"))
    for answers in ([unauthorized], [NOT_FOUND, NOT_FOUND, unauthorized]):
        async with serving(ScriptedServer(answer=NOT_FOUND, first=answers)) as server, client_of(server) as client:
            found = await inspect.probe(client)
        assert found.ready is None
        assert found.refusal is not None


@pytest.mark.parametrize("ahead", [-3_600, 0, 3_600])
async def test_the_skew_of_the_member_is_read_off_its_answers(ahead: int) -> None:
    date = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead), usegmt=True)
    async with serving(ScriptedServer(answer=http(200, b"ok", f"Date: {date}"))) as server, client_of(server) as client:
        found = await inspect.probe(client)
    assert found.skew_seconds is not None
    assert abs(found.skew_seconds - ahead) < 10
    async with (
        serving(ScriptedServer(answer=http(200, b"ok", "Date: yesterday"))) as server,
        client_of(server) as client,
    ):
        assert (await inspect.probe(client)).skew_seconds is None


Ask = Callable[[MemberClient], Awaitable[Any]]
ASKS: dict[str, Ask] = {
    "version": inspect.kubernetes_version,
    "nodes": inspect.nodes,
    "discovery": discover,
    "token": lambda client: tokens.request_token(client, namespace="x", service_account="y", lifetime_seconds=600),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize(
    "answer",
    [http(200, HTML), http(200, b'{"items":['), http(200, []), http(302), http(401), http(503), b"", None],
    ids=["html", "cut", "list", "redirect", "401", "503", "closed", "silent"],
)
async def test_whatever_comes_back_is_an_error_of_the_member(ask: Ask, answer: bytes | None) -> None:
    async with serving(ScriptedServer(answer=answer)) as server, client_of(server, seconds=0.3) as client:
        with pytest.raises(MemberError):
            await asyncio.wait_for(ask(client), 10)


@pytest.mark.parametrize(
    "ask", [ASKS["version"], ASKS["discovery"], ASKS["token"]], ids=["version", "discovery", "token"]
)
async def test_an_object_of_another_kind_is_garbage(ask: Ask) -> None:
    async with serving(ScriptedServer(answer=http(200, {"kind": "Pod"}))) as server, client_of(server) as client:
        with pytest.raises(MemberGarbageError):
            await ask(client)


async def test_a_strange_discovery_does_not_wipe_out_what_was_known() -> None:
    def groups(kind: str, **more: Any) -> bytes:
        return http(200, {"kind": kind, **more})

    resource = {"name": "configmaps", "kind": "ConfigMap", "namespaced": True, "verbs": ["get"]}
    good = [
        groups("APIVersions", versions=["v1"]),
        groups("APIGroupList", groups=[]),
        groups("APIResourceList", resources=[resource]),
    ]
    bad = [groups("APIVersions", versions=["v1"]), groups("APIGroupList"), groups("Pod")]
    async with serving(ScriptedServer(first=[*good, *bad])) as server, client_of(server) as client:
        table = await discover(client)
        again = await discover(client, table)
    assert table.serves("", "v1", "ConfigMap")
    assert again.serves("", "v1", "ConfigMap")
    assert list(again.failed) == [("", "v1")]
