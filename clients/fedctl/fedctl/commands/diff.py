import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.explain import failure_of
from fedctl.listing import missing
from fedctl.options import Seconds, namespace_option, output_as
from fedctl.output import words
from fedctl.output.differences import print_differences
from fedctl.simulations import print_document
from fedsvc_client import FedsvcError, NotFoundError, split_unit_name, unit_name

SAME, DIFFERENT, TROUBLE = 0, 1, 2
_SLACK_SECONDS = 5

_EXAMPLES = """\b
Examples:
  fedctl diff shop                       all clusters the unit is on
  fedctl diff shop --cluster eu-1        one of them
  fedctl diff shop -o json | jq .differences

\b
Exit codes, as those of diff:
  0 nothing differs   1 something does   2 a cluster did not say   3 and more as elsewhere
"""


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@namespace_option
@click.option(
    "--cluster", "clusters", multiple=True, shell_complete=names(kinds.CLUSTER), help="Only this cluster; repeatable"
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=Seconds(),
    default="10s",
    show_default=True,
    help="How long each cluster has to answer, 25s at most",
)
@output_as("text", "json", "yaml", "name")
@click.pass_context
@pass_context
def diff(
    context: Context,
    ctx: click.Context,
    *,
    unit: str,
    namespace: str,
    clusters: tuple[str, ...],
    timeout_seconds: float,
    output: str,
) -> None:
    """Show what an apply would change in the clusters: what shall be against what is there now.

    Each cluster is asked by a server-side dry run, so defaults, webhooks and other field managers are all in it.
    Nothing is written. Values of Secrets are masked.
    """
    client, name = context.client(), unit_name(unit.removeprefix("unit/"), namespace)
    seconds = max(round(timeout_seconds), 1)
    try:
        with context.progress("Asking the clusters"):
            answer = client.ownership.diff(
                name,
                clusters=clusters,
                member_timeout_seconds=seconds,
                timeout_seconds=seconds + _SLACK_SECONDS,
            )
    except NotFoundError as error:
        raise missing(client, kinds.UNIT, unit, namespace=namespace) from error
    except FedsvcError as error:
        failure = failure_of(error)
        if failure.exit_code == DIFFERENT:
            failure.exit_code = TROUBLE  # type: ignore[misc] # click reads it from the instance
        raise failure from error
    if output in ("json", "yaml"):
        print_document(answer, output)
    elif output == "name":
        for entry in answer.differences:
            place = f"{entry.ref.namespace}/{entry.ref.name}".removeprefix("/")
            click.echo(f"{entry.cluster} {entry.ref.kind.lower()}/{place}")
    else:
        print_differences(context.console(), answer)
    silent = [line for line in answer.clusters if line.trouble]
    for line in silent:
        context.warn(f"cluster/{line.cluster}: {line.trouble}")
    if not answer.differences and not silent and output == "text":
        shown, count = "/".join(split_unit_name(name)), sum(line.work_count for line in answer.clusters)
        where = words.count(len(answer.clusters), "cluster")
        click.echo(f"unit/{shown}: nothing differs ({words.count(count, 'object')} on {where})")
    ctx.exit(TROUBLE if silent else DIFFERENT if answer.differences else SAME)
