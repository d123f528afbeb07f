"""Switchovers: rows of `switchover`, one a unit that has a primary and replicas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from fedsvc.model.roles import Ask, Switchover
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction

_COLUMNS: Final = "CAST(unit_uid AS text) AS unit_uid, version, state, ask"
_OF_UNITS = text(f"SELECT {_COLUMNS} FROM switchover WHERE unit_uid = ANY(CAST(:uids AS uuid[]))")
_LOCK = text(f"{_OF_UNITS.text} ORDER BY unit_uid FOR NO KEY UPDATE")
_BEGIN = text(
    "INSERT INTO switchover (unit_uid, state) SELECT * FROM unnest(CAST(:uids AS uuid[]), CAST(:states AS jsonb[]))"
)
_PUT = text(
    "UPDATE switchover SET state = CAST(:state AS jsonb), is_over = :over, version = version + 1, update_time = now(),"
    " ask = CASE WHEN CAST(:keeps_ask AS boolean) THEN ask END WHERE unit_uid = CAST(:uid AS uuid)"
)
_ASK = text("UPDATE switchover SET ask = CAST(:ask AS jsonb), update_time = now() WHERE unit_uid = CAST(:uid AS uuid)")
_DROP = text("DELETE FROM switchover WHERE unit_uid = ANY(CAST(:uids AS uuid[]))")
# A unit that is not decided yet is about to be elsewhere.
_DUE = text(
    "SELECT CAST(s.unit_uid AS text) AS uid FROM switchover s JOIN unit u ON u.uid = s.unit_uid"
    " LEFT JOIN decision d ON d.id = u.decision_id WHERE u.delete_time IS NULL AND u.decided_generation >= u.generation"
    " AND jsonb_typeof(u.spec #> '{failover,roles}') = 'object' AND (NOT s.is_over OR s.ask IS NOT NULL"
    "  OR coalesce(u.spec #>> '{failover,roles,prefer,0}', s.state ->> 'primary') <> s.state ->> 'primary'"
    "  OR NOT coalesce(d.words -> 'targets', '[]') @> jsonb_build_array(jsonb_build_object('cluster', s.state ->> 'primary')))"
    " ORDER BY 1"
)
_BLOCKED = text("SELECT count(*) FROM switchover WHERE coalesce(state ->> 'blocked', '') <> ''")
_UNDEMOTED = text("SELECT count(*) FROM switchover WHERE jsonb_array_length(coalesce(state -> 'undemoted', '[]')) > 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSwitchover:
    """A row."""

    unit_uid: str
    version: int  # grows with every change
    state: Switchover
    ask: Ask | None  # that no step has heard of yet


async def of_units(tx: Transaction, uids: Sequence[str]) -> dict[str, StoredSwitchover]:
    """Those of units that have one, by uid."""
    return {row.unit_uid: _from_row(row) for row in await tx.execute(_OF_UNITS, {"uids": list(uids)})}


async def lock(tx: Transaction, uid: str) -> StoredSwitchover | None:
    """That of a unit, nobody else changing it until the transaction ends; None where it has none."""
    row = (await tx.execute(_LOCK, {"uids": [uid]})).one_or_none()
    return None if row is None else _from_row(row)


async def lock_versions(tx: Transaction, uids: Sequence[str]) -> dict[str, int]:
    """The versions of those of units, by uid, nobody else changing them until the transaction ends."""
    if not uids:
        return {}
    return {row.unit_uid: row.version for row in await tx.execute(_LOCK, {"uids": list(uids)})}


async def begin(tx: Transaction, states: Mapping[str, Switchover]) -> None:
    """Units have a primary from now on, by uid."""
    if states:
        await tx.execute(_BEGIN, {"uids": list(states), "states": [_json(Switchover, one) for one in states.values()]})


async def put(tx: Transaction, uid: str, unit_name: str, state: Switchover, *, keeps_ask: bool = False) -> None:
    """Store how it stands; what somebody wanted is heard then, unless it is looked at again."""
    values = {"uid": uid, "state": _json(Switchover, state), "over": state.is_over, "keeps_ask": keeps_ask}
    await tx.execute(_PUT, values)
    tx.record("unit", unit_name)


async def ask(tx: Transaction, uid: str, unit_name: str, wanted: Ask) -> None:
    """Have the primary of a unit elsewhere."""
    await tx.execute(_ASK, {"uid": uid, "ask": _json(Ask, wanted)})
    tx.record("unit", unit_name)


async def drop(tx: Transaction, uids: Sequence[str]) -> None:
    """Units have no primary any more."""
    if uids:
        await tx.execute(_DROP, {"uids": list(uids)})


async def due(look: Look) -> list[str]:
    """The uids of units of whose switchover there may be something to do."""
    return [row.uid for row in await look.execute(_DUE)]


async def blocked(look: Look) -> int:
    """How many cannot go on by themselves."""
    return int((await look.execute(_BLOCKED)).scalar_one())


async def undemoted(look: Look) -> int:
    """How many units may have a primary somewhere that is not authorised any more."""
    return int((await look.execute(_UNDEMOTED)).scalar_one())


def _json(kind: Any, value: object) -> str:
    return orjson.dumps(to_json(kind, value)).decode()


def _from_row(row: Any) -> StoredSwitchover:
    return StoredSwitchover(
        unit_uid=row.unit_uid,
        version=row.version,
        state=from_json(Switchover, row.state),
        ask=None if row.ask is None else from_json(Ask, row.ask),
    )
