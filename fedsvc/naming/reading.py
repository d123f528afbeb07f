"""Reads what plans of names are made from."""

from collections.abc import Iterable
from dataclasses import replace

from fedsvc.model.hold import Hold
from fedsvc.model.sighting import ENDPOINTS
from fedsvc.naming.gathering import ROUTE, SERVICE, Facts, gather, is_headless
from fedsvc.naming.planning import Before
from fedsvc.store import clusters, drills, named_objects, policies, sightings, zones
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


async def read_facts(tx: Transaction, before: Before, holds: Iterable[Hold]) -> Facts:
    """What names rest on, as of the same moment."""
    objects = await named_objects.templates(tx)
    has_routes = any(one.kind == ROUTE for one in objects)
    foreign = [(zone.name, one) for zone in before.zones for one in zone.spec.foreign]
    has_routes = has_routes or any(one.kind == ROUTE for _, one in foreign)
    purposes = [one.lookout(zone).purpose for zone, one in foreign]
    if purposes or any(one.kind == SERVICE and is_headless(one.manifest) for one in objects):
        purposes.append(ENDPOINTS)
    return gather(
        objects,
        await named_objects.works(tx),
        gateways=await named_objects.gateways(tx) if has_routes else (),
        zones=before.zones,
        clusters=await clusters.list_all(tx),
        holds=holds,
        known=before.memory.targets,
        seen=await sightings.read(tx, purposes=purposes) if purposes else None,
        drained=drill[1] if (drill := await drills.drained(tx)) is not None else (),
    )
