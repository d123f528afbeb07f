import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest
from click.testing import CliRunner, Result

from fedctl import listing
from fedctl.main import cli
from fedctl.output import placement_views, views
from fedsvc.api.edge import Edge, EdgeSettings
from fedsvc.controllers.runner import run_controllers
from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.simulator import SimulatedClusterSpec, Simulator
from fedsvc.store import clusters, tokens
from fedsvc.store.store import Store
from fedsvc_client.testing import FakeServer

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)

# What whoever runs the tests has set for a server of theirs does not count.
NOTHING_SET = dict.fromkeys(("FEDCTL_SERVER", "FEDCTL_TOKEN", "FEDCTL_CONFIG", "FEDCTL_CA_FILE", "XDG_CONFIG_HOME"))


class Run(Protocol):
    def __call__(
        self, *words: str, stdin: str | bytes | None = None, environment: dict[str, str] | None = None
    ) -> Result: ...


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer() as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path) -> Run:
    """Run fedctl with nothing configured."""
    home = tmp_path / "home"
    home.mkdir()

    def run(*words: str, stdin: str | bytes | None = None, environment: dict[str, str] | None = None) -> Result:
        env = {**NOTHING_SET, "HOME": str(home), "COLUMNS": "80", **(environment or {})}
        return CliRunner().invoke(cli, list(words), input=stdin, env=env, prog_name="fedctl")

    return run


@pytest.fixture
def fedctl(bare: Run, server: FakeServer) -> Run:
    """Run fedctl against the fake server."""

    def run(*words: str, stdin: str | bytes | None = None, environment: dict[str, str] | None = None) -> Result:
        return bare(*words, stdin=stdin, environment={"FEDCTL_SERVER": server.address, **(environment or {})})

    return run


@dataclass(kw_only=True)
class Town:
    """A server and simulated clusters in this process, and fedctl against them."""

    store: Store
    simulator: Simulator
    kubeconfig: Path
    environment: dict[str, str | None]

    async def fedctl(self, *words: str, stdin: str | None = None) -> Result:
        """Run fedctl in a thread, so that the servers of this loop can answer it."""

        def run() -> Result:
            return CliRunner().invoke(cli, list(words), input=stdin, env=self.environment, prog_name="fedctl")

        return await asyncio.to_thread(run)

    async def join(self, name: str, *words: str) -> Result:
        """Join the simulated cluster of that name, unless another context is given."""
        context = [] if "--context" in words else ["--context", name]
        return await self.fedctl("join", name, "--kubeconfig", str(self.kubeconfig), *context, *words)

    async def unjoin(self, name: str, *words: str) -> Result:
        """Let it leave."""
        return await self.fedctl(
            "unjoin", name, "--yes", "--kubeconfig", str(self.kubeconfig), "--context", name, *words
        )

    async def cluster(self, name: str) -> Cluster | None:
        """The cluster as the server has it."""
        async with self.store.reader() as tx:
            return next(iter(await clusters.get_many(tx, [name])), None)

    def connection(self, name: str, token: str = "") -> Connection:
        """How a simulated cluster is reached, by its administrator or with another token."""
        credential = Credential(token=token or self.simulator.cluster(name).admin_token)
        return Connection(
            endpoint=self.simulator.server_of(name), ca_pem=self.simulator.ca_pem.encode(), credential=credential
        )

    async def get(self, name: str, path: str) -> Any:
        """An object in a simulated cluster; None where it is not there."""
        async with MemberClient(self.connection(name)) as client:
            try:
                return await client.get(path)
            except MemberStatusError as error:
                if error.code == 404:
                    return None
                raise

    def objects(self, name: str) -> dict[str, Any]:
        """All that is in a simulated cluster, without what differs between two clusters of one history."""
        found = {}
        for stored in self.simulator.cluster(name).store.everything():
            metadata = stored.body["metadata"]
            kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
            body = {field: value for field, value in stored.body.items() if field not in ("metadata", "status", "data")}
            if stored.kind.plural != "nodes":  # named like their cluster
                found[f"{stored.kind.plural} {metadata.get('namespace', '')}/{metadata['name']}"] = body | kept
        return found


@pytest.fixture
async def town(store: Store, tmp_path: Path) -> AsyncIterator[Town]:
    """Clusters "a" and "b", not joined; the controllers run."""
    specs = [SimulatedClusterSpec(name=name, region=f"r-{name}", zones=(f"z-{name}",)) for name in ("a", "b")]
    async with store.transaction() as tx:
        token = await tokens.create(tx, "tester")
    edge = Edge(store, EdgeSettings(address="127.0.0.1:0", version="1.2.3"), is_leader=lambda: True)
    port = await edge.start()
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(edge.run()), loop.create_task(run_controllers(store, holder="test"))]
    environment = {
        **NOTHING_SET,
        "FEDCTL_SERVER": f"127.0.0.1:{port}",
        "FEDCTL_TOKEN": token,
        "HOME": str(tmp_path),
        "COLUMNS": "160",
    }
    async with Simulator(specs, tls=True) as simulator:
        kubeconfig = tmp_path / "kubeconfig"
        simulator.write_kubeconfig(kubeconfig)
        try:
            yield Town(store=store, simulator=simulator, kubeconfig=kubeconfig, environment=environment)
        finally:
            for task in tasks:  # before the simulator: who closes a TLS connection waits for the other side
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await edge.stop(0)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> dt.datetime:
    """Stop the clock of ages."""
    for name in ("clusters", "units", "unit_clusters", "works", "placement_policies", "override_policies", "events"):
        original = getattr(views, name)
        monkeypatch.setattr(views, name, _stopped(original))
    for kind, table in listing.TABLES.items():
        monkeypatch.setitem(listing.TABLES, kind, _stopped(table))
    monkeypatch.setattr(placement_views, "decisions", _stopped(placement_views.decisions))
    monkeypatch.setattr(views, "utc_now", lambda: NOW)
    return NOW


def _stopped(view: Callable[..., object]) -> Callable[..., object]:
    return lambda **how: view(lambda: NOW, **how)
