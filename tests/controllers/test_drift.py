import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from fedsvc.model.unit import DriftMode, Propagation, UnitState
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
ON_A = Placement(clusters=("a",))


async def applied(world: Any, manifest: Any, drift: DriftMode = DriftMode.CORRECT) -> None:
    await world.apply("web", manifest, placement=ON_A, propagation=Propagation(drift=drift))
    await world.until_state("web", UnitState.READY)
    await watched(world)


async def watched(world: Any) -> None:
    """Wait until the member has a watch of ours for ConfigMaps."""

    async def open_watch() -> bool:
        return bool(world.member("a").store._watchers.get(("", "configmaps")))

    await world.until(open_watch)


async def change(world: Any, **data: str | None) -> None:
    await world.client("a").patch(PATH, orjson.dumps({"data": data}), field_manager="kubectl-edit")


async def test_a_changed_field_is_put_back_by_the_event(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.stop()
    world.settings = replace(world.settings, rescan_seconds=3_600.0)
    world.start()
    await applied(world, make_config_map(a="1"))
    await change(world, a="2")

    async def back() -> bool:
        return (await world.get("a", PATH))["data"] == {"a": "1"}

    await world.until(back)

    async def told() -> bool:
        reasons = {reason for _, reason, message in await world.events() if "kubectl-edit" in message}
        return {"DriftDetected", "DriftCorrected"} <= reasons

    await world.until(told)


async def test_what_a_replica_wrote_that_leads_no_more_is_put_back(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await applied(world, make_config_map(a="1"))
    now = await world.get("a", PATH)
    late = {**now, "data": {"a": "0"}, "metadata": {**now["metadata"]}}
    for name in ("managedFields", "resourceVersion", "creationTimestamp", "uid"):
        late["metadata"].pop(name, None)
    body = orjson.dumps(late)  # all that we own with the values of before: who owns it is the same
    (ours,) = (one["time"] for one in now["metadata"]["managedFields"])
    while datetime.now(UTC).isoformat(timespec="seconds") <= ours.replace("Z", "+00:00"):  # which has whole seconds
        await asyncio.sleep(0.05)
    assert (await world.client("a").apply(PATH, body, force=True))["data"] == {"a": "0"}

    async def back() -> bool:
        return (await world.get("a", PATH))["data"] == {"a": "1"}

    await world.until(back)

    async def told() -> bool:
        return any("leads no more" in message for _, _, message in await world.events())

    await world.until(told)


async def test_a_deleted_object_is_made_again(world: Any, make_config_map: Callable[..., Any]) -> None:
    await applied(world, make_config_map(a="1"))
    await world.client("a").delete(PATH)

    async def back() -> bool:
        return await world.get("a", PATH) is not None

    await world.until(back)
    await world.until_work("a", "Applied")


async def test_a_mark_that_was_taken_off_is_put_back(world: Any, make_config_map: Callable[..., Any]) -> None:
    await applied(world, make_config_map(a="1"))
    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"labels": {"fedsvc.io/managed": None}}}))

    async def back() -> bool:
        live = await world.get("a", PATH)
        return live["metadata"].get("labels", {}).get("fedsvc.io/managed") == "true"

    await world.until(back)
    await world.until_work("a", "Applied")


async def test_fields_of_others_are_left_alone(world: Any, make_config_map: Callable[..., Any]) -> None:
    await applied(world, make_config_map(a="1"))
    await change(world, b="theirs")
    await world.apply("other", make_config_map("fence"), placement=ON_A)
    await world.until_state("other", UnitState.READY)

    assert (await world.get("a", PATH))["data"] == {"a": "1", "b": "theirs"}
    assert "DriftDetected" not in {reason for _, reason, _ in await world.events()}


async def test_changes_while_nobody_watched_are_found_when_the_controllers_start(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await applied(world, make_config_map(a="1"))
    await world.apply("web2", make_config_map("gone"), placement=ON_A)
    await world.until_state("web2", UnitState.READY)
    await world.stop()
    await change(world, a="2")
    await world.client("a").delete("/api/v1/namespaces/shop/configmaps/gone")
    world.start()

    async def back() -> bool:
        gone = await world.get("a", "/api/v1/namespaces/shop/configmaps/gone")
        return gone is not None and (await world.get("a", PATH))["data"] == {"a": "1"}

    await world.until(back)


async def test_changes_are_found_after_a_watch_broke_and_history_is_gone(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await applied(world, make_config_map(a="1"))
    world.member("a").drop_watches()
    await change(world, a="2")
    world.member("a").forget_history()

    async def back() -> bool:
        return (await world.get("a", PATH))["data"] == {"a": "1"}

    await world.until(back)


@pytest.mark.parametrize("drift", [DriftMode.REPORT, DriftMode.IF_NOT_DRIFTED])
async def test_drift_that_is_only_reported_is_told_and_left_until_it_is_over(
    world: Any, make_config_map: Callable[..., Any], drift: DriftMode
) -> None:
    await applied(world, make_config_map(a="1", c="3"), drift)
    await change(world, a="2")

    work = await world.until_work("a", "Drifted", "DriftDetected")

    async def reported() -> Any:
        return (await world.works("web"))[0].drift

    (row,) = await world.until(reported)
    assert {name: row[name] for name in ("path", "desired", "live", "manager")} == {
        "path": "data.a",
        "desired": "1",
        "live": "2",
        "manager": "kubectl-edit",
    }
    first_seen = row["first_seen"]
    assert first_seen
    assert row["written"]

    await change(world, a="2", b="other")
    await change(world, a="4")

    async def reported_again() -> Any:
        (row,) = (await world.works("web"))[0].drift
        return row if row["live"] == "4" else None

    assert (await world.until(reported_again))["first_seen"] == first_seen
    assert "kubectl-edit" in work.message
    assert (await world.get("a", PATH))["data"]["a"] == "4"
    assert (await world.until_state("web", UnitState.DEGRADED)).clusters[0].state == "Drifted"

    await change(world, a="1")

    await world.until_work("a", "Applied")
    await world.until_state("web", UnitState.READY)
    assert (await world.works("web"))[0].drift == ()


async def test_a_template_that_changes_a_drifted_object_waits_for_its_owner(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await applied(world, make_config_map(a="1"), DriftMode.IF_NOT_DRIFTED)
    await change(world, a="2")
    await world.until_work("a", "Drifted", "DriftDetected")

    mode = Propagation(drift=DriftMode.IF_NOT_DRIFTED)
    await world.apply("web", make_config_map(a="3"), placement=ON_A, propagation=mode)

    work = await world.until_work("a", "Drifted", "FieldConflict")
    assert "kubectl-edit" in work.message
    assert (await world.get("a", PATH))["data"]["a"] == "2"


async def test_a_change_of_mode_to_correct_puts_drift_right(world: Any, make_config_map: Callable[..., Any]) -> None:
    await applied(world, make_config_map(a="1"), DriftMode.REPORT)
    await change(world, a="2")
    await world.until_work("a", "Drifted", "DriftDetected")

    await world.apply("web", make_config_map(a="1"), placement=ON_A)

    await world.until_work("a", "Applied")
    assert (await world.get("a", PATH))["data"]["a"] == "1"


async def test_a_deleted_object_stays_deleted_where_drift_is_reported(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await applied(world, make_config_map(a="1"), DriftMode.REPORT)
    await world.client("a").delete(PATH)

    await world.until_work("a", "Drifted", "DriftDetected")
    assert await world.get("a", PATH) is None


async def test_a_fight_over_an_object_slows_down_and_is_told(
    quiet_world: Any, make_config_map: Callable[..., Any]
) -> None:
    quiet_world.settings = replace(quiet_world.settings, contested_corrections=2)
    await quiet_world.register("a")
    quiet_world.start()
    await applied(quiet_world, make_config_map(a="1"))

    async def fight() -> None:
        while True:
            live = await quiet_world.get("a", PATH)
            if live["data"] == {"a": "1"}:
                await change(quiet_world, a="theirs")
            await asyncio.sleep(0.01)

    fighter = asyncio.get_running_loop().create_task(fight())
    try:
        work = await quiet_world.until_work("a", "Pending", "Contested")
    finally:
        fighter.cancel()
        await asyncio.gather(fighter, return_exceptions=True)

    assert "kubectl-edit" in work.message
    assert work.next_attempt_time is not None
    await quiet_world.until_work("a", "Applied")
