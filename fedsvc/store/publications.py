"""How zones stand on the name servers of others, and what was written there."""

from collections.abc import Iterable
from typing import Final

import orjson

from fedsvc.model.zone_provider import Publication
from fedsvc.store.changes import Change
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.policies import ZONE, resource_name
from fedsvc.store.sql import Statement, text
from fedsvc.store.store import Look, Transaction
from fedsvc_dns.records import RecordSet

_STANDING: Final = "publication"
Key = tuple[str, str]
"""Name and type of a record set."""

_KEPT: Final = text(
    "SELECT name, CAST(uid AS text) AS uid, generation FROM policy WHERE type = 'zone'"
    " AND jsonb_typeof(spec -> 'provider') = 'object'"
)
_SERIAL: Final = text("SELECT serial FROM dns_zone WHERE zone_uid = CAST(:uid AS uuid)")
_SETS: Final = text("SELECT name, type, ttl_seconds, data FROM dns_record_set WHERE zone_uid = CAST(:uid AS uuid)")
_NOTED: Final = text("SELECT name, type FROM dns_published_set WHERE zone_uid = CAST(:uid AS uuid)")
_NOTE: Final = text(
    "INSERT INTO dns_published_set (zone_uid, name, type) SELECT p.uid, d.name, d.type FROM policy p,"
    " unnest(CAST(:names AS text[]), CAST(:types AS text[])) AS d (name, type) WHERE p.uid = CAST(:uid AS uuid)"
    " ON CONFLICT DO NOTHING"
)
_FORGET: Final = text(
    "DELETE FROM dns_published_set s USING unnest(CAST(:names AS text[]), CAST(:types AS text[])) AS d (name, type)"
    " WHERE s.zone_uid = CAST(:uid AS uuid) AND s.name = d.name AND s.type = d.type"
)
_FORGET_ALL: Final = text("DELETE FROM dns_published_set WHERE zone_uid = CAST(:uid AS uuid)")
_DROP: Final = text("DELETE FROM dns_publication WHERE zone_uid = CAST(:uid AS uuid)")
_REPORT: Final = text("SELECT report FROM dns_publication WHERE zone_uid = CAST(:uid AS uuid)")
_PUT: Final = text(
    "INSERT INTO dns_publication (zone_uid, report) SELECT uid, CAST(:report AS jsonb) FROM policy"
    " WHERE uid = CAST(:uid AS uuid) ON CONFLICT (zone_uid) DO UPDATE SET report = EXCLUDED.report"
)
_AHEAD: Final = text(
    "UPDATE dns_zone SET seen_serial = :serial WHERE zone_uid = CAST(:uid AS uuid) AND seen_serial <> :serial"
)


async def kept(look: Look) -> dict[str, tuple[str, int]]:
    """The zones that have a provider: id to (uid, generation of the intent)."""
    return {row.name: (row.uid, row.generation) for row in await look.execute(_KEPT)}


async def planned_serial(look: Look, uid: str) -> int:
    """The serial of what a zone shall hold; 0: it was not planned yet."""
    return (await look.execute(_SERIAL, {"uid": uid})).scalar_one_or_none() or 0


async def planned(tx: Transaction, uid: str) -> tuple[int, dict[Key, RecordSet]]:
    """The serial of what a zone shall hold, and this, as of one moment."""
    serial = await planned_serial(tx, uid)
    rows = await tx.execute(_SETS, {"uid": uid})
    return serial, {
        (row.name, row.type): RecordSet(
            name=row.name, type=row.type, ttl_seconds=row.ttl_seconds, values=tuple(row.data)
        )
        for row in rows
    }


async def noted(tx: Transaction, uid: str) -> set[Key]:
    """What was written to the name server of a zone, or may have been: only this is ever deleted there."""
    return {(row.name, row.type) for row in await tx.execute(_NOTED, {"uid": uid})}


async def note(tx: Transaction, uid: str, keys: Iterable[Key]) -> None:
    """Note what is about to be written."""
    await _each(tx, _NOTE, uid, keys)


async def forget(tx: Transaction, uid: str, keys: Iterable[Key]) -> None:
    """Note what was deleted, or never written."""
    await _each(tx, _FORGET, uid, keys)


async def begin_anew(tx: Transaction, uid: str) -> None:
    """Forget what was written where a zone was before: it stays there as it is."""
    await tx.execute(_FORGET_ALL, {"uid": uid})
    await tx.execute(_DROP, {"uid": uid})


async def report(tx: Transaction, uid: str) -> Publication:
    """How a zone stood last."""
    found = (await tx.execute(_REPORT, {"uid": uid})).scalar_one_or_none()
    return Publication() if found is None else from_json(Publication, found)


async def put(tx: Transaction, uid: str, zone: str, stands: Publication) -> None:
    """Store how a zone stands; those who watch it are told, and nobody else has anything to do for it."""
    await tx.execute(_PUT, {"uid": uid, "report": orjson.dumps(to_json(Publication, stands)).decode()})
    tx.record("zone", resource_name(ZONE, zone), subject=_STANDING)


def is_standing(change: Change) -> bool:
    """Whether a change of a zone is of how it stands alone, and not of what it shall be or hold."""
    return change.subject == _STANDING


async def tell_ahead(tx: Transaction, uid: str, zone: str, serial: int) -> bool:
    """Note that a secondary has a newer serial than the zone: the next plan goes on above it (RFC 1982).

    Returns:
        Whether it was not noted already.
    """
    if not await tx.change(_AHEAD, {"uid": uid, "serial": serial}):
        return False
    tx.record("zone", resource_name(ZONE, zone))
    return True


async def _each(tx: Transaction, statement: Statement, uid: str, keys: Iterable[Key]) -> None:
    listed = list(keys)
    if listed:
        parameters = {"uid": uid, "names": [name for name, _ in listed], "types": [type_ for _, type_ in listed]}
        await tx.execute(statement, parameters)
