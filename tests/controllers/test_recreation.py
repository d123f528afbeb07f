"""What cannot be changed in an object: told, and made anew where that is confirmed for this very manifest."""

from collections.abc import Callable
from typing import Any

from fedsvc.model.unit import DriftMode, ImmutableMode, Propagation, UnitState
from fedsvc.store import recreations
from fedsvc_placement import Placement

ON_A = Placement(clusters=("a",))
PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
RECREATE = Propagation(immutable=ImmutableMode.RECREATE)


def relabelled(manifest: Any, app: str) -> Any:
    manifest["spec"]["selector"]["matchLabels"] = {"app": app}
    manifest["spec"]["template"]["metadata"]["labels"] = {"app": app}
    return manifest


async def confirm(world: Any, *, name: str = "web") -> list[str]:
    unit = await world.unit("web")
    async with world.store.transaction() as tx:
        return await recreations.confirm(
            tx, unit.uid, api_version="", kind="Deployment", namespace="shop", name=name, clusters=[]
        )


async def selector(world: Any) -> Any:
    live = await world.get("a", PATH)
    return None if live is None else live["spec"]["selector"]["matchLabels"]["app"]


async def test_a_change_of_what_cannot_be_changed_is_told_with_the_field_and_what_to_do(
    world: Any, make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", make_deployment(), placement=ON_A)
    await world.until_state("web", UnitState.READY)

    await world.apply("web", relabelled(make_deployment(), "new"), placement=ON_A)

    work = await world.until_work("a", "Failed", "ImmutableField")
    assert work.message.startswith("spec.selector cannot be changed in an object that exists")
    assert "propagation.immutable: recreate" in work.message
    assert await confirm(world) == []
    assert await selector(world) == "web"


async def test_it_is_made_anew_once_that_is_confirmed(world: Any, make_deployment: Callable[..., Any]) -> None:
    await world.apply("web", make_deployment(), placement=ON_A, propagation=RECREATE)
    await world.until_state("web", UnitState.READY)
    before = (await world.get("a", PATH))["metadata"]["uid"]
    await world.apply("web", relabelled(make_deployment(), "new"), placement=ON_A, propagation=RECREATE)
    work = await world.until_work("a", "Failed", "RecreationUnconfirmed")
    assert "fedctl recreate shop/web deployment/web" in work.message
    assert await selector(world) == "web"

    assert await confirm(world) == ["a"]

    async def renewed() -> bool:
        return await selector(world) == "new"

    await world.until(renewed)
    await world.until_work("a", "Applied")
    assert (await world.get("a", PATH))["metadata"]["uid"] != before

    async def told() -> bool:  # events are written a moment after what they tell of
        return {"Recreating", "Recreated"} <= {reason for _, reason, _ in await world.events()}

    await world.until(told)


async def test_a_confirmation_is_of_one_manifest_and_used_once(world: Any, make_deployment: Callable[..., Any]) -> None:
    await world.apply("web", make_deployment(), placement=ON_A, propagation=RECREATE)
    await world.until_state("web", UnitState.READY)
    await world.apply("web", relabelled(make_deployment(), "new"), placement=ON_A, propagation=RECREATE)
    await world.until_work("a", "Failed", "RecreationUnconfirmed")
    await confirm(world)
    await world.until_work("a", "Applied")

    for app in ("web", "new"):  # back, and to the one that was confirmed before
        await world.apply("web", relabelled(make_deployment(), app), placement=ON_A, propagation=RECREATE)
        if app == "web":
            await world.until_work("a", "Failed", "RecreationUnconfirmed")
            assert await selector(world) == "new"

    await world.until_work("a", "Applied")
    assert await selector(world) == "new"


async def test_it_is_made_anew_also_where_drift_is_only_reported(
    world: Any, make_deployment: Callable[..., Any]
) -> None:
    propagation = Propagation(immutable=ImmutableMode.RECREATE, drift=DriftMode.REPORT)
    await world.apply("web", make_deployment(), placement=ON_A, propagation=propagation)
    await world.until_state("web", UnitState.READY)
    await world.apply("web", relabelled(make_deployment(), "new"), placement=ON_A, propagation=propagation)
    await world.until_work("a", "Failed", "RecreationUnconfirmed")

    await confirm(world)

    await world.until_work("a", "Applied")
    assert await selector(world) == "new"
    await world.until_state("web", UnitState.READY)
