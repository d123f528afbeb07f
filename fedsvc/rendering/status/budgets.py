"""PodDisruptionBudget and HorizontalPodAutoscaler: kinds that watch over the pods of others."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status.conditions import merged_conditions, reduced_conditions
from fedsvc.rendering.status.health import (
    HEALTHY,
    Health,
    HealthState,
    all_observed,
    because,
    condition,
    degraded,
    generations,
    not_observed,
    number,
    part,
    picked,
    progressing,
    summed,
    text,
)

_BUDGET_COUNTERS: Final = ("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods")
_SCALER_COUNTERS: Final = ("currentReplicas", "desiredReplicas")


def reflect_budget(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """Counters, conditions, and the names of pods under disruption."""
    status = part(live, "status")
    disrupted, conditions = sorted(part(status, "disruptedPods")), reduced_conditions(status)
    kept = generations(live) | picked(status, _BUDGET_COUNTERS)
    kept |= {"disruptedPods": disrupted} if disrupted else {}
    return kept | ({"conditions": conditions} if conditions else {})


def aggregate_budget(_key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """The sums, the conditions of all, and the disrupted pods as ``cluster/pod``."""
    disrupted = [f"{cluster}/{pod}" for cluster, status in statuses.items() for pod in status.get("disruptedPods", ())]
    total = summed(statuses, _BUDGET_COUNTERS) | all_observed(statuses)
    total |= {"disruptedPods": disrupted} if disrupted else {}
    conditions = merged_conditions(statuses)
    return total | ({"conditions": conditions} if conditions else {})


def budget_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when as many pods are healthy as it asks for."""
    if (waiting := not_observed(live)) is not None:
        return waiting
    status = part(live, "status")
    current, desired = number(status, "currentHealthy"), number(status, "desiredHealthy")
    if current < desired:
        return progressing("InsufficientPods", f"{current} of {desired} pods are healthy")
    return HEALTHY


def reflect_scaler(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """Counters, the last scaling, conditions."""
    status = part(live, "status")
    conditions = reduced_conditions(status)
    return picked(status, (*_SCALER_COUNTERS, "lastScaleTime")) | ({"conditions": conditions} if conditions else {})


def aggregate_scaler(_key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """The sums, the latest scaling, the conditions of all."""
    total = summed(statuses, _SCALER_COUNTERS)
    if times := [text(status, "lastScaleTime") for status in statuses.values() if status.get("lastScaleTime")]:
        total["lastScaleTime"] = max(times)
    if conditions := merged_conditions(statuses, any_of=("ScalingLimited",)):
        total["conditions"] = conditions
    return total


def scaler_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when it can read its metrics and scale its target; autoscaling/v1 shows no conditions."""
    status = part(live, "status")
    for kind in ("AbleToScale", "ScalingActive"):
        found = condition(live, kind)
        if found is None or found.get("status") != "False":
            continue
        if found.get("reason") == "ScalingDisabled":  # the target has 0 replicas: somebody wants it so
            return Health(state=HealthState.HEALTHY, reason="ScalingDisabled", message=text(found, "message"))
        return degraded(*because(found, kind))
    if condition(live, "AbleToScale") is None and not number(status, "currentReplicas"):
        return progressing("NotObserved", "the autoscaler has not looked at its target yet")
    return HEALTHY
