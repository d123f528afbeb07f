"""Deployment, StatefulSet, ReplicaSet, ReplicationController, DaemonSet: kinds that keep a number of pods running."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status.health import (
    HEALTHY,
    Health,
    all_observed,
    because,
    condition,
    degraded,
    generations,
    holds,
    not_observed,
    number,
    part,
    picked,
    progressing,
    summed,
    text,
)

_COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Deployment": ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas", "unavailableReplicas"),
    "StatefulSet": ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"),
    "ReplicaSet": ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
    "ReplicationController": ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas"),
    "DaemonSet": (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "numberMisscheduled",
    ),
}


def reflect(key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """The counters, and the generations that tell whether they are of the newest spec."""
    return generations(live) | picked(part(live, "status"), _COUNTERS[key.kind])


def aggregate(key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """The sums."""
    return summed(statuses, _COUNTERS[key.kind]) | all_observed(statuses)


def replica_counts(key: ObjectKey, live: Mapping[str, Any]) -> tuple[int, int]:
    """(desired, ready) pods."""
    status = part(live, "status")
    if key.kind == "DaemonSet":
        return number(status, "desiredNumberScheduled"), number(status, "numberReady")
    return _desired(live), number(status, "readyReplicas")


def deployment_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when all replicas are of the newest template and available, and no old ones are left."""
    return not_observed(live) or _replica_failure(live) or _deadline_exceeded(live) or _rollout_health(live)


def _rollout_health(live: Mapping[str, Any]) -> Health:
    status, desired = part(live, "status"), _desired(live)
    updated, available = number(status, "updatedReplicas"), number(status, "availableReplicas")
    if updated < desired:
        if part(live, "spec").get("paused") is True:
            return progressing("Paused", f"the rollout is paused: {updated} of {desired} replicas are updated")
        return progressing("RollingOut", f"{updated} of {desired} replicas are updated")
    if number(status, "replicas") > updated:
        return progressing("RollingOut", f"{number(status, 'replicas') - updated} old replicas are being terminated")
    if available < updated:
        return progressing("MinimumReplicasUnavailable", f"{available} of {updated} updated replicas are available")
    return HEALTHY


def stateful_set_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when all replicas are available, and as many are updated as its update strategy asks for."""
    if (waiting := not_observed(live)) is not None:
        return waiting
    status, desired = part(live, "status"), _desired(live)
    strategy = part(part(live, "spec"), "updateStrategy")
    if text(strategy, "type") != "OnDelete":
        # With a partition, ordinals below it keep the old template.
        wanted = max(0, desired - number(part(strategy, "rollingUpdate"), "partition"))
        updated = number(status, "updatedReplicas")
        if updated < wanted:
            return progressing("RollingOut", f"{updated} of {wanted} replicas are updated")
    # Kubernetes before 1.22 has no availableReplicas.
    available = number(status, "availableReplicas", number(status, "readyReplicas"))
    if available < desired:
        return progressing("ReplicasUnavailable", f"{available} of {desired} replicas are available")
    return HEALTHY


def replica_set_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when all replicas are available."""
    if (waiting := not_observed(live)) is not None:
        return waiting
    if (failure := _replica_failure(live)) is not None:
        return failure
    available, desired = number(part(live, "status"), "availableReplicas"), _desired(live)
    if available < desired:
        return progressing("ReplicasUnavailable", f"{available} of {desired} replicas are available")
    return HEALTHY


def daemon_set_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when the pods of all nodes it is meant for are updated and available."""
    if (waiting := not_observed(live)) is not None:
        return waiting
    status = part(live, "status")
    desired = number(status, "desiredNumberScheduled")
    updated, available = number(status, "updatedNumberScheduled"), number(status, "numberAvailable")
    if text(part(part(live, "spec"), "updateStrategy"), "type") != "OnDelete" and updated < desired:
        return progressing("RollingOut", f"{updated} of {desired} pods are updated")
    if available < desired:
        return progressing("PodsUnavailable", f"{available} of {desired} pods are available")
    return HEALTHY


def _deadline_exceeded(live: Mapping[str, Any]) -> Health | None:
    rollout = condition(live, "Progressing") or {}
    if rollout.get("status") == "False" and rollout.get("reason") == "ProgressDeadlineExceeded":
        return degraded(*because(rollout, "ProgressDeadlineExceeded"))
    return None


def _desired(live: Mapping[str, Any]) -> int:
    return number(part(live, "spec"), "replicas", 1)


def _replica_failure(live: Mapping[str, Any]) -> Health | None:
    # Pods cannot even be created: a quota, an admission policy, a missing service account.
    found = holds(live, "ReplicaFailure")
    return None if found is None else degraded(*because(found, "ReplicaFailure"))
