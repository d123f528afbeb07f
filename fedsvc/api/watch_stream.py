"""What a watcher has been told, and what it is to be told next."""

from collections.abc import Iterator, Sequence
from typing import Final

from fedsvc.api.watch_objects import Watched, gone, newest
from fedsvc.api.watch_request import WatchFilter
from fedsvc.store.changes import Change
from fedsvc.v1 import watch_service_pb2 as pb

CHUNK: Final = 500
"""Changes in one message, at most: it stays far below the size that clients accept."""


class Teller:
    """Turns changes into what one watcher is told.

    An object that stops to match is told as deleted. Whether the watcher has it can only be known by memory, and only
    filters whose answer can change need that: labels, and the cluster of works and events.
    """

    def __init__(self, wanted: WatchFilter, *, knows_nothing: bool) -> None:
        self._wanted = wanted
        # What the watcher had before this stream is not known unless it asked for all of it.
        self._unknown = not knows_nothing
        self._remembers = wanted.selector is not None or wanted.name.startswith("clusters/")
        self._has: dict[tuple[str, str], bool] = {}

    def told(self, page: Sequence[Watched]) -> None:
        """Note objects of the initial state."""
        if self._remembers:
            self._has.update(((watched.kind, watched.name), True) for watched in page)

    def candidates(self, changes: Sequence[Change]) -> list[Change]:
        """Those of the changes that may concern the watcher, each object once."""
        return newest([change for change in changes if self._may_concern(change)])

    def changes(
        self, candidates: Sequence[Change], objects: dict[tuple[str, str], Watched]
    ) -> Iterator[pb.WatchChange]:
        """What to tell of the candidates, given the objects that are there now."""
        for change in candidates:
            key = (change.kind, change.name)
            watched = objects.get(key)
            if watched is not None and self._wanted.wants(
                change.kind, change.name, labels=watched.labels, related=watched.related
            ):
                if self._remembers:
                    self._has[key] = True
                yield watched.change
            elif not self._remembers or self._has.get(key, self._unknown):
                if self._remembers:
                    self._has[key] = False
                yield gone(change.kind, change.name)

    def _may_concern(self, change: Change) -> bool:
        wanted = self._wanted
        if change.kind in {"work", "event"} and wanted.name.startswith("clusters/"):
            # The log tells the unit only; the cluster stands in the object.
            return change.kind in wanted.kinds
        return wanted.wants(change.kind, change.name, related=(change.subject,) if change.subject else ())
