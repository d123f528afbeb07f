"""When a unit leaves a cluster that is well for its own health: pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.model.ailing import STEP, Course, Patient, Spot, UnhealthyPolicy, Wait, course
from fedsvc.model.departure import Departure, DepartureCause, acted_on, in_vain
from fedsvc_placement import ClusterSnapshot, Decision, Fleet, Placement, decide
from fedsvc_placement.fleet import prepare_fleet
from fedsvc_placement.model import PreviousBinding, UnitInput

NOW = datetime(2026, 11, 27, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=1)
SICK = Spot(cluster="a", since=LONG_AGO)
WELL = Spot(cluster="b", is_well=True)
LATELY = Spot(cluster="a", since=NOW - timedelta(seconds=299))


def patient(*spots: Spot, uid: str = "u", **fields: object) -> Patient:
    return Patient(uid=uid, spots=spots, **{"policy": UnhealthyPolicy(), "priority": 0, **fields})  # type: ignore[arg-type]


def judged(
    *patients: Patient,
    held: frozenset[str] = frozenset(),
    left: Mapping[str, list[datetime]] | None = None,
    bound: int = 1,
) -> Course:
    return course(patients, bound=dict.fromkeys("abc", bound), left=left or {}, held_clusters=held, now=NOW)


def test_a_unit_leaves_where_it_is_unhealthy_when_it_is_well_elsewhere_or_was_there_alone() -> None:
    assert judged(patient(SICK, WELL)).leaving == (("u", "a"),)
    assert judged(patient(SICK)).leaving == (("u", "a"),)


@pytest.mark.parametrize(
    ("one", "wait"),
    [
        pytest.param(patient(LATELY, WELL), Wait.TIME, id="time"),
        pytest.param(patient(SICK, replace(SICK, cluster="b")), Wait.EVERYWHERE, id="everywhere"),
        pytest.param(patient(SICK, Spot(cluster="b")), Wait.EVERYWHERE, id="elsewhere-unknown"),
        pytest.param(patient(SICK, left={"b": False}), Wait.EVERYWHERE, id="moved-in-vain"),
        pytest.param(patient(SICK, WELL, stop=Wait.MANUAL), Wait.MANUAL, id="manual"),
        pytest.param(patient(LATELY, WELL, stop=Wait.NEVER), Wait.NEVER, id="never"),
        pytest.param(patient(SICK, WELL, stop=Wait.HELD), Wait.HELD, id="held"),
    ],
)
def test_a_unit_stays_where_it_is_unhealthy_and_says_why(one: Patient, wait: Wait) -> None:
    found = judged(one)
    assert (found.leaving, found.returning) == ((), ())
    assert found.waiting[("u", "a")][0] is wait


def test_nothing_leaves_a_cluster_that_is_held() -> None:
    found = judged(patient(SICK, WELL), held=frozenset({"a"}))
    assert found.leaving == ()
    assert found.waiting[("u", "a")] == (Wait.HELD, None)


def test_when_it_leaves_is_told() -> None:
    assert judged(patient(LATELY, WELL)).waiting[("u", "a")] == (Wait.TIME, NOW + timedelta(seconds=1))


def test_of_several_clusters_the_one_is_left_first_where_it_is_unhealthy_for_longest() -> None:
    found = judged(patient(SICK, WELL, Spot(cluster="c", since=LONG_AGO - STEP)))
    assert found.leaving == (("u", "c"),)
    assert found.waiting == {("u", "a"): (Wait.TURN, None)}


def test_who_moved_in_vain_goes_back_where_it_is_well_by_now() -> None:
    moved = patient(SICK, left={"b": True, "c": False})
    assert judged(moved).returning == (("u", "b"),)
    assert judged(moved, held=frozenset({"b"})).returning == ()
    assert judged(replace(moved, stop=Wait.HELD)).returning == ()
    assert judged(patient(replace(SICK, since=None), left={"b": True})).returning == ()


@given(count=st.integers(1, 60), bound=st.integers(1, 60), went=st.integers(0, 9))
def test_units_leave_a_cluster_at_a_pace_those_of_a_higher_priority_first(count: int, bound: int, went: int) -> None:
    patients = [patient(SICK, WELL, uid=f"{number:02}", priority=number) for number in range(count)]
    lately = [NOW - STEP / 2] * went + [NOW - STEP] * 5
    found = judged(*patients, left={"a": lately}, bound=bound)
    assert len(found.leaving) == max(0, min(count, max(1, bound // 10) - went))
    assert [uid for uid, _ in found.leaving] == [one.uid for one in reversed(patients)][: len(found.leaving)]
    assert set(found.waiting.values()) <= {(Wait.TURN, None)}
    assert len(found.waiting) + len(found.leaving) == count


SPOTS = st.builds(
    Spot,
    cluster=st.sampled_from("abcd"),
    since=st.none() | st.timedeltas(timedelta(0), timedelta(hours=1)).map(lambda ago: NOW - ago),
    is_well=st.booleans(),
)
PATIENTS = st.builds(
    Patient,
    uid=st.sampled_from(["u", "v", "w"]),
    policy=st.builds(UnhealthyPolicy, after_seconds=st.integers(0, 1_000)),
    priority=st.integers(-3, 3),
    spots=st.lists(SPOTS, min_size=1, max_size=4, unique_by=lambda spot: spot.cluster).map(tuple),
    stop=st.none() | st.sampled_from([Wait.HELD, Wait.MANUAL, Wait.NEVER]),
    left=st.none() | st.dictionaries(st.sampled_from("abcd"), st.booleans(), max_size=2),
)


@given(patients=st.lists(PATIENTS, max_size=3, unique_by=lambda one: one.uid), held=st.sets(st.sampled_from("abcd")))
def test_whoever_leaves_was_unhealthy_for_its_time_and_is_not_so_everywhere(
    patients: list[Patient], held: set[str]
) -> None:
    found = judged(*patients, held=frozenset(held), bound=100)
    by_uid = {one.uid: one for one in patients}
    moved = [uid for uid, _ in (*found.leaving, *found.returning)]
    assert len(moved) == len(set(moved)), "one step at a time"
    for uid, cluster in found.leaving:
        one = by_uid[uid]
        (spot,) = (each for each in one.spots if each.cluster == cluster)
        assert one.stop is None
        assert cluster not in held
        assert spot.since is not None
        assert NOW - spot.since >= timedelta(seconds=one.policy.after_seconds)
        others = [each for each in one.spots if each is not spot]
        assert any(each.is_well for each in others) or (not others and not one.left)
    for uid, cluster in found.returning:
        one = by_uid[uid]
        assert one.stop is None
        assert (one.left or {})[cluster]
        assert not any(spot.is_well for spot in one.spots)
        assert not held.intersection((cluster, *(spot.cluster for spot in one.spots)))


def placed(left: tuple[str, ...], bound: tuple[str, ...], clusters: tuple[str, ...]) -> Decision:
    fleet = prepare_fleet(Fleet(clusters=tuple(ClusterSnapshot(name=name) for name in "abc")))
    unit = UnitInput(key="shop/web", placement=Placement(clusters=clusters, left=left))
    return decide(unit, fleet, [PreviousBinding(cluster=name, replicas={}) for name in bound], NOW)


def test_a_move_by_which_nobody_holds_more_is_in_vain() -> None:
    sick = Departure(cluster="a", cause=DepartureCause.UNHEALTHY, due_time=NOW, is_pending=True)
    before: dict[str, dict[str, int]] = {"a": {}, "b": {}}
    everywhere = placed(("a",), ("a", "b"), ("a", "b"))
    assert in_vain([sick], before, everywhere, NOW) == {"a"}
    elsewhere = placed(("a",), ("a", "b"), ("a", "b", "c"))
    assert in_vain([sick], before, elsewhere, NOW) == frozenset()
    asked = replace(sick, cause=DepartureCause.DRAIN)
    assert in_vain([asked], before, everywhere, NOW) == frozenset()
    assert in_vain([replace(sick, is_pending=False)], before, everywhere, NOW) == frozenset()


def test_while_automation_is_held_nothing_leaves_for_its_health_and_what_left_stays_away() -> None:
    sick = Departure(cluster="a", cause=DepartureCause.UNHEALTHY, due_time=NOW, is_pending=True)
    left = replace(sick, cluster="b", leave_time=NOW, is_pending=False)
    lost = replace(sick, cluster="c", cause=DepartureCause.LOST)
    assert acted_on([sick, left, lost], is_held=False, held=frozenset()) == (sick, left, lost)
    assert acted_on([sick, left, lost], is_held=True, held=frozenset()) == (left, lost)
    assert acted_on([sick, left, lost], is_held=False, held={"a"}) == (left, lost)
