"""The verdict on one object in one cluster, and the ways to read a status that every family of kinds uses."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject


class HealthState(StrEnum):
    """How an object does."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A verdict with its reason.

    Attributes:
        state: the verdict.
        reason: one CamelCase word, Kubernetes' own where it has one; "" when healthy without more to say.
        message: a sentence for people; Kubernetes' own words where it has them; "" when there is nothing to say.
    """

    state: HealthState
    reason: str = ""
    message: str = ""


HEALTHY: Final = Health(state=HealthState.HEALTHY)


def progressing(reason: str, message: str = "") -> Health:
    """On its way."""
    return Health(state=HealthState.PROGRESSING, reason=reason, message=message)


def degraded(reason: str, message: str = "") -> Health:
    """Stuck or broken: it will not mend by waiting alone."""
    return Health(state=HealthState.DEGRADED, reason=reason, message=message)


def part(value: Any, name: str) -> Mapping[str, Any]:
    """The object below `name`; {} where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def items(value: Any, name: str) -> list[JsonObject]:
    """The objects of the list below `name`; [] where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def number(value: Mapping[str, Any], name: str, default: int = 0) -> int:
    """The integer below `name`; the default where there is none."""
    found = value.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else default


def text(value: Mapping[str, Any], name: str) -> str:
    """The string below `name`; "" where there is none."""
    found = value.get(name)
    return found if isinstance(found, str) else ""


def condition(live: Mapping[str, Any], kind: str) -> JsonObject | None:
    """The condition of a type in the object's status; None where it has none."""
    for item in items(part(live, "status"), "conditions"):
        if item.get("type") == kind:
            return item
    return None


def holds(live: Mapping[str, Any], kind: str) -> JsonObject | None:
    """The condition of a type if it is True; else None."""
    found = condition(live, kind)
    return found if found is not None and found.get("status") == "True" else None


def because(found: Mapping[str, Any], default: str) -> tuple[str, str]:
    """(reason, message) of a condition."""
    return text(found, "reason") or default, text(found, "message")


def not_observed(live: Mapping[str, Any]) -> Health | None:
    """Progressing while the controller has not yet seen the newest spec; None when it has."""
    generation = number(part(live, "metadata"), "generation")
    observed = number(part(live, "status"), "observedGeneration")
    if observed >= generation:
        return None
    return progressing("NotObserved", "the controller in the cluster has not seen the newest version yet")


def picked(status: Mapping[str, Any], names: tuple[str, ...]) -> JsonObject:
    """The named fields of a status that are there."""
    return {name: status[name] for name in names if status.get(name) is not None}


def generations(live: Mapping[str, Any]) -> JsonObject:
    """The object's generation and the one its controller has seen, where they are there."""
    return picked(part(live, "metadata"), ("generation",)) | picked(part(live, "status"), ("observedGeneration",))


def summed(statuses: Mapping[str, JsonObject], names: tuple[str, ...]) -> JsonObject:
    """The sums of integer fields; a field that no cluster has is left out."""
    return {
        name: sum(number(status, name) for status in statuses.values())
        for name in names
        if any(name in status for status in statuses.values())
    }


def all_observed(statuses: Mapping[str, JsonObject]) -> JsonObject:
    """Whether every cluster's controller has seen its newest spec: generations of clusters have no sum."""
    seen = [
        number(status, "observedGeneration") >= number(status, "generation")
        for status in statuses.values()
        if "generation" in status
    ]
    return {"allObserved": all(seen)} if seen else {}


def worst(values: list[str], order: tuple[str, ...]) -> str | None:
    """The value that comes first in `order`; one that `order` does not name goes before all; None without values."""
    if not values:
        return None
    return min(values, key=lambda value: (order.index(value) + 1 if value in order else 0, value))
