"""The lines of a watch: one JSON event each, of any length, in pieces of any size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from fedsvc.members.answers import status_of_document
from fedsvc.members.errors import MemberGarbageError, MemberUnreachableError, UnreachableKind

MAX_EVENT_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchEvent:
    """One event; ``type`` is ADDED, MODIFIED, DELETED or BOOKMARK. Errors are raised instead."""

    type: str
    object: dict[str, Any]
    raw: bytes  # the line it came in

    @property
    def resource_version(self) -> str:
        """Where a later watch goes on from, the event included."""
        metadata = self.object.get("metadata")
        version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
        return version if isinstance(version, str) else ""


class LineSplitter:
    """Cuts a stream into lines. Each byte is looked at once, however long a line is."""

    def __init__(self, *, max_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._length = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The lines that `piece` completes.

        Raises:
            MemberGarbageError: a line grows longer than any honest event.
        """
        *ended, rest = piece.split(b"\n")
        for line in ended:
            if self._pieces:
                self._pieces.append(line)
                line = b"".join(self._pieces)  # noqa: PLW2901 - the line is what its pieces make together
                self._pieces.clear()
                self._length = 0
            if line and not line.isspace():
                yield line
        if rest:
            self._length += len(rest)
            if self._length > self._max_bytes:
                raise MemberGarbageError(f"an event of a watch is longer than {self._max_bytes} bytes")
            self._pieces.append(rest)

    def end(self) -> None:
        """To be called when the stream ended.

        Raises:
            MemberUnreachableError: it ended within a line.
            MemberGarbageError: it ended within something that is no event at all.
        """
        rest = b"".join(self._pieces).strip()
        if rest and not rest.startswith(b"{"):
            raise MemberGarbageError(f"an event of a watch is not JSON: {rest[:200]!r}")
        if rest:
            raise MemberUnreachableError(UnreachableKind.RESET, "the watch broke off in the middle of an event")


def parse_event(line: bytes) -> WatchEvent:
    """The event in a line.

    Raises:
        MemberGarbageError: it is not one.
        MemberStatusError: it is an error of the server; code 410: the resource version is too old, list again.
    """
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise MemberGarbageError(f"an event of a watch is not JSON: {line[:200]!r}") from error
    kind = document.get("type") if isinstance(document, dict) else None
    value = document.get("object") if isinstance(document, dict) else None
    if not isinstance(kind, str) or not isinstance(value, dict):
        raise MemberGarbageError(f"a line of a watch is not an event: {line[:200]!r}")
    if kind == "ERROR":
        raise status_of_document(value, method="GET")
    return WatchEvent(type=kind, object=value, raw=line)
