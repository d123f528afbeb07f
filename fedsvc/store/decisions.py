"""Decisions: immutable records of placement runs."""

import asyncio
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import orjson

from fedsvc.errors import NotFoundError
from fedsvc.model.unit import Unit
from fedsvc.store.sql import text
from fedsvc.store.store import Transaction
from fedsvc_placement import Fleet
from fedsvc_placement.inputs import Inputs, fleet_from_json, fleet_to_json, inputs_from_dict
from fedsvc_placement.model import Spoken
from fedsvc_placement.record import from_plain, to_plain

_INSERT = text(
    "INSERT INTO decision (id, unit_uid, revision, inputs_digest, answer_digest, record, words, inputs, fleet_digest,"
    " ground, spoken_count)"
    " SELECT * FROM unnest(CAST(:ids AS uuid[]), CAST(:uids AS uuid[]), CAST(:revisions AS bigint[]),"
    " CAST(:digests AS bytea[]), CAST(:answers AS bytea[]), CAST(:records AS json[]), CAST(:words AS jsonb[]), CAST(:inputs AS json[]), CAST(:fleets AS bytea[]),"
    " CAST(:grounds AS uuid[]), CAST(:counts AS int[]))"
)
_ADD_SPOKEN = text(
    "INSERT INTO decision_spoken (ground, start, entries) VALUES (CAST(:ground AS uuid), :start, CAST(:entries AS jsonb))"
    # It is there where a commit went through that was not known to: then this is it again, and maybe more.
    " ON CONFLICT (ground, start) DO UPDATE SET entries = EXCLUDED.entries"
)
_SPOKEN = text(
    "SELECT entries FROM decision_spoken WHERE ground = CAST(:ground AS uuid) AND start < :count ORDER BY start"
)
# Found or put, it is locked and young: retention must not remove it before a decision refers to it.
_YOUNG_FLEET = text(
    "SELECT digest FROM decision_fleet WHERE digest = :digest AND create_time >= now() - interval '30 minutes'"
    " FOR KEY SHARE"
)
_PUT_FLEET = text(
    "INSERT INTO decision_fleet AS f (digest, body) VALUES (:digest, :body) ON CONFLICT (digest) DO UPDATE"
    " SET create_time = now() WHERE f.create_time < now() - interval '30 minutes'"
)
_INPUTS = text(
    "SELECT d.inputs, f.body, d.ground, d.spoken_count FROM decision d LEFT JOIN decision_fleet f ON f.digest = d.fleet_digest"
    " WHERE d.id = CAST(:id AS uuid)"
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
_LARGE_PARTS: Final = frozenset({"clusters", "divisions", "moves"})
"""Of a record: what is not kept as its words."""

_IN_FORCE = text(
    "SELECT CAST(u.uid AS text) AS uid, CAST(d.id AS text) AS id, d.answer_digest, d.words"
    " FROM unit u JOIN decision d ON d.id = u.decision_id WHERE u.uid = ANY(CAST(:uids AS uuid[]))"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A decision in force, without what it says of each cluster, which is most of it."""

    id: str
    answer_digest: bytes | None  # None: of a decision from before there was one
    words: dict[str, Any]  # its record without clusters, divisions and moves


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDecision:
    """A decision that is to be stored."""

    unit: Unit  # as it was decided on
    inputs_digest: str  # from the decision
    record: Mapping[str, Any]
    answer_digest: bytes | None = None  # of the record
    inputs: Mapping[str, Any] | None = None  # what it was made from, but for the fleet, to be replayed; None: not kept
    fleet_digest: bytes | None = None  # from `put_fleet`
    ground: str | None = None  # the preparation of that fleet; None: it asked for no room
    spoken_count: int = 0  # entries that were spoken for on this ground before; `inputs` are without them


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedFleet:
    """A fleet as it is kept; packed once for all decisions that are made on it."""

    digest: bytes
    body: bytes


def pack_fleet(fleet: Fleet) -> PackedFleet:
    """Make a fleet ready to be kept. Of a large one that is some MiB: better in a thread."""
    body, digest = fleet_to_json(fleet)
    return PackedFleet(digest=digest, body=zlib.compress(body, level=1))


async def put_fleet(tx: Transaction, fleet: PackedFleet) -> bytes:
    """Keep a fleet that decisions are made on; gives the digest to keep them with. An equal one is kept once."""
    if (await tx.execute(_YOUNG_FLEET, {"digest": fleet.digest})).one_or_none() is None:
        await tx.execute(_PUT_FLEET, {"digest": fleet.digest, "body": fleet.body})
    return fleet.digest


async def inputs_of(tx: Transaction, decision_id: str) -> tuple[Inputs, Fleet] | None:
    """What a decision was made from; None where that is not kept.

    Raises:
        TypeError: it was kept by a release whose engine asked for other things.
    """
    row = (await tx.execute(_INPUTS, {"id": decision_id})).one_or_none()
    if row is None or row.inputs is None or row.body is None:
        return None
    inputs, fleet = await asyncio.to_thread(_read_inputs, row.inputs, row.body)
    if not row.spoken_count:
        return inputs, fleet
    rows = await tx.execute(_SPOKEN, {"ground": row.ground, "count": row.spoken_count})
    spoken = [from_plain(Spoken, entry) for found in rows for entry in found.entries]
    return replace(inputs, spoken_for=tuple(spoken[: row.spoken_count])), fleet


async def add_spoken(tx: Transaction, ground: str, start: int, entries: Sequence[Spoken]) -> None:
    """Keep room that was given away on one preparation of a fleet, for all decisions that found it taken.

    Args:
        tx: the transaction.
        ground: the preparation.
        start: place of the first entry among all that were spoken for on it.
        entries: in order.
    """
    plain = [to_plain(entry) for entry in entries]
    await tx.execute(_ADD_SPOKEN, {"ground": ground, "start": start, "entries": orjson.dumps(plain).decode()})


async def add(tx: Transaction, made: Sequence[NewDecision]) -> list[str]:
    """Store decisions; gives their ids, in their order."""
    ids = [str(uuid4()) for _ in made]
    await tx.execute(
        _INSERT,
        {
            "ids": ids,
            "uids": [one.unit.uid for one in made],
            "revisions": [one.unit.revision for one in made],
            "digests": [bytes.fromhex(one.inputs_digest) for one in made],
            "answers": [one.answer_digest for one in made],
            "records": [orjson.dumps(one.record).decode() for one in made],
            "words": [orjson.dumps(_words(one.record)).decode() for one in made],
            "inputs": [None if one.inputs is None else orjson.dumps(one.inputs).decode() for one in made],
            "fleets": [one.fleet_digest for one in made],
            "grounds": [one.ground for one in made],
            "counts": [one.spoken_count for one in made],
        },
    )
    return ids


def _words(record: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in _LARGE_PARTS}


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


async def in_force(tx: Transaction, unit_uids: Sequence[str]) -> dict[str, InForce]:
    """The decision in force of each unit that has one, by uid, in brief."""
    rows = await tx.execute(_IN_FORCE, {"uids": list(unit_uids)})
    return {row.uid: InForce(id=row.id, answer_digest=row.answer_digest, words=row.words) for row in rows}


def _read_inputs(inputs: dict[str, Any], body: bytes) -> tuple[Inputs, Fleet]:
    return inputs_from_dict(inputs), fleet_from_json(zlib.decompress(body))


def _from_row(row: Any) -> StoredDecision:
    return StoredDecision(id=row.id, revision=row.revision, record=row.record, create_time=row.create_time)
