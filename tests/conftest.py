"""What several tiers need: a scratch PostgreSQL, and what happens when the machine lacks something."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from fedsvc.errors import ConfigurationError
from fedsvc.store.database import Database
from fedsvc.store.sealing import load_keyring
from fedsvc.store.store import Store
from fedsvc.testing.control_plane import find_assets
from fedsvc.testing.postgres import ScratchPostgres
from fedsvc.testing.virtual_loop import VirtualLoop

# Nothing is timed in tests: a machine that is busy with something else would fail them for no fault of the code's.
# CI tries the same examples each time: what it says of a change is then the change's doing. Developers get new ones.
settings.register_profile(
    "fedsvc", deadline=None, derandomize="CI" in os.environ, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fedsvc")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Flags: write the expected part of tests/placement/scenarios anew; how much of the fault suite is run."""
    parser.addoption("--rewrite-scenarios", action="store_true", help="write placement scenarios as they are answered")
    parser.addoption(
        "--kills", type=int, default=4, help="awaits of each act of the fault suite to kill it at; 0: every one"
    )
    parser.addoption("--seed", type=int, default=4, help="of what the fault suite and simulations do at random")
    parser.addoption("--storms", type=int, default=1, help="storms over real controllers, from --seed on")
    parser.addoption("--runs", type=int, default=40, help="runs of the simulation of failover, from --seed on")


REQUIRE = os.environ.get("FEDSVC_TEST_REQUIRE", "")


def lacking(what: str) -> None:
    """Skip, or fail where everything is required."""
    if REQUIRE == "all":
        pytest.fail(f"{what} (and FEDSVC_TEST_REQUIRE=all)")
    pytest.skip(what)


@pytest.fixture(scope="session")
def _asyncio_loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """One loop for all tests, whose clock some of them make jump.

    The plugin's own fixture. Its hook for that gives a loop to tests only, and to their fixtures another one where a test
    is no coroutine.
    """
    return VirtualLoop


@pytest.fixture(scope="session")
def require() -> Callable[[str], None]:
    """Call it with what the machine lacks."""
    return lacking


@pytest.fixture(scope="session")
def kube_assets() -> Path:
    """The folder of a real control plane's binaries."""
    found = find_assets()
    if found is None:
        lacking("no real control plane: set KUBEBUILDER_ASSETS")
    assert found is not None
    return found


@pytest.fixture(scope="session")
async def postgres_server() -> AsyncIterator[ScratchPostgres]:
    """One server for all tests of this process."""
    with tempfile.TemporaryDirectory(prefix="fedsvc-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root the server runs as somebody else, who must get through
        server = ScratchPostgres(Path(folder))
        try:
            await server.start()
        except ConfigurationError as error:
            lacking(str(error))
        try:
            yield server
        finally:
            await server.server.stop()


@pytest.fixture
async def database_url(postgres_server: ScratchPostgres) -> AsyncIterator[str]:
    """A fresh, migrated database."""
    async with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture
async def store(database_url: str, tmp_path: Path) -> AsyncIterator[Store]:
    """A store on a fresh database, its feed running."""
    store = Store(Database(database_url), load_keyring(tmp_path / "keyring"))
    feed = asyncio.get_running_loop().create_task(store.feed.run(), name="feed")
    try:
        yield store
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)
        await store.close()


@pytest.fixture
def end_connections(database_url: str) -> Callable[[], Awaitable[None]]:
    """Let PostgreSQL end every connection to the test's database, as a restart would."""

    async def end() -> None:
        connection = await asyncpg.connect(database_url)
        try:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        finally:
            await connection.close()

    return end
