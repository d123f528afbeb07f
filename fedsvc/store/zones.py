"""What zones hold, why, and what planning remembers. The intent of zones is kept by `policies`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from fedsvc.errors import NotFoundError, NothingToConfirmError
from fedsvc.model.zone import ExplainedName, Zone, ZoneReport, ZoneState
from fedsvc.model.zone_provider import HiddenPrimary, Publication
from fedsvc.store import journal
from fedsvc.store.codec import from_json, to_json
from fedsvc.store.policies import ZONE, resource_name
from fedsvc.store.sql import text
from fedsvc.store.store import Look, Transaction
from fedsvc_dns.planner.changes import Change, Published, StaleChangeError
from fedsvc_dns.planner.memory import Memory, TargetMemory
from fedsvc_dns.providers.primary.versions import Delta
from fedsvc_dns.records import RecordSet
from fedsvc_dns.server.zone_data import ZoneData
from fedsvc_dns.server.zone_data import from_json as zone_from_json

Removals = tuple[tuple[datetime, int], ...]
"""When names were removed of late, and how many."""

_MINUTE: Final = timedelta(minutes=1)

_STATES: Final = text(
    "SELECT p.name, z.serial, z.report, z.change_time, b.report AS publication, (SELECT count(*) FROM dns_record_set r WHERE r.zone_uid = z.zone_uid)"
    " AS record_set_count, (SELECT count(DISTINCT r.name) FROM dns_record_set r WHERE r.zone_uid = z.zone_uid) AS name_count"
    " FROM dns_zone z JOIN policy p ON p.uid = z.zone_uid LEFT JOIN dns_publication b ON b.zone_uid = z.zone_uid"
    " WHERE p.name = ANY(CAST(:names AS text[]))"
)
_HELD: Final = text(
    "SELECT p.name, z.generation, z.serial, z.served, z.report, z.approved, z.removals, z.change_time, z.seen_serial"
    " FROM dns_zone z JOIN policy p ON p.uid = z.zone_uid"
)
_ALL_SETS: Final = text(
    "SELECT p.name AS zone, r.name, r.type, r.ttl_seconds, r.data FROM dns_record_set r JOIN policy p ON p.uid = r.zone_uid"
    " ORDER BY r.name, r.type"
)
_SETS: Final = text(
    "SELECT r.name, r.type, r.ttl_seconds, r.data FROM dns_record_set r JOIN policy p ON p.uid = r.zone_uid"
    " WHERE p.type = 'zone' AND p.name = :zone AND (r.name, r.type) > (:name, :type) ORDER BY r.name, r.type LIMIT :limit"
)
_WANTED: Final = text(
    "SELECT r.name, r.type, r.ttl_seconds, r.data, count(*) OVER () AS total FROM dns_record_set r"
    " JOIN policy p ON p.uid = r.zone_uid WHERE p.type = 'zone' AND p.name = :zone"
    " AND (cardinality(CAST(:names AS text[])) = 0 OR r.name = ANY(CAST(:names AS text[])))"
    " ORDER BY r.name, r.type LIMIT :limit"
)
_SERVED_ONE: Final = text(
    "SELECT z.served FROM dns_zone z JOIN policy p ON p.uid = z.zone_uid WHERE p.type = 'zone' AND p.name = :zone"
)
_OF_NAME: Final = text(
    "SELECT p.name AS zone, r.name, r.type, r.ttl_seconds, r.data FROM dns_record_set r JOIN policy p ON p.uid = r.zone_uid"
    " WHERE r.name = :name ORDER BY r.type"
)
_LINES: Final = text("SELECT lines FROM dns_name WHERE name = :name")
_CREATE: Final = text(
    "INSERT INTO dns_zone (zone_uid, generation, serial, served, report, removals, change_time)"
    " SELECT uid, :generation, :serial, :served, CAST(:report AS jsonb), CAST(:removals AS jsonb), now()"
    " FROM policy WHERE type = 'zone' AND uid = CAST(:uid AS uuid) ON CONFLICT (zone_uid) DO NOTHING"
)
_UPDATE: Final = text(
    "UPDATE dns_zone SET generation = :generation, serial = :serial, served = :served, report = CAST(:report AS jsonb),"
    " removals = CAST(:removals AS jsonb), change_time = CASE WHEN serial = :serial THEN change_time ELSE now() END"
    " WHERE zone_uid = CAST(:uid AS uuid) AND generation = :expects"
)
_DROP_SETS: Final = text(
    "DELETE FROM dns_record_set r USING unnest(CAST(:names AS text[]), CAST(:types AS text[])) AS d (name, type)"
    " WHERE r.zone_uid = CAST(:uid AS uuid) AND r.name = d.name AND r.type = d.type"
)
_PUT_SETS: Final = text(
    "INSERT INTO dns_record_set (zone_uid, name, type, ttl_seconds, data) SELECT CAST(:uid AS uuid), * FROM"
    " unnest(CAST(:names AS text[]), CAST(:types AS text[]), CAST(:ttls AS bigint[]), CAST(:data AS jsonb[]))"
    " ON CONFLICT (zone_uid, name, type) DO UPDATE SET ttl_seconds = EXCLUDED.ttl_seconds, data = EXCLUDED.data"
)
_NAMES: Final = text("SELECT name, service, lines, clusters FROM dns_name")
_DROP_NAMES: Final = text("DELETE FROM dns_name WHERE name = ANY(CAST(:names AS text[]))")
_PUT_NAMES: Final = text(
    "INSERT INTO dns_name (name, service, lines, unit, clusters) SELECT i.name, i.service, i.lines, i.unit,"
    " ARRAY(SELECT jsonb_array_elements_text(i.clusters)) FROM unnest(CAST(:names AS text[]), CAST(:services AS text[]),"
    " CAST(:lines AS jsonb[]), CAST(:units AS text[]), CAST(:clusters AS jsonb[])) AS i (name, service, lines, unit, clusters)"
    " ON CONFLICT (name) DO UPDATE SET service = EXCLUDED.service, lines = EXCLUDED.lines, unit = EXCLUDED.unit,"
    " clusters = EXCLUDED.clusters, change_time = CASE WHEN dns_name.clusters = EXCLUDED.clusters"
    " AND dns_name.unit = EXCLUDED.unit THEN dns_name.change_time ELSE now() END"
)
_MEMORY: Final = text("SELECT memory FROM dns_memory")
_PUT_MEMORY: Final = text(
    "INSERT INTO dns_memory (single, memory) VALUES (TRUE, :memory) ON CONFLICT (single) DO UPDATE SET memory = EXCLUDED.memory"
)
_APPROVE: Final = text(
    "UPDATE dns_zone z SET approved = :approval FROM policy p WHERE p.uid = z.zone_uid AND p.type = 'zone'"
    " AND p.name = :name AND z.report ->> 'approval' = :approval"
)
_SERVED: Final = text("SELECT served FROM dns_zone ORDER BY zone_uid")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldZone:
    """What a zone holds, as planning goes on from it."""

    published: Published
    serial: int
    served: bytes
    report: ZoneReport
    approved: str
    removals: Removals
    seen_serial: int = 0  # that a secondary was ahead with; 0: none was


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneWrite:
    """What a plan does to a zone."""

    zone: Zone
    is_new: bool
    change: Change
    serial: int
    served: bytes
    report: ZoneReport
    removals: Removals
    is_renumbered: bool  # whether the serial is another one
    step: Delta | None = None  # of a zone that secondaries follow; None: they are to take it whole


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLines:
    """Whose a name is, and why it answers what it answers."""

    service: str
    lines: tuple[str, ...]
    clusters: tuple[str, ...] = ()  # whose addresses it gives, sorted; none for a name that is of one cluster always

    @property
    def unit_name(self) -> str:
        """The unit in the API whose object it belongs to."""
        _, _, unit = self.service.rpartition(" of unit ")
        namespace, _, name = unit.partition("/")
        return f"namespaces/{namespace}/units/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Remembered:
    """The memory, as it is stored: what is published stands elsewhere, and its owners."""

    targets: tuple[tuple[str, str, TargetMemory], ...] = ()
    resolved: tuple[tuple[str, tuple[str, ...]], ...] = ()


async def states(tx: Transaction, names: Sequence[str]) -> dict[str, ZoneState]:
    """What those of the zones hold that were planned already, by id."""
    return {
        row.name: ZoneState(
            serial=row.serial,
            record_set_count=row.record_set_count,
            name_count=row.name_count,
            report=from_json(ZoneReport, row.report),
            change_time=row.change_time,
            publication=None if row.publication is None else from_json(Publication, row.publication),
        )
        for row in await tx.execute(_STATES, {"names": list(names)})
    }


async def record_sets(tx: Transaction, zone: str, *, after: tuple[str, str], limit: int) -> list[RecordSet]:
    """Record sets of a zone by name and type, those after one."""
    rows = await tx.execute(_SETS, {"zone": zone, "name": after[0], "type": after[1], "limit": limit})
    return [_set(row) for row in rows]


async def wanted(tx: Transaction, zone: str, names: Sequence[str], *, limit: int) -> tuple[list[RecordSet], int]:
    """Record sets of a zone by name and type, of some names or all, and how many there are."""
    rows = (await tx.execute(_WANTED, {"zone": zone, "names": list(names), "limit": limit})).all()
    return [_set(row) for row in rows], rows[0].total if rows else 0


async def data(tx: Transaction, zone: str) -> ZoneData | None:
    """A zone as the name server in fedsvc takes it; None: it was not planned yet."""
    body = (await tx.execute(_SERVED_ONE, {"zone": zone})).scalar_one_or_none()
    return None if body is None else zone_from_json(orjson.loads(body)[0])


async def explained(tx: Transaction, name: str) -> ExplainedName:
    """What the zone holds for a name that is in normal form, and why.

    Raises:
        NotFoundError: no zone has the name.
    """
    rows = (await tx.execute(_OF_NAME, {"name": name})).all()
    if not rows:
        raise NotFoundError(f"names/{name}")
    lines = (await tx.execute(_LINES, {"name": name})).scalar_one_or_none()
    return ExplainedName(zone=rows[0].zone, record_sets=tuple(_set(row) for row in rows), lines=tuple(lines or ()))


async def approve(tx: Transaction, name: str, approval: str) -> None:
    """Note that what waits may be done.

    Raises:
        NothingToConfirmError: nothing waits, or something else.
    """
    done = await tx.change(_APPROVE, {"name": name, "approval": approval})
    if not approval or not done:
        why = f"what waits in {name} is not what '{approval[:100]}' stands for: look at its status again"
        raise NothingToConfirmError(resource_name(ZONE, name), why)
    tx.record("zone", resource_name(ZONE, name))


async def served(look: Look) -> list[bytes]:
    """All zones as the name server takes them."""
    return [row.served for row in await look.execute(_SERVED)]


async def held(tx: Transaction) -> dict[str, HeldZone]:
    """What all zones hold, by id."""
    sets: dict[str, dict[tuple[str, str], RecordSet]] = {}
    for row in await tx.execute(_ALL_SETS):
        sets.setdefault(row.zone, {})[row.name, row.type] = _set(row)
    return {
        row.name: HeldZone(
            published=Published(generation=row.generation, sets=sets.get(row.name, {})),
            serial=row.serial,
            served=row.served,
            report=from_json(ZoneReport, row.report),
            approved=row.approved,
            seen_serial=row.seen_serial,
            removals=tuple(
                (time, count)
                for stamp, count in row.removals
                if (time := datetime.fromisoformat(stamp)) > tx.now - _MINUTE
            ),
        )
        for row in await tx.execute(_HELD)
    }


async def names(tx: Transaction) -> dict[str, NameLines]:
    """Whose all names are, and why they answer what they answer."""
    return {
        row.name: NameLines(service=row.service, lines=tuple(row.lines), clusters=tuple(row.clusters))
        for row in await tx.execute(_NAMES)
    }


async def memory(tx: Transaction) -> Memory:
    """What the last plan left, but for what is published."""
    stored = (await tx.execute(_MEMORY)).scalar_one_or_none()
    if stored is None:
        return Memory()
    found = from_json(_Remembered, orjson.loads(stored))
    return Memory(
        targets={(service, cluster): target for service, cluster, target in found.targets},
        resolved=dict(found.resolved),
    )


async def put_memory(tx: Transaction, remembered: Memory) -> None:
    """Store what the next plan has to know."""
    found = _Remembered(
        targets=tuple((service, cluster, target) for (service, cluster), target in sorted(remembered.targets.items())),
        resolved=tuple(sorted(remembered.resolved.items())),
    )
    await tx.execute(_PUT_MEMORY, {"memory": orjson.dumps(to_json(_Remembered, found))})


async def write(tx: Transaction, done: ZoneWrite) -> None:
    """Store what a plan does to a zone.

    Raises:
        StaleChangeError: the zone is at another generation than the change was made on, or is gone.
    """
    generation = done.change.expects + (0 if done.change.is_empty else 1)
    parameters: dict[str, Any] = {
        "uid": done.zone.uid,
        "generation": generation,
        "serial": done.serial,
        "served": done.served,
        "report": orjson.dumps(to_json(ZoneReport, done.report)).decode(),
        "removals": orjson.dumps([(time.isoformat(), count) for time, count in done.removals]).decode(),
    }
    if done.is_new:
        written = await tx.change(_CREATE, parameters)
    else:
        written = await tx.change(_UPDATE, parameters | {"expects": done.change.expects})
    if not written:
        raise StaleChangeError(f"{done.zone.name} is at another generation than {done.change.expects}, or is gone")
    await _write_sets(tx, done)
    if done.is_renumbered and isinstance(done.zone.spec.provider, HiddenPrimary):
        await journal.note(tx, done.zone.uid, done.step)
    tx.record("zone", resource_name(ZONE, done.zone.name))


async def _write_sets(tx: Transaction, done: ZoneWrite) -> None:
    gone = [one.key for one in done.change.replacements if one.after is None]
    if gone:
        parameters = {"uid": done.zone.uid, "names": [name for name, _ in gone], "types": [type_ for _, type_ in gone]}
        await tx.execute(_DROP_SETS, parameters)
    put = [one.after for one in done.change.replacements if one.after is not None]
    if put:
        await tx.execute(
            _PUT_SETS,
            {
                "uid": done.zone.uid,
                "names": [one.name for one in put],
                "types": [one.type for one in put],
                "ttls": [one.ttl_seconds for one in put],
                "data": [orjson.dumps(one.values).decode() for one in put],
            },
        )


async def write_names(tx: Transaction, put: Mapping[str, NameLines], gone: Iterable[str]) -> None:
    """Store why names answer what they answer, and forget others."""
    dropped = sorted(gone)
    if dropped:
        await tx.execute(_DROP_NAMES, {"names": dropped})
    if put:
        ordered = sorted(put)
        await tx.execute(
            _PUT_NAMES,
            {
                "names": ordered,
                "services": [put[name].service for name in ordered],
                "lines": [orjson.dumps(put[name].lines).decode() for name in ordered],
                "units": [put[name].unit_name for name in ordered],
                "clusters": [orjson.dumps(put[name].clusters).decode() for name in ordered],
            },
        )


def _set(row: Any) -> RecordSet:
    return RecordSet(name=row.name, type=row.type, ttl_seconds=row.ttl_seconds, values=tuple(row.data))
