"""What a manifest is, and what is refused with words that help."""

from typing import Any

import pytest

from fedsvc.rendering.errors import ManifestError
from fedsvc.rendering.identity import ObjectKey, object_key, validate_manifest
from fedsvc.rendering.server_fields import strip_server_fields


def manifest(api_version: Any = "apps/v1", kind: Any = "Deployment", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"} | metadata}


def test_a_key_prints_as_people_read_it() -> None:
    key = object_key(manifest())
    assert key == ObjectKey(group="apps", version="v1", kind="Deployment", namespace="shop", name="web")
    assert str(key) == "apps/v1 Deployment shop/web"
    assert key.gvk == ("apps", "v1", "Deployment")
    assert (
        str(object_key({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})) == "v1 Namespace shop"
    )


def test_two_versions_of_one_object_have_one_identity() -> None:
    old, new = object_key(manifest("batch/v1beta1", "CronJob")), object_key(manifest("batch/v1", "CronJob"))
    assert old != new
    assert old.identity == new.identity


def test_keys_sort() -> None:
    keys = [object_key(manifest(name=name)) for name in ("b", "a")]
    assert sorted(keys) == [keys[1], keys[0]]


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        pytest.param(manifest(api_version=None), "apiVersion", "is missing; write", id="no apiVersion"),
        pytest.param(manifest(api_version=1), "apiVersion", "a string, not a number", id="apiVersion 1"),
        pytest.param(manifest(api_version="Apps/v1"), "apiVersion", "'apps' would do", id="group with a capital"),
        pytest.param(manifest(api_version="apps/"), "apiVersion", "version", id="group without version"),
        pytest.param(manifest(kind=None), "kind", "is missing", id="no kind"),
        pytest.param(manifest(kind="deployment"), "kind", "written 'Deployment'", id="kind in lower case"),
        pytest.param(manifest(kind="My Kind"), "kind", "not a kind", id="kind with a space"),
        pytest.param(manifest("v1", "List") | {"items": []}, "kind", "send each of its items", id="List"),
        pytest.param({"apiVersion": "v1", "kind": "Pod"}, "metadata", "is missing", id="no metadata"),
        pytest.param(manifest() | {"metadata": []}, "metadata", "not a list", id="metadata is a list"),
        pytest.param(manifest(name=None), "metadata.name", "is missing", id="no name"),
        pytest.param(manifest(name=12), "metadata.name", 'quote it, as in "12"', id="name is a number"),
        pytest.param(manifest(name="Web_App"), "metadata.name", "'web-app' would do", id="name with capitals"),
        pytest.param(manifest(name="a" * 254), "metadata.name", "at most 253", id="name too long"),
        pytest.param(manifest(name="a..b"), "metadata.name", "lower-case", id="two dots"),
        pytest.param(
            manifest("v1", "Service", name="1web"), "metadata.name", "with a letter", id="Service from a digit"
        ),
        pytest.param(manifest("v1", "Service", name="a.b"), "metadata.name", "letters", id="Service with a dot"),
        pytest.param(
            manifest("v1", "Namespace", name="a.b", namespace=None), "metadata.name", "'-'", id="Namespace dot"
        ),
        pytest.param(manifest("batch/v1", "CronJob", name="a" * 53), "metadata.name", "at most 52", id="CronJob"),
        pytest.param(
            manifest("rbac.authorization.k8s.io/v1", "Role", name="a/b"), "metadata.name", "'/'", id="Role with a slash"
        ),
        pytest.param(
            manifest(name=None, generateName="web-"), "metadata.generateName", "needs one name", id="generate"
        ),
        pytest.param(
            manifest(namespace="Shop"), "metadata.namespace", "'shop' would do", id="namespace with a capital"
        ),
        pytest.param(manifest(namespace=5), "metadata.namespace", "quote it", id="namespace is a number"),
        pytest.param(manifest(labels=[]), "metadata.labels", "not a list", id="labels are a list"),
        pytest.param(manifest(labels={"on": True}), "metadata.labels.on", 'as in "true" (in YAML', id="boolean label"),
        pytest.param(manifest(labels={"v": 1.5}), "metadata.labels.v", 'as in "1.5"', id="number as label"),
        pytest.param(manifest(labels={"v": None}), "metadata.labels.v", 'write ""', id="null as label"),
        pytest.param(manifest(labels={"v": "a b"}), "metadata.labels.v", "letters, digits", id="label value"),
        pytest.param(manifest(labels={"v": "a" * 64}), "metadata.labels.v", "at most 63", id="label value too long"),
        pytest.param(manifest(labels={"-v": "a"}), 'metadata.labels["-v"]', "not a valid key", id="label key"),
        pytest.param(manifest(labels={"A.b/c": "a"}), 'metadata.labels["A.b/c"]', "DNS name", id="label prefix"),
        pytest.param(manifest(labels={"a/": "a"}), 'metadata.labels["a/"]', "needs a name", id="label prefix alone"),
        pytest.param(manifest(annotations={"n": 3}), "metadata.annotations.n", "quote it", id="number as annotation"),
        pytest.param(
            manifest(annotations={"n": "x" * 262_144}),
            "metadata.annotations",
            "at most 262144",
            id="annotations too large",
        ),
    ],
)
def test_a_wrong_manifest_is_told_with_its_path(given: dict[str, Any], path: str, words: str) -> None:
    (problem,) = validate_manifest(given)
    assert problem.path == path
    assert words in problem.message
    assert not problem.warning
    with pytest.raises(ManifestError):
        object_key(given)


def test_all_problems_are_told_at_once() -> None:
    problems = validate_manifest({"kind": "pod", "metadata": {"name": "A", "labels": {"a": 1}, "annotations": 2}})
    assert [problem.path for problem in problems] == [
        "apiVersion",
        "metadata.name",
        "metadata.labels.a",
        "metadata.annotations",
    ]


@pytest.mark.parametrize(
    "given",
    [
        manifest(labels=None, annotations=None),
        manifest(labels={"app.kubernetes.io/name": "web", "empty": ""}, annotations={"Example.COM/x": "any text: é"}),
        manifest("rbac.authorization.k8s.io/v1", "ClusterRole", name="system:web", namespace=None),
        manifest("example.org/v1alpha1", "Backup", name="a.b-c"),
        manifest("argoproj.io/v1alpha1", "Rollout"),
    ],
    ids=["nulls", "labels", "rbac name", "custom resource", "another custom resource"],
)
def test_what_kubernetes_takes_is_taken(given: dict[str, Any]) -> None:
    assert validate_manifest(given) == []


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        pytest.param(manifest("v1", "Deployment"), "apiVersion", "did you mean apiVersion apps/v1", id="wrong group"),
        pytest.param(manifest("apps/v1", "Deploymnet"), "kind", "did you mean Deployment?", id="typing error"),
        pytest.param(manifest("apps/v1", "CronJob"), "apiVersion", "batch/v1", id="another wrong group"),
        pytest.param(
            manifest("rbac.authorization.k8s.io/v1", "ClusterRole"), "metadata.namespace", "cluster-scoped", id="scope"
        ),
    ],
)
def test_what_is_odd_is_a_warning(given: dict[str, Any], path: str, words: str) -> None:
    (problem,) = validate_manifest(given)
    assert problem.warning
    assert problem.path == path
    assert words in problem.message


def test_cluster_scoped_kinds_have_no_namespace_in_their_key() -> None:
    assert object_key(manifest("rbac.authorization.k8s.io/v1", "ClusterRole")).namespace == ""


def test_server_fields_are_removed_and_told() -> None:
    exported = manifest(
        uid="1-2",
        resourceVersion="7",
        generation=3,
        creationTimestamp=None,
        managedFields=[{"manager": "kubectl"}],
        ownerReferences=[{"uid": "5"}],
        labels={"fedsvc.io/managed": "true", "app": "web"},
        annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    ) | {"status": {"replicas": 1}}
    removed = strip_server_fields(exported)
    assert exported == manifest(labels={"app": "web"})
    assert removed == [
        "status",
        "metadata.uid",
        "metadata.resourceVersion",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.ownerReferences",
        'metadata.labels["fedsvc.io/managed"]',
        'metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"]',
    ]
    assert strip_server_fields(exported) == []


def test_a_namespace_that_means_nothing_is_removed() -> None:
    role = manifest("rbac.authorization.k8s.io/v1", "ClusterRole")
    assert strip_server_fields(role) == ["metadata.namespace"]
    assert role["metadata"] == {"name": "web"}


@pytest.mark.parametrize("given", [{}, {"metadata": None}, {"metadata": 1, "status": {}}], ids=str)
def test_stripping_bears_what_is_not_a_manifest(given: dict[str, Any]) -> None:
    assert strip_server_fields(given) == []
