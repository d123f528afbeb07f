"""The engine, and the border at which the driver's errors become ours."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import asyncpg
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from fedsvc.errors import ConfigurationError, InvalidInputError, Problem, StoreUnavailableError
from fedsvc.rendering.canonical import load_json
from fedsvc.store.storable import storable_json

STATEMENT_SECONDS: Final = 30
CONNECT_SECONDS: Final = 5
MIN_VERSION: Final = 140000

# SQLSTATE classes and codes that mean "not now" (PostgreSQL, Appendix A).
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57P", "58")
_READ_ONLY: Final = "25006"  # a standby that was the primary before
_DISK_FULL: Final = "53100"
_BAD_TEXT: Final = ("22021", "22P05")
_BROKEN_OFF: Final = ("40001", "40P01")  # serialization failure, deadlock


class Database:
    """A pool of connections to one PostgreSQL."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        try:
            parsed = make_url(url)
        except (ArgumentError, ValueError) as error:  # ValueError: a port that is no number
            raise ConfigurationError(
                "--database-url: not a URL such as postgresql://user:password@host/name"
            ) from error
        if parsed.get_backend_name() not in ("postgresql", "postgres"):
            raise ConfigurationError(f"--database-url: {parsed.get_backend_name()} is not PostgreSQL")
        self._url: URL = parsed.set(drivername="postgresql+asyncpg")
        self.engine: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,  # the driver reads the URL itself: sslmode, several hosts, sockets
            pool_size=pool_size,
            max_overflow=10,
            pool_timeout=10,
            pool_pre_ping=True,
            pool_recycle=1800,
            json_serializer=storable_json,
            json_deserializer=lambda value: load_json(value.encode()),  # keeps integers beyond 64 bit
        )

    async def _connect(self) -> Any:
        # After a fail-over only the server that takes writes is of use, whichever of several hosts it is.
        choice = {} if "target_session_attrs" in self._url.query else {"target_session_attrs": "read-write"}
        return await asyncpg.connect(
            self.dsn,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS + 5,
            server_settings={"application_name": "fedsvc", "statement_timeout": f"{STATEMENT_SECONDS}s"},
            **choice,
        )

    @property
    def shown(self) -> str:
        """The address without the password."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=True)

    @property
    def dsn(self) -> str:
        """The address for the driver itself; holds the password."""
        return self._url.set(drivername="postgresql").render_as_string(hide_password=False)

    async def connect_directly(self) -> Any:
        """A connection outside of the pool, for LISTEN and for locks that live as long as it does.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        with translated(self.shown), talking(self.shown):
            return await asyncpg.connect(
                self.dsn,
                timeout=CONNECT_SECONDS,
                command_timeout=STATEMENT_SECONDS,
                server_settings={
                    "application_name": "fedsvc",
                    "tcp_keepalives_idle": "10",
                    "tcp_keepalives_count": "3",
                },
            )

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
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if _is_unavailable(error) or isinstance(error, asyncpg.InterfaceError):
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
        if isinstance(cause, OSError | TimeoutError | asyncpg.InterfaceError):
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
    return StoreUnavailableError(f"PostgreSQL at {shown} does not answer: {str(error) or type(error).__name__}")
