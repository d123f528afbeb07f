"""From evidence to a verdict on one member, and to the taints by which placement hears of it.

A verdict gets worse after several findings in a row, so a blip is none, and better only when the member has been well
for some time: a member that falls again and again is quarantined, and has to be well for longer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from fedsvc.health.evidence import IMPAIRED, Evidence, EvidenceKind
from fedsvc_placement.model import Effect, Taint

SUSPECT_TAINT: Final = "fedsvc.io/suspect"
"""Key of the taint of a member that is Suspect or Unreachable: NoScheduleNew, what runs there stays as it is."""

UNREACHABLE_TAINT: Final = "fedsvc.io/unreachable"
"""Key of the taint of a member that is Unreachable: NoExecute, units leave when their toleration ends."""

HIBERNATED_TAINT: Final = "fedsvc.io/hibernated"
"""Key of the taint that people set on a member which is switched off on purpose."""


class Verdict(StrEnum):
    """What is held of a member."""

    UNKNOWN = "Unknown"  # nothing was found yet
    HEALTHY = "Healthy"
    SUSPECT = "Suspect"  # it may be lost, or is back and not trusted yet: nothing new goes there
    UNREACHABLE = "Unreachable"  # lost
    DEGRADED = "Degraded"  # it lives, and cannot be worked with
    MAINTENANCE = "Maintenance"  # it may be away, as was announced
    HIBERNATED = "Hibernated"  # it is switched off on purpose


EXPECTED: Final = frozenset({Verdict.MAINTENANCE, Verdict.HIBERNATED})
"""Verdicts of members that may be silent: no failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many findings, how long. Counts are findings in a row.

    With a probe every 5 s (2 s in doubt) that waits for 3 s, a member that refuses connections is Unreachable within
    16 s and one that swallows them within 19 s.
    """

    suspect_findings: int = 2
    unreachable_findings: int = 3
    unreachable_seconds: float = 9.0  # since the first of these
    degraded_findings: int = 3
    well_findings: int = 2
    stable_seconds: float = 60.0  # how long a member that was Unreachable is well before it is Healthy
    flap_falls: int = 3  # so often Unreachable within `flap_seconds`, and it is quarantined
    flap_seconds: float = 600.0
    quarantine_seconds: float = 600.0  # in place of `stable_seconds`


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is held of a member and must outlive a restart."""

    verdict: Verdict = Verdict.UNKNOWN
    since: datetime | None = None  # when the verdict became this one
    kind: EvidenceKind = EvidenceKind.WELL  # what it rests on
    message: str = ""  # likewise, for people
    trouble_time: datetime | None = None  # of Suspect and Unreachable: when the first of the bad findings was made
    is_returning: bool = False  # of Suspect: it was Unreachable
    well_since: datetime | None = None  # of one that returns: since when it is well without a break
    falls: tuple[datetime, ...] = ()  # when it became Unreachable of late
    is_quarantined: bool = False

    @property
    def is_lost(self) -> bool:
        """Whether it is not heard, or was not a moment ago; one that returns is."""
        return self.verdict is Verdict.UNREACHABLE or (self.verdict is Verdict.SUSPECT and not self.is_returning)

    @property
    def may_be_removed_from(self) -> bool:
        """Whether objects may be deleted there: nothing is removed from a member that is in any trouble."""
        if self.verdict in EXPECTED:
            return self.kind is EvidenceKind.WELL
        return self.verdict in {Verdict.HEALTHY, Verdict.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Streak:
    """Findings in a row, up to the newest. It is begun anew after a restart: what nobody saw is no evidence."""

    dead: int = 0
    silent: int = 0  # dead, or open
    impaired: int = 0
    well: int = 0
    trouble_time: datetime | None = None  # of the first that was silent
    dead_time: datetime | None = None  # of the first that was dead

    @property
    def is_bad(self) -> bool:
        """Whether the newest finding was not well."""
        return self.well == 0 and (self.silent > 0 or self.impaired > 0)


def judge(
    health: Health,
    streak: Streak,
    evidence: Evidence,
    *,
    now: datetime,
    expected: Verdict | None = None,
    limits: Limits = Limits(),
) -> tuple[Health, Streak]:
    """What is held of a member after one more finding.

    Args:
        health: what was held before.
        streak: what came out beside it.
        evidence: the finding.
        now: time zone aware.
        expected: `MAINTENANCE` or `HIBERNATED` where that was announced: then it counts as nothing else.
        limits: how many findings, how long.
    """
    streak = _count(streak, evidence, now)
    if expected is not None:
        plain = Health(verdict=expected, falls=health.falls, message=evidence.message, kind=evidence.kind)
        return _since(plain, health, now), streak
    if health.verdict in EXPECTED:
        health = replace(Health(falls=health.falls), since=health.since)
    return _since(_judged(health, streak, evidence, now, limits), health, now), streak


def taints_of(health: Health) -> tuple[Taint, ...]:
    """The taints by which placement hears of a verdict."""
    suspect = Taint(key=SUSPECT_TAINT, value="", effect=Effect.NO_SCHEDULE_NEW, time_added=health.since)
    if health.verdict is Verdict.SUSPECT:
        return (suspect,)
    if health.verdict is Verdict.UNREACHABLE:
        return (suspect, Taint(key=UNREACHABLE_TAINT, value="", effect=Effect.NO_EXECUTE, time_added=health.since))
    return ()


def _count(streak: Streak, evidence: Evidence, now: datetime) -> Streak:
    if evidence.is_alive:
        if evidence.kind in IMPAIRED:
            return Streak(impaired=streak.impaired + 1)
        return Streak(well=streak.well + 1)
    is_dead = evidence.is_alive is False
    return Streak(
        silent=streak.silent + 1,
        trouble_time=streak.trouble_time or now,
        dead=streak.dead + 1 if is_dead else 0,
        dead_time=(streak.dead_time or now) if is_dead else None,
    )


def _judged(health: Health, streak: Streak, evidence: Evidence, now: datetime, limits: Limits) -> Health:
    if health.verdict is Verdict.UNREACHABLE:
        if streak.well < limits.well_findings:
            return health
        return replace(_found(health, Verdict.SUSPECT, evidence), is_returning=True, well_since=now)
    if _is_dead(streak, now, limits):
        return _fallen(health, streak, evidence, now, limits)
    if health.is_returning:
        return _returning(health, streak, evidence, now, limits)
    verdict = _standing(health.verdict, streak, limits)
    if verdict is None:
        return health
    trouble = health.trouble_time if verdict is health.verdict else streak.trouble_time
    return replace(_found(health, verdict, evidence), trouble_time=trouble)


def _standing(verdict: Verdict, streak: Streak, limits: Limits) -> Verdict | None:
    """The verdict on a member that was never lost, or is trusted again; None: it stays."""
    if streak.silent >= limits.suspect_findings:
        return Verdict.SUSPECT
    if streak.impaired >= limits.degraded_findings:
        return Verdict.DEGRADED
    if streak.well >= (1 if verdict is Verdict.UNKNOWN else limits.well_findings):
        return Verdict.HEALTHY
    return None


def _is_dead(streak: Streak, now: datetime, limits: Limits) -> bool:
    if streak.dead_time is None or streak.dead < limits.unreachable_findings:
        return False
    return now - streak.dead_time >= timedelta(seconds=limits.unreachable_seconds)


def _fallen(health: Health, streak: Streak, evidence: Evidence, now: datetime, limits: Limits) -> Health:
    late = now - timedelta(seconds=limits.flap_seconds)
    falls = (*(fall for fall in health.falls if fall > late), now)
    return replace(
        _found(health, Verdict.UNREACHABLE, evidence),
        trouble_time=streak.trouble_time,
        is_returning=False,
        well_since=None,
        falls=falls,
        is_quarantined=health.is_quarantined or len(falls) >= limits.flap_falls,
    )


def _returning(health: Health, streak: Streak, evidence: Evidence, now: datetime, limits: Limits) -> Health:
    if not streak.well:
        return replace(health, well_since=None)
    if health.well_since is None:
        return replace(health, well_since=now)
    wait = limits.quarantine_seconds if health.is_quarantined else limits.stable_seconds
    if streak.well < limits.well_findings or now - health.well_since < timedelta(seconds=wait):
        return health
    return replace(Health(falls=health.falls), verdict=Verdict.HEALTHY, kind=evidence.kind, message=evidence.message)


def _found(health: Health, verdict: Verdict, evidence: Evidence) -> Health:
    """The verdict, resting on the evidence; where it was this one already for the same, in the words of before.

    Else each probe of a member that is slow in another way would be a change to be written and told.
    """
    if health.verdict is verdict and health.kind is evidence.kind:
        return health
    return replace(health, verdict=verdict, kind=evidence.kind, message=evidence.message)


def _since(health: Health, before: Health, now: datetime) -> Health:
    if health.verdict is before.verdict and before.since is not None:
        return replace(health, since=before.since)
    return replace(health, since=now)
