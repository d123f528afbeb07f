"""A replica that is stopped in the middle and goes on when another leads does nothing of what it was about to do."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.model.unit import Resource, UnitSpec
from fedsvc.model.work import Work
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.identity import key_of
from fedsvc.simulator import SimulatedClusterSpec, Simulator
from fedsvc.simulator.faults import Faults
from fedsvc.simulator.server import Received
from fedsvc.store import clusters, units, works
from fedsvc.store.store import Store
from fedsvc_placement import Placement

SECONDS = 60.0
COUNT = 80
OF_LEASE = "fedsvc lease controllers"


async def register(store: Store, simulator: Simulator, name: str) -> None:
    credential = Credential(token=simulator.cluster(name).admin_token)
    now = datetime.now(UTC)
    cluster = Cluster(
        name=name,
        uid=str(uuid4()),
        labels={},
        annotations={},
        provider="",
        region=name,
        zones=(),
        taints=(),
        connection=Connection(endpoint=simulator.server_of(name), credential=credential),
        create_time=now,
        update_time=now,
    )
    async with store.transaction() as tx:
        await clusters.create(tx, cluster)


async def apply(store: Store, version: str, on: str) -> None:
    """Apply a unit of many objects that hold a version."""
    async with store.transaction() as tx:
        resources = []
        for number in range(COUNT):
            metadata = {"name": f"m{number}", "namespace": "default"}
            manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"version": version}}
            body = canonical_json(manifest)
            key = key_of(manifest)
            resources.append(Resource(key=key, digest=tx.digest_for(key, body), labels={}, body=body))
        spec = UnitSpec(placement=Placement(clusters=(on,)))
        await units.apply(tx, namespace="shop", name="web", labels={}, annotations={}, spec=spec, resources=resources)


async def until(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await look():
            await asyncio.sleep(0.05)


async def all_works(store: Store) -> list[Work]:
    async with store.reader() as tx:
        return list(await works.list_page(tx, after=0, limit=10 * COUNT))


async def until_held_by(store: Store, cluster: str) -> None:
    """Wait until the unit is on that cluster, all of it, and nothing of it elsewhere."""

    async def is_held() -> bool:
        return sorted((work.cluster, work.state) for work in await all_works(store)) == [(cluster, "Applied")] * COUNT

    await until(is_held)


def versions(simulator: Simulator, name: str) -> set[str]:
    """What a cluster holds of the unit."""
    stored = (one.body for one in simulator.cluster(name).store.everything())
    return {str(body["data"]["version"]) for body in stored if "version" in (body.get("data") or {})}


async def end_silent_sessions(connection: Any) -> None:
    """End what PostgreSQL ends by itself when it has heard nothing for twenty seconds."""
    of_ours = "FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'fedsvc%' AND"
    open_ = "state IN ('active', 'idle in transaction')"

    async def is_done() -> bool:
        await connection.execute(
            f"SELECT pg_terminate_backend(pid) {of_ours} (application_name = $1"
            f" OR ({open_} AND now() - state_change > interval '1 second'))",
            OF_LEASE,
        )
        return (
            int(await connection.fetchval(f"SELECT count(*) {of_ours} (application_name = $1 OR {open_})", OF_LEASE))
            == 0
        )

    await until(is_done)


@pytest.mark.postgres
async def test_a_paused_leader_does_nothing_of_what_it_was_about_to_do(
    folder: Path, tmp_path: Path, database_url: str, store: Store, serving: Any
) -> None:
    same = ("--database-url", database_url, "--key-file", tmp_path / "keyring")
    sent: list[Received] = []
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator([SimulatedClusterSpec(name=name) for name in "ab"]))
        simulator.listeners.append(sent.append)
        connection = await asyncpg.connect(database_url)
        stack.push_async_callback(connection.close)
        for name in "ab":
            await register(store, simulator, name)
        (folder / "one").mkdir()
        first = await stack.enter_async_context(serving(folder / "one", *same))
        await apply(store, "1", "a")
        await until_held_by(store, "a")

        simulator.cluster("a").inject(Faults(latency_seconds=0.5))
        sent.clear()
        await apply(store, "2", "a")

        async def is_under_way() -> bool:
            return any(b'"2"' in one.body for one in sent)

        await until(is_under_way)
        first.process.signal(signal.SIGSTOP)
        try:
            simulator.cluster("a").inject(Faults())
            assert sum(b'"2"' in one.body for one in sent) < COUNT  # there is much that it was about to send
            await end_silent_sessions(connection)
            (folder / "two").mkdir()
            await stack.enter_async_context(serving(folder / "two", *same))
            await apply(store, "3", "b")
            await until_held_by(store, "b")
            assert (versions(simulator, "a"), versions(simulator, "b")) == (set(), {"3"})
            sent.clear()
        finally:
            first.process.signal(signal.SIGCONT)

        async def asks_again() -> bool:
            count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1"
            return int(await connection.fetchval(count, OF_LEASE)) == 2

        await until(asks_again)  # by then it has ended all that it was about to do
        assert [(one.cluster, one.method, one.path) for one in sent] == []
        assert (versions(simulator, "a"), versions(simulator, "b")) == (set(), {"3"})
        assert {(work.cluster, work.state) for work in await all_works(store)} == {("b", "Applied")}
        holder, epoch = await connection.fetchrow("SELECT holder, epoch FROM lease WHERE name = 'controllers'")
        assert epoch == 2
        assert str(first.process.process.pid) not in holder
