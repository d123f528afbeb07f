import click

from fedctl import kinds
from fedctl.commands.status import read_status
from fedctl.context import Context, pass_context
from fedctl.describing import describe_cluster, describe_resource, describe_unit, describe_work
from fedctl.failures import UsageFailure
from fedctl.kinds import Kind
from fedctl.listing import missing, read_one
from fedctl.options import namespace_option
from fedctl.output.printing import print_documents
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


@click.command(epilog=_EXAMPLES)
@click.argument("what", nargs=-1, required=True, metavar="KIND NAME... | KIND/NAME...")
@namespace_option
@pass_context
def describe(context: Context, *, what: tuple[str, ...], namespace: str) -> None:
    """Show everything about one object, and why it is as it is.

    For a unit: what became of it on every cluster, why a cluster was or was not chosen, and for each work that is not
    applied the words of the cluster's own answer.
    """
    for number, (kind, name) in enumerate(kinds.split_targets(what)):
        if not name:
            raise UsageFailure(f"say which {kind.singular}: fedctl describe {kind.singular} NAME")
        if number:
            click.echo()
        _describe(context, kind, name, namespace)


def _describe(context: Context, kind: Kind, name: str, namespace: str) -> None:
    client = context.client()
    kinds.parts(kind, name)
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
