"""The objects of one cluster in memory: one revision counter, indexes, a bounded history of events, and watchers.

Bodies are kept without ``apiVersion`` and ``kind`` (list items of built-in kinds have none) and are never changed once
stored: an update stores a new body that may share parts with the old one. Every object is encoded once.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from fedsvc.simulator.errors import ApiError, expired
from fedsvc.simulator.kinds import Kind, KindKey

Body = dict[str, Any]
NO_LABELS: dict[str, str] = {}

OBJECT_LIMIT_BYTES = 1536 * 1024

ADDED = "ADDED"
MODIFIED = "MODIFIED"
DELETED = "DELETED"


class Stored:
    """One stored object at one revision."""

    __slots__ = ("_encoded", "body", "kind", "labels", "name", "namespace", "revision", "uid")

    def __init__(self, kind: Kind, body: Body, revision: int) -> None:
        metadata = body["metadata"]
        self.kind = kind
        self.body = body
        self.revision = revision
        self.namespace: str = metadata.get("namespace", "")
        self.name: str = metadata["name"]
        self.uid: str = metadata["uid"]
        self.labels: dict[str, str] = metadata.get("labels") or NO_LABELS
        self._encoded: bytes | None = None

    @property
    def metadata(self) -> Body:
        """The object's metadata."""
        metadata: Body = self.body["metadata"]
        return metadata

    @property
    def spec(self) -> Body:
        """The object's spec, empty where it has none."""
        return self.body.get("spec") or {}

    @property
    def status(self) -> Body:
        """The object's status, empty where it has none."""
        return self.body.get("status") or {}

    @property
    def terminating(self) -> bool:
        """Whether deletion was asked for and waits."""
        return "deletionTimestamp" in self.metadata

    def encoded(self) -> bytes:
        """The body as JSON, without apiVersion and kind."""
        if self._encoded is None:
            self._encoded = orjson.dumps(self.body)
        return self._encoded

    def document(self, version: str) -> bytes:
        """The object as JSON with apiVersion and kind."""
        return type_prefix(self.kind, version) + self.encoded()[1:]


def type_prefix(kind: Kind, version: str) -> bytes:
    """The start of an object's JSON: apiVersion and kind, open for the rest."""
    return b'{"kind":"%s","apiVersion":"%s",' % (kind.kind.encode(), kind.api_version(version).encode())


class Event:
    """One change: what it was and what it is, encoded once for all watchers."""

    __slots__ = ("_lines", "after", "before", "kind", "revision")

    def __init__(self, kind: Kind, revision: int, before: Stored | None, after: Stored | None) -> None:
        self.kind = kind
        self.revision = revision
        self.before = before
        self.after = after  # None of a deletion
        self._lines: dict[tuple[str, str], bytes] = {}

    @property
    def stored(self) -> Stored:
        """The object after the change, or as it was when it went."""
        stored = self.after or self.before
        assert stored is not None
        return stored

    def line(self, event_type: str, version: str) -> bytes:
        """The event as one line of a watch."""
        key = (event_type, version)
        found = self._lines.get(key)
        if found is None:
            stored = self.stored
            if event_type == DELETED and self.before is not None:  # as it last was, at the revision at which it went
                metadata = {**self.before.metadata, "resourceVersion": str(self.revision)}
                stored = Stored(self.kind, {**self.before.body, "metadata": metadata}, self.revision)
            found = b'{"type":"%s","object":%s}\n' % (event_type.encode(), stored.document(version))
            self._lines[key] = found
        return found


@dataclass(slots=True)
class _History:
    events: deque[Event]
    floor: int  # the newest revision that is no longer there


@dataclass(slots=True, eq=False)
class Watcher:
    """Somebody who follows one kind: gets every event of it, filters on its own."""

    notify: Callable[[Event], None]
    closed: Callable[[], None] = field(default=lambda: None)


class Store:
    """All objects of one cluster."""

    def __init__(self, *, history: int) -> None:
        self.revision = 1
        self._history_limit = history
        self._objects: dict[KindKey, dict[str, dict[str, Stored]]] = {}
        self._by_uid: dict[str, Stored] = {}
        self._owned: dict[str, set[str]] = {}
        self._histories: dict[KindKey, _History] = {}
        self._watchers: dict[KindKey, set[Watcher]] = {}
        self.listeners: list[Callable[[Event], None]] = []
        self.oldest = 1  # histories begin here

    def get(self, kind: Kind, namespace: str, name: str) -> Stored | None:
        """One object, or None."""
        return self._objects.get(kind.key, {}).get(namespace, {}).get(name)

    def by_uid(self, uid: str) -> Stored | None:
        """The object with this uid, or None."""
        return self._by_uid.get(uid)

    def owned_by(self, uid: str) -> list[Stored]:
        """The objects that name this uid among their owners."""
        return [self._by_uid[owned] for owned in sorted(self._owned.get(uid, ())) if owned in self._by_uid]

    def all(self, kind: Kind, namespace: str = "") -> list[Stored]:
        """The objects of a kind in a namespace, or everywhere, ordered by namespace and name."""
        spaces = self._objects.get(kind.key, {})
        names = [namespace] if namespace else sorted(spaces)
        return [stored for space in names for _, stored in sorted(spaces.get(space, {}).items())]

    def count(self, kind: Kind) -> int:
        """How many objects of a kind there are."""
        return sum(len(space) for space in self._objects.get(kind.key, {}).values())

    def everything(self) -> Iterator[Stored]:
        """All objects of all kinds."""
        for spaces in list(self._objects.values()):
            for space in list(spaces.values()):
                yield from list(space.values())

    def in_namespace(self, namespace: str) -> list[Stored]:
        """All objects in a namespace, of whatever kind."""
        return [stored for spaces in self._objects.values() for stored in spaces.get(namespace, {}).values()]

    def put(self, kind: Kind, body: Body) -> Stored:
        """Store a body as the object's new state at the next revision; the body is the store's from now on.

        Raises:
            ApiError: 500 where it is more than etcd takes.
        """
        revision = self.revision + 1
        metadata = {**body["metadata"], "resourceVersion": str(revision)}
        stored = Stored(kind, {"metadata": metadata, **{k: v for k, v in body.items() if k != "metadata"}}, revision)
        if len(stored.encoded()) > OBJECT_LIMIT_BYTES:
            raise ApiError(500, "", "etcdserver: request is too large")
        self.revision = revision
        before = self.get(kind, stored.namespace, stored.name)
        self._insert(stored, before)
        self._publish(Event(kind, self.revision, before, stored))
        return stored

    def remove(self, stored: Stored) -> Event:
        """Remove an object at the next revision."""
        self.revision += 1
        space = self._objects[stored.kind.key][stored.namespace]
        del space[stored.name]
        if not space:
            del self._objects[stored.kind.key][stored.namespace]
        self._by_uid.pop(stored.uid, None)
        for uid in owner_uids(stored.body):
            owned = self._owned.get(uid)
            if owned is not None:
                owned.discard(stored.uid)
                if not owned:
                    del self._owned[uid]
        event = Event(stored.kind, self.revision, stored, None)
        self._publish(event)
        return event

    def restore(self, kind: Kind, body: Body) -> None:
        """Put back an object of a snapshot as it was, without an event."""
        stored = Stored(kind, body, int(body["metadata"]["resourceVersion"]))
        self._insert(stored, None)

    def forget_history(self) -> None:
        """Drop all past events: every watch from an earlier revision gets 410, as after a compaction or a restart."""
        self.revision += 1
        self.oldest = self.revision
        self._histories.clear()

    def events_since(self, kind: Kind, revision: int) -> list[Event]:
        """The events of a kind after a revision.

        Raises:
            ApiError: 410 where the history does not go back that far.
        """
        history = self._histories.get(kind.key)
        floor = history.floor if history is not None else self.oldest
        if revision < floor:
            raise expired(f"too old resource version: {revision} ({floor})")
        if history is None:
            return []
        out: list[Event] = []
        for event in reversed(history.events):
            if event.revision <= revision:
                break
            out.append(event)
        out.reverse()
        return out

    def all_at(self, kind: Kind, namespace: str, revision: int) -> list[Stored]:
        """The objects of a kind as they were at a revision, for the later pages of a list.

        Raises:
            ApiError: 410 where the history does not go back that far.
        """
        state = {(stored.namespace, stored.name): stored for stored in self.all(kind, namespace)}
        for event in reversed(self.events_since(kind, revision)):
            key = (event.stored.namespace, event.stored.name)
            if namespace and key[0] != namespace:
                continue
            if event.before is None:
                state.pop(key, None)
            else:
                state[key] = event.before
        return [state[key] for key in sorted(state)]

    def watch(self, kind: Kind, watcher: Watcher) -> None:
        """Send all coming events of a kind to a watcher."""
        self._watchers.setdefault(kind.key, set()).add(watcher)

    def unwatch(self, kind: Kind, watcher: Watcher) -> None:
        """Send no more events to a watcher."""
        self._watchers.get(kind.key, set()).discard(watcher)

    def close_watchers(self, kind: Kind | None = None) -> None:
        """End the watches of one kind, or all."""
        keys = list(self._watchers) if kind is None else [kind.key]
        for key in keys:
            for watcher in list(self._watchers.get(key, ())):
                watcher.closed()

    def _insert(self, stored: Stored, before: Stored | None) -> None:
        spaces = self._objects.setdefault(stored.kind.key, {})
        spaces.setdefault(stored.namespace, {})[stored.name] = stored
        self._by_uid[stored.uid] = stored
        old = owner_uids(before.body) if before is not None else frozenset()
        new = owner_uids(stored.body)
        if old != new:
            for uid in old - new:
                self._owned.get(uid, set()).discard(stored.uid)
            for uid in new - old:
                self._owned.setdefault(uid, set()).add(stored.uid)

    def _publish(self, event: Event) -> None:
        key = event.kind.key
        history = self._histories.get(key)
        if history is None:
            history = self._histories[key] = _History(deque(), self.oldest)
        history.events.append(event)
        if len(history.events) > self._history_limit:
            history.floor = history.events.popleft().revision
        for watcher in self._watchers.get(key, ()):
            watcher.notify(event)
        for listener in self.listeners:
            listener(event)


def owner_uids(body: Body) -> frozenset[str]:
    """The uids of an object's owners."""
    owners = body["metadata"].get("ownerReferences")
    return frozenset(owner["uid"] for owner in owners if "uid" in owner) if owners else frozenset()


def parse_revision(text: str) -> int:
    """A resourceVersion as a number; empty and "0" are 0 (any).

    Raises:
        ApiError: 400 where it is no number.
    """
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        message = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        raise ApiError(400, "BadRequest", f"invalid resource version: {message}") from None
