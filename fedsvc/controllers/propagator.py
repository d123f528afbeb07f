"""Makes one member hold its works: claims dirty ones, acts on several at once, writes what came of it in batches.

The row is the queue: what is in memory here may be lost at any moment, and is found again, still dirty, by the next
claim. A work is acted on twice at most when its result could not be stored, and every act is idempotent.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from fedsvc.controllers import metrics, outcomes
from fedsvc.controllers.applying import Applied, apply_work
from fedsvc.controllers.budgeting import judge_found
from fedsvc.controllers.group_writing import GroupWriter
from fedsvc.controllers.holding import WriteHeldError
from fedsvc.controllers.in_hand import InHand
from fedsvc.controllers.index import Entry, GroupVersionKind
from fedsvc.controllers.outcomes import KIND_NOT_SERVED, Outcome
from fedsvc.controllers.pacing import Pace, Trouble
from fedsvc.controllers.pausing import Pauses
from fedsvc.controllers.recreating import RECREATING
from fedsvc.controllers.removing import RemovalHeldError, remove_work
from fedsvc.controllers.results import Results, applied_result, outcome_result
from fedsvc.controllers.session import MemberSession, object_uid, object_version
from fedsvc.controllers.storing import write
from fedsvc.controllers.turns import Turns
from fedsvc.controllers.wakeups import Signal, Wakeups
from fedsvc.errors import StoreUnavailableError
from fedsvc.members.errors import MemberError, MemberStatusError, MemberUnreachableError
from fedsvc.model.unit import WorkState
from fedsvc.model.work import DirtyWork, WorkResult
from fedsvc.rendering.ownership import ownership_digest
from fedsvc.store import works
from fedsvc.store.store import Store

_log = structlog.get_logger(__name__)

_MAX_HOLD_SECONDS = 10.0
_MAX_CLAIMS = 4
"""Units that have nothing in the queue are let in until it holds so many claims."""


class Propagator:
    """The propagation of one member.

    `settled` is called with every work that was acted on and the object it became, `stored` once that is in the store.
    """

    def __init__(
        self,
        store: Store,
        session: MemberSession,
        writer: GroupWriter,
        *,
        settled: Callable[[Entry, dict[str, Any] | None], None],
        stored: Callable[[Entry], None],
    ) -> None:
        self._store = store
        self._session = session
        self._settings = session.settings
        self._settled = settled
        self._stored = stored
        self._pauses = Pauses(store, session)
        self._results = Results(writer, batch_size=self._settings.result_batch_size, stored=self._written)
        self._pace = Pace(start=self._settings.concurrency, maximum=self._settings.concurrency_max)
        self._queue = Turns()
        self._more = False  # whether there are dirty works, as far as is known, beside those that are busy
        self._claimed_to = ""  # uid of the last unit that was looked at; empty: the next look begins at the first
        self._found = False  # whether anything was claimed since a look began at the first
        self._hand = InHand()
        self._removing: dict[int, DirtyWork] = {}  # deletions that wait for finalizers
        self._gone_early: set[int] = set()  # went while what came of their deletion was not stored yet
        self._unserved: dict[int, GroupVersionKind] = {}  # kinds that were not served when their works were tried
        self._served: Wakeups[tuple[str, str]] = Wakeups()  # group and kind: their works may be tried
        session.definitions.tell_served(self._kind_served)
        self._outdated: set[int] = set()  # in hand when what kept works back was mended: results are from before
        self._stored_outdated = Signal()
        session.tell_mended(self._note_outdated)
        self._running = 0
        self._held_until = 0.0
        # Looked up once: for each write that would be a hundredth of its cost.
        self._queued = metrics.QUEUED_WORKS.labels(session.cluster)
        self._apply_seconds = metrics.APPLY_SECONDS.labels(session.cluster)
        self._applies = metrics.APPLIES.labels(session.cluster, "applied")

    async def run(self) -> None:
        """Propagate until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pauses.run(), name=f"probe-{self._session.cluster}")
            group.create_task(self._results.run(), name=f"results-{self._session.cluster}")
            group.create_task(self._wake_served(), name=f"served-{self._session.cluster}")
            group.create_task(self._wake_outdated(), name=f"outdated-{self._session.cluster}")
            await self._dispatch(group)

    def object_gone(self, work_id: int) -> None:
        """An object that was being deleted is gone: see to its work at once, not when it is due."""
        if work_id in self._hand:
            self._gone_early.add(work_id)
        elif (work := self._removing.pop(work_id, None)) is not None:
            self._enqueue(work)
            self._session.work.set()

    async def _dispatch(self, group: asyncio.TaskGroup) -> None:
        due: float | None = None  # when the next work in back-off is due, on the loop's clock
        loop = asyncio.get_running_loop()
        while True:
            if self._session.pause is not None:
                self._drop_queue()
                await self._session.wait_until_open()
                self._session.look = True
            if due is not None and loop.time() >= due:
                self._session.look = True
            if self._wants_claim():
                due = await self._claim(loop)
            self._start(group, loop)
            if self._more and not self._queue:
                continue
            woken = await self._session.work.wait(timeout_seconds=self._sleep_seconds(loop, due))
            if not woken and not self._queue:
                self._session.look = True

    def _kind_served(self, gvk: GroupVersionKind) -> None:
        self._served.add((gvk[0], gvk[2]))

    def _note_outdated(self) -> None:
        self._outdated.update(self._hand)

    async def _wake_outdated(self) -> None:
        """Let works be tried again at once whose trouble was mended before it could be stored."""
        while True:
            await self._stored_outdated.wait()
            await write(self._store, partial(works.wake_cluster, cluster=self._session.cluster))
            self._session.wake()

    async def _wake_served(self) -> None:
        """Let works go that wait for kinds which are served now."""
        while True:
            kinds = await self._served.take()
            await write(self._store, partial(works.wake_kinds, cluster=self._session.cluster, kinds=kinds))
            self._session.wake()

    def _sleep_seconds(self, loop: asyncio.AbstractEventLoop, due: float | None) -> float:
        now = loop.time()
        sleep = self._settings.rescan_seconds
        if due is not None:
            sleep = min(sleep, due - now)
        if self._queue and self._held_until > now:
            sleep = min(sleep, self._held_until - now)
        return max(sleep, 0.001)

    def _wants_claim(self) -> bool:
        if len(self._queue) * 2 <= self._settings.claim_size:
            return self._session.look or self._more
        return self._session.look and len(self._queue) < self._settings.claim_size * _MAX_CLAIMS

    async def _claim(self, loop: asyncio.AbstractEventLoop) -> float | None:
        """Fill the queue; tells when the next work in back-off is due.

        While the queue is well filled only units are looked at that have nothing in it: they wait for no other's works.
        """
        limit = self._settings.claim_size
        filled = len(self._queue) * 2 > limit
        start = "" if filled else self._claimed_to
        self._session.look = False  # before the read: what is set from now on may not be in it
        held = self._claimed_under = await self._session.holds.current()
        async with self._store.look() as look:
            due = await works.due(look, self._session.cluster, limit=limit, after=start)
            units = [uid for uid in due.units if not (filled and self._queue.has(uid))]
            excluded = self._hand.excluded
            claimed = await works.claim_dirty(
                look,
                self._session.cluster,
                units=units,
                gated=not due.gated.isdisjoint(units),
                limit=limit,
                exclude=excluded.ids,
                answered=excluded.answered,
                holds=held,
            )
        for work in claimed:
            self._enqueue(work)
        self._queued.set(len(self._hand))
        if filled:
            self._more = True
        else:
            self._claimed_to = due.units[-1] if len(due.units) == limit else ""
            self._found = bool(claimed) or (self._found and bool(start))
            # All units were looked at when a round that began at the first one ends without anything.
            self._more = bool(self._claimed_to) or (bool(start) and self._found) or len(claimed) * 2 >= limit
        # Works that are due and were not claimed wait for an earlier wave of their unit, whose results wake us.
        return None if due.next_seconds is None else loop.time() + due.next_seconds

    def _enqueue(self, work: DirtyWork) -> None:
        self._hand.take(work.id)
        self._queue.add(work)

    def _drop_queue(self) -> None:
        self._hand.put_back([work.id for work in self._queue])
        self._queue.clear()

    def _start(self, group: asyncio.TaskGroup, loop: asyncio.AbstractEventLoop) -> None:
        if loop.time() < self._held_until:
            return
        while self._queue and self._running < self._pace.limit and self._session.pause is None:
            work = self._queue.take()
            self._running += 1
            group.create_task(self._handle(work), name=f"work-{work.id}")

    async def _handle(self, work: DirtyWork) -> None:
        entry = self._entry_of(work)
        entry.in_flight = True
        started = time.perf_counter()
        in_flight = self._running
        try:
            result, live = await self._act(work, entry)
        # Since it was claimed: it stays as it is, and is claimed again when the hold ends, or somebody confirms it.
        # Where that happened already, the look it led to left this work out, which was at hand.
        except WriteHeldError as error:
            result, live = None, None
            self._session.look |= error.hold not in self._claimed_under
        except RemovalHeldError:
            result, live = None, None
            self._session.look = True
        finally:
            entry.in_flight = False
            self._running -= 1
            self._session.work.set()
        took = time.perf_counter() - started
        self._apply_seconds.observe(took)
        if result is not None and (result.gone or result.state is WorkState.APPLIED):
            self._done_well(took, in_flight)
        if result is None:  # the member is left alone, or the work is held: nothing was found out about it
            self._hand.put_back([work.id])
        else:
            entry.unstored = True
            self._hand.answered(work.id, result.generation)
            self._results.add(result, work, idle=not self._queue and self._running == 0)
        self._settled(entry, live)

    def _entry_of(self, work: DirtyWork) -> Entry:
        entry = self._session.index.get(work.id)
        if entry is None or entry.key != work.key:
            entry = Entry(
                id=work.id,
                unit_uid=work.unit_uid,
                unit_name=work.unit_name,
                key=work.key,
                drift=work.drift,
                state=WorkState.PENDING,
                removal=False,
                member_uid=work.member_uid,
                applied_digest=work.applied_digest,
            )
            self._session.index.put(entry)
        entry.removal = work.removal is not None
        entry.drift = work.drift
        entry.handling = work.handling
        entry.unit_uid, entry.unit_name = work.unit_uid, work.unit_name
        return entry

    async def _act(self, work: DirtyWork, entry: Entry) -> tuple[WorkResult | None, dict[str, Any] | None]:
        try:
            if work.removal is not None:
                return await self._remove(work), None
            done = await apply_work(self._session, work)
        except (WriteHeldError, RemovalHeldError, StoreUnavailableError):
            raise
        except MemberError as error:
            self._note(error)
            if await self._pauses.concerns(error):
                return None, None
            outcome = outcomes.outcome_of(
                error, cluster=self._session.cluster, key=f"work-{work.id}", attempts=work.attempts
            )
            return self._failed(work, outcome), None
        except Exception as error:  # noqa: BLE001 - one work that we cannot deal with must not keep the others waiting
            _log.exception("work_failed", cluster=self._session.cluster, work=work.id, object=str(work.key))
            message = f"fedsvc could not deal with this object or the member's answer ({type(error).__name__}: {error})"
            return self._failed(work, outcomes.failed("InternalError", message, key=f"work-{work.id}")), None
        if isinstance(done, Outcome):
            return self._failed(work, done), None
        return self._applied(work, entry, done), done.live

    async def _remove(self, work: DirtyWork) -> WorkResult:
        outcome = await remove_work(self._session, work, authorise=self._authorise)
        if outcome is not None:
            if outcome.state is WorkState.REMOVING:
                self._removing[work.id] = work
                return outcome_result(work, outcome)
            return self._failed(work, outcome)
        self._removing.pop(work.id, None)
        self._session.index.remove(work.id)
        self._session.definitions.forget(work.key)
        metrics.APPLIES.labels(self._session.cluster, "gone").inc()
        return WorkResult(id=work.id, generation=work.generation, state=WorkState.REMOVING, gone=True)

    async def _authorise(self, work: DirtyWork, member_uid: str) -> None:
        held = await write(self._store, partial(judge_found, work=work, member_uid=member_uid))
        if held:
            text = f"removals are held: {work.key}: {held}"
            self._session.events.warning(work.unit_name, "RemovalsHeld", text, cluster=self._session.cluster)
            raise RemovalHeldError(held)

    def _applied(self, work: DirtyWork, entry: Entry, done: Applied) -> WorkResult:
        self._applies.inc()
        entry.member_uid = object_uid(done.live)
        entry.ownership_digest = ownership_digest(done.live)
        entry.applied_digest = work.digest
        entry.object_version = object_version(done.live)
        entry.state = WorkState.APPLIED
        if done.adopted:
            message = f"took over {work.key}, which existed already"
            if done.migrated:
                message += f", with all that {' and '.join(done.migrated)} owned in it"
            self._session.events.normal(work.unit_name, "Adopted", message, cluster=self._session.cluster)
        if entry.corrected_from:
            message = f"put {work.key} back as it should be; {entry.corrected_from} had changed it"
            self._session.events.normal(work.unit_name, "DriftCorrected", message, cluster=self._session.cluster)
            entry.corrected_from = ""
        if done.recreated or entry.recreating:
            message = f"made {work.key} anew"
            self._session.events.normal(work.unit_name, "Recreated", message, cluster=self._session.cluster)
            entry.recreating = False
        return applied_result(work, entry)

    def _failed(self, work: DirtyWork, outcome: Outcome) -> WorkResult:
        if outcome.reason == KIND_NOT_SERVED and self._session.definitions.resource(work.key.gvk) is None:
            self._unserved[work.id] = work.key.gvk
        entry = self._session.index.get(work.id)
        if entry is not None and outcome.reason == RECREATING:
            entry.recreating = True
        metrics.APPLIES.labels(self._session.cluster, outcome.reason).inc()
        if outcome.state in (WorkState.FAILED, WorkState.DRIFTED) or work.attempts == 0:
            text = f"{work.key}: {outcome.message}"
            self._session.events.warning(work.unit_name, outcome.reason, text, cluster=self._session.cluster)
        return outcome_result(work, outcome)

    def _done_well(self, seconds: float, in_flight: int) -> None:
        """Learn from a success how much this member bears."""
        if self._pace.good(seconds, in_flight=in_flight, now=asyncio.get_running_loop().time()):
            metrics.CONCURRENCY_CUTS.labels(self._session.cluster, Trouble.LATENCY).inc()
        metrics.CONCURRENCY.labels(self._session.cluster).set(self._pace.limit)
        metrics.BASE_LATENCY.labels(self._session.cluster).set(self._pace.latency.base_seconds)

    def _done_badly(self, trouble: Trouble, now: float) -> None:
        if self._pace.bad(now):
            metrics.CONCURRENCY_CUTS.labels(self._session.cluster, trouble).inc()
        metrics.CONCURRENCY.labels(self._session.cluster).set(self._pace.limit)

    def _note(self, error: MemberError) -> None:
        """Learn from trouble how much this member bears, and what it does not allow."""
        now = asyncio.get_running_loop().time()
        if isinstance(error, MemberUnreachableError):
            self._session.doubt()
            self._done_badly(Trouble.SILENCE, now)
        if not isinstance(error, MemberStatusError):
            return
        self._session.member.refusals.report(error)
        if error.code >= 500:
            self._done_badly(Trouble.ERROR, now)
        if error.code == 429:
            self._done_badly(Trouble.OVERLOAD, now)
            pause = min(error.retry_after_seconds or 0.0, _MAX_HOLD_SECONDS)
            self._held_until = max(self._held_until, now + pause)

    def _written(self, results: Sequence[WorkResult]) -> None:
        """Results are stored: their works may be claimed again, and works of later waves are free to go."""
        work_ids = {result.id for result in results if self._hand.stored(result.id, result.generation)}
        for result in results:  # in their order, which is that of what comes of it
            if result.id in work_ids and (entry := self._session.index.get(result.id)) is not None:
                entry.unstored = False
                self._stored(entry)
        if not self._outdated.isdisjoint(work_ids):
            self._outdated.difference_update(work_ids)
            self._stored_outdated.set()
        for gvk in [self._unserved.pop(work_id) for work_id in work_ids.intersection(self._unserved)]:
            if self._session.definitions.resource(gvk) is not None:
                self._kind_served(gvk)  # since the try: the wake-up of then did not find the result that is stored now
        for work_id in self._gone_early.intersection(work_ids):
            self._gone_early.discard(work_id)
            self.object_gone(work_id)
        self._queued.set(len(self._hand))
        self._session.wake()
