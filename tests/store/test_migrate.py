import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql.base import ischema_names

from fedsvc.errors import ConfigurationError, SchemaError
from fedsvc.store import database as database_module
from fedsvc.store import decisions, revisions, rollouts, sql
from fedsvc.store.database import Database
from fedsvc.store.migrate import alembic_config, alembic_engine, head, migrate
from fedsvc.store.sealing import Sealer
from fedsvc.store.store import Store
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
    async with alembic_engine(empty).connect() as connection:
        assert await connection.run_sync(_differences) == []


def _differences(connection: Connection) -> list[Any]:
    options = {"compare_type": True, "compare_server_default": True}
    found: list[Any] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found


async def test_the_second_time_nothing_is_done(empty: Database) -> None:
    await migrate(empty)
    assert await migrate(empty) == (head(), head())


async def test_servers_that_start_at_once_wait_for_each_other(empty: Database) -> None:
    outcomes = await asyncio.gather(*(migrate(empty) for _ in range(5)))
    assert sorted(before or "" for before, _ in outcomes) == ["", *[head()] * 4]


def _upgrade(connection: Connection, revision: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


async def test_every_older_schema_is_migrated_and_keeps_its_rows(empty: Database, xid8_is_known: None) -> None:
    revisions = [one.revision for one in ScriptDirectory.from_config(alembic_config()).walk_revisions()]
    for older in revisions[1:]:
        async with alembic_engine(empty).begin() as connection:
            await connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            await connection.exec_driver_sql("CREATE SCHEMA public")
            await connection.run_sync(_upgrade, older)
            await connection.exec_driver_sql("INSERT INTO lease (name, holder, epoch) VALUES ('kept', 'y', 7)")
            await connection.exec_driver_sql("INSERT INTO change (kind, name) VALUES ('unit', 'kept')")
        assert await migrate(empty) == (older, head())
        async with alembic_engine(empty).connect() as connection:
            kept = "SELECT holder, epoch, (SELECT name FROM change) FROM lease WHERE name = 'kept'"
            assert tuple((await connection.exec_driver_sql(kept)).one()) == ("y", 7, "kept")
            differences = await connection.run_sync(_differences)
        assert differences == []
    assert revisions[1:], "there is an older one"


UID = "11111111-1111-4111-8111-111111111111"
BEFORE_ROLLOUTS = r"""
INSERT INTO cluster (name, uid, credential) VALUES ('a', '11111111-1111-4111-8111-111111111111', '');
INSERT INTO unit (uid, namespace, name, revision) VALUES ('11111111-1111-4111-8111-111111111111', 'shop', 'web', 2);
INSERT INTO manifest (digest, body) VALUES ('\x0a', '');
INSERT INTO resource (unit_uid, position, group_, version, kind, namespace, name, labels, digest)
  SELECT uid, 0, 'apps', 'v1', 'Deployment', 'shop', 'web', '{"app": "web"}', '\x0a' FROM unit;
INSERT INTO unit_revision (unit_uid, revision, resources)
  SELECT uid, n, '[["apps/v1", "Deployment", "shop", "web", "0a"]]' FROM unit, generate_series(1, 2) AS n;
INSERT INTO binding (unit_uid, cluster, render_key, decision_id) SELECT uid, 'a', '', uid FROM unit
"""


async def test_what_clusters_held_before_there_were_rollouts_is_the_newest_revision_with_its_labels(
    empty: Database,
) -> None:
    async with alembic_engine(empty).begin() as connection:
        await connection.run_sync(_upgrade, "0010")
        for statement in BEFORE_ROLLOUTS.split(";"):
            await connection.exec_driver_sql(statement)

    await migrate(empty)

    store = Store(empty, Sealer(keys={"k": bytes(32)}))
    async with store.reader() as tx:
        held = await rollouts.held(tx, [UID])
        found = await revisions.get_many(tx, [(UID, 1), (UID, 2)])
    assert held == {UID: {"a": 2}}
    assert [
        (found[UID, number].resources[0].key.kind, found[UID, number].resources[0].labels) for number in (1, 2)
    ] == [
        ("Deployment", {}),
        ("Deployment", {"app": "web"}),
    ]


MIGRATOR = """
import asyncio, sys
from fedsvc.store.database import Database
from fedsvc.store.migrate import migrate
async def main():
    database = Database(sys.argv[1])
    sys.stdin.readline()
    print(await migrate(database))
    await database.close()
asyncio.run(main())
"""


async def test_processes_that_migrate_at_once_do_it_one_after_the_other(empty: Database) -> None:
    async with alembic_engine(empty).begin() as connection:
        await connection.run_sync(_upgrade, "0001")
        name = (await connection.exec_driver_sql("SELECT current_database()")).scalar_one()
    url = empty.shown
    assert name in url
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", MIGRATOR, url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    outcomes = await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    told = [stdout.decode().splitlines()[-1] for stdout, _ in outcomes]
    assert sorted(told) == sorted([str(("0001", head())), str((head(), head()))])


BEFORE_WORDS = r"""
INSERT INTO unit (uid, namespace, name, revision, decision_id) VALUES ('11111111-1111-4111-8111-111111111111', 'shop',
  'web', 1, '22222222-2222-4222-8222-222222222222');
INSERT INTO decision (id, unit_uid, revision, inputs_digest, record, inputs) SELECT decision_id, uid, 1, '',
  '{"reason": "", "moves": [], "shortfall": [3], "clusters": {"names": "a"}}', '{"trigger": "Other"}' FROM unit
"""


async def test_decisions_from_before_their_words_were_kept_have_them_and_are_whole(empty: Database) -> None:
    async with alembic_engine(empty).begin() as connection:
        await connection.run_sync(_upgrade, "0019")
        for statement in BEFORE_WORDS.split(";"):
            await connection.exec_driver_sql(statement)

    await migrate(empty)

    async with Store(empty, Sealer(keys={"k": bytes(32)})).reader() as tx:
        words = (await decisions.in_force(tx, [UID]))[UID].words
        record = (await decisions.newest(tx, [UID]))[UID].record
        inputs = (await tx.execute(sql.text("SELECT inputs FROM decision"))).scalar_one()
    assert words == {"reason": "", "shortfall": [3]}
    assert record == {**words, "moves": [], "clusters": {"names": "a"}}
    assert inputs == {"trigger": "Other"}


async def test_a_newer_schema_is_refused_with_both_revisions(empty: Database) -> None:
    await migrate(empty)
    async with alembic_engine(empty).begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaError, match=rf"9999.*{head()}.*newer"):
        await migrate(empty)


async def test_a_migration_that_fails_leaves_nothing_behind(empty: Database) -> None:
    async with alembic_engine(empty).begin() as connection:
        await connection.execute(text("CREATE TABLE work (id int)"))  # in the way of ours
    with pytest.raises(Exception, match="work"):
        await migrate(empty)
    async with alembic_engine(empty).begin() as connection:
        tables = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        assert tables.scalars().all() == ["work"]


async def test_a_user_that_may_make_no_tables_is_told_what_to_do(postgres_server: ScratchPostgres) -> None:
    async with postgres_server.fresh_database(migrated=False) as url:
        admin = await asyncpg.connect(url)
        await admin.execute("CREATE ROLE guest LOGIN NOSUPERUSER; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        database = Database(url.replace("//fedsvc@", "//guest@"))
        try:
            with pytest.raises(ConfigurationError, match=r"permission denied .*ALTER DATABASE NAME OWNER TO USER"):
                await migrate(database)
        finally:
            await database.close()
            await admin.execute("DROP ROLE guest")
            await admin.close()


async def test_a_postgresql_that_is_too_old_is_refused(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "MIN_VERSION", 990000)
    database = Database(database_url)
    with pytest.raises(ConfigurationError, match="14 or newer is needed"):
        await database.version()
    await database.close()
