"""What all statements on works share: how a row names its unit, how rows are locked, how changes are recorded."""

from collections.abc import Iterable
from typing import Any, Final

from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

UNIT_NAME: Final = (
    "(SELECT 'namespaces/' || u.namespace || '/units/' || u.name FROM unit u WHERE u.uid = work.unit_uid) AS unit_name"
)
# Whoever changes several works takes their locks in the order of their ids first: two that meet wait for each other.
LOCK: Final = "SELECT id FROM work WHERE {} ORDER BY id FOR UPDATE"
LOCK_IDS = text(LOCK.format("id = ANY(CAST(:ids AS bigint[]))"))


def record_rows(tx: Transaction, rows: Iterable[Any], *, deleted: bool = False) -> int:
    """Note that works changed, whose rows name their units; gives how many."""
    count = 0
    for row in rows:
        tx.record("work", f"works/{row.id}", subject=row.unit_name, deleted=deleted)
        count += 1
    return count
