from collections.abc import Iterator, Sequence

import click

from fedctl import kinds
from fedctl.commands.wait import wait_for
from fedctl.completing import what as kind_and_name
from fedctl.context import Context, pass_context
from fedctl.failures import UsageFailure
from fedctl.files.plan import default_unit_name, make_plan
from fedctl.files.source import Document, read_documents
from fedctl.kinds import Kind
from fedctl.listing import missing
from fedctl.options import namespace_option, recursive_option, timeout_option
from fedctl.removals import (
    UnconfirmedFailure,
    check_confirmed,
    confirm_removal_option,
    is_meant,
    is_unconfirmed,
    with_confirmation,
)
from fedsvc.v1 import cluster_service_pb2, policy_pb2, zone_pb2
from fedsvc_client import Client, NotFoundError, PreconditionError, split_unit_name, unit_name

_EXAMPLES = """\b
Examples:
  fedctl delete unit shop
  fedctl delete unit shop --wait
  fedctl delete unit shop --confirm-removal shop   it has more objects than go without being asked
  fedctl delete unit shop --cascade orphan      leave the objects in the clusters
  fedctl delete placementpolicy everywhere
  fedctl delete -f unit.yaml

\b
A cluster leaves with:  fedctl unjoin NAME
"""

_CASCADES = {
    "background": cluster_service_pb2.OBJECT_DELETION_BACKGROUND,
    "foreground": cluster_service_pb2.OBJECT_DELETION_FOREGROUND,
    "orphan": cluster_service_pb2.OBJECT_DELETION_ORPHAN,
}


@click.command(epilog=_EXAMPLES)
@click.argument(
    "what",
    nargs=-1,
    metavar="KIND NAME... | KIND/NAME...",
    shell_complete=kind_and_name(kinds.UNIT, *kinds.POLICIES),
)
@click.option("-f", "--filename", "files", multiple=True, metavar="FILE|DIR|-", help="Delete what these files describe")
@recursive_option
@click.option("--unit", default="", metavar="NAME", help="With -f and plain manifests: name of their unit")
@namespace_option
@click.option(
    "--cascade",
    type=click.Choice(tuple(_CASCADES)),
    help="What becomes of the objects in the clusters [default: what the unit says, else background]",
)
@click.option("--ignore-not-found", is_flag=True, help="What is not there is no error")
@click.option("--dry-run", is_flag=True, help="Check only")
@confirm_removal_option
@click.option("--wait", is_flag=True, help="Wait until the units are gone from all clusters")
@timeout_option("5m")
@pass_context
def delete(
    context: Context,
    *,
    what: tuple[str, ...],
    files: tuple[str, ...],
    recursive: bool,
    unit: str,
    namespace: str,
    cascade: str | None,
    ignore_not_found: bool,
    dry_run: bool,
    confirmed: tuple[str, ...],
    wait: bool,
    timeout_seconds: float,
) -> None:
    """Delete units, policies or zones; the objects of units leave the clusters."""
    if bool(what) == bool(files):
        raise UsageFailure("say what to delete: KIND NAME, or -f FILE (not both)")
    targets = (
        _from_words(what) if what else _from_files(read_documents(files, recursive=recursive), files, unit, namespace)
    )
    check_confirmed(confirmed, [unit_name(name, namespace) for kind, name in targets if kind == kinds.UNIT])
    for kind, name, is_there in _delete_all(
        context, targets, namespace, cascade, confirmed, ignore_missing=ignore_not_found, dry_run=dry_run
    ):
        shown = "/".join(split_unit_name(unit_name(name, namespace))) if kind == kinds.UNIT else name
        if not is_there:
            click.echo(f"{kind.singular}/{shown} is not there")
            continue
        done = "is being deleted" if kind == kinds.UNIT else "deleted"
        click.echo(f"{kind.singular}/{shown} {done}" + (" (dry run)" if dry_run else ""))
        if wait and kind == kinds.UNIT and not dry_run:
            wait_for(context, name, "deleted", timeout_seconds, namespace)
            click.echo(f"unit/{shown} is gone")


def _from_words(what: tuple[str, ...]) -> list[tuple[Kind, str]]:
    targets = kinds.split_targets(what)
    for kind, name in targets:
        if kind == kinds.CLUSTER:
            raise UsageFailure("a cluster leaves with:  fedctl unjoin NAME")
        if kind not in (kinds.UNIT, kinds.ZONE, *kinds.POLICIES):
            raise UsageFailure(f"{kind.plural} cannot be deleted: change or delete the unit they belong to")
        if not name:
            raise UsageFailure(f"say which {kind.singular}: fedctl delete {kind.singular} NAME")
    return targets


def _from_files(
    documents: Sequence[Document], files: Sequence[str], unit: str, namespace: str
) -> list[tuple[Kind, str]]:
    plan = make_plan(documents, unit=unit, namespace=namespace, default_unit=default_unit_name(files))
    targets: list[tuple[Kind, str]] = []
    for item in reversed(plan.items):  # units first: they refer to the policies
        if isinstance(item.message, policy_pb2.PlacementPolicy):
            targets.append((kinds.PLACEMENT_POLICY, item.message.name.partition("/")[2]))
        elif isinstance(item.message, policy_pb2.OverridePolicy):
            targets.append((kinds.OVERRIDE_POLICY, item.message.name.partition("/")[2]))
        elif isinstance(item.message, zone_pb2.Zone):
            targets.append((kinds.ZONE, item.message.name.partition("/")[2]))
        elif isinstance(item.message, policy_pb2.StatusPolicy):
            targets.append((kinds.STATUS_POLICY, item.message.name.partition("/")[2]))
        else:
            targets.append((kinds.UNIT, item.message.name))
    return targets


def _delete_all(
    context: Context,
    targets: Sequence[tuple[Kind, str]],
    namespace: str,
    cascade: str | None,
    confirmed: Sequence[str],
    *,
    ignore_missing: bool,
    dry_run: bool,
) -> Iterator[tuple[Kind, str, bool]]:
    """Delete all, units on which others among them depend after these; give each with whether it was there."""
    units = {unit_name(name, namespace) for kind, name in targets if kind == kinds.UNIT}
    left = list(targets)
    while left:
        refused: list[tuple[Kind, str]] = []
        reason: PreconditionError | None = None
        for kind, name in left:
            try:
                is_there = _delete(
                    context,
                    kind,
                    name,
                    namespace,
                    cascade,
                    confirmed=confirmed,
                    ignore_missing=ignore_missing,
                    dry_run=dry_run,
                )
            except PreconditionError as error:
                users = set(error.metadata.get("used_by", "").split(", "))
                if kind != kinds.UNIT or error.reason != "IN_USE" or not users <= units:
                    raise
                if not dry_run:
                    refused.append((kind, name))
                    reason = reason or error
                    continue
                is_there = True  # those that it is in use by would be gone
            yield kind, name, is_there
        if reason is not None and len(refused) == len(left):
            raise reason
        left = refused


def _delete(
    context: Context,
    kind: Kind,
    name: str,
    namespace: str,
    cascade: str | None,
    *,
    confirmed: Sequence[str],
    ignore_missing: bool,
    dry_run: bool,
) -> bool:
    """Delete one; return False where it is not there and that is no error."""
    client = context.client()
    try:
        if kind == kinds.UNIT:
            _delete_unit(client, unit_name(name, namespace), cascade, confirmed, dry_run=dry_run)
        elif kind == kinds.PLACEMENT_POLICY:
            client.policies.delete_placement(name, validate_only=dry_run)
        elif kind == kinds.ZONE:
            for warning in client.zones.delete(name, validate_only=dry_run).warnings:
                context.warn(warning)
        elif kind == kinds.STATUS_POLICY:
            client.policies.delete_status(name, validate_only=dry_run)
        else:
            client.policies.delete_override(name, validate_only=dry_run)
    except NotFoundError as error:
        if ignore_missing:
            return False
        raise missing(client, kind, name, namespace=namespace) from error
    return True


def _delete_unit(client: Client, name: str, cascade: str | None, confirmed: Sequence[str], *, dry_run: bool) -> None:
    given = [name] if any(is_meant(one, name) for one in confirmed) else []

    def act(asked: Sequence[str]) -> None:
        try:
            client.units.delete(
                name,
                cascade=_CASCADES[cascade] if cascade else cluster_service_pb2.OBJECT_DELETION_UNSPECIFIED,
                confirmed_removals=[*given, *asked],
                validate_only=dry_run,
            )
        except PreconditionError as error:
            if is_unconfirmed(error):
                raise UnconfirmedFailure(error) from error
            raise

    with_confirmation(act, may_ask=not dry_run)
