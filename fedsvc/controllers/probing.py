"""Pure: from what a member answered to its conditions.

    Reachable         it answers at all (any HTTP status is an answer)
    Ready             its API server says so; Unknown while it cannot be asked
    CredentialsValid  it takes our credential; a refused credential is never a death of the member
    RightsSufficient  nothing we tried was refused for want of rights

A verdict changes to the worse after `THRESHOLD` findings in a row, and to the better after one.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from fedsvc.members.errors import MemberError, MemberGarbageError, MemberSettingsError, MemberUnreachableError
from fedsvc.members.inspect import Readiness
from fedsvc.members.refusals import Right, joining_again
from fedsvc.model.cluster import Condition, ConditionStatus

REACHABLE: Final = "Reachable"
READY: Final = "Ready"
CREDENTIALS_VALID: Final = "CredentialsValid"
RIGHTS_SUFFICIENT: Final = "RightsSufficient"

CONCERNS: Final = frozenset({"RenewalFailing", "Ending"})
"""Reasons to worry about a credential that is good still."""

THRESHOLD: Final = 3
SKEW_TOLERATED_SECONDS: Final = 30.0
_JITTER_SECONDS: Final = 5.0  # a Date header is whole seconds, and an answer may take as long as the probe waits
_ANSWERS: Final = "the API server answers"
_SHOWN_RIGHTS: Final = 8
_ENDING: Final = timedelta(days=7)  # a credential that we cannot renew is told of so long before it ends

_UNREACHABLE_REASONS: Final = {
    "refused": "ConnectionRefused",
    "timeout": "TimedOut",
    "tls": "TLSFailed",
    "dns": "NameNotFound",
    "reset": "ConnectionReset",
    "network": "NoRoute",
    "proxy": "ProxyFailed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Streaks:
    """How often in a row something bad was found."""

    unreachable: int = 0
    not_ready: int = 0
    refused: int = 0

    @property
    def undecided(self) -> bool:
        """Whether something bad was found, but not yet often enough: look again soon."""
        return any(0 < count < THRESHOLD for count in (self.unreachable, self.not_ready, self.refused))


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialView:
    """What is known of the credential besides what the member says of it."""

    expire_time: datetime | None = None
    renewable: bool = False  # fedsvc may renew it by itself
    renewal_error: str = ""  # why the last renewal failed; empty when it did not


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one probe: `readiness`, or the `error` in its place."""

    cluster: str  # name, for the advice in messages
    readiness: Readiness | None = None
    error: MemberError | None = None
    credential: CredentialView = field(default_factory=CredentialView)
    missing_rights: Sequence[Right] | None = None  # None: not looked at yet


def judge(
    previous: Mapping[str, Condition], streaks: Streaks, finding: Finding, *, now: datetime
) -> tuple[tuple[Condition, ...], Streaks]:
    """The conditions after a finding, and the streaks to hand in with the next one."""
    streaks = _count(streaks, finding)
    reachable = _reachable(previous.get(REACHABLE), streaks, finding)
    credentials = _credentials(previous.get(CREDENTIALS_VALID), streaks, finding, now=now)
    ready = _ready(previous.get(READY), streaks, finding, reachable=reachable, credentials=credentials)
    verdicts = (reachable, ready, credentials, _rights(previous.get(RIGHTS_SUFFICIENT), finding))
    return tuple(_dated(verdict, previous.get(verdict.type), now=now) for verdict in verdicts), streaks


def rights_in(message: str) -> list[Right]:
    """The rights that the message of an earlier condition names: what is to be asked for again after a restart."""
    listed = re.search(r"does not allow: ([^;]*)", message)
    found = (_RIGHT.fullmatch(part.strip()) for part in listed.group(1).split(",")) if listed else ()
    return [
        Right(group=m["group"] or "", resource=m["resource"], verb=m["verb"], namespace=m["namespace"] or "")
        for m in found
        if m is not None
    ]


_RIGHT: Final = re.compile(
    r"(?P<verb>\w+) (?P<resource>[a-z0-9/-]+)(?:\.(?P<group>[a-z0-9.-]+))?(?: in namespace (?P<namespace>[a-z0-9-]+))?"
)


def _count(streaks: Streaks, finding: Finding) -> Streaks:
    readiness = finding.readiness
    if readiness is None:
        return replace(streaks, unreachable=streaks.unreachable + 1)
    return Streaks(
        not_ready=streaks.not_ready + 1 if readiness.ready is False else 0,
        refused=streaks.refused + 1 if readiness.refusal is not None else 0,
    )


def _reachable(previous: Condition | None, streaks: Streaks, finding: Finding) -> Condition:
    if finding.readiness is not None:
        told = previous.message if previous is not None else ""
        message = _ANSWERS + _skew_words(finding.readiness.skew_seconds, told)
        return _verdict(REACHABLE, ConditionStatus.TRUE, "Answering", message)
    assert finding.error is not None
    reason, message = _words_of(finding.error)
    certain = isinstance(finding.error, MemberSettingsError) or streaks.unreachable >= THRESHOLD
    if certain:
        return _verdict(REACHABLE, ConditionStatus.FALSE, reason, message)
    if previous is not None and previous.status is not ConditionStatus.UNKNOWN:
        return previous
    return _verdict(REACHABLE, ConditionStatus.UNKNOWN, reason, message)


def _ready(
    previous: Condition | None, streaks: Streaks, finding: Finding, *, reachable: Condition, credentials: Condition
) -> Condition:
    readiness = finding.readiness
    if readiness is None:
        if reachable.status is ConditionStatus.TRUE and previous is not None:
            return previous
        return _verdict(READY, ConditionStatus.UNKNOWN, "Unreachable", "the API server cannot be asked")
    if readiness.refusal is not None:
        if credentials.status is not ConditionStatus.FALSE and previous is not None:
            return previous
        message = "the API server answers, but refuses our credential: see CredentialsValid"
        return _verdict(READY, ConditionStatus.UNKNOWN, "CredentialsRefused", message)
    return _ready_by_word(previous, streaks, readiness)


def _ready_by_word(previous: Condition | None, streaks: Streaks, readiness: Readiness) -> Condition:
    if readiness.ready:
        return _verdict(READY, ConditionStatus.TRUE, "ApiServerReady", "the API server is ready")
    if readiness.ready is None:
        if previous is not None and previous.status is ConditionStatus.TRUE:
            return previous
        return _verdict(READY, ConditionStatus.TRUE, "Answering", f"the API server answers; {readiness.message}")
    if streaks.not_ready < THRESHOLD and previous is not None and previous.status is not ConditionStatus.UNKNOWN:
        return previous
    return _verdict(
        READY, ConditionStatus.FALSE, "ApiServerNotReady", f"the API server is not ready: {readiness.message}"
    )


def _credentials(previous: Condition | None, streaks: Streaks, finding: Finding, *, now: datetime) -> Condition:
    readiness = finding.readiness
    if readiness is None:
        message = "the member cannot be asked"
        return previous or _verdict(CREDENTIALS_VALID, ConditionStatus.UNKNOWN, "NotTried", message)
    again = f"run `fedctl join {finding.cluster}` again"
    if readiness.refusal is None:
        reason, message = _accepted(finding.credential, again, now=now)
        return _verdict(CREDENTIALS_VALID, ConditionStatus.TRUE, reason, message)
    if streaks.refused < THRESHOLD and previous is not None and previous.status is ConditionStatus.TRUE:
        return previous
    end = finding.credential.expire_time
    if end is not None and end <= now:
        message = f"the credential ended at {_moment(end)}: {again}"
        return _verdict(CREDENTIALS_VALID, ConditionStatus.FALSE, "Expired", message)
    words = readiness.refusal.message.rstrip(".")
    message = f"the member refuses the credential ({words}); it was revoked, or is for another cluster: {again}"
    return _verdict(CREDENTIALS_VALID, ConditionStatus.FALSE, "Refused", message)


def _accepted(view: CredentialView, again: str, *, now: datetime) -> tuple[str, str]:
    """Reason and message of a credential that is good now."""
    end = view.expire_time
    if view.renewal_error:
        until = f"; it ends at {_moment(end)}" if end is not None else ""
        message = f"the credential is good, but cannot be renewed: {view.renewal_error}{until}; if this lasts, {again}"
        return "RenewalFailing", message
    if end is not None and not view.renewable and end - now < _ENDING:
        return "Ending", f"the credential ends at {_moment(end)} and cannot be renewed from here: {again} before"
    return "Accepted", "the member takes the credential"


def _rights(previous: Condition | None, finding: Finding) -> Condition:
    missing = finding.missing_rights
    if missing is None:
        return previous or _verdict(RIGHTS_SUFFICIENT, ConditionStatus.UNKNOWN, "NotTried", "nothing was tried yet")
    if not missing:
        return _verdict(RIGHTS_SUFFICIENT, ConditionStatus.TRUE, "Sufficient", "nothing was refused for want of rights")
    named = ", ".join(str(right) for right in missing[:_SHOWN_RIGHTS])
    more = f"; {len(missing) - _SHOWN_RIGHTS} more" if len(missing) > _SHOWN_RIGHTS else ""
    message = (
        f"the member does not allow: {named}{more}; "
        f"run `{joining_again(finding.cluster, missing)}` again to grant what its profile covers, "
        "or another profile by --rights"
    )
    return _verdict(RIGHTS_SUFFICIENT, ConditionStatus.FALSE, "Missing", message)


def _words_of(error: MemberError) -> tuple[str, str]:
    if isinstance(error, MemberUnreachableError):
        return _UNREACHABLE_REASONS[error.kind.value], error.detail
    if isinstance(error, MemberGarbageError):
        return "NotAnApiServer", str(error)
    if isinstance(error, MemberSettingsError):
        return "WrongSettings", str(error)
    return "NoAnswer", str(error)


def _skew_words(seconds: float | None, told: str) -> str:
    """Words for a skew, told in steps; on the edge of two steps those of the `told` message stay.

    Else a clock that runs on, or a network that is now slow and now fast, would make a new message of every probe.
    """
    if seconds is None:
        return ""
    around = [_step_words(seconds + jitter) for jitter in (0.0, -_JITTER_SECONDS, _JITTER_SECONDS)]
    before = told.removeprefix(_ANSWERS)
    return before if told.startswith(_ANSWERS) and before in around else around[0]


def _step_words(seconds: float) -> str:
    if abs(seconds) <= SKEW_TOLERATED_SECONDS:
        return ""
    step = 30 if abs(seconds) < 300 else 300
    rounded = max(30, round(abs(seconds) / step) * step)
    shown = f"{rounded} s" if rounded < 300 else f"{rounded // 60} min"
    return f"; its clock is about {shown} {'ahead of' if seconds > 0 else 'behind'} ours: set the clocks by NTP"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _verdict(type_: str, status: ConditionStatus, reason: str, message: str) -> Condition:
    epoch = datetime.fromtimestamp(0, UTC)  # `_dated` sets it
    return Condition(type=type_, status=status, reason=reason, message=message, last_transition_time=epoch)


def _dated(verdict: Condition, previous: Condition | None, *, now: datetime) -> Condition:
    since = previous.last_transition_time if previous is not None and previous.status is verdict.status else now
    return replace(verdict, last_transition_time=since)
