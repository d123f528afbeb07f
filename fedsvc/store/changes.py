"""The change log, and the feed that follows it.

Every writing transaction puts its changes in `change` under its own transaction id. Readers take only rows whose
transaction is older than every one still running, in the order of (xid, id): a transaction that commits late is waited
for and never skipped, which a plain sequence would do.
"""

import asyncio
import base64
import binascii
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fedsvc.errors import (
    InvalidInputError,
    Problem,
    ResumeTokenExpiredError,
    StoreUnavailableError,
    WatchTooSlowError,
)
from fedsvc.store.database import Database, talking, translated

CHANNEL: Final = "fedsvc_change"
POLL_SECONDS: Final = 1.0
COALESCE_SECONDS: Final = 0.015
KEPT: Final = timedelta(hours=1)
_BATCH: Final = 1000

_log = structlog.get_logger("fedsvc.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """That something changed; its state is to be read."""

    kind: str  # cluster, unit, work, placement_policy, override_policy, event, fleet
    name: str  # its name in the API
    subject: str = ""  # of a work or event: the unit or cluster it is of
    deleted: bool = False


@dataclass(frozen=True, slots=True, order=True)
class ResumeToken:
    """A place in the change log."""

    xid: int  # of the transaction
    id: int  # within it

    def encode(self) -> str:
        """As opaque text."""
        return base64.urlsafe_b64encode(f"v1.{self.xid}.{self.id}".encode()).decode().rstrip("=")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Changes in their order, and where the log goes on after them."""

    changes: tuple[Change, ...]
    token: ResumeToken


def decode_token(encoded: str) -> ResumeToken:
    """The place that a token names.

    Raises:
        InvalidInputError: it is no token of ours.
    """
    try:
        plain = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
        version, xid, number = plain.split(".")
        if version == "v1":
            return ResumeToken(int(xid), int(number))
    except (ValueError, binascii.Error):
        pass  # told below, in the words of the caller
    raise InvalidInputError(Problem(path="resume_token", message="is not a token this server gave; list again"))


_INSERT = text(
    "INSERT INTO change (kind, name, subject, deleted)"
    " SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:names AS text[]), CAST(:subjects AS text[]),"
    " CAST(:deleted AS boolean[]))"
)
_CURRENT = text("SELECT CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)")
_READ = text(
    "SELECT CAST(CAST(xid AS text) AS bigint) AS xid, id, kind, name, subject, deleted FROM change"
    " WHERE (xid, id) > (CAST(CAST(:xid AS text) AS xid8), CAST(:id AS bigint))"
    " AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid, id LIMIT :limit"
)
_TRIMMED = text("SELECT CAST(CAST(xid AS text) AS bigint) FROM change_horizon")


async def write_changes(connection: AsyncConnection, changes: list[Change]) -> None:
    """Put the changes of a transaction in the log, in one statement."""
    await connection.execute(
        _INSERT,
        {
            "kinds": [change.kind for change in changes],
            "names": [change.name for change in changes],
            "subjects": [change.subject for change in changes],
            "deleted": [change.deleted for change in changes],
        },
    )


async def current_token(connection: AsyncConnection) -> ResumeToken:
    """The place after all that this transaction's snapshot is sure to see."""
    xmin = (await connection.execute(_CURRENT)).scalar_one()
    return ResumeToken(int(xmin) - 1, (1 << 62))


async def read_changes(connection: AsyncConnection, after: ResumeToken, *, limit: int = _BATCH) -> Batch:
    """The next changes after a place.

    Raises:
        ResumeTokenExpiredError: changes between the place and now are no longer kept.
    """
    horizon = (await connection.execute(_TRIMMED)).scalar_one_or_none()
    if horizon is not None and after.xid < int(horizon):
        raise ResumeTokenExpiredError("changes since that resume_token are no longer kept: list again, then watch")
    rows = (await connection.execute(_READ, {"xid": str(after.xid), "id": after.id, "limit": limit})).all()
    changes = tuple(Change(kind=row.kind, name=row.name, subject=row.subject, deleted=row.deleted) for row in rows)
    token = ResumeToken(rows[-1].xid, rows[-1].id) if rows else after
    return Batch(changes=changes, token=token)


class Subscription:
    """A reader of the feed; iterate over it for batches."""

    def __init__(self, max_pending: int) -> None:
        self._pending: list[Batch] = []
        self._count = 0
        self._max_pending = max_pending
        self._overflow = False
        self._expired = False
        self._wake = asyncio.Event()

    def put(self, batch: Batch) -> None:
        """Hand over a batch; a reader that is too far behind loses its place instead of our memory."""
        self._count += len(batch.changes)
        if self._count > self._max_pending:
            self._overflow = True
        else:
            self._pending.append(batch)
        self._wake.set()

    def expire(self) -> None:
        """Changes that this reader has not got are no longer kept."""
        self._expired = True
        self._wake.set()

    async def next_batch(self) -> Batch:
        """Wait for the next batch.

        Raises:
            ResumeTokenExpiredError: changes were lost to it while PostgreSQL was away: list again.
            WatchTooSlowError: too many changes are waiting.
        """
        while True:
            if self._expired:
                raise ResumeTokenExpiredError("changes were lost while the database was away: list again, then watch")
            if self._overflow:
                raise WatchTooSlowError("the reader does not keep up: resume from the last token it got")
            if self._pending:
                batch = self._pending.pop(0)
                self._count -= len(batch.changes)
                return batch
            self._wake.clear()
            await self._wake.wait()

    async def __aiter__(self) -> AsyncIterator[Batch]:
        while True:
            yield await self.next_batch()


class ChangeFeed:
    """Follows the log for this process: woken by own commits, by NOTIFY of others, and once a second."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._subscriptions: set[Subscription] = set()
        self._wake = asyncio.Event()
        self._notify = False
        self._position: ResumeToken | None = None
        self.started = asyncio.Event()

    def poke(self) -> None:
        """Something was committed here: look at once, and tell the others."""
        self._notify = True
        self._wake.set()

    @contextlib.asynccontextmanager
    async def subscribe(
        self, *, after: ResumeToken | None = None, max_pending: int = 10_000
    ) -> AsyncIterator[Subscription]:
        """Changes from now on, or after a place; catches up from the log first.

        Raises:
            ResumeTokenExpiredError: that place is no longer in the log.
            StoreUnavailableError: PostgreSQL does not answer.
        """
        await self.started.wait()
        subscription = Subscription(max_pending)
        if after is not None:
            position = await self._catch_up(subscription, after)
            # Between the read and joining in, nothing is awaited: what the feed passed meanwhile was read here.
            while self._position is not None and position < self._position:
                position = await self._catch_up(subscription, position)
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def _catch_up(self, subscription: Subscription, after: ResumeToken) -> ResumeToken:
        while True:
            async with self._database.begin(read_only=True) as connection:
                with talking(self._database.shown):
                    batch = await read_changes(connection, after)
                    here = await current_token(connection)
            if not batch.changes:
                return max(here, after)
            subscription.put(batch)
            after = batch.token

    async def run(self) -> None:
        """Follow the log for ever; survives losses of the database."""
        delay = 0.2
        while True:
            try:
                await self._follow()
            except StoreUnavailableError as error:
                _log.warning("change_feed_interrupted", message=str(error), retry_seconds=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
            else:
                delay = 0.2

    async def _follow(self) -> None:
        listener = await self._database.connect_directly()
        try:
            with translated(self._database.shown), talking(self._database.shown):
                await listener.add_listener(CHANNEL, self._heard)
                if self._position is None:
                    async with self._database.begin(read_only=True) as connection:
                        self._position = await current_token(connection)
                self.started.set()
                while True:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(POLL_SECONDS):
                            await self._wake.wait()
                            # Commits come in bursts: one read and one NOTIFY for all of them.
                            await asyncio.sleep(COALESCE_SECONDS)
                    self._wake.clear()
                    if self._notify:
                        self._notify = False
                        await listener.execute(f"NOTIFY {CHANNEL}")
                    await self._read()
        finally:
            with contextlib.suppress(Exception):  # it is broken, or about to be of no use
                await listener.close(timeout=1)

    async def _read(self) -> None:
        assert self._position is not None
        while True:
            async with self._database.begin(read_only=True) as connection:
                try:
                    batch = await read_changes(connection, self._position)
                except ResumeTokenExpiredError:
                    # We were away for longer than the log is kept: whoever listens has to list again.
                    self._position = await current_token(connection)
                    for subscription in self._subscriptions:
                        subscription.expire()
                    return
            if not batch.changes:
                return
            self._position = batch.token
            for subscription in self._subscriptions:
                subscription.put(batch)

    def _heard(self, *_: Any) -> None:
        self._wake.set()


CommitListener = Callable[[tuple[Change, ...]], None]
"""Called in the committing task, at once: it must only take note."""
