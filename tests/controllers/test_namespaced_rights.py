"""A member whose service account may look at single namespaces only, with the very objects that `fedctl join` makes."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
import pytest

from fedctl.join.rights import NAME, objects, rights_of
from fedsvc.controllers import health, watching
from fedsvc.model.cluster import ConditionStatus, Credential, ObjectDeletion
from fedsvc.model.unit import DriftMode, Propagation, UnitState
from fedsvc.model.zone import ForeignObjects, ZoneSpec
from fedsvc.store import clusters, policies, zones
from fedsvc_dns.planner.zone import DnsSettings
from fedsvc_placement import Placement

ON_A = Placement(clusters=("a",))
PATH = "/api/v1/namespaces/shop/configmaps/settings"
HOME = "fedsvc-system"
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
async def narrow(world: Any) -> Any:
    """The world, member "a" joined with rights for the namespaces shop and web."""
    for name in (HOME, "shop", "web", "bank"):
        await world.client("a").post("/api/v1/namespaces", {"metadata": {"name": name}})
    await world.client("a").post(f"/api/v1/namespaces/{HOME}/serviceaccounts", {"metadata": {"name": NAME}})
    await grant(world, "namespaced:shop,web")
    path = f"/api/v1/namespaces/{HOME}/serviceaccounts/{NAME}/token"
    answer = await world.client("a").post(path, {"spec": {"expirationSeconds": 3600}})
    async with world.store.transaction() as tx:
        cluster = await clusters.lock(tx, "a")
        credential = Credential(token=answer["status"]["token"])
        await clusters.update(tx, replace(cluster, connection=replace(cluster.connection, credential=credential)))
    return world


async def grant(world: Any, profile: str) -> None:
    for path, manifest in objects(rights_of(profile, []), HOME):
        await world.client("a").apply(path, orjson.dumps(manifest), force=True)


def watchers(world: Any, plural: str) -> set[str]:
    """The namespaces in which the member has watches of ours; empty: all of them at once."""
    found = world.member("a").store._watchers.get(("", plural)) or ()
    return {watcher.notify.__self__.selection.namespace for watcher in found}


async def until_watched(world: Any, *namespaces: str) -> None:
    async def watched() -> bool:
        return watchers(world, "configmaps") == set(namespaces)

    await world.until(watched)


def in_web(manifest: dict[str, Any]) -> dict[str, Any]:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": "web"}}


async def test_status_comes_back_from_each_namespace(
    narrow: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await narrow.apply("web", make_config_map(), make_deployment(), in_web(make_deployment()), placement=ON_A)
    status = await narrow.until_state("web", UnitState.READY)
    assert [(line.desired_replicas, line.ready_replicas) for line in status.clusters] == [(4, 4)]
    assert {work.health for work in await narrow.works("web")} == {"Healthy"}


async def test_drift_is_repaired_in_each_namespace(narrow: Any, make_config_map: Callable[..., Any]) -> None:
    await narrow.apply("web", make_config_map(a="1"), in_web(make_config_map(a="1")), placement=ON_A)
    await narrow.until_state("web", UnitState.READY)
    await until_watched(narrow, "shop", "web")
    other = PATH.replace("shop", "web")
    await narrow.client("a").patch(PATH, orjson.dumps({"data": {"a": "2"}}), field_manager="kubectl-edit")
    await narrow.client("a").delete(other)

    async def repaired() -> bool:
        found = [await narrow.get("a", path) for path in (PATH, other)]
        return all(item is not None and item["data"] == {"a": "1"} for item in found)

    await narrow.until(repaired)


async def test_a_list_of_one_namespace_says_nothing_of_another(
    narrow: Any, make_config_map: Callable[..., Any]
) -> None:
    propagation = Propagation(drift=DriftMode.REPORT)
    await narrow.apply("web", make_config_map(), in_web(make_config_map()), placement=ON_A, propagation=propagation)
    await narrow.until_state("web", UnitState.READY)
    await until_watched(narrow, "shop", "web")
    narrow.member("a").forget_history()  # every watch begins anew with a list
    await narrow.apply("other", make_config_map("fence"), placement=ON_A)
    await narrow.until_state("other", UnitState.READY)
    await until_watched(narrow, "shop", "web")
    assert "DriftDetected" not in {reason for _, reason, _ in await narrow.events()}
    assert (await narrow.status("web")).state == UnitState.READY


async def test_watches_follow_the_namespaces_of_the_works(narrow: Any, make_config_map: Callable[..., Any]) -> None:
    await narrow.apply("web", make_config_map(), placement=ON_A)
    await until_watched(narrow, "shop")
    await narrow.apply("web2", in_web(make_config_map()), placement=ON_A)
    await until_watched(narrow, "shop", "web")
    await narrow.delete("web")
    await narrow.until_gone("web")
    await until_watched(narrow, "web")


async def test_what_is_outside_is_a_condition_that_names_verb_and_resource(
    narrow: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "HealthSettings", partial(health.HealthSettings, probe_seconds=0.2))
    await narrow.stop()
    narrow.start()
    await narrow.apply("web", make_config_map(), placement=ON_A)
    await narrow.until_state("web", UnitState.READY)
    outside = make_config_map()
    outside["metadata"]["namespace"] = "bank"
    await narrow.apply("bank", outside, placement=ON_A)
    work = await narrow.until_work("a", "Failed", "Forbidden", unit="bank")
    assert 'cannot patch resource "configmaps"' in work.message

    async def told() -> str:
        async with narrow.store.reader() as tx:
            condition = (await clusters.get(tx, "a")).condition("RightsSufficient")
        if condition is None or condition.status is not ConditionStatus.FALSE:
            return ""
        return condition.message if all(verb in condition.message for verb in ("patch", "list")) else ""

    message = await narrow.until(told, seconds=10)
    assert "patch configmaps in namespace bank" in message
    assert "list configmaps in namespace bank" in message
    assert "shop" not in message
    assert (await narrow.status("web")).state == UnitState.READY


async def test_one_watch_does_again_when_the_rights_are_widened(
    narrow: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_FORBIDDEN_SECONDS", 0.05)
    await narrow.stop()
    narrow.start()
    await narrow.apply("web", make_config_map(), in_web(make_config_map()), placement=ON_A)
    await until_watched(narrow, "shop", "web")
    await grant(narrow, "standard")
    await until_watched(narrow, "")


@pytest.mark.parametrize("by", ["deleted unit", "leaving cluster"])
async def test_what_was_refused_and_never_created_holds_nothing_up(
    narrow: Any, make_config_map: Callable[..., Any], by: str
) -> None:
    outside = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": "reader"}, "rules": []}
    await narrow.apply("web", make_config_map(), outside, placement=ON_A)
    await narrow.until_work("a", "Failed", "Forbidden", unit="web")
    await narrow.until_work("a", "Applied", unit="web")

    if by == "deleted unit":
        await narrow.delete("web")
        await narrow.until_gone("web")
    else:
        async with narrow.store.transaction() as tx:
            await clusters.mark_deleted(tx, "a", ObjectDeletion.BACKGROUND)

        async def left() -> bool:
            return [work for work in await narrow.works("web") if work.cluster == "a"] == []

        await narrow.until(left)
    assert await narrow.get("a", PATH) is None

    async def told() -> bool:
        return any(
            reason == "NeverApplied" and 'cannot get resource "clusterroles"' in message
            for _, reason, message in await narrow.events()
        )

    await narrow.until(told)


async def test_what_was_applied_is_not_forgotten_when_it_may_not_be_looked_at_any_more(
    narrow: Any, make_config_map: Callable[..., Any]
) -> None:
    await narrow.apply("web", in_web(make_config_map()), placement=ON_A)
    await narrow.until_work("a", "Applied", unit="web")
    await narrow.client("a").delete(f"/apis/{RBAC}/v1/namespaces/web/rolebindings/{NAME}")
    await narrow.delete("web")

    work = await narrow.until_work("a", "Failed", "Forbidden", unit="web")
    assert 'cannot get resource "configmaps"' in work.message
    assert await narrow.get("a", PATH.replace("shop", "web")) is not None


async def test_that_objects_of_others_may_not_be_looked_for_everywhere_is_told_and_in_a_namespace_they_are(
    narrow: Any,
) -> None:
    entry = ForeignObjects(kind="Service", label_selector="expose=dns", clusters=("a",), dns=DnsSettings(zone="main"))
    metadata = {"name": "web", "labels": {"expose": "dns"}}
    spec = {"externalIPs": ["192.0.2.1"], "ports": [{"port": 80}]}
    await narrow.client("a").post("/api/v1/namespaces/shop/services", {"metadata": metadata, "spec": spec})
    await narrow.client("a").post(
        "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices",
        {
            "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.1.0.1"]}],
        },
    )

    async def state() -> Any:
        async with narrow.store.reader() as tx:
            return (await zones.states(tx, ["main"])).get("main")

    async def ask_for(entry: ForeignObjects) -> None:
        async with narrow.store.transaction() as tx:
            made = ZoneSpec(domain="example.org", foreign=(entry,))
            await policies.apply(tx, policies.ZONE, name="main", labels={}, spec=made)

    async def is_told() -> bool:
        found = await state()
        return found is not None and any(
            "on a Services of others cannot be read" in one for one in found.report.problems
        )

    await ask_for(entry)
    await narrow.until(is_told)

    async def event_is_there() -> bool:
        return any((name, reason) == ("clusters/a", "Forbidden") for name, reason, _ in await narrow.events())

    await narrow.until(event_is_there)
    await ask_for(replace(entry, namespace="shop"))

    async def has_names() -> bool:
        found = await state()
        return found is not None and found.name_count > 0 and not found.report.problems

    await narrow.until(has_names)
