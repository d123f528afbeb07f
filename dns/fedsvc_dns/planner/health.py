"""Pure: the state of a target: what goes down does so fast, what comes back proves itself, what flaps is kept out.

up → suspect at the first failure, → down when it is sure; down → recovering at the first success, → up when it is sure
and the least time is over. What is not known changes nothing.
"""

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fedsvc_dns.planner.evidence import Evidence, Readiness, Signal
from fedsvc_dns.planner.memory import HealthPolicy, State, TargetMemory

_FIT = (State.UP, State.SUSPECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a target has become, and when time alone will change it, if ever."""

    target: TargetMemory
    due: datetime | None = None


def is_fit(target: TargetMemory) -> bool:
    """Whether a target may answer."""
    return target.state in _FIT and not target.is_suppressed


def step(
    previous: TargetMemory | None, evidence: Evidence, ready: Readiness, policy: HealthPolicy, now: datetime
) -> Step:
    """Take the state of a target on by what evidence says now.

    A target that is seen for the first time is in the state that evidence gives; where it gives none it is suspect.
    """
    if previous is None:
        state = _first(evidence.signal)
        down_at = now if state is State.DOWN else None
        first = TargetMemory(state=state, since=now, down_at=down_at, is_ready=ready.is_ready, ready_since=ready.since)
        return Step(target=first)
    state, due = _next(previous, evidence.signal, policy, now)
    target = previous if state is previous.state else _changed(previous, state, policy, now)
    if (target.is_ready, target.ready_since) != (ready.is_ready, ready.since):
        target = replace(target, is_ready=ready.is_ready, ready_since=ready.since)
    target, reuse_at = _suppressed(target, policy, now)
    return Step(target=target, due=earliest(due, reuse_at))


def earliest(*times: datetime | None) -> datetime | None:
    """Return the first of the times that there are."""
    return min((time for time in times if time is not None), default=None)


def _first(signal: Signal) -> State:
    if signal is Signal.DOWN:
        return State.DOWN
    return State.UP if signal in (Signal.UP, Signal.RISING) else State.SUSPECT


def _next(previous: TargetMemory, signal: Signal, policy: HealthPolicy, now: datetime) -> tuple[State, datetime | None]:
    if signal is Signal.UNKNOWN:
        return previous.state, None
    if signal is Signal.DOWN:
        return State.DOWN, None
    if previous.state in _FIT:
        return (State.SUSPECT if signal is Signal.FALLING else State.UP), None
    if signal is Signal.FALLING:
        return State.DOWN, None
    if signal is Signal.RISING:
        return State.RECOVERING, None
    rested_at = (previous.down_at or previous.since) + policy.min_down
    return (State.UP, None) if now >= rested_at else (State.RECOVERING, rested_at)


def penalty_at(target: TargetMemory, policy: HealthPolicy, now: datetime) -> float:
    """What is left of the penalty for flapping: half of it goes in each half-life (RFC 2439 section 4.2)."""
    if target.penalty_at is None:
        return 0.0
    # Clocks of replicas differ a little: what was noted in the future has not decayed yet.
    half_lives = max(0.0, (now - target.penalty_at) / policy.flap_half_life)
    return float(target.penalty * 0.5**half_lives)


def _changed(target: TargetMemory, state: State, policy: HealthPolicy, now: datetime) -> TargetMemory:
    was_fit, is_fit_now = target.state in _FIT, state in _FIT
    if was_fit is is_fit_now:
        return replace(target, state=state, since=now)
    # So much and no more, that it decays to the reuse threshold in the longest time (RFC 2439 section 4.2, ceiling).
    ceiling = policy.flap_reuse * 2.0 ** (policy.flap_longest / policy.flap_half_life)
    penalty = min(ceiling, penalty_at(target, policy, now) + policy.flap_penalty)
    return replace(
        target,
        state=state,
        since=now,
        down_at=target.down_at if is_fit_now else now,
        penalty=penalty,
        penalty_at=now,
        is_suppressed=target.is_suppressed or penalty >= policy.flap_suppress,
    )


def _suppressed(target: TargetMemory, policy: HealthPolicy, now: datetime) -> tuple[TargetMemory, datetime | None]:
    if not target.is_suppressed:
        return target, None
    reuse_at = reused_at(target, policy)
    if reuse_at is not None and now < reuse_at:
        return target, reuse_at
    return replace(target, is_suppressed=False), None


def reused_at(target: TargetMemory, policy: HealthPolicy) -> datetime | None:
    """When a target that is kept out for having flapped may answer again; None: it is not kept out."""
    if not target.is_suppressed or target.penalty_at is None:
        return None
    half_lives = max(0.0, math.log2(target.penalty / policy.flap_reuse)) if target.penalty > 0 else 0.0
    # Whole milliseconds upwards, so that what is due at that time is over at that time.
    return target.penalty_at + timedelta(
        milliseconds=math.ceil(half_lives * policy.flap_half_life.total_seconds() * 1000)
    )
