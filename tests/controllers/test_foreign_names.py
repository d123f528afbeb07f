"""Names of objects in members that fedsvc does not manage: found by their labels, read and never written."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from fedsvc.model.policy import Policy
from fedsvc.model.sighting import ENDPOINTS, Lookings, Sighting
from fedsvc.model.zone import ForeignObjects, NameServer, Zone, ZoneSpec
from fedsvc.naming.gathering import Facts, gather
from fedsvc.naming.lookouts import EndpointsOf, lookouts
from fedsvc.store import policies
from fedsvc.store.policies import ZONE
from fedsvc_dns.planner.facts import Presence
from fedsvc_dns.planner.zone import DnsSettings

KEY = "Service shop/web of zone main"
ENTRY = ForeignObjects(kind="Service", label_selector="expose=dns", dns=DnsSettings(zone="main"))
SPEC = ZoneSpec(domain="example.org", name_servers=(NameServer(host="ns1.example.org"),), foreign=(ENTRY,))
SERVICES = "/api/v1/namespaces/shop/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
GLOBAL = "web.shop.main.svc.example.org."


def zone(*foreign: ForeignObjects) -> Zone:
    now = datetime(2026, 11, 27, tzinfo=UTC)
    spec = replace(SPEC, foreign=foreign)
    return Policy(
        name="main", uid="z", labels={}, spec=spec, generation=1, unit_count=0, create_time=now, update_time=now
    )


def sighting(name: str, **body: Any) -> Sighting:
    metadata = {"name": name, "namespace": "shop", **body.pop("metadata", {})}
    return Sighting(namespace="shop", name=name, body={"metadata": metadata, **body})


def service(address: str, **metadata: Any) -> Sighting:
    status = {"loadBalancer": {"ingress": [{"ip": address}]}}
    spec = {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}
    return sighting("web", metadata=metadata, spec=spec, status=status)


def facts(
    found: Mapping[tuple[str, str], tuple[Sighting, ...]], *entries: ForeignObjects, known: bool = False
) -> Facts:
    seen = {(cluster, purpose, ""): seen for (cluster, purpose), seen in found.items() if purpose != ENDPOINTS}
    seen |= {(cluster, purpose, "shop"): seen for (cluster, purpose), seen in found.items() if purpose == ENDPOINTS}
    return gather(
        [],
        [],
        zones=[zone(*(entries or (ENTRY,)))],
        clusters=(),
        holds=(),
        known=[(KEY, "a")] if known else [],
        seen=Lookings(found=seen),
    )


PURPOSE = ENTRY.lookout("main").purpose


def slice_of(*, ready: bool) -> Sighting:
    labels = {"labels": {"kubernetes.io/service-name": "web"}}
    endpoints = [{"addresses": ["10.1.0.1"], "conditions": {"ready": ready}}]
    return sighting("web-x", metadata=labels, addressType="IPv4", endpoints=endpoints)


def test_what_is_found_in_several_clusters_is_one_object_with_a_target_in_each() -> None:
    found = facts(
        {
            ("a", PURPOSE): (service("192.0.2.1"),),
            ("a", ENDPOINTS): (slice_of(ready=True),),
            ("b", PURPOSE): (service("192.0.2.2"),),
            ("b", ENDPOINTS): (slice_of(ready=True),),
        }
    )
    assert [one.key for one in found.services] == [KEY]
    targets = {one.cluster: (one.addresses, one.ready) for one in found.observations.instances}
    assert targets == {"a": (("192.0.2.1",), 1), "b": (("192.0.2.2",), 1)}
    assert found.zones == {KEY: "main"}
    assert found.elsewhere.endpoints == tuple(
        EndpointsOf(cluster=name, namespace="shop", name="web") for name in ("a", "b")
    )


def test_its_endpoints_say_whether_it_is_ready_and_what_is_not_known_is_no_answer() -> None:
    there = {("a", PURPOSE): (service("192.0.2.1"),)}
    unready = there | {("a", ENDPOINTS): (slice_of(ready=False),)}
    assert facts(there, known=True).observations.instances == ()
    assert facts(unready).observations.instances == ()
    (target,) = facts(unready, known=True).observations.instances
    assert (target.presence, target.ready) == (Presence.PRESENT, 0)


def test_what_is_gone_from_a_cluster_or_is_being_deleted_is_gone_for_names() -> None:
    found = {("a", PURPOSE): (), ("b", PURPOSE): (service("192.0.2.2"),)}
    targets = {one.cluster: one.presence for one in facts(found, known=True).observations.instances}
    assert targets["a"] is Presence.ABSENT
    deleted = {("a", PURPOSE): (service("192.0.2.1", deletionTimestamp="2026-11-27T00:00:00Z"),)}
    (target,) = facts(deleted, known=True).observations.instances
    assert target.presence is Presence.ABSENT


def test_only_the_clusters_that_are_named_are_looked_at() -> None:
    entry = replace(ENTRY, clusters=("b",))
    found = facts({("a", PURPOSE): (service("192.0.2.1"),), ("b", PURPOSE): (service("192.0.2.2"),)}, entry)
    assert {one.cluster for one in found.elsewhere.endpoints} == {"b"}
    wanted = lookouts({"a": set(), "b": {("", "Service")}}, Lookings(), found.elsewhere)
    assert PURPOSE not in {one.purpose for one in wanted["a"]}
    (looked,) = [one for one in wanted["b"] if one.purpose == PURPOSE]
    assert looked.label_selector == "expose=dns,fedsvc.io/managed!=true"


def test_another_selector_forgets_nothing_before_it_is_looked_for() -> None:
    assert replace(ENTRY, label_selector="other=yes").lookout("main").key == ENTRY.lookout("main").key


@pytest.mark.parametrize(
    ("kind", "body", "hosts"),
    [
        (
            "Ingress",
            {
                "spec": {"rules": [{"host": "a.example.org"}]},
                "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.7"}]}},
            },
            ("a.example.org",),
        ),
        (
            "Gateway",
            {
                "spec": {"listeners": [{"name": "x", "hostname": "b.example.org"}]},
                "status": {"addresses": [{"value": "192.0.2.7"}]},
            },
            ("b.example.org",),
        ),
    ],
)
def test_ingresses_and_gateways_have_their_hosts(kind: str, body: dict[str, Any], hosts: tuple[str, ...]) -> None:
    entry = replace(ENTRY, kind=kind)
    found = facts({("a", entry.lookout("main").purpose): (sighting("web", **body),)}, entry)
    assert [one.hosts for one in found.services] == [hosts]
    assert [one.addresses for one in found.observations.instances] == [("192.0.2.7",)]


def test_that_a_cluster_cannot_be_read_is_told_in_the_zone_and_kinds_that_it_does_not_have_are_not_looked_for() -> None:
    seen = Lookings(problems={("a", PURPOSE, ""): ("Forbidden", "not allowed")})
    found = gather([], [], zones=[zone(ENTRY)], clusters=(), holds=(), known=[], seen=seen)
    assert [(one.path, one.message) for one in found.problems] == [
        ("zones[main].foreign", "on a Services of others cannot be read: not allowed")
    ]
    assert lookouts({"a": set()}, Lookings(), found.elsewhere) == {"a": frozenset()}


async def test_somebody_elses_service_answers_by_its_labels_while_it_is_ready(world: Any, ask: Any) -> None:
    async with world.store.transaction() as tx:
        await policies.apply(tx, ZONE, name="main", labels={}, spec=SPEC)
    addresses = {}
    for index, cluster in enumerate(("a", "b"), 1):
        client = world.client(cluster)
        await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
        metadata = {"name": "web", "labels": {"expose": "dns"}}
        await client.post(SERVICES, {"metadata": metadata, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})
        labels = {"kubernetes.io/service-name": "web"}
        endpoints = [{"addresses": [f"10.{index}.0.1"]}]
        await client.post(
            SLICES, {"metadata": {"name": "web-x", "labels": labels}, "addressType": "IPv4", "endpoints": endpoints}
        )

        async def balanced(cluster: str = cluster) -> str:
            found = await world.get(cluster, f"{SERVICES}/web")
            return "".join(one["ip"] for one in found["status"].get("loadBalancer", {}).get("ingress", ()))

        addresses[cluster] = await world.until(balanced)

    async def until(wanted: set[str]) -> None:
        async def answers_so() -> bool:
            return bool(await ask(GLOBAL) == wanted)

        await world.until(answers_so, seconds=20)

    await until(set(addresses.values()))
    unready = orjson.dumps({"endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": False}}]})
    await world.client("a").patch(f"{SLICES}/web-x", unready)
    await until({addresses["b"]})
    await world.client("b").patch(f"{SERVICES}/web", orjson.dumps({"metadata": {"labels": {"expose": None}}}))
    await until({addresses["a"]})
    assert await world.count("unit") == 0
