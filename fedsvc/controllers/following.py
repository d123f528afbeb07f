"""Keeps something of this process, on every replica, at what is stored."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.wakeups import Signal
from fedsvc.errors import FedsvcError
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_RESCAN_SECONDS: Final = 30.0

_log = structlog.get_logger(__name__)


async def follow(
    store: Store, name: str, *, concerns: Callable[[Change], bool], look: Callable[[], Awaitable[None]]
) -> None:
    """Look at once, after each change that matters and every 30 s, until cancelled.

    While PostgreSQL is away it is tried again after 0.2 to 5 s.

    Args:
        store: whose changes are followed.
        name: of what is kept, for tasks and the log.
        concerns: whether a change matters.
        look: reads what is stored; what it raises of ours is tried again.
    """
    signal = Signal()

    def changed(change: Change) -> None:
        if concerns(change):
            signal.set()

    hub = Hub(store, rescan_seconds=_RESCAN_SECONDS)
    hub.listen(changed, signal.set)
    backoff = Backoff(name, first=0.2, maximum=5.0)
    async with asyncio.TaskGroup() as group:
        group.create_task(hub.run(), name=f"{name}-hub")
        signal.set()
        while True:
            await signal.wait()
            try:
                await look()
                backoff.reset()
            except FedsvcError as error:
                wait = backoff.next_seconds()
                _log.warning("waits_for_store", what=name, message=str(error), retry_seconds=wait)
                signal.set()
                await asyncio.sleep(wait)
