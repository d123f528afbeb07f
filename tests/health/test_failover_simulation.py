"""Failover in a simulation under a virtual clock: whatever goes wrong, nothing is harmed, and in the end all is well.

A run that fails names its seed: `pytest tests/health/test_failover_simulation.py --seed SEED --runs 1`.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from fedsvc import health
from fedsvc.health import Automation, BreakerState, Health, Limits, Verdict
from fedsvc.model.ailing import Course, Patient, UnhealthyPolicy
from fedsvc.model.failback import Away, FailbackMode, FailbackPolicy
from fedsvc.model.failover import FailoverMode, FailoverPolicy
from fedsvc.model.floor import Floor
from fedsvc.model.hold import FLEET_SUBJECT, HoldScope
from fedsvc.testing.failover_model import Model
from fedsvc.testing.failover_oracle import Oracle, ViolationError
from fedsvc.testing.failover_parts import REAL, Illness, Member, Rules, Unit
from fedsvc.testing.failover_runs import run
from fedsvc.testing.weather import Spell, Trouble, Weather
from fedsvc_placement import Placement, SpreadConstraint, Topology, decide


def test_whatever_goes_wrong_nothing_is_harmed_and_all_is_well_in_the_end(request: pytest.FixtureRequest) -> None:
    first, count = request.config.getoption("--seed"), request.config.getoption("--runs")
    done = [run(seed) for seed in range(first, first + count)]
    if count >= 40:  # what is judged did happen
        assert sum(one.evictions for one in done) > count / 4
        assert sum(one.deletions for one in done) > count / 4
        assert sum(one.returns for one in done) > count / 10
        assert sum(one.holds > 0 for one in done) > count / 4
        assert sum(one.ordered for one in done) > count / 10


def never_refused(*_: Any, **__: Any) -> None:
    return None


def without_law(unit: Any, *arguments: Any, **more: Any) -> Any:
    return decide(replace(unit, placement=replace(unit.placement, jurisdictions=None)), *arguments, **more)


def blind(state: BreakerState, members: Any, *, released: bool = False, **more: Any) -> BreakerState:
    """A breaker that takes every loss as a loss."""
    return health.decide(replace(state, settled=()), members, **{**more, "self_check_error": ""}, released=True)


def stuck(state: BreakerState, *arguments: Any, **more: Any) -> BreakerState:
    """A breaker that never closes."""
    limits = health.BreakerLimits(stable_seconds=float(10**6))
    return health.decide(state, *arguments, **{**more, "released": False}, limits=limits)


def deaf(known: Health, *arguments: Any, limits: Limits, **more: Any) -> Any:
    """A verdict that takes a refused credential, or whatever is no answer, for well: it never loses anybody."""
    return health.judge(known, *arguments, **more, limits=replace(limits, unreachable_findings=10**6))


def hasty(away: Iterable[Away], *_: Any) -> list[Away]:
    """Every unit goes back as soon as its cluster is well."""
    return [one for one in away if one.well_since is not None]


def restless(patients: Iterable[Patient], **_: Any) -> Course:
    """Every unit leaves every cluster where it is not well."""
    sick = [(one.uid, spot.cluster) for one in patients for spot in one.spots if spot.since is not None]
    return Course(leaving=tuple(sick), returning=(), waiting={})


def impatient(placement: Any, policy: Any, *, is_held: bool) -> Any:
    return REAL.tolerating(placement, replace(policy, toleration_seconds=0), is_held=is_held)


def moving_none(placement: Any, policy: Any, *, is_held: bool) -> Any:
    return REAL.tolerating(placement, policy, is_held=True)


def moving_all(placement: Any, policy: Any, *, is_held: bool) -> Any:
    return REAL.tolerating(placement, replace(policy, mode=FailoverMode.AUTO), is_held=False)


def run_many(first: int, rules: Rules) -> None:
    for seed in range(first, first + 100):  # what a seed draws may become another one day
        run(seed, rules)


@pytest.mark.parametrize(
    ("rules", "first", "complaint"),
    [
        pytest.param(Rules(may_be_removed_from=lambda _: True), 9, "is deleted from .*, which is", id="health"),
        pytest.param(Rules(hold_of=never_refused), 9, "is deleted from", id="holds"),
        pytest.param(Rules(refusal=never_refused), 24, "objects are let go in", id="budget"),
        pytest.param(Rules(place=without_law), 2, "bound to", id="law"),
        pytest.param(Rules(breaker=blind), 8, "while not one member is reached", id="breaker"),
        pytest.param(Rules(breaker=stuck), 1, "automation is Holding", id="re-arming"),
        pytest.param(Rules(judge=deaf), 0, "is gone, and", id="detection"),
        pytest.param(Rules(tolerating=impatient), 0, "before its toleration is over", id="toleration"),
        pytest.param(Rules(tolerating=moving_all), 9, "not to be moved by itself", id="mode"),
        pytest.param(Rules(tolerating=moving_none), 5, "stays on .* beyond", id="moving"),
        pytest.param(Rules(may_go=lambda *_, **__: False), 3, "runs twice", id="leftovers"),
        pytest.param(Rules(due_back=hasty), 9, "goes back to .* (by itself|before)", id="return"),
        pytest.param(Rules(due_back=lambda *_: []), 5, "may go back", id="returning"),
        pytest.param(Rules(course=restless), 0, "is to leave .* for its health", id="ailing"),
    ],
)
def test_a_run_fails_where_a_rule_is_broken(rules: Rules, first: int, complaint: str) -> None:
    with pytest.raises(ViolationError, match=complaint) as found:
        run_many(first, rules)
    assert "(seed " in str(found.value)


def test_where_fedsvc_is_cut_off_nothing_leaves_the_first_member_that_seems_lost() -> None:
    """The worst case: the first refuses and is asked at once, the others were asked just before, and swallow it all."""
    cut = partial(Spell, begin_seconds=5.0, end_seconds=60.0)
    spells = (
        cut(members=frozenset({"a"}), trouble=Trouble.REFUSED),
        cut(members=frozenset({"b", "c"}), trouble=Trouble.BLACK_HOLE),
    )
    phases = {"a": 0.2, "b": 0.99, "c": 0.98}
    members = [Member(name=name, region=name, jurisdiction="EU", phase=phase) for name, phase in phases.items()]
    at_once = FailoverPolicy(toleration_seconds=0)
    unit = Unit(name="web", placement=Placement(clusters=("a", "b", "c")), policy=at_once)
    oracle = Oracle()
    weather = Weather(spells=spells, seed=0)
    model = Model(seed=0, members=members, units=[unit], weather=weather, watcher=oracle)
    model.run(15.9)
    assert model.members["a"].health.verdict is Verdict.UNREACHABLE
    assert not model.is_held  # nobody knows better yet
    model.run(60.0)
    assert model.breaker.automation is Automation.HOLDING
    assert (oracle.evictions, sorted(unit.bindings)) == (0, ["a", "b", "c"])


def held_in_the_midst(rules: Rules) -> None:
    """A member is lost for good, and somebody holds automation at any moment around that in which its units leave."""
    spell = Spell(begin_seconds=20.0, end_seconds=90.0, members=frozenset({"a"}), trouble=Trouble.REFUSED)
    for number in range(60):
        members = [Member(name=name, region=name, jurisdiction="EU", phase=0.5) for name in ("a", "b", "c")]
        policy = FailoverPolicy(toleration_seconds=10)
        units = [Unit(name=f"unit-{one}", placement=Placement(clusters=("a", "b")), policy=policy) for one in range(3)]
        weather = Weather(spells=(spell,), seed=number)
        model = Model(seed=number, members=members, units=units, weather=weather, watcher=Oracle(), rules=rules)
        model.at(41.0 + number / 10, partial(model.hold, FLEET_SUBJECT, HoldScope.AUTOMATION))
        model.run(90.0)


def test_a_hold_that_comes_between_a_decision_and_its_being_stored_is_not_overrun() -> None:
    held_in_the_midst(REAL)
    with pytest.raises(ViolationError, match="while automation is"):
        held_in_the_midst(Rules(is_checked=False))


def sick_on_a(rules: Rules, *more: Illness, until_seconds: float, hold_at: float | None = None) -> tuple[Unit, Oracle]:
    """A unit that may be on one of three members, and falls ill on the first for good."""
    members = [Member(name=name, region=name, jurisdiction="EU", phase=0.5) for name in ("a", "b", "c")]
    one = Placement(clusters=("a",), spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=1),))
    policy = FailoverPolicy(unhealthy=UnhealthyPolicy(after_seconds=30, forget_seconds=600))
    unit, oracle = Unit(name="web", placement=one, policy=policy), Oracle()
    ills = [Illness(unit="web", member="a", begin_seconds=60.0), *more]
    weather = Weather(spells=(), seed=0)
    model = Model(seed=0, members=members, units=[unit], weather=weather, watcher=oracle, rules=rules, ills=ills)
    model.run(15.0)
    unit.placement = replace(one, clusters=("a", "b", "c"))  # from then on there is somewhere to go
    if hold_at is not None:
        model.at(hold_at, partial(model.hold, FLEET_SUBJECT, HoldScope.AUTOMATION))
    model.run(until_seconds)
    return unit, oracle


def test_a_unit_that_is_ill_on_one_member_is_well_on_another_in_time_and_stays_there() -> None:
    unit, oracle = sick_on_a(REAL, until_seconds=60.0 + 30.0 + 3 * 15.0)
    assert (sorted(unit.works), oracle.ordered) in ((["b"], 1), (["c"], 1))
    after, oracle = sick_on_a(REAL, until_seconds=2_000.0)
    assert (after.bindings.keys(), oracle.ordered) == (unit.bindings.keys(), 1)


def test_a_unit_that_is_ill_everywhere_moves_once_and_is_not_removed_where_it_was() -> None:
    everywhere = [Illness(unit="web", member=name, begin_seconds=0.0) for name in ("b", "c")]
    unit, oracle = sick_on_a(REAL, *everywhere, until_seconds=2_000.0)
    assert oracle.ordered == 1
    assert unit.works["a"].state == "Held"
    assert len(unit.works) == 2


def test_a_hold_that_comes_before_a_unit_has_left_for_its_health_keeps_it_where_it_is() -> None:
    for tenth in range(950, 1_050, 2):
        unit, oracle = sick_on_a(REAL, until_seconds=400.0, hold_at=tenth / 10)
        moved = "a" not in unit.bindings
        assert oracle.ordered or not moved
        if not moved:
            assert unit.departures == {}


def lost_one_after_the_other(rules: Rules) -> Unit:
    """A unit left a cluster that is back, and another one that it is on seems lost: it is ready on one of two."""
    gone = partial(Spell, trouble=Trouble.REFUSED)
    spells = (
        gone(begin_seconds=20.0, end_seconds=160.0, members=frozenset({"a"})),
        gone(begin_seconds=200.0, end_seconds=400.0, members=frozenset({"b"})),
    )
    members = [Member(name=name, region=name, jurisdiction="EU", phase=0.5) for name in ("a", "b", "c", "d")]
    two = (SpreadConstraint(by=Topology.CLUSTER, max_groups=2),)
    policy = FailoverPolicy(
        toleration_seconds=120, floor=Floor(percent=100), failback=FailbackPolicy(mode=FailbackMode.NEVER)
    )
    unit = Unit(name="web", placement=Placement(clusters=("a", "b"), spread=two), policy=policy)
    weather = Weather(spells=spells, seed=0)
    model = Model(seed=0, members=members, units=[unit], weather=weather, watcher=Oracle(), rules=rules)
    model.run(15.0)
    unit.placement = Placement(clusters=("a", "b", "c"), spread=two)  # from then on there is somewhere to go
    model.run(300.0)
    return unit


def test_what_is_left_on_a_cluster_that_is_back_stays_while_the_floor_needs_it() -> None:
    unit = lost_one_after_the_other(REAL)
    assert sorted(unit.bindings) == ["b", "c"]
    assert unit.works["a"].state == "Held"
    with pytest.raises(ViolationError, match="its floor is 2"):
        lost_one_after_the_other(Rules(shortage=lambda *_: ""))


def test_the_same_seed_is_the_same_run() -> None:
    one, other = (run(11) for _ in range(2))
    assert (one.evictions, one.deletions, one.holds) == (other.evictions, other.deletions, other.holds)
