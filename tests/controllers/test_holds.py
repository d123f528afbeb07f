import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from fedsvc.controllers.holding import Holds, WriteHeldError
from fedsvc.controllers.hub import Hub
from fedsvc.health import Health, Verdict
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.freeze import FreezeWindow
from fedsvc.model.hold import FLEET_SUBJECT, HoldKind, HoldScope, Write
from fedsvc.model.unit import UnitState
from fedsvc.store import clusters, fleet, holds, works
from fedsvc.store.leases import Lease, LeaseLostError
from fedsvc_placement import ClusterMatcher, Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
WEB = "namespaces/shop/units/web"
ON_A = Placement(clusters=("a",))


async def pause(
    world: Any, subject: str, scope: HoldScope = HoldScope.EVERYTHING, end_time: datetime | None = None
) -> None:
    async with world.store.transaction() as tx:
        await holds.put(tx, subject=subject, scope=scope, reason="test", end_time=end_time, author="ann")


async def resume(world: Any, subject: str) -> None:
    async with world.store.transaction() as tx:
        assert await holds.end(tx, subject=subject, scope=None)


async def freeze(
    world: Any, *, on: bool = True, clusters: ClusterMatcher | None = None, units: tuple[str, ...] = ()
) -> None:
    day = datetime.now(UTC).date()
    first, last = (day - timedelta(days=1), day + timedelta(days=2)) if on else (day - timedelta(days=9), day)
    window = FreezeWindow(name="year-end", start=f"{first} 00:00", end=f"{last} 00:00", clusters=clusters, units=units)
    async with world.store.transaction() as tx:
        await fleet.update(tx, FleetSpec(freezes=(window,) if on else ()))


async def until_writable(world: Any, *, reason: str = "", unit: str = "web") -> str:
    """Wait until the unit says so, or that nothing is held; gives the message."""

    async def told() -> str | None:
        found = next((one for one in (await world.status(unit)).conditions if one.type == "Writable"), None)
        if not reason:
            return None if found is not None else "writable"
        return found.message if found is not None and found.reason == reason else None

    return str(await world.until(told))


async def until_data(world: Any, cluster: str, data: dict[str, str] | None) -> None:
    async def so() -> bool:
        live = await world.get(cluster, PATH)
        return (None if live is None else live["data"]) == data

    await world.until(so)


async def until_dirty(world: Any, *clusters: str) -> None:
    """Wait until the newest intent is decided: works of these clusters are to be written."""

    async def so() -> bool:
        unit = await world.unit("web")
        waiting = {work.cluster for work in await world.works("web") if work.desired_digest != work.applied_digest}
        return unit.decided_generation >= unit.generation and waiting == set(clusters)

    await world.until(so)


async def settle(world: Any, make_config_map: Callable[..., Any]) -> None:
    """Let everything run that would write: another unit, applied afterwards, reaches the clusters that are not held."""
    await world.apply("other", make_config_map("other"))
    await world.until_state("other", UnitState.READY)


async def test_a_paused_unit_is_decided_and_not_written(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await pause(world, WEB)
    assert "paused by ann: test" in await until_writable(world, reason="Paused")

    await world.apply("web", make_config_map(a="2"))
    await until_dirty(world, "a", "b", "c")
    await settle(world, make_config_map)
    assert (await world.get("a", PATH))["data"] == {"a": "1"}
    assert await world.get("b", PATH) is None
    assert all(work.attempts == 0 for work in await world.works("web"))

    await resume(world, WEB)
    for name in ("a", "b", "c"):
        await until_data(world, name, {"a": "2"})
    await until_writable(world)
    await world.until_state("web", UnitState.READY)


async def test_a_paused_cluster_gets_nothing_and_the_others_all(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await pause(world, "clusters/a")
    await world.apply("web", make_config_map(a="1"))
    await until_data(world, "b", {"a": "1"})
    await until_data(world, "c", {"a": "1"})
    assert "(on a)" in await until_writable(world, reason="Paused")
    assert await world.get("a", PATH) is None

    await resume(world, "clusters/a")
    await until_data(world, "a", {"a": "1"})


async def test_a_paused_fleet_removes_nothing(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map(a="1"))
    await world.until_state("web", UnitState.READY)
    await pause(world, FLEET_SUBJECT, HoldScope.REMOVALS)
    await world.delete("web")
    await world.until_work("a", "Removing")
    await settle(world, make_config_map)  # what is no removal goes on
    assert await world.get("a", PATH) is not None

    await resume(world, FLEET_SUBJECT)
    await world.until_gone("web")
    assert await world.get("a", PATH) is None


async def test_a_pause_ends_by_itself(world: Any, make_config_map: Callable[..., Any]) -> None:
    await pause(world, FLEET_SUBJECT, end_time=datetime.now(UTC) + timedelta(seconds=2))
    await world.apply("web", make_config_map(a="1"))
    await until_dirty(world, "a", "b", "c")
    await world.until_state("web", UnitState.READY)
    await until_writable(world)


@pytest.mark.parametrize("scope", [HoldScope.EVERYTHING, HoldScope.CHANGES])
async def test_drift_in_a_paused_unit_is_seen_and_put_right_when_the_scope_lets_it(
    world: Any, make_config_map: Callable[..., Any], scope: HoldScope
) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await pause(world, WEB, scope)
    await world.client("a").patch(PATH, orjson.dumps({"data": {"a": "2"}}), field_manager="kubectl-edit")
    if scope is HoldScope.EVERYTHING:
        await world.until_work("a", "Pending", "DriftDetected", unit="web")
        await settle(world, make_config_map)
        assert (await world.get("a", PATH))["data"] == {"a": "2"}
        await resume(world, WEB)
    await until_data(world, "a", {"a": "1"})


async def test_a_pause_that_comes_between_claim_and_write_is_heeded(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = works.claim_dirty
    claimed: list[int] = []

    async def claim_then_pause(*args: Any, **more: Any) -> Sequence[Any]:
        found = await claim(*args, **more)
        if found and not claimed:
            claimed.extend(work.id for work in found)
            await pause(world, FLEET_SUBJECT)
        return found

    monkeypatch.setattr(works, "claim_dirty", claim_then_pause)
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await until_writable(world, reason="Paused")
    assert claimed
    assert await world.get("a", PATH) is None

    await resume(world, FLEET_SUBJECT)
    await until_data(world, "a", {"a": "1"})


async def test_a_pause_of_another_replica_is_heeded_without_a_word_from_the_log(quiet_world: Any) -> None:
    world = quiet_world
    write = Write(cluster="a", unit_name=WEB, is_removal=False, is_change=True)
    found = Holds(world.store, settings=replace(world.settings, hold_seconds=0.0))
    await found.check(write)
    await pause(world, FLEET_SUBJECT)
    with pytest.raises(WriteHeldError, match="fleet"):
        await found.check(write)


async def test_removals_that_were_held_for_a_members_health_go_on_as_soon_as_it_is_well(quiet_world: Any) -> None:
    world = quiet_world
    await world.register("a")

    async def judge(verdict: Verdict) -> None:
        async with world.store.transaction() as tx:
            known = await clusters.get(tx, "a")
            found = replace(known.observation, health=Health(verdict=verdict, is_returning=True))
            await clusters.observe(tx, "a", found, connection=known.connection)

    await judge(Verdict.SUSPECT)
    found, told = Holds(world.store, settings=world.settings), asyncio.Event()
    hub = Hub(world.store, rescan_seconds=world.settings.rescan_seconds)
    found.listen(hub)
    assert [hold.kind for hold in await found.current()] == [HoldKind.HEALTH]
    found.tell(lambda _, after: None if after else told.set())
    async with asyncio.timeout(world.settings.rescan_seconds / 2), asyncio.TaskGroup() as group:
        tasks = [group.create_task(task) for task in (hub.run(), found.run())]
        await asyncio.sleep(0)  # they have begun

        await judge(Verdict.HEALTHY)

        await told.wait()
        for task in tasks:
            task.cancel()


async def test_a_freeze_keeps_changes_back_and_what_was_applied_up(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await freeze(world)
    assert "frozen by window year-end until" in await until_writable(world, reason="Frozen")
    await world.client("a").patch(PATH, orjson.dumps({"data": {"a": "2"}}), field_manager="kubectl-edit")
    await until_data(world, "a", {"a": "1"})
    await world.apply("web", make_config_map(a="3"), placement=ON_A)
    await until_dirty(world, "a")
    assert (await world.get("a", PATH))["data"] == {"a": "1"}

    await freeze(world, on=False)
    await until_data(world, "a", {"a": "3"})
    await until_writable(world)


async def test_a_freeze_of_some_clusters_follows_their_labels(world: Any, make_config_map: Callable[..., Any]) -> None:
    await freeze(world, clusters=ClusterMatcher(names=("a", "b")))
    await world.apply("web", make_config_map(a="1"))
    await until_data(world, "c", {"a": "1"})
    assert "(on a, b)" in await until_writable(world, reason="Frozen")
    assert await world.get("a", PATH) is None


async def test_a_freeze_of_some_units_is_for_these_alone(world: Any, make_config_map: Callable[..., Any]) -> None:
    await freeze(world, units=(WEB,))
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.apply("other", make_config_map("other"), placement=ON_A)
    await world.until_state("other", UnitState.READY)
    await until_writable(world, reason="Frozen")
    assert await world.get("a", PATH) is None

    await freeze(world, on=False)
    await until_data(world, "a", {"a": "1"})


async def test_what_is_thawed_goes_through_a_freeze_alone(world: Any, make_config_map: Callable[..., Any]) -> None:
    await freeze(world)
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.apply("other", make_config_map("other"), placement=ON_A)
    await until_writable(world, reason="Frozen")
    async with world.store.transaction() as tx:
        end = datetime.now(UTC) + timedelta(hours=1)
        await holds.thaw(tx, subject=WEB, window="year-end", reason="INC-1", end_time=end, author="ann")
    await until_data(world, "a", {"a": "1"})
    await world.until_state("web", UnitState.READY)
    await until_writable(world, reason="Frozen", unit="other")
    assert await world.get("a", "/api/v1/namespaces/shop/configmaps/other") is None


async def test_pauses_of_a_unit_go_with_it(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await pause(world, WEB, HoldScope.CHANGES)
    await resume(world, WEB)
    await pause(world, WEB, HoldScope.REMOVALS, end_time=datetime.now(UTC) + timedelta(seconds=1))
    await world.delete("web")
    await world.until_gone("web")
    assert await world.count("hold") == 0


async def test_a_leader_that_was_followed_without_knowing_it_writes_nothing(quiet_world: Any) -> None:
    lease = Lease(name="controllers", holder="one", epoch=1)
    take = "INSERT INTO lease (name, holder, epoch) VALUES ('controllers', 'one', 1)"
    follow = "UPDATE lease SET holder = 'two', epoch = 2"
    found = Holds(quiet_world.store.fenced(lease), settings=replace(quiet_world.settings, hold_seconds=0.0))
    write = Write(cluster="a", unit_name=WEB, is_removal=False, is_change=True)
    async with quiet_world.store.database.begin() as connection:
        await connection.execute(take)
    await found.check(write)

    async with quiet_world.store.database.begin() as connection:
        await connection.execute(follow)

    with pytest.raises(LeaseLostError):
        await found.check(write)
    assert lease.lost.is_set()


async def test_what_was_read_before_the_process_was_stopped_lets_nothing_be_written(
    quiet_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = Lease(name="controllers", holder="one", epoch=1)
    found = Holds(quiet_world.store.fenced(lease), settings=quiet_world.settings)
    stopped = 0.0
    standing, monotonic = holds.standing, time.monotonic

    async def and_stop(*arguments: Any, **named: Any) -> Any:
        nonlocal stopped
        answer = await standing(*arguments, **named)
        if not stopped:  # the answer is there, and is looked at when another one leads
            stopped = 30.0
            async with quiet_world.store.database.begin() as connection:
                await connection.execute("UPDATE lease SET holder = 'two', epoch = 2")
        return answer

    monkeypatch.setattr(holds, "standing", and_stop)
    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + stopped)
    async with quiet_world.store.database.begin() as connection:
        await connection.execute("INSERT INTO lease (name, holder, epoch) VALUES ('controllers', 'one', 1)")
    with pytest.raises(LeaseLostError):
        await found.check(Write(cluster="a", unit_name=WEB, is_removal=False, is_change=True))
