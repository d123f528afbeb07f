"""What works wait for besides their turn: an earlier written wave of their unit.

The claim of a member's works (`work_queue`) asks the rows themselves whether a gate is open, so nothing slips through
while somebody works it out. Here is what people are told of it, and whom a change may let go.
"""

from collections.abc import Collection, Sequence
from typing import Final

from sqlalchemy import text

from fedsvc.model.summary import Wait
from fedsvc.rendering.waves import STEPS, AwaitedState, written_of
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import key_from_row, resource_name
from fedsvc.store.work_queue import REACHED

WAITING_FOR_WAVE: Final = "WaitingForWave"

_LINKED = text(
    "SELECT namespace, name FROM unit WHERE uid IN (SELECT unit_uid FROM work WHERE awaited <> '') ORDER BY 1, 2"
)
_AFFECTED = text(
    "SELECT u.namespace, u.name, array_agg(DISTINCT w.cluster) AS clusters"
    " FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS i (namespace, name)"
    " JOIN unit u USING (namespace, name) JOIN work w ON w.unit_uid = u.uid AND w.dirty GROUP BY 1, 2"
)
_WAVES = text(
    "SELECT DISTINCT ON (work.unit_uid, work.cluster) CAST(work.unit_uid AS text) AS unit, work.* FROM work"
    " WHERE work.unit_uid = ANY(CAST(:uids AS uuid[])) AND work.awaited <> '' AND work.removal IS NULL"
    f" AND NOT {REACHED.format(awaited='work.awaited')} AND EXISTS (SELECT 1 FROM work later"
    "   WHERE later.unit_uid = work.unit_uid AND later.cluster = work.cluster AND later.dirty AND later.removal IS NULL"
    f"  AND floor(later.wave / {STEPS}.0) > floor(work.wave / {STEPS}.0))"
    " ORDER BY work.unit_uid, work.cluster, work.wave, work.id"
)


async def linked(tx: Transaction) -> frozenset[str]:
    """Names in the API of the units whose changes may open a gate."""
    return frozenset(resource_name(row.namespace, row.name) for row in await tx.execute(_LINKED))


async def affected(tx: Transaction, names: Collection[str]) -> dict[str, list[str]]:
    """Units whose works may go on when these units changed, by name, and the clusters where they have some to do."""
    pairs = [name.split("/")[1::2] for name in sorted(names)]
    parameters = {"namespaces": [namespace for namespace, _ in pairs], "names": [name for _, name in pairs]}
    rows = await tx.execute(_AFFECTED, parameters)
    return {resource_name(row.namespace, row.name): list(row.clusters) for row in rows}


async def waits(tx: Transaction, uids: Sequence[str]) -> dict[str, dict[str, Wait]]:
    """What keeps works of these units waiting: by uid, then by cluster."""
    found: dict[str, dict[str, Wait]] = {uid: {} for uid in uids}
    for row in await tx.execute(_WAVES, {"uids": list(uids)}):
        wanted = "healthy" if row.awaited == AwaitedState.READY and row.state == "Applied" else "applied"
        stands = (
            row.state if wanted == "applied" else row.health if row.health not in ("", "Healthy") else "not seen yet"
        )
        because = row.message if wanted == "applied" else row.health_message
        said = f": {because}" if because else ""
        message = f"waits for wave {written_of(row.wave)}: {key_from_row(row)} is {stands}, not {wanted}{said}"
        found[row.unit][row.cluster] = Wait(reason=WAITING_FOR_WAVE, message=message)
    return found
