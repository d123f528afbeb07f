"""Departures: whoever writes them takes the locks that decisions take, in the same order."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from fedsvc.model.departure import DepartureCause
from fedsvc.store import departures
from fedsvc.store.departures import Order
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

pytestmark = pytest.mark.postgres

SECONDS = 10.0
WAITING = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
DUE = text("UPDATE departure SET due_time = now() - interval '1 second'")

Pairs = list[tuple[str, str]]
WRITERS: dict[str, Callable[[Transaction, Pairs], Awaitable[None]]] = {
    "order": lambda tx, pairs: departures.order(tx, _orders(pairs, tx.now), cause=DepartureCause.ASKED, author="ann"),
    "begin_due": lambda tx, _: departures.begin_due(tx),
    "end_drains": lambda tx, _: departures.end_drains(tx),
    "begin_return": departures.begin_return,
}


def _orders(pairs: Pairs, due_time: datetime) -> list[Order]:
    return [Order(uid=uid, cluster=cluster, due_time=due_time) for uid, cluster in pairs]


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
async def test_a_decision_and_who_writes_departures_wait_for_each_other_in_one_order(
    world: Any, manifest: Callable[..., dict[str, Any]], writer: Callable[[Transaction, Pairs], Awaitable[None]]
) -> None:
    await world.cluster("a")
    pairs = [((await world.unit(manifest(f"m{number}"), name=f"unit-{number}")).uid, "a") for number in range(3)]
    async with world.store.transaction() as tx:
        later = tx.now + timedelta(hours=1)
        await departures.order(tx, _orders(pairs, later), cause=DepartureCause.DRAIN, author="ann")
        await tx.change(DUE)

    async def write() -> None:
        async with world.store.transaction() as tx:
            await writer(tx, pairs)

    async def until_it_waits() -> None:
        async with world.store.look() as look:
            while not (await look.execute(WAITING)).scalar_one():
                await asyncio.sleep(0.01)

    async with asyncio.timeout(SECONDS), world.store.transaction() as tx:
        await departures.lock(tx, [uid for uid, _ in pairs])  # as a decision does that is about to be stored
        writing = asyncio.get_running_loop().create_task(write())
        await until_it_waits()
        await departures.heard(tx, pairs)  # PostgreSQL would end one of the two here, if the writer held these rows
    await asyncio.wait_for(writing, SECONDS)
