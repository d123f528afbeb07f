"""Writing transactions that are tried again at once when they meet another one at the same rows."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fedsvc.controllers.backoff import delay_seconds
from fedsvc.errors import StoreUnavailableError
from fedsvc.store.store import Store, Transaction

ResultT = TypeVar("ResultT")

_TRIES: Final = 4
_FIRST_SECONDS: Final = 0.01


async def write(store: Store, act: Callable[[Transaction], Awaitable[ResultT]]) -> ResultT:
    """Run `act` in a transaction, and again where nothing could be written.

    Two batches of works that lock the same rows in different orders are a matter of milliseconds, no reason to start
    a controller anew.

    Raises:
        StoreUnavailableError: it failed each time; PostgreSQL is away for longer.
    """
    for attempt in range(_TRIES - 1):
        try:
            async with store.transaction() as tx:
                return await act(tx)
        except StoreUnavailableError:
            await asyncio.sleep(delay_seconds("store", attempt, first=_FIRST_SECONDS))
    async with store.transaction() as tx:
        return await act(tx)
