"""Who may run the controllers: the holder of an advisory lock, for as long as its connection lives.

PostgreSQL frees the lock the moment it sees the connection close, so a killed holder is followed at once; one that hangs
says nothing, and PostgreSQL ends its connection after a while. The `lease` row carries an epoch that grows with every
change of holder.

A holder may have lost the lock without knowing it yet, so what it writes is fenced (Kleppmann, "How to do distributed
locking"): each of its transactions shares a second lock, the fence, and finds its own name and epoch in the row. A
successor takes the fence alone before it writes the row, so it begins when the last transaction of its predecessor has
ended, and none begins after it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from fedsvc.errors import StoreUnavailableError
from fedsvc.store.connection import run
from fedsvc.store.database import Database
from fedsvc.store.sql import text
from fedsvc.store.trouble import talking, translated

RETRY_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 5.0
MAX_SILENCE_SECONDS: Final = 20
"""After so long without a word of its holder PostgreSQL frees a lease, or ends a transaction in which nothing happens."""

_TRY = "SELECT pg_try_advisory_lock(hashtextextended('fedsvc lease ' || $1, 0))"
_FENCE_OFF = "SELECT pg_advisory_xact_lock(hashtextextended('fedsvc fence ' || $1, 0))"
_TAKE = (
    "INSERT INTO lease (name, holder, epoch) VALUES ($1, $2, 1) ON CONFLICT (name) DO UPDATE"
    " SET holder = EXCLUDED.holder, epoch = lease.epoch + 1, acquire_time = now() RETURNING epoch"
)
# Gives the time, or nothing where the lock is not to be had or the row is not ours.
_ENTER_FENCE = text("SELECT enter_fence(:name, :holder, CAST(:epoch AS bigint), :silence)")


class LeaseLostError(StoreUnavailableError):
    """Somebody else holds the lease: nothing was written, and nothing will be under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that is held until `lost` is set."""

    name: str
    holder: str
    epoch: int  # fencing token
    lost: asyncio.Event = field(default_factory=asyncio.Event)


async def enter_fence(connection: Any, lease: Lease) -> datetime:
    """Let a transaction go on only under its lease, which nobody else then gets until it ends; gives its time.

    Raises:
        LeaseLostError: somebody else has it, or is about to; `lost` is set.
    """
    if not lease.lost.is_set():
        ours = {"name": lease.name, "holder": lease.holder, "epoch": lease.epoch, "silence": f"{MAX_SILENCE_SECONDS}s"}
        now: datetime | None = (await run(connection, _ENTER_FENCE, ours)).scalar_one()
        if now is not None:
            return now
    lease.lost.set()
    raise _lost(lease)


def check(lease: Lease, leader: tuple[int, str] | None) -> None:
    """Make sure that a lease is ours by what was read of it, as epoch and holder.

    Raises:
        LeaseLostError: somebody else has it; `lost` is set.
    """
    if lease.lost.is_set() or leader != (lease.epoch, lease.holder):
        lease.lost.set()
        raise _lost(lease)


def _lost(lease: Lease) -> LeaseLostError:
    return LeaseLostError(f"the lease {lease.name} of epoch {lease.epoch} is no longer {lease.holder}'s")


@contextlib.asynccontextmanager
async def hold_lease(database: Database, name: str, *, holder: str) -> AsyncIterator[Lease]:
    """Wait for a lease and hold it; watch `lost` while inside.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    connection = await database.connect_directly(f"lease {name}", max_idle_seconds=MAX_SILENCE_SECONDS)
    try:
        with translated(database.shown), talking(database.shown):
            while not await connection.fetchval(_TRY, name):
                await asyncio.sleep(RETRY_SECONDS)
            async with connection.transaction():
                await connection.execute(_FENCE_OFF, name)
                epoch = await connection.fetchval(_TAKE, name, holder)
        lease = Lease(name=name, holder=holder, epoch=epoch)
        connection.add_termination_listener(lambda _: lease.lost.set())
        if connection.is_closed():  # before anybody listened
            lease.lost.set()
        # Not a TaskGroup: that would wrap the holder's own errors in a group, and this task raises none.
        check = asyncio.get_running_loop().create_task(_check(database, connection, lease), name=f"lease-{name}")
        try:
            yield lease
        finally:
            check.cancel()
            await asyncio.wait([check])
    finally:
        with contextlib.suppress(Exception):  # a broken connection has freed the lock already
            await connection.close(timeout=2)


async def _check(database: Database, connection: Any, lease: Lease) -> None:
    """Notice a connection that is dead without having said so."""
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            with translated(database.shown), talking(database.shown):
                await connection.fetchval("SELECT 1", timeout=CHECK_SECONDS)
        except StoreUnavailableError:
            lease.lost.set()
            return
