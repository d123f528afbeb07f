import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.listing import missing
from fedctl.options import namespace_option, timeout_option
from fedsvc_client import Goal, NotFoundError, split_unit_name, unit_name

_EXAMPLES = """\b
Examples:
  fedctl wait --for=applied shop
  fedctl wait --for=ready shop --timeout 10m
  fedctl wait --for=deleted shop web/other

\b
Exit codes: 0 it is so, 3 there is no such unit, 5 it was not so in time.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("units", nargs=-1, required=True, metavar="UNIT...", shell_complete=names(kinds.UNIT))
@click.option(
    "--for",
    "goal",
    type=click.Choice(("applied", "ready", "deleted")),
    default="ready",
    show_default=True,
    help="What to wait for",
)
@timeout_option("5m")
@namespace_option
@pass_context
def wait(context: Context, *, units: tuple[str, ...], goal: Goal, timeout_seconds: float, namespace: str) -> None:
    """Wait until units are applied, ready or deleted; what they still lack is told on stderr."""
    for unit in units:
        name = unit.removeprefix("unit/").removeprefix("units/")
        wait_for(context, name, goal, timeout_seconds, namespace)
        click.echo(f"unit/{'/'.join(split_unit_name(unit_name(name, namespace)))} is {goal}")


def wait_for(context: Context, unit: str, goal: Goal, timeout_seconds: float, namespace: str) -> None:
    """Wait for one unit, telling on stderr what it still lacks.

    Raises:
        Failure: There is no such unit.
        WaitTimeoutError: It did not come to that in time.
    """
    client = context.client()
    try:
        with context.progress(f"waiting until {unit} is {goal}") as tell:
            name = unit_name(unit, namespace)
            client.units.wait_for(name, goal, timeout_seconds=timeout_seconds, on_waiting=tell)
    except NotFoundError as error:
        raise missing(client, kinds.UNIT, unit, namespace=namespace) from error
