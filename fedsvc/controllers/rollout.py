"""Moves rollouts on: observes how units fare on their clusters, asks `fedsvc.rollout` what is next, and stores it.

What a rollout remembers is in the store; what is written to members is the placement controller's to do, which reads of
the rollout which revision each cluster shall hold. This one wakes it, whenever bindings say another thing than the
rollout: so nothing is lost when either of them ends at any moment.
"""

import asyncio
from collections.abc import Callable, Sequence

from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.hub import Hub
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.storing import write
from fedsvc.controllers.wakeups import Wakeups
from fedsvc.model.unit import Unit
from fedsvc.rollout import ClusterView, Rollout
from fedsvc.rollout.holding import revision_for
from fedsvc.rollout.policy import RolloutPolicy
from fedsvc.rollout.step import Step, step
from fedsvc.store import rollout_views, rollouts, summaries, units
from fedsvc.store.changes import Change
from fedsvc.store.rollouts import StoredRollout
from fedsvc.store.store import Store, Transaction


class RolloutController:
    """Moves on the rollouts that are not over. `wake_placement` is called with the uid of a unit to look at again."""

    def __init__(
        self,
        store: Store,
        *,
        settings: ControllerSettings,
        events: EventRecorder,
        wake_placement: Callable[[str], None],
    ) -> None:
        self._store = store
        self._settings = settings
        self._events = events
        self._wake_placement = wake_placement
        self._names: Wakeups[str] = Wakeups()  # of units, as in the API
        self._open: set[str] = set()  # names of those whose rollout is not over
        self._look_again: dict[str, float] = {}  # by name, on the loop's clock

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._rescan)

    def wake(self, name: str) -> None:
        """Look at a unit, given by its name in the API: it was decided."""
        self._names.add(name)  # whatever is known of it: it may be looked at right now, as it was before

    async def run(self) -> None:
        """Move rollouts on until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with self._store.reader() as tx:
            self._open.update(await rollouts.names_open(tx))
        self._rescan()
        while True:
            names = set(
                await self._names.take(
                    limit=self._settings.status_batch_units, timeout_seconds=self._seconds_to_sleep()
                )
            )
            now = asyncio.get_running_loop().time()
            names.update(name for name, at in self._look_again.items() if at <= now)
            if not names:
                continue
            # Works change in bursts: one look for all of a burst.
            await asyncio.sleep(self._settings.status_debounce_seconds)
            names.update(self._names.take_now(limit=self._settings.status_batch_units))
            await self._look(sorted(names))

    def _changed(self, change: Change) -> None:
        if change.kind == "unit":
            if change.deleted:
                self._forget(change.name)
            else:
                self._names.add(change.name)
        elif change.kind in ("cluster", "hold", "fleet"):  # of the fleet settings freeze windows are part
            self._names.update(self._open)
        elif change.kind == "work" and change.subject in self._open:
            self._names.add(change.subject)

    def _rescan(self) -> None:
        self._names.update(self._open)

    def _forget(self, name: str) -> None:
        self._open.discard(name)
        self._look_again.pop(name, None)

    def _seconds_to_sleep(self) -> float:
        now = asyncio.get_running_loop().time()
        due = min(self._look_again.values(), default=now + self._settings.rescan_seconds)
        return max(0.01, min(due - now, self._settings.rescan_seconds))

    async def _look(self, names: Sequence[str]) -> None:
        async with self._store.look() as look:
            concerned = await rollouts.named(look, [_pair(name) for name in names])
        for name in {*names}.difference(concerned):
            self._forget(name)
        if concerned:
            await self._move_on(concerned)

    async def _move_on(self, names: Sequence[str]) -> None:
        async with self._store.reader() as tx:
            uids = await summaries.uids_of(tx, [_pair(name) for name in names])
            found = await rollouts.of_units(tx, uids)
            seen = [unit for unit in await units.get_many(tx, list(found)) if unit.delete_time is None]
            settle = self._settings.rollout_settle_seconds
            views = await rollout_views.of_units(tx, seen, settle_seconds=settle) if seen else {}
            now = tx.now
        for name in {*names} - {unit.resource_name for unit in seen}:
            self._forget(name)
        for unit in seen:
            stored = found[unit.uid]
            # An undecided unit may be about to come to other clusters, of which waves may have a part.
            decided = unit.decided_generation >= unit.generation
            policy = unit.spec.rollout or RolloutPolicy()
            done = step(policy, stored.state, views[unit.uid], now) if decided else Step(rollout=stored.state)
            if done.rollout != stored.state and not await self._store_state(unit, stored, done):
                continue  # somebody acted on it meanwhile: that was told, and it is looked at again
            self._note(unit, done, views[unit.uid], now.timestamp())
            if _is_behind(unit, done.rollout, views[unit.uid]):
                self._wake_placement(unit.uid)

    async def _store_state(self, unit: Unit, stored: StoredRollout, done: Step) -> bool:
        async def put(tx: Transaction) -> bool:
            current = await rollouts.lock(tx, unit.uid)
            if current is None or current.version != stored.version:
                return False
            await rollouts.put(tx, unit.uid, unit.resource_name, done.rollout)
            return True

        if not await write(self._store, put):
            self._names.add(unit.resource_name)
            return False
        for reason, message, is_warning in done.news:
            (self._events.warning if is_warning else self._events.normal)(unit.resource_name, reason, message)
        return True

    def _note(self, unit: Unit, done: Step, views: Sequence[ClusterView], now: float) -> None:
        name, rollout = unit.resource_name, done.rollout
        self._look_again.pop(name, None)
        if rollout.phase.is_over:
            self._open.discard(name)
            return
        self._open.add(name)
        waits = [] if done.look_again is None else [done.look_again.timestamp() - now]
        aim = rollout.stable if rollout.phase.goes_back else rollout.revision
        if any(view.revision == aim and view.healthy and not view.applied for view in views):
            waits.append(self._settings.rollout_settle_seconds)  # what was applied may bring no news at all
        if waits:
            self._look_again[name] = asyncio.get_running_loop().time() + max(0.0, min(waits))


def _is_behind(unit: Unit, rollout: Rollout, views: Sequence[ClusterView]) -> bool:
    """Whether some cluster is told to hold another revision than it shall."""
    return any(revision_for(rollout, unit.revision, view.name, held=view.revision) != view.revision for view in views)


def _pair(name: str) -> tuple[str, str]:
    """(namespace, unit) of "namespaces/x/units/y"."""
    _, namespace, _, unit = name.split("/")
    return namespace, unit
