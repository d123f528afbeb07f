"""Drills, between protobuf and the model."""

from collections.abc import Iterable, Sequence
from typing import Final

from fedsvc.api.convert.common import inverted, read_enum, timestamp
from fedsvc.api.convert.failover import pending_message
from fedsvc.api.problems import Problems
from fedsvc.model.drill import (
    DEFAULT_ABORTS,
    DEFAULT_AWAY_SECONDS,
    DEFAULT_LIMIT_SECONDS,
    DEFAULT_TARGET_SECONDS,
    Drill,
    DrillAbort,
    DrillMode,
    DrillOutcome,
    DrillPhase,
    Left,
    Moved,
    Plan,
    Report,
    report,
    simulated_score,
)
from fedsvc.model.pending import MoveKind, PendingMove
from fedsvc.v1 import automation_service_pb2, drill_pb2

MAX_SECONDS: Final = 86_400
LEAST_LIMIT_SECONDS: Final = 10

_MODES: Final = {
    DrillMode.SIMULATE: drill_pb2.DRILL_MODE_SIMULATE,
    DrillMode.TRAFFIC: drill_pb2.DRILL_MODE_TRAFFIC,
    DrillMode.FULL: drill_pb2.DRILL_MODE_FULL,
}
_READ_MODES: Final = {drill_pb2.DRILL_MODE_UNSPECIFIED: DrillMode.SIMULATE, **inverted(_MODES)}
_PHASES: Final = {
    DrillPhase.LEAVING: drill_pb2.DRILL_PHASE_LEAVING,
    DrillPhase.AWAY: drill_pb2.DRILL_PHASE_AWAY,
    DrillPhase.RETURNING: drill_pb2.DRILL_PHASE_RETURNING,
    DrillPhase.OVER: drill_pb2.DRILL_PHASE_OVER,
}
_OUTCOMES: Final = {
    None: drill_pb2.DRILL_OUTCOME_UNSPECIFIED,
    DrillOutcome.PASSED: drill_pb2.DRILL_OUTCOME_PASSED,
    DrillOutcome.ABORTED: drill_pb2.DRILL_OUTCOME_ABORTED,
    DrillOutcome.STOPPED: drill_pb2.DRILL_OUTCOME_STOPPED,
}
_ABORTS: Final = {
    DrillAbort.TROUBLE: drill_pb2.DRILL_ABORT_TROUBLE,
    DrillAbort.DEGRADED: drill_pb2.DRILL_ABORT_DEGRADED,
    DrillAbort.NO_PLACE: drill_pb2.DRILL_ABORT_NO_PLACE,
}


def read_plan(request: automation_service_pb2.StartDrillRequest, clusters: Sequence[str], problems: Problems) -> Plan:
    """What is asked for, of protobuf; what is not said is the default."""
    known = inverted(_ABORTS)
    aborts = [read_enum(each, known, f"abort_on[{index}]", problems) for index, each in enumerate(request.abort_on)]
    away = request.away_seconds if request.HasField("away_seconds") else DEFAULT_AWAY_SECONDS
    limit = request.limit_seconds if request.HasField("limit_seconds") else DEFAULT_LIMIT_SECONDS
    target = request.target_seconds if request.HasField("target_seconds") else DEFAULT_TARGET_SECONDS
    for name, seconds, least in (("away", away, 0), ("limit", limit, LEAST_LIMIT_SECONDS), ("target", target, 1)):
        if not least <= seconds <= MAX_SECONDS:
            problems.add(f"{name}_seconds", f"is {seconds}; it must be from {least} to {MAX_SECONDS}")
    return Plan(
        subject=request.subject,
        clusters=tuple(clusters),
        mode=read_enum(request.mode, _READ_MODES, "mode", problems),
        abort_on=tuple(dict.fromkeys(aborts)) or DEFAULT_ABORTS,
        away_seconds=away,
        limit_seconds=limit,
        target_seconds=target,
    )


def left_of(moves: Iterable[PendingMove]) -> tuple[Left, ...]:
    """What does not leave, as it is kept."""
    return tuple(
        Left(unit_name=one.unit_name, cluster=one.cluster, reason=one.reason, message=one.message, command=one.command)
        for one in moves
    )


def drill_message(drill: Drill, moved: Sequence[Moved]) -> drill_pb2.Drill:
    """A drill as protobuf, with what came of it so far."""
    message = plan_message(drill.plan)
    message.MergeFrom(
        drill_pb2.Drill(
            name=f"drills/{drill.id}",
            phase=_PHASES[drill.phase],
            outcome=_OUTCOMES[drill.outcome],
            message=drill.message,
            author=drill.author,
            reason=drill.reason,
            create_time=timestamp(drill.create_time),
            traffic_time=timestamp(drill.traffic_time),
            away_time=timestamp(drill.away_time),
            return_time=timestamp(drill.return_time),
            end_time=timestamp(drill.end_time),
        )
    )
    _fill(message.report, report(drill, moved))
    message.report.name_count = drill.name_count
    return message


def plan_message(plan: Plan) -> drill_pb2.Drill:
    """A drill that was not begun, as protobuf."""
    found = drill_pb2.DrillReport(
        score=simulated_score(plan.unit_count, plan.left_out),
        unit_count=plan.unit_count,
        left_out=[
            pending_message(
                PendingMove(
                    unit_name=one.unit_name,
                    cluster=one.cluster,
                    kind=MoveKind.AWAY,
                    reason=one.reason,
                    message=one.message,
                    command=one.command,
                )
            )
            for one in plan.left_out
        ],
    )
    return drill_pb2.Drill(
        subject=plan.subject,
        clusters=plan.clusters,
        mode=_MODES[plan.mode],
        abort_on=[_ABORTS[each] for each in plan.abort_on],
        target_seconds=plan.target_seconds,
        report=found,
    )


def _fill(message: drill_pb2.DrillReport, found: Report) -> None:
    message.score = found.score
    message.moved_count = found.moved_count
    message.ready_count = found.ready_count
    message.prompt_count = found.prompt_count
    for name in ("away_seconds", "traffic_seconds", "return_seconds", "half_seconds"):
        value = getattr(found, name)
        if value is not None:
            setattr(message, name, value)
    message.findings.extend(found.findings)
