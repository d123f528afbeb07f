"""Paths of fields: read as people write them, and found in manifests, managedFields and conflicts."""

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.rendering.fieldpaths import (
    is_within,
    names_conflict,
    owns,
    parse_field_path,
    remove_field,
    without_ownership,
)

DEPLOYMENT: dict[str, Any] = {
    "metadata": {"labels": {"app": "web", "example.com/tier": "gold"}, "finalizers": ["a/b", "c/d"]},
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "containers": [
                    {"name": "web", "image": "nginx", "args": ["-v", "-x"]},
                    {"name": "side", "image": "envoy", "ports": [{"containerPort": 80}]},
                ]
            }
        },
    },
}


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("spec.replicas", ["spec", "replicas"]),
        (".spec.replicas", ["spec", "replicas"]),
        ('metadata.labels["example.com/tier"]', ["metadata", "labels", "example.com/tier"]),
        ("spec.template.spec.containers[name=web].image", ["spec", "template", "spec", "containers", 0, "image"]),
        ('spec.template.spec.containers[name="side"]', ["spec", "template", "spec", "containers", 1]),
        ("spec.template.spec.containers[1].image", ["spec", "template", "spec", "containers", 1, "image"]),
        ("metadata.finalizers[=c/d]", ["metadata", "finalizers", 1]),
        (
            "spec.template.spec.containers[name=side].ports[containerPort=80,protocol=TCP]",
            ["spec", "template", "spec", "containers", 1, "ports", 0],
        ),
    ],
)
def test_a_path_takes_one_field_out_of_a_manifest(path: str, gone: list[Any]) -> None:
    manifest = copy.deepcopy(DEPLOYMENT)
    expected = copy.deepcopy(DEPLOYMENT)
    parent = expected
    for step in gone[:-1]:
        parent = parent[step]
    del parent[gone[-1]]

    assert remove_field(manifest, parse_field_path(path))
    assert manifest == expected


def test_a_star_means_every_field_or_item() -> None:
    manifest = copy.deepcopy(DEPLOYMENT)

    assert remove_field(manifest, parse_field_path("spec.template.spec.containers[*].image"))
    assert remove_field(manifest, parse_field_path("metadata.labels.*"))

    assert [sorted(item) for item in manifest["spec"]["template"]["spec"]["containers"]] == [
        ["args", "name"],
        ["name", "ports"],
    ]
    assert manifest["metadata"]["labels"] == {}


def test_a_path_to_nothing_changes_nothing() -> None:
    manifest = copy.deepcopy(DEPLOYMENT)

    assert not remove_field(manifest, parse_field_path("spec.strategy.type"))
    assert not remove_field(manifest, parse_field_path("spec.replicas.deeper"))
    assert manifest == DEPLOYMENT


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "name a field"),
        ("/spec/replicas", "spec.replicas"),
        ("spec..replicas", "cannot be read from '..replicas'"),
        ("spec.replicas]", "cannot be read"),
        ("spec[", "cannot be read"),
        ("metadata.labels.example.com/tier", 'metadata.labels["example.com/tier"]'),
        ("spec.containers[name=]x", "cannot be read from 'x'"),
        ("a." * 70 + "b", "at most 64"),
    ],
)
def test_what_is_no_path_is_refused_with_what_would_be_right(path: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        parse_field_path(path)


@pytest.mark.parametrize(
    ("path", "conflict", "means"),
    [
        ("spec.replicas", ".spec.replicas", True),
        ("spec", ".spec.replicas", True),
        ("spec.replica", ".spec.replicas", False),
        ("spec.replicas.x", ".spec.replicas", False),
        ('metadata.labels["example.com/tier"]', ".metadata.labels.example.com/tier", True),
        ('metadata.labels["example.com/tier"]', ".metadata.labels.example.com/tiers", False),
        ("metadata.labels.*", ".metadata.labels.example.com/tier", True),
        ("data.*", ".data.app.properties", True),
        ("data.app", ".data.app.properties", True),  # there names are not quoted: it may be below
        ("spec.containers[name=web].image", '.spec.containers[name="web"].image', True),
        ("spec.containers[name=web].image", '.spec.containers[name="web2"].image', False),
        ("spec.containers[*].image", '.spec.containers[name="web"].image', True),
        ("spec.ports[port=80]", '.spec.ports[port=80,protocol="TCP"].nodePort', True),
        ("spec.ports[protocol=TCP,port=80]", '.spec.ports[port=80,protocol="TCP"].nodePort', True),
        ("spec.ports[port=80]", '.spec.ports[port=8080,protocol="TCP"].nodePort', False),
        ("metadata.finalizers[=a/b]", '.metadata.finalizers[="a/b"]', True),
    ],
)
def test_a_path_knows_the_fields_of_conflicts(path: str, conflict: str, *, means: bool) -> None:
    assert names_conflict(parse_field_path(path), conflict) is means


@pytest.mark.parametrize(
    ("field", "rule", "within"),
    [
        ("spec.replicas", "spec.replicas", True),
        ("spec.replicas", "spec", True),
        ("spec", "spec.replicas", False),
        ("spec.containers[name=web].image", "spec.containers[*].image", True),
        ("spec.ports[port=80,protocol=TCP].nodePort", "spec.ports[port=80]", True),
        ('metadata.labels["a/b"]', "metadata.labels.*", True),
    ],
)
def test_fields_lie_within_rules(field: str, rule: str, *, within: bool) -> None:
    assert is_within(parse_field_path(field), parse_field_path(rule)) is within


FIELDS: dict[str, Any] = {
    "f:metadata": {"f:labels": {".": {}, "f:example.com/tier": {}}, "f:finalizers": {".": {}, 'v:"a/b"': {}}},
    "f:spec": {
        "f:replicas": {},
        "f:containers": {'k:{"name":"web"}': {".": {}, "f:name": {}, "f:image": {}}, 'k:{"name":"side"}': {".": {}}},
    },
}


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        ("spec.replicas", True),
        ("spec.strategy", False),
        ("spec.containers[name=web].image", True),
        ("spec.containers[*].image", True),
        ("spec.containers[name=side].image", False),
        ('metadata.labels["example.com/tier"]', True),
        ("metadata.finalizers[=a/b]", True),
        ("metadata.finalizers[=x/y]", False),
    ],
)
def test_ownership_is_found_and_given_up(path: str, *, owned: bool) -> None:
    place = parse_field_path(path)

    assert owns(FIELDS, place) is owned
    left = without_ownership(FIELDS, place)
    assert not owns(left, place)
    assert (left == FIELDS) is not owned


def test_giving_up_the_last_field_of_a_map_leaves_no_claim_to_the_map() -> None:
    assert without_ownership({"f:spec": {"f:replicas": {}}}, parse_field_path("spec.replicas")) == {}


NAMES = st.sampled_from(["spec", "data", "a-b", "x_y", "app.properties", "example.com/tier", 'qu"ote'])


@given(st.lists(NAMES, min_size=1, max_size=5))
def test_every_field_can_be_named_and_is_found(names: list[str]) -> None:
    text = "".join(f"[{json.dumps(name)}]" for name in names)
    place = parse_field_path(text)
    manifest: Any = 1
    fields: Any = {}
    for name in reversed(names):
        manifest, fields = {name: manifest}, {f"f:{name}": fields}

    assert owns(fields, place)
    assert names_conflict(place, "." + ".".join(names))
    assert remove_field(manifest, place)
    assert not remove_field(manifest, place)
