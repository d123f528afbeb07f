"""Units as rows of `unit`: locked, and removed. `unit_rows` reads them, `unit_apply` and `unit_decided` write them."""

from collections.abc import Sequence

from fedsvc.errors import EtagMismatchError, InUseError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import Unit
from fedsvc.store import dependencies, references
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_apply import LOCK_NAME, AppliedUnit, Held, apply, hold
from fedsvc.store.unit_decided import DecidedUnit, request_rebalance, set_decided, set_statuses
from fedsvc.store.unit_rows import (
    find,
    get,
    get_many,
    key_from_row,
    list_page,
    list_uids,
    list_undecided,
    resource_name,
    resources_by_unit,
    resources_of,
    waiting,
    with_bodies,
)

__all__ = [
    "AppliedUnit",
    "DecidedUnit",
    "Held",
    "apply",
    "find",
    "get",
    "get_many",
    "hold",
    "key_from_row",
    "list_page",
    "list_uids",
    "list_undecided",
    "lock",
    "lock_free",
    "lock_generations",
    "mark_deleted",
    "remove_finished",
    "request_rebalance",
    "resource_name",
    "resources_by_unit",
    "resources_of",
    "set_decided",
    "set_statuses",
    "waiting",
    "with_bodies",
]

# Not FOR UPDATE: whoever writes a work twice in a transaction has PostgreSQL check that the unit is there, which would
# wait for that lock, while its holder may wait for the work.
_LOCK_ROWS = text(
    "SELECT CAST(uid AS text) AS uid, generation FROM unit WHERE uid = ANY(CAST(:uids AS uuid[])) ORDER BY uid"
    " FOR NO KEY UPDATE"
)
_LOCK_FREE = text(
    "SELECT CAST(uid AS text) AS uid FROM unit WHERE uid = ANY(CAST(:uids AS uuid[])) ORDER BY uid"
    " FOR NO KEY UPDATE SKIP LOCKED"
)
_DELETE_MARK = text(
    "UPDATE unit SET delete_time = coalesce(delete_time, now()), cascade = :cascade, generation = generation + 1,"
    " update_time = now() WHERE uid = CAST(:uid AS uuid)"
)
_FINISHED = text(
    "SELECT CAST(uid AS text) AS uid, namespace, name FROM unit u WHERE delete_time IS NOT NULL"
    " AND decided_generation >= generation AND NOT EXISTS (SELECT 1 FROM work w WHERE w.unit_uid = u.uid)"
)
_REMOVE_RESOURCES = text("DELETE FROM resource WHERE unit_uid = ANY(CAST(:uids AS uuid[]))")
_REMOVE = text("DELETE FROM unit WHERE uid = ANY(CAST(:uids AS uuid[]))")


async def lock(tx: Transaction, namespace: str, name: str) -> Unit:
    """One unit, nobody else changing it until the transaction ends.

    Raises:
        NotFoundError: there is none of that name.
    """
    await tx.execute(LOCK_NAME, {"key": resource_name(namespace, name)})
    unit = await get(tx, namespace, name)
    await tx.execute(_LOCK_ROWS, {"uids": [unit.uid]})
    return unit


async def mark_deleted(
    tx: Transaction, namespace: str, name: str, *, cascade: ObjectDeletion | None, etag: str = ""
) -> Unit:
    """The unit is to be removed: its works go, and then it goes.

    Raises:
        NotFoundError: there is none of that name.
        EtagMismatchError: an etag is given and is not that of the stored unit.
        InUseError: other units wait for it or have objects of it follow, and are not being deleted themselves.
    """
    await tx.execute(LOCK_NAME, {"key": resource_name(namespace, name)})
    unit = await get(tx, namespace, name)
    if etag and etag != unit.etag:
        raise EtagMismatchError(unit.resource_name, stored=unit.etag)
    if unit.delete_time is None:
        await _check_unused(tx, unit)
    if unit.delete_time is None or cascade != unit.cascade:
        await tx.execute(_DELETE_MARK, {"uid": unit.uid, "cascade": None if cascade is None else cascade.value})
        tx.record("unit", unit.resource_name)
    return await get(tx, namespace, name)


async def _check_unused(tx: Transaction, unit: Unit) -> None:
    users = await dependencies.dependents(tx, (unit.namespace, unit.name))
    if users:
        advice = "delete these first, or take it out of what they depend on"
        raise InUseError(unit.resource_name, used_by=tuple(users), advice=advice)
    users = await references.followers_of(tx, unit.uid)
    if users:
        advice = "they name objects of it and have them follow: delete these first, or let them follow no more"
        raise InUseError(unit.resource_name, used_by=tuple(users), advice=advice)


async def is_any_finished(look: Look) -> bool:
    """Whether there are deleted units that hold nothing any more."""
    return (await look.execute(_FINISHED)).first() is not None


async def remove_finished(tx: Transaction) -> list[str]:
    """Remove the deleted units that hold nothing any more; gives their names."""
    rows = (await tx.execute(_FINISHED)).all()
    if rows:
        uids = [row.uid for row in rows]
        await tx.execute(_REMOVE_RESOURCES, {"uids": uids})
        await tx.execute(_REMOVE, {"uids": uids})
    names = [resource_name(row.namespace, row.name) for row in rows]
    for full_name in names:
        tx.record("unit", full_name, deleted=True)
    return names


async def lock_generations(tx: Transaction, uids: Sequence[str]) -> dict[str, int]:
    """The generation of each unit that exists, nobody else changing it until the transaction ends."""
    return {row.uid: row.generation for row in await tx.execute(_LOCK_ROWS, {"uids": list(uids)})}


async def lock_free(tx: Transaction, uids: Sequence[str]) -> set[str]:
    """Lock the rows of those units that nobody else holds now; gives which they are."""
    return {row.uid for row in await tx.execute(_LOCK_FREE, {"uids": list(uids)})}
