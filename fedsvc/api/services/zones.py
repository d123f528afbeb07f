"""ZoneService: DNS zones, and what they hold."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from grpc import aio

from fedsvc.api.convert.outcome import outcome_value
from fedsvc.api.convert.zone import read_zone_spec, record_set_message, zone_message
from fedsvc.api.convert.zone_provider import read_secrets
from fedsvc.api.intent.dns import check_zone
from fedsvc.api.intent.metadata import check_labels
from fedsvc.api.intent.unit import read_unit
from fedsvc.api.intent.zone_provider import check_provider
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_zone
from fedsvc.api.paging import cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.api.services import zone_asking
from fedsvc.api.services.units import served_scopes
from fedsvc.errors import NotFoundError
from fedsvc.model.policy import Policy
from fedsvc.model.zone import Zone, ZoneSpec
from fedsvc.model.zone_provider import DnsEndpoints, HiddenPrimary, is_elsewhere, moving_warnings
from fedsvc.rendering.names import dns_label_problem
from fedsvc.store import clusters, policies, publications, zone_keys, zones
from fedsvc.store.policies import ZONE
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import zone_pb2, zone_service_pb2_grpc
from fedsvc.v1 import zone_service_pb2 as pb
from fedsvc_dns.planner.idn import to_a_labels

Context = aio.ServicerContext[Any, Any]


class ZoneServicer(zone_service_pb2_grpc.ZoneServiceServicer):
    """See zone_service.proto."""

    def __init__(self, store: Store, name_servers: Callable[[], Sequence[tuple[str, int]]] = tuple) -> None:
        """Keep what is asked.

        Args:
            store: the store.
            name_servers: host and port of this process's own, as far as it has one.
        """
        self._store = store
        self._name_servers = name_servers

    async def ApplyZone(self, request: pb.ApplyZoneRequest, context: Context) -> pb.ApplyZoneResponse:
        """Create or replace one."""
        del context
        return await mutate(self._store, request, pb.ApplyZoneResponse, _apply)

    async def GetZone(self, request: pb.GetZoneRequest, context: Context) -> pb.GetZoneResponse:
        """Return one."""
        del context
        name = parse_zone(request.name, "name")
        async with self._store.reader() as tx:
            return pb.GetZoneResponse(zone=await _shown(tx, await policies.get(tx, ZONE, name)))

    async def ListZones(self, request: pb.ListZonesRequest, context: Context) -> pb.ListZonesResponse:
        """Return a page of them, by name."""
        del context
        page = parse_page(request.page_size, request.page_token, filter=(ZONE.collection,), key=(str,))
        after = str(page.after[0]) if page.after else ""
        async with self._store.reader() as tx:
            rows = await policies.list_page(tx, ZONE, after=after, limit=page.size + 1)
            states = await zones.states(tx, [zone.name for zone in rows])
            resume = await tx.resume_token()
        found = cut(page, rows, [(zone.name,) for zone in rows])
        return pb.ListZonesResponse(
            zones=[zone_message(zone, states.get(zone.name)) for zone in found.rows],
            next_page_token=found.next_page_token,
            resume_token=resume.encode(),
        )

    async def DeleteZone(self, request: pb.DeleteZoneRequest, context: Context) -> pb.DeleteZoneResponse:
        """Remove one."""
        del context
        return await mutate(self._store, request, pb.DeleteZoneResponse, _delete)

    async def ConfirmZone(self, request: pb.ConfirmZoneRequest, context: Context) -> pb.ConfirmZoneResponse:
        """Let done what waits."""
        del context
        return await mutate(self._store, request, pb.ConfirmZoneResponse, _confirm)

    async def ListRecordSets(self, request: pb.ListRecordSetsRequest, context: Context) -> pb.ListRecordSetsResponse:
        """Return a page of what a zone holds."""
        del context
        name = parse_zone(request.zone, "zone")
        page = parse_page(request.page_size, request.page_token, filter=("recordSets", name), key=(str, str))
        after = (str(page.after[0]), str(page.after[1])) if page.after else ("", "")
        async with self._store.reader() as tx:
            await policies.get(tx, ZONE, name)
            rows = await zones.record_sets(tx, name, after=after, limit=page.size + 1)
        found = cut(page, rows, [one.key for one in rows])
        return pb.ListRecordSetsResponse(
            record_sets=[record_set_message(one) for one in found.rows], next_page_token=found.next_page_token
        )

    async def VerifyZone(self, request: pb.VerifyZoneRequest, context: Context) -> pb.VerifyZoneResponse:
        """Ask the name servers of a zone."""
        del context
        return await zone_asking.verified(self._store, request, self._name_servers())

    async def PlanZone(self, request: pb.PlanZoneRequest, context: Context) -> pb.PlanZoneResponse:
        """Tell what a zone would change."""
        del context
        problems = Problems()
        if [bool(request.name), request.HasField("zone"), request.HasField("unit")].count(True) != 1:
            problems.add("name", "is to be given, or zone, or unit: one of the three")
        problems.refuse()
        if request.HasField("unit"):
            async with self._store.look() as look:
                served = await served_scopes(look)
            return await zone_asking.planned_unit(self._store, await read_unit(request.unit, served))
        if not request.HasField("zone"):
            return await zone_asking.planned(self._store, parse_zone(request.name, "name"), None)
        name = parse_zone(request.zone.name, "zone.name")
        async with self._store.reader() as tx:
            stored = await policies.list_page(tx, ZONE, after="", limit=policies.MAX_ZONES + 1)
            spec, _ = _checked(name, request.zone, stored)
            wanted = next((zone for zone in stored if zone.name == name), None)
            now = tx.now
        wanted = wanted or Policy(
            name=name, uid="", labels={}, spec=spec, generation=0, unit_count=0, create_time=now, update_time=now
        )
        return await zone_asking.planned(self._store, name, replace(wanted, spec=spec))

    async def ExplainName(self, request: pb.ExplainNameRequest, context: Context) -> pb.ExplainNameResponse:
        """Tell why a name answers what it answers."""
        del context
        problems = Problems()
        name = ""
        try:
            name = to_a_labels(request.name)
        except ValueError as error:
            problems.add("name", str(error))
        problems.refuse()
        async with self._store.reader() as tx:
            found = await zones.explained(tx, name)
        return pb.ExplainNameResponse(
            zone=f"zones/{found.zone}",
            record_sets=[record_set_message(one) for one in found.record_sets],
            lines=found.lines,
        )


async def _shown(tx: Transaction, zone: Zone) -> zone_pb2.Zone:
    return zone_message(zone, (await zones.states(tx, [zone.name])).get(zone.name))


async def _apply(tx: Transaction, request: pb.ApplyZoneRequest) -> pb.ApplyZoneResponse:
    message = request.zone
    name = parse_zone(message.name, "zone.name")
    # Whether a domain is taken is of all zones: none of them is written meanwhile.
    await policies.lock_all(tx, ZONE)
    stored = await policies.list_page(tx, ZONE, after="", limit=policies.MAX_ZONES + 1)
    before = next((zone for zone in stored if zone.name == name), None)
    spec, secrets = _checked(name, message, stored)
    spec = _with_secrets(tx, name, spec, secrets, stored=stored)
    await _check_cluster(tx, spec)
    zone, outcome = await policies.apply(tx, ZONE, name=name, labels=dict(message.labels), spec=spec, etag=message.etag)
    warnings = [] if before is None else moving_warnings(before.spec.provider, spec.provider)
    if before is not None and is_elsewhere(before.spec.provider, spec.provider):
        await publications.begin_anew(tx, zone.uid)
    return pb.ApplyZoneResponse(zone=await _shown(tx, zone), outcome=outcome_value(outcome), warnings=warnings)


def _checked(name: str, message: zone_pb2.Zone, stored: Sequence[Zone]) -> tuple[ZoneSpec, dict[str, str]]:
    """The intent of a zone and the secrets given with it; refused with all paths that are wrong."""
    problems = Problems()
    if (problem := dns_label_problem(name)) is not None:
        problems.add("zone.name", problem)
    check_labels(message.labels, "zone.labels", problems)
    spec = read_zone_spec(message.spec, name, "zone.spec", problems)
    secrets = read_secrets(message.spec, "zone.spec", problems)
    before = next((zone for zone in stored if zone.name == name), None)
    if before is None and len(stored) >= policies.MAX_ZONES:
        problems.add("zone.name", f"there are {len(stored)} zones already, and no more are accepted")
    others = [zone for zone in stored if zone.name != name]
    check_zone(name, spec, "zone.spec", problems, others=others)
    if before is not None and spec.domain and before.spec.domain != spec.domain:
        problems.add(
            "zone.spec.domain",
            f"is {before.spec.domain} and cannot be changed: make another zone, and let units name it",
        )
    check_provider(spec.provider, secrets, "zone.spec", problems)
    problems.refuse()
    return spec, secrets


async def _check_cluster(tx: Transaction, spec: ZoneSpec) -> None:
    """Refuse objects in a cluster that is not registered."""
    provider = spec.provider
    if isinstance(provider, DnsEndpoints) and not await clusters.list_named(tx, [provider.cluster]):
        problems = Problems()
        problems.add("zone.spec.dns_endpoints.cluster", f"there is no cluster '{provider.cluster}'; join it first")
        problems.refuse()


def _with_secrets(
    tx: Transaction, name: str, spec: ZoneSpec, secrets: dict[str, str], *, stored: Sequence[Zone]
) -> ZoneSpec:
    """The intent with its secrets sealed; refused where one is missing, or its key has another one elsewhere."""
    problems = Problems()
    try:
        held = next((zone.spec.provider for zone in stored if zone.name == name), None)
        provider = zone_keys.sealed(tx.sealer, name, spec.provider, secrets, before=held)
    except zone_keys.MissingSecretError as error:
        problems.add(f"zone.spec.{error.path}.secret", "is missing: none is stored for a key of this name")
        problems.refuse()
        raise
    if isinstance(provider, HiddenPrimary):
        for path, other in zone_keys.contradicted(
            tx.sealer, name, provider, [zone for zone in stored if zone.name != name]
        ):
            message = (
                f"or the algorithm differs from that of the key of this name of zones/{other}: name this one otherwise"
            )
            problems.add(f"zone.spec.{path}.secret", message)
        problems.refuse()
    return replace(spec, provider=provider)


async def _delete(tx: Transaction, request: pb.DeleteZoneRequest) -> pb.DeleteZoneResponse:
    name = parse_zone(request.name, "name")
    try:
        before = await policies.get(tx, ZONE, name)
        await policies.delete(tx, ZONE, name, etag=request.etag)
    except NotFoundError:
        if not request.allow_missing:
            raise
        return pb.DeleteZoneResponse()
    return pb.DeleteZoneResponse(warnings=moving_warnings(before.spec.provider, None))


async def _confirm(tx: Transaction, request: pb.ConfirmZoneRequest) -> pb.ConfirmZoneResponse:
    name = parse_zone(request.name, "name")
    zone = await policies.get(tx, ZONE, name)
    await zones.approve(tx, name, request.approval)
    return pb.ConfirmZoneResponse(zone=await _shown(tx, zone))
