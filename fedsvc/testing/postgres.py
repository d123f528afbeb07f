"""A scratch PostgreSQL for tests, and fresh databases that cost a copy of a template."""

import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg

from fedsvc.store.database import Database
from fedsvc.store.embedded import EmbeddedPostgres
from fedsvc.store.migrate import migrate

TEMPLATE = "fedsvc_template"
VIRTUAL_TEMPLATE = "fedsvc_virtual_template"

# Names without a schema are looked for in pg_catalog first, unless it is named in the path.
_VIRTUAL = """
    CREATE SCHEMA virtual;
    CREATE FUNCTION virtual.now() RETURNS timestamptz LANGUAGE plpgsql STABLE
        AS $$ BEGIN RETURN pg_read_file('{clock}'); END $$;
    CREATE FUNCTION virtual.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT virtual.now()';
    DO $$ DECLARE found record; BEGIN
        FOR found IN SELECT table_name, column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND column_default = 'now()' LOOP
            EXECUTE format(
                'ALTER TABLE %I ALTER COLUMN %I SET DEFAULT virtual.now()', found.table_name, found.column_name
            );
        END LOOP;
    END $$;
"""


class ScratchPostgres:
    """A server that forgets everything, with a migrated template database."""

    def __init__(self, directory: Path) -> None:
        self.server = EmbeddedPostgres(directory, durable=False)
        self._clock = directory / "clock"
        self._has_virtual_template = False

    async def start(self) -> None:
        """Start it and make the template."""
        await self.server.start()
        await self._admin(f"CREATE DATABASE {TEMPLATE}")
        database = Database(self.server.url(TEMPLATE))
        try:
            await migrate(database)
        finally:
            await database.close()

    @contextlib.asynccontextmanager
    async def fresh_database(self, *, migrated: bool = True) -> AsyncIterator[str]:
        """Address of a database of its own, dropped at the end."""
        name = f"test_{secrets.token_hex(6)}"
        await self._admin(f"CREATE DATABASE {name}" + (f" TEMPLATE {TEMPLATE}" if migrated else ""))
        try:
            yield self.server.url(name)
        finally:
            if self.server.running:
                await self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextlib.asynccontextmanager
    async def virtual_database(self) -> AsyncIterator[tuple[str, Callable[[str], None]]]:
        """Address of a migrated database that takes the time from us, and how to tell it."""
        if not self._has_virtual_template:
            await self._make_virtual_template()
        name = f"virtual_{secrets.token_hex(6)}"
        await self._admin(f"CREATE DATABASE {name} TEMPLATE {VIRTUAL_TEMPLATE}")
        await self._admin(f"ALTER DATABASE {name} SET search_path = virtual, pg_catalog, public")
        descriptor = os.open(self._clock, os.O_WRONLY)
        try:
            yield self.server.url(name), lambda now: _write(descriptor, now)
        finally:
            os.close(descriptor)
            if self.server.running:
                await self._admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _make_virtual_template(self) -> None:
        self._clock.touch()
        self._clock.chmod(0o644)  # as root the server runs as somebody else
        await self._admin(f"CREATE DATABASE {VIRTUAL_TEMPLATE} TEMPLATE {TEMPLATE}")
        await self._admin(_VIRTUAL.replace("{clock}", str(self._clock)), VIRTUAL_TEMPLATE)
        self._has_virtual_template = True

    async def _admin(self, statement: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(self.server.url(database), timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


def _write(descriptor: int, now: str) -> None:
    os.pwrite(descriptor, now.encode(), 0)
