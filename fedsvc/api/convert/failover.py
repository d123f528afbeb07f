"""Failovers and automation, between protobuf and the model."""

from collections.abc import Iterable
from typing import Final

from fedsvc.api.convert.common import inverted, read_enum, timestamp
from fedsvc.api.convert.hold import hold_message
from fedsvc.api.convert.roles import read_roles, roles_message
from fedsvc.api.problems import Problems
from fedsvc.health import Automation
from fedsvc.model.ailing import DEFAULT_AFTER_SECONDS, DEFAULT_FORGET_SECONDS, UnhealthyPolicy
from fedsvc.model.cluster import Cluster
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failback import DEFAULT_PACE_PERCENT, DEFAULT_STABLE_SECONDS, FailbackMode, FailbackPolicy
from fedsvc.model.failover import DEFAULT_TOLERATION_SECONDS, Failover, FailoverMode, FailoverPolicy
from fedsvc.model.floor import Floor
from fedsvc.model.hold import Hold
from fedsvc.model.pending import MoveKind, PendingMove
from fedsvc.store.automation import Stored
from fedsvc.v1 import automation_pb2, unit_pb2

MAX_TOLERATION_SECONDS: Final = 86_400
MAX_PRIORITY: Final = 1_000
MAX_STABLE_SECONDS: Final = 604_800
MAX_PERCENT: Final = 100
LEAST_AFTER_SECONDS: Final = 10
MAX_AFTER_SECONDS: Final = 86_400
LEAST_FORGET_SECONDS: Final = 60
MAX_FORGET_SECONDS: Final = 604_800

_MODES: Final = {
    FailoverMode.AUTO: unit_pb2.FAILOVER_MODE_AUTO,
    FailoverMode.MANUAL: unit_pb2.FAILOVER_MODE_MANUAL,
    FailoverMode.NEVER: unit_pb2.FAILOVER_MODE_NEVER,
}
_RETURNS: Final = {
    FailbackMode.AFTER: unit_pb2.FAILBACK_MODE_AFTER,
    FailbackMode.MANUAL: unit_pb2.FAILBACK_MODE_MANUAL,
    FailbackMode.NEVER: unit_pb2.FAILBACK_MODE_NEVER,
}
_READ_RETURNS: Final = {unit_pb2.FAILBACK_MODE_UNSPECIFIED: FailbackMode.AFTER, **inverted(_RETURNS)}
_CAUSES: Final = {
    DepartureCause.LOST: automation_pb2.DEPARTURE_CAUSE_LOST,
    DepartureCause.ASKED: automation_pb2.DEPARTURE_CAUSE_ASKED,
    DepartureCause.DRAIN: automation_pb2.DEPARTURE_CAUSE_DRAIN,
    DepartureCause.DRILL: automation_pb2.DEPARTURE_CAUSE_DRILL,
    DepartureCause.UNHEALTHY: automation_pb2.DEPARTURE_CAUSE_UNHEALTHY,
}
_KINDS: Final = {
    MoveKind.AWAY: automation_pb2.MOVE_KIND_AWAY,
    MoveKind.BACK: automation_pb2.MOVE_KIND_BACK,
    MoveKind.PRIMARY: automation_pb2.MOVE_KIND_PRIMARY,
}
_READ_MODES: Final = {unit_pb2.FAILOVER_MODE_UNSPECIFIED: FailoverMode.AUTO, **inverted(_MODES)}
_STATES: Final = {
    Automation.ON: automation_pb2.AUTOMATION_STATE_ON,
    Automation.HOLDING: automation_pb2.AUTOMATION_STATE_HOLDING,
    Automation.OFF: automation_pb2.AUTOMATION_STATE_OFF,
}


def read_failover(message: unit_pb2.FailoverPolicy, path: str, problems: Problems) -> FailoverPolicy:
    """What becomes of a unit whose cluster is lost, of protobuf; what is not said is the default."""
    seconds = message.toleration_seconds if message.HasField("toleration_seconds") else DEFAULT_TOLERATION_SECONDS
    if not 0 <= seconds <= MAX_TOLERATION_SECONDS:
        problems.add(f"{path}.toleration_seconds", f"is {seconds}; it must be from 0 to {MAX_TOLERATION_SECONDS}")
    if abs(message.priority) > MAX_PRIORITY:
        problems.add(f"{path}.priority", f"is {message.priority}; it must be from -{MAX_PRIORITY} to {MAX_PRIORITY}")
    return FailoverPolicy(
        mode=read_enum(message.mode, _READ_MODES, f"{path}.mode", problems),
        toleration_seconds=seconds,
        priority=message.priority,
        failback=_read_failback(message.failback, f"{path}.failback", problems),
        floor=_read_floor(message.floor, f"{path}.floor", problems) if message.HasField("floor") else None,
        unhealthy=_read_unhealthy(message.unhealthy, f"{path}.unhealthy", problems)
        if message.HasField("unhealthy")
        else None,
        roles=read_roles(message.roles, f"{path}.roles", problems) if message.HasField("roles") else None,
    )


def _read_unhealthy(message: unit_pb2.UnhealthyPolicy, path: str, problems: Problems) -> UnhealthyPolicy:
    after = message.after_seconds if message.HasField("after_seconds") else DEFAULT_AFTER_SECONDS
    forget = message.forget_seconds if message.HasField("forget_seconds") else DEFAULT_FORGET_SECONDS
    if not LEAST_AFTER_SECONDS <= after <= MAX_AFTER_SECONDS:
        bounds = f"from {LEAST_AFTER_SECONDS} to {MAX_AFTER_SECONDS}"
        problems.add(f"{path}.after_seconds", f"is {after}; it must be {bounds}")
    if not LEAST_FORGET_SECONDS <= forget <= MAX_FORGET_SECONDS:
        bounds = f"from {LEAST_FORGET_SECONDS} to {MAX_FORGET_SECONDS}"
        problems.add(f"{path}.forget_seconds", f"is {forget}; it must be {bounds}")
    return UnhealthyPolicy(after_seconds=after, forget_seconds=forget)


def _read_floor(message: unit_pb2.FailoverFloor, path: str, problems: Problems) -> Floor:
    replicas = message.replicas if message.HasField("replicas") else None
    percent = message.percent if message.HasField("percent") else None
    if (replicas is None) == (percent is None):
        problems.add(path, "takes one of replicas and percent")
    if replicas is not None and replicas < 1:
        problems.add(f"{path}.replicas", f"is {replicas}; it must be 1 or more")
    if percent is not None and not 1 <= percent <= MAX_PERCENT:
        problems.add(f"{path}.percent", f"is {percent}; it must be from 1 to {MAX_PERCENT}")
    return Floor(replicas=replicas, percent=percent)


def _read_failback(message: unit_pb2.FailbackPolicy, path: str, problems: Problems) -> FailbackPolicy:
    stable = message.stable_seconds if message.HasField("stable_seconds") else DEFAULT_STABLE_SECONDS
    pace = message.pace_percent if message.HasField("pace_percent") else DEFAULT_PACE_PERCENT
    if not 0 <= stable <= MAX_STABLE_SECONDS:
        problems.add(f"{path}.stable_seconds", f"is {stable}; it must be from 0 to {MAX_STABLE_SECONDS}")
    if not 1 <= pace <= MAX_PERCENT:
        problems.add(f"{path}.pace_percent", f"is {pace}; it must be from 1 to {MAX_PERCENT}")
    mode = read_enum(message.mode, _READ_RETURNS, f"{path}.mode", problems)
    return FailbackPolicy(mode=mode, stable_seconds=stable, pace_percent=pace)


def failover_message(policy: FailoverPolicy) -> unit_pb2.FailoverPolicy | None:
    """What becomes of a unit whose cluster is lost, as protobuf; None where all is as by default."""
    if policy == FailoverPolicy():
        return None
    back = policy.failback
    returns = unit_pb2.FailbackPolicy(
        mode=_RETURNS[back.mode], stable_seconds=back.stable_seconds, pace_percent=back.pace_percent
    )
    return unit_pb2.FailoverPolicy(
        mode=_MODES[policy.mode],
        toleration_seconds=policy.toleration_seconds,
        priority=policy.priority,
        failback=None if back == FailbackPolicy() else returns,
        floor=None
        if policy.floor is None
        else unit_pb2.FailoverFloor(replicas=policy.floor.replicas, percent=policy.floor.percent),
        unhealthy=None
        if policy.unhealthy is None
        else unit_pb2.UnhealthyPolicy(
            after_seconds=policy.unhealthy.after_seconds, forget_seconds=policy.unhealthy.forget_seconds
        ),
        roles=roles_message(policy.roles),
    )


def pending_message(move: PendingMove) -> automation_pb2.PendingMove:
    """A move that is not made for now, as protobuf."""
    return automation_pb2.PendingMove(
        unit=move.unit_name,
        cluster=move.cluster,
        kind=_KINDS[move.kind],
        reason=move.reason,
        message=move.message,
        command=move.command,
        due_time=timestamp(move.due_time),
    )


def history_message(entry: Failover) -> automation_pb2.Failover:
    """A failover as protobuf."""
    return automation_pb2.Failover(
        name=f"failovers/{entry.id}",
        unit=entry.unit_name,
        cluster=entry.cluster,
        targets=entry.targets,
        priority=entry.priority,
        message=entry.message,
        trouble_time=timestamp(entry.trouble_time),
        detect_time=timestamp(entry.detect_time),
        decide_time=timestamp(entry.decide_time),
        place_time=timestamp(entry.place_time),
        ready_time=timestamp(entry.ready_time),
        is_named=entry.is_named,
        traffic_time=timestamp(entry.traffic_time),
        clean_time=timestamp(entry.clean_time),
        return_time=timestamp(entry.return_time),
        cause=_CAUSES[entry.cause],
        author=entry.author,
    )


def automation_message(
    stored: Stored, *, holds: Iterable[Hold], troubled: Iterable[Cluster], left_object_count: int
) -> automation_pb2.Automation:
    """Whether lost clusters are acted on, as protobuf.

    Args:
        stored: what the breaker found.
        holds: those that keep automation from acting.
        troubled: the clusters that are not healthy.
        left_object_count: objects that were left on lost clusters.
    """
    state = stored.state
    return automation_pb2.Automation(
        state=_STATES[state.automation],
        reason=state.reason,
        message=state.message,
        since=timestamp(state.since),
        calm_since=timestamp(state.calm_since),
        settled_clusters=state.settled,
        has_witness=stored.sight.has_witness,
        holds=map(hold_message, holds),
        troubles=[
            automation_pb2.ClusterTrouble(
                cluster=cluster.name,
                verdict=cluster.health.verdict.value,
                since=timestamp(cluster.health.since),
                message=cluster.health.message,
            )
            for cluster in troubled
        ],
        left_object_count=left_object_count,
    )
