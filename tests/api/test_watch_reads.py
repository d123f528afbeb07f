import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fedsvc.api.watch_reads import SharedReads
from fedsvc.errors import StoreUnavailableError
from fedsvc.model.unit import Propagation, UnitSpec
from fedsvc.store import units
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

WEB = Change(kind="unit", name="namespaces/shop/units/web")
DB = Change(kind="unit", name="namespaces/shop/units/db")
GONE = Change(kind="unit", name="namespaces/shop/units/gone")


class CountingStore:
    """A store that counts its reads, and fails where it is told to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reads = 0
        self.broken = False

    @contextlib.asynccontextmanager
    async def reader(self) -> AsyncIterator[Any]:
        self.reads += 1
        if self.broken:
            raise StoreUnavailableError("PostgreSQL does not answer")
        async with self._store.reader() as tx:
            yield tx


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def counting(store: Store) -> CountingStore:
    for name in ("web", "db"):
        await label(store, name, "first")
    return CountingStore(store)


async def label(store: Store, name: str, value: str) -> None:
    async with store.transaction() as tx:
        await units.apply(
            tx,
            namespace="shop",
            name=name,
            labels={"mark": value},
            annotations={},
            spec=UnitSpec(propagation=Propagation()),
            resources=[],
        )


def marks(objects: Any) -> dict[str, str]:
    return {watched.change.unit.name.rpartition("/")[2]: watched.labels["mark"] for watched in objects.values()}


async def test_many_watchers_of_a_change_are_one_read(counting: CountingStore) -> None:
    reads = SharedReads(counting, clock=Clock())  # type: ignore[arg-type]
    asked = [reads.objects([WEB, DB, GONE][index % 3 :], not_before=100.0) for index in range(300)]

    answers = await asyncio.gather(*asked)

    assert counting.reads == 1
    assert marks(answers[0]) == {"web": "first", "db": "first"}
    assert marks(answers[1]) == {"db": "first"}
    assert answers[2] == {}


async def test_who_comes_later_for_the_same_change_gets_what_was_read(counting: CountingStore) -> None:
    reads = SharedReads(counting, clock=Clock())  # type: ignore[arg-type]

    await reads.objects([WEB], not_before=99.0)
    assert marks(await reads.objects([WEB], not_before=100.0)) == {"web": "first"}

    assert counting.reads == 1


async def test_what_was_read_before_a_change_is_read_again(counting: CountingStore, store: Store) -> None:
    clock = Clock()
    reads = SharedReads(counting, clock=clock)  # type: ignore[arg-type]
    await reads.objects([WEB], not_before=100.0)
    await label(store, "web", "second")
    clock.now = 105.0

    assert marks(await reads.objects([WEB], not_before=101.0)) == {"web": "second"}


async def test_an_error_reaches_all_who_asked_and_nobody_after(counting: CountingStore) -> None:
    reads = SharedReads(counting, clock=Clock())  # type: ignore[arg-type]
    counting.broken = True
    answers = await asyncio.gather(*(reads.objects([WEB], not_before=100.0) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailableError) for answer in answers)
    assert counting.reads == 1

    counting.broken = False
    assert marks(await reads.objects([WEB], not_before=100.0)) == {"web": "first"}


async def test_a_watcher_that_goes_away_takes_nothing_from_the_others(counting: CountingStore) -> None:
    reads = SharedReads(counting, clock=Clock())  # type: ignore[arg-type]
    first = asyncio.create_task(reads.objects([WEB], not_before=100.0))
    second = asyncio.create_task(reads.objects([WEB], not_before=100.0))
    await asyncio.sleep(0)
    first.cancel()

    assert marks(await second) == {"web": "first"}


async def test_what_is_kept_is_bounded(counting: CountingStore) -> None:
    clock = Clock()
    reads = SharedReads(counting, clock=clock)  # type: ignore[arg-type]
    for index in range(100):
        await reads.objects([Change(kind="unit", name=f"namespaces/shop/units/u{index}")], not_before=clock.now)

    assert len(reads._newest) <= 16
