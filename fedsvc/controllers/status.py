"""Keeps each unit's status true: summed from its works and its decision, shortly after the last change of either.

Whether a member is heard counts too: when that changes, the units that have works there are summed anew. A member that
is back counts as heard when its objects are read again: what is known of them is from before.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from fedsvc.controllers import metrics
from fedsvc.controllers.holding import Holds
from fedsvc.controllers.hub import Hub, quietly
from fedsvc.controllers.pacing import Rhythm
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.summary import DecisionInfo, decision_info, summarise
from fedsvc.controllers.wakeups import Wakeups
from fedsvc.model.hold import FLEET_SUBJECT, Hold
from fedsvc.model.silence import Silence, silence_of
from fedsvc.model.summary import ClusterWorks
from fedsvc.model.unit import WorkState
from fedsvc.store import clusters, decisions, gates, references, rollouts, summaries, switchovers, units
from fedsvc.store.changes import Change
from fedsvc.store.store import Store
from fedsvc.store.unit_rows import unit_pair

_BUSY_SECONDS: Final = 1.0
"""After so long a unit is looked at again that somebody else held."""


class StatusController:
    """Writes the summaries of units, only where they differ.

    `blocked` tells, by uid, why a decision has to wait. `reread` has all objects of a cluster listed anew and calls
    back when that is done; it answers False where there is nothing to list.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: ControllerSettings,
        holds: Holds,
        blocked: Callable[[], Mapping[str, str]],
        reread: Callable[[str, Callable[[], None]], bool],
    ) -> None:
        self._store = store
        self._settings = settings
        self._holds = holds
        holds.tell(self._holds_changed)
        self._blocked = blocked
        self._reread = reread
        self._names: Wakeups[str] = Wakeups()  # of units and clusters, as in the API, and of the fleet
        self._silent: dict[str, Silence] = {}  # by cluster
        self._reading: dict[str, bool] = {}  # clusters that are back, and whether their objects were read since
        self._everything = True
        self._held: set[str] = set()  # clusters on which something else is held than before

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, self._rescan)

    def wake(self, unit_name: str) -> None:
        """Look at a unit."""
        self._names.add(unit_name)

    async def run(self) -> None:
        """Summarise until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        self._everything = True
        loop = asyncio.get_running_loop()
        rhythm = Rhythm(first_seconds=self._settings.status_debounce_seconds, busy_seconds=self._settings.busy_seconds)
        while True:
            if self._everything:
                self._everything = False
                self._silent.clear()
                self._reading.clear()
                await self._look_at_clusters(None)
                await self._wake_all()
            names = await self._names.take(
                limit=self._settings.status_batch_units, timeout_seconds=self._settings.rescan_seconds
            )
            if not names:
                continue
            # Works change in bursts: one summary for all of a burst.
            await asyncio.sleep(rhythm.wait_seconds(loop.time()))
            more = self._names.take_now(limit=self._settings.status_batch_units)
            if FLEET_SUBJECT in (*names, *more):
                await self._wake_all()
            units_changed, clusters_changed = _parted({*names, *more} - {FLEET_SUBJECT})
            if clusters_changed:
                # What it wakes is summed in the next round, and no unit of this one has to wait for it.
                await self._look_at_clusters(clusters_changed)
            if units_changed:
                await self._summarise(units_changed)
            rhythm.wrote(loop.time())

    def _changed(self, change: Change) -> None:
        if change.kind == "work":
            self._names.add(change.subject)
        elif change.kind == "cluster" or (change.kind == "unit" and not change.deleted):
            self._names.add(change.name)

    def _rescan(self) -> None:
        """Nothing: every change is seen or made up for when the controllers start; a full pass is not cheap."""

    def _holds_changed(self, before: tuple[Hold, ...], after: tuple[Hold, ...]) -> None:
        """What is held is told by the units that it is of; of a cluster, by those that have works there."""
        for hold in {*before} ^ {*after}:
            if hold.subject.startswith("clusters/"):
                self._held.add(hold.subject.removeprefix("clusters/"))
            if hold.is_of_region:
                self._held.update(hold.clusters or ())
                self._names.update(f"clusters/{name}" for name in hold.clusters or ())
            else:
                self._names.add(hold.subject)

    async def _wake_all(self) -> None:
        async with self._store.reader() as tx:
            uids = await units.list_uids(tx)
            for start in range(0, len(uids), self._settings.status_batch_units):
                part = await units.get_many(tx, uids[start : start + self._settings.status_batch_units])
                self._names.update(unit.resource_name for unit in part)

    async def _look_at_clusters(self, names: Sequence[str] | None) -> None:
        """Find out which of the clusters (None: of all) are heard, and wake the units on those where that changed."""
        async with self._store.reader() as tx:
            observed = await clusters.observations(tx, names)
            changed = sorted(self._held)
            self._held.clear()
            for name in observed if names is None else names:
                silence = silence_of(observed[name]) if name in observed else None
                if silence is not None:
                    self._reading.pop(name, None)
                if silence == self._silent.get(name) or (silence is None and self._is_being_read(name)):
                    continue
                changed.append(name)
                if silence is None:
                    del self._silent[name]
                else:
                    self._silent[name] = silence
            if changed:
                self._names.update(await summaries.units_on(tx, changed))

    def _is_being_read(self, name: str) -> bool:
        """Whether a cluster that is back is not read again yet; the first time that is begun."""
        if name not in self._reading:
            self._reading[name] = not self._reread(name, partial(self._was_read, name))
        if self._reading[name]:
            del self._reading[name]
            return False
        return True

    def _was_read(self, name: str) -> None:
        if name in self._reading:
            self._reading[name] = True
            self._names.add(f"clusters/{name}")

    async def _summarise(self, names: list[str]) -> None:
        async with self._store.reader() as tx:
            uids = await summaries.uids_of(tx, [unit_pair(name) for name in names])
            found = await units.get_many(tx, uids)
            decided = await decisions.in_force(tx, uids)
            sums = await summaries.of_units(tx, uids)
            infos = {uid: decision_info(stored.id, stored.words) for uid, stored in decided.items()}
            # Most units have nothing to do with others, and cost no question.
            asking = [unit.uid for unit in found if unit.spec.depends_on or unit.spec.follow_dependencies]
            unmet = await gates.unmet(tx, asking)
            unheld = await references.unheld(tx, asking)
            copied = await references.copied_to(tx, [uid for uid in uids if _is_beside(sums[uid], infos.get(uid))])
            waits = await gates.waits(
                tx, unmet, pending=_having(WorkState.PENDING, sums), removing=_having(WorkState.REMOVING, sums)
            )
            running = await rollouts.of_units(tx, uids)
            revisions = await rollouts.held(tx, uids)
            with_roles = [unit.uid for unit in found if unit.spec.failover.roles is not None]
            primaries = await switchovers.of_units(tx, with_roles) if with_roles else {}
            now = tx.now
        blocked, held = self._blocked(), await self._holds.current()
        changed = []
        for unit in found:
            status = summarise(
                unit,
                infos.get(unit.uid),
                sums[unit.uid],
                silent=self._silent,
                waits=waits.get(unit.uid, ()),
                unmet=unmet.get(unit.uid, ()),
                rollout=running[unit.uid].state if unit.uid in running else None,
                primary=primaries[unit.uid].state if unit.uid in primaries else None,
                held=revisions[unit.uid],
                unheld=unheld.get(unit.uid, ()),
                copied=copied.get(unit.uid, ()),
                blocked=blocked.get(unit.uid, ""),
                holds=held,
                now=now,
            )
            if status != unit.status:
                changed.append((unit, status))
            await asyncio.sleep(0)
        if not changed:
            return
        loop = asyncio.get_running_loop()
        with quietly():  # nobody decides or acts on a summary
            async with self._store.transaction() as tx:
                # A large unit is held for seconds while its works are written: the others do not wait for it.
                free = await units.lock_free(tx, [unit.uid for unit, _ in changed])
                for unit in (unit for unit, _ in changed if unit.uid not in free):
                    loop.call_later(_BUSY_SECONDS, self._names.add, unit.resource_name)
                written = await units.set_statuses(tx, [one for one in changed if one[0].uid in free])
            metrics.STATUS_WRITES.inc(written)


def _having(state: WorkState, sums: Mapping[str, Sequence[ClusterWorks]]) -> list[str]:
    """The units of which works in a state are the worst somewhere."""
    return [uid for uid, lines in sums.items() if any(line.worst.state is state for line in lines)]


def _is_beside(lines: Sequence[ClusterWorks], decision: DecisionInfo | None) -> bool:
    """Whether a unit has works where it is not placed: they are leaving, or copies."""
    return decision is not None and any(line.cluster not in decision.targets for line in lines)


def _parted(names: Collection[str]) -> tuple[list[str], list[str]]:
    """Names of units as they are, and the ids of clusters, each sorted."""
    of_clusters = {name for name in names if name.startswith("clusters/")}
    return sorted(set(names) - of_clusters), sorted(name.removeprefix("clusters/") for name in of_clusters)
