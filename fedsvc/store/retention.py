"""What is kept for how long; everything older goes, in one transaction that may be repeated at any time."""

from typing import Final

from fedsvc.model.audit import DAYS_KEPT
from fedsvc.model.grants import SETTLING
from fedsvc.model.room import ROOM_LASTS
from fedsvc.store import revisions
from fedsvc.store.changes import KEPT
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction

DECISIONS_KEPT: Final = 20
"""Of each unit, beside the one in force."""

# Never beyond what a running transaction holds back: a reader may still be before it.
_HORIZON = text(
    "UPDATE change_horizon SET (xid, id, create_time) = (last.xid, last.id, last.create_time) FROM (SELECT xid, id, create_time"
    f" FROM change WHERE create_time < now() - interval '{KEPT.total_seconds()} seconds'"
    " AND xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY xid DESC, id DESC LIMIT 1) AS last"
)
_STATEMENTS: Final = tuple(
    text(statement)
    for statement in (
        "DELETE FROM change USING change_horizon h WHERE change.xid <= h.xid",
        "DELETE FROM event WHERE update_time < now() - interval '7 days'",
        "DELETE FROM failover WHERE create_time < now() - interval '90 days'",
        "DELETE FROM drill WHERE phase = 'Over' AND create_time < now() - interval '90 days'",
        "DELETE FROM hold WHERE end_time < now() - interval '1 day'",
        "DELETE FROM removal WHERE create_time < now() - interval '1 day'",
        "DELETE FROM thaw WHERE end_time < now() - interval '1 day'",
        f"DELETE FROM room_grant WHERE grant_time < now() - interval '{(ROOM_LASTS + SETTLING).total_seconds()} seconds'",
        "DELETE FROM request WHERE create_time < now() - interval '24 hours'",
        "DELETE FROM decision d USING (SELECT id, row_number() OVER (PARTITION BY unit_uid ORDER BY create_time DESC) AS n"
        f" FROM decision) r WHERE r.id = d.id AND r.n > {DECISIONS_KEPT}"
        " AND NOT EXISTS (SELECT 1 FROM unit u WHERE u.decision_id = d.id)"
        " AND NOT EXISTS (SELECT 1 FROM binding b WHERE b.decision_id = d.id)",
        "DELETE FROM decision_fleet f WHERE f.create_time < now() - interval '1 hour'"
        " AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.fleet_digest = f.digest)",
        "DELETE FROM decision_spoken s WHERE s.create_time < now() - interval '1 hour'"
        " AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.ground = s.ground)",
        "DELETE FROM manifest m WHERE m.create_time < now() - interval '1 hour'"
        " AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.digest = m.digest)"
        " AND NOT EXISTS (SELECT 1 FROM work w WHERE w.desired_digest = m.digest OR w.applied_digest = m.digest)"
        " AND NOT EXISTS (SELECT 1 FROM unit_revision v, jsonb_array_elements(v.resources) e"
        " WHERE e ->> 4 = encode(m.digest, 'hex'))",
    )
)


_AUDIT = text(
    "DELETE FROM audit WHERE update_time < now() - make_interval(days => :days) AND (outcome <> 'Refused' OR end_time IS NOT NULL)"
)


async def trim(tx: Transaction, *, revisions_kept: int = revisions.KEPT, audit_days: int = DAYS_KEPT) -> None:
    """Remove what is no longer kept: changes after an hour, events after a week, requests after a day.

    Args:
        tx: the transaction.
        revisions_kept: of each unit.
        audit_days: how long the audit is kept; what is refused still stays.
    """
    await tx.execute(_HORIZON)
    await revisions.trim(tx, kept=revisions_kept)  # before the manifests that only they refer to
    await tx.execute(_AUDIT, {"days": audit_days})
    for statement in _STATEMENTS:
        await tx.execute(statement)
