"""The store: transactions that record what they change, and tell it when they are committed."""

import contextlib
import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fedsvc.rendering.canonical import digest
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store.changes import Change, CommitListener, ResumeToken, current_token, write_changes
from fedsvc.store.connection import change, run, run_each
from fedsvc.store.database import Database
from fedsvc.store.feed import ChangeFeed
from fedsvc.store.leases import Lease, enter_fence
from fedsvc.store.sealing import Sealer
from fedsvc.store.sql import Rows, Statement, text
from fedsvc.store.trouble import talking

_NOW = text("SELECT now()")


@dataclass(slots=True, kw_only=True)
class Look:
    """Reading statements, each of which sees what is committed when it begins."""

    connection: Any
    sealer: Sealer
    shown: str  # the database's address, for messages

    async def execute(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> Rows:
        """Run a statement; gives the rows that it asks for.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        with talking(self.shown):
            return await run(self.connection, statement, parameters)


@dataclass(slots=True, kw_only=True)
class Transaction(Look):
    """One transaction, and what it changed."""

    now: datetime  # the database's, of the start of the transaction
    epoch: int = 0  # of the lease that it is fenced by; 0: of none
    changes: dict[tuple[str, str], Change] = field(default_factory=dict)

    async def execute_each(self, statement: Statement, parameters: Sequence[Mapping[str, Any]]) -> None:
        """Run a statement for each of the parameters, in one batch.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        with talking(self.shown):
            await run_each(self.connection, statement, parameters)

    async def change(self, statement: Statement, parameters: Mapping[str, Any] | None = None) -> int:
        """Run a statement; gives how many rows it wrote or took away.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        with talking(self.shown):
            return await change(self.connection, statement, parameters)

    def savepoint(self) -> Any:
        """Part of the transaction that fails or is taken back by itself: a context, or `start` and `rollback`."""
        return self.connection.transaction()

    def record(self, kind: str, name: str, *, subject: str = "", deleted: bool = False) -> None:
        """Note a change; the newest note of an object holds."""
        self.changes.pop((kind, name), None)
        self.changes[kind, name] = Change(kind=kind, name=name, subject=subject, deleted=deleted)

    async def resume_token(self) -> ResumeToken:
        """Where a watch goes on from what this transaction sees."""
        with talking(self.shown):
            return await current_token(self.connection)

    def digest_for(self, key: ObjectKey, body: bytes) -> bytes:
        """Digest of a manifest: keyed for what is sealed, so that it tells nothing of the content."""
        return self.sealer.keyed_digest(body) if is_secret(key) else digest(body)


class Store:
    """What everything that needs state is given."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self.database = database
        self.sealer = sealer
        self.feed = ChangeFeed(database)
        self._listeners: list[CommitListener] = []
        self.lease: Lease | None = None

    def fenced(self, lease: Lease) -> "Store":
        """The same store for the holder of a lease: its writing transactions fail once somebody else holds it."""
        same = copy.copy(self)
        same.lease = lease
        return same

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """A writing transaction; commits at the end, and then tells the listeners.

        Raises:
            LeaseLostError: the store is fenced, and the lease is lost.
            StoreUnavailableError: PostgreSQL does not answer, or cannot write now.
        """
        async with self.database.begin() as connection:
            with talking(self.database.shown):
                if self.lease is None:
                    now = (await run(connection, _NOW)).scalar_one()
                else:
                    now = await enter_fence(connection, self.lease)
            transaction = Transaction(
                connection=connection,
                now=now,
                sealer=self.sealer,
                shown=self.database.shown,
                epoch=0 if self.lease is None else self.lease.epoch,
            )
            yield transaction
            changes = tuple(transaction.changes.values())
            if changes:
                with talking(self.database.shown):
                    await write_changes(connection, list(changes))
        if changes:
            for listener in tuple(self._listeners):
                listener(changes)
            self.feed.poke()

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[Transaction]:
        """A read-only transaction on one snapshot, so that a list and its resume token agree.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        async with self.database.begin(read_only=True) as connection:
            with talking(self.database.shown):
                now = (await run(connection, _NOW)).scalar_one()
            yield Transaction(connection=connection, now=now, sealer=self.sealer, shown=self.database.shown)

    @contextlib.asynccontextmanager
    async def look(self) -> AsyncIterator[Look]:
        """A connection for single statements: what needs neither one snapshot nor the time costs a third so.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        async with self.database.connection() as connection:
            yield Look(connection=connection, sealer=self.sealer, shown=self.database.shown)

    async def ping(self) -> None:
        """Ask for an answer.

        Raises:
            StoreUnavailableError: there is none.
        """
        async with self.look() as look:
            await look.execute(_NOW)

    def on_commit(self, listener: CommitListener) -> Callable[[], None]:
        """Be told of every commit of this process at once; returns how to stop it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def close(self) -> None:
        """Close all connections."""
        await self.database.close()


def is_secret(key: ObjectKey) -> bool:
    """Whether manifests of it are sealed at rest and never shown."""
    return key.group == "" and key.kind == "Secret"
