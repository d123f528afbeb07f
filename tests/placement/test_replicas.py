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
from fedsvc_placement.terms import Chosen

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WEB = "apps/Deployment/shop/web"


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
    replicas: int,
    learned: tuple[Learned, ...] = (),
    reserve_ppm: int = 0,
    rebalance: bool = False,
) -> UnitDivision:
    unit = UnitInput(
        key="shop/shop",
        placement=Placement(replicas=policy),
        workloads=(WorkloadInput(key=WEB, replicas=replicas),),
    )
    return divide_unit(unit, chosen, learned=learned, reserve_ppm=reserve_ppm, now=NOW, rebalance=rebalance)


def web(result: UnitDivision) -> dict[str, int]:
    return {share.cluster: share.replicas for share in only(result).shares}


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
            {"a": 0, "b": 3, "c": 5},
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
            {"a": 0, "b": 3, "c": 2},
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
