"""What differs between two states of an object, and whose it is."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.changes import changes
from fedsvc.rendering.fieldpaths import parse_field_path

LIVE: dict[str, Any] = {
    "metadata": {
        "name": "web",
        "resourceVersion": "7",
        "generation": 3,
        "labels": {"app": "web", "old": "x"},
        "finalizers": ["a/b"],
        "managedFields": [
            {"manager": "fedsvc", "operation": "Apply", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:metadata": {"f:labels": {"f:old": {}}}}},
        ],
    },
    "spec": {
        "replicas": 3,
        "template": {"spec": {"containers": [{"name": "web", "image": "a", "args": ["x"]}, {"name": "old"}]}},
    },
    "status": {"replicas": 3},
}


def changed(**edits: Any) -> Any:
    after = copy.deepcopy(LIVE)
    after["metadata"] |= {"resourceVersion": "8", "generation": 4, "managedFields": []}
    after["status"] = {}
    for path, value in edits.items():
        found: Any = after
        *steps, last = path.split("__")
        for step in steps:
            found = found[int(step) if step.isdigit() else step]
        if value is None:
            del found[last]
        else:
            found[last] = value
    return after


def test_what_the_server_writes_by_itself_is_no_difference() -> None:
    assert changes(LIVE, changed()) == []


def test_every_field_is_told_with_both_values_and_its_managers() -> None:
    after = changed(
        spec__replicas=5,
        metadata__labels__old=None,
        metadata__labels__new="y",
        metadata__finalizers=["c/d"],
        spec__template__spec__containers=[
            {"name": "web", "image": "b", "args": ["x", "y"]},
            {"name": "new"},
        ],
    )

    found = [(change.path, change.before, change.after, change.managers) for change in changes(LIVE, after)]

    pod = "spec.template.spec.containers"
    assert found == [
        ("metadata.finalizers[=a/b]", "a/b", None, ()),
        ("metadata.finalizers[=c/d]", None, "c/d", ()),
        ("metadata.labels.new", None, "y", ()),
        ("metadata.labels.old", "x", None, ("kubectl-edit",)),
        ("spec.replicas", 3, 5, ("fedsvc",)),
        (f"{pod}[name=new]", None, {"name": "new"}, ()),
        (f"{pod}[name=old]", {"name": "old"}, None, ()),
        (f"{pod}[name=web].args", ["x"], ["x", "y"], ()),
        (f"{pod}[name=web].image", "a", "b", ()),
    ]


@pytest.mark.parametrize("rule", ["spec.replicas", "spec", "spec.*"])
def test_ignored_fields_are_left_out(rule: str) -> None:
    assert changes(LIVE, changed(spec__replicas=5), ignored=(parse_field_path(rule),)) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "name", "ports"]), inner),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["data", "spec", "containers"]), VALUES))
def test_an_object_does_not_differ_from_itself(thing: dict[str, Any]) -> None:
    assert changes(thing, copy.deepcopy(thing)) == []


@given(st.dictionaries(st.sampled_from(["data", "spec"]), VALUES), st.dictionaries(st.just("data"), VALUES))
def test_what_differs_one_way_differs_the_other_way(one: dict[str, Any], other: dict[str, Any]) -> None:
    there = {(change.path, repr(change.before), repr(change.after)) for change in changes(one, other)}
    back = {(change.path, repr(change.after), repr(change.before)) for change in changes(other, one)}
    assert there == back
