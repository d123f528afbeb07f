"""Works: the rows are the queue. Every statement on them is over a set; none runs once for each work.

A work is dirty while the propagator has to act. `generation` grows whenever what is desired changes, and results are
written only for the generation they answer, so a newer desired state is never marked applied.

What writes them is in modules by who does it: `work_sync` (decisions), `work_queue` (propagation), `work_observations`
(collection). Reading is here.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import WorkState
from fedsvc.model.work import Work, WorkRemoval
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import key_from_row
from fedsvc.store.work_observations import mark_drifted, set_state, write_observations
from fedsvc.store.work_queue import (
    claim_dirty,
    due,
    mark_unreachable,
    of_unit_on,
    wake_cluster,
    wake_kinds,
    write_results,
)
from fedsvc.store.work_rows import UNIT_NAME
from fedsvc.store.work_sync import Doomed, Synced, UnitSync, bindings_of, sync_units

__all__ = [
    "Doomed",
    "Synced",
    "UnitSync",
    "bindings_of",
    "claim_dirty",
    "clusters_of",
    "due",
    "get_many",
    "list_page",
    "mark_drifted",
    "mark_unreachable",
    "of_unit_on",
    "of_units",
    "set_state",
    "sync_units",
    "wake_cluster",
    "wake_kinds",
    "write_observations",
    "write_results",
]

_SELECT: Final = f"SELECT work.*, {UNIT_NAME} FROM work"
_LIST = text(
    f"{_SELECT} WHERE id > :after AND (:cluster = '' OR cluster = :cluster) AND (CAST(:uids AS uuid[]) IS NULL"
    " OR unit_uid = ANY(CAST(:uids AS uuid[]))) AND (:namespace = '' OR unit_uid IN (SELECT uid FROM unit"
    " WHERE namespace = :namespace)) AND (NOT CAST(:removals AS boolean) OR removal IS NOT NULL)"
    " AND (NOT CAST(:trouble AS boolean) OR state <> 'Applied'"
    " OR health NOT IN ('', 'Healthy') OR cluster = ANY(CAST(:silent AS text[]))) ORDER BY id LIMIT :limit"
)
_CLUSTERS_OF = text("SELECT DISTINCT cluster FROM work WHERE unit_uid = CAST(:uid AS uuid) ORDER BY 1")
_GET_MANY = text(f"{_SELECT} WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id")
_OF_UNITS = text(f"{_SELECT} WHERE unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY unit_uid, cluster, id")


def _from_row(row: Any) -> Work:
    return Work(
        id=row.id,
        unit_uid=str(row.unit_uid),
        unit_name=row.unit_name,
        cluster=row.cluster,
        key=key_from_row(row),
        wave=row.wave,
        state=WorkState(row.state),
        reason=row.reason,
        message=row.message,
        desired_digest=row.desired_digest,
        applied_digest=row.applied_digest,
        applied_time=row.applied_time,
        attempts=row.attempts,
        next_attempt_time=row.next_attempt_time if row.dirty else None,
        health=row.health,
        health_reason=row.health_reason,
        health_message=row.health_message,
        observed_status=row.observed_status,
        observed_time=row.observed_time,
        desired_replicas=row.desired_replicas,
        ready_replicas=row.ready_replicas,
        drift=tuple(row.drift_report),
        update_time=row.update_time,
        removal=None if row.removal is None else _removal(row),
    )


def _removal(row: Any) -> WorkRemoval:
    return WorkRemoval(
        create_time=row.removal_time,
        cause=row.removal_cause,
        unit_uid=str(row.unit_uid),
        revision=row.removal_revision,
        deletion=ObjectDeletion(row.removal),
    )


async def list_page(
    tx: Transaction,
    *,
    after: int,
    limit: int,
    cluster: str = "",
    namespace: str = "",
    unit_uids: Sequence[str] | None = None,
    only_trouble: bool = False,
    only_removals: bool = False,
    silent: Collection[str] = (),
) -> list[Work]:
    """Works by id, those after an id; works of the `silent` clusters are in trouble, whatever is known of them."""
    parameters = {"after": after, "limit": limit, "cluster": cluster, "namespace": namespace, "trouble": only_trouble}
    parameters["removals"] = only_removals
    uids = None if unit_uids is None else list(unit_uids)
    rows = await tx.execute(_LIST, parameters | {"uids": uids, "silent": sorted(silent)})
    return [_from_row(row) for row in rows]


async def clusters_of(tx: Transaction, uid: str) -> list[str]:
    """The clusters on which a unit has works, sorted."""
    return [row.cluster for row in await tx.execute(_CLUSTERS_OF, {"uid": uid})]


async def get_many(tx: Transaction, ids: Sequence[int]) -> list[Work]:
    """Those of the ids that exist."""
    return [_from_row(row) for row in await tx.execute(_GET_MANY, {"ids": list(ids)})]


async def of_units(tx: Transaction, uids: Sequence[str]) -> dict[str, list[Work]]:
    """Works by unit uid, sorted by cluster; for summaries and aggregation."""
    found: dict[str, list[Work]] = {uid: [] for uid in uids}
    for row in await tx.execute(_OF_UNITS, {"uids": list(uids)}):
        found[str(row.unit_uid)].append(_from_row(row))
    return found
