"""What an apply would change in members, asked of them: exactly, with deadlines, and nothing is written."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
import pytest

from fedsvc.api.diffing import ClusterDifferences, diff_unit
from fedsvc.members.comparing import DifferenceType
from fedsvc.members.registry import Members
from fedsvc.model.unit import ConflictMode, DriftMode, FieldPolicy, FieldRule, Propagation, UnitState
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.store import clusters
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
REPORT = Propagation(drift=DriftMode.REPORT)
ON_A = Placement(clusters=("a",))
ON_AB = Placement(clusters=("a", "b"))


@pytest.fixture
async def members() -> AsyncIterator[Members]:
    async with Members() as made:
        yield made


async def diff(world: Any, members: Members, *names: str, seconds: float = 5.0) -> list[ClusterDifferences]:
    unit = await world.unit("web")
    async with world.store.reader() as tx:
        asked = await clusters.get_many(tx, list(names))
    return await diff_unit(world.store, members, unit.uid, asked, seconds=seconds)


async def test_nothing_differs_where_all_is_as_it_shall_be(
    world: Any, members: Members, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), make_deployment(), placement=ON_AB)
    await world.until_state("web", UnitState.READY, seconds=30)

    for found in await diff(world, members, "a", "b"):
        assert (found.work_count, found.compared_count, found.differences, found.trouble) == (2, 2, [], "")


async def test_what_somebody_changed_is_told_field_by_field_and_stays(
    world: Any, members: Members, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_AB, propagation=REPORT)
    await world.until_state("web", UnitState.READY, seconds=30)
    patch = orjson.dumps({"data": {"a": "2", "theirs": "3"}})
    await world.client("a").patch(PATH, patch, field_manager="kubectl-edit")
    version = (await world.get("a", PATH))["metadata"]["resourceVersion"]

    on_a, on_b = await diff(world, members, "b", "a")

    (difference,) = on_a.differences
    assert difference.type is DifferenceType.CHANGED
    (field,) = difference.fields
    assert (field.path, field.before, field.after, field.managers) == ("data.a", "2", "1", ("kubectl-edit",))
    assert on_b.differences == []
    assert (await world.get("a", PATH))["metadata"]["resourceVersion"] == version


async def test_what_is_missing_foreign_or_refused_is_told_as_such(
    world: Any, members: Members, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), make_deployment(), placement=ON_A, propagation=REPORT)
    await world.until_state("web", UnitState.READY, seconds=30)
    await world.stop()
    await world.client("a").delete(PATH)
    theirs = make_config_map("other", a="theirs")
    await world.client("a").post("/api/v1/namespaces/shop/configmaps", theirs, {"fieldManager": "somebody"})
    relabelled = make_deployment()
    relabelled["spec"]["selector"]["matchLabels"] = {"app": "new"}
    relabelled["spec"]["template"]["metadata"]["labels"] = {"app": "new"}
    world.start()
    manifests = (make_config_map(a="1"), make_config_map("other", a="1"), relabelled)
    await world.apply("web", *manifests, placement=ON_A, propagation=REPORT)
    await world.until_work("a", "Failed", "ImmutableField")
    await world.until_work("a", "Failed", "ObjectExists")
    await world.stop()
    await world.client("a").delete(PATH) if await world.get("a", PATH) else None

    (found,) = await diff(world, members, "a")

    by_name = {one.work.key.name: one for one in found.differences}
    assert by_name["settings"].type is DifferenceType.ADDED
    other = by_name["other"]
    assert other.type is DifferenceType.FOREIGN
    assert "propagation.conflict is abort" in other.refusal
    assert ("data.a", "theirs", "1") in [(field.path, field.before, field.after) for field in other.fields]
    web = by_name["web"]
    assert "field is immutable" in web.refusal
    assert "spec.selector.matchLabels.app" in [field.path for field in web.fields]


async def test_fields_that_are_left_to_others_do_not_differ(
    world: Any, members: Members, make_config_map: Callable[..., Any]
) -> None:
    rule = FieldRule(path="data.a", policy=FieldPolicy.IGNORE)
    propagation = Propagation(fields=(rule,), conflict=ConflictMode.ADOPT)
    await world.apply("web", make_config_map(a="1", b="1"), placement=ON_A, propagation=propagation)
    await world.until_state("web", UnitState.READY, seconds=30)
    await world.client("a").patch(PATH, orjson.dumps({"data": {"a": "2"}}), field_manager="kubectl-edit")

    (found,) = await diff(world, members, "a")

    assert found.differences == []


async def test_a_member_that_does_not_answer_costs_only_itself(
    world: Any, members: Members, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1"), placement=ON_AB)
    await world.until_state("web", UnitState.READY, seconds=30)
    world.member("a").inject(Faults(outage=Outage.BLACK_HOLE))

    on_a, on_b = await diff(world, members, "a", "b", seconds=3.0)

    assert "did not answer" in on_a.trouble
    assert (on_b.compared_count, on_b.trouble) == (1, "")
