from collections.abc import Sequence
from operator import itemgetter

import click
from google.protobuf.message import Message

from fedctl import kinds
from fedctl.asking import Asked
from fedctl.completing import names
from fedctl.completing import what as kind_and_name
from fedctl.context import Context, pass_context
from fedctl.failures import UsageFailure
from fedctl.kinds import Kind
from fedctl.listing import TABLES, Filter, missing, read_list, read_one
from fedctl.listing_flags import check_filter
from fedctl.options import Seconds, all_namespaces_option, namespace_option, namespace_wanted, output_option
from fedctl.output import views
from fedctl.output.printing import print_documents, print_names, print_table
from fedctl.pods import show_pods
from fedctl.watching import follow
from fedsvc.v1 import resource_pb2
from fedsvc_client import NotFoundError, split_unit_name, unit_name

_EXAMPLES = """\b
Examples:
  fedctl get clusters
  fedctl get units -A -o wide
  fedctl get unit shop -o yaml
  fedctl get works --unit shop --trouble
  fedctl get works --cluster eu-1 -w
  fedctl get clusters -l region=eu -o name
  fedctl get events                            of all clusters and units; -n shop: of the units there
  fedctl get pods shop                         of unit shop, on all its clusters
  fedctl get pods -n web --all-clusters        all pods of namespace web, on every cluster
"""


@click.command(epilog=_EXAMPLES)
@click.argument(
    "what",
    nargs=-1,
    metavar="KIND [NAME]... | KIND/NAME...",
    shell_complete=kind_and_name(*kinds.KINDS, is_plural=True),
)
@namespace_option
@all_namespaces_option
@click.option("-l", "--selector", default="", help="Only what has these labels: tier=prod,region in (eu,us)")
@click.option(
    "--unit", default="", shell_complete=names(kinds.UNIT), help="Only resources, works or events of this unit"
)
@click.option(
    "--cluster", default="", shell_complete=names(kinds.CLUSTER), help="Only works, events or pods of this cluster"
)
@click.option("--trouble", is_flag=True, help="Only works that are not applied, not healthy or not heard of")
@click.option("--all-clusters", is_flag=True, help="Pods: of every cluster, not only of those that hold anything of it")
@click.option(
    "--member-timeout",
    "member_seconds",
    type=Seconds(),
    default="5s",
    show_default=True,
    help="Pods: how long each cluster may take to answer",
)
@output_option
@click.option("-w", "--watch", is_flag=True, help="Follow the changes")
@pass_context
def get(
    context: Context,
    *,
    what: tuple[str, ...],
    namespace: str,
    all_namespaces: bool,
    selector: str,
    unit: str,
    cluster: str,
    trouble: bool,
    output: str,
    watch: bool,
    all_clusters: bool,
    member_seconds: float,
) -> None:
    """Show clusters, units, resources, works, policies, events or pods.

    Pods are read from the clusters when they are asked for; all else is what the server knows.
    """
    if (pods_of := kinds.pods_wanted(what)) is not None:
        if watch or trouble or selector or all_namespaces:
            raise UsageFailure("pods are restricted by UNIT, -n, --cluster and --all-clusters only, and not followed")
        asked_of = Asked(
            clusters=[cluster] if cluster else [], all_clusters=all_clusters, member_seconds=member_seconds
        )
        show_pods(context, unit=pods_of or unit, namespace=namespace, asked=asked_of, output=output)
    if all_clusters:
        raise UsageFailure("--all-clusters is for pods; all else is always of all clusters")
    said = kinds.split_targets(what)
    targets = [(each, name) for kind, name in said for each in kinds.parts(kind, name)]
    wanted = Filter(
        namespace=namespace_wanted([kind for kind, _ in targets], namespace, all_namespaces=all_namespaces),
        selector=selector,
        unit=unit_name(unit, namespace) if unit else "",
        cluster=cluster.removeprefix("clusters/"),
        only_trouble=trouble,
    )
    check_filter([kind for kind, _ in targets], wanted)
    if watch:
        if len(said) != 1:
            raise UsageFailure(f"-w follows one at a time, for example:  fedctl get {said[0][0].plural} -w")
        if trouble:
            raise UsageFailure("--trouble is not for -w, which shows every change")
        asked, name = [kind for kind, _ in targets], said[0][1]
        follow(context, asked, name, wanted, output=output, namespace=namespace)
        return
    named = [(kind, name) for kind, name in targets if name]
    if named:
        rows = [(kind, read_one(context.client(), kind, name, namespace=namespace)) for kind, name in named]
        _show(context, rows, output=output, is_single=len(named) == 1, wanted=Filter())
        return
    found = [(kind, row) for kind, _ in targets for row in read_list(context.client(), kind, wanted).rows]
    _show(context, found, output=output, is_single=False, wanted=wanted)
    if not found and output in ("table", "wide"):
        _tell_nothing(context, [kind for kind, _ in targets], wanted)


def _show(
    context: Context, rows: Sequence[tuple[Kind, Message]], *, output: str, is_single: bool, wanted: Filter
) -> None:
    if output in ("json", "yaml"):
        print_documents([row for _, row in rows], output=output, is_single=is_single)
        return
    if output == "name":
        print_names(rows)
        return
    shown = list(dict.fromkeys(kind for kind, _ in rows))
    for number, kind in enumerate(shown):
        if number:
            click.echo()
        hidden = {"NAMESPACE"} if kind == kinds.UNIT and wanted.namespace else set()
        prefix = f"{kind.singular}/" if len(shown) > 1 else ""
        print_table(
            context.console(),
            TABLES[kind](),
            [row for each, row in rows if each == kind],
            wide=output == "wide",
            hidden=hidden,
            prefix=prefix,
        )
        works = [row for _, row in rows if isinstance(row, resource_pb2.Work)] if kind == kinds.WORK else []
        of_resources = [row for row in map(itemgetter(1), rows) if isinstance(row, resource_pb2.FederatedResource)]
        unheard = views.silent_words(of_resources) if kind == kinds.RESOURCE else ""
        if stale := views.stale_words(works, views.utc_now()) or unheard:
            context.note(stale)


def _tell_nothing(context: Context, asked: Sequence[Kind], wanted: Filter) -> None:
    """Say that nothing was found, and where there is something.

    Raises:
        Failure: What was asked for is of a cluster that is not there.
    """
    if wanted.cluster:
        try:
            context.client().clusters.get(wanted.cluster)
        except NotFoundError as error:
            raise missing(context.client(), kinds.CLUSTER, wanted.cluster, namespace="") from error
    plural = " or ".join(kind.plural for kind in asked)
    kind = asked[0]
    if kind.is_namespaced and wanted.namespace and not (wanted.unit or wanted.cluster):
        context.note(f"No {plural} in namespace {wanted.namespace!r}.")
        others = read_list(context.client(), kinds.UNIT, Filter(selector=wanted.selector)).rows
        spaces = sorted({split_unit_name(str(getattr(row, "name", "")))[0] for row in others})
        if spaces:
            context.note(f"There are units in: {', '.join(spaces[:10])}. Use -n NAMESPACE, or -A for all.")
        return
    context.note(f"No {plural} found.")
    if kind == kinds.CLUSTER and not wanted.selector:
        context.note("Make one a member:  fedctl join NAME --context KUBECONFIG-CONTEXT     or try:  fedctl demo")
