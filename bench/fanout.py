"""A thousand watchers of one unit: how long until all have seen a change.

    ./dev bench fanout --watchers 1000

The ceiling is a bare gRPC server that sends the same bytes to as many streams. Watchers are streams over a few
connections in this process, which spends as much on receiving as the server on sending; both are measured so.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Iterable
from pathlib import Path
from typing import Any

import grpc

from bench.fleet import config_map, unit_request, units_stub
from fedsvc.testing.processes import Child
from fedsvc.testing.service import Service
from fedsvc.v1 import watch_service_pb2, watch_service_pb2_grpc

CHANNELS = 20
CHANGES = 10
UNIT = "namespaces/bench/units/seen"


class Watchers:
    """Streams that count what they have seen."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ready = 0
        self.tasks: list[asyncio.Task[None]] = []
        self._seen: dict[str, int] = {}
        self._event = asyncio.Event()

    def watch(self, streams: Iterable[Coroutine[Any, Any, None]]) -> None:
        for stream in streams:
            task = asyncio.create_task(stream)
            task.add_done_callback(lambda _: self._event.set())
            self.tasks.append(task)

    def saw(self, mark: str) -> None:
        self._seen[mark] = self._seen.get(mark, 0) + 1
        if self._seen[mark] == self.count:
            self._event.set()

    async def all_saw(self, mark: str) -> None:
        try:
            async with asyncio.timeout(60):
                while self._seen.get(mark, 0) < self.count:
                    self._event.clear()
                    self._raise_for_ended()
                    await self._event.wait()
        except TimeoutError as error:
            raise RuntimeError(f"only {self._seen.get(mark, 0)} of {self.count} saw {mark}") from error

    async def all_ready(self) -> None:
        async with asyncio.timeout(120):
            while self.ready < self.count:
                self._raise_for_ended()
                await asyncio.sleep(0.05)

    def _raise_for_ended(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()
                raise RuntimeError("the server ended a watch")

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def measure(watchers: int) -> None:
    bare = await _bare(watchers)
    ours = await _fedsvc(watchers)
    print(f"fanout: one unit changed, until {watchers} watchers have seen it, {CHANGES} times")
    print(f"  bare gRPC  p50 {statistics.median(bare) * 1000:7.0f} ms   worst {max(bare) * 1000:.0f} ms")
    print(f"  fedsvc     p50 {statistics.median(ours) * 1000:7.0f} ms   worst {max(ours) * 1000:.0f} ms")
    print(f"  ratio      p50 {statistics.median(ours) / statistics.median(bare):7.1f}")


async def _fedsvc(count: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as folder:
        async with Service(Path(folder)) as service:
            channel, stub, token = units_stub(service)
            metadata = (("authorization", f"Bearer {token}"),)
            async with channel:
                await stub.ApplyUnit(_request("none"), metadata=metadata, timeout=30)
                watchers = Watchers(count)
                channels = _channels(service.address)
                watchers.watch(_watch(channels[index % CHANNELS], metadata, watchers) for index in range(count))
                await watchers.all_ready()
                took = []
                for index in range(CHANGES):
                    start = time.monotonic()
                    await stub.ApplyUnit(_request(f"m{index}"), metadata=metadata, timeout=30)
                    await watchers.all_saw(f"m{index}")
                    took.append(time.monotonic() - start)
                    await asyncio.sleep(1)
                await watchers.end()
                return took


def _request(mark: str) -> Any:
    request = unit_request("seen", [config_map("one", namespace="bench")])
    request.unit.labels["mark"] = mark
    return request


async def _watch(channel: grpc.aio.Channel, metadata: Any, watchers: Watchers) -> None:
    stub = watch_service_pb2_grpc.WatchServiceStub(channel)
    request = watch_service_pb2.WatchRequest(
        kinds=[watch_service_pb2.WATCH_KIND_UNIT], name=UNIT, send_initial_state=True
    )
    marks: set[str] = set()
    async for answer in stub.Watch(request, metadata=metadata):
        watchers.ready += answer.initial_state_complete
        for change in answer.changes:
            mark = change.unit.labels.get("mark", "")
            if mark not in marks:  # a unit changes again when its status does
                marks.add(mark)
                watchers.saw(mark)


async def _bare(count: int) -> list[float]:
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as folder:
        ready = Path(folder) / "port"
        child = Child(
            "bare", [sys.executable, "-m", "bench.fanout", "--serve", str(ready)], log=Path(folder) / "bare.log"
        )
        try:
            async with asyncio.timeout(30):
                while not ready.exists():  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(0.05)
            address = f"127.0.0.1:{ready.read_text()}"
            watchers = Watchers(count)
            channels = _channels(address)
            watchers.watch(_listen(channels[index % CHANNELS], watchers) for index in range(count))
            await watchers.all_ready()
            tell: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channels[0].unary_unary("/bare/tell")
            took = []
            for index in range(CHANGES):
                start = time.monotonic()
                await tell(f"m{index}".encode(), timeout=30)
                await watchers.all_saw(f"m{index}")
                took.append(time.monotonic() - start)
            await watchers.end()
            return took
        finally:
            await child.stop(kill=True)


async def _listen(channel: grpc.aio.Channel, watchers: Watchers) -> None:
    stream: grpc.aio.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream("/bare/watch")
    async for message in stream(b""):
        if message == b"hello":
            watchers.ready += 1
        else:
            watchers.saw(message.rstrip().decode())


def _channels(address: str) -> list[grpc.aio.Channel]:
    options = [("grpc.use_local_subchannel_pool", 1)]  # else all of them are one connection
    return [grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS)]


async def _serve(ready: Path) -> None:
    """The ceiling: whatever it is told goes to all streams, in a message of the size of a unit."""
    queues: set[asyncio.Queue[bytes]] = set()

    async def watch(_: bytes, context: Any) -> AsyncIterator[bytes]:
        del context
        queue: asyncio.Queue[bytes] = asyncio.Queue()
        queues.add(queue)
        yield b"hello"
        while True:
            yield await queue.get()

    async def tell(message: bytes, context: Any) -> bytes:
        del context
        for queue in queues:
            queue.put_nowait(message.ljust(600))
        return b""

    server = grpc.aio.server()
    handlers: dict[str, Any] = {
        "watch": grpc.unary_stream_rpc_method_handler(watch),
        "tell": grpc.unary_unary_rpc_method_handler(tell),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    part = ready.with_suffix(".part")
    part.write_text(str(port))
    part.replace(ready)
    await server.wait_for_termination()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--watchers", type=int, default=1000)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    asyncio.run(_serve(given.serve) if given.serve else measure(given.watchers))
