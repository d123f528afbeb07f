import datetime as dt
import sys
from collections.abc import Sequence

import click

from fedctl import kinds
from fedctl.context import Context, pass_context
from fedctl.failures import Failure, UsageFailure
from fedctl.listing import missing
from fedctl.options import Seconds, namespace_option
from fedctl.output import views, words
from fedctl.subjects import read_subject, shown_subject, subject_names
from fedsvc.v1 import hold_pb2
from fedsvc_client import NotFoundError, split_unit_name
from fedsvc_client.names import last_part

_PAUSE_EXAMPLES = """\b
Examples:
  fedctl pause unit/shop --reason "database migration"
  fedctl pause cluster/eu-1 --for 2h
  fedctl pause fleet --only removals       nothing is removed anywhere; all else goes on
  fedctl pause cluster eu-1 --only changes what was applied is kept up, nothing new is sent

\b
Whatever is applied meanwhile is stored and decided, and written when the pause ends: fedctl resume. Status is still
collected; what somebody changes in a paused cluster is seen and not put back.
"""
_RESUME_EXAMPLES = """\b
Examples:
  fedctl resume unit/shop
  fedctl resume fleet --only removals      another pause of the fleet stays
"""
_THAW_EXAMPLES = """\b
Examples:
  fedctl thaw unit/shop --window year-end --reason INC-4711 --for 1h
  fedctl thaw cluster/eu-1 --reason "region lost"       asks for the name of each window

\b
Freeze windows stand in the fleet settings: fedctl get fleetsettings -o yaml. Which are on: fedctl get holds.
"""

_SCOPES = {
    "everything": hold_pb2.HOLD_SCOPE_EVERYTHING,
    "changes": hold_pb2.HOLD_SCOPE_CHANGES,
    "removals": hold_pb2.HOLD_SCOPE_REMOVALS,
    "automation": hold_pb2.HOLD_SCOPE_AUTOMATION,
}
_SUBJECT = "fleet | cluster/NAME | unit/NAME"


@click.command(epilog=_PAUSE_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar=_SUBJECT, shell_complete=subject_names())
@namespace_option
@click.option("--only", type=click.Choice(("changes", "removals")), help="What to keep back [default: everything]")
@click.option("--reason", default="", help="Why, for others to see")
@click.option("--for", "seconds", type=Seconds(), help="It ends by itself after this, for example 90m or 2h")
@pass_context
def pause(
    context: Context, *, what: tuple[str, ...], namespace: str, only: str | None, reason: str, seconds: float | None
) -> None:
    """Write nothing to clusters for a unit, to a cluster, or to any."""
    subject = read_subject(what, namespace)
    scope = _SCOPES[only or "everything"]
    try:
        hold = context.client().holds.pause(subject, scope=scope, reason=reason, end_time=_end(seconds))
    except NotFoundError as error:
        raise _missing(context, subject) from error
    until = f" until {words.moment(hold.end_time)}" if hold.HasField("end_time") else ""
    kept = f": nothing is {'removed' if only == 'removals' else 'changed'}" if only else ""
    click.echo(f"{shown_subject(subject)} paused{until}{kept}")


@click.command(epilog=_RESUME_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar=_SUBJECT, shell_complete=subject_names())
@namespace_option
@click.option("--only", type=click.Choice(tuple(_SCOPES)), help="Which of its pauses to end [default: all]")
@pass_context
def resume(context: Context, *, what: tuple[str, ...], namespace: str, only: str | None) -> None:
    """End a pause; what it kept back is written."""
    subject = read_subject(what, namespace)
    scope = _SCOPES[only] if only else hold_pb2.HOLD_SCOPE_UNSPECIFIED
    try:
        answer = context.client().holds.resume(subject, scope=scope)
    except NotFoundError as error:
        raise _missing(context, subject) from error
    click.echo(f"{shown_subject(subject)} {'resumed' if answer.ended else 'was not paused'}")
    for hold in answer.remaining:
        context.note(f"still held: {views.hold_text(hold)}")


@click.command(epilog=_THAW_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar=_SUBJECT, shell_complete=subject_names())
@namespace_option
@click.option("--window", "windows", multiple=True, metavar="NAME", help="Freeze window to break; can be repeated")
@click.option("--reason", required=True, help="Why, for others to see")
@click.option("--for", "seconds", type=Seconds(), help="How long [default: until the window ends]")
@pass_context
def thaw(
    context: Context,
    *,
    what: tuple[str, ...],
    namespace: str,
    windows: tuple[str, ...],
    reason: str,
    seconds: float | None,
) -> None:
    """Let urgent changes through freeze windows."""
    subject = read_subject(what, namespace)
    named = windows or _asked(context, subject)
    try:
        answer = context.client().holds.thaw(subject, named, reason=reason, end_time=_end(seconds))
    except NotFoundError as error:
        raise _missing(context, subject) from error
    click.echo(f"{shown_subject(subject)} thawed until {words.moment(answer.end_time)}")
    for hold in answer.remaining:
        context.note(f"still held: {views.hold_text(hold)}")


def _asked(context: Context, subject: str) -> Sequence[str]:
    """Have the windows that are on confirmed, each by its name."""
    held = context.client().holds.list(subject)
    frozen = [hold for hold in held if hold.kind == hold_pb2.HOLD_KIND_FREEZE and subject not in hold.thawed]
    if not frozen:
        raise Failure(f"no freeze window is on for {shown_subject(subject)}")
    names = [hold.reason for hold in frozen]
    if not sys.stdin.isatty():
        flags = " ".join(f"--window {name}" for name in names)
        raise UsageFailure(f"name the freeze windows to break: {flags}")
    for hold in frozen:
        click.echo(views.hold_text(hold), err=True)
        if click.prompt("Type the name of the window to break it", err=True) != hold.reason:
            raise Failure("that is another name; nothing was changed")
    return names


def _end(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else views.utc_now() + dt.timedelta(seconds=seconds)


def _missing(context: Context, subject: str) -> Failure:
    if subject.startswith("clusters/"):
        return missing(context.client(), kinds.CLUSTER, last_part(subject), namespace="")
    namespace, name = split_unit_name(subject)
    return missing(context.client(), kinds.UNIT, name, namespace=namespace)
