import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from fedsvc.store import leases
from fedsvc.store.database import Database
from fedsvc.store.leases import Lease, LeaseLostError, hold_lease
from fedsvc.store.sql import text
from fedsvc.store.store import Store

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


# --- fence ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def fenced(store: Store, contend: Callable[[str], Holder]) -> tuple[Store, Lease]:
    """The store as the first holder writes it, and its lease as a holder has it who has heard nothing."""
    holder = contend("one")
    await reached(holder.got)
    assert holder.lease is not None
    deaf = replace(holder.lease, lost=asyncio.Event())
    return store.fenced(deaf), deaf


async def write(store: Store, name: str) -> None:
    async with store.transaction() as tx:
        await tx.execute(text("INSERT INTO lease (name, holder, epoch) VALUES (:name, 'y', 1)"), {"name": name})
        tx.record("unit", name)


async def written(store: Store) -> list[str]:
    async with store.reader() as tx:
        return list((await tx.execute(text("SELECT name FROM lease WHERE holder = 'y' ORDER BY 1"))).scalars())


async def end_lease(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        ended = await connection.fetch(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'fedsvc lease controllers'"
        )
        assert ended
    finally:
        await connection.close()


async def test_a_holder_writes_and_others_do_not_mind(fenced: tuple[Store, Lease], store: Store) -> None:
    leader, lease = fenced
    await asyncio.gather(*(write(leader, f"w{number}") for number in range(10)), write(store, "other"))
    assert len(await written(store)) == 11
    assert not lease.lost.is_set()


async def test_a_holder_that_was_followed_and_does_not_know_it_writes_nothing(
    fenced: tuple[Store, Lease], store: Store, contend: Callable[[str], Holder], database_url: str
) -> None:
    leader, lease = fenced
    await end_lease(database_url)
    await write(leader, "nobody else leads yet")
    await reached(contend("two").got)
    for name in ("first", "again"):
        with pytest.raises(LeaseLostError, match=r"epoch 1.*one"):
            await write(leader, name)
        assert lease.lost.is_set()
    assert await written(store) == ["nobody else leads yet"]
    await write(store, "the API goes on")


async def test_a_successor_waits_for_what_its_predecessor_has_begun_and_nothing_is_begun_meanwhile(
    fenced: tuple[Store, Lease], store: Store, contend: Callable[[str], Holder], database_url: str
) -> None:
    leader, lease = fenced
    begun = leader.transaction()
    tx = await begun.__aenter__()
    await end_lease(database_url)
    second = contend("two")
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            async with store.reader() as reader:
                if (await reader.execute(waits)).scalar_one():
                    break
    with pytest.raises(LeaseLostError):
        await write(store.fenced(replace(lease, lost=asyncio.Event())), "late")
    assert not second.got.is_set()
    await tx.execute(text("INSERT INTO lease (name, holder, epoch) VALUES ('begun before', 'y', 1)"))
    await begun.__aexit__(None, None, None)
    await reached(second.got)
    assert await written(store) == ["begun before"]


@pytest.mark.parametrize("change", [{"epoch": 7}, {"holder": "two"}])
async def test_the_epoch_and_the_holder_both_count(
    fenced: tuple[Store, Lease], store: Store, change: dict[str, Any]
) -> None:
    # After a fail-over that lost the newest row another holder may get the same epoch.
    with pytest.raises(LeaseLostError):
        await write(store.fenced(replace(fenced[1], **change)), "w")


async def test_a_holder_that_falls_silent_is_followed(
    contend: Callable[[str], Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "MAX_SILENCE_SECONDS", 2)
    monkeypatch.setattr(leases, "CHECK_SECONDS", 10 * DEADLINE_SECONDS)  # as one that hangs
    first = contend("one")
    await reached(first.got)
    await reached(contend("two").got)
    assert first.lease is not None
    await reached(first.lease.lost)
