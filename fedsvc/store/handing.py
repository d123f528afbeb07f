"""Resources that change hands: from unit to unit without their objects being touched in between, and out of units.

A work goes over as it is; the object in the member still carries the marks of the unit it came from until it is applied
for the other one, so the work remembers that unit (`former_unit_uid`), whose object it may then take for its own.
"""

from collections.abc import Sequence
from typing import Any, Final

from fedsvc.errors import ProtectedError, RolloutStateError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rollout.state import Phase
from fedsvc.store import revisions, rollouts
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import get_many, resources_of
from fedsvc.store.work_rows import LOCK, UNIT_NAME, record_rows

_KEYS: Final = (
    "(SELECT * FROM unnest(CAST(:groups AS text[]), CAST(:kinds AS text[]), CAST(:namespaces AS text[]),"
    " CAST(:names AS text[])))"
)
_ARE_KEYS: Final = f"(group_, kind, namespace, name) IN {_KEYS}"
_OF_SOURCES: Final = f"unit_uid = ANY(CAST(:sources AS uuid[])) AND {_ARE_KEYS}"
_ADOPTABLE = text(
    "SELECT CAST(u.uid AS text) AS uid FROM unit u WHERE 'namespaces/' || u.namespace || '/units/' || u.name"
    " = ANY(CAST(:names_of_units AS text[])) AND u.uid <> CAST(:uid AS uuid)"
    f" AND (EXISTS (SELECT 1 FROM resource WHERE unit_uid = u.uid AND {_ARE_KEYS})"
    f" OR EXISTS (SELECT 1 FROM work WHERE unit_uid = u.uid AND {_ARE_KEYS})) ORDER BY u.uid"
    " FOR NO KEY UPDATE OF u"
)
_LOCK_WORKS = text(LOCK.format(_OF_SOURCES))
_MOVE_RESOURCES = text(
    "UPDATE resource SET unit_uid = CAST(:target AS uuid), position = resource.position"
    " + (SELECT coalesce(max(position), -1) + 1 FROM resource WHERE unit_uid = CAST(:target AS uuid))"
    f" WHERE {_OF_SOURCES} RETURNING CAST(:target AS text) AS target"
)
_MOVE_WORKS = text(
    "UPDATE work SET former_unit_uid = coalesce(former_unit_uid, unit_uid), unit_uid = CAST(:target AS uuid),"
    " removal = NULL, removal_time = NULL, removal_cause = '', released = FALSE, recreate_digest = NULL, dirty = FALSE,"
    " desired_digest = coalesce(desired_digest, applied_digest), state = 'Pending', reason = 'HandedOver', message = '',"
    f" attempts = 0, generation = generation + 1, update_time = now() WHERE {_OF_SOURCES}"
    f" RETURNING id, cluster, {UNIT_NAME}"
)
_RELEASE_WORKS = text(
    "UPDATE work SET removal = :orphan, released = TRUE, desired_digest = NULL, dirty = TRUE, state = 'Removing',"
    " reason = '', message = '', attempts = 0, next_attempt_time = now(), update_time = now(),"
    " removal_cause = 'ResourceRemoved', removal_time = now(),"
    " removal_revision = (SELECT revision + 1 FROM unit WHERE uid = work.unit_uid),"
    f" generation = generation + 1 WHERE {_OF_SOURCES} RETURNING id, cluster, {UNIT_NAME}"
)
_DROP_RESOURCES = text(f"DELETE FROM resource WHERE {_OF_SOURCES}")
_WORK_CLUSTERS = text(f"SELECT DISTINCT cluster FROM work WHERE {_OF_SOURCES} ORDER BY cluster")
_NEW_REVISION = text(
    "UPDATE unit SET revision = revision + 1, generation = generation + 1, update_time = now(),"
    " resource_count = (SELECT count(*) FROM resource WHERE unit_uid = CAST(:uid AS uuid))"
    " WHERE uid = CAST(:uid AS uuid)"
)


def _parameters(sources: Sequence[str], keys: Sequence[ObjectKey]) -> dict[str, Any]:
    return {
        "sources": list(sources),
        "groups": [key.group for key in keys],
        "kinds": [key.kind for key in keys],
        "namespaces": [key.namespace for key in keys],
        "names": [key.name for key in keys],
    }


async def adoptable(tx: Transaction, uid: str, units: Sequence[str], keys: Sequence[ObjectKey]) -> list[str]:
    """The uids of those of `units` (full names) that have some of the objects, also on their way out; their rows locked."""
    if not units:
        return []
    parameters = _parameters((), keys) | {"names_of_units": list(units), "uid": uid}
    del parameters["sources"]
    return [row.uid for row in await tx.execute(_ADOPTABLE, parameters)]


async def clusters_of(tx: Transaction, uid: str, keys: Sequence[ObjectKey]) -> list[str]:
    """The clusters on which a unit has works of these objects, sorted."""
    return [row.cluster for row in await tx.execute(_WORK_CLUSTERS, _parameters([uid], keys))]


async def take(
    tx: Transaction, sources: Sequence[str], target: str, keys: Sequence[ObjectKey], *, author: str
) -> list[str]:
    """Move resources and their works from units to another; gives the clusters with works, sorted.

    The units that lose something get a new revision each. In a transaction that holds the row locks of all of them.

    Args:
        tx: the transaction.
        sources: uids of the units that may have them.
        target: uid of the unit that gets them.
        keys: which.
        author: who does it.
    """
    parameters = _parameters(sources, keys)
    await tx.execute(_LOCK_WORKS, parameters)
    await tx.execute(_MOVE_RESOURCES, parameters | {"target": target})
    rows = (await tx.execute(_MOVE_WORKS, parameters | {"target": target})).all()
    record_rows(tx, rows)
    for source in sources:
        await revise(tx, source, author=author, loses=True)
    return sorted({row.cluster for row in rows})


async def release(tx: Transaction, uid: str, keys: Sequence[ObjectKey], *, author: str) -> list[str]:
    """Take resources out of a unit, whose row is locked, and leave their objects behind; gives the clusters, sorted."""
    parameters = _parameters([uid], keys)
    await tx.execute(_LOCK_WORKS, parameters)
    await tx.execute(_DROP_RESOURCES, parameters)
    rows = (await tx.execute(_RELEASE_WORKS, parameters | {"orphan": ObjectDeletion.ORPHAN.value})).all()
    record_rows(tx, rows)
    await revise(tx, uid, author=author, loses=True)
    return sorted({row.cluster for row in rows})


async def revise(tx: Transaction, uid: str, *, author: str, loses: bool = False) -> None:
    """Give a unit whose resources changed a new revision, which is everywhere at once.

    Raises:
        ProtectedError: it loses some, and is protected.
        RolloutStateError: a rollout of the unit is under way, or went back: some clusters hold a revision of before,
            which asks for what is no longer the unit's.
    """
    await tx.execute(_NEW_REVISION, {"uid": uid})
    (unit,) = await get_many(tx, [uid])
    if loses and unit.spec.protected:
        raise ProtectedError(unit.resource_name, "resources")
    running = await rollouts.lock(tx, uid)
    if running is not None and running.state.phase is not Phase.COMPLETED:
        message = (
            f"not all clusters of {unit.resource_name} hold its newest revision: let its rollout end, or bring back the "
            "revision that they shall hold (fedctl rollback), then do this"
        )
        raise RolloutStateError(phase=running.state.phase.value, message=message)
    if running is not None:
        await rollouts.drop(tx, uid)
    resources = await resources_of(tx, uid, bodies=False)
    await revisions.add(tx, uid=uid, revision=unit.revision, spec=unit.spec, resources=resources, author=author)
    tx.record("unit", unit.resource_name)
