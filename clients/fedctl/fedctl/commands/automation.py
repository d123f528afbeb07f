import datetime as dt
from itertools import islice

import click

from fedctl import kinds
from fedctl.completing import names, regions
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.options import Seconds, namespace_option, output_as, output_option
from fedctl.output import failover_views, views, words
from fedctl.output.printing import print_table, print_value
from fedctl.subjects import FLEET, read_hold_subject, shown_subject, subject_names
from fedsvc.v1 import automation_pb2, hold_pb2
from fedsvc_client import NotFoundError, split_unit_name, unit_name
from fedsvc_client.names import last_part

_AUTOMATION_EXAMPLES = """\b
Examples:
  fedctl automation                         whether lost clusters are acted on, and what keeps that back
  fedctl automation -o json
  fedctl hold --why "network maintenance"   nothing moves by itself, and nothing is removed
  fedctl release fleet                      let it act again, on what is lost now, too
"""
_HOLD_EXAMPLES = """\b
Examples:
  fedctl hold --why "network maintenance" --for 2h
  fedctl hold cluster/eu-1 --why INC-4711    units stay on it though it is lost
  fedctl hold unit/shop --why "data is there"
  fedctl hold --region eu --why "cut over"   as cluster/NAME, for all clusters that are in it

\b
What people apply is written; nothing is removed, and nothing moves by itself. It ends after --for, or by
fedctl release fleet | region/NAME | cluster/NAME, or fedctl resume unit/NAME.
"""
_FAILOVERS_EXAMPLES = """\b
Examples:
  fedctl failovers                     what left clusters, the newest first, and what waits to leave or to go back
  fedctl failovers shop -o wide        of one unit
  fedctl failovers --cluster eu-1 --limit 500

\b
DETECT: from the first failing probe to the verdict; DECIDE: from there to the decision, the unit's toleration included;
PLACE: until the other clusters held it; READY: until it was healthy there; TRAFFIC: until its DNS names led there and
no longer to the lost cluster, n/a where it has none.
"""


@click.command(epilog=_AUTOMATION_EXAMPLES)
@output_as("table", "json", "yaml")
@pass_context
def automation(context: Context, *, output: str) -> None:
    """Show whether lost clusters are acted on, and what keeps that back."""
    found = context.client().automation.get()
    if output != "table":
        print_value(write_message(found), output)
        return
    console = context.console()
    for line in failover_views.automation_lines(found, views.utc_now()):
        console.print(line, overflow="ignore", crop=False)
    if found.troubles:
        console.print()
        print_table(console, failover_views.troubles(), list(found.troubles))


@click.command(epilog=_HOLD_EXAMPLES)
@click.argument(
    "what", nargs=-1, metavar="[fleet | region/NAME | cluster/NAME | unit/NAME]", shell_complete=subject_names()
)
@namespace_option
@click.option("--region", default="", shell_complete=regions, help="The same as region/NAME")
@click.option("--why", required=True, help="Why, for others to see")
@click.option("--for", "seconds", type=Seconds(), help="It ends by itself after this, for example 90m or 2h")
@pass_context
def hold(
    context: Context, *, what: tuple[str, ...], namespace: str, region: str, why: str, seconds: float | None
) -> None:
    """Let nothing move by itself away from lost clusters, and let nothing be removed."""
    if region and what:
        raise UsageFailure("--region names what to hold: name nothing else")
    subject = read_hold_subject((f"region/{region}",) if region else what or (FLEET,), namespace)
    end = None if seconds is None else views.utc_now() + dt.timedelta(seconds=seconds)
    try:
        held = context.client().holds.pause(subject, scope=hold_pb2.HOLD_SCOPE_AUTOMATION, reason=why, end_time=end)
    except NotFoundError as error:
        raise _missing(context, subject) from error
    until = f" until {words.moment(held.end_time)}" if held.HasField("end_time") else ""
    click.echo(f"automation held for {shown_subject(subject)}{until}")


@click.command(epilog=_FAILOVERS_EXAMPLES)
@click.argument("unit", required=False, shell_complete=names(kinds.UNIT))
@namespace_option
@click.option("--cluster", default="", shell_complete=names(kinds.CLUSTER), help="Only what left this cluster")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many")
@output_option
@pass_context
def failovers(context: Context, *, unit: str | None, namespace: str, cluster: str, limit: int, output: str) -> None:
    """Show what left clusters, how long each phase took, and what does not leave or go back for now."""
    name = unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace) if unit else ""
    rows: list[automation_pb2.Failover] = []
    for row in context.client().automation.failovers(unit=name, cluster=cluster, page_size=min(limit, 1000)):
        rows.append(row)
        if len(rows) == limit:
            break
    waiting = list(islice(context.client().automation.pending_moves(unit=name, cluster=cluster), limit))
    if output in ("table", "wide"):
        if not rows:
            context.note("no unit has left a cluster")
        print_table(context.console(), failover_views.failovers(), rows, wide=output == "wide")
        if waiting:
            context.console().print()
            print_table(context.console(), failover_views.pending_moves(), waiting, wide=output == "wide")
    elif output == "name":
        for row in rows:
            click.echo(row.name)
    else:
        document = {"failovers": [write_message(row) for row in rows]}
        print_value(document | {"pendingMoves": [write_message(row) for row in waiting]}, output)


def release_automation(context: Context, subject: str) -> None:
    """End what keeps automation from acting on a subject, and say how it stands then."""
    try:
        answer = context.client().automation.release(subject)
    except NotFoundError as error:
        raise _missing(context, subject) from error
    click.echo(f"{shown_subject(subject)} {'released' if answer.ended else 'was not held'}")
    if answer.automation.state == automation_pb2.AUTOMATION_STATE_HOLDING:
        context.note(f"automation is still held: {answer.automation.message}")
    for held in answer.automation.holds:
        if held.kind != hold_pb2.HOLD_KIND_BREAKER:
            context.note(f"still held: {views.hold_text(held)}")


def _missing(context: Context, subject: str) -> Failure:
    if subject.startswith("regions/"):
        return Failure(f"there is no cluster in region {last_part(subject)!r}", code=Exit.NOT_FOUND)
    if subject.startswith("clusters/"):
        return missing(context.client(), kinds.CLUSTER, last_part(subject), namespace="")
    namespace, name = split_unit_name(subject)
    return missing(context.client(), kinds.UNIT, name, namespace=namespace)
