import click

from fedctl import kinds
from fedctl.commands import dns_asking
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.options import output_as
from fedctl.output import dns_views, words
from fedctl.output.printing import print_table, print_value
from fedsvc.v1 import zone_pb2
from fedsvc_client import NotFoundError, PreconditionError
from fedsvc_client.names import last_part

_EXAMPLES = """\b
Examples:
  fedctl dns zones
  fedctl dns records main                           what a zone holds
  fedctl dns explain web.shop.main.svc.example.org  why a name answers what it answers
  fedctl dns verify                                 whether all name servers answer so
  fedctl dns plan main                              what would change, and what waits
  fedctl dns apply main                             let that be done
  fedctl dns freeze main                            nothing of it changes
  fedctl dns confirm main 1f3c5b7a90de2468          let names go that wait for it
"""
_RECORDS_EXAMPLES = """\b
Examples:
  fedctl dns records              of all zones
  fedctl dns records main
  fedctl dns records main -o json
"""
_EXPLAIN_EXAMPLES = """\b
Examples:
  fedctl dns explain web.shop.main.svc.example.org
  fedctl dns explain shop.example.org -o json
"""
_FREEZE_EXAMPLES = """\b
Examples:
  fedctl dns freeze main
  fedctl dns unfreeze main
"""
_CONFIRM_EXAMPLES = """\b
Examples:
  fedctl describe zone main                  what waits, why, and the digest that stands for it
  fedctl dns confirm main 1f3c5b7a90de2468
"""
_output = output_as("table", "json", "yaml")
_zone = click.argument("zone", shell_complete=names(kinds.ZONE))


@click.group(epilog=_EXAMPLES)
def dns() -> None:
    """Show what DNS zones hold and why; verify, plan, freeze them."""


for command in (dns_asking.zones, dns_asking.verify, dns_asking.plan, dns_asking.apply):
    dns.add_command(command)


@dns.command(epilog=_RECORDS_EXAMPLES)
@click.argument("zone", required=False, shell_complete=names(kinds.ZONE))
@_output
@pass_context
def records(context: Context, *, zone: str | None, output: str) -> None:
    """Show what a zone holds, or all of them."""
    client = context.client()
    wanted = [zone] if zone else [last_part(found.name) for found in client.zones.list()]
    rows: list[zone_pb2.RecordSet] = []
    for name in wanted:
        try:
            rows.extend(client.zones.record_sets(name, page_size=1000))
        except NotFoundError as error:
            raise missing(client, kinds.ZONE, name, namespace="") from error
    if output != "table":
        print_value({"recordSets": [write_message(row) for row in rows]}, output)
        return
    if not rows:
        context.note("no unit has names there yet" if wanted else "there are no zones")
    print_table(context.console(), dns_views.record_sets(), rows)


@dns.command(epilog=_EXPLAIN_EXAMPLES)
@click.argument("name")
@_output
@pass_context
def explain(context: Context, *, name: str, output: str) -> None:
    """Say why a name answers what it answers: which clusters are in, which are out, and for what."""
    try:
        found = context.client().zones.explain(name)
    except NotFoundError as error:
        hint = "`fedctl dns records` lists all names."
        raise Failure(f"no zone has the name {name!r}", code=Exit.NOT_FOUND, hint=hint) from error
    if output != "table":
        print_value(write_message(found), output)
        return
    console = context.console()
    for line in found.lines:
        style = words.GREEN if line.startswith("in ") else words.DIM if line.startswith("out ") else None
        console.print(line, style=style, overflow="ignore", crop=False)
    console.print()
    print_table(console, dns_views.record_sets(), list(found.record_sets))


@dns.command(epilog=_FREEZE_EXAMPLES)
@_zone
@pass_context
def freeze(context: Context, *, zone: str) -> None:
    """Let nothing of a zone change, whatever becomes of its units."""
    _set_frozen(context, zone, is_frozen=True)


@dns.command(epilog=_FREEZE_EXAMPLES)
@_zone
@pass_context
def unfreeze(context: Context, *, zone: str) -> None:
    """Let a zone change again; what waited is done at once."""
    _set_frozen(context, zone, is_frozen=False)


@dns.command(epilog=_CONFIRM_EXAMPLES)
@_zone
@click.argument("approval")
@pass_context
def confirm(context: Context, *, zone: str, approval: str) -> None:
    """Let names go that wait since they are many; APPROVAL stands for exactly these."""
    client = context.client()
    try:
        client.zones.confirm(zone, approval)
    except NotFoundError as error:
        raise missing(client, kinds.ZONE, zone, namespace="") from error
    except PreconditionError as error:
        hint = f"What waits now:  fedctl describe zone {zone}"
        raise Failure(error.message, code=Exit.CONFLICT, hint=hint) from error
    click.echo(f"zone/{zone} confirmed")


def _set_frozen(context: Context, zone: str, *, is_frozen: bool) -> None:
    client = context.client()
    try:
        found = client.zones.get(zone)
    except NotFoundError as error:
        raise missing(client, kinds.ZONE, zone, namespace="") from error
    word = "frozen" if is_frozen else "unfrozen"
    if found.spec.frozen == is_frozen:
        click.echo(f"zone/{zone} was {word} already" if is_frozen else f"zone/{zone} was not frozen")
        return
    found.spec.frozen = is_frozen
    client.zones.apply(found)  # with its etag: nothing that somebody changed meanwhile is lost
    click.echo(f"zone/{zone} {word}")
