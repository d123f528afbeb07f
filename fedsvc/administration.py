"""What an operator does beside a server: migrate the schema, and manage tokens, whether or not the server runs."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from fedsvc.config import StoreSettings
from fedsvc.errors import ConfigurationError, StoreUnavailableError
from fedsvc.opening import embedded_postgres, open_store
from fedsvc.rendering.names import dns_label_problem
from fedsvc.store import migrate as migrations
from fedsvc.store import tokens
from fedsvc.store.embedded import EmbeddedPostgres
from fedsvc.store.store import Store


async def migrate(settings: StoreSettings) -> str:
    """Bring the schema to this release; tells what was done.

    Raises:
        ConfigurationError: PostgreSQL is too old, or does not let us make tables.
        SchemaError: the database was written by a newer release.
        StoreUnavailableError: PostgreSQL does not answer.
    """
    async with _store(settings) as store:
        await store.database.version()  # refuses one that is too old
        before, after = await migrations.migrate(store.database)
    if before == after:
        return f"the schema is {after} already"
    return f"the schema is {after} now, it was {before or 'empty'}"


async def create_token(settings: StoreSettings, name: str, expire_time: datetime | None) -> str:
    """Make a token and return it.

    Raises:
        ConfigurationError: the name is not one.
        AlreadyExistsError: there is one of that name.
    """
    if (problem := dns_label_problem(name)) is not None:
        raise ConfigurationError(f"NAME: {problem}")
    async with _migrated(settings) as store, store.transaction() as tx:
        return await tokens.create(tx, name, expire_time=expire_time)


async def list_tokens(settings: StoreSettings) -> list[str]:
    """A line for each token, below a heading."""
    async with _migrated(settings) as store, store.reader() as tx:
        known = await tokens.list_all(tx)
    lines = [f"{'NAME':<24} {'MADE':<20} ENDS"]
    for token in known:
        ends = "never" if token.expire_time is None else token.expire_time.strftime("%Y-%m-%d %H:%M:%S")
        lines.append(f"{token.name:<24} {token.create_time.strftime('%Y-%m-%d %H:%M:%S'):<20} {ends}")
    return lines


async def revoke_token(settings: StoreSettings, name: str) -> None:
    """End a token.

    Raises:
        NotFoundError: there is none of that name.
    """
    async with _migrated(settings) as store, store.transaction() as tx:
        await tokens.revoke(tx, name)


@asynccontextmanager
async def _migrated(settings: StoreSettings) -> AsyncIterator[Store]:
    async with _store(settings) as store:
        await migrations.migrate(store.database)
        yield store


@asynccontextmanager
async def _store(settings: StoreSettings) -> AsyncIterator[Store]:
    """The store: through the embedded server that runs already, or one that is started for as long as this takes."""
    async with AsyncExitStack() as stack:
        if settings.database_url is None and (settings.data_dir / "postgres").exists():
            running = await stack.enter_async_context(open_store(settings, EmbeddedPostgres(settings.data_dir)))
            try:
                await running.ping()
            except StoreUnavailableError:
                pass  # nobody serves: it is started below
            else:
                yield running
                return
        postgres = await stack.enter_async_context(embedded_postgres(settings))
        yield await stack.enter_async_context(open_store(settings, postgres))
