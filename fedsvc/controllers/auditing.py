"""Keeps what automation refuses: as long as it does, one record for each reason, however often it is looked at.

What is refused is found by level, from the same rows that tell people what waits (`fedctl failovers`), so nothing of it
is lost with a process. What is merely waited for, as a toleration or a turn, is no refusal.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from fedsvc.controllers.settings import ControllerSettings
from fedsvc.health import Verdict
from fedsvc.model.ailing import Wait
from fedsvc.model.audit import (
    AuditKind,
    AuditOutcome,
    NewRecord,
    breaker_evidence,
    health_evidence,
    said,
)
from fedsvc.model.hold import Hold, words_of
from fedsvc.model.pending import MoveKind, PendingMove, Standing, Stop, pending_move
from fedsvc.store import audit, automation, holds, pending, removals
from fedsvc.store.automation import Stored
from fedsvc.store.removals import HeldRemoval
from fedsvc.store.store import Store, Transaction

_PAUSE: Final = 10
"""After a look the next one waits for so many times as long as that took: it takes a bounded part of the time."""

_STOPPED: Final = frozenset({"Held", "AutomationOff"})
_OF_PRIMARIES: Final = {"NoProof", "NoReplica", "HookFailed", "NotPromoted", "CalledOff"}
_REFUSED: Final = _STOPPED | _OF_PRIMARIES | {"Manual", "Never", "NoPlace", Wait.EVERYWHERE.value}


class AuditController:
    """Looks again and again."""

    def __init__(self, store: Store, *, settings: ControllerSettings) -> None:
        self._store = store
        self._settings = settings

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            async with self._store.look() as look:
                is_any = await pending.any_pending(look) or await audit.any_refused(look)
            if is_any:
                async with self._store.transaction() as tx:
                    await audit.follow_refusals(tx, await _refused(tx))
            await asyncio.sleep(max(self._settings.audit_seconds, _PAUSE * (loop.time() - begin)))


async def _refused(tx: Transaction) -> list[NewRecord]:
    stop = await pending.stop(tx)
    found = await pending.list_all(tx)
    moves = [(one, move) for one in found if (move := pending_move(one, stop, tx.now)) is not None]
    stored, held = await automation.get(tx), await holds.on_automation(tx)
    return [
        *refused_moves(moves, stop, stored, held),
        *refused_removals(await removals.held(tx)),
    ]


def refused_moves(
    moves: Iterable[tuple[Standing, PendingMove]], stop: Stop, stored: Stored, held: Sequence[Hold]
) -> list[NewRecord]:
    """Pure: the moves that automation refuses; what keeps all units on a lost cluster is one refusal.

    Args:
        moves: what is not made for now, and where that stands.
        stop: what automation may not act on.
        stored: whether it acts at all.
        held: the holds over it.
    """
    found: list[NewRecord] = []
    together: dict[tuple[str, str], list[tuple[Standing, PendingMove]]] = defaultdict(list)
    for one, move in moves:
        if move.reason not in _REFUSED:
            continue
        if move.reason in _STOPPED and one.health.verdict is Verdict.UNREACHABLE and not _is_own(one, stop):
            together[one.cluster, move.reason].append((one, move))
        else:
            found.append(_of_unit(one, move, held))
    for (cluster, reason), all_of in together.items():
        names = sorted(one.unit_name for one, _ in all_of)
        noun = f"{len(names)} unit{'s stay' if len(names) > 1 else ' stays'}"
        found.append(
            NewRecord(
                kind=AuditKind.FAILOVER,
                outcome=AuditOutcome.REFUSED,
                reason=reason,
                message=f"{noun} on {cluster}, which is lost: {all_of[0][1].message}",
                cluster=cluster,
                units=names,
                evidence={
                    "health": health_evidence(all_of[0][0].health),
                    "automation": breaker_evidence(stored.state),
                    **_holds_evidence(held),
                },
            )
        )
    return found


def refused_removals(found: Iterable[HeldRemoval]) -> list[NewRecord]:
    """Pure: the removals that are kept back until somebody confirms them."""
    return [
        NewRecord(
            kind=AuditKind.REMOVAL,
            outcome=AuditOutcome.REFUSED,
            reason=one.reason,
            message=one.message,
            unit=one.unit_name,
            cluster=one.cluster,
            evidence={"objects": one.object_count},
        )
        for one in found
    ]


def _is_own(one: Standing, stop: Stop) -> bool:
    """Whether nothing but a hold of the unit itself keeps it where it is."""
    wider = {"fleet", f"clusters/{one.cluster}", stop.regions.get(one.cluster, "")}
    return one.unit_name in stop.held and not wider & stop.held and not stop.off_message


def _of_unit(one: Standing, move: PendingMove, held: Sequence[Hold]) -> NewRecord:
    departure = one.departure
    evidence = {
        "health": health_evidence(one.health),
        "policy": said(
            mode=one.policy.mode.value,
            tolerationSeconds=one.policy.toleration_seconds,
            failback=one.policy.failback.mode.value,
        ),
        "ailment": None if one.ailment is None else one.ailment.message,
        "departure": None
        if departure is None
        else said(cause=departure.cause.value, author=departure.author, leaveTime=departure.leave_time),
        **(_holds_evidence(held) if move.reason == "Held" else {}),
    }
    return NewRecord(
        kind=AuditKind.FAILBACK if move.kind is MoveKind.BACK else AuditKind.FAILOVER,
        outcome=AuditOutcome.REFUSED,
        reason=move.reason,
        message=move.message,
        unit=one.unit_name,
        cluster=one.cluster,
        evidence=said(**evidence),
    )


def _holds_evidence(held: Sequence[Hold]) -> dict[str, list[str]]:
    return {"holds": [words_of(one) for one in held]} if held else {}
