import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.completing import what as kind_and_name
from fedctl.context import Context, pass_context
from fedctl.failures import UsageFailure
from fedctl.listing import WATCHED, Filter
from fedctl.listing_flags import check_filter
from fedctl.options import all_namespaces_option, namespace_option, namespace_wanted, output_option
from fedctl.watching import follow
from fedsvc_client import unit_name

_EXAMPLES = """\b
Examples:
  fedctl watch units -A
  fedctl watch unit/shop
  fedctl watch works --unit shop
  fedctl watch works --cluster eu-1 -o json
  fedctl watch events
"""


@click.command(epilog=_EXAMPLES)
@click.argument(
    "what",
    nargs=-1,
    required=True,
    metavar="KIND [NAME] | KIND/NAME",
    shell_complete=kind_and_name(*WATCHED, kinds.POLICY, is_plural=True),
)
@namespace_option
@all_namespaces_option
@click.option("-l", "--selector", default="", help="Only what has these labels")
@click.option("--unit", default="", shell_complete=names(kinds.UNIT), help="Only works or events of this unit")
@click.option("--cluster", default="", shell_complete=names(kinds.CLUSTER), help="Only works or events of this cluster")
@output_option
@pass_context
def watch(
    context: Context,
    *,
    what: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    selector: str,
    unit: str,
    cluster: str,
    output: str,
) -> None:
    """Follow changes as they happen: what is there first, then every change.

    The watch survives restarts of the server: it goes on where it was cut.
    """
    targets = kinds.split_targets(what)
    kind, name = targets[0]
    if len(targets) != 1:
        raise UsageFailure(f"it follows one at a time, for example:  fedctl watch {kind.plural}")
    asked = kinds.parts(kind, name)
    wanted = Filter(
        namespace=namespace_wanted(asked, namespace, all_namespaces=all_namespaces),
        selector=selector,
        unit=unit_name(unit, namespace) if unit else "",
        cluster=cluster.removeprefix("clusters/"),
    )
    check_filter(asked, wanted)
    follow(context, asked, name, wanted, output=output, namespace=namespace)
