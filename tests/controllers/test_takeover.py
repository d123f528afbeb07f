"""Objects that other tools keep: told of, taken over with all that their managers own, and watched for their return."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fedsvc.members.client import PatchType
from fedsvc.model.unit import ConflictMode, Propagation, UnitState
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
ON_A = Placement(clusters=("a",))
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


async def make_theirs(
    world: Any,
    manager: str,
    data: dict[str, str],
    *,
    applied: bool = False,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> None:
    client = world.client("a")
    await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    metadata = {"name": "settings", "namespace": "shop", "labels": labels or {}, "annotations": annotations or {}}
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
    if applied:
        await client.apply(PATH, orjson.dumps(manifest), force=False, field_manager=manager)
    else:
        await client.post("/api/v1/namespaces/shop/configmaps", manifest, {"fieldManager": manager})


@pytest.mark.parametrize("conflict", [ConflictMode.ADOPT, ConflictMode.OVERWRITE])
@pytest.mark.parametrize(
    ("tool", "manager", "applied", "labels", "annotations"),
    [
        ("kubectl", "kubectl-client-side-apply", False, {}, {LAST_APPLIED: "{}"}),
        ("kubefed", "controller-manager", False, {"kubefed.io/managed": "true"}, {}),
        ("karmada", "karmada-controller-manager", False, {"karmada.io/managed": "true"}, {"work.karmada.io/name": "x"}),
        ("argocd", "argocd-controller", True, {}, {"argocd.argoproj.io/tracking-id": "a:b"}),
        ("helm", "helm", False, {"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "x"}),
        ("my-script", "my-script", False, {}, {}),
    ],
)
async def test_what_a_tool_wrote_and_the_template_has_not_goes_when_its_managers_are_migrated(
    world: Any,
    make_config_map: Callable[..., Any],
    conflict: ConflictMode,
    tool: str,
    manager: str,
    *,
    applied: bool,
    labels: dict[str, str],
    annotations: dict[str, str],
) -> None:
    theirs = {"a": "1", "old": "gone"}
    await make_theirs(world, manager, theirs, applied=applied, labels=labels, annotations=annotations)
    await world.client("a").patch(PATH, orjson.dumps({"data": {"c": "kept"}}), field_manager="kubectl-edit")
    before = (await world.get("a", PATH))["metadata"]["uid"]

    propagation = Propagation(conflict=conflict, migrate=(tool,))
    await world.apply("web", make_config_map(a="2"), placement=ON_A, propagation=propagation)

    await world.until_work("a", "Applied")
    live = await world.get("a", PATH)
    assert live["data"] == {"a": "2", "c": "kept"}
    assert live["metadata"]["uid"] == before
    assert set(live["metadata"]["labels"]) == {"fedsvc.io/managed"}
    assert set(live["metadata"]["annotations"]) == {"fedsvc.io/unit", "fedsvc.io/unit-uid"}
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {"fedsvc", "kubectl-edit"}

    async def told() -> bool:
        return any(reason == "Adopted" and manager in message for _, reason, message in await world.events())

    await world.until(told)


async def test_what_keeps_an_object_is_named_with_how_to_take_it_over(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await make_theirs(world, "karmada-controller-manager", {"a": "2"}, labels={"karmada.io/managed": "true"})
    await world.apply("web", make_config_map(a="1"), placement=ON_A)

    work = await world.until_work("a", "Failed", "ObjectExists")

    assert "kept by Karmada" in work.message
    assert "propagation.migrate: [karmada]" in work.message

    adopt = Propagation(conflict=ConflictMode.ADOPT)
    await world.apply("web", make_config_map(a="1"), placement=ON_A, propagation=adopt)

    work = await world.until_work("a", "Failed", "FieldConflict")
    assert "karmada-controller-manager" in work.message
    assert "data.a" in work.message
    assert "propagation.migrate: [karmada]" in work.message


async def test_a_tool_that_still_writes_is_named(world: Any, make_config_map: Callable[..., Any]) -> None:
    await make_theirs(world, "argocd-controller", {"a": "1"}, applied=True)
    propagation = Propagation(conflict=ConflictMode.ADOPT, migrate=("argocd",))
    await world.apply("web", make_config_map(a="1"), placement=ON_A, propagation=propagation)
    await world.until_state("web", UnitState.READY)

    async def open_watch() -> bool:
        return bool(world.member("a").store._watchers.get(("", "configmaps")))

    await world.until(open_watch)
    patch = orjson.dumps({"data": {"a": "2"}})
    await world.client("a").patch(PATH, patch, patch_type=PatchType.MERGE, field_manager="argocd-controller")

    async def told() -> bool:
        return any("Argo CD still keeps this object" in message for _, _, message in await world.events())

    await world.until(told)
