import sys

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.listing import missing
from fedctl.options import namespace_option
from fedctl.output.views import object_text
from fedctl.resources import find_resources
from fedsvc_client import NotFoundError, PreconditionError, split_unit_name, unit_name

_EXAMPLES = """\b
Examples:
  fedctl recreate shop deployment/web                  show what it means, ask, and do it
  fedctl recreate shop deployment/web --cluster eu-1   on one cluster first
  fedctl recreate shop job/migrate --revision 7 --yes  exactly what was looked at, without asking

\b
A unit allows it with:  propagation: {immutable: recreate}
"""


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@click.argument("resource", metavar="KIND/NAME")
@namespace_option
@click.option(
    "--cluster", "clusters", multiple=True, shell_complete=names(kinds.CLUSTER), help="Only on this cluster; repeatable"
)
@click.option("--revision", type=click.IntRange(min=1), help="The revision that is confirmed [default: that of now]")
@click.option("--dry-run", is_flag=True, help="Check only")
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@pass_context
def recreate(
    context: Context,
    *,
    unit: str,
    resource: str,
    namespace: str,
    clusters: tuple[str, ...],
    revision: int | None,
    dry_run: bool,
    is_sure: bool,
) -> None:
    """Let an object be deleted and made anew whose template changes what cannot be changed.

    It is of one resource at one revision: later changes ask anew.
    """
    client, name = context.client(), unit_name(unit.removeprefix("unit/"), namespace)
    try:
        stored = client.units.get(name)
    except NotFoundError as error:
        raise missing(client, kinds.UNIT, unit, namespace=namespace) from error
    (ref,) = find_resources(client, name, [resource])
    wanted = revision or stored.revision

    def confirm(*, validate_only: bool) -> list[str]:
        try:
            answer = client.ownership.confirm_recreation(
                name, ref, revision=wanted, clusters=clusters, validate_only=validate_only
            )
        except PreconditionError as error:
            raise Failure(error.message, code=Exit.CONFLICT) from error
        return list(answer.clusters)

    where = ", ".join(confirm(validate_only=True))
    shown = f"{object_text(ref)} of unit/{'/'.join(split_unit_name(name))} at revision {wanted}"
    if dry_run:
        click.echo(f"{shown} would be deleted and made anew on {where} (dry run)")
        return
    if not is_sure:
        click.echo(f"{shown} will be deleted and made anew on {where}; what it runs stops meanwhile", err=True)
        if not sys.stdin.isatty():
            raise UsageFailure("nothing was done: say --yes to do it without being asked")
        click.confirm("Do it?", abort=True, err=True)
    click.echo(f"{shown} is being made anew on {', '.join(confirm(validate_only=False))}")
