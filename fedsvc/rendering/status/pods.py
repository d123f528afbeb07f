"""Pod."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status.health import (
    HEALTHY,
    Health,
    HealthState,
    because,
    condition,
    degraded,
    holds,
    items,
    number,
    part,
    picked,
    progressing,
    text,
    worst,
)

_PHASES: Final = ("Failed", "Unknown", "Pending", "Running", "Succeeded")
"""The worst first."""

_STUCK: Final = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
"""Reasons of waiting containers that do not pass by waiting."""


def reflect(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """Phase, readiness, restarts, and why where the pod or a container says why."""
    status = part(live, "status")
    kept = picked(status, ("phase", "reason", "message", "podIP", "startTime"))
    kept["ready"] = holds(live, "Ready") is not None
    kept["restarts"] = sum(number(container, "restartCount") for container in _containers(status))
    if (stuck := _stuck(status)) is not None:
        kept["reason"], kept["message"] = stuck
    return kept


def aggregate(_key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """The worst phase (a cluster without one counts as Pending), and sums."""
    phase = worst([text(status, "phase") or "Pending" for status in statuses.values()], _PHASES)
    return {
        "phase": phase,
        "pods": len(statuses),
        "readyPods": sum(status.get("ready") is True for status in statuses.values()),
        "restarts": sum(number(status, "restarts") for status in statuses.values()),
    }


def health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when it has succeeded or runs and is ready; degraded when it failed, hangs or fits on no node."""
    status = part(live, "status")
    phase = text(status, "phase")
    if phase == "Succeeded":
        return Health(state=HealthState.HEALTHY, reason="Completed")
    if phase == "Failed":
        return degraded(*because(status, "PodFailed"))
    if (stuck := _stuck(status) or _unschedulable(live)) is not None:
        return degraded(*stuck)
    if phase == "Unknown":
        return Health(state=HealthState.UNKNOWN, reason="NodeLost", message=text(status, "message"))
    ready = condition(live, "Ready") or {}
    is_up = phase == "Running" and ready.get("status") == "True"
    return HEALTHY if is_up else progressing(*because(ready, phase or "Pending"))


def replica_counts(_key: ObjectKey, live: Mapping[str, Any]) -> tuple[int, int]:
    """One pod, ready or done or not."""
    done = text(part(live, "status"), "phase") == "Succeeded"
    return 1, int(done or holds(live, "Ready") is not None)


def _containers(status: Mapping[str, Any]) -> list[JsonObject]:
    return [*items(status, "initContainerStatuses"), *items(status, "containerStatuses")]


def _unschedulable(live: Mapping[str, Any]) -> tuple[str, str] | None:
    scheduled = condition(live, "PodScheduled") or {}
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return because(scheduled, "Unschedulable")
    return None


def _stuck(status: Mapping[str, Any]) -> tuple[str, str] | None:
    for container in _containers(status):
        waiting = part(part(container, "state"), "waiting")
        reason = text(waiting, "reason")
        if reason in _STUCK:
            return reason, f"container {text(container, 'name')}: {text(waiting, 'message') or reason}"
    return None
