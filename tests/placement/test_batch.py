"""Many units on one fleet at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_placement import (
    Capacity,
    ClusterSnapshot,
    Decision,
    Fleet,
    LabelSelector,
    NodeShape,
    PlacedUnit,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    UnitAffinity,
    UnitInput,
    UnitMatcher,
    WorkloadInput,
)
from fedsvc_placement.batch import Ask, added_replicas, decide_all, in_order

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
EVERYWHERE = LabelSelector()
BY_ROOM = Placement(cluster_selector=EVERYWHERE, replicas=ReplicaPolicy(mode="Divided", strategy="Aggregated"))


def cluster(name: str, cores: int) -> ClusterSnapshot:
    amounts = {"cpu": cores * 1000, "pods": 110}
    return ClusterSnapshot(name=name, capacity=Capacity(nodes=(NodeShape(count=1, allocatable=amounts, free=amounts),)))


def ask(key: str, replicas: int = 0, placement: Placement = BY_ROOM, previous: Mapping[str, int] | None = None) -> Ask:
    workloads = (WorkloadInput(key="web", replicas=replicas, requests={"cpu": 1000}),) if replicas else ()
    bindings = tuple(PreviousBinding(cluster=name, replicas={"web": count}) for name, count in (previous or {}).items())
    return Ask(unit=UnitInput(key=key, placement=placement, workloads=workloads), previous=bindings)


def replicas_of(decision: Decision) -> dict[str, int]:
    return {target.cluster: sum(target.replicas.values()) for target in decision.targets}


def test_a_unit_finds_the_room_that_the_one_before_left() -> None:
    fleet = Fleet(clusters=(cluster("a", 4), cluster("b", 4)))

    first, second, third = decide_all([ask("one", 3), ask("two", 3), ask("three", 3)], fleet, NOW)

    assert sum(replicas_of(first).values()) == sum(replicas_of(second).values()) == 3
    assert sum(replicas_of(third).values()) == 2
    assert [shortfall.replicas for shortfall in third.shortfall] == [1]


def test_what_runs_already_is_counted_once() -> None:
    fleet = Fleet(clusters=(cluster("a", 4),))

    stays, comes = decide_all([ask("stays", 3, previous={"a": 3}), ask("comes", 4)], fleet, NOW)

    assert (replicas_of(stays), replicas_of(comes)) == ({"a": 3}, {"a": 4})


def test_a_follower_goes_where_its_leader_went_in_the_same_batch() -> None:
    fleet = Fleet(clusters=(cluster("a", 1), cluster("b", 9)), units=(PlacedUnit(key="leader", clusters=("a",)),))
    follower = ask("follower", placement=Placement(follows=("leader",)))

    _, second = decide_all([follower, ask("leader", 5, previous={})], fleet, NOW)

    assert (second.unit, replicas_of(second)) == ("follower", {"b": 0})


def test_units_that_want_to_be_apart_see_each_other_in_the_same_batch() -> None:
    fleet = Fleet(clusters=(cluster("a", 9), cluster("b", 9)))
    apart = Placement(
        cluster_selector=EVERYWHERE,
        replicas=BY_ROOM.replicas,
        affinities=(UnitAffinity(mode="Apart", units=UnitMatcher(names=("one", "two"))),),
    )

    first, second = decide_all([ask("one", 2, apart), ask("two", 2, apart)], fleet, NOW)

    assert {*replicas_of(first), *replicas_of(second)} == {"a", "b"}


@pytest.mark.parametrize(
    ("follows", "order"),
    [
        pytest.param({"a": "", "b": "", "c": ""}, "abc", id="as given"),
        pytest.param({"a": "b", "b": "c", "c": ""}, "cba", id="a chain"),
        pytest.param({"a": "cb", "b": "", "c": ""}, "bca", id="two leaders"),
        pytest.param({"a": "b", "b": "a", "c": "a"}, "bac", id="a circle"),
        pytest.param({"a": "a"}, "a", id="itself"),
        pytest.param({"a": "x"}, "a", id="a leader that is not asked about"),
    ],
)
def test_leaders_come_before_those_that_go_with_them(follows: Mapping[str, str], order: str) -> None:
    asks = [ask(key, placement=Placement(follows=tuple(leaders))) for key, leaders in follows.items()]

    assert "".join(found.unit.key for found in in_order(asks)) == order


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=5),
    st.lists(st.integers(1, 12), min_size=1, max_size=6),
    st.sampled_from(("Capacity", "Aggregated")),
)
def test_a_batch_never_gives_more_than_there_is_and_all_that_fits(
    cores: Sequence[int], wanted: Sequence[int], strategy: str
) -> None:
    placement = Placement(cluster_selector=EVERYWHERE, replicas=ReplicaPolicy(mode="Divided", strategy=strategy))
    fleet = Fleet(clusters=tuple(cluster(f"c{index}", count) for index, count in enumerate(cores)))
    asks = [ask(f"u{index}", count, placement) for index, count in enumerate(wanted)]

    given_away: dict[str, int] = {}
    for one, decision in zip(asks, decide_all(asks, fleet, NOW), strict=True):
        for name, workloads in added_replicas(one.previous, decision).items():
            given_away[name] = given_away.get(name, 0) + sum(workloads.values())

    assert all(given_away.get(f"c{index}", 0) <= count for index, count in enumerate(cores))
    assert sum(given_away.values()) == min(sum(cores), sum(wanted))
