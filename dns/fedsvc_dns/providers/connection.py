"""One connection to a name server, by TCP (RFC 7766) or TLS (RFC 9103), kept from message to message."""

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fedsvc_dns.providers.contract import UnreachableError

_CLOSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where a name server is.

    Attributes:
        host: an address or a name.
        port: for TCP, or for TLS where there is a context for it.
        tls: with it the server is spoken to by TLS, and its certificate checked against this; see `client_tls`.
        timeout_seconds: for a connection, and for each message.
    """

    host: str
    port: int = 53
    tls: ssl.SSLContext | None = None
    timeout_seconds: float = 10.0

    def __str__(self) -> str:
        """For messages."""
        return f"{self.host} port {self.port}{' by TLS' if self.tls else ''}"


def client_tls(*, ca_pem: str | None = None) -> ssl.SSLContext:
    """TLS as RFC 9103 section 8 wants it: version 1.3, ALPN `dot`.

    Args:
        ca_pem: certificates that the server's is issued by; those of the system without.
    """
    context = ssl.create_default_context(cadata=ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["dot"])
    return context


class ServerConnection:
    """Asks one server one message at a time; opened when first needed, and again after it broke."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()

    async def ask(self, message: bytes, *, again: bool = True) -> bytes:
        """Send a message and wait for the answer to it.

        Args:
            message: as it goes out, signature included.
            again: as `answers` has it.

        Raises:
            UnreachableError: no answer in time.
        """
        async with contextlib.aclosing(self.answers(message, again=again)) as answers:
            return await anext(answers)

    async def answers(self, message: bytes, *, again: bool = True) -> AsyncGenerator[bytes]:
        """Send a message and yield the answers to it, for as long as they are asked for.

        Args:
            message: as it goes out, signature included.
            again: whether to send it once more where a kept connection turns out to be closed: servers close those that
                are idle, and may have begun to when it is sent.

        Raises:
            UnreachableError: the next answer did not come in time.
        """
        async with self._lock:
            whole = False
            try:
                reader, answer = await self._first_answer(message, again=again)
                while True:
                    if answer[:2] != message[:2]:
                        raise UnreachableError(f"{self.address} answered something that was not asked")
                    whole = True
                    yield answer
                    whole = False
                    answer = await self._receive(reader)
            finally:
                # between answers the connection is in order only if nothing more is to come, which the caller knows
                if not whole:
                    self.drop()

    async def _first_answer(self, message: bytes, *, again: bool) -> tuple[asyncio.StreamReader, bytes]:
        if self._streams is not None and (self._streams[0].at_eof() or self._streams[1].is_closing()):
            self.drop()
        kept = self._streams is not None
        try:
            reader = await self._send(message)
            return reader, await self._receive(reader)
        except UnreachableError:
            if not (kept and again):
                raise
        self.drop()
        reader = await self._send(message)
        return reader, await self._receive(reader)

    def drop(self) -> None:
        """Close it without a word; the next message opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def close(self) -> None:
        """Close it, for good."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await streams[1].wait_closed()
            except (OSError, TimeoutError):
                streams[1].transport.abort()  # nothing is on its way any more; BIND does not answer the end of TLS

    async def _send(self, message: bytes) -> asyncio.StreamReader:
        try:
            async with asyncio.timeout(self.address.timeout_seconds):
                if self._streams is None:
                    name = self.address.host if self.address.tls else None
                    self._streams = await asyncio.open_connection(
                        self.address.host, self.address.port, ssl=self.address.tls, server_hostname=name
                    )
                reader, writer = self._streams
                writer.write(struct.pack("!H", len(message)) + message)
                await writer.drain()
        except TimeoutError as error:
            raise self._silent() from error
        except OSError as error:
            raise UnreachableError(f"{self.address}: {error}") from error
        return reader

    async def _receive(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self.address.timeout_seconds):
                (octets,) = struct.unpack("!H", await reader.readexactly(2))
                answer = await reader.readexactly(octets)
        except TimeoutError as error:
            raise self._silent() from error
        except (OSError, asyncio.IncompleteReadError) as error:
            raise UnreachableError(f"{self.address} closed the connection without an answer") from error
        if octets < 12:
            raise UnreachableError(f"{self.address} answered with {octets} octets, less than a header")
        return answer

    def _silent(self) -> UnreachableError:
        return UnreachableError(f"{self.address} did not answer within {self.address.timeout_seconds:g} seconds")
