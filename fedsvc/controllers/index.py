"""What is known in memory of the works of one member: the meeting point of its propagator and its collector.

It is filled from the store when the member is taken up, then kept by the propagator, which knows of every apply before
anybody else. So an event of our own apply is told from drift also when it comes before its result is stored.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fedsvc.model.handling import PLAIN, Handling
from fedsvc.model.unit import DriftMode, WorkState
from fedsvc.rendering.identity import ObjectKey

GroupVersionKind = tuple[str, str, str]
Place = tuple[GroupVersionKind, str]
"""A kind in a namespace; an empty one stands for the whole cluster."""
Identity = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An object as a list or an event showed it."""

    live: dict[str, Any]
    deleted: bool


@dataclass(slots=True, kw_only=True)
class Entry:
    """One work of the member. Changed in place by its two users, which run in one event loop."""

    id: int
    unit_uid: str
    unit_name: str
    key: ObjectKey
    drift: DriftMode
    state: WorkState
    removal: bool  # the object shall go
    member_uid: str = ""  # of the object; empty: never applied
    ownership_digest: bytes | None = None  # of what we own since our last apply
    applied_digest: bytes | None = None  # of the manifest of our last apply
    object_version: int = 0  # resource version of our last apply's answer; events of less are older than it
    in_flight: bool = False  # being acted on: what it becomes is not known yet
    unstored: bool = False  # what came of acting on it is not stored yet
    waiting: Seen | None = None  # the newest that was seen of the object while the work was in flight
    seen: bytes = b""  # digest of the last observation, so that equal ones are not written again
    reported: bool = False  # drift was found and is left, by the drift mode
    drift_rows: tuple[dict[str, Any], ...] = ()  # what of it is stored
    corrected_from: str = ""  # who changed what is being put back; empty: nothing is
    deleted: bool = False  # what is being put back was deleted
    handling: Handling = PLAIN
    recreating: bool = False  # we deleted the object, to make it anew
    corrections: deque[float] = field(default_factory=lambda: deque(maxlen=64))  # monotonic times of corrections


class WorkIndex:
    """The works of one member, by id and by object; tells when the kinds in use change, or the namespaces of one."""

    def __init__(self, *, on_kinds_changed: Callable[[], None]) -> None:
        self._by_id: dict[int, Entry] = {}
        self._by_object: dict[Identity, Entry] = {}
        self._places: Counter[tuple[GroupVersionKind, str]] = Counter()  # kind and namespace
        self._on_kinds_changed = on_kinds_changed

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._by_id.values()))

    @property
    def kinds(self) -> frozenset[GroupVersionKind]:
        """(group, version, kind) of all works."""
        return frozenset(gvk for gvk, _ in self._places)

    def namespaces_of(self, gvk: GroupVersionKind) -> frozenset[str]:
        """The namespaces in which there are works of a kind."""
        return frozenset(namespace for known, namespace in self._places if known == gvk)

    def get(self, work_id: int) -> Entry | None:
        """The work of that id."""
        return self._by_id.get(work_id)

    def of_object(self, identity: Identity) -> Entry | None:
        """The work that is to hold the object (group, kind, namespace, name)."""
        return self._by_object.get(identity)

    def of_kind(self, gvk: GroupVersionKind) -> Iterator[Entry]:
        """All works of a kind in a version."""
        return (entry for entry in tuple(self._by_id.values()) if entry.key.gvk == gvk)

    def put(self, entry: Entry) -> None:
        """Add a work, in place of an older one of the same id or object."""
        self.remove(entry.id)
        other = self._by_object.get(entry.key.identity)
        if other is not None:
            self.remove(other.id)
        self._by_id[entry.id] = entry
        self._by_object[entry.key.identity] = entry
        place = (entry.key.gvk, entry.key.namespace)
        self._places[place] += 1
        if self._places[place] == 1:
            self._on_kinds_changed()

    def remove(self, work_id: int) -> None:
        """Forget a work."""
        entry = self._by_id.pop(work_id, None)
        if entry is None:
            return
        if self._by_object.get(entry.key.identity) is entry:
            del self._by_object[entry.key.identity]
        place = (entry.key.gvk, entry.key.namespace)
        self._places[place] -= 1
        if not self._places[place]:
            del self._places[place]
            self._on_kinds_changed()
