"""What the planner of DNS is told of units, works and clusters: pure."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fedsvc.model.hold import FLEET_SUBJECT, Hold, HoldKind, HoldScope
from fedsvc.model.policy import Policy
from fedsvc.model.zone import NameServer, Zone, ZoneSpec
from fedsvc.model.zone_provider import Endpoint, Rfc2136, ZoneKey
from fedsvc.naming.gathering import Facts, authority_of, gather
from fedsvc.naming.planning import Before, plan_names, problem_lines, warning_lines
from fedsvc.store.named_objects import HeldObject, NamedObject
from fedsvc_dns.planner.facts import Presence
from fedsvc_dns.planner.memory import Memory
from fedsvc_dns.planner.zone import DnsSettings, MinHealthy, OnAllDown, Strategy

NOW = datetime(2026, 11, 26, tzinfo=UTC)
KEY = "Service shop/web of unit shop/front"
SERVICE = {
    "kind": "Service",
    "spec": {
        "type": "LoadBalancer",
        "selector": {"app": "web"},
        "externalIPs": ["192.0.2.9"],
        "ports": [{"name": "http", "port": 80}],
    },
}
WEB = {"kind": "Deployment", "spec": {"template": {"metadata": {"labels": {"app": "web", "tier": "front"}}}}}
OTHER = {"kind": "Deployment", "spec": {"template": {"metadata": {"labels": {"app": "other"}}}}}


def named(manifest: dict[str, Any] = SERVICE) -> NamedObject:
    return NamedObject(
        unit_uid="u",
        unit="shop/front",
        settings=DnsSettings(zone="main"),
        kind="Service",
        namespace="shop",
        name="web",
        manifest=manifest,
    )


def held(manifest: dict[str, Any] = SERVICE, **fields: Any) -> HeldObject:
    kind = manifest["kind"]
    status = {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}} if kind == "Service" else {}
    base: dict[str, Any] = {
        "unit_uid": "u",
        "cluster": "a",
        "kind": kind,
        "namespace": "shop",
        "name": "web",
        "manifest": manifest,
        "status": status,
        "ready_replicas": None,
        "is_observed": True,
        "is_going": False,
    }
    return HeldObject(**{**base, **fields})


ROUTE = {
    "kind": "HTTPRoute",
    "metadata": {"namespace": "shop", "name": "web"},
    "spec": {"hostnames": ["shop.example.org", "other.example.com"], "parentRefs": [{"name": "edge"}]},
}
GATEWAY = {
    "kind": "Gateway",
    "metadata": {"namespace": "shop", "name": "edge"},
    "spec": {"listeners": [{"name": "http", "port": 80, "hostname": "*.example.org"}]},
}


def accepted(status: str = "True") -> dict[str, Any]:
    conditions = [{"type": "Accepted", "status": status}]
    return {"parents": [{"parentRef": {"name": "edge"}, "conditions": conditions}]}


def route_facts(status: dict[str, Any], *, is_there: bool = True, **rest: Any) -> Facts:
    wanted = replace(named(ROUTE), kind="HTTPRoute")
    gateway = held(GATEWAY, unit_uid="edge", name="edge", status={"addresses": [{"value": "192.0.2.7"}]})
    gateways = [gateway] if is_there else []
    return facts(held(ROUTE, status=status), objects=(wanted,), gateways=gateways, **rest)


def test_a_route_has_the_hosts_and_addresses_of_the_gateways_that_accepted_it() -> None:
    found = route_facts(accepted())
    assert found.services[0].hosts == ("shop.example.org",)
    assert found.observations.instances[0].addresses == ("192.0.2.7",)
    assert found.problems == ()


@pytest.mark.parametrize(
    ("status", "is_there"), [({}, True), (accepted("False"), True), (accepted(), False)], ids=["new", "no", "unknown"]
)
def test_a_route_that_no_known_gateway_accepted_keeps_its_hosts_and_is_told(
    status: dict[str, Any], *, is_there: bool
) -> None:
    found = route_facts(status, is_there=is_there)
    assert found.services[0].hosts == ("other.example.com", "shop.example.org")
    assert found.observations.instances[0].addresses == ()
    assert [one.message for one in found.problems] == [
        "on a no Gateway of a unit has accepted it, so it has no address there"
    ]


def gateway_facts(*others: NamedObject, **settings: Any) -> Facts:
    wanted = replace(
        named({**GATEWAY, "kind": "Gateway"}),
        kind="Gateway",
        name="edge",
        settings=DnsSettings(zone="main", **settings),
    )
    there = held(GATEWAY, name="edge", status={"addresses": [{"value": "192.0.2.7"}]})
    return facts(there, objects=(wanted, *others))


def hosts_of(found: Facts) -> dict[str, tuple[str, ...]]:
    return {one.key.split()[0]: (*one.settings.hosts, *one.hosts) for one in found.services}


def test_a_gateway_without_routes_has_the_hosts_of_its_listeners() -> None:
    found = gateway_facts()
    assert hosts_of(found) == {"Gateway": ("*.example.org",)}
    assert found.observations.instances[0].addresses == ("192.0.2.7",)
    assert hosts_of(gateway_facts(hosts=("a.example.org",))) == {"Gateway": ("a.example.org", "*.example.org")}


def test_a_gateway_whose_listeners_have_routes_with_names_leaves_them_to_these() -> None:
    route = replace(named(ROUTE), kind="HTTPRoute")
    assert "Gateway" not in hosts_of(gateway_facts(route, hosts=("a.example.org",)))
    # Of another namespace, by a reference that says so, and by one that does not mean it.
    other = {**ROUTE, "metadata": {"namespace": "else", "name": "web"}}
    assert "Gateway" in hosts_of(gateway_facts(replace(route, namespace="else", unit_uid="v", manifest=other)))
    meant = {**other, "spec": {"parentRefs": [{"name": "edge", "namespace": "shop"}]}}
    assert hosts_of(gateway_facts(replace(route, namespace="else", unit_uid="v", manifest=meant))).keys() == {
        "HTTPRoute"
    }


def test_what_a_unit_asks_for_is_for_what_stands_behind_its_gateway() -> None:
    found = hosts_of(gateway_facts(named(), hosts=("a.example.org",)))
    assert found["Gateway"] == ("*.example.org",)


def test_a_route_is_answered_with_a_gateway_of_another_namespace_that_accepted_it() -> None:
    manifest = {
        **ROUTE,
        "spec": {"hostnames": ["shop.example.org"], "parentRefs": [{"name": "edge", "namespace": "infra"}]},
    }
    edge = {**GATEWAY, "metadata": {"namespace": "infra", "name": "edge"}}
    gateway = held(
        edge, unit_uid="edge", namespace="infra", name="edge", status={"addresses": [{"value": "192.0.2.7"}]}
    )
    parents = [
        {"parentRef": {"name": "edge", "namespace": "infra"}, "conditions": accepted()["parents"][0]["conditions"]}
    ]
    wanted = replace(named(manifest), kind="HTTPRoute")
    found = facts(held(manifest, status={"parents": parents}), objects=(wanted,), gateways=[gateway])
    assert found.observations.instances[0].addresses == ("192.0.2.7",)
    unmeant = facts(held(manifest, status=accepted()), objects=(wanted,), gateways=[gateway])
    assert unmeant.observations.instances[0].addresses == ()


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        pytest.param({}, (MinHealthy(count=2), OnAllDown.LAST), id="nothing"),
        pytest.param({"min_healthy": MinHealthy(share=0.5)}, (MinHealthy(share=0.5), OnAllDown.LAST), id="one"),
        pytest.param({"on_all_down": OnAllDown.ALL}, (MinHealthy(count=2), OnAllDown.ALL), id="the other"),
    ],
)
def test_what_a_unit_does_not_say_of_its_names_its_zone_says(said: dict[str, Any], wanted: tuple[Any, Any]) -> None:
    zone = a_zone("main", "example.org")
    zone = replace(zone, spec=replace(zone.spec, min_healthy=MinHealthy(count=2), on_all_down=OnAllDown.LAST))
    unit = replace(named(), settings=DnsSettings(zone="main", **said))
    settings = facts(objects=(unit,), zones=(zone,)).services[0].settings
    assert (settings.min_healthy, settings.on_all_down) == wanted


def test_problems_are_told_in_the_zone_of_their_object() -> None:
    of_zones = [a_zone("main", "example.org"), a_zone("other", "example.net")]
    found = route_facts({}, zones=of_zones)
    made, _ = plan_names(Before(zones=tuple(of_zones), held={}, names={}, memory=Memory(), now=NOW), found)
    assert any("no Gateway of a unit" in line for line in problem_lines("main", made, found))
    assert problem_lines("other", made, found) == ()


def test_that_weights_are_lost_on_name_servers_of_others_is_told() -> None:
    unit = replace(named(), settings=DnsSettings(zone="main", strategy=Strategy.WEIGHTED, weights={"a": 10}))
    zone = a_zone("main", "example.org")
    provider = Rfc2136(server=Endpoint(host="192.0.2.1"), key=ZoneKey(name="k"))
    elsewhere = replace(zone, spec=replace(zone.spec, provider=provider))
    found = facts(objects=(unit,), zones=(zone,))
    made, _ = plan_names(Before(zones=(zone,), held={}, names={}, memory=Memory(), now=NOW), found)
    assert warning_lines(zone, made) == ()
    assert "the weights of Service shop/web of unit shop/front are in SRV records" in warning_lines(elsewhere, made)[0]


def a_zone(name: str, domain: str) -> Zone:
    spec = ZoneSpec(domain=domain)
    return Policy(
        name=name, uid="z", labels={}, spec=spec, generation=1, unit_count=1, create_time=NOW, update_time=NOW
    )


def facts(*works: HeldObject, known: bool = False, objects: tuple[NamedObject, ...] = (), **rest: Any) -> Facts:
    given: dict[str, Any] = {"zones": (), "clusters": (), "holds": (), "known": [(KEY, "a")] if known else [], **rest}
    return gather(objects or (named(),), works, **given)


@pytest.mark.parametrize(
    ("workloads", "known", "ready"),
    [
        pytest.param((), False, None, id="pods of others: not known"),
        pytest.param((held(OTHER, ready_replicas=0),), False, None, id="not selected"),
        pytest.param((held(WEB, ready_replicas=2),), False, 2, id="ready"),
        pytest.param((held(WEB, ready_replicas=2), held(WEB, name="b", ready_replicas=1)), False, 3, id="two"),
        pytest.param((held(WEB, ready_replicas=0),), True, 0, id="not ready any more"),
        pytest.param((held(WEB, is_observed=False),), True, None, id="not seen again yet"),
        pytest.param((held(WEB, ready_replicas=2, cluster="b"),), False, None, id="on another cluster"),
        pytest.param((held(WEB, ready_replicas=2, namespace="x"),), False, None, id="in another namespace"),
    ],
)
def test_ready_endpoints_are_the_ready_pods_that_the_service_selects(
    workloads: tuple[HeldObject, ...], *, known: bool, ready: int | None
) -> None:
    (instance,) = facts(held(), *workloads, known=known).observations.instances
    assert instance.ready == ready
    assert instance.addresses == ("192.0.2.1", "192.0.2.9")
    assert [(port.name, port.port) for port in instance.ports] == [("http", 80)]


@pytest.mark.parametrize(
    "works",
    [
        pytest.param((), id="nothing there"),
        pytest.param((held(is_observed=False),), id="not observed"),
        pytest.param((held(), held(WEB, ready_replicas=0)), id="never ready"),
        pytest.param((held(), held(WEB, is_observed=False)), id="pods not observed"),
    ],
)
def test_what_is_new_is_no_target_before_it_is_ready(works: tuple[HeldObject, ...]) -> None:
    assert facts(*works).observations.instances == ()


@pytest.mark.parametrize("works", [pytest.param((), id="removed"), pytest.param((held(is_going=True),), id="to go")])
def test_what_is_gone_or_shall_go_is_told_as_absent(works: tuple[HeldObject, ...]) -> None:
    (instance,) = facts(*works, known=True).observations.instances
    assert (instance.cluster, instance.presence) == ("a", Presence.ABSENT)


@pytest.mark.parametrize(
    ("subject", "scope", "is_held"),
    [
        (FLEET_SUBJECT, HoldScope.AUTOMATION, True),
        ("clusters/a", HoldScope.AUTOMATION, False),
        (FLEET_SUBJECT, HoldScope.REMOVALS, False),
    ],
)
def test_only_a_hold_of_automation_over_the_fleet_holds_names(subject: str, scope: HoldScope, *, is_held: bool) -> None:
    hold = Hold(subject=subject, kind=HoldKind.PAUSE, scope=scope, reason="storm", create_time=NOW)
    policy = facts(holds=(hold,)).policy
    assert policy.is_held is is_held
    assert ("storm" in policy.hold_reason) is is_held


def test_a_zone_has_its_authority_with_addresses_only_of_servers_within_it() -> None:
    servers = (
        NameServer(host="ns1.example.org", addresses=("192.0.2.53", "2001:db8::53")),
        NameServer(host="ns2.example.net"),
    )
    made = authority_of(ZoneSpec(domain="example.org", name_servers=servers), 7)
    assert [(one.name, one.type, one.values) for one in made] == [
        ("example.org.", "SOA", ("ns1.example.org. hostmaster.example.org. 7 3600 600 1209600 30",)),
        ("example.org.", "NS", ("ns1.example.org.", "ns2.example.net.")),
        ("ns1.example.org.", "A", ("192.0.2.53",)),
        ("ns1.example.org.", "AAAA", ("2001:db8::53",)),
    ]
    assert authority_of(ZoneSpec(domain="example.org"), 7)[1].values == ("ns.example.org.",)
