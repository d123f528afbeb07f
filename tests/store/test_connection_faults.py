"""What a connection goes through while somebody uses it: none of it hides what went wrong before, or keeps a task."""

import asyncio
import contextlib
import importlib
import pkgutil
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

import fedsvc.store
from fedsvc.errors import StoreUnavailableError
from fedsvc.store import database as database_module
from fedsvc.store.connection import Connection
from fedsvc.store.database import Database
from fedsvc.store.sealing import Sealer
from fedsvc.store.sql import Row, Statement, text
from fedsvc.store.store import Store

pytestmark = pytest.mark.postgres
DEADLINE_SECONDS = 30.0
KEYS = Sealer(keys={"k": b"k" * 32})

_ONE = text("SELECT 1")
_END_OURSELVES = text("SELECT pg_terminate_backend(pg_backend_pid())")


class Line:
    """A line to the test's PostgreSQL that can be made to swallow everything, as a lost route does."""

    def __init__(self, socket_path: str) -> None:
        self._socket_path = socket_path
        self.carries = True
        self.swallowed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Listen on a port of 127.0.0.1, which it gives."""
        served: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            served.add(task)
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in served:
                task.cancel()
            await asyncio.gather(*served, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_unix_connection(self._socket_path)
        try:
            await asyncio.gather(self._carry(reader, far_writer), self._carry(far_reader, writer))
        finally:
            for one in (writer, far_writer):
                one.close()
            for one in (writer, far_writer):
                with contextlib.suppress(OSError):
                    await one.wait_closed()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if self.carries:
                writer.write(data)
            else:
                self.swallowed.set()
        if self.carries:
            writer.close()


def statements() -> Iterator[tuple[str, Statement]]:
    """Those that stand in the modules of the store, by where they stand."""
    for info in pkgutil.iter_modules(fedsvc.store.__path__, "fedsvc.store."):
        for name, value in vars(importlib.import_module(info.name)).items():
            found = (
                value.values() if isinstance(value, dict) else value if isinstance(value, tuple | list) else (value,)
            )
            for number, one in enumerate(found):
                if isinstance(one, Statement):
                    yield f"{info.name}.{name}[{number}]", one


async def test_every_statement_is_understood_by_postgresql_and_names_columns_that_rows_can_tell(store: Store) -> None:
    wrong = {}
    async with store.database.connection() as connection:
        known = dict(statements())
        for place, statement in known.items():
            prepared = await connection.prepare(statement.sql)  # fails where a parameter is of two types
            columns = {attribute.name for attribute in prepared.get_attributes()}
            if hidden := columns & set(dir(Row)):
                wrong[place] = hidden  # a row has something else under that name
    assert len(known) > 200
    assert not wrong


async def test_a_task_that_is_cancelled_ends_so_although_its_connection_was_closed_meanwhile(store: Store) -> None:
    begun = asyncio.Event()

    async def wait_in_a_transaction() -> None:
        async with store.transaction() as tx:
            await tx.execute(_ONE)
            with contextlib.suppress(asyncpg.PostgresError):
                await tx.execute(_END_OURSELVES)
            begun.set()
            await asyncio.Event().wait()

    waiting = asyncio.get_running_loop().create_task(wait_in_a_transaction())
    await asyncio.wait_for(begun.wait(), DEADLINE_SECONDS)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    await store.ping()


async def test_the_error_of_the_work_is_told_although_its_connection_was_closed_meanwhile(store: Store) -> None:
    async def fail() -> None:
        async with store.transaction() as tx:
            with contextlib.suppress(asyncpg.PostgresError):
                await tx.execute(_END_OURSELVES)
            raise ZeroDivisionError("of the work")

    with pytest.raises(ZeroDivisionError, match="of the work"):
        await fail()
    await store.ping()


async def test_a_connection_that_ends_while_it_is_asked_whether_it_lives_is_replaced_unseen(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.ping()
    execute = Connection.execute
    asked = 0

    async def ends(connection: Connection, query: str, *arguments: object, **options: object) -> str:
        nonlocal asked
        if query == "SELECT 1":
            asked += 1
            query = _END_OURSELVES.sql if asked == 1 else query
        told: str = await execute(connection, query, *arguments, **options)
        return told

    monkeypatch.setattr(database_module, "_SURE_SECONDS", 0.0)
    monkeypatch.setattr(Connection, "execute", ends)
    await store.ping()
    assert asked > 1


async def test_a_table_that_is_migrated_while_it_is_used_is_read_again_by_who_tries_again(database_url: str) -> None:
    everything = text("SELECT lease.* FROM lease")
    store = Store(Database(database_url, pool_size=1), KEYS)

    async def read() -> None:
        async with store.reader() as tx:
            await tx.execute(everything)

    try:
        await read()
        async with store.transaction() as tx:
            await tx.execute(text("ALTER TABLE lease ADD COLUMN of_a_newer_release integer"))
        with pytest.raises(StoreUnavailableError, match="try again"):
            await read()
        await read()
    finally:
        await store.close()


async def test_who_is_cancelled_on_a_line_that_swallows_everything_ends_in_time(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "_RELEASE_SECONDS", 0.1)
    parts = urlsplit(database_url)
    given = parse_qs(parts.query)
    line = Line(f"{given['host'][0]}/.s.PGSQL.{given['port'][0]}")
    async with line.running() as port:
        store = Store(Database(f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"), KEYS)
        await store.ping()
        line.carries = False
        looking = asyncio.get_running_loop().create_task(store.ping())
        await line.swallowed.wait()
        looking.cancel()
        await asyncio.wait([looking], timeout=DEADLINE_SECONDS)
        assert looking.cancelled()
        await store.close()
