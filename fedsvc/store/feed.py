"""The feed: follows the change log for this process, and hands it to whoever subscribes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import structlog

from fedsvc.errors import ResumeTokenExpiredError, StoreUnavailableError, WatchTooSlowError
from fedsvc.store.changes import BATCH, Batch, ResumeToken, current_token, read_changes
from fedsvc.store.database import Database
from fedsvc.store.trouble import talking, translated

CHANNEL: Final = "fedsvc_change"
POLL_SECONDS: Final = 1.0
CHECK_SECONDS: Final = 5.0
COALESCE_SECONDS: Final = 0.015
RETRY_SECONDS: Final = 0.2
RETRY_MAX_SECONDS: Final = 5.0

_log = structlog.get_logger("fedsvc.store")


class Subscription:
    """A reader of the feed; iterate over it for batches.

    What is behind the feed is read from the log at the reader's own pace (`catch_up` gives it, and None once there is no
    more): only what the feed hands over has to wait in memory, so only that counts against `max_pending`.
    """

    def __init__(self, max_pending: int, *, catch_up: Callable[[], Awaitable[Batch | None]] | None) -> None:
        self._pending: list[Batch] = []
        self._count = 0
        self._max_pending = max_pending
        self._catch_up = catch_up
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
            StoreUnavailableError: it is behind, and PostgreSQL does not answer.
            WatchTooSlowError: too many changes are waiting.
        """
        while self._catch_up is not None:
            behind = await self._catch_up()
            if behind is not None:
                return behind
            self._catch_up = None
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
        self._found = False  # whether the newest read found anything
        self._position: ResumeToken | None = None
        self._delay = RETRY_SECONDS
        self.started = asyncio.Event()

    def poke(self) -> None:
        """Something was committed here: look at once, and tell the others."""
        self._notify = True
        self._wake.set()

    @contextlib.asynccontextmanager
    async def subscribe(
        self, *, after: ResumeToken | None = None, max_pending: int = 10_000
    ) -> AsyncIterator[Subscription]:
        """Changes from now on, or after a place.

        Raises:
            ResumeTokenExpiredError: that place is not in the log, or no longer.
            StoreUnavailableError: PostgreSQL does not answer.
        """
        await self.started.wait()
        if after is None:
            subscription = Subscription(max_pending, catch_up=None)
            self._subscriptions.add(subscription)
        else:
            await self._read_after(after, limit=1)  # a place that is not there is refused at once
            place = after

            async def catch_up() -> Batch | None:
                nonlocal place
                while (batch := await self._read_after(place)).changes == ():
                    # Between the read and joining in, nothing is awaited: what the feed passed meanwhile is read first.
                    if self._position is None or place >= self._position or place.epoch != self._position.epoch:
                        self._subscriptions.add(subscription)
                        return None
                place = batch.token
                return batch

            subscription = Subscription(max_pending, catch_up=catch_up)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    async def _read_after(self, place: ResumeToken, *, limit: int = BATCH) -> Batch:
        async with self._database.connection() as connection:
            with talking(self._database.shown):
                return await read_changes(connection, place, limit=limit)

    async def run(self) -> None:
        """Follow the log for ever; survives losses of the database."""
        while True:
            try:
                await self._follow()
            except StoreUnavailableError as error:
                _log.warning("change_feed_interrupted", message=str(error), retry_seconds=self._delay)
                await asyncio.sleep(self._delay)
                self._delay = min(self._delay * 2, RETRY_MAX_SECONDS)

    async def _follow(self) -> None:
        listener = await self._database.connect_directly("feed")
        try:
            # PostgreSQL may end this one connection while all others live: only a new one hears again.
            listener.add_termination_listener(self._heard)
            with translated(self._database.shown), talking(self._database.shown):
                await listener.add_listener(CHANNEL, self._heard)
                if self._position is None:
                    async with self._database.begin(read_only=True) as connection:
                        self._position = await current_token(connection)
                self.started.set()
                self._wake.set()  # what came while nobody listened
                await self._listen(listener)
        finally:
            with contextlib.suppress(Exception):  # it is broken, or about to be of no use
                await listener.close(timeout=1)

    async def _listen(self, listener: Any) -> None:
        clock = asyncio.get_running_loop().time
        checked = clock()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
                    # Commits come in bursts: one read and one NOTIFY for all of them.
                    await asyncio.sleep(COALESCE_SECONDS)
            self._wake.clear()
            if listener.is_closed():
                raise StoreUnavailableError(f"PostgreSQL at {self._database.shown} ended the connection that listens")
            await self._read()
            if self._notify:
                self._notify = False
                await listener.execute(f"NOTIFY {CHANNEL}")
                checked = clock()
            elif clock() - checked > CHECK_SECONDS:
                await listener.fetchval("SELECT 1", timeout=CHECK_SECONDS)  # a dead line may say nothing at all
                checked = clock()
            self._delay = RETRY_SECONDS

    async def _read(self) -> None:
        assert self._position is not None
        while True:
            async with self._database.connection() as connection:
                try:
                    batch = await read_changes(connection, self._position)
                except ResumeTokenExpiredError:
                    # We were away for longer than the log is kept, or this is another log: whoever listens lists again.
                    self._position = await current_token(connection)
                    for subscription in self._subscriptions:
                        subscription.expire()
                    return
            self._found = bool(batch.changes)
            if not batch.changes:
                return
            self._position = batch.token
            for subscription in self._subscriptions:
                subscription.put(batch)
            if len(batch.changes) < BATCH:
                return

    def _heard(self, connection: Any, pid: int | None = None, *_: Any) -> None:
        # What was committed here was read before others were told of it, but for what an older transaction held back.
        if pid is None or pid != connection.get_server_pid() or not self._found:
            self._wake.set()
