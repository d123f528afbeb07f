"""Decisions: immutable records of placement runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import orjson
from sqlalchemy import text

from fedsvc.errors import NotFoundError
from fedsvc.store.store import Transaction

_INSERT = text(
    "INSERT INTO decision (id, unit_uid, revision, inputs_digest, record) VALUES (CAST(:id AS uuid), CAST(:uid AS uuid),"
    " :revision, :digest, CAST(:record AS jsonb))"
)
_SELECT: Final = (
    "SELECT CAST(d.id AS text) AS id, d.revision, d.record, d.create_time, u.namespace, u.name, CAST(u.uid AS text) AS uid"
    " FROM decision d JOIN unit u ON u.uid = d.unit_uid"
)
_GET = text(f"{_SELECT} WHERE d.id = CAST(:id AS uuid)")
_PAGE = text(
    f"{_SELECT} WHERE d.unit_uid = CAST(:uid AS uuid) AND (CAST(:after_time AS timestamptz) IS NULL"
    " OR (d.create_time, d.id) < (CAST(:after_time AS timestamptz), CAST(:after_id AS uuid)))"
    " ORDER BY d.create_time DESC, d.id DESC LIMIT :limit"
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


async def get(tx: Transaction, decision_id: str) -> tuple[str, StoredDecision]:
    """One decision, and the name of the unit it is of.

    Raises:
        NotFoundError: there is none of that id; those of a unit that is gone went with it.
    """
    row = (await tx.execute(_GET, {"id": decision_id})).one_or_none()
    if row is None:
        raise NotFoundError(f"decisions/{decision_id}")
    return f"namespaces/{row.namespace}/units/{row.name}", _from_row(row)


async def list_page(
    tx: Transaction, unit_uid: str, *, after: tuple[datetime, str] | None, limit: int
) -> list[StoredDecision]:
    """Decisions on a unit, the newest first, those before a (time, id)."""
    time, decision_id = after or (None, None)
    parameters = {"uid": unit_uid, "after_time": time, "after_id": decision_id, "limit": limit}
    return [_from_row(row) for row in await tx.execute(_PAGE, parameters)]


async def newest(tx: Transaction, unit_uids: Sequence[str]) -> dict[str, StoredDecision]:
    """The decision in force of each unit that has one, by uid."""
    rows = await tx.execute(_NEWEST, {"uids": list(unit_uids)})
    return {row.uid: _from_row(row) for row in rows}


def _from_row(row: Any) -> StoredDecision:
    return StoredDecision(id=row.id, revision=row.revision, record=row.record, create_time=row.create_time)
