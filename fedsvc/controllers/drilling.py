"""Brings drills to their end, and back what left by them: also where nobody is there any more who began them."""

import asyncio

from fedsvc.controllers.settings import ControllerSettings
from fedsvc.model.audit import AuditKind, NewRecord, said
from fedsvc.model.drill import Drill, DrillOutcome, DrillPhase, Sight, next_step, report, worse_than
from fedsvc.model.hold import REGIONS
from fedsvc.store import audit, drills, events
from fedsvc.store.store import Store, Transaction


class DrillController:
    """Looks again and again; what there is to do is found by level."""

    def __init__(self, store: Store, *, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        while True:
            async with self._store.look() as look:
                drill = await drills.find_open(look)
                is_left = drill is None and await drills.any_to_restore(look)
            if drill is not None:
                async with self._store.transaction() as tx:
                    await self._follow(tx, drill.id)
            elif is_left:  # a decision was under way when its drill ended
                async with self._store.transaction() as tx:
                    await drills.restore(tx)
            await asyncio.sleep(self._settings.drill_seconds)

    async def _follow(self, tx: Transaction, drill_id: int) -> None:
        drill = await drills.get(tx, drill_id, is_locked=True)
        sight = await drills.sight(tx, drill)
        drill = await drills.note_worse(tx, drill, is_worse=bool(worse_than(drill, sight)))
        step = next_step(drill, sight, tx.now)
        if step is not None:
            drill = await drills.move(tx, drill, step)
            told = await _told(tx, drill)
            await events.add_many(tx, told)
            await audit.add(tx, [_kept(drill, sight, told[0])] if told else [])
        if drill.phase is DrillPhase.RETURNING:
            await drills.restore(tx)


def _kept(drill: Drill, sight: Sight, told: events.NewEvent) -> NewRecord:
    of_region = drill.plan.subject.startswith(REGIONS)
    return NewRecord(
        kind=AuditKind.DRILL,
        reason=told.reason,
        message=told.message,
        region=drill.plan.subject.removeprefix(REGIONS) if of_region else "",
        cluster="" if of_region else drill.plan.clusters[0],
        evidence=said(
            drill=drill.id,
            mode=drill.plan.mode.value,
            outcome="" if drill.outcome is None else drill.outcome.value,
            clusters=list(drill.plan.clusters),
            troubled=dict(sight.troubled),
            degraded=list(sight.degraded),
            held=sight.held,
            moved=len(sight.moved),
        ),
    )


async def _told(tx: Transaction, drill: Drill) -> list[events.NewEvent]:
    match drill.phase:
        case DrillPhase.AWAY:
            reason, words = "DrillAway", "all that leaves is ready elsewhere"
        case DrillPhase.RETURNING:
            reason, words = "DrillReturning", drill.message or "its time is over"
        case _:
            found = report(drill, await drills.moved(tx, drill))
            reason, words = f"Drill{drill.outcome}", "; ".join((f"score {found.score}", *found.findings))
    is_bad = drill.outcome is DrillOutcome.ABORTED
    return [
        events.NewEvent(
            subject=f"clusters/{name}",
            cluster=name,
            type=events.WARNING if is_bad else events.NORMAL,
            reason=reason,
            message=f"drill {drill.id} of {drill.plan.subject} ({drill.plan.mode}): {words}",
        )
        for name in drill.plan.clusters
    ]
