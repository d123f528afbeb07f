import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from fedsvc.errors import InvalidInputError, ResumeTokenExpiredError, WatchTooSlowError
from fedsvc.store import retention
from fedsvc.store.changes import Batch, Change, ResumeToken, Subscription, decode_token, read_changes
from fedsvc.store.database import Database
from fedsvc.store.sealing import Sealer
from fedsvc.store.store import Store, Transaction

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


def test_a_token_survives_its_text() -> None:
    assert decode_token(ResumeToken(12, 34).encode()) == ResumeToken(12, 34)


@pytest.mark.parametrize("garbage", ["", "x", "%%%", "djEuMQ", "djIuMS4x", "\u00e9", "djEuYS5i"])
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
        await other.execute(text("UPDATE change SET create_time = now() - interval '2 hours'"))
        await retention.trim(other)
    await early.__aexit__(None, None, None)
    try:
        got = names(await read(store, start))
    except ResumeTokenExpiredError:
        return  # told, so nothing is lost
    assert got == ["late", "quick"]


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


async def test_subscribers_are_told_when_the_feed_was_away_for_longer_than_the_log_is_kept(store: Store) -> None:
    async with store.feed.subscribe() as subscription:
        async with store.transaction() as tx:
            horizon = "INSERT INTO change_horizon (single, xid) SELECT TRUE, pg_current_xact_id()"
            await tx.execute(text(horizon))
            tx.record("unit", "lost")
        with pytest.raises((ResumeTokenExpiredError, WatchTooSlowError)):
            await take(subscription, 1)


async def test_no_change_is_lost_when_postgresql_breaks_all_connections(
    store: Store, end_connections: Callable[[], Any]
) -> None:
    async with store.feed.subscribe() as subscription:
        await write(store, "a")
        assert await take(subscription, 1) == ["a"]
        await end_connections()
        await write(store, "b")
        assert await take(subscription, 1) == ["b"]
