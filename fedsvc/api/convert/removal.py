"""Removal budgets between protobuf and the model."""

from typing import Final

from fedsvc.model.removal import RemovalBudget
from fedsvc.v1 import removal_pb2

NUMBERS: Final = ("objects_per_change", "percent_per_change", "objects_per_hour", "percent_per_hour")


def budget_message(budget: RemovalBudget | None) -> removal_pb2.RemovalBudget | None:
    """A budget as protobuf; one that says nothing stays unset."""
    if budget is None or budget == RemovalBudget():
        return None
    return removal_pb2.RemovalBudget(
        objects_per_change=budget.objects_per_change,
        percent_per_change=budget.percent_per_change,
        objects_per_hour=budget.objects_per_hour,
        percent_per_hour=budget.percent_per_hour,
        allow_empty=budget.allow_empty,
    )


def read_budget(message: removal_pb2.RemovalBudget) -> RemovalBudget:
    """A budget of protobuf."""
    said = {name: getattr(message, name) for name in (*NUMBERS, "allow_empty") if message.HasField(name)}
    return RemovalBudget(**said)
