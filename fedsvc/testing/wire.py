"""A wire between a client and a server on 127.0.0.1 that can be cut: nothing passes then, and nobody is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

_CHUNK = 65_536


class Wire:
    """Passes bytes on between its own port and that of a server."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self.port = 0
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Wire"]:
        """Listen, and close everything at the end."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """From now on nothing passes: connections stay open, new ones are taken, and none has an answer."""
        self._whole.clear()

    def mend(self) -> None:
        """What waited passes, and all that follows."""
        self._whole.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError, OSError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server_port)
            ways = [asyncio.ensure_future(self._pass(*way)) for way in ((reader, far_writer), (far_reader, writer))]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                far_writer.close()
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._whole.wait()
            writer.write(chunk)
            await writer.drain()
