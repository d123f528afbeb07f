"""Who may run the controllers: the holder of an advisory lock, for as long as its connection lives.

PostgreSQL frees the lock the moment it sees the connection close, so a killed holder is followed at once. The `lease` row
carries an epoch that grows with every change of holder, for fencing and for people.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from fedsvc.errors import StoreUnavailableError
from fedsvc.store.database import Database, talking, translated

RETRY_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 5.0

_TRY = "SELECT pg_try_advisory_lock(hashtextextended('fedsvc lease ' || $1, 0))"
_TAKE = (
    "INSERT INTO lease (name, holder, epoch) VALUES ($1, $2, 1) ON CONFLICT (name) DO UPDATE"
    " SET holder = EXCLUDED.holder, epoch = lease.epoch + 1, acquire_time = now() RETURNING epoch"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that is held until `lost` is set."""

    name: str
    epoch: int  # fencing token
    lost: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.asynccontextmanager
async def hold_lease(database: Database, name: str, *, holder: str) -> AsyncIterator[Lease]:
    """Wait for a lease and hold it; watch `lost` while inside.

    Raises:
        StoreUnavailableError: PostgreSQL does not answer.
    """
    connection = await database.connect_directly()
    try:
        with translated(database.shown), talking(database.shown):
            while not await connection.fetchval(_TRY, name):
                await asyncio.sleep(RETRY_SECONDS)
            lease = Lease(name=name, epoch=await connection.fetchval(_TAKE, name, holder))
        connection.add_termination_listener(lambda _: lease.lost.set())
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
