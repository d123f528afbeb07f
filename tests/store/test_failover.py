"""PostgreSQL that restarts, moves to a standby, or is one of several hosts, while others write and watch."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from fedsvc.errors import ConfigurationError, ResumeTokenExpiredError, StoreUnavailableError
from fedsvc.store import database as database_module
from fedsvc.store.children import choose_account, run, spawn
from fedsvc.store.database import Database
from fedsvc.store.embedded import locate
from fedsvc.store.feed import Subscription
from fedsvc.store.leases import hold_lease
from fedsvc.store.migrate import migrate
from fedsvc.store.sealing import Sealer
from fedsvc.store.sql import text
from fedsvc.store.store import Store
from fedsvc.testing.postgres import ScratchPostgres
from fedsvc.testing.processes import free_ports

pytestmark = pytest.mark.postgres
DEADLINE_SECONDS = 60.0
ACCOUNT = choose_account()


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fedsvc-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        if ACCOUNT.drop:
            os.chown(name, ACCOUNT.uid, ACCOUNT.gid)
        yield Path(name)


def program(name: str, *arguments: str) -> None:
    command = [str(locate() / name), *arguments]
    done = run(command, ACCOUNT, timeout_seconds=60)
    assert done.returncode == 0, done.stdout.decode()


class Node:
    """One PostgreSQL of a pair, as operators run it: on TCP, replicating."""

    def __init__(self, data: Path, port: int) -> None:
        self.data, self.port = data, port
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://fedsvc@127.0.0.1:{self.port}/fedsvc"

    async def start(self) -> None:
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", "unix_socket_directories="]
        options += ["-c", "shared_buffers=16MB", "-c", "fsync=off"]
        command = [str(locate() / "postgres"), "-D", str(self.data), *options]
        async with asyncio.timeout(DEADLINE_SECONDS):
            while True:
                if self.process is None or self.process.poll() is not None:  # again: backends of a killed one linger
                    with (self.data.parent / f"{self.data.name}.log").open("ab") as output:
                        self.process = spawn(command, ACCOUNT, output)
                with contextlib.suppress(OSError, asyncpg.PostgresError):
                    return await self.execute("SELECT 1")
                await asyncio.sleep(0.05)

    async def execute(self, statement: str, database: str = "postgres") -> None:
        url = f"postgresql://fedsvc@127.0.0.1:{self.port}/{database}"
        connection = await asyncpg.connect(url, timeout=5)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    def end(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(DEADLINE_SECONDS)


@dataclass(frozen=True, slots=True)
class Pair:
    primary: Node
    standby: Node

    @property
    def url(self) -> str:
        # The standby first: it must not be taken for the one that serves.
        return f"postgresql://fedsvc@127.0.0.1:{self.standby.port},127.0.0.1:{self.primary.port}/fedsvc"

    async def fail_over(self) -> None:
        self.primary.end(signal.SIGQUIT)
        await self.standby.execute("SELECT pg_promote()")


@pytest.fixture
async def node(folder: Path, require: Callable[[str], None]) -> AsyncIterator[Node]:
    """A server with a database."""
    try:
        locate()
    except ConfigurationError as error:
        require(str(error))
    (port,) = free_ports(1)
    one = Node(folder / "primary", port)
    program("initdb", "--pgdata", str(one.data), "--username", "fedsvc", "--auth=trust", "--no-sync", "--encoding=UTF8")
    try:
        await one.start()
        await one.execute("CREATE DATABASE fedsvc")
        yield one
    finally:
        one.end(signal.SIGQUIT)


@pytest.fixture
async def pair(folder: Path, node: Node) -> AsyncIterator[Pair]:
    """A primary and a standby that has all that was acknowledged."""
    (port,) = free_ports(1)
    standby = Node(folder / "standby", port)
    conninfo = f"host=127.0.0.1 port={node.port} user=fedsvc application_name=standby"
    program("pg_basebackup", "-D", str(standby.data), "-d", conninfo, "-R", "-X", "stream", "-c", "fast", "--no-sync")
    try:
        await standby.start()
        await node.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        await node.execute("SELECT pg_reload_conf()")
        yield Pair(node, standby)
    finally:
        standby.end(signal.SIGQUIT)


@pytest.fixture
async def paired_store(pair: Pair) -> AsyncIterator[Store]:
    async with following(await migrated(pair.url)) as store:
        yield store


async def migrated(url: str) -> Database:
    database = Database(url)
    await migrate(database)
    return database


@contextlib.asynccontextmanager
async def following(database: Database) -> AsyncIterator[Store]:
    """A store whose feed runs."""
    store = Store(database, Sealer(keys={"k": b"k" * 32}))
    feed = asyncio.get_running_loop().create_task(store.feed.run())
    try:
        yield store
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)
        await store.close()


@dataclass(slots=True)
class Traffic:
    """Writers that never stop; what was acknowledged has to be there for ever."""

    store: Store
    acknowledged: set[str] = field(default_factory=set)
    refused: list[str] = field(default_factory=list)

    async def write(self, writer: int) -> None:
        for number in range(1_000_000):
            name = f"w{writer}-{number}"
            try:
                async with self.store.transaction() as tx:
                    await tx.execute(text("INSERT INTO lease (name, holder, epoch) VALUES (:n, 'y', 1)"), {"n": name})
                    tx.record("unit", name)
            except StoreUnavailableError as error:
                self.refused.append(str(error))
                await asyncio.sleep(0.02)
            else:
                self.acknowledged.add(name)
                await asyncio.sleep(0)

    async def more(self, count: int = 20) -> None:
        """Wait for further writes."""
        enough = len(self.acknowledged) + count
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(self.acknowledged) < enough:
                await asyncio.sleep(0.01)

    async def stored(self) -> set[str]:
        async with self.store.reader() as tx:
            return set((await tx.execute(text("SELECT name FROM lease WHERE holder = 'y'"))).scalars())


@contextlib.asynccontextmanager
async def traffic_on(store: Store) -> AsyncIterator[Traffic]:
    traffic = Traffic(store)
    tasks = [asyncio.get_running_loop().create_task(traffic.write(number)) for number in range(4)]
    try:
        yield traffic
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(outcome, asyncio.CancelledError), outcome


async def to_its_end(subscription: Subscription) -> None:
    async for _ in subscription:
        pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast", "immediate", "killed"])
async def test_restarts_in_mid_traffic_lose_nothing_that_was_acknowledged(
    node: Node, *, number: signal.Signals
) -> None:
    async with following(await migrated(node.url)) as store:
        async with store.feed.subscribe() as subscription, traffic_on(store) as traffic:
            seen: set[str] = set()
            for _ in range(2):
                await traffic.more()
                node.end(number)
                await node.start()
            await traffic.more()
            async with asyncio.timeout(DEADLINE_SECONDS):
                acknowledged = set(traffic.acknowledged)
                while not acknowledged <= seen:
                    seen |= {change.name for change in (await subscription.next_batch()).changes}
        assert traffic.acknowledged <= await traffic.stored()
        assert traffic.refused, "the restarts were in the middle of it"
        assert all("does not answer" in message for message in traffic.refused), set(traffic.refused)


async def test_of_several_hosts_the_one_that_takes_writes_is_found(pair: Pair) -> None:
    for url in (pair.url, f"{pair.url}?target_session_attrs=read-write"):
        database = Database(url)
        try:
            async with database.begin() as connection:
                assert await connection.fetchval("SHOW port") == str(pair.primary.port)
            direct = await database.connect_directly("test")
            assert await direct.fetchval("SHOW port") == str(pair.primary.port)
            await direct.close()
        finally:
            await database.close()


async def test_a_standby_alone_is_refused_with_the_reason(pair: Pair) -> None:
    database = Database(f"postgresql://fedsvc@127.0.0.1:{pair.standby.port}/fedsvc")
    with pytest.raises(StoreUnavailableError, match="standby"):
        await database.version()
    with pytest.raises(StoreUnavailableError, match="standby"):
        await database.connect_directly("test")
    await database.close()


async def test_a_fail_over_in_mid_traffic_loses_nothing_and_ends_tokens_from_before(
    pair: Pair, paired_store: Store
) -> None:
    store = paired_store
    async with store.reader() as tx:
        before = await tx.resume_token()
    async with hold_lease(store.database, "controllers", holder="one") as lease, traffic_on(store) as traffic:
        await traffic.more()
        async with store.feed.subscribe() as subscription:
            await pair.fail_over()
            await traffic.more()
            await asyncio.wait_for(lease.lost.wait(), DEADLINE_SECONDS)
            with pytest.raises(ResumeTokenExpiredError):
                await asyncio.wait_for(to_its_end(subscription), DEADLINE_SECONDS)
        async with store.feed.subscribe() as subscription:
            await traffic.more()
            async with asyncio.timeout(DEADLINE_SECONDS):
                assert (await subscription.next_batch()).changes
    assert traffic.acknowledged <= await traffic.stored()
    with pytest.raises(ResumeTokenExpiredError):
        async with store.feed.subscribe(after=before):
            pass
    async with store.reader() as tx:
        after = await tx.resume_token()
    async with store.feed.subscribe(after=after):
        pass
    async with hold_lease(store.database, "controllers", holder="one") as lease:
        assert lease.epoch == 2


async def test_a_host_that_swallows_everything_does_not_keep_from_the_next(
    postgres_server: ScratchPostgres, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "CONNECT_SECONDS", 0.5)
    release = asyncio.Event()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.close()

    deaf = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = deaf.sockets[0].getsockname()[1]
    path, _, query = database_url.partition("?")
    socket = query.partition("host=")[2].partition("&")[0]
    name = path.rpartition("/")[2]
    database = Database(f"postgresql://fedsvc@/{name}?host=127.0.0.1,{socket}&port={port},5432")
    try:
        assert await database.version()
        clock = asyncio.get_running_loop().time
        begun = clock()
        await (await database.connect_directly("test")).close()
        assert clock() - begun < 0.5, "the one that served last is asked first"
    finally:
        release.set()
        deaf.close()
        await database.close()


async def test_none_of_several_hosts_that_serves_is_told_one_by_one() -> None:
    database = Database("postgresql://u:hunter2@127.0.0.1:1,127.0.0.1:2/d")
    with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1: .*; 127\.0\.0\.1:2: ") as caught:
        await database.version()
    assert "hunter2" not in str(caught.value)
    await database.close()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("//fedsvc@", "//nobody-of-that-name@"), "nobody-of-that-name.*: mend the user in --database-url"),
        (("/test_", "/none_"), "none_.* does not exist: make it .createdb"),
    ],
)
async def test_who_is_let_in_by_nobody_is_told_why(database_url: str, change: tuple[str, str], reason: str) -> None:
    database = Database(database_url.replace(*change))
    with pytest.raises(StoreUnavailableError, match=f"refuses the connection: .*{reason}"):
        await database.version()
    await database.close()


async def test_a_role_without_privileges_knows_the_timeline(
    postgres_server: ScratchPostgres, database_url: str
) -> None:
    admin = await asyncpg.connect(database_url)
    await admin.execute("CREATE ROLE plain LOGIN NOSUPERUSER")
    try:
        database = Database(database_url.replace("//fedsvc@", "//plain@"))
        async with database.begin() as connection:
            assert await connection.fetchval("SHOW fedsvc.timeline") == "00000001"
        await database.close()
    finally:
        await admin.execute("DROP ROLE plain")
        await admin.close()
