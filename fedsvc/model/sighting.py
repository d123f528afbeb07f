"""What is looked for in members beside what fedsvc made there: lookouts, and what they found. It is only ever read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

EXPORTS: Final = "exports"
IMPORTS: Final = "imports"
DERIVED: Final = "derived"
NAMESPACES: Final = "namespaces"
SERVICES: Final = "services"
ENDPOINTS: Final = "endpoints"

_METADATA: Final = ("name", "namespace", "labels", "uid", "generation", "creationTimestamp", "deletionTimestamp")
_PARTS: Final = ("spec", "status", "addressType", "ports", "endpoints")
_OF_ENDPOINTS: Final = ("addresses", "conditions", "hostname", "targetRef")
_MAX_SELECTED: Final = 50
"""So many names stand in a selector, which is in the first line of a request; of more, all objects are asked for."""

Key = tuple[str, str]
"""Of a lookout in a member: purpose and namespace."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Lookout:
    """A list and watch in a member.

    Attributes:
        purpose: what for; a word of this module, or `foreign:` with the name of a zone and a kind.
        group: of the kind.
        version: of the kind; one with the same schema does as well.
        kind: of objects.
        namespace: where; empty: everywhere.
        selector: of labels.
        names: of the objects that count, by `label` where that is set; empty: all do.
        label: that has the name which counts; empty: the object's own name does.
        is_served: whether the member is known to serve the kind; where it is known not to, there are no objects.
    """

    purpose: str
    group: str
    version: str
    kind: str
    namespace: str = ""
    selector: str = ""
    names: tuple[str, ...] = ()
    label: str = ""
    is_served: bool = True

    @property
    def key(self) -> Key:
        """What stays the same of it whatever names it asks for."""
        return self.purpose, self.namespace

    @property
    def label_selector(self) -> str:
        """What the member is asked for."""
        if self.selector or not self.label or not 0 < len(self.names) <= _MAX_SELECTED:
            return self.selector or self.label
        return f"{self.label} in ({','.join(self.names)})"

    def counts(self, live: Mapping[str, Any]) -> bool:
        """Whether an object is one that is looked for."""
        metadata = live.get("metadata") or {}
        name = (metadata.get("labels") or {}).get(self.label) if self.label else metadata.get("name")
        return not self.names or name in self.names


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """An object that a lookout found; `body` is what is kept of it."""

    namespace: str
    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookings:
    """What all lookouts found.

    Attributes:
        found: (cluster, purpose, namespace of the lookout) -> what it found; only of those that were read once.
        problems: the same key -> reason and message why it is not read now; what it found before stays.
    """

    found: Mapping[tuple[str, str, str], tuple[Sighting, ...]] = field(default_factory=dict)
    problems: Mapping[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)

    def of(self, purpose: str) -> Iterable[tuple[str, Sighting]]:
        """All that lookouts of a purpose found, each with its cluster, sorted."""
        for cluster, what, namespace in sorted(self.found):
            if what == purpose:
                for one in self.found[cluster, what, namespace]:
                    yield cluster, one

    def at(self, cluster: str, purpose: str, namespace: str = "") -> tuple[Sighting, ...] | None:
        """What one lookout found; None: it was not read yet."""
        return self.found.get((cluster, purpose, namespace))


def sighting_of(live: Mapping[str, Any]) -> Sighting:
    """What is kept of an object."""
    metadata = live.get("metadata") or {}
    body: dict[str, Any] = {"metadata": {key: metadata[key] for key in _METADATA if key in metadata}}
    body |= {key: live[key] for key in _PARTS if key in live}
    if "endpoints" in body:
        body["endpoints"] = [
            {key: endpoint[key] for key in _OF_ENDPOINTS if key in endpoint} for endpoint in body["endpoints"] or ()
        ]
    return Sighting(namespace=str(metadata.get("namespace") or ""), name=str(metadata.get("name") or ""), body=body)


def created(body: Mapping[str, Any]) -> datetime | None:
    """When an object was made, as its API server says; None: it does not."""
    stamp = (body.get("metadata") or {}).get("creationTimestamp")
    try:
        return datetime.fromisoformat(stamp) if isinstance(stamp, str) else None
    except ValueError:
        return None
