import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.controllers.probing import (
    CREDENTIALS_VALID,
    REACHABLE,
    READY,
    RIGHTS_SUFFICIENT,
    THRESHOLD,
    CredentialView,
    Finding,
    Streaks,
    judge,
    rights_in,
)
from fedsvc.members.errors import (
    MemberError,
    MemberGarbageError,
    MemberSettingsError,
    MemberStatusError,
    MemberUnreachableError,
    UnreachableKind,
)
from fedsvc.members.inspect import Readiness
from fedsvc.members.refusals import Right
from fedsvc.model.cluster import Condition

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
STEP = dt.timedelta(seconds=10)

REFUSAL = MemberStatusError(code=401, reason="Unauthorized", message="Unauthorized")
GOOD = Finding(cluster="eu", readiness=Readiness(ready=True))
SHY = Finding(cluster="eu", readiness=Readiness(ready=None, message="the answer to /readyz was status 403"))
SICK = Finding(cluster="eu", readiness=Readiness(ready=False, message="its checks fail: etcd"))
REFUSED = Finding(cluster="eu", readiness=Readiness(ready=None, refusal=REFUSAL))
GONE = Finding(cluster="eu", error=MemberUnreachableError(UnreachableKind.REFUSED, "nothing listens there"))
WRONG = Finding(cluster="eu", error=MemberSettingsError("the endpoint is plain http"))


class Judged:
    """Findings judged one after the other, ten seconds apart."""

    def __init__(self, *findings: Finding) -> None:
        self.conditions: dict[str, Condition] = {}
        self.streaks = Streaks()
        self.now = NOW
        for finding in findings:
            self.next(finding)

    def next(self, finding: Finding) -> dict[str, Condition]:
        self.now += STEP
        found, self.streaks = judge(self.conditions, self.streaks, finding, now=self.now)
        self.conditions = {condition.type: condition for condition in found}
        return self.conditions

    def line(self) -> str:
        """Reachable, Ready and CredentialsValid as letters: T, F or U."""
        return "".join(self.conditions[kind].status.value[0] for kind in (REACHABLE, READY, CREDENTIALS_VALID))


@pytest.mark.parametrize(
    ("findings", "lines"),
    [
        pytest.param([GOOD], "TTT", id="well"),
        pytest.param([SHY], "TTT", id="does-not-tell"),
        pytest.param([GONE], "UUU", id="first-probe-fails"),
        pytest.param([GONE] * 3, "UUU UUU FUU", id="never-seen"),
        pytest.param([GOOD, *[GONE] * 4], "TTT TTT TTT FUT FUT", id="dies"),
        pytest.param([GOOD, GONE, GONE, GOOD, GONE, GONE], "TTT TTT TTT TTT TTT TTT", id="stumbles"),
        pytest.param([GOOD, *[GONE] * 3, GOOD], "TTT TTT TTT FUT TTT", id="comes-back"),
        pytest.param([SICK], "TFT", id="first-seen-sick"),
        pytest.param([GOOD, *[SICK] * 3], "TTT TTT TTT TFT", id="falls-sick"),
        pytest.param([GOOD, SICK, SICK, GOOD, SICK], "TTT TTT TTT TTT TTT", id="flickers"),
        pytest.param([GOOD, *[SICK] * 3, GOOD], "TTT TTT TTT TFT TTT", id="recovers"),
        pytest.param([REFUSED], "TUF", id="first-refused"),
        pytest.param([GOOD, *[REFUSED] * 3], "TTT TTT TTT TUF", id="revoked"),
        pytest.param([GOOD, *[REFUSED] * 3, GOOD], "TTT TTT TTT TUF TTT", id="joined-again"),
        pytest.param([GOOD, *[REFUSED] * 5, GONE], "TTT TTT TTT TUF TUF TUF TUF", id="revoked-then-a-stumble"),
        pytest.param([WRONG], "FUU", id="settings-are-certain-at-once"),
        pytest.param([GOOD, SICK, GONE, SICK, GONE, SICK], "TTT TTT TTT TTT TTT TFT", id="sick-between-stumbles"),
    ],
)
def test_a_verdict_turns_bad_after_three_findings_and_good_after_one(findings: Sequence[Finding], lines: str) -> None:
    judged, seen = Judged(), []
    for finding in findings:
        judged.next(finding)
        seen.append(judged.line())
    assert " ".join(seen) == lines


@pytest.mark.parametrize(
    ("error", "reason"),
    [(MemberUnreachableError(kind, f"words of {kind}"), None) for kind in UnreachableKind]
    + [
        (MemberGarbageError("a web page"), "NotAnApiServer"),
        (WRONG.error, "WrongSettings"),
        (MemberStatusError(code=418, reason="", message="teapot"), "NoAnswer"),
    ],
    ids=str,
)
def test_every_way_of_not_answering_has_a_reason_and_keeps_its_words(error: MemberError, reason: str | None) -> None:
    judged = Judged(*[Finding(cluster="eu", error=error)] * THRESHOLD)
    condition = judged.conditions[REACHABLE]
    assert condition.reason == reason or (reason is None and condition.reason.isalpha())
    assert condition.message == str(error)


def view(**changes: Any) -> Finding:
    return replace(GOOD, credential=CredentialView(**changes))


@pytest.mark.parametrize(
    ("finding", "reason", "words"),
    [
        pytest.param(view(), "Accepted", "takes the credential", id="without-end"),
        pytest.param(view(expire_time=NOW + STEP, renewable=True), "Accepted", "takes", id="renewable"),
        pytest.param(
            view(expire_time=NOW + dt.timedelta(days=2)), "Ending", "run `fedctl join eu` again before", id="ending"
        ),
        pytest.param(view(expire_time=NOW + dt.timedelta(days=20)), "Accepted", "takes", id="ends-later"),
        pytest.param(
            view(expire_time=NOW + dt.timedelta(days=2), renewable=True, renewal_error="forbidden"),
            "RenewalFailing",
            "cannot be renewed: forbidden; it ends at 2026-11-26 12:00 UTC",
            id="renewal-fails",
        ),
    ],
)
def test_a_good_credential_is_told_with_what_threatens_it(finding: Finding, reason: str, words: str) -> None:
    condition = Judged(finding).conditions[CREDENTIALS_VALID]
    assert (condition.status.value, condition.reason) == ("True", reason)
    assert words in condition.message


def test_a_credential_that_has_ended_is_told_from_one_that_was_revoked() -> None:
    ended = replace(REFUSED, credential=CredentialView(expire_time=NOW, renewable=True))
    conditions = Judged(ended).conditions
    assert conditions[CREDENTIALS_VALID].reason == "Expired"
    assert "ended at 2026-11-24 12:00 UTC: run `fedctl join eu` again" in conditions[CREDENTIALS_VALID].message
    assert Judged(REFUSED).conditions[CREDENTIALS_VALID].reason == "Refused"
    assert "(Unauthorized)" in Judged(REFUSED).conditions[CREDENTIALS_VALID].message


RIGHTS = [
    Right(group="apps", resource="deployments", verb="patch", namespace="shop"),
    Right(group="", resource="pods/log", verb="get"),
    Right(group="shop.example.com", resource="banners", verb="list"),
]


def test_missing_rights_are_named_and_can_be_read_back() -> None:
    condition = Judged(replace(GOOD, missing_rights=RIGHTS)).conditions[RIGHTS_SUFFICIENT]
    assert "patch deployments.apps in namespace shop, get pods/log, list banners.shop.example.com" in condition.message
    assert "run `fedctl join eu --custom-group shop.example.com` again" in condition.message
    assert rights_in(condition.message) == RIGHTS
    many = [Right(group="", resource=f"kind{number}", verb="get") for number in range(20)]
    condition = Judged(replace(GOOD, missing_rights=many)).conditions[RIGHTS_SUFFICIENT]
    assert "12 more" in condition.message
    assert rights_in(condition.message) == many[:8]


def test_rights_are_unknown_until_something_was_tried_and_then_as_found() -> None:
    judged = Judged(GOOD)
    assert judged.conditions[RIGHTS_SUFFICIENT].status.value == "Unknown"
    assert judged.next(replace(GOOD, missing_rights=()))[RIGHTS_SUFFICIENT].status.value == "True"
    assert judged.next(GONE)[RIGHTS_SUFFICIENT].status.value == "True"


def test_a_message_of_another_kind_names_no_rights() -> None:
    assert rights_in("nothing was tried yet") == []
    assert rights_in("the member does not allow: ?; run") == []


def skewed(seconds: float) -> Finding:
    return replace(GOOD, readiness=Readiness(ready=True, skew_seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, ""),
        (-29, ""),
        (45.1, "about 60 s ahead of"),
        (-40, "about 30 s behind"),
        (290, "about 5 min ahead of"),
        (3_700, "about 60 min ahead of"),
        (-86_400, "about 1440 min behind"),
    ],
)
def test_a_skew_is_told_in_round_words(seconds: float, words: str) -> None:
    message = Judged(skewed(seconds)).conditions[REACHABLE].message
    assert message.removeprefix("the API server answers").partition("clock is ")[2].partition(" ours")[0] == words


@given(
    skew=st.floats(min_value=-10_000, max_value=10_000),
    jitter=st.lists(st.floats(min_value=-2, max_value=2), min_size=1, max_size=10),
)
def test_a_skew_that_trembles_makes_no_new_message(skew: float, jitter: list[float]) -> None:
    judged = Judged(skewed(skew))
    first = judged.conditions[REACHABLE]
    assert all(judged.next(skewed(skew + shift))[REACHABLE] == first for shift in jitter)


FINDINGS = st.lists(st.sampled_from([GOOD, SHY, SICK, REFUSED, GONE, WRONG, replace(GOOD, missing_rights=RIGHTS)]))


@given(findings=FINDINGS)
def test_the_time_of_a_condition_changes_exactly_with_its_status(findings: list[Finding]) -> None:
    judged = Judged()
    for finding in findings:
        before = judged.conditions
        after = judged.next(finding)
        assert set(after) == {REACHABLE, READY, CREDENTIALS_VALID, RIGHTS_SUFFICIENT}
        for kind, condition in after.items():
            same = kind in before and before[kind].status is condition.status
            assert condition.last_transition_time == (before[kind].last_transition_time if same else judged.now)


@given(findings=FINDINGS)
def test_a_refused_credential_is_never_a_death(findings: list[Finding]) -> None:
    judged = Judged(*[finding for finding in findings if finding not in (GONE, WRONG, SICK)], REFUSED)
    assert judged.conditions[REACHABLE].status.value == "True"
    assert judged.conditions[READY].status.value != "False"


@given(findings=FINDINGS)
def test_one_good_finding_makes_everything_good(findings: list[Finding]) -> None:
    assert Judged(*findings, GOOD).line() == "TTT"


@given(findings=FINDINGS)
def test_less_than_three_stumbles_change_nothing_in_a_well_member(findings: list[Finding]) -> None:
    judged = Judged(*findings, GOOD)
    before = judged.conditions
    assert judged.next(GONE) == before
    assert judged.streaks.undecided
    assert judged.next(GONE) == before


@given(findings=FINDINGS)
def test_a_member_is_dead_after_three_findings_whatever_came_before(findings: list[Finding]) -> None:
    judged = Judged(*findings, GONE, GONE, GONE)
    assert judged.conditions[REACHABLE].status.value == "False"
    assert judged.conditions[READY].status.value == "Unknown"
    assert not judged.streaks.undecided or judged.streaks.not_ready or judged.streaks.refused
