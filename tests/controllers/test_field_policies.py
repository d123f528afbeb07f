"""Policies of single fields, against the modes of the unit: what is written, and what is left."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fedsvc.controllers import group_writing, storing
from fedsvc.controllers.collector import Collector
from fedsvc.model.unit import ConflictMode, DriftMode, FieldPolicy, FieldRule, Propagation, UnitState
from fedsvc.rendering.overrides import ResourceMatcher
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
ON_A = Placement(clusters=("a",))


def rules(policy: FieldPolicy, path: str = "data.a", **modes: Any) -> Propagation:
    return Propagation(fields=(FieldRule(path=path, policy=policy),), **modes)


async def apply(world: Any, manifest: Any, propagation: Propagation) -> None:
    await world.apply("web", manifest, placement=ON_A, propagation=propagation)


async def change(world: Any, **data: str | None) -> None:
    await world.client("a").patch(PATH, orjson.dumps({"data": data}), field_manager="kubectl-edit")


async def data_of(world: Any) -> Any:
    return (await world.get("a", PATH))["data"]


async def watched(world: Any) -> None:
    async def open_watch() -> bool:
        return bool(world.member("a").store._watchers.get(("", "configmaps")))

    await world.until(open_watch)


async def make_other(world: Any, **data: str) -> None:
    client = world.client("a")
    await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings", "namespace": "shop"},
        "data": data,
    }
    await client.apply(PATH, orjson.dumps(manifest), force=False, field_manager="somebody")


async def test_an_ignored_field_is_given_to_a_new_object_and_left_to_others_then(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    propagation = rules(FieldPolicy.IGNORE)
    await apply(world, make_config_map(a="1", b="1"), propagation)
    await world.until_state("web", UnitState.READY)
    await watched(world)
    assert await data_of(world) == {"a": "1", "b": "1"}

    await change(world, a="theirs", b="theirs")

    async def back() -> bool:
        return await data_of(world) == {"a": "theirs", "b": "1"}

    await world.until(back)
    await apply(world, make_config_map(a="2", b="2"), propagation)

    async def applied() -> bool:
        return await data_of(world) == {"a": "theirs", "b": "2"}

    await world.until(applied)


async def test_a_field_that_is_ignored_from_now_on_keeps_its_value(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await apply(world, make_config_map(a="1", b="1"), Propagation())
    await world.until_state("web", UnitState.READY)

    await apply(world, make_config_map(a="1", b="2"), rules(FieldPolicy.IGNORE))

    async def applied() -> bool:
        return bool((await data_of(world))["b"] == "2")

    await world.until(applied)
    assert (await data_of(world))["a"] == "1"


async def test_an_ignored_field_of_an_object_that_was_deleted_is_given_again(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await apply(world, make_config_map(a="1", b="1"), rules(FieldPolicy.IGNORE))
    await world.until_state("web", UnitState.READY)
    await watched(world)
    await change(world, a="theirs")

    await world.client("a").delete(PATH)

    async def back() -> bool:
        live = await world.get("a", PATH)
        return live is not None and live["data"] == {"a": "1", "b": "1"}

    await world.until(back)


async def test_an_ignored_field_of_an_adopted_object_stays_as_it_is(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await make_other(world, a="theirs", b="1")

    await apply(world, make_config_map(a="1", b="1"), rules(FieldPolicy.IGNORE, conflict=ConflictMode.ADOPT))

    await world.until_work("a", "Applied")
    assert await data_of(world) == {"a": "theirs", "b": "1"}


async def test_a_forced_field_is_put_back_where_the_mode_only_reports(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await apply(world, make_config_map(a="1", b="1"), rules(FieldPolicy.FORCE, drift=DriftMode.REPORT))
    await world.until_state("web", UnitState.READY)
    await watched(world)
    await change(world, a="theirs")

    async def back() -> bool:
        return await data_of(world) == {"a": "1", "b": "1"}

    await world.until(back)
    await world.until_work("a", "Applied")

    await change(world, b="theirs")
    work = await world.until_work("a", "Drifted", "DriftDetected")

    assert "the drift mode report leaves it so" in work.message
    assert (await data_of(world))["b"] == "theirs"


async def test_a_field_that_fails_is_left_and_told_where_the_mode_corrects(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    propagation = rules(FieldPolicy.FAIL)
    await apply(world, make_config_map(a="1", b="1"), propagation)
    await world.until_state("web", UnitState.READY)
    await watched(world)
    await change(world, b="theirs")

    async def back() -> bool:
        return await data_of(world) == {"a": "1", "b": "1"}

    await world.until(back)
    await change(world, a="theirs")
    work = await world.until_work("a", "Drifted", "DriftDetected")
    assert "the policy of the field leaves it so" in work.message
    assert "kubectl-edit" in work.message

    await apply(world, make_config_map(a="1", b="2"), propagation)
    work = await world.until_work("a", "Drifted", "FieldConflict")
    assert "data.a" in work.message
    assert "the policy of the field is fail" in work.message
    assert await data_of(world) == {"a": "theirs", "b": "1"}

    await change(world, a="1")
    await world.until_work("a", "Applied")


async def test_what_differs_is_told_also_when_it_is_seen_before_the_last_correction_is_stored(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(world, make_config_map(a="1", b="1"), rules(FieldPolicy.FAIL))
    await world.until_state("web", UnitState.READY)
    await watched(world)
    corrected, stored_late, seen = asyncio.Event(), asyncio.Event(), asyncio.Event()
    write, saw = storing.write, Collector.saw

    async def store_late(store: Any, act: Any) -> Any:
        if "results" in act.keywords:
            corrected.set()
            await stored_late.wait()
        return await write(store, act)

    def note(self: Collector, gvk: Any, live: Any, **more: Any) -> int | None:
        if live.get("data", {}).get("a") == "theirs":
            seen.set()
        return saw(self, gvk, live, **more)

    monkeypatch.setattr(group_writing, "write", store_late)
    monkeypatch.setattr(Collector, "saw", note)
    async with asyncio.timeout(10):
        await change(world, b="theirs")
        await corrected.wait()
        await change(world, a="theirs")
        await seen.wait()
        for _ in range(10):  # as much as it takes to write what was seen
            await world.works()
    stored_late.set()

    work = await world.until_work("a", "Drifted", "DriftDetected")

    assert "the policy of the field leaves it so" in work.message


@pytest.mark.parametrize(
    ("conflict", "policy", "state", "data"),
    [
        pytest.param(ConflictMode.ADOPT, FieldPolicy.FORCE, "Applied", {"a": "1"}, id="adopt-force"),
        pytest.param(ConflictMode.OVERWRITE, FieldPolicy.FAIL, "Failed", {"a": "theirs"}, id="overwrite-fail"),
        pytest.param(ConflictMode.OVERWRITE, FieldPolicy.FORCE, "Applied", {"a": "1"}, id="overwrite-force"),
        pytest.param(ConflictMode.ADOPT, FieldPolicy.FAIL, "Failed", {"a": "theirs"}, id="adopt-fail"),
    ],
)
async def test_policies_come_before_the_conflict_mode(
    world: Any,
    make_config_map: Callable[..., Any],
    conflict: ConflictMode,
    policy: FieldPolicy,
    state: str,
    data: dict[str, str],
) -> None:
    await make_other(world, a="theirs")

    await apply(world, make_config_map(a="1"), rules(policy, conflict=conflict))

    work = await world.until_work("a", state, "FieldConflict" if state == "Failed" else "")
    assert await data_of(world) == data
    if state == "Failed":
        assert "somebody" in work.message
        assert "data.a" in work.message


async def test_a_policy_is_of_the_resources_that_it_targets(world: Any, make_config_map: Callable[..., Any]) -> None:
    target = ResourceMatcher(kind="ConfigMap", name="other")
    rule = FieldRule(path="data.a", policy=FieldPolicy.IGNORE, target=target)
    await world.apply(
        "web",
        make_config_map(a="1"),
        make_config_map("other", a="1"),
        placement=ON_A,
        propagation=Propagation(fields=(rule,)),
    )
    await world.until_state("web", UnitState.READY)
    await watched(world)
    other = "/api/v1/namespaces/shop/configmaps/other"
    await world.client("a").patch(other, orjson.dumps({"data": {"a": "theirs"}}), field_manager="kubectl-edit")
    await change(world, a="theirs")

    async def back() -> bool:
        return bool(await data_of(world) == {"a": "1"})

    await world.until(back)
    assert (await world.get("a", other))["data"] == {"a": "theirs"}


async def test_a_field_that_fails_holds_back_the_forced_ones_beside_it(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    propagation = Propagation(
        fields=(
            FieldRule(path="data.a", policy=FieldPolicy.FORCE),
            FieldRule(path="data.b", policy=FieldPolicy.FAIL),
        ),
    )
    await apply(world, make_config_map(a="1", b="1"), propagation)
    await world.until_state("web", UnitState.READY)
    await watched(world)

    await change(world, a="theirs", b="theirs")
    await world.until_work("a", "Drifted", "DriftDetected")

    assert await data_of(world) == {"a": "theirs", "b": "theirs"}
