"""The engine, and the border at which the driver's errors become ours."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final

import asyncpg
from asyncpg.exceptions import ClientConfigurationError, TargetServerAttributeNotMatched
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from fedsvc.errors import ConfigurationError, InvalidInputError, Problem, StoreUnavailableError
from fedsvc.rendering.canonical import load_json
from fedsvc.store.address import Host, parse_address
from fedsvc.store.advice import why
from fedsvc.store.storable import storable_json

STATEMENT_SECONDS: Final = 30
CONNECT_SECONDS: Final = 5
MIN_VERSION: Final = 140000

_SURE_SECONDS: Final = 20.0
"""A pooled connection that was used so shortly before is not asked whether it lives: one that PostgreSQL ended has said
so, and what lies between the two forgets connections after minutes."""
_IDLE_SINCE: Final = "fedsvc idle since"

# SQLSTATE classes and codes that mean "not now" (PostgreSQL, Appendix A).
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57P", "58")
_NOT_ANSWERING: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TargetServerAttributeNotMatched,
)
_READ_ONLY: Final = "25006"  # a standby that was the primary before
_DISK_FULL: Final = "53100"
_BAD_TEXT: Final = ("22021", "22P05")
_BROKEN_OFF: Final = ("40001", "40P01")  # serialization failure, deadlock

# The history of PostgreSQL's log that the connection writes to. Unlike what pg_control holds it is that of now, also in
# the minutes between a promotion and the first checkpoint.
_NOTE_TIMELINE: Final = (
    "SELECT set_config('fedsvc.timeline', substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8), false)"
)


class Database:
    """A pool of connections to one PostgreSQL, which may move from host to host."""

    def __init__(self, url: str, *, pool_size: int = 20, trouble: Callable[[], str] = str) -> None:
        """`trouble` tells, when nobody answers, why, if whoever runs the server knows."""
        self._trouble = trouble
        self._address = parse_address(url)
        self._hosts = list(self._address.hosts)  # the one that served last comes first
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect_for_pool,  # the driver reads the URL itself: sslmode, sockets
            pool_size=pool_size,
            max_overflow=10,
            pool_timeout=10,
            pool_recycle=1800,
            pool_use_lifo=True,  # few connections are used often, rather than all of them now and then
            json_serializer=storable_json,
            json_deserializer=lambda value: load_json(value.encode()),  # keeps integers beyond 64 bit
        )
        event.listen(self.engine.sync_engine, "checkout", _refuse_broken)
        event.listen(self.engine.sync_engine, "checkin", _note_idle)

    @property
    def shown(self) -> str:
        """The address without the password."""
        return self._address.shown

    async def connect_directly(self, purpose: str, *, max_idle_seconds: int | None = None) -> Any:
        """A connection outside of the pool, for LISTEN and for locks that live as long as it does.

        Args:
            purpose: what it is for, as PostgreSQL shows it in pg_stat_activity.
            max_idle_seconds: PostgreSQL ends it when we say nothing for so long; None: it never does.

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
            return await self._connect(command_timeout=STATEMENT_SECONDS, server_settings=settings)

    async def _connect_for_pool(self) -> Any:
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
                connection = await asyncpg.connect(host=host.name, port=host.port, timeout=CONNECT_SECONDS, **arguments)
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
        refused = not any(_is_unavailable(error) for error in failures.values())
        said = "refuses the connection" if refused else "does not answer"
        return StoreUnavailableError(f"PostgreSQL at {self.shown} {said}: {reasons}")

    @contextlib.asynccontextmanager
    async def begin(self, *, read_only: bool = False) -> AsyncIterator[AsyncConnection]:
        """A transaction; a read-only one sees one snapshot throughout.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer, or cannot write now.
        """
        # Giving the connection back talks to PostgreSQL, too, so all of it is inside.
        with translated(self.shown):
            async with contextlib.AsyncExitStack() as stack:
                with talking(self.shown):
                    connection = await stack.enter_async_context(self.engine.connect())
                    if read_only:
                        await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                async with connection.begin() as transaction:
                    yield connection
                    with talking(self.shown):
                        await transaction.commit()

    @contextlib.asynccontextmanager
    async def look(self) -> AsyncIterator[AsyncConnection]:
        """A connection on which each statement is a transaction of its own; for reading.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        with translated(self.shown):
            async with contextlib.AsyncExitStack() as stack:
                with talking(self.shown):
                    connection = await stack.enter_async_context(self.engine.connect())
                    await connection.execution_options(isolation_level="AUTOCOMMIT")
                yield connection

    async def version(self) -> str:
        """The server's version, such as "15.18".

        Raises:
            ConfigurationError: it is older than 14.
            StoreUnavailableError: PostgreSQL does not answer.
        """
        async with self.begin(read_only=True) as connection:
            number = int((await connection.exec_driver_sql("SHOW server_version_num")).scalar_one())
            text = str((await connection.exec_driver_sql("SHOW server_version")).scalar_one())
        if number < MIN_VERSION:
            raise ConfigurationError(f"PostgreSQL at {self.shown} is {text}; 14 or newer is needed")
        return text.split(maxsplit=1)[0]

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def _note_idle(_: Any, record: Any) -> None:
    record.info[_IDLE_SINCE] = time.monotonic()


def _refuse_broken(connection: Any, record: Any, *_: Any) -> None:
    """Have a connection that does not live any more replaced, before anything is said on it.

    One that was used not long ago, and was not closed since, is taken for alive: asking would cost as much as a
    statement, and where it is not, the transaction fails as one does that PostgreSQL leaves in the middle.

    The dialect's own check (`pool_pre_ping`) begins a transaction, prepares an empty statement and rolls back before each
    transaction of ours, which was a tenth of all work; a plain query tells the same in one exchange.

    Raises:
        DisconnectionError: the pool is to connect anew.
    """
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the connection was closed")
    if time.monotonic() - record.info.get(_IDLE_SINCE, 0.0) < _SURE_SECONDS:
        return
    try:
        await_only(connection.driver_connection.execute("SELECT 1"))
    except (asyncpg.PostgresError, *_NOT_ANSWERING) as error:
        raise DisconnectionError(str(error)) from error


@contextlib.contextmanager
def translated(shown: str) -> Iterator[None]:
    """Turn the driver's "not now" into StoreUnavailableError; other errors pass."""
    try:
        yield
    except DBAPIError as error:
        if error.connection_invalidated or _is_unavailable(error.orig):
            raise _unavailable(shown, error.orig or error) from error
        if getattr(error.orig, "sqlstate", None) in _BAD_TEXT:
            message = "holds the character U+0000, which cannot be stored"
            raise InvalidInputError(Problem(path="request", message=message)) from error
        raise
    except PoolTimeoutError as error:
        raise StoreUnavailableError(f"PostgreSQL at {shown} is too busy: no connection became free in time") from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The driver calls its own state an internal error where a connection breaks between a request and its answer.
        if _is_unavailable(error) or not isinstance(error, asyncpg.PostgresError):
            raise _unavailable(shown, error) from error
        raise


@contextlib.contextmanager
def talking(shown: str) -> Iterator[None]:
    """Where nothing but PostgreSQL is talked to, a plain OSError or TimeoutError is its own; elsewhere it may be anybody's."""
    try:
        yield
    except (OSError, TimeoutError) as error:
        raise _unavailable(shown, error) from error


def _is_unavailable(error: BaseException | None) -> bool:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, _NOT_ANSWERING):
            return True
        code = getattr(cause, "sqlstate", None) or ""
        if code == _READ_ONLY or code in _BROKEN_OFF or code.startswith(_UNAVAILABLE_CLASSES):
            return True
        cause = cause.__cause__
    return False


def _unavailable(shown: str, error: BaseException) -> StoreUnavailableError:
    code = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
    if code in _BROKEN_OFF:
        return StoreUnavailableError("the change met another one at the same rows, and nothing was written: try again")
    if code == _DISK_FULL:
        return StoreUnavailableError(
            f"the disk of PostgreSQL at {shown} is full: nothing is lost, but nothing can be written until space is made"
        )
    return StoreUnavailableError(f"PostgreSQL at {shown} does not answer: {why(error)}")
