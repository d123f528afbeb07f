"""Removals: what is counted against budgets, what is held until somebody confirms it, what waits to be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.model.removal import CHANGE_SECONDS, EMPTIED, HOUR_SECONDS, OVER_BUDGET, PROTECTED
from fedsvc.model.work import DirtyWork
from fedsvc.rendering.keys import ObjectKey
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.work_rows import LOCK, UNIT_NAME, record_rows

# An object of ours is, or may be, in the member.
THERE: Final = "work.member_uid <> '' AND NOT work.released"
_WANTED: Final = f"{THERE} AND (work.removal IS NULL OR work.state = 'Held')"

# Whoever counts holds it until what it adds is committed: two that count at once would both find room.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('removals', 0))")
_SPENT = text(
    "SELECT coalesce(sum(object_count) FILTER (WHERE is_decision AND create_time > now() - make_interval(secs => :change)), 0)"
    " AS change, coalesce(sum(object_count), 0) AS hour FROM removal"
    " WHERE NOT is_confirmed AND create_time > now() - make_interval(secs => :hour)"
)
_ADD = text(
    "INSERT INTO removal (subject, object_count, is_decision, is_confirmed, author) SELECT i.*, :decision, :confirmed, :author"
    " FROM unnest(CAST(:subjects AS text[]), CAST(:counts AS int[])) AS i (subject, object_count)"
)
_FLEET = text(f"SELECT count(*) FROM work WHERE {THERE}")
_OF_UNITS = text(
    f"SELECT CAST(unit_uid AS text) AS uid, count(*) AS total FROM work WHERE unit_uid = ANY(CAST(:uids AS uuid[])) AND {THERE}"
    " GROUP BY unit_uid"
)
_AT_RISK = text(
    "SELECT work.cluster, count(*) FILTER (WHERE i.name IS NOT NULL) AS dropped, count(*) AS total FROM work"
    " LEFT JOIN unnest(CAST(:groups AS text[]), CAST(:kinds AS text[]), CAST(:namespaces AS text[]), CAST(:names AS text[]))"
    " AS i (group_, kind, namespace, name) USING (group_, kind, namespace, name)"
    f" WHERE work.unit_uid = CAST(:uid AS uuid) AND {_WANTED} GROUP BY work.cluster"
)
_ON_CLUSTER = text(
    f"SELECT {UNIT_NAME}, count(*) AS total, coalesce(CAST(u.spec ->> 'protected' AS boolean), FALSE) AS is_protected"
    f" FROM work JOIN unit u ON u.uid = work.unit_uid WHERE work.cluster = :cluster AND {_WANTED}"
    " GROUP BY work.unit_uid, u.spec ORDER BY 1"
)
_GRANT = text("UPDATE unit SET granted_removals = granted_removals + :count WHERE uid = CAST(:uid AS uuid)")
_SPEND = text(
    "UPDATE unit SET granted_removals = greatest(0, granted_removals - i.spent)"
    " FROM unnest(CAST(:uids AS uuid[]), CAST(:counts AS int[])) AS i (uid, spent) WHERE unit.uid = i.uid"
)
_HOLD = text(
    "UPDATE work SET dirty = FALSE, state = 'Held', reason = i.reason, message = i.message, update_time = now()"
    " FROM unnest(CAST(:ids AS bigint[]), CAST(:reasons AS text[]), CAST(:messages AS text[])) AS i (id, reason, message)"
    " WHERE work.id = i.id"
)
_FOUND = text(
    "UPDATE work SET member_uid = :member_uid WHERE id = :id AND generation = :generation AND removal IS NOT NULL"
    " AND state <> 'Held' RETURNING removal_cause"
)
_HELD: Final = (
    "work.state = 'Held' AND (CAST(:uid AS uuid) IS NULL OR work.unit_uid = CAST(:uid AS uuid))"
    " AND (:cluster = '' OR work.cluster = :cluster)"
)
_LOCK_HELD = text(LOCK.format(_HELD))
_PROTECTED_HELD = text(
    f"SELECT DISTINCT {UNIT_NAME} FROM work JOIN unit u ON u.uid = work.unit_uid WHERE {_HELD}"
    " AND coalesce(CAST(u.spec ->> 'protected' AS boolean), FALSE) ORDER BY 1"
)
_RELEASE = text(
    "UPDATE work SET dirty = TRUE, state = 'Removing', reason = '', message = '', attempts = 0, next_attempt_time = now(),"
    f" update_time = now() WHERE {_HELD} RETURNING work.id, work.cluster, {UNIT_NAME}"
)


_KEPT_BACK: Final = text(
    f"SELECT {UNIT_NAME}, cluster, reason, min(message) AS message, count(*) AS object_count FROM work"
    " WHERE removal IS NOT NULL AND state = 'Held' AND reason = ANY(CAST(:reasons AS text[]))"
    " GROUP BY unit_uid, cluster, reason ORDER BY 1, 2, 3"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRemoval:
    """Objects of a unit that stay on a cluster until somebody confirms that they may go."""

    unit_name: str  # in the API
    cluster: str
    reason: str  # CamelCase constant
    message: str  # for people
    object_count: int


async def held(look: Look) -> list[HeldRemoval]:
    """The removals that are kept back for a confirmation."""
    rows = await look.execute(_KEPT_BACK, {"reasons": [OVER_BUDGET, EMPTIED, PROTECTED]})
    return [
        HeldRemoval(
            unit_name=row.unit_name,
            cluster=row.cluster,
            reason=row.reason,
            message=row.message,
            object_count=row.object_count,
        )
        for row in rows
    ]


async def spent(tx: Transaction) -> tuple[int, int]:
    """Objects that went unconfirmed: by decisions as part of the change of this moment, and by all in the last hour.

    Nobody else counts before this transaction has ended.
    """
    await tx.execute(_LOCK)
    row = (await tx.execute(_SPENT, {"change": CHANGE_SECONDS, "hour": HOUR_SECONDS})).one()
    return int(row.change), int(row.hour)


async def add(
    tx: Transaction,
    counts: Mapping[str, int],
    *,
    is_decision: bool = False,
    is_confirmed: bool = False,
    author: str = "",
) -> None:
    """Note removals that are authorised by this transaction, by the unit or cluster that they are of."""
    if counts:
        values = {"subjects": list(counts), "counts": list(counts.values())}
        await tx.execute(_ADD, values | {"decision": is_decision, "confirmed": is_confirmed, "author": author})


async def fleet_objects(tx: Transaction) -> int:
    """Objects that are held in all members."""
    return int((await tx.execute(_FLEET)).scalar_one())


async def objects_of_units(tx: Transaction, uids: Sequence[str]) -> dict[str, int]:
    """Objects that are held in members, by uid of those units that have some."""
    return {row.uid: row.total for row in await tx.execute(_OF_UNITS, {"uids": list(uids)})}


async def at_risk(tx: Transaction, uid: str, removed: Sequence[ObjectKey]) -> dict[str, tuple[int, int]]:
    """What a unit holds by cluster: objects of the removed resources, and all."""
    values: dict[str, Any] = {
        "uid": uid,
        "groups": [key.group for key in removed],
        "kinds": [key.kind for key in removed],
        "namespaces": [key.namespace for key in removed],
        "names": [key.name for key in removed],
    }
    return {row.cluster: (row.dropped, row.total) for row in await tx.execute(_AT_RISK, values)}


async def on_cluster(tx: Transaction, cluster: str) -> list[tuple[str, int, bool]]:
    """Units that hold objects on a cluster: name in the API, how many, whether protected."""
    rows = await tx.execute(_ON_CLUSTER, {"cluster": cluster})
    return [(row.unit_name, row.total, row.is_protected) for row in rows]


async def grant(tx: Transaction, uid: str, count: int) -> None:
    """The next decision on a unit may remove so many objects: they are counted already, or confirmed."""
    await tx.execute(_GRANT, {"uid": uid, "count": count})


async def spend(tx: Transaction, counts: Mapping[str, int]) -> None:
    """So many objects of what was granted to units are removed now, by uid."""
    await tx.execute(_SPEND, {"uids": list(counts), "counts": list(counts.values())})


async def hold(tx: Transaction, held: Mapping[int, tuple[str, str]]) -> None:
    """Keep works that are to be removed where they are until that is confirmed; by id, reason and message."""
    values = {
        "ids": list(held),
        "reasons": [reason for reason, _ in held.values()],
        "messages": [message for _, message in held.values()],
    }
    await tx.execute(_HOLD, values)


async def found(tx: Transaction, work: DirtyWork, member_uid: str) -> str | None:
    """Note that the object of a removal is there, though no act on it was ever stored; gives why it is to go.

    None where it is not to go any more.
    """
    values = {"id": work.id, "generation": work.generation, "member_uid": member_uid}
    row = (await tx.execute(_FOUND, values)).one_or_none()
    return None if row is None else str(row.removal_cause)


async def protected_held(tx: Transaction, *, uid: str | None = None, cluster: str = "") -> list[str]:
    """Names of protected units with removals that are held, of one unit, on one cluster, or of all."""
    rows = await tx.execute(_PROTECTED_HELD, {"uid": uid, "cluster": cluster})
    return [row.unit_name for row in rows]


async def release(tx: Transaction, *, uid: str | None = None, cluster: str = "") -> dict[str, int]:
    """Let removals be done that are held, of one unit, on one cluster, or of all; gives how many by unit.

    The clusters that they are on are told, so that it is done at once.
    """
    values = {"uid": uid, "cluster": cluster}
    await tx.execute(_LOCK_HELD, values)
    rows = (await tx.execute(_RELEASE, values)).all()
    record_rows(tx, rows)
    for name in sorted({row.cluster for row in rows}):
        tx.record("removal", f"clusters/{name}")
    found: dict[str, int] = {}
    for row in rows:
        found[row.unit_name] = found.get(row.unit_name, 0) + 1
    return found
