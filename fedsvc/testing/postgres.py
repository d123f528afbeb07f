"""A scratch PostgreSQL for tests, and fresh databases that cost a copy of a template."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg

from fedsvc.store.database import Database
from fedsvc.store.embedded import EmbeddedPostgres
from fedsvc.store.migrate import migrate

TEMPLATE = "fedsvc_template"


class ScratchPostgres:
    """A server that forgets everything, with a migrated template database."""

    def __init__(self, directory: Path) -> None:
        self.server = EmbeddedPostgres(directory, durable=False)

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

    async def _admin(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.url("postgres"), timeout=10)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()
