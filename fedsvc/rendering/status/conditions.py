"""Kinds known only by their conditions, read as the kstatus convention does, and what conditions sum up to."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status.health import (
    HEALTHY,
    Health,
    HealthState,
    all_observed,
    because,
    condition,
    degraded,
    generations,
    holds,
    items,
    number,
    part,
    progressing,
    text,
)

_BAD: Final = ("Stalled", "Failed", "Degraded", "NonStructuralSchema")
"""Conditions whose truth is trouble."""

_GOOD: Final = ("Ready", "Available", "Established", "Programmed", "Accepted", "Succeeded", "Complete", "Healthy")
"""Conditions whose truth is what everybody waits for; the first one that is there decides."""

_BROKEN_WHEN_FALSE: Final = ("NamesAccepted", "Synced")  # of definitions, and of what Crossplane manages
_BAD_PHASES: Final = ("Degraded", "Failed", "Error")
_PASSING_PHASES: Final = ("Progressing", "Paused")
_MAX_TEXT: Final = 256
_MAX_PLAIN: Final = 1_024  # some operators hand over tokens in their status
_MAX_CONDITIONS: Final = 20
_MAX_SCALARS: Final = 20


def reflect(_key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """Generations, conditions, and the plain values at the top of the status; the rest stays in the cluster."""
    status = part(live, "status")
    kept = generations(live)
    plain = [name for name in sorted(status) if _is_plain(status[name])][:_MAX_SCALARS]
    kept.update({name: status[name] for name in plain})
    if conditions := reduced_conditions(status):
        kept["conditions"] = conditions
    return kept


def aggregate(_key: ObjectKey, statuses: Mapping[str, JsonObject]) -> JsonObject:
    """Conditions of all clusters, and how many are in which phase where the kind has phases."""
    total = all_observed(statuses)
    phases = [text(status, "phase") for status in statuses.values() if status.get("phase")]
    if phases:
        total["phases"] = {name: phases.count(name) for name in sorted(set(phases))}
    if conditions := merged_conditions(statuses, any_of=_BAD):
        total["conditions"] = conditions
    return total


def health(_key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """By conditions; an object without any that we know is healthy: it exists, and nothing more can be told."""
    return _by_trouble(live) or _by_passing(live) or _by_goodness(live) or HEALTHY


def _by_trouble(live: Mapping[str, Any]) -> Health | None:
    """What is not seen yet, or broken."""
    status = part(live, "status")
    if "observedGeneration" in status and _observed(status) < number(part(live, "metadata"), "generation"):
        return progressing("NotObserved", "the controller in the cluster has not seen the newest version yet")
    for kind in _BAD:
        if (found := holds(live, kind)) is not None:
            return degraded(*because(found, kind))
    for kind in _BROKEN_WHEN_FALSE:
        if (found := condition(live, kind)) is not None and found.get("status") == "False":
            return degraded(*because(found, kind))
    phase = text(status, "phase")
    return degraded(phase, text(status, "message")[:_MAX_TEXT]) if phase in _BAD_PHASES else None


def _by_passing(live: Mapping[str, Any]) -> Health | None:
    """What is on its way."""
    if (found := holds(live, "Reconciling")) is not None:
        return progressing(*because(found, "Reconciling"))
    status = part(live, "status")
    phase = text(status, "phase")
    return progressing(phase, text(status, "message")[:_MAX_TEXT]) if phase in _PASSING_PHASES else None


def _by_goodness(live: Mapping[str, Any]) -> Health | None:
    """What the first of the conditions says that everybody waits for."""
    found = ((kind, condition(live, kind)) for kind in _GOOD)
    return next((_by_condition(live, kind, item) for kind, item in found if item is not None), None)


def reduced_conditions(status: Mapping[str, Any]) -> list[JsonObject]:
    """The conditions without what changes though nothing happens (probe times), sorted by type."""
    reduced = [
        {
            "type": text(item, "type"),
            "status": text(item, "status"),
            **{
                name: text(item, name)[:_MAX_TEXT]
                for name in ("reason", "message", "lastTransitionTime")
                if text(item, name)
            },
        }
        for item in items(status, "conditions")
        if text(item, "type")
    ]
    return sorted(reduced, key=lambda item: item["type"])[:_MAX_CONDITIONS]


def merged_conditions(statuses: Mapping[str, JsonObject], any_of: tuple[str, ...] = ()) -> list[JsonObject]:
    """One condition a type over clusters.

    True where it is True in every cluster; for the types in `any_of` where it is in any. Otherwise False where it is
    False anywhere or absent, else Unknown. Reason and message come from the clusters that decide, named in the message.
    """
    kinds = sorted({item["type"] for status in statuses.values() for item in items(status, "conditions")})
    return [_merged(kind, statuses, one_is_enough=kind in any_of) for kind in kinds]


def _merged(kind: str, statuses: Mapping[str, JsonObject], *, one_is_enough: bool) -> JsonObject:
    found = {
        cluster: next((item for item in items(status, "conditions") if item["type"] == kind), {})
        for cluster, status in statuses.items()
    }
    states = {cluster: text(item, "status") or "Absent" for cluster, item in found.items()}
    present = set(states.values())
    if one_is_enough:
        state = "True" if "True" in present else ("Unknown" if "Unknown" in present else "False")
    elif present == {"True"}:
        state = "True"
    else:
        state = "False" if present & {"False", "Absent"} else "Unknown"
    merged: JsonObject = {"type": kind, "status": state}
    # Where all agree there is nothing to tell apart; otherwise name the clusters that decide.
    deciding = [
        cluster
        for cluster in sorted(states)
        if (states[cluster] == state or (state == "False" and states[cluster] == "Absent"))
    ]
    reasons = {text(found[cluster], "reason") for cluster in deciding} - {""}
    if len(reasons) == 1:
        merged["reason"] = reasons.pop()
    if len(present) > 1 or state != "True":
        told = [
            f"{cluster}: {text(found[cluster], 'message')}" if text(found[cluster], "message") else cluster
            for cluster in deciding
        ]
        merged["message"] = "; ".join(told)[: 4 * _MAX_TEXT]
    return merged


def _by_condition(live: Mapping[str, Any], kind: str, found: Mapping[str, Any]) -> Health:
    seen = found.get("observedGeneration")
    if isinstance(seen, int) and seen < number(part(live, "metadata"), "generation"):
        return progressing("NotObserved", f"condition {kind} is of an earlier version")
    reason, message = because(found, kind)
    match found.get("status"):
        case "True":
            return HEALTHY
        case "False":
            return progressing(reason, message)
        case _:
            return Health(state=HealthState.UNKNOWN, reason=reason, message=message)


def _observed(status: Mapping[str, Any]) -> int:
    """The generation that was observed; some controllers (Argo Rollouts) write it as a text."""
    written = status.get("observedGeneration")
    return int(written) if isinstance(written, str) and written.isdecimal() else number(status, "observedGeneration")


def _is_plain(value: Any) -> bool:
    return isinstance(value, (bool, int, float)) or (isinstance(value, str) and len(value) <= _MAX_PLAIN)
