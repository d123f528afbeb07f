import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from fedsvc.controllers import group_writing, removing, storing
from fedsvc.controllers.collector import Collector
from fedsvc.members.client import MemberClient
from fedsvc.members.discovery import Discovery
from fedsvc.members.errors import KindNotServedError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import DeletionMode, DriftMode, Propagation, UnitState
from fedsvc.simulator import Faults
from fedsvc.simulator.server import Received
from fedsvc.store import clusters, leases
from fedsvc_placement import Placement

PATH = "/api/v1/namespaces/shop/configmaps/settings"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"
CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com"
ON_A = Placement(clusters=("a",))


@pytest.mark.parametrize("cascade", [None, ObjectDeletion.BACKGROUND, ObjectDeletion.FOREGROUND])
async def test_a_deleted_unit_takes_its_objects_with_it(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any], cascade: ObjectDeletion | None
) -> None:
    await world.apply("web", make_config_map(), make_deployment())
    await world.until_state("web", UnitState.READY)

    await world.delete("web", cascade=cascade)
    await world.until_gone("web")

    for name in ("a", "b", "c"):
        assert await world.get(name, PATH) is None
        assert await world.get(name, WEB) is None
    assert await world.works() == []


@pytest.mark.parametrize("by", ["cascade", "mode"])
async def test_orphaned_objects_stay_without_any_mark_of_ours(
    world: Any, make_config_map: Callable[..., Any], by: str
) -> None:
    mode = Propagation(deletion=DeletionMode.ORPHAN if by == "mode" else DeletionMode.DELETE)
    await world.apply("web", make_config_map(a="1"), placement=ON_A, propagation=mode)
    await world.until_state("web", UnitState.READY)

    await world.delete("web", cascade=ObjectDeletion.ORPHAN if by == "cascade" else None)
    await world.until_gone("web")

    live = await world.get("a", PATH)
    assert live["data"] == {"a": "1"}
    assert "fedsvc.io/managed" not in live["metadata"].get("labels", {})
    assert not any(key.startswith("fedsvc.io/") for key in live["metadata"].get("annotations", {}))
    assert "fedsvc" not in {entry["manager"] for entry in live["metadata"].get("managedFields", [])}


async def test_an_object_held_by_a_finalizer_is_waited_for(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FIRST_LOOK_SECONDS", "_MAX_LOOK_SECONDS"):
        monkeypatch.setattr(removing, name, 3_600.0)
    await world.apply("web", make_config_map(), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    hold = {"metadata": {"finalizers": ["example.com/hold"]}}
    await world.client("a").patch(PATH, orjson.dumps(hold), field_manager="holder")
    await world.delete("web")

    work = await world.until_work("a", "Removing", "BeingDeleted")
    assert "example.com/hold" in work.message
    assert (await world.unit("web")).delete_time is not None

    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"finalizers": None}}), field_manager="holder")
    await world.until_gone("web")  # by the event, not when the next look is due


async def test_an_object_that_goes_before_the_answer_to_its_deletion_is_stored_is_seen_to_at_once(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_FIRST_LOOK_SECONDS", "_MAX_LOOK_SECONDS"):
        monkeypatch.setattr(removing, name, 3_600.0)
    asked, gone, write, saw = asyncio.Event(), asyncio.Event(), storing.write, Collector.saw

    async def store_late(store: Any, act: Any) -> Any:
        if any(result.reason == "BeingDeleted" for result in act.keywords.get("results", ())):
            asked.set()
            await gone.wait()
        return await write(store, act)

    def note(self: Collector, gvk: Any, live: Any, *, deleted: bool = False) -> int | None:
        if deleted:
            gone.set()
        return saw(self, gvk, live, deleted=deleted)

    await world.apply("web", make_config_map(), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    hold = {"metadata": {"finalizers": ["example.com/hold"]}}
    await world.client("a").patch(PATH, orjson.dumps(hold), field_manager="holder")
    monkeypatch.setattr(group_writing, "write", store_late)
    monkeypatch.setattr(Collector, "saw", note)
    await world.delete("web")
    async with asyncio.timeout(10):
        await asked.wait()
    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"finalizers": None}}), field_manager="holder")

    await world.until_gone("web")


async def test_a_resource_that_leaves_the_unit_leaves_the_members(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(), make_config_map("other"))
    await world.until_state("web", UnitState.READY)
    await world.apply("web", make_config_map("other"))

    async def left() -> bool:
        return [await world.get(name, PATH) for name in ("a", "b", "c")] == [None] * 3

    await world.until(left)
    await world.until_state("web", UnitState.READY)


async def test_an_object_whose_mark_was_taken_off_is_not_deleted(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    report = Propagation(drift=DriftMode.REPORT)
    await world.apply("web", make_config_map(), placement=ON_A, propagation=report)
    await world.until_state("web", UnitState.READY)
    await world.stop()
    await world.client("a").patch(PATH, orjson.dumps({"metadata": {"labels": {"fedsvc.io/managed": None}}}))
    await world.delete("web")
    world.start()

    await world.until_gone("web")
    assert await world.get("a", PATH) is not None


async def test_an_object_that_is_gone_already_needs_no_deletion(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await world.stop()
    await world.client("a").delete(PATH)
    await world.delete("web")
    world.start()
    await world.until_gone("web")


@pytest.mark.parametrize(
    ("deletion", "stays"), [(ObjectDeletion.ORPHAN, True), (ObjectDeletion.BACKGROUND, False)], ids=["keep", "delete"]
)
async def test_a_leaving_cluster_takes_or_keeps_its_objects(
    world: Any, make_config_map: Callable[..., Any], deletion: ObjectDeletion, *, stays: bool
) -> None:
    await world.apply("web", make_config_map())
    await world.until_state("web", UnitState.READY)

    async with world.store.transaction() as tx:
        await clusters.mark_deleted(tx, "b", deletion)

    async def left() -> bool:
        async with world.store.reader() as tx:
            return [cluster.name for cluster in await clusters.list_all(tx)] == ["a", "c"]

    await world.until(left)
    assert (await world.get("b", PATH) is not None) == stays

    async def told() -> bool:
        status = await world.status("web")
        return [line.cluster for line in status.clusters] == ["a", "c"] and status.state == UnitState.READY

    await world.until(told)


async def test_a_deleted_unit_goes_before_its_works_were_ever_applied(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map())
    await world.delete("web")
    await world.until_gone("web")
    assert await world.get("a", PATH) is None


async def test_a_definition_goes_after_its_objects(world: Any) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    inside = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x", "namespace": "team"},
        "data": {"a": "1"},
    }
    await world.apply("web", inside, namespace)
    await world.until_state("web", UnitState.READY)
    await world.delete("web")
    await world.until_gone("web")
    assert await world.get("a", "/api/v1/namespaces/team") is None


async def test_an_object_that_a_killed_process_still_makes_is_removed_all_the_same(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "RETRY_SECONDS", 0.02)
    sent, made = asyncio.Event(), asyncio.Event()
    apply = MemberClient.apply

    async def apply_and_tell(*args: Any, **more: Any) -> Any:
        asyncio.get_running_loop().call_later(0.05, sent.set)  # by then the member has it
        return await apply(*args, **more)

    def received(write: Received) -> None:
        if (write.path, write.status) == (PATH, 201):
            made.set()

    await world.stop()
    await world.client("a").post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    world.settings = replace(world.settings, late_write_seconds=2.0)
    world.member("a").inject(Faults(late_write_seconds=1.0))
    world.simulator.listeners.append(received)
    world.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemberClient, "apply", apply_and_tell)
        await world.apply("web", make_config_map(), placement=ON_A)
        await asyncio.wait_for(sent.wait(), 5)
        await world.stop()
    await world.delete("web")
    async with world.store.database.begin() as connection:  # as decided before the next process acts on it
        await connection.execute(
            "UPDATE work SET removal = 'Background', state = 'Removing', desired_digest = NULL, generation = generation + 1"
        )
    world.start()

    work = await world.until_work("a", "Removing", "LateWrites")
    assert "may still make it" in work.message
    assert not made.is_set()
    await world.until_gone("web")
    assert made.is_set()
    assert await world.get("a", PATH) is None


async def test_what_a_killed_process_still_makes_after_its_object_was_deleted_is_removed_too(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    world.settings = replace(world.settings, late_write_seconds=5.0)
    await world.apply("web", make_config_map(), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    made = await world.get("a", PATH)
    await world.stop()  # it may have sent the creation twice
    world.start()
    await world.delete("web")
    await world.until_work("a", "Removing", "LateWrites")
    assert await world.get("a", PATH) is None

    kept = {name: made["metadata"][name] for name in ("name", "namespace", "labels", "annotations")}
    await world.client("a").post("/api/v1/namespaces/shop/configmaps", made | {"metadata": kept})

    await world.until_gone("web")
    assert await world.get("a", PATH) is None


async def test_a_namespace_stays_while_others_are_in_it(world: Any, make_config_map: Callable[..., Any]) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    await world.apply("web", make_config_map(), namespace, placement=ON_A)
    await world.apply("other", make_config_map("beside"), placement=ON_A)
    for unit in ("web", "other"):
        await world.until_state(unit, UnitState.READY)
    claim = {"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {}}}
    claims = "/api/v1/namespaces/shop/persistentvolumeclaims"
    await world.client("a").post(claims, claim)
    await world.delete("web")

    work = await world.until_work("a", "Removing", "Occupied")
    assert "ConfigMap shop/beside, PersistentVolumeClaim shop/data - " in work.message
    assert await world.get("a", PATH) is None

    await world.delete("other")
    await world.until_gone("other")
    assert "deletionTimestamp" not in (await world.get("a", "/api/v1/namespaces/shop"))["metadata"]
    await world.client("a").delete(f"{claims}/data")
    await world.until_gone("web", seconds=30.0)
    assert await world.get("a", "/api/v1/namespaces/shop") is None


def widgets(*versions: str, storage: str = "v1") -> dict[str, Any]:
    """The definition of Widgets, served in these versions."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    served = [
        {"name": name, "served": name in versions, "storage": name == storage, "schema": schema}
        for name in dict.fromkeys((*versions, storage))
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Widget", "plural": "widgets"},
            "scope": "Namespaced",
            "versions": served,
        },
    }


def widget(version: str = "v1") -> dict[str, Any]:
    metadata = {"name": "ours", "namespace": "default"}
    return {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": metadata}


async def test_a_definition_stays_while_somebody_elses_objects_are_of_its_kind(world: Any) -> None:
    await world.apply("web", widgets("v1"), widget(), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await world.client("a").post(WIDGETS, widget() | {"metadata": {"name": "theirs"}})
    await world.delete("web")

    work = await world.until_work("a", "Removing", "Occupied")
    assert "Widget default/theirs - " in work.message
    assert await world.get("a", f"{WIDGETS}/ours") is None

    await world.client("a").delete(f"{WIDGETS}/theirs")
    await world.until_gone("web", seconds=30.0)
    assert await world.get("a", WIDGETS) is None


async def test_an_object_whose_version_is_no_longer_served_is_removed_in_another(world: Any) -> None:
    await world.client("a").apply(CRD, orjson.dumps(widgets("v1alpha1", "v1")), force=True)
    await world.apply("web", widget("v1alpha1"), placement=ON_A)
    await world.until_state("web", UnitState.READY)
    await world.stop()
    await world.client("a").apply(CRD, orjson.dumps(widgets("v1")), force=True)
    world.start()

    await world.delete("web")
    await world.until_gone("web", seconds=30.0)

    assert await world.get("a", f"{WIDGETS}/ours") is None


async def test_an_object_of_a_kind_of_which_nothing_can_be_found_out_is_not_taken_for_gone(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.apply("web", make_config_map(), placement=ON_A)
    await world.until_state("web", UnitState.READY)

    async def unknown(_: Any, group: str, version: str, kind: str) -> Any:
        raise KindNotServedError(group=group, version=version, kind=kind, note="its discovery fails: 503")

    with monkeypatch.context() as patch:
        patch.setattr(Discovery, "known", lambda *_: None)
        patch.setattr(Discovery, "resource", unknown)
        await world.delete("web")
        work = await world.until_work("a", "Retrying", "KindNotServed")
        assert "its discovery fails" in work.message

    assert await world.get("a", PATH) is not None
    await world.until_gone("web", seconds=60.0)
    assert await world.get("a", PATH) is None
