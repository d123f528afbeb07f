"""AutomationService: what is done about lost clusters."""

from typing import Any, Final

from grpc import aio

from fedsvc.api.caller import caller
from fedsvc.api.convert.drill import drill_message
from fedsvc.api.convert.failover import automation_message, history_message, pending_message
from fedsvc.api.convert.hold import hold_message
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_cluster, parse_drill, parse_hold_subject, parse_unit
from fedsvc.api.paging import cut, parse_page
from fedsvc.api.services import drilling, moving
from fedsvc.health import Automation, Verdict
from fedsvc.model.hold import FLEET_SUBJECT, REGIONS, HoldKind, HoldScope, words_of
from fedsvc.model.pending import pending_move
from fedsvc.store import automation, clusters, drills, events, failovers, holds, pending, units
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import automation_pb2, automation_service_pb2_grpc, drill_pb2
from fedsvc.v1 import automation_service_pb2 as pb

Context = aio.ServicerContext[Any, Any]

_NEWEST: Final = 2**63 - 1
_SIMULATING: Final = (drill_pb2.DRILL_MODE_UNSPECIFIED, drill_pb2.DRILL_MODE_SIMULATE)
_TROUBLED: Final = frozenset({Verdict.SUSPECT, Verdict.UNREACHABLE, Verdict.DEGRADED})


class AutomationServicer(automation_service_pb2_grpc.AutomationServiceServicer):
    """See automation_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetAutomation(self, request: pb.GetAutomationRequest, context: Context) -> pb.GetAutomationResponse:
        """Return whether lost clusters are acted on."""
        del request, context
        async with self._store.reader() as tx:
            return pb.GetAutomationResponse(automation=await _read(tx))

    async def ReleaseAutomation(
        self, request: pb.ReleaseAutomationRequest, context: Context
    ) -> pb.ReleaseAutomationResponse:
        """End what keeps automation from acting."""
        del context
        return await mutate(self._store, request, pb.ReleaseAutomationResponse, _release)

    async def ListFailovers(self, request: pb.ListFailoversRequest, context: Context) -> pb.ListFailoversResponse:
        """Return the history of failovers."""
        del context
        if request.unit:
            parse_unit(request.unit, "unit")
        if request.cluster:
            parse_cluster(f"clusters/{request.cluster}", "cluster")
        page = parse_page(
            request.page_size,
            request.page_token,
            filter=("failovers", request.unit, request.cluster),
            key=(int,),
        )
        async with self._store.reader() as tx:
            before = _NEWEST if page.after is None else min(int(page.after[0]), _NEWEST)
            rows = await failovers.list_page(
                tx, before=before, limit=page.size + 1, unit=request.unit, cluster=request.cluster
            )
        found = cut(page, rows, [(row.id,) for row in rows])
        return pb.ListFailoversResponse(
            failovers=map(history_message, found.rows), next_page_token=found.next_page_token
        )

    async def ListPendingMoves(
        self, request: pb.ListPendingMovesRequest, context: Context
    ) -> pb.ListPendingMovesResponse:
        """Return the moves that are not made for now."""
        del context
        if request.unit:
            parse_unit(request.unit, "unit")
        if request.cluster:
            parse_cluster(f"clusters/{request.cluster}", "cluster")
        page = parse_page(
            request.page_size, request.page_token, filter=("moves", request.unit, request.cluster), key=(str, str)
        )
        async with self._store.reader() as tx:
            after = ("", "") if page.after is None else (str(page.after[0]), str(page.after[1]))
            rows = await pending.list_page(
                tx, after=after, limit=page.size + 1, unit=request.unit, cluster=request.cluster
            )
            stop = await pending.stop(tx)
        found = cut(page, rows, [(row.unit_name, row.cluster) for row in rows])
        moves = [pending_move(row, stop, tx.now) for row in found.rows]
        return pb.ListPendingMovesResponse(
            moves=[pending_message(move) for move in moves if move is not None], next_page_token=found.next_page_token
        )

    async def FailOver(self, request: pb.FailOverRequest, context: Context) -> pb.FailOverResponse:
        """Have units leave clusters."""
        del context
        return await mutate(self._store, request, pb.FailOverResponse, moving.fail_over)

    async def FailBack(self, request: pb.FailBackRequest, context: Context) -> pb.FailBackResponse:
        """Let units take back what left clusters."""
        del context
        return await mutate(self._store, request, pb.FailBackResponse, moving.fail_back)

    async def DrainClusters(self, request: pb.DrainClustersRequest, context: Context) -> pb.DrainClustersResponse:
        """Empty clusters that live."""
        del context
        return await mutate(self._store, request, pb.DrainClustersResponse, moving.drain)

    async def StartDrill(self, request: pb.StartDrillRequest, context: Context) -> pb.StartDrillResponse:
        """Rehearse the loss of a cluster or region."""
        del context
        if request.mode in _SIMULATING and not request.validate_only:
            async with self._store.reader() as tx:
                return await drilling.start(tx, request)
        return await mutate(self._store, request, pb.StartDrillResponse, drilling.start)

    async def StopDrill(self, request: pb.StopDrillRequest, context: Context) -> pb.StopDrillResponse:
        """Have all brought back now."""
        del context
        return await mutate(self._store, request, pb.StopDrillResponse, drilling.stop)

    async def GetDrill(self, request: pb.GetDrillRequest, context: Context) -> pb.GetDrillResponse:
        """Return a drill."""
        del context
        number = parse_drill(request.name, "name")
        async with self._store.reader() as tx:
            drill = await drills.get(tx, number)
            return pb.GetDrillResponse(drill=drill_message(drill, await drills.moved(tx, drill)))

    async def ListDrills(self, request: pb.ListDrillsRequest, context: Context) -> pb.ListDrillsResponse:
        """Return drills, the newest first."""
        del context
        page = parse_page(request.page_size, request.page_token, filter=("drills",), key=(int,))
        async with self._store.reader() as tx:
            before = _NEWEST if page.after is None else min(int(page.after[0]), _NEWEST)
            rows = await drills.list_page(tx, before=before, limit=page.size + 1)
            found = cut(page, rows, [(row.id,) for row in rows])
            messages = [drill_message(one, await drills.moved(tx, one)) for one in found.rows]
        return pb.ListDrillsResponse(drills=messages, next_page_token=found.next_page_token)


async def _read(tx: Transaction) -> automation_pb2.Automation:
    troubled = [one for one in await clusters.list_all(tx) if one.health.verdict in _TROUBLED]
    return automation_message(
        await automation.get(tx),
        holds=await holds.on_automation(tx),
        troubled=troubled,
        left_object_count=await failovers.left_objects(tx),
    )


async def _release(tx: Transaction, request: pb.ReleaseAutomationRequest) -> pb.ReleaseAutomationResponse:
    subject = parse_hold_subject(request.subject, "subject", has_regions=True)
    if subject.startswith("clusters/"):
        await clusters.get(tx, subject.removeprefix("clusters/"))
    elif subject != FLEET_SUBJECT and not subject.startswith(REGIONS):
        _, namespace, _, name = subject.split("/")
        await units.get(tx, namespace, name)
    ended = await holds.end(tx, subject=subject, scope=HoldScope.AUTOMATION)
    if subject == FLEET_SUBJECT:
        standing = await holds.on_automation(tx)
        state = await automation.look(tx, released=True)
        if state.automation is not Automation.HOLDING:
            ended += [hold for hold in standing if hold.kind is HoldKind.BREAKER]
    who = f" by {caller()}" if caller() else ""
    cluster = subject.removeprefix("clusters/") if subject.startswith("clusters/") else ""
    told = [
        events.NewEvent(
            subject=subject,
            cluster=cluster,
            type=events.NORMAL,
            reason="AutomationReleased",
            message=f"released{who}: was {words_of(hold)}",
        )
        for hold in ended
    ]
    await events.add_many(tx, told)
    return pb.ReleaseAutomationResponse(ended=map(hold_message, ended), automation=await _read(tx))
