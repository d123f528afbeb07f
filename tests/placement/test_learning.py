"""What is learned of replicas that stay unschedulable, and how it is forgotten."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_placement import Learned, Memory
from fedsvc_placement.learning import HALF_LIFE, allowed, next_change, remember

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)

seen = st.builds(
    Learned,
    cluster=st.sampled_from("ab"),
    workload=st.sampled_from("wv"),
    wanted=st.integers(0, 40),
    running=st.integers(0, 40),
    at=st.integers(-90, 0).map(lambda minutes: NOW + timedelta(minutes=minutes)),
)


def learned(wanted: int, running: int, *, at: datetime = NOW, cluster: str = "a") -> Learned:
    return Learned(cluster=cluster, workload="w", wanted=wanted, running=running, at=at)


@pytest.mark.parametrize(
    ("half_lives", "expected"),
    [
        pytest.param(-1, 6, id="seen by a clock that is ahead"),
        pytest.param(0, 6, id="what ran"),
        pytest.param(0.99, 6, id="before a half-life is over"),
        pytest.param(1, 8, id="half of what stayed out is tried"),
        pytest.param(2, 9, id="then half of the rest"),
        pytest.param(3, None, id="forgotten when all is allowed"),
        pytest.param(300, None, id="long forgotten"),
    ],
)
def test_what_stayed_out_is_tried_again_by_halves(half_lives: float, expected: int | None) -> None:
    assert allowed(learned(10, 6), NOW + half_lives * HALF_LIFE) == expected


@given(seen, st.integers(0, 200), st.integers(0, 200))
def test_what_is_allowed_never_falls_with_time(entry: Learned, one: int, other: int) -> None:
    early, late = (NOW + timedelta(minutes=minutes) for minutes in sorted((one, other)))
    before, after = allowed(entry, early), allowed(entry, late)
    if before is None:
        assert after is None
    else:
        assert entry.running <= before < entry.wanted
        assert after is None or before <= after


@given(st.lists(seen, max_size=4), st.integers(0, 100))
def test_nothing_changes_before_the_instant_that_is_told_and_something_then(
    entries: list[Learned], minutes: int
) -> None:
    now = NOW + timedelta(minutes=minutes)
    change = next_change(entries, now)
    at_once = [allowed(entry, now) for entry in entries]
    if change is None:
        assert at_once == [None] * len(entries)
        return
    assert change > now
    assert [allowed(entry, change - MOMENT) for entry in entries] == at_once
    assert [allowed(entry, change) for entry in entries] != at_once


@pytest.mark.parametrize(
    ("old", "observed", "expected"),
    [
        pytest.param(None, (10, 6), (10, 6), id="new"),
        pytest.param(None, (10, 10), None, id="all run: nothing to learn"),
        pytest.param((10, 6), (10, 7), (10, 7), id="the newer counts"),
        pytest.param((10, 6), (8, 6), (8, 6), id="fewer wanted, still stuck"),
        pytest.param((10, 6), (10, 10), None, id="all run that were wanted: forgotten"),
        pytest.param((10, 6), (6, 6), (10, 6), id="held to 6 and 6 run: that shows nothing of 10"),
        pytest.param((10, 6), (8, 8), (10, 8), id="8 tried and 8 run: no less than 8 from now on"),
    ],
)
def test_remembering(old: tuple[int, int] | None, observed: tuple[int, int], expected: tuple[int, int] | None) -> None:
    memory = Memory(group="g", learned=(learned(*old, at=NOW - MOMENT),) if old else ())
    after = remember(memory, [learned(*observed)], NOW)
    assert after.group == "g"
    assert [(entry.wanted, entry.running) for entry in after.learned] == ([expected] if expected else [])


def test_an_observation_older_than_what_is_known_is_ignored() -> None:
    memory = Memory(learned=(learned(10, 6),))
    assert remember(memory, [learned(10, 10, at=NOW - MOMENT)], NOW) == memory


def test_what_is_forgotten_is_kept_no_longer() -> None:
    memory = Memory(learned=(learned(10, 6, at=NOW - 3 * HALF_LIFE), learned(90, 6, at=NOW - HALF_LIFE, cluster="b")))
    assert [entry.cluster for entry in remember(memory, [], NOW).learned] == ["b"]


@given(st.lists(seen, max_size=6), st.data())
def test_the_order_of_observations_does_not_matter_and_memory_is_sorted(
    observations: list[Learned], data: st.DataObject
) -> None:
    after = remember(Memory(), observations, NOW)
    assert remember(Memory(), data.draw(st.permutations(observations)), NOW) == after
    assert remember(after, [], NOW) == after
    places = [(entry.cluster, entry.workload) for entry in after.learned]
    assert places == sorted(set(places))
