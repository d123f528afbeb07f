"""Writes what came of works: at once when a member is idle, in batches while it is busy, one write at a time."""

import asyncio
from collections.abc import Callable
from functools import partial

from fedsvc.controllers.index import Entry
from fedsvc.controllers.outcomes import Outcome
from fedsvc.controllers.pacing import Rhythm
from fedsvc.controllers.session import MemberSession
from fedsvc.controllers.storing import write
from fedsvc.model.unit import WorkState
from fedsvc.model.work import DirtyWork, WorkResult
from fedsvc.store import works
from fedsvc.store.store import Store


class ResultWriter:
    """Collects results of one member. While one batch is written the next one gathers."""

    def __init__(self, store: Store, session: MemberSession, *, written: Callable[[list[int]], None]) -> None:
        self._store = store
        self._settings = session.settings
        self._rhythm = Rhythm(
            first_seconds=self._settings.result_batch_seconds, busy_seconds=self._settings.busy_seconds
        )
        self._written = written
        self._waiting: list[WorkResult] = []
        self._some = asyncio.Event()
        self._urgent = asyncio.Event()

    def add(self, result: WorkResult, work: DirtyWork, *, idle: bool) -> None:
        """Hand in a result; `idle`: there is nothing else to wait for."""
        assert result.id == work.id
        self._waiting.append(result)
        self._some.set()
        if idle or len(self._waiting) >= self._settings.result_batch_size:
            self._urgent.set()

    async def run(self) -> None:
        """Write until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; the works of what was not written are still dirty.
        """
        loop = asyncio.get_running_loop()
        while True:
            await self._some.wait()
            try:
                async with asyncio.timeout(self._rhythm.wait_seconds(loop.time())):
                    await self._urgent.wait()
            except TimeoutError:
                pass  # others did not fill the batch in time
            batch, self._waiting = self._waiting, []
            self._some.clear()
            self._urgent.clear()
            await write(self._store, partial(works.write_results, results=batch))
            self._rhythm.wrote(loop.time())
            self._written([result.id for result in batch])


def applied_result(work: DirtyWork, entry: Entry) -> WorkResult:
    """The member holds the work."""
    return WorkResult(
        id=work.id,
        generation=work.generation,
        state=WorkState.APPLIED,
        applied_digest=work.digest,
        member_uid=entry.member_uid,
        ownership_digest=entry.ownership_digest,
    )


def outcome_result(work: DirtyWork, outcome: Outcome) -> WorkResult:
    """It does not."""
    return WorkResult(
        id=work.id,
        generation=work.generation,
        state=outcome.state,
        reason=outcome.reason,
        message=outcome.message,
        member_uid=work.member_uid,
        retry_after_seconds=outcome.retry_after_seconds,
    )
