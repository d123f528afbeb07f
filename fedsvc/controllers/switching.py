"""Takes primaries from a cluster to another: observes, asks `fedsvc.model.switchover`, and stores what is next.

What members hold is the placement controller's to write, which reads what the unit is on each cluster; a decision that
was made of an older state is not written. So nothing is lost when either of them ends at any moment.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fedsvc.controllers import metrics
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.model.audit import AuditKind, NewRecord, said
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.roles import Switchover
from fedsvc.model.switchover import News, step
from fedsvc.model.unit import Unit
from fedsvc.store import audit, automation, departures, events, failovers, fleet, switchover_views, switchovers, units
from fedsvc.store.store import Store, Transaction
from fedsvc_placement.model import DataCopy

_DEEDS: Final = {
    "SwitchoverBegun",
    "Promoting",
    "SwitchoverDone",
    "SwitchoverCalledOff",
    "PrimaryBack",
    "OldPrimaryDemoted",
}
_MOST_STEPS: Final = 8
"""Steps that are made of one look; some need nothing new to be seen."""


class SwitchoverController:
    """Looks again and again; what there is to do is found by level."""

    def __init__(self, store: Store, *, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._count(), name="switchovers-counted")
            while True:
                async with self._store.look() as look:
                    due = await switchovers.due(look)
                for uid in due:
                    async with self._store.transaction() as tx:
                        await self._follow(tx, uid)
                await asyncio.sleep(self._settings.switchover_seconds)

    async def _count(self) -> None:
        """Keep the metrics of what cannot go on by itself."""
        try:
            while True:
                async with self._store.look() as look:
                    metrics.BLOCKED_SWITCHOVERS.set(await switchovers.blocked(look))
                    metrics.UNDEMOTED_PRIMARIES.set(await switchovers.undemoted(look))
                await asyncio.sleep(self._settings.count_seconds)
        finally:
            metrics.BLOCKED_SWITCHOVERS.set(0)
            metrics.UNDEMOTED_PRIMARIES.set(0)

    async def _follow(self, tx: Transaction, uid: str) -> None:
        await departures.lock(tx, [uid])
        gate = await automation.shared_gate(tx)
        found = await units.get_many(tx, [uid])
        stored = await switchovers.lock(tx, uid)
        if stored is None or not found or found[0].delete_time is not None:
            return
        (unit,) = found
        policy = unit.spec.failover.roles
        if policy is None or unit.decided_generation < unit.generation:
            return
        settle = self._settings.rollout_settle_seconds
        state, ask = stored.state, stored.ask
        sight = await switchover_views.sight_of(tx, unit, policy, state, gate=gate, settle_seconds=settle)
        news: list[News] = []
        for _ in range(_MOST_STEPS):
            done = step(policy, unit.spec.failover.failback, state, sight, tx.now, ask=ask)
            news += done.news
            if done.is_done:
                await failovers.add_switchover(tx, uid, unit.resource_name, state, unit.spec.failover.priority)
            is_heard, ask = ask is not None and not done.keeps_ask, ask if done.keeps_ask else None
            if done.state == state and not is_heard:
                break
            state = done.state
            if ask is not None:
                break
        if state == stored.state and (stored.ask is None) == (ask is None):
            return
        await switchovers.put(tx, uid, unit.resource_name, state, keeps_ask=ask is not None)
        told = _told(unit, state, news)
        await events.add_many(tx, told)
        await audit.add(tx, [_kept(one, state) for one in told if one.reason in _DEEDS])
        if policy.dataset and state.primary != stored.state.primary:
            await _move_dataset(tx, policy.dataset, stored.state.primary, state.primary)
        if _renders(state) != _renders(stored.state):
            await departures.touch(tx, [uid])


def _renders(state: Switchover) -> tuple[object, ...]:
    """What of it decides what members shall hold."""
    return (state.primary, state.target, state.phase, state.is_demoted, state.undemoted, state.proof)


def _told(unit: Unit, state: Switchover, news: Sequence[News]) -> list[events.NewEvent]:
    return [
        events.NewEvent(
            subject=unit.resource_name,
            cluster=state.target or state.primary,
            type=events.WARNING if one.is_warning else events.NORMAL,
            reason=one.reason,
            message=one.message,
        )
        for one in news
    ]


def _kept(told: events.NewEvent, state: Switchover) -> NewRecord:
    """The same for the audit; what it cannot go on without is kept as long as that lasts, by who keeps refusals."""
    evidence = said(
        phase=state.phase.value,
        cause=state.cause,
        source=state.source,
        target=state.target,
        proof=state.proof,
        isLossAccepted=state.is_loss_accepted,
        undemoted=list(state.undemoted),
        since=state.begin_time,
    )
    return NewRecord(
        kind=AuditKind.FAILOVER,
        reason=told.reason,
        message=told.message,
        author=state.author,
        unit=told.subject,
        cluster=told.cluster,
        evidence=evidence,
    )


async def _move_dataset(tx: Transaction, name: str, before: str, after: str) -> None:
    """Data is written where the primary is, and read where it was."""
    spec = (await fleet.get(tx)).spec
    await fleet.update(tx, with_primary(spec, name, before, after))


def with_primary(spec: FleetSpec, name: str, before: str, after: str) -> FleetSpec:
    """The fleet settings with a dataset that is written elsewhere; where it was written it becomes a copy."""
    found = []
    for one in spec.datasets:
        if one.name != name:
            found.append(one)
            continue
        copies = [copy for copy in one.copies if copy.cluster not in (before, after)]
        old = [copy for copy in one.copies if copy.cluster == before] or [DataCopy(cluster=before)]
        found.append(replace(one, primary=after, copies=tuple(sorted((*copies, *old), key=lambda copy: copy.cluster))))
    return replace(spec, datasets=tuple(found))
