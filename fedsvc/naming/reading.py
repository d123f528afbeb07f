"""Reads what plans of names are made from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from fedsvc.model.hold import Hold
from fedsvc.model.sighting import ENDPOINTS
from fedsvc.naming.gathering import ROUTE, SERVICE, Facts, gather, is_headless
from fedsvc.naming.planning import Before
from fedsvc.store import clusters, drills, named_objects, policies, sightings, zones
from fedsvc.store.named_objects import NamedObject
from fedsvc.store.policies import ZONE
from fedsvc.store.store import Transaction
from fedsvc_dns.planner.memory import Memory
from fedsvc_dns.records import RecordSet


async def read_before(tx: Transaction) -> Before:
    """What is stored of all zones."""
    found = await policies.list_page(tx, ZONE, after="", limit=policies.MAX_ZONES)
    if not found:
        return Before(zones=(), held={}, names={}, memory=Memory(), now=tx.now)
    held = await zones.held(tx)
    names = await zones.names(tx)
    published: dict[str, list[RecordSet]] = {}
    for zone in held.values():
        for one in zone.published.sets.values():
            published.setdefault(one.name, []).append(one)
    remembered = await zones.memory(tx)
    return Before(
        zones=tuple(found),
        held=held,
        names=names,
        memory=replace(
            remembered,
            owners={name: line.service for name, line in names.items() if name in published},
            published={name: tuple(sets) for name, sets in published.items() if name in names},
        ),
        now=tx.now,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitAsWritten:
    """A unit as it would be, for names: where it runs stays as it is."""

    unit: str  # "namespace/name"
    uid: str  # empty: it is not there yet
    objects: tuple[NamedObject, ...]  # none: it would want no names


async def read_facts(
    tx: Transaction, before: Before, holds: Iterable[Hold], instead: UnitAsWritten | None = None
) -> Facts:
    """What names rest on, as of the same moment; with one unit as it would be, if that is asked."""
    objects = await named_objects.templates(tx)
    held = await named_objects.works(tx)
    if instead is not None:
        objects = [*(one for one in objects if one.unit != instead.unit), *instead.objects]
        if instead.uid:
            others = (one for one in held if one.unit_uid != instead.uid)
            held = [*others, *await named_objects.works_of(tx, instead.uid)]
    has_routes = any(one.kind == ROUTE for one in objects)
    foreign = [(zone.name, one) for zone in before.zones for one in zone.spec.foreign]
    has_routes = has_routes or any(one.kind == ROUTE for _, one in foreign)
    purposes = [one.lookout(zone).purpose for zone, one in foreign]
    if purposes or any(one.kind == SERVICE and is_headless(one.manifest) for one in objects):
        purposes.append(ENDPOINTS)
    return gather(
        objects,
        held,
        gateways=await named_objects.gateways(tx) if has_routes else (),
        zones=before.zones,
        clusters=await clusters.list_all(tx),
        holds=holds,
        known=before.memory.targets,
        seen=await sightings.read(tx, purposes=purposes) if purposes else None,
        drained=drill[1] if (drill := await drills.drained(tx)) is not None else (),
    )
