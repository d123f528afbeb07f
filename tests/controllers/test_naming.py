"""What the planner of DNS is told of units, works and clusters: pure."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fedsvc.model.hold import FLEET_SUBJECT, Hold, HoldKind, HoldScope
from fedsvc.model.zone import NameServer, ZoneSpec
from fedsvc.naming.gathering import Facts, authority_of, gather
from fedsvc.store.named_objects import HeldObject, NamedObject
from fedsvc_dns.planner.facts import Presence
from fedsvc_dns.planner.zone import DnsSettings

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


def test_a_headless_service_gets_no_names_and_that_is_told() -> None:
    found = facts(objects=(named({"kind": "Service", "spec": {"clusterIP": "None"}}),))
    assert found.services == ()
    assert [problem.path for problem in found.problems] == [f"services[{KEY}]"]


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
