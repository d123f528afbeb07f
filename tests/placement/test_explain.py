"""The words of decisions, and the record that is kept."""

import json
from datetime import UTC, datetime, timedelta

from fedsvc_placement import (
    ClusterMatcher,
    ClusterSnapshot,
    Fleet,
    LabelSelector,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    Taint,
    Toleration,
    UnitInput,
    WorkloadInput,
    decide,
    explain_lines,
    to_dict,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PROD = (("tier", "prod"),)
WEB = "apps/Deployment/shop/web"


def region(name: str) -> ClusterMatcher:
    return ClusterMatcher(selector=LabelSelector(match_labels=(("region", name),)))


def test_every_kind_of_line_of_a_divided_unit() -> None:
    unreachable = Taint(key="unreachable", effect="NoExecute", time_added=NOW - timedelta(seconds=100))
    fleet = (
        ClusterSnapshot(name="ap-1", labels={"tier": "prod"}, taints=(Taint(key="slow", effect="PreferNoSchedule"),)),
        ClusterSnapshot(name="eu-1", labels={"tier": "prod", "region": "eu"}),
        ClusterSnapshot(name="eu-2", labels={"tier": "dev", "region": "eu"}, deleting=True),
        ClusterSnapshot(name="eu-3", labels={"tier": "prod", "region": "eu"}, taints=(unreachable,)),
        ClusterSnapshot(name="eu-4", labels={"tier": "prod", "region": "eu"}, taints=(unreachable,)),
        ClusterSnapshot(
            name="us-1", labels={"tier": "prod", "region": "us"}, taints=(Taint(key="full", effect="NoScheduleNew"),)
        ),
        ClusterSnapshot(name="us-2", labels={"tier": "prod", "region": "us"}),
        ClusterSnapshot(
            name="us-3",
            labels={"tier": "prod", "region": "us"},
            taints=(Taint(key="maintenance", value="tonight", effect="NoSchedule"),),
        ),
    )
    unit = UnitInput(
        key="shop/shop",
        placement=Placement(
            cluster_selector=LabelSelector(match_labels=PROD),
            exclude=ClusterMatcher(names=("us-2", "mars")),
            tolerations=(Toleration(key="unreachable", operator="Exists", effect="NoExecute", toleration_seconds=300),),
            replicas=ReplicaPolicy(
                mode="Divided",
                clusters=(
                    ReplicaRule(clusters=region("eu"), weight=2, min=1, max=4),
                    ReplicaRule(clusters=region("us")),
                ),
            ),
        ),
        workloads=(WorkloadInput(key=WEB, replicas=12),),
    )
    previous = (
        PreviousBinding(cluster="eu-2", replicas={WEB: 1}),
        PreviousBinding(cluster="eu-3", replicas={WEB: 4}),
        PreviousBinding(cluster="us-1", replicas={WEB: 2}),
    )
    assert list(explain_lines(decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW))) == [
        (
            "ap-1: chosen (LabelsMatch): its labels match placement.clusterSelector; "
            "apps/Deployment/shop/web 0 replicas (no replica rule matches); score -1: taint slow:PreferNoSchedule; new"
        ),
        (
            "eu-1: chosen (LabelsMatch): its labels match placement.clusterSelector; "
            "apps/Deployment/shop/web 4 replicas (weight 2, min 1, max 4); new"
        ),
        (
            "eu-2: not chosen (LabelsDoNotMatch): label tier is dev, not prod; "
            "also (ClusterLeaving): the cluster is being unregistered; the unit leaves it"
        ),
        (
            "eu-3: chosen (LabelsMatch): its labels match placement.clusterSelector; "
            "apps/Deployment/shop/web 4 replicas (weight 2, min 1, max 4); "
            "taint unreachable:NoExecute is tolerated until 2026-03-01T12:03:20Z; stays"
        ),
        (
            "eu-4: not chosen (TolerationLimited): taint unreachable:NoExecute is tolerated for a time, "
            "which brings nothing new"
        ),
        (
            "us-1: chosen (LabelsMatch): its labels match placement.clusterSelector; "
            "apps/Deployment/shop/web 2 replicas (weight 1, held at 2); "
            "taint full:NoScheduleNew keeps new units away, this one is here already; stays"
        ),
        "us-2: not chosen (Excluded): placement.exclude matches it",
        "us-3: not chosen (TaintNotTolerated): taint maintenance=tonight:NoSchedule is not tolerated",
        (
            "unit: shortfall (HeldByTaint) of apps/Deployment/shop/web: 2 of 12 replicas found no place: "
            "NoScheduleNew taints hold clusters at what they have"
        ),
        "unit: warning (UnknownClusters): placement.exclude.names names clusters that are not registered: mars",
        "unit: decided again at 2026-03-01T12:03:20Z, when a toleration ends",
    ]


def test_a_unit_without_placement() -> None:
    unit = UnitInput(key="u", placement=Placement(), workloads=(WorkloadInput(key=WEB, replicas=1),))
    assert list(explain_lines(decide(unit, Fleet(clusters=(ClusterSnapshot(name="a"),)), [], NOW))) == [
        "a: not chosen (NoPlacement): the placement has neither clusters nor clusterSelector",
        (
            "unit: no cluster is chosen (NoPlacement): the placement has neither clusters nor clusterSelector; "
            "`clusterSelector: {}` selects all"
        ),
        "unit: shortfall (NoCluster) of apps/Deployment/shop/web: 1 of 1 replicas found no place: no cluster is chosen",
    ]


def test_the_steps_of_a_division_tell_its_numbers() -> None:
    rules = (ReplicaRule(clusters=ClusterMatcher(names=("a",)), min=2, max=3), ReplicaRule(max=4))
    placement = Placement(cluster_selector=LabelSelector(), replicas=ReplicaPolicy(mode="Divided", clusters=rules))
    unit = UnitInput(key="u", placement=placement, workloads=(WorkloadInput(key=WEB, replicas=9),))
    decision = decide(unit, Fleet(clusters=tuple([ClusterSnapshot(name=name) for name in "ab"])), [], NOW)
    assert list(decision.divisions[0].steps) == [
        "9 replicas over all clusters, from the template",
        "minimums take 2",
        "weights divide 5 over 2 clusters by Webster's method, ties by hash",
        "2 found no place: every cluster that has a weight is at its maximum",
    ]


def test_the_record_of_a_small_decision() -> None:
    """Kept records are read by later releases: after a change here `from_dict` must read the old form too.

    The digest changes only with `ENGINE_VERSION`.
    """
    placement = Placement(clusters=("a",))
    unit = UnitInput(key="u", placement=placement, workloads=(WorkloadInput(key=WEB, replicas=2),))
    assert json.loads(json.dumps(to_dict(decide(unit, Fleet(clusters=(ClusterSnapshot(name="a"),)), [], NOW)))) == {
        "unit": "u",
        "inputs_digest": "a474db09a2af3fb0dafa7e4f4f0c369db623c2a4df7f8b63beeb7ea64d5fa141",
        "clusters": [
            {
                "cluster": "a",
                "chosen": True,
                "bound": False,
                "verdicts": [
                    {
                        "rule": "Selection",
                        "passed": True,
                        "reason": "Named",
                        "message": "placement.clusters names it",
                    },
                    {"rule": "Exclusion", "passed": True, "reason": "NotExcluded"},
                    {"rule": "Leaving", "passed": True, "reason": "NotLeaving"},
                    {"rule": "NoExecute", "passed": True, "reason": "NoTaints"},
                    {"rule": "NoSchedule", "passed": True, "reason": "NoTaints"},
                ],
                "replicas": {WEB: 2},
            }
        ],
        "targets": [{"cluster": "a", "replicas": {WEB: 2}}],
        "divisions": [
            {
                "workload": WEB,
                "mode": "Duplicated",
                "strategy": "Weighted",
                "movement": "Fresh",
                "wanted": 2,
                "placed": 2,
                "unplaced": 0,
                "unplaced_reason": "",
                "below_minimum": 0,
                "steps": ["2 replicas in each cluster, from the template"],
                "shares": [
                    {
                        "cluster": "a",
                        "weight": 1,
                        "min": 0,
                        "max": None,
                        "rule": None,
                        "held": False,
                        "replicas": 2,
                    }
                ],
            }
        ],
        "shortfall": [],
        "warnings": [],
        "reason": "",
        "message": "",
        "reconsider_at": None,
        "moves": [
            {
                "cluster": "a",
                "workload": "",
                "before": 0,
                "after": 1,
                "voluntary": False,
                "message": "it fits and is taken",
            }
        ],
    }
