"""`fedsvc` as a process, the way operators run it."""

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from grpc import aio

from fedsvc.errors import ConfigurationError
from fedsvc.store.embedded import locate
from fedsvc.v1 import server_service_pb2, server_service_pb2_grpc

SECONDS = 60


@pytest.fixture(scope="module", autouse=True)
def _postgres(require: Any) -> None:
    try:
        locate()
    except ConfigurationError as error:
        require(str(error))


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: as root, PostgreSQL runs as somebody else, who must get through to it.
    with tempfile.TemporaryDirectory(prefix="fedsvc-process-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    stdout: str
    stderr: str


class Process:
    """One `fedsvc` that is read to its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> Ended:
        async with asyncio.timeout(SECONDS):
            stdout, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(code=self.process.returncode, stdout=stdout.decode(), stderr=stderr.decode())


async def start(*arguments: str | Path, before: Sequence[str] = (), **environment: str) -> Process:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("FEDSVC_")}
    binaries = {key: value for key, value in os.environ.items() if key == "FEDSVC_POSTGRES_BIN"}
    command = [*before, sys.executable, "-m", "fedsvc", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**clean, **binaries, **environment},
    )
    return Process(process)


async def run_to_end(*arguments: str | Path, **environment: str) -> Ended:
    return await (await start(*arguments, **environment)).ended()


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    process: Process
    data: Path
    address: str
    metrics: str | None
    names: str | None

    @property
    def config(self) -> dict[str, Any]:
        server: dict[str, Any] = yaml.safe_load((self.data / "fedctl.yaml").read_text())["servers"]["default"]
        return server

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.config['token']}")]


@asynccontextmanager
async def serve(
    folder: Path, *arguments: str | Path, before: Sequence[str] = (), **environment: str
) -> AsyncIterator[Serving]:
    data, ready = folder / "data", folder / "ready.json"
    ready.unlink(missing_ok=True)
    base: list[str | Path] = ["serve", "--data-dir", data, "--ready-file", ready]
    listen = [] if "--listen" in arguments or environment else ["--listen", "127.0.0.1:0"]
    process = await start(*base, *listen, *arguments, before=before, **environment)
    try:
        deadline = time.monotonic() + SECONDS
        while not ready.exists():
            assert process.process.returncode is None, (await process.ended()).stderr
            assert time.monotonic() < deadline, "not ready in time"
            await asyncio.sleep(0.02)
        content = json.loads(ready.read_text())
        assert content["pid"] == process.process.pid
        yield Serving(
            process=process,
            data=data,
            address=content["address"],
            metrics=content["metrics_address"],
            names=content["dns_address"],
        )
    finally:
        if process.process.returncode is None:
            process.signal(signal.SIGTERM)
            await process.ended()


async def server_info(
    channel: aio.Channel, metadata: list[tuple[str, str]]
) -> server_service_pb2.GetServerInfoResponse:
    stub = server_service_pb2_grpc.ServerServiceStub(channel)
    return await stub.GetServerInfo(
        server_service_pb2.GetServerInfoRequest(), metadata=metadata, timeout=10, wait_for_ready=True
    )


@pytest.fixture(scope="session")
def run() -> Callable[..., Awaitable[Ended]]:
    """Runs a `fedsvc` to its end."""
    return run_to_end


@pytest.fixture(scope="session")
def serving() -> Callable[..., AbstractAsyncContextManager[Serving]]:
    """Runs a `fedsvc serve` in a folder for as long as the context lasts."""
    return serve


@pytest.fixture(scope="session")
def info() -> Callable[..., Awaitable[server_service_pb2.GetServerInfoResponse]]:
    """Asks a server who it is and who the caller is."""
    return server_info
