"""Pure: from the works of a unit and its newest decision to the unit's status.

State, the first that holds:

===========  ==================================================================================================
Deleting     the unit is being deleted
Pending      no decision was made yet
Unplaced     the decision found no cluster
Degraded     a work Failed or Drifted, its object is Degraded, or its member cannot be reached: then nothing new
             is known of it, and a unit is not called Ready by what was known once
Applying     a work is Pending, Retrying or Removing, or the newest change is not decided yet
Progressing  everything is applied, not every object is Healthy yet
Ready        everything is applied and Healthy, and the newest revision is everywhere
===========  ==================================================================================================

While the newest revision goes over the clusters in waves the unit is at best Progressing; where that failed or went
back it is Degraded.

A cluster's line shows its worst work: Failed, Drifted, Retrying, Pending, Removing, Applied, in this order; among
equals the one whose object is named first. The line of a member that is not heard is Unknown; its numbers stay as
they were last known, with the time of that.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from fedsvc.controllers.outcomes import CONNECTION_INVALID
from fedsvc.model.cluster import Condition, ConditionStatus
from fedsvc.model.hold import Hold, HoldKind, holds_of_unit, words_of
from fedsvc.model.roles import Phase as SwitchoverPhase
from fedsvc.model.roles import Switchover
from fedsvc.model.silence import CREDENTIALS_INVALID, MEMBER_UNREACHABLE, Silence
from fedsvc.model.summary import SEVERITY, ClusterWorks, Unmet, Wait
from fedsvc.model.unit import Unit, UnitClusterStatus, UnitState, UnitStatus, WorkState
from fedsvc.rollout import Phase, Rollout, RolloutPolicy
from fedsvc.rollout.holding import is_settled
from fedsvc.rollout.step import wave_words
from fedsvc.rollout.waves import waves_of

_MEMBER_TROUBLE: Final = (MEMBER_UNREACHABLE, CREDENTIALS_INVALID, CONNECTION_INVALID)
_SETTLED: Final = (WorkState.APPLIED, WorkState.HELD)
_SHOWN: Final = 5
_HELD_REASONS: Final = {
    HoldKind.PAUSE: "Paused",
    HoldKind.BREAKER: "AutomationHeld",
    HoldKind.FREEZE: "Frozen",
}
"""By kind of hold, the foremost first."""
_MAX_MESSAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInfo:
    """What the summary needs of the newest decision."""

    id: str
    targets: tuple[str, ...]  # clusters
    reason: str  # why there are none
    message: str
    shortfall: tuple[str, ...]  # sentences
    warnings: tuple[str, ...]  # sentences


def decision_info(decision_id: str, record: Mapping[str, Any]) -> DecisionInfo:
    """What the summary needs of a stored decision record."""
    return DecisionInfo(
        id=decision_id,
        targets=tuple(target["cluster"] for target in record["targets"]),
        reason=record["reason"],
        message=record["message"],
        shortfall=tuple(entry["message"] for entry in record["shortfall"]),
        warnings=tuple(entry["message"] for entry in record["warnings"]),
    )


def summarise(
    unit: Unit,
    decision: DecisionInfo | None,
    works: Iterable[ClusterWorks],
    *,
    silent: Mapping[str, Silence],
    waits: Sequence[Wait] = (),
    unmet: Sequence[Unmet] = (),
    rollout: Rollout | None = None,
    primary: Switchover | None = None,
    held: Mapping[str, int] | None = None,
    unheld: Sequence[str] = (),
    copied: Sequence[str] = (),
    blocked: str = "",
    holds: Sequence[Hold] = (),
    now: datetime,
) -> UnitStatus:
    """The status of a unit. Equal to the one it has, times included, where nothing changed.

    Args:
        unit: with the status it has.
        decision: the newest one, None before the first.
        works: one entry for each cluster that holds works of the unit.
        silent: the clusters that are not heard, by name.
        waits: why works are not acted on though they are due; of one cluster the foremost first.
        unmet: its dependencies that are not as far as they must be.
        rollout: of the newest revision; None where that went everywhere at once.
        primary: where its primary is; None: it has none.
        held: the revision that each cluster shall hold.
        unheld: what its works name and no unit holds, for people.
        copied: clusters that objects of it are copied to, since others name them there.
        blocked: why a decision waits to be carried out, empty where it does not.
        holds: what is held, of any unit.
        now: the time of whatever changed.
    """
    lines = [
        _kept_there(_waiting(entry, waits), unit, holds) for entry in sorted(works, key=lambda entry: entry.cluster)
    ]
    decided = unit.decided_generation >= unit.generation
    unheard = {entry.cluster: silent[entry.cluster] for entry in lines if entry.cluster in silent}
    # What a unit left on a cluster that is lost says nothing of how the unit is.
    left = {entry.cluster for entry in lines if entry.held_count and not entry.work_count}
    missed = {name: silence for name, silence in unheard.items() if name not in left}
    there = _with_copies(unit, decision, copied)
    conditions = [
        _placed(unit, decision, copied, blocked, now),
        _applied(unit, there, lines, now),
        _ready(unit, there, lines, missed, now),
    ]
    waits_for_others = bool(unit.spec.depends_on) or unit.spec.follow_dependencies or bool(unmet)
    if waits_for_others and lines and unit.delete_time is None:
        conditions.append(_dependencies_met(unmet, unheld, now))
    if lines:
        conditions.append(_heard([entry for entry in lines if entry.cluster not in left] or lines, missed, now))
    if (writable := _writable(unit, lines, holds, now)) is not None:
        conditions.append(writable)
    state = _state(unit, there, lines, missed, decided=decided)
    if rollout is not None and unit.delete_time is None:
        conditions = [*_held_back(conditions, unit, rollout, now), _rolled_out(unit, rollout, now)]
        state = _state_of_rollout(rollout, state)
    if primary is not None:
        conditions.append(_has_primary(primary, now))
        state = _state_of_primary(primary, state)
    revisions = held or {}
    return UnitStatus(
        state=state,
        conditions=tuple(_keep_time(unit.status.conditions, condition) for condition in conditions),
        clusters=tuple(
            _line(
                unit.status.clusters,
                entry,
                unheard.get(entry.cluster),
                revisions.get(entry.cluster, 0),
                now,
                role="" if primary is None or entry.cluster not in revisions else primary.role_on(entry.cluster),
            )
            for entry in lines
        ),
        observed_revision=unit.revision if decided else unit.status.observed_revision,
        decision=decision.id if decision is not None else "",
        desired_replicas=sum(entry.desired_replicas for entry in lines),
        ready_replicas=sum(entry.ready_replicas for entry in lines),
        primary=primary,
    )


def _state_of_primary(primary: Switchover, state: UnitState) -> UnitState:
    """A unit is Ready when its primary is where it shall be, and there is no other."""
    if state is not UnitState.READY or primary.is_over:
        return state
    return UnitState.DEGRADED if primary.blocked or primary.undemoted else UnitState.PROGRESSING


def _has_primary(primary: Switchover, now: datetime) -> Condition:
    """Whether the unit has one primary, and nothing is under way with it."""
    old = f"one may still run on {', '.join(primary.undemoted)}, which is not known to be a replica yet"
    message = "; ".join(
        part for part in (f"on {primary.primary}", primary.message, old if primary.undemoted else "") if part
    )
    if primary.blocked:
        return _condition("Primary", ConditionStatus.FALSE, primary.blocked, message, now)
    if not primary.is_over:
        reason = "OldPrimaryUnknown" if primary.phase is SwitchoverPhase.STEADY else primary.phase.value
        there = f"{primary.phase} to {primary.target}: " if primary.target else ""
        return _condition("Primary", ConditionStatus.FALSE, reason, f"{there}{message}", now)
    return _condition("Primary", ConditionStatus.TRUE, "Steady", message, now)


def _with_copies(unit: Unit, decision: DecisionInfo | None, copied: Sequence[str]) -> DecisionInfo | None:
    """The decision; of a unit that asks for no place of its own as if it were placed where it is copied to."""
    if decision is None or decision.targets or not _is_held_only(unit):
        return decision
    return replace(decision, targets=tuple(copied))


def _waiting(entry: ClusterWorks, waits: Iterable[Wait]) -> ClusterWorks:
    """The same works, where nothing is worse than waiting with the words for that."""
    for wait in waits:
        if (wait.cluster, wait.state) == (entry.cluster, entry.worst.state):
            return replace(entry, worst=replace(entry.worst, reason=wait.reason, message=wait.message))
    return entry


def _kept_there(entry: ClusterWorks, unit: Unit, holds: Iterable[Hold]) -> ClusterWorks:
    """The same works, with the words of what keeps a removal back where that is how their cluster is."""
    if entry.worst.state is not WorkState.REMOVING or entry.worst.message:
        return entry
    for hold in holds:
        if hold.kind is HoldKind.HEALTH and hold.is_over(entry.cluster, unit.resource_name):
            return replace(entry, worst=replace(entry.worst, reason="RemovalWaits", message=words_of(hold)))
    return entry


def _state(
    unit: Unit,
    decision: DecisionInfo | None,
    lines: Sequence[ClusterWorks],
    unheard: Mapping[str, Silence],
    *,
    decided: bool,
) -> UnitState:
    if unit.delete_time is not None:
        return UnitState.DELETING
    if decision is None:
        return UnitState.PENDING
    if not decision.targets and decided:
        return UnitState.UNPLACED
    if unheard:
        return UnitState.DEGRADED
    return _state_of_works(lines, decided=decided)


def _state_of_works(lines: Sequence[ClusterWorks], *, decided: bool) -> UnitState:
    if any(_needs_a_look(entry) for entry in lines):
        return UnitState.DEGRADED
    if not decided or any(entry.worst.state not in _SETTLED for entry in lines):
        return UnitState.APPLYING
    if any(entry.worst_health is not None for entry in lines):
        return UnitState.PROGRESSING
    return UnitState.READY


def _state_of_rollout(rollout: Rollout, state: UnitState) -> UnitState:
    """A unit is Ready when its newest revision is, and needs a look where that stopped or went back."""
    if state not in (UnitState.READY, UnitState.PROGRESSING, UnitState.APPLYING):
        return state
    if rollout.phase in (Phase.FAILED, Phase.ROLLED_BACK):
        return UnitState.DEGRADED
    return UnitState.PROGRESSING if state is UnitState.READY and not is_settled(rollout) else state


def _needs_a_look(entry: ClusterWorks) -> bool:
    if entry.worst.state in (WorkState.FAILED, WorkState.DRIFTED):
        return True
    if entry.worst.state is not WorkState.APPLIED and entry.worst.reason in _MEMBER_TROUBLE:
        return True
    return entry.worst_health is not None and entry.worst_health.health == "Degraded"


def _placed(unit: Unit, decision: DecisionInfo | None, copied: Sequence[str], blocked: str, now: datetime) -> Condition:
    if unit.delete_time is not None:
        return _condition("Placed", ConditionStatus.FALSE, "Deleting", "the unit is being deleted", now)
    if decision is None:
        message = blocked or "no decision was made yet"
        return _condition(
            "Placed", ConditionStatus.UNKNOWN, "WaitingForRemoval" if blocked else "Undecided", message, now
        )
    if blocked:
        return _condition("Placed", ConditionStatus.FALSE, "WaitingForRemoval", blocked, now)
    copies = () if not copied else (f"what others name of it is copied to {_listed(copied)}",)
    if not decision.targets:
        return _placed_nowhere(unit, decision, copies, now)
    where = f"on {_listed(decision.targets)}"
    message = "; ".join((where, *decision.shortfall, *decision.warnings, *copies))
    if decision.shortfall:
        return _condition("Placed", ConditionStatus.FALSE, "Shortfall", message, now)
    return _condition("Placed", ConditionStatus.TRUE, "Placed", message, now)


def _placed_nowhere(unit: Unit, decision: DecisionInfo, copies: Sequence[str], now: datetime) -> Condition:
    if copies and _is_held_only(unit):
        return _condition("Placed", ConditionStatus.TRUE, "Copied", copies[0], now)
    message = "; ".join((decision.message, *decision.warnings, *copies))
    return _condition("Placed", ConditionStatus.FALSE, decision.reason, message, now)


def _is_held_only(unit: Unit) -> bool:
    """Whether a unit asks for no place of its own: its objects are there for others to name."""
    return unit.spec.placement is None and not unit.spec.placement_policy


def _listed(clusters: Sequence[str]) -> str:
    count = len(clusters)
    shown = ", ".join(clusters[:_SHOWN]) + (f" and {count - _SHOWN} more" if count > _SHOWN else "")
    return f"{count} cluster{'s' if count > 1 else ''}: {shown}"


def _applied(unit: Unit, decision: DecisionInfo | None, lines: Sequence[ClusterWorks], now: datetime) -> Condition:
    total, done = _sum(lines, "work_count"), _sum(lines, "applied_count")
    open_lines = [entry for entry in lines if entry.worst.state not in _SETTLED]
    worst = min(open_lines, key=lambda entry: SEVERITY.index(entry.worst.state), default=None)
    if unit.delete_time is not None:
        total += _sum(lines, "held_count")
        left = f"{total} objects are left to remove" if total else "no object is left to remove"
        message = left if worst is None else f"{left}; {_words(worst)}"
        return _condition("Applied", ConditionStatus.FALSE, "Deleting", message, now)
    if worst is not None:
        message = f"{done} of {total} works are applied; {_words(worst)}"
        return _condition("Applied", ConditionStatus.FALSE, worst.worst.reason or worst.worst.state.value, message, now)
    if decision is None or unit.decided_generation < unit.generation:
        return _condition("Applied", ConditionStatus.FALSE, "Undecided", "the newest change is not decided yet", now)
    if not decision.targets:
        return _condition("Applied", ConditionStatus.FALSE, "Unplaced", "there is no cluster to apply it to", now)
    message = f"all {total} works are applied"
    return _condition("Applied", ConditionStatus.TRUE, "Applied", message, now)


def _ready(
    unit: Unit,
    decision: DecisionInfo | None,
    lines: Sequence[ClusterWorks],
    unheard: Mapping[str, Silence],
    now: datetime,
) -> Condition:
    applied = _applied(unit, decision, lines, now)
    if applied.status is not ConditionStatus.TRUE and applied.reason in ("Deleting", "Unplaced", "Undecided"):
        return _condition("Ready", ConditionStatus.FALSE, applied.reason, applied.message, now)
    total, healthy = _sum(lines, "work_count"), _sum(lines, "healthy_count")
    found = [
        (entry.cluster, entry.worst_health)
        for entry in lines
        if entry.worst_health is not None and entry.cluster not in unheard
    ]
    bad = [(cluster, health) for cluster, health in found if health.health == "Degraded"]
    if bad or (found and applied.status is ConditionStatus.TRUE):
        cluster, health = (bad or found)[0]
        said = f": {health.message}" if health.message else ""
        which = f"{cluster}: {health.object} is {health.health or 'not observed yet'}{said}"
        message = f"{healthy} of {total} objects are healthy; {which}"
        reason = health.reason or health.health or "NotObserved"
        return _condition("Ready", ConditionStatus.FALSE, reason, message, now)
    if applied.status is not ConditionStatus.TRUE:
        return _condition("Ready", ConditionStatus.FALSE, "NotApplied", applied.message, now)
    if unheard:
        return _condition("Ready", ConditionStatus.UNKNOWN, "ClustersNotHeard", _unheard_words(lines, unheard), now)
    return _condition("Ready", ConditionStatus.TRUE, "Ready", f"all {total} objects are healthy", now)


def _dependencies_met(unmet: Sequence[Unmet], unheld: Sequence[str], now: datetime) -> Condition:
    if not unmet:
        message = "all that it depends on is as far as it must be"
        if unheld:
            shown = ", ".join(unheld[:_SHOWN]) + (f" and {len(unheld) - _SHOWN} more" if unheld[_SHOWN:] else "")
            message += f"; no unit of the namespace holds {shown}: it must be in the clusters by other means"
        return _condition("DependenciesMet", ConditionStatus.TRUE, "Met", message, now)
    more = f"; and {len(unmet) - _SHOWN} more" if len(unmet) > _SHOWN else ""
    told = dict.fromkeys(f"{one.cluster} waits for {one.message}" for one in unmet[:_SHOWN])
    message = f"{'; '.join(told)}{more}; what runs already stays"
    return _condition("DependenciesMet", ConditionStatus.FALSE, unmet[0].reason, message, now)


def _held_back(conditions: Sequence[Condition], unit: Unit, rollout: Rollout, now: datetime) -> list[Condition]:
    """The conditions of a unit whose newest revision is not everywhere: it is neither applied nor ready."""
    if is_settled(rollout):
        return list(conditions)
    message = _rollout_words(unit, rollout)
    return [
        _condition(one.type, ConditionStatus.FALSE, rollout.phase.value, message, now)
        if one.type in ("Applied", "Ready") and one.status is ConditionStatus.TRUE
        else one
        for one in conditions
    ]


def _rolled_out(unit: Unit, rollout: Rollout, now: datetime) -> Condition:
    status = ConditionStatus.TRUE if is_settled(rollout) else ConditionStatus.FALSE
    return _condition("RolledOut", status, rollout.phase.value, _rollout_words(unit, rollout), now)


def _rollout_words(unit: Unit, rollout: Rollout) -> str:
    said = f": {rollout.message}" if rollout.message else ""
    match rollout.phase:
        case Phase.COMPLETED:
            return f"revision {rollout.revision} is on all clusters"
        case Phase.ROLLED_BACK:
            return f"revision {rollout.revision} was rolled back to {rollout.stable}{said}"
        case Phase.ROLLING_BACK:
            return f"revision {rollout.revision} goes back to {rollout.stable}{said}"
    wave = min(rollout.wave, len(waves_of(unit.spec.rollout or RolloutPolicy())) - 1)
    where = wave_words(unit.spec.rollout or RolloutPolicy(), wave)
    words = {Phase.PAUSED: "is paused", Phase.FAILED: "has failed", Phase.SOAKING: "is watched"}
    does = words.get(rollout.phase, "goes out")
    return f"revision {rollout.revision} {does} in {where}{said}"


def _heard(lines: Sequence[ClusterWorks], unheard: Mapping[str, Silence], now: datetime) -> Condition:
    if unheard:
        return _condition("Heard", ConditionStatus.FALSE, "ClustersNotHeard", _unheard_words(lines, unheard), now)
    message = "the one cluster is heard" if len(lines) == 1 else f"all {len(lines)} clusters are heard"
    return _condition("Heard", ConditionStatus.TRUE, "Heard", message, now)


def _writable(unit: Unit, lines: Sequence[ClusterWorks], holds: Sequence[Hold], now: datetime) -> Condition | None:
    """What of the unit is not written to members now; None: nothing is held."""
    clusters = [entry.cluster for entry in lines]
    over = [hold for hold in holds if hold.kind in _HELD_REASONS]  # that a member is in trouble stands in its own line
    found = list(holds_of_unit(over, unit.resource_name, clusters))
    kept = [entry for entry in lines if entry.held_count]
    if not found and not kept:
        return None
    told = [words_of(hold) + (f" (on {_names(names)})" if len(names) < len(clusters) else "") for hold, names in found]
    if kept:
        count, places = _sum(kept, "held_count"), _names([entry.cluster for entry in kept])
        what = f"the removal of {count} object{'' if count == 1 else 's'} from {places} is held"
        told.append(f"{what}: {kept[0].held_message}")
    kinds = {hold.kind for hold, _ in found}
    reason = next((_HELD_REASONS[kind] for kind in _HELD_REASONS if kind in kinds), "RemovalsHeld")
    return _condition("Writable", ConditionStatus.FALSE, reason, "; ".join(told), now)


def _names(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _unheard_words(lines: Sequence[ClusterWorks], unheard: Mapping[str, Silence]) -> str:
    names = [f"{name} ({silence.reason})" for name, silence in sorted(unheard.items())]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    verb = "is" if len(names) == 1 else "are"
    return f"{len(names)} of {len(lines)} clusters {verb} not heard: {', '.join(names[:_SHOWN])}{more}"


def _sum(lines: Iterable[ClusterWorks], name: str) -> int:
    return sum(int(getattr(entry, name)) for entry in lines)


def _words(entry: ClusterWorks) -> str:
    worst = entry.worst
    said = f" ({worst.message})" if worst.message else ""
    return f"{entry.cluster}: {worst.object} is {worst.state}{said}"


def _line(
    before: Iterable[UnitClusterStatus],
    entry: ClusterWorks,
    silence: Silence | None,
    revision: int,
    now: datetime,
    *,
    role: str,
) -> UnitClusterStatus:
    old = next((line for line in before if line.cluster == entry.cluster), None)
    state, reason, message = _heard_words(entry) if silence is None else _silent_words(entry, silence)

    def line(update_time: datetime) -> UnitClusterStatus:
        return UnitClusterStatus(
            cluster=entry.cluster,
            state=state,
            reason=reason,
            message=message,
            work_count=entry.work_count,
            applied_work_count=entry.applied_count,
            healthy_work_count=entry.healthy_count,
            desired_replicas=entry.desired_replicas,
            ready_replicas=entry.ready_replicas,
            update_time=update_time,
            last_heard_time=None if silence is None else silence.last_heard_time,
            revision=revision,
            role=role,
        )

    return old if old is not None and line(old.update_time) == old else line(now)


def _heard_words(entry: ClusterWorks) -> tuple[WorkState, str, str]:
    worst, health = entry.worst, entry.worst_health
    if worst.state is WorkState.APPLIED and health is not None:
        message = f"{health.object}: {health.message}" if health.message else ""
        return worst.state, health.reason or health.health, message
    return worst.state, worst.reason, f"{worst.object}: {worst.message}" if worst.message else ""


def _silent_words(entry: ClusterWorks, silence: Silence) -> tuple[WorkState, str, str]:
    left = entry.work_count - entry.applied_count
    waiting = f"; {left} of {entry.work_count} works there are not as they should be" if left else ""
    return WorkState.UNKNOWN, silence.reason, silence.message + waiting


def _condition(type_: str, status: ConditionStatus, reason: str, message: str, now: datetime) -> Condition:
    text = message if len(message) <= _MAX_MESSAGE else message[: _MAX_MESSAGE - 1] + "…"
    return Condition(type=type_, status=status, reason=reason, message=text, last_transition_time=now)


def _keep_time(before: Iterable[Condition], condition: Condition) -> Condition:
    old = next((entry for entry in before if entry.type == condition.type), None)
    if old is None or old.status is not condition.status:
        return condition
    return replace(condition, last_transition_time=old.last_transition_time)
