"""What a run of `failover_model` is made of: members, units and processes as plain data, and each rule."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from fedsvc.health import BreakerState, Health, Streak, Verdict, decide, judge
from fedsvc.model.ailing import Course, course
from fedsvc.model.departure import Departure, acted_on, in_vain
from fedsvc.model.failback import Away, due_back
from fedsvc.model.failover import MEMBER_LOST, FailoverPolicy, tolerating
from fedsvc.model.floor import shortage
from fedsvc.model.hold import Hold, Write, hold_of
from fedsvc.model.removal import refusal
from fedsvc_placement import Decision, Placement, Taint
from fedsvc_placement import decide as place
from fedsvc_placement.model import Memory

if TYPE_CHECKING:
    from fedsvc.testing.failover_rows import Rows


def may_go(
    reason: str, health: Health, *, is_going: bool, bound: Iterable[Health], works: Iterable[tuple[Health, bool]]
) -> bool:
    """Whether what a unit left on a cluster may be removed, as `store.failovers.graves` asks it of the rows.

    Args:
        reason: why it is held.
        health: of the cluster.
        is_going: the unit is being deleted, or the cluster unregistered.
        bound: the clusters where the unit is.
        works: its works that are to stay: how their cluster is, whether they are ready.
    """
    if is_going:
        return True
    if reason == MEMBER_LOST and health.verdict is not Verdict.HEALTHY:
        return False
    away = (Verdict.UNREACHABLE, Verdict.MAINTENANCE, Verdict.HIBERNATED)
    return any(one.verdict is Verdict.HEALTHY for one in bound) and all(
        one.verdict in away or (one.verdict is Verdict.HEALTHY and is_ready) for one, is_ready in works
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules, each of which a test may replace by a broken one."""

    judge: Callable[..., tuple[Health, Streak]] = judge
    breaker: Callable[..., BreakerState] = decide
    tolerating: Callable[..., Placement] = tolerating
    place: Callable[..., Decision] = place
    hold_of: Callable[[Iterable[Hold], Write], Hold | None] = hold_of
    may_be_removed_from: Callable[[Health], bool] = lambda health: health.may_be_removed_from
    may_go: Callable[..., bool] = may_go
    due_back: Callable[..., list[Away]] = due_back
    shortage: Callable[..., str] = shortage
    course: Callable[..., Course] = course
    in_vain: Callable[..., frozenset[str]] = in_vain
    acted_on: Callable[..., tuple[Departure, ...]] = acted_on
    refusal: Callable[..., tuple[str, str] | None] = refusal
    is_checked: bool = True  # what automation may do is checked by who evicts


REAL: Final = Rules()
"""The rules of the service."""


@dataclass(kw_only=True)
class Member:
    """A cluster: what fedsvc was told of it, and what it holds in truth."""

    name: str
    region: str
    jurisdiction: str
    phase: float  # share of the time between probes at which it is asked first
    taints: tuple[Taint, ...] = ()
    health: Health = field(default_factory=Health)
    objects: dict[str, float] = field(default_factory=dict)  # by unit: when it is ready there


@dataclass(frozen=True, slots=True, kw_only=True)
class Illness:
    """That a unit does not run on a member, whatever that does."""

    unit: str
    member: str
    begin_seconds: float
    end_seconds: float = float("inf")

    def ails(self, unit: str, member: str, seconds: float) -> bool:
        """Whether it keeps the unit from being ready there."""
        return (unit, member) == (self.unit, self.member) and self.begin_seconds <= seconds < self.end_seconds


@dataclass(kw_only=True)
class Work:
    """A unit on a cluster, as the store has it."""

    state: str = "Pending"
    reason: str = ""
    is_removal: bool = False
    is_there: bool = False  # the member holds it, or may
    is_counted: bool = False  # of a removal that is held: no budget has let it go yet
    is_ready: bool = False
    version: int = 0


@dataclass(kw_only=True)
class Unit:
    """A unit, as the store has it. Its clusters are at most so many as the placement says."""

    name: str
    placement: Placement
    policy: FailoverPolicy
    generation: int = 1
    decided: int = 0
    is_deleting: bool = False
    granted: int = 0
    bindings: dict[str, datetime] = field(default_factory=dict)  # by cluster: since when
    memory: Memory = field(default_factory=Memory)
    reconsider_at: datetime | None = None
    works: dict[str, Work] = field(default_factory=dict)
    departures: dict[str, Departure] = field(default_factory=dict)
    ailments: dict[str, datetime] = field(default_factory=dict)  # by cluster: since when it is unhealthy there


@dataclass(kw_only=True)
class Process:
    """What one replica has in memory while it leads."""

    streaks: dict[str, Streak] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)
    is_deciding: bool = False
    is_waiting: bool = False  # a round of placement is due
    silent: int = 0  # the witness, how often in a row
    was_reached: bool = False
    seen: object = None  # the fleet as the units were decided on it
    is_over: bool = False  # killed; one that is deposed is not, and does not know it


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A unit that was decided, not stored yet."""

    unit: str
    generation: int
    version: int  # of what automation might do
    decision: Decision
    lost: list[str]
    emptied: list[str]
    ailing: list[str]  # those that it leaves for its health
    heard: list[str]  # departures that it was decided by for the first time
    ended: list[str]  # and those that are over
    gained: Mapping[str, Mapping[str, int]]


class Watcher:
    """Told of everything that happens in the model; an oracle looks at it so."""

    def deleted(self, model: "Rows", member: Member, unit: str) -> None:
        """An object is about to be deleted in a member."""

    def let_go(self, model: "Rows", unit: Unit, clusters: Collection[str]) -> None:
        """What a unit left on clusters is about to be let go."""

    def evicted(self, model: "Rows", unit: Unit, cluster: str) -> None:
        """A unit leaves a lost cluster, by what is being stored."""

    def ordered_away(self, model: "Rows", unit: Unit, cluster: str) -> None:
        """A unit is to leave a cluster for its health."""

    def left_ailing(self, model: "Rows", unit: Unit, cluster: str) -> None:
        """A unit leaves a cluster for its health, by what is being stored."""

    def authorised(self, model: "Rows", unit: str, count: int) -> None:
        """So many objects are let go by a budget."""

    def moved(self, model: "Rows", unit: Unit) -> None:
        """A decision on a unit was stored."""

    def returned(self, model: "Rows", unit: Unit, cluster: str) -> None:
        """It is decided that a unit takes back what it left on a cluster."""

    def passed(self, model: "Rows") -> None:
        """A second has passed."""
