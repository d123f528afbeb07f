"""PostgreSQL without set-up: a server of our own in a data folder, as a child process, reached by a Unix socket.

It ends with us, in order when we stop, by a signal from the kernel when we are killed; where there is no such signal, or it
does not come in time, the next one who uses the folder ends it first.
"""

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import asyncpg

from fedsvc.errors import ConfigurationError, StoreUnavailableError
from fedsvc.store.binaries import BIN_VARIABLE, locate
from fedsvc.store.children import choose_account, is_zombie, reachable_home, run, spawn

__all__ = ["BIN_VARIABLE", "EmbeddedPostgres", "locate"]

USER: Final = "fedsvc"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 20.0
_MAX_SOCKET_PATH: Final = 90  # of 107 bytes that the kernel takes, the socket's own name off
_SHARED_MEMORY: Final = "pre-existing shared memory block"
_NO_SPACE: Final = os.strerror(errno.ENOSPC)


class EmbeddedPostgres:
    """One server on one data folder."""

    def __init__(self, directory: Path, *, durable: bool = True, binaries: Path | None = None) -> None:
        """`durable=False` is for tests: nothing survives a loss of power."""
        self.directory = directory
        self._durable = durable
        self._given_binaries = binaries
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: Any = None
        self.trouble = ""  # why it does not run, where that is known
        self._account = choose_account()
        self._home = reachable_home(directory, self._account)

    @property
    def data(self) -> Path:
        """PostgreSQL's own data folder."""
        return self._home / "data"

    @property
    def log(self) -> Path:
        """What PostgreSQL says."""
        return self._home / "postgres.log"

    @property
    def _socket(self) -> Path:
        place = self._home / "socket"
        if len(str(place)) <= _MAX_SOCKET_PATH:
            return place
        return Path("/tmp") / f"fedsvc-{self._account.uid}-{hashlib.sha256(str(place).encode()).hexdigest()[:16]}"  # noqa: S108 - a folder of mode 0700

    def url(self, database: str = USER) -> str:
        """Address of a database of it."""
        return f"postgresql://{USER}@/{database}?host={self._socket}&port=5432"

    async def start(self) -> str:
        """Start the server, making the data folder at first; gives the address.

        Raises:
            ConfigurationError: another process uses the folder, or another PostgreSQL wrote it.
            StoreUnavailableError: the server does not come up; the text ends with its last words.
        """
        binaries = self._given_binaries or locate()
        self._prepare()
        self._take_lock()
        try:
            await asyncio.to_thread(self._initialise, binaries)
            await self._end_orphan()
            deadline = time.monotonic() + START_SECONDS
            while not await self._started(binaries, deadline):
                # Backends of a killed server are still leaving; they are gone within seconds.
                await asyncio.sleep(0.3)
            await self._make_database()
        except BaseException:
            await self.stop()
            raise
        return self.url()

    async def stop(self) -> None:
        """Fast stop: transactions under way are rolled back; safe to call twice."""
        await self._signal(signal.SIGINT)
        if self._lock is not None:
            if self._socket.parent != self._home:
                with contextlib.suppress(OSError):  # not empty: a server that we could not end still uses it
                    self._socket.rmdir()
            self._lock.close()
            self._lock = None

    async def kill(self, *, immediate: bool = True) -> None:
        """End it without a checkpoint (or by SIGKILL), for tests of what survives."""
        await self._signal(signal.SIGQUIT if immediate else signal.SIGKILL)

    async def restart(self) -> None:
        """Start the server again after `kill`."""
        binaries = self._given_binaries or locate()
        deadline = time.monotonic() + START_SECONDS
        while not await self._started(binaries, deadline):
            await asyncio.sleep(0.3)

    @property
    def running(self) -> bool:
        """Whether the server process lives."""
        return self._process is not None and self._process.poll() is None

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if not (self.directory / "postgres").exists() and self._home.exists():
            # Of a data folder of the same name that is gone: kept, but not taken for this one's.
            self._home.rename(self._home.with_name(f"{self._home.name}.orphaned.{time.time_ns()}"))
        for place in (self._home, self._socket):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            if place.is_symlink() or place.stat().st_uid not in (os.geteuid(), self._account.uid):
                # The short name in /tmp can be guessed, and anybody can make it before us.
                raise ConfigurationError(f"{place} was made by somebody else: remove it, or give a shorter --data-dir")
            place.chmod(0o700)
            if self._account.drop:
                os.chown(place, self._account.uid, self._account.gid, follow_symlinks=False)
        if self._home != self.directory / "postgres" and not (self.directory / "postgres").exists():
            (self.directory / "postgres").symlink_to(self._home)

    def _take_lock(self) -> None:
        self._lock = (self.directory / "postgres.lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            self._lock = None
            raise ConfigurationError(
                f"--data-dir {self.directory}: another fedsvc (process {holder}) uses it: stop that one, or give another folder"
            ) from error
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _initialise(self, binaries: Path) -> None:
        version_file = self.data / "PG_VERSION"
        binary_version = self._version_of(binaries)
        if version_file.exists():
            written = version_file.read_text().strip()
            if written != binary_version:
                raise ConfigurationError(
                    f"--data-dir {self.directory}: written by PostgreSQL {written}, and {binaries} is {binary_version}. Set {BIN_VARIABLE} "
                    f"to the folder of a PostgreSQL {written}, or dump with that (pg_dump) and restore into a new folder"
                )
            return
        making = self._home / "data.making"  # renamed when it is whole: initdb may be killed at any moment
        shutil.rmtree(making, ignore_errors=True)
        command = [str(binaries / "initdb"), "--pgdata", str(making), "--username", USER, "--auth=trust"]
        command += [
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-instructions",
            *([] if self._durable else ["--no-sync"]),
        ]
        result = self._run(command)
        if result.returncode:
            raise StoreUnavailableError(
                f"PostgreSQL's data folder cannot be made: {result.stdout.decode().strip()[-600:]}"
            )
        making.rename(self.data)

    def _version_of(self, binaries: Path) -> str:
        result = self._run([str(binaries / "postgres"), "--version"])
        found = re.search(rb"(\d+)[.\d]*", result.stdout)
        if result.returncode or found is None:
            raise ConfigurationError(
                f"{binaries}/postgres does not run as the user it has to: {result.stdout.decode().strip()[-300:]}"
            )
        return found[1].decode()

    def _run(self, command: list[str]) -> "subprocess.CompletedProcess[bytes]":
        return run(command, self._account, timeout_seconds=START_SECONDS * 2)

    async def _started(self, binaries: Path, deadline: float) -> bool:
        """Start the server and wait; False: to be tried again, since a killed one is still leaving."""
        options = ["-c", "listen_addresses=", "-k", str(self._socket), "-p", "5432", "-c", "max_connections=80"]
        options += ["-c", "shared_buffers=64MB", "-c", "unix_socket_permissions=0700", "-c", "wal_level=minimal"]
        options += ["-c", "max_wal_senders=0", "-c", "log_min_messages=warning"]
        if not self._durable:
            options += ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        start = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            # Not in a thread: those of the pool end before we do.
            self._process = spawn([str(binaries / "postgres"), "-D", str(self.data), *options], self._account, output)
        while True:
            if self._process.poll() is not None:
                said = self.log.read_bytes()[start:].decode(errors="replace")
                if _SHARED_MEMORY in said and time.monotonic() < deadline:
                    return False
                if _NO_SPACE in said:
                    self.trouble = (
                        f"the disk of the embedded PostgreSQL ({self.data}) is full: nothing is lost, but it starts only"
                        " when there is space again"
                    )
                    raise StoreUnavailableError(self.trouble)
                raise StoreUnavailableError(f"the embedded PostgreSQL ended at its start: {said.strip()[-800:]}")
            try:
                connection = await asyncpg.connect(self.url("postgres"), timeout=2)
            except (OSError, asyncpg.PostgresError, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise StoreUnavailableError(
                        f"the embedded PostgreSQL does not answer: {error}; see {self.log}"
                    ) from error
                await asyncio.sleep(0.03)
            else:
                await connection.close()
                self.trouble = ""
                return True

    async def _end_orphan(self) -> None:
        """Stop the server of a fedsvc that was killed: we hold the folder's lock, so it is nobody's."""
        pid_file = self.data / "postmaster.pid"
        try:
            pid = int(pid_file.read_text().split()[0])
            if is_zombie(pid):
                # Killed, and nobody reaps it (common in containers): PostgreSQL would take it for alive for ever.
                pid_file.unlink()
                (self._socket / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
                return
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            return
        if str(self.data).encode() not in command:
            return  # the number belongs to some other process now
        os.kill(pid, signal.SIGINT)
        deadline = time.monotonic() + STOP_SECONDS
        while Path(f"/proc/{pid}").exists() and not is_zombie(pid):
            if time.monotonic() > deadline:
                raise StoreUnavailableError(f"the PostgreSQL of an earlier fedsvc (process {pid}) does not stop")
            await asyncio.sleep(0.05)

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.url("postgres"), timeout=5)
        try:
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", USER):
                await connection.execute(f"CREATE DATABASE {USER}")
        finally:
            await connection.close()

    async def _signal(self, number: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        deadline = time.monotonic() + STOP_SECONDS
        while process.poll() is None:
            if time.monotonic() > deadline:
                process.kill()
                deadline += STOP_SECONDS
            await asyncio.sleep(0.02)
