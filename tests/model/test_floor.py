"""The floor under a unit: what may be taken away, and what stays for now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.model.floor import WHOLE, Floor, allows, eased, kept_words, shortage

NUMBERS = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9), max_size=4)
FLOORS = st.one_of(st.builds(Floor, replicas=st.integers(0, 20)), st.builds(Floor, percent=st.integers(0, 100)))


def shares(found: dict[str, int]) -> dict[str, dict[str, int]]:
    return {cluster: {"w": count} for cluster, count in found.items()}


def of(found: dict[str, dict[str, int]]) -> dict[str, int]:
    return {cluster: counts["w"] for cluster, counts in found.items()}


@given(wanted=NUMBERS, before=NUMBERS, part=st.integers(0, 4), floor=FLOORS)
def test_a_step_keeps_the_floor_and_never_goes_beyond_what_is_wanted(
    wanted: dict[str, int], before: dict[str, int], part: int, floor: Floor
) -> None:
    ready = {cluster: count * part // 4 for cluster, count in before.items()}
    found, kept = eased(shares(wanted), shares(before), shares(ready), floor, asked={})
    step = of(found)
    assert step.keys() == wanted.keys()
    for cluster, count in step.items():
        old = before.get(cluster, 0)
        assert min(old, wanted[cluster]) <= count <= max(old, wanted[cluster])
        assert count >= wanted[cluster]
    # What may go by this step is all that shrinks on clusters that the unit stays on; what it leaves goes by another.
    available = sum(ready.values())
    after = available - sum(
        max(0, ready.get(cluster, 0) - count) for cluster, count in step.items() if count < before.get(cluster, 0)
    )
    assert after >= min(available, floor.least(sum(wanted.values())))
    assert {one.cluster for one in kept} == {cluster for cluster, count in step.items() if count > wanted[cluster]}
    assert allows(found, shares(before), shares(wanted), shares(ready), floor, asked={})


@given(wanted=NUMBERS, before=NUMBERS, floor=FLOORS)
def test_steps_come_to_what_is_wanted_when_what_is_there_gets_ready(
    wanted: dict[str, int], before: dict[str, int], floor: Floor
) -> None:
    held = {cluster: count for cluster, count in before.items() if cluster in wanted}
    for _ in range(20):
        found, _ = eased(shares(wanted), shares(held), shares(held), floor, asked={})
        held = of(found)
    assert held == wanted


@given(before=NUMBERS, left=st.sets(st.sampled_from("abcd")), floor=FLOORS, wanted=st.integers(0, 20))
def test_what_is_taken_away_leaves_the_floor(before: dict[str, int], left: set[str], floor: Floor, wanted: int) -> None:
    why = shortage(left, {"w": wanted}, shares(before), floor)
    rest = sum(count for cluster, count in before.items() if cluster not in left)
    takes = any(before.get(cluster, 0) for cluster in left)
    assert bool(why) is (takes and rest < floor.least(wanted))


@pytest.mark.parametrize(
    ("floor", "wanted", "least"),
    [
        (Floor(replicas=3), 10, 3),
        (Floor(replicas=3), 2, 2),  # who wants less has less
        (Floor(percent=50), 5, 3),
        (Floor(percent=100), 5, 5),
        (Floor(percent=0), 5, 0),
        (Floor(), 5, 0),
    ],
)
def test_how_much_must_be_ready(floor: Floor, wanted: int, least: int) -> None:
    assert floor.least(wanted) == least


def test_what_a_later_look_does_not_allow_is_not_allowed() -> None:
    before, wanted = shares({"a": 4, "b": 0}), shares({"a": 2, "b": 2})
    floor = Floor(replicas=4)
    step, kept = eased(wanted, before, shares({"a": 4, "b": 2}), floor, asked={})
    assert of(step) == {"a": 2, "b": 2}
    assert not kept
    assert not allows(step, before, wanted, shares({"a": 4, "b": 1}), floor, asked={})
    _, kept = eased(wanted, before, shares({"a": 4, "b": 1}), floor, asked={})
    assert kept_words(kept) == "w keeps 3 replicas on a in place of 2"


def test_replicas_that_find_no_place_are_asked_for_too() -> None:
    before, wanted = shares({"a": 6}), shares({"a": 2, "b": 2})
    step, _ = eased(wanted, before, shares({"a": 6, "b": 2}), Floor(percent=100), asked={"w": 6})
    assert of(step) == {"a": 4, "b": 2}


def test_a_unit_without_workloads_is_counted_by_clusters() -> None:
    ready = {"a": {WHOLE: 1}, "b": {WHOLE: 1}}
    assert shortage(["a"], {WHOLE: 2}, ready, Floor(replicas=2)) == "its floor is 2 ready clusters, and 1 are elsewhere"
    assert not shortage(["a"], {WHOLE: 2}, ready, Floor(percent=50))
