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


def last_words(unit: unit_pb2.Unit | None) -> str:
    """Say where a unit stands, for the one who waited in vain."""
    if unit is None:
        return "nothing is known of it yet"
    state = unit_pb2.UnitState.Name(unit.status.state).removeprefix("UNIT_STATE_").capitalize()
    worst = next((line for line in unit.status.clusters if line.message), None)
    if worst is not None:
        return f"it is {state}; on {worst.cluster}: {worst.message}"
    unmet = (
        item for item in unit.status.conditions if item.status != common_pb2.CONDITION_STATUS_TRUE and item.message
    )
    condition = next(unmet, None)
    return f"it is {state}" + (f"; {condition.type}: {condition.message}" if condition is not None else "")
