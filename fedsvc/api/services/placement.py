"""PlacementService: why units are where they are, what would be, and what placement knows of the fleet."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from grpc import aio

from fedsvc.api.convert.decision import decision_message
from fedsvc.api.convert.fleet import fleet_message
from fedsvc.api.intent.fleet import read_fleet, unknown_clusters
from fedsvc.api.mutation import mutate
from fedsvc.api.names import UnitName, parse_decision, parse_unit
from fedsvc.api.paging import Page, Slice, cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.api.services.explaining import Explained, explain_now, explain_stored
from fedsvc.api.services.simulating import rebalance, simulate
from fedsvc.model.fleet import FLEET_SETTINGS_NAME
from fedsvc.store import clusters, decisions, fleet, units
from fedsvc.store.decisions import StoredDecision
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc.v1 import placement_service_pb2_grpc
from fedsvc_placement import from_dict

Context = aio.ServicerContext[Any, Any]


class PlacementServicer(placement_service_pb2_grpc.PlacementServiceServicer):
    """See placement_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._deciding = asyncio.Semaphore(
            1
        )  # whole fleets one after the other: they share a core with all other calls

    async def ExplainPlacement(
        self, request: pb.ExplainPlacementRequest, context: Context
    ) -> pb.ExplainPlacementResponse:
        """Tell why a unit is where it is, and why not elsewhere."""
        del context
        unit, decision_id = _asked(request)
        async with self._store.reader() as tx:
            explained = (
                await explain_now(tx, unit)
                if request.now and unit is not None
                else await explain_stored(tx, unit, decision_id, replay=request.replay)
            )
        # The record of a decision has all clusters: what reads and writes records does so beside the event loop.
        return await asyncio.to_thread(_explained_message, explained, request.cluster)

    async def ListDecisions(self, request: pb.ListDecisionsRequest, context: Context) -> pb.ListDecisionsResponse:
        """Return the decisions on a unit, the newest first."""
        del context
        name = parse_unit(request.parent, "parent")
        page = parse_page(
            request.page_size, request.page_token, filter=("decisions", name.namespace, name.name), key=(str, str)
        )
        after = _place_of(page)
        async with self._store.reader() as tx:
            unit = await units.get(tx, name.namespace, name.name)
            rows = await decisions.list_page(tx, unit.uid, after=after, limit=page.size + 1)
        found = cut(page, rows, [(row.create_time.isoformat(), row.id) for row in rows])
        return await asyncio.to_thread(_history_message, unit.resource_name, found)

    async def SimulatePlacement(
        self, request: pb.SimulatePlacementRequest, context: Context
    ) -> pb.SimulatePlacementResponse:
        """Tell what would become of units on a changed copy of what is."""
        del context
        async with self._deciding:
            return await simulate(self._store, request)

    async def RebalanceUnits(self, request: pb.RebalanceUnitsRequest, context: Context) -> pb.RebalanceUnitsResponse:
        """Decide anew as if everything could move."""
        del context
        async with self._deciding:
            return await mutate(self._store, request, pb.RebalanceUnitsResponse, rebalance)

    async def GetFleetSettings(
        self, request: pb.GetFleetSettingsRequest, context: Context
    ) -> pb.GetFleetSettingsResponse:
        """Return the settings of the fleet."""
        del request, context
        async with self._store.reader() as tx:
            settings = await fleet.get(tx)
        return pb.GetFleetSettingsResponse(fleet_settings=fleet_message(settings))

    async def UpdateFleetSettings(
        self, request: pb.UpdateFleetSettingsRequest, context: Context
    ) -> pb.UpdateFleetSettingsResponse:
        """Replace the settings of the fleet."""
        del context
        return await mutate(self._store, request, pb.UpdateFleetSettingsResponse, _update_fleet)


def _asked(request: pb.ExplainPlacementRequest) -> tuple[UnitName | None, str]:
    problems = Problems()
    if not request.unit and not request.decision:
        problems.add("unit", "is missing: name a unit, or a decision")
    if request.now and request.decision:
        problems.add("now", "contradicts decision: what is decided now is none of the past")
    if request.now and request.replay:
        problems.add("replay", "contradicts now: only a decision of the past can be decided again")
    problems.refuse()
    unit = parse_unit(request.unit, "unit") if request.unit else None
    return unit, parse_decision(request.decision, "decision") if request.decision else ""


def _place_of(page: Page) -> tuple[datetime, str] | None:
    if page.after is None:
        return None
    time, decision_id = page.after
    problems = Problems()
    try:
        return datetime.fromisoformat(str(time)), str(UUID(str(decision_id)))
    except ValueError as error:
        problems.add("page_token", "is not a page token of this list: take it unchanged from the answer before")
        raise problems.error() from error


def _explained_message(explained: Explained, cluster: str) -> pb.ExplainPlacementResponse:
    """Raises InvalidInputError where a cluster is asked about that the decision does not know."""
    try:
        lines = explained.lines(cluster)
    except KeyError as error:
        known = ", ".join(entry.cluster for entry in explained.decision.clusters) or "none"
        problems = Problems()
        problems.add("cluster", f"the decision knows no cluster {cluster!r}; it knows: {known}")
        raise problems.error() from error
    shown = explained.of(cluster) if cluster else explained
    return pb.ExplainPlacementResponse(
        decision=decision_message(
            shown.decision,
            unit=shown.unit,
            revision=shown.revision,
            decision_id=shown.decision_id,
            create_time=shown.create_time,
        ),
        lines=lines,
        same=shown.same,
    )


def _history_message(unit: str, found: Slice[StoredDecision]) -> pb.ListDecisionsResponse:
    return pb.ListDecisionsResponse(
        decisions=[
            decision_message(
                from_dict(row.record),
                unit=unit,
                revision=row.revision,
                decision_id=row.id,
                create_time=row.create_time,
                whole=False,
            )
            for row in found.rows
        ],
        next_page_token=found.next_page_token,
    )


async def _update_fleet(tx: Transaction, request: pb.UpdateFleetSettingsRequest) -> pb.UpdateFleetSettingsResponse:
    message = request.fleet_settings
    problems = Problems()
    if message.name not in ("", FLEET_SETTINGS_NAME):
        problems.add("fleet_settings.name", f"is not {FLEET_SETTINGS_NAME}: there are no others")
    if not message.HasField("spec"):
        problems.add("fleet_settings.spec", "is missing")
    spec = read_fleet(message.spec, "fleet_settings.spec", problems)
    problems.refuse()
    settings, changed = await fleet.update(tx, spec, etag=message.etag)
    known = [cluster.name for cluster in await clusters.list_all(tx)]
    return pb.UpdateFleetSettingsResponse(
        fleet_settings=fleet_message(settings), changed=changed, warnings=unknown_clusters(spec, known)
    )
