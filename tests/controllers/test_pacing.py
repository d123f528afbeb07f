import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.latency import Latency
from fedsvc.controllers.pacing import Pace

SECONDS = st.floats(min_value=0.0001, max_value=30.0)


@given(answers=st.lists(st.tuples(st.booleans(), SECONDS, st.integers(1, 16), st.floats(0, 5)), max_size=200))
def test_the_pace_stays_between_one_and_its_maximum(answers: list[tuple[bool, float, int, float]]) -> None:
    pace, now = Pace(start=8, maximum=16), 0.0
    for good, seconds, in_flight, passed in answers:
        now += passed
        before = pace.limit
        fewer = pace.good(seconds, in_flight=in_flight, now=now) if good else pace.bad(now)
        assert 1 <= pace.limit <= 16
        assert not (fewer and pace.limit > before)


@given(answers=st.lists(st.tuples(SECONDS, st.integers(1, 16)), max_size=200))
def test_slow_answers_alone_leave_a_few_requests_in_flight(answers: list[tuple[float, int]]) -> None:
    pace = Pace(start=8, maximum=16)
    for number, (seconds, in_flight) in enumerate(answers):
        pace.good(seconds, in_flight=in_flight, now=number * 1.0)
        assert pace.limit >= 4


def test_troubles_of_one_moment_slow_down_once() -> None:
    pace = Pace(start=10, maximum=16)
    assert [pace.bad(100.0) for _ in range(8)] == [True] + [False] * 7
    assert pace.limit == 7


@given(at_once=st.integers(1, 40), base_seconds=st.floats(0.06, 1.0), start=st.integers(1, 16))
def test_a_member_gets_what_it_can_do_at_once_and_not_many_more(at_once: int, base_seconds: float, start: int) -> None:
    """A member that does so many at once, each in the base time, and lets the others wait, for 40 seconds."""
    pace, now = Pace(start=start, maximum=16), 0.0
    pace.good(base_seconds, in_flight=1, now=now)  # one alone, as in any quiet moment
    for _ in range(400):
        in_flight = pace.limit
        seconds = base_seconds * max(1.0, in_flight / at_once)
        now += 0.1
        pace.good(seconds, in_flight=in_flight, now=now)

    assert pace.limit >= min(at_once, 16)
    assert pace.limit <= max(4, at_once + 8 + 1)


def test_a_member_that_became_slower_for_good_is_not_held_back_for_ever() -> None:
    pace, now = Pace(start=16, maximum=16), 0.0
    for _ in range(50):
        now += 0.1
        pace.good(0.01, in_flight=16, now=now)
    for _ in range(100):
        now += 0.1
        pace.good(0.5, in_flight=pace.limit, now=now)
    assert pace.limit < 16
    for _ in range(2_000):
        now += 0.1
        pace.good(0.5, in_flight=pace.limit, now=now)
    assert pace.limit == 16


@pytest.mark.parametrize(("seconds", "in_flight", "waiting"), [(0.2, 16, 8.0), (0.1, 16, 0.0), (0.4, 4, 3.0)])
def test_what_waits_is_told_from_the_best_and_the_present_answers(
    seconds: float, in_flight: int, waiting: float
) -> None:
    latency = Latency()
    latency.answered(0.1, 0.0)
    for number in range(200):
        latency.answered(seconds, number / 100)
    assert latency.waiting(in_flight) == pytest.approx(waiting, abs=0.01)


def test_answers_that_are_fast_in_any_case_are_no_sign_of_a_queue() -> None:
    latency = Latency()
    latency.answered(0.001, 0.0)
    for number in range(100):
        latency.answered(0.04, number / 100)
    assert latency.waiting(16) == 0.0
