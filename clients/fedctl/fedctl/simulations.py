"""Telling what would become of units: for `fedctl simulate` and `fedctl rebalance`."""

import json
from collections.abc import Sequence

import click
from google.protobuf.message import Message

from fedctl.context import Context
from fedctl.files.convert import write_message
from fedctl.output import placement_views, views, words
from fedctl.output.printing import print_table, to_yaml
from fedsvc.v1 import decision_pb2, placement_service_pb2

_MOST_UNITS = 50
_MOST_MOVES = 20


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
    moves = [(unit, move) for unit in units for move in unit.moves]
    if len(moves) <= _MOST_MOVES:
        for unit, move in moves:
            console.print(f"{views.unit_text(unit.unit)}: {move_text(move)}", highlight=False)
    for unit in units:
        for shortfall in unit.shortfalls[:1]:
            console.print(f"{views.unit_text(unit.unit)}: {shortfall.message}", style=words.YELLOW, highlight=False)
    short = sum(entry.replicas for unit in units for entry in unit.shortfalls)
    moving = sum(bool(unit.moves) for unit in units)
    console.print(
        f"{moving} of {unit_count} units would move; "
        + (f"{short} replicas would find no place" if short else "everything finds its place"),
        style=words.YELLOW if short else None,
        highlight=False,
    )


def print_document(answer: Message, output: str) -> None:
    """Print the whole answer as JSON or YAML."""
    value = write_message(answer)
    click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())


def move_text(move: decision_pb2.Move) -> str:
    """Write a move: cluster, from how many to how many, and why."""
    what = f" {move.workload.rpartition(' ')[2]} {move.before} -> {move.after}" if move.workload else ""
    return f"{move.cluster}{what}: {move.message}" if move.message else f"{move.cluster}{what}"
