"""Names of headless Services: those of their ready endpoints, as members tell them."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from fedsvc.model.sighting import ENDPOINTS, Lookings, Sighting
from fedsvc.model.unit import UnitSpec
from fedsvc.model.zone import NameServer, ZoneSpec
from fedsvc.naming.gathering import gather
from fedsvc.naming.lookouts import EndpointsOf
from fedsvc.store import policies
from fedsvc.store.named_objects import HeldObject, NamedObject
from fedsvc.store.policies import ZONE
from fedsvc_dns.planner.facts import Endpoint, Instance, Presence
from fedsvc_dns.planner.zone import DnsSettings
from fedsvc_placement import Placement

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"
DB = "db.shop.main.svc.example.org."
KEY = "Service shop/db of unit shop/db"
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db", "namespace": "shop"},
    "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"name": "sql", "port": 5432}]},
}
Manifest = dict[str, Any]


def slice_of(*endpoints: Manifest, name: str = "db-x") -> Manifest:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
        "addressType": "IPv4",
        "ports": [{"name": "sql", "port": 5432, "protocol": "TCP"}],
        "endpoints": list(endpoints),
    }


def pod(name: str, address: str, *, ready: bool = True, hostname: str = "") -> Manifest:
    made: Manifest = {
        "addresses": [address],
        "conditions": {"ready": ready},
        "targetRef": {"kind": "Pod", "name": name},
    }
    return {**made, **({"hostname": hostname} if hostname else {})}


NAMED = NamedObject(
    unit_uid="u",
    unit="shop/db",
    settings=DnsSettings(zone="main"),
    kind="Service",
    namespace="shop",
    name="db",
    manifest=SERVICE,
)


def held(**fields: Any) -> HeldObject:
    base: dict[str, Any] = {"unit_uid": "u", "cluster": "a", "kind": "Service", "namespace": "shop", "name": "db"}
    base |= {"manifest": SERVICE, "status": {}, "ready_replicas": None, "is_observed": True, "is_going": False}
    return HeldObject(**{**base, **fields})


def instances(seen: Lookings | None, *works: HeldObject, known: bool = False) -> tuple[Instance, ...]:
    found = gather([NAMED], works, zones=(), clusters=(), holds=(), known=[(KEY, "a")] if known else [], seen=seen)
    assert not found.problems
    return found.observations.instances


def seen(*slices: Manifest) -> Lookings:
    found = tuple(Sighting(namespace="shop", name=one["metadata"]["name"], body=one) for one in slices)
    return Lookings(found={("a", ENDPOINTS, "shop"): found})


def test_a_headless_service_has_its_ready_endpoints_and_their_host_names() -> None:
    other = slice_of(pod("web-0", "10.1.0.9"), name="web-x")
    other["metadata"]["labels"] = {"kubernetes.io/service-name": "web"}
    slices = slice_of(pod("db-0", "10.1.0.1", hostname="db-0"), pod("db-1", "10.1.0.2", ready=False)), other

    (found,) = instances(seen(*slices), held())
    assert found.endpoints == (Endpoint(id="db-0", addresses=("10.1.0.1",), hostname="db-0"),)
    assert found.ready == 1


@pytest.mark.parametrize("known", [True, False])
def test_endpoints_that_were_not_looked_at_are_not_known(*, known: bool) -> None:
    assert instances(None, held(), known=known) == ()
    assert instances(Lookings(), held(), known=known) == ()


def test_a_new_one_comes_with_its_first_endpoint_and_one_that_is_known_may_have_none() -> None:
    assert instances(seen(), held()) == ()
    (found,) = instances(seen(), held(), known=True)
    assert (found.presence, found.ready) == (Presence.PRESENT, 0)


def test_one_that_is_to_go_is_gone_whatever_endpoints_it_has() -> None:
    (found,) = instances(seen(slice_of(pod("db-0", "10.1.0.1"))), held(is_going=True), known=True)
    assert found.presence is Presence.ABSENT


def test_its_endpoints_are_looked_for_where_it_is() -> None:
    found = gather([NAMED], [held(), held(cluster="b")], zones=(), clusters=(), holds=(), known=[])
    assert found.elsewhere.endpoints == tuple(
        EndpointsOf(cluster=name, namespace="shop", name="db") for name in ("a", "b")
    )


async def test_names_of_a_headless_service_follow_its_endpoints(world: Any, ask: Callable[..., Any]) -> None:
    spec = ZoneSpec(domain="example.org", name_servers=(NameServer(host="ns1.example.org"),))
    async with world.store.transaction() as tx:
        await policies.apply(tx, ZONE, name="main", labels={}, spec=spec)
    unit = UnitSpec(placement=Placement(clusters=("a", "b")), dns=DnsSettings(zone="main"))
    await world.apply("db", SERVICE, spec=unit)
    await world.until_state("db", "Ready")
    await world.client("a").post(SLICES, slice_of(pod("db-0", "10.1.0.1", hostname="db-0"), pod("db-1", "10.1.0.2")))
    await world.client("b").post(SLICES, slice_of(pod("db-0", "10.2.0.1", hostname="db-0")))

    async def until(name: str, wanted: set[str], type_: str = "A") -> None:
        async def answers_so() -> bool:
            return await ask(name, type_) == wanted

        await world.until(answers_so, seconds=20)

    await until(DB, {"10.1.0.1", "10.1.0.2", "10.2.0.1"})
    await until(f"db-0.a.{DB}", {"10.1.0.1"})
    await until(f"db-0.b.{DB}", {"10.2.0.1"})
    await until("db.shop.main.svc.region-a.example.org.", {"10.1.0.1", "10.1.0.2"})
    srv = await ask(f"_sql._tcp.{DB}", "SRV")
    assert srv == {f"0 100 5432 {host}.{DB}" for host in ("a", "db-0.a", "db-0.b")}

    left = orjson.dumps({"endpoints": [pod("db-0", "10.1.0.1", hostname="db-0"), pod("db-1", "10.1.0.2", ready=False)]})
    await world.client("a").patch(f"{SLICES}/db-x", left)
    await until(DB, {"10.1.0.1", "10.2.0.1"})
