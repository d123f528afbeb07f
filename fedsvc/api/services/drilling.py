"""Drills: begun and stopped by people; a controller brings them to their end."""

from dataclasses import replace
from typing import Final

from fedsvc.api.caller import caller
from fedsvc.api.convert.drill import drill_message, left_of, plan_message, read_plan
from fedsvc.api.names import parse_drill
from fedsvc.api.problems import Problems
from fedsvc.api.services.move_previews import preview, without
from fedsvc.api.services.move_subjects import leaving, read_subject
from fedsvc.api.services.moving import check_reason
from fedsvc.api.services.simulating import aside
from fedsvc.errors import DrillStateError
from fedsvc.model.departure import DepartureCause
from fedsvc.model.drill import DrillMode, DrillOutcome, DrillPhase, Step
from fedsvc.model.failover import FailoverMode
from fedsvc.model.pending import MoveKind, PendingMove
from fedsvc.store import departures, drills, events, placing
from fedsvc.store.placing import PlacementRequest
from fedsvc.store.store import Transaction
from fedsvc.v1 import automation_service_pb2 as pb

_UNIT: Final = "namespaces/"


async def start(tx: Transaction, request: pb.StartDrillRequest) -> pb.StartDrillResponse:
    """Rehearse the loss of a cluster or region.

    Raises:
        InvalidInputError: a field makes no sense, or the region is not there.
        NotFoundError: the cluster is not there.
        DrillStateError: it cannot be begun now.
    """
    problems = Problems()
    check_reason(request.reason, problems)
    if request.subject.startswith(_UNIT):
        problems.add("subject", "is a unit; name clusters/{cluster} or regions/{region}")
        problems.refuse()
    subject = await read_subject(tx, request.subject, (), problems)
    plan = read_plan(request, subject.clusters, problems)
    problems.refuse()
    if plan.mode is not DrillMode.SIMULATE:
        await _check(tx)
    asked, never = await leaving(tx, subject)
    going = [one for one in asked if one.unit.spec.failover.mode is FailoverMode.AUTO]
    manual = [_manual(one, name) for one in asked if one not in going for name in _on(one, subject.clusters)]
    fleet = await placing.read_fleet(tx, with_units=True)
    supposed = [without(one, subject.clusters, DepartureCause.DRILL, ()) for one in going]
    shown = await aside(lambda ended: preview(supposed, fleet, tx.now, ended))
    left_out = left_of((*never, *manual, *shown.stays))
    plan = replace(
        plan,
        unit_count=len({one.unit.uid for one in asked} | {one.unit_name for one in left_out if one.reason == "Never"}),
        leaving_count=len(going) if plan.mode is DrillMode.FULL else 0,
        left_out=left_out if plan.mode is not DrillMode.TRAFFIC else (),
        degraded=tuple(await drills.degraded(tx)),
    )
    if plan.mode is DrillMode.SIMULATE:
        return pb.StartDrillResponse(drill=plan_message(plan), units=shown.changes)
    drill = await drills.begin(tx, plan, author=caller(), reason=request.reason)
    if plan.mode is DrillMode.FULL:
        orders = [
            departures.Order(uid=one.unit.uid, cluster=name, due_time=tx.now)
            for one in going
            for name in _on(one, subject.clusters)
        ]
        await drills.order(tx, orders, author=caller(), reason=f"drill {drill.id}")
    who = f" by {caller()}" if caller() else ""
    await _tell(tx, subject.clusters, "DrillBegun", f"drill {drill.id} of {plan.subject} ({plan.mode}), begun{who}")
    changes = shown.changes if plan.mode is DrillMode.FULL else ()
    return pb.StartDrillResponse(drill=drill_message(drill, ()), units=changes)


async def stop(tx: Transaction, request: pb.StopDrillRequest) -> pb.StopDrillResponse:
    """Have all brought back now.

    Raises:
        NotFoundError: there is no such drill.
        DrillStateError: it is over.
    """
    drill = await drills.get(tx, parse_drill(request.name, "name"), is_locked=True)
    if drill.phase is DrillPhase.OVER:
        raise DrillStateError("Over", f"drill {drill.id} is over")
    if drill.phase is not DrillPhase.RETURNING:
        message = f"stopped{f' by {caller()}' if caller() else ''}"
        step = Step(phase=DrillPhase.RETURNING, outcome=DrillOutcome.STOPPED, message=message)
        drill = await drills.move(tx, drill, step)
        await _tell(tx, drill.plan.clusters, "DrillReturning", f"drill {drill.id} of {drill.plan.subject}: {message}")
    return pb.StopDrillResponse(drill=drill_message(drill, await drills.moved(tx, drill)))


async def _check(tx: Transaction) -> None:
    """Refuse where something is under way that a drill would make worse, or be made worse by."""
    held = await drills.held(tx)
    if held:
        raise DrillStateError("AutomationHeld", f"automation does not act: {held}")
    troubled = await drills.troubled(tx)
    if troubled:
        words = ", ".join(f"{name} is {verdict}" for name, verdict in sorted(troubled.items())[:5])
        raise DrillStateError("Trouble", f"{words}: a drill waits until all clusters are healthy")
    count = await drills.failovers_under_way(tx)
    if count:
        noun = "unit that left a cluster is" if count == 1 else "units that left clusters are"
        raise DrillStateError(
            "FailoverUnderWay", f"{count} {noun} not ready elsewhere yet: fedctl failovers shows which"
        )


def _on(one: PlacementRequest, clusters: tuple[str, ...]) -> list[str]:
    return [binding.cluster for binding in one.bindings if binding.cluster in clusters]


def _manual(one: PlacementRequest, cluster: str) -> PendingMove:
    return PendingMove(
        unit_name=one.unit.resource_name,
        cluster=cluster,
        kind=MoveKind.AWAY,
        reason="Manual",
        message="its failover.mode is manual: it waits for a person",
        command=f"fedctl failover unit/{one.input.key} --from {cluster}",
    )


async def _tell(tx: Transaction, clusters: tuple[str, ...], reason: str, message: str) -> None:
    told = [
        events.NewEvent(subject=f"clusters/{name}", cluster=name, type=events.NORMAL, reason=reason, message=message)
        for name in clusters
    ]
    await events.add_many(tx, told)
