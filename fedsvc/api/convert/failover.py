"""Failovers and automation, between protobuf and the model."""

from collections.abc import Iterable
from typing import Final

from fedsvc.api.convert.common import inverted, read_enum, timestamp
from fedsvc.api.convert.hold import hold_message
from fedsvc.api.problems import Problems
from fedsvc.health import Automation
from fedsvc.model.cluster import Cluster
from fedsvc.model.failover import DEFAULT_TOLERATION_SECONDS, Failover, FailoverMode, FailoverPolicy
from fedsvc.model.hold import Hold
from fedsvc.store.automation import Stored
from fedsvc.v1 import automation_pb2, unit_pb2

MAX_TOLERATION_SECONDS: Final = 86_400
MAX_PRIORITY: Final = 1_000

_MODES: Final = {
    FailoverMode.AUTO: unit_pb2.FAILOVER_MODE_AUTO,
    FailoverMode.MANUAL: unit_pb2.FAILOVER_MODE_MANUAL,
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
    )


def failover_message(policy: FailoverPolicy) -> unit_pb2.FailoverPolicy | None:
    """What becomes of a unit whose cluster is lost, as protobuf; None where all is as by default."""
    if policy == FailoverPolicy():
        return None
    return unit_pb2.FailoverPolicy(
        mode=_MODES[policy.mode], toleration_seconds=policy.toleration_seconds, priority=policy.priority
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
        clean_time=timestamp(entry.clean_time),
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
