import sys

import click

from fedctl.context import Context, pass_context
from fedctl.failures import Failure, UsageFailure
from fedctl.options import namespace_option, output_as
from fedctl.output import words
from fedctl.simulations import deciding, print_document, print_simulations
from fedsvc.v1 import placement_service_pb2
from fedsvc_client import unit_name

_ALL = "namespaces/-/units/-"
_EXAMPLES = """\b
Examples:
  fedctl rebalance shop --dry-run      what would move
  fedctl rebalance shop                show it, ask, and do it
  fedctl rebalance --all --yes         every unit, without asking
"""


@click.command(epilog=_EXAMPLES)
@click.argument("units", nargs=-1, metavar="[UNIT]...")
@namespace_option
@click.option("--all", "is_all", is_flag=True, help="All units of all namespaces")
@click.option("--dry-run", is_flag=True, help="Only show what would move")
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@output_as("table", "json", "yaml")
@pass_context
def rebalance(
    context: Context, *, units: tuple[str, ...], namespace: str, is_all: bool, dry_run: bool, is_sure: bool, output: str
) -> None:
    """Place units anew as if everything could move: to better clusters, by fresh shares.

    What would move is shown first.
    """
    if is_all == bool(units):
        raise UsageFailure("say which units, or --all" if not units else "--all means all units: name none")
    names = (
        [_ALL]
        if is_all
        else [unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace) for unit in units]
    )
    placement = context.client().placement
    with context.progress("Deciding"):
        shown = deciding(context.client(), lambda: placement.rebalance(names, validate_only=True))
    nothing_moves = not any(unit.moves for unit in shown.units)
    if dry_run or nothing_moves or output == "table":
        _print(context, shown, output)
    elif not is_sure:  # what is asked about is seen; the document is printed when it is done
        click.echo(f"{words.count(sum(bool(unit.moves) for unit in shown.units), 'unit')} would move", err=True)
    if dry_run or nothing_moves:
        return
    if not is_sure:
        if not can_answer():
            raise Failure("nothing was moved: say --yes to move without being asked")
        click.confirm("Move them?", abort=True, err=True)
    with context.progress("Moving"):
        done = placement.rebalance(names)
    if output == "table":
        moving = sum(bool(unit.moves) for unit in done.units)
        context.note(f"{words.count(moving, 'unit')} {'is' if moving == 1 else 'are'} being moved")
    else:
        print_document(done, output)


def can_answer() -> bool:
    """Tell whether somebody is there to be asked."""
    return sys.stdin.isatty()


def _print(context: Context, answer: placement_service_pb2.RebalanceUnitsResponse, output: str) -> None:
    if output == "table":
        print_simulations(context, answer.units, unit_count=answer.unit_count)
    else:
        print_document(answer, output)
