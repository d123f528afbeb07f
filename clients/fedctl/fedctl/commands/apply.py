import shutil
from collections.abc import Sequence
from pathlib import Path

import click

from fedctl import kinds
from fedctl.applying import Outcome, apply_item
from fedctl.commands.wait import wait_for
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.explain import failure_of
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.files.plan import Item, default_unit_name, make_plan
from fedctl.files.source import read_documents, read_kustomization
from fedctl.options import namespace_option, recursive_option, timeout_option
from fedctl.removals import check_confirmed, confirm_removal_option, is_meant, with_confirmation
from fedctl.target import Target
from fedsvc.v1 import unit_pb2
from fedsvc_client import DeadlineError, FedsvcError, UnauthenticatedError, UnavailableError, split_unit_name

_EXAMPLES = """\b
Examples:
  fedctl apply -f app.yaml --unit shop --all-clusters
  fedctl apply -f app/ --unit shop --clusters eu-1,us-1 --wait
  fedctl apply -f app/ -R --unit shop --selector tier=prod -n web
  fedctl apply -f unit.yaml --dry-run
  fedctl apply -k overlays/prod --unit shop --placement everywhere
  fedctl apply -f app/ --unit shop --confirm-removal shop     it loses more objects than goes without being asked
  kustomize build app | fedctl apply -f - --unit shop --all-clusters

\b
Plain Kubernetes manifests become one unit together: --unit names it, otherwise the file or folder does. A unit that is
there already keeps its placement where no flag tells another. fedsvc's own documents (apiVersion: fedsvc.io/v1, kind
Unit, PlacementPolicy, OverridePolicy or StatusPolicy) say all of that themselves. Resources that are no longer in the
files leave the unit and the clusters.
"""


@click.command(epilog=_EXAMPLES)
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE|DIR|-", help="What to apply; can be repeated")
@recursive_option
@click.option(
    "-k", "--kustomize", metavar="DIR", type=click.Path(path_type=Path), help="Build and apply a kustomization"
)
@click.option(
    "--unit", default="", shell_complete=names(kinds.UNIT), metavar="NAME", help="Name of the unit of plain manifests"
)
@namespace_option
@click.option(
    "--clusters", metavar="A,B", shell_complete=names(kinds.CLUSTER, is_list=True), help="Place it on these clusters"
)
@click.option("-l", "--selector", metavar="K=V", help="Place it on the clusters with these labels")
@click.option("--all-clusters", is_flag=True, help="Place it on all clusters")
@click.option(
    "--placement",
    metavar="POLICY",
    shell_complete=names(kinds.PLACEMENT_POLICY),
    help="Place it by this placement policy",
)
@click.option("--dry-run", is_flag=True, help="Check and show what would happen; nothing is stored")
@confirm_removal_option
@click.option("--wait", is_flag=True, help="Wait until the units are ready")
@timeout_option("5m")
@pass_context
def apply(
    context: Context,
    *,
    files: tuple[str, ...],
    recursive: bool,
    kustomize: Path | None,
    unit: str,
    namespace: str,
    clusters: str | None,
    selector: str | None,
    all_clusters: bool,
    placement: str | None,
    dry_run: bool,
    confirmed: tuple[str, ...],
    wait: bool,
    timeout_seconds: float,
) -> None:
    """Apply manifests or fedsvc documents as units and policies."""
    if bool(files) == (kustomize is not None):
        raise UsageFailure("say what to apply: -f FILE, -f DIR, -f - or -k DIR (not both -f and -k)")
    if recursive and not files:
        raise UsageFailure("-R is for -f DIR; a kustomization names all that it is built of")
    target = Target(clusters=clusters, selector=selector, all_clusters=all_clusters, placement=placement)
    flags = target.given()
    if kustomize is None:
        documents = read_documents(files, recursive=recursive)
    else:
        documents = read_kustomization(kustomize, kubectl=shutil.which("kubectl"))
    default = default_unit_name(files or (str(kustomize),))
    plan = make_plan(documents, unit=unit, namespace=namespace, default_unit=default)
    if flags and all(item.document is not None for item in plan.items):
        raise UsageFailure(
            f"{flags[0]} is for plain manifests; these documents tell their placement in `spec.placement`"
        )
    for remark in plan.remarks:
        context.note(remark)
    check_confirmed(confirmed, [item.message.name for item in plan.items if isinstance(item.message, unit_pb2.Unit)])
    applied = _apply_all(context, plan.items, target, confirmed, dry_run=dry_run)
    if wait and not dry_run:
        for item in applied:
            space, name = split_unit_name(item.message.name)
            wait_for(context, name, "ready", timeout_seconds, space)
            click.echo(f"unit/{space}/{name} is ready")


def _apply_all(
    context: Context, items: Sequence[Item], target: Target, confirmed: Sequence[str], *, dry_run: bool
) -> list[Item]:
    """Apply each; one that is refused does not keep the others back. Return the units among them."""
    failures: list[Failure] = []
    for item in items:
        try:
            outcome = _apply_one(context, item, target, confirmed, dry_run=dry_run)
            _show(context, outcome, dry_run=dry_run)
        except (UnavailableError, UnauthenticatedError, DeadlineError):
            raise
        except Failure as failure:
            failures.append(failure)
        except FedsvcError as error:
            failures.append(failure_of(error))
    if len(failures) == 1:
        raise failures[0]
    for each in failures:
        each.show()
    if failures:
        raise Failure(f"{len(failures)} of {len(items)} were not applied", code=Exit(failures[0].exit_code))
    return [item for item in items if isinstance(item.message, unit_pb2.Unit)]


def _apply_one(context: Context, item: Item, target: Target, confirmed: Sequence[str], *, dry_run: bool) -> Outcome:
    given = [item.message.name] if any(is_meant(name, item.message.name) for name in confirmed) else []

    def act(asked: Sequence[str]) -> Outcome:
        with context.progress(f"applying {item.title}"):
            return apply_item(context.client(), item, target, dry_run=dry_run, confirmed=[*given, *asked])

    return with_confirmation(act, may_ask=not dry_run)


def _show(context: Context, outcome: Outcome, *, dry_run: bool) -> None:
    for remark in outcome.remarks:
        context.note(remark)
    click.echo(outcome.line + (" (dry run)" if dry_run else ""))
    if dry_run:
        for line in outcome.details:
            click.echo(f"  {line}")
    for warning in outcome.warnings:
        context.warn(warning)
