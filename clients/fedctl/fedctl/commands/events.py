import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.timestamp_pb2 import Timestamp

from fedctl import kinds
from fedctl.asking import Answers, Asked, cluster_options
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.files.convert import write_message
from fedctl.files.shape import API_VERSION
from fedctl.listing import missing
from fedctl.options import namespace_option, output_as
from fedctl.output import views, words
from fedctl.output.printing import print_table, to_yaml
from fedctl.output.tables import Column, Table
from fedsvc.v1 import event_pb2, member_pb2
from fedsvc_client import Client, NotFoundError, unit_name

_EXAMPLES = """\b
Examples:
  fedctl events shop
  fedctl events shop --warnings --cluster eu-1
  fedctl events shop -o json

\b
Of all objects, clusters included:  fedctl get events
Exit codes: 0 done, 3 there is no such unit, 7 a cluster did not answer.
"""

_FEDSVC = "fedsvc"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """An event, whoever tells it."""

    last: Timestamp
    type: str
    reason: str
    object: str
    cluster: str
    count: int
    source: str
    message: str


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@namespace_option
@click.option("--warnings", is_flag=True, help="Only those of type Warning")
@output_as("table", "wide", "json", "yaml")
@cluster_options
@pass_context
def events(
    context: Context,
    *,
    unit: str,
    namespace: str,
    warnings: bool,
    output: str,
    clusters: tuple[str, ...],
    all_clusters: bool,
    member_seconds: float,
) -> None:
    """Show what happened to a unit, here and in its clusters, the newest first.

    Those of the clusters are read from them now: of the objects that the unit has there and of what these own, such as
    the pods of a Deployment. Equal ones are one, with how often.
    """
    asked = Asked(clusters=clusters, all_clusters=all_clusters, member_seconds=member_seconds).checked()
    unit = unit.removeprefix("unit/").removeprefix("units/")
    client, answers, name = context.client(), Answers(), unit_name(unit, namespace)
    found: list[member_pb2.MemberEvent] = []
    try:
        wanted = {**asked.keywords(), "type": "Warning" if warnings else ""}
        for response in client.members.events(name, **wanted):
            answers.take(response.answer)
            found.extend(response.events)
    except NotFoundError as error:
        named = next((cluster for cluster in asked.keywords()["clusters"] if cluster in error.message), "")
        kind, text = (kinds.CLUSTER, named) if f"clusters/{named}" in error.message else (kinds.UNIT, unit)
        raise missing(client, kind, text, namespace=namespace) from error
    own = _own(client, name, asked.keywords()["clusters"], warnings=warnings)
    if output in ("json", "yaml"):
        items = [{"kind": "Event", **write_message(event)} for event in own]
        items += [{"kind": "MemberEvent", **write_message(event)} for event in found]
        value: dict[str, Any] = {"apiVersion": API_VERSION, "kind": "List", "items": items}
        is_json = output == "json"
        click.echo(json.dumps(value, indent=2, ensure_ascii=False) if is_json else to_yaml(value).rstrip())
    else:
        _print(context, [*map(_line_of_own, own), *map(_line_of_member, found)], wide=output == "wide")
    answers.tell(context)
    click.get_current_context().exit(int(answers.exit_code))


def _own(client: Client, name: str, clusters: Iterable[str], *, warnings: bool) -> list[event_pb2.Event]:
    chosen = set(clusters)
    return [
        event
        for event in client.events.list(subject=name)
        if (not chosen or event.cluster in chosen) and (not warnings or event.type == "Warning")
    ]


def _print(context: Context, lines: list[_Line], *, wide: bool) -> None:
    if not lines:
        context.note("No events.")
        return
    lines.sort(key=lambda line: (line.last.seconds, line.last.nanos), reverse=True)
    print_table(context.console(), _table(), lines, wide=wide)


def _table() -> Table[_Line]:
    return Table(
        columns=(
            Column(title="LAST SEEN", text=lambda row: words.age(row.last, views.utc_now())),
            Column(title="TYPE", text=lambda row: row.type, style=words.style_of),
            Column(title="REASON", text=lambda row: row.reason),
            Column(title="COUNT", text=lambda row: str(row.count)),
            Column(title="CLUSTER", text=lambda row: row.cluster),
            Column(title="OBJECT", text=lambda row: row.object, is_long=True),
            Column(title="SOURCE", text=lambda row: row.source, is_wide=True),
            Column(title="MESSAGE", text=lambda row: row.message, is_long=True),
        )
    )


def _line_of_own(event: event_pb2.Event) -> _Line:
    return _Line(
        last=event.update_time,
        type=event.type,
        reason=event.reason,
        object=views.subject_text(event.subject),
        cluster=event.cluster,
        count=event.count,
        source=_FEDSVC,
        message=words.one_line(event.message),
    )


def _line_of_member(event: member_pb2.MemberEvent) -> _Line:
    return _Line(
        last=event.last_time,
        type=event.type,
        reason=event.reason,
        object=f"{event.object.kind}/{event.object.name}",
        cluster=event.cluster,
        count=event.count,
        source=event.source,
        message=words.one_line(event.message),
    )
