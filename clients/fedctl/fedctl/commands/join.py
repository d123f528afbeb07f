import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from fedctl import kinds
from fedctl.completing import kube_contexts, names
from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.join import previewing, steps
from fedctl.join import rights as rights_module
from fedctl.join.leaving import check_same, clean_up, leftovers
from fedctl.join.member import MemberApi
from fedctl.join.registration import completed, find_stored, read_registration, to_cluster
from fedctl.join.waiting import wait_gone, wait_ready
from fedctl.options import label_problem, timeout_option
from fedctl.output.printing import to_yaml
from fedctl.removals import (
    UnconfirmedFailure,
    check_confirmed,
    confirm_removal_option,
    is_unconfirmed,
    with_confirmation,
)
from fedsvc.v1 import cluster_pb2, cluster_service_pb2
from fedsvc_client import Client, NotFoundError, PreconditionError, cluster_name

_HOME = steps.DEFAULT_NAMESPACE

_JOIN_EXAMPLES = """\b
Examples:
  fedctl join eu-1 --context kind-eu-1 --region eu --label tier=prod
  fedctl join eu-1 --context kind-eu-1 --jurisdiction EU --cost-core 0.031 --cost-gib 0.004
  fedctl join edge --kubeconfig edge.yaml --rights namespaced:shop,web
  fedctl join eu-1 --context kind-eu-1 --custom-group example.com
  fedctl join eu-1 --context kind-eu-1 --dry-run       show what would be done

\b
It works with your kubeconfig on your machine, which is not sent anywhere; fedsvc gets a token of a service account of
its own. It can be repeated: a join that was broken off goes on, the credential is renewed, and what is said anew is
changed (--rights, --region ...); what is not said stays as it was. RBAC cannot say "all custom resources": those there
are at joining are granted, and those that come later by naming their API group (--custom-group).
"""

_UNJOIN_EXAMPLES = """\b
Examples:
  fedctl unjoin eu-1 --context kind-eu-1                     what runs there goes on, no longer managed
  fedctl unjoin eu-1 --context kind-eu-1 --delete-objects
  fedctl unjoin eu-1 --dry-run                               what would become of the units there
  fedctl unjoin eu-1 --force                                 the cluster is gone for good

\b
--force asks the cluster for nothing, so all that joining made stays there: the namespace with the service account, its
roles and bindings, and what units put there. Where the cluster still runs, these remove what joining made:
  kubectl delete namespace fedsvc-system
  kubectl delete clusterrole,clusterrolebinding fedsvc
"""


@click.command(epilog=_JOIN_EXAMPLES)
@click.argument("name")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Kubeconfig [default: $KUBECONFIG, ~/.kube/config]")
@click.option(
    "--context",
    "context_name",
    default="",
    shell_complete=kube_contexts,
    help="Context of it [default: its current one]",
)
@click.option("--provider", default="", help="For example aws")
@click.option("--region", default="", help="[default: from the labels of its nodes]")
@click.option("--zone", "zones", multiple=True, help="May be repeated [default: from the labels of its nodes]")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="May be repeated")
@click.option("--taint", "taints", multiple=True, metavar="KEY[=VALUE]:EFFECT", help="May be repeated")
@click.option("--jurisdiction", default="", help="Law it is under, for example EU")
@click.option("--cost-core", default="", metavar="PRICE", help="Of a core by the hour, for example 0.031")
@click.option("--cost-gib", default="", metavar="PRICE", help="Of a GiB of memory by the hour")
@click.option("--rights", default="", help="standard, namespaced:A,B, cluster-admin or a FILE [default: standard]")
@click.option(
    "--custom-group",
    "custom_groups",
    multiple=True,
    metavar="GROUP",
    help="Grant custom resources that are to come; may be repeated [default: those there now]",
)
@click.option("--endpoint", default="", help="Address fedsvc reaches it by, where it is not that of the kubeconfig")
@click.option("--namespace", "member_namespace", default="", help=f"In the cluster [default: {_HOME}]")
@click.option("--dry-run", is_flag=True, help="Check, and show what would be done")
@timeout_option("60s")
@pass_context
def join(
    context: Context,
    /,
    *,
    name: str,
    kubeconfig: Path | None,
    context_name: str,
    dry_run: bool,
    timeout_seconds: float,
    **given: object,
) -> None:
    """Make a Kubernetes cluster a member."""
    if problem := label_problem(name):  # told before the cluster is asked for anything
        raise UsageFailure(f"NAME {problem}")
    said = read_registration(given)
    if said.rights:
        rights_module.rights_of(said.rights, [])  # a mistake in it is told before anything is asked
    with context.progress("looking at the cluster"):
        member = _member(kubeconfig, context_name)
        facts = steps.look_at(member)
    client = context.client()
    stored = find_stored(client, name, facts.cluster_id)
    registration = completed(said, stored)
    rights_module.check_custom_groups(said.custom_groups, registration.rights)
    groups = sorted({*facts.custom_groups, *registration.custom_groups})
    rights = rights_module.rights_of(registration.rights, groups)
    registration = replace(registration, rights=rights.profile)
    # The server looks at all of it before anything is changed anywhere.
    trial = to_cluster(member, facts, registration, "not-taken-yet", None)
    client.clusters.create(name, trial, allow_existing=True, validate_only=True)
    _say(f"Kubernetes {facts.version} at {member.endpoint}, by context {member.context}")
    if stored is not None and stored.connection.endpoint != trial.connection.endpoint:
        context.warn(f"fedsvc reached {name} at {stored.connection.endpoint}; now: {trial.connection.endpoint}")
    if dry_run:
        _preview(name, member, trial, steps.plan(rights, registration.namespace))
        return
    try:
        steps.prepare(member, rights, registration.namespace, _say)
        token, expires = steps.take_token(member, registration.namespace, _say)
        cluster = to_cluster(member, facts, registration, token, expires)
        answer = client.clusters.create(name, cluster, allow_existing=True)
    except Failure as failure:
        failure.hint = failure.hint or "Run the same command again when that is mended: it goes on from here."
        raise
    for warning in answer.warnings:
        context.warn(warning)
    _say(f"{'renewed' if answer.existed else 'registered'} cluster {name}")
    with context.progress(f"waiting until fedsvc reaches {name}"):
        reached = wait_ready(client, name, timeout_seconds)
    place = " ".join(filter(None, (reached.provider, reached.region, ",".join(reached.zones))))
    click.echo(f"cluster/{name} joined" + (f" ({place})" if place else ""))


@click.command(epilog=_UNJOIN_EXAMPLES)
@click.argument("name", shell_complete=names(kinds.CLUSTER))
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Kubeconfig [default: $KUBECONFIG, ~/.kube/config]")
@click.option(
    "--context",
    "context_name",
    default="",
    shell_complete=kube_contexts,
    help="Context of it [default: its current one]",
)
@click.option("--keep/--delete-objects", default=True, show_default=True, help="What becomes of what fedsvc put there")
@click.option("--force", is_flag=True, help="Forget it at once, without asking the cluster")
@click.option("--yes", is_flag=True, help="Do not ask")
@click.option("--dry-run", is_flag=True, help="Only show what would become of the units there")
@confirm_removal_option
@timeout_option("2m")
@pass_context
def unjoin(
    context: Context,
    /,
    *,
    name: str,
    kubeconfig: Path | None,
    context_name: str,
    keep: bool,
    force: bool,
    yes: bool,
    dry_run: bool,
    confirmed: tuple[str, ...],
    timeout_seconds: float,
) -> None:
    """Make a member leave.

    What would become of the units there is shown first.
    """
    check_confirmed(confirmed, [cluster_name(name)])
    if force and not keep:
        raise UsageFailure("--force leaves objects as they are, without asking the cluster: give no --delete-objects")
    client = context.client()
    stored = _find_leaving(client, name, context_name, force=force)
    if dry_run:
        if stored is not None:
            previewing.show(context, name, previewing.look(client, name), fate=_fate(keep=keep, force=force))
        return
    member = None if force else _member(kubeconfig, context_name)
    if member is not None and stored is not None:
        check_same(member, stored, name)
    if stored is not None:
        fate = "stay there, no longer managed" if keep else "are DELETED there"
        works = f"{stored.status.work_count} objects {fate}" if not force else "what fedsvc put there stays as it is"
        if not yes:
            previewing.show(context, name, previewing.look(client, name), fate=_fate(keep=keep, force=force))
        if not yes and not _confirmed(f"Unjoin {name}? {works}"):
            raise Failure("nothing was changed")
        objects = cluster_service_pb2.OBJECT_DELETION_ORPHAN if keep else cluster_service_pb2.OBJECT_DELETION_BACKGROUND
        _leave(client, name, objects, confirmed, force=force)
        if not force:
            with context.progress(f"waiting until nothing in {name} is managed any more"):
                wait_gone(client, name, timeout_seconds)
        _say(f"removed cluster {name} from the server")
    _clear(member, stored, name)
    click.echo(f"cluster/{name} unjoined")


def _find_leaving(client: Client, name: str, context_name: str, *, force: bool) -> cluster_pb2.Cluster | None:
    """Read the cluster that is to leave; None where the server does not know it, and its context is named."""
    try:
        return client.clusters.get(name)
    except NotFoundError as error:
        if force:
            raise
        _say(f"the server does not know a cluster {name}")
        if context_name:
            return None
        hint = "To take out of a cluster what joining left in it, name its --context."
        raise Failure(f"there is no cluster {name}", code=Exit.NOT_FOUND, hint=hint) from error


def _fate(*, keep: bool, force: bool) -> str:
    return "forgotten" if force else "stay" if keep else "DELETED"


def _leave(
    client: Client,
    name: str,
    objects: cluster_service_pb2.ObjectDeletion.ValueType,
    confirmed: Sequence[str],
    *,
    force: bool,
) -> None:
    def act(asked: Sequence[str]) -> None:
        given = [cluster_name(name)] if confirmed else []
        try:
            client.clusters.delete(name, objects=objects, force=force, confirmed_removals=[*given, *asked])
        except PreconditionError as error:
            if is_unconfirmed(error):
                raise UnconfirmedFailure(error) from error
            raise

    with_confirmation(act, may_ask=True)


def _confirmed(question: str) -> bool:
    try:
        return click.confirm(question, err=True)
    except click.Abort as error:
        click.echo(err=True)
        hint = "" if sys.stdin.isatty() else "There is nobody to ask: say --yes to go on without."
        raise Failure("nothing was changed", hint=hint) from error


def _clear(member: MemberApi | None, stored: cluster_pb2.Cluster | None, name: str) -> None:
    """Take away what joining made; where the cluster is not asked, say what stays and how to remove it."""
    if member is not None:
        clean_up(member, name, stored.connection.member_namespace if stored is not None else "", _say)
    elif stored is not None:
        _say(f"what joining made in {name} is still there; where that cluster runs on, this removes it:")
        for line in leftovers(stored.connection):
            _say(f"  {line}")


def _member(kubeconfig: Path | None, context_name: str) -> MemberApi:
    """The cluster of a context, closed when the command ends, however it does."""
    member = MemberApi.load(kubeconfig, context_name)
    click.get_current_context().call_on_close(member.close)
    return member


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


def _preview(
    name: str, member: MemberApi, cluster: cluster_pb2.Cluster, plan: list[tuple[str, dict[str, Any]]]
) -> None:
    _say("a dry run: nothing is written. The steps would be:")
    for path, manifest in plan:
        kind, metadata = manifest["kind"], manifest["metadata"]
        place = f"{metadata['namespace']}/" if "namespace" in metadata else ""
        there = member.call("GET", path).code == 200
        deed = "keep" if there and kind == "Namespace" else "apply" if there else "create"
        _say(f"  {deed} {kind} {place}{metadata['name']}")
    _say(f"  take a token of the service account for {steps.TOKEN_LIFETIME_SECONDS // 86_400} days")
    where = " ".join(filter(None, (cluster.provider, cluster.region, ",".join(cluster.zones))))
    rights = cluster.connection.rights
    _say(
        f"  register cluster {name} at {cluster.connection.endpoint} with rights {rights}" + f" ({where})" * bool(where)
    )
    click.echo("---\n".join(to_yaml(manifest) for _, manifest in plan), nl=False)
