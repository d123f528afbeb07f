"""Has units leave clusters that are well and where they themselves are not, as far as they ask for that.

Since when a unit is unhealthy is kept in rows, so a restart neither begins the time anew nor acts on what was last
known: who begins to lead first waits until members were heard.
"""

import asyncio
from collections.abc import Sequence

from fedsvc.controllers.settings import ControllerSettings
from fedsvc.model.ailing import Course, Patient, Wait, course
from fedsvc.model.audit import AuditKind, NewRecord
from fedsvc.model.failover import FailoverMode
from fedsvc.store import ailments, audit, automation, events
from fedsvc.store.ailments import Found
from fedsvc.store.automation import Gate
from fedsvc.store.store import Store, Transaction

_STOPS = {FailoverMode.MANUAL: Wait.MANUAL, FailoverMode.NEVER: Wait.NEVER}


class AilingController:
    """Looks again and again; what there is to do is found by level."""

    def __init__(self, store: Store, *, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        await asyncio.sleep(self._settings.ailing_settle_seconds)
        while True:
            async with self._store.look() as look:
                is_any = await ailments.any_to_follow(look)
            if is_any:
                async with self._store.transaction() as tx:
                    await self._follow(tx)
            await asyncio.sleep(self._settings.ailing_seconds)

    async def _follow(self, tx: Transaction) -> None:
        await ailments.lock(tx)
        gate = await automation.shared_gate(tx)
        found = await ailments.read(tx)
        done = await _course(tx, found, gate)
        await ailments.keep(tx, found, done.waiting)
        await ailments.call_off(
            tx,
            held_uids=[one.uid for one in found if _stop(one, gate) is not None],
            held_clusters=sorted(gate.held_clusters),
            is_held=not gate.is_on,
        )
        await ailments.forget(tx)
        await ailments.order(tx, found, done)
        told = _told(found, done)
        await events.add_many(tx, told)
        await audit.add(tx, _kept(told, done))


async def _course(tx: Transaction, found: Sequence[Found], gate: Gate) -> Course:
    left, under_way = await ailments.left_behind(tx), await ailments.under_way(tx)
    patients = [
        Patient(
            uid=one.uid,
            policy=one.policy.unhealthy,
            priority=one.policy.priority,
            spots=tuple(one.spots),
            stop=_stop(one, gate),
            left=left.get(one.uid),
        )
        for one in found
        if one.policy.unhealthy is not None and not any((one.uid, spot.cluster) in under_way for spot in one.spots)
    ]
    return course(
        patients,
        bound=await ailments.bound_counts(tx),
        left=await ailments.gone_of_late(tx),
        held_clusters=gate.held_clusters,
        now=tx.now,
    )


def _stop(one: Found, gate: Gate) -> Wait | None:
    if not gate.is_on or one.unit_name in gate.held_units:
        return Wait.HELD
    return _STOPS.get(one.policy.mode)


def _kept(told: Sequence[events.NewEvent], done: Course) -> list[NewRecord]:
    """The same for the audit; that a unit leaves is kept where it is decided."""
    return [
        NewRecord(kind=AuditKind.FAILBACK, reason="InVain", message=one.message, unit=one.subject, cluster=cluster)
        for one, (_, cluster) in zip(told[len(done.leaving) :], done.returning, strict=True)
    ]


def _told(found: Sequence[Found], done: Course) -> list[events.NewEvent]:
    by_uid = {one.uid: one for one in found}
    leaving = [
        events.NewEvent(
            subject=by_uid[uid].unit_name,
            cluster=cluster,
            type=events.WARNING,
            reason="LeavesUnhealthy",
            message=f"it is unhealthy on {cluster} and is to be elsewhere: {by_uid[uid].messages[cluster]}",
        )
        for uid, cluster in done.leaving
    ]
    returning = [
        events.NewEvent(
            subject=by_uid[uid].unit_name,
            cluster=cluster,
            type=events.NORMAL,
            reason="ReturnsHealthy",
            message=f"it is well on {cluster} again, and not where it went: it goes back",
        )
        for uid, cluster in done.returning
    ]
    return [*leaving, *returning]
