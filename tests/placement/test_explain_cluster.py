"""All that is said of one cluster."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given

from fedsvc.testing.placement_strategies import NOW as ASKED
from fedsvc.testing.placement_strategies import bindings, fleets, memories, triggers, units
from fedsvc_placement import (
    AffinityGroup,
    Capacity,
    ClusterMatcher,
    ClusterPreference,
    ClusterSnapshot,
    Decision,
    Fleet,
    LabelSelector,
    Learned,
    Memory,
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
    explain_cluster,
    explain_lines,
    from_dict,
    to_record,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WEB = "apps/Deployment/shop/web"


def roomy(name: str, pods: int, **more: Any) -> ClusterSnapshot:
    node = NodeShape(count=1, allocatable={"pods": 100}, free={"pods": pods})
    return ClusterSnapshot(name=name, capacity=Capacity(nodes=(node,)), **more)


def divided() -> Decision:
    """Three clusters in two regions of which two are taken, one of them full."""
    fleet = Fleet(
        clusters=(
            roomy("eu-1", 2, region="eu"),
            roomy("eu-2", 50, region="eu", taints=(Taint(key="gpu", effect="NoSchedule"),)),
            roomy("us-1", 50, region="us"),
            roomy("us-2", 50, region="us"),
        ),
        distances_ms={("eu", "us"): 80},
    )
    placement = Placement(
        cluster_selector=LabelSelector(),
        spread=(SpreadConstraint(by="cluster", min_groups=2, max_groups=2),),
        preferences=(
            ClusterPreference(weight=40, near_regions=("eu",)),
            ClusterPreference(weight=5, clusters=ClusterMatcher(names=("us-2",))),
        ),
        replicas=ReplicaPolicy(
            mode="Divided",
            clusters=(ReplicaRule(clusters=ClusterMatcher(names=("eu-1",)), weight=3, min=1), ReplicaRule(max=9)),
            within_capacity=True,
        ),
    )
    unit = UnitInput(key="shop/shop", placement=placement, workloads=(WorkloadInput(key=WEB, replicas=12),))
    previous = [PreviousBinding(cluster="eu-1", replicas={WEB: 4}), PreviousBinding(cluster="gone", replicas={WEB: 1})]
    return decide(unit, fleet, previous, NOW)


def test_of_a_chosen_cluster_rules_points_room_shares_and_changes_are_told_in_order() -> None:
    assert list(explain_cluster(divided(), "eu-1")) == [
        ("eu-1: chosen (AllSelected): all clusters are selected; stays"),
        ("rule Selection: met (AllSelected): all clusters are selected"),
        ("rule Exclusion: met (NotExcluded)"),
        ("rule Leaving: met (NotLeaving)"),
        ("rule NoExecute: met (NoTaints)"),
        ("rule NoSchedule: met (NoTaints)"),
        ("rule Select: met (Taken)"),
        ("score: 140 in all, place 1 of 3 that fit"),
        ("score Distance: 40: 0 ms to eu"),
        ("score Stickiness: 100: it is here already"),
        ("room apps/Deployment/shop/web: for 6 replicas, 4 of them there before; it gets 6, which leaves room for 0"),
        ("division apps/Deployment/shop/web: 12 replicas over all clusters, from the template"),
        ("division apps/Deployment/shop/web: minimums take 2"),
        ("division apps/Deployment/shop/web: weights divide 10 over 2 clusters by Webster's method, ties by hash"),
        (
            "division apps/Deployment/shop/web: 6 replicas here, 4 before: by placement.replicas.clusters[0]; weight 3 of 4 in all, by which alone it would have 9.00 of 12; at least 1; room for 6, and it is full"
        ),
        ("move: apps/Deployment/shop/web from 4 to 6: the division gives 6 instead of 4"),
        ("unit: spread[0]: 2 clusters of at least 2 and at most 2: eu-1, us-2"),
    ]


def test_of_a_cluster_that_is_refused_every_rule_is_told() -> None:
    assert list(explain_cluster(divided(), "eu-2")) == [
        ("eu-2: not chosen (TaintNotTolerated): taint gpu:NoSchedule is not tolerated"),
        ("rule Selection: met (AllSelected): all clusters are selected"),
        ("rule Exclusion: met (NotExcluded)"),
        ("rule Leaving: met (NotLeaving)"),
        ("rule NoExecute: met (NoTaints)"),
        ("rule NoSchedule: not met (TaintNotTolerated): taint gpu:NoSchedule is not tolerated"),
        ("unit: spread[0]: 2 clusters of at least 2 and at most 2: eu-1, us-2"),
    ]


def test_of_a_cluster_that_fits_and_is_not_taken_it_is_told_how_it_compares() -> None:
    assert list(explain_cluster(divided(), "us-1")) == [
        (
            "us-1: not chosen (LimitReached): the limit of 2 clusters is reached by eu-1, us-2; score 0 against 5 of us-2, the last taken"
        ),
        ("rule Selection: met (AllSelected): all clusters are selected"),
        ("rule Exclusion: met (NotExcluded)"),
        ("rule Leaving: met (NotLeaving)"),
        ("rule NoExecute: met (NoTaints)"),
        ("rule NoSchedule: met (NoTaints)"),
        (
            "rule Select: not met (LimitReached): the limit of 2 clusters is reached by eu-1, us-2; score 0 against 5 of us-2, the last taken"
        ),
        ("score: 0 in all, place 3 of 3 that fit; the best is eu-1 with 140"),
        ("room apps/Deployment/shop/web: for 50 replicas"),
        ("unit: spread[0]: 2 clusters of at least 2 and at most 2: eu-1, us-2"),
    ]


def test_of_what_was_learned_only_that_of_the_cluster_is_told() -> None:
    lessons = tuple(Learned(cluster=name, workload=WEB, wanted=5, running=3, at=NOW) for name in ("a", "b"))
    placement = Placement(
        cluster_selector=LabelSelector(),
        groups=(AffinityGroup(name="all"),),
        replicas=ReplicaPolicy(mode="Divided", strategy="Capacity"),
    )
    unit = UnitInput(key="shop/shop", placement=placement, workloads=(WorkloadInput(key=WEB, replicas=6),))
    fleet = Fleet(clusters=(roomy("a", 9), roomy("b", 9)))
    decision = decide(unit, fleet, (), NOW, memory=Memory(learned=lessons))

    told = explain_cluster(decision, "a")

    assert [line for line in told if "learned" in line and line.startswith("unit: learned")] == [
        (
            "unit: learned: 2 of 5 replicas of apps/Deployment/shop/web found no node on a at 2026-03-01T12:00:00Z, which "
            "bounds its room; it is forgotten by halves"
        )
    ]
    assert "unit: affinity group all is used" in told


def test_a_cluster_that_is_not_known_is_refused() -> None:
    with pytest.raises(KeyError, match="mars"):
        explain_cluster(divided(), "mars")


@given(units, fleets, bindings, memories, triggers)
def test_nothing_that_a_decision_says_of_a_cluster_is_left_out(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], memory: Memory, trigger: str
) -> None:
    decision = decide(unit, fleet, previous, ASKED, memory=memory, trigger=trigger)
    lines = explain_lines(decision)
    for entry in decision.clusters:
        told = explain_cluster(decision, entry.cluster)
        assert told[0].startswith(f"{entry.cluster}: {'chosen' if entry.chosen else 'not chosen'} (")
        text = "\n".join(told)
        for verdict in entry.verdicts:
            assert f"rule {verdict.rule}: {'met' if verdict.passed else 'not met'} ({verdict.reason})" in text
            assert verdict.message in text
        for part in entry.score:
            assert f"score {part.name}: {part.value}: {part.message}" in told
        for workload, room in entry.room.items():
            assert any(line.startswith(f"room {workload}: for {room} replica") for line in told)
        for division in decision.divisions:
            if entry.chosen:
                assert all(f"division {division.workload}: {step}" in told for step in division.steps)
        moves = [move for move in decision.moves if move.cluster == entry.cluster]
        assert sum(line.startswith("move: ") for line in told) == max(len(moves), int(entry.chosen))
        units_lines = {line for line in lines if line.startswith("unit: ") and not line.startswith("unit: learned")}
        assert units_lines <= set(told)
        # What is kept says the same.
        assert explain_cluster(from_dict(to_record(decision)), entry.cluster) == told
