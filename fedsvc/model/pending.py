"""Pure: why a unit does not leave a lost cluster for now, or not go back to one, and what lets it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from fedsvc.health import Health, Verdict
from fedsvc.model.ailing import Wait
from fedsvc.model.departure import Departure, DepartureCause
from fedsvc.model.failback import FailbackMode
from fedsvc.model.failover import AWAITING_REPLACEMENT, FailoverMode, FailoverPolicy
from fedsvc.model.hold import FLEET_SUBJECT
from fedsvc.model.roles import Phase, Switchover


class MoveKind(StrEnum):
    """Where a move goes."""

    AWAY = "Away"
    BACK = "Back"
    PRIMARY = "Primary"  # of the primary of a unit, away from the cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Ailment:
    """That a unit is unhealthy on a cluster that is well."""

    reason: str  # of `Wait`: why it stays there for now; empty: it is leaving
    message: str  # what ails it
    due_time: datetime | None  # when it leaves, where that is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A unit and a cluster that is lost, or where it is unhealthy, or that it was taken away from."""

    unit_name: str  # in the API
    cluster: str
    policy: FailoverPolicy
    health: Health  # of the cluster
    is_bound: bool
    reconsider_time: datetime | None  # when the unit is decided again by itself
    departure: Departure | None
    ailment: Ailment | None = None
    is_emptied: bool = False  # a taint of the cluster drives units out of it
    kept_message: str = ""  # why what it left there stays until enough is ready elsewhere; empty: nothing does
    switchover: Switchover | None = None  # that is under way, where the primary of the unit is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """What automation may not act on."""

    held: frozenset[str] = frozenset()  # subjects, FLEET_SUBJECT among them also where the breaker is open
    regions: Mapping[str, str] = field(default_factory=dict)  # by cluster: the subject of a hold of its region
    off_message: str = ""  # why it is off; empty: it is not


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMove:
    """A move that is not made for now."""

    unit_name: str
    cluster: str
    kind: MoveKind
    reason: str  # CamelCase constant
    message: str  # for people
    command: str = ""  # of fedctl, which lets it be made; empty: nothing does
    due_time: datetime | None = None  # when it is made by itself, where that is known


_TURN: Final = "Turn"
_AWAY_WORDS: Final = {
    DepartureCause.DRAIN: "the cluster was drained",
    DepartureCause.DRILL: "it is away by a drill, and comes back with its end: it was begun",
}


def pending_move(one: Standing, stop: Stop, now: datetime) -> PendingMove | None:
    """Why a move is not made for now; None: it is being made, or there is none to make."""
    return _moving(one, stop, now) if one.switchover is None else _switching(one, one.switchover)


def _moving(one: Standing, stop: Stop, now: datetime) -> PendingMove | None:
    if one.kept_message and not one.is_bound:
        confirm = f"fedctl confirm unit/{_short(one.unit_name)}"
        return _move(one, MoveKind.AWAY, AWAITING_REPLACEMENT, one.kept_message, confirm)
    departure = one.departure
    if departure is not None and departure.return_time is None:
        return _departing(one, departure, now)
    if one.is_bound and one.health.verdict is Verdict.UNREACHABLE:
        return _away(one, stop)
    if one.is_bound and one.is_emptied and one.policy.mode is FailoverMode.NEVER:
        leave = f"fedctl failover unit/{_short(one.unit_name)} --from {one.cluster}"
        message = "the cluster is to be empty, and its failover.mode is never: it stays"
        return _move(one, MoveKind.AWAY, "Never", message, leave)
    if one.is_bound and one.ailment is not None and one.ailment.reason:
        return _ailing(one, one.ailment, stop)
    return None


def _departing(one: Standing, departure: Departure, now: datetime) -> PendingMove | None:
    if departure.cause is DepartureCause.UNHEALTHY:
        return _unhealthy(one, departure, now)
    who = f" by {departure.author}" if departure.author else ""
    if departure.due_time > now:
        message = f"asked for{who}; it is its turn later"
        return _move(one, MoveKind.AWAY, _TURN, message, due_time=departure.due_time)
    if departure.leave_time is None and not departure.is_pending and one.is_bound:
        message = f"asked for{who}; it leaves when those before it are ready elsewhere"
        return _move(one, MoveKind.AWAY, _TURN, message)
    return None if departure.is_pending or one.is_bound else _back(one, departure, now)


def _switching(one: Standing, state: Switchover) -> PendingMove:
    unit = _short(one.unit_name)
    target = state.target if state.target not in ("", state.primary) else "CLUSTER"
    command = f"fedctl failover unit/{unit} --to {target}"
    if state.blocked in ("NoProof", "HookFailed") and state.phase.is_before_promotion:
        command += " --accept-loss"
    elif state.phase is not Phase.STEADY:
        command = ""
    if state.undemoted and state.phase is Phase.STEADY:
        old = ", ".join(state.undemoted)
        message = (
            f"{state.primary} is primary, and {old} is not known to be a replica yet: it is made one when it is back"
        )
        return _move(one, MoveKind.PRIMARY, "OldPrimaryUnknown", message)
    way = f"to {state.target}: " if state.target else ""
    return _move(one, MoveKind.PRIMARY, state.blocked or state.phase.value, f"{way}{state.message}", command)


_WORDS: Final[Mapping[Wait, str]] = {
    Wait.TIME: "it is unhealthy there, and leaves when it was for its time",
    Wait.EVERYWHERE: "it is unhealthy there, and well nowhere else: elsewhere it would be no better",
    Wait.TURN: "it is unhealthy there; others go first",
    Wait.MANUAL: "it is unhealthy there, and its failover.mode is manual: it waits for a person",
    Wait.NEVER: "it is unhealthy there, and its failover.mode is never: it stays",
}


def _ailing(one: Standing, ailment: Ailment, stop: Stop) -> PendingMove:
    wait = Wait(ailment.reason)
    leave = f"fedctl failover unit/{_short(one.unit_name)} --from {one.cluster}"
    if wait is not Wait.HELD:
        message = f"{_WORDS[wait]}: {ailment.message}"
        return _move(one, MoveKind.AWAY, wait.value, message, leave, due_time=ailment.due_time)
    for subject, release in _releases(one, stop):
        if subject in stop.held:
            message = f"it is unhealthy there, and automation is held for {_shown(subject)}: {ailment.message}"
            return _move(one, MoveKind.AWAY, "Held", message, release)
    why = stop.off_message or "automation is held"
    return _move(one, MoveKind.AWAY, "AutomationOff" if stop.off_message else "Held", why, leave)


def _unhealthy(one: Standing, departure: Departure, now: datetime) -> PendingMove | None:
    if departure.leave_time is None:
        if departure.is_pending or departure.due_time <= now:
            return None
        message = f"nothing else takes it, which is tried again: {departure.reason}"
        return _move(one, MoveKind.AWAY, "NoPlace", message, due_time=departure.due_time)
    if one.is_bound:
        return None
    command = f"fedctl failback unit/{_short(one.unit_name)} --to {one.cluster}"
    forget = one.policy.unhealthy.forget_seconds if one.policy.unhealthy is not None else 0
    due = departure.leave_time + timedelta(seconds=forget)
    message = f"{departure.reason}; it is not placed there again before its time"
    return _move(one, MoveKind.BACK, Wait.TIME.value, message, command, due_time=due)


def _away(one: Standing, stop: Stop) -> PendingMove | None:
    leave = f"fedctl failover unit/{_short(one.unit_name)} --from {one.cluster}"
    match one.policy.mode:
        case FailoverMode.MANUAL:
            return _move(one, MoveKind.AWAY, "Manual", "its failover.mode is manual: it waits for a person", leave)
        case FailoverMode.NEVER:
            return _move(one, MoveKind.AWAY, "Never", "its failover.mode is never: it stays", leave)
    for subject, release in _releases(one, stop):
        if subject in stop.held:
            return _move(one, MoveKind.AWAY, "Held", f"automation is held for {_shown(subject)}", release)
    if stop.off_message:
        return _move(one, MoveKind.AWAY, "AutomationOff", stop.off_message, leave)
    due = one.reconsider_time
    return _move(one, MoveKind.AWAY, "Tolerated", "it bears the loss of a cluster for a time", leave, due_time=due)


def _releases(one: Standing, stop: Stop) -> tuple[tuple[str, str], ...]:
    """What may hold a move, and the command that ends that."""
    region = stop.regions.get(one.cluster, "")
    return (
        (FLEET_SUBJECT, "fedctl release fleet"),
        (f"clusters/{one.cluster}", f"fedctl release cluster/{one.cluster}"),
        (region, f"fedctl release {_shown(region)}"),
        (one.unit_name, f"fedctl resume unit/{_short(one.unit_name)}"),
    )


def _back(one: Standing, departure: Departure, now: datetime) -> PendingMove:
    command = f"fedctl failback unit/{_short(one.unit_name)} --to {one.cluster}"
    if one.health.verdict is not Verdict.HEALTHY or one.health.since is None:
        why = f"{one.cluster} is {one.health.verdict}"
        return _move(one, MoveKind.BACK, "NotHealthy", f"{why}: it goes back when that is healthy")
    if departure.free_time is None:
        who = f" by {departure.author}" if departure.author else ""
        words = _AWAY_WORDS.get(departure.cause, "it was taken away")
        return _move(one, MoveKind.BACK, "Asked", f"{words}{who}", command)
    policy = one.policy.failback
    match policy.mode:
        case FailbackMode.MANUAL:
            words = "its failback.mode is manual: it waits for a person"
            return _move(one, MoveKind.BACK, "Manual", words, command)
        case FailbackMode.NEVER:
            return _move(one, MoveKind.BACK, "Never", "its failback.mode is never: it stays away", command)
    due = max(one.health.since, departure.free_time) + timedelta(seconds=policy.stable_seconds)
    if due > now:
        words = f"it goes back when {one.cluster} was well for {policy.stable_seconds} s"
        return _move(one, MoveKind.BACK, "Stable", words, command, due_time=due)
    return _move(one, MoveKind.BACK, "Pace", f"{policy.pace_percent} % of what left go back in a minute", command)


def _move(
    one: Standing, kind: MoveKind, reason: str, message: str, command: str = "", *, due_time: datetime | None = None
) -> PendingMove:
    return PendingMove(
        unit_name=one.unit_name,
        cluster=one.cluster,
        kind=kind,
        reason=reason,
        message=message,
        command=command,
        due_time=due_time,
    )


def _short(unit_name: str) -> str:
    _, namespace, _, name = unit_name.split("/")
    return f"{namespace}/{name}"


def _shown(subject: str) -> str:
    if "/units/" in subject:
        return f"unit/{_short(subject)}"
    return subject.replace("clusters/", "cluster/").replace("regions/", "region/")
