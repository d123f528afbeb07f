from collections.abc import Sequence

import click
from google.protobuf.message import Message

from fedctl import kinds
from fedctl.applying import apply_item
from fedctl.commands.confirm import ask_for_name
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.files.plan import Item, make_plan
from fedctl.files.source import read_documents
from fedctl.listing import Filter, missing, read_list, read_one
from fedctl.options import output_as, output_option
from fedctl.output import dns_views, words
from fedctl.output.printing import print_documents, print_names, print_table
from fedctl.simulations import print_document
from fedctl.target import Target
from fedctl.watching import follow
from fedsvc.v1 import unit_pb2, zone_pb2, zone_service_pb2
from fedsvc_client import InvalidArgumentError, NotFoundError, PreconditionError
from fedsvc_client.names import last_part

SAME, DIFFERENT = 0, 1

_ZONES_EXAMPLES = """\b
Examples:
  fedctl dns zones
  fedctl dns zones main -o yaml
  fedctl dns zones -w                                 as they change, and as name servers come after
"""
_VERIFY_EXAMPLES = """\b
Examples:
  fedctl dns verify                                   all zones
  fedctl dns verify main
  fedctl dns verify main --name shop.example.org      one name of it
  fedctl dns verify main --server 192.0.2.53:5353     another name server than those of the zone, or fedsvc's own
  fedctl dns verify main -o name                      the record sets that are not as planned

\b
Exit codes:
  0 all answer as planned   1 some do not   7 a name server did not say   and others as elsewhere
"""
_PLAN_EXAMPLES = """\b
Examples:
  fedctl dns plan main               what waits, and what is about to change
  fedctl dns plan -f zone.yaml       what the zone of a file would change
  fedctl dns plan -f unit.yaml       what the unit of a file would change in its zone
  fedctl dns plan main -o json | jq .held

\b
Exit codes:
  0 nothing would change and nothing waits   1 something does   2 the document is refused   and others as elsewhere
"""
_APPLY_EXAMPLES = """\b
Examples:
  fedctl dns apply main              shows what waits, asks, and lets it be done
  fedctl dns apply -f zone.yaml      shows what the zone would change, asks, and applies it
  fedctl dns apply main --yes
"""
_output = output_as("text", "json", "yaml", "name")
_zone = click.argument("zone", required=False, shell_complete=names(kinds.ZONE))
_file = click.option("-f", "--filename", metavar="FILE|-", help="A document of a Zone, as it would be")
_any_file = click.option("-f", "--filename", metavar="FILE|-", help="A document of a Zone or Unit, as it would be")


@click.command(epilog=_ZONES_EXAMPLES)
@_zone
@output_option
@click.option("-w", "--watch", is_flag=True, help="Follow the changes")
@pass_context
def zones(context: Context, *, zone: str | None, output: str, watch: bool) -> None:
    """Show the zones: how each stands, and on which name servers it is kept."""
    if watch:
        follow(context, [kinds.ZONE], zone or "", Filter(), output=output, namespace="")
        return
    client = context.client()
    if zone:
        rows = [read_one(client, kinds.ZONE, zone, namespace="")]
    else:
        rows = list(read_list(client, kinds.ZONE, Filter()).rows)
    if output in ("json", "yaml"):
        print_documents(rows, output=output, is_single=bool(zone))
    elif output == "name":
        print_names([(kinds.ZONE, row) for row in rows])
    else:
        if not rows:
            context.note("No zones found.")
        print_table(context.console(), dns_views.zones(), rows, wide=output == "wide")


@click.command(epilog=_VERIFY_EXAMPLES)
@_zone
@click.option("--name", "asked", multiple=True, metavar="NAME", help="Only this name; repeatable")
@click.option("--server", "servers", multiple=True, metavar="HOST[:PORT]", help="Ask this one instead; repeatable")
@_output
@click.pass_context
@pass_context
def verify(
    context: Context,
    ctx: click.Context,
    *,
    zone: str | None,
    asked: tuple[str, ...],
    servers: tuple[str, ...],
    output: str,
) -> None:
    """Ask the name servers of a zone whether they answer as planned: all of them, as resolvers do."""
    if not zone and (asked or servers):
        raise UsageFailure("--name and --server are of one zone: name it")
    endpoints = [_endpoint(text) for text in servers]
    with context.progress("Asking the name servers"):
        found = _ask(context, zone, asked, endpoints)
    rows = [dns_views.Verified(zone=name, server=one) for name, answer in found.items() for one in answer.servers]
    if output in ("json", "yaml"):
        _print_verified(found, output, is_single=bool(zone))
    elif output == "name":
        for line in dict.fromkeys(line for row in rows for line in row.different):
            click.echo(line)
    else:
        print_table(context.console(), dns_views.verified(), rows)
        _print_differences(context, rows)
        for name, answer in found.items():
            if answer.record_set_count < answer.total_count:
                context.note(f"zone/{name}: asked for {answer.record_set_count} of {answer.total_count} record sets")
    if any(row.server.trouble for row in rows):
        ctx.exit(Exit.INCOMPLETE)
    ctx.exit(SAME if all(row.server.agrees for row in rows) else DIFFERENT)


def _ask(
    context: Context, zone: str | None, asked: Sequence[str], servers: Sequence[zone_pb2.NameServerEndpoint]
) -> dict[str, zone_service_pb2.VerifyZoneResponse]:
    """Verify a zone, or all; of all, one that nobody is known for is told of and passed over."""
    client = context.client()
    found: dict[str, zone_service_pb2.VerifyZoneResponse] = {}
    for name in [zone] if zone else [last_part(one.name) for one in client.zones.list()]:
        try:
            found[name] = client.zones.verify(name, names_asked=asked, servers=servers)
        except NotFoundError as error:
            raise missing(client, kinds.ZONE, name, namespace="") from error
        except InvalidArgumentError as error:
            if zone or any(problem.path != "servers" for problem in error.fields):
                raise
            context.note(f"zone/{name}: no name server of it is known; ask one by --server")
    return found


def _print_verified(found: dict[str, zone_service_pb2.VerifyZoneResponse], output: str, *, is_single: bool) -> None:
    if is_single:
        print_document(next(iter(found.values())), output)
        return
    dns_views.print_by_zone(found, output)


def _print_differences(context: Context, rows: Sequence[dns_views.Verified]) -> None:
    console = context.console()
    for row in rows:
        where = dns_views.endpoint_text(row.server.server)
        if row.server.differences:
            console.print(f"\n{row.zone} on {where}:", style="bold", highlight=False)
            for line in row.server.differences:
                console.print(f"  {line}", overflow="ignore", crop=False)
            more = row.server.difference_count - len(row.server.differences)
            if more > 0:
                console.print(f"  and {more} more", style=words.DIM)
        if row.server.trouble:
            context.warn(f"{row.zone} on {where}: {row.server.trouble}")


def _endpoint(text: str) -> zone_pb2.NameServerEndpoint:
    """Read HOST, HOST:PORT, an IPv6 address or [ADDRESS]:PORT."""
    host, colon, port = text.rpartition(":")
    if not colon or (":" in host and not host.startswith("[")) or text.endswith("]"):
        return zone_pb2.NameServerEndpoint(host=text.strip("[]"))
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise UsageFailure(f"--server {text}: '{port}' is no port; write HOST or HOST:PORT")
    return zone_pb2.NameServerEndpoint(host=host.strip("[]"), port=int(port))


@click.command(epilog=_PLAN_EXAMPLES)
@_zone
@_any_file
@_output
@click.pass_context
@pass_context
def plan(context: Context, ctx: click.Context, *, zone: str | None, filename: str | None, output: str) -> None:
    """Show what a zone would change by what is now, or by a unit, and what of it waits; nothing is stored.

    What is shown is of the zone as it was planned: `verify` tells what name servers have.
    """
    if zone and not filename:
        answer = _planned(context, zone)
    elif filename and not zone:
        items = _items(filename, zone_pb2.Zone, unit_pb2.Unit)
        if len(items) > 1:
            raise UsageFailure(f"there are {len(items)} documents in {filename}: plan them one by one")
        answer = _planned_of(context, items[0])
    else:
        raise UsageFailure("name a zone, or give the document of one:  fedctl dns plan ZONE  or  -f FILE")
    if output in ("json", "yaml"):
        print_document(answer, output)
    elif output == "name":
        for line in dns_views.changed_names(answer):
            click.echo(line)
    else:
        _show_plan(context, answer)
        if not answer.change_count and not answer.held_count:
            click.echo("nothing would change, and nothing waits")
    ctx.exit(DIFFERENT if answer.change_count or answer.held_count else SAME)


@click.command(epilog=_APPLY_EXAMPLES)
@_zone
@_file
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@pass_context
def apply(context: Context, *, zone: str | None, filename: str | None, is_sure: bool) -> None:
    """Let what waits in a zone be done, or apply the zones of a file; shows what changes, and asks."""
    if zone and not filename:
        _confirm_waiting(context, zone, is_sure=is_sure)
        return
    if zone or not filename:
        raise UsageFailure("name a zone, or give the document of one:  fedctl dns apply ZONE  or  -f FILE")
    for item in _items(filename, zone_pb2.Zone):
        answer = _planned_of(context, item)
        _show_plan(context, answer)
        if answer.change_count and not is_sure:
            ask_for_name(last_part(item.message.name), f"change {words.count(answer.change_count, 'record set')}")
        outcome = apply_item(context.client(), item, _NOWHERE, dry_run=False, confirmed=[])
        click.echo(outcome.line)
        for warning in outcome.warnings:
            context.warn(warning)


_NOWHERE = Target(clusters=None, selector=None, all_clusters=False, placement=None)


def _confirm_waiting(context: Context, zone: str, *, is_sure: bool) -> None:
    answer = _planned(context, zone)
    if not answer.held_count:
        click.echo(f"zone/{zone}: nothing waits")
        return
    _show_plan(context, answer)
    if not answer.approval:
        hint = f"Let it change again:  fedctl dns unfreeze {zone}"
        raise Failure(f"what waits cannot be confirmed: {answer.held_reason}", code=Exit.CONFLICT, hint=hint)
    if not is_sure:
        ask_for_name(zone, f"change {words.count(answer.held_count, 'record set')}")
    try:
        context.client().zones.confirm(zone, answer.approval)
    except PreconditionError as error:
        hint = f"Look again:  fedctl dns plan {zone}"
        raise Failure(error.message, code=Exit.CONFLICT, hint=hint) from error
    click.echo(f"zone/{zone} confirmed")


def _show_plan(context: Context, answer: zone_service_pb2.PlanZoneResponse) -> None:
    dns_views.print_plan(context.console(), answer)
    for problem in (*answer.problems, *answer.warnings):
        context.warn(problem)


def _planned(context: Context, zone: str) -> zone_service_pb2.PlanZoneResponse:
    client = context.client()
    try:
        return client.zones.plan(zone)
    except NotFoundError as error:
        raise missing(client, kinds.ZONE, zone, namespace="") from error


def _planned_of(context: Context, item: Item) -> zone_service_pb2.PlanZoneResponse:
    assert isinstance(item.message, zone_pb2.Zone | unit_pb2.Unit)
    try:
        return context.client().zones.plan(item.message)
    except InvalidArgumentError as error:
        told = "\n  ".join(item.locate(problem) for problem in error.fields) or error.message
        raise Failure(f"{item.title} is refused: {told}", code=Exit.USAGE) from error


def _items(filename: str, *kinds_taken: type[Message]) -> list[Item]:
    """Read the zones of a file, or the units."""
    made = make_plan(read_documents([filename], recursive=False), unit="", namespace="", default_unit="")
    others = [item.title for item in made.items if not isinstance(item.message, kinds_taken)]
    if others or not made.items:
        found = f"there is {others[0]} in {filename}" if others else f"there is no document in {filename}"
        words_taken = " and ".join(f"{kind.DESCRIPTOR.name.lower()}s" for kind in kinds_taken)
        raise UsageFailure(f"{found}: only {words_taken} are planned here; `fedctl apply` takes the rest")
    return list(made.items)
