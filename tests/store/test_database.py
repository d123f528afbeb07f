import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from asyncpg.pool import Pool

from fedsvc.errors import ConfigurationError, StoreUnavailableError
from fedsvc.store.database import CONNECT_SECONDS, Database
from fedsvc.store.embedded import EmbeddedPostgres
from fedsvc.store.migrate import migrate
from fedsvc.store.sealing import Sealer
from fedsvc.store.sql import text
from fedsvc.store.store import Store

pytestmark = pytest.mark.postgres
DEADLINE_SECONDS = 30.0


def raising(sqlstate: str) -> str:
    return f"DO $$ BEGIN RAISE EXCEPTION 'as the test wants' USING ERRCODE = '{sqlstate}'; END $$"


@pytest.fixture
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A server of the test's own, to be ended and started again."""
    with tempfile.TemporaryDirectory(prefix="fedsvc-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        server = EmbeddedPostgres(Path(name))  # durable: crashes are what it is for
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


@pytest.fixture
async def own_store(own_server: EmbeddedPostgres) -> AsyncIterator[Store]:
    database = Database(own_server.url())
    await migrate(database)
    store = Store(database, Sealer(keys={"k": b"k" * 32}))
    feed = asyncio.get_running_loop().create_task(store.feed.run())
    try:
        yield store
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)
        await store.close()


@pytest.mark.parametrize(
    "url",
    ["mysql://h/d", "nonsense", "", "sqlite:///x", "postgresql://h:notaport/d"],
)
def test_what_is_no_postgresql_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="database-url"):
        Database(url)


def test_the_password_is_not_shown() -> None:
    database = Database("postgresql://u:hunter2@h:5432/d")
    assert "hunter2" not in database.shown
    assert "h:5432/d" in database.shown


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    database = Database("postgresql://u@127.0.0.1:1/d")
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1"):
        await database.version()
    await database.close()


@pytest.mark.parametrize("option", ["sslmode=disable", "sslmode=prefer", "target_session_attrs=read-write"])
async def test_options_of_libpq_in_the_url_are_understood(database_url: str, option: str) -> None:
    database = Database(f"{database_url}&{option}")
    try:
        assert await database.version()
    finally:
        await database.close()


@pytest.mark.parametrize("sqlstate", ["53100", "53300", "57P01", "57P03", "58030", "25006", "08006", "57014", "55P03"])
async def test_not_now_is_unavailable(store: Store, sqlstate: str) -> None:
    with pytest.raises(StoreUnavailableError):
        async with store.transaction() as tx:
            await tx.execute(text(raising(sqlstate)))
    await store.ping()


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_a_transaction_broken_off_in_favour_of_another_may_be_tried_again(store: Store, sqlstate: str) -> None:
    with pytest.raises(StoreUnavailableError):
        async with store.transaction() as tx:
            await tx.execute(text(raising(sqlstate)))


async def test_a_full_disk_is_told_with_the_place_and_the_way_out(store: Store) -> None:
    with pytest.raises(StoreUnavailableError, match=r"disk.*full.*space") as caught:
        async with store.transaction() as tx:
            await tx.execute(text(raising("53100")))
    assert store.database.shown in str(caught.value)


async def test_an_error_of_the_callers_own_work_stays_his_own(store: Store) -> None:
    async def fails() -> None:
        raise TimeoutError("of the caller's own work")

    with pytest.raises(TimeoutError, match="own work"):
        async with store.transaction():
            await fails()


async def test_a_reader_sees_one_snapshot(store: Store) -> None:
    count = text("SELECT count(*) FROM lease")
    async with store.reader() as reading:
        before = (await reading.execute(count)).scalar_one()
        async with store.transaction() as tx:
            await tx.execute(text("INSERT INTO lease (name, holder, epoch) VALUES ('x', 'y', 1)"))
        assert (await reading.execute(count)).scalar_one() == before


async def test_connections_that_postgresql_ended_are_replaced_unseen(
    store: Store, end_connections: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fedsvc.store.database._SURE_SECONDS", 0.0)  # else those used a moment ago are not asked
    await asyncio.gather(*(store.ping() for _ in range(5)))
    await end_connections()
    await asyncio.gather(*(store.ping() for _ in range(5)))


@pytest.mark.parametrize("immediate", [True, False], ids=["immediate stop", "killed"])
async def test_a_restart_of_postgresql_is_told_and_got_over(
    own_server: EmbeddedPostgres, own_store: Store, *, immediate: bool
) -> None:
    async with own_store.feed.subscribe() as subscription:
        async with own_store.transaction() as tx:
            tx.record("unit", "before")
        await own_server.kill(immediate=immediate)
        with pytest.raises(StoreUnavailableError):
            await own_store.ping()
        await own_server.restart()
        await own_store.ping()
        async with own_store.transaction() as tx:
            tx.record("unit", "after")
        got: set[str] = set()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while "after" not in got:
                got |= {change.name for change in (await subscription.next_batch()).changes}
    assert got == {"before", "after"}


async def test_a_transaction_in_which_postgresql_goes_is_unavailable_and_written_by_no_half(
    own_server: EmbeddedPostgres, own_store: Store
) -> None:
    async def write_and_lose_the_server() -> None:
        async with own_store.transaction() as tx:
            await tx.execute(text("INSERT INTO lease (name, holder, epoch) VALUES ('x', 'y', 1)"))
            await own_server.kill()

    with pytest.raises(StoreUnavailableError):
        await write_and_lose_the_server()
    await own_server.restart()
    async with own_store.reader() as tx:
        assert (await tx.execute(text("SELECT count(*) FROM lease"))).scalar_one() == 0


async def test_a_cancelled_transaction_gives_its_connection_back(database_url: str) -> None:
    database = Database(database_url, pool_size=1)
    store = Store(database, Sealer(keys={"k": b"k" * 32}))

    async def sleep() -> None:
        async with store.transaction() as tx:
            await tx.execute(text("SELECT pg_sleep(5)"))

    try:
        for _ in range(15):  # more than the pool has
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(sleep(), 0.05)
        await store.ping()
    finally:
        await store.close()


async def test_a_cancellation_stays_one_when_the_connection_cannot_be_given_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = Pool.release

    async def fails(pool: Any, connection: Any, **options: Any) -> None:  # PostgreSQL goes while it is asked to stop
        await release(pool, connection, **options)
        raise ConnectionRefusedError(111, "refused")

    async def sleep() -> None:
        async with store.look() as look:
            await look.execute(text("SELECT 1"))
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    sleeping = asyncio.get_running_loop().create_task(sleep())
    await asyncio.wait_for(begun.wait(), DEADLINE_SECONDS)
    with monkeypatch.context() as patched:
        patched.setattr(Pool, "release", fails)
        sleeping.cancel()
        await asyncio.wait([sleeping])
    assert sleeping.cancelled()


async def test_a_statement_that_was_prepared_and_not_run_leaves_no_transaction_behind(database_url: str) -> None:
    store = Store(Database(database_url, pool_size=1), Sealer(keys={"k": b"k" * 32}))
    try:
        for _ in range(2):
            with pytest.raises(asyncpg.DataError, match="invalid input"):
                async with store.look() as look:
                    await look.execute(text("SELECT CAST(:number AS int)"), {"number": "none"})
            async with store.reader() as tx:
                await tx.execute(text("SELECT 1"))
    finally:
        await store.close()


async def test_a_connection_that_was_just_made_is_not_asked_whether_it_lives(store: Store) -> None:
    connection = await store.database.connect_directly("test")
    try:
        assert connection.silent_seconds() < CONNECT_SECONDS
    finally:
        await connection.close()
