"""Patches, selectors, quantities, structural schemas, specs: tables of examples."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.simulator.errors import ApiError
from fedsvc.simulator.patches import apply_json_patch, apply_merge_patch, apply_strategic_patch
from fedsvc.simulator.paths import Target, parse_target
from fedsvc.simulator.quantities import QuantityError, canonical, parse
from fedsvc.simulator.schema import Schema, Shape, keyed, struct
from fedsvc.simulator.selectors import SelectorError, parse_labels
from fedsvc.simulator.spec import SimulatedClusterSpec, SpecError, parse_spec
from fedsvc.simulator.structural import prune, schema_errors, with_schema_defaults

SHAPE = struct(items=keyed("name"), finalizers=Schema(shape=Shape.SET, merge_key="*"))


@pytest.mark.parametrize(
    ("live", "patch", "result"),
    [
        pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="objects-merge"),
        pytest.param({"a": 1}, {"a": None}, {}, id="null-removes"),
        pytest.param({"plain": [1]}, {"plain": [2]}, {"plain": [2]}, id="plain-lists-are-replaced"),
        pytest.param(
            {"items": [{"name": "a", "x": 1}, {"name": "b"}]},
            {"items": [{"name": "a", "y": 2}, {"name": "c"}]},
            {"items": [{"name": "a", "x": 1, "y": 2}, {"name": "b"}, {"name": "c"}]},
            id="keyed-lists-merge",
        ),
        pytest.param(
            {"items": [{"name": "a"}, {"name": "b"}]},
            {"items": [{"name": "a", "$patch": "delete"}]},
            {"items": [{"name": "b"}]},
            id="delete-an-item",
        ),
        pytest.param(
            {"items": [{"name": "a"}]},
            {"items": [{"$patch": "replace"}, {"name": "z"}]},
            {"items": [{"name": "z"}]},
            id="replace-a-list",
        ),
        pytest.param({"o": {"a": 1}}, {"o": {"$patch": "replace", "b": 2}}, {"o": {"b": 2}}, id="replace-an-object"),
        pytest.param({"o": {"a": 1, "b": 2}}, {"o": {"$retainKeys": ["b"], "b": 3}}, {"o": {"b": 3}}, id="retain-keys"),
        pytest.param({"finalizers": ["a"]}, {"finalizers": ["b"]}, {"finalizers": ["a", "b"]}, id="sets-merge"),
        pytest.param(
            {"finalizers": ["a", "b"]},
            {"$deleteFromPrimitiveList/finalizers": ["a"]},
            {"finalizers": ["b"]},
            id="delete-from-set",
        ),
        pytest.param(
            {"items": [{"name": "a"}, {"name": "b"}]},
            {"$setElementOrder/items": [{"name": "b"}, {"name": "a"}], "items": [{"name": "a", "x": 1}]},
            {"items": [{"name": "b"}, {"name": "a", "x": 1}]},
            id="order",
        ),
    ],
)
def test_strategic_merge_patch(live: Any, patch: Any, result: Any) -> None:
    assert apply_strategic_patch(live, patch, SHAPE) == result


def test_a_strategic_item_needs_its_key() -> None:
    with pytest.raises(ApiError, match="does not contain declared merge key: name"):
        apply_strategic_patch({"items": []}, {"items": [{"x": 1}]}, SHAPE)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=2), _JSON, max_size=3), st.dictionaries(st.text(max_size=2), _JSON, max_size=3))
def test_a_merge_patch_twice_is_once(live: Any, patch: Any) -> None:
    once = apply_merge_patch(live, patch)
    assert apply_merge_patch(once, patch) == once


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        pytest.param({"op": "add"}, 400, id="no-list"),
        pytest.param([{"op": "jump", "path": "/a"}], 400, id="unknown-operation"),
        pytest.param([{"op": "remove", "path": "/none"}], 422, id="absent"),
        pytest.param([{"op": "test", "path": "/a", "value": 2}], 422, id="test-fails"),
    ],
)
def test_json_patches_that_do_not_fit_are_refused(patch: Any, code: int) -> None:
    with pytest.raises(ApiError) as caught:
        apply_json_patch({"a": 1}, patch)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a=b", {"a": "b"}, True),
        ("a=", {"a": ""}, True),
        ("a!=b", {}, True),
        ("a in (b,)", {"a": ""}, True),
        ("a notin (b)", {"a": "b"}, False),
        ("example.com/a", {"example.com/a": "x"}, True),
        ("!a , b", {"b": ""}, True),
        ("a>5", {"a": "x"}, False),
        ("a<5", {"a": "4"}, True),
    ],
)
def test_label_selectors(text: str, labels: dict[str, str], *, matches: bool) -> None:
    matcher = parse_labels(text)
    assert matcher is not None
    assert matcher(labels) is matches


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_selector_selects_everything(text: str) -> None:
    assert parse_labels(text) is None


@pytest.mark.parametrize("text", ["=b", "a=b,,c", "a in b", "a in (b", "a>x", "a b", "a=b,"])
def test_bad_selectors(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_labels(text)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1.5", "1500m"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("1.5Gi", "1536Mi"),
        ("1000", "1k"),
        ("1e3", "1e3"),
        ("0", "0"),
        ("100Mi", "100Mi"),
        ("2000Mi", "2000Mi"),
        ("0.1m", "100u"),
    ],
)
def test_quantities_are_canonical(text: str, stored: str) -> None:
    assert canonical(text) == stored


@given(st.integers(0, 10**12), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_canonical_quantity_has_the_same_value(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    assert parse(canonical(text)) == parse(text)
    assert canonical(canonical(text)) == canonical(text)


@pytest.mark.parametrize("text", ["", "x", "1x", "1 Gi", "--1"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(QuantityError):
        parse(text)


NODE = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["kind"],
            "properties": {
                "kind": {"type": "string", "enum": ["a", "b"]},
                "size": {"type": "integer", "minimum": 1, "default": 3},
                "port": {"x-kubernetes-int-or-string": True},
                "list": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "number"}}}},
            },
        }
    },
}


@pytest.mark.parametrize(
    ("spec", "messages"),
    [
        pytest.param({"kind": "a", "size": 2, "port": "http", "list": [{"n": 1}]}, [], id="good"),
        pytest.param({}, ["Required value"], id="required"),
        pytest.param({"kind": "c"}, ['Unsupported value: "c": supported values: "a", "b"'], id="enum"),
        pytest.param(
            {"kind": "a", "size": 0},
            ["Invalid value: 0: spec.size in body should be greater than or equal to 1"],
            id="minimum",
        ),
        pytest.param(
            {"kind": "a", "list": [{"n": "x"}]},
            ['Invalid value: "string": spec.list[0].n in body must be of type number: "string"'],
            id="nested",
        ),
        pytest.param(
            {"kind": "a", "port": 1.5},
            ['Invalid value: "number": spec.port in body must be of type integer,string: "number"'],
            id="int-or-string",
        ),
    ],
)
def test_structural_schemas(spec: Any, messages: list[str]) -> None:
    assert [cause["message"] for cause in schema_errors({"metadata": {}, "spec": spec}, NODE)] == messages


def test_unknown_fields_go_and_defaults_come() -> None:
    body = {"metadata": {"name": "x"}, "spec": {"kind": "a", "odd": 1, "list": [{"n": 1, "odd": 2}]}, "odd": {}}
    pruned = prune(body, NODE)
    assert pruned == {"metadata": {"name": "x"}, "spec": {"kind": "a", "list": [{"n": 1}]}}
    assert with_schema_defaults(pruned, NODE)["spec"]["size"] == 3


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/pods", Target(group="", version="v1", plural="pods")),
        (
            "/api/v1/namespaces/a/pods/b/log",
            Target(group="", version="v1", plural="pods", namespace="a", name="b", subresource="log"),
        ),
        ("/api/v1/namespaces/a", Target(group="", version="v1", plural="namespaces", name="a")),
        (
            "/api/v1/namespaces/a/status",
            Target(group="", version="v1", plural="namespaces", name="a", subresource="status"),
        ),
        (
            "/apis/apps/v1/namespaces/a/deployments",
            Target(group="apps", version="v1", plural="deployments", namespace="a"),
        ),
        ("/apis/apps/v1", None),
        ("/api/v1", None),
        ("/version", None),
    ],
)
def test_paths(path: str, target: Target | None) -> None:
    assert parse_target(path) == target


def test_a_cluster_is_written_in_one_line() -> None:
    text = "name=eu-1,region=eu,zones=eu-a+eu-b,provider=aws,nodes=5,cpu=16,memory=64Gi,label=disk:ssd"
    assert parse_spec(text) == SimulatedClusterSpec(
        name="eu-1",
        region="eu",
        zones=("eu-a", "eu-b"),
        provider="aws",
        nodes=5,
        cpu="16",
        memory="64Gi",
        labels=(("disk", "ssd"),),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("region=eu", "name '' must be"),
        ("name=Eu", "name 'Eu' must be"),
        ("name=a,nodes=x", "nodes must be a whole number"),
        ("name=a,color=red", "unknown key 'color'; known are"),
        ("name=a,eu", "'eu' is not key=value"),
    ],
)
def test_a_wrong_cluster_is_told_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_spec(text)
