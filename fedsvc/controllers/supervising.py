"""Keeps a controller running: whatever ends it but cancellation is told, and it is started again after a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.errors import StoreUnavailableError

_log = structlog.get_logger(__name__)


async def supervise(name: str, run: Callable[[], Awaitable[None]], *, settings: ControllerSettings) -> None:
    """Run `run` for ever, again after every failure, with growing pauses while it keeps failing.

    Controllers are level-triggered: started anew they find what is to be done.
    """
    backoff = Backoff(name, first=settings.restart_seconds, maximum=settings.restart_max_seconds)
    while True:
        started = time.monotonic()
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - the last line of defence: nothing but cancellation ends a controller
            raise_if_cancelled()
            if time.monotonic() - started > settings.restart_max_seconds:
                backoff.reset()
            wait = backoff.next_seconds()
            metrics.CONTROLLER_RESTARTS.labels(name.partition(" ")[0]).inc()
            causes = tuple(leaves(error))
            if all(isinstance(cause, StoreUnavailableError) for cause in causes):
                _log.warning("controller_waits_for_store", controller=name, error=str(causes[0]), retry_seconds=wait)
            else:
                _log.exception("controller_failed", controller=name, retry_seconds=wait)
            await asyncio.sleep(wait)
        else:
            _log.info("controller_ended", controller=name)
            return


def raise_if_cancelled() -> None:
    """Let a cancellation through that a task group swallowed, since one of its tasks failed at the same moment.

    Raises:
        asyncio.CancelledError: the running task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The single errors in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
