"""Units as controllers write them: what was decided of them, what they amount to, and that they are to be decided anew."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from fedsvc.model.unit import Unit, UnitStatus
from fedsvc.store.codec import to_json
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc.store.unit_rows import resource_name
from fedsvc_placement.model import Memory

_REBALANCE = text(
    "UPDATE unit SET rebalance = TRUE WHERE uid = ANY(CAST(:uids AS uuid[])) AND delete_time IS NULL"
    " RETURNING namespace, name"
)
_STATUS = text(
    "UPDATE unit SET status = i.status FROM unnest(CAST(:uids AS uuid[]), CAST(:statuses AS jsonb[])) AS i (uid, status)"
    " WHERE unit.uid = i.uid AND unit.status <> i.status RETURNING namespace, name"
)
_DECIDED = text(
    "UPDATE unit SET decided_generation = i.generation, decision_id = coalesce(i.decision, decision_id),"
    " reconsider_time = i.reconsider, memory = i.memory, rebalance = rebalance AND NOT i.rebalanced,"
    " granted_removals = CASE WHEN EXISTS (SELECT 1 FROM rollout r WHERE r.unit_uid = unit.uid AND NOT r.over)"
    " THEN granted_removals ELSE 0 END"  # what goes out in waves is removed in waves
    " FROM unnest(CAST(:uids AS uuid[]), CAST(:generations AS bigint[]), CAST(:decisions AS uuid[]),"
    " CAST(:reconsider AS timestamptz[]), CAST(:memories AS jsonb[]), CAST(:rebalanced AS boolean[]))"
    " AS i (uid, generation, decision, reconsider, memory, rebalanced) WHERE unit.uid = i.uid"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedUnit:
    """The newest decision covers this generation of a unit, and the rebalance that was asked of it."""

    unit: Unit  # as it was decided on
    decision: str | None = None  # its id; None: the stored decision stays
    reconsider_at: datetime | None = None  # when it may change by itself; None: never
    memory: Memory = field(default_factory=Memory)  # what the next decision remembers


async def request_rebalance(tx: Transaction, uids: Sequence[str]) -> int:
    """Ask for units to be decided anew as if everything could move; gives how many there are."""
    rows = (await tx.execute(_REBALANCE, {"uids": list(uids)})).all()
    for row in rows:
        tx.record("unit", resource_name(row.namespace, row.name))
    return len(rows)


async def set_decided(tx: Transaction, decided: Sequence[DecidedUnit]) -> None:
    """Note that units were decided, in a transaction that holds their row locks."""
    parameters = {
        "uids": [one.unit.uid for one in decided],
        "generations": [one.unit.generation for one in decided],
        "decisions": [one.decision for one in decided],
        "reconsider": [one.reconsider_at for one in decided],
        "memories": [_json(to_json(Memory, one.memory)) for one in decided],
        "rebalanced": [one.unit.rebalance for one in decided],
    }
    await tx.execute(_DECIDED, parameters)


async def set_statuses(tx: Transaction, summaries: Sequence[tuple[Unit, UnitStatus]]) -> int:
    """Store the summaries of units whose row locks the transaction holds; gives how many differed."""
    if not summaries:
        return 0
    values = {
        "uids": [unit.uid for unit, _ in summaries],
        "statuses": [_json(to_json(UnitStatus, status)) for _, status in summaries],
    }
    rows = (await tx.execute(_STATUS, values)).all()
    for row in rows:
        tx.record("unit", resource_name(row.namespace, row.name))
    return len(rows)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
