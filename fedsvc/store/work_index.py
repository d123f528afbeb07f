"""What controllers keep in memory of the works of one cluster, and the manifests that drift is compared with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.model.handling import Handling, read_handling
from fedsvc.model.unit import DriftMode, WorkState
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store.manifests import opened
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.units import key_from_row

_INDEX: Final = text(
    "SELECT w.id, CAST(w.unit_uid AS text) AS unit_uid, u.namespace AS unit_namespace, u.name AS unit, w.group_, w.version,"
    " w.kind, w.namespace, w.name, w.drift, w.state, w.removal IS NOT NULL AS removal, w.member_uid, w.ownership_digest,"
    " w.applied_digest, w.drift_report, w.handling FROM work w JOIN unit u ON u.uid = w.unit_uid"
    " WHERE w.cluster = :cluster ORDER BY w.id"
)
_APPLIED: Final = text(
    "SELECT w.id, m.digest, m.body, m.key_id FROM work w JOIN manifest m ON m.digest = coalesce(w.applied_digest, w.desired_digest)"
    " WHERE w.id = ANY(CAST(:ids AS bigint[]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedWork:
    """One work, without what it shall hold."""

    id: int
    unit_uid: str
    unit_name: str
    key: ObjectKey
    drift: DriftMode
    state: WorkState
    removal: bool
    member_uid: str
    ownership_digest: bytes | None
    applied_digest: bytes | None
    drift_report: tuple[dict[str, Any], ...]
    handling: Handling


async def of_cluster(tx: Transaction, cluster: str) -> list[IndexedWork]:
    """All works of a cluster."""
    return [
        IndexedWork(
            id=row.id,
            unit_uid=row.unit_uid,
            unit_name=f"namespaces/{row.unit_namespace}/units/{row.unit}",
            key=key_from_row(row),
            drift=DriftMode(row.drift),
            state=WorkState(row.state),
            removal=row.removal,
            member_uid=row.member_uid,
            ownership_digest=row.ownership_digest,
            applied_digest=row.applied_digest,
            drift_report=tuple(row.drift_report),
            handling=read_handling(row.handling),
        )
        for row in await tx.execute(_INDEX, {"cluster": cluster})
    ]


async def applied_manifests(tx: Transaction, work_ids: Sequence[int]) -> dict[int, bytes]:
    """What members were last made to hold (shall hold, where that failed), by work, opened."""
    rows = await tx.execute(_APPLIED, {"ids": list(work_ids)})
    return {row.id: opened(tx, row.digest, row.body, row.key_id) for row in rows}
