"""Child processes that cannot outlive their parent, and free loopback ports."""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
STOP_SECONDS = 20.0


def free_ports(count: int) -> list[int]:
    """Ask the kernel for loopback ports that are free now, all different."""
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_STREAM) for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [int(item.getsockname()[1]) for item in sockets]
    finally:
        for item in sockets:
            item.close()


def _die_with_parent() -> Callable[[], None] | None:
    """What a child runs before exec, so that the kernel kills it when we die, by SIGKILL too (Linux only)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it died between fork and prctl
            os._exit(1)

    return before_exec


class Child:
    """One child process with its output in a file."""

    def __init__(self, name: str, argv: Sequence[str | Path], *, log: Path, env: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._popen = subprocess.Popen(
                [str(part) for part in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                start_new_session=True,  # a Ctrl-C at the terminal is for the tests, which then stop us in order
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - one prctl; the interpreter's locks are not touched
            )

    @property
    def pid(self) -> int:
        """The process id."""
        return self._popen.pid

    def running(self) -> bool:
        """Whether it has not exited yet."""
        return self._popen.poll() is None

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that is gone already is no error."""
        if self.running():
            self._popen.send_signal(number)

    async def stop(self, *, kill: bool = False) -> None:
        """End it: SIGTERM, and SIGKILL when that does not do it in time; wait until it is gone."""
        self.send(signal.SIGCONT)  # a suspended process would never see SIGTERM
        self.send(signal.SIGKILL if kill else signal.SIGTERM)
        if not await self._gone(STOP_SECONDS):
            self.send(signal.SIGKILL)
            await self._gone(STOP_SECONDS)

    async def _gone(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.02)
        return True

    def tail(self, lines: int = 15) -> str:
        """The last lines of its output, for messages."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
