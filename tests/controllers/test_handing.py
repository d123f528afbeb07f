"""Objects that change hands between units, or are let go: never deleted in between, whoever is killed or is first."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from fedsvc.errors import ObjectOwnedError, ProtectedError, RolloutStateError
from fedsvc.model.unit import Propagation, UnitSpec, UnitState
from fedsvc.rendering.identity import key_of
from fedsvc.rollout.policy import RolloutPolicy, RolloutWave
from fedsvc.store import handing, removals, units
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
ON_A = Placement(clusters=("a",))
ON_AB = Placement(clusters=("a", "b"))
ADOPTS = Propagation(adopts=("namespaces/shop/units/web",))


async def identity(world: Any, cluster: str = "a") -> tuple[str, str, Any]:
    """The uid of the object, the unit it says it is of, and its data."""
    live = await world.get(cluster, PATH)
    assert live is not None
    metadata = live["metadata"]
    return metadata["uid"], metadata["annotations"]["fedsvc.io/unit"], live["data"]


async def hand_over(world: Any, *manifests: Any, target: str = "other") -> list[str]:
    source, getting = await world.unit("web"), await world.unit(target)
    async with world.store.transaction() as tx:
        await units.lock_generations(tx, sorted((source.uid, getting.uid)))
        keys = [key_of(manifest) for manifest in manifests]
        clusters = await handing.take(tx, [source.uid], getting.uid, keys, author="test")
        await handing.revise(tx, getting.uid, author="test")
    return clusters


async def until_of(world: Any, unit: str, *, cluster: str = "a", data: Any = None) -> None:
    async def it_is() -> bool:
        _, of, found = await identity(world, cluster)
        return of == f"shop/{unit}" and (data is None or found == data)

    await world.until(it_is, seconds=20)


async def test_an_object_changes_hands_where_it_is(world: Any, make_config_map: Callable[..., Any]) -> None:
    moving = make_config_map(a="1")
    await world.apply("web", moving, make_config_map("stays", x="1"), placement=ON_AB)
    await world.apply("other", make_config_map("own", y="1"), placement=ON_AB)
    for unit in ("web", "other"):
        await world.until_state(unit, UnitState.READY, seconds=20)
    before = await identity(world)

    assert await hand_over(world, moving) == ["a", "b"]

    await until_of(world, "other")
    await until_of(world, "other", cluster="b")
    assert (await identity(world))[0] == before[0]
    for unit in ("web", "other"):
        await world.until_state(unit, UnitState.READY, seconds=20)
    assert {str(work.key) for work in await world.works("web")} == {"v1 ConfigMap shop/stays"}
    web, other = await world.unit("web"), await world.unit("other")
    assert (web.revision, web.resource_count, other.revision, other.resource_count) == (2, 1, 2, 2)

    await world.delete("web")
    await world.until_gone("web", seconds=20)
    assert (await identity(world))[0] == before[0]

    await world.delete("other")
    await world.until_gone("other", seconds=20)
    assert await world.get("a", PATH) is None


@pytest.mark.parametrize("order", [("other", "web"), ("web", "other")], ids=["taker first", "giver first"])
async def test_after_a_hand_over_both_files_may_be_applied_in_either_order(
    world: Any, make_config_map: Callable[..., Any], order: tuple[str, str]
) -> None:
    moving, stays, own = make_config_map(a="1"), make_config_map("stays", x="1"), make_config_map("own", y="1")
    await world.apply("web", moving, stays, placement=ON_A)
    await world.apply("other", own, placement=ON_A)
    for unit in ("web", "other"):
        await world.until_state(unit, UnitState.READY, seconds=20)
    before = await identity(world)
    await hand_over(world, moving)

    for unit in order:
        wanted = (stays,) if unit == "web" else (own, make_config_map(a="2"))
        await world.apply(unit, *wanted, placement=ON_A)

    await until_of(world, "other", data={"a": "2"})
    assert (await identity(world))[0] == before[0]

    with pytest.raises(ObjectOwnedError, match="namespaces/shop/units/other"):
        await world.apply("web", moving, stays, placement=ON_A)  # of before the hand-over


async def test_a_unit_takes_what_it_may_adopt_and_names(world: Any, make_config_map: Callable[..., Any]) -> None:
    moving, stays = make_config_map(a="1"), make_config_map("stays", x="1")
    await world.apply("web", moving, stays, placement=ON_A)
    await world.until_state("web", UnitState.READY, seconds=20)
    before = await identity(world)

    with pytest.raises(ObjectOwnedError, match=r"propagation\.adopts"):
        await world.apply("other", make_config_map(a="2"), placement=ON_A)
    await world.apply("other", make_config_map(a="2"), placement=ON_A, propagation=ADOPTS)

    await until_of(world, "other", data={"a": "2"})
    assert (await identity(world))[0] == before[0]
    await world.apply("web", stays, placement=ON_A)
    await world.until_state("web", UnitState.READY, seconds=20)
    await world.until_state("other", UnitState.READY, seconds=20)
    assert (await identity(world))[0] == before[0]


@pytest.mark.parametrize("end", ["taken", "confirmed"])
async def test_what_the_giver_gives_is_kept_until_it_is_taken_or_its_removal_confirmed(
    world: Any, make_config_map: Callable[..., Any], end: str
) -> None:
    gives = Propagation(gives=("namespaces/shop/units/other",))
    moving, stays = make_config_map(a="1"), make_config_map("stays", x="1")
    await world.apply("web", moving, stays, placement=ON_A, propagation=gives)
    await world.until_state("web", UnitState.READY, seconds=20)
    before = await identity(world)

    await world.apply("web", stays, placement=ON_A, propagation=gives)

    work = await world.until_work("a", "Held", "AwaitingTaker", seconds=20)
    assert "kept for unit/shop/other" in work.message
    assert await identity(world) == before
    if end == "taken":
        await world.apply("other", make_config_map(a="2"), placement=ON_A, propagation=ADOPTS)
        await until_of(world, "other", data={"a": "2"})
        assert (await identity(world))[0] == before[0]
        await world.until_state("web", UnitState.READY, seconds=20)
    else:
        async with world.store.transaction() as tx:
            uid = (await units.get(tx, "shop", "web")).uid
            assert await removals.release(tx, uid=uid) == {"namespaces/shop/units/web": 1}

        async def gone() -> bool:
            return await world.get("a", PATH) is None

        await world.until(gone, seconds=20)


async def test_what_is_on_its_way_out_is_taken_back_by_who_may_adopt_it(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    moving, stays = make_config_map(a="1"), make_config_map("stays", x="1")
    await world.apply("web", moving, stays, placement=ON_A)
    await world.until_state("web", UnitState.READY, seconds=20)
    before = await identity(world)
    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"finalizers": ["example.com/hold"]}}))
    await world.stop()
    await world.apply("web", stays, placement=ON_A)
    async with world.store.database.begin() as connection:  # decided, and not acted on yet
        await connection.execute(
            "UPDATE work SET removal = 'Background', desired_digest = NULL, dirty = TRUE, state = 'Removing'"
            " WHERE name = 'settings'"
        )

    await world.apply("other", moving, placement=ON_A, propagation=ADOPTS)
    world.start()

    await until_of(world, "other")
    live = await world.get("a", PATH)
    assert live["metadata"]["uid"] == before[0]
    assert "deletionTimestamp" not in live["metadata"]
    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"finalizers": None}}))


async def test_what_the_taker_is_not_placed_for_goes_as_the_taker_says(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_AB)
    await world.until_state("web", UnitState.READY, seconds=20)

    await world.apply("other", make_config_map(a="1"), placement=ON_A, propagation=ADOPTS)

    await until_of(world, "other")

    async def gone() -> bool:
        return await world.get("b", PATH) is None

    await world.until(gone, seconds=20)
    await world.until_state("other", UnitState.READY, seconds=20)


async def test_a_released_object_stays_and_keeps_nothing_of_ours(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), make_config_map("stays", x="1"), placement=ON_AB)
    await world.until_state("web", UnitState.READY, seconds=20)
    before = await identity(world)
    unit = await world.unit("web")

    async with world.store.transaction() as tx:
        await units.lock_generations(tx, [unit.uid])
        clusters = await handing.release(tx, unit.uid, [key_of(make_config_map())], author="test")
    assert clusters == ["a", "b"]

    async def released() -> bool:
        return {str(work.key) for work in await world.works("web")} == {"v1 ConfigMap shop/stays"}

    await world.until(released, seconds=20)
    for cluster in ("a", "b"):
        live = await world.get(cluster, PATH)
        assert live["data"] == {"a": "1"}
        assert not live["metadata"].get("labels")
        assert not live["metadata"].get("annotations")
        assert "fedsvc" not in {entry["manager"] for entry in live["metadata"].get("managedFields", ())}
    assert (await world.get("a", PATH))["metadata"]["uid"] == before[0]
    await world.until_state("web", UnitState.READY, seconds=20)
    assert (await world.unit("web")).resource_count == 1


async def test_nothing_changes_hands_by_waves(world: Any, make_config_map: Callable[..., Any]) -> None:
    rollout = RolloutPolicy(waves=(RolloutWave(percent=50), RolloutWave()))
    in_waves = UnitSpec(placement=ON_AB, rollout=rollout)
    moving, stays = make_config_map(a="1"), make_config_map("stays", x="1")
    await world.apply("web", moving, stays, spec=in_waves)
    await world.apply("other", make_config_map("own", y="1"), spec=in_waves)
    for unit in ("web", "other"):
        await world.until_state(unit, UnitState.READY, seconds=20)
    before = [await identity(world, cluster) for cluster in ("a", "b")]

    with pytest.raises(RolloutStateError, match="on all clusters at once"):
        await world.apply("other", make_config_map("own", y="1"), moving, spec=replace(in_waves, propagation=ADOPTS))
    await hand_over(world, moving)

    for cluster, (uid, _, data) in zip(("a", "b"), before, strict=True):
        await until_of(world, "other", cluster=cluster, data=data)
        assert (await identity(world, cluster))[0] == uid


async def test_a_protected_unit_loses_nothing(world: Any, make_config_map: Callable[..., Any]) -> None:
    moving = make_config_map(a="1")
    await world.apply("web", moving, spec=UnitSpec(placement=ON_A, protected=True))
    await world.apply("other", make_config_map("own", y="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY, seconds=20)
    unit = await world.unit("web")

    with pytest.raises(ProtectedError, match="is protected"):
        await hand_over(world, moving)
    with pytest.raises(ProtectedError, match="is protected"):
        await world.apply("other", moving, placement=ON_A, propagation=ADOPTS)
    with pytest.raises(ProtectedError, match="is protected"):
        async with world.store.transaction() as tx:
            await handing.release(tx, unit.uid, [key_of(moving)], author="test")

    assert (await world.unit("web")).revision == 1
