"""HTTP to one API server: connections, deadlines and sizes.

Three pools of connections a member, so that neither long watches nor a full queue of work ever hold up a probe.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from fedsvc.members.errors import MemberGarbageError, MemberUnreachableError, UnreachableKind
from fedsvc.members.failures import translate
from fedsvc.members.settings import check_connection, tls_context
from fedsvc.model.cluster import Connection

MAX_CONNECTIONS: Final = 16
"""Requests in flight to one member; more wait for a free connection, within their deadline."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
CONNECT_TIMEOUT_SECONDS: Final = 10.0
_KEEP_SECONDS: Final = 60.0  # below the 90 s after which API servers close an idle connection: no lost race for it
_CLOSED_HERE: Final = "the connection was closed here: the cluster was changed or removed"
_FAILURES: Final = (
    aiohttp.ClientError,
    OSError,
    TimeoutError,
    ValueError,
)  # ValueError: aiohttp's InvalidURL and the like


Guard = Callable[[], Awaitable[None]]
"""Raises where a request must not be sent."""


class Pool(Enum):
    """What a connection is for."""

    WORK = "work"
    WATCH = "watch"
    PROBE = "probe"


_LIMITS: Final = {Pool.WORK: MAX_CONNECTIONS, Pool.WATCH: 0, Pool.PROBE: 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, whatever its status."""

    status: int
    body: bytes
    date: str | None  # the Date header
    retry_after: str | None  # the Retry-After header
    etag: str | None  # the ETag header


class _GuardedBody(aiohttp.BytesPayload):
    """A body that asks, when there is a connection and nothing is sent yet, whether it may still be sent."""

    def __init__(self, body: bytes, guard: Guard) -> None:
        super().__init__(body)
        self._guard = guard
        self.refusal: BaseException | None = None  # why it was not sent

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Send it, headers first; the caller sends these with it."""
        try:
            await self._guard()
        except Exception as error:
            self.refusal = error
            raise
        await super().write_with_length(writer, content_length)


class Transport:
    """The connections to one API server; opened at first use, closed by `close`."""

    def __init__(self, connection: Connection, *, user_agent: str) -> None:
        self._connection = connection
        self._user_agent = user_agent
        self._base = ""
        self._context: ssl.SSLContext | None = None
        self._authorization: dict[str, str] = {}
        self._sessions: dict[Pool, aiohttp.ClientSession] = {}
        self._closed = False
        self.set_token(connection.credential.token)

    def set_token(self, token: str) -> None:
        """Use another bearer token from the next request on; running watches keep theirs."""
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}

    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        deadline: aiohttp.ClientTimeout,
        pool: Pool = Pool.WORK,
        max_bytes: int = MAX_ANSWER_BYTES,
        guard: Guard | None = None,
    ) -> Answer:
        """One request and its whole answer.

        With `guard` nothing is sent unless that lets it, asked in the last moment: a request may have waited for a
        connection, and the whole process for its turn. What it raises is raised.

        Raises:
            MemberUnreachableError: no answer, or only a part of it.
            MemberGarbageError: the answer is not HTTP, or larger than `max_bytes`.
            MemberSettingsError: the settings cannot work.
        """
        session = self._session(pool)
        guarded = None if guard is None or body is None else _GuardedBody(body, guard)
        data = body if guarded is None else guarded
        try:
            async with await self._send(
                session, method, path, headers=headers, body=data, deadline=deadline
            ) as response:
                known = response.headers
                return Answer(
                    status=response.status,
                    body=await read_body(response, max_bytes=max_bytes, what=f"{method} {path}"),
                    date=known.get("Date"),
                    retry_after=known.get("Retry-After"),
                    etag=known.get("ETag"),
                )
        except _FAILURES as error:
            if guarded is not None and guarded.refusal is not None:
                raise guarded.refusal from None
            raise translate(error, endpoint=self._connection.endpoint) from error

    @asynccontextmanager
    async def stream(
        self, path: str, *, headers: Mapping[str, str], begin_seconds: float | None, deadline: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A GET whose answer is read piece by piece, and begins within `begin_seconds`.

        Raises:
            MemberError: as `request`, also for what goes wrong while the caller reads.
        """
        session = self._session(Pool.WATCH)
        try:
            async with asyncio.timeout(begin_seconds):  # API servers send the head of a watch at once
                response = await self._send(session, "GET", path, headers=headers, body=None, deadline=deadline)
            async with response:
                yield response
        except _FAILURES as error:
            raise translate(error, endpoint=self._connection.endpoint) from error

    async def close(self) -> None:
        """Close all connections; what runs on them fails as if reset. Closing twice is closing once."""
        self._closed = True
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    async def _send(
        self,
        session: aiohttp.ClientSession,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | _GuardedBody | None,
        deadline: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        try:
            return await session.request(
                method,
                URL(self._base + path, encoded=True),
                headers={**headers, **self._authorization},
                data=body,
                timeout=deadline,
                allow_redirects=False,  # a token follows no redirect
                proxy=self._connection.proxy_url or None,
                server_hostname=self._connection.tls_server_name or None,
            )
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not self._closed or task is None or task.cancelling():
                raise
            # Closing a connector cancels whoever waits for a free connection of it, as if the task itself were to end.
            raise MemberUnreachableError(UnreachableKind.RESET, _CLOSED_HERE) from None

    def _session(self, pool: Pool) -> aiohttp.ClientSession:
        session = self._sessions.get(pool)
        if session is None:
            if self._closed:
                raise MemberUnreachableError(UnreachableKind.RESET, _CLOSED_HERE)
            session = self._sessions[pool] = self._open(pool)
        return session

    def _open(self, pool: Pool) -> aiohttp.ClientSession:
        if self._context is None:
            self._base = check_connection(self._connection)
            self._context = tls_context(self._connection)
        connector = aiohttp.TCPConnector(
            ssl=self._context,
            limit=_LIMITS[pool],
            keepalive_timeout=_KEEP_SECONDS,
            socket_factory=_kept_alive_socket,
            ttl_dns_cache=30,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": self._user_agent},
            skip_auto_headers=("Content-Type", "Accept-Encoding"),
            trust_env=False,
            read_bufsize=256 * 1024,
        )


async def read_body(response: aiohttp.ClientResponse, *, max_bytes: int, what: str) -> bytes:
    """The whole body of an answer.

    Raises:
        MemberGarbageError: it is larger than `max_bytes`.
    """
    size = response.content_length
    if size is not None and size > max_bytes:
        raise MemberGarbageError(f"the answer to {what} has {size} bytes; at most {max_bytes} are read")
    if size is not None and "Content-Encoding" not in response.headers:
        return await response.read()
    pieces: list[bytes] = []
    read = 0
    async for piece in response.content.iter_any():
        read += len(piece)
        if read > max_bytes:
            response.close()
            raise MemberGarbageError(f"the answer to {what} is longer than {max_bytes} bytes")
        pieces.append(piece)
    return b"".join(pieces)


def _kept_alive_socket(address: aiohttp.connector.AddrInfoType) -> socket.socket:
    """A socket that notices a vanished peer within a minute, also while it only waits (a watch does)."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return made


def timeout_of(seconds: float) -> aiohttp.ClientTimeout:
    """The deadline of a whole request, connecting included."""
    return aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_TIMEOUT_SECONDS))


def stream_timeout(idle_seconds: float | None) -> aiohttp.ClientTimeout:
    """The deadlines of a stream: for connecting, and between two pieces (None: none)."""
    return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS, sock_read=idle_seconds)
