"""Spread minimums are met by replicas, not by clusters that are chosen and get none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fedsvc_placement import (
    Capacity,
    ClusterMatcher,
    ClusterPreference,
    ClusterSnapshot,
    Decision,
    Fleet,
    LabelSelector,
    NodeShape,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Taint,
    UnitInput,
    WorkloadInput,
    decide,
)

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
TWO_REGIONS = SpreadConstraint(by="region", min_groups=2)


def cluster(name: str, region: str, pods: int) -> ClusterSnapshot:
    node = NodeShape(count=1, allocatable={"pods": 100}, free={"pods": pods})
    return ClusterSnapshot(name=name, region=region, capacity=Capacity(nodes=(node,)))


def placed(fleet: Fleet, placement: Placement, replicas: int = 6, before: Decision | None = None) -> Decision:
    unit = UnitInput(key="shop/web", placement=placement, workloads=(WorkloadInput(key="w", replicas=replicas),))
    targets = () if before is None else before.targets
    bindings = [PreviousBinding(cluster=target.cluster, replicas=target.replicas) for target in targets]
    return decide(unit, fleet, bindings, NOW)


def running(decision: Decision) -> dict[str, int]:
    return {target.cluster: target.replicas["w"] for target in decision.targets if target.replicas["w"]}


@pytest.mark.parametrize("strategy", ["Capacity", "Aggregated", "Overflow"])
def test_a_full_cluster_counts_for_no_group_however_well_it_scores(strategy: str) -> None:
    fleet = Fleet(clusters=(cluster("home", "home", 0), cluster("eu", "eu", 10), cluster("us", "us", 10)))
    placement = Placement(
        cluster_selector=LabelSelector(),
        spread=(SpreadConstraint(by="region", min_groups=2, max_groups=2),),
        preferences=(ClusterPreference(weight=100, clusters=ClusterMatcher(names=("home",))),),
        replicas=ReplicaPolicy(mode="Divided", strategy=strategy),
    )
    assert set(running(placed(fleet, placement))) == {"eu", "us"}


@pytest.mark.parametrize(
    "policy",
    [
        pytest.param(ReplicaPolicy(mode="Divided", strategy="Aggregated"), id="aggregated"),
        pytest.param(ReplicaPolicy(mode="Divided", strategy="Capacity"), id="capacity"),
        pytest.param(ReplicaPolicy(mode="Divided", strategy="Overflow"), id="overflow"),
        pytest.param(
            ReplicaPolicy(
                mode="Divided",
                clusters=(ReplicaRule(clusters=ClusterMatcher(names=("us",)), weight=90), ReplicaRule(weight=1)),
            ),
            id="weighted",
        ),
    ],
)
def test_as_many_groups_as_are_asked_for_get_replicas(policy: ReplicaPolicy) -> None:
    fleet = Fleet(clusters=(cluster("ap", "ap", 1), cluster("eu", "eu", 3), cluster("us", "us", 99)))
    placement = Placement(cluster_selector=LabelSelector(), spread=(TWO_REGIONS,), replicas=policy)
    first = placed(fleet, placement)
    assert sum(running(first).values()) == 6
    assert len(running(first)) >= 2
    assert first.spread[0].groups == tuple(sorted(running(first)))
    assert first.spread[0].missing == 0
    assert placed(fleet, placement, before=first).targets == first.targets


def test_a_group_that_only_full_clusters_are_in_is_missing() -> None:
    fleet = Fleet(clusters=(cluster("eu", "eu", 0), cluster("us", "us", 10)))
    policy = ReplicaPolicy(mode="Divided", strategy="Aggregated")
    decision = placed(fleet, Placement(cluster_selector=LabelSelector(), spread=(TWO_REGIONS,), replicas=policy))
    assert running(decision) == {"us": 6}
    assert (decision.spread[0].groups, decision.spread[0].missing) == (("us",), 1)


def test_several_minimums_are_met_by_the_same_replicas_where_they_can_be() -> None:
    fleet = Fleet(
        clusters=tuple(cluster(f"{region}-{index}", region, 20) for region in ("eu", "us") for index in range(3))
    )
    spread = (TWO_REGIONS, SpreadConstraint(by="cluster", min_groups=3))
    policy = ReplicaPolicy(mode="Divided", strategy="Aggregated")
    decision = placed(fleet, Placement(cluster_selector=LabelSelector(), spread=spread, replicas=policy))
    assert len(running(decision)) == 3
    assert [entry.missing for entry in decision.spread] == [0, 0]


def test_fewer_replicas_than_groups_are_no_fault_of_the_fleet() -> None:
    fleet = Fleet(clusters=(cluster("eu", "eu", 9), cluster("us", "us", 9)))
    policy = ReplicaPolicy(mode="Divided", strategy="Aggregated")
    placement = Placement(cluster_selector=LabelSelector(), spread=(TWO_REGIONS,), replicas=policy)
    assert placed(fleet, placement, replicas=1).spread[0].missing == 1
    assert placed(fleet, placement, replicas=0).spread[0].missing == 1


@pytest.mark.parametrize("rules", [(), (ReplicaRule(weight=1),)], ids=["no-rules", "rules"])
def test_a_cluster_that_takes_no_more_than_its_nothing_covers_no_group(rules: tuple[ReplicaRule, ...]) -> None:
    eu = replace(cluster("eu", "eu", 9), taints=(Taint(key="full", effect="NoScheduleNew"),))
    fleet = Fleet(clusters=(cluster("ap", "ap", 9), eu, cluster("us", "us", 9)))
    policy = ReplicaPolicy(mode="Divided", strategy="Aggregated", clusters=rules)
    unit = UnitInput(
        key="shop/web",
        placement=Placement(cluster_selector=LabelSelector(), spread=(TWO_REGIONS,), replicas=policy),
        workloads=(WorkloadInput(key="w", replicas=6),),
    )
    bindings = [PreviousBinding(cluster="eu", replicas={"w": 0}), PreviousBinding(cluster="us", replicas={"w": 6})]
    decision = decide(unit, fleet, bindings, NOW)
    assert "eu" not in running(decision)
    assert decision.spread[0].missing == 0
