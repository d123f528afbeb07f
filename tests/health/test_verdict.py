"""Verdicts on one member: what it takes to lose it, and to trust it again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.health import Evidence, EvidenceKind, Health, Limits, Streak, Verdict, judge, taints_of
from fedsvc.health.evidence import DEAD, IMPAIRED

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
LIMITS = Limits()
OPEN = [kind for kind in EvidenceKind if Evidence(kind=kind).is_alive is None]
WELL = EvidenceKind.WELL


class Member:
    """A member that is looked at in virtual time."""

    def __init__(self) -> None:
        self.health = Health(verdict=Verdict.HEALTHY, since=START)
        self.streak, self.now = Streak(), START

    def see(self, kind: EvidenceKind, seconds: float = 2.0, expected: Verdict | None = None) -> Verdict:
        self.now += timedelta(seconds=seconds)
        evidence = Evidence(kind=kind, message=kind.value)
        self.health, self.streak = judge(self.health, self.streak, evidence, now=self.now, expected=expected)
        return self.health.verdict

    def fall(self) -> None:
        while self.see(EvidenceKind.REFUSED) is not Verdict.UNREACHABLE:
            pass

    def restart(self) -> None:
        self.streak = Streak()


@pytest.mark.parametrize(
    ("kind", "takes_seconds", "within_seconds"),
    [(EvidenceKind.REFUSED, 0.0, 20.0), (EvidenceKind.TIMED_OUT, 3.0, 25.0)],
)
def test_a_dead_member_is_unreachable_in_time_by_the_default_cadence(
    kind: EvidenceKind, takes_seconds: float, within_seconds: float
) -> None:
    """A probe every 5.5 s at most, 2 s after each that was not well; it dies right after one that was."""
    member = Member()
    verdict, pause = member.health.verdict, 5.5
    seen = []
    while verdict is not Verdict.UNREACHABLE:
        verdict = member.see(kind, pause + takes_seconds)
        seen.append(verdict)
        pause = 2.0
    assert member.now - START <= timedelta(seconds=within_seconds)
    assert Verdict.SUSPECT in seen
    assert member.health.trouble_time is not None
    assert member.health.trouble_time < member.health.since  # type: ignore[operator]


@pytest.mark.parametrize("kind", sorted(IMPAIRED))
def test_a_member_that_answers_is_never_lost_whatever_it_answers(kind: EvidenceKind) -> None:
    member = Member()
    assert [member.see(kind) for _ in range(3)] == [Verdict.HEALTHY, Verdict.HEALTHY, Verdict.DEGRADED]
    assert {member.see(kind, 60.0) for _ in range(100)} == {Verdict.DEGRADED}
    assert taints_of(member.health) == ()


@pytest.mark.parametrize("kind", OPEN)
def test_what_may_be_trouble_of_our_own_raises_doubt_and_no_more(kind: EvidenceKind) -> None:
    member = Member()
    assert {member.see(kind, 60.0) for _ in range(100)} == {Verdict.HEALTHY, Verdict.SUSPECT}
    assert [taint.effect for taint in taints_of(member.health)] == ["NoScheduleNew"]


def test_one_probe_without_an_answer_is_a_blip() -> None:
    member = Member()
    for _ in range(50):
        assert member.see(EvidenceKind.TIMED_OUT) is Verdict.HEALTHY
        assert member.see(WELL) is Verdict.HEALTHY


def test_three_failures_at_once_are_no_death_before_time_has_passed() -> None:
    member = Member()
    assert {member.see(EvidenceKind.REFUSED, 0.1) for _ in range(20)} == {Verdict.HEALTHY, Verdict.SUSPECT}


def test_a_member_that_is_back_is_trusted_when_it_was_well_for_a_while() -> None:
    member = Member()
    member.fall()
    assert [taint.effect for taint in taints_of(member.health)] == ["NoScheduleNew", "NoExecute"]
    assert member.see(WELL) is Verdict.UNREACHABLE
    assert member.see(WELL) is Verdict.SUSPECT
    back = member.now
    assert not member.health.is_lost
    assert not member.health.may_be_removed_from
    while member.see(WELL, 5.0) is not Verdict.HEALTHY:
        assert member.now - back < timedelta(seconds=LIMITS.stable_seconds)
    assert member.health.may_be_removed_from
    assert taints_of(member.health) == ()


@pytest.mark.parametrize("kind", [EvidenceKind.TIMED_OUT, EvidenceKind.CREDENTIALS_REFUSED, EvidenceKind.TLS_FAILED])
def test_the_while_begins_anew_with_each_bad_finding(kind: EvidenceKind) -> None:
    member = Member()
    member.fall()
    for _ in range(10):
        for _ in range(5):
            assert member.see(WELL, 10.0) is not Verdict.HEALTHY
        assert member.see(kind) is Verdict.SUSPECT


def test_a_member_that_falls_again_and_again_is_quarantined() -> None:
    member = Member()
    for _ in range(LIMITS.flap_falls):
        member.fall()
        member.see(WELL)
        assert member.see(WELL) is Verdict.SUSPECT
    assert member.health.is_quarantined
    back = member.now
    while member.see(WELL, 5.0) is not Verdict.HEALTHY:
        assert member.now - back < timedelta(seconds=LIMITS.quarantine_seconds)
    assert member.now - back >= timedelta(seconds=LIMITS.quarantine_seconds)
    assert not member.health.is_quarantined


def test_what_is_held_outlives_a_restart_and_what_nobody_saw_is_no_evidence() -> None:
    member = Member()
    member.see(EvidenceKind.REFUSED)
    member.see(EvidenceKind.REFUSED)
    member.restart()
    assert member.see(EvidenceKind.REFUSED, 3600.0) is Verdict.SUSPECT
    member.fall()
    since = member.health.since
    member.restart()
    assert member.see(EvidenceKind.REFUSED, 3600.0) is Verdict.UNREACHABLE
    assert member.health.since == since


@pytest.mark.parametrize("expected", [Verdict.MAINTENANCE, Verdict.HIBERNATED])
def test_a_silence_that_was_announced_is_no_failure(expected: Verdict) -> None:
    member = Member()
    assert {member.see(EvidenceKind.REFUSED, 60.0, expected) for _ in range(10)} == {expected}
    assert taints_of(member.health) == ()
    assert not member.health.is_lost
    assert not member.health.may_be_removed_from  # it is silent all the same
    member.see(WELL, expected=expected)
    assert member.health.may_be_removed_from
    member.restart()
    assert member.see(WELL) is Verdict.HEALTHY


def test_a_silence_that_lasts_longer_than_announced_is_one() -> None:
    member = Member()
    for _ in range(10):
        member.see(EvidenceKind.REFUSED, 60.0, Verdict.MAINTENANCE)
    member.restart()
    assert member.see(EvidenceKind.REFUSED) is not Verdict.UNREACHABLE
    member.fall()


_kinds = st.sampled_from(sorted(EvidenceKind))
_steps = st.lists(st.tuples(_kinds, st.floats(0.1, 120.0)), max_size=60)


@given(_steps)
def test_unreachable_only_after_findings_in_a_row_that_are_signs_of_a_death(
    steps: list[tuple[EvidenceKind, float]],
) -> None:
    member = Member()
    history: list[EvidenceKind] = []
    for kind, seconds in steps:
        before = member.health.verdict
        history.append(kind)
        if member.see(kind, seconds) is Verdict.UNREACHABLE and before is not Verdict.UNREACHABLE:
            assert set(history[-LIMITS.unreachable_findings :]) <= DEAD
            assert len(history) >= LIMITS.unreachable_findings


@given(_steps)
def test_from_lost_to_healthy_only_through_a_time_without_a_bad_finding(
    steps: list[tuple[EvidenceKind, float]],
) -> None:
    member = Member()
    member.fall()
    well_since: datetime | None = None
    was_lost = True
    for kind, seconds in steps:
        verdict = member.see(kind, seconds)
        well_since = (well_since or member.now) if kind is WELL else None
        was_lost = was_lost or verdict is Verdict.UNREACHABLE
        if was_lost and verdict is Verdict.HEALTHY:
            assert well_since is not None
            assert member.now - well_since >= timedelta(seconds=LIMITS.stable_seconds)
            was_lost = False


@given(_steps)
def test_since_is_when_the_verdict_became_what_it_is(steps: list[tuple[EvidenceKind, float]]) -> None:
    member = Member()
    since = member.health.since
    for kind, seconds in steps:
        before = member.health.verdict
        if member.see(kind, seconds) is not before:
            since = member.now
        assert member.health.since == since


@given(_kinds, st.integers(2, 30))
def test_a_finding_that_repeats_itself_settles_so_that_nothing_is_written(kind: EvidenceKind, again: int) -> None:
    member = Member()
    for _ in range(10):
        member.see(kind, 10.0)
    settled = member.health
    for _ in range(again):
        member.see(kind, 10.0)
    assert member.health == settled
