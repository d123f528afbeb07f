"""Units that wait for units: before, after, and what is told meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest

from fedsvc.api.names import UnitName
from fedsvc.api.services.explaining import explain_stored
from fedsvc.errors import DependencyCycleError, InUseError
from fedsvc.model.dependency import Dependency, DependencyScope
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.rendering.waves import AwaitedState
from fedsvc_placement import LabelSelector, Placement

ALL = Placement(cluster_selector=LabelSelector())
WEB = "/api/v1/namespaces/shop/configmaps/web"
DB = "/api/v1/namespaces/shop/configmaps/db"


def on(*clusters: str) -> Placement:
    return Placement(clusters=clusters)


def spec(placement: Placement, *units: str, **how: Any) -> UnitSpec:
    return UnitSpec(placement=placement, depends_on=tuple(Dependency(unit=unit, **how) for unit in units))


def stuck(deployment: dict[str, Any]) -> dict[str, Any]:
    """One whose pods find no node."""
    deployment["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
    return deployment


async def until_told(world: Any, unit: str, reason: str, message: str) -> None:
    """Wait until the condition of the dependencies says so."""

    async def told() -> bool:
        return any(
            condition.type == "DependenciesMet" and condition.reason == reason and message in condition.message
            for condition in (await world.status(unit)).conditions
        )

    await world.until(told)


async def test_a_unit_waits_for_another_that_comes_later(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map("web"), spec=spec(on("a"), "db"))
    await until_told(world, "web", "DependencyMissing", "a waits for units/db, which does not exist")
    [line] = (await world.status("web")).clusters
    assert (line.reason, line.message) == (
        "DependencyMissing",
        "v1 ConfigMap shop/web: waits for units/db, which does not exist",
    )
    assert await world.get("a", WEB) is None
    async with world.store.reader() as tx:
        explained = await explain_stored(tx, UnitName(namespace="shop", name="web"), "", replay=False)
    assert "unit: what is to change on a waits for units/db, which does not exist" in explained.lines()

    await world.apply("db", make_config_map("db"), placement=on("a"))

    await world.until_state("web", UnitState.READY)
    await until_told(world, "web", "Met", "all that it depends on")


async def test_a_unit_waits_on_each_cluster_for_its_dependency_to_be_healthy_there(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("db", stuck(make_deployment("db")), placement=on("a"))
    await world.apply("web", make_config_map("web"), spec=spec(on("a", "b"), "db"))
    text = "a waits for units/db to be Ready on a: apps/v1 Deployment shop/db is Progressing, not healthy"
    await until_told(world, "web", "DependencyNotReady", text)
    await until_told(world, "web", "DependencyNotReady", "b waits for units/db, which is not placed on b")

    await world.apply("db", make_deployment("db"), placement=on("a"))

    async def on_a() -> bool:
        return await world.get("a", WEB) is not None

    await world.until(on_a)
    assert await world.get("b", WEB) is None
    await until_told(world, "web", "DependencyNotPlaced", "b waits for units/db, which is not placed on b")
    await world.apply("db", make_deployment("db"), placement=on("a", "b"))
    await world.until_state("web", UnitState.READY)


async def test_applied_may_be_enough(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("db", stuck(make_deployment("db")), placement=on("a"))
    await world.apply("web", make_config_map("web"), spec=spec(on("a"), "db", state=AwaitedState.APPLIED))
    await world.until_state("web", UnitState.READY)


async def test_a_dependency_may_be_elsewhere_and_counts_on_all_its_clusters(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    everywhere = DependencyScope.EVERYWHERE
    await world.apply("web", make_config_map("web"), spec=spec(on("c"), "db", where=everywhere))
    await world.apply("db", make_deployment("db"), placement=Placement())
    await until_told(world, "web", "DependencyNotPlaced", "c waits for units/db, which is not placed anywhere")

    await world.apply("db", stuck(make_deployment("db")), placement=on("a", "b"))
    await until_told(world, "web", "DependencyNotReady", "units/db to be Ready everywhere: a: apps/v1 Deployment")
    await world.apply("db", make_deployment("db"), placement=on("a", "b"))
    await world.until_state("web", UnitState.READY)


async def test_a_change_waits_for_the_change_of_the_dependency(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("db", make_deployment("db"), placement=on("a"))
    await world.apply("web", make_config_map("web", v="1"), spec=spec(on("a"), "db"))
    await world.until_state("web", UnitState.READY)

    await world.apply("db", stuck(make_deployment("db", image="db:2")), placement=on("a"))
    await world.apply("web", make_config_map("web", v="2"), spec=spec(on("a"), "db"))
    await until_told(world, "web", "DependencyNotReady", "units/db to be Ready on a")
    await world.until_work("a", "Pending", unit="web")
    assert (await world.get("a", WEB))["data"] == {"v": "1"}

    await world.apply("db", make_deployment("db", image="db:3"), placement=on("a"))
    await world.until_state("web", UnitState.READY)
    assert (await world.get("a", WEB))["data"] == {"v": "2"}


async def test_what_runs_stays_and_is_kept_when_a_dependency_gets_worse(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("db", make_deployment("db"), placement=on("a"))
    await world.apply("web", make_config_map("web", v="1"), spec=spec(on("a"), "db"))
    await world.until_state("web", UnitState.READY)
    await world.apply("db", stuck(make_deployment("db", image="db:2")), placement=on("a"))
    await until_told(world, "web", "DependencyNotReady", "what runs already stays")
    assert (await world.status("web")).state == UnitState.READY

    await world.client("a").patch(WEB, b'{"data":{"v":"mine"}}', field_manager="me")

    async def back() -> bool:
        return (await world.get("a", WEB))["data"] == {"v": "1"}

    await world.until(back)


async def test_a_unit_is_removed_after_those_that_depend_on_it(world: Any, make_config_map: Callable[..., Any]) -> None:
    held = make_config_map("web")
    held["metadata"]["finalizers"] = ["example.com/held"]
    await world.apply("db", make_config_map("db"), placement=on("a"))
    await world.apply("web", held, spec=spec(on("a"), "db"))
    await world.until_state("web", UnitState.READY)
    with pytest.raises(InUseError, match="namespaces/shop/units/db is used by namespaces/shop/units/web: delete these"):
        await world.delete("db")
    await world.delete("web")
    await world.delete("db")

    async def told() -> bool:
        lines = (await world.status("db")).clusters
        text = "v1 ConfigMap shop/db: is removed after units/web, which depends on it"
        return [(line.reason, line.message) for line in lines] == [("NeededByUnits", text)]

    await world.until(told)
    assert await world.get("a", DB) is not None

    await world.client("a").patch(WEB, b'{"metadata":{"finalizers":null}}', field_manager="me")
    await world.until_gone("web")
    await world.until_gone("db")
    assert await world.get("a", DB) is None


async def test_a_dependency_stays_on_a_cluster_as_long_as_a_dependent_is_there(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("db", make_config_map("db"), placement=on("a"))
    await world.apply("web", make_config_map("web"), spec=spec(on("a"), "db"))
    await world.until_state("web", UnitState.READY)

    await world.apply("db", make_config_map("db"), placement=on("b"))
    await until_told(world, "web", "DependencyNotPlaced", "a waits for units/db, which is not placed on a")
    await world.until_work("b", "Applied", unit="db")
    assert await world.get("a", DB) is not None

    await world.apply("web", make_config_map("web"), spec=spec(on("b"), "db"))

    async def moved() -> bool:
        return await world.get("a", DB) is None and await world.get("b", WEB) is not None

    await world.until(moved)


async def test_a_resource_that_is_dropped_goes_though_others_depend_on_its_unit(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("db", make_config_map("db"), make_config_map("more"), placement=on("a"))
    await world.apply("web", make_config_map("web"), spec=spec(on("a"), "db"))
    await world.until_state("web", UnitState.READY)

    await world.apply("db", make_config_map("db"), placement=on("a"))

    async def gone() -> bool:
        return await world.get("a", "/api/v1/namespaces/shop/configmaps/more") is None

    await world.until(gone)


async def test_a_cycle_is_refused_also_when_the_last_unit_closes_it(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("a", make_config_map("a"), spec=spec(ALL, "b"))
    await world.apply("b", make_config_map("b"), spec=spec(ALL, "c"))
    cycle = (
        r"unit.spec.depends_on\[1\].unit: closes a cycle, in which nothing could ever begin: namespaces/shop/units/c "
        "waits for namespaces/shop/units/a, which waits for namespaces/shop/units/b, which waits for "
        "namespaces/shop/units/c"
    )
    with pytest.raises(DependencyCycleError, match=cycle):
        await world.apply("c", make_config_map("c"), spec=spec(ALL, "x", "a"))
    await world.apply("b", make_config_map("b"), spec=spec(ALL))
    await world.apply("c", make_config_map("c"), spec=spec(ALL, "a"))


async def test_what_waits_goes_on_after_a_restart(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map("web"), spec=spec(on("a"), "db"))
    await until_told(world, "web", "DependencyMissing", "does not exist")
    await world.stop()
    await world.apply("db", make_config_map("db"), placement=on("a"))
    world.start()
    await world.until_state("web", UnitState.READY)
