"""Works as a decision wants them: bindings, and the works of those that are new or changed."""

from collections.abc import Mapping, Sequence
from typing import Final

import orjson
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from fedsvc.errors import ClusterGoneError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import Unit
from fedsvc.model.work import Binding, DesiredWork
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import key_from_row
from fedsvc.store.work_rows import LOCK, record_ids

_LOCK_UNIT = text(LOCK.format("unit_uid = CAST(:uid AS uuid)"))
_BINDINGS = text(
    "SELECT CAST(unit_uid AS text) AS unit_uid, cluster, replicas, completions, render_key,"
    " CAST(decision_id AS text) AS decision_id, update_time"
    " FROM binding WHERE unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY unit_uid, cluster"
)
_PUT_BINDINGS = text(
    "INSERT INTO binding (unit_uid, cluster, replicas, completions, render_key, decision_id)"
    " SELECT CAST(:uid AS uuid), i.* FROM unnest(CAST(:clusters AS text[]), CAST(:replicas AS jsonb[]),"
    " CAST(:completions AS jsonb[]), CAST(:keys AS bytea[]), CAST(:decisions AS uuid[])) AS i"
    " ON CONFLICT (unit_uid, cluster) DO UPDATE SET replicas = EXCLUDED.replicas,"
    " completions = EXCLUDED.completions, render_key = EXCLUDED.render_key, decision_id = EXCLUDED.decision_id, update_time = now()"
)
_DROP_BINDINGS = text(
    "DELETE FROM binding WHERE unit_uid = CAST(:uid AS uuid) AND NOT cluster = ANY(CAST(:clusters AS text[]))"
)
_INPUT: Final = (
    "unnest(CAST(:clusters AS text[]), CAST(:groups AS text[]), CAST(:versions AS text[]), CAST(:kinds AS text[]),"
    " CAST(:namespaces AS text[]), CAST(:names AS text[]), CAST(:waves AS smallint[]), CAST(:digests AS bytea[]),"
    " CAST(:reasons AS text[]), CAST(:messages AS text[]))"
    " AS i (cluster, group_, version, kind, namespace, name, wave, digest, reason, message)"
)
_PUT_WORKS = text(
    "INSERT INTO work (unit_uid, cluster, group_, version, kind, namespace, name, wave, desired_digest, conflict, drift,"
    " dirty, state, reason, message)"
    " SELECT CAST(:uid AS uuid), i.cluster, i.group_, i.version, i.kind, i.namespace, i.name, i.wave, i.digest, :conflict,"
    " :drift, i.digest IS NOT NULL, CASE WHEN i.digest IS NULL THEN 'Failed' ELSE 'Pending' END, i.reason, i.message"
    f" FROM {_INPUT} ON CONFLICT (cluster, group_, kind, namespace, name) DO UPDATE SET version = EXCLUDED.version,"
    " wave = EXCLUDED.wave, conflict = EXCLUDED.conflict, drift = EXCLUDED.drift, removal = NULL, attempts = 0,"
    " desired_digest = coalesce(EXCLUDED.desired_digest, work.applied_digest),"
    " generation = work.generation + 1, next_attempt_time = now(), update_time = now(),"
    " dirty = EXCLUDED.desired_digest IS NOT NULL AND NOT (EXCLUDED.desired_digest IS NOT DISTINCT FROM work.applied_digest"
    "   AND work.removal IS NULL AND work.state = 'Applied' AND work.conflict = EXCLUDED.conflict"
    "   AND work.drift = EXCLUDED.drift),"
    " state = CASE WHEN EXCLUDED.desired_digest IS NULL THEN 'Failed'"
    "   WHEN EXCLUDED.desired_digest IS NOT DISTINCT FROM work.applied_digest AND work.removal IS NULL"
    "     AND work.state = 'Applied' AND work.conflict = EXCLUDED.conflict AND work.drift = EXCLUDED.drift THEN 'Applied'"
    "   ELSE 'Pending' END,"
    " reason = EXCLUDED.reason, message = EXCLUDED.message"
    " WHERE work.unit_uid = EXCLUDED.unit_uid AND (work.removal IS NOT NULL OR work.wave <> EXCLUDED.wave"
    " OR work.version <> EXCLUDED.version OR work.desired_digest IS DISTINCT FROM EXCLUDED.desired_digest"
    " OR work.conflict <> EXCLUDED.conflict OR work.drift <> EXCLUDED.drift OR EXCLUDED.reason <> ''"
    " OR work.reason IN ('OverrideFailed', 'RenderingFailed')) RETURNING id"
)
_OCCUPIED = text(
    f"SELECT i.cluster, i.group_, i.version, i.kind, i.namespace, i.name FROM {_INPUT}"
    " JOIN work w USING (cluster, group_, kind, namespace, name) WHERE w.unit_uid <> CAST(:uid AS uuid) ORDER BY 1, 2, 4, 5, 6"
)
_REMOVE_WORKS = text(
    "UPDATE work SET removal = coalesce(c.object_deletion, :removal), desired_digest = NULL, dirty = TRUE,"
    " state = 'Removing', reason = '', message = '', attempts = 0, next_attempt_time = now(), update_time = now(),"
    " generation = work.generation + 1 FROM cluster c WHERE c.name = work.cluster AND work.unit_uid = CAST(:uid AS uuid)"
    " AND work.removal IS DISTINCT FROM coalesce(c.object_deletion, :removal)"
    " AND (NOT work.cluster = ANY(CAST(:stay AS text[])) OR (work.cluster = ANY(CAST(:changed AS text[]))"
    f" AND NOT EXISTS (SELECT 1 FROM {_INPUT} WHERE i.cluster = work.cluster AND i.group_ = work.group_"
    " AND i.kind = work.kind AND i.namespace = work.namespace AND i.name = work.name))) RETURNING work.id"
)


async def bindings_of(tx: Transaction, uids: Sequence[str]) -> dict[str, list[Binding]]:
    """Bindings by unit, each sorted by cluster."""
    found: dict[str, list[Binding]] = {uid: [] for uid in uids}
    for row in await tx.execute(_BINDINGS, {"uids": list(uids)}):
        found[row.unit_uid].append(
            Binding(
                unit_uid=row.unit_uid,
                cluster=row.cluster,
                replicas=row.replicas,
                completions=row.completions,
                render_key=row.render_key,
                decision=row.decision_id,
                update_time=row.update_time,
            )
        )
    return found


async def _put_bindings(tx: Transaction, unit: Unit, changed: Sequence[Binding]) -> None:
    parameters = {
        "uid": unit.uid,
        "clusters": [binding.cluster for binding in changed],
        "replicas": [orjson.dumps(binding.replicas).decode() for binding in changed],
        "completions": [orjson.dumps(binding.completions).decode() for binding in changed],
        "keys": [binding.render_key for binding in changed],
        "decisions": [binding.decision for binding in changed],
    }
    try:
        await tx.execute(_PUT_BINDINGS, parameters)
    except IntegrityError as error:  # of the rows that it refers to, the unit's is locked and the decision's is new
        raise ClusterGoneError(f"{unit.resource_name} was to run on a cluster that is registered no more") from error


async def sync_unit(
    tx: Transaction,
    unit: Unit,
    *,
    bindings: Sequence[Binding],
    desired: Mapping[str, Sequence[DesiredWork]],
    removal: ObjectDeletion,
) -> list[tuple[str, ObjectKey]]:
    """Make bindings and works what was decided.

    Args:
        tx: the transaction, which holds the unit's row lock.
        unit: the unit.
        bindings: all of them, changed or not.
        desired: the works of the clusters whose binding is new or changed, by cluster.
        removal: what becomes of objects that are no longer wanted; a leaving cluster has its own say.

    Raises:
        ClusterGoneError: a cluster of the bindings is registered no more.

    Returns:
        Objects that cannot be had yet, since another unit's work still removes the same one there; the caller tries
        again when it is gone.
    """
    works = [work for name in sorted(desired) for work in sorted(desired[name], key=lambda work: work.key)]
    inputs = {
        "clusters": [work.cluster for work in works],
        "groups": [work.key.group for work in works],
        "versions": [work.key.version for work in works],
        "kinds": [work.key.kind for work in works],
        "namespaces": [work.key.namespace for work in works],
        "names": [work.key.name for work in works],
        "waves": [work.wave for work in works],
        "digests": [work.digest for work in works],
        "reasons": [work.error[0] if work.error else "" for work in works],
        "messages": [work.error[1] if work.error else "" for work in works],
    }
    changed = [binding for binding in bindings if binding.cluster in desired]
    if changed:
        await _put_bindings(tx, unit, changed)
    stay = [binding.cluster for binding in bindings]
    await tx.execute(_DROP_BINDINGS, {"uid": unit.uid, "clusters": stay})
    parameters = inputs | {"uid": unit.uid}
    await tx.execute(_LOCK_UNIT, {"uid": unit.uid})
    removing = await tx.execute(
        _REMOVE_WORKS, parameters | {"removal": removal.value, "stay": stay, "changed": sorted(desired)}
    )
    record_ids(tx, removing.all(), unit.resource_name)
    if not works:
        return []
    propagation = unit.spec.propagation
    modes = {"conflict": propagation.conflict.value, "drift": propagation.drift.value}
    record_ids(tx, (await tx.execute(_PUT_WORKS, parameters | modes)).all(), unit.resource_name)
    return [(row.cluster, key_from_row(row)) for row in await tx.execute(_OCCUPIED, parameters)]
