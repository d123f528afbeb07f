"""Decisions: immutable records of placement runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson
from sqlalchemy import text

from fedsvc.store.store import Transaction

_INSERT = text(
    "INSERT INTO decision (id, unit_uid, revision, inputs_digest, record) VALUES (CAST(:id AS uuid), CAST(:uid AS uuid),"
    " :revision, :digest, CAST(:record AS jsonb))"
)
_NEWEST = text(
    "SELECT CAST(u.uid AS text) AS uid, CAST(d.id AS text) AS id, d.revision, d.record, d.create_time"
    " FROM unit u JOIN decision d ON d.id = u.decision_id WHERE u.uid = ANY(CAST(:uids AS uuid[]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDecision:
    """One decision as it was made."""

    id: str
    revision: int  # of the unit
    record: dict[str, Any]
    create_time: datetime


async def add(tx: Transaction, *, unit_uid: str, revision: int, inputs_digest: str, record: Mapping[str, Any]) -> str:
    """Store a decision; gives its id."""
    decision_id = str(uuid4())
    await tx.execute(
        _INSERT,
        {
            "id": decision_id,
            "uid": unit_uid,
            "revision": revision,
            "digest": bytes.fromhex(inputs_digest),
            "record": orjson.dumps(record).decode(),
        },
    )
    return decision_id


async def newest(tx: Transaction, unit_uids: Sequence[str]) -> dict[str, StoredDecision]:
    """The decision in force of each unit that has one, by uid."""
    rows = await tx.execute(_NEWEST, {"uids": list(unit_uids)})
    return {
        row.uid: StoredDecision(id=row.id, revision=row.revision, record=row.record, create_time=row.create_time)
        for row in rows
    }
