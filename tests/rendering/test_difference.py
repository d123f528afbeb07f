"""Differences: only what we want and is not there, and not what API servers rewrite."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.difference import differences
from fedsvc.rendering.quantities import parse_quantity

NAMES = st.sampled_from(["a", "b", "name", "containers", "ports", "finalizers", "limits"])
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "1", "1000m", ""])
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))
OBJECTS = st.dictionaries(NAMES, JSON, max_size=4)


@given(OBJECTS)
def test_an_object_does_not_differ_from_itself(value: dict[str, Any]) -> None:
    assert differences(value, value) == []


@given(OBJECTS, OBJECTS)
def test_fields_of_others_are_no_difference(desired: dict[str, Any], other: dict[str, Any]) -> None:
    assert differences(desired, other | desired) == []


@given(OBJECTS, OBJECTS)
def test_differences_are_sorted_by_path(desired: dict[str, Any], live: dict[str, Any]) -> None:
    paths = [difference.path for difference in differences(desired, live)]
    assert paths == sorted(paths)


def spec(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "X", "spec": fields}


@pytest.mark.parametrize(
    ("desired", "live"),
    [
        pytest.param(spec(a=1), spec(a=1, b=2), id="a field of others"),
        pytest.param(spec(a=1), spec(a=1) | {"apiVersion": "v1beta1"}, id="another served version"),
        pytest.param(spec(a=None, b={}, c=[]), spec(), id="null and empty are dropped"),
        pytest.param(spec(a=1), spec(a=1.0), id="a number is a number"),
        pytest.param(spec(limits={"cpu": "1000m"}), spec(limits={"cpu": "1"}), id="cpu"),
        pytest.param(spec(requests={"memory": "1024Mi"}), spec(requests={"memory": "1Gi"}), id="memory"),
        pytest.param(spec(limits={"cpu": 1}), spec(limits={"cpu": "1"}), id="cpu as a number"),
        pytest.param(spec(emptyDir={"sizeLimit": "0.5Gi"}), spec(emptyDir={"sizeLimit": "512Mi"}), id="size limit"),
        pytest.param(
            spec(containers=[{"name": "b"}, {"name": "a"}]),
            spec(containers=[{"name": "a", "x": 1}, {"name": "sidecar"}, {"name": "b"}]),
            id="containers by name, injected ones are others'",
        ),
        pytest.param(
            spec(ports=[{"port": 80}]),
            spec(ports=[{"port": 80, "protocol": "TCP", "nodePort": 30000}]),
            id="default protocol",
        ),
        pytest.param(
            spec(rules=[{"host": "a"}]), spec(rules=[{"host": "a", "pathType": "x"}]), id="defaults in items of lists"
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b", "a"]}},
            id="a set holds others' items",
        ),
        pytest.param(
            {"kind": "Secret", "data": {"b": "eQ=="}, "stringData": {"a": "x"}},
            {"kind": "Secret", "data": {"a": "eA==", "b": "eQ=="}},
            id="stringData is kept as data",
        ),
    ],
)
def test_no_difference(desired: dict[str, Any], live: dict[str, Any]) -> None:
    assert differences(desired, live) == []


@pytest.mark.parametrize(
    ("desired", "live", "path", "values"),
    [
        pytest.param(spec(a=1), spec(a=2), "spec.a", (1, 2), id="value"),
        pytest.param(spec(a=1), spec(), "spec.a", (1, None), id="gone"),
        pytest.param(spec(a=1), {}, "spec", ({"a": 1}, None), id="all gone"),
        pytest.param(spec(a=True), spec(a=1), "spec.a", (True, 1), id="true is not 1"),
        pytest.param(spec(a={"b": 1}), spec(a="x"), "spec.a", ({"b": 1}, "x"), id="another type"),
        pytest.param(spec(a="1000m"), spec(a="1"), "spec.a", ("1000m", "1"), id="a plain string is no quantity"),
        pytest.param(
            spec(containers=[{"name": "web", "image": "a"}]),
            spec(containers=[{"name": "x"}, {"name": "web", "image": "b"}]),
            "spec.containers[name=web].image",
            ("a", "b"),
            id="image",
        ),
        pytest.param(
            spec(containers=[{"name": "web"}]),
            spec(containers=[]),
            "spec.containers[name=web]",
            ({"name": "web"}, None),
            id="container gone",
        ),
        pytest.param(
            spec(ports=[{"containerPort": 53, "protocol": "UDP", "name": "a"}]),
            spec(ports=[{"containerPort": 53, "protocol": "UDP", "name": "b"}]),
            "spec.ports[containerPort=53,protocol=UDP].name",
            ("a", "b"),
            id="port",
        ),
        pytest.param(spec(args=["a"]), spec(args=["a", "b"]), "spec.args", (["a"], ["a", "b"]), id="list longer"),
        pytest.param(spec(args=["a", "c"]), spec(args=["a", "b"]), "spec.args[1]", ("c", "b"), id="item"),
        pytest.param(spec(args=[]), spec(args=["b"]), "spec.args", ([], ["b"]), id="list wanted empty"),
        pytest.param(
            spec(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
            spec(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "3"}]),
            "spec.env[1].value",
            ("2", "3"),
            id="doubled keys go by position",
        ),
        pytest.param(
            {"metadata": {"finalizers": ["a"]}},
            {"metadata": {"finalizers": ["b"]}},
            "metadata.finalizers[=a]",
            ("a", None),
            id="finalizer gone",
        ),
        pytest.param(
            {"metadata": {"labels": {"a.b/c": "x"}}},
            {"metadata": {"labels": {"a.b/c": "y"}}},
            'metadata.labels["a.b/c"]',
            ("x", "y"),
            id="label",
        ),
    ],
)
def test_a_difference_has_its_path_and_both_values(
    desired: dict[str, Any], live: dict[str, Any], path: str, values: tuple[Any, Any]
) -> None:
    (difference,) = differences(desired, live)
    assert difference.path == path
    assert (difference.desired, difference.live) == values
    assert difference.live_absent == (values[1] is None)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("1", 1),
        ("0.1", "100m"),
        ("1k", "1000"),
        ("1Ki", 1024),
        ("1e3", "1k"),
        ("1.5Gi", "1536Mi"),
        ("-1", -1),
        ("1E", "1e18"),
    ],
    ids=str,
)
def test_equal_quantities(left: Any, right: Any) -> None:
    assert parse_quantity(left) == parse_quantity(right) is not None


@pytest.mark.parametrize("value", ["", "Mi", "1 Gi", "1gi", None, True, [], "1e99999", "9" * 70], ids=str)
def test_what_is_no_quantity(value: Any) -> None:
    assert parse_quantity(value) is None
