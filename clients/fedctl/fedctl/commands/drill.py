import time
from itertools import islice

import click

from fedctl import kinds
from fedctl.commands.rebalance import can_answer
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.listing import missing
from fedctl.options import Seconds, output_as, output_option
from fedctl.output import drill_views, failover_views, views
from fedctl.output.printing import print_table
from fedctl.simulations import print_document, print_simulations
from fedctl.subjects import move_subject_names, read_move_subject, shown_subject
from fedsvc.v1 import automation_service_pb2, drill_pb2
from fedsvc_client import NotFoundError
from fedsvc_client.names import last_part

_EXAMPLES = """\b
Examples:
  fedctl drill region eu-1                                 what would come of it; nothing is done
  fedctl drill region eu-1 --mode traffic --away 5m        names have no address of it for five minutes
  fedctl drill region eu-1 --mode full --target 2m --why "quarterly"
  fedctl drill cluster eu-1a --mode full --abort-on trouble --abort-on no-place --yes
  fedctl drill --stop                                      have all brought back now

\b
What leaves is removed only when it is ready elsewhere, and all is brought back in the end: by the server, also when
this command is ended or fedsvc is killed. Past drills: fedctl drills.

\b
Exit codes: 0 passed, 1 refused, aborted or stopped, 3 there is no such region or cluster, 5 not over in time.
"""
_DRILLS_EXAMPLES = """\b
Examples:
  fedctl drills                 the newest first
  fedctl drills 7               what came of one
  fedctl drills -o json
"""
_MODES = {
    "simulate": drill_pb2.DRILL_MODE_SIMULATE,
    "traffic": drill_pb2.DRILL_MODE_TRAFFIC,
    "full": drill_pb2.DRILL_MODE_FULL,
}
_ABORTS = {
    "trouble": drill_pb2.DRILL_ABORT_TROUBLE,
    "degraded": drill_pb2.DRILL_ABORT_DEGRADED,
    "no-place": drill_pb2.DRILL_ABORT_NO_PLACE,
}
_POLL_SECONDS = 1.0
_MOST = 20

_output = output_as("table", "json", "yaml")


@click.command(epilog=_EXAMPLES)
@click.argument("what", nargs=-1, metavar="region NAME | cluster NAME", shell_complete=move_subject_names())
@click.option("--mode", type=click.Choice(tuple(_MODES)), default="simulate", show_default=True, help="How far it goes")
@click.option(
    "--abort-on",
    "aborts",
    type=click.Choice(tuple(_ABORTS)),
    multiple=True,
    help="What ends it before its time: a cluster is not healthy, a unit gets Degraded, a unit finds no place"
    " [default: trouble, degraded]",
)
@click.option("--away", type=Seconds(), help="How long all stays away [default: 1m]")
@click.option("--limit", type=Seconds(), help="How long leaving may take [default: 10m]")
@click.option("--target", type=Seconds(), help="How soon a unit has to be ready elsewhere [default: 1m]")
@click.option("--why", default="", help="Why, for others to see")
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@click.option("--no-wait", is_flag=True, help="Do not wait for its end: fedctl drills shows it")
@click.option("--stop", "is_stopped", is_flag=True, help="Have what is away by a drill brought back now")
@_output
@pass_context
def drill(
    context: Context,
    *,
    what: tuple[str, ...],
    mode: str,
    aborts: tuple[str, ...],
    away: float | None,
    limit: float | None,
    target: float | None,
    why: str,
    is_sure: bool,
    no_wait: bool,
    is_stopped: bool,
    output: str,
) -> None:
    """Rehearse the loss of a region or cluster: measured, scored, and undone in the end."""
    if is_stopped:
        if what:
            raise UsageFailure("--stop ends the drill that is under way: name nothing else")
        _stop(context, no_wait=no_wait, output=output)
        return
    subject = _subject(what)
    automation = context.client().automation

    def ask(chosen: drill_pb2.DrillMode.ValueType) -> automation_service_pb2.StartDrillResponse:
        return automation.start_drill(
            subject,
            mode=chosen,
            abort_on=[_ABORTS[each] for each in aborts],
            away_seconds=None if away is None else round(away),
            limit_seconds=None if limit is None else round(limit),
            target_seconds=None if target is None else round(target),
            reason=why,
        )

    try:
        with context.progress("Deciding"):
            shown = ask(drill_pb2.DRILL_MODE_SIMULATE)
    except NotFoundError as error:
        raise missing(context.client(), kinds.CLUSTER, last_part(subject), namespace="") from error
    if mode == "simulate":
        _print_start(context, shown, output)
        return
    if output == "table" and mode == "full":
        _print_start(context, shown, output)
    if not is_sure:
        if not can_answer():
            raise Failure("nothing was begun: say --yes to begin without being asked")
        click.confirm(f"{shown_subject(subject)} is to be left as if it were lost: go on?", abort=True, err=True)
    begun = ask(_MODES[mode]).drill
    context.note(f"drill {last_part(begun.name)} is under way; fedctl drill --stop ends it")
    _follow(context, begun, no_wait=no_wait, output=output)


@click.command(epilog=_DRILLS_EXAMPLES)
@click.argument("number", required=False, type=click.IntRange(min=1))
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many")
@output_option
@pass_context
def drills(context: Context, *, number: int | None, limit: int, output: str) -> None:
    """Show drills and what came of them."""
    automation = context.client().automation
    if number is not None:
        try:
            found = automation.drill(f"drills/{number}")
        except NotFoundError as error:
            raise Failure(f"there is no drill {number}", code=Exit.NOT_FOUND) from error
        if output == "name":
            click.echo(found.name)
            return
        _print(context, found, "table" if output == "wide" else output)
        return
    rows = list(islice(automation.drills(page_size=min(limit, 1000)), limit))
    if output == "name":
        for row in rows:
            click.echo(row.name)
    elif output in ("table", "wide"):
        if not rows:
            context.note("there was no drill")
        print_table(context.console(), drill_views.drills_table(), rows, wide=output == "wide")
    else:
        print_document(automation_service_pb2.ListDrillsResponse(drills=rows), output)


def _subject(what: tuple[str, ...]) -> str:
    subject = read_move_subject(what, "default") if what else ""
    if not subject.startswith(("regions/", "clusters/")):
        raise UsageFailure("name what is to be left: region NAME or cluster NAME")
    return subject


def _print_start(context: Context, answer: automation_service_pb2.StartDrillResponse, output: str) -> None:
    if output != "table":
        print_document(answer, output)
        return
    print_simulations(context, answer.units, unit_count=answer.drill.report.unit_count)
    context.console().print()
    _print(context, answer.drill, output)


def _print(context: Context, found: drill_pb2.Drill, output: str) -> None:
    if output != "table":
        print_document(found, output)
        return
    console = context.console()
    for line in drill_views.report_lines(found):
        console.print(line, overflow="ignore", crop=False)
    if found.report.left_out:
        console.print()
        print_table(console, failover_views.pending_moves(), list(found.report.left_out)[:_MOST])
        if len(found.report.left_out) > _MOST:
            context.note(f"... and {len(found.report.left_out) - _MOST} more: -o json has them all")


def _follow(context: Context, begun: drill_pb2.Drill, *, no_wait: bool, output: str) -> None:
    """Wait for the end of a drill and print what came of it.

    Raises:
        Failure: It did not go to its end.
    """
    found = begun
    if not no_wait:
        with context.progress("Drilling") as tell:
            while found.phase != drill_pb2.DRILL_PHASE_OVER:
                tell(drill_views.progress_text(found, views.utc_now()))
                time.sleep(_POLL_SECONDS)
                found = context.client().automation.drill(begun.name)
    _print(context, found, output)
    if found.outcome in (drill_pb2.DRILL_OUTCOME_ABORTED, drill_pb2.DRILL_OUTCOME_STOPPED):
        raise Failure(f"the drill was {drill_views.state_text(found).lower()}: {found.message}")


def _stop(context: Context, *, no_wait: bool, output: str) -> None:
    automation = context.client().automation
    newest = next(iter(automation.drills(page_size=1)), None)
    if newest is None or newest.phase == drill_pb2.DRILL_PHASE_OVER:
        raise Failure("no drill is under way")
    stopped = automation.stop_drill(newest.name)
    if no_wait:
        click.echo(f"drill {last_part(stopped.name)}: all is being brought back")
        return
    with context.progress("Bringing back"):
        while stopped.phase != drill_pb2.DRILL_PHASE_OVER:
            time.sleep(_POLL_SECONDS)
            stopped = automation.drill(stopped.name)
    _print(context, stopped, output)
