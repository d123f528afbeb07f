"""Decides where units run: those that changed at once, and those that a change of anything they look at may touch.

observe: undecided units, the fleet, policies, bindings, the decision in force; decide: `planning`; act: one transaction
for a batch of units with decision, bindings, works. What comes out as it was is not written at all.

That a unit is to be decided again is in memory alone, and yet not lost: new intent is told by the unit's row, and all
else is found by level, not by edge. Who begins to lead looks at every unit; from then on fleet and policies are
compared, as they are read, with what they were when the decisions were made. A change that nobody told of is found with
the next rescan. What a decision is made for is known as long as the process lives: after a restart it is nothing in
particular, which moves nothing that fits where it is.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.aside import Aside, Large, is_large
from fedsvc.controllers.backoff import delay_seconds
from fedsvc.controllers.deciding import Decided, Observed, decide_batch, observe
from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.evicting import failing_over
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.notes import UnitNotes
from fedsvc.controllers.places import Places
from fedsvc.controllers.preparing import Prepared, prepare
from fedsvc.controllers.recording import Stored, keep_spoken, store_prepared
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.storing import write
from fedsvc.controllers.surroundings import Ground, Surroundings, view_change
from fedsvc.controllers.swings import Swings
from fedsvc.controllers.touching import FleetChange, note_of
from fedsvc.controllers.wakeups import Signal, Wakeups
from fedsvc.errors import ClusterGoneError, StoreUnavailableError
from fedsvc.model.hold import Hold, HoldScope
from fedsvc.model.unit import Unit
from fedsvc.store import placing, policies, units
from fedsvc.store.changes import Change
from fedsvc.store.store import Store, Transaction
from fedsvc_placement import PlacedUnit, Trigger

_log = structlog.get_logger(__name__)

_FLEET_PAUSE: Final = 20
"""After a change of the fleet was looked into, the next one waits for so many times as long as that took."""

_LATE_SECONDS: Final = 0.02
"""What is due at a time is looked at so long after, since two clocks never agree."""

_FLEET_PAUSE_MAX_SECONDS: Final = 1.0
"""At most so long: the loss of a region waits for nobody's arithmetic."""


def _wait_seconds(ahead: float) -> float:
    """How long to wait for a moment so far ahead: one that is past belongs to what cannot be decided just now."""
    return ahead + _LATE_SECONDS if ahead > 0 else 1.0


class PlacementController:
    """Keeps decisions true.

    Args of the constructor: `wake_member` is called with each cluster whose works changed, `decided` with the name of
    each unit that was decided, and of each that waits.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: ControllerSettings,
        events: EventRecorder,
        wake_member: Callable[[str], None],
        decided: Callable[[str], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._events = events
        self._wake_member = wake_member
        self._decided = decided
        self._signal = Signal()
        self._dirty: Wakeups[str] = Wakeups()  # uids of units to be decided again, though their intent is the same
        self._notes = UnitNotes()
        self._places: Places | None = None  # None: to be read
        self._triggers: dict[str, set[str]] = {}  # by uid: why those are
        self._swings = Swings()
        self._aside = Aside()
        self._after_aside: set[str] = set()  # uids of units that are to be decided again when they were carried out
        self._surroundings = Surroundings()
        self._fleet_changed = True  # some cluster, or the settings, since they were read
        self._fleet_changes: list[FleetChange] = []  # that no unit was woken for yet
        self._clusters_changed: set[str] | None = None  # names; None: all may have
        # Versions, as read before the newest decisions; None: never read.
        self._policies: dict[tuple[str, str], tuple[str, int]] | None = None
        self._policies_changed = True
        self._failures: dict[str, int] = {}  # by uid
        self._not_before: dict[str, float] = {}  # by uid, on the loop's clock: not to be decided before
        self._resting: dict[str, float] = {}  # likewise, but new intent goes first
        self._fleet_not_before = 0.0  # when changes of the fleet may be looked into again, on the loop's clock
        self._reconsider = math.inf  # when the next decision may change by itself, on the loop's clock
        self.blocked: dict[str, str] = {}  # by uid: why a decision waits to be carried out

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._rescan)

    def wake(self, uid: str) -> None:
        """Look at a unit again: its rollout moved on."""
        self._dirty.add(uid)
        self._signal.set()

    def reconsider(self, uids: Iterable[str]) -> None:
        """Look at units again: others need other copies of their objects. It moves nothing that fits."""
        self._dirty.update(uids)
        self._signal.set()

    def holds_changed(self, before: tuple[Hold, ...], after: tuple[Hold, ...]) -> None:
        """Automation may act on other losses than before."""
        differing = {hold for hold in (*before, *after) if (hold in before) is not (hold in after)}
        subjects = {hold.subject for hold in differing if hold.scope is HoldScope.AUTOMATION}
        if subjects:
            self._fleet_changed = True
            self._dirty.update(self._notes.named(subjects))
            self._signal.set()

    async def run(self) -> None:
        """Decide until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        # What changed while nobody led is not known: everything is looked at once, new intent before old.
        self._rescan()
        self._places = None
        self._aside = Aside()
        async with self._store.reader() as tx:
            if self._policies is None:
                self._policies = await policies.versions(tx)
            self._dirty.update(await units.list_uids(tx))
        async with asyncio.TaskGroup() as group:
            group.create_task(self._aside.run(self._carry_out_aside, self._carried_out_aside), name="placement-aside")
            while True:
                await self._signal.wait(timeout_seconds=self._sleep_seconds())
                busy = True
                while busy:
                    decided = await self._round()
                    busy = await self._is_anything_waiting() and decided

    def _rescan(self) -> None:
        self._fleet_changed = self._policies_changed = True
        self._clusters_changed = None
        self._signal.set()

    def _changed(self, change: Change) -> None:
        match change.kind:
            case "cluster":
                self._fleet_changed = True
                if self._clusters_changed is not None:
                    self._clusters_changed.add(change.name.rpartition("/")[2])
            case "fleet":
                self._fleet_changed = True
            case "placement_policy" | "override_policy":
                # Which units use it is asked later: one that is being decided just now has no note of it yet.
                self._policies_changed = True
            case "unit":
                if change.deleted:
                    self._notes.forget(change.name)
                    if self._places is not None:
                        _, namespace, _, name = change.name.split("/")
                        self._places.drop(f"{namespace}/{name}")
            case "work" if change.deleted and self.blocked:
                for uid in self.blocked:
                    self._not_before.pop(uid, None)
            case _:
                return
        self._signal.set()

    def _sleep_seconds(self) -> float:
        now = asyncio.get_running_loop().time()
        times = [self._reconsider, *self._not_before.values(), *self._resting.values()]
        if self._fleet_unfollowed:
            times.append(self._fleet_not_before)
        return max(0.01, min(self._settings.rescan_seconds, *(at - now for at in times)))

    async def _is_anything_waiting(self) -> bool:
        """Whether there is something to decide; when there may be by itself is known then, too."""
        async with self._store.look() as look:
            is_any, seconds = await units.waiting(look, exclude=sorted({*self._not_before, *self._aside.uids}))
        now = asyncio.get_running_loop().time()
        self._reconsider = math.inf if seconds is None else now + _wait_seconds(seconds)
        return is_any or bool(self._dirty) or self._policies_changed or self._fleet_unfollowed

    async def _round(self) -> bool:
        """Decide one batch; tells whether there may be more to do."""
        await self._follow_fleet()
        await self._read_policies()
        limit = self._settings.placement_batch_units
        now = asyncio.get_running_loop().time()
        for waiting in (self._not_before, self._resting):
            for uid in [uid for uid, at in waiting.items() if at <= now]:
                del waiting[uid]
                self._dirty.add(uid)
        taken: tuple[str, ...] = ()
        async with self._store.look() as look:
            exclude = sorted({*self._not_before, *self._aside.uids})
            batch = await units.list_undecided(look, limit=limit, exclude=exclude)
            # What they were to be looked at for is seen with what is read of them from here on.
            self._dirty.discard(unit.uid for unit in batch)
            if not batch:
                taken = self._dirty.take_now(limit=limit)
                again = [uid for uid in taken if uid not in self._aside.uids]
                self._after_aside.update(set(taken).difference(again))
                batch = await units.get_many(look, again) if again else []
                for uid in {*again} - {unit.uid for unit in batch}:
                    self._triggers.pop(uid, None)  # it is gone
            observed = await observe(look, batch) if batch else None
        if observed is not None:
            await self._read_fleet()
            await self._decide(batch, observed)
        metrics.UNDECIDED_UNITS.set(len(self._dirty))
        return bool(batch or taken)

    async def _read_fleet(self) -> None:
        if not self._fleet_changed:
            return
        # Before the read: what changes from now on may not be in it.
        self._fleet_changed, changed = False, self._clusters_changed
        self._clusters_changed = set()
        before = self._surroundings.seen
        async with self._store.reader() as tx:
            await self._surroundings.read(tx, changed)
        if before is not None:
            # Each step by itself: of units that were decided in between the sum of two may hide what concerns them.
            self._fleet_changes.append(view_change(before, self._surroundings.view))

    async def _follow_fleet(self) -> None:
        """Wake the units that a change of the fleet may touch.

        The room of some member changes all the time: of a large fleet that is looked into in bounded part of the time.
        """
        loop = asyncio.get_running_loop()
        begin = loop.time()
        if not self._fleet_unfollowed or begin < self._fleet_not_before:
            return
        await self._read_fleet()
        changes, self._fleet_changes = self._fleet_changes, []
        for change in changes:
            for uid, triggers in (await self._notes.touched(change)).items():
                self._wake([uid], triggers)
        now = loop.time()
        self._fleet_not_before = now + min(_FLEET_PAUSE_MAX_SECONDS, (now - begin) * _FLEET_PAUSE)

    @property
    def _fleet_unfollowed(self) -> bool:
        return self._fleet_changed or bool(self._fleet_changes)

    def _wake(self, uids: Iterable[str], triggers: Iterable[str]) -> None:
        for uid in uids:
            self._triggers.setdefault(uid, set()).update(triggers)
            self._dirty.add(uid)

    def _wake_neighbours(self, key: str, before: PlacedUnit | None, after: PlacedUnit | None) -> None:
        now = asyncio.get_running_loop().time()
        for uid in self._notes.beside(key, before, after):
            wait = self._swings.wait_seconds(uid, now)
            if wait:
                self._resting[uid] = now + wait
            else:
                self._dirty.add(uid)

    def _take_triggers(self, unit: Unit) -> set[str]:
        found = self._triggers.pop(unit.uid, set())
        if unit.decided_generation < unit.generation:
            found.add(Trigger.INTENT)
        if unit.rebalance:
            found.add(Trigger.REBALANCE)
        return found

    def _keep_triggers(self, triggers: Mapping[str, set[str]]) -> None:
        for uid, found in triggers.items():
            self._triggers.setdefault(uid, set()).update(found)

    async def _read_policies(self) -> None:
        if not self._policies_changed:
            return
        self._policies_changed = False  # before the read, as above
        async with self._store.reader() as tx:
            after = await policies.versions(tx)
        before, self._policies = self._policies or {}, after
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        if changed:
            self._wake(self._notes.using_policies(changed), [Trigger.INTENT])

    async def _decide(self, batch: Sequence[Unit], observed: Observed) -> None:
        triggers = {unit.uid: self._take_triggers(unit) for unit in batch}
        try:
            with metrics.DECIDE_SECONDS.time():
                places = await self._read_places()
                decided = await decide_batch(
                    observed,
                    ground=self._surroundings.ground(),
                    members=self._surroundings.view.members,
                    triggers=triggers,
                    places=places,
                )
                max_works = self._settings.placement_batch_works
                large = [one for one in decided if is_large(one, max_works=max_works)]
                if large:
                    await self._put_aside(large, triggers, places)
                await self._carry_out([one for one in decided if one.unit.uid not in self._aside.uids])
        except StoreUnavailableError:
            self._keep_triggers(triggers)
            self._places = None  # not all is where it was put
            raise
        except ClusterGoneError as error:
            self._decided_in_vain(triggers, error)
        except Exception as error:  # noqa: BLE001 - one unit that cannot be decided must not keep the others waiting
            self._keep_triggers(triggers)
            self._places = None
            if len(batch) <= 1:
                for unit in batch:
                    self._put_off(unit, error)
                return
            for unit in batch:
                if unit.uid in self._aside.uids:
                    continue
                async with self._store.look() as look:  # part of the batch may be stored
                    fresh = await units.get_many(look, [unit.uid])
                    seen = await observe(look, fresh)
                if seen is not None:
                    await self._decide(fresh, seen)

    async def _carry_out(self, decided: Sequence[Decided]) -> None:
        """Render and store."""
        async for group in prepare(self._store, decided, max_works=self._settings.placement_batch_works):
            await self._act(group)

    async def _put_aside(self, large: Sequence[Decided], triggers: Mapping[str, set[str]], places: Places) -> None:
        """Leave large decisions to the task that carries them out; the room they take is taken from now on."""

        async def keep(tx: Transaction) -> list[tuple[Ground, int]]:
            return await keep_spoken(tx, large)

        # Before those that are decided on the same ground meanwhile store theirs: it is stored in order.
        for ground, count in await write(self._store, keep):
            ground.kept_count = count
        for one in large:
            self._surroundings.granted(one.spoken_for, one.inputs.now)
            self._aside.put(Large(decided=one, triggers=triggers[one.unit.uid], places=places))

    async def _carry_out_aside(self, large: Large) -> None:
        unit = large.decided.unit
        triggers = {unit.uid: set(large.triggers)}
        try:
            await self._carry_out([large.decided])
        except StoreUnavailableError:
            self._keep_triggers(triggers)
            self._places = None
            raise
        except ClusterGoneError as error:
            self._decided_in_vain(triggers, error)
        except Exception as error:  # noqa: BLE001 - as above
            self._keep_triggers(triggers)
            self._places = None
            self._put_off(unit, error)
        if self._places is not large.places:
            self._places = None  # read while this one was not stored

    def _carried_out_aside(self) -> None:
        self._dirty.update(self._after_aside)
        self._after_aside.clear()
        self._signal.set()

    def _decided_in_vain(self, triggers: Mapping[str, set[str]], error: ClusterGoneError) -> None:
        """A cluster went while it was decided on."""
        _log.info("decided_on_cluster_gone", error=str(error))
        self._keep_triggers(triggers)
        self._places = None
        self._dirty.update(triggers)
        self._rescan()

    async def _read_places(self) -> Places:
        if self._places is None:
            async with self._store.reader() as tx:
                self._places = Places(await placing.placed_units(tx))
        return self._places

    async def _act(self, group: Sequence[Prepared]) -> None:
        async def store_all(tx: Transaction) -> tuple[list[tuple[Ground, int]], list[Stored | None]]:
            return await keep_spoken(tx, [given.decided for given in group]), await store_prepared(tx, group)

        kept, done = await write(self._store, store_all)
        for ground, count in kept:
            ground.kept_count = count
        for given, result in zip(group, done, strict=True):
            uid = given.unit.uid
            if result is None:  # unit, rollout, or what automation may do changed meanwhile, or it is gone
                self._places = None
                self._fleet_changed = True
                self._wake([uid], [given.decided.inputs.trigger])
                self._signal.set()
                continue
            if uid not in self._aside.uids:
                self._surroundings.granted(given.decided.spoken_for, given.decided.inputs.now)
            self._note(given.decided)
            self._failures.pop(uid, None)
            self._note_blocked(given.unit, result.blocked)
            metrics.DECISIONS.labels("changed" if result.wrote else "same").inc()
            for cluster in result.clusters:
                self._wake_member(cluster)
            self._tell(given, result)
            if result.wrote:
                self._decided(given.unit.resource_name)

    def _tell(self, given: Prepared, result: Stored) -> None:
        for left in failing_over(given):
            metrics.FAILOVERS.labels(left.cluster).inc()
            if not left.is_lost:
                continue
            if left.detect_time is not None:
                waited = given.decided.inputs.now - left.detect_time
                metrics.FAILOVER_SECONDS.labels("decide").observe(waited.total_seconds())
            if left.detect_time is not None and left.trouble_time is not None:
                doubted = left.detect_time - left.trouble_time
                metrics.FAILOVER_SECONDS.labels("detect").observe(doubted.total_seconds())
        if result.held:
            self._events.warning(given.unit.resource_name, "RemovalsHeld", f"removals are held: {result.held}")
        if result.kept:
            self._events.warning(given.unit.resource_name, "KeptUp", f"until enough is ready elsewhere: {result.kept}")
        if result.event is not None:
            reason, message, warning = result.event
            (self._events.warning if warning else self._events.normal)(given.unit.resource_name, reason, message)

    def _note(self, done: Decided) -> None:
        given = done.given
        note = note_of(done.unit, given.request.input, done.plan.decision, given.all_overrides)
        note = replace(note, override_policies=given.all_override_policies)
        before = self._notes.put(note)
        seen = done.placed_before if before is None else before.placed
        if done.placed_before.clusters != (note.placed.clusters if note.placed is not None else ()):
            self._swings.moved(done.unit.uid, asyncio.get_running_loop().time())
        self._wake_neighbours(done.key, seen, note.placed)

    def _note_blocked(self, unit: Unit, message: str) -> None:
        if not message:
            self.blocked.pop(unit.uid, None)
            return
        self.blocked[unit.uid] = message
        self._not_before[unit.uid] = asyncio.get_running_loop().time() + self._settings.rescan_seconds

    def _put_off(self, unit: Unit, error: Exception) -> None:
        failures = self._failures.get(unit.uid, 0)
        self._failures[unit.uid] = failures + 1
        wait = delay_seconds(unit.uid, failures, maximum=60.0)
        self._not_before[unit.uid] = asyncio.get_running_loop().time() + wait
        _log.error("unit_not_decided", unit=unit.resource_name, retry_seconds=wait, exc_info=error)
