from collections.abc import Callable
from typing import Any

import pytest

from fedsvc.model.fleet import FleetSpec
from fedsvc.model.removal import RemovalBudget
from fedsvc.model.unit import UnitSpec, UnitState, WorkState
from fedsvc.simulator import Faults
from fedsvc.store import fleet, removals, units, works
from fedsvc_placement import LabelSelector, Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
BY_NAME = Placement(cluster_selector=LabelSelector(match_labels=(("name", "a"),)))
BY_TIER = Placement(cluster_selector=LabelSelector(match_labels=(("tier", "prod"),)))


async def budget(world: Any, **said: Any) -> None:
    async with world.store.transaction() as tx:
        await fleet.update(tx, FleetSpec(removals=RemovalBudget(**{"percent_per_change": 0, **said})))


async def tier(world: Any, *names: str) -> None:
    """Label these clusters tier=prod, and no others."""
    for name in ("a", "b", "c"):
        await world.change_cluster(name, labels={"name": name, **({"tier": "prod"} if name in names else {})})


async def confirm(world: Any, unit: str | None = None) -> dict[str, int]:
    async with world.store.transaction() as tx:
        uid = None if unit is None else (await units.get(tx, "shop", unit)).uid
        found: dict[str, int] = await removals.release(tx, uid=uid)
        return found


async def until_held(world: Any, unit: str = "web", *, count: int) -> str:
    """Wait until so many works of a unit are held; gives the reason."""

    async def held() -> str | None:
        found = [work for work in await world.works(unit) if work.state is WorkState.HELD]
        return found[0].reason if len(found) == count else None

    return str(await world.until(held))


async def writable(world: Any, unit: str = "web") -> tuple[str, str] | None:
    found = (one for one in (await world.status(unit)).conditions if one.type == "Writable")
    return next(((one.reason, one.message) for one in found), None)


async def until_absent(world: Any, *clusters: str) -> None:
    async def absent() -> bool:
        return all([await world.get(name, PATH) is None for name in clusters])

    await world.until(absent)


async def until_there(world: Any, cluster: str) -> None:
    async def there() -> bool:
        return await world.get(cluster, PATH) is not None

    await world.until(there)


async def test_a_decision_that_leaves_nothing_of_a_unit_is_held_until_it_is_confirmed(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await tier(world, "a")
    await world.apply("web", make_config_map(), placement=BY_TIER)
    await world.until_state("web", UnitState.READY)
    await tier(world)
    assert await until_held(world, count=1) == "Emptied"

    async def told() -> bool:
        status = await world.status("web")
        lines = [(line.cluster, line.state) for line in status.clusters]
        return status.state is UnitState.UNPLACED and lines == [("a", WorkState.HELD)]

    await world.until(told)
    why = "nothing would be left of it: it stays there until that is confirmed: fedctl confirm unit/shop/web"
    assert await writable(world) == ("RemovalsHeld", f"the removal of 1 object from a is held: {why}")

    async def noted() -> bool:
        return ("namespaces/shop/units/web", "RemovalsHeld") in [event[:2] for event in await world.events()]

    await world.until(noted)
    assert await world.get("a", PATH) is not None

    assert await confirm(world, "web") == {"namespaces/shop/units/web": 1}
    await until_absent(world, "a")

    async def forgotten() -> bool:
        return await world.works("web") == []

    await world.until(forgotten)


async def test_what_is_wanted_again_is_no_longer_held(world: Any, make_config_map: Callable[..., Any]) -> None:
    await tier(world, "a")
    await world.apply("web", make_config_map(), placement=BY_TIER)
    await world.until_state("web", UnitState.READY)
    await tier(world)
    await until_held(world, count=1)
    await tier(world, "a")

    async def free() -> bool:
        is_wanted = [work.removal for work in await world.works("web")] == [None]
        is_told = await writable(world) is None and (await world.status("web")).state is UnitState.READY
        return is_wanted and is_told

    await world.until(free)


async def test_a_label_that_takes_many_units_off_clusters_removes_all_or_nothing(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await budget(world, objects_per_change=3)
    await tier(world, "a", "b", "c")
    for number in range(4):
        await world.apply(f"web-{number}", make_config_map(f"settings-{number}"), placement=BY_TIER)
    for number in range(4):
        await world.until_state(f"web-{number}", UnitState.READY)
    await world.stop()
    await tier(world, "a", "b")  # each unit loses one object: four are more than three
    world.start()
    for number in range(4):
        assert await until_held(world, f"web-{number}", count=1) == "OverBudget"
        await world.until_state(f"web-{number}", UnitState.READY)
        assert await world.get("c", f"/api/v1/namespaces/shop/configmaps/settings-{number}") is not None


async def test_what_went_in_the_last_hour_is_remembered_by_whoever_leads_next(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await budget(world, objects_per_change=100, objects_per_hour=2, percent_per_hour=0)
    await tier(world, "a", "b", "c")
    await world.apply("web", make_config_map(), placement=BY_TIER)
    await world.until_state("web", UnitState.READY)
    await tier(world, "a", "b")
    await until_absent(world, "c")
    await world.stop()
    world.start()
    await tier(world, "a", "b", "c")
    await until_there(world, "c")
    await tier(world, "a", "c")
    await until_absent(world, "b")
    await tier(world, "c")
    assert await until_held(world, count=1) == "OverBudget"
    assert await world.get("a", PATH) is not None


async def test_a_unit_that_moves_loses_nothing(world: Any, make_config_map: Callable[..., Any]) -> None:
    await budget(world, objects_per_change=0)
    await tier(world, "a")
    await world.apply("web", make_config_map(), placement=BY_TIER)
    await world.until_state("web", UnitState.READY)
    await world.stop()
    await tier(world, "b")
    world.start()
    await until_absent(world, "a")
    await until_there(world, "b")
    assert await world.count("removal") == 0


async def test_a_protected_unit_that_moves_stays_on_both_clusters(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await tier(world, "a")
    await world.apply("web", make_config_map(), spec=UnitSpec(placement=BY_TIER, protected=True))
    await world.until_state("web", UnitState.READY)
    await world.stop()
    await tier(world, "b")
    world.start()
    assert await until_held(world, count=1) == "Protected"
    await until_there(world, "b")
    assert await world.get("a", PATH) is not None


async def test_a_unit_may_say_that_it_may_be_emptied(world: Any, make_config_map: Callable[..., Any]) -> None:
    await tier(world, "a")
    spec = UnitSpec(placement=BY_TIER, removals=RemovalBudget(allow_empty=True))
    await world.apply("web", make_config_map(), spec=spec)
    await world.until_state("web", UnitState.READY)
    await tier(world)
    await until_absent(world, "a")


async def test_a_deletion_that_nobody_counted_is_counted_when_it_is_decided(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await budget(world, objects_per_change=2)
    await world.apply("web", make_config_map())
    await world.until_state("web", UnitState.READY)
    await world.delete("web")
    assert await until_held(world, count=3) == "OverBudget"
    await world.until_state("web", UnitState.DELETING)
    assert sum((await confirm(world)).values()) == 3
    await world.until_gone("web")


async def test_what_was_granted_is_not_counted_again(world: Any, make_config_map: Callable[..., Any]) -> None:
    await budget(world, objects_per_change=0)
    unit = await world.apply("web", make_config_map())
    await world.until_state("web", UnitState.READY)
    async with world.store.transaction() as tx:
        await removals.grant(tx, unit.uid, 3)
        await units.mark_deleted(tx, "shop", "web", cascade=None)
    await world.until_gone("web")


async def test_removals_tell_since_when_and_why(world: Any, make_config_map: Callable[..., Any]) -> None:
    unit = await world.apply("web", make_config_map(), make_config_map("other"))
    await world.until_state("web", UnitState.READY)
    await world.client("a").patch(PATH, b'{"metadata": {"finalizers": ["example.com/hold"]}}', field_manager="holder")
    await world.apply("web", make_config_map("other"))
    work = await world.until_work("a", "Removing", "BeingDeleted")
    assert work.removal is not None
    assert (work.removal.cause, work.removal.unit_uid, work.removal.revision) == ("ResourceRemoved", unit.uid, 2)
    assert work.removal.create_time is not None

    async def left() -> bool:
        async with world.store.reader() as tx:
            listed = await works.list_page(tx, after=0, limit=10, only_removals=True)
        return [found.id for found in listed] == [work.id]

    await world.until(left)
    await world.client("a").patch(PATH, b'{"metadata": {"finalizers": null}}', field_manager="holder")


@pytest.mark.parametrize("confirmed", [False, True], ids=["over-budget", "within-it"])
async def test_an_object_that_nobody_knew_of_is_counted_before_it_is_removed(
    world: Any,
    make_config_map: Callable[..., Any],
    confirmed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    within = RemovalBudget(objects_per_change=1 if confirmed else 0)
    await tier(world, "a", "b")
    await world.apply("web", make_config_map(), spec=UnitSpec(placement=BY_TIER, removals=within))
    await world.until_state("web", UnitState.READY)
    await world.stop()
    async with world.store.database.begin() as connection:  # as if the process had been killed before it stored them
        await connection.execute(
            "UPDATE work SET member_uid = '', applied_digest = NULL, state = 'Pending', dirty = TRUE"
        )
    world.member("b").inject(Faults(reject_writes="not now"))  # what was applied is not found out by another apply
    world.start()
    await world.until_work("b", "Failed", "Denied")
    await tier(world, "a")
    if not confirmed:
        assert await until_held(world, count=1) == "OverBudget"
        world.member("b").inject(Faults())
        assert await world.get("b", PATH) is not None
        assert await confirm(world, "web") == {"namespaces/shop/units/web": 1}
    world.member("b").inject(Faults())
    await until_absent(world, "b")
    async with world.store.reader() as tx:
        assert await removals.spent(tx) == ((1, 1) if confirmed else (0, 0))
