import json
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from fedctl.files.convert import Findings, read_message, write_message
from fedctl.files.shape import read_document, write_document
from fedsvc.v1 import cluster_pb2, common_pb2, override_pb2, placement_pb2, policy_pb2, unit_pb2

ISSUE_EXAMPLE: dict[str, Any] = {
    "apiVersion": "fedsvc.io/v1",
    "kind": "Unit",
    "metadata": {"namespace": "shop", "name": "shop", "labels": {"team": "web"}},
    "spec": {
        "placement": {
            "clusterSelector": {"matchLabels": {"tier": "prod"}},
            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 30}],
            "replicas": {
                "mode": "Divided",
                "strategy": "Weighted",
                "clusters": [{"selector": {"matchLabels": {"region": "eu"}}, "weight": 2, "min": 1}],
            },
        },
        "overrides": [
            {
                "clusters": {"names": ["eu-1"]},
                "target": {"kind": "Deployment", "name": "web"},
                "patch": [{"op": "replace", "path": "/spec/replicas", "value": "nginx:1.27"}],
            }
        ],
        "propagation": {"conflict": "adopt", "drift": "if-not-drifted", "deletion": "orphan"},
        "resources": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"n": "9"}}],
    },
}


def read(value: dict[str, Any]) -> tuple[Message | None, list[tuple[tuple[str | int, ...], str]]]:
    findings = Findings()
    found = read_document(value, findings, namespace="default")
    return found.message if found else None, [(wrong.path, wrong.message) for wrong in findings.problems]


def spec(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": "fedsvc.io/v1", "kind": "Unit", "metadata": {"name": "x"}, "spec": fields}


def test_the_document_of_the_issue_becomes_a_unit() -> None:
    unit, problems = read(ISSUE_EXAMPLE)
    assert problems == []
    assert isinstance(unit, unit_pb2.Unit)
    assert unit.name == "namespaces/shop/units/shop"
    assert unit.spec.placement.replicas.mode == placement_pb2.REPLICA_MODE_DIVIDED
    assert unit.spec.placement.tolerations[0].effect == cluster_pb2.TAINT_EFFECT_NO_SCHEDULE
    assert unit.spec.propagation.drift == unit_pb2.DRIFT_MODE_IF_NOT_DRIFTED
    assert unit.spec.overrides[0].patch[0].value_json == b'"nginx:1.27"'
    assert json.loads(unit.spec.resources[0].json)["data"] == {"n": "9"}


def test_the_document_of_the_issue_is_written_as_it_was_read() -> None:
    unit, _ = read(ISSUE_EXAMPLE)
    assert unit is not None
    assert write_document(unit) == ISSUE_EXAMPLE


@pytest.mark.parametrize(
    ("placement", "is_set", "names"),
    [
        ({}, False, []),
        ({"clusters": None}, False, []),
        ({"clusters": []}, True, []),
        ({"clusters": ["a"]}, True, ["a"]),
    ],
    ids=["absent", "null", "empty", "named"],
)
def test_no_list_of_clusters_is_not_an_empty_one(placement: dict[str, Any], names: list[str], *, is_set: bool) -> None:
    unit, problems = read(spec(placement=placement))
    assert isinstance(unit, unit_pb2.Unit)
    assert problems == []
    assert unit.spec.HasField("placement")
    assert unit.spec.placement.HasField("clusters") is is_set
    assert list(unit.spec.placement.clusters.names) == names


def test_clusters_can_be_written_as_kubefed_does() -> None:
    unit, problems = read(spec(placement={"clusters": [{"name": "a"}, {"name": "b"}]}))
    assert isinstance(unit, unit_pb2.Unit)
    assert problems == []
    assert list(unit.spec.placement.clusters.names) == ["a", "b"]


def test_what_a_unit_waits_for_is_written_in_small_letters() -> None:
    waits: dict[str, Any] = {
        "dependsOn": [{"unit": "db", "state": "applied", "where": "everywhere"}, {"unit": "cache"}],
        "waveState": "applied",
    }
    unit, problems = read(spec(**waits))
    assert problems == []
    assert isinstance(unit, unit_pb2.Unit)
    assert unit.spec.depends_on[0].where == unit_pb2.DEPENDENCY_SCOPE_EVERYWHERE
    assert write_document(unit)["spec"] == waits


def test_what_becomes_of_a_unit_whose_cluster_is_lost_is_written_in_small_letters() -> None:
    policy: dict[str, Any] = {"failover": {"mode": "manual", "tolerationSeconds": 0, "priority": 5}}
    unit, problems = read(spec(**policy))
    assert problems == []
    assert isinstance(unit, unit_pb2.Unit)
    assert unit.spec.failover.mode == unit_pb2.FAILOVER_MODE_MANUAL
    assert write_document(unit)["spec"] == policy


def test_an_empty_selector_is_set() -> None:
    unit, _ = read(spec(placement={"clusterSelector": {}}))
    assert isinstance(unit, unit_pb2.Unit)
    assert unit.spec.placement.HasField("cluster_selector")


def test_a_patch_to_null_is_not_a_patch_without_value() -> None:
    patch = [{"op": "ADD", "path": "/a", "value": None}, {"op": "remove", "path": "/b"}]
    unit, problems = read(spec(overrides=[{"patch": patch}]))
    assert isinstance(unit, unit_pb2.Unit)
    assert problems == []
    first, second = unit.spec.overrides[0].patch
    assert (first.op, first.value_json, second.HasField("value_json")) == ("add", b"null", False)


def test_resources_that_are_lists_are_taken_apart() -> None:
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    unit, problems = read(spec(resources=[{"kind": "List", "apiVersion": "v1", "items": [item, item]}, item]))
    assert isinstance(unit, unit_pb2.Unit)
    assert problems == []
    assert len(unit.spec.resources) == 3


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        (spec(placment={}), ("spec", "placment"), "unknown field 'placment'; did you mean 'placement'?"),
        (
            spec(placement={"cluster_selector": {}}),
            ("spec", "placement", "cluster_selector"),
            "did you mean 'clusterSelector'?",
        ),
        (spec(placement=[]), ("spec", "placement"), "a mapping is wanted here, not a list"),
        (spec(placement={"clusters": "a"}), ("spec", "placement", "clusters"), "write [a, b]"),
        (spec(placement={"clusters": [1]}), ("spec", "placement", "clusters", 0), 'put it in quotes: "1"'),
        (
            spec(placement={"clusterSelector": {"matchLabels": {"a": True}}}),
            ("spec", "placement", "clusterSelector", "matchLabels", "a"),
            "YAML reads this word as true: put it in quotes",
        ),
        (
            spec(placement={"replicas": {"mode": "Shared"}}),
            ("spec", "placement", "replicas", "mode"),
            "'Shared' is none of: Duplicated, Divided",
        ),
        (
            spec(propagation={"drift": "never"}),
            ("spec", "propagation", "drift"),
            "'never' is none of: correct, if-not-drifted, report",
        ),
        (
            spec(placement={"replicas": {"total": 2.5}}),
            ("spec", "placement", "replicas", "total"),
            "a whole number is wanted here, not 2.5",
        ),
        (spec(placement={"replicas": {"total": 1 << 40}}), ("spec", "placement", "replicas", "total"), "out of range"),
        (spec(overridePolicies="a"), ("spec", "overridePolicies"), "a list is wanted here"),
        (spec(resources=[5]), ("spec", "resources", 0), "a Kubernetes object is wanted here"),
        ({**spec(), "sepc": {}}, ("sepc",), "did you mean 'spec'?"),
        ({**spec(), "kind": "Unt"}, ("kind",), "unknown kind 'Unt'; did you mean 'Unit'?"),
        ({**spec(), "apiVersion": "fedsvc.io/v2"}, ("apiVersion",), "this fedctl knows fedsvc.io/v1"),
        ({**spec(), "metadata": {"name": "Shop"}}, ("metadata", "name"), "'shop' would be right"),
        ({**spec(), "metadata": {"name": 5}}, ("metadata", "name"), 'put it in quotes: "5"'),
        ({**spec(), "metadata": {}}, ("metadata",), "`name` is missing"),
        ({**spec(), "spec": None}, (), "`spec` of the Unit is missing"),
    ],
)
def test_what_is_wrong_is_told_with_its_path_and_what_would_be_right(
    value: dict[str, Any], path: tuple[str | int, ...], message: str
) -> None:
    _, problems = read(value)
    assert [found for found, _ in problems] == [path]
    assert message in problems[0][1]


@pytest.mark.parametrize("word", ["NoSchedule", "noschedule", "NO_SCHEDULE", "no-schedule"])
def test_words_of_enums_may_be_spelled_in_any_case(word: str) -> None:
    unit, problems = read(spec(placement={"tolerations": [{"effect": word}]}))
    assert isinstance(unit, unit_pb2.Unit)
    assert problems == []
    assert unit.spec.placement.tolerations[0].effect == cluster_pb2.TAINT_EFFECT_NO_SCHEDULE


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
SELECTOR = st.builds(
    common_pb2.LabelSelector,
    match_labels=st.dictionaries(TEXT, TEXT, max_size=2),
    match_expressions=st.lists(
        st.builds(
            common_pb2.LabelSelectorRequirement,
            key=TEXT,
            operator=st.sampled_from(("In", "Exists")),
            values=st.lists(TEXT, max_size=2),
        ),
        max_size=2,
    ),
)
MATCHER = st.builds(common_pb2.ClusterMatcher, names=st.lists(TEXT, max_size=2), selector=st.none() | SELECTOR)
PLACEMENT = st.builds(
    placement_pb2.Placement,
    clusters=st.none() | st.builds(placement_pb2.ClusterNames, names=st.lists(TEXT, max_size=2)),
    cluster_selector=st.none() | SELECTOR,
    exclude=st.none() | MATCHER,
    tolerations=st.lists(
        st.builds(
            placement_pb2.Toleration,
            key=TEXT,
            effect=st.integers(0, 4),
            toleration_seconds=st.none() | st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=2,
    ),
    replicas=st.none()
    | st.builds(
        placement_pb2.ReplicaPolicy,
        mode=st.integers(0, 2),
        strategy=st.integers(0, 1),
        total=st.none() | st.integers(0, 2**31 - 1),
        clusters=st.lists(
            st.builds(placement_pb2.ReplicaRule, names=st.lists(TEXT, max_size=2), min=st.integers(0, 9)), max_size=2
        ),
    ),
)
OBJECT = st.dictionaries(TEXT, st.integers() | TEXT | st.none() | st.booleans(), max_size=3)
OVERRIDE = st.builds(
    override_pb2.Override,
    clusters=st.none() | MATCHER,
    target=st.none() | st.builds(override_pb2.ResourceMatcher, kind=TEXT, selector=st.none() | SELECTOR),
    images=st.lists(st.builds(override_pb2.ImageOverride, name=TEXT, new_tag=TEXT), max_size=2),
    labels=st.dictionaries(TEXT, TEXT, max_size=2),
    patch=st.lists(
        st.builds(
            override_pb2.PatchOperation,
            op=st.sampled_from(("add", "test", "remove")),
            path=TEXT,
            value_json=st.none()
            | OBJECT.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()),
        ),
        max_size=2,
    ),
)
SPEC = st.builds(
    unit_pb2.UnitSpec,
    placement=st.none() | PLACEMENT,
    placement_policy=TEXT,
    override_policies=st.lists(TEXT, max_size=2),
    overrides=st.lists(OVERRIDE, max_size=2),
    propagation=st.none()
    | st.builds(unit_pb2.Propagation, conflict=st.integers(0, 3), drift=st.integers(0, 3), deletion=st.integers(0, 2)),
    resources=st.lists(
        OBJECT.map(
            lambda value: common_pb2.Manifest(
                json=json.dumps({**value, "kind": "X"}, ensure_ascii=False, separators=(",", ":")).encode()
            )
        ),
        max_size=2,
    ),
)


@given(SPEC)
def test_any_spec_survives_being_written_and_read(message: unit_pb2.UnitSpec) -> None:
    findings = Findings()
    written = json.loads(json.dumps(write_message(message)))
    assert read_message(unit_pb2.UnitSpec, written, (), findings) == message
    assert findings.problems == []


def test_policies_survive_being_written_and_read() -> None:
    for policy in (
        policy_pb2.PlacementPolicy(
            name="placementPolicies/p",
            labels={"a": "b"},
            etag="1",
            spec=placement_pb2.Placement(clusters=placement_pb2.ClusterNames(names=["x"])),
        ),
        policy_pb2.OverridePolicy(
            name="overridePolicies/o",
            spec=policy_pb2.OverridePolicySpec(overrides=[override_pb2.Override(labels={"a": "b"})]),
        ),
    ):
        found, problems = read(write_document(policy))
        assert problems == []
        assert found == policy


EVERY_RULE: dict[str, Any] = {
    "clusterSelector": {"matchLabels": {"tier": "prod"}},
    "exclude": {"fields": [{"field": "zone", "operator": "In", "values": ["eu-1a"]}]},
    "replicas": {
        "mode": "Divided",
        "strategy": "Overflow",
        "clusters": [
            {"fields": [{"field": "provider", "operator": "In", "values": ["metal"]}], "max": 8, "tier": 1},
        ],
        "movement": "Steady",
        "withinCapacity": False,
    },
    "fields": [{"field": "region", "operator": "NotIn", "values": ["us"]}],
    "groups": [
        {"name": "home", "clusters": {"names": ["eu-1"]}, "overflow": [{"names": ["eu-2"]}]},
        {"name": "away", "clusters": {"selector": {"matchLabels": {"spare": "yes"}}}},
    ],
    "groupReturn": {"mode": "After", "stableSeconds": 300},
    "kubernetes": {"atLeast": "1.25", "below": "1.37"},
    "conditions": [{"type": "Ready", "status": "True"}],
    "jurisdictions": ["EU", "CH"],
    "data": [{"dataset": "orders", "access": "Read", "maxLagSeconds": 60}],
    "follows": ["shop/db"],
    "affinities": [
        {"mode": "Apart", "units": {"names": ["shop/db-standby"]}, "by": "region"},
        {"mode": "Together", "units": {"selector": {"matchLabels": {"app": "cache"}}}, "by": "zone", "weight": 10},
    ],
    "spread": [
        {"by": "region", "minGroups": 2, "maxGroups": 3},
        {"by": "label", "labelKey": "rack"},
    ],
    "preferences": [
        {"weight": 50, "nearRegions": ["eu"]},
        {"weight": 20, "cheap": True},
        {"weight": 10, "score": "carbon"},
    ],
    "stability": {"stickiness": 50, "replaceOn": ["Intent", "Capacity"], "cooldownSeconds": 600},
}


def test_every_rule_of_a_placement_is_read_and_written_as_it_was() -> None:
    unit, problems = read(spec(placement=EVERY_RULE))

    assert problems == []
    assert isinstance(unit, unit_pb2.Unit)
    assert write_message(unit.spec.placement) == EVERY_RULE


@pytest.mark.parametrize("value", [[], None])
def test_an_empty_list_of_jurisdictions_is_not_an_absent_one(value: list[str] | None) -> None:
    unit, problems = read(spec(placement={"clusterSelector": {}, "jurisdictions": value}))

    assert problems == []
    assert isinstance(unit, unit_pb2.Unit)
    assert unit.spec.placement.HasField("jurisdictions") is (value is not None)


WRONG_RULES = [
    pytest.param({"spread": [{"by": "continent"}]}, ("spread", 0, "by"), "none of: cluster, zone", id="topology"),
    pytest.param({"spreads": []}, ("spreads",), "did you mean 'spread'?", id="unknown field"),
    pytest.param({"groupReturn": {"mode": "Later"}}, ("groupReturn", "mode"), "Never, Immediate, After", id="word"),
    pytest.param({"jurisdictions": "EU"}, ("jurisdictions",), "a list is wanted", id="no list"),
    pytest.param(
        {"stability": {"replaceOn": ["Whim"]}}, ("stability", "replaceOn", 0), "none of: Intent", id="trigger"
    ),
]


@pytest.mark.parametrize(("fields", "path", "text"), WRONG_RULES)
def test_a_wrong_rule_is_told_with_its_path(fields: dict[str, Any], path: tuple[str | int, ...], text: str) -> None:
    _, problems = read(spec(placement=fields))

    ((found, message),) = problems
    assert found == ("spec", "placement", *path)
    assert text in message
