"""Confirmations that objects may be deleted and made anew: of one manifest each, gone once it is applied."""

from collections.abc import Sequence
from typing import Final

from fedsvc.model.handling import RECREATION_UNCONFIRMED
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.work_rows import LOCK, UNIT_NAME, record_rows

_WHICH: Final = (
    "unit_uid = CAST(:uid AS uuid) AND kind = :kind AND namespace = :namespace AND name = :name"
    " AND (:api_version = '' OR concat_ws('/', nullif(group_, ''), version) = :api_version)"
    " AND (CAST(:clusters AS text[]) = '{}' OR cluster = ANY(CAST(:clusters AS text[])))"
)
_LOCK_THEM = text(LOCK.format(_WHICH))
_WAITING: Final = "removal IS NULL AND reason = :reason AND desired_digest IS NOT NULL"
_CONFIRM = text(
    "UPDATE work SET recreate_digest = desired_digest, next_attempt_time = now(), update_time = now()"
    f" WHERE {_WHICH} AND {_WAITING} RETURNING id, cluster, {UNIT_NAME}"
)
_RENDER_ANEW = text(
    "UPDATE binding SET render_key = '' WHERE unit_uid = CAST(:uid AS uuid) AND cluster = ANY(CAST(:clusters AS text[]))"
)
_DECIDE_ANEW = text("UPDATE unit SET generation = generation + 1 WHERE uid = CAST(:uid AS uuid)")


async def confirm(
    tx: Transaction,
    uid: str,
    *,
    api_version: str,
    kind: str,
    namespace: str,
    name: str,
    clusters: Sequence[str],
) -> list[str]:
    """Let the works of a resource be made anew that wait for it; gives their clusters, sorted.

    Args:
        tx: the transaction.
        uid: of the unit.
        api_version: of the resource; empty: any.
        kind: of the resource.
        namespace: of the resource.
        name: of the resource.
        clusters: which; empty: all.
    """
    which = {"uid": uid, "api_version": api_version, "kind": kind, "namespace": namespace, "name": name}
    parameters = which | {"clusters": list(clusters)}
    await tx.execute(_LOCK_THEM, parameters)
    rows = (await tx.execute(_CONFIRM, parameters | {"reason": RECREATION_UNCONFIRMED})).all()
    record_rows(tx, rows)
    names = sorted(row.cluster for row in rows)
    if names:
        # Rendering it anew changes nothing, and has the controllers look at these works at once, wherever they run.
        await tx.execute(_RENDER_ANEW, {"uid": uid, "clusters": names})
        await tx.execute(_DECIDE_ANEW, {"uid": uid})
        tx.record("unit", rows[0].unit_name)
    return names
