"""Events: what happened to clusters and units; equal ones are counted instead of repeated."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fedsvc.store.sql import text
from fedsvc.store.storable import storable_text
from fedsvc.store.store import Transaction

NORMAL: Final = "Normal"
WARNING: Final = "Warning"

_PUT = text(
    "INSERT INTO event (fingerprint, subject, cluster, type, reason, message)"
    " SELECT * FROM unnest(CAST(:fingerprints AS bytea[]), CAST(:subjects AS text[]), CAST(:clusters AS text[]),"
    " CAST(:types AS text[]), CAST(:reasons AS text[]), CAST(:messages AS text[]))"
    " ON CONFLICT (fingerprint) DO UPDATE SET count = event.count + 1, update_time = now() RETURNING id, subject"
)
_COLUMNS: Final = "id, subject, cluster, type, reason, message, count, create_time, update_time"
_LIST = text(
    f"SELECT {_COLUMNS} FROM event WHERE (update_time, id) < (CAST(:before AS timestamptz), :before_id)"
    " AND (:subject = '' OR subject = :subject) AND (:namespace = '' OR starts_with(subject, 'namespaces/' || :namespace || '/'))"
    " ORDER BY update_time DESC, id DESC LIMIT :limit"
)
_GET = text(f"SELECT {_COLUMNS} FROM event WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY update_time, id")
END_OF_TIME: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""Page position before the newest event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """Something that happened."""

    subject: str  # "clusters/a" or "namespaces/x/units/y"
    type: str  # NORMAL or WARNING
    reason: str  # constant CamelCase word
    message: str  # sentence
    cluster: str = ""  # where it happened on one


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event and how often it happened."""

    id: int
    subject: str
    cluster: str
    type: str
    reason: str
    message: str
    count: int
    create_time: datetime
    update_time: datetime


async def add_many(tx: Transaction, events: Sequence[NewEvent]) -> None:
    """Store events, each distinct one once."""
    distinct = {_fingerprint(event): event for event in events}
    if not distinct:
        return
    ordered = sorted(distinct)
    rows = await tx.execute(
        _PUT,
        {
            "fingerprints": ordered,
            "subjects": [distinct[key].subject for key in ordered],
            "clusters": [distinct[key].cluster for key in ordered],
            "types": [distinct[key].type for key in ordered],
            "reasons": [distinct[key].reason for key in ordered],
            "messages": [storable_text(distinct[key].message) for key in ordered],
        },
    )
    for row in rows:
        tx.record("event", f"events/{row.id}", subject=row.subject)


def _fingerprint(event: NewEvent) -> bytes:
    parts = (event.subject, event.cluster, event.type, event.reason, event.message)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def _from_row(row: Any) -> StoredEvent:
    return StoredEvent(**row)


async def list_page(
    tx: Transaction,
    *,
    before: tuple[datetime, int] = (END_OF_TIME, 0),
    limit: int,
    subject: str = "",
    namespace: str = "",
) -> list[StoredEvent]:
    """Events, newest first, those before a (time, id)."""
    parameters = {
        "before": before[0],
        "before_id": before[1],
        "limit": limit,
        "subject": subject,
        "namespace": namespace,
    }
    return [_from_row(row) for row in await tx.execute(_LIST, parameters)]


async def get_many(tx: Transaction, ids: Sequence[int]) -> list[StoredEvent]:
    """Those of the ids that exist, oldest first."""
    return [_from_row(row) for row in await tx.execute(_GET, {"ids": list(ids)})]
