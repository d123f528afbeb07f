import json
from typing import Any

import pytest

from fedsvc.api.intent.manifests import Templates, check_sizes, read_templates
from fedsvc.api.problems import Problems
from fedsvc.errors import LimitExceededError
from fedsvc.rendering.kinds import Scope
from fedsvc.v1.common_pb2 import Manifest


def config_map(name: str = "a", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def read(*objects: dict[str, Any] | bytes, served: dict[tuple[str, str], Scope] | None = None) -> Templates:
    problems = Problems()
    data = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in objects]
    templates = read_templates(data, namespace="shop", served=served or {}, problems=problems)
    problems.refuse()
    return templates


def refused(*objects: dict[str, Any] | bytes) -> list[tuple[str, str]]:
    problems = Problems()
    data = [item if isinstance(item, bytes) else json.dumps(item).encode() for item in objects]
    read_templates(data, namespace="shop", served={}, problems=problems)
    return [(problem.path, problem.message) for problem in problems.error().problems]


def test_namespaced_objects_get_the_namespace_of_the_unit() -> None:
    templates = read(config_map("a"), config_map("b", namespace="other")).templates

    assert [template.key.namespace for template in templates] == ["shop", "other"]
    assert b'"namespace":"shop"' in templates[0].body


def test_cluster_scoped_objects_get_none() -> None:
    templates = read({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "namespace": "x"}})

    assert templates.templates[0].key.namespace == ""
    assert b"namespace" not in templates.templates[0].body
    assert ["has no effect" in warning for warning in templates.warnings] == [True]


def crd(scope: str) -> dict[str, Any]:
    spec = {"group": "x.io", "scope": scope, "names": {"kind": "Thing", "plural": "things"}}
    metadata = {"name": "things.x.io"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": metadata,
        "spec": spec,
    }


THING = {"apiVersion": "x.io/v1", "kind": "Thing", "metadata": {"name": "t"}}


@pytest.mark.parametrize(
    ("objects", "served", "namespace", "warned"),
    [
        pytest.param([THING, crd("Cluster")], {}, "", False, id="defined by the unit, cluster-scoped"),
        pytest.param([THING, crd("Namespaced")], {}, "shop", False, id="defined by the unit, namespaced"),
        pytest.param([THING], {("x.io", "Thing"): Scope.CLUSTER}, "", False, id="served by a member"),
        pytest.param([THING], {}, "shop", True, id="known to nobody"),
    ],
)
def test_the_scope_of_custom_kinds_is_found(
    objects: list[dict[str, Any]],
    served: dict[tuple[str, str], Scope],
    namespace: str,
    warned: bool,  # noqa: FBT001 - a table's column
) -> None:
    templates = read(*objects, served=served)

    assert templates.templates[0].key.namespace == namespace
    assert any("neither built into" in warning for warning in templates.warnings) is warned


def test_what_a_cluster_sets_itself_is_dropped_with_a_warning() -> None:
    templates = read({**config_map(uid="1", resourceVersion="2"), "status": {"a": 1}})

    assert templates.warnings == (
        "ConfigMap a: status, metadata.uid, metadata.resourceVersion dropped: a cluster sets these itself",
    )


def test_equal_objects_have_equal_bytes() -> None:
    one = read(b'{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}}').templates[0]
    other = read(b'{ "apiVersion": "v1", "metadata": {"namespace": "shop", "name": "a"}, "kind": "ConfigMap" }')

    assert one.body == other.templates[0].body


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is missing: one Kubernetes object as JSON", id="empty"),
        pytest.param(b"{", "not JSON", id="broken"),
        pytest.param(b"[]", "expected a JSON object, got a list", id="list"),
        pytest.param(b'{"a":1,"a":2}', "a: this key stands twice in one object", id="key twice"),
        pytest.param(b"\xff", "not UTF-8", id="no text"),
        pytest.param(b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper than 100 levels", id="deep"),
        pytest.param(b"{}", "apiVersion: is missing", id="no apiVersion"),
        pytest.param(json.dumps(config_map("Web")).encode(), "metadata.name: 'Web' must be", id="capitals"),
        pytest.param(json.dumps(config_map("a", labels={"a": True})).encode(), "quote it", id="label that is no text"),
    ],
)
def test_a_manifest_that_kubernetes_would_refuse_is_told_with_its_path(data: bytes, message: str) -> None:
    problems = refused(config_map("ok"), data)

    assert {path for path, _ in problems} == {"unit.spec.resources[1].json"}
    assert message in problems[0][1]


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        pytest.param({"metadata": {"name": "a", "spec": {}}}, "metadata.spec", "indented too far?", id="spec indented"),
        pytest.param({"metadata": {"name": "a", "data": {}}}, "metadata.data", "indented too far?", id="data indented"),
        pytest.param({"metadata": {"name": "a", "lables": {}}}, "metadata.lables", "did you mean labels?", id="typo"),
        pytest.param(
            {"data": {"port": 8080}}, "data.port", "must be text, not a number: put it in quotes", id="number"
        ),
        pytest.param({"data": {"on": True}}, "data.on", "as YAML reads yes, no, on, off, y and n", id="boolean"),
        pytest.param({"data": {"a.conf": {"b": "c"}}}, 'data["a.conf"]', "is a '|' missing", id="mapping"),
        pytest.param({"data": ["a"]}, "data", "must be a mapping of keys to text, not a list", id="list"),
        pytest.param({"binaryData": {"a": "not base64!"}}, "binaryData.a", "is not base64", id="binary data"),
        pytest.param({"kind": "Secret", "data": {"a": "hunter2"}}, "data.a", "under stringData", id="secret in clear"),
        pytest.param({"kind": "Secret", "data": {"a": "YQ="}}, "data.a", "is not base64", id="padding is wrong"),
        pytest.param({"kind": "Secret", "data": {"a": 77}}, "data.a", "move it to stringData", id="secret number"),
        pytest.param({"kind": "Secret", "stringData": {"a": 77}}, "stringData.a", "put it in quotes", id="string data"),
    ],
)
def test_what_no_cluster_takes_is_refused_with_what_would_be_right(
    changes: dict[str, Any], path: str, message: str
) -> None:
    ((place, told),) = refused({**config_map(), **changes})

    assert place == "unit.spec.resources[0].json"
    assert told.startswith(f"{path}: ")
    assert message in told
    assert "hunter2" not in told
    assert "77" not in told


def test_what_some_cluster_may_take_is_left_to_it() -> None:
    exported: dict[str, Any] = {
        **dict.fromkeys(("uid", "resourceVersion", "selfLink", "creationTimestamp", "clusterName"), "1"),
        "managedFields": [{}],
        "ownerReferences": [],
        "finalizers": ["x.io/keep"],
    }
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "b"},
        "data": {"a": "YQ==\n", "b": None},
    }
    own = {"apiVersion": "x.io/v1", "kind": "Secret", "metadata": {"name": "c"}, "data": {"a": 1}}

    found = read(config_map(**exported), secret, own)

    assert len(found.templates) == 3
    assert "managedFields" in found.warnings[0]


def test_all_problems_of_all_manifests_are_told() -> None:
    problems = refused(b"{", config_map("ok"), config_map("A", labels={"a b": "c"}))

    assert [path for path, _ in problems] == [
        "unit.spec.resources[0].json",
        "unit.spec.resources[2].json",
        "unit.spec.resources[2].json",
    ]


def test_an_object_that_stands_twice_is_refused_with_both_places() -> None:
    autoscaler = {"kind": "HorizontalPodAutoscaler", "metadata": {"name": "a"}}

    problems = refused(
        config_map("b"), {"apiVersion": "autoscaling/v2", **autoscaler}, {"apiVersion": "autoscaling/v1", **autoscaler}
    )

    assert [path for path, _ in problems] == ["unit.spec.resources[2].json"]
    assert "stands in the unit twice, also as resources[1]" in problems[0][1]


def test_a_unit_without_resources_is_odd() -> None:
    assert read().warnings == ("the unit has no resources: nothing will be applied",)


@pytest.mark.parametrize(
    ("manifests", "limit", "value"),
    [
        pytest.param([b"x" * (2**20 + 1)], "max_manifest_bytes", 2**20, id="object"),
        pytest.param([b"x" * 2**20] * 17, "max_unit_bytes", 2**24, id="unit"),
        pytest.param([b""] * 5_001, "max_unit_resources", 5_000, id="count"),
    ],
)
def test_stated_limits_are_enforced(manifests: list[bytes], limit: str, value: int) -> None:
    with pytest.raises(LimitExceededError) as caught:
        check_sizes([Manifest(json=data) for data in manifests])

    assert (caught.value.limit, caught.value.value) == (limit, value)


def test_what_is_exactly_at_the_limits_is_accepted() -> None:
    assert check_sizes([Manifest(json=b"x" * 2**20)] * 16) == 2**24
    assert check_sizes([Manifest(json=b"x")] * 5_000) == 5_000
