"""What placement looks at, read from the store."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.failover import tolerating
from fedsvc.model.fleet import FleetSpec, RegionDistance
from fedsvc.model.grants import SETTLING, Granted
from fedsvc.model.room import Room
from fedsvc.model.unit import Unit, UnitSpec
from fedsvc.model.work import Binding
from fedsvc.store import clusters, fleet, grants, placing, policies, served_kinds, unit_facts, units, works
from fedsvc.store.placing import NO_PLACEMENT
from fedsvc.store.sql import text
from fedsvc_placement import (
    ApiKind,
    DataCopy,
    Dataset,
    Grant,
    Headroom,
    LabelSelector,
    Learned,
    Memory,
    NodeShape,
    PlacedUnit,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    Taint,
)
from fedsvc_placement.model import Spoken

pytestmark = pytest.mark.postgres

Manifest = Callable[..., dict[str, Any]]
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
WEB = "apps/v1 Deployment shop/web"
EVERYWHERE = Placement(cluster_selector=LabelSelector())
DIVIDED = Placement(cluster_selector=LabelSelector(), replicas=ReplicaPolicy(mode="Divided"))


def deployment(name: str = "web", replicas: int = 3) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": "250m", "memory": "1Gi"}}}
    template = {"spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"replicas": replicas, "template": template},
    }


async def bound(world: Any, unit: Unit, **replicas: dict[str, int]) -> None:
    async with world.store.transaction() as tx:
        bindings = [
            Binding(unit_uid=unit.uid, cluster=name, replicas=given, render_key=b"r", decision=unit.uid)
            for name, given in replicas.items()
        ]
        await units.lock_generations(tx, [unit.uid])
        desired: dict[str, list[Any]] = {name: [] for name in replicas}
        plan = works.UnitSync(unit=unit, bindings=bindings, desired=desired, removal=ObjectDeletion.BACKGROUND)
        await works.sync_units(tx, [plan])


async def read_fleet(world: Any, **arguments: Any) -> Any:
    async with world.store.reader() as tx:
        return await placing.read_fleet(tx, **({"with_units": True} | arguments))


async def read_one(world: Any, unit: Unit) -> Any:
    async with world.store.reader() as tx:
        (found,) = await placing.read_requests(tx, [unit])
    return found


async def test_a_fleet_holds_clusters_with_their_room_and_the_settings(world: Any) -> None:
    await world.cluster(
        "a", region="eu", zones=("z",), labels={"tier": "prod"}, taints=(Taint(key="k", effect="NoSchedule"),)
    )
    await world.cluster("b")
    shape = NodeShape(count=2, allocatable={"cpu": 4000}, free={"cpu": 100})
    waiting = (Grant(requests={"cpu": 50}, replicas=1),)
    await world.run(clusters.set_room, "a", Room(nodes=(shape,), waiting=waiting, read_time=NOW))
    settings = FleetSpec(
        distances=(RegionDistance(region="eu", other="us", milliseconds=90),),
        datasets=(Dataset(name="orders", primary="a", copies=(DataCopy(cluster="b", lag_seconds=1),)),),
        headroom=Headroom(by="region"),
    )
    await world.run(fleet.update, settings)

    found = await read_fleet(world)

    a, b = found.clusters
    assert (a.name, a.region, a.zones, a.taints) == ("a", "eu", ("z",), (Taint(key="k", effect="NoSchedule"),))
    assert (a.labels["tier"], a.labels["region"]) == ("prod", "eu")
    assert a.capacity is not None
    assert (a.capacity.nodes, a.capacity.grants) == ((shape,), waiting)
    assert (b.capacity, b.kinds) == (None, None), "not known"
    assert (found.datasets, found.headroom) == (settings.datasets, settings.headroom)
    assert found.distances_ms == {("eu", "us"): 90}


async def test_room_that_was_given_away_counts_until_a_reading_may_have_seen_it(world: Any) -> None:
    for name in ("a", "b"):
        await world.cluster(name)
    await world.run(clusters.set_room, "a", Room(read_time=NOW))
    small, large = {"cpu": 50}, {"memory": 2**30, "cpu": 500}
    given = [("a", small, 1), ("a", large, 3), ("a", small, 2), ("b", small, 7), ("gone", small, 7)]
    granted = [Granted(at=NOW, spoken=Spoken(cluster=c, requests=r, replicas=n)) for c, r, n in given]
    await world.run(grants.add, granted)
    await world.run(grants.add, [Granted(at=NOW - timedelta(minutes=1), spoken=granted[0].spoken)])

    async def grants_of_a(read_time: datetime) -> Any:
        await world.run(clusters.set_room, "a", Room(read_time=read_time))
        capacity = (await read_fleet(world)).clusters[0].capacity
        return [(grant.requests, grant.replicas) for grant in capacity.grants]

    assert await grants_of_a(NOW + SETTLING) == [(small, 3), (large, 3)]
    assert await grants_of_a(NOW + SETTLING + timedelta(seconds=1)) == []
    await world.run(clusters.set_room, "a", None)
    assert (await read_fleet(world)).clusters[0].capacity is None, "of which nothing is known, it gives nothing"


async def test_kinds_are_those_a_cluster_serves_and_the_same_set_for_all_that_serve_the_same(world: Any) -> None:
    rows = [["apps", "v1", "Deployment", "deployments", True], ["", "v1", "ConfigMap", "configmaps", True]]
    for name in ("a", "b"):
        await world.cluster(name)
        await world.run(served_kinds.set_api_resources, name, rows)

    a, b = (await read_fleet(world)).clusters

    assert {
        ApiKind(group="apps", version="v1", kind="Deployment"),
        ApiKind(group="", version="v1", kind="ConfigMap"),
    } <= a.kinds
    assert a.kinds is b.kinds


async def test_neighbours_are_all_units_that_stay_with_their_places(world: Any) -> None:
    for name in ("a", "b"):
        await world.cluster(name)
    await world.apply(name="web", labels={"app": "web"})
    placed = await world.unit(name="api")
    gone = await world.unit(name="old")
    await bound(world, placed, b={}, a={})
    async with world.store.transaction() as tx:
        await units.mark_deleted(tx, "shop", "old", cascade=None)

    found = await read_fleet(world)

    assert sorted(found.units, key=lambda unit: unit.key) == [
        PlacedUnit(key="shop/api", clusters=("a", "b")),
        PlacedUnit(key="shop/web", labels={"app": "web"}),
    ]
    assert gone.name == "old"
    assert (await read_fleet(world, with_units=False)).units == ()


async def test_a_request_holds_workloads_kinds_bindings_and_memory(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = (
        await world.apply(deployment(), manifest("x"), labels={"app": "web"}, spec=UnitSpec(placement=DIVIDED))
    ).unit
    await bound(world, unit, a={WEB: 3})
    memory = Memory(
        group="eu", moved_at=NOW, learned=(Learned(cluster="a", workload=WEB, wanted=3, running=1, at=NOW),)
    )
    plain = '{"group": "eu", "moved_at": "2026-11-26T12:00:00Z", "learned": [{"cluster": "a", "workload": "%s",'
    plain += ' "wanted": 3, "running": 1, "at": "2026-11-26T12:00:00Z"}]}'
    async with world.store.transaction() as tx:
        await tx.execute(text("UPDATE unit SET memory = CAST(:memory AS jsonb)"), {"memory": plain % WEB})

    found = await read_one(world, unit)

    assert (found.unit, found.input.key) == (unit, "shop/web")
    assert found.input.placement == tolerating(DIVIDED, unit.spec.failover, is_held=False)
    assert found.input.labels == {"app": "web"}
    (workload,) = found.input.workloads
    assert (workload.key, workload.replicas, workload.requests) == (WEB, 3, {"cpu": 250, "memory": 2**30})
    assert found.input.kinds == (
        ApiKind(group="", version="v1", kind="ConfigMap"),
        ApiKind(group="apps", version="v1", kind="Deployment"),
    )
    (was,) = found.previous
    assert was == PreviousBinding(cluster="a", replicas={WEB: 3}, since=was.since)
    assert was.since is not None
    assert found.memory == memory
    async with world.store.reader() as tx:
        assert (await unit_facts.read(tx, [unit.uid]))[unit.uid].memory == memory


async def test_manifests_are_not_opened_for_a_placement_that_does_not_look_into_them(world: Any) -> None:
    unit = await world.unit(deployment(), placement=EVERYWHERE)

    found = await read_one(world, unit)

    assert found.input.workloads == ()
    assert found.input.kinds == (ApiKind(group="apps", version="v1", kind="Deployment"),)
    assert (found.previous, found.memory) == ((), Memory())


async def test_a_workload_that_an_autoscaler_owns_is_left_out(world: Any) -> None:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": target},
    }
    unit = await world.unit(deployment(), deployment("api"), scaler, placement=DIVIDED)

    assert [entry.key for entry in (await read_one(world, unit)).input.workloads] == ["apps/v1 Deployment shop/api"]


async def test_policies_are_resolved_and_one_that_is_not_there_places_nothing(world: Any) -> None:
    await world.run(policies.apply, policies.PLACEMENT, name="divided", labels={}, spec=DIVIDED)
    own = await world.unit(name="own", placement=EVERYWHERE)
    shared = await world.unit(name="shared", placement_policy="divided")
    lost = await world.unit(name="lost", placement_policy="moon")
    bare = await world.unit(name="bare")

    async with world.store.reader() as tx:
        found = await placing.placements_of(tx, [own, shared, lost, bare])

    assert found == {own.uid: EVERYWHERE, shared.uid: DIVIDED, lost.uid: NO_PLACEMENT, bare.uid: NO_PLACEMENT}


async def test_requests_come_in_the_order_asked_for_by_the_same_number_of_statements(world: Any) -> None:
    listed = [await world.unit(deployment(f"w{number}"), name=f"u{number}", placement=DIVIDED) for number in range(6)]

    async def count(asked: list[Unit]) -> int:
        statements: list[str] = []
        async with world.store.reader() as tx:
            with tx.connection.query_logger(lambda query: statements.append(query.query)):  # not the feed's
                found = await placing.read_requests(tx, asked)
        assert [entry.unit for entry in found] == asked
        return len(statements)

    assert await count(listed[::-1]) == await count(listed[:1]) > 0
