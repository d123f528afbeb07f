"""TCP (RFC 7766): many queries over one connection, in order; nobody holds one idle for long, or too many of them."""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fedsvc_dns.server.counters import Counters
from fedsvc_dns.server.wire import MAX_MESSAGE_OCTETS

Replies = Callable[[bytes, str], Iterable[bytes]]
"""Messages in answer to one; they are made one by one as they are sent."""

_READ_OCTETS = 64 * 1024
_BACKLOG = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpLimits:
    """How much of the server connections get.

    Attributes:
        connections: open at once. Who comes then takes the place of who has been idle longest, if anybody is.
        connections_per_client: of one address. More are closed at once.
        idle_seconds: until a query is there whole.
        send_seconds: until the client has taken a message.
    """

    connections: int = 500
    connections_per_client: int = 50
    idle_seconds: float = 10
    send_seconds: float = 10


class TcpListener:
    """Answers over connections to a bound socket."""

    def __init__(self, bound: socket.socket, replies: Replies, limits: TcpLimits, counters: Counters) -> None:
        self._socket = bound
        self._replies = replies
        self._limits = limits
        self._counters = counters
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: dict[asyncio.Task[None], None] = {}  # the longest first
        self._clients: Counter[str] = Counter()
        self._stopping = False

    async def start(self) -> None:
        """Accept connections."""
        self._server = await asyncio.start_server(self._accept, sock=self._socket, limit=_READ_OCTETS, backlog=_BACKLOG)

    async def stop(self, grace_seconds: float) -> None:
        """Accept no more, let what is being answered be answered for a while, end the rest."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for task in list(self._waiting):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_seconds)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        client = peer[0] if peer else ""
        if not client or self._stopping or not self._has_room(client):
            self._counters.connections_refused += 1
            writer.transport.abort()
            return
        self._counters.connections += 1
        self._clients[client] += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer, client), name=f"dns tcp {client}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, client, writer))

    def _has_room(self, client: str) -> bool:
        """Whether a connection may come, if need be in the place of another."""
        if self._clients[client] >= self._limits.connections_per_client:
            return False
        if len(self._tasks) < self._limits.connections:
            return True
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        del self._waiting[longest]
        longest.cancel()
        self._counters.connections_displaced += 1
        return True

    def _ended(self, task: "asyncio.Task[None]", client: str, writer: asyncio.StreamWriter) -> None:
        # What waits to be sent to one who does not take it is let go with the connection. A task that is cancelled at
        # once does nothing itself.
        if not writer.is_closing():
            writer.transport.abort()
        self._tasks.discard(task)
        self._clients[client] -= 1
        if not self._clients[client]:
            del self._clients[client]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> None:
        """Answer until the client goes, waits too long, sends what is no message, or the server stops."""
        with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError, OSError):
            while not self._stopping:
                message = await self._receive(reader)
                for reply in self._replies(message, client):
                    await self._send(writer, reply)
            writer.close()

    async def _receive(self, reader: asyncio.StreamReader) -> bytes:
        task = asyncio.current_task()
        assert task is not None
        self._waiting[task] = None
        try:
            async with asyncio.timeout(self._limits.idle_seconds):
                length = int.from_bytes(await reader.readexactly(2), "big")
                return await reader.readexactly(length)
        finally:
            self._waiting.pop(task, None)

    async def _send(self, writer: asyncio.StreamWriter, message: bytes) -> None:
        assert len(message) <= MAX_MESSAGE_OCTETS
        writer.write(len(message).to_bytes(2, "big") + message)
        async with asyncio.timeout(self._limits.send_seconds):
            await writer.drain()
        await asyncio.sleep(0)  # a transfer, or many queries at once, must not hold up the others


def bind_tcp(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    """A socket for a listener.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)  # noqa: FBT003
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound
