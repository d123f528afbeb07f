"""The pool of connections, and where they lead."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import asyncpg
from asyncpg.exceptions import ClientConfigurationError, TargetServerAttributeNotMatched

from fedsvc.errors import ConfigurationError, StoreUnavailableError
from fedsvc.store.address import Host, parse_address
from fedsvc.store.advice import why
from fedsvc.store.connection import Connection, connect
from fedsvc.store.sql import Row
from fedsvc.store.trouble import NOT_ANSWERING, is_unavailable, talking, translated

STATEMENT_SECONDS: Final = 30
CONNECT_SECONDS: Final = 5
MIN_VERSION: Final = 140000
POOL_SIZE: Final = 30

_POOL_SECONDS: Final = 10
_ROLLBACK_SECONDS: Final = 5
_RELEASE_SECONDS: Final = 5
"""How long one that was broken off in the middle of a statement is waited for; then it is closed."""

_CLOSE_SECONDS: Final = 5
_SURE_SECONDS: Final = 20.0
"""A pooled connection that was used so shortly before is not asked whether it lives: one that PostgreSQL ended has said
so, and what lies between the two forgets connections after minutes."""

# The history of PostgreSQL's log that the connection writes to. Unlike what pg_control holds it is that of now, also in
# the minutes between a promotion and the first checkpoint.
_NOTE_TIMELINE: Final = (
    "SELECT set_config('fedsvc.timeline', substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), false)"
)


class Database:
    """A pool of connections to one PostgreSQL, which may move from host to host."""

    def __init__(self, url: str, *, pool_size: int = POOL_SIZE, trouble: Callable[[], str] = str) -> None:
        """`trouble` tells, when nobody answers, why, if whoever runs the server knows."""
        self._trouble = trouble
        self._address = parse_address(url)
        self._hosts = list(self._address.hosts)  # the one that served last comes first
        self._pool_size = pool_size
        self._pool: Any = None
        self._opening = asyncio.Lock()

    @property
    def shown(self) -> str:
        """The address without the password."""
        return self._address.shown

    async def connect_directly(
        self, purpose: str, *, max_idle_seconds: int | None = None, statement_seconds: int = STATEMENT_SECONDS
    ) -> Any:
        """A connection outside of the pool, for LISTEN, for locks that live as long as it does, and for long work.

        Args:
            purpose: what it is for, as PostgreSQL shows it in pg_stat_activity.
            max_idle_seconds: PostgreSQL ends it when we say nothing for so long; None: it never does.
            statement_seconds: how long a statement may take.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        settings = {
            "application_name": f"fedsvc {purpose}",
            "tcp_keepalives_idle": "10",
            "tcp_keepalives_interval": "5",
            "tcp_keepalives_count": "3",
        }
        if max_idle_seconds is not None:
            settings["idle_session_timeout"] = f"{max_idle_seconds}s"
        with translated(self.shown), talking(self.shown):
            return await self._connect(command_timeout=statement_seconds, server_settings=settings)

    async def _connect_for_pool(self, *_: Any, **__: Any) -> Any:  # the pool asks for what we always give
        connection = await self._connect(
            command_timeout=STATEMENT_SECONDS + 5,
            server_settings={"application_name": "fedsvc", "statement_timeout": f"{STATEMENT_SECONDS}s"},
        )
        try:
            # Some who offer PostgreSQL as a service keep these functions to themselves; then there is no timeline.
            with contextlib.suppress(asyncpg.PostgresError):
                await connection.execute(_NOTE_TIMELINE)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _connect(self, **arguments: Any) -> Any:
        """Connect to the first host that answers and takes writes: after a fail-over no other is of use.

        Each host has its own deadline, so that one that swallows everything does not use up that of the others.
        """
        arguments |= self._address.arguments
        if not self._address.chooses:
            arguments["target_session_attrs"] = "read-write"
        failures: dict[Host, BaseException] = {}
        for host in tuple(self._hosts):
            try:
                connection = await connect(host=host.name, port=host.port, timeout=CONNECT_SECONDS, **arguments)
            except ClientConfigurationError as error:
                raise ConfigurationError(f"--database-url: {error}") from error
            except (OSError, asyncpg.PostgresError, TargetServerAttributeNotMatched) as error:
                failures[host] = error
            else:
                if self._hosts[0] != host:
                    self._hosts.sort(key=lambda other: other != host)
                return connection
        raise self._none_serves(failures)

    def _none_serves(self, failures: dict[Host, BaseException]) -> StoreUnavailableError:
        known = self._trouble()
        if known:
            return StoreUnavailableError(known)
        single = len(failures) == 1
        reasons = "; ".join(why(error) if single else f"{host}: {why(error)}" for host, error in failures.items())
        refused = not any(is_unavailable(error) for error in failures.values())
        said = "refuses the connection" if refused else "does not answer"
        return StoreUnavailableError(f"PostgreSQL at {self.shown} {said}: {reasons}")

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """A connection of the pool, on which each statement is a transaction of its own unless one is begun.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer, or all connections are in use for long.
        """
        with translated(self.shown):
            with talking(self.shown):
                pool = await self._open()
                connection = await self._acquire(pool)
            try:
                yield connection
            except BaseException:
                await _settle(connection)
                raise
            finally:
                # Whether it can be given back is of no matter to what was done with it, and least to a task that is being
                # cancelled: the pool makes another.
                with contextlib.suppress(asyncpg.PostgresError, *NOT_ANSWERING):
                    await pool.release(connection, timeout=_RELEASE_SECONDS)

    @contextlib.asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[Any]:
        """A connection in a transaction; a read-only one sees one snapshot throughout.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer, or cannot write now.
        """
        async with self.connection() as connection:
            kind = {"isolation": "repeatable_read", "readonly": True} if read_only else {}
            transaction = connection.transaction(**kind)
            try:
                with talking(self.shown):
                    await transaction.start()
                yield connection
                with talking(self.shown):
                    await transaction.commit()
            except BaseException:
                await _take_back(connection, transaction)
                raise

    async def _open(self) -> Any:
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    # Few connections are used often, rather than all of them now and then: the driver takes the one that
                    # was given back last. What its reset would undo we never do, so it is none.
                    self._pool = await asyncpg.create_pool(
                        connect=self._connect_for_pool,
                        reset=_no_reset,
                        min_size=0,
                        max_size=self._pool_size,
                        connection_class=Connection,
                        record_class=Row,
                    )
        return self._pool

    async def _acquire(self, pool: Any) -> Any:
        """A connection that lives, as far as can be known before anything is said on it."""
        while True:
            try:
                async with asyncio.timeout(_POOL_SECONDS + CONNECT_SECONDS * len(self._hosts)):
                    connection = await pool.acquire()
            except TimeoutError as error:
                if pool.get_size() - pool.get_idle_size() < self._pool_size:
                    raise
                busy = f"PostgreSQL at {self.shown} is too busy: no connection became free in time"
                raise StoreUnavailableError(busy) from error
            try:
                if connection.silent_seconds() > _SURE_SECONDS:
                    await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)
                connection.note_use()
            except (asyncpg.PostgresError, *NOT_ANSWERING):
                # What ended this one ended others with it: each is made anew when it is next wanted.
                _give_up(connection)
                await pool.expire_connections()
                await pool.release(connection)
            except BaseException:
                await pool.release(connection)
                raise
            else:
                return connection

    async def version(self) -> str:
        """The server's version, such as "15.18".

        Raises:
            ConfigurationError: it is older than 14.
            StoreUnavailableError: PostgreSQL does not answer.
        """
        async with self.connection() as connection:
            with talking(self.shown):
                number = int(await connection.fetchval("SHOW server_version_num"))
                text = str(await connection.fetchval("SHOW server_version"))
        if number < MIN_VERSION:
            raise ConfigurationError(f"PostgreSQL at {self.shown} is {text}; 14 or newer is needed")
        return text.split(maxsplit=1)[0]

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._pool.close()
        except (asyncpg.PostgresError, *NOT_ANSWERING):
            self._pool.terminate()


async def _take_back(connection: Any, transaction: Any) -> None:
    """Roll back in time; where that fails, give the connection up: what went wrong before is what is told.

    It fails, too, where the transaction did not begin, or its end was not heard of.
    """
    try:
        async with asyncio.timeout(_ROLLBACK_SECONDS):
            await transaction.rollback()
    except (asyncpg.PostgresError, *NOT_ANSWERING):
        _give_up(connection)


async def _settle(connection: Any) -> None:
    """Have PostgreSQL end what it has begun.

    The driver asks for a statement to be prepared and bound in two steps. Where a task is cancelled between them, or the
    parameters do not fit, PostgreSQL is within a transaction that the driver knows nothing of, and the next BEGIN fails.
    """
    try:
        async with asyncio.timeout(_ROLLBACK_SECONDS):
            await connection.execute("SELECT 1")
    except (asyncpg.PostgresError, *NOT_ANSWERING):
        _give_up(connection)


def _give_up(connection: Any) -> None:
    """Close it without a word. One that PostgreSQL closed has left the pool already, which the driver calls an error."""
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _no_reset(_: Any) -> None:
    """Leave the connection as it is."""
