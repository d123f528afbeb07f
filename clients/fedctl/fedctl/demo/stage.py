"""Bringing the demo up, finding it again, and taking it down."""

import contextlib
import fcntl
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

import click

from fedctl.demo.processes import Program
from fedctl.demo.simulated import Simulator
from fedctl.failures import Exit, Failure

_START_SECONDS = 90.0  # a slow disk needs its time to make a database
_JOIN_SECONDS = 60.0
_STOP_SECONDS = 20.0
_SERVER_MODULES = ("aiohttp", "asyncpg", "sqlalchemy", "alembic", "cryptography")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A simulated cluster of the demo."""

    name: str
    region: str
    zones: tuple[str, ...]
    provider: str
    nodes: int
    jurisdiction: str
    cost_core: str  # by the hour
    cost_gib: str

    @property
    def spec(self) -> str:
        """How the simulator is told of it."""
        zones = "+".join(self.zones)
        return f"name={self.name},region={self.region},zones={zones},provider={self.provider},nodes={self.nodes}"


def default_folder() -> Path:
    """Return where the demo lives unless told otherwise (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME", "")
    folder = (Path(base) if base else Path.home() / ".local" / "share") / "fedsvc-demo"
    return folder if _closed_parent(folder) is None else Path("/var/lib/fedsvc-demo")


def _closed_parent(folder: Path) -> Path | None:
    """Return the folder that PostgreSQL could not get through: it never runs as root, and root's home is closed."""
    if os.geteuid() != 0:
        return None
    parents = [parent for parent in (folder, *folder.parents) if parent.exists()]
    return next((parent for parent in parents if not parent.stat().st_mode & 0o001), None)


MEMBERS = (
    Member(
        name="eu-1",
        region="eu",
        zones=("eu-a", "eu-b"),
        provider="aws",
        nodes=3,
        jurisdiction="EU",
        cost_core="0.034",
        cost_gib="0.0045",
    ),
    Member(
        name="us-1",
        region="us",
        zones=("us-a", "us-b"),
        provider="gcp",
        nodes=3,
        jurisdiction="US",
        cost_core="0.029",
        cost_gib="0.0039",
    ),
    Member(
        name="ap-1",
        region="ap",
        zones=("ap-a",),
        provider="azure",
        nodes=2,
        jurisdiction="SG",
        cost_core="0.038",
        cost_gib="0.0051",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the demo listens; kept, so that a resumed demo is found where it was."""

    simulator: int
    server: int
    names: int  # the name server


class Stage:
    """The demo in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()
        self.simulator = Program(name="simulator", folder=self.folder)
        self.server = Program(name="server", folder=self.folder)

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the simulated clusters, a context each."""
        return self.folder / "kubeconfig"

    @property
    def config(self) -> Path:
        """Configuration of fedctl for the demo's server."""
        return self.folder / "data" / "fedctl.yaml"

    @property
    def sample(self) -> Path:
        """File of the sample unit, for the user to change."""
        return self.folder / "shop.yaml"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second `fedctl demo` on the same folder away while this one changes it.

        Raises:
            Failure: There is one already, or the folder cannot be written.
        """
        closed = _closed_parent(self.folder)
        if closed is not None:
            raise Failure(
                f"{self.folder}: as root the demo's PostgreSQL runs as another user, who cannot get through {closed}",
                hint="Take another folder with --dir, or run the demo as an ordinary user.",
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Failure(f"{error.filename}: {error.strerror}; --dir names another folder") from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Failure(f"another fedctl demo is at work in {self.folder}") from error
            yield
        finally:
            os.close(descriptor)

    def is_up(self) -> bool:
        """Tell whether both programs run."""
        return self.simulator.running() is not None and self.server.running() is not None

    def control(self) -> Simulator:
        """Return the running simulator.

        Raises:
            Failure: It does not run.
        """
        if self.simulator.running() is None or not self.simulator.ready_file.exists():
            raise Failure("the demo is not up", code=Exit.UNREACHABLE, hint="Bring it up with:  fedctl demo")
        return Simulator(self.simulator.ready_file, self.kubeconfig)

    @staticmethod
    def check_installed() -> None:
        """Refuse, before anything is made, to go on where the demo cannot run.

        Raises:
            Failure: The server's parts are not installed.
        """
        missing = [name for name in _SERVER_MODULES if importlib.util.find_spec(name) is None]
        if missing:
            raise Failure(
                f"the demo runs the server, whose parts are not installed ({', '.join(missing)})",
                hint="Install them with:  pip install 'fedsvc[server]'",
            )

    def start(self) -> bool:
        """Start what does not run, and wait until it answers; return whether the members must be joined (again).

        Raises:
            Failure: A program does not come up.
        """
        ports, is_new = self._ports()
        starting = []
        if self.simulator.running() is None:
            starting.append(self.simulator.start(self._simulator_command(ports)))
        if self.server.running() is None:
            starting.append(self.server.start(self._server_command(ports)))
        for each in starting:
            each.wait(_START_SECONDS)
        return is_new or not (self.folder / "joined").exists()

    def join_all(self) -> None:
        """Join the simulated clusters, by the same command that users have.

        Raises:
            Failure: One could not be joined; the message has its words.
        """
        with ThreadPoolExecutor(len(MEMBERS)) as pool:
            list(pool.map(self._join, MEMBERS))
        (self.folder / "joined").touch()

    def write_sample(self) -> Path:
        """Write the sample unit, unless the user has one already; return its file."""
        if not self.sample.exists():
            text = resources.files("fedctl.demo").joinpath("shop.yaml").read_text(encoding="utf-8")
            self.sample.write_text(text, encoding="utf-8")
        return self.sample

    def stop(self) -> bool:
        """Stop both programs; return whether any ran."""
        ran = [self.server.stop(_STOP_SECONDS), self.simulator.stop(_STOP_SECONDS)]
        return any(ran)

    def purge(self) -> None:
        """Remove the folder with all state."""
        shutil.rmtree(self.folder)

    @property
    def names_port(self) -> int:
        """Where the name server listens; the demo is up, or was."""
        return Ports(**json.loads((self.folder / "ports.json").read_text())).names

    def _ports(self) -> tuple[Ports, bool]:
        """Return the ports of last time where they are still free (or ours), and whether they are new ones."""
        path = self.folder / "ports.json"
        try:
            kept = Ports(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError):
            kept = None
        if kept is not None:
            server_fits = self.server.running() is not None or (_is_free(kept.server) and _is_free(kept.names))
            if server_fits and (self.simulator.running() is not None or _is_free(kept.simulator)):
                return kept, False
            self.stop()  # what is left of it would talk to the wrong port
        ports = Ports(simulator=_free_port(), server=_free_port(), names=_free_port())
        path.write_text(json.dumps(asdict(ports)))
        return ports, True

    def _simulator_command(self, ports: Ports) -> list[str]:
        clusters = [part for member in MEMBERS for part in ("--cluster", member.spec)]
        return [
            *(sys.executable, "-m", "fedsvc.simulator", "--tls"),
            *("--listen", f"127.0.0.1:{ports.simulator}"),
            *("--kubeconfig", str(self.kubeconfig)),
            *("--state-dir", str(self.folder / "clusters")),
            *("--ready-file", str(self.simulator.ready_file)),
            *clusters,
        ]

    def _server_command(self, ports: Ports) -> list[str]:
        return [
            *(sys.executable, "-m", "fedsvc", "serve"),
            *("--listen", f"127.0.0.1:{ports.server}"),
            *("--dns-listen", f"127.0.0.1:{ports.names}"),
            *("--data-dir", str(self.folder / "data")),
            *("--ready-file", str(self.server.ready_file)),
        ]

    def _join(self, member: Member) -> None:
        command = [
            *(sys.executable, "-m", "fedctl", "--config", str(self.config), "join", member.name),
            *("--kubeconfig", str(self.kubeconfig), "--context", member.name),
            *("--provider", member.provider, "--region", member.region),
            *(part for zone in member.zones for part in ("--zone", zone)),
            *("--label", f"region={member.region}"),
            *("--jurisdiction", member.jurisdiction),
            *("--cost-core", member.cost_core, "--cost-gib", member.cost_gib),
        ]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("FEDCTL_")}
        try:
            done = subprocess.run(  # noqa: S603 - ourselves
                command, capture_output=True, text=True, check=False, timeout=_JOIN_SECONDS, env=environment
            )
        except subprocess.TimeoutExpired as error:
            raise Failure(f"joining {member.name} took longer than {_JOIN_SECONDS:g} s", code=Exit.TIMED_OUT) from error
        if done.returncode:
            raise Failure(f"{member.name} could not be joined:", hint=(done.stderr or done.stdout).strip())


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Tell what is being done, and how long it took."""
    started = time.monotonic()
    is_terminal = sys.stderr.isatty()
    click.echo(f"  {text} ...", nl=not is_terminal, err=True)
    try:
        yield
    except BaseException:
        if is_terminal:
            click.echo(" " + click.style("failed", fg="red"), err=True)
        raise
    if is_terminal:
        click.echo(f"\r{click.style('✓', fg='green')} {text} ({time.monotonic() - started:.1f} s)    ", err=True)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
