import click

from fedctl import kinds
from fedctl.completing import what as kind_and_name
from fedctl.context import Context, pass_context
from fedctl.failures import UsageFailure
from fedctl.members import change_cluster, cluster_and_rest
from fedctl.output.words import labels_text
from fedsvc.v1 import cluster_pb2

_EXAMPLES = """\b
Examples:
  fedctl label cluster eu-1 tier=prod team=web
  fedctl label cluster eu-1 tier=test --overwrite
  fedctl label cluster eu-1 team-                   remove it

\b
Units that are placed by labels follow at once.
"""


@click.command(epilog=_EXAMPLES)
@click.argument(
    "what",
    nargs=-1,
    required=True,
    metavar="cluster NAME KEY=VALUE... KEY-...",
    shell_complete=kind_and_name(kinds.CLUSTER),
)
@click.option("--overwrite", is_flag=True, help="Change labels that have another value")
@pass_context
def label(context: Context, *, what: tuple[str, ...], overwrite: bool) -> None:
    """Set or remove labels of a cluster."""
    name, changes = cluster_and_rest(what, "label", "KEY=VALUE")
    wanted = _read(changes)

    def change(cluster: cluster_pb2.Cluster) -> bool:
        before = dict(cluster.labels)
        for key, value in wanted.items():
            if value is None:
                cluster.labels.pop(key, None)
            elif key in before and before[key] != value and not overwrite:
                raise UsageFailure(f"{key} is {before[key]!r} already; --overwrite changes it")
            else:
                cluster.labels[key] = value
        return before != dict(cluster.labels)

    stored = change_cluster(context.client(), name, ["labels"], change)
    if stored is None:
        click.echo(f"cluster/{name} unchanged")
    else:
        click.echo(f"cluster/{name} labeled: {labels_text(stored.labels)}")


def _read(changes: tuple[str, ...]) -> dict[str, str | None]:
    wanted: dict[str, str | None] = {}
    for change in changes:
        key, is_set, value = change.partition("=")
        if is_set and key:
            wanted[key] = value
        elif change.endswith("-") and len(change) > 1:
            wanted[change[:-1]] = None
        else:
            raise UsageFailure(f"{change!r}: write KEY=VALUE to set a label, KEY- to remove it")
    return wanted
