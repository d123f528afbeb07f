"""What can be waited for, and how to tell from a unit that it is so."""

from typing import Literal

from fedsvc.v1 import common_pb2, unit_pb2

Goal = Literal["applied", "ready", "deleted"]

_CONDITION = {"applied": "Applied", "ready": "Ready"}


def is_reached(unit: unit_pb2.Unit, goal: Goal) -> bool:
    """Tell whether a unit that is there has come to the goal, in its newest revision."""
    if goal not in _CONDITION or unit.HasField("delete_time") or unit.status.observed_revision < unit.revision:
        return False
    return any(
        condition.type == _CONDITION[goal] and condition.status == common_pb2.CONDITION_STATUS_TRUE
        for condition in unit.status.conditions
    )


def last_words(unit: unit_pb2.Unit | None, goal: Goal) -> str:
    """Say where a unit stands, and the first thing that keeps it from the goal: for who waits, or waited in vain."""
    if unit is None:
        return "nothing is known of it yet"
    state = unit_pb2.UnitState.Name(unit.status.state).removeprefix("UNIT_STATE_").capitalize()
    lacking = [line for line in unit.status.clusters if line.message and _is_lacking(line, goal)]
    if lacking:
        first, more = lacking[0], len(lacking) - 1
        reason = f" ({first.reason})" if first.reason and first.reason not in first.message else ""
        others = f", and {more} more cluster{'s' if more > 1 else ''}" if more else ""
        return f"it is {state}; on {first.cluster}: {first.message}{reason}{others}"
    wanted = (_CONDITION[goal],) if goal in _CONDITION else ()
    unmet = [item for item in unit.status.conditions if item.status != common_pb2.CONDITION_STATUS_TRUE]
    told = next((item for item in unmet if item.message and (not wanted or item.type in ("Placed", *wanted))), None)
    if told is not None:
        return f"it is {state}; {told.type}: {told.message}"
    if unit.status.observed_revision < unit.revision:
        return "its newest change is not decided yet"
    return f"it is {state}"


def _is_lacking(line: unit_pb2.UnitClusterStatus, goal: Goal) -> bool:
    return goal != "applied" or line.applied_work_count < line.work_count
