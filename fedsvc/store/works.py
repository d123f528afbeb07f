"""Works: the rows are the queue. Everything here is a statement over a set; none runs once for each work.

A work is dirty while the propagator has to act. `generation` grows whenever what is desired changes, and results are
written only for the generation they answer, so a newer desired state is never marked applied.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import orjson
from sqlalchemy import text

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import ConflictMode, DriftMode, Unit, WorkState
from fedsvc.model.work import Binding, DesiredWork, DirtyWork, Work, WorkObservation, WorkResult
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store.manifests import opened
from fedsvc.store.storable import storable_json, storable_text
from fedsvc.store.store import Transaction
from fedsvc.store.units import key_from_row

_UNIT_NAME: Final = (
    "(SELECT 'namespaces/' || u.namespace || '/units/' || u.name FROM unit u WHERE u.uid = work.unit_uid) AS unit_name"
)
# States in which a work holds back later waves of its unit; a kind that is not served may never be, so it does not.
_TRANSIENT: Final = "state IN ('Pending', 'Retrying', 'Removing') AND reason <> 'KindNotServed'"

# Whoever changes several works takes their locks in the order of their ids first: two that meet wait for each other.
_LOCK: Final = "SELECT id FROM work WHERE {} ORDER BY id FOR UPDATE"
_LOCK_IDS = text(_LOCK.format("id = ANY(CAST(:ids AS bigint[]))"))
_LOCK_UNIT = text(_LOCK.format("unit_uid = CAST(:uid AS uuid)"))
_LOCK_DIRTY = text(_LOCK.format("cluster = :cluster AND dirty"))
_BINDINGS = text(
    "SELECT CAST(unit_uid AS text) AS unit_uid, cluster, replicas, render_key, CAST(decision_id AS text) AS decision_id"
    " FROM binding WHERE unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY unit_uid, cluster"
)
_PUT_BINDINGS = text(
    "INSERT INTO binding (unit_uid, cluster, replicas, render_key, decision_id)"
    " SELECT CAST(:uid AS uuid), i.* FROM unnest(CAST(:clusters AS text[]), CAST(:replicas AS jsonb[]),"
    " CAST(:keys AS bytea[]), CAST(:decisions AS uuid[])) AS i ON CONFLICT (unit_uid, cluster) DO UPDATE SET"
    " replicas = EXCLUDED.replicas, render_key = EXCLUDED.render_key, decision_id = EXCLUDED.decision_id, update_time = now()"
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
_CLAIM = text(
    "WITH holding AS (SELECT unit_uid, min(wave) FILTER (WHERE removal IS NULL) AS low,"
    f" max(wave) FILTER (WHERE removal IS NOT NULL) AS high FROM work WHERE cluster = :cluster AND dirty AND {_TRANSIENT}"
    " GROUP BY unit_uid)"
    f" SELECT work.*, CAST(work.unit_uid AS text) AS unit, {_UNIT_NAME}, m.body, m.key_id FROM work"
    " LEFT JOIN holding h ON h.unit_uid = work.unit_uid LEFT JOIN manifest m ON m.digest = work.desired_digest"
    " WHERE work.cluster = :cluster AND work.dirty AND work.next_attempt_time <= now()"
    " AND NOT work.id = ANY(CAST(:exclude AS bigint[]))"
    " AND CASE WHEN work.removal IS NULL THEN work.wave <= coalesce(h.low, work.wave)"
    " ELSE work.wave >= coalesce(h.high, work.wave) END ORDER BY work.wave, work.id LIMIT :limit"
)
_NEXT = text("SELECT min(next_attempt_time) FROM work WHERE cluster = :cluster AND dirty AND next_attempt_time > now()")
_RESULT_INPUT: Final = (
    "unnest(CAST(:ids AS bigint[]), CAST(:generations AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]),"
    " CAST(:messages AS text[]), CAST(:digests AS bytea[]), CAST(:uids AS text[]), CAST(:ownerships AS bytea[]),"
    " CAST(:retries AS float8[])) AS r (id, generation, state, reason, message, digest, uid, ownership, retry)"
)
_RESULTS = text(
    "UPDATE work SET state = r.state, reason = r.reason, message = r.message, dirty = r.retry IS NOT NULL,"
    " applied_digest = coalesce(r.digest, work.applied_digest),"
    " applied_time = CASE WHEN r.digest IS NULL THEN work.applied_time ELSE now() END,"
    " member_uid = CASE WHEN r.uid = '' THEN work.member_uid ELSE r.uid END,"
    " ownership_digest = coalesce(r.ownership, work.ownership_digest),"
    " drift_report = CASE WHEN r.digest IS NULL THEN work.drift_report ELSE '[]'::jsonb END,"
    " attempts = CASE WHEN r.digest IS NULL THEN work.attempts + 1 ELSE 0 END,"
    " next_attempt_time = now() + make_interval(secs => coalesce(r.retry, 0)), update_time = now()"
    f" FROM {_RESULT_INPUT} WHERE work.id = r.id AND work.generation = r.generation RETURNING work.id, {_UNIT_NAME}"
)
_LATE_RESULTS = text(
    "UPDATE work SET applied_digest = r.digest, applied_time = now(), member_uid = r.uid, ownership_digest = r.ownership"
    f" FROM {_RESULT_INPUT} WHERE work.id = r.id AND work.generation <> r.generation AND r.digest IS NOT NULL"
)
_GONE_INPUT: Final = "unnest(CAST(:ids AS bigint[]), CAST(:generations AS bigint[])) AS r (id, generation)"
_GONE = text(
    f"DELETE FROM work USING {_GONE_INPUT} WHERE work.id = r.id AND work.generation = r.generation"
    f" AND work.removal IS NOT NULL RETURNING work.id, {_UNIT_NAME}"
)
_GONE_WANTED = text(
    "UPDATE work SET member_uid = '', applied_digest = NULL, ownership_digest = NULL"
    f" FROM {_GONE_INPUT} WHERE work.id = r.id AND work.removal IS NULL"
)
_UNREACHABLE = text(
    "UPDATE work SET state = CASE WHEN removal IS NULL THEN 'Retrying' ELSE 'Removing' END, reason = :reason,"
    " message = :message, update_time = now() WHERE cluster = :cluster AND dirty AND (reason <> :reason OR message <> :message)"
    f" RETURNING id, {_UNIT_NAME}"
)
_WAKE = text(
    "UPDATE work SET next_attempt_time = now() WHERE cluster = :cluster AND dirty AND next_attempt_time > now()"
)
_WAKE_KINDS = text(
    f"{_WAKE.text} AND reason = 'KindNotServed'"
    " AND (group_, kind) IN (SELECT * FROM unnest(CAST(:groups AS text[]), CAST(:kinds AS text[])))"
)
_OBSERVE = text(
    "UPDATE work SET health = o.health, health_reason = o.reason, health_message = o.message, observed_status = o.status,"
    " observed_time = now(), desired_replicas = o.desired, ready_replicas = o.ready, drift_report = o.drift,"
    " update_time = now() FROM unnest(CAST(:ids AS bigint[]), CAST(:healths AS text[]), CAST(:reasons AS text[]),"
    " CAST(:messages AS text[]), CAST(:statuses AS jsonb[]), CAST(:desired AS int[]), CAST(:ready AS int[]),"
    " CAST(:drifts AS jsonb[])) AS o (id, health, reason, message, status, desired, ready, drift)"
    " WHERE work.id = o.id AND (work.health, work.health_reason, work.health_message, work.observed_status,"
    " work.desired_replicas, work.ready_replicas, work.drift_report) IS DISTINCT FROM"
    f" (o.health, o.reason, o.message, o.status, o.desired, o.ready, o.drift) RETURNING work.id, {_UNIT_NAME}"
)
_DRIFTED = text(
    "UPDATE work SET dirty = TRUE, state = 'Pending', reason = :reason, message = :message, next_attempt_time ="
    " now() + make_interval(secs => CAST(:delay AS float8)), attempts = 0, applied_digest = NULL, update_time = now(),"
    " generation = generation + 1, member_uid = CASE WHEN CAST(:deleted AS boolean) THEN '' ELSE member_uid END"
    " WHERE id = ANY(CAST(:ids AS bigint[])) AND removal IS NULL AND desired_digest IS NOT NULL"
    f" RETURNING id, {_UNIT_NAME}"
)
_SET_STATE = text(
    "UPDATE work SET state = :state, reason = :reason, message = :message, update_time = now()"
    " WHERE id = ANY(CAST(:ids AS bigint[])) AND NOT dirty AND removal IS NULL"
    f" AND (state <> :state OR reason <> :reason OR message <> :message) RETURNING id, {_UNIT_NAME}"
)
_SELECT: Final = f"SELECT work.*, {_UNIT_NAME} FROM work"
_LIST = text(
    f"{_SELECT} WHERE id > :after AND (:cluster = '' OR cluster = :cluster) AND (CAST(:uids AS uuid[]) IS NULL"
    " OR unit_uid = ANY(CAST(:uids AS uuid[]))) AND (:namespace = '' OR unit_uid IN (SELECT uid FROM unit"
    " WHERE namespace = :namespace)) AND (NOT CAST(:trouble AS boolean) OR state <> 'Applied'"
    " OR health NOT IN ('', 'Healthy')) ORDER BY id LIMIT :limit"
)
_GET_MANY = text(f"{_SELECT} WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id")
_OF_UNITS = text(f"{_SELECT} WHERE unit_uid = ANY(CAST(:uids AS uuid[])) ORDER BY unit_uid, cluster, id")


async def bindings_of(tx: Transaction, uids: Sequence[str]) -> dict[str, list[Binding]]:
    """Bindings by unit, each sorted by cluster."""
    found: dict[str, list[Binding]] = {uid: [] for uid in uids}
    for row in await tx.execute(_BINDINGS, {"uids": list(uids)}):
        found[row.unit_uid].append(
            Binding(
                unit_uid=row.unit_uid,
                cluster=row.cluster,
                replicas=row.replicas,
                render_key=row.render_key,
                decision=row.decision_id,
            )
        )
    return found


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
        await tx.execute(
            _PUT_BINDINGS,
            {
                "uid": unit.uid,
                "clusters": [binding.cluster for binding in changed],
                "replicas": [orjson.dumps(binding.replicas).decode() for binding in changed],
                "keys": [binding.render_key for binding in changed],
                "decisions": [binding.decision for binding in changed],
            },
        )
    stay = [binding.cluster for binding in bindings]
    await tx.execute(_DROP_BINDINGS, {"uid": unit.uid, "clusters": stay})
    parameters = inputs | {"uid": unit.uid}
    await tx.execute(_LOCK_UNIT, {"uid": unit.uid})
    removing = await tx.execute(
        _REMOVE_WORKS, parameters | {"removal": removal.value, "stay": stay, "changed": sorted(desired)}
    )
    _record_ids(tx, removing.all(), unit.resource_name)
    if not works:
        return []
    propagation = unit.spec.propagation
    modes = {"conflict": propagation.conflict.value, "drift": propagation.drift.value}
    _record_ids(tx, (await tx.execute(_PUT_WORKS, parameters | modes)).all(), unit.resource_name)
    return [(row.cluster, key_from_row(row)) for row in await tx.execute(_OCCUPIED, parameters)]


def _record_ids(tx: Transaction, rows: Iterable[Any], unit_name: str) -> None:
    for row in rows:
        tx.record("work", f"works/{row.id}", subject=unit_name)


def _record_rows(tx: Transaction, rows: Iterable[Any], *, deleted: bool = False) -> int:
    count = 0
    for row in rows:
        tx.record("work", f"works/{row.id}", subject=row.unit_name, deleted=deleted)
        count += 1
    return count


async def claim_dirty(tx: Transaction, cluster: str, *, limit: int, exclude: Sequence[int] = ()) -> list[DirtyWork]:
    """Works of a cluster to act on now: lower waves of a unit first, higher ones first for removal.

    Args:
        tx: a transaction; nothing is locked, since a cluster has one propagator.
        cluster: its name.
        limit: at most so many.
        exclude: ids of works that are being acted on already.
    """
    rows = await tx.execute(_CLAIM, {"cluster": cluster, "limit": limit, "exclude": list(exclude)})
    return [
        DirtyWork(
            id=row.id,
            unit_uid=row.unit,
            unit_name=row.unit_name,
            cluster=row.cluster,
            key=key_from_row(row),
            wave=row.wave,
            generation=row.generation,
            digest=row.desired_digest,
            body=None if row.body is None else opened(tx, row.desired_digest, row.body, row.key_id),
            removal=None if row.removal is None else ObjectDeletion(row.removal),
            conflict=ConflictMode(row.conflict),
            drift=DriftMode(row.drift),
            attempts=row.attempts,
            member_uid=row.member_uid,
            applied_digest=row.applied_digest,
        )
        for row in rows
    ]


async def next_attempt_time(tx: Transaction, cluster: str) -> datetime | None:
    """When the next work of a cluster that waits is due, or None."""
    value: datetime | None = (await tx.execute(_NEXT, {"cluster": cluster})).scalar_one()
    return value


async def write_results(tx: Transaction, results: Sequence[WorkResult]) -> int:
    """Write what came of acting, for the generations it answers; gives how many rows it was news to."""
    news = 0
    await tx.execute(_LOCK_IDS, {"ids": [result.id for result in results]})
    gone = [result for result in results if result.gone]
    rest = [result for result in results if not result.gone]
    if rest:
        parameters = {
            "ids": [result.id for result in rest],
            "generations": [result.generation for result in rest],
            "states": [result.state.value for result in rest],
            "reasons": [result.reason for result in rest],
            "messages": [storable_text(result.message) for result in rest],
            "digests": [result.applied_digest for result in rest],
            "uids": [result.member_uid for result in rest],
            "ownerships": [result.ownership_digest for result in rest],
            "retries": [result.retry_after_seconds for result in rest],
        }
        # Late ones first: afterwards their rows would look as if they had been answered.
        await tx.execute(_LATE_RESULTS, parameters)
        news += _record_rows(tx, (await tx.execute(_RESULTS, parameters)).all())
    if gone:
        parameters = {"ids": [result.id for result in gone], "generations": [result.generation for result in gone]}
        await tx.execute(_GONE_WANTED, parameters)
        news += _record_rows(tx, (await tx.execute(_GONE, parameters)).all(), deleted=True)
    return news


async def mark_unreachable(tx: Transaction, cluster: str, *, reason: str, message: str) -> int:
    """All dirty works of a cluster wait for the member; no attempt is counted."""
    parameters = {"cluster": cluster, "reason": reason, "message": storable_text(message)}
    await tx.execute(_LOCK_DIRTY, {"cluster": cluster})
    return _record_rows(tx, (await tx.execute(_UNREACHABLE, parameters)).all())


async def wake_cluster(tx: Transaction, cluster: str) -> None:
    """Let all waiting works of a cluster be tried now: it is back, or its rights or kinds changed."""
    await tx.execute(_LOCK_DIRTY, {"cluster": cluster})
    await tx.execute(_WAKE, {"cluster": cluster})


async def wake_kinds(tx: Transaction, cluster: str, kinds: Sequence[tuple[str, str]]) -> None:
    """Let the works of a cluster that wait for these kinds, as (group, kind), be tried now: they are served."""
    await tx.execute(_LOCK_DIRTY, {"cluster": cluster})
    parameters = {"groups": [group for group, _ in kinds], "kinds": [kind for _, kind in kinds]}
    await tx.execute(_WAKE_KINDS, parameters | {"cluster": cluster})


async def write_observations(tx: Transaction, observations: Sequence[WorkObservation]) -> int:
    """Write what members say, where it differs from what they said before."""
    if not observations:
        return 0
    ordered = sorted({item.id: item for item in observations}.values(), key=lambda item: item.id)
    await tx.execute(_LOCK_IDS, {"ids": [item.id for item in ordered]})
    rows = await tx.execute(
        _OBSERVE,
        {
            "ids": [item.id for item in ordered],
            "healths": [item.health for item in ordered],
            "reasons": [storable_text(item.health_reason) for item in ordered],
            "messages": [storable_text(item.health_message) for item in ordered],
            "statuses": [storable_json(item.status) for item in ordered],
            "desired": [item.desired_replicas for item in ordered],
            "ready": [item.ready_replicas for item in ordered],
            "drifts": [storable_json(item.drift) for item in ordered],
        },
    )
    return _record_rows(tx, rows.all())


async def mark_drifted(
    tx: Transaction, ids: Sequence[int], *, reason: str, message: str, deleted: bool, delay_seconds: float = 0.0
) -> int:
    """Somebody changed (or deleted) the objects of these works: they are to be applied again."""
    parameters = {"ids": sorted(ids), "reason": reason, "message": message, "deleted": deleted, "delay": delay_seconds}
    await tx.execute(_LOCK_IDS, {"ids": list(ids)})
    return _record_rows(tx, (await tx.execute(_DRIFTED, parameters)).all())


async def set_state(tx: Transaction, ids: Sequence[int], *, state: WorkState, reason: str, message: str) -> int:
    """Where clean works stand: drifted and left so, or applied again."""
    parameters = {"ids": sorted(ids), "state": state.value, "reason": reason, "message": message}
    await tx.execute(_LOCK_IDS, {"ids": list(ids)})
    return _record_rows(tx, (await tx.execute(_SET_STATE, parameters)).all())


def _from_row(row: Any) -> Work:
    return Work(
        id=row.id,
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
) -> list[Work]:
    """Works by id, those after an id."""
    parameters = {"after": after, "limit": limit, "cluster": cluster, "namespace": namespace, "trouble": only_trouble}
    uids = None if unit_uids is None else list(unit_uids)
    return [_from_row(row) for row in await tx.execute(_LIST, parameters | {"uids": uids})]


async def get_many(tx: Transaction, ids: Sequence[int]) -> list[Work]:
    """Those of the ids that exist."""
    return [_from_row(row) for row in await tx.execute(_GET_MANY, {"ids": list(ids)})]


async def of_units(tx: Transaction, uids: Sequence[str]) -> dict[str, list[Work]]:
    """Works by unit uid, sorted by cluster; for summaries and aggregation."""
    found: dict[str, list[Work]] = {uid: [] for uid in uids}
    for row in await tx.execute(_OF_UNITS, {"uids": list(uids)}):
        found[str(row.unit_uid)].append(_from_row(row))
    return found
