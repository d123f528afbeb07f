"""Follows failovers to their end, lets units go back, and lets go of what they left on clusters that are back.

Nothing is removed from a cluster that is back before it is trusted again (it was well for a while, and does not flap),
before the unit is ready elsewhere, while automation is held, or beyond the budget for removals.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from fedsvc.controllers import metrics
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.model.audit import AuditKind, NewRecord, said
from fedsvc.model.failback import Away, due_back
from fedsvc.model.floor import shortage
from fedsvc.model.removal import PROTECTED, Limits, limits, refusal
from fedsvc.model.unit import Unit
from fedsvc.store import audit, automation, departures, failovers, fleet, floors, removals, returns, units
from fedsvc.store.failovers import Grave
from fedsvc.store.floors import Readiness
from fedsvc.store.store import Store, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What a unit left behind and does without by now."""

    unit: Unit
    graves: Sequence[Grave]
    within: Limits

    @property
    def count(self) -> int:
        """How many objects are deleted with it that no budget has let go yet."""
        return sum(grave.is_counted for grave in self.graves)


class ReturnController:
    """Looks again and again; what there is to do is found by level.

    Args of the constructor: `wake_member` is called with each cluster from which something is to be removed.
    """

    def __init__(self, store: Store, *, settings: ControllerSettings, wake_member: Callable[[str], None]) -> None:
        self._store = store
        self._settings = settings
        self._wake_member = wake_member

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._count(), name="failovers-counted")
            while True:
                await self._look()
                await asyncio.sleep(self._settings.return_seconds)

    async def _count(self) -> None:
        """Keep the metrics of what is under way and what is left."""
        try:
            while True:
                async with self._store.look() as look:
                    metrics.UNREADY_FAILOVERS.set(await failovers.unready(look))
                    metrics.LEFT_OBJECTS.set(await failovers.left_objects(look))
                await asyncio.sleep(self._settings.count_seconds)
        finally:
            metrics.UNREADY_FAILOVERS.set(0)
            metrics.LEFT_OBJECTS.set(0)

    async def _look(self) -> None:
        async with self._store.look() as look:
            found = await returns.look_out(look)
            has_left = bool(await failovers.graves(look))
        if found.is_due:
            async with self._store.transaction() as tx:
                await departures.begin_due(tx)
        if found.is_opened:
            async with self._store.transaction() as tx:
                await departures.end_drains(tx)
        if found.is_stable:
            async with self._store.transaction() as tx:
                await self._return(tx)
        if found.is_moving:
            async with self._store.transaction() as tx:
                over = await failovers.follow(tx)
            for phase, seconds in over:
                metrics.FAILOVER_SECONDS.labels(phase).observe(seconds)
        if has_left:
            async with self._store.transaction() as tx:
                cleaned = [] if (await automation.gate(tx)).is_held else await self._clean(tx)
            for cluster in cleaned:
                self._wake_member(cluster)

    async def _return(self, tx: Transaction) -> None:
        """Let units go back that are due, where automation may act."""
        found = await departures.away(tx)
        await departures.lock(tx, [one.uid for _, one in found])
        gate = await automation.shared_gate(tx)
        if not gate.is_on:
            return
        away = [
            one
            for unit_name, one in found
            if unit_name not in gate.held_units and one.cluster not in gate.held_clusters
        ]
        due = due_back(away, await departures.return_times(tx), tx.now)
        await departures.begin_return(tx, [(one.uid, one.cluster) for one in due])
        names = {one.uid: unit_name for unit_name, one in found}
        await audit.add(tx, [_returns(names[one.uid], one) for one in due])

    async def _clean(self, tx: Transaction) -> list[str]:
        """Within the budget, which is counted here as it is for decisions."""
        by_unit: dict[str, list[Grave]] = defaultdict(list)
        for grave in await failovers.graves(tx):
            by_unit[grave.unit_uid].append(grave)
        of_units = {unit.uid: unit for unit in await units.get_many(tx, list(by_unit))}
        budget = (await fleet.get(tx)).spec.removals
        in_fleet = await removals.fleet_objects(tx)
        objects = await removals.objects_of_units(tx, list(by_unit))
        asking = [
            Leftover(
                unit=of_units[uid],
                graves=graves,
                within=limits(
                    budget,
                    of_units[uid].spec.removals,
                    fleet_objects=in_fleet,
                    unit_objects=objects.get(uid, 0),
                ),
            )
            for uid, graves in by_unit.items()
        ]
        waiting = await self._below_floor(tx, asking)
        await failovers.tell(
            tx, {grave.id: waiting[one.unit.uid] for one in asking if one.unit.uid in waiting for grave in one.graves}
        )
        asking = [one for one in asking if one.unit.uid not in waiting]
        # After the units were locked, as decisions do it.
        change, hour = await removals.spent(tx)
        held = kept_back(asking, change_objects=change, hour_objects=hour)
        for one in asking:
            if one.unit.uid in held:
                await removals.hold(tx, _told(one, held[one.unit.uid]))
        let = [one for one in asking if one.unit.uid not in held]
        await removals.add(tx, {one.unit.resource_name: one.count for one in let if one.count}, is_decision=True)
        await audit.add(tx, [one for each in let for one in _cleaned(each)])
        return await failovers.clean(tx, [grave for one in let for grave in one.graves])

    async def _below_floor(self, tx: Transaction, asking: Sequence[Leftover]) -> dict[str, str]:
        """Why units do without their leftovers only later, by uid; nobody decides on these units meanwhile."""
        minding = [one for one in asking if one.unit.spec.failover.floor is not None and one.unit.delete_time is None]
        uids = sorted(one.unit.uid for one in minding)
        await units.lock_generations(tx, uids)
        found = await floors.readiness_of(tx, uids)
        return {uid: why for uid, why in ((one.unit.uid, _lack(one, found[one.unit.uid])) for one in minding) if why}


def _lack(one: Leftover, found: Readiness) -> str:
    assert one.unit.spec.failover.floor is not None, "only units with a floor are looked at"
    left = {grave.cluster for grave in one.graves}
    return shortage(left, found.wanted, found.ready, one.unit.spec.failover.floor)


def _returns(unit_name: str, one: Away) -> NewRecord:
    return NewRecord(
        kind=AuditKind.FAILBACK,
        reason="Stable",
        message=f"it takes back what it had on {one.cluster}, which was well for {one.policy.stable_seconds} s",
        unit=unit_name,
        cluster=one.cluster,
        evidence=said(
            leaveTime=one.leave_time,
            wellSince=one.well_since,
            stableSeconds=one.policy.stable_seconds,
            pacePercent=one.policy.pace_percent,
            priority=one.priority,
        ),
    )


def _cleaned(one: Leftover) -> list[NewRecord]:
    found: dict[str, list[Grave]] = defaultdict(list)
    for grave in one.graves:
        found[grave.cluster].append(grave)
    return [
        NewRecord(
            kind=AuditKind.REMOVAL,
            reason="LeftBehind",
            message=f"what it left on {cluster} may go: it is ready elsewhere",
            unit=one.unit.resource_name,
            cluster=cluster,
            evidence=said(objects=len(graves), counted=sum(grave.is_counted for grave in graves)),
        )
        for cluster, graves in found.items()
    ]


def kept_back(asking: Iterable[Leftover], *, change_objects: int, hour_objects: int) -> dict[str, tuple[str, str]]:
    """Pure: the units whose leftovers must wait for a confirmation, by uid, with reason and words.

    Args:
        asking: in the order in which they are let go.
        change_objects: what was removed just before, as part of the same change.
        hour_objects: what was removed in the last hour without a confirmation.
    """
    held: dict[str, tuple[str, str]] = {}
    for one in asking:
        why = (
            (PROTECTED, "the unit is protected")
            if one.unit.spec.protected and one.unit.delete_time is None
            else refusal(
                one.count,
                change_objects=change_objects,
                hour_objects=hour_objects,
                is_emptied=False,
                within=one.within,
            )
        )
        if why is not None:
            held[one.unit.uid] = why
            continue
        change_objects, hour_objects = change_objects + one.count, hour_objects + one.count
    return held


def _told(one: Leftover, why: tuple[str, str]) -> dict[int, tuple[str, str]]:
    reason, words = why
    unit = f"unit/{one.unit.namespace}/{one.unit.name}"
    message = f"{words}: it stays there until that is confirmed: fedctl confirm {unit}"
    return {grave.id: (reason, message) for grave in one.graves}
