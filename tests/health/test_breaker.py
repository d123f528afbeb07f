"""The breaker: when automation acts on losses, and when it is rather us who are cut off."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.health import Automation, BreakerLimits, BreakerState, FleetMember, Health, Verdict, decide

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
LIMITS = BreakerLimits()
ON, HOLDING, OFF = Automation.ON, Automation.HOLDING, Automation.OFF


def member(name: str, verdict: Verdict = Verdict.HEALTHY, *, region: str = "", provider: str = "") -> FleetMember:
    fates = (("provider", provider),) if provider else ()
    return FleetMember(name=name, health=Health(verdict=verdict, since=START), region=region, fates=fates)


def fleet(spec: str) -> list[FleetMember]:
    """Members by words "region" or "region!" for one that is lost."""
    return [
        member(f"m{index}", Verdict.SUSPECT if word.endswith("!") else Verdict.HEALTHY, region=word.strip("!-"))
        for index, word in enumerate(spec.split())
    ]


@pytest.mark.parametrize(
    ("spec", "expected", "reason"),
    [
        ("a b c", ON, ""),
        ("a! b c", ON, ""),
        ("a! b! c d e", HOLDING, "RegionsLost"),
        ("a! a! b b c", ON, ""),  # a region is one event
        ("a! a! b b", ON, ""),
        ("a! a! a! b c", ON, ""),
        ("a! a! b", HOLDING, "TooManyLost"),
        ("a! a! b! b! c c", HOLDING, "RegionsLost"),
        ("a! a b! b c c", ON, ""),  # parts of two regions, a third of the fleet
        ("a! a b! b c! c", HOLDING, "TooManyLost"),
        ("a! b! c!", HOLDING, "RegionsLost"),
        ("-! -! - - -", ON, ""),  # regions are not known: 40% is not more than 40%
        ("-! -! -! - - -", HOLDING, "TooManyLost"),
        ("a b", OFF, "FewMembers"),
        ("a! b", OFF, "FewMembers"),
        ("a", OFF, "FewMembers"),
    ],
)
def test_many_losses_at_once_are_held(spec: str, expected: Automation, reason: str) -> None:
    state = decide(BreakerState(), fleet(spec), now=START)
    assert (state.automation, state.reason) == (expected, reason)
    assert bool(state.message) is (expected is not ON)


def test_members_that_share_a_fate_are_one_event_and_two_regions_are_still_two() -> None:
    lost = [member("a", Verdict.UNREACHABLE, provider="x"), member("b", Verdict.UNREACHABLE, provider="x")]
    rest = [member("c", provider="y"), member("d", provider="y")]
    assert decide(BreakerState(), [*lost, *rest], now=START).automation is ON
    alone = [member("a", Verdict.UNREACHABLE), member("b", Verdict.UNREACHABLE)]
    assert decide(BreakerState(), [*alone, *rest], now=START).automation is HOLDING


@pytest.mark.parametrize(
    ("spec", "error", "expected"),
    [("a! b", "", ON), ("a! b!", "", HOLDING), ("a b", "witness does not answer", HOLDING), ("a b", "", ON)],
)
def test_two_members_go_by_a_witness(spec: str, error: str, expected: Automation) -> None:
    state = decide(BreakerState(), fleet(spec), now=START, has_witness=True, self_check_error=error)
    assert state.automation is expected


def test_members_that_are_expected_to_be_silent_are_no_losses() -> None:
    members = [member("a", Verdict.MAINTENANCE), member("b", Verdict.HIBERNATED), *fleet("c d e")]
    assert decide(BreakerState(), members, now=START).automation is ON


def test_it_closes_by_itself_when_the_cause_is_gone_for_a_while_and_not_before() -> None:
    state = decide(BreakerState(), fleet("a! b! c"), now=START)
    now = START + timedelta(hours=1)
    state = decide(state, fleet("a! b! c"), now=now)
    assert state.automation is HOLDING  # however long it lasts, what it holds back is not done by itself
    state = decide(state, fleet("a b c"), now=now)
    assert state.automation is HOLDING
    almost = now + timedelta(seconds=LIMITS.stable_seconds - 1)
    state = decide(state, fleet("a! b! c"), now=almost)
    state = decide(state, fleet("a b c"), now=almost + timedelta(seconds=2))
    assert state.automation is HOLDING  # the cause came back meanwhile
    state = decide(state, fleet("a b c"), now=almost + timedelta(seconds=3 + LIMITS.stable_seconds))
    assert (state.automation, state.reason) == (ON, "")


def test_a_release_takes_what_is_lost_as_lost_until_it_is_back() -> None:
    state = decide(BreakerState(), fleet("a! b! c d e"), now=START)
    state = decide(state, fleet("a! b! c d e"), now=START, released=True)
    assert (state.automation, state.settled) == (ON, ("m0", "m1"))
    later = START + timedelta(hours=1)
    assert decide(state, fleet("a! b! c d e"), now=later).automation is ON
    assert decide(state, fleet("a! b! c! d e"), now=later).automation is HOLDING
    back = decide(state, fleet("a b c d e"), now=later)
    assert back.settled == ()
    assert decide(back, fleet("a! b! c d e"), now=later).automation is HOLDING


def test_a_release_does_not_overrule_a_self_check_that_fails() -> None:
    state = decide(BreakerState(), fleet("a b c"), now=START, self_check_error="no witness")
    assert decide(state, fleet("a b c"), now=START, self_check_error="no witness", released=True).automation is HOLDING


def test_a_loss_that_was_acted_on_long_ago_is_none_of_this_moment() -> None:
    members = [member("m0", Verdict.UNREACHABLE, region="a"), *fleet("- b c d e")[1:]]
    state = decide(BreakerState(), members, now=START + timedelta(seconds=LIMITS.settled_seconds))
    assert state.settled == ("m0",)
    members[1] = member("m1", Verdict.SUSPECT, region="b")
    assert decide(state, members, now=START + timedelta(hours=1)).automation is ON
    members[2] = member("m2", Verdict.SUSPECT, region="b")
    assert decide(state, members, now=START + timedelta(hours=1)).automation is HOLDING  # three of five


_words = st.lists(st.sampled_from(["a", "a!", "b", "b!", "c", "c!", "-", "-!"]), min_size=3, max_size=12)


@given(_words)
def test_losing_more_members_of_as_many_events_never_closes_it(words: list[str]) -> None:
    """All of them lost is always held, and none lost never."""
    everything = " ".join(word.strip("!") + "!" for word in words)
    assert decide(BreakerState(), fleet(everything), now=START).automation is HOLDING
    nothing = " ".join(word.strip("!") for word in words)
    assert decide(BreakerState(), fleet(nothing), now=START).automation is ON


@given(_words, st.lists(st.integers(0, 600), max_size=10))
def test_while_the_cause_lasts_it_stays_open(words: list[str], seconds: list[int]) -> None:
    state = decide(BreakerState(), fleet(" ".join(words)), now=START)
    if state.automation is HOLDING:
        now = START
        for step in seconds:
            now += timedelta(seconds=step)
            state = decide(state, fleet(" ".join(words)), now=now)
            assert state.automation is HOLDING
