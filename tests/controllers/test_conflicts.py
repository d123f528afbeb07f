from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fedsvc.model.unit import ConflictMode, DriftMode, FieldPolicy, FieldRule, Propagation, UnitState
from fedsvc.simulator.faults import Faults
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
ON_A = Placement(clusters=("a",))


async def make_other(world: Any, data: dict[str, str], *, annotations: dict[str, str] | None = None) -> None:
    client = world.client("a")
    if await world.get("a", "/api/v1/namespaces/shop") is None:
        await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop", **({"annotations": annotations} if annotations else {})},
        "data": data,
    }
    await client.apply(PATH, orjson.dumps(manifest), force=False, field_manager="somebody")


async def has(world: Any, data: dict[str, str]) -> bool:
    live = await world.get("a", PATH)
    return live is not None and live["data"] == data


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


@pytest.mark.parametrize("drift", list(DriftMode))
@pytest.mark.parametrize(
    "rules", [(), (FieldRule(path="data.b", policy=FieldPolicy.IGNORE),)], ids=["plain", "ignoring"]
)
async def test_what_somebody_made_in_place_of_our_object_is_not_overwritten(
    world: Any, make_config_map: Callable[..., Any], drift: DriftMode, rules: tuple[FieldRule, ...]
) -> None:
    how = Propagation(drift=drift, fields=rules)
    await world.apply("web", make_config_map(a="1", b="1"), placement=ON_A, propagation=how)
    await world.until_state("web", UnitState.READY)
    world.member("a").inject(Faults(watch_silence=True))  # nobody hears that ours was deleted
    await world.client("a").delete(PATH)
    await make_other(world, {"a": "theirs"})

    await world.apply("web", make_config_map(a="2", b="1"), placement=ON_A, propagation=how)

    work = await world.until_work("a", "Failed", "ObjectExists")
    assert "somebody" in work.message
    assert (await world.get("a", PATH))["data"] == {"a": "theirs"}
    await world.delete("web")
    await world.until_gone("web")
    assert (await world.get("a", PATH))["data"] == {"a": "theirs"}


async def test_our_object_that_somebody_deleted_unheard_is_made_anew(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    world.member("a").inject(Faults(watch_silence=True))
    await world.client("a").delete(PATH)

    await world.apply("web", make_config_map(a="2"), placement=ON_A)

    await world.until(lambda: has(world, {"a": "2"}))


async def test_our_object_that_somebody_put_back_from_a_copy_is_ours(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    unit = await world.apply("web", make_config_map(a="1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    world.member("a").inject(Faults(watch_silence=True))
    await world.client("a").delete(PATH)
    await make_other(world, {"a": "1"}, annotations={"fedsvc.io/unit": "shop/web", "fedsvc.io/unit-uid": unit.uid})

    await world.apply("web", make_config_map(a="2"), placement=ON_A)

    await world.until(lambda: has(world, {"a": "2"}))
    live = await world.get("a", PATH)
    assert live["metadata"]["labels"] == {"fedsvc.io/managed": "true"}
