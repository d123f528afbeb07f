import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from fedsvc.controllers.group_writing import GroupWriter, Report, Reporter
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.errors import StoreUnavailableError
from fedsvc.model.unit import WorkState
from fedsvc.model.work import WorkResult
from fedsvc.store.store import Store

BEAT = ControllerSettings(observation_batch_seconds=0.02, busy_seconds=0.05)
UNSTORABLE = 1 << 70
"""No work has such an id: the driver refuses it."""


class CountingStore:
    """A store that counts its transactions, and fails where it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.transactions = 0
        self.broken = False

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self.transactions += 1
        if self.broken:
            raise StoreUnavailableError("PostgreSQL does not answer")
        async with self._store.transaction() as tx:
            yield tx


class Member:
    """Reports results by number."""

    def __init__(self, writer: GroupWriter) -> None:
        self.waiting: list[WorkResult] = []
        self.stored: list[int] = []
        self.reporter = Reporter(writer, take=self._take, stored=self._stored)
        self.run = asyncio.create_task(self.reporter.run())

    def say(self, work_id: int, *, is_idle: bool = False) -> None:
        self.waiting.append(WorkResult(id=work_id, generation=1, state=WorkState.APPLIED))
        self.reporter.ready(is_idle=is_idle)

    def _take(self) -> Report:
        taken, self.waiting = self.waiting, []
        return Report(results=taken)

    def _stored(self, report: Report) -> None:
        self.stored += [result.id for result in report.results]


class Town:
    def __init__(self, store: CountingStore, settings: ControllerSettings) -> None:
        self.store = store
        self.writer = GroupWriter(store, settings)  # type: ignore[arg-type]
        self.members = [Member(self.writer) for _ in range(3)]
        self.task = asyncio.create_task(self.writer.run())

    async def until_stored(self, *expected: list[int]) -> None:
        async with asyncio.timeout(20):
            while [member.stored for member in self.members] != list(expected):
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def town(store: Store, settings: ControllerSettings = BEAT) -> AsyncIterator[Town]:
    made = Town(CountingStore(store), settings)
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        tasks = [made.task, *(member.run for member in made.members)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_all_members_say_within_a_beat_is_one_transaction(store: Store) -> None:
    async with town(store) as made:
        for number, member in enumerate(made.members):
            member.say(number)
            member.say(number + 10)

        await made.until_stored([0, 10], [1, 11], [2, 12])

        assert made.store.transactions == 1


async def test_who_waits_for_it_has_it_written_before_the_beat(store: Store) -> None:
    never = replace(BEAT, observation_batch_seconds=3_600.0, busy_seconds=3_600.0)
    async with town(store, never) as made:
        made.members[0].say(1)
        made.members[1].say(2, is_idle=True)

        await made.until_stored([1], [2], [])


async def test_what_one_member_says_and_cannot_be_stored_is_its_own_trouble(store: Store) -> None:
    async with town(store) as made:
        made.members[0].say(1)
        made.members[1].say(UNSTORABLE)
        made.members[2].say(3)

        await made.until_stored([1], [], [3])

        assert made.members[1].run.done()
        assert made.members[1].run.exception() is not None
        assert not made.members[0].run.done()


async def test_while_the_store_is_away_everybody_is_told_and_begins_anew(store: Store) -> None:
    async with town(store) as made:
        made.store.broken = True
        for number, member in enumerate(made.members):
            member.say(number)
        for member in made.members:
            with pytest.raises(StoreUnavailableError):
                await asyncio.wait_for(member.run, 20)

        made.store.broken = False
        made.members = [Member(made.writer) for _ in range(3)]
        await asyncio.sleep(0)
        made.members[0].say(7)
        await made.until_stored([7], [], [])


async def test_a_member_that_left_reports_nothing_any_more(store: Store) -> None:
    async with town(store) as made:
        made.members[0].run.cancel()
        made.members[0].say(1)
        await asyncio.sleep(0)
        made.members[1].say(2)

        await made.until_stored([], [2], [])
