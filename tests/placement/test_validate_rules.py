"""What is refused of the rules of a placement, where, and in which words."""

from dataclasses import replace

import pytest

from fedsvc_placement import (
    AffinityGroup,
    ClusterMatcher,
    ClusterPreference,
    ConditionRequirement,
    DataAnchor,
    FieldRequirement,
    GroupReturnPolicy,
    LabelSelector,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Stability,
    UnitAffinity,
    UnitMatcher,
    VersionRange,
    validate,
)

ALL = Placement(cluster_selector=LabelSelector())
DB = UnitMatcher(names=("shop/db",))
GROUP = AffinityGroup(name="onprem", overflow=(ClusterMatcher(names=("aws-1",)),))


def fields(**changes: object) -> Placement:
    entry = replace(FieldRequirement(field="region", operator="In", values=("eu",)), **changes)  # type: ignore[arg-type]  # a table's row
    return replace(ALL, fields=(entry,))


def spread(**changes: object) -> Placement:
    return replace(ALL, spread=(replace(SpreadConstraint(), **changes),))  # type: ignore[arg-type]  # a table's row


def affinity(**changes: object) -> Placement:
    entry = replace(UnitAffinity(mode="Apart", units=DB), **changes)  # type: ignore[arg-type]  # a table's row
    return replace(ALL, affinities=(entry,))


def preference(**parts: object) -> Placement:
    return replace(ALL, preferences=(ClusterPreference(**{"weight": 1, **parts}),))  # type: ignore[arg-type]  # a table's row


def versions(at_least: str = "", below: str = "") -> Placement:
    return replace(ALL, kubernetes=VersionRange(at_least=at_least, below=below))


@pytest.mark.parametrize(
    ("placement", "path", "words"),
    [
        (
            fields(field="Region"),
            "fields[0].field",
            "'Region' is not one of provider, region, zone; did you mean region?",
        ),
        (fields(operator="in"), "fields[0].operator", "did you mean In?"),
        (fields(values=()), "fields[0].values", "operator In needs at least one value"),
        (fields(operator="Exists"), "fields[0].values", "takes no values"),
        (fields(values=("",)), "fields[0].values[0]", "use operator DoesNotExist"),
        (replace(fields(), cluster_selector=None), "fields", "`clusterSelector: {}` selects all"),
        (
            replace(ALL, exclude=ClusterMatcher(fields=(FieldRequirement(field="zone", operator="In"),))),
            "exclude.fields[0].values",
            "needs at least one value",
        ),
        (Placement(groups=(AffinityGroup(name="a"),)), "groups", "`clusterSelector: {}` selects all"),
        (replace(ALL, groups=(AffinityGroup(name=""),)), "groups[0].name", "is empty"),
        (
            replace(ALL, groups=(AffinityGroup(name="a"), AffinityGroup(name="a"))),
            "groups",
            "group name 'a' is given more than once",
        ),
        (
            replace(ALL, groups=(AffinityGroup(name="a", clusters=ClusterMatcher(names=("A",))),)),
            "groups[0].clusters.names[0]",
            "only lower-case letters",
        ),
        (replace(ALL, groups=(GROUP,)), "groups[0].overflow", "set replicas.mode: Divided"),
        (
            replace(ALL, groups=(GROUP,), replicas=ReplicaPolicy(mode="Divided")),
            "groups[0].overflow",
            "strategy Capacity, Aggregated or Overflow",
        ),
        (
            replace(ALL, groups=(AffinityGroup(name="a"),), group_return=GroupReturnPolicy(mode="Later")),
            "groupReturn.mode",
            "'Later' is not one of Never, Immediate, After",
        ),
        (
            replace(ALL, groups=(AffinityGroup(name="a"),), group_return=GroupReturnPolicy(stable_seconds=5)),
            "groupReturn.stableSeconds",
            "has no effect with mode Never",
        ),
        (
            replace(
                ALL, groups=(AffinityGroup(name="a"),), group_return=GroupReturnPolicy(mode="After", stable_seconds=-1)
            ),
            "groupReturn.stableSeconds",
            "is -1, must be from 0",
        ),
        (replace(ALL, group_return=GroupReturnPolicy(mode="Immediate")), "groupReturn", "has no effect without groups"),
        (versions(), "kubernetes", "limits nothing"),
        (versions("v1.30"), "kubernetes.atLeast", "write major and minor alone, such as 1.30"),
        (versions("1.30.2"), "kubernetes.atLeast", "'1.30.2' is not a version"),
        (versions("1.30", "1.30"), "kubernetes.below", "must be more than atLeast, 1.30"),
        (versions("1.9", "1.10"), "", ""),
        (replace(ALL, conditions=(ConditionRequirement(type=""),)), "conditions[0].type", "is empty"),
        (
            replace(ALL, conditions=(ConditionRequirement(type="Ready", status="true"),)),
            "conditions[0].status",
            "'true' is not one of True, False, Unknown",
        ),
        (
            replace(ALL, conditions=(ConditionRequirement(type="Ready"),) * 2),
            "conditions",
            "condition 'Ready' is given",
        ),
        (replace(ALL, jurisdictions=("",)), "jurisdictions[0]", "is empty"),
        (replace(ALL, jurisdictions=("EU", "EU")), "jurisdictions", "jurisdiction 'EU' is given more than once"),
        (replace(ALL, data=(DataAnchor(dataset="", access="Read"),)), "data[0].dataset", "is empty"),
        (
            replace(ALL, data=(DataAnchor(dataset="d", access="write"),)),
            "data[0].access",
            "'write' is not one of Read, Write; did you mean Write?",
        ),
        (
            replace(ALL, data=(DataAnchor(dataset="d", access="Write", max_lag_seconds=1),)),
            "data[0].maxLagSeconds",
            "only the primary serves",
        ),
        (
            replace(ALL, data=(DataAnchor(dataset="d", access="Read", max_lag_seconds=-1),)),
            "data[0].maxLagSeconds",
            "is -1",
        ),
        (Placement(follows=("web",)), "follows[0]", "'web' is not a unit; write namespace and name"),
        (Placement(follows=("shop/db", "shop/db")), "follows", "unit 'shop/db' is given more than once"),
        (affinity(mode="Near"), "affinities[0].mode", "'Near' is not one of Together, Apart"),
        (affinity(units=UnitMatcher()), "affinities[0].units", "says nothing"),
        (affinity(units=UnitMatcher(names=("a/b/c",))), "affinities[0].units.names[0]", "'a/b/c' is not a unit"),
        (affinity(by="Region"), "affinities[0].by", "did you mean region?"),
        (affinity(weight=0), "affinities[0].weight", "is 0, must be from 1 to 100"),
        (affinity(weight=101), "affinities[0].weight", "is 101, must be from 1 to 100"),
        (spread(by="rack"), "spread[0].by", "'rack' is not one of cluster, zone, region, provider, label"),
        (spread(by="label"), "spread[0].labelKey", "must be given with by: label"),
        (spread(by="label", label_key="-"), "spread[0].labelKey", "'-' is not a key"),
        (spread(label_key="rack"), "spread[0].labelKey", "has no effect with by: cluster"),
        (spread(min_groups=0), "spread[0].minGroups", "is 0, must be from 1"),
        (spread(max_groups=0), "spread[0].maxGroups", "is 0, must be from 1"),
        (spread(min_groups=3, max_groups=2), "spread[0].minGroups", "is 3, more than maxGroups, which is 2"),
        (
            preference(),
            "preferences[0]",
            "has none of its parts; give exactly one of clusters, nearRegions, cheap, score",
        ),
        (preference(cheap=True, score="carbon"), "preferences[0]", "has cheap and score; give exactly one"),
        (preference(weight=0, cheap=True), "preferences[0].weight", "is 0, must be from 1 to 100"),
        (preference(near_regions=("",)), "preferences[0].nearRegions[0]", "is empty"),
        (preference(clusters=ClusterMatcher(names=("A",))), "preferences[0].clusters.names[0]", "only lower-case"),
        (replace(ALL, stability=Stability(stickiness=-1)), "stability.stickiness", "is -1, must be from 0"),
        (
            replace(ALL, stability=Stability(replace_on=("Joined",))),
            "stability.replaceOn[0]",
            "'Joined' is not one of Intent, Labels, ClusterJoined",
        ),
        (replace(ALL, stability=Stability(cooldown_seconds=-1)), "stability.cooldownSeconds", "is -1"),
        (
            replace(ALL, replicas=ReplicaPolicy(mode="Divided", movement="Slow")),
            "replicas.movement",
            "'Slow' is not one of Steady, Fresh",
        ),
        (
            replace(ALL, replicas=ReplicaPolicy(mode="Divided", clusters=(ReplicaRule(tier=1),))),
            "replicas.clusters[0].tier",
            "has no effect with strategy Weighted",
        ),
    ],
)
def test_a_wrong_rule_is_refused_with_path_and_reason(placement: Placement, path: str, words: str) -> None:
    problems = validate(placement)
    assert [problem.path for problem in problems] == ([f"placement.{path}"] if path else [])
    assert not problems or words in problems[0].message


def test_a_placement_that_uses_every_rule_is_accepted() -> None:
    placement = replace(
        ALL,
        fields=(FieldRequirement(field="zone", operator="Exists"),),
        groups=(GROUP, AffinityGroup(name="cloud")),
        group_return=GroupReturnPolicy(mode="After", stable_seconds=0),
        kubernetes=VersionRange(at_least="1.29"),
        conditions=(ConditionRequirement(type="Ready"),),
        jurisdictions=(),
        data=(DataAnchor(dataset="orders", access="Read", max_lag_seconds=0),),
        follows=("shop/db",),
        affinities=(
            UnitAffinity(mode="Together", units=UnitMatcher(selector=LabelSelector()), by="label", label_key="rack"),
        ),
        spread=(SpreadConstraint(by="zone", min_groups=2, max_groups=2), SpreadConstraint(max_groups=4)),
        preferences=(ClusterPreference(weight=100, score="carbon"), ClusterPreference(weight=1, cheap=True)),
        replicas=ReplicaPolicy(mode="Divided", strategy="Overflow", clusters=(ReplicaRule(tier=0),)),
        stability=Stability(replace_on=(), cooldown_seconds=60),
    )
    assert validate(placement) == []
