"""A whole small world: a store on real PostgreSQL, simulated members over HTTP, the controllers running."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import dns.asyncquery
import dns.message
import orjson
import pytest

from fedsvc.controllers.answering import Answering
from fedsvc.controllers.runner import Leadership, run_controllers
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError
from fedsvc.model import failover
from fedsvc.model.audit import AuditKind, AuditRecord
from fedsvc.model.cluster import Cluster, Connection, Credential, ObjectDeletion
from fedsvc.model.unit import Propagation, Resource, Unit, UnitSpec, UnitStatus
from fedsvc.model.work import Work
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.identity import key_of
from fedsvc.rendering.overrides import Override
from fedsvc.simulator import Options, SimulatedCluster, SimulatedClusterSpec, Simulator, Timing
from fedsvc.store import audit, clusters, units, works
from fedsvc.store.audit import AuditFilter
from fedsvc.store.events import END_OF_TIME
from fedsvc.store.store import Store
from fedsvc.testing.postgres import ScratchPostgres
from fedsvc.testing.virtual_loop import VirtualLoop
from fedsvc_placement import LabelSelector, Placement, Taint

SETTINGS = ControllerSettings(
    rescan_seconds=30.0,
    restart_seconds=0.02,
    restart_max_seconds=0.5,
    probe_seconds=0.05,
    probe_max_seconds=0.2,
    watch_retry_seconds=0.02,
    watch_retry_max_seconds=0.2,
    busy_seconds=0.02,
    status_debounce_seconds=0.01,
    observation_batch_seconds=0.01,
    event_batch_seconds=0.02,
    request_timeout_seconds=2.0,
    late_write_seconds=0.3,
    stranger_seconds=0.5,
    rollout_settle_seconds=0.2,
    audit_seconds=0.2,
)
ResultT = TypeVar("ResultT")
Manifest = dict[str, Any]


@dataclass(kw_only=True)
class World:
    """What tests act on and look at."""

    store: Store
    simulator: Simulator
    settings: ControllerSettings = SETTINGS
    leadership: Leadership = field(default_factory=Leadership)
    running: asyncio.Task[None] | None = None
    clients: dict[str, MemberClient] = field(default_factory=dict)

    def start(self) -> None:
        """Start the controllers."""
        self.leadership = Leadership()
        run = run_controllers(self.store, holder="test", settings=self.settings, leadership=self.leadership)
        self.running = asyncio.get_running_loop().create_task(run, name="controllers")

    async def stop(self) -> None:
        """End the controllers in the middle of whatever they do."""
        task, self.running = self.running, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def member(self, name: str) -> SimulatedCluster:
        """The simulated cluster itself."""
        return self.simulator.cluster(name)

    def client(self, name: str) -> MemberClient:
        """Somebody else's access to a member, with all rights."""
        if name not in self.clients:
            self.clients[name] = MemberClient(self.connection(name), name=name)
        return self.clients[name]

    def connection(self, name: str) -> Connection:
        """How a member is reached."""
        credential = Credential(token=self.member(name).admin_token)
        return Connection(endpoint=self.simulator.server_of(name), credential=credential)

    async def register(
        self,
        name: str,
        *,
        labels: dict[str, str] | None = None,
        region: str = "",
        connection: Connection | None = None,
    ) -> Cluster:
        """Join a member: a simulated one, or that of the connection."""
        now = datetime.now(UTC)
        cluster = Cluster(
            name=name,
            uid=str(uuid4()),
            labels=labels or {},
            annotations={},
            provider="",
            region=region,
            zones=(),
            taints=(),
            connection=connection or self.connection(name),
            create_time=now,
            update_time=now,
        )
        async with self.store.transaction() as tx:
            return await clusters.create(tx, cluster)

    async def change_cluster(
        self, name: str, *, labels: dict[str, str] | None = None, taints: Sequence[Taint] | None = None
    ) -> None:
        """Change the intent of a cluster."""
        async with self.store.transaction() as tx:
            cluster = await clusters.lock(tx, name)
            if labels is not None:
                cluster = replace(cluster, labels=labels)
            if taints is not None:
                cluster = replace(cluster, taints=tuple(taints))
            await clusters.update(tx, cluster)

    async def apply(
        self,
        name: str,
        *manifests: Manifest,
        placement: Placement | None = None,
        overrides: Sequence[Override] = (),
        propagation: Propagation | None = None,
        spec: UnitSpec | None = None,
    ) -> Unit:
        """Apply a unit in namespace "shop"; placed on all clusters unless told otherwise."""
        wanted = spec or UnitSpec(
            placement=placement or Placement(cluster_selector=LabelSelector()),
            overrides=tuple(overrides),
            propagation=propagation or Propagation(),
        )
        async with self.store.transaction() as tx:
            resources = []
            for manifest in manifests:
                key, body = key_of(manifest), canonical_json(manifest)
                labels = manifest["metadata"].get("labels") or {}
                resources.append(Resource(key=key, digest=tx.digest_for(key, body), labels=labels, body=body))
            applied = await units.apply(
                tx, namespace="shop", name=name, labels={}, annotations={}, spec=wanted, resources=resources
            )
        return applied.unit

    async def delete(self, name: str, *, cascade: ObjectDeletion | None = None) -> None:
        """Delete a unit."""
        async with self.store.transaction() as tx:
            await units.mark_deleted(tx, "shop", name, cascade=cascade)

    async def unit(self, name: str) -> Unit | None:
        """A unit as it is now."""
        async with self.store.reader() as tx:
            return await units.find(tx, "shop", name)

    async def status(self, name: str) -> UnitStatus:
        """The status of a unit."""
        unit = await self.unit(name)
        assert unit is not None
        return unit.status

    async def works(self, unit: str | None = None, *, cluster: str = "") -> list[Work]:
        """Works, of all units or one."""
        async with self.store.reader() as tx:
            found = await works.list_page(tx, after=0, limit=100_000, cluster=cluster)
        name = f"namespaces/shop/units/{unit}"
        return [work for work in found if unit is None or work.unit_name == name]

    async def get(self, cluster: str, path: str) -> Manifest | None:
        """An object in a member; None where it is not there."""
        try:
            return await self.client(cluster).get(path)
        except MemberStatusError as error:
            if error.code == 404:
                return None
            raise

    async def count(self, table: str) -> int:
        """Rows of a table."""
        async with self.store.database.begin(read_only=True) as connection:
            return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - a constant of the test

    async def events(self) -> list[tuple[str, str, str]]:
        """(subject, reason, message) of all events."""
        async with self.store.database.begin(read_only=True) as connection:
            rows = await connection.fetch("SELECT subject, reason, message FROM event ORDER BY id")
            return [(row.subject, row.reason, row.message) for row in rows]

    async def audit(self, **wanted: Any) -> list[AuditRecord]:
        """The audit, the oldest first."""
        async with self.store.look() as look:
            found = await audit.list_page(look, AuditFilter(**wanted), before=(END_OF_TIME, 0), limit=10_000)
        return found[::-1]

    async def until_kept(self, kind: AuditKind, reason: str, **wanted: Any) -> AuditRecord:
        """Wait until the audit has something of a kind for a reason."""

        async def is_kept() -> AuditRecord | None:
            return next((one for one in await self.audit(kind=kind, **wanted) if one.reason == reason), None)

        found = await self.until(is_kept)
        assert found is not None
        return found

    async def until(self, look: Callable[[], Awaitable[ResultT]], *, seconds: float = 10.0) -> ResultT:
        """Look until the answer is true, after each commit and now and then; fails when the time is over."""
        committed = asyncio.Event()
        stop = self.store.on_commit(lambda _: committed.set())
        found: ResultT | None = None
        try:
            async with asyncio.timeout(seconds):
                while True:
                    committed.clear()
                    found = await look()
                    if found:
                        return found
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.05):
                            await committed.wait()
        except TimeoutError:
            pytest.fail(f"not so after {seconds} s: {look.__name__}, works {await self._shown()}")
        finally:
            stop()

    async def until_state(self, unit: str, state: str, *, seconds: float = 10.0) -> UnitStatus:
        """Wait for the state of a unit, as its newest revision has it."""

        async def unit_state() -> UnitStatus | None:
            found = await self.unit(unit)
            if found is None or found.status.observed_revision != found.revision:
                return None
            return found.status if found.status.state == state else None

        status = await self.until(unit_state, seconds=seconds)
        assert status is not None
        return status

    async def until_gone(self, unit: str, *, seconds: float = 10.0) -> None:
        """Wait until a unit is removed."""

        async def gone() -> bool:
            return await self.unit(unit) is None

        await self.until(gone, seconds=seconds)

    async def until_work(
        self, cluster: str, state: str, reason: str = "", *, seconds: float = 10.0, unit: str | None = None
    ) -> Work:
        """Wait until some work of a cluster is in a state, for a reason."""

        async def work_state() -> Work | None:
            for work in await self.works(unit, cluster=cluster):
                if work.state == state and work.reason == reason:
                    return work
            return None

        work = await self.until(work_state, seconds=seconds)
        assert work is not None
        return work

    async def _shown(self) -> list[tuple[str, str, str, str, str]]:
        return [(work.cluster, str(work.key), work.state, work.reason, work.message) for work in await self.works()]


def config_map(name: str = "settings", **data: str) -> Manifest:
    """A ConfigMap in namespace shop."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop"},
        "data": data or {"a": "1"},
    }


def deployment(name: str = "web", *, replicas: int = 2, image: str = "nginx:1.27") -> Manifest:
    """A Deployment in namespace shop."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image}]},
            },
        },
    }


@pytest.fixture(autouse=True)
def bear_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units leave a lost cluster as soon as they say: members are found lost within parts of a second here."""
    monkeypatch.setattr(failover, "LEAST_TOLERATION_SECONDS", 0)


@pytest.fixture
async def database_url(request: pytest.FixtureRequest, postgres_server: ScratchPostgres) -> AsyncIterator[str]:
    """A fresh, migrated database; and a clock that jumps, in tests that ask for it."""
    if request.node.get_closest_marker("virtual_time") is None:
        async with postgres_server.fresh_database() as url:
            yield url
        return
    async with postgres_server.virtual_database() as (url, tell):
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        with loop.virtually(told=tell):
            yield url


@pytest.fixture
def make_config_map() -> Callable[..., Manifest]:
    """Makes ConfigMaps."""
    return config_map


@pytest.fixture
def make_deployment() -> Callable[..., Manifest]:
    """Makes Deployments."""
    return deployment


@pytest.fixture
async def quiet_world(store: Store) -> AsyncIterator[World]:
    """Three members "a", "b" and "c", none registered; controllers not running."""
    specs = [SimulatedClusterSpec(name=name, region=f"region-{name}") for name in ("a", "b", "c")]
    async with Simulator(specs, options=Options(timing=Timing())) as simulator:
        made = World(store=store, simulator=simulator)
        try:
            yield made
        finally:
            await made.stop()
            for client in made.clients.values():
                await client.close()


@pytest.fixture
async def world(quiet_world: World) -> World:
    """Three members, registered with labels `name`, controllers running."""
    for name in ("a", "b", "c"):
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    quiet_world.start()
    return quiet_world


@pytest.fixture
def to_json() -> Callable[[Any], bytes]:
    """Bytes of JSON."""
    return orjson.dumps


@pytest.fixture
async def ask(world: Any, tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Asks the name server that follows what is planned."""

    answering = Answering(world.store, data_dir=tmp_path)
    await answering.start("127.0.0.1", 0)
    task = asyncio.get_running_loop().create_task(answering.run(), name="answering")

    async def asked(name: str, type_: str = "A") -> set[str]:
        host, port = answering.server.addresses[0]
        reply = await dns.asyncquery.udp(dns.message.make_query(name, type_), host, port=port, timeout=10)
        return {str(record) for found in reply.answer for record in found}

    try:
        yield asked
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await answering.server.stop()
