"""Records events for people: gathered, de-duplicated by the store, written in batches, never in anybody's way."""

import asyncio

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.errors import StoreUnavailableError
from fedsvc.store import events
from fedsvc.store.events import NewEvent
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_MAX_MESSAGE = 1_000


class EventRecorder:
    """Takes events from anywhere in the loop; `run` writes them.

    Events are for people: when too many wait (PostgreSQL is away, a whole fleet fails) further ones are dropped and
    counted. What they tell is also in the works and conditions, where nothing is lost.
    """

    def __init__(self, store: Store, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings
        self._waiting: dict[NewEvent, None] = {}
        self._some = asyncio.Event()

    def normal(self, subject: str, reason: str, message: str, *, cluster: str = "") -> None:
        """Something went as it should."""
        self._add(_event(subject, cluster, events.NORMAL, reason, message))

    def warning(self, subject: str, reason: str, message: str, *, cluster: str = "") -> None:
        """Somebody may have to look."""
        self._add(_event(subject, cluster, events.WARNING, reason, message))

    def _add(self, event: NewEvent) -> None:
        if len(self._waiting) >= self._settings.event_queue_size and event not in self._waiting:
            metrics.EVENTS_DROPPED.inc()
            return
        self._waiting[event] = None
        self._some.set()

    async def run(self) -> None:
        """Write until cancelled; what cannot be written now waits."""
        while True:
            await self._some.wait()
            await asyncio.sleep(self._settings.event_batch_seconds)
            batch = tuple(self._waiting)
            try:
                async with self._store.transaction() as tx:
                    await events.add_many(tx, batch)
            except StoreUnavailableError as error:
                _log.warning("events_wait_for_store", waiting=len(batch), error=str(error))
                await asyncio.sleep(self._settings.restart_seconds)
                continue
            for event in batch:
                self._waiting.pop(event, None)
            if not self._waiting:
                self._some.clear()


def _event(subject: str, cluster: str, type_: str, reason: str, message: str) -> NewEvent:
    return NewEvent(subject=subject, cluster=cluster, type=type_, reason=reason, message=message[:_MAX_MESSAGE])
