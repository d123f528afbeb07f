"""What is refused, where, and in which words."""

import pytest

from fedsvc_placement import (
    ClusterMatcher,
    LabelRequirement,
    LabelSelector,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    Taint,
    Toleration,
    validate,
    validate_labels,
    validate_taints,
)


def expressions(*requirements: LabelRequirement) -> Placement:
    return Placement(cluster_selector=LabelSelector(match_expressions=requirements))


def divided(rule: ReplicaRule) -> Placement:
    return Placement(replicas=ReplicaPolicy(mode="Divided", clusters=(rule,)))


RULE = "placement.replicas.clusters[0]"
EXPRESSION = "placement.clusterSelector.matchExpressions[0]"
TOLERATION = "placement.tolerations[0]"


@pytest.mark.parametrize(
    ("placement", "path", "words"),
    [
        pytest.param(
            Placement(clusters=("a", "b", "a")), "placement.clusters", "'a' is given more than once", id="twice"
        ),
        pytest.param(Placement(clusters=("a", "EU-1")), "placement.clusters[1]", "only lower-case letters", id="name"),
        pytest.param(Placement(clusters=("",)), "placement.clusters[0]", "'' cannot be a cluster's name", id="no name"),
        pytest.param(
            Placement(exclude=ClusterMatcher(names=("a", "a"))),
            "placement.exclude.names",
            "'a' is given more than once",
            id="excluded twice",
        ),
        pytest.param(
            Placement(exclude=ClusterMatcher(selector=LabelSelector(match_labels=(("-x", "y"),)))),
            "placement.exclude.selector.matchLabels[-x]",
            "'-x' is not a key",
            id="excluded label",
        ),
        pytest.param(
            Placement(cluster_selector=LabelSelector(match_labels=(("Example.com/x", "y"),))),
            "placement.clusterSelector.matchLabels[Example.com/x]",
            "must be a DNS name in lower case",
            id="label prefix",
        ),
        pytest.param(
            Placement(cluster_selector=LabelSelector(match_labels=(("x", "a b"),))),
            "placement.clusterSelector.matchLabels[x]",
            "'a b' is not a value",
            id="label value",
        ),
        pytest.param(
            Placement(cluster_selector=LabelSelector(match_labels=(("x", "a"), ("x", "b")))),
            "placement.clusterSelector.matchLabels",
            "label key 'x' is given more than once",
            id="label key twice",
        ),
        pytest.param(
            expressions(LabelRequirement(key="x", operator="in", values=("a",))),
            f"{EXPRESSION}.operator",
            "'in' is not one of In, NotIn, Exists, DoesNotExist; did you mean In?",
            id="operator",
        ),
        pytest.param(
            expressions(LabelRequirement(key="x", operator="Gt")), f"{EXPRESSION}.operator", "'Gt' is not", id="Gt"
        ),
        pytest.param(
            expressions(LabelRequirement(key="x", operator="In")),
            f"{EXPRESSION}.values",
            "at least one",
            id="In nothing",
        ),
        pytest.param(
            expressions(LabelRequirement(key="x", operator="Exists", values=("a",))),
            f"{EXPRESSION}.values",
            "takes no values",
            id="Exists with values",
        ),
        pytest.param(
            expressions(LabelRequirement(key="", operator="Exists")),
            f"{EXPRESSION}.key",
            "'' is not a key",
            id="no key",
        ),
        pytest.param(
            expressions(LabelRequirement(key="x", operator="In", values=("a", "-"))),
            f"{EXPRESSION}.values[1]",
            "'-' is not a value",
            id="expression value",
        ),
        pytest.param(
            Placement(tolerations=(Toleration(key="x", operator="Is"),)),
            f"{TOLERATION}.operator",
            "'Is' is not one of Equal, Exists",
            id="toleration operator",
        ),
        pytest.param(
            Placement(tolerations=(Toleration(),)), f"{TOLERATION}.key", "or operator be Exists", id="toleration key"
        ),
        pytest.param(
            Placement(tolerations=(Toleration(key="x", operator="Exists", value="y"),)),
            f"{TOLERATION}.value",
            "must be empty with operator Exists",
            id="Exists with value",
        ),
        pytest.param(
            Placement(tolerations=(Toleration(key="x", effect="NoSchedul"),)),
            f"{TOLERATION}.effect",
            "did you mean NoSchedule?",
            id="toleration effect",
        ),
        pytest.param(
            Placement(tolerations=(Toleration(key="x", toleration_seconds=5),)),
            f"{TOLERATION}.tolerationSeconds",
            "set effect: NoExecute",
            id="seconds without NoExecute",
        ),
        pytest.param(
            Placement(replicas=ReplicaPolicy(mode="divided")),
            "placement.replicas.mode",
            "'divided' is not one of Duplicated, Divided; did you mean Divided?",
            id="mode",
        ),
        pytest.param(
            Placement(replicas=ReplicaPolicy(mode="Divided", strategy="Dynamic")),
            "placement.replicas.strategy",
            "'Dynamic' is not one of Weighted",
            id="strategy",
        ),
        pytest.param(
            Placement(replicas=ReplicaPolicy(total=-1)), "placement.replicas.total", "is -1, must be from 0", id="total"
        ),
        pytest.param(
            Placement(replicas=ReplicaPolicy(clusters=(ReplicaRule(),))),
            "placement.replicas.clusters",
            "set mode: Divided",
            id="rules without division",
        ),
        pytest.param(
            divided(ReplicaRule(min=3, max=2)), f"{RULE}.min", "is 3, more than max, which is 2", id="min > max"
        ),
        pytest.param(divided(ReplicaRule(min=-1)), f"{RULE}.min", "is -1, must be from 0", id="negative min"),
        pytest.param(divided(ReplicaRule(max=-1)), f"{RULE}.max", "is -1, must be from 0", id="negative max"),
        pytest.param(divided(ReplicaRule(weight=-1)), f"{RULE}.weight", "is -1, must be from 0", id="negative weight"),
        pytest.param(divided(ReplicaRule(weight=2**31)), f"{RULE}.weight", "to 2147483647", id="huge weight"),
        pytest.param(
            divided(ReplicaRule(clusters=ClusterMatcher(names=("a_b",)))), f"{RULE}.names[0]", "'a_b'", id="rule's name"
        ),
    ],
)
def test_a_wrong_placement_is_refused_with_path_and_reason(placement: Placement, path: str, words: str) -> None:
    problems = validate(placement)
    assert [problem.path for problem in problems] == [path]
    assert words in problems[0].message


def test_all_problems_are_told_at_once_under_the_path_of_the_document() -> None:
    placement = Placement(clusters=("A",), replicas=ReplicaPolicy(mode="x", total=-2))
    assert [problem.path for problem in validate(placement, "spec.placement")] == [
        "spec.placement.clusters[0]",
        "spec.placement.replicas.mode",
        "spec.placement.replicas.total",
    ]


def test_what_kubernetes_accepts_is_accepted() -> None:
    placement = Placement(
        clusters=("eu-1", "a.b-c.d", "1"),
        cluster_selector=LabelSelector(
            match_labels=(("topology.kubernetes.io/region", "eu_West.1"), ("x", "")),
            match_expressions=(LabelRequirement(key="a" * 63, operator="NotIn", values=("", "b" * 63)),),
        ),
        exclude=ClusterMatcher(names=(), selector=LabelSelector()),
        tolerations=(
            Toleration(operator="Exists"),
            Toleration(key="x", value="y", effect="NoExecute", toleration_seconds=-1),
        ),
        replicas=ReplicaPolicy(mode="Divided", clusters=(ReplicaRule(weight=0, min=2, max=2),)),
    )
    assert validate(placement) == []


@pytest.mark.parametrize(
    ("key", "value"), [("a" * 64, "x"), ("x", "b" * 64), ("/x", "y"), ("a/b/c", "y"), ("x.", "y"), ("x\n", "y")]
)
def test_labels_that_kubernetes_refuses_are_refused(key: str, value: str) -> None:
    assert [problem.path for problem in validate_labels({key: value}, "labels")] == [f"labels[{key}]"]


def test_taints_are_checked_with_their_place() -> None:
    taints = (
        Taint(key="x", effect="NoSchedule"),
        Taint(key="x", value="y", effect="NoSchedule"),
        Taint(key="x", value="a b", effect="NoExec"),
    )
    assert [problem.path for problem in validate_taints(taints, "taints")] == [
        "taints[2].value",
        "taints[2].effect",
        "taints",
    ]
