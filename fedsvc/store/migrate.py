"""Bring the schema to this release: under a lock, in one transaction, never backwards."""

from functools import partial
from pathlib import Path
from typing import Final

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from asyncpg.exceptions import InsufficientPrivilegeError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from fedsvc.errors import ConfigurationError, SchemaError
from fedsvc.store.changes import drop_foreign_log
from fedsvc.store.database import Database
from fedsvc.store.trouble import is_unavailable, talking, translated, unavailable

_log = structlog.get_logger("fedsvc.store")

_STATEMENT_SECONDS: Final = 600
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('fedsvc migrate', 0))")


def alembic_config() -> Config:
    """Where the migrations are; they ship inside the package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def head() -> str:
    """The revision this release is built for."""
    revision = ScriptDirectory.from_config(alembic_config()).get_current_head()
    assert revision is not None, "there is a first migration"
    return revision


async def migrate(database: Database) -> tuple[str | None, str]:
    """Upgrade the schema where it is older; gives the revisions before and after.

    Raises:
        ConfigurationError: the user of the database may not make tables in it.
        SchemaError: it is newer than this release knows.
        StoreUnavailableError: PostgreSQL does not answer.
    """
    try:
        with translated(database.shown), talking(database.shown):
            return await _migrated(database)
    except DBAPIError as error:
        cause = None if error.orig is None else error.orig.__cause__
        if error.connection_invalidated or (cause is not None and is_unavailable(cause)):
            raise unavailable(database.shown, cause or error) from error
        if not isinstance(cause, InsufficientPrivilegeError):
            raise
        # Since PostgreSQL 15 users may make tables only in a database of their own.
        advice = "give the database to this user: ALTER DATABASE NAME OWNER TO USER"
        raise ConfigurationError(f"--database-url: {cause} in {database.shown}: {advice}") from error


def alembic_engine(database: Database) -> AsyncEngine:
    """What Alembic speaks through, on connections that we make: the address is read in one way only."""
    connect = partial(database.connect_directly, "migrate", statement_seconds=_STATEMENT_SECONDS)
    return create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)


async def _migrated(database: Database) -> tuple[str | None, str]:
    async with alembic_engine(database).begin() as connection:
        # Several servers may start at once: one migrates, the others wait and find it done.
        await connection.execute(_LOCK)
        revisions = await connection.run_sync(_migrate)
        if await drop_foreign_log((await connection.get_raw_connection()).driver_connection):
            _log.warning("change_log_begun_anew", reason="this database was restored from a dump of another server")
        return revisions


def _migrate(connection: Connection) -> tuple[str | None, str]:
    config = alembic_config()
    current = MigrationContext.configure(connection).get_current_revision()
    script = ScriptDirectory.from_config(config)
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaError(
            f"the database has schema {current}, which this release does not know (it has {head()}): it was written by a "
            "newer fedsvc; start that, or one that is newer still"
        )
    if current != head():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return current, head()
