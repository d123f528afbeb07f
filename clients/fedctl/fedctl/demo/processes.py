"""Processes that go on after fedctl ends, found again by a pid file, and never mistaken for somebody else's."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fedctl.failures import Exit, Failure

_POLL_SECONDS = 0.05
_KILL_SECONDS = 5.0  # after SIGKILL; the kernel needs only moments
_LOG_LINES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What tells a process from a later one of the same number."""

    pid: int
    started: str  # when, in the words of the system; empty for a process that is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One of the demo's programs and its files."""

    name: str
    folder: Path

    @property
    def pid_file(self) -> Path:
        """Where the identity of the running process is kept."""
        return self.folder / f"{self.name}.pid"

    @property
    def log_file(self) -> Path:
        """Where its output goes."""
        return self.folder / f"{self.name}.log"

    @property
    def ready_file(self) -> Path:
        """What it writes when it is ready."""
        return self.folder / f"{self.name}.ready"

    def running(self) -> Identity | None:
        """Return the process if it is there, and is the one we started."""
        try:
            known = Identity(**json.loads(self.pid_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return known if known.started and start_of(known.pid) == known.started else None

    def start(self, argv: Sequence[str]) -> "Starting":
        """Start it, detached from this process and its terminal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ready_file.unlink(missing_ok=True)
        with self.log_file.open("wb") as log:
            child = subprocess.Popen(  # noqa: S603 - our own programs with our own arguments
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
            )
        # A process keeps its start time through exec, so this is true of it at once.
        self.pid_file.write_text(json.dumps(asdict(Identity(pid=child.pid, started=start_of(child.pid)))))
        return Starting(program=self, child=child)

    def stop(self, timeout_seconds: float) -> bool:
        """Stop it in order, by force after that time; return whether it ran."""
        found = self.running()
        if found is not None:
            _signal(found, signal.SIGTERM)
            if not _is_gone(found, timeout_seconds):
                _signal(found, signal.SIGKILL)
                if not _is_gone(found, _KILL_SECONDS):
                    raise Failure(f"{self.name} (process {found.pid}) does not end")
        self.pid_file.unlink(missing_ok=True)
        self.ready_file.unlink(missing_ok=True)
        return found is not None

    def last_lines(self) -> str:
        """Return the end of the log."""
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"  {line}" for line in lines[-_LOG_LINES:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """A program that is coming up."""

    program: Program
    child: "subprocess.Popen[bytes]"

    def wait(self, timeout_seconds: float) -> None:
        """Wait until it is ready.

        Raises:
            Failure: It ended, or is not ready in time; the message has the end of its log.
        """
        deadline = time.monotonic() + timeout_seconds
        program = self.program
        while not program.ready_file.exists():
            code = self.child.poll()
            if code is not None:
                program.pid_file.unlink(missing_ok=True)
                raise Failure(
                    f"{program.name} ended with code {code}; the end of {program.log_file}:", hint=program.last_lines()
                )
            if time.monotonic() > deadline:
                raise Failure(
                    f"{program.name} is not ready after {timeout_seconds:g} s; the end of {program.log_file}:",
                    code=Exit.TIMED_OUT,
                    hint=program.last_lines(),
                )
            time.sleep(_POLL_SECONDS)


def start_of(pid: int) -> str:
    """Return when a process started, in the words of the system; empty where there is none (or a dead one)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return "" if Path("/proc/self/stat").exists() else _start_by_ps(pid)
    except OSError:
        return ""
    # The second field is the name in brackets, which may hold anything; then come state (3rd) and start time (22nd).
    fields = text[text.rindex(")") + 2 :].split()
    return "" if fields[0] in ("Z", "X") else fields[19]


def _start_by_ps(pid: int) -> str:
    done = subprocess.run(  # noqa: S603 - of the system, with a number
        ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - wherever the system has it
        capture_output=True,
        text=True,
        check=False,
        timeout=10,
    )
    return done.stdout.strip()


def _signal(found: Identity, number: signal.Signals) -> None:
    try:
        os.kill(found.pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise Failure(
            f"process {found.pid} belongs to another user: run this as the one who started the demo"
        ) from error


def _is_gone(found: Identity, timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while start_of(found.pid) == found.started:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
