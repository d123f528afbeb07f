"""PersistentVolumeClaim, PersistentVolume, Namespace: kinds that are in one phase."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status.conditions import reduced_conditions
from fedsvc.rendering.status.health import (
    HEALTHY,
    Health,
    HealthState,
    because,
    degraded,
    holds,
    part,
    picked,
    progressing,
    text,
    worst,
)

_ORDER: Final[Mapping[str, tuple[str, ...]]] = {
    "PersistentVolumeClaim": ("Lost", "Pending", "Bound"),
    "PersistentVolume": ("Failed", "Pending", "Available", "Bound", "Released"),
    "Namespace": ("Terminating", "Active"),
}
"""Phases, the worst first."""

_DELETION_FAILURES: Final = (
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
)


def reflect(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """Phase, capacity, and the conditions that hold."""
    status = part(live, "status")
    kept = picked(status, ("phase", "capacity", "reason", "message"))
    conditions = [item for item in reduced_conditions(status) if item["status"] == "True"]
    return kept | ({"conditions": conditions} if conditions else {})


def aggregate(key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """The worst phase, and how many clusters are in which."""
    phases = [text(status, "phase") for status in statuses.values() if status.get("phase")]
    phase = worst(phases, _ORDER[key.kind])
    if phase is None:
        return {}
    return {"phase": phase, "phases": {name: phases.count(name) for name in sorted(set(phases))}}


def claim_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when bound."""
    phase = text(part(live, "status"), "phase")
    if phase == "Bound":
        return HEALTHY
    if phase == "Lost":
        return degraded("Lost", "the claim has lost its volume")
    return progressing("Pending", "the claim is not bound to a volume yet")


def volume_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when it can be or is used."""
    status = part(live, "status")
    phase = text(status, "phase")
    if phase == "Failed":
        return degraded(*because(status, "Failed"))
    if phase in ("", "Pending"):
        return progressing("Pending", text(status, "message"))
    return Health(state=HealthState.HEALTHY, reason="" if phase in ("Available", "Bound") else phase)


def namespace_health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """Healthy when active; degraded when its deletion is stuck."""
    for kind in _DELETION_FAILURES:
        if (found := holds(live, kind)) is not None:
            return degraded(*because(found, kind))
    if text(part(live, "status"), "phase") == "Terminating":
        return progressing("Terminating", "the namespace is being deleted")
    return HEALTHY
