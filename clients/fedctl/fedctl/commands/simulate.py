import click

from fedctl.context import Context, pass_context
from fedctl.failures import Exit, UsageFailure
from fedctl.options import namespace_option, output_as
from fedctl.output import placement_views
from fedctl.output.printing import print_table
from fedctl.simulations import comes_short, deciding, print_document, print_simulations
from fedsvc.v1 import placement_service_pb2
from fedsvc_client import unit_name

_EXAMPLES = """\b
Examples:
  fedctl simulate --lose-region eu                    what if a region is gone
  fedctl simulate --add eu-2 --count 3                what if there were three more clusters like eu-2
  fedctl simulate shop --replicas 200                 what if shop asked for twice as many replicas
  fedctl simulate shop --placement everywhere         what if shop used another policy
  fedctl simulate --lose-cluster eu-1 --lose-cluster eu-2 -o json

\b
Exit codes: 0 everything would find its place, 1 something would not or a minimum is not met, 3 there is no such unit.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("units", nargs=-1, metavar="[UNIT]...")
@namespace_option
@click.option("--lose-cluster", "clusters", multiple=True, metavar="CLUSTER", help="This cluster is gone")
@click.option("--lose-region", "regions", multiple=True, metavar="REGION", help="All clusters of this region are gone")
@click.option("--lose-zone", "zones", multiple=True, metavar="ZONE", help="All clusters in nothing but this zone")
@click.option("--lose-provider", "providers", multiple=True, metavar="PROVIDER", help="All clusters of this provider")
@click.option("--add", "likes", multiple=True, metavar="CLUSTER", help="There is another cluster like this one")
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many of each --add")
@click.option("--add-region", default="", metavar="REGION", help="Region of the added clusters, if another")
@click.option(
    "--replicas",
    "percent",
    type=click.IntRange(1, 10_000),
    default=100,
    metavar="PERCENT",
    show_default=True,
    help="Replicas of all workloads, in percent of what is asked for",
)
@click.option(
    "--placement",
    "policy",
    default="",
    metavar="POLICY",
    help="This placement policy instead of the units' own placement",
)
@output_as("table", "wide", "json", "yaml", help="How to print; wide shows the room that would be left")
@pass_context
def simulate(
    context: Context,
    *,
    units: tuple[str, ...],
    namespace: str,
    clusters: tuple[str, ...],
    regions: tuple[str, ...],
    zones: tuple[str, ...],
    providers: tuple[str, ...],
    likes: tuple[str, ...],
    count: int,
    add_region: str,
    percent: int,
    policy: str,
    output: str,
) -> None:
    """Say what would become of units if things were different. Nothing is changed.

    Without UNIT, of all units.
    """
    if (count != 1 or add_region) and not likes:
        raise UsageFailure("--count and --add-region say more of --add CLUSTER, which is missing")
    request = placement_service_pb2.SimulatePlacementRequest(
        units=[unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace) for unit in units],
        lost_clusters=[name.removeprefix("clusters/") for name in clusters],
        lost_regions=regions,
        lost_zones=zones,
        lost_providers=providers,
        added_clusters=[
            placement_service_pb2.AddedClusters(like=like.removeprefix("clusters/"), count=count, region=add_region)
            for like in likes
        ],
        replicas_percent=percent,
        placement_policy=policy,
    )
    with context.progress("Deciding on a copy of the fleet"):
        answer = deciding(context.client(), lambda: context.client().placement.simulate(request))
    if output in ("json", "yaml"):
        print_document(answer, output)
    else:
        print_simulations(context, answer.units, unit_count=answer.unit_count)
        if output == "wide" and answer.room:
            click.echo()
            print_table(context.console(), placement_views.rooms(), list(answer.room))
    click.get_current_context().exit(int(Exit.FAILED if comes_short(answer.units) else Exit.DONE))
