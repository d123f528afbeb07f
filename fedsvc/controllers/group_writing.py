"""Writes what members report (results and observations) for all members together: a group commit.

A transaction costs as much as dozens of rows in it, and a hundred members that each wrote for themselves would spend
most of the processor on transactions. So whatever has gathered by the next beat is written at once.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from fedsvc.controllers.pacing import Rhythm
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.storing import write
from fedsvc.errors import StoreUnavailableError
from fedsvc.model.work import WorkObservation, WorkResult
from fedsvc.store import works
from fedsvc.store.store import Store

_MAX_ROWS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one member has to say."""

    results: Sequence[WorkResult] = ()
    observations: Sequence[WorkObservation] = ()

    def __len__(self) -> int:
        return len(self.results) + len(self.observations)


class Reporter:
    """One that has something to report from time to time.

    `take` gives what has gathered, when it is about to be written, and `stored` is called with it once it is.
    """

    def __init__(self, writer: "GroupWriter", *, take: Callable[[], Report], stored: Callable[[Report], None]) -> None:
        self.take = take
        self.stored = stored
        self._writer = writer
        self._failed: asyncio.Future[None] | None = None

    def ready(self, *, is_much: bool = False, is_idle: bool = False) -> None:
        """There is something to take: much of it, or nothing else goes on until it is stored."""
        self._writer.add(self, is_much=is_much, is_idle=is_idle)

    def fail(self, error: Exception) -> None:
        """What was taken is not stored."""
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    async def run(self) -> None:
        """Be there until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer, and what was taken is lost: begin anew.
        """
        self._failed = asyncio.get_running_loop().create_future()
        try:
            await self._failed
        finally:
            self._failed = None
            self._writer.discard(self)


class GroupWriter:
    """Writes all that comes within a beat at once; sooner where somebody has nothing else to do."""

    def __init__(self, store: Store, settings: ControllerSettings) -> None:
        self._store = store
        self._rhythm = Rhythm(first_seconds=settings.observation_batch_seconds, busy_seconds=settings.busy_seconds)
        self._ready: dict[Reporter, None] = {}
        self._some = asyncio.Event()
        self._hurried = asyncio.Event()  # much has gathered, or somebody is idle
        self._idle = asyncio.Event()

    def add(self, reporter: Reporter, *, is_much: bool, is_idle: bool) -> None:
        """One has something to report."""
        self._ready.setdefault(reporter)
        self._some.set()
        if is_idle:
            self._idle.set()
        if is_much or is_idle:
            self._hurried.set()

    def discard(self, reporter: Reporter) -> None:
        """One has nothing to report any more."""
        self._ready.pop(reporter, None)

    async def run(self) -> None:
        """Write until cancelled. What fails is told to whom it concerns."""
        clock = asyncio.get_running_loop().time
        group: list[tuple[Reporter, Report]] = []
        try:
            while True:
                await self._some.wait()
                await self._wait_for_others()
                group = self._take()
                began = clock()
                await self._write(group)
                self._rhythm.wrote(clock(), took_seconds=clock() - began)
                group = []
        finally:
            for reporter, _ in group:
                reporter.fail(StoreUnavailableError("the write was broken off"))

    async def _wait_for_others(self) -> None:
        clock = asyncio.get_running_loop().time
        if not await _is_set_within(self._hurried, self._rhythm.wait_seconds(clock())):
            return  # the beat is over
        if await _is_set_within(self._idle, self._rhythm.hurried_seconds(clock())):
            await asyncio.sleep(self._rhythm.idle_seconds(clock()))

    def _take(self) -> list[tuple[Reporter, Report]]:
        group: list[tuple[Reporter, Report]] = []
        rows = 0
        while self._ready and rows < _MAX_ROWS:
            reporter = next(iter(self._ready))
            del self._ready[reporter]
            report = reporter.take()
            rows += len(report)
            group.append((reporter, report))
        if not self._ready:
            self._some.clear()
            self._hurried.clear()
            self._idle.clear()
        return group

    async def _write(self, group: Sequence[tuple[Reporter, Report]]) -> None:
        try:
            if any(len(report) for _, report in group):
                await self._write_rows([report for _, report in group])
        except StoreUnavailableError as error:
            for reporter, _ in group:
                reporter.fail(error)
        except Exception as error:  # noqa: BLE001 - told to whom it concerns
            if len(group) == 1:
                group[0][0].fail(error)
                return
            for one in group:  # what one member says and cannot be stored keeps nothing back of the others
                await self._write([one])
        else:
            for reporter, report in group:
                reporter.stored(report)

    async def _write_rows(self, reports: Sequence[Report]) -> None:
        """Observations, then results, which somebody waits for; what an apply answered is written with its result.

        In a transaction each: of a row that was written by the same one PostgreSQL checks every foreign key once more.
        """
        observations = {one.id: one for report in reports for one in report.observations}
        results = [_with_observation(result, observations) for report in reports for result in report.results]
        if observations:
            await write(self._store, partial(works.write_observations, observations=list(observations.values())))
        if results:
            await write(self._store, partial(works.write_results, results=results))


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _with_observation(result: WorkResult, observations: dict[int, WorkObservation]) -> WorkResult:
    """The result with what was seen of its object, which is then no longer among the others."""
    if result.applied_digest is None or (observation := observations.pop(result.id, None)) is None:
        return result
    return replace(result, observation=observation)
