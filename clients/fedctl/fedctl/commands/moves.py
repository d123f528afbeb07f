import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import click

from fedctl import kinds
from fedctl.commands.rebalance import can_answer
from fedctl.completing import names, regions
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.listing import missing
from fedctl.members import change_cluster
from fedctl.options import namespace_option, output_as, timeout_option
from fedctl.output import failover_views, words
from fedctl.output.printing import print_table
from fedctl.simulations import print_document, print_simulations
from fedctl.subjects import move_subject_names, read_move_subject, shown_subject
from fedsvc.v1 import automation_service_pb2 as pb
from fedsvc.v1 import cluster_pb2, unit_pb2
from fedsvc_client import NotFoundError, split_unit_name
from fedsvc_client.names import last_part

_FAILOVER_EXAMPLES = """\b
Examples:
  fedctl failover unit/shop                      from the lost cluster that it is on
  fedctl failover unit/shop --from eu-1 --to us-1 --why INC-4711
  fedctl failover cluster/eu-1 --dry-run         what would go where, and what finds no place
  fedctl failover region/eu --yes --wait         all units on it, without asking
  fedctl failover unit/db --to us-1              the primary of a unit with roles, when the old one is proved to be none
  fedctl failover unit/db --to us-1 --accept-loss   without proof: what was not copied from it is lost

\b
What runs on a cluster that lives is removed there when the unit is ready elsewhere. Units that find less room elsewhere
stay on it. Units whose failover.mode is never leave only when they are named. It is done whatever holds automation.
Back:  fedctl failback

\b
Exit codes: 0 done, 1 refused or not done, 3 there is no such unit or cluster, 5 not ready in time (--wait).
"""
_FAILBACK_EXAMPLES = """\b
Examples:
  fedctl failovers                            what waits to go back, and for what
  fedctl failback unit/shop                   to all clusters that it left and that are healthy
  fedctl failback cluster/eu-1 --dry-run
  fedctl failback region/eu --yes --wait

\b
What runs elsewhere is removed when the unit is ready where it goes back to. The primary of a unit with roles goes back
to the cluster that it prefers, or was moved from, step by step as by fedctl failover.

\b
Exit codes: 0 done, 1 nothing goes back, 3 there is no such unit or cluster, 5 not ready in time (--wait).
"""
_DRAIN_EXAMPLES = """\b
Examples:
  fedctl drain eu-1 --dry-run                 what would go where, and what finds no place
  fedctl drain eu-1 --why "new disks"         all units at once, each removed when it is ready elsewhere
  fedctl drain --region eu --pace 10          10 % of the units in a minute
  fedctl drain eu-1 --cancel                  let it have units again; what left goes back by its failback policy

\b
The clusters are cordoned. What waits for its turn, or stays, is shown by fedctl failovers.

\b
Exit codes: 0 done, 1 refused or not done, 3 there is no such cluster, 5 not empty in time (--wait).
"""
_SUBJECT = "unit/NAME | cluster/NAME | region/NAME"
_CORDON_KEY = "fedsvc.io/cordoned"
_POLL_SECONDS = 1.0
_MOST = 20

Answer = pb.FailOverResponse | pb.FailBackResponse | pb.DrainClustersResponse
AnswerT = TypeVar("AnswerT", pb.FailOverResponse, pb.FailBackResponse, pb.DrainClustersResponse)

_dry_run = click.option("--dry-run", is_flag=True, help="Only show what would move")
_yes = click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
_wait = click.option("--wait", "is_awaited", is_flag=True, help="Wait until the units that move are ready")
_why = click.option("--why", default="", help="Why, for others to see")
_output = output_as("table", "json", "yaml")


@click.command(epilog=_FAILOVER_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar=_SUBJECT, shell_complete=move_subject_names())
@namespace_option
@click.option("--from", "sources", multiple=True, shell_complete=names(kinds.CLUSTER), help="Of a unit: leave this one")
@click.option("--to", "targets", multiple=True, shell_complete=names(kinds.CLUSTER), help="Go to this cluster")
@click.option("--accept-loss", is_flag=True, help="Of a unit with roles: do without proof")
@_why
@_dry_run
@_yes
@_wait
@timeout_option("10m")
@_output
@pass_context
def failover(
    context: Context,
    *,
    what: tuple[str, ...],
    namespace: str,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    accept_loss: bool,
    why: str,
    dry_run: bool,
    is_sure: bool,
    is_awaited: bool,
    timeout_seconds: float,
    output: str,
) -> None:
    """Have a unit leave a cluster, or all units a cluster or region; or the primary of a unit go to another.

    What would move is shown first.
    """
    subject = read_move_subject(what, namespace)
    automation = context.client().automation

    def ask(*, validate_only: bool) -> pb.FailOverResponse:
        return automation.fail_over(
            subject,
            clusters=sources,
            targets=targets,
            reason=why,
            accept_loss=accept_loss,
            validate_only=validate_only,
        )

    done = _move(context, subject, ask, "leave", dry_run=dry_run, is_sure=is_sure, output=output)
    if done is not None and is_awaited:
        _wait_for_units(context, done, timeout_seconds)
        _wait_for_primary(context, subject, done, timeout_seconds)


@click.command(epilog=_FAILBACK_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar=_SUBJECT, shell_complete=move_subject_names())
@namespace_option
@click.option("--to", "targets", multiple=True, shell_complete=names(kinds.CLUSTER), help="Of a unit: only to this one")
@_dry_run
@_yes
@_wait
@timeout_option("10m")
@_output
@pass_context
def failback(
    context: Context,
    *,
    what: tuple[str, ...],
    namespace: str,
    targets: tuple[str, ...],
    dry_run: bool,
    is_sure: bool,
    is_awaited: bool,
    timeout_seconds: float,
    output: str,
) -> None:
    """Let units take back what left clusters that are healthy.

    What would move is shown first.
    """
    subject = read_move_subject(what, namespace)
    automation = context.client().automation

    def ask(*, validate_only: bool) -> pb.FailBackResponse:
        return automation.fail_back(subject, clusters=targets, validate_only=validate_only)

    done = _move(context, subject, ask, "go back", dry_run=dry_run, is_sure=is_sure, output=output)
    if done is not None and is_awaited:
        _wait_for_units(context, done, timeout_seconds)
        _wait_for_primary(context, subject, done, timeout_seconds)


@click.command(epilog=_DRAIN_EXAMPLES)
@click.argument("cluster", required=False, shell_complete=names(kinds.CLUSTER))
@click.option("--region", default="", shell_complete=regions, help="All clusters of a region")
@click.option("--pace", type=click.IntRange(1, 100), help="Percent of the units that leave in a minute [default: all]")
@click.option("--cancel", "is_cancelled", is_flag=True, help="Let it have units again: what has not left stays")
@_why
@_dry_run
@_yes
@click.option("--wait", "is_awaited", is_flag=True, help="Wait until nothing runs there that is to leave")
@timeout_option("30m")
@_output
@pass_context
def drain(
    context: Context,
    *,
    cluster: str | None,
    region: str,
    pace: int | None,
    is_cancelled: bool,
    why: str,
    dry_run: bool,
    is_sure: bool,
    is_awaited: bool,
    timeout_seconds: float,
    output: str,
) -> None:
    """Empty a cluster or region that lives: nothing new goes there, and units leave when they are ready elsewhere.

    What would move is shown first.
    """
    if bool(cluster) == bool(region):
        raise UsageFailure("name a cluster, or a region by --region")
    subject = f"regions/{region}" if region else f"clusters/{(cluster or '').removeprefix('cluster/')}"
    if is_cancelled:
        _cancel(context, subject)
        return
    automation = context.client().automation

    def ask(*, validate_only: bool) -> pb.DrainClustersResponse:
        return automation.drain(subject, pace_percent=pace, reason=why, validate_only=validate_only)

    done = _move(context, subject, ask, "leave", dry_run=dry_run, is_sure=is_sure, output=output, is_drain=True)
    if done is not None and is_awaited:
        _wait_until_empty(context, done, timeout_seconds)


def _move(
    context: Context,
    subject: str,
    ask: Callable[..., AnswerT],
    verb: str,
    *,
    dry_run: bool,
    is_sure: bool,
    output: str,
    is_drain: bool = False,
) -> AnswerT | None:
    """Show what would move, ask, and do it; None: it was only shown.

    Raises:
        Failure: Nothing moves, or nobody is there to be asked.
    """
    try:
        with context.progress("Deciding"):
            shown = ask(validate_only=True)
    except NotFoundError as error:
        raise _missing(context, subject) from error
    if dry_run or output == "table":
        _print(context, shown, output)
    if dry_run:
        return None
    if not shown.unit_count and not is_drain:
        raise Failure(f"nothing of {shown_subject(subject)} is to {verb}")
    if not is_sure:
        if not can_answer():
            raise Failure("nothing was moved: say --yes to move without being asked")
        click.confirm(f"{_what(shown, verb)}: go on?", abort=True, err=True)
    with context.progress("Moving"):
        done = ask(validate_only=False)
    if output == "table":
        click.echo(f"{shown_subject(subject)}: {_what(done, verb)}")
    else:
        print_document(done, output)
    return done


def _what(answer: Answer, verb: str) -> str:
    if not isinstance(answer, pb.DrainClustersResponse) and answer.primary_target and not answer.units:
        return f"its primary to go to {answer.primary_target}"
    return f"{words.count(answer.unit_count, 'unit')} to {verb}"


def _print(context: Context, answer: Answer, output: str) -> None:
    if output != "table":
        print_document(answer, output)
        return
    steps = [] if isinstance(answer, pb.DrainClustersResponse) else list(answer.steps)
    if answer.units or not steps:
        print_simulations(context, answer.units, unit_count=answer.unit_count)
    for number, text in enumerate(steps, 1):
        click.echo(f"{number}. {text}")
    if answer.left_out:
        console = context.console()
        console.print()
        print_table(console, failover_views.pending_moves(), answer.left_out[:_MOST])
        if len(answer.left_out) > _MOST:
            context.note(f"... and {len(answer.left_out) - _MOST} more: -o json has them all")


def _wait_for_units(context: Context, done: Answer, timeout_seconds: float) -> None:
    """Wait until the units that move are ready where they go.

    Raises:
        Failure: They are not in time.
    """
    client = context.client()
    end = time.monotonic() + timeout_seconds
    wanted = {unit.unit: set(unit.clusters_after) for unit in done.units}

    def lacking() -> list[str]:
        found = []
        for name, targets in wanted.items():
            status = client.units.get(name).status
            if status.state != unit_pb2.UNIT_STATE_READY or {line.cluster for line in status.clusters} != targets:
                found.append(name)
        return found

    _poll(context, lacking, end, "unit", "not ready where it goes yet")


def _wait_for_primary(
    context: Context, subject: str, done: pb.FailOverResponse | pb.FailBackResponse, timeout_seconds: float
) -> None:
    """Wait until the primary of a unit is where it was asked to be.

    Raises:
        Failure: It is not in time, or that was called off.
    """
    if not done.steps:
        return
    client, target = context.client(), done.primary_target

    def lacking() -> list[str]:
        found = client.units.get(subject).status.primary
        if found.blocked_reason == "CalledOff":
            raise Failure(f"called off, and {found.cluster} is primary again: {found.message}")
        return [] if (found.cluster, found.phase) == (target, "Steady") else [found.message or found.phase]

    _poll(context, lacking, time.monotonic() + timeout_seconds, "primary", "not there yet")


def _wait_until_empty(context: Context, done: pb.DrainClustersResponse, timeout_seconds: float) -> None:
    client = context.client()
    end = time.monotonic() + timeout_seconds
    staying = {(move.unit, move.cluster) for move in done.left_out}

    def lacking() -> list[str]:
        return [
            work.name
            for cluster in done.clusters
            for work in client.works.list(cluster=cluster)
            if (work.unit, cluster) not in staying
        ]

    _poll(context, lacking, end, "object", "still there")


def _poll(context: Context, lacking: Callable[[], Sequence[str]], end: float, noun: str, how: str) -> None:
    told = ""
    with context.progress("waiting") as tell:
        while left := lacking():
            found = f"{words.count(len(left), noun)} {how}, such as {left[0]}"
            if time.monotonic() > end:
                raise Failure(f"not done in time: {found}", code=Exit.TIMED_OUT)
            if found != told:
                tell(found)
            told = found
            time.sleep(_POLL_SECONDS)


def _cancel(context: Context, subject: str) -> None:
    client = context.client()
    kind, _, name = subject.partition("/")
    if kind == "clusters":
        chosen = [name]
    else:
        chosen = [last_part(row.name) for row in client.clusters.list() if row.region == name]
        if not chosen:
            raise Failure(f"there is no cluster in region {name!r}", code=Exit.NOT_FOUND)

    def change(cluster: cluster_pb2.Cluster) -> bool:
        kept = [item for item in cluster.taints if item.key != _CORDON_KEY]
        changed = len(kept) != len(cluster.taints)
        cluster.ClearField("taints")
        cluster.taints.extend(kept)
        return changed

    for each in chosen:
        stored = change_cluster(client, each, ["taints"], change)
        click.echo(f"cluster/{each} {'was not drained' if stored is None else 'may have units again'}")


def _missing(context: Context, subject: str) -> Failure:
    client = context.client()
    if subject.startswith("clusters/"):
        return missing(client, kinds.CLUSTER, last_part(subject), namespace="")
    namespace, unit = split_unit_name(subject)
    return missing(client, kinds.UNIT, unit, namespace=namespace)
