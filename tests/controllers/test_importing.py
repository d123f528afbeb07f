"""Services that clusters export to each other (KEP-1645), on simulated members: a and b export, all import."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from fedsvc.controllers import health
from fedsvc.health import Limits
from fedsvc.model.dependency import Dependency
from fedsvc.model.hold import HoldScope
from fedsvc.model.service_import import IMPORT_LABEL
from fedsvc.model.unit import UnitSpec
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.store import clusters, decisions, holds, units
from fedsvc_dns.planner.clusterset import SERVICE_LABEL, SOURCE_LABEL, derived_name
from fedsvc_placement import Placement

DEFINITIONS = Path(__file__).parents[2] / "deploy" / "mcs-api" / "crds.yaml"
SHOP = "/api/v1/namespaces/shop"
EXPORTS = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/shop/serviceexports"
IMPORT = "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/shop/serviceimports/web"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
DERIVED = f"{SHOP}/services/{derived_name('web')}"
UNIT = "imported-web"
KINDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"

Manifest = dict[str, Any]


def service(**spec: Any) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80}], **spec},
    }


def export() -> Manifest:
    metadata = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "multicluster.x-k8s.io/v1alpha1", "kind": "ServiceExport", "metadata": metadata}


def endpoints(*addresses: str, name: str = "web-x", ready: bool = True) -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address in addresses],
    }


async def define(world: Any, *clusters: str) -> None:
    """Install the kinds, and have the members surveyed."""
    for cluster in clusters:
        for definition in yaml.safe_load_all(DEFINITIONS.read_text(encoding="utf-8")):
            await world.client(cluster).post(KINDS, definition)

            async def is_established(cluster: str = cluster, name: str = definition["metadata"]["name"]) -> bool:
                found = await world.get(cluster, f"{KINDS}/{name}")
                conditions = (found or {}).get("status", {}).get("conditions") or []
                return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)

            await world.until(is_established)


async def make_namespace(world: Any, *clusters: str) -> None:
    for cluster in clusters:
        await world.client(cluster).post("/api/v1/namespaces", {"metadata": {"name": "shop"}})


async def put_out(world: Any, cluster: str, *slices: Manifest, **spec: Any) -> None:
    """Make a Service by hand in a cluster, with endpoints, and export it."""
    client = world.client(cluster)
    await client.post(f"{SHOP}/services", service(**spec))
    for one in slices:
        await client.post(SLICES, one)
    await client.post(EXPORTS, export())


async def imported_endpoints(world: Any, cluster: str) -> dict[str, list[str]]:
    """By source cluster, the addresses that a cluster imports."""
    found: dict[str, list[str]] = {}
    listed = await world.client(cluster).get(SLICES, {"labelSelector": f"{SERVICE_LABEL}=web"})
    for one in listed["items"]:
        own = found.setdefault(one["metadata"]["labels"][SOURCE_LABEL], [])
        own.extend(address for endpoint in one.get("endpoints") or () for address in endpoint["addresses"])
    return {source: sorted(addresses) for source, addresses in found.items()}


async def until_imports(world: Any, wanted: Mapping[str, list[str]], *clusters: str, seconds: float = 10.0) -> None:
    for cluster in clusters:

        async def imports_so(cluster: str = cluster) -> bool:
            return await imported_endpoints(world, cluster) == wanted

        await world.until(imports_so, seconds=seconds)


async def until_there(world: Any, cluster: str, path: str, is_so: Callable[[Manifest], bool]) -> Manifest:
    async def is_there() -> Manifest | None:
        found = await world.get(cluster, path)
        return found if found is not None and is_so(found) else None

    found: Manifest = await world.until(is_there)
    return found


def conditions_of(found: Manifest) -> dict[str, tuple[str, str]]:
    told = found.get("status", {}).get("conditions") or []
    return {one["type"]: (one["status"], one["reason"]) for one in told}


@pytest.fixture
async def exporting(quiet_world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Members with the kinds and the namespace; the Service is put out by hand in a and b."""
    quick = partial(
        health.HealthSettings,
        probe_seconds=0.1,
        probe_again_seconds=0.05,
        probe_timeout_seconds=0.5,
        limits=Limits(unreachable_seconds=0.2, stable_seconds=0.5),
    )
    monkeypatch.setattr(health, "HealthSettings", quick)
    await define(quiet_world, "a", "b", "c")
    await make_namespace(quiet_world, "a", "b", "c")
    for name in ("a", "b", "c"):
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    await put_out(quiet_world, "a", endpoints("10.1.0.1", "10.1.0.2"))
    await put_out(quiet_world, "b", endpoints("10.2.0.1"))
    quiet_world.start()
    return quiet_world


BOTH = {"a": ["10.1.0.1", "10.1.0.2"], "b": ["10.2.0.1"]}


async def test_what_clusters_export_all_import_with_an_address_of_their_own(exporting: Any) -> None:
    world = exporting
    await until_imports(world, BOTH, "a", "b", "c")
    for cluster in ("a", "b", "c"):

        def is_whole(found: Manifest) -> bool:
            sources = [one["cluster"] for one in found.get("status", {}).get("clusters") or ()]
            return bool(found["spec"].get("ips")) and sources == ["a", "b"]

        found = await until_there(world, cluster, IMPORT, is_whole)
        derived = await world.get(cluster, DERIVED)
        assert found["spec"]["type"] == "ClusterSetIP"
        assert found["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP"}]
        assert found["spec"]["ips"] == [derived["spec"]["clusterIP"]]
        assert "selector" not in derived["spec"]
    for cluster in ("a", "b"):
        told = await until_there(world, cluster, f"{EXPORTS}/web", lambda found: len(conditions_of(found)) == 3)
        assert conditions_of(told) == {
            "Valid": ("True", "Valid"),
            "Ready": ("True", "Exported"),
            "Conflict": ("False", "NoConflicts"),
        }
    unit = await world.unit(UNIT)
    assert unit.labels == {IMPORT_LABEL: "web"}
    await world.until_state(UNIT, "Ready")

    before = await world.unit(UNIT)
    await world.stop()
    world.start()  # another leader goes on where the one before stopped
    await world.client("b").post(SLICES, endpoints("10.2.0.2", name="web-y"))
    await until_imports(world, {"a": BOTH["a"], "b": ["10.2.0.1", "10.2.0.2"]}, "a", "b", "c")
    after = await world.unit(UNIT)
    assert (after.uid, after.revision) == (before.uid, before.revision + 1)


async def test_endpoints_come_and_go_with_those_that_are_ready_and_what_somebody_else_does_is_put_right(
    exporting: Any,
) -> None:
    world = exporting
    await until_imports(world, BOTH, "c")
    listed = await world.client("c").get(SLICES, {"labelSelector": f"{SERVICE_LABEL}=web,{SOURCE_LABEL}=a"})
    await world.client("c").delete(f"{SLICES}/{listed['items'][0]['metadata']['name']}")
    await until_imports(world, BOTH, "c")
    path = f"{SLICES}/web-x"
    unready = endpoints("10.1.0.1")["endpoints"] + endpoints("10.1.0.2", ready=False)["endpoints"]
    await world.client("a").patch(path, orjson.dumps({"endpoints": unready}))
    await until_imports(world, {"a": ["10.1.0.1"], "b": ["10.2.0.1"]}, "c")
    await world.client("a").post(SLICES, endpoints("10.1.0.3", name="web-y"))
    await until_imports(world, {"a": ["10.1.0.1", "10.1.0.3"], "b": ["10.2.0.1"]}, "c")
    await world.client("a").delete(path)
    await until_imports(world, {"a": ["10.1.0.3"], "b": ["10.2.0.1"]}, "a", "c")


async def test_what_one_takes_back_goes_and_with_the_last_export_all_does(exporting: Any) -> None:
    world = exporting
    await until_imports(world, BOTH, "a", "b", "c")
    await world.client("a").delete(f"{EXPORTS}/web")
    await until_imports(world, {"b": ["10.2.0.1"]}, "a", "b", "c")
    await world.client("b").delete(f"{EXPORTS}/web")
    await world.until_gone(UNIT)
    for cluster in ("a", "b", "c"):
        assert await imported_endpoints(world, cluster) == {}
        assert await world.get(cluster, IMPORT) is None
        assert await world.get(cluster, DERIVED) is None
        assert await world.get(cluster, SHOP) is not None
    assert await world.get("a", f"{SHOP}/services/web") is not None

    await world.client("b").post(EXPORTS, export())
    await until_imports(world, {"b": ["10.2.0.1"]}, "a", "b", "c")


async def test_a_silent_cluster_keeps_its_endpoints_until_it_is_found_lost_and_has_them_again(exporting: Any) -> None:
    world = exporting
    await until_imports(world, BOTH, "b", "c")
    async with world.store.transaction() as tx:
        await holds.put(tx, subject="fleet", scope=HoldScope.AUTOMATION, reason="storm", end_time=None, author="ada")
    world.member("a").inject(Faults(outage=Outage.REFUSED))

    async def is_lost() -> bool:
        async with world.store.reader() as tx:
            found = {one.name: one.health.verdict.value for one in await clusters.list_all(tx)}
        return found["a"] == "Unreachable"

    await world.until(is_lost)
    # What is exported elsewhere comes through meanwhile.
    await world.client("b").patch(f"{SLICES}/web-x", orjson.dumps({"endpoints": [{"addresses": ["10.2.0.9"]}]}))
    await until_imports(world, {"a": BOTH["a"], "b": ["10.2.0.9"]}, "c")
    async with world.store.transaction() as tx:
        await holds.end(tx, subject="fleet", scope=HoldScope.AUTOMATION)
    await until_imports(world, {"a": [], "b": ["10.2.0.9"]}, "b", "c")
    world.member("a").inject(Faults())
    await until_imports(world, {"a": BOTH["a"], "b": ["10.2.0.9"]}, "a", "b", "c", seconds=20)


async def test_conflicts_and_what_cannot_be_exported_are_told_where_somebody_looks(exporting: Any) -> None:
    world = exporting
    await until_imports(world, BOTH, "c")
    other = orjson.dumps({"spec": {"ports": [{"name": "http", "port": 8080}]}})
    await world.client("b").patch(f"{SHOP}/services/web", other)

    def has(type_: str, status: str) -> Callable[[Manifest], bool]:
        return lambda found: conditions_of(found).get(type_, ("", ""))[0] == status

    for cluster in ("a", "b"):
        told = await until_there(world, cluster, f"{EXPORTS}/web", has("Conflict", "True"))
        assert conditions_of(told)["Conflict"] == ("True", "PortConflict")
    await world.client("b").delete(f"{SHOP}/services/web")
    told = await until_there(world, "b", f"{EXPORTS}/web", has("Valid", "False"))
    assert conditions_of(told) == {"Valid": ("False", "NoService")}
    await until_imports(world, {"a": BOTH["a"]}, "a", "b", "c")


async def test_clusters_without_the_namespace_or_the_kinds_import_nothing_before_they_have_them(
    quiet_world: Any,
) -> None:
    world = quiet_world
    await define(world, "a", "b")
    await make_namespace(world, "a", "c")
    for name in ("a", "b", "c"):
        await world.register(name)
    await put_out(world, "a", endpoints("10.1.0.1"))
    world.start()
    await until_imports(world, {"a": ["10.1.0.1"]}, "a")

    async def is_wanted_where_the_namespace_is() -> bool:
        unit = await world.unit(UNIT)
        return unit is not None and unit.spec.placement.clusters == ("a", "c")

    await world.until(is_wanted_where_the_namespace_is)
    assert await imported_endpoints(world, "b") == {}
    assert await imported_endpoints(world, "c") == {}
    async with world.store.reader() as tx:
        unit = await units.get(tx, "shop", UNIT)
        told = (await decisions.newest(tx, [unit.uid]))[unit.uid]
    assert "does not serve multicluster.x-k8s.io/v1alpha1 ServiceImport" in str(told.record)

    await make_namespace(world, "b")
    await until_imports(world, {"a": ["10.1.0.1"]}, "b")


async def test_units_may_hold_the_export_beside_the_service(exporting: Any) -> None:
    world = exporting
    own, beside = service(), export()
    own["metadata"]["name"] = beside["metadata"]["name"] = "api"
    await world.apply("api", own, beside, placement=Placement(clusters=("c",)))
    slice_ = endpoints("10.3.0.1", name="api-x")
    slice_["metadata"]["labels"]["kubernetes.io/service-name"] = "api"
    await world.client("c").post(SLICES, slice_)
    await until_there(world, "b", IMPORT.replace("/web", "/api"), lambda found: bool(found["spec"].get("ips")))
    await world.until_state("api", "Ready")
    await world.delete("api")
    await world.until_gone("imported-api")
    assert await world.unit(UNIT) is not None


async def test_a_pause_keeps_imports_as_they_are(exporting: Any) -> None:
    world = exporting
    await until_imports(world, BOTH, "a", "b", "c")
    async with world.store.transaction() as tx:
        await holds.put(
            tx, subject="clusters/c", scope=HoldScope.EVERYTHING, reason="looking", end_time=None, author="ada"
        )
    await world.client("b").patch(f"{SLICES}/web-x", orjson.dumps({"endpoints": [{"addresses": ["10.2.0.9"]}]}))
    await until_imports(world, {"a": BOTH["a"], "b": ["10.2.0.9"]}, "a")
    assert await imported_endpoints(world, "c") == BOTH
    async with world.store.transaction() as tx:
        await holds.end(tx, subject="clusters/c", scope=HoldScope.EVERYTHING)
    await until_imports(world, {"a": BOTH["a"], "b": ["10.2.0.9"]}, "c")


async def test_what_another_unit_is_in_the_way_of_is_told(exporting: Any) -> None:
    world = exporting
    await until_imports(world, BOTH, "c")
    await world.apply("imported-api", placement=Placement(clusters=()))
    own, beside = service(), export()
    own["metadata"]["name"] = beside["metadata"]["name"] = "api"
    await world.client("a").post(f"{SHOP}/services", own)
    await world.client("a").post(EXPORTS, beside)

    async def is_told() -> bool:
        return any(reason == "ImportRefused" and "somebody else" in text for _, reason, text in await world.events())

    await world.until(is_told)
    unit = await world.unit("imported-api")
    assert (unit.labels, unit.resource_count) == ({}, 0)

    # What another unit depends on stays, and that is told.
    await world.apply("front", spec=UnitSpec(depends_on=(Dependency(unit=UNIT),)))
    for cluster in ("a", "b"):
        await world.client(cluster).delete(f"{EXPORTS}/web")

    async def stays() -> bool:
        return any(reason == "ImportRefused" and "stays" in text for _, reason, text in await world.events())

    await world.until(stays, seconds=20)
    await world.delete("front")
    await world.until_gone(UNIT, seconds=20)
