"""The rules of KEP-1645, one by one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc_dns.planner.clusterset import ClusterSetService, Export, combine, derived_name, imported

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
    assert [(one.type, one.status) for one in conditions["b"]] == [("Valid", True), ("Conflict", False)]
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
    ],
)
def test_ports_are_those_of_all_exports(
    older: list[dict[str, Any]], younger: list[dict[str, Any]], ports: list[str], *, clashes: bool
) -> None:
    exports = export("a", ports=younger), export("b", age=1, ports=older)

    assert [f"{port['name']} {port['port']}" for port in combined(*exports).ports] == ports
    assert conflict(*exports)[:2] == (clashes, "PortConflict" if clashes else "NoConflicts")


def kinds(objects: list[Any]) -> list[str]:
    return [f"{one['kind']}/{one['metadata']['name'].split('-')[0]}" for one in objects]


def test_a_cluster_imports_only_into_a_namespace_that_it_has() -> None:
    service = combined(export("a", slice_of("10.1.0.1")))

    assert imported(service, ["other"]) == []
    assert kinds(imported(service, ["shop", "other"])) == [
        "Service/derived",
        "ServiceImport/web",
        "EndpointSlice/imported",
    ]


def test_an_import_has_the_address_that_its_derived_service_has_in_that_cluster() -> None:
    service = combined(export("b", slice_of("10.1.0.1")), export("a"))
    derived, before, _ = imported(service, ["shop"])
    _, after, _ = imported(service, ["shop"], ["10.97.0.7", "fd00::7"])

    assert "selector" not in derived["spec"]
    assert derived["spec"] == {"type": "ClusterIP", "ports": [HTTP]}
    assert before["spec"] == {"type": "ClusterSetIP", "ports": [HTTP], "sessionAffinity": "None"}
    assert after["spec"]["ips"] == ["10.97.0.7", "fd00::7"]
    assert after["status"] == {"clusters": [{"cluster": "a"}, {"cluster": "b"}]}


def test_a_headless_import_has_no_address() -> None:
    objects = imported(combined(export("a", slice_of("10.1.0.1"), clusterIP="None")), ["shop"], ["10.97.0.7"])

    assert kinds(objects) == ["ServiceImport/web", "EndpointSlice/imported"]
    assert "ips" not in objects[0]["spec"]
    assert "kubernetes.io/service-name" not in objects[1]["metadata"]["labels"]


def test_each_slice_is_of_one_cluster_and_tells_nothing_that_means_something_there_only() -> None:
    service = combined(
        export("a", slice_of("10.1.0.1", name="y"), slice_of("10.1.0.2", name="x")), export("b", slice_of("10.2.0.1"))
    )
    slices = [one for one in imported(service, ["shop"]) if one["kind"] == "EndpointSlice"]

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


def sources(*exports: Export) -> list[str]:
    return [
        one["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"]
        for one in imported(combined(*exports), ["shop"])
        if one["kind"] == "EndpointSlice"
    ]


def test_endpoints_of_a_withdrawn_cluster_go_unless_there_are_no_others() -> None:
    away, there = export("a", slice_of("10.1.0.1"), is_withdrawn=True), export("b", slice_of("10.2.0.1"))

    assert sources(away, there) == ["b"]
    assert sources(away) == ["a"]
    assert sources(away, export("b", slice_of("10.2.0.1", ready=False))) == ["a", "b"]
