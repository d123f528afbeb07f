"""Which changes of a cluster are worth a new decision."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fedsvc_placement import (
    ClusterMatcher,
    ClusterSnapshot,
    LabelSelector,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    Taint,
    Toleration,
    touches,
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
    ],
)
def test_touches(
    placement: Placement,
    before: ClusterSnapshot | None,
    after: ClusterSnapshot | None,
    expected: bool,  # noqa: FBT001 - a table's column
) -> None:
    assert touches(placement, before, after) is expected
