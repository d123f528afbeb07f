from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fedsvc_dns.planner.evidence import (
    Evidence,
    Ground,
    Readiness,
    Signal,
    blind_vantages,
    readiness,
    weigh,
)
from fedsvc_dns.planner.facts import Cluster, Instance, Outcome, Probe, Verdict, counted
from fedsvc_dns.planner.health import is_fit, penalty_at, reused_at, step
from fedsvc_dns.planner.memory import HealthPolicy, OnStale, State, TargetMemory

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
POLICY = HealthPolicy()
UP = Evidence(signal=Signal.UP, ground=Ground.PROBES)
DOWN = Evidence(signal=Signal.DOWN, ground=Ground.PROBES)
S = timedelta(seconds=1)


def probes(outcomes: str, streak: int = 3) -> list[Probe]:
    """One vantage for each letter: `u` reaches it, `d` does not, `?` does not know; in capitals, for the first time."""
    kinds = {"u": Outcome.UP, "d": Outcome.DOWN, "?": Outcome.UNKNOWN}
    return [
        Probe(vantage=f"v{index}", outcome=kinds[letter.lower()], streak=1 if letter.isupper() else streak, at=NOW)
        for index, letter in enumerate(outcomes)
    ]


HEARD, SUSPECT, LOST = Verdict.HEALTHY, Verdict.SUSPECT, Verdict.UNREACHABLE


@pytest.mark.parametrize(
    ("verdict", "ready", "seen", "signal"),
    [
        pytest.param(HEARD, None, "", Signal.UP, id="heard, nothing else is known"),
        pytest.param(HEARD, Signal.UP, "", Signal.UP, id="heard, endpoints ready"),
        pytest.param(HEARD, Signal.DOWN, "", Signal.DOWN, id="heard, no endpoints ready"),
        pytest.param(HEARD, Signal.DOWN, "uuu", Signal.DOWN, id="heard, no endpoints ready, probes reach something"),
        pytest.param(HEARD, Signal.UP, "ddd", Signal.DOWN, id="heard, endpoints ready, probes fail"),
        pytest.param(HEARD, Signal.UP, "d", Signal.DOWN, id="heard, the one vantage fails"),
        pytest.param(HEARD, Signal.UP, "ddu", Signal.DOWN, id="heard, most vantages fail"),
        pytest.param(HEARD, Signal.UP, "duu", Signal.UP, id="heard, one vantage of three fails"),
        pytest.param(HEARD, Signal.UP, "du", Signal.UNKNOWN, id="heard, vantages disagree"),
        pytest.param(HEARD, Signal.UP, "DDu", Signal.FALLING, id="heard, probes begin to fail"),
        pytest.param(HEARD, Signal.UP, "UU", Signal.RISING, id="heard, probes begin to reach it"),
        pytest.param(HEARD, Signal.RISING, "uu", Signal.RISING, id="heard, endpoints become ready"),
        pytest.param(HEARD, Signal.UP, "??", Signal.UNKNOWN, id="heard, vantages know nothing"),
        pytest.param(HEARD, Signal.DOWN, "??", Signal.DOWN, id="heard, no endpoints ready, vantages know nothing"),
        pytest.param(Verdict.DEGRADED, Signal.UP, "", Signal.UP, id="degraded is heard"),
        pytest.param(
            LOST, Signal.DOWN, "uu", Signal.UP, id="lost, probes reach it: the loss of control is none of traffic"
        ),
        pytest.param(LOST, None, "dd", Signal.DOWN, id="lost, two vantages fail"),
        pytest.param(LOST, None, "ddu", Signal.DOWN, id="lost, two of three fail"),
        pytest.param(LOST, None, "d", Signal.UNKNOWN, id="lost, one vantage alone fails"),
        pytest.param(LOST, None, "dduu", Signal.UNKNOWN, id="lost, half of the vantages fail"),
        pytest.param(LOST, None, "DD", Signal.FALLING, id="lost, probes begin to fail"),
        pytest.param(LOST, Signal.DOWN, "", Signal.UNKNOWN, id="lost, nobody probes"),
        pytest.param(SUSPECT, Signal.DOWN, "", Signal.UNKNOWN, id="suspect: what was seen is old"),
        pytest.param(SUSPECT, None, "dd", Signal.DOWN, id="suspect, probes fail"),
    ],
)
def test_evidence_comes_to(verdict: Verdict, ready: Signal | None, seen: str, signal: Signal) -> None:
    cluster = Cluster(name="c1", verdict=verdict, verdict_since=NOW)
    evidence, _ = weigh(cluster, Readiness(signal=ready), probes(seen), POLICY, now=NOW)

    assert evidence.signal is signal


@pytest.mark.parametrize(
    ("later", "blind"), [(61 * S, frozenset()), (S, frozenset({"v0", "v1", "v2"}))], ids=["old", "not believed"]
)
def test_probes_that_say_nothing_by_now_change_nothing(later: timedelta, blind: frozenset[str]) -> None:
    evidence, _ = weigh(
        Cluster(name="c1"), Readiness(signal=Signal.UP), probes("ddd"), POLICY, blind=blind, now=NOW + later
    )

    assert evidence == Evidence(signal=Signal.UNKNOWN, ground=Ground.PROBES)


@pytest.mark.parametrize(
    ("policy", "later", "signal", "due"),
    [
        (POLICY, timedelta(days=9), Signal.UNKNOWN, None),
        (HealthPolicy(on_stale=OnStale.REMOVE), timedelta(minutes=9), Signal.UNKNOWN, NOW + timedelta(minutes=10)),
        (HealthPolicy(on_stale=OnStale.REMOVE), timedelta(minutes=10), Signal.DOWN, None),
    ],
    ids=["keep", "remove, before", "remove, after"],
)
def test_a_cluster_that_is_neither_heard_nor_probed_is_kept_or_removed_after_long(
    policy: HealthPolicy, later: timedelta, signal: Signal, due: datetime | None
) -> None:
    cluster = Cluster(name="c1", verdict=LOST, verdict_since=NOW)
    evidence, found = weigh(cluster, Readiness(), [], policy, now=NOW + later)

    assert (evidence.signal, found) == (signal, due)


def test_endpoints_count_once_they_stay() -> None:
    cluster = Cluster(name="c1")
    first = readiness(None, cluster, 2, POLICY, NOW)
    target = TargetMemory(state=State.UP, since=NOW, is_ready=first.is_ready, ready_since=first.since)
    falling = readiness(target, cluster, 0, POLICY, NOW)
    target = replace(target, is_ready=falling.is_ready, ready_since=falling.since)
    down = readiness(target, cluster, 0, POLICY, NOW + 0.3 * S)
    rising = readiness(replace(target, is_ready=down.is_ready), cluster, 1, POLICY, NOW + 9 * S)
    target = replace(target, is_ready=rising.is_ready, ready_since=rising.since)
    up = readiness(target, cluster, 1, POLICY, NOW + 14 * S)

    assert [one.signal for one in (first, falling, down, rising, up)] == [
        Signal.UP,
        Signal.FALLING,
        Signal.DOWN,
        Signal.RISING,
        Signal.UP,
    ]
    assert (falling.due, rising.due) == (NOW + 0.3 * S, NOW + 14 * S)


def test_what_a_cluster_that_is_not_heard_said_last_is_kept_and_says_nothing() -> None:
    target = TargetMemory(state=State.UP, since=NOW, is_ready=True, ready_since=NOW)
    found = readiness(target, Cluster(name="c1", verdict=LOST), 0, POLICY, NOW + 60 * S)

    assert found == Readiness(is_ready=True, since=NOW, signal=None)


@pytest.mark.parametrize(
    ("failing", "blind"),
    [
        pytest.param({"c1": 1, "c2": 1, "c3": 1}, True, id="all"),
        pytest.param({"c1": 1, "c2": 1, "c3": 0}, True, id="more than half"),
        pytest.param({"c1": 1, "c2": 0}, False, id="half"),
        pytest.param({"c1": 1}, False, id="one cluster alone cannot be judged"),
        pytest.param({"c1": 20, "c2": 0, "c3": 0}, False, id="a big cluster that dies"),
    ],
)
def test_a_vantage_that_sees_most_of_the_fleet_fail_is_not_believed(failing: dict[str, int], *, blind: bool) -> None:
    instances = [
        Instance(
            service=f"s{index}",
            cluster=cluster,
            probes=(Probe(vantage="v", outcome=Outcome.DOWN if count else Outcome.UP, streak=3, at=NOW),),
        )
        for cluster, count in failing.items()
        for index in range(max(1, count))
    ]

    assert blind_vantages(instances, failing, POLICY, NOW) == (frozenset({"v"}) if blind else frozenset())


def test_clusters_that_people_took_out_discredit_nobody() -> None:
    down = Probe(vantage="v", outcome=Outcome.DOWN, streak=3, at=NOW)
    instances = [Instance(service="s", cluster=name, probes=(down,)) for name in ("c1", "c2", "c3")]

    assert blind_vantages(instances, {"c1"}, POLICY, NOW) == frozenset()


def test_streaks_are_counted_while_the_outcome_is_the_same() -> None:
    previous = None
    streaks = []
    for letter in "uudd?du":
        previous = counted(previous, probes(letter, streak=1)[0])
        streaks.append(previous.streak)

    assert streaks == [1, 2, 1, 2, 1, 1, 1]


STATES = {
    (State.UP, Signal.UP): State.UP,
    (State.UP, Signal.RISING): State.UP,
    (State.UP, Signal.FALLING): State.SUSPECT,
    (State.UP, Signal.DOWN): State.DOWN,
    (State.SUSPECT, Signal.UP): State.UP,
    (State.SUSPECT, Signal.RISING): State.UP,
    (State.SUSPECT, Signal.FALLING): State.SUSPECT,
    (State.SUSPECT, Signal.DOWN): State.DOWN,
    (State.DOWN, Signal.UP): State.UP,
    (State.DOWN, Signal.RISING): State.RECOVERING,
    (State.DOWN, Signal.FALLING): State.DOWN,
    (State.DOWN, Signal.DOWN): State.DOWN,
    (State.RECOVERING, Signal.UP): State.UP,
    (State.RECOVERING, Signal.RISING): State.RECOVERING,
    (State.RECOVERING, Signal.FALLING): State.DOWN,
    (State.RECOVERING, Signal.DOWN): State.DOWN,
    **{(state, Signal.UNKNOWN): state for state in State},
}


@pytest.mark.parametrize(("state", "signal"), STATES)
def test_a_state_becomes(state: State, signal: Signal) -> None:
    before = TargetMemory(state=state, since=NOW, down_at=NOW - 60 * S)
    after = step(before, Evidence(signal=signal, ground=Ground.PROBES), Readiness(), POLICY, NOW).target

    assert after.state is STATES[state, signal]


@pytest.mark.parametrize(
    ("signal", "state"),
    [
        (Signal.UP, State.UP),
        (Signal.RISING, State.UP),
        (Signal.FALLING, State.SUSPECT),
        (Signal.UNKNOWN, State.SUSPECT),
        (Signal.DOWN, State.DOWN),
    ],
)
def test_a_target_begins_as_evidence_says(signal: Signal, state: State) -> None:
    assert step(None, Evidence(signal=signal, ground=Ground.PROBES), Readiness(), POLICY, NOW).target.state is state


def test_a_target_that_went_down_stays_for_the_least_time_and_says_until_when() -> None:
    down = step(TargetMemory(state=State.UP, since=NOW), DOWN, Readiness(), POLICY, NOW).target
    soon = step(down, UP, Readiness(), POLICY, NOW + 10 * S)
    late = step(soon.target, UP, Readiness(), POLICY, NOW + 30 * S)

    assert (soon.target.state, soon.due) == (State.RECOVERING, NOW + 30 * S)
    assert (late.target.state, late.due) == (State.UP, None)


def flapped(times: int, every: timedelta = 40 * S) -> tuple[TargetMemory, datetime]:
    """A target that went down and came back so often, and the time by then."""
    target, at = TargetMemory(state=State.UP, since=NOW), NOW
    for _ in range(times):
        for evidence in (DOWN, UP):
            target = step(target, evidence, Readiness(), POLICY, at).target
            at += every
    return target, at - every


def test_a_target_that_flaps_stays_out_though_it_is_up_until_it_is_forgiven() -> None:
    once, _ = flapped(1)
    twice, at = flapped(2)
    until = reused_at(twice, POLICY)

    assert is_fit(once)
    assert (twice.state, is_fit(twice)) == (State.UP, False)
    assert until is not None
    assert at < until <= at + POLICY.flap_longest
    before = step(twice, UP, Readiness(), POLICY, until - S)
    assert (is_fit(before.target), before.due) == (False, until)
    assert is_fit(step(twice, UP, Readiness(), POLICY, until).target)


def test_no_flapping_keeps_a_target_out_for_longer_than_the_longest_time() -> None:
    target, at = flapped(50)
    until = reused_at(target, POLICY)

    assert until is not None
    assert until - at <= POLICY.flap_longest + S
    assert penalty_at(target, POLICY, at) == pytest.approx(8000)


def test_half_of_the_penalty_is_forgiven_in_each_half_life() -> None:
    target = TargetMemory(state=State.UP, since=NOW, penalty=2000, penalty_at=NOW)

    assert penalty_at(target, POLICY, NOW + 2 * POLICY.flap_half_life) == pytest.approx(500)
    assert penalty_at(target, POLICY, NOW - S) == pytest.approx(2000)
