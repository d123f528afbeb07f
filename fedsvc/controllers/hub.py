"""Tells controllers what changed: commits of this process at once, those of others by the feed, all now and then.

A change of this process comes back through the feed; the echo is counted and passed over, so that nothing is looked at
twice. Losing a wake-up costs time only: every listener is told to look at everything each `rescan_seconds`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

import structlog

from fedsvc.controllers.backoff import Backoff
from fedsvc.errors import FedsvcError, ResumeTokenExpiredError, WatchTooSlowError
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_MAX_ECHOES: Final = 200_000
"""Beyond so many the feed is not running; looking twice is cheaper than remembering more."""


_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


@contextmanager
def quietly() -> Iterator[None]:
    """What is committed within is for users alone: no controller of this process is told."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


class Hub:
    """Changes go in, listeners are called. Listeners must only take note: they run in the committing task."""

    def __init__(self, store: Store, *, rescan_seconds: float) -> None:
        self._store = store
        self._rescan_seconds = rescan_seconds
        self._listeners: list[Callable[[Change], None]] = []
        self._rescans: list[Callable[[], None]] = []
        self._echoes: Counter[Change] = Counter()

    def listen(self, changed: Callable[[Change], None], rescan: Callable[[], None]) -> None:
        """Call `changed` for each change, and `rescan` when changes may have been missed."""
        self._listeners.append(changed)
        self._rescans.append(rescan)

    async def run(self) -> None:
        """Pass changes on until cancelled."""
        stop = self._store.on_commit(self._committed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow(), name="hub-feed")
                group.create_task(self._rescan_regularly(), name="hub-rescan")
        finally:
            stop()

    def _committed(self, changes: tuple[Change, ...]) -> None:
        if len(self._echoes) + len(changes) <= _MAX_ECHOES:
            self._echoes.update(changes)
        if _quiet.get():
            return
        for change in changes:
            self._tell(change)

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)

    async def _follow(self) -> None:
        backoff = Backoff("hub-feed", first=0.2, maximum=5.0)
        while True:
            try:
                async with self._store.feed.subscribe(max_pending=_MAX_ECHOES) as subscription:
                    self._everything()
                    async for batch in subscription:
                        backoff.reset()
                        self._received(batch.changes)
            except (WatchTooSlowError, ResumeTokenExpiredError):
                self._echoes.clear()
            except FedsvcError as error:
                wait = backoff.next_seconds()
                _log.warning("change_feed_lost", message=str(error), retry_seconds=wait)
                await asyncio.sleep(wait)

    def _received(self, changes: tuple[Change, ...]) -> None:
        if not changes:  # the feed lost its place
            self._echoes.clear()
            self._everything()
        for change in changes:
            if self._echoes[change] > 1:
                self._echoes[change] -= 1
            elif change in self._echoes:
                del self._echoes[change]
            else:
                self._tell(change)

    def _everything(self) -> None:
        for rescan in self._rescans:
            rescan()

    async def _rescan_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._rescan_seconds)
            self._everything()
