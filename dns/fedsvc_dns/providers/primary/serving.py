"""Listens for those who transfer zones: UDP, TCP (RFC 7766) and TLS (RFC 9103)."""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import cast

Answering = Callable[[bytes, bool], Awaitable[list[bytes]]]
"""Given a message, and whether it came as a datagram, what to answer with: nothing, or one or more messages."""

IDLE_SECONDS = 30.0
"""That a connection is kept without a question; what BIND and Knot do is in this range."""
WRITE_SECONDS = 30.0
"""That a peer may take to read one message."""
MOST_CONNECTIONS = 256
MOST_DATAGRAMS = 256
"""That are answered at a time; more are dropped, and asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen.

    Attributes:
        host: address to listen at.
        port: for UDP and TCP; 0 takes one that is free.
        tls: where given, TLS is listened for as well.
        tls_port: for TLS; 0 takes one that is free.
    """

    host: str = "127.0.0.1"
    port: int = 53
    tls: ssl.SSLContext | None = None
    tls_port: int = 853


def server_tls(certificate_file: str, key_file: str) -> ssl.SSLContext:
    """TLS as RFC 9103 section 8 wants it: version 1.3, ALPN `dot`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["dot"])
    context.load_cert_chain(certificate_file, key_file)
    return context


class Listener:
    """Passes messages on and their answers back; owns all of its tasks."""

    def __init__(self, listening: Listening, answering: Answering) -> None:
        self._listening = listening
        self._answering = answering
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._datagrams = 0
        self._has_ended = False
        self.port = listening.port
        self.tls_port = listening.tls_port

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Listen, until left; the ports are known then."""
        host = self._listening.host
        self._has_ended = False
        servers = [await asyncio.start_server(self._connected, host, self._listening.port)]
        transport: asyncio.DatagramTransport | None = None
        try:
            self.port = servers[0].sockets[0].getsockname()[1]
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=(host, self.port))
            if self._listening.tls is not None:
                servers.append(
                    await asyncio.start_server(self._connected, host, self._listening.tls_port, ssl=self._listening.tls)
                )
                self.tls_port = servers[1].sockets[0].getsockname()[1]
            yield
        finally:
            self._has_ended = True
            for server in servers:
                server.close()
            if transport is not None:
                transport.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def own(self, task: asyncio.Task[None]) -> None:
        """See that a task ends with the listener."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # What was accepted just before the end comes after it.
        if self._has_ended or self._connections >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._connections += 1
        task = asyncio.get_running_loop().create_task(self._converse(reader, writer), name="dns-connection")
        self.own(task)
        task.add_done_callback(
            lambda _: self._disconnect(writer)
        )  # a task that is cancelled at once does nothing itself

    def _disconnect(self, writer: asyncio.StreamWriter) -> None:
        self._connections -= 1
        writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A peer that goes, or takes too long, ends its own connection and nothing else.
        with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
            await self._answer_all(reader, writer)

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                (octets,) = struct.unpack("!H", await reader.readexactly(2))
                message = await reader.readexactly(octets)
            answers = await self._answering(message, False)  # noqa: FBT003 - its type says what it is
            if not answers:
                return
            for answer in answers:
                writer.write(struct.pack("!H", len(answer)) + answer)
                async with asyncio.timeout(WRITE_SECONDS):
                    await writer.drain()

    def datagram(self, message: bytes, reply: Callable[[bytes], None]) -> None:
        """Answer a datagram, unless too many wait already."""
        if self._datagrams < MOST_DATAGRAMS:
            self._datagrams += 1
            self.own(asyncio.get_running_loop().create_task(self._answer_datagram(message, reply), name="dns-datagram"))

    async def _answer_datagram(self, message: bytes, reply: Callable[[bytes], None]) -> None:
        try:
            for answer in await self._answering(message, True):  # noqa: FBT003 - its type says what it is
                reply(answer)
        finally:
            self._datagrams -= 1


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # no loop's own is a subclass of it

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        transport = self._transport
        assert transport is not None
        self._listener.datagram(data, lambda answer: transport.sendto(answer, addr))
