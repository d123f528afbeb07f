"""A relay of DNS messages over TCP that can lose what passes: what a network does to a provider."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable

Passing = Callable[[bytes], Awaitable[bool]]
"""Told of each message; False loses it and closes the connection."""


async def _pass(_: bytes) -> bool:
    return True


class Relay:
    """Between a client and a server on 127.0.0.1; `requests` and `answers` may be set to something else at any time."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.port = 0
        self.requests: Passing = _pass
        self.answers: Passing = _pass
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Relay"]:
        """Listen, and close everything at the end."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await self.cut()

    async def cut(self) -> None:
        """Close all connections there are, as a server does with those that are idle."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _request(self, message: bytes) -> bool:
        return await self.requests(message)

    async def _answer(self, message: bytes) -> bool:
        return await self.answers(message)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
        ways = [
            asyncio.ensure_future(_forward(reader, far_writer, self._request)),
            asyncio.ensure_future(_forward(far_reader, writer, self._answer)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            writer.close()
            far_writer.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passing: Passing) -> None:
    while True:
        try:
            prefix = await reader.readexactly(2)
            message = await reader.readexactly(struct.unpack("!H", prefix)[0])
        except (OSError, asyncio.IncompleteReadError):
            return
        if not await passing(message):
            return
        writer.write(prefix + message)
        await writer.drain()
