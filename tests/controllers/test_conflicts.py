from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fedsvc.model.unit import ConflictMode, Propagation, UnitState
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
ON_A = Placement(clusters=("a",))


async def make_other(world: Any, data: dict[str, str], *, annotations: dict[str, str] | None = None) -> None:
    client = world.client("a")
    await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop", **({"annotations": annotations} if annotations else {})},
        "data": data,
    }
    await client.apply(PATH, orjson.dumps(manifest), force=False, field_manager="somebody")


@pytest.mark.parametrize(
    ("conflict", "theirs", "state", "reason", "data"),
    [
        pytest.param(ConflictMode.ABORT, {"a": "1"}, "Failed", "ObjectExists", {"a": "1"}, id="abort-equal"),
        pytest.param(ConflictMode.ABORT, {"a": "2"}, "Failed", "ObjectExists", {"a": "2"}, id="abort-different"),
        pytest.param(ConflictMode.ADOPT, {"a": "1"}, "Applied", "", {"a": "1"}, id="adopt-equal"),
        pytest.param(ConflictMode.ADOPT, {"b": "2"}, "Applied", "", {"a": "1", "b": "2"}, id="adopt-disjoint"),
        pytest.param(ConflictMode.ADOPT, {"a": "2"}, "Failed", "FieldConflict", {"a": "2"}, id="adopt-different"),
        pytest.param(ConflictMode.OVERWRITE, {"a": "2"}, "Applied", "", {"a": "1"}, id="overwrite-different"),
    ],
)
async def test_an_object_that_exists_is_dealt_with_by_the_conflict_mode(
    world: Any,
    make_config_map: Callable[..., Any],
    conflict: ConflictMode,
    theirs: dict[str, str],
    state: str,
    reason: str,
    data: dict[str, str],
) -> None:
    await make_other(world, theirs)
    await world.apply("web", make_config_map(a="1"), placement=ON_A, propagation=Propagation(conflict=conflict))

    work = await world.until_work("a", state, reason)

    assert (await world.get("a", PATH))["data"] == data
    if reason:
        assert "somebody" in work.message
        assert (await world.until_state("web", UnitState.DEGRADED)).clusters[0].reason == reason


async def test_a_change_of_the_conflict_mode_is_tried_at_once(world: Any, make_config_map: Callable[..., Any]) -> None:
    await make_other(world, {"a": "2"})
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_work("a", "Failed", "ObjectExists")

    overwrite = Propagation(conflict=ConflictMode.OVERWRITE)
    await world.apply("web", make_config_map(a="1"), placement=ON_A, propagation=overwrite)

    await world.until_work("a", "Applied")


async def test_an_object_of_another_fedsvc_is_not_taken_over_by_adoption(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await make_other(world, {"a": "1"}, annotations={"fedsvc.io/unit": "x/y", "fedsvc.io/unit-uid": "other"})
    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"labels": {"fedsvc.io/managed": "true"}}}))
    adopt = Propagation(conflict=ConflictMode.ADOPT)
    await world.apply("web", make_config_map(a="1"), placement=ON_A, propagation=adopt)

    work = await world.until_work("a", "Failed", "ObjectExists")

    assert "x/y" in work.message


async def test_an_apply_whose_result_was_lost_is_recognised_as_ours(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await world.stop()
    async with world.store.database.begin() as connection:  # as if the process had been killed before the write
        await connection.execute(
            "UPDATE work SET dirty = TRUE, state = 'Pending', applied_digest = NULL, member_uid = '', ownership_digest = NULL"
        )
    world.start()

    work = await world.until_work("a", "Applied")

    assert work.applied_digest == work.desired_digest


async def test_an_object_with_our_mark_and_no_work_is_told_of(world: Any, make_config_map: Callable[..., Any]) -> None:
    await make_other(world, {"a": "1"}, annotations={"fedsvc.io/unit": "x/y", "fedsvc.io/unit-uid": "other"})
    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"labels": {"fedsvc.io/managed": "true"}}}))
    await world.apply("other", make_config_map("elsewhere"), placement=ON_A)  # lets its kind be watched

    async def told() -> bool:
        return any(reason == "UnknownObject" and "x/y" in message for _, reason, message in await world.events())

    await world.until(told)
