"""What moves units besides their own intent: other units, settings, room, and what was asked for."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from fedsvc.api.services.explaining import explain_stored
from fedsvc.controllers import deciding, health
from fedsvc.controllers import placement as controller
from fedsvc.errors import StoreUnavailableError
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.room import Room, StuckWorkload
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.store import clusters, decisions, fleet, policies, unit_facts, units
from fedsvc_placement import (
    AffinityMode,
    ClusterMatcher,
    ClusterPreference,
    Dataset,
    LabelSelector,
    Mode,
    NodeShape,
    Placement,
    ReplicaPolicy,
    SpreadConstraint,
    Stability,
    Strategy,
    Taint,
    Topology,
    Trigger,
    UnitAffinity,
    UnitMatcher,
    from_dict,
)
from fedsvc_placement.model import DataAccess, DataAnchor

EVERYWHERE = LabelSelector()
ONE = (SpreadConstraint(by=Topology.CLUSTER, max_groups=1),)
RATHER_C = (ClusterPreference(weight=100, clusters=ClusterMatcher(names=("c",))),)
PACKED = ReplicaPolicy(mode=Mode.DIVIDED, strategy=Strategy.AGGREGATED)
KEPT_FROM = Taint(key="kept", effect="NoSchedule")
LOST = Taint(key="lost", effect="NoExecute")
NEVER_SECONDS = 3_600.0
GIB = 2**30


async def until_on(world: Any, unit: str, *names: str) -> None:
    """Wait until a unit is on these clusters, and ready there."""

    async def is_there() -> bool:
        status = await world.status(unit)
        return [line.cluster for line in status.clusters] == list(names) and status.state == UnitState.READY

    await world.until(is_there)


async def replayed(world: Any, unit: str) -> bool:
    """Whether the decision in force comes out the same, byte for byte, from what is kept of it."""
    async with world.store.reader() as tx:
        found = await units.get(tx, "shop", unit)
        (newest,) = (await decisions.newest(tx, [found.uid])).values()
        return (await explain_stored(tx, None, newest.id, replay=True)).same


async def test_a_unit_goes_where_the_unit_it_follows_goes(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("follower", make_config_map("follower"), placement=Placement(follows=("shop/leader",)))
    await world.apply("leader", make_config_map("leader"), placement=Placement(clusters=("a",)))
    await until_on(world, "follower", "a")

    await world.apply("leader", make_config_map("leader"), placement=Placement(clusters=("b", "c")))

    await until_on(world, "follower", "b", "c")
    assert await replayed(world, "follower")
    await world.delete("leader")
    await world.until_state("follower", UnitState.UNPLACED)


async def test_a_unit_goes_beside_what_comes_to_be_labelled(world: Any, make_config_map: Callable[..., Any]) -> None:
    databases = UnitMatcher(selector=LabelSelector(match_labels=(("role", "database"),)))
    beside = (UnitAffinity(mode=AffinityMode.TOGETHER, units=databases),)
    other = await world.apply("orders", make_config_map("orders"), placement=Placement(clusters=("b",)))
    placement = Placement(cluster_selector=EVERYWHERE, affinities=beside)
    await world.apply("web", make_config_map("web"), placement=placement)
    await world.until_state("web", UnitState.UNPLACED)

    async with world.store.transaction() as tx:
        await units.apply(
            tx,
            namespace="shop",
            name="orders",
            labels={"role": "database"},
            annotations={},
            spec=other.spec,
            resources=await units.resources_of(tx, other.uid),
        )

    await until_on(world, "web", "b")
    assert await replayed(world, "web")


async def test_a_unit_follows_the_data_it_writes(world: Any, make_config_map: Callable[..., Any]) -> None:
    async with world.store.transaction() as tx:
        await fleet.update(tx, FleetSpec(datasets=(Dataset(name="orders", primary="a"),)))
    anchored = Placement(cluster_selector=EVERYWHERE, data=(DataAnchor(dataset="orders", access=DataAccess.WRITE),))
    await world.apply("web", make_config_map(), placement=anchored)
    await until_on(world, "web", "a")

    async with world.store.transaction() as tx:
        await fleet.update(tx, FleetSpec(datasets=(Dataset(name="orders", primary="c"),)))

    await until_on(world, "web", "c")
    assert await replayed(world, "web")


async def test_what_fits_stays_where_it_is_until_somebody_asks(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.change_cluster("c", taints=[KEPT_FROM])
    await world.change_cluster("b", taints=[KEPT_FROM])
    placement = Placement(
        cluster_selector=EVERYWHERE, spread=ONE, preferences=RATHER_C, stability=Stability(stickiness=0)
    )
    unit = await world.apply("web", make_config_map(), placement=placement)
    await until_on(world, "web", "a")

    await world.change_cluster("c", taints=[])

    async def noticed() -> bool:
        async with world.store.reader() as tx:
            (newest,) = (await decisions.newest(tx, [unit.uid])).values()
        return bool(newest.record.get("held_back"))

    await world.until(noticed)
    await until_on(world, "web", "a")

    async with world.store.transaction() as tx:
        assert await units.request_rebalance(tx, [unit.uid]) == 1
    await until_on(world, "web", "c")
    async with world.store.reader() as tx:
        assert not (await units.get(tx, "shop", "web")).rebalance
        assert ((await unit_facts.read(tx, [unit.uid]))[unit.uid].memory).moved_at is not None
    assert await replayed(world, "web")


@pytest.mark.parametrize(
    ("replace_on", "place"),
    [pytest.param((Trigger.CLUSTER_JOINED,), "c", id="asked-for"), pytest.param((Trigger.REBALANCE,), "a", id="not")],
)
async def test_a_cluster_that_joins_draws_those_that_ask_for_it(
    quiet_world: Any, make_config_map: Callable[..., Any], replace_on: tuple[str, ...], place: str
) -> None:
    world = quiet_world
    await world.register("a")
    world.start()
    placement = Placement(
        cluster_selector=EVERYWHERE,
        spread=ONE,
        preferences=RATHER_C,
        stability=Stability(replace_on=replace_on, stickiness=0),
    )
    unit = await world.apply("web", make_config_map(), placement=placement)
    await until_on(world, "web", "a")

    await world.register("c")

    async def looked_at_c() -> bool:
        async with world.store.reader() as tx:
            (newest,) = (await decisions.newest(tx, [unit.uid])).values()
        return len(from_dict(newest.record).clusters) == 2

    await world.until(looked_at_c)
    await until_on(world, "web", place)


async def test_a_fleet_that_is_slow_to_read_is_read_again_soon(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "_FLEET_PAUSE", 1_000_000)
    await world.apply("web", make_config_map(), placement=Placement(cluster_selector=EVERYWHERE))
    await until_on(world, "web", "a", "b", "c")
    async with world.store.transaction() as tx:
        stored = await clusters.lock(tx, "b")
        await clusters.update(tx, dataclasses.replace(stored, taints=(LOST,)))
    await until_on(world, "web", "a", "c")


async def test_a_unit_that_was_decided_between_two_changes_of_the_fleet_is_woken_for_the_second(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def taint(*taints: Taint) -> None:
        async with world.store.transaction() as tx:
            stored = await clusters.lock(tx, "b")
            await clusters.update(tx, dataclasses.replace(stored, taints=taints))

    monkeypatch.setattr(controller, "_FLEET_PAUSE", 1_000_000)
    monkeypatch.setattr(controller, "_FLEET_PAUSE_MAX_SECONDS", 3.0)
    await world.apply("first", make_config_map(name="first"), placement=Placement(cluster_selector=EVERYWHERE))
    await until_on(world, "first", "a", "b", "c")

    await taint(KEPT_FROM)
    await world.apply("web", make_config_map(), placement=Placement(cluster_selector=EVERYWHERE))
    await until_on(world, "web", "a", "c")
    await taint()

    await until_on(world, "web", "a", "b", "c")


async def test_a_cluster_that_is_forgotten_while_it_is_decided_on_is_decided_without_at_once(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = deciding.decide_batch
    forgotten: list[bool] = []

    async def forgetting(*arguments: Any, **named: Any) -> Any:
        decided = await whole(*arguments, **named)
        if not forgotten:
            forgotten.append(True)
            async with world.store.transaction() as tx:
                await clusters.forget(tx, "b")
        return decided

    put_off: list[Any] = []
    monkeypatch.setattr(controller, "decide_batch", forgetting)
    monkeypatch.setattr(controller.PlacementController, "_put_off", lambda *given: put_off.append(given))
    await world.apply("web", make_config_map(), placement=Placement(cluster_selector=EVERYWHERE))
    await until_on(world, "web", "a", "c")
    assert forgotten
    assert not put_off


async def test_new_intent_is_decided_once_by_who_begins_to_lead(
    quiet_world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet_world.register("a")
    whole = deciding.decide_batch
    decided: Counter[str] = Counter()

    async def counting(observed: Any, **named: Any) -> Any:
        decided.update(request.unit.name for request in observed.requests)
        return await whole(observed, **named)

    monkeypatch.setattr(controller, "decide_batch", counting)
    for name in ("web", "orders"):
        placement = Placement(cluster_selector=EVERYWHERE)
        await quiet_world.apply(name, make_config_map(name), placement=placement)
    quiet_world.start()
    for name in ("web", "orders"):
        await until_on(quiet_world, name, "a")
    assert decided == {"web": 1, "orders": 1}


@pytest.mark.parametrize("lost_when", ["reading", "writing"])
async def test_what_a_decision_is_made_for_outlasts_a_loss_of_the_database(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, lost_when: str
) -> None:
    def placement(*preferences: ClusterPreference) -> Placement:
        calm = Stability(stickiness=0)  # and moved by a change of its intent
        return Placement(cluster_selector=EVERYWHERE, spread=ONE, preferences=preferences, stability=calm)

    async def put(spec: Placement) -> None:
        async with world.store.transaction() as tx:
            await policies.apply(tx, policies.PLACEMENT, name="p", labels={}, spec=spec)

    rather_a = ClusterPreference(weight=100, clusters=ClusterMatcher(names=("a",)))
    await put(placement(rather_a))
    await world.apply("web", make_config_map(), spec=UnitSpec(placement_policy="p"))
    await until_on(world, "web", "a")
    name = {"reading": "decide_batch", "writing": "write"}[lost_when]
    whole = getattr(controller, name)
    lost: list[bool] = []

    async def lost_once(*arguments: Any, **named: Any) -> Any:
        if not lost:
            lost.append(True)
            raise StoreUnavailableError("PostgreSQL is away")
        return await whole(*arguments, **named)

    monkeypatch.setattr(controller, name, lost_once)

    await put(placement(*RATHER_C))

    await until_on(world, "web", "c")
    assert lost


async def test_units_of_one_batch_do_not_get_the_same_room(world: Any, make_deployment: Callable[..., Any]) -> None:
    async def rooms_known() -> bool:
        async with world.store.reader() as tx:
            return all(cluster.room is not None for cluster in await clusters.list_all(tx))

    await world.until(rooms_known)
    await world.stop()
    for name in ("one", "two", "three"):
        large = make_deployment(name, replicas=3)  # fills the three nodes of one cluster
        large["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "6"}}
        await world.apply(name, large, placement=Placement(cluster_selector=EVERYWHERE, replicas=PACKED))
    world.start()

    for name in ("one", "two", "three"):
        await world.until_state(name, UnitState.READY)
    places = {name: [line.cluster for line in (await world.status(name)).clusters] for name in ("one", "two", "three")}
    assert sorted(places.values()) == [["a"], ["b"], ["c"]]
    assert [await replayed(world, name) for name in places] == [True, True, True]


async def test_room_that_was_given_away_stays_so_after_a_restart(
    world: Any, make_deployment: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop()
    never: dict[str, Any] = {"probe_seconds": NEVER_SECONDS, "survey_seconds": NEVER_SECONDS}
    monkeypatch.setattr(health, "HealthSettings", partial(health.HealthSettings, **never))
    rather_a = (ClusterPreference(weight=100, clusters=ClusterMatcher(names=("a",))),)
    for name, cluster in (("one", "a"), ("two", "b")):
        world.start()
        if name == "one":
            await put_room(world, "a")
            await put_room(world, "b")
        large = make_deployment(name, replicas=2)  # fills the two nodes of one cluster
        large["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "6"}}
        placement = Placement(clusters=("a", "b"), spread=ONE, preferences=rather_a, replicas=PACKED)
        await world.apply(name, large, placement=placement)
        await until_on(world, name, cluster)
        await world.stop()
    assert await replayed(world, "two")


async def test_replicas_that_find_no_node_go_elsewhere_and_are_remembered(
    world: Any, make_deployment: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.stop()
    never: dict[str, Any] = {"probe_seconds": NEVER_SECONDS, "survey_seconds": NEVER_SECONDS}
    monkeypatch.setattr(health, "HealthSettings", partial(health.HealthSettings, **never))
    world.start()
    await put_room(world, "a")
    unit = await world.apply(
        "web", make_deployment(replicas=4), placement=Placement(clusters=("a", "b"), replicas=PACKED)
    )
    await until_on(world, "web", "a")
    await put_room(world, "b")
    stuck = StuckWorkload(group="apps", kind="Deployment", namespace="shop", name="web", replicas=3)

    await put_room(world, "a", stuck, read_time=datetime.now(UTC) + timedelta(minutes=2))

    await until_on(world, "web", "a", "b")
    async with world.store.reader() as tx:
        (newest,) = (await decisions.newest(tx, [unit.uid])).values()
        memory = (await unit_facts.read(tx, [unit.uid]))[unit.uid].memory
    shares = {target["cluster"]: list(target["replicas"].values()) for target in newest.record["targets"]}
    assert shares == {"a": [1], "b": [3]}
    assert [(entry.cluster, entry.wanted, entry.running) for entry in memory.learned] == [("a", 4, 1)]
    assert await replayed(world, "web")


async def put_room(world: Any, name: str, *stuck: StuckWorkload, read_time: datetime | None = None) -> None:
    """Store what was read of a member: two nodes of eight cores."""
    size = {"cpu": 8_000, "memory": 32 * GIB, "pods": 110}
    nodes = (NodeShape(count=2, allocatable=size, free=size),)
    async with world.store.transaction() as tx:
        await clusters.set_room(tx, name, Room(nodes=nodes, stuck=stuck, read_time=read_time or datetime.now(UTC)))
