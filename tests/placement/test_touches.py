"""Which changes of a cluster are worth a new decision."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from fedsvc_placement import (
    ApiKind,
    Capacity,
    ClusterMatcher,
    ClusterPreference,
    ClusterSnapshot,
    ConditionRequirement,
    Cost,
    ExternalScore,
    LabelSelector,
    NodeShape,
    PlacedUnit,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Taint,
    Toleration,
    UnitAffinity,
    UnitMatcher,
    VersionRange,
    touches,
    touches_unit,
)

PROD = LabelSelector(match_labels=(("tier", "prod"),))
CLUSTER = ClusterSnapshot(name="a", labels={"tier": "prod"})
OTHER = ClusterSnapshot(name="a", labels={"tier": "dev"})
BY_LABEL = Placement(cluster_selector=PROD)
BY_NAME = Placement(clusters=("a",))
DIVIDED = Placement(
    cluster_selector=PROD,
    replicas=ReplicaPolicy(
        mode="Divided",
        clusters=(
            ReplicaRule(clusters=ClusterMatcher(selector=LabelSelector(match_labels=(("big", "yes"),))), weight=2),
        ),
    ),
)
BEARING = replace(BY_LABEL, tolerations=(Toleration(key="t", operator="Exists"),))
BEARING_A_WHILE = replace(
    BY_LABEL, tolerations=(Toleration(key="t", operator="Exists", effect="NoExecute", toleration_seconds=60),)
)
EVICTING = replace(CLUSTER, taints=(Taint(key="t", effect="NoExecute"),))
BIG = replace(CLUSTER, labels={"tier": "prod", "big": "yes"})
ROOMY = replace(CLUSTER, capacity=Capacity(nodes=(NodeShape(count=1, allocatable={"pods": 9}, free={"pods": 5}),)))
ROOM = replace(BY_LABEL, replicas=ReplicaPolicy(mode="Divided", strategy="Capacity"))
COSTLY = replace(
    CLUSTER, cost=Cost(micros_per_core=1, micros_per_gib=1), scores=(ExternalScore(name="carbon", value=3),)
)
EUROPEAN = replace(CLUSTER, region="eu")
SPREAD = replace(BY_LABEL, spread=(SpreadConstraint(by="region"),))
NEAR = replace(
    BY_LABEL, affinities=(UnitAffinity(mode="Together", units=UnitMatcher(names=("shop/db",)), by="region"),)
)


def preferring(**part: Any) -> Placement:
    return replace(BY_LABEL, preferences=(ClusterPreference(weight=1, **part),))


@pytest.mark.parametrize(
    ("placement", "before", "after", "expected"),
    [
        pytest.param(BY_LABEL, None, CLUSTER, True, id="a matching cluster joins"),
        pytest.param(BY_LABEL, None, OTHER, False, id="another cluster joins"),
        pytest.param(BY_LABEL, CLUSTER, None, True, id="a matching cluster goes"),
        pytest.param(BY_LABEL, OTHER, None, False, id="another cluster goes"),
        pytest.param(BY_LABEL, OTHER, CLUSTER, True, id="a label begins to match"),
        pytest.param(BY_LABEL, CLUSTER, BIG, False, id="a label that nobody looks at"),
        pytest.param(DIVIDED, CLUSTER, BIG, True, id="a label that a replica rule looks at"),
        pytest.param(BY_NAME, CLUSTER, OTHER, False, id="labels of a named cluster"),
        pytest.param(BY_NAME, None, replace(CLUSTER, deleting=True), True, id="a name becomes known"),
        pytest.param(
            Placement(clusters=("b",), exclude=ClusterMatcher(names=("a",))),
            CLUSTER,
            None,
            True,
            id="a name is unknown",
        ),
        pytest.param(BY_LABEL, CLUSTER, replace(CLUSTER, deleting=True), True, id="begins to leave"),
        pytest.param(BY_LABEL, CLUSTER, replace(CLUSTER, ready=False), False, id="readiness"),
        pytest.param(BY_LABEL, CLUSTER, EVICTING, True, id="a taint"),
        pytest.param(BEARING, CLUSTER, EVICTING, False, id="a tolerated taint"),
        pytest.param(BEARING_A_WHILE, CLUSTER, EVICTING, True, id="a taint tolerated for a while"),
        pytest.param(
            BEARING_A_WHILE,
            EVICTING,
            replace(CLUSTER, taints=(replace(EVICTING.taints[0], time_added=datetime(2026, 1, 1, tzinfo=UTC)),)),
            True,
            id="the time of a taint",
        ),
        pytest.param(BY_LABEL, OTHER, replace(OTHER, taints=EVICTING.taints), False, id="a taint elsewhere"),
        pytest.param(BY_LABEL, None, None, False, id="nothing"),
        pytest.param(BY_LABEL, CLUSTER, ROOMY, False, id="room that nobody counts"),
        pytest.param(ROOM, CLUSTER, ROOMY, True, id="room that is counted"),
        pytest.param(ROOM, OTHER, replace(OTHER, capacity=ROOMY.capacity), True, id="room that head-room counts"),
        pytest.param(BY_LABEL, CLUSTER, COSTLY, False, id="cost and scores that nobody looks at"),
        pytest.param(preferring(cheap=True), CLUSTER, COSTLY, True, id="cost"),
        pytest.param(preferring(score="carbon"), CLUSTER, COSTLY, True, id="a score"),
        pytest.param(preferring(score="other"), CLUSTER, COSTLY, False, id="another score"),
        pytest.param(preferring(near_regions=("eu",)), CLUSTER, EUROPEAN, True, id="distance"),
        pytest.param(SPREAD, CLUSTER, EUROPEAN, True, id="a group of a spread constraint"),
        pytest.param(NEAR, OTHER, replace(OTHER, region="eu"), True, id="where other units may be"),
        pytest.param(BY_LABEL, CLUSTER, EUROPEAN, False, id="a region that nobody looks at"),
        pytest.param(
            replace(BY_LABEL, jurisdictions=("EU",)), CLUSTER, replace(CLUSTER, jurisdiction="EU"), True, id="a law"
        ),
        pytest.param(
            replace(BY_LABEL, jurisdictions=("EU",)), CLUSTER, replace(CLUSTER, jurisdiction="US"), False, id="no law"
        ),
        pytest.param(
            replace(BY_LABEL, kubernetes=VersionRange(at_least="1.30")),
            replace(CLUSTER, kubernetes_version="v1.29.9"),
            replace(CLUSTER, kubernetes_version="v1.30.0"),
            True,
            id="an upgrade into the range",
        ),
        pytest.param(
            replace(BY_LABEL, kubernetes=VersionRange(at_least="1.30")),
            replace(CLUSTER, kubernetes_version="v1.30.0"),
            replace(CLUSTER, kubernetes_version="v1.31.0"),
            False,
            id="an upgrade within the range",
        ),
        pytest.param(
            replace(BY_LABEL, conditions=(ConditionRequirement(type="Ready"),)),
            CLUSTER,
            replace(CLUSTER, conditions={"Ready": "True"}),
            True,
            id="a required condition",
        ),
        pytest.param(BY_LABEL, CLUSTER, replace(CLUSTER, kinds=frozenset()), True, id="kinds, needs unknown"),
    ],
)
def test_touches(
    placement: Placement,
    before: ClusterSnapshot | None,
    after: ClusterSnapshot | None,
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert touches(placement, before, after) is expected


def test_kinds_that_a_unit_does_not_need_do_not_touch_it() -> None:
    route = ApiKind(group="x.io", version="v1", kind="Route")
    before, after = replace(CLUSTER, kinds=frozenset()), replace(CLUSTER, kinds=frozenset({route}))
    assert not touches(BY_LABEL, before, after, ())
    assert touches(BY_LABEL, before, after, (route,))


def test_other_units_touch_those_that_follow_them_or_mind_them() -> None:
    db = PlacedUnit(key="shop/db", clusters=("a",))
    moved = replace(db, clusters=("b",))
    assert touches_unit(Placement(follows=("shop/db",)), "shop/web", db, moved)
    assert touches_unit(NEAR, "shop/web", db, None)
    assert not touches_unit(NEAR, "shop/db", db, moved)
    assert not touches_unit(BY_LABEL, "shop/web", db, moved)
    assert not touches_unit(NEAR, "shop/web", db, replace(db, labels={"x": "y"}))
