"""A region is lost: all units are placed anew by the controller, decisions, bindings and works in PostgreSQL included.

    ./dev bench replace --units 1000 --clusters 500

Units are those of `bench placement`, with one Deployment each, on a real PostgreSQL; members are rows without anything
behind them, and nothing is propagated. First all units are placed, then the clusters of one of twenty regions are found
Unreachable, for longer than units tolerate; it is counted from when that is stored. Seconds are of processor time: on
one core both together take as long as the sum.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from bench.placement import LOST
from bench.placement_cases import NOW, fleet_of, units_of
from fedsvc.controllers import metrics
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.placement import PlacementController
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.health import Health, Verdict
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.model.room import Room
from fedsvc.model.unit import Propagation, Resource, UnitSpec
from fedsvc.rendering.canonical import canonical_json, digest
from fedsvc.rendering.identity import key_of
from fedsvc.server import collect_seldom
from fedsvc.store import automation, clusters, served_kinds, units
from fedsvc.store.database import Database
from fedsvc.store.sealing import load_keyring
from fedsvc.store.store import Store, Transaction
from fedsvc.testing.postgres import ScratchPostgres
from fedsvc.testing.service import cpu_seconds, descendants
from fedsvc_placement import ClusterSnapshot, UnitInput

QUIET_SECONDS = 15.0
"""So long nothing comes out of a decision before all are taken for made."""


@dataclass(kw_only=True)
class Clock:
    """When something was decided last, and what had been spent by then."""

    server: ScratchPostgres
    last: float = 0.0
    decided: int = 0
    spent: float = 0.0
    spent_postgres: float = 0.0

    def start(self) -> None:
        self.decided = 0
        self.begin, self.begin_spent, self.begin_postgres = time.monotonic(), time.process_time(), self._postgres()
        self.tick()

    def tick(self) -> None:
        self.last, self.spent = time.monotonic(), time.process_time()

    def note(self, _: str) -> None:
        self.decided += 1
        self.tick()

    def _postgres(self) -> float:
        return sum(cpu_seconds(pid) for pid in descendants(os.getpid()))

    async def until_done(self, title: str, at_least: int) -> None:
        before = -1.0
        while self.decided < at_least or time.monotonic() - self.last < QUIET_SECONDS:
            if self.last != before:
                before, self.spent_postgres = self.last, self._postgres()
            await asyncio.sleep(0.1)
        spent, postgres = self.spent - self.begin_spent, self.spent_postgres - self.begin_postgres
        print(
            f"{title:24} {self.decided:6} units written, {spent:6.1f} s fedsvc + {postgres:.1f} s PostgreSQL,"
            f" after {self.last - self.begin:.1f} s",
            flush=True,
        )


def _cluster(snapshot: ClusterSnapshot) -> Cluster:
    return Cluster(
        name=snapshot.name,
        uid=str(uuid4()),
        labels=dict(snapshot.labels),
        annotations={},
        provider=snapshot.provider,
        region=snapshot.region,
        zones=snapshot.zones,
        taints=(),
        cost=snapshot.cost,
        connection=Connection(endpoint="https://127.0.0.1:1", credential=Credential(token="none")),  # noqa: S106 - reached by nobody
        create_time=NOW,
        update_time=NOW,
    )


def _resource(unit: UnitInput) -> Resource:
    (workload,) = unit.workloads
    name = unit.key.partition("/")[2]
    requests = {"cpu": f"{workload.requests['cpu']}m", "memory": str(workload.requests["memory"])}
    container = {"name": "main", "image": "registry.example/main:1", "resources": {"requests": requests}}
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": unit.key.partition("/")[0]},
        "spec": {
            "replicas": workload.replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        },
    }
    body = canonical_json(manifest)
    return Resource(key=key_of(manifest), digest=digest(body), labels={}, body=body)


async def _fill(store: Store, snapshots: Sequence[ClusterSnapshot], count: int) -> None:
    async with store.transaction() as tx:
        for snapshot in snapshots:
            await clusters.create(tx, _cluster(snapshot))
            assert snapshot.capacity is not None
            room = Room(nodes=snapshot.capacity.nodes, waiting=snapshot.capacity.grants, read_time=tx.now)
            await clusters.set_room(tx, snapshot.name, room)
            await _find(tx, snapshot.name, Verdict.HEALTHY)
            await served_kinds.set_api_resources(tx, snapshot.name, [["apps", "v1", "Deployment", "deployments", True]])
    asked = list(units_of(count))
    for start in range(0, count, 200):
        async with store.transaction() as tx:
            for unit in asked[start : start + 200]:
                namespace, _, name = unit.key.partition("/")
                await units.apply(
                    tx,
                    namespace=namespace,
                    name=name,
                    labels=dict(unit.labels),
                    annotations={},
                    spec=UnitSpec(placement=unit.placement, propagation=Propagation()),
                    resources=[_resource(unit)],
                )


async def _find(tx: Transaction, name: str, verdict: Verdict) -> None:
    cluster = await clusters.get(tx, name)
    observation = replace(cluster.observation, health=Health(verdict=verdict, since=NOW))
    await clusters.observe(tx, name, observation, connection=cluster.connection)


async def _lose(store: Store, snapshots: Sequence[ClusterSnapshot], region: str) -> None:
    async with store.transaction() as tx:
        for snapshot in snapshots:
            if snapshot.region == region:
                await _find(tx, snapshot.name, Verdict.UNREACHABLE)
        await automation.look(tx)


async def measure(unit_count: int, cluster_count: int) -> None:
    collect_seldom()
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # noqa: ASYNC240 - as root PostgreSQL runs as somebody else, who must get through
        server = ScratchPostgres(Path(folder))
        await server.start()
        try:
            async with server.fresh_database() as url:
                store = Store(Database(url), load_keyring(Path(folder) / "keyring"))
                try:
                    await _run(store, server, unit_count, cluster_count)
                finally:
                    await store.close()
        finally:
            await server.server.stop()


async def _run(store: Store, server: ScratchPostgres, unit_count: int, cluster_count: int) -> None:
    print(f"{unit_count} units on {cluster_count} clusters", flush=True)
    snapshots = fleet_of(cluster_count).clusters
    await _fill(store, snapshots, unit_count)
    clock = Clock(server=server)
    hub = Hub(store, rescan_seconds=3_600)
    events = EventRecorder(store, ControllerSettings())
    controller = PlacementController(
        store, settings=ControllerSettings(), events=events, wake_member=lambda _: None, decided=clock.note
    )
    controller.listen(hub)
    clock.start()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(part()) for part in (store.feed.run, hub.run, controller.run, events.run)]
        await clock.until_done("placed for the first time", unit_count)
        same = metrics.DECISIONS.labels("same")._value.get()  # noqa: SLF001 - there is no other way to read it
        await _lose(store, snapshots, LOST)
        clock.start()
        await clock.until_done(f"region {LOST} is lost", 1)
        print(f"{metrics.DECISIONS.labels('same')._value.get() - same:.0f} more came out as before")  # noqa: SLF001
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=1000, help="units; 10000 takes minutes")
    parser.add_argument("--clusters", type=int, default=500)
    options = parser.parse_args()
    asyncio.run(measure(options.units, options.clusters))
