"""Collects what came of works: stored at once when a member is idle, in batches while it is busy."""

from collections.abc import Callable, Sequence

from fedsvc.controllers.group_writing import GroupWriter, Report, Reporter
from fedsvc.controllers.index import Entry
from fedsvc.controllers.outcomes import Outcome
from fedsvc.model.unit import WorkState
from fedsvc.model.work import DirtyWork, WorkResult


class Results:
    """Results of one member. While some are written the next ones gather."""

    def __init__(self, writer: GroupWriter, *, batch_size: int, stored: Callable[[Sequence[WorkResult]], None]) -> None:
        self._batch_size = batch_size
        self._stored = stored
        self._waiting: list[WorkResult] = []
        self._reporter = Reporter(writer, take=self._take, stored=self._told)

    def add(self, result: WorkResult, work: DirtyWork, *, idle: bool) -> None:
        """Hand in a result; `idle`: there is nothing else to wait for."""
        assert result.id == work.id
        self._waiting.append(result)
        self._reporter.ready(is_much=len(self._waiting) >= self._batch_size, is_idle=idle)

    async def run(self) -> None:
        """Have them written until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; the works of what was not written are still dirty.
        """
        await self._reporter.run()

    def _take(self) -> Report:
        count = count_unlike(self._waiting)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return Report(results=taken)

    def _told(self, report: Report) -> None:
        if self._waiting:
            self._reporter.ready()
        self._stored(report.results)


def count_unlike(results: Sequence[WorkResult]) -> int:
    """How many come before the second of any work: one transaction stores one result of each."""
    seen: set[int] = set()
    for count, result in enumerate(results):
        if result.id in seen:
            return count
        seen.add(result.id)
    return len(results)


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
