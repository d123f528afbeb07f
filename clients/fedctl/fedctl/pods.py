"""`fedctl get pods`: the pods that units run, read from the members when they are asked for."""

import datetime as dt
import json

import click

from fedctl import kinds
from fedctl.asking import Answers, Asked
from fedctl.context import Context
from fedctl.files.convert import write_message
from fedctl.files.shape import API_VERSION
from fedctl.listing import missing
from fedctl.output import views, words
from fedctl.output.printing import print_table, to_yaml
from fedctl.output.tables import Column, Table
from fedsvc.v1 import member_pb2
from fedsvc_client import NotFoundError, unit_name


def show_pods(context: Context, *, unit: str, namespace: str, asked: Asked, output: str) -> None:
    """Print the pods of a unit, or (an empty one) all in a namespace of the members; exits with how it went.

    Raises:
        Failure: There is no such unit.
    """
    client, answers = context.client(), Answers()
    parent = unit_name(unit, namespace) if unit else f"namespaces/{namespace}/units/-"
    found: list[member_pb2.MemberPod] = []
    try:
        for response in client.members.pods(parent, **asked.checked().keywords()):
            answers.take(response.answer)
            found.extend(response.pods)
    except NotFoundError as error:
        named = next((name for name in asked.clusters if name in error.message), "")
        kind, name = (kinds.CLUSTER, named) if named else (kinds.UNIT, unit)
        raise missing(client, kind, name, namespace=namespace) from error
    found.sort(key=lambda pod: (pod.cluster, pod.namespace, pod.pod))
    _print(context, found, output=output, unit=unit, space=words.namespace_id(parent))
    if not found and answers.answered and output in ("table", "wide"):
        whose = f"unit {views.unit_text(parent)}" if unit else f"namespace {namespace!r}"
        context.note(f"No pods of {whose} on {words.count(answers.answered, 'cluster')} that answered.")
    answers.tell_if_none_was_asked(context)
    answers.tell(context)
    click.get_current_context().exit(int(answers.exit_code))


def _print(context: Context, pods: list[member_pb2.MemberPod], *, output: str, unit: str, space: str) -> None:
    if output == "name":
        for pod in pods:
            click.echo(f"pod/{pod.cluster}/{pod.namespace}/{pod.pod}")
    elif output in ("json", "yaml"):
        items = [write_message(pod) for pod in pods]
        value = {"apiVersion": API_VERSION, "kind": "List", "items": items}
        is_json = output == "json"
        click.echo(json.dumps(value, indent=2, ensure_ascii=False) if is_json else to_yaml(value).rstrip())
    else:
        hidden = {"UNIT"} if unit else set()
        if not any(pod.message for pod in pods):
            hidden.add("MESSAGE")
        if all(pod.namespace == space for pod in pods):
            hidden.add("NAMESPACE")
        print_table(context.console(), table(), pods, wide=output == "wide", hidden=hidden)


def table(now: views.Now = views.utc_now) -> Table[member_pb2.MemberPod]:
    """Make the table of pods."""
    return Table(
        columns=(
            Column(title="CLUSTER", text=lambda row: row.cluster),
            Column(title="UNIT", text=lambda row: views.unit_text(row.unit) if row.unit else words.NONE),
            Column(title="NAMESPACE", text=lambda row: row.namespace),
            Column(title="POD", text=lambda row: row.pod, is_long=True),
            Column(title="READY", text=lambda row: f"{row.ready_containers}/{row.container_count}"),
            Column(title="STATUS", text=lambda row: row.status, style=_style),
            Column(title="RESTARTS", text=lambda row: _restarts(row, now())),
            Column(title="AGE", text=lambda row: words.age(row.create_time, now())),
            Column(title="OWNER", text=_owner, is_wide=True),
            Column(title="NODE", text=lambda row: row.node, is_wide=True),
            Column(title="ADDRESS", text=lambda row: row.address, is_wide=True),
            Column(title="MESSAGE", text=lambda row: words.one_line(row.message), is_long=True, gives_way=True),
        )
    )


def _restarts(row: member_pb2.MemberPod, now: dt.datetime) -> str:
    when = f" ({words.age(row.last_restart_time, now)} ago)" if row.HasField("last_restart_time") else ""
    return f"{row.restarts}{when if row.restarts else ''}"


def _owner(row: member_pb2.MemberPod) -> str:
    return f"{row.owner.kind}/{row.owner.name}" if row.HasField("owner") else words.NONE


def _style(status: str) -> str:
    if status in ("Running", "Completed"):
        return words.GREEN
    soft = ("Pending", "Terminating", "NotReady", "ContainerCreating", "PodInitializing", "Unschedulable")
    return words.YELLOW if status in soft or status.startswith("Init:") else words.RED
