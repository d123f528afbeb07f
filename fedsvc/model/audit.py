"""Pure: what is kept of everything that automation did or refused, and of what people asked of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from fedsvc.health import BreakerState, Health

DAYS_KEPT: Final = 365
SAME: Final = timedelta(minutes=10)
"""What was refused and is refused again for the same reason so soon is the same refusal, counted once more."""


class AuditOutcome(StrEnum):
    """What became of it."""

    DID = "Did"
    REFUSED = "Refused"


class AuditKind(StrEnum):
    """What was done or refused."""

    VERDICT = "Verdict"  # what is held of a cluster
    AUTOMATION = "Automation"  # whether lost clusters are acted on: the breaker
    HOLD = "Hold"  # somebody holds something, ends that, or lets something through
    MOVE = "Move"  # somebody wants units to leave clusters, to go back, or clusters to be empty
    FAILOVER = "Failover"  # a unit leaves a cluster
    FAILBACK = "Failback"  # a unit takes back what it had
    REMOVAL = "Removal"  # objects may be removed from members, or are kept there
    DRILL = "Drill"
    CLUSTER = "Cluster"  # somebody has a cluster join or leave, or keeps units away from it
    CONFIRMATION = "Confirmation"  # somebody confirms what waits for that


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecord:
    """One thing that was done or refused. Where neither unit, cluster nor region is named it is of the fleet."""

    kind: AuditKind
    outcome: AuditOutcome = AuditOutcome.DID
    reason: str  # constant CamelCase word
    message: str  # sentence
    author: str = ""  # name of the token; empty: automation
    unit: str = ""  # in the API
    units: Sequence[str] = ()  # several that it is for alike, in the API, sorted
    cluster: str = ""
    region: str = ""  # empty where a cluster is named: its own
    evidence: Mapping[str, Any] = field(default_factory=dict)  # what it rests on, as JSON values

    @property
    def matter(self) -> tuple[str, str, str, str]:
        """What tells refusals apart, but for their reason."""
        return (self.kind.value, self.unit, self.cluster, self.region)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord(NewRecord):
    """One that is kept."""

    id: int
    revision: int  # of the unit, as it was then; 0: of none
    epoch: int  # of the leader that wrote it; 0: it was written by a call
    count: int  # how often; of a refusal, how often it began
    create_time: datetime  # the first time
    update_time: datetime  # the last time
    end_time: datetime | None = None  # of a refusal that lasted: when it was over


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A refusal that is kept, as far as is needed to find it again."""

    id: int
    kind: str
    unit: str
    cluster: str
    region: str
    reason: str
    message: str
    units: Sequence[str]
    end_time: datetime | None

    @property
    def place(self) -> tuple[tuple[str, str, str, str], str]:
        """Matter and reason."""
        return (self.kind, self.unit, self.cluster, self.region), self.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalChanges:
    """What is to be written so that what is kept is what is refused."""

    begin: tuple[NewRecord, ...] = ()
    again: tuple[tuple[int, NewRecord], ...] = ()  # over for a short time only, by id
    tell: tuple[tuple[int, NewRecord], ...] = ()  # they last, and concern other units or are told otherwise, by id
    end: tuple[int, ...] = ()

    @property
    def is_any(self) -> bool:
        """Whether there are some."""
        return bool(self.begin or self.again or self.tell or self.end)


def health_evidence(health: Health) -> dict[str, Any]:
    """What is held of a cluster, and what that rests on."""
    return said(
        verdict=health.verdict.value,
        since=health.since,
        finding=health.kind.value,
        message=health.message,
        troubleTime=health.trouble_time,
        falls=len(health.falls),
        isQuarantined=health.is_quarantined,
    )


def breaker_evidence(state: BreakerState) -> dict[str, Any]:
    """Whether automation acts, and why not."""
    return said(
        state=state.automation.value,
        reason=state.reason,
        message=state.message,
        since=state.since,
        settled=list(state.settled),
    )


def said(**values: Any) -> dict[str, Any]:
    """The values that say something, as JSON has them."""
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}
    return {name: value for name, value in plain.items() if value not in (None, "", [], {}, 0, False)}


def refusal_changes(now_refused: Iterable[NewRecord], kept: Iterable[Refused], now: datetime) -> RefusalChanges:
    """What changes in the refusals that are kept: one for each matter and reason, however often it is looked at.

    Args:
        now_refused: all that is refused at this moment.
        kept: those that last, and those that were over not longer than `SAME` ago, the newest of each place.
        now: time zone aware.
    """
    by_place = {one.place: one for one in kept if one.end_time is None or now - one.end_time <= SAME}
    begin: list[NewRecord] = []
    again: list[tuple[int, NewRecord]] = []
    tell: list[tuple[int, NewRecord]] = []
    seen = set()
    for one in now_refused:
        place = (one.matter, one.reason)
        seen.add(place)
        before = by_place.get(place)
        if before is None:
            begin.append(one)
        elif before.end_time is not None:
            again.append((before.id, one))
        elif before.message != one.message or tuple(before.units) != tuple(one.units):
            tell.append((before.id, one))
    end = tuple(one.id for place, one in by_place.items() if one.end_time is None and place not in seen)
    return RefusalChanges(begin=tuple(begin), again=tuple(again), tell=tuple(tell), end=end)
