"""Automation and failovers as lines and tables; pure."""

import datetime as dt
from collections.abc import Iterator

from google.protobuf.timestamp_pb2 import Timestamp

from fedctl.output import words
from fedctl.output.tables import Column, Table
from fedctl.output.views import Now, hold_text, unit_text, utc_now
from fedsvc.v1 import automation_pb2

_STATES = automation_pb2.AutomationState.DESCRIPTOR
_WAYS = {automation_pb2.MOVE_KIND_BACK: "back to", automation_pb2.MOVE_KIND_PRIMARY: "primary from"}
_CAUSES = automation_pb2.DepartureCause.DESCRIPTOR


def automation_lines(found: automation_pb2.Automation, now: dt.datetime) -> Iterator[str]:
    """Say whether lost clusters are acted on, and what keeps that back."""
    since = f" for {words.age(found.since, now)}" if found.HasField("since") else ""
    yield f"Automation:  {words.enum_word(_STATES, found.state)}{since}"
    if found.message:
        yield f"Why:         {words.one_line(found.message)}"
    if found.HasField("calm_since"):
        yield f"Calm:        for {words.age(found.calm_since, now)}; it goes on after two minutes of that"
    if found.state == automation_pb2.AUTOMATION_STATE_HOLDING:
        yield "Go on:       when the cause is gone, or at once, taking what is lost as lost: fedctl release fleet"
    yield f"Witness:     {'answers' if found.has_witness else 'none'}"
    yield f"Left behind: {words.count(found.left_object_count, 'object')} on lost clusters"
    if found.settled_clusters:
        yield f"Acted on:    {', '.join(found.settled_clusters)}"
    for hold in found.holds:
        yield f"Held:        {hold_text(hold)}"


def troubles(now: Now = utc_now) -> Table[automation_pb2.ClusterTrouble]:
    """Make the table of clusters that are not healthy."""
    return Table(
        columns=(
            Column(title="CLUSTER", text=lambda row: row.cluster),
            Column(title="VERDICT", text=lambda row: row.verdict, style=words.style_of),
            Column(title="SINCE", text=lambda row: words.age(row.since, now())),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True),
        )
    )


def failovers(now: Now = utc_now) -> Table[automation_pb2.Failover]:
    """Make the table of failovers."""
    return Table(
        columns=(
            Column(title="UNIT", text=lambda row: unit_text(row.unit)),
            Column(title="FROM", text=lambda row: row.cluster),
            Column(title="TO", text=lambda row: ",".join(row.targets) or words.NONE),
            Column(title="CAUSE", text=_cause),
            Column(title="AGE", text=lambda row: words.age(row.decide_time, now())),
            Column(title="DETECT", text=lambda row: _between(row, "trouble_time", "detect_time")),
            Column(title="DECIDE", text=lambda row: _between(row, "detect_time", "decide_time")),
            Column(title="PLACE", text=lambda row: _between(row, "decide_time", "place_time")),
            Column(title="READY", text=lambda row: _between(row, "place_time", "ready_time")),
            Column(title="TRAFFIC", text=_traffic),
            Column(title="TOTAL", text=_total, is_wide=True),
            Column(title="OVER", text=lambda row: _ago(row, now()), is_wide=True),
            Column(title="BACK", text=lambda row: _back(row, now()), is_wide=True),
            Column(title="PRIORITY", text=lambda row: str(row.priority), is_wide=True),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True, gives_way=True),
        )
    )


def pending_moves(now: Now = utc_now) -> Table[automation_pb2.PendingMove]:
    """Make the table of moves that are not made for now."""
    return Table(
        columns=(
            Column(title="UNIT", text=lambda row: unit_text(row.unit)),
            Column(title="MOVE", text=_way),
            Column(title="WAITS FOR", text=lambda row: row.reason),
            Column(title="IN", text=lambda row: _until(row, now())),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True, gives_way=True),
            Column(title="AT ONCE BY", text=lambda row: row.command or words.NONE, is_long=True),
        )
    )


def pending_text(move: automation_pb2.PendingMove, now: dt.datetime) -> str:
    """Write in a line why a move is not made for now, and what makes it."""
    due = f" in {_until(move, now)}" if move.HasField("due_time") else ""
    command = f": {move.command}" if move.command else ""
    return f"{_way(move)}: {words.one_line(move.message)}{due}{command}"


def _way(move: automation_pb2.PendingMove) -> str:
    return f"{_WAYS.get(move.kind, 'away from')} {move.cluster}"


def _until(move: automation_pb2.PendingMove, now: dt.datetime) -> str:
    if not move.HasField("due_time"):
        return words.NONE
    return words.span(max(0.0, _seconds(move.due_time) - now.timestamp()))


def _cause(row: automation_pb2.Failover) -> str:
    word = words.enum_word(_CAUSES, row.cause)
    return f"{word} by {row.author}" if row.author else word


def _back(row: automation_pb2.Failover, now: dt.datetime) -> str:
    return words.age(row.return_time, now) if row.HasField("return_time") else words.NONE


def _between(row: automation_pb2.Failover, begin: str, end: str) -> str:
    """Write how long a phase took, in seconds to the tenth; "-" while it lasts."""
    if not row.HasField(begin) or not row.HasField(end):  # type: ignore[arg-type] # names of fields
        return words.NONE
    return f"{max(0.0, _seconds(getattr(row, end)) - _seconds(getattr(row, begin))):.1f}s"


def _traffic(row: automation_pb2.Failover) -> str:
    return _between(row, "ready_time", "traffic_time") if row.is_named else "n/a"


def _total(row: automation_pb2.Failover) -> str:
    """Write how long it took from the first failing probe, or the decision, until users got there."""
    begin = "trouble_time" if row.HasField("trouble_time") else "decide_time"
    if not row.is_named:
        return _between(row, begin, "ready_time")
    is_late = row.HasField("traffic_time") and _seconds(row.traffic_time) > _seconds(row.ready_time)
    return _between(row, begin, "traffic_time" if is_late or not row.HasField("traffic_time") else "ready_time")


def _ago(row: automation_pb2.Failover, now: dt.datetime) -> str:
    return words.age(row.clean_time, now) if row.HasField("clean_time") else words.NONE


def _seconds(time: Timestamp) -> float:
    return time.seconds + time.nanos / 1e9
