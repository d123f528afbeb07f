"""The fleet in memory follows the stored one, and reads no more of it than changed."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fedsvc.controllers.surroundings import Surroundings
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.room import Room
from fedsvc.store import clusters, fleet, served_kinds
from fedsvc.store.store import Transaction
from fedsvc_placement import Dataset, NodeShape

KINDS = [["apps", "v1", "Deployment", "deployments", True]]


async def label(tx: Transaction) -> None:
    stored = await clusters.lock(tx, "b")
    await clusters.update(tx, dataclasses.replace(stored, labels={"tier": "gold"}))


async def serve(tx: Transaction) -> None:
    await served_kinds.set_api_resources(tx, "b", KINDS)


async def leave(tx: Transaction) -> None:
    await clusters.mark_deleted(tx, "b", ObjectDeletion.ORPHAN)


async def go(tx: Transaction) -> None:
    await leave(tx)
    assert "b" in await clusters.remove_finished(tx)


async def fill(tx: Transaction) -> None:
    nodes = (NodeShape(count=1, allocatable={"cpu": 8_000}, free={"cpu": 500}),)
    await clusters.set_room(tx, "b", Room(read_time=tx.now, nodes=nodes))


async def settle(tx: Transaction) -> None:
    await fleet.update(tx, FleetSpec(datasets=(Dataset(name="orders", primary="a"),)))


@pytest.mark.parametrize("change", [label, serve, leave, go, fill, settle])
async def test_a_fleet_that_is_read_in_part_is_the_one_that_is_read_whole(
    quiet_world: Any, change: Callable[[Transaction], Awaitable[None]]
) -> None:
    for name in ("a", "c", "b"):
        await quiet_world.register(name)
    followed, fresh = Surroundings(), Surroundings()
    async with quiet_world.store.reader() as tx:
        await followed.read(tx, None)
    before = {cluster.name: cluster for cluster in followed.view.fleet.clusters}
    seen: set[str] = set()
    stop = quiet_world.store.on_commit(
        lambda changes: seen.update(change.name.rpartition("/")[2] for change in changes if change.kind == "cluster")
    )
    async with quiet_world.store.transaction() as tx:
        await change(tx)
    stop()

    async with quiet_world.store.reader() as tx:
        await followed.read(tx, seen)
        await fresh.read(tx, None)

    assert followed.view.fleet == fresh.view.fleet
    assert followed.view.members == fresh.view.members
    assert list(followed.view.members) == sorted(followed.view.members)
    after = {cluster.name: cluster for cluster in followed.view.fleet.clusters}
    assert all(after[name] is before[name] for name in ("a", "c"))


async def test_one_that_joins_takes_its_place_by_name(quiet_world: Any) -> None:
    for name in ("a", "c"):
        await quiet_world.register(name)
    followed = Surroundings()
    async with quiet_world.store.reader() as tx:
        await followed.read(tx, {"c"})
    await quiet_world.register("b")
    async with quiet_world.store.reader() as tx:
        await followed.read(tx, {"b"})
    assert [cluster.name for cluster in followed.view.fleet.clusters] == ["a", "b", "c"]
