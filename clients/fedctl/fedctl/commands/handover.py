import sys
from collections.abc import Callable, Sequence

import click

from fedctl import kinds
from fedctl.commands.automation import release_automation
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.listing import missing
from fedctl.options import namespace_option
from fedctl.output.views import object_text
from fedctl.resources import find_resources
from fedctl.subjects import FLEET, read_hold_subject
from fedsvc.v1 import cluster_service_pb2, common_pb2
from fedsvc_client import NotFoundError, PreconditionError, split_unit_name, unit_name

_HANDOVER_EXAMPLES = """\b
Examples:
  fedctl handover shop payments configmap/limits               show it, ask, and do it
  fedctl handover shop payments deployment/api service/api -y
  fedctl handover shop payments configmap/limits --dry-run

\b
In files: the unit that gets it says  propagation: {adopts: [namespaces/default/units/shop]}
Where the other may be applied first, it says  propagation: {gives: [namespaces/default/units/payments]}
"""
_RELEASE_EXAMPLES = """\b
Examples:
  fedctl release shop configmap/limits    take it out of the unit, leave it in the clusters
  fedctl release shop --all               delete the unit, leave all its objects in the clusters
  fedctl release fleet                    let automation act again: see fedctl automation
"""


def _options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask"),
        click.option("--dry-run", is_flag=True, help="Check and show only"),
        namespace_option,
    ):
        function = option(function)
    return function


@click.command(epilog=_HANDOVER_EXAMPLES)
@click.argument("source", metavar="FROM", shell_complete=names(kinds.UNIT))
@click.argument("target", metavar="TO", shell_complete=names(kinds.UNIT))
@click.argument("resources", nargs=-1, required=True, metavar="KIND/NAME...")
@_options
@pass_context
def handover(
    context: Context,
    *,
    source: str,
    target: str,
    resources: tuple[str, ...],
    namespace: str,
    dry_run: bool,
    is_sure: bool,
) -> None:
    """Move resources from one unit to another; their objects stay where they are.

    The other unit has to be on the same clusters. Afterwards the files of both units may be applied in any order.
    """
    client, giver, taker = context.client(), _name(source, namespace), _name(target, namespace)
    _check_there(context, giver, taker)
    refs = find_resources(client, giver, resources)

    def do(*, validate_only: bool) -> list[str]:
        answer = client.ownership.hand_over(giver, taker, refs, validate_only=validate_only)
        return list(answer.clusters)

    what = f"{_listed(refs)}: from {_unit(giver)} to {_unit(taker)}"
    _carry_out(do, what, done="handed over", dry_run=dry_run, is_sure=is_sure)


@click.command(epilog=_RELEASE_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@click.argument("resources", nargs=-1, metavar="[KIND/NAME]...")
@click.option("--all", "is_all", is_flag=True, help="The unit as a whole")
@_options
@pass_context
def release(
    context: Context,
    *,
    unit: str,
    resources: tuple[str, ...],
    is_all: bool,
    namespace: str,
    dry_run: bool,
    is_sure: bool,
) -> None:
    """Let resources go: they leave the unit, and their objects stay in the clusters, no longer managed.

    Labels, annotations and ownership of fedsvc are taken off them; nothing else of them changes.

    Of fleet, region/NAME or cluster/NAME: let automation act again, on what is lost now, too (see fedctl automation).
    """
    is_place = unit == FLEET or unit.startswith(("cluster/", "clusters/", "region/", "regions/"))
    if is_place and not resources and not is_all:
        release_automation(context, read_hold_subject((unit,), namespace))
        return
    if is_all == bool(resources):
        raise UsageFailure("say which resources, or --all" if not resources else "--all means all: name none")
    client, name = context.client(), _name(unit, namespace)
    _check_there(context, name)
    refs = find_resources(client, name, resources)

    def do(*, validate_only: bool) -> list[str]:
        if not is_all:
            return list(client.ownership.release(name, refs, validate_only=validate_only).clusters)
        orphan = cluster_service_pb2.OBJECT_DELETION_ORPHAN
        answer = client.units.delete(name, cascade=orphan, validate_only=validate_only)
        return [line.cluster for line in answer.unit.status.clusters]

    what = f"{_unit(name)} as a whole" if is_all else f"{_listed(refs)} of {_unit(name)}"
    _carry_out(do, what, done="released", dry_run=dry_run, is_sure=is_sure)


def _carry_out(do: Callable[..., list[str]], what: str, *, done: str, dry_run: bool, is_sure: bool) -> None:
    try:
        where = ", ".join(do(validate_only=True)) or "no cluster"
        if dry_run:
            click.echo(f"{what}: would be {done}, on {where} (dry run)")
            return
        if not is_sure:
            click.echo(f"{what}: will be {done}, on {where}; the objects stay", err=True)
            if not sys.stdin.isatty():
                raise UsageFailure("nothing was done: say --yes to do it without being asked")
            click.confirm("Do it?", abort=True, err=True)
        where = ", ".join(do(validate_only=False)) or "no cluster"
    except PreconditionError as error:
        raise Failure(error.message, code=Exit.CONFLICT) from error
    click.echo(f"{what}: {done}, on {where}")


def _check_there(context: Context, *units: str) -> None:
    for name in units:
        try:
            context.client().units.get(name)
        except NotFoundError as error:
            namespace, short = split_unit_name(name)
            raise missing(context.client(), kinds.UNIT, short, namespace=namespace) from error


def _name(unit: str, namespace: str) -> str:
    return unit_name(unit.removeprefix("unit/").removeprefix("units/"), namespace)


def _unit(name: str) -> str:
    return f"unit/{'/'.join(split_unit_name(name))}"


def _listed(refs: Sequence[common_pb2.ManifestRef]) -> str:
    return ", ".join(map(object_text, refs))
