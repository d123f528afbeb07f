"""What is asked about zones and changes nothing: whether their name servers agree, and what they would change."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from fedsvc.api.convert.zone import record_set_message
from fedsvc.api.convert.zone_provider import endpoint_message, read_endpoint
from fedsvc.api.intent.dns import check_dns
from fedsvc.api.intent.unit import UnitIntent
from fedsvc.api.intent.zone_provider import check_endpoint
from fedsvc.api.names import parse_zone
from fedsvc.api.problems import Problems
from fedsvc.errors import NotFoundError
from fedsvc.model.service_import import refuse_import
from fedsvc.model.zone import FOREIGN_KINDS, Zone, ZoneSpec
from fedsvc.model.zone_provider import Endpoint
from fedsvc.naming.gathering import Facts
from fedsvc.naming.planning import Before, change_of, plan_names, problem_lines, warning_lines
from fedsvc.naming.reading import UnitAsWritten, read_before, read_facts
from fedsvc.rendering.canonical import load_json
from fedsvc.store import holds, policies, units, zones
from fedsvc.store.named_objects import NamedObject
from fedsvc.store.policies import ZONE
from fedsvc.store.store import Store
from fedsvc.v1 import zone_pb2
from fedsvc.v1 import zone_service_pb2 as pb
from fedsvc_dns.planner.changes import Replacement
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.planner.plan import Plan
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import ProviderError
from fedsvc_dns.providers.verifying import Verified, serials, verify
from fedsvc_dns.records import RecordSet, is_within

MAX_NAMES: Final = 100
MAX_SERVERS: Final = 20
_MAX_SETS: Final = 2_000
_MAX_CHANGES: Final = 500
_MAX_DIFFERENCES: Final = 50
_SHOWN: Final = 20
_ANSWER_SECONDS: Final = 3.0
"""That one answer of a name server may take."""
_SERVER_SECONDS: Final = 20.0
"""That all answers of one may take: the call has 30."""


async def verified(
    store: Store, request: pb.VerifyZoneRequest, own: Sequence[tuple[str, int]] = ()
) -> pb.VerifyZoneResponse:
    """Ask the name servers of a zone; those of this process where a zone without a provider names none.

    Raises:
        NotFoundError: there is no such zone.
        InvalidInputError: a name or server is none, or no server is known.
    """
    name = parse_zone(request.name, "name")
    async with store.reader() as tx:
        zone = await policies.get(tx, ZONE, name)
        origin = to_a_labels(zone.spec.domain)
        names, servers = _asked(request, zone.spec, origin, own)
        sets, total = await zones.wanted(tx, name, names, limit=_MAX_SETS)
        data = await zones.data(tx, name)
        state = (await zones.states(tx, [name])).get(name)
    addresses = [ServerAddress(host=one.host, port=one.port, timeout_seconds=_ANSWER_SECONDS) for one in servers]
    # Only the name server in fedsvc chooses; others answer with all there is, which is a part of itself.
    chosen = frozenset() if data is None else frozenset((one.name, one.type) for one in data.choices)
    is_ours = zone.spec.provider is None or bool(request.servers)
    wanted = {one.key: one for one in sets} | {(one, "A"): None for one in names if one not in {s.name for s in sets}}
    seen, found = await asyncio.gather(
        serials(addresses, origin),
        verify(addresses, wanted, chosen=chosen if is_ours else frozenset(), timeout_seconds=_SERVER_SECONDS),
    )
    return pb.VerifyZoneResponse(
        serial=0 if state is None else state.serial,
        record_set_count=len(sets),
        total_count=total,
        servers=[_server(*one) for one in zip(servers, seen, found, strict=True)],
    )


def _asked(
    request: pb.VerifyZoneRequest, spec: ZoneSpec, origin: str, own: Sequence[tuple[str, int]]
) -> tuple[list[str], Sequence[Endpoint]]:
    """The names and servers that are asked; refused where they are none."""
    problems = Problems()
    names: list[str] = []
    for field, count, most in (
        ("names", len(request.names), MAX_NAMES),
        ("servers", len(request.servers), MAX_SERVERS),
    ):
        if count > most:
            problems.add(field, f"has {count} entries; at most {most} are accepted")
    problems.refuse()
    for index, given in enumerate(request.names):
        try:
            names.append(to_a_labels(given))
        except ValueError as error:
            problems.add(f"names[{index}]", str(error))
        else:
            if not is_within(names[-1], origin):
                problems.add(f"names[{index}]", f"'{given}' is not of the zone {spec.domain}")
    servers = [read_endpoint(one) for one in request.servers]
    for index, server in enumerate(servers):
        check_endpoint(server, f"servers[{index}]", problems)
    servers = servers or list(_authorities(spec)) or [Endpoint(host=host, port=port) for host, port in own]
    if not servers:
        message = (
            "are missing: the zone has neither a provider nor name_servers, and this server answers for no names itself"
            " (--dns-listen), so nobody is known to ask"
        )
        problems.add("servers", message)
    problems.refuse()
    return sorted(set(names)), servers


def _authorities(spec: ZoneSpec) -> Iterable[Endpoint]:
    if spec.provider is not None:
        return spec.provider.servers
    return (Endpoint(host=host) for one in spec.name_servers for host in one.addresses or (one.host,))


def _server(server: Endpoint, serial: int | ProviderError, found: Verified) -> pb.VerifiedServer:
    refused = str(serial) if isinstance(serial, ProviderError) else ""
    trouble = found.trouble or refused
    return pb.VerifiedServer(
        server=endpoint_message(server),
        serial=0 if isinstance(serial, ProviderError) else serial,
        agrees=found.agrees and not trouble,
        difference_count=len(found.strays),
        differences=[one.message for one in found.strays[:_MAX_DIFFERENCES]],
        trouble=trouble,
    )


async def planned(store: Store, name: str, wanted: Zone | None) -> pb.PlanZoneResponse:
    """Tell what a zone would change by what is now; as it is, or as it would be.

    Raises:
        NotFoundError: there is no such zone, and none that would be is given.
    """
    async with store.reader() as tx:
        before = await read_before(tx)
        zone = next((one for one in before.zones if one.name == name), wanted)
        if zone is None:
            raise NotFoundError(f"zones/{name}")
        if wanted is not None:
            zone = replace(zone, spec=wanted.spec)
            before = replace(
                before,
                zones=tuple(
                    sorted([zone, *(one for one in before.zones if one.name != name)], key=lambda one: one.name)
                ),
                now=tx.now,
            )
        found = await read_facts(tx, before, await holds.on_automation(tx))
    made, _ = await asyncio.to_thread(plan_names, before, found)
    return _answer(zone, before, found, made)


async def planned_unit(store: Store, intent: UnitIntent) -> pb.PlanZoneResponse:
    """Tell what a unit as it would be changes in the zone that it names, or named before.

    Raises:
        InvalidInputError: it names no zone and did not, or its settings cannot work.
    """
    problems = Problems()
    async with store.reader() as tx:
        before = await read_before(tx)
        stored = await units.find(tx, intent.name.namespace, intent.name.name)
        refuse_import(stored)
        settings = intent.spec.dns
        if settings is not None:
            check_dns(settings, before.zones, "unit.spec.dns", problems)
        earlier = None if stored is None else stored.spec.dns
        about = settings or earlier
        if about is None:
            problems.add("unit.spec.dns", "is missing: the unit names no zone, and did not before")
        problems.refuse()
        assert about is not None
        written = _as_written(intent, "" if stored is None else stored.uid)
        found = await read_facts(tx, before, await holds.on_automation(tx), written)
    made, _ = await asyncio.to_thread(plan_names, before, found)
    zone = next(one for one in before.zones if one.name == about.zone)
    answer = _answer(zone, before, found, made)
    if stored is None:
        answer.warnings.append("the unit is not there yet: its names come with the addresses that it gets")
    for left in before.zones:
        if earlier is not None and left.name == earlier.zone != zone.name:
            count = len(change_of(left, before.held.get(left.name), made, before.now).replacements)
            answer.warnings.append(f"in zones/{left.name}, which it leaves, {count} record sets would change, too")
    return answer


def _as_written(intent: UnitIntent, uid: str) -> UnitAsWritten:
    unit = f"{intent.name.namespace}/{intent.name.name}"
    settings = intent.spec.dns
    named = [
        NamedObject(
            unit_uid=uid or unit,
            unit=unit,
            settings=settings,
            kind=template.key.kind,
            namespace=template.key.namespace,
            name=template.key.name,
            manifest=load_json(template.body),
        )
        for template in intent.templates.templates
        if settings is not None and FOREIGN_KINDS.get(template.key.kind, ("none", ""))[0] == template.key.group
    ]
    return UnitAsWritten(unit=unit, uid=uid, objects=tuple(named))


def _answer(zone: Zone, before: Before, found: Facts, made: Plan) -> pb.PlanZoneResponse:
    name = zone.name
    change = change_of(zone, before.held.get(name), made, before.now)
    return pb.PlanZoneResponse(
        zone=f"zones/{name}",
        changes=_changes(change.replacements),
        change_count=len(change.replacements),
        held=_changes(change.held),
        held_count=len(change.held),
        held_reason=change.why_held,
        approval=change.approval,
        problems=problem_lines(name, made, found)[:_SHOWN],
        warnings=warning_lines(zone, made)[:_SHOWN],
    )


def _changes(found: Sequence[Replacement]) -> list[pb.RecordSetChange]:
    return [pb.RecordSetChange(before=_message(one.before), after=_message(one.after)) for one in found[:_MAX_CHANGES]]


def _message(found: RecordSet | None) -> zone_pb2.RecordSet | None:
    return None if found is None else record_set_message(found)
