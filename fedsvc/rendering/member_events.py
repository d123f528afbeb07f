"""Events of member clusters (core/v1, which events.k8s.io shares its storage with): equal ones are one, counted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from fedsvc.rendering.status.health import number, part, text

_MAX_MESSAGE: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberEvent:
    """Something that happened to an object in one cluster."""

    api_version: str  # of the object
    kind: str
    namespace: str
    name: str
    uid: str
    type: str  # Normal or Warning
    reason: str
    message: str
    count: int
    first_time: str  # RFC 3339
    last_time: str
    source: str  # who says so: "kubelet", "deployment-controller"


def read_event(live: Mapping[str, Any]) -> MemberEvent:
    """A live event, whichever of its two APIs it was written by; what has another shape than expected is absent."""
    about, series = part(live, "involvedObject") or part(live, "regarding"), part(live, "series")
    made = text(part(live, "metadata"), "creationTimestamp")
    begun = _time(text(live, "firstTimestamp") or text(live, "eventTime") or made)
    last = _time(text(series, "lastObservedTime") or text(live, "lastTimestamp")) or begun
    counts = (number(live, "count"), number(series, "count"), number(live, "deprecatedCount"), 1)
    return MemberEvent(
        api_version=text(about, "apiVersion"),
        kind=text(about, "kind"),
        namespace=text(about, "namespace"),
        name=text(about, "name"),
        uid=text(about, "uid"),
        type=text(live, "type") or "Normal",
        reason=text(live, "reason"),
        message=(text(live, "message") or text(live, "note"))[:_MAX_MESSAGE],
        count=max(counts),
        first_time=begun,
        last_time=last,
        source=text(live, "reportingComponent") or text(part(live, "source"), "component"),
    )


def merged(events: Iterable[MemberEvent]) -> list[MemberEvent]:
    """The events, equal ones of one object as one with their counts summed; the newest first.

    Kubernetes begins a new event for what it told hours ago, and one for each node or replica that tells of it.
    """
    found: dict[tuple[str, ...], MemberEvent] = {}
    for event in events:
        key = (event.kind, event.namespace, event.name, event.type, event.reason, event.message)
        before = found.get(key)
        if before is None:
            found[key] = event
            continue
        firsts = [time for time in (before.first_time, event.first_time) if time]
        found[key] = replace(
            max(before, event, key=lambda one: one.last_time),
            count=before.count + event.count,
            first_time=min(firsts, default=""),
        )
    return sorted(found.values(), key=lambda one: (one.last_time, one.kind, one.name, one.reason), reverse=True)


def _time(value: str) -> str:
    """A time without its fraction, so that times written with and without one have the order of their texts."""
    return f"{value.partition('.')[0]}Z" if "." in value else value
