"""Ends what is over: deleted units and clusters that hold nothing any more, and rows past their time."""

import asyncio

import structlog

from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.wakeups import Signal
from fedsvc.store import clusters, retention, units
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_SETTLE_SECONDS = 0.02
"""Works go in bursts; looking once after a burst is enough."""


class CleanupController:
    """Removes units and clusters whose works are gone, and old rows once in a while."""

    def __init__(self, store: Store, *, settings: ControllerSettings, events: EventRecorder) -> None:
        self._store = store
        self._settings = settings
        self._events = events
        self._signal = Signal()

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._signal.set)

    def wake(self) -> None:
        """Something may be over."""
        self._signal.set()

    async def run(self) -> None:
        """Clean up until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._trim(), name="retention")
            while True:
                await self._remove_finished()
                await self._signal.wait()
                await asyncio.sleep(_SETTLE_SECONDS)

    def _changed(self, change: Change) -> None:
        # That a deleted unit has no works is known when it is decided, and `wake` is called then.
        if change.kind == "cluster" or (change.kind == "work" and change.deleted):
            self._signal.set()

    async def _remove_finished(self) -> None:
        async with self._store.look() as look:
            if not await units.is_any_finished(look) and not await clusters.is_any_finished(look):
                return
        async with self._store.transaction() as tx:
            gone_units = await units.remove_finished(tx)
            gone_clusters = await clusters.remove_finished(tx)
        for name in gone_units:
            self._events.normal(name, "Removed", "the unit and all its objects are gone")
        for cluster in gone_clusters:
            self._events.normal(
                f"clusters/{cluster}", "Removed", "the cluster left; nothing of fedsvc is on it", cluster=cluster
            )

    async def _trim(self) -> None:
        while True:
            async with self._store.transaction() as tx:
                await retention.trim(
                    tx, revisions_kept=self._settings.revisions_kept, audit_days=self._settings.audit_days
                )
            await asyncio.sleep(self._settings.retention_seconds)
