"""Keeps a controller running: whatever ends it but cancellation is told, and it is started again after a while."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.errors import StoreUnavailableError

_log = structlog.get_logger(__name__)


async def supervise(name: str, run: Callable[[], Coroutine[Any, Any, None]], *, settings: ControllerSettings) -> None:
    """Run `run` for ever, again after every failure, with growing pauses while it keeps failing.

    Controllers are level-triggered: started anew they find what is to be done.
    """
    backoff = Backoff(name, first=settings.restart_seconds, maximum=settings.restart_max_seconds)
    while True:
        started = time.monotonic()
        try:
            await run_apart(run, name=name)
        except Exception as error:  # noqa: BLE001 - the last line of defence: nothing but cancellation ends a controller
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


async def run_apart(run: Callable[[], Coroutine[Any, Any, None]], *, name: str) -> None:
    """Run `run` in a task of its own, so that a failure and a cancellation of the same moment can be told apart.

    A task group whose task fails while the group is being left counts as a cancellation of the task that leaves it, and
    one that is cancelled while a task fails raises the failure (both so in Python 3.11): neither tells who was meant.

    Raises:
        asyncio.CancelledError: the caller was cancelled, whatever else happened.
        RuntimeError: `run` was cancelled by nobody.
        Exception: whatever `run` raised.
    """
    task = asyncio.get_running_loop().create_task(run(), name=name)
    try:
        await task
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        raise RuntimeError(f"{name} was cancelled, and nobody did it") from None
    except Exception:
        if _is_cancelled():
            raise asyncio.CancelledError from None
        raise


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The single errors in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error
