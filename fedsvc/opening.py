"""Opening the store that settings name: what serving and administration have in common."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fedsvc.config import StoreSettings
from fedsvc.errors import ConfigurationError
from fedsvc.store.database import Database
from fedsvc.store.embedded import EmbeddedPostgres
from fedsvc.store.sealing import load_keyring
from fedsvc.store.store import Store


@asynccontextmanager
async def embedded_postgres(settings: StoreSettings) -> AsyncIterator[EmbeddedPostgres | None]:
    """The embedded PostgreSQL while the context is open; None where another database is given.

    Raises:
        ConfigurationError: the data folder cannot be used.
        StoreUnavailableError: it does not come up.
    """
    _make_data_dir(settings.data_dir)
    if settings.database_url is not None:
        yield None
        return
    postgres = EmbeddedPostgres(settings.data_dir)
    await postgres.start()
    try:
        yield postgres
    finally:
        await postgres.stop()


@asynccontextmanager
async def open_store(settings: StoreSettings, postgres: EmbeddedPostgres | None) -> AsyncIterator[Store]:
    """The store while the context is open.

    Raises:
        ConfigurationError: the URL or the key file cannot be used.
    """
    url = settings.database_url if postgres is None else postgres.url()
    assert url is not None, "there is a URL wherever there is no embedded server"
    trouble = str if postgres is None else lambda: postgres.trouble
    store = Store(Database(url, trouble=trouble), load_keyring(settings.keyring))
    try:
        yield store
    finally:
        await store.close()


def _make_data_dir(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o755)
        probe = path / f".write-{secrets.token_hex(4)}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"--data-dir {path} cannot be written: {error.strerror}; give a folder of yours with --data-dir"
        ) from error
