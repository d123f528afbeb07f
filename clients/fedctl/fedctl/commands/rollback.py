import json
import sys
from collections.abc import Sequence

import click

from fedctl import kinds
from fedctl.commands.wait import wait_for
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.options import namespace_option, output_as, timeout_option
from fedctl.output import views
from fedctl.output.printing import to_yaml
from fedctl.removals import UnconfirmedFailure, check_confirmed, confirm_removal_option, is_unconfirmed
from fedsvc.v1 import revision_service_pb2, unit_service_pb2
from fedsvc_client import ConflictError, NotFoundError, PreconditionError, split_unit_name, unit_name

_EXAMPLES = """\b
Examples:
  fedctl rollback shop --dry-run          what going back by one revision would change
  fedctl rollback shop                    show it, ask, and do it
  fedctl rollback shop --to 4 --yes       to revision 4, without asking
  fedctl rollback shop --at-once          to all clusters at once, whatever the rollout policy says

\b
It makes a new revision with the content of the earlier one; while a rollout is under way, of the one it began with.
The rollout policy stays as it is now, and says in which waves the way back goes; back from a rollout that is under way
it goes at once. See also  fedctl rollout abort.
"""
_SIGNS = {
    unit_service_pb2.APPLY_OUTCOME_CREATED: "+",
    unit_service_pb2.APPLY_OUTCOME_CONFIGURED: "~",
    unit_service_pb2.APPLY_OUTCOME_REMOVED: "-",
}


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@namespace_option
@click.option("--to", "revision", type=click.IntRange(min=1), default=None, help="The revision; else the one before")
@click.option("--at-once", is_flag=True, help="To all clusters at once")
@click.option("--dry-run", is_flag=True, help="Only show what would change")
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@confirm_removal_option
@click.option("--wait", is_flag=True, help="Wait until the unit is ready")
@timeout_option("5m")
@output_as("text", "json", "yaml", "name")
@pass_context
def rollback(
    context: Context,
    *,
    unit: str,
    namespace: str,
    revision: int | None,
    at_once: bool,
    dry_run: bool,
    is_sure: bool,
    confirmed: tuple[str, ...],
    wait: bool,
    timeout_seconds: float,
    output: str,
) -> None:
    """Bring an earlier revision of a unit back. What would change is shown first."""
    name = unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace)
    check_confirmed(confirmed, [name])
    known = [name] if confirmed else []
    plan, etag = _plan(context, name, revision or 0, known, at_once=at_once)
    is_same = plan.outcome == unit_service_pb2.APPLY_OUTCOME_UNCHANGED
    if output == "text" or not (is_sure or dry_run):
        _show(context, name, plan, is_document=output != "text")
    if dry_run or is_same:
        if output != "text":
            _print(plan, name, output)
        return
    if not is_sure:
        if not sys.stdin.isatty():
            raise Failure("nothing was rolled back: say --yes to do it without being asked")
        click.confirm("Roll it back?", abort=True, err=True)
    try:
        done = context.client().revisions.roll_back(
            name, revision=plan.restored_revision, etag=etag, at_once=at_once, confirmed_removals=known
        )
    except ConflictError as error:
        hint = "Look at it again and repeat the command"
        raise Failure(f"{error.message}: nothing was rolled back", code=Exit.CONFLICT, hint=hint) from error
    space, short = split_unit_name(name)
    if output == "text":
        click.echo(f"unit/{space}/{short} rolled back to {done.restored_revision} as revision {done.unit.revision}")
    else:
        _print(done, name, output)
    if done.in_waves:
        context.note(f"It goes over the clusters in waves:  fedctl rollout status {views.unit_text(name)} -w")
    if wait:
        wait_for(context, short, "ready", timeout_seconds, space)


def _plan(
    context: Context, name: str, revision: int, confirmed: Sequence[str], *, at_once: bool
) -> tuple[revision_service_pb2.RollBackUnitResponse, str]:
    """Ask what would become of it; return that, and the etag of the unit it was asked of."""
    client = context.client()
    try:
        etag = client.units.status(name).unit.etag
        shown = client.revisions.roll_back(
            name, revision=revision, etag=etag, at_once=at_once, confirmed_removals=confirmed, validate_only=True
        )
    except NotFoundError as error:
        if "/revisions/" not in error.message:
            space, unit = split_unit_name(name)
            raise missing(client, kinds.UNIT, unit, namespace=space) from error
        hint = f"Those that are kept:  fedctl history {views.unit_text(name)}"
        text = f"revision {revision} of unit {views.unit_text(name)} does not exist, or is not kept any more"
        raise Failure(text, code=Exit.NOT_FOUND, hint=hint) from error
    except PreconditionError as error:
        if is_unconfirmed(error):
            raise UnconfirmedFailure(error) from error
        raise Failure(error.message, code=Exit.CONFLICT) from error
    return shown, etag


def _show(context: Context, name: str, plan: revision_service_pb2.RollBackUnitResponse, *, is_document: bool) -> None:
    """Say what would change; beside a document on stderr."""
    unit = views.unit_text(name)
    if plan.outcome == unit_service_pb2.APPLY_OUTCOME_UNCHANGED:
        click.echo(f"unit {unit} is as in revision {plan.restored_revision} already: nothing to do", err=is_document)
        return
    click.echo(f"unit {unit} would be as in revision {plan.restored_revision} again:", err=is_document)
    for resource in plan.resources:
        if resource.outcome in _SIGNS:
            click.echo(f"  {_SIGNS[resource.outcome]} {views.object_text(resource.ref)}", err=is_document)
    for field in plan.fields:
        click.echo(f"  ~ spec.{field}", err=is_document)
    where = ", ".join(plan.clusters) or "no cluster"
    click.echo(f"on {where}, {'in waves' if plan.in_waves else 'at once'}", err=is_document)
    for warning in plan.warnings:
        context.warn(warning)


def _print(answer: revision_service_pb2.RollBackUnitResponse, name: str, output: str) -> None:
    if output == "name":
        click.echo(f"unit/{'/'.join(split_unit_name(name))}")
        return
    value = write_message(answer)
    click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())
