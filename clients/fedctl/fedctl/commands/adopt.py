import json
import sys
from collections.abc import Sequence

import click

from fedctl import kinds
from fedctl.completing import names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.files.shape import write_document
from fedctl.options import namespace_option
from fedctl.output import words
from fedctl.output.printing import to_yaml
from fedctl.output.views import object_text
from fedctl.resources import split_word
from fedsvc.v1 import common_pb2, ownership_service_pb2, placement_pb2, unit_pb2
from fedsvc_client import NotFoundError, split_unit_name, unit_name
from fedsvc_client.names import last_part

_EXAMPLES = """\b
Examples:
  fedctl adopt shop deployment/web service/web --cluster eu-1 --from-namespace shop
  fedctl adopt shop configmap/limits --cluster eu-1 --dry-run > shop.yaml     the document, to be kept
  fedctl adopt shop deployment/web --cluster eu-1 --no-migrate -y             leave what other tools wrote

\b
Objects stay where they are. What kubectl apply, KubeFed, Karmada, Argo CD, Helm or Flux wrote into them becomes
fedsvc's; take them out of a tool that keeps them, else it changes them back.
"""


@click.command(epilog=_EXAMPLES)
@click.argument("unit", shell_complete=names(kinds.UNIT))
@click.argument("objects", nargs=-1, required=True, metavar="KIND/NAME...")
@click.option("--cluster", required=True, shell_complete=names(kinds.CLUSTER), help="Where the objects are read")
@click.option("--from-namespace", default="default", show_default=True, help="Namespace of the objects in the cluster")
@namespace_option
@click.option("--no-migrate", is_flag=True, help="Leave to other tools what they own and the template does not name")
@click.option("--dry-run", is_flag=True, help="Print the unit's document, and do nothing")
@click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask")
@pass_context
def adopt(
    context: Context,
    *,
    unit: str,
    objects: tuple[str, ...],
    cluster: str,
    from_namespace: str,
    namespace: str,
    no_migrate: bool,
    dry_run: bool,
    is_sure: bool,
) -> None:
    """Take over objects that are in a cluster already: as templates of a unit, without their being made anew.

    The templates are made of what is there, without what the cluster wrote. They are shown first. A unit that is new
    is placed on this cluster alone; widen its placement afterwards.
    """
    client, name = context.client(), unit_name(unit.removeprefix("unit/"), namespace)
    found = client.ownership.read_objects(cluster, [_ref(word, from_namespace) for word in objects])
    _check(found, cluster)
    wanted = _unit(context, name, cluster, found, migrate=not no_migrate)
    if dry_run:
        click.echo(to_yaml(write_document(wanted)).rstrip())
        return
    if not is_sure:
        _show(context, found)
        if not sys.stdin.isatty():
            raise UsageFailure("nothing was done: say --yes to do it without being asked; --dry-run shows the document")
        click.confirm("Take them over?", abort=True, err=True)
    answer = client.units.apply(wanted)
    for warning in answer.warnings:
        context.warn(warning)
    shown = ", ".join(object_text(one.ref) for one in found)
    where = ", ".join(answer.clusters) or "no cluster yet"
    click.echo(f"unit/{'/'.join(split_unit_name(name))} takes over {shown} on {where}")


def _ref(word: str, default_namespace: str) -> common_pb2.ManifestRef:
    kind, namespace, name = split_word(word)
    return common_pb2.ManifestRef(kind=kind, namespace=namespace or default_namespace, name=name)


def _check(found: Sequence[ownership_service_pb2.ReadObject], cluster: str) -> None:
    wrong = [f"{object_text(one.ref)}: {one.trouble}" for one in found if one.trouble]
    wrong += [f"{object_text(one.ref)}: unit {one.unit} has it already" for one in found if one.unit]
    if wrong:
        told = wrong[0] if len(wrong) == 1 else "\n  ".join([f"{len(wrong)} problems:", *wrong])
        raise Failure(f"cluster {cluster}: {told}", code=Exit.NOT_FOUND if _all_missing(found) else Exit.FAILED)


def _all_missing(found: Sequence[ownership_service_pb2.ReadObject]) -> bool:
    return all(one.trouble in ("", "is not there") and not one.unit for one in found)


def _unit(
    context: Context,
    name: str,
    cluster: str,
    found: Sequence[ownership_service_pb2.ReadObject],
    *,
    migrate: bool,
) -> unit_pb2.Unit:
    """Make the unit as it shall be: the stored one with the objects added, or a new one on this cluster."""
    try:
        stored = context.client().units.get(name)
    except NotFoundError:
        stored = None
    wanted = unit_pb2.Unit(name=name)
    if stored is not None:
        wanted.labels.update(stored.labels)
        wanted.annotations.update(stored.annotations)
        wanted.spec.CopyFrom(stored.spec)
        wanted.etag = stored.etag
    else:
        wanted.spec.placement.clusters.CopyFrom(placement_pb2.ClusterNames(names=[last_part(cluster)]))
    propagation = wanted.spec.propagation
    if propagation.conflict in (unit_pb2.CONFLICT_MODE_UNSPECIFIED, unit_pb2.CONFLICT_MODE_ABORT):
        propagation.conflict = unit_pb2.CONFLICT_MODE_ADOPT
    tools = [tool for one in found for tool in one.tools] if migrate else []
    propagation.migrate.extend(tool for tool in dict.fromkeys(tools) if tool not in propagation.migrate)
    have = {_identity(manifest.ref) for manifest in wanted.spec.resources}
    wanted.spec.resources.extend(one.template for one in found if _identity(one.ref) not in have)
    return wanted


def _identity(ref: common_pb2.ManifestRef) -> tuple[str, str, str, str]:
    return ref.api_version.rpartition("/")[0], ref.kind, ref.namespace, ref.name


def _show(context: Context, found: Sequence[ownership_service_pb2.ReadObject]) -> None:
    for one in found:
        kept = f", kept by {', '.join(one.tools)}" if one.tools else ""
        context.note(f"--- {object_text(one.ref)} (written by {', '.join(one.managers) or 'nobody known'}{kept})")
        context.note(to_yaml(json.loads(one.template.json)).rstrip())
        if one.left_out:
            context.note(f"# left out: {words.one_line(', '.join(one.left_out))}")
