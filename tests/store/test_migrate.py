import asyncio
from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.base import ischema_names

from fedsvc.errors import SchemaError
from fedsvc.store.database import Database
from fedsvc.store.migrate import head, migrate
from fedsvc.store.tables import Xid8, metadata
from fedsvc.testing.postgres import ScratchPostgres

pytestmark = pytest.mark.postgres


@pytest.fixture
def xid8_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy has no name for the type, so it would warn when it reads the schema back."""
    monkeypatch.setitem(ischema_names, "xid8", Xid8)


@pytest.fixture
async def empty(postgres_server: ScratchPostgres) -> AsyncIterator[Database]:
    async with postgres_server.fresh_database(migrated=False) as url:
        database = Database(url)
        yield database
        await database.close()


async def test_an_empty_database_becomes_what_the_tables_say(empty: Database, xid8_is_known: None) -> None:
    assert await migrate(empty) == (None, head())
    async with empty.engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True, "compare_server_default": True}), metadata
            )
        )
    assert differences == []


async def test_the_second_time_nothing_is_done(empty: Database) -> None:
    await migrate(empty)
    assert await migrate(empty) == (head(), head())


async def test_servers_that_start_at_once_wait_for_each_other(empty: Database) -> None:
    outcomes = await asyncio.gather(*(migrate(empty) for _ in range(5)))
    assert sorted(before or "" for before, _ in outcomes) == ["", *[head()] * 4]


async def test_a_newer_schema_is_refused_with_both_revisions(empty: Database) -> None:
    await migrate(empty)
    async with empty.engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=rf"9999.*{head()}.*newer"):
        await migrate(empty)


async def test_a_migration_that_fails_leaves_nothing_behind(empty: Database) -> None:
    async with empty.engine.begin() as connection:
        await connection.execute(text("CREATE TABLE work (id int)"))  # in the way of ours
    with pytest.raises(Exception, match="work"):
        await migrate(empty)
    async with empty.engine.begin() as connection:
        tables = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        assert tables.scalars().all() == ["work"]
