"""Job and CronJob: kinds that run to an end."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status.conditions import merged_conditions, reduced_conditions
from fedsvc.rendering.status.health import (
    HEALTHY,
    Health,
    HealthState,
    because,
    degraded,
    holds,
    items,
    number,
    part,
    picked,
    progressing,
    summed,
    text,
)

_JOB_COUNTERS: Final = ("active", "ready", "succeeded", "failed")
_CRON_TIMES: Final = ("lastScheduleTime", "lastSuccessfulTime")


def reflect_job(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """Counters, conditions, start and end."""
    status = part(live, "status")
    kept = picked(status, (*_JOB_COUNTERS, "startTime", "completionTime"))
    conditions = reduced_conditions(status)
    return kept | ({"conditions": conditions} if conditions else {})


def aggregate_job(_key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """Sums; failed where any cluster's Job failed, complete where all are; from the first start to the last end."""
    total = summed(statuses, _JOB_COUNTERS)
    starts = [text(status, "startTime") for status in statuses.values()]
    ends = [text(status, "completionTime") for status in statuses.values()]
    # Times are RFC 3339 in UTC with seconds, so their order is that of the strings.
    if starts and all(starts):
        total["startTime"] = min(starts)
    if ends and all(ends):
        total["completionTime"] = max(ends)
    if conditions := merged_conditions(statuses, any_of=("Failed", "FailureTarget")):
        total["conditions"] = conditions
    return total


def job_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when it has completed or is suspended on purpose, degraded when it has failed."""
    for kind in ("Failed", "FailureTarget"):
        if (found := holds(live, kind)) is not None:
            return degraded(*because(found, "JobFailed"))
    if holds(live, "Complete") is not None or holds(live, "SuccessCriteriaMet") is not None:
        return Health(state=HealthState.HEALTHY, reason="Completed")
    if part(live, "spec").get("suspend") is True:
        return Health(state=HealthState.HEALTHY, reason="Suspended", message="the Job is suspended")
    desired, succeeded = job_counts(_key, live)
    return progressing("Running", f"{succeeded} of {desired} completions")


def job_counts(_key: ObjectKey, live: Mapping[str, Any]) -> tuple[int, int]:
    """(completions wanted, pods that succeeded); a work queue counts as done when the Job is complete."""
    spec, status = part(live, "spec"), part(live, "status")
    succeeded = number(status, "succeeded")
    if isinstance(spec.get("completions"), int):
        return number(spec, "completions"), min(succeeded, number(spec, "completions"))
    desired = number(spec, "parallelism", 1)
    return desired, desired if holds(live, "Complete") is not None else min(succeeded, desired)


def reflect_cron_job(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """The names of the Jobs that run, and the last times."""
    status = part(live, "status")
    active = sorted(text(reference, "name") for reference in items(status, "active"))
    return picked(status, _CRON_TIMES) | ({"active": active} if active else {})


def aggregate_cron_job(_key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """All running Jobs with their cluster, and the latest times."""
    total: JsonObject = {
        name: max(times)
        for name in _CRON_TIMES
        if (times := [text(status, name) for status in statuses.values() if status.get(name)])
    }
    active = [
        {"cluster": cluster, "name": name} for cluster, status in statuses.items() for name in status.get("active", ())
    ]
    return total | ({"active": active} if active else {})


def cron_job_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy: its Jobs have a health of their own."""
    if part(live, "spec").get("suspend") is True:
        return Health(state=HealthState.HEALTHY, reason="Suspended", message="the CronJob is suspended")
    return HEALTHY
