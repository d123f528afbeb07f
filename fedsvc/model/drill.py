"""Pure: a drill, how it goes on, and what came of it.

A drill is a row, and whoever leads brings it to its end: what is left to do is found from what is, at any time.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DEFAULT_AWAY_SECONDS: Final = 60
DEFAULT_LIMIT_SECONDS: Final = 600
DEFAULT_TARGET_SECONDS: Final = 60
WORSE_SECONDS: Final = 10
"""A unit that is Degraded for a moment, such as by an answer that was lost, ends no drill."""
_SHOWN: Final = 5
_WHOLE: Final = 100


class DrillMode(StrEnum):
    """How far it goes."""

    SIMULATE = "simulate"  # nothing is done
    TRAFFIC = "traffic"  # names have no address of the clusters
    FULL = "full"  # besides, units leave


class DrillPhase(StrEnum):
    """Where it stands."""

    LEAVING = "Leaving"
    AWAY = "Away"
    RETURNING = "Returning"
    OVER = "Over"


class DrillOutcome(StrEnum):
    """How it ends."""

    PASSED = "Passed"
    ABORTED = "Aborted"
    STOPPED = "Stopped"


class DrillAbort(StrEnum):
    """What ends it before its time."""

    TROUBLE = "trouble"
    DEGRADED = "degraded"
    NO_PLACE = "no-place"


DEFAULT_ABORTS: Final = (DrillAbort.TROUBLE, DrillAbort.DEGRADED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What does not leave, and why."""

    unit_name: str  # in the API
    cluster: str
    reason: str  # CamelCase constant
    message: str  # for people
    command: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What it was begun with; never changes."""

    subject: str  # in the API
    clusters: tuple[str, ...]
    mode: DrillMode
    abort_on: tuple[DrillAbort, ...] = DEFAULT_ABORTS
    away_seconds: int = DEFAULT_AWAY_SECONDS
    limit_seconds: int = DEFAULT_LIMIT_SECONDS
    target_seconds: int = DEFAULT_TARGET_SECONDS
    unit_count: int = 0  # on the clusters
    leaving_count: int = 0  # those that are to leave
    left_out: tuple[Left, ...] = ()
    degraded: tuple[str, ...] = ()  # names of units that were so before


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill."""

    id: int
    plan: Plan
    phase: DrillPhase
    outcome: DrillOutcome | None
    message: str
    author: str
    reason: str
    create_time: datetime
    traffic_time: datetime | None = None  # names have changed
    away_time: datetime | None = None
    return_time: datetime | None = None
    end_time: datetime | None = None
    name_count: int = 0
    worse_time: datetime | None = None  # since when some unit is Degraded that was not when it began, without a break


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A unit that left one of the clusters."""

    unit_name: str
    cluster: str
    decide_time: datetime
    ready_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is at one moment."""

    held: str = ""  # why automation may not act; empty: it may
    troubled: Mapping[str, str] = field(default_factory=dict)  # by cluster that is not healthy: its verdict
    degraded: Collection[str] = ()  # names of units
    undecided_count: int = 0  # units that are to leave, and are not decided yet
    departed_count: int = 0  # units that are kept away from the clusters by the drill
    left_count: int = 0  # objects of units that moved which are still to be removed, on clusters that are healthy
    moved: Sequence[Moved] = ()
    has_names: bool = False  # there are zones


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What becomes of it now."""

    phase: DrillPhase
    outcome: DrillOutcome | None = None
    message: str = ""


def next_step(drill: Drill, sight: Sight, now: datetime) -> Step | None:
    """Where it stands from now on; None: where it stood."""
    match drill.phase:
        case DrillPhase.OVER:
            return None
        case DrillPhase.RETURNING:
            is_back = not sight.departed_count and not sight.left_count
            return Step(phase=DrillPhase.OVER, outcome=drill.outcome, message=drill.message) if is_back else None
        case DrillPhase.AWAY | DrillPhase.LEAVING:
            why = why_abort(drill, sight, now)
            if why:
                return Step(phase=DrillPhase.RETURNING, outcome=DrillOutcome.ABORTED, message=why)
    if drill.phase is DrillPhase.LEAVING:
        return Step(phase=DrillPhase.AWAY) if _has_left(drill, sight) else None
    assert drill.away_time is not None, "it is set with the phase"
    if now - drill.away_time < timedelta(seconds=drill.plan.away_seconds):
        return None
    return Step(phase=DrillPhase.RETURNING, outcome=DrillOutcome.PASSED)


def _has_left(drill: Drill, sight: Sight) -> bool:
    has_moved = not sight.undecided_count and all(one.ready_time is not None for one in sight.moved)
    return has_moved and (drill.traffic_time is not None or not sight.has_names)


def worse_than(drill: Drill, sight: Sight) -> list[str]:
    """The units that are Degraded and were not when it began."""
    return sorted(set(sight.degraded).difference(drill.plan.degraded))


def why_abort(drill: Drill, sight: Sight, now: datetime) -> str:
    """Why it is to end before its time, for people; empty: it is not."""
    plan = drill.plan
    if sight.held:
        return f"automation does not act: {sight.held}"
    if DrillAbort.TROUBLE in plan.abort_on and sight.troubled:
        return "; ".join(f"{name} is {verdict}" for name, verdict in sorted(sight.troubled.items())[:_SHOWN])
    worse = worse_than(drill, sight)
    is_sure = drill.worse_time is not None and now - drill.worse_time >= timedelta(seconds=WORSE_SECONDS)
    if DrillAbort.DEGRADED in plan.abort_on and worse and is_sure:
        return f"{_listed(worse)} {'is' if len(worse) == 1 else 'are'} Degraded"
    if DrillAbort.NO_PLACE in plan.abort_on:
        stayed = _stayed(drill, sight)
        if stayed and not sight.undecided_count:
            return f"{stayed} of {plan.leaving_count} units found no place elsewhere"
    if drill.phase is DrillPhase.LEAVING and now - drill.create_time > timedelta(seconds=plan.limit_seconds):
        waiting = sorted({one.unit_name for one in sight.moved if one.ready_time is None})
        what = f": {_listed(waiting)}" if waiting else ""
        return f"not all was ready elsewhere within {plan.limit_seconds} s{what}"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of it."""

    score: int
    moved_count: int = 0
    ready_count: int = 0
    prompt_count: int = 0
    away_seconds: float | None = None
    traffic_seconds: float | None = None
    return_seconds: float | None = None
    half_seconds: float | None = None
    findings: tuple[str, ...] = ()


def report(drill: Drill, moved: Sequence[Moved]) -> Report:
    """What came of a drill so far. A unit counts by the last of the clusters that it left."""
    by_unit: dict[str, list[Moved]] = {}
    for one in moved:
        by_unit.setdefault(one.unit_name, []).append(one)
    ready = {
        name: max(_seconds(drill, one.ready_time) or 0.0 for one in left)
        for name, left in by_unit.items()
        if all(one.ready_time is not None for one in left)
    }
    prompt = [name for name, seconds in ready.items() if seconds <= drill.plan.target_seconds]
    traffic = _seconds(drill, drill.traffic_time)
    return Report(
        score=_score(drill, len(prompt), len(ready) - len(prompt), traffic),
        moved_count=len(by_unit),
        ready_count=len(ready),
        prompt_count=len(prompt),
        away_seconds=_seconds(drill, drill.away_time),
        traffic_seconds=traffic,
        return_seconds=None
        if drill.end_time is None or drill.return_time is None
        else (drill.end_time - drill.return_time).total_seconds(),
        half_seconds=sorted(ready.values())[(len(ready) - 1) // 2] if ready else None,
        findings=tuple(_findings(drill, by_unit, ready)),
    )


def simulated_score(unit_count: int, left_out: Collection[Left]) -> int:
    """How much of what is on the clusters would be elsewhere, from 0 to 100."""
    stays = {one.unit_name for one in left_out}
    return _WHOLE if not unit_count else _WHOLE * (unit_count - len(stays)) // unit_count


def _score(drill: Drill, prompt: int, late: int, traffic_seconds: float | None) -> int:
    if drill.plan.mode is DrillMode.TRAFFIC:
        if traffic_seconds is None:
            return 0
        return _WHOLE if traffic_seconds <= drill.plan.target_seconds else _WHOLE // 2
    count = drill.plan.unit_count
    return _WHOLE if not count else min(_WHOLE, _WHOLE * (2 * prompt + late) // (2 * count))


def _findings(drill: Drill, by_unit: Mapping[str, Sequence[Moved]], ready: Mapping[str, float]) -> list[str]:
    plan, found = drill.plan, []
    if drill.message:
        found.append(drill.message)
    left_out = sorted({one.unit_name for one in plan.left_out})
    if left_out:
        found.append(f"{_listed(left_out)} would not leave by itself")
    stayed = plan.leaving_count - len(by_unit)
    if plan.mode is DrillMode.FULL and stayed > 0 and drill.away_time is not None:
        found.append(f"{stayed} of {plan.leaving_count} units found no place elsewhere, and stayed")
    never = sorted(by_unit.keys() - ready.keys())
    if never:
        found.append(f"{_listed(never)} did not become ready elsewhere")
    late = sorted(name for name, seconds in ready.items() if seconds > plan.target_seconds)
    if late:
        slowest = max(late, key=lambda name: ready[name])
        found.append(
            f"{_listed(late)} took longer than {plan.target_seconds} s; {_short(slowest)} {ready[slowest]:.0f} s"
        )
    if plan.mode is DrillMode.TRAFFIC and drill.away_time is not None and not drill.name_count:
        found.append("no name changed: none had an address of these clusters, or none had another")
    return found


def _stayed(drill: Drill, sight: Sight) -> int:
    return max(0, drill.plan.leaving_count - len({one.unit_name for one in sight.moved}))


def _seconds(drill: Drill, at: datetime | None) -> float | None:
    return None if at is None else (at - drill.create_time).total_seconds()


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(_short, names[:_SHOWN])) + more


def _short(unit_name: str) -> str:
    _, namespace, _, name = unit_name.split("/")
    return f"{namespace}/{name}"
