"""PostgreSQL's processes as children of ours: whom they run as, and that they end with us.

PostgreSQL refuses to run as root, so as root it runs as `nobody`.
"""

import hashlib
import os
import pwd
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fedsvc.errors import ConfigurationError

_ENVIRONMENT: Final = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8"}
_ENDS_WITH_PARENT: Final = sys.platform == "linux"
# Runs in an interpreter of its own: between fork and exec of a process with threads, Python code may not run safely.
# The kernel forgets the signal when the user changes, so the user is changed first (prctl(2), PR_SET_PDEATHSIG).
_END_WITH_PARENT: Final = f"""
import ctypes, os, sys
parent, uid, gid, *command = sys.argv[1:]
if uid:
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
if ctypes.CDLL(None, use_errno=True).prctl(1, {int(signal.SIGINT)}, 0, 0, 0):
    raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
if os.getppid() != int(parent):
    sys.exit("fedsvc ended before PostgreSQL began")
os.execve(command[0], command, {_ENVIRONMENT!r})
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whom the server runs as."""

    uid: int
    gid: int
    drop: bool  # whether we are root and become somebody else

    def identity(self) -> dict[str, Any]:
        """The arguments that make a child of `subprocess` run as it."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.drop else {}


def choose_account() -> Account:
    """Ourselves, or `nobody` where we are root."""
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), drop=False)
    entry = pwd.getpwnam("nobody")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, drop=True)


def reachable_home(directory: Path, account: Account) -> Path:
    """Where the server's files go: in the data folder, unless `nobody` cannot get there through root's own folders."""
    place = directory.absolute() / "postgres"
    if place.exists():
        return place.resolve()  # where it was made; modes of folders may have changed since, and data does not move
    if not account.drop:
        return place
    existing = [parent for parent in place.parents if parent.exists()]
    if all(parent.stat().st_mode & 0o001 for parent in existing):
        return place
    return Path("/var/lib/fedsvc") / hashlib.sha256(str(place).encode()).hexdigest()[:16]


def run(command: list[str], account: Account, *, timeout_seconds: float) -> "subprocess.CompletedProcess[bytes]":
    """Run a program to its end; what it says is in `stdout`.

    Raises:
        ConfigurationError: it cannot be run.
    """
    try:
        return subprocess.run(  # noqa: S603 - our own arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_seconds,
            check=False,
            cwd="/",
            env=_ENVIRONMENT,
            **account.identity(),
        )
    except OSError as error:
        raise ConfigurationError(
            f"{command[0]} cannot be run: {error}. As root, PostgreSQL runs as `nobody`, which must be able to read it: "
            "install your system's postgresql package, or run fedsvc as an ordinary user"
        ) from error


def spawn(command: list[str], account: Account, output: Any) -> "subprocess.Popen[bytes]":
    """Start a server that is interrupted (SIGINT, to PostgreSQL a fast shutdown) when we end, where the system is Linux.

    Call it in a thread that lives as long as the process: to the kernel that thread is the parent.
    """
    identity, environment = account.identity(), _ENVIRONMENT
    if _ENDS_WITH_PARENT and sys.executable:
        drop = [str(account.uid), str(account.gid)] if account.drop else ["", ""]
        command = [sys.executable, "-I", "-S", "-c", _END_WITH_PARENT, str(os.getpid()), *drop, *command]
        identity, environment = {}, dict(os.environ)  # what the interpreter needs, such as the place of its libraries
    return subprocess.Popen(  # noqa: S603 - our own arguments
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd="/",
        env=environment,
        start_new_session=True,  # Ctrl-C is for us, and we stop it in order
        **identity,
    )


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, or waits for its parent to take note of it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
