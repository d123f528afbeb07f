"""Departures, fail-back and what is told of moves that wait: pure."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.api.services.moving import turns
from fedsvc.health import Health, Verdict
from fedsvc.health.verdict import SUSPECT_TAINT
from fedsvc.model.departure import Departure, DepartureCause, away_from, gained_by, seen_at, stopped
from fedsvc.model.failback import STEP, Away, FailbackMode, FailbackPolicy, due_back
from fedsvc.model.failover import FailoverMode, FailoverPolicy
from fedsvc.model.pending import MoveKind, Standing, Stop, pending_move
from fedsvc_placement import ClusterSnapshot, PreviousBinding, Taint

NOW = datetime(2026, 11, 27, 1, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=1)
SHARES = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 9), max_size=4)


def departure(cluster: str = "a", cause: DepartureCause = DepartureCause.LOST, **fields: object) -> Departure:
    return Departure(cluster=cluster, cause=cause, due_time=EARLIER, **fields)  # type: ignore[arg-type]


def bindings(shares: dict[str, int]) -> tuple[PreviousBinding, ...]:
    return tuple(PreviousBinding(cluster=name, replicas={"w": shares[name]}) for name in sorted(shares))


@given(before=SHARES, lost=st.sampled_from("abcd"), moved=SHARES)
def test_who_goes_back_is_taken_to_be_where_it_was(before: dict[str, int], lost: str, moved: dict[str, int]) -> None:
    before.setdefault(lost, 1)
    others = {name for name in "abcd" if name != lost}
    after = {name: before.get(name, 0) + moved.get(name, 0) for name in others if name in before or name in moved}
    left = departure(
        lost,
        share={"w": before[lost]},
        gained=gained_by(
            {name: {"w": count} for name, count in before.items()},
            {name: {"w": count} for name, count in after.items()},
        ),
        return_time=NOW,
        is_pending=True,
    )
    seen = {one.cluster: (one.replicas or {})["w"] for one in seen_at(bindings(after), [left], NOW)}
    # A share of none may have been there before, or be new: nothing is lost by leaving it out.
    assert {name: count for name, count in seen.items() if count} == {
        name: count for name, count in before.items() if count
    }


def test_who_is_to_go_somewhere_is_taken_to_be_there() -> None:
    asked = departure(cause=DepartureCause.ASKED, targets=("c",), is_pending=True)
    assert [one.cluster for one in seen_at(bindings({"a": 2, "b": 1}), [asked], NOW)] == ["b", "c"]
    later = Departure(cluster="a", cause=DepartureCause.DRAIN, due_time=NOW + STEP)
    assert away_from([asked, later], NOW) == ("a",)
    assert away_from([later], NOW) == ()
    assert away_from([departure(return_time=NOW)], NOW) == ()


def away(name: str, *, priority: int = 0, well: datetime | None = EARLIER, **policy: object) -> Away:
    return Away(
        uid=name,
        cluster="a",
        policy=FailbackPolicy(**policy),  # type: ignore[arg-type]
        priority=priority,
        leave_time=EARLIER,
        well_since=well,
    )


@pytest.mark.parametrize(
    ("one", "goes"),
    [
        (away("x"), True),
        (away("x", stable_seconds=3600), True),
        (away("x", stable_seconds=3601), False),
        (away("x", well=None), False),  # it fell again, is cordoned, or somebody keeps the unit away
        (away("x", mode=FailbackMode.MANUAL), False),
        (away("x", mode=FailbackMode.NEVER), False),
    ],
)
def test_a_unit_goes_back_when_its_cluster_was_well_for_long_enough(one: Away, *, goes: bool) -> None:
    assert bool(due_back([one], {}, NOW)) is goes


@given(count=st.integers(1, 60), pace=st.integers(1, 100))
def test_no_more_go_back_in_a_minute_than_the_pace_allows_and_all_do_in_the_end(count: int, pace: int) -> None:
    waiting = [away(f"u{index:02}", priority=index, pace_percent=pace) for index in range(count)]
    step = max(1, count * pace // 100)
    times: list[datetime] = []
    now, order = NOW, []
    while waiting:
        due = due_back(waiting, {"a": times}, now)
        assert not due_back([one for one in waiting if one not in due], {"a": [*times, *[now] * len(due)]}, now)
        times += [now] * len(due)
        order += [one.priority for one in due]
        assert sum(1 for time in times if time > now - STEP) <= step
        waiting = [one for one in waiting if one not in due]
        now += timedelta(seconds=20)
    assert order == sorted(order, reverse=True)
    assert now - NOW <= STEP * (-(-count // step) + 1)


@given(count=st.integers(0, 500), pace=st.integers(1, 100))
def test_a_drain_keeps_its_pace(count: int, pace: int) -> None:
    times = turns(count, pace, NOW)
    assert len(times) == count
    assert times == sorted(times)
    assert all(times.count(time) <= max(1, count if pace == 100 else count * pace // 100) for time in set(times))


def standing(*, bound: bool = True, verdict: Verdict = Verdict.UNREACHABLE, **fields: object) -> Standing:
    values: dict[str, object] = {
        "unit_name": "namespaces/shop/units/web",
        "cluster": "a",
        "policy": FailoverPolicy(),
        "health": Health(verdict=verdict, since=EARLIER),
        "is_bound": bound,
        "reconsider_time": NOW + timedelta(seconds=9),
        "departure": None,
    }
    return Standing(**(values | fields))  # type: ignore[arg-type]


LEFT = departure(leave_time=EARLIER, free_time=EARLIER)


@pytest.mark.parametrize(
    ("one", "stop", "reason", "command"),
    [
        (standing(), Stop(), "Tolerated", "fedctl failover unit/shop/web --from a"),
        (
            standing(policy=FailoverPolicy(mode=FailoverMode.MANUAL)),
            Stop(),
            "Manual",
            "fedctl failover unit/shop/web --from a",
        ),
        (
            standing(policy=FailoverPolicy(mode=FailoverMode.NEVER)),
            Stop(),
            "Never",
            "fedctl failover unit/shop/web --from a",
        ),
        (standing(), Stop(held=frozenset({"fleet"})), "Held", "fedctl release fleet"),
        (standing(), Stop(held=frozenset({"clusters/a"})), "Held", "fedctl release cluster/a"),
        (standing(), Stop(off_message="of 2 members"), "AutomationOff", "fedctl failover unit/shop/web --from a"),
        (standing(bound=False, departure=LEFT), Stop(), "NotHealthy", ""),
        (
            standing(bound=False, departure=LEFT, verdict=Verdict.HEALTHY),
            Stop(),
            "Pace",
            "fedctl failback unit/shop/web --to a",
        ),
        (
            standing(
                bound=False,
                departure=departure(leave_time=EARLIER, cause=DepartureCause.ASKED, author="ann"),
                verdict=Verdict.HEALTHY,
            ),
            Stop(),
            "Asked",
            "fedctl failback unit/shop/web --to a",
        ),
        (
            standing(
                bound=False,
                departure=LEFT,
                verdict=Verdict.HEALTHY,
                policy=FailoverPolicy(failback=FailbackPolicy(mode=FailbackMode.MANUAL)),
            ),
            Stop(),
            "Manual",
            "fedctl failback unit/shop/web --to a",
        ),
        (
            standing(
                departure=Departure(cluster="a", cause=DepartureCause.DRAIN, due_time=NOW + STEP),
                verdict=Verdict.HEALTHY,
            ),
            Stop(),
            "Turn",
            "",
        ),
        (
            standing(departure=departure(cause=DepartureCause.DRAIN), verdict=Verdict.HEALTHY),
            Stop(),
            "Turn",
            "",
        ),
        (
            standing(is_emptied=True, verdict=Verdict.MAINTENANCE, policy=FailoverPolicy(mode=FailoverMode.NEVER)),
            Stop(),
            "Never",
            "fedctl failover unit/shop/web --from a",
        ),
    ],
)
def test_what_waits_says_for_what_and_which_command_does_it(
    one: Standing, stop: Stop, reason: str, command: str
) -> None:
    move = pending_move(one, stop, NOW)
    assert move is not None
    assert (move.reason, move.command) == (reason, command)
    assert move.kind is (MoveKind.AWAY if one.is_bound else MoveKind.BACK)
    assert move.message


def test_what_is_being_moved_does_not_wait() -> None:
    assert pending_move(standing(departure=departure(is_pending=True)), Stop(), NOW) is None
    assert (
        pending_move(
            standing(departure=departure(return_time=NOW, is_pending=True), verdict=Verdict.HEALTHY), Stop(), NOW
        )
        is None
    )
    assert pending_move(standing(verdict=Verdict.HEALTHY), Stop(), NOW) is None


def test_a_return_to_a_cluster_that_fell_again_is_stopped() -> None:
    back = departure(leave_time=EARLIER, return_time=NOW, is_pending=True)
    well = ClusterSnapshot(name="a")
    fallen = ClusterSnapshot(name="a", taints=(Taint(key=SUSPECT_TAINT, effect="NoScheduleNew", time_added=NOW),))
    assert stopped([back], {"a": well}) is None
    for clusters in ({"a": fallen}, {}):
        found = stopped([back], clusters)
        assert found is not None
        assert away_from(found, NOW) == ("a",)
    # One that was decided is the placement's from then on: a doubt about the cluster moves nothing.
    assert stopped([departure(leave_time=EARLIER, return_time=NOW)], {"a": fallen}) is None
