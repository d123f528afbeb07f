import json

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.options import namespace_option, output_option
from fedctl.output import rollout_views, views, words
from fedctl.output.printing import print_documents, print_table, to_yaml
from fedsvc.v1 import common_pb2, revision_pb2, unit_pb2
from fedsvc_client import NotFoundError, split_unit_name, unit_name

_EXAMPLES = """\b
Examples:
  fedctl history shop                          the revisions that are kept, newest first
  fedctl history shop --revision 4             what revision 4 changed
  fedctl history shop --revision 4 -o yaml     the unit as it was then
  diff <(fedctl history shop --revision 4 -o yaml) <(fedctl history shop --revision 5 -o yaml)

\b
+ added, ~ changed, - taken out; then the fields of the unit's spec that changed.
Bring one back:  fedctl rollback shop --to 4
"""


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@namespace_option
@click.option("--revision", type=click.IntRange(min=1), help="Show this one, with all that it changed")
@output_option
@pass_context
def history(context: Context, *, unit: str, namespace: str, revision: int | None, output: str) -> None:
    """Show the revisions of a unit, and what each changed."""
    name = unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace)
    if revision is not None:
        _show_one(context, name, revision, output)
        return
    try:
        rows = list(context.client().revisions.list(name))
    except NotFoundError as error:
        raise missing(context.client(), kinds.UNIT, unit, namespace=namespace) from error
    if output in ("table", "wide"):
        print_table(context.console(), rollout_views.revisions(), rows, wide=output == "wide")
    elif output == "name":
        for row in rows:
            click.echo(f"revision/{row.revision}")
    else:
        value = {"revisions": [write_message(row) for row in rows]}
        click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())


def _show_one(context: Context, name: str, revision: int, output: str) -> None:
    try:
        answer = context.client().revisions.get(name, revision)
    except NotFoundError as error:
        if "/revisions/" not in error.message:
            space, unit = split_unit_name(name)
            raise missing(context.client(), kinds.UNIT, unit, namespace=space) from error
        hint = f"Those that are kept:  fedctl history {views.unit_text(name)}"
        text = f"revision {revision} of unit {views.unit_text(name)} does not exist, or is not kept any more"
        raise Failure(text, code=Exit.NOT_FOUND, hint=hint) from error
    if output in ("json", "yaml"):
        then = unit_pb2.Unit(name=name, spec=answer.spec, revision=answer.revision.revision)
        print_documents([then], output=output, is_single=True)
    elif output == "name":
        click.echo(f"revision/{answer.revision.revision}")
    else:
        _describe(answer.revision)


def _describe(row: revision_pb2.UnitRevision) -> None:
    age = words.age(row.create_time, views.utc_now())
    by = f" by {row.author}" if row.author else ""
    click.echo(f"revision {row.revision} of unit {views.unit_text(row.name)}, {age} ago{by}")
    if row.restores:
        click.echo(f"  brings back revision {row.restores}")
    click.echo(f"  held by {', '.join(row.clusters) or 'no cluster'}")
    if not row.HasField("changes"):
        click.echo("  what it changed is not known: the revision before is not kept")
    changes = row.changes
    for sign, refs in (("+", changes.added), ("~", changes.changed), ("-", changes.removed)):
        for ref in refs:
            click.echo(f"  {sign} {_object(ref)}")
    for field in changes.fields:
        click.echo(f"  ~ spec.{field}")


def _object(ref: common_pb2.ManifestRef) -> str:
    return views.object_text(ref)
