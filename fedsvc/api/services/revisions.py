"""RevisionService: what a unit was, and bringing it back."""

from dataclasses import replace
from typing import Any, Final

from grpc import aio

from fedsvc.api.convert.revision import changed_fields, revision_message
from fedsvc.api.convert.unit import spec_message
from fedsvc.api.intent.manifests import Template, Templates
from fedsvc.api.intent.unit import UnitIntent
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_revision, parse_unit
from fedsvc.api.paging import cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.api.services.units import apply_intent
from fedsvc.errors import NoEarlierRevisionError, NotFoundError
from fedsvc.model.unit import Unit
from fedsvc.rendering.canonical import load_json
from fedsvc.store import revisions, rollouts, units
from fedsvc.store.revisions import StoredRevision
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import revision_service_pb2 as pb
from fedsvc.v1 import revision_service_pb2_grpc

Context = aio.ServicerContext[Any, Any]

_NEWEST: Final = 2**62


class RevisionServicer(revision_service_pb2_grpc.RevisionServiceServicer):
    """See revision_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListUnitRevisions(
        self, request: pb.ListUnitRevisionsRequest, context: Context
    ) -> pb.ListUnitRevisionsResponse:
        """Return a page of the kept revisions of a unit, newest first."""
        del context
        name = parse_unit(request.parent, "parent")
        page = parse_page(request.page_size, request.page_token, filter=("revisions", request.parent), key=(int,))
        async with self._store.reader() as tx:
            unit = await units.get(tx, name.namespace, name.name)
            before = _NEWEST if page.after is None else int(page.after[0])
            # Two more than the page: that there is a next one, and what the last of this one changed.
            rows = await revisions.list_page(tx, unit.uid, before=before, limit=page.size + 2)
            holders = await revisions.holders(tx, unit.uid)
        older = dict(zip((row.revision for row in rows), [*rows[1:], None], strict=False))
        found = cut(page, rows[: page.size + 1], [(row.revision,) for row in rows[: page.size + 1]])
        return pb.ListUnitRevisionsResponse(
            revisions=[
                revision_message(unit, row, _before(row, older[row.revision]), holders.get(row.revision, ()))
                for row in found.rows
            ],
            next_page_token=found.next_page_token,
        )

    async def GetUnitRevision(self, request: pb.GetUnitRevisionRequest, context: Context) -> pb.GetUnitRevisionResponse:
        """Return one with the spec as it was."""
        del context
        name = parse_revision(request.name, "name")
        async with self._store.reader() as tx:
            unit = await units.get(tx, name.unit.namespace, name.unit.name)
            stored = await revisions.get(tx, unit.uid, name.number, name=str(name))
            older = await revisions.list_page(tx, unit.uid, before=name.number, limit=1)
            holders = await revisions.holders(tx, unit.uid)
            resources = await units.with_bodies(tx, stored.resources)
        return pb.GetUnitRevisionResponse(
            revision=revision_message(
                unit, stored, _before(stored, older[0] if older else None), holders.get(stored.revision, ())
            ),
            spec=spec_message(stored.spec, resources),
        )

    async def RollBackUnit(self, request: pb.RollBackUnitRequest, context: Context) -> pb.RollBackUnitResponse:
        """Make a new revision with the content of an earlier one."""
        del context
        return await mutate(self._store, request, pb.RollBackUnitResponse, _roll_back)


async def _roll_back(tx: Transaction, asked: pb.RollBackUnitRequest) -> pb.RollBackUnitResponse:
    name = parse_unit(asked.name, "name")
    problems = Problems()
    if asked.revision < 0:
        problems.add("revision", f"is {asked.revision}, must be the number of a revision, or 0 for the one before")
    problems.refuse()
    unit = await units.get(tx, name.namespace, name.name)
    number = asked.revision or await _earlier(tx, unit)
    stored = await revisions.get(tx, unit.uid, number, name=f"{unit.resource_name}/revisions/{number}")
    resources = await units.with_bodies(tx, stored.resources)
    templates = []
    for resource in resources:
        if resource.body is None:  # kept as long as a revision refers to them
            raise NotFoundError(f"{unit.resource_name}/revisions/{number}")
        templates.append(Template(key=resource.key, manifest=load_json(resource.body), body=resource.body))
    intent = UnitIntent(
        name=name,
        labels=unit.labels,
        annotations=unit.annotations,
        spec=replace(
            stored.spec,
            rollout=unit.spec.rollout,
            protected=unit.spec.protected,
            removals=unit.spec.removals,
            failover=unit.spec.failover,
        ),
        templates=Templates(templates=tuple(templates), warnings=()),
        warnings=(),
    )
    applied = await apply_intent(
        tx, intent, asked.etag, confirmed=asked.confirmed_removals, restores=number, at_once=asked.at_once
    )
    return pb.RollBackUnitResponse(
        unit=applied.unit,
        restored_revision=number,
        outcome=applied.outcome,
        resources=applied.resources,
        fields=changed_fields(unit.spec, intent.spec),
        warnings=applied.warnings,
        clusters=applied.clusters,
        in_waves=applied.in_waves,
    )


async def _earlier(tx: Transaction, unit: Unit) -> int:
    """What a unit was before: the stable revision of a rollout that is not everywhere, else the one before the newest.

    Raises:
        NoEarlierRevisionError: there is none, or none is kept.
    """
    running = (await rollouts.of_units(tx, [unit.uid])).get(unit.uid)
    if running is not None and running.state.stable != unit.revision:
        return running.state.stable
    found = await revisions.list_page(tx, unit.uid, before=unit.revision, limit=1)
    if not found:
        raise NoEarlierRevisionError(unit.resource_name)
    return found[0].revision


def _before(stored: StoredRevision, older: StoredRevision | None) -> StoredRevision | None:
    return older if older is not None and older.revision == stored.revision - 1 else None
