"""What the client of a member makes of everything that can come back instead of an answer, over real sockets."""

import asyncio
import datetime as dt
import gzip
import socket
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from fedsvc.members.answers import http_date, retry_after_seconds
from fedsvc.members.client import MemberClient
from fedsvc.members.errors import (
    MemberGarbageError,
    MemberSettingsError,
    MemberStatusError,
    MemberUnreachableError,
)
from fedsvc.model.cluster import Connection, Credential
from fedsvc.simulator.certificates import KeyPair, issue_serving, make_authority
from fedsvc.testing.certificates import dated
from fedsvc.testing.scripted import ScriptedServer, http, serving, status

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
PATH = "/api/v1/namespaces/shop/configmaps/settings"


def client_of(server: ScriptedServer, **settings: Any) -> MemberClient:
    connection = Connection(endpoint=server.endpoint, credential=Credential(token="t0ken"), **settings)
    return MemberClient(connection, request_timeout_seconds=5.0)


CONFLICT = {"reason": "FieldManagerConflict", "message": 'conflict with "kubectl"', "field": ".data.a"}


@pytest.mark.parametrize(
    ("answer", "words", "transient", "member_wide"),
    [
        pytest.param(http(401, status(401, "Unauthorized", "Unauthorized")), "Unauthorized", True, True, id="401"),
        pytest.param(
            http(403, status(403, "Forbidden", 'User "x" cannot patch resource "configmaps"')),
            "cannot patch resource",
            False,
            False,
            id="403",
        ),
        pytest.param(
            http(404, status(404, "NotFound", 'configmaps "settings" not found', name="settings")),
            "not found",
            False,
            False,
            id="404",
        ),
        pytest.param(http(404, b"404 page not found\n", content_type="text/plain"), "404", False, False, id="404-text"),
        pytest.param(
            http(409, status(409, "Conflict", "the object has been modified")), "modified", True, False, id="409-race"
        ),
        pytest.param(
            http(409, status(409, "AlreadyExists", "exists already")), "exists already", False, False, id="409-exists"
        ),
        pytest.param(
            http(409, status(409, "Conflict", "Apply failed with 1 conflict", causes=[CONFLICT])),
            "Apply failed",
            False,
            False,
            id="409-fields",
        ),
        pytest.param(http(410, status(410, "Expired", "too old")), "too old", False, False, id="410"),
        pytest.param(http(422, status(422, "Invalid", "spec.x: Required")), "spec.x", False, False, id="422"),
        pytest.param(http(429, status(429, "TooManyRequests", "slow down")), "slow down", True, True, id="429"),
        pytest.param(http(500, status(500, "InternalError", "etcd")), "etcd", True, False, id="500"),
        pytest.param(http(503, b"<html>no backend</html>", content_type="text/html"), "503", True, True, id="503-html"),
        pytest.param(http(500), "status 500 with no word", True, False, id="500-empty"),
    ],
)
async def test_a_refusal_keeps_the_words_of_the_member(
    answer: bytes, words: str, *, transient: bool, member_wide: bool
) -> None:
    async with serving(ScriptedServer(answer=answer)) as server, client_of(server) as client:
        with pytest.raises(MemberStatusError, match=words) as caught:
            await client.apply(PATH, b"{}", force=True)
    error = caught.value
    assert error.code == int(answer[9:12])
    assert (error.transient, error.member_wide) == (transient, member_wide)
    assert (error.method, error.path) == ("PATCH", PATH)
    assert server.requests == 1, "a refusal is the caller's to repeat"
    assert "t0ken" not in str(error)


@pytest.mark.parametrize("code", [429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("7", 7.0, id="seconds"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param("999999999999", 600.0, id="for-ever"),
        pytest.param("soon", None, id="nonsense"),
        pytest.param("-3", None, id="negative"),
    ],
)
async def test_a_pause_that_is_asked_for_is_kept_within_bounds(
    code: int, header: str | None, seconds: float | None
) -> None:
    headers = [] if header is None else [f"Retry-After: {header}"]
    async with serving(ScriptedServer(answer=http(code, b"", *headers))) as server, client_of(server) as client:
        with pytest.raises(MemberStatusError) as caught:
            await client.get(PATH)
    assert caught.value.retry_after_seconds == seconds


def test_a_pause_may_be_told_as_a_date() -> None:
    for after, seconds in ((30, 30.0), (-30, 0.0), (86_400, 600.0)):
        header = format_datetime(NOW + dt.timedelta(seconds=after), usegmt=True)
        assert retry_after_seconds(header, now=NOW) == seconds


@pytest.mark.parametrize(
    "text", ["²", "٣", "Tue, 99 Nov 2026 12:00:00 GMT", "Tue, 24 Nov 99999999999 12:00:00 GMT", ",", "\x00"]
)
def test_a_header_that_makes_no_sense_is_no_header(text: str) -> None:
    assert retry_after_seconds(text, now=NOW) is None
    assert http_date(text) is None


async def test_a_pause_in_the_body_counts_where_no_header_tells() -> None:
    body = status(429, "TooManyRequests", "slow down", retryAfterSeconds=4)
    async with serving(ScriptedServer(answer=http(429, body))) as server, client_of(server) as client:
        with pytest.raises(MemberStatusError) as caught:
            await client.get(PATH)
    assert caught.value.retry_after_seconds == 4.0


HTML = b"<html><title>Log in</title></html>"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        pytest.param(http(200, HTML, content_type="text/html"), "is not JSON: '<html>", id="html"),
        pytest.param(http(200, b'{"kind":"ConfigMap","da'), "is not JSON", id="cut-json"),
        pytest.param(http(200, [1, 2]), "is not a JSON object", id="list"),
        pytest.param(http(200), "is not JSON: ''", id="empty"),
        pytest.param(http(200, b"\xff\xfe\x00"), "is not JSON", id="bytes"),
        pytest.param(http(302, b"", "Location: https://login.example/"), "redirected elsewhere", id="redirect"),
        pytest.param(http(200, b"no gzip", "Content-Encoding: gzip"), "not speak HTTP as an API server", id="no-gzip"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "does not speak HTTP", id="ssh"),
        pytest.param(
            f"HTTP/1.1 200 OK\r\nContent-Length: {65 * 2**20}\r\n\r\n".encode(), "at most .* are read", id="huge"
        ),
    ],
)
async def test_garbage_is_told_as_garbage(answer: bytes, words: str) -> None:
    async with serving(ScriptedServer(answer=answer)) as server, client_of(server) as client:
        with pytest.raises(MemberGarbageError, match=words) as caught:
            await client.get(PATH)
    assert (caught.value.transient, caught.value.member_wide) == (True, True)
    assert server.requests == 1


async def test_the_type_that_an_answer_claims_to_have_is_not_what_counts() -> None:
    packed = gzip.compress(b'{"a":1}')
    answers = [http(200, {"a": 1}, content_type="text/plain"), http(200, packed, "Content-Encoding: gzip")]
    async with serving(ScriptedServer(first=answers)) as server, client_of(server) as client:
        assert await client.get(PATH) == {"a": 1}
        assert await client.get(PATH) == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "kind", "sent"),
    [
        pytest.param(b"", "reset", 2, id="closed-at-once"),
        pytest.param(http(200, {"a": 1})[:-3] + b"", "timeout", 1, id="cut-and-silent"),
        pytest.param(http(200, {"a": 1}, "Connection: close")[:-3], "reset", 2, id="cut-and-closed"),
        pytest.param(None, "timeout", 1, id="silent"),
    ],
)
async def test_an_apply_without_a_whole_answer_is_repeated_once_where_the_line_broke(
    answer: bytes | None, kind: str, sent: int
) -> None:
    async with serving(ScriptedServer(answer=answer)) as server:
        client = MemberClient(Connection(endpoint=server.endpoint), request_timeout_seconds=0.2)
        async with client:
            with pytest.raises(MemberUnreachableError) as caught:
                await client.apply(PATH, b"{}", force=True)
    assert caught.value.kind == kind
    assert server.endpoint in str(caught.value)
    assert server.requests == sent


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_trouble() -> None:
    async with serving(ScriptedServer(answer=http(200, {"a": 1}), first=[b""])) as server, client_of(server) as client:
        assert await client.apply(PATH, b"{}", force=True) == {"a": 1}


async def test_nobody_listening_and_no_such_host_are_told_apart() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for endpoint, kind, words in (
        (f"http://127.0.0.1:{port}", "refused", "nothing listens there"),
        ("https://no-such-host.invalid:6443", "dns", "is not found"),
    ):
        async with MemberClient(Connection(endpoint=endpoint)) as client:
            with pytest.raises(MemberUnreachableError, match=words) as caught:
                await client.get(PATH)
        assert caught.value.kind == kind


AUTHORITY = make_authority("right")
DAY = dt.timedelta(days=1)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        pytest.param(issue_serving(make_authority("wrong"), hosts=("127.0.0.1",)), "authority", id="wrong-authority"),
        pytest.param(dated(AUTHORITY, start=-9 * DAY, end=-DAY), "has expired: renew it", id="expired"),
        pytest.param(dated(AUTHORITY, start=DAY, end=9 * DAY), "not valid yet: compare the clocks", id="not-yet-valid"),
        pytest.param(issue_serving(AUTHORITY, hosts=("10.0.0.1",)), "for another address", id="wrong-address"),
    ],
)
async def test_a_server_that_cannot_prove_itself_is_told_why_and_sees_no_token(
    certificate: KeyPair, words: str, tmp_path: Path
) -> None:
    answering = serving(ScriptedServer(answer=http(200, {})), certificate, tmp_path)
    async with answering as server, client_of(server, ca_pem=AUTHORITY.certificate_pem) as client:
        with pytest.raises(MemberUnreachableError, match=words) as caught:
            await client.get(PATH)
    assert caught.value.kind == "tls"
    assert server.requests == 0


async def test_a_name_to_verify_may_differ_from_the_host(tmp_path: Path) -> None:
    certificate = issue_serving(AUTHORITY, hosts=("api.example",))
    async with serving(ScriptedServer(answer=http(200, {})), certificate, tmp_path) as server:
        named = client_of(server, ca_pem=AUTHORITY.certificate_pem, tls_server_name="api.example")
        async with named as client:
            assert await client.get(PATH) == {}
        other = client_of(server, ca_pem=AUTHORITY.certificate_pem, tls_server_name="other.example")
        async with other as client:
            with pytest.raises(MemberUnreachableError, match="for another name"):
                await client.get(PATH)


async def test_plain_http_behind_an_https_address_is_told() -> None:
    async with serving(ScriptedServer(plain_in_tls=True)) as server:
        server.scheme = "https"
        async with client_of(server) as client:
            with pytest.raises(MemberUnreachableError, match="does not speak TLS"):
                await client.get(PATH)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param({"endpoint": "http://10.0.0.1"}, "plain http", id="plain-http"),
        pytest.param({"endpoint": "https://127.0.0.1:1", "ca_pem": b"x"}, "ca_pem", id="authority"),
        pytest.param({"endpoint": "https://127.0.0.1:1", "proxy_url": "ftp://x"}, "proxy", id="proxy"),
        pytest.param(
            {
                "endpoint": "https://127.0.0.1:1",
                "credential": Credential(client_certificate_pem=b"x", client_key_pem=b"x"),
            },
            "client certificate",
            id="client-certificate",
        ),
    ],
)
async def test_settings_that_cannot_work_say_so_and_send_nothing(settings: dict[str, Any], words: str) -> None:
    async with MemberClient(Connection(**settings)) as client:
        with pytest.raises(MemberSettingsError, match=words) as caught:
            await client.get(PATH)
    assert "join the cluster again" in str(caught.value)
    assert not caught.value.transient


async def test_a_closed_client_says_that_it_was_closed() -> None:
    client = MemberClient(Connection(endpoint="http://127.0.0.1:1"))
    await client.close()
    await client.close()
    with pytest.raises(MemberUnreachableError, match="closed here"):
        await client.get(PATH)


async def test_who_waits_for_a_connection_that_is_closed_is_told_and_not_cancelled() -> None:
    async with serving(ScriptedServer(answer=None)) as server:
        client = client_of(server)
        # One connection is kept for probes: the second waits for it.
        probes = [asyncio.create_task(client.probe_get("/version", timeout_seconds=5.0)) for _ in range(2)]
        async with asyncio.timeout(5):
            while not server.requests:
                await asyncio.sleep(0.01)
        await client.close()
        answers = await asyncio.gather(*probes, return_exceptions=True)
    assert [type(answer) for answer in answers] == [MemberUnreachableError] * 2


class RefusalError(Exception):
    """What must not be sent any more."""


@pytest.mark.parametrize(
    "write",
    [
        lambda client, guard: client.apply(PATH, b"{}", force=True, guard=guard),
        lambda client, guard: client.patch(PATH, b"{}", guard=guard),
        lambda client, guard: client.delete(PATH, guard=guard),
    ],
    ids=["apply", "patch", "delete"],
)
async def test_what_must_not_be_sent_any_more_when_its_turn_comes_is_not_sent(write: Any) -> None:
    asked = 0

    async def refuse() -> None:
        nonlocal asked
        asked += 1
        raise RefusalError

    async def let() -> None:
        nonlocal asked
        asked += 1

    async with serving(ScriptedServer(answer=http(200, {"kind": "Status"}))) as server, client_of(server) as client:
        with pytest.raises(RefusalError):
            await write(client, refuse)
        assert (server.requests, asked) == (0, 1)
        await write(client, let)
        assert (server.requests, asked) == (1, 2)


async def test_what_is_sent_again_over_another_connection_is_asked_for_again() -> None:
    answers: list[Exception | None] = [None, RefusalError()]

    async def let_once() -> None:
        found = answers.pop(0)
        if found is not None:
            raise found

    async with serving(ScriptedServer(answer=b"")) as server, client_of(server) as client:
        with pytest.raises(RefusalError):
            await client.apply(PATH, b"{}", force=True, guard=let_once)
        assert server.requests == 1
