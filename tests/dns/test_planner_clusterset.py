"""The rules of KEP-1645, one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc_dns.planner.clusterset import ClusterSetService, Export, combine, derived_name, import_status, imported

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
HTTP = {"name": "http", "port": 80, "protocol": "TCP"}


def slice_of(*addresses: str, name: str = "web-1", ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": ready},
                "hostname": f"h{index}",
                "nodeName": "node-1",
                "zone": "z",
                "targetRef": {"kind": "Pod", "name": "web-x"},
            }
            for index, address in enumerate(addresses)
        ],
    }


def export(cluster: str, *slices: dict[str, Any], age: int = 0, is_withdrawn: bool = False, **spec: Any) -> Export:
    return Export(
        cluster=cluster,
        exported_at=NOW - timedelta(days=age),
        service={"spec": {"clusterIP": "10.96.0.1", "ports": [HTTP], **spec}},
        slices=slices,
        is_withdrawn=is_withdrawn,
    )


def combined(*exports: Export) -> ClusterSetService:
    found, _ = combine("shop", "web", exports)
    assert found is not None
    return found


def conflict(*exports: Export) -> tuple[bool, str, str]:
    _, conditions = combine("shop", "web", exports)
    assert all([one.type for one in found] == ["Valid", "Ready", "Conflict"] for found in conditions.values())
    told = {found[-1] for found in conditions.values()}
    assert len(told) == 1, "all exports are told the same"
    (one,) = told
    assert one.type == "Conflict"
    return one.status, one.reason, one.message


@pytest.mark.parametrize(
    ("service", "reason"),
    [(None, "NoService"), ({"spec": {"type": "ExternalName", "externalName": "x.test"}}, "InvalidServiceType")],
)
def test_what_cannot_be_exported_is_not_and_is_told(service: dict[str, Any] | None, reason: str) -> None:
    bad = Export(cluster="a", exported_at=NOW, service=service)
    found, conditions = combine("shop", "web", [bad, export("b")])

    assert found is not None
    assert [one.cluster for one in found.exports] == ["b"]
    assert [(one.type, one.status, one.reason) for one in conditions["a"]] == [("Valid", False, reason)]
    assert [(one.type, one.status) for one in conditions["b"]] == [
        ("Valid", True),
        ("Ready", True),
        ("Conflict", False),
    ]
    assert combine("shop", "web", [bad])[0] is None
    assert combine("shop", "web", [])[0] is None


def test_of_exports_that_differ_the_oldest_decides_and_all_are_told() -> None:
    old, young = export("b", age=2, clusterIP="None"), export("a", age=1, sessionAffinity="ClientIP")

    assert (combined(young, old).type, combined(young, old).session_affinity) == ("Headless", "None")
    assert combined(export("b"), export("a", age=1, sessionAffinity="ClientIP")).session_affinity == "ClientIP"
    assert conflict(young, old) == (
        True,
        "TypeConflict,SessionAffinityConflict",
        (
            "type: Headless of b, the oldest export, counts; a differ;"
            " session affinity: None of b, the oldest export, counts; a differ"
        ),
    )
    assert conflict(export("a"), export("b")) == (False, "NoConflicts", "")


def test_exports_of_the_same_age_are_ordered_by_cluster() -> None:
    assert combined(export("b", clusterIP="None"), export("a")).type == "ClusterSetIP"


@pytest.mark.parametrize(
    ("older", "younger", "ports", "clashes"),
    [
        pytest.param([HTTP], [HTTP], ["http 80"], False, id="the same"),
        pytest.param(
            [HTTP], [{"name": "dns", "port": 53, "protocol": "UDP"}], ["http 80", "dns 53"], False, id="others"
        ),
        pytest.param([HTTP], [{"name": "http", "port": 8080}], ["http 80"], True, id="a name with another number"),
        pytest.param([HTTP], [{"name": "web", "port": 80}], ["http 80"], True, id="a number with another name"),
        pytest.param(
            [{"name": "dns", "port": 53}],
            [{"name": "dns-udp", "port": 53, "protocol": "UDP"}],
            ["dns 53", "dns-udp 53"],
            False,
            id="a number with another protocol",
        ),
        pytest.param([HTTP], [{**HTTP, "appProtocol": "h2c"}], ["http 80"], True, id="another protocol within"),
        pytest.param([{"port": 80}], [{"port": 80}], [" 80"], False, id="one without a name"),
        pytest.param(
            [{"port": 80}], [{"name": "dns", "port": 53}], [" 80"], True, id="one without a name, and another"
        ),
        pytest.param([HTTP], [{"port": 81}], ["http 80"], True, id="another without a name"),
    ],
)
def test_ports_are_those_of_all_exports(
    older: list[dict[str, Any]], younger: list[dict[str, Any]], ports: list[str], *, clashes: bool
) -> None:
    exports = export("a", ports=younger), export("b", age=1, ports=older)

    assert [f"{port.get('name', '')} {port['port']}" for port in combined(*exports).ports] == ports
    assert conflict(*exports)[:2] == (clashes, "PortConflict" if clashes else "NoConflicts")


def kinds(objects: list[Any]) -> list[str]:
    return [f"{one['kind']}/{one['metadata']['name'].split('-')[0]}" for one in objects]


def test_an_import_with_an_address_has_a_derived_service_for_it() -> None:
    service = combined(export("b", slice_of("10.1.0.1")), export("a"))
    objects = imported(service)
    derived, found, _ = objects

    assert kinds(objects) == ["Service/derived", "ServiceImport/web", "EndpointSlice/imported"]
    assert derived["metadata"]["labels"] == {"multicluster.kubernetes.io/service-name": "web"}
    assert derived["spec"] == {"type": "ClusterIP", "ports": [HTTP], "sessionAffinity": "None"}
    assert found["spec"] == {"type": "ClusterSetIP", "ports": [HTTP], "sessionAffinity": "None"}
    assert "status" not in found, "it is another resource of the API"
    assert import_status(service) == {"clusters": [{"cluster": "a"}, {"cluster": "b"}]}


def test_session_affinity_is_that_of_the_oldest_with_its_configuration() -> None:
    config = {"clientIP": {"timeoutSeconds": 60}}
    old = export("a", age=1, sessionAffinity="ClientIP", sessionAffinityConfig=config)
    derived, found = imported(combined(old, export("b")))[:2]

    for one in (derived, found):
        assert one["spec"]["sessionAffinity"] == "ClientIP"
        assert one["spec"]["sessionAffinityConfig"] == config
    assert conflict(old, export("b"))[1] == "SessionAffinityConflict,SessionAffinityConfigConflict"


def test_a_headless_import_has_no_address() -> None:
    objects = imported(combined(export("a", slice_of("10.1.0.1"), clusterIP="None")))

    assert kinds(objects) == ["ServiceImport/web", "EndpointSlice/imported"]
    assert "kubernetes.io/service-name" not in objects[1]["metadata"]["labels"]


def test_each_slice_is_of_one_cluster_and_tells_nothing_that_means_something_there_only() -> None:
    service = combined(
        export("a", slice_of("10.1.0.1", name="y"), slice_of("10.1.0.2", name="x")), export("b", slice_of("10.2.0.1"))
    )
    slices = [one for one in imported(service) if one["kind"] == "EndpointSlice"]

    assert [
        (one["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"], one["endpoints"][0]["addresses"])
        for one in slices
    ] == [("a", ["10.1.0.2"]), ("a", ["10.1.0.1"]), ("b", ["10.2.0.1"])]
    assert slices[0]["metadata"]["labels"] == {
        "multicluster.kubernetes.io/service-name": "web",
        "multicluster.kubernetes.io/source-cluster": "a",
        "endpointslice.kubernetes.io/managed-by": "fedsvc.io",
        "kubernetes.io/service-name": derived_name("web"),
    }
    assert slices[0]["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert slices[0]["endpoints"] == [{"addresses": ["10.1.0.2"], "conditions": {"ready": True}, "hostname": "h0"}]
    assert len({one["metadata"]["name"] for one in slices}) == 3
    assert len(derived_name("w" * 63)) < 64


def slices_of(*exports: Export) -> list[Any]:
    return [one for one in imported(combined(*exports)) if one["kind"] == "EndpointSlice"]


def sources(*exports: Export) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in slices_of(*exports):
        own = found.setdefault(one["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"], [])
        own.extend(address for endpoint in one["endpoints"] for address in endpoint["addresses"])
    return found


def test_endpoints_of_a_withdrawn_cluster_go_unless_there_are_no_others_and_its_slices_stay() -> None:
    away, there = export("a", slice_of("10.1.0.1"), is_withdrawn=True), export("b", slice_of("10.2.0.1"))

    assert sources(away, there) == {"a": [], "b": ["10.2.0.1"]}
    assert sources(away) == {"a": ["10.1.0.1"]}
    assert sources(away, export("b", slice_of("10.2.0.1", ready=False))) == {"a": ["10.1.0.1"], "b": []}


def test_endpoints_that_are_not_ready_are_left_out_and_so_are_names_in_place_of_addresses() -> None:
    unsaid = {**slice_of("10.1.0.1"), "endpoints": [{"addresses": ["10.1.0.9"]}]}

    assert sources(export("a", slice_of("10.1.0.1", ready=False))) == {"a": []}
    assert sources(export("a", unsaid)) == {"a": ["10.1.0.9"]}
    assert slices_of(export("a", {**slice_of("x.test"), "addressType": "FQDN"})) == []


def test_a_slice_keeps_its_name_whatever_comes_and_goes_beside_it() -> None:
    x, y = slice_of("10.1.0.1", name="x"), slice_of("10.1.0.2", name="y")
    (alone,) = slices_of(export("a", y))
    beside = slices_of(export("a", x, y), export("b", y))

    assert alone["metadata"]["name"] == beside[1]["metadata"]["name"]
    assert len({one["metadata"]["name"] for one in beside}) == 3


def clusterset_names(objects: list[Any], cluster_ip: str) -> dict[str, set[str]]:
    """The records that a cluster's CoreDNS has of what it imports, as the DNS specification of KEP-1645 lists them.

    Below the name of the service: A and AAAA of the address, or of each ready endpoint, those with a host name by
    HOSTNAME.CLUSTER, too; SRV of named ports. Nothing is there for a cluster as a whole.
    """
    whole = "web.shop.svc.clusterset.local"
    (found,) = [one for one in objects if one["kind"] == "ServiceImport"]
    ports = {port["name"]: port for port in found["spec"]["ports"] if port.get("name")}
    if found["spec"]["type"] == "ClusterSetIP":
        srv = {
            f"_{name}._{port['protocol'].lower()}.{whole}": {f"{port['port']} {whole}"} for name, port in ports.items()
        }
        return {whole: {cluster_ip}, **srv}
    records: dict[str, set[str]] = {}
    for one in objects:
        if one["kind"] != "EndpointSlice":
            continue
        cluster = one["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"]
        for endpoint in one["endpoints"]:
            assert endpoint.get("conditions", {}).get("ready") is not False
            for address in endpoint["addresses"]:
                records.setdefault(whole, set()).add(address)
                host = endpoint.get("hostname") or address.replace(".", "-").replace(":", "-")
                records.setdefault(f"{host}.{cluster}.{whole}", set()).add(address)
                for port in one["ports"]:
                    if port.get("name"):
                        owner = f"_{port['name']}._{port['protocol'].lower()}.{whole}"
                        records.setdefault(owner, set()).add(f"{port['port']} {host}.{cluster}.{whole}")
    return records


def test_names_of_the_cluster_set_are_those_of_the_specification() -> None:
    a, b = slice_of("10.1.0.1", "10.1.0.2"), slice_of("10.2.0.1")

    assert clusterset_names(imported(combined(export("a", a), export("b", b))), "10.97.0.7") == {
        "web.shop.svc.clusterset.local": {"10.97.0.7"},
        "_http._tcp.web.shop.svc.clusterset.local": {"80 web.shop.svc.clusterset.local"},
    }
    headless = combined(export("a", a, clusterIP="None"), export("b", b, clusterIP="None"))
    assert clusterset_names(imported(headless), "") == {
        "web.shop.svc.clusterset.local": {"10.1.0.1", "10.1.0.2", "10.2.0.1"},
        "h0.a.web.shop.svc.clusterset.local": {"10.1.0.1"},
        "h1.a.web.shop.svc.clusterset.local": {"10.1.0.2"},
        "h0.b.web.shop.svc.clusterset.local": {"10.2.0.1"},
        "_http._tcp.web.shop.svc.clusterset.local": {
            "8080 h0.a.web.shop.svc.clusterset.local",
            "8080 h1.a.web.shop.svc.clusterset.local",
            "8080 h0.b.web.shop.svc.clusterset.local",
        },
    }
