import asyncio
import base64
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.errors import InvalidInputError, ResumeTokenExpiredError, StoreUnavailableError, WatchTooSlowError
from fedsvc.store import feed, retention
from fedsvc.store.changes import Batch, Change, ResumeToken, decode_token, read_changes
from fedsvc.store.database import Database
from fedsvc.store.embedded import EmbeddedPostgres
from fedsvc.store.feed import Subscription
from fedsvc.store.migrate import migrate
from fedsvc.store.sealing import Sealer
from fedsvc.store.sql import text
from fedsvc.store.store import Store, Transaction
from fedsvc.testing.postgres import ScratchPostgres

pytestmark = pytest.mark.postgres
DEADLINE_SECONDS = 20.0


async def write(store: Store, *names: str) -> None:
    async with store.transaction() as tx:
        for name in names:
            tx.record("unit", name)


async def read(store: Store, after: ResumeToken, *, limit: int = 1000) -> Batch:
    async with store.reader() as tx:
        return await read_changes(tx.connection, after, limit=limit)


async def token(store: Store) -> ResumeToken:
    async with store.reader() as tx:
        return await tx.resume_token()


def names(batch: Batch) -> list[str]:
    return [change.name for change in batch.changes]


async def take(subscription: Subscription, count: int) -> list[str]:
    got: list[str] = []
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(got) < count:
            got += names(await subscription.next_batch())
    return got


@given(
    xid=st.integers(0, 10**18 - 1),
    number=st.integers(0, 10**18 - 1),
    micros=st.integers(0, 10**18 - 1),
    epoch=st.from_regex(r"[0-9A-F]{0,8}-[0-9]{1,10}-[0-9]{1,10}", fullmatch=True),
)
def test_a_token_survives_its_text(xid: int, number: int, micros: int, epoch: str) -> None:
    place = ResumeToken(xid, number, micros, epoch)
    assert decode_token(place.encode()) == place


@pytest.mark.parametrize(
    "plain",
    [
        "",
        "x",
        "v1.1.1",
        "v2.1.1",
        "v2.1-1-1.a.1.1",
        "v2.1-1-1.1.1.-1",
        "v2.1-1-1.1.1.1\n",
        "v2.a-1-1.1.1.1",
        f"v2.1-1-1.{10**18}.1.1",
        f"v2.1-1-1.1.{10**30}.1",
        "v2.1-1-1.\uff11.1.1",
        "v2.\x00.1.1.1",
    ],
)
def test_what_is_no_token_of_ours_is_told_so(plain: str) -> None:
    with pytest.raises(InvalidInputError, match="resume_token"):
        decode_token(base64.urlsafe_b64encode(plain.encode()).decode().rstrip("="))


@pytest.mark.parametrize("garbage", ["x", "%%%", "\u00e9", "djEuMQ"])
def test_garbage_is_no_token(garbage: str) -> None:
    with pytest.raises(InvalidInputError, match="resume_token"):
        decode_token(garbage)


async def test_a_transaction_that_commits_late_is_waited_for_and_never_skipped(store: Store) -> None:
    start = await token(store)
    early = store.transaction()
    tx = await early.__aenter__()
    # A statement that writes takes the transaction's id, before the other one's.
    await tx.execute(text("INSERT INTO lease (name, holder, epoch) VALUES ('x', 'y', 1)"))
    tx.record("unit", "late")
    await write(store, "quick")
    middle = await read(store, start)
    assert names(middle) == [], "what is newer than a running transaction has to wait for it"
    await early.__aexit__(None, None, None)
    assert names(await read(store, middle.token)) == ["late", "quick"]


async def test_a_list_and_its_token_leave_no_gap_and_show_at_least_what_came_after(store: Store) -> None:
    await write(store, "before")
    async with store.reader() as tx:
        await write(store, "after")
        resume = await tx.resume_token()
    assert "after" in names(await read(store, resume))
    assert names(await read(store, await token(store))) == []


async def test_changes_come_in_pages_in_order(store: Store) -> None:
    start = await token(store)
    expected = [f"u{number}" for number in range(10)]
    await write(store, *expected)
    got: list[str] = []
    while batch := (page := await read(store, start, limit=3)).changes:
        start = page.token
        got += [change.name for change in batch]
    assert got == expected


async def test_the_newest_note_of_an_object_holds(store: Store) -> None:
    start = await token(store)
    seen: list[Change] = []
    store.on_commit(seen.extend)
    async with store.transaction() as tx:
        tx.record("unit", "a")
        tx.record("unit", "b")
        tx.record("unit", "a", deleted=True)
    assert seen == [Change(kind="unit", name="b"), Change(kind="unit", name="a", deleted=True)]
    assert (await read(store, start)).changes == tuple(seen)


async def test_what_is_rolled_back_is_told_to_nobody(store: Store) -> None:
    start = await token(store)
    seen: list[Change] = []
    store.on_commit(seen.extend)

    async def fails(tx: Transaction) -> None:
        tx.record("unit", "a")
        raise LookupError

    with pytest.raises(LookupError):
        async with store.transaction() as tx:
            await fails(tx)
    assert (seen, names(await read(store, start))) == ([], [])


async def test_a_listener_that_unsubscribed_is_told_no_more(store: Store) -> None:
    seen: list[Change] = []
    stop = store.on_commit(seen.extend)
    stop()
    await write(store, "a")
    assert seen == []


async def test_a_token_of_what_is_trimmed_has_expired_and_a_younger_one_has_not(store: Store) -> None:
    old = await token(store)
    await write(store, "a")
    async with store.transaction() as tx:
        await tx.execute(text("UPDATE change SET create_time = now() - interval '2 hours'"))
    young = await token(store)
    async with store.transaction() as tx:
        await retention.trim(tx)
    with pytest.raises(ResumeTokenExpiredError):
        await read(store, old)
    await write(store, "b")
    assert names(await read(store, young)) == ["b"]


async def test_trimming_nothing_expires_nothing(store: Store) -> None:
    old = await token(store)
    await write(store, "a")
    async with store.transaction() as tx:
        await retention.trim(tx)
    assert names(await read(store, old)) == ["a"]


async def test_trimming_leaves_what_a_running_transaction_holds_back(store: Store) -> None:
    start = await token(store)
    early = store.transaction()
    tx = await early.__aenter__()
    await tx.execute(text("INSERT INTO lease (name, holder, epoch) VALUES ('x', 'y', 1)"))
    tx.record("unit", "late")
    await write(store, "quick")
    async with store.transaction() as other:
        await other.execute(text("UPDATE change SET create_time = now() - interval '2 hours' WHERE name = 'quick'"))
        await retention.trim(other)
    await early.__aexit__(None, None, None)
    assert names(await read(store, start)) == ["late", "quick"]


async def test_a_token_taken_when_all_was_trimmed_is_good(store: Store) -> None:
    await write(store, "a")
    async with store.transaction() as tx:
        await tx.execute(text("UPDATE change SET create_time = now() - interval '2 hours'"))
        await tx.execute(text("SELECT pg_current_xact_id()"))
    async with store.transaction() as tx:
        await retention.trim(tx)
    place = await token(store)
    assert names(await read(store, place)) == []
    await write(store, "b")
    assert names(await read(store, place)) == ["b"]


# --- another log ----------------------------------------------------------------------------------------------------


async def test_a_token_of_another_database_is_refused(store: Store, postgres_server: ScratchPostgres) -> None:
    # Both are copies of one template, so that transaction ids and the origin of their logs are alike.
    async with postgres_server.fresh_database() as url:
        other = Store(Database(url), Sealer(keys={"k": b"k" * 32}))
        try:
            places = [await token(other)]
            await write(other, "a")
            places.append(await token(other))
        finally:
            await other.close()
    await write(store, "b")
    for place in places:
        with pytest.raises(ResumeTokenExpiredError, match="replaced"):
            await read(store, place)


@pytest.mark.parametrize("field", ["xid", "id", "micros", "epoch"])
async def test_a_place_that_differs_in_anything_is_another_one(store: Store, field: str) -> None:
    await write(store, "a", "b")
    place = await token(store)
    assert names(await read(store, place)) == []
    value = getattr(place, field)
    changed: Any = value - 1 if isinstance(value, int) else f"{value}0"
    other = replace(place, **{field: changed})
    if field == "id":  # that of "a", whose time is the same: a place as good as any
        assert names(await read(store, other)) == ["b"]
        return
    with pytest.raises(ResumeTokenExpiredError):
        await read(store, other)


async def test_a_token_of_a_running_transactions_future_is_refused(store: Store) -> None:
    early = store.transaction()
    tx = await early.__aenter__()
    await tx.execute(text("SELECT pg_current_xact_id()"))
    await write(store, "a")
    async with store.reader() as reader:
        row = (
            "SELECT CAST(CAST(xid AS text) AS bigint) AS xid, id,"
            " CAST(extract(epoch FROM create_time) * 1000000 AS bigint) AS micros FROM change"
        )
        found = (await reader.execute(text(row))).one()
        ahead = ResumeToken(found.xid, found.id, found.micros, (await reader.resume_token()).epoch)
    with pytest.raises(ResumeTokenExpiredError):
        await read(store, ahead)
    await early.__aexit__(None, None, None)
    assert names(await read(store, ahead)) == []


@pytest.fixture
async def folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fedsvc-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)
        yield Path(name)


async def test_a_token_from_before_an_older_copy_of_the_data_folder_was_put_back_is_refused(folder: Path) -> None:
    # PostgreSQL cannot know: the same system, timeline and oids, and transaction ids that are given out once more.
    server = EmbeddedPostgres(folder, durable=False)
    copy = folder / "copy"

    async def session(*names: str) -> tuple[Store, ResumeToken]:
        await server.start()
        database = Database(server.url())
        await migrate(database)
        one = Store(database, Sealer(keys={"k": b"k" * 32}))
        for name in names:
            await write(one, name)
        return one, await token(one)

    async def end(one: Store) -> None:
        await one.close()
        await server.stop()

    try:
        first, kept = await session("a")
        await end(first)
        shutil.copytree(server.data, copy, symlinks=True)
        second, lost = await session("b", "c")
        await end(second)
        shutil.copytree(copy, server.data, dirs_exist_ok=True, symlinks=True)
        third, _ = await session("d", "e", "f", "g")
        with pytest.raises(ResumeTokenExpiredError):
            await read(third, lost)
        assert names(await read(third, kept)) == ["d", "e", "f", "g"], "what both histories share is a good place"
        await third.close()
    finally:
        await server.stop()


async def test_a_log_that_came_with_a_dump_of_another_server_is_begun_anew(store: Store) -> None:
    await write(store, "a")
    old = await token(store)
    async with store.transaction() as tx:
        await tx.execute(text("UPDATE change SET xid = '9000000000'"))
        await tx.execute(text("UPDATE change_horizon SET xid = '8000000000'"))
    await migrate(store.database)
    with pytest.raises(ResumeTokenExpiredError):
        await read(store, old)
    place = await token(store)
    await write(store, "b")
    assert names(await read(store, place)) == ["b"]
    before = await token(store)
    await migrate(store.database)
    assert await token(store) == before, "only once"


# --- feed -----------------------------------------------------------------------------------------------------------


async def test_a_subscriber_gets_what_is_committed_here(store: Store) -> None:
    async with store.feed.subscribe() as subscription:
        await write(store, "a", "b")
        assert await take(subscription, 2) == ["a", "b"]


async def test_a_subscriber_gets_what_another_process_commits(store: Store, database_url: str) -> None:
    other = Store(Database(database_url), Sealer(keys={"k": b"k" * 32}))
    try:
        async with store.feed.subscribe() as subscription:
            await write(other, "a")  # its own feed does not run: only the poll finds it
            assert await take(subscription, 1) == ["a"]
    finally:
        await other.close()


async def test_a_resumed_subscription_misses_nothing(store: Store) -> None:
    start = await token(store)
    await write(store, "a")
    writers = [write(store, f"w{number}") for number in range(20)]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(writer) for writer in writers]
        async with store.feed.subscribe(after=start) as subscription:
            await asyncio.wait(tasks)
            got: set[str] = set()
            async with asyncio.timeout(DEADLINE_SECONDS):
                while len(got) < 21:
                    got |= set(names(await subscription.next_batch()))
    assert got == {"a", *(f"w{number}" for number in range(20))}


async def test_resuming_from_a_token_too_old_is_refused(store: Store) -> None:
    old = await token(store)
    await write(store, "a")
    async with store.transaction() as tx:
        await tx.execute(text("UPDATE change SET create_time = now() - interval '2 hours'"))
    async with store.transaction() as tx:
        await retention.trim(tx)
    with pytest.raises(ResumeTokenExpiredError):
        async with store.feed.subscribe(after=old):
            pass


async def test_a_reader_that_is_too_slow_loses_its_place_and_others_do_not(store: Store) -> None:
    async with store.feed.subscribe(max_pending=5) as slow, store.feed.subscribe() as quick:
        await write(store, *(f"u{number}" for number in range(10)))
        assert len(await take(quick, 10)) == 10
        with pytest.raises(WatchTooSlowError):
            await take(slow, 10)


async def test_what_a_subscriber_has_to_catch_up_on_is_not_held_against_it(store: Store) -> None:
    start = await token(store)
    expected = [f"u{number}" for number in range(2_500)]
    await write(store, *expected)
    async with store.feed.subscribe(after=start, max_pending=5) as subscription:
        assert await take(subscription, len(expected)) == expected
        await write(store, "next")
        assert await take(subscription, 1) == ["next"]


async def test_a_subscriber_that_never_reads_what_it_missed_costs_no_memory(store: Store) -> None:
    start = await token(store)
    await write(store, *(f"u{number}" for number in range(2_500)))
    async with store.feed.subscribe(after=start, max_pending=5) as subscription:
        await write(store, "more")
        async with store.feed.subscribe() as other:
            await write(store, "even more")
            await take(other, 1)
        assert subscription._pending == []


async def test_subscribers_are_told_when_the_feed_was_away_for_longer_than_the_log_is_kept(store: Store) -> None:
    async with store.feed.subscribe() as subscription:
        async with store.transaction() as tx:
            horizon = "UPDATE change_horizon SET xid = pg_current_xact_id(), create_time = clock_timestamp()"
            await tx.execute(text("DELETE FROM change"))
            await tx.execute(text(horizon))
            tx.record("unit", "lost")
        with pytest.raises(ResumeTokenExpiredError):
            await take(subscription, 1)


async def test_a_listener_that_alone_is_ended_is_replaced_and_hears_again(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "POLL_SECONDS", 10 * DEADLINE_SECONDS)  # so that only NOTIFY can tell
    other = Store(Database(database_url), Sealer(keys={"k": b"k" * 32}))
    follow = asyncio.get_running_loop().create_task(other.feed.run())
    admin = await asyncpg.connect(database_url)
    try:
        async with other.feed.subscribe() as subscription:
            await write(store, "a")
            assert await take(subscription, 1) == ["a"]
            ended = await admin.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'fedsvc feed'"
            )
            assert len(ended) == 2
            # One that owed a NOTIFY when it was ended has sent it since: that is its newest statement then.
            listening = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'fedsvc feed' AND query ~ '^(LISTEN|NOTIFY)'"
            )
            async with asyncio.timeout(DEADLINE_SECONDS):
                while await admin.fetchval(listening) < 2:
                    await asyncio.sleep(0.05)
            await write(store, "b")
            assert await take(subscription, 1) == ["b"]
    finally:
        follow.cancel()
        await asyncio.gather(follow, return_exceptions=True)
        await admin.close()
        await other.close()


async def test_no_change_is_lost_when_postgresql_breaks_all_connections(
    store: Store, end_connections: Callable[[], Any]
) -> None:
    async with store.feed.subscribe() as subscription:
        await write(store, "a")
        assert await take(subscription, 1) == ["a"]
        await end_connections()
        try:
            await write(store, "b")
        except StoreUnavailableError:  # a connection that was used a moment ago is not asked whether it lives
            await write(store, "b")
        assert await take(subscription, 1) == ["b"]
