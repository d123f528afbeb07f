import json
from typing import Any

import click

from fedctl import kinds
from fedctl.commands.status import read_status
from fedctl.completing import what as kind_and_name
from fedctl.context import Context, pass_context
from fedctl.describing import describe_cluster, describe_resource, describe_unit, describe_work
from fedctl.failures import UsageFailure
from fedctl.files.convert import write_message
from fedctl.files.shape import API_VERSION, write_document
from fedctl.kinds import Kind
from fedctl.listing import missing, read_one
from fedctl.options import namespace_option, output_option
from fedctl.output.printing import name_of, print_documents, to_yaml
from fedsvc.v1 import cluster_pb2, resource_pb2
from fedsvc_client import NotFoundError

_EXAMPLES = """\b
Examples:
  fedctl describe unit shop
  fedctl describe cluster eu-1
  fedctl describe work 42
  fedctl describe resource Deployment/web
  fedctl describe placementpolicy everywhere
"""


_KINDS = tuple(kind for kind in kinds.KINDS if kind != kinds.POLICY)


@click.command(epilog=_EXAMPLES)
@click.argument(
    "what", nargs=-1, required=True, metavar="KIND NAME... | KIND/NAME...", shell_complete=kind_and_name(*_KINDS)
)
@namespace_option
@output_option
@pass_context
def describe(context: Context, *, what: tuple[str, ...], namespace: str, output: str) -> None:
    """Show everything about one object, and why it is as it is.

    For a unit: what became of it on every cluster, why a cluster was or was not chosen, and for each work that is not
    applied the words of the cluster's own answer. With -o json or yaml it is the document that `get` prints; that of
    a unit also has what placement said of every cluster.
    """
    targets = kinds.split_targets(what)
    for kind, name in targets:
        if not name:
            raise UsageFailure(f"say which {kind.singular}: fedctl describe {kind.singular} NAME")
        kinds.parts(kind, name)
    if output == "name":
        for kind, name in targets:
            click.echo(name_of(kind, read_one(context.client(), kind, name, namespace=namespace)))
        return
    if output in ("json", "yaml"):
        documents = [_document(context, kind, name, namespace) for kind, name in targets]
        single = len(documents) == 1
        value = documents[0] if single else {"apiVersion": API_VERSION, "kind": "List", "items": documents}
        click.echo((json.dumps(value, indent=2, ensure_ascii=False) if output == "json" else to_yaml(value)).rstrip())
        return
    for number, (kind, name) in enumerate(targets):
        if number:
            click.echo()
        _describe(context, kind, name, namespace)


def _document(context: Context, kind: Kind, name: str, namespace: str) -> dict[str, Any]:
    client = context.client()
    document = write_document(read_one(client, kind, name, namespace=namespace))
    if kind == kinds.UNIT:
        answer = read_status(client, name, namespace)
        document["status"] = {
            **write_message(answer.unit.status),
            "verdicts": [write_message(verdict) for verdict in answer.verdicts],
            "warnings": list(answer.warnings),
        }
    return document


def _describe(context: Context, kind: Kind, name: str, namespace: str) -> None:
    client = context.client()
    if kind == kinds.UNIT:
        # The status call leaves the manifests out, which here would only be carried about.
        describe_unit(context, read_status(client, name, namespace))
        return
    row = read_one(client, kind, name, namespace=namespace)
    if isinstance(row, cluster_pb2.Cluster):
        describe_cluster(context, row)
    elif isinstance(row, resource_pb2.FederatedResource):
        try:
            describe_resource(context, client.resources.get(row.name))
        except NotFoundError as error:  # gone between the two calls
            raise missing(client, kind, name, namespace=namespace) from error
    elif isinstance(row, resource_pb2.Work):
        describe_work(context, row)
    else:
        print_documents([row], output="yaml", is_single=True)
