"""Scopes, waves and versions of Kubernetes' own kinds."""

from typing import Any

import pytest

from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.compatibility import served_alternative, with_api_version
from fedsvc.rendering.keys import ObjectKey, split_api_version
from fedsvc.rendering.kinds import LAST_WAVE, Scope, defined_scopes, scope_of, wave_of
from fedsvc.rendering.replicas import AUTOSCALED, ReplicaShare, set_replicas

RBAC = "rbac.authorization.k8s.io"


def key(api_version: str, kind: str) -> ObjectKey:
    group, version = split_api_version(api_version)
    return ObjectKey(group=group, version=version, kind=kind, namespace="shop", name="web")


def test_waves_bring_what_is_needed_before_what_needs_it() -> None:
    order = [
        ("", "Namespace"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ("", "ConfigMap"),
        ("", "PersistentVolumeClaim"),
        ("", "Service"),
        ("apps", "Deployment"),
        ("batch", "Job"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("networking.k8s.io", "Ingress"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ]
    waves = [wave_of(*kind) for kind in order]
    assert waves == sorted(set(waves))
    assert waves == list(range(LAST_WAVE + 1))


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_bindings_come_after_roles(kind: str) -> None:
    assert wave_of(RBAC, kind) < wave_of(RBAC, f"{kind}Binding")


def test_unknown_kinds_come_with_the_workloads() -> None:
    assert wave_of("example.org", "Backup") == wave_of("apps", "Deployment")


@pytest.mark.parametrize(
    ("group", "kind", "scope"),
    [
        ("", "Namespace", Scope.CLUSTER),
        ("", "ConfigMap", Scope.NAMESPACED),
        (RBAC, "ClusterRole", Scope.CLUSTER),
        ("networking.k8s.io", "IngressClass", Scope.CLUSTER),
        ("example.org", "ConfigMap", None),
    ],
    ids=str,
)
def test_scopes(group: str, kind: str, scope: Scope | None) -> None:
    assert scope_of(group, kind) == scope


def test_kinds_defined_by_a_unit_are_found() -> None:
    def definition(kind: str, scope: str) -> dict[str, Any]:
        spec = {"group": "example.org", "scope": scope, "names": {"kind": kind}}
        return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}

    broken: dict[str, Any] = definition("X", "Cluster") | {"spec": None}
    found = defined_scopes([definition("Backup", "Namespaced"), definition("Site", "Cluster"), broken, {"kind": "Pod"}])
    assert found == {("example.org", "Backup"): Scope.NAMESPACED, ("example.org", "Site"): Scope.CLUSTER}


@pytest.mark.parametrize(
    ("api_version", "kind", "served", "spec", "expected"),
    [
        pytest.param("batch/v1", "CronJob", ["v1", "v1beta1"], {}, "batch/v1", id="served itself"),
        pytest.param("batch/v1", "CronJob", ["v1beta1"], {}, "batch/v1beta1", id="older cluster"),
        pytest.param("batch/v1beta1", "CronJob", ["v1"], {}, "batch/v1", id="newer cluster"),
        pytest.param("batch/v2alpha1", "CronJob", ["v1"], {}, None, id="another schema"),
        pytest.param(
            "autoscaling/v2", "HorizontalPodAutoscaler", ["v1", "v2beta2"], {}, "autoscaling/v2beta2", id="HPA"
        ),
        pytest.param("autoscaling/v2", "HorizontalPodAutoscaler", ["v1"], {}, None, id="v1 lacks metrics"),
        pytest.param(
            "policy/v1",
            "PodDisruptionBudget",
            ["v1beta1"],
            {"selector": {"matchLabels": {"a": "b"}}},
            "policy/v1beta1",
            id="PDB with a selector",
        ),
        pytest.param("policy/v1", "PodDisruptionBudget", ["v1beta1"], {"selector": {}}, None, id="PDB without"),
        pytest.param("example.org/v1", "Backup", ["v2"], {}, None, id="unknown kind"),
    ],
)
def test_alternatives(
    api_version: str, kind: str, served: list[str], spec: dict[str, Any], expected: str | None
) -> None:
    wanted = key(api_version, kind)
    served_kinds = {(wanted.group, version, kind) for version in served}
    assert served_alternative(wanted, served_kinds, {"spec": spec}) == expected


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [({"addresses": ["10.0.0.1"]}, "discovery.k8s.io/v1beta1"), ({"addresses": ["10.0.0.1"], "zone": "a"}, None)],
)
def test_slices_that_tell_no_places_mean_the_same_in_older_clusters(
    endpoint: dict[str, Any], expected: str | None
) -> None:
    wanted = key("discovery.k8s.io/v1", "EndpointSlice")
    served_kinds = {("discovery.k8s.io", "v1beta1", "EndpointSlice")}
    assert served_alternative(wanted, served_kinds, {"endpoints": [endpoint]}) == expected


def test_the_body_takes_another_version() -> None:
    body = canonical_json({"apiVersion": "batch/v1", "kind": "CronJob", "n": 2**70})
    assert with_api_version(body, "batch/v1beta1") == body.replace(b"batch/v1", b"batch/v1beta1")


@pytest.mark.parametrize(
    ("spec", "share", "expected"),
    [
        pytest.param(
            {"completions": 10, "parallelism": 4},
            ReplicaShare(count=2, completions=5),
            {"completions": 5, "parallelism": 2},
            id="its share of both",
        ),
        pytest.param({"parallelism": 6}, ReplicaShare(count=2), {"parallelism": 2}, id="work queue"),
        pytest.param({}, ReplicaShare(count=3), {"parallelism": 3}, id="parallelism left out"),
        pytest.param(
            {"completions": 5, "parallelism": 2},
            ReplicaShare(count=0, completions=0),
            {"completions": 0, "parallelism": 0},
            id="nothing",
        ),
    ],
)
def test_a_cluster_gets_its_share_of_a_job(spec: dict[str, Any], share: ReplicaShare, expected: dict[str, Any]) -> None:
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web"}, "spec": dict(spec)}
    set_replicas(job, share)
    assert job["spec"] == expected


def test_replicas_of_an_autoscaler_are_taken_out_of_the_template() -> None:
    web = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3}}
    set_replicas(web, AUTOSCALED)
    assert web["spec"] == {}
