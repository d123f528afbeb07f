"""Divisions of whole units: shortfalls, targets, records, several workloads, Jobs."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from fedsvc_placement import (
    Capacity,
    ClusterMatcher,
    ClusterSnapshot,
    Division,
    NodeShape,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    UnitInput,
    WorkloadInput,
)
from fedsvc_placement.replicas import UnitDivision, divide_unit
from fedsvc_placement.shortfalls import shortfalls_of
from fedsvc_placement.terms import Chosen

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WEB = "apps/Deployment/shop/web"
WORKER = "apps/Deployment/shop/worker"


def room_for(replicas: int) -> Capacity:
    """A cluster with so many pods free."""
    pods = {"pods": 1}
    return Capacity(nodes=(NodeShape(count=replicas, allocatable=pods, free=pods),))


def on(
    name: str,
    free: int | Capacity | None = None,
    before: int | Mapping[str, int] | None = None,
    *,
    held: bool = False,
    score: int = 0,
    tier: int = 0,
) -> Chosen:
    return Chosen(
        cluster=ClusterSnapshot(name=name, capacity=room_for(free) if isinstance(free, int) else free),
        bound=before is not None,
        before={WEB: before} if isinstance(before, int) else before,
        held=held,
        score=score,
        tier=tier,
    )


def rule(
    *names: str, weight: int | None = None, low: int = 0, high: int | None = None, tier: int | None = None
) -> ReplicaRule:
    matcher = ClusterMatcher(names=names) if names else ClusterMatcher()
    return ReplicaRule(clusters=matcher, weight=weight, min=low, max=high, tier=tier)


def divided(
    policy: ReplicaPolicy,
    *chosen: Chosen,
    workloads: tuple[WorkloadInput, ...] = (),
    replicas: int = 0,
) -> UnitDivision:
    unit = UnitInput(
        key="shop/shop",
        placement=Placement(replicas=policy),
        workloads=workloads or (WorkloadInput(key=WEB, replicas=replicas),),
    )
    return divide_unit(unit, chosen, learned=(), reserve_ppm=0, now=NOW)


def web(result: UnitDivision, workload: str = WEB) -> dict[str, int]:
    division = next(entry for entry in result.divisions if entry.workload == workload)
    return {share.cluster: share.replicas for share in division.shares}


def only(result: UnitDivision) -> Division:
    (division,) = result.divisions
    return division


def policy(strategy: str, *rules: ReplicaRule, within: bool | None = None) -> ReplicaPolicy:
    return ReplicaPolicy(mode="Divided", strategy=strategy, clusters=rules, within_capacity=within)


# What finds no place is told with its number, its reason and the numbers behind it.
@pytest.mark.parametrize(
    ("given_policy", "chosen", "expected"),
    [
        pytest.param(
            policy("Capacity", rule("c", high=1), rule()),
            [on("a", 2), on("b", 9, 1, held=True), on("c", 5)],
            [
                (
                    6,
                    "NoRoom",
                    "6 of 10 replicas found no place: a has room for 2, b is held at 1 by a taint, c is at its maximum of 1",
                )
            ],
            id="room, taint and maximum",
        ),
        pytest.param(
            policy("Overflow"),
            [on(f"c{i:02}", 0) for i in range(12)],
            [
                (
                    10,
                    "NoRoom",
                    "10 of 10 replicas found no place: "
                    + ", ".join(f"c{i:02} has room for 0" for i in range(10))
                    + " and 2 clusters more",
                )
            ],
            id="many clusters",
        ),
        pytest.param(
            policy("Weighted", rule(low=4, high=6), within=True),
            [on("a", 3), on("b", 50)],
            [
                (1, "MinimumsNotMet", "a has 3 of at least 4"),
                (1, "NoRoom", "1 of 10 replicas found no place: a has room for 3, b is at its maximum of 6"),
            ],
            id="a minimum for which there is no room",
        ),
        pytest.param(
            policy("Capacity", rule("a", high=3), rule("b", weight=0)),
            [on("a", 5), on("b", 7)],
            [
                (
                    7,
                    "MaximumsReached",
                    "7 of 10 replicas found no place: every cluster that has a weight is at its maximum",
                )
            ],
            id="maximum below the room",
        ),
        pytest.param(
            policy("Aggregated", rule("a", weight=0)),
            [on("a", 50)],
            [
                (
                    10,
                    "NoWeight",
                    "10 of 10 replicas found no place: no cluster has a weight above 0, so nothing goes beyond the minimums",
                )
            ],
            id="no weight",
        ),
        pytest.param(
            policy("Aggregated"),
            [],
            [(10, "NoCluster", "10 of 10 replicas found no place: no cluster is chosen")],
            id="no cluster",
        ),
        pytest.param(
            ReplicaPolicy(within_capacity=True),
            [on("a", 30), on("b", 4), on("c"), on("d", 1, 2)],
            [(13, "NoRoom", "13 of 40 replicas found no place: b has room for 4, d has room for 3")],
            id="duplicated: as many as there is room for",
        ),
    ],
)
def test_shortfalls(given_policy: ReplicaPolicy, chosen: list[Chosen], expected: list[tuple[int, str, str]]) -> None:
    division = only(divided(given_policy, *chosen, replicas=10))
    assert [(entry.replicas, entry.reason, entry.message) for entry in shortfalls_of(division)] == expected
    assert division.placed + division.unplaced == division.wanted


def test_duplicated_without_room_keeps_what_runs_and_never_looks_at_room_untold() -> None:
    chosen = (on("a", 0, 5), on("b", 0), on("c", 9, tier=1))
    assert web(divided(ReplicaPolicy(within_capacity=True), *chosen, replicas=5)) == {"a": 5, "b": 0}
    assert web(divided(ReplicaPolicy(), *chosen, replicas=5)) == {"a": 5, "b": 5}


def test_only_clusters_with_replicas_are_targets_when_aggregated() -> None:
    chosen = (on("a", 9), on("b", 9, score=1), on("c", 9))
    assert divided(policy("Aggregated"), *chosen, replicas=8).targets == {"b"}
    assert divided(policy("Aggregated"), *chosen, replicas=18).targets >= {"b"}
    assert divided(policy("Capacity"), *chosen, replicas=1).targets == {"a", "b", "c"}


def test_an_aggregated_unit_without_replicas_stays_where_it_is() -> None:
    chosen = (on("a", 9), on("b", 9, score=9), on("c", 0, 3))
    assert divided(policy("Aggregated"), *chosen, replicas=0).targets == {"c"}
    assert divided(policy("Aggregated"), *chosen[:2], replicas=0).targets == {"b"}
    assert divided(policy("Aggregated"), on("a", 0), replicas=3).targets == {"a"}
    assert divided(policy("Aggregated"), replicas=3).targets == frozenset()


def test_overflow_tiers_of_a_group_are_targets_only_with_replicas() -> None:
    given_policy = policy("Weighted", within=True)
    chosen = (on("a", 2), on("b", 0), on("c", 9, tier=1), on("d", 9, tier=2))
    assert divided(given_policy, *chosen, replicas=2).targets == {"a", "b"}
    assert divided(given_policy, *chosen, replicas=3).targets == {"a", "b", "c"}
    assert [share.tier for share in only(divided(given_policy, *chosen, replicas=3)).shares] == [0, 0, 1, 2]


def test_steps_tell_tiers_and_clusters() -> None:
    overflow = only(
        divided(policy("Overflow", rule("site"), rule("cloud")), on("cloud", 50), on("site", 7), replicas=9)
    )
    assert list(overflow.steps) == [
        "9 replicas over all clusters, from the template",
        "weights divide 9 over 2 clusters by Webster's method, ties by hash",
        "tier 0 takes 7 on 1 cluster",
        "tier 1 takes 2 on 1 cluster",
    ]
    aggregated = only(divided(policy("Aggregated"), on("a", 4, 3), on("b", 6), replicas=3))
    assert list(aggregated.steps) == [
        "3 replicas over all clusters, from the template",
        "3 of 3 replicas stay where they are",
        "as few clusters as hold them: 1 of 2: a",
    ]


def workload(key: str, replicas: int, completions: int | None = None, **requests: int) -> WorkloadInput:
    return WorkloadInput(key=key, replicas=replicas, completions=completions, requests=requests)


def nodes(count: int, **free: int) -> Capacity:
    return Capacity(nodes=(NodeShape(count=count, allocatable=free, free=free),))


def test_workloads_of_a_unit_compete_for_the_same_nodes_the_larger_first() -> None:
    chosen = (on("a", nodes(1, cpu=8, pods=99)), on("b", nodes(1, cpu=8, pods=99)))
    workloads = (workload(WEB, 4, cpu=3), workload(WORKER, 3, cpu=1))
    result = divided(policy("Capacity"), *chosen, workloads=workloads)
    assert web(result) == {"a": 2, "b": 2}
    assert sorted(web(result, WORKER).values()) == [1, 2]
    rooms = next(entry for entry in result.divisions if entry.workload == WORKER).shares
    assert [share.room for share in rooms] == [2, 2]


def test_room_that_only_a_smaller_workload_can_use_is_used_in_the_end() -> None:
    chosen = (on("a", nodes(1, cpu=8, pods=99)), on("b", nodes(9, cpu=1, pods=99)))
    workloads = (workload(WEB, 4, cpu=2), workload(WORKER, 3, cpu=1))
    result = divided(policy("Capacity"), *chosen, workloads=workloads)
    assert web(result) == {"a": 4, "b": 0}
    assert web(result, WORKER) == {"a": 0, "b": 3}


def test_an_aggregated_units_smaller_workload_goes_beside_the_larger() -> None:
    chosen = (on("a", nodes(1, cpu=6, pods=99)), on("b", nodes(1, cpu=6, pods=99)), on("c", nodes(1, cpu=5, pods=99)))
    workloads = (workload(WEB, 10, cpu=1), workload(WORKER, 2, cpu=1))
    result = divided(policy("Aggregated"), *chosen, workloads=workloads)
    assert sum(web(result).values()) == 10
    assert web(result)["c"] == web(result, WORKER)["c"] == 0
    assert result.targets == {"a", "b"}


def test_a_job_divides_parallelism_and_completions() -> None:
    job = (workload(WEB, 6, 20),)
    result = divided(
        policy("Weighted", rule("a", weight=2), rule("b"), rule("c", weight=0)), *map(on, "abc"), workloads=job
    )
    assert [(share.replicas, share.completions) for share in only(result).shares] == [(4, 13), (2, 7), (0, 0)]
    assert only(result).steps[-1] == "20 completions go in proportion to the replicas"


def test_a_job_runs_no_more_pods_than_it_completes() -> None:
    result = divided(policy("Weighted"), on("a"), on("b"), workloads=(workload(WEB, 6, 3),))
    assert sorted((share.replicas, share.completions) for share in only(result).shares) == [(1, 1), (2, 2)]
    assert only(result).wanted == 3
    assert only(result).steps[1] == "of these 3, since no more completions are wanted"


def test_a_duplicated_job_completes_in_each_cluster() -> None:
    result = divided(
        ReplicaPolicy(within_capacity=True), on("a", 9), on("b", 2), on("c", 0), workloads=(workload(WEB, 6, 20),)
    )
    assert [(share.replicas, share.completions) for share in only(result).shares] == [(6, 20), (2, 20), (0, 0)]
