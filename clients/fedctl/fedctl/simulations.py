"""Telling what would become of units: for `fedctl simulate` and `fedctl rebalance`."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

from google.protobuf.message import Message
from rich.console import Console

from fedctl import kinds
from fedctl.context import Context
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.output import placement_views, views, words
from fedctl.output.printing import print_table, print_value
from fedsvc.v1 import decision_pb2, placement_service_pb2
from fedsvc_client import Client, NotFoundError, split_unit_name

T = TypeVar("T")

_MOST_UNITS = 50
_MOST_MOVES = 20
_MOST_TROUBLES = 20
# Replicas that have a place, though not where a minimum asks for them.
_BELOW_MINIMUM = "MinimumsNotMet"


def deciding(client: Client, ask: Callable[[], T]) -> T:
    """Ask for decisions on units.

    Raises:
        Failure: There is no such unit; the message tells what is near.
    """
    try:
        return ask()
    except NotFoundError as error:
        if not error.name.startswith("namespaces/"):
            raise
        namespace, unit = split_unit_name(error.name)
        raise missing(client, kinds.UNIT, unit, namespace=namespace) from error


def print_simulations(
    context: Context, units: Sequence[placement_service_pb2.UnitSimulation], *, unit_count: int
) -> None:
    """Print a line a unit that would change or come short, its moves where they are few, and the sum.

    Args:
        context: Where to.
        units: Those that would change or come short.
        unit_count: How many were looked at.
    """
    console = context.console()
    if units:
        print_table(console, placement_views.simulations(), units[:_MOST_UNITS])
        if len(units) > _MOST_UNITS:
            console.print(f"... and {len(units) - _MOST_UNITS} more: -o json has them all", style=words.DIM)
        console.print()
    _print_changes(console, units)
    shortfalls = [entry for unit in units for entry in unit.shortfalls]
    below = sum(entry.replicas for entry in shortfalls if entry.reason == _BELOW_MINIMUM)
    short = sum(entry.replicas for entry in shortfalls) - below
    nowhere = sum(is_nowhere(unit) for unit in units)
    moving = sum(bool(unit.moves) for unit in units)
    left = [
        *([f"{words.count(nowhere, 'unit')} would be on no cluster"] if nowhere else []),
        *([f"{words.count(short, 'replica')} would find no place"] if short else []),
        *([f"minimums would lack {words.count(below, 'replica')}"] if below else []),
    ]
    console.print(
        f"{moving} of {words.count(unit_count, 'unit')} would move; {', '.join(left) or 'everything finds its place'}",
        style=words.YELLOW if left else None,
    )


def _print_changes(console: Console, units: Sequence[placement_service_pb2.UnitSimulation]) -> None:
    moves = sum(len(move_texts(unit.moves)) for unit in units)
    if moves > _MOST_MOVES:
        console.print(f"{moves} moves: -o json tells each, and why", style=words.DIM)
    troubles = [(unit, text) for unit in units for text in _troubles(unit)]
    shown = troubles[:_MOST_TROUBLES]
    if moves > _MOST_MOVES or not moves:
        for unit, trouble in shown:
            console.print(f"{views.unit_text(unit.unit)}: {trouble}", style=words.YELLOW)
    else:
        for unit in units:
            console.print(views.unit_text(unit.unit))
            for text in move_texts(unit.moves):
                console.print(f"  {text}")
            for trouble in (text for of, text in shown if of is unit):
                console.print(f"  {trouble}", style=words.YELLOW)
    if len(troubles) > len(shown):
        console.print(f"... and {len(troubles) - len(shown)} more of these", style=words.DIM)


def is_nowhere(unit: placement_service_pb2.UnitSimulation) -> bool:
    """Tell whether a unit would be on no cluster any more."""
    return bool(unit.clusters_before) and not unit.clusters_after


def comes_short(units: Sequence[placement_service_pb2.UnitSimulation]) -> bool:
    """Tell whether anything would not find its place."""
    return any(unit.shortfalls or is_nowhere(unit) for unit in units)


def print_document(answer: Message, output: str) -> None:
    """Print the whole answer as JSON or YAML."""
    print_value(write_message(answer), output)


def move_texts(moves: Sequence[decision_pb2.Move]) -> list[str]:
    """Write the moves of a unit, a line a cluster: from how many replicas to how many, and why it comes or goes."""
    width = max((len(move.cluster) for move in moves), default=0)
    # Of one workload everybody knows which; of several their names tell them apart.
    is_named = len({move.workload for move in moves if move.workload}) > 1
    found: list[str] = []
    for cluster, of in groupby(moves, key=lambda move: move.cluster):
        listed = list(of)
        whole = [move for move in listed if not move.workload]
        text = ", ".join(_count_text(move, is_named=is_named) for move in listed if move.workload)
        for move in whole:
            text = f"{text or ('comes' if move.after else 'goes')}: {move.message}"
        found.append(f"{cluster:<{width}}  {text}")
    return found


def _count_text(move: decision_pb2.Move, *, is_named: bool) -> str:
    name = f"{move.workload.rpartition('/')[2]} " if is_named else ""
    return f"{name}{move.before} -> {move.after}"


def _troubles(unit: placement_service_pb2.UnitSimulation) -> list[str]:
    none = [f"on no cluster: {unit.message}"] if is_nowhere(unit) else []
    return [*none, *(entry.message for entry in unit.shortfalls)]
