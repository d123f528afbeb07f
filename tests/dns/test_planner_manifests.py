from typing import Any

import pytest

from fedsvc_dns.planner.facts import Endpoint, Instance, Kind, Port
from fedsvc_dns.planner.manifests import (
    ingress_hosts,
    ingress_instance,
    kind_of_service,
    route_hosts,
    route_instance,
    service_instance,
)


def balanced(*entries: dict[str, str], **spec: Any) -> dict[str, Any]:
    return {
        "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.1", **spec},
        "status": {"loadBalancer": {"ingress": list(entries)}},
    }


def slice_of(family: str, *endpoints: tuple[str, str, bool | None], **more: Any) -> dict[str, Any]:
    return {
        "addressType": family,
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {} if ready is None else {"ready": ready},
                "targetRef": {"kind": "Pod", "name": pod},
                **({"hostname": pod} if pod.startswith("db") else {}),
            }
            for pod, address, ready in endpoints
        ],
        **more,
    }


def test_a_service_has_the_addresses_of_its_load_balancer_and_its_external_ips() -> None:
    service = balanced(
        {"ip": "192.0.2.1"},
        {"hostname": "lb.cloud.test"},
        externalIPs=["198.51.100.1", "192.0.2.1"],
        ports=[{"name": "http", "port": 80}, {"port": 53, "protocol": "UDP"}],
    )
    found = service_instance("shop/web", "c1", service, [slice_of("IPv4", ("a", "10.0.0.1", True))])

    assert found == Instance(
        service="shop/web",
        cluster="c1",
        addresses=("192.0.2.1", "lb.cloud.test", "198.51.100.1"),
        ready=1,
        ports=(Port(name="http", port=80), Port(name="", port=53, protocol="UDP")),
    )
    assert kind_of_service(service) is Kind.SERVICE


@pytest.mark.parametrize(
    ("slices", "spec", "ready"),
    [
        pytest.param(None, {}, None, id="not known"),
        pytest.param([], {}, 0, id="none"),
        pytest.param([slice_of("IPv4", ("a", "10.0.0.1", True), ("b", "10.0.0.2", False))], {}, 1, id="one of two"),
        pytest.param([slice_of("IPv4", ("a", "10.0.0.1", None))], {}, 1, id="not said is ready"),
        pytest.param(
            [slice_of("IPv4", ("a", "10.0.0.1", True)), slice_of("IPv6", ("a", "2001:db8::1", True))],
            {},
            1,
            id="both families of a pod",
        ),
        pytest.param(
            [slice_of("IPv4", ("a", "10.0.0.1", False))], {"publishNotReadyAddresses": True}, 1, id="asked for all"
        ),
        pytest.param([{"addressType": "IPv4", "endpoints": None}], {}, 0, id="empty slice"),
    ],
)
def test_endpoints_that_are_ready_are_counted(
    slices: list[dict[str, Any]] | None, spec: dict[str, Any], ready: int | None
) -> None:
    assert service_instance("s", "c1", balanced(**spec), slices).ready == ready


def test_a_headless_service_has_its_ready_endpoints_with_their_own_ports() -> None:
    service = {"spec": {"clusterIP": "None", "ports": [{"name": "db", "port": 5432}]}}
    ports = [{"name": "db", "port": 15432, "protocol": "TCP"}]
    found = service_instance(
        "shop/db",
        "c1",
        service,
        [
            slice_of("IPv4", ("db-0", "10.0.0.1", True), ("x", "10.0.0.2", True), ports=ports),
            slice_of("IPv6", ("db-0", "2001:db8::1", True), ("y", "2001:db8::2", False), ports=ports),
        ],
    )

    assert kind_of_service(service) is Kind.HEADLESS
    assert (found.addresses, found.ready) == ((), 2)
    assert found.ports == (Port(name="db", port=15432),)
    assert found.endpoints == (
        Endpoint(id="db-0", addresses=("10.0.0.1", "2001:db8::1"), hostname="db-0"),
        Endpoint(id="x", addresses=("10.0.0.2",)),
    )


def test_an_ingress_has_the_hosts_of_its_rules() -> None:
    ingress = {
        "spec": {
            "rules": [{"host": "a.example.com"}, {"http": {}}, {"host": "*.example.com"}, {"host": "a.example.com"}]
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}]}},
    }

    assert ingress_hosts(ingress) == ("a.example.com", "*.example.com")
    assert ingress_instance("i", "c1", ingress).addresses == ("192.0.2.1", "2001:db8::1")
    assert ingress_hosts({}) == ()
    assert ingress_instance("i", "c1", {"status": {"loadBalancer": {}}}).addresses == ()


def gateway(*hosts: str, name: str = "gw", address: str = "192.0.2.1") -> dict[str, Any]:
    return {
        "metadata": {"namespace": "infra", "name": name},
        "spec": {
            "listeners": [
                {"name": f"l{index}", "port": 443 + index, **({"hostname": host} if host else {})}
                for index, host in enumerate(hosts)
            ]
        },
        "status": {"addresses": [{"type": "IPAddress", "value": address}]},
    }


def route(*hosts: str, accepted: str = "True", **reference: Any) -> dict[str, Any]:
    parent = {"namespace": "infra", "name": "gw", **reference}
    return {
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"hostnames": list(hosts), "parentRefs": [parent]},
        "status": {"parents": [{"parentRef": parent, "conditions": [{"type": "Accepted", "status": accepted}]}]},
    }


@pytest.mark.parametrize(
    ("wanted", "offered", "hosts"),
    [
        (["a.example.com"], [""], ("a.example.com",)),
        ([], ["a.example.com"], ("a.example.com",)),
        ([], [""], ()),
        (["a.example.com"], ["*.example.com"], ("a.example.com",)),
        (["a.b.example.com"], ["*.example.com"], ("a.b.example.com",)),
        (["*.example.com"], ["a.example.com"], ("a.example.com",)),
        (["*.a.example.com"], ["*.example.com"], ("*.a.example.com",)),
        (["*.example.com"], ["*.example.com"], ("*.example.com",)),
        (["example.com"], ["*.example.com"], ()),
        (["a.example.com"], ["b.example.com"], ()),
        (["a.example.com", "b.test"], ["*.example.com", "b.test"], ("a.example.com", "b.test")),
    ],
)
def test_a_route_answers_for_what_it_and_its_listeners_have_in_common(
    wanted: list[str], offered: list[str], hosts: tuple[str, ...]
) -> None:
    assert route_hosts(route(*wanted), [gateway(*offered)]) == hosts


def test_a_route_is_at_the_listener_that_it_names() -> None:
    both = gateway("a.example.com", "b.example.com")

    assert route_hosts(route(sectionName="l1"), [both]) == ("b.example.com",)
    assert route_hosts(route(port=443), [both]) == ("a.example.com",)


def test_a_route_has_the_addresses_of_the_gateways_that_accepted_it() -> None:
    gateways = [gateway(""), gateway("", name="other", address="192.0.2.9")]

    assert route_instance("r", "c1", route(), gateways).addresses == ("192.0.2.1",)
    assert route_instance("r", "c1", route(accepted="False"), gateways).addresses == ()
    assert route_hosts(route("a.example.com", accepted="False"), gateways) == ()
