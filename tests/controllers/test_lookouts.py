"""What is looked for in members, and what comes of it: the pure parts."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fedsvc import health
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.model.sighting import (
    DERIVED,
    ENDPOINTS,
    EXPORTS,
    IMPORTS,
    NAMESPACES,
    SERVICES,
    Lookings,
    Lookout,
    Sighting,
    sighting_of,
)
from fedsvc.naming.importing import Imports, imports, status_body
from fedsvc.naming.lookouts import EndpointsOf, NamedElsewhere, lookouts

NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)
GROUP = "multicluster.x-k8s.io"
BOTH = {(GROUP, "ServiceExport"), (GROUP, "ServiceImport"), ("", "Service")}


def cluster(name: str, *, verdict: health.Verdict = health.Verdict.HEALTHY, **others: Any) -> Cluster:
    made = Cluster(
        name=name,
        uid=name,
        labels={},
        annotations={},
        provider="",
        region="",
        zones=(),
        taints=(),
        connection=Connection(endpoint="https://x", credential=Credential(token="t")),
        create_time=NOW,
        update_time=NOW,
        **others,
    )
    found = replace(made.observation, health=replace(made.health, verdict=verdict))
    return replace(made, observation=found)


def seen(name: str, namespace: str = "shop", **body: Any) -> Sighting:
    metadata = {"name": name, "namespace": namespace, "uid": f"uid-{name}", **body.pop("metadata", {})}
    return Sighting(namespace=namespace, name=name, body={"metadata": metadata, **body})


def exported(*clusters: str, since: str = "2026-11-01T00:00:00Z") -> dict[tuple[str, str, str], tuple[Sighting, ...]]:
    """The lookouts of clusters that export `web`, each with an endpoint."""
    found: dict[tuple[str, str, str], tuple[Sighting, ...]] = {}
    for index, name in enumerate(clusters, 1):
        slice_: dict[str, Any] = {
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": [{"addresses": [f"10.{index}.0.1"]}],
        }
        service: dict[str, Any] = {"spec": {"ports": [{"name": "http", "port": 80}], "clusterIP": "10.96.0.1"}}
        found[name, EXPORTS, ""] = (seen("web", metadata={"creationTimestamp": since}),)
        found[name, SERVICES, "shop"] = (seen("web", **service),)
        found[name, ENDPOINTS, "shop"] = (seen("web-x", **slice_),)
        found[name, NAMESPACES, ""] = (seen("shop", ""),)
    return found


def made(found: dict[tuple[str, str, str], tuple[Sighting, ...]], *fleet: Cluster, **others: Any) -> Imports:
    settings: dict[str, Any] = {"withdrawn": {}, "drained": (), "is_held": False, "now": NOW} | others
    return imports(Lookings(found=found), fleet or [cluster("a"), cluster("b")], **settings)


def endpoints_of(done: Imports) -> dict[str, list[str]]:
    return {
        one["metadata"]["labels"]["multicluster.kubernetes.io/source-cluster"]: [
            address for endpoint in one["endpoints"] for address in endpoint["addresses"]
        ]
        for one in done.services["shop", "web"].objects
        if one["kind"] == "EndpointSlice"
    }


def keys(found: frozenset[Lookout]) -> list[tuple[str, str]]:
    return sorted(one.key for one in found)


def test_where_nothing_is_exported_only_exports_are_looked_for_and_only_where_they_can_be() -> None:
    found = lookouts({"a": BOTH, "b": {("", "Service")}}, Lookings())

    assert keys(found["a"]) == [(EXPORTS, "")]
    assert found["b"] == frozenset()


def test_endpoints_are_watched_only_in_namespaces_that_export_and_only_of_what_is_exported() -> None:
    found = lookouts({"a": BOTH, "b": BOTH, "c": set()}, Lookings(found=exported("a")))

    assert keys(found["a"]) == sorted(
        [(EXPORTS, ""), (IMPORTS, ""), (DERIVED, ""), (NAMESPACES, ""), (SERVICES, "shop"), (ENDPOINTS, "shop")]
    )
    assert keys(found["b"]) == sorted([(EXPORTS, ""), (IMPORTS, ""), (DERIVED, ""), (NAMESPACES, "")])
    assert keys(found["c"]) == [(NAMESPACES, "")]
    (watched,) = [one for one in found["a"] if one.purpose == ENDPOINTS]
    assert watched.label_selector == "kubernetes.io/service-name in (web)"


def test_headless_services_with_names_have_their_endpoints_watched_beside_exported_ones() -> None:
    headless = [
        EndpointsOf(cluster="a", namespace="shop", name="db"),
        EndpointsOf(cluster="b", namespace="x", name="db"),
    ]
    found = lookouts({"a": BOTH, "b": set()}, Lookings(found=exported("a")), NamedElsewhere(endpoints=tuple(headless)))

    selectors = {one.key: one.label_selector for one in found["a"] if one.purpose == ENDPOINTS}
    assert selectors == {(ENDPOINTS, "shop"): "kubernetes.io/service-name in (db,web)"}
    assert (ENDPOINTS, "x") in keys(found["b"])


def test_what_was_seen_is_looked_for_on_where_its_kind_is_served_no_more() -> None:
    (found,) = [one for one in lookouts({"a": set()}, Lookings(found=exported("a")))["a"] if one.purpose == EXPORTS]

    assert not found.is_served


def test_of_many_names_all_objects_are_asked_for_and_sorted_out() -> None:
    many = Lookout(purpose=ENDPOINTS, group="g", version="v1", kind="K", label="of", names=tuple(map(str, range(60))))

    assert many.label_selector == "of"
    assert many.counts({"metadata": {"labels": {"of": "7"}}})
    assert not many.counts({"metadata": {"labels": {"of": "60"}}})
    assert not many.counts({"metadata": {}})


def test_of_an_object_only_that_is_kept_which_is_looked_at() -> None:
    live = {
        "metadata": {"name": "x", "namespace": "shop", "uid": "u", "managedFields": [{}], "annotations": {"a": "b"}},
        "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "n", "zone": "z", "hostname": "h"}],
        "kind": "EndpointSlice",
    }
    assert sighting_of(live).body == {
        "metadata": {"name": "x", "namespace": "shop", "uid": "u"},
        "endpoints": [{"addresses": ["10.0.0.1"], "hostname": "h"}],
    }


def test_an_import_is_for_the_clusters_that_have_the_namespace() -> None:
    found = exported("a", "b")
    found["b", NAMESPACES, ""] = (seen("shop", "", status={"phase": "Terminating"}),)

    assert made(found).services["shop", "web"].clusters == ("a",)


@pytest.mark.parametrize(
    ("verdict", "held", "before", "expected"),
    [
        pytest.param(health.Verdict.SUSPECT, False, (), ["10.1.0.1"], id="a cluster in doubt keeps its endpoints"),
        pytest.param(health.Verdict.UNREACHABLE, False, (), [], id="those of a lost one go"),
        pytest.param(health.Verdict.UNREACHABLE, True, (), ["10.1.0.1"], id="but not while automation is held"),
        pytest.param(health.Verdict.UNREACHABLE, True, ("a",), [], id="and then what is gone stays so"),
        pytest.param(health.Verdict.HEALTHY, True, ("a",), ["10.1.0.1"], id="and comes back with its cluster"),
        pytest.param(health.Verdict.DEGRADED, False, (), ["10.1.0.1"], id="one that answers keeps them"),
    ],
)
def test_endpoints_of_a_lost_cluster_are_left_out(
    *, verdict: health.Verdict, held: bool, before: tuple[str, ...], expected: list[str]
) -> None:
    fleet = [cluster("a", verdict=verdict), cluster("b")]
    done = made(exported("a", "b"), *fleet, is_held=held, withdrawn={("shop", "web"): before})

    assert endpoints_of(done) == {"a": expected, "b": ["10.2.0.1"]}
    assert done.services["shop", "web"].withdrawn == (frozenset() if expected else {"a"})


def test_a_cluster_that_traffic_is_kept_away_from_is_left_out_and_one_that_leaves_counts_no_more() -> None:
    assert endpoints_of(made(exported("a", "b"), drained=["a"])) == {"a": [], "b": ["10.2.0.1"]}
    leaving = [cluster("a", delete_time=NOW), cluster("b")]
    assert endpoints_of(made(exported("a", "b"), *leaving)) == {"b": ["10.2.0.1"]}


def test_what_is_not_read_yet_is_no_reason_to_take_anything_away() -> None:
    found = exported("a", "b")
    del found["a", ENDPOINTS, "shop"]
    assert endpoints_of(made(found)) == {"b": ["10.2.0.1"]}
    del found["b", SERVICES, "shop"]
    done = made(found)
    assert not done.services
    assert done.pending == {("shop", "web")}


def test_an_export_that_is_being_deleted_counts_no_more() -> None:
    found = exported("a")
    found["a", EXPORTS, ""] = (seen("web", metadata={"deletionTimestamp": "2026-11-27T00:00:00Z"}),)
    done = made(found)
    assert not done.services
    assert not done.pending


def test_each_cluster_has_the_address_of_its_own_derived_service() -> None:
    found = exported("a", "b")
    for name, address in (("a", "10.96.1.1"), ("b", "10.97.1.1")):
        labels = {"labels": {"multicluster.kubernetes.io/service-name": "web"}}
        found[name, DERIVED, ""] = (seen("derived-1", metadata=labels, spec={"clusterIP": address}),)
    assert made(found).services["shop", "web"].addresses == {"a": ("10.96.1.1",), "b": ("10.97.1.1",)}


def test_what_is_told_once_is_not_told_again_and_keeps_the_time_of_its_change() -> None:
    found = exported("a")
    (first,) = made(found).statuses
    assert status_body(first, "v1beta1")["apiVersion"] == f"{GROUP}/v1beta1"
    assert {one["type"]: one["status"] for one in first.status["conditions"]} == {
        "Valid": "True",
        "Ready": "True",
        "Conflict": "False",
    }
    body = dict(found["a", EXPORTS, ""][0].body) | {"status": first.status}
    found["a", EXPORTS, ""] = (Sighting(namespace="shop", name="web", body=body),)
    later = datetime(2026, 11, 27, 10, tzinfo=UTC)
    assert made(found, now=later).statuses == ()

    found["a", SERVICES, "shop"] = ()
    (gone,) = made(found, now=later).statuses
    (told,) = gone.status["conditions"]
    assert (told["type"], told["status"], told["reason"]) == ("Valid", "False", "NoService")
    assert told["lastTransitionTime"] == "2026-11-27T10:00:00Z"


def test_imports_tell_where_they_come_from() -> None:
    found = exported("a", "b")
    found["a", IMPORTS, ""] = (seen("web", status={"clusters": [{"cluster": "a"}]}),)
    found["b", IMPORTS, ""] = (seen("web", status={"clusters": [{"cluster": "b"}, {"cluster": "a"}]}),)
    told = [one for one in made(found).statuses if one.kind == "ServiceImport"]
    assert [(one.cluster, one.status) for one in told] == [("a", {"clusters": [{"cluster": "a"}, {"cluster": "b"}]})]
