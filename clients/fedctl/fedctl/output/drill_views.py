"""Drills as lines and tables; pure."""

import datetime as dt
from collections.abc import Iterator

from fedctl.output import words
from fedctl.output.tables import Column, Table
from fedctl.output.views import Now, subject_text, utc_now
from fedsvc.v1 import drill_pb2
from fedsvc_client.names import last_part

_MODES = drill_pb2.DrillMode.DESCRIPTOR
_PHASES = drill_pb2.DrillPhase.DESCRIPTOR
_OUTCOMES = drill_pb2.DrillOutcome.DESCRIPTOR


def report_lines(drill: drill_pb2.Drill) -> Iterator[str]:
    """Say what came of a drill, or would come of it."""
    found = drill.report
    mode = mode_text(drill)
    state = "" if drill.mode == drill_pb2.DRILL_MODE_SIMULATE else f", {state_text(drill)}"
    yield f"Drill:    {subject_text(drill.subject)} ({mode}{state})"
    yield f"Score:    {found.score} of 100"
    if drill.mode == drill_pb2.DRILL_MODE_SIMULATE:
        yield f"Units:    {found.unit_count} on {', '.join(drill.clusters)}; {_staying(found)} would stay"
    if drill.mode == drill_pb2.DRILL_MODE_FULL:
        prompt = f"{found.prompt_count} within {drill.target_seconds} s"
        yield f"Units:    {found.unit_count}; {found.moved_count} left, {found.ready_count} ready elsewhere, {prompt}"
        half = f" (half of it after {_seconds(found.half_seconds)})" if found.HasField("half_seconds") else ""
        if found.HasField("away_seconds"):
            yield f"Away:     after {_seconds(found.away_seconds)}{half}"
    if found.HasField("traffic_seconds"):
        yield f"Names:    {words.count(found.name_count, 'name')} changed after {_seconds(found.traffic_seconds)}"
    if found.HasField("return_seconds"):
        yield f"Restored: in {_seconds(found.return_seconds)}"
    for finding in found.findings:
        yield f"Finding:  {words.one_line(finding)}"


def drills_table(now: Now = utc_now) -> Table[drill_pb2.Drill]:
    """Make the table of drills."""
    return Table(
        columns=(
            Column(title="DRILL", text=lambda row: last_part(row.name)),
            Column(title="OF", text=lambda row: subject_text(row.subject)),
            Column(title="MODE", text=mode_text),
            Column(title="STATE", text=state_text, style=words.style_of),
            Column(title="SCORE", text=lambda row: str(row.report.score)),
            Column(title="AGE", text=lambda row: words.age(row.create_time, now())),
            Column(title="AWAY", text=lambda row: _optional(row.report, "away_seconds")),
            Column(title="NAMES", text=lambda row: _optional(row.report, "traffic_seconds")),
            Column(title="RESTORED", text=lambda row: _optional(row.report, "return_seconds")),
            Column(title="BY", text=lambda row: row.author or words.NONE, is_wide=True),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True, gives_way=True),
        )
    )


def mode_text(drill: drill_pb2.Drill) -> str:
    """Write how far a drill goes, as it is asked for."""
    return words.enum_word(_MODES, drill.mode).lower()


def state_text(drill: drill_pb2.Drill) -> str:
    """Write where a drill stands, or how it ended."""
    if drill.phase == drill_pb2.DRILL_PHASE_OVER:
        return words.enum_word(_OUTCOMES, drill.outcome)
    return words.enum_word(_PHASES, drill.phase)


def progress_text(drill: drill_pb2.Drill, now: dt.datetime) -> str:
    """Write in a line how a drill that is under way stands."""
    found = drill.report
    begun = words.age(drill.create_time, now)
    moved = f", {found.ready_count} of {found.moved_count} ready elsewhere" if found.moved_count else ""
    return f"{state_text(drill).lower()} for {begun}{moved}"


def _staying(found: drill_pb2.DrillReport) -> int:
    return len({one.unit for one in found.left_out})


def _optional(found: drill_pb2.DrillReport, name: str) -> str:
    return _seconds(getattr(found, name)) if found.HasField(name) else words.NONE  # type: ignore[arg-type] # names of fields


def _seconds(value: float) -> str:
    return f"{value:.1f}s"
