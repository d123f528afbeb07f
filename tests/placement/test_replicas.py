"""What each strategy gives: rows of clusters and policy, and the replicas that come of it."""

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from fedsvc_placement import (
    Capacity,
    ClusterMatcher,
    ClusterSnapshot,
    Division,
    Grant,
    Learned,
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
    learned: tuple[Learned, ...] = (),
    reserve_ppm: int = 0,
    rebalance: bool = False,
    key: str = "shop/shop",
) -> UnitDivision:
    unit = UnitInput(
        key=key,
        placement=Placement(replicas=policy),
        workloads=workloads or (WorkloadInput(key=WEB, replicas=replicas),),
    )
    return divide_unit(unit, chosen, learned=learned, reserve_ppm=reserve_ppm, now=NOW, rebalance=rebalance)


def web(result: UnitDivision, workload: str = WEB) -> dict[str, int]:
    division = next(entry for entry in result.divisions if entry.workload == workload)
    return {share.cluster: share.replicas for share in division.shares}


def only(result: UnitDivision) -> Division:
    (division,) = result.divisions
    return division


def policy(
    strategy: str, *rules: ReplicaRule, movement: str | None = None, within: bool | None = None
) -> ReplicaPolicy:
    return ReplicaPolicy(mode="Divided", strategy=strategy, movement=movement, clusters=rules, within_capacity=within)


@pytest.mark.parametrize(
    ("given_policy", "replicas", "chosen", "expected"),
    [
        pytest.param(
            policy("Weighted", rule("a", weight=2), rule()),
            9,
            [on("a", 1), on("b", 1)],
            {"a": 6, "b": 3},
            id="Weighted does not look at room",
        ),
        pytest.param(
            policy("Weighted", rule("a", weight=2), rule(), within=True),
            10,
            [on("a", 4), on("b", 9), on("c")],
            {"a": 4, "b": 3, "c": 3},
            id="Weighted within capacity passes on what finds no room; unknown room is no limit",
        ),
        pytest.param(policy("Capacity"), 10, [on("a", 30), on("b", 20)], {"a": 6, "b": 4}, id="Capacity by room"),
        pytest.param(
            policy("Capacity", rule("a", weight=2, high=5), rule("b"), rule("c", low=1, weight=0)),
            10,
            [on("a", 30), on("b", 20), on("c", 50)],
            {"a": 5, "b": 4, "c": 1},
            id="Capacity times weight, within minimum and maximum",
        ),
        pytest.param(
            policy("Capacity"), 10, [on("a", 30), on("b")], {"a": 10, "b": 0}, id="Capacity: unknown room is none"
        ),
        pytest.param(
            policy("Capacity", within=False), 10, [on("a", 3), on("b", 2)], {"a": 6, "b": 4}, id="beyond room if told"
        ),
        pytest.param(
            policy("Aggregated"), 10, [on("a", 4), on("b", 6), on("c", 9)], {"b": 5, "c": 5}, id="fewest clusters"
        ),
        pytest.param(policy("Aggregated"), 9, [on("a", 4), on("b", 6), on("c", 9)], {"c": 9}, id="one holds them"),
        pytest.param(
            policy("Aggregated"),
            5,
            [on("a", 40), on("b", 6, 2), on("c", 9)],
            {"b": 5},
            id="used before goes before more room",
        ),
        pytest.param(
            policy("Aggregated"),
            5,
            [on("a", 40), on("b", 6, score=1), on("c", 9, score=1)],
            {"c": 5},
            id="score, then room",
        ),
        pytest.param(
            policy("Aggregated", rule("a", low=2), rule()),
            9,
            [on("a", 3), on("b", 6), on("c", 7)],
            {"a": 3, "c": 6},
            id="who has a minimum takes part",
        ),
        pytest.param(
            policy("Aggregated", rule("c", high=4), rule("d", weight=0), rule()),
            9,
            [on("a", 4), on("b", 6), on("c", 9), on("d", 99)],
            {"b": 5, "c": 4},
            id="maximum and weight 0 count",
        ),
        pytest.param(
            policy("Overflow", rule("site"), rule("cloud")),
            9,
            [on("cloud", 50), on("site", 7)],
            {"site": 7, "cloud": 2},
            id="tiers by the place of the rule",
        ),
        pytest.param(
            policy("Overflow", rule("c", tier=2), rule("a", weight=3, tier=1), rule("b", tier=1)),
            13,
            [on("a", 6), on("b", 6), on("c", 6)],
            {"a": 6, "b": 6, "c": 1},
            id="tiers by number",
        ),
        pytest.param(
            policy("Overflow", rule("c", tier=2), rule("a", weight=3, tier=1), rule("b", tier=1)),
            8,
            [on("a", 6), on("b", 6), on("c", 6)],
            {"a": 6, "b": 2, "c": 0},
            id="inside a tier by weight",
        ),
        pytest.param(
            policy("Overflow", rule("site", high=5), rule("cloud", low=2)),
            6,
            [on("cloud", 50), on("site", 7)],
            {"site": 4, "cloud": 2},
            id="minimums of later tiers are set aside",
        ),
        pytest.param(
            policy("Overflow", rule("site", low=5), rule("cloud", low=2)),
            6,
            [on("cloud", 50), on("site", 7)],
            {"site": 5, "cloud": 1},
            id="of too many minimums, those of earlier tiers come first",
        ),
        pytest.param(
            policy("Weighted", within=True),
            9,
            [on("a", 2), on("b", 3), on("c", 9, tier=1), on("d", 9, tier=2)],
            {"a": 2, "b": 3, "c": 4, "d": 0},
            id="overflow of an affinity group",
        ),
        pytest.param(
            policy("Overflow", rule("c", "a"), rule("b")),
            9,
            [on("a", 2), on("b", 3), on("c", 9, tier=1)],
            {"a": 2, "b": 3, "c": 4},
            id="overflow of an affinity group comes after all tiers of rules",
        ),
    ],
)
def test_fresh_division(
    given_policy: ReplicaPolicy, replicas: int, chosen: list[Chosen], expected: dict[str, int]
) -> None:
    result = divided(given_policy, *chosen, replicas=replicas, rebalance=True)
    assert {name: count for name, count in web(result).items() if count or name in expected} == expected
    assert only(result).unplaced == 0


@pytest.mark.parametrize(
    ("given_policy", "replicas", "chosen", "expected"),
    [
        pytest.param(
            policy("Weighted", movement="Steady"),
            12,
            [on("a", before=8), on("b", before=0), on("c")],
            {"a": 8, "b": 2, "c": 2},
            id="more: none leaves, what is there counts",
        ),
        pytest.param(
            policy("Weighted", movement="Steady"),
            6,
            [on("a", before=8), on("b", before=1), on("c")],
            {"a": 5, "b": 1, "c": 0},
            id="fewer: taken where there are too many, nobody gets any",
        ),
        pytest.param(
            policy("Weighted", movement="Steady"),
            9,
            [on("a", before=8), on("b", before=1), on("c")],
            {"a": 8, "b": 1, "c": 0},
            id="as many: all stay",
        ),
        pytest.param(
            policy("Weighted", rule("a", high=5), rule("c", low=2), rule(), movement="Steady"),
            9,
            [on("a", before=8), on("b", before=1), on("c")],
            {"a": 5, "b": 2, "c": 2},
            id="bounds are a need",
        ),
        pytest.param(
            policy("Weighted", rule(low=20, weight=0), movement="Steady"),
            50,
            [on("a", before=10), on("b", before=20), on("c", before=20)],
            {"a": 10, "b": 20, "c": 20},
            id="too many minimums: who has what stays",
        ),
        pytest.param(
            policy("Weighted", rule("a", low=6, weight=2), rule(low=6), movement="Steady"),
            8,
            [on("a", before=0), on("b", before=3), on("c", before=9)],
            {"a": 0, "b": 2, "c": 6},
            id="too many minimums and fewer replicas: taken in order of weight",
        ),
        pytest.param(
            policy("Capacity"),
            12,
            [on("a", 10, 5), on("b", 100, 1)],
            {"a": 5, "b": 7},
            id="Capacity: only what is added goes by room",
        ),
        pytest.param(
            policy("Aggregated"),
            8,
            [on("a", 2, 3), on("b", 0, 3), on("c", 50)],
            {"a": 5, "b": 3, "c": 0},
            id="Aggregated: room where it is already comes first",
        ),
        pytest.param(
            policy("Aggregated"),
            9,
            [on("a", 2, 3), on("b", 0, 3), on("c", 50)],
            {"a": 3, "b": 3, "c": 3},
            id="Aggregated: then another, where weights divide",
        ),
        pytest.param(
            policy("Aggregated"),
            5,
            [on("a", 2, 2), on("b", 9, 3), on("c", 9, 4)],
            {"a": 0, "b": 2, "c": 3},
            id="Aggregated: fewer replicas leave whole clusters",
        ),
        pytest.param(
            policy("Overflow", rule("site"), rule("cloud")),
            9,
            [on("cloud", 50, 4), on("site", 9, 5)],
            {"site": 5, "cloud": 4},
            id="Overflow: nothing returns by itself",
        ),
        pytest.param(
            policy("Overflow", rule("site"), rule("cloud")),
            6,
            [on("cloud", 50, 4), on("site", 9, 5)],
            {"site": 5, "cloud": 1},
            id="Overflow: the last tier is drained first",
        ),
    ],
)
def test_steady_division(
    given_policy: ReplicaPolicy, replicas: int, chosen: list[Chosen], expected: dict[str, int]
) -> None:
    assert web(divided(given_policy, *chosen, replicas=replicas)) == expected


def test_what_a_lost_cluster_had_is_placed_again_and_nothing_else_moves() -> None:
    assert web(divided(policy("Capacity"), on("a", 5, 4), on("b", 20, 1), replicas=9)) == {"a": 4, "b": 5}


def test_replicas_that_stay_unschedulable_are_placed_elsewhere() -> None:
    learned = (Learned(cluster="a", workload=WEB, wanted=6, running=2, at=NOW),)
    result = divided(policy("Capacity"), on("a", 9, 6), on("b", 9, 3), replicas=9, learned=learned)
    assert web(result) == {"a": 2, "b": 7}
    assert "5 of 9 replicas stay where they are" in only(result).steps


def test_rebalancing_divides_as_if_nothing_ran() -> None:
    chosen = (on("a", 10, 5), on("b", 9, 1))
    result = divided(policy("Capacity"), *chosen, replicas=12, rebalance=True)
    assert web(result) == {"a": 7, "b": 5}
    assert only(result).movement == "Fresh"


@pytest.mark.parametrize(
    ("strategy", "movement"),
    [("Weighted", "Fresh"), ("Capacity", "Steady"), ("Aggregated", "Steady"), ("Overflow", "Steady")],
)
def test_movement_by_default(strategy: str, movement: str) -> None:
    assert only(divided(policy(strategy), on("a", 1), replicas=1)).movement == movement


def test_grants_and_head_room_are_no_room() -> None:
    capacity = Capacity(
        nodes=(NodeShape(count=1, allocatable={"pods": 10}, free={"pods": 10}),),
        grants=(Grant(requests={}, replicas=3),),
    )
    division = only(divided(policy("Aggregated"), on("a", capacity), on("b"), replicas=9, reserve_ppm=200_000))
    assert [(share.room, share.replicas) for share in division.shares] == [(5, 5), (0, 0)]


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
        "tier 0 takes 7 on 1 clusters",
        "tier 1 takes 2 on 1 clusters",
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


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(policy("Dynamic"), id="strategy"),
        pytest.param(policy("Weighted", movement="Jumpy"), id="movement"),
        pytest.param(ReplicaPolicy(mode="Halved"), id="mode"),
    ],
)
def test_words_that_do_not_exist_are_an_error(wrong: ReplicaPolicy) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        divided(wrong, on("a"), replicas=1)
