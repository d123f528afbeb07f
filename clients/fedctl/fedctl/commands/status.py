import contextlib
import json

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.describing import print_unit_clusters
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.files.convert import write_message
from fedctl.listing import missing
from fedctl.options import namespace_option, output_option
from fedctl.output import failover_views, views, words
from fedctl.output.printing import print_names, to_yaml
from fedctl.resource_status import print_resource_status, resource_document
from fedctl.watching import Trouble
from fedsvc.v1 import common_pb2, resource_pb2, unit_pb2, unit_service_pb2, watch_service_pb2
from fedsvc_client import Client, Kind, NotFoundError, Resynced, Synced, UnsupportedError, split_unit_name, unit_name
from fedsvc_client.names import last_part

_EXAMPLES = """\b
Examples:
  fedctl status shop
  fedctl status web/shop
  fedctl status shop && echo all is well
  fedctl status shop -w                        again whenever it changes, until interrupted
  fedctl status shop --resource Deployment/web   one object: what each cluster says of it, and the sum

\b
Exit codes: 0 the unit is ready everywhere, 1 it is not (or a cluster of it is not heard), 3 there is no such unit.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@namespace_option
@output_option
@click.option("-w", "--watch", is_flag=True, help="Show it again whenever it changes")
@click.option("--resource", default="", metavar="KIND/NAME", help="Of one object: each cluster's value, and the sum")
@pass_context
def status(context: Context, *, unit: str, namespace: str, output: str, watch: bool, resource: str) -> None:
    """Show how a unit fares, a line a cluster."""
    unit = unit.removeprefix("unit/").removeprefix("units/")
    if resource:
        if watch:
            raise UsageFailure("-w and --resource do not go together; follow it with:  fedctl get works --unit UNIT -w")
        _show_resource(context, unit, resource, namespace, output)
        return
    answer = read_status(context.client(), unit, namespace)
    _print(context, answer, output)
    if watch:
        _follow(context, answer, output)
    is_well = answer.unit.status.state == unit_pb2.UNIT_STATE_READY
    click.get_current_context().exit(int(Exit.DONE if is_well else Exit.FAILED))


def _show_resource(context: Context, unit: str, wanted: str, namespace: str, output: str) -> None:
    """Print the status of one object of a unit.

    Raises:
        Failure: There is no such unit or object, or there are several.
    """
    client, name = context.client(), unit_name(unit, namespace)
    try:
        found = list(client.resources.list(parent=name))
    except NotFoundError as error:
        raise missing(client, kinds.UNIT, unit, namespace=namespace) from error
    if not found:
        read_status(client, unit, namespace)  # tells where there is no such unit
    chosen = [row for row in found if wanted.lower() in _names_of(row)]
    shown = ", ".join(f"{row.ref.kind}/{row.ref.name}" for row in (chosen or found)[:10])
    if not chosen:
        hint = f"There are: {shown}" if found else ""
        raise Failure(f"unit {views.unit_text(name)} has no resource {wanted!r}", code=Exit.NOT_FOUND, hint=hint)
    if len(chosen) > 1:
        raise Failure(f"resource {wanted!r} is not the only one; write NAMESPACE/NAME of one of: {shown}")
    answer = client.resources.get(chosen[0].name)
    if output in ("json", "yaml"):
        document = resource_document(answer)
        is_json = output == "json"
        click.echo(json.dumps(document, indent=2, ensure_ascii=False) if is_json else to_yaml(document).rstrip())
    elif output == "name":
        print_names([(kinds.RESOURCE, answer.resource)])
    else:
        print_resource_status(context.console(), answer)
    is_well = answer.resource.health == "Healthy" and not answer.resource.silent_clusters
    all_applied = answer.resource.applied_work_count == answer.resource.work_count > 0
    click.get_current_context().exit(int(Exit.DONE if is_well and all_applied else Exit.FAILED))


def _names_of(row: resource_pb2.FederatedResource) -> set[str]:
    ref = row.ref
    texts = (
        ref.name,
        f"{ref.kind}/{ref.name}",
        f"{ref.kind}/{ref.namespace}/{ref.name}",
        f"{ref.namespace}/{ref.name}",
    )
    return {last_part(row.name), *(text.lower() for text in texts)}


def _print(context: Context, answer: unit_service_pb2.GetUnitStatusResponse, output: str) -> None:
    if output in ("table", "wide"):  # a line a cluster has no column that is left out
        print_status(context, answer)
        _print_pending(context, answer.unit.name)
    elif output == "name":
        print_names([(kinds.UNIT, answer.unit)])
    else:
        _print_document(answer, output)


def _print_pending(context: Context, unit: str) -> None:
    """Say what of a unit does not leave a lost cluster, or not go back, for now, and what lets it."""
    with contextlib.suppress(UnsupportedError):  # an older server knows of none
        for move in context.client().automation.pending_moves(unit=unit):
            click.echo(failover_views.pending_text(move, views.utc_now()))


def _follow(context: Context, answer: unit_service_pb2.GetUnitStatusResponse, output: str) -> None:
    """Print how a unit fares whenever that changes, until interrupted.

    Raises:
        Failure: The unit is gone.
    """
    client, name, news = context.client(), answer.unit.name, _news(answer, output)
    namespace, unit = split_unit_name(name)
    with client.watch(Kind.UNIT, name=name, on_trouble=Trouble(context).told) as changes:
        for change in changes:
            if isinstance(change, Synced | Resynced):
                continue
            if change.type == watch_service_pb2.CHANGE_TYPE_DELETED:
                raise Failure(f"unit {views.unit_text(name)} is gone", code=Exit.NOT_FOUND)
            answer = read_status(client, unit, namespace)
            if news != (news := _news(answer, output)):
                click.echo("---" if output == "yaml" else "", nl=output in ("table", "wide", "yaml"))
                _print(context, answer, output)


def _news(answer: unit_service_pb2.GetUnitStatusResponse, output: str) -> object:
    """Return what is different when something new would be printed; ages alone do not count."""
    if output not in ("table", "wide"):
        return answer.SerializeToString(deterministic=True)
    unit, table = answer.unit, views.unit_clusters()
    conditions = [(item.type, item.status, item.message) for item in unit.status.conditions]
    lines = [(table.news(line), line.message) for line in unit.status.clusters]
    return (views.unit_state(unit), views.ready_text(unit.status), unit.revision, conditions, lines, *answer.warnings)


def read_status(client: Client, unit: str, namespace: str) -> unit_service_pb2.GetUnitStatusResponse:
    """Read how a unit fares.

    Raises:
        Failure: There is none; the message tells what is near.
    """
    try:
        return client.units.status(unit_name(unit, namespace))
    except NotFoundError as error:
        raise missing(client, kinds.UNIT, unit, namespace=namespace) from error


def print_status(context: Context, answer: unit_service_pb2.GetUnitStatusResponse) -> None:
    """Print the summary, a line a cluster, and what is odd."""
    unit, console = answer.unit, context.console()
    state = views.unit_state(unit)
    replicas = f"{views.ready_text(unit.status)} replicas ready"
    console.print(f"unit {views.unit_text(unit.name)}: ", end="")
    console.print(state, style=words.style_of(state) or None, end="")
    console.print(f", {replicas}, revision {unit.revision}")
    unmet = [item for item in unit.status.conditions if item.status != common_pb2.CONDITION_STATUS_TRUE]
    told: dict[str, list[str]] = {}
    for condition in unmet:
        told.setdefault(_without_words_of_lines(condition.message, unit.status), []).append(condition.type)
    for message, kinds_of_it in told.items():
        if message:
            console.print(f"  {', '.join(kinds_of_it)}: {message}")
    for warning in answer.warnings:
        context.warn(warning)
    if unit.status.clusters:
        console.print()
        print_unit_clusters(console, unit.status)


def _without_words_of_lines(message: str, status: unit_pb2.UnitStatus) -> str:
    """Leave out of a condition's message what stands below the table anyway: "b: X is Failed (why)", and "X: why"."""
    for line in status.clusters:
        _, _, why = line.message.partition(": ")
        if why and message.endswith(f" ({why})"):
            message = message.removesuffix(f" ({why})")
    return words.one_line(message)


def _print_document(answer: unit_service_pb2.GetUnitStatusResponse, output: str) -> None:
    value = {"name": answer.unit.name, **write_message(answer.unit.status)}
    value["verdicts"] = [write_message(verdict) for verdict in answer.verdicts]
    value["warnings"] = list(answer.warnings)
    click.echo(json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value).rstrip())
