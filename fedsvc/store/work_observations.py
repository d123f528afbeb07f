"""Works as members show them: what was observed, and what drifted."""

from collections.abc import Sequence

from fedsvc.model.unit import WorkState
from fedsvc.model.work import WorkObservation
from fedsvc.store.sql import text
from fedsvc.store.storable import storable_json, storable_text
from fedsvc.store.store import Transaction
from fedsvc.store.work_rows import LOCK_IDS, UNIT_NAME, record_rows

_OBSERVE = text(
    "UPDATE work SET health = o.health, health_reason = o.reason, health_message = o.message, observed_status = o.status,"
    " observed_digest = o.applied, observed_time = now(), desired_replicas = o.desired, ready_replicas = o.ready, drift_report = o.drift,"
    " update_time = now() FROM unnest(CAST(:ids AS bigint[]), CAST(:healths AS text[]), CAST(:reasons AS text[]),"
    " CAST(:messages AS text[]), CAST(:statuses AS jsonb[]), CAST(:desired AS int[]), CAST(:ready AS int[]),"
    " CAST(:drifts AS jsonb[]), CAST(:applied AS bytea[]))"
    " AS o (id, health, reason, message, status, desired, ready, drift, applied)"
    " WHERE work.id = o.id AND (work.health, work.health_reason, work.health_message, work.observed_status,"
    " work.desired_replicas, work.ready_replicas, work.drift_report, work.observed_digest) IS DISTINCT FROM"
    f" (o.health, o.reason, o.message, o.status, o.desired, o.ready, o.drift, o.applied) RETURNING work.id, {UNIT_NAME}"
)
_DRIFTED = text(
    "UPDATE work SET dirty = TRUE, state = 'Pending', reason = :reason, message = :message, next_attempt_time ="
    " now() + make_interval(secs => CAST(:delay AS float8)), attempts = 0, update_time = now(),"
    " generation = generation + 1, member_uid = CASE WHEN CAST(:deleted AS boolean) THEN '' ELSE member_uid END"
    " WHERE id = ANY(CAST(:ids AS bigint[])) AND removal IS NULL AND desired_digest IS NOT NULL"
    f" RETURNING id, {UNIT_NAME}"
)
_SET_STATE = text(
    "UPDATE work SET state = :state, reason = :reason, message = :message, update_time = now()"
    " WHERE id = ANY(CAST(:ids AS bigint[])) AND NOT dirty AND removal IS NULL"
    f" AND (state <> :state OR reason <> :reason OR message <> :message) RETURNING id, {UNIT_NAME}"
)


async def write_observations(tx: Transaction, observations: Sequence[WorkObservation]) -> int:
    """Write what members say, where it differs from what they said before."""
    if not observations:
        return 0
    ordered = sorted({item.id: item for item in observations}.values(), key=lambda item: item.id)
    await tx.execute(LOCK_IDS, {"ids": [item.id for item in ordered]})
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
            "applied": [item.applied_digest for item in ordered],
        },
    )
    return record_rows(tx, rows.all())


async def mark_drifted(
    tx: Transaction, ids: Sequence[int], *, reason: str, message: str, deleted: bool, delay_seconds: float = 0.0
) -> int:
    """Somebody changed (or deleted) the objects of these works: they are to be applied again."""
    parameters = {"ids": sorted(ids), "reason": reason, "message": message, "deleted": deleted, "delay": delay_seconds}
    await tx.execute(LOCK_IDS, {"ids": list(ids)})
    return record_rows(tx, (await tx.execute(_DRIFTED, parameters)).all())


async def set_state(tx: Transaction, ids: Sequence[int], *, state: WorkState, reason: str, message: str) -> int:
    """Where clean works stand: drifted and left so, or applied again."""
    parameters = {"ids": sorted(ids), "state": state.value, "reason": reason, "message": message}
    await tx.execute(LOCK_IDS, {"ids": list(ids)})
    return record_rows(tx, (await tx.execute(_SET_STATE, parameters)).all())
