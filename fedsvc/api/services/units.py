"""UnitService: units, and how they fare."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from grpc import aio

from fedsvc.api.caller import caller
from fedsvc.api.convert.cluster import read_object_deletion
from fedsvc.api.convert.common import ref_message
from fedsvc.api.convert.outcome import outcome_value
from fedsvc.api.convert.unit import unit_message
from fedsvc.api.convert.verdict import verdict_messages
from fedsvc.api.intent.dependencies import dependency_warnings
from fedsvc.api.intent.dns import check_dns
from fedsvc.api.intent.manifests import Scopes, bounded
from fedsvc.api.intent.references import dropped_warning, named_elsewhere, unheld_warning
from fedsvc.api.intent.removal import (
    UnitChange,
    authorise_apply,
    authorise_delete,
    check_confirmed,
)
from fedsvc.api.intent.unit import Surroundings, UnitIntent, preview, read_unit
from fedsvc.api.listing import collect
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_namespace_parent, parse_unit
from fedsvc.api.paging import Key, cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.api.selectors import parse_label_selector
from fedsvc.errors import NotFoundError
from fedsvc.model.service_import import refuse_import
from fedsvc.model.unit import DeletionMode, Resource, Unit
from fedsvc.rendering.kinds import Scope
from fedsvc.rendering.workloads import looks_around
from fedsvc.store import decisions, dependencies, placing, policies, references, served_kinds, units, works
from fedsvc.store.outcome import ApplyOutcome
from fedsvc.store.store import Look, Store, Transaction
from fedsvc.v1 import unit_service_pb2 as pb
from fedsvc.v1 import unit_service_pb2_grpc
from fedsvc_placement import PreviousBinding, from_dict

Context = aio.ServicerContext[Any, Any]

_THREAD_RESOURCES: Final = 200  # trying overrides on more would hold up the other calls of this process


class UnitServicer(unit_service_pb2_grpc.UnitServiceServicer):
    """See unit_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ApplyUnit(self, request: pb.ApplyUnitRequest, context: Context) -> pb.ApplyUnitResponse:
        """Create a unit or replace its intent."""
        del context
        async with self._store.look() as look:
            served = await served_scopes(look)
        # Outside of the writing transaction: a large unit takes a while to read.
        intent = await read_unit(request.unit, served)

        async def run(tx: Transaction, asked: pb.ApplyUnitRequest) -> pb.ApplyUnitResponse:
            return await apply_intent(tx, intent, asked.unit.etag, confirmed=asked.confirmed_removals)

        return await mutate(self._store, request, pb.ApplyUnitResponse, run)

    async def GetUnit(self, request: pb.GetUnitRequest, context: Context) -> pb.GetUnitResponse:
        """Return one with its resources."""
        del context
        name = parse_unit(request.name, "name")
        async with self._store.reader() as tx:
            unit = await units.get(tx, name.namespace, name.name)
            resources = await units.resources_of(tx, unit.uid)
        return pb.GetUnitResponse(unit=unit_message(unit, resources))

    async def ListUnits(self, request: pb.ListUnitsRequest, context: Context) -> pb.ListUnitsResponse:
        """Return a page of them, by name, without manifests."""
        del context
        namespace = parse_namespace_parent(request.parent, "parent") or ""
        selector = parse_label_selector(request.label_selector, "label_selector")
        page = parse_page(
            request.page_size, request.page_token, filter=("units", namespace, request.label_selector), key=(str, str)
        )
        async with self._store.reader() as tx:

            async def fetch(after: Key | None, limit: int) -> Sequence[Unit]:
                place = (str(after[0]), str(after[1])) if after else ("", "")
                return await units.list_page(tx, namespace=namespace, after=place, limit=limit)

            rows = await collect(fetch, page, key=lambda unit: (unit.namespace, unit.name), selector=selector)
            token = await tx.resume_token()
        found = cut(page, rows, [(unit.namespace, unit.name) for unit in rows])
        return pb.ListUnitsResponse(
            units=[unit_message(unit) for unit in found.rows],
            next_page_token=found.next_page_token,
            resume_token=token.encode(),
        )

    async def DeleteUnit(self, request: pb.DeleteUnitRequest, context: Context) -> pb.DeleteUnitResponse:
        """Remove a unit; it is gone when its works are."""
        del context
        return await mutate(self._store, request, pb.DeleteUnitResponse, _delete)

    async def GetUnitStatus(self, request: pb.GetUnitStatusRequest, context: Context) -> pb.GetUnitStatusResponse:
        """Return how a unit fares, with the newest decision's words."""
        del context
        name = parse_unit(request.name, "name")
        async with self._store.reader() as tx:
            unit = await units.get(tx, name.namespace, name.name)
            decision = (await decisions.newest(tx, [unit.uid])).get(unit.uid)
        verdicts, warnings = ([], []) if decision is None else verdict_messages(from_dict(decision.record))
        return pb.GetUnitStatusResponse(unit=unit_message(unit), verdicts=verdicts, warnings=warnings)


async def apply_intent(
    tx: Transaction,
    intent: UnitIntent,
    etag: str,
    *,
    confirmed: Sequence[str] = (),
    restores: int | None = None,
    at_once: bool = False,
) -> pb.ApplyUnitResponse:
    """Check an intent against fleet and policies, and store it.

    Args:
        tx: the transaction.
        intent: checked by itself.
        etag: guards the change where set.
        confirmed: the unit's name where it may remove more than goes without a confirmation.
        restores: the earlier revision whose content it is.
        at_once: whether it goes to all clusters at once, whatever the rollout policy says.

    Raises:
        InvalidInputError: a policy is not there, or an override fits no cluster.
        EtagMismatchError: the unit is not as it was read.
        ObjectOwnedError: one of the objects is part of another unit.
        ProtectedError: the unit is protected, and would lose something.
        RemovalUnconfirmedError: it would lose too much.
    """
    problems = Problems()
    is_confirmed = check_confirmed(confirmed, str(intent.name), problems)
    problems.refuse()
    held = await units.hold(tx, intent.name.namespace, intent.name.name, intent.spec)
    before = held.unit
    refuse_import(before)
    if intent.spec.dns is not None:
        zones = await policies.list_page(tx, policies.ZONE, after="", limit=policies.MAX_ZONES)
        check_dns(intent.spec.dns, zones, "unit.spec.dns", problems)
        problems.refuse()
    around = await _surroundings(tx, intent, held)
    many = len(intent.templates.templates) > _THREAD_RESOURCES
    shown = await asyncio.to_thread(preview, intent, around) if many else preview(intent, around)
    resources = [
        Resource(
            key=template.key,
            digest=tx.digest_for(template.key, template.body),
            labels=template.labels,
            body=template.body,
        )
        for template in intent.templates.templates
    ]
    applied = await units.apply(
        tx,
        namespace=intent.name.namespace,
        name=intent.name.name,
        labels=intent.labels,
        annotations=intent.annotations,
        spec=intent.spec,
        resources=resources,
        etag=etag,
        author=caller(),
        restores=restores,
        at_once=at_once,
        held=held,
    )
    if before is not None:
        change = UnitChange(
            before=before,
            clusters_before=[binding.cluster for binding in around.previous],
            clusters=shown.clusters,
            removed=[key for key, outcome in applied.resources if outcome is ApplyOutcome.REMOVED],
            is_empty=not resources or not shown.clusters,
            deletes=intent.spec.propagation.deletion is not DeletionMode.ORPHAN,
        )
        await authorise_apply(tx, change, is_confirmed=is_confirmed)
    return pb.ApplyUnitResponse(
        unit=unit_message(applied.unit),
        outcome=outcome_value(applied.outcome),
        warnings=bounded(
            [
                *shown.warnings,
                *await _dependency_warnings(tx, intent, shown.clusters),
                *await _reference_warnings(tx, intent, applied),
            ]
        ),
        resources=[
            pb.ResourceOutcome(ref=ref_message(key), outcome=outcome_value(outcome))
            for key, outcome in applied.resources
        ],
        clusters=shown.clusters,
        in_waves=applied.in_waves,
    )


async def _dependency_warnings(tx: Transaction, intent: UnitIntent, clusters: Sequence[str]) -> list[str]:
    if not intent.spec.depends_on:
        return []
    namespace = intent.name.namespace
    placed = await dependencies.placed(tx, [one.target(namespace) for one in intent.spec.depends_on])
    return dependency_warnings(intent.spec, namespace, clusters, placed)


async def _reference_warnings(tx: Transaction, intent: UnitIntent, applied: units.AppliedUnit) -> list[str]:
    namespace, name = intent.name.namespace, intent.name.name
    removed = [key for key, outcome in applied.resources if outcome is ApplyOutcome.REMOVED]
    users = await references.naming(tx, removed, namespace=namespace, unit=name)
    found = [dropped_warning(key, users[key.identity]) for key in removed if key.identity in users]
    if intent.spec.follow_dependencies:
        named = named_elsewhere(intent.templates.templates)
        held = await references.held(tx, [one.identity for _, one in named], namespace=namespace)
        found += [unheld_warning(key, one, namespace) for key, one in named if one.identity not in held]
    return found


async def _delete(tx: Transaction, request: pb.DeleteUnitRequest) -> pb.DeleteUnitResponse:
    name = parse_unit(request.name, "name")
    problems = Problems()
    cascade = read_object_deletion(request.cascade, "cascade", problems)
    is_confirmed = check_confirmed(request.confirmed_removals, str(name), problems)
    problems.refuse()
    try:
        before = await units.lock(tx, name.namespace, name.name)
        refuse_import(before)
        await authorise_delete(tx, before, cascade, is_confirmed=is_confirmed)
        unit = await units.mark_deleted(tx, name.namespace, name.name, cascade=cascade, etag=request.etag)
    except NotFoundError:
        if request.allow_missing:
            return pb.DeleteUnitResponse()
        raise
    return pb.DeleteUnitResponse(unit=unit_message(unit))


async def _surroundings(tx: Transaction, intent: UnitIntent, held: units.Held) -> Surroundings:
    stored = held.unit
    bindings = [] if stored is None else (await works.bindings_of(tx, [stored.uid]))[stored.uid]
    spec = intent.spec
    names = [spec.placement_policy] if spec.placement_policy else []
    shared = await policies.get_many(tx, policies.PLACEMENT, names)
    asked = [spec.placement or placing.NO_PLACEMENT, *(policy.spec for policy in shared.values())]
    return Surroundings(
        fleet=await placing.read_fleet(tx, with_units=any(looks_around(placement) for placement in asked)),
        previous=[PreviousBinding(cluster=binding.cluster, replicas=binding.replicas) for binding in bindings],
        memory=held.memory,
        placement_policies=shared,
        override_policies=await policies.get_many(tx, policies.OVERRIDE, spec.override_policies),
        now=tx.now,
    )


async def served_scopes(look: Look) -> Scopes:
    """Scopes of all kinds that members serve; where members disagree, namespaced: it then has all it may need."""
    scopes: dict[tuple[str, str], Scope] = {}
    for kinds in {*(await served_kinds.api_resources(look)).values()}:
        for group, _version, kind, _plural, namespaced in kinds:
            if namespaced or (group, kind) not in scopes:
                scopes[group, kind] = Scope.NAMESPACED if namespaced else Scope.CLUSTER
    return scopes
