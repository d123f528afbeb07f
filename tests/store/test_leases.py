import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from fedsvc.store.database import Database
from fedsvc.store.leases import Lease, hold_lease

pytestmark = pytest.mark.postgres
DEADLINE_SECONDS = 15.0


class Holder:
    """One contender in a task of its own."""

    def __init__(self, database: Database, name: str) -> None:
        self.lease: Lease | None = None
        self.got = asyncio.Event()
        self.leave = asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._run(database, name))

    async def _run(self, database: Database, name: str) -> None:
        async with hold_lease(database, "controllers", holder=name) as self.lease:
            self.got.set()
            await self.leave.wait()


@pytest.fixture
async def contend(database_url: str) -> AsyncIterator[Callable[[str], Holder]]:
    database = Database(database_url)
    holders: list[Holder] = []

    def start(name: str) -> Holder:
        holders.append(Holder(database, name))
        return holders[-1]

    yield start
    for holder in holders:
        holder.task.cancel()
    await asyncio.gather(*(holder.task for holder in holders), return_exceptions=True)
    await database.close()


async def reached(event: asyncio.Event) -> None:
    await asyncio.wait_for(event.wait(), DEADLINE_SECONDS)


async def test_one_holds_it_and_the_next_follows_with_a_greater_epoch(contend: Callable[[str], Holder]) -> None:
    first = contend("one")
    await reached(first.got)
    second = contend("two")
    # Long enough to be tried for; being refused leaves no other trace.
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.got.wait(), 1.5)
    first.leave.set()
    await reached(second.got)
    assert first.lease is not None
    assert second.lease is not None
    assert second.lease.epoch > first.lease.epoch
    assert not second.lease.lost.is_set()


async def test_a_holder_whose_connection_dies_is_told_and_followed(
    contend: Callable[[str], Holder], end_connections: Callable[[], Any]
) -> None:
    first = contend("one")
    await reached(first.got)
    assert first.lease is not None
    await end_connections()
    await reached(first.lease.lost)
    second = contend("two")
    await reached(second.got)


async def test_leaving_frees_it_at_once(database_url: str) -> None:
    database = Database(database_url)
    try:
        for epoch in (1, 2, 3):
            async with hold_lease(database, "controllers", holder="x") as lease:
                assert lease.epoch == epoch
    finally:
        await database.close()


async def test_an_error_inside_is_the_holders_own(database_url: str) -> None:
    async def fails() -> None:
        raise LookupError("mine")

    database = Database(database_url)
    try:
        with pytest.raises(LookupError, match="mine"):
            async with hold_lease(database, "controllers", holder="x"):
                await fails()
    finally:
        await database.close()
