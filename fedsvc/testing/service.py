"""The service and its command line as processes, the way users run them; for the acceptance tests and benchmarks."""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fedsvc.testing.processes import Child

START_SECONDS = 60.0


class ServiceStartError(Exception):
    """`fedsvc serve` did not become ready; the message ends with its last output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What the service and its PostgreSQL have used so far."""

    cpu_seconds: float
    rss_bytes: int
    postgres_cpu_seconds: float
    postgres_rss_bytes: int


class Service:
    """One `fedsvc serve` on a data folder and a random loopback port."""

    def __init__(self, directory: Path, *, arguments: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.data_directory = directory / "data"
        self.config = self.data_directory / "fedctl.yaml"
        self.log = directory / "fedsvc.log"
        self._arguments = arguments
        self._child: Child | None = None
        self.address = ""
        self.metrics_address = ""  # empty without --metrics-listen among the arguments

    async def start(self) -> Self:
        """Start it and wait until it says that it is ready.

        Raises:
            ServiceStartError: it ended, or was not ready in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        ready_file = self.directory / "ready.json"
        ready_file.unlink(missing_ok=True)
        listen = self.address or "127.0.0.1:0"
        command = [sys.executable, "-m", "fedsvc", "serve", "--data-dir", str(self.data_directory), "--listen", listen]
        child = Child("fedsvc", [*command, "--ready-file", str(ready_file), *self._arguments], log=self.log)
        self._child = child
        deadline = time.monotonic() + START_SECONDS
        while not ready_file.exists():
            if not child.running():
                raise ServiceStartError(f"fedsvc serve ended:\n{child.tail(40)}")
            if time.monotonic() > deadline:
                raise ServiceStartError(f"fedsvc serve was not ready after {START_SECONDS:.0f} s:\n{child.tail(40)}")
            await asyncio.sleep(0.05)
        ready = json.loads(ready_file.read_text())
        self.address, self.metrics_address = str(ready["address"]), str(ready.get("metrics_address") or "")
        return self

    async def stop(self) -> None:
        """SIGTERM, and wait until it has drained."""
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """SIGKILL: nothing is drained, nothing is said."""
        if self._child is not None:
            await self._child.stop(kill=True)

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:
            await self.stop()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def tail(self, lines: int = 15) -> str:
        """The end of its output."""
        assert self._child is not None
        return self._child.tail(lines)

    def usage(self) -> Usage:
        """CPU and memory of the service and of its embedded PostgreSQL, its children included (Linux)."""
        assert self._child is not None
        own = self._child.pid
        postgres = descendants(own)
        return Usage(
            cpu_seconds=cpu_seconds(own),
            rss_bytes=_pss_bytes(own),
            postgres_cpu_seconds=sum(cpu_seconds(pid) for pid in postgres),
            postgres_rss_bytes=sum(_pss_bytes(pid) for pid in postgres),
        )

    async def fedctl(self, *arguments: str, timeout_seconds: float = 120.0, stdin: str | None = None) -> "Outcome":
        """Run `fedctl` against it, as a user would."""
        return await fedctl(*arguments, config=self.config, timeout_seconds=timeout_seconds, stdin=stdin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a command said."""

    command: str
    code: int
    stdout: str
    stderr: str

    def ok(self) -> str:
        """Its output, asserting that it succeeded."""
        assert self.code == 0, f"{self.command} ended with {self.code}\n{self.stdout}\n{self.stderr}"
        return self.stdout

    def failed(self, code: int) -> str:
        """What it said on stderr, asserting the exit code and that no traceback was shown."""
        assert self.code == code, f"{self.command} ended with {self.code}, not {code}\n{self.stdout}\n{self.stderr}"
        assert "Traceback" not in self.stderr + self.stdout, self.stderr
        return self.stderr


async def fedctl(
    *arguments: str, config: Path | None = None, timeout_seconds: float = 120.0, stdin: str | None = None
) -> Outcome:
    """Run `fedctl` as a process.

    Raises:
        TimeoutError: it did not end in time; it is killed.
    """
    options = [] if config is None else ["--config", str(config)]
    command = [sys.executable, "-m", "fedctl", *options, *arguments]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("FEDCTL_", "KUBECONFIG"))}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment | {"COLUMNS": "160"},
    )
    try:
        async with asyncio.timeout(timeout_seconds):
            stdout, stderr = await process.communicate(None if stdin is None else stdin.encode())
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Outcome(
        command="fedctl " + " ".join(arguments), code=process.returncode, stdout=stdout.decode(), stderr=stderr.decode()
    )


def descendants(root: int) -> list[int]:
    """The processes that a process started, and those that they started (Linux)."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found: list[int] = []
    pending = list(parents.get(root, ()))
    while pending:
        pid = pending.pop()
        found.append(pid)
        pending += parents.get(pid, ())
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time; for a PostgreSQL postmaster that of ended backends, too."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _pss_bytes(pid: int) -> int:
    """Proportional set size: shared pages are counted once over all processes."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:")), 0)
