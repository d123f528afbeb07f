"""Rollouts: rows of `rollout`, one a unit whose newest revision went out in waves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from fedsvc.rollout import Rollout
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc.store.unit_rows import resource_name

_COLUMNS: Final = "CAST(unit_uid AS text) AS unit_uid, version, state"
_OF_UNITS = text(f"SELECT {_COLUMNS} FROM rollout WHERE unit_uid = ANY(CAST(:uids AS uuid[]))")
_LOCK = text(f"{_OF_UNITS.text} ORDER BY unit_uid FOR NO KEY UPDATE")
_OPEN = text(
    "SELECT u.namespace, u.name FROM rollout o JOIN unit u ON u.uid = o.unit_uid WHERE NOT o.over AND u.delete_time IS NULL"
)
_NAMED = text(
    "SELECT u.namespace, u.name FROM unnest(CAST(:namespaces AS text[]), CAST(:names AS text[])) AS i (namespace, name)"
    " JOIN unit u USING (namespace, name) JOIN rollout o ON o.unit_uid = u.uid"
)
_PUT = text(
    "INSERT INTO rollout (unit_uid, state, over) VALUES (CAST(:uid AS uuid), CAST(:state AS jsonb), :over)"
    " ON CONFLICT (unit_uid) DO UPDATE SET state = EXCLUDED.state, over = EXCLUDED.over, version = rollout.version + 1,"
    " update_time = now()"
)
_DROP = text("DELETE FROM rollout WHERE unit_uid = CAST(:uid AS uuid)")
_HELD = text(
    "SELECT CAST(unit_uid AS text) AS unit_uid, cluster, revision FROM binding WHERE unit_uid = ANY(CAST(:uids AS uuid[]))"
)
# An object that was applied a moment ago may not have been seen since: what is known of its health is from before, or is
# what the apply itself answered, which is written with it.
_UNSEEN = text(
    "SELECT CAST(unit_uid AS text) AS unit_uid, cluster FROM work WHERE unit_uid = ANY(CAST(:uids AS uuid[]))"
    " AND removal IS NULL AND applied_time >= coalesce(observed_time, '-infinity')"
    " AND applied_time > now() - make_interval(secs => :settle) GROUP BY unit_uid, cluster"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRollout:
    """A rollout as it is stored."""

    unit_uid: str
    version: int  # grows with every change
    state: Rollout


async def of_units(tx: Transaction, uids: Sequence[str]) -> dict[str, StoredRollout]:
    """The rollouts of those units that have one, by uid."""
    return {row.unit_uid: rollout_from_row(row) for row in await tx.execute(_OF_UNITS, {"uids": list(uids)})}


async def lock(tx: Transaction, uid: str) -> StoredRollout | None:
    """The rollout of a unit, nobody else changing it until the transaction ends; None where it has none."""
    row = (await tx.execute(_LOCK, {"uids": [uid]})).one_or_none()
    return None if row is None else rollout_from_row(row)


async def lock_versions(tx: Transaction, uids: Sequence[str]) -> dict[str, int]:
    """The versions of the rollouts of units, by uid, nobody else changing them until the transaction ends."""
    if not uids:
        return {}
    return {row.unit_uid: row.version for row in await tx.execute(_LOCK, {"uids": list(uids)})}


async def put(tx: Transaction, uid: str, name: str, state: Rollout) -> None:
    """Store the rollout of a unit, given by uid and name in the API."""
    parameters = {"uid": uid, "state": orjson.dumps(to_json(Rollout, state)).decode(), "over": state.phase.is_over}
    await tx.execute(_PUT, parameters)
    tx.record("unit", name)


async def drop(tx: Transaction, uid: str) -> None:
    """The newest revision of a unit goes everywhere at once."""
    await tx.execute(_DROP, {"uid": uid})


async def named(look: Look, names: Sequence[tuple[str, str]]) -> list[str]:
    """Names in the API of those of the units, given as (namespace, name), that have a rollout."""
    parameters = {"namespaces": [namespace for namespace, _ in names], "names": [name for _, name in names]}
    return [resource_name(row.namespace, row.name) for row in await look.execute(_NAMED, parameters)]


async def names_open(tx: Transaction) -> list[str]:
    """Names in the API of the units whose rollout is not over."""
    return [resource_name(row.namespace, row.name) for row in await tx.execute(_OPEN)]


async def held(tx: Transaction, uids: Sequence[str]) -> dict[str, dict[str, int]]:
    """The revision that each cluster of each unit shall hold, by uid and cluster."""
    found: dict[str, dict[str, int]] = {uid: {} for uid in uids}
    for row in await tx.execute(_HELD, {"uids": list(uids)}):
        found[row.unit_uid][row.cluster] = row.revision
    return found


async def unseen(tx: Transaction, uids: Sequence[str], *, settle_seconds: float) -> set[tuple[str, str]]:
    """Where units, by (uid, cluster), have objects that were applied so short ago that nothing is known of them since."""
    rows = await tx.execute(_UNSEEN, {"uids": list(uids), "settle": settle_seconds})
    return {(row.unit_uid, row.cluster) for row in rows}


def rollout_from_row(row: Any) -> StoredRollout:
    """The rollout in a row with the columns of `rollout`."""
    return StoredRollout(unit_uid=row.unit_uid, version=row.version, state=from_json(Rollout, row.state))
