import time
from pathlib import Path

import click
import yaml

from fedctl.context import Context, pass_context
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.join import rights as rights_module
from fedctl.join import steps
from fedctl.join.member import MemberApi
from fedsvc.v1 import cluster_pb2, cluster_service_pb2, common_pb2
from fedsvc_client import Client, NotFoundError

DEFAULT_NAMESPACE = "fedsvc-system"
_POLL_SECONDS = 0.3
_ID_KEY = steps.CLUSTER_ID_ANNOTATION

_JOIN_EXAMPLES = """\b
Examples:
  fedctl join eu-1 --context kind-eu-1 --region eu --label tier=prod
  fedctl join edge --kubeconfig edge.yaml --rights namespaced:shop,web
  fedctl join eu-1 --context kind-eu-1 --dry-run       show what would be done

\b
It works with your kubeconfig on your machine, which is not sent anywhere; fedsvc gets a token of a service account of
its own. It can be repeated: a join that was broken off goes on, and a changed --rights is applied.
"""

_UNJOIN_EXAMPLES = """\b
Examples:
  fedctl unjoin eu-1 --context kind-eu-1                     what runs there goes on, no longer managed
  fedctl unjoin eu-1 --context kind-eu-1 --delete-objects
  fedctl unjoin eu-1 --force                                 the cluster is gone for good
"""


@click.command(epilog=_JOIN_EXAMPLES)
@click.argument("name")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Kubeconfig [default: $KUBECONFIG, ~/.kube/config]")
@click.option("--context", "context_name", default="", help="Context of it [default: its current one]")
@click.option("--provider", default="", help="For example aws")
@click.option("--region", default="", help="[default: from the labels of its nodes]")
@click.option("--zone", "zones", multiple=True, help="May be repeated [default: from the labels of its nodes]")
@click.option("--label", "labels", multiple=True, metavar="KEY=VALUE", help="May be repeated")
@click.option("--taint", "taints", multiple=True, metavar="KEY[=VALUE]:EFFECT", help="May be repeated")
@click.option("--rights", default="standard", show_default=True, help="Or namespaced:A,B, cluster-admin, a FILE")
@click.option("--endpoint", default="", help="Address fedsvc reaches it by, where it is not that of the kubeconfig")
@click.option(
    "--namespace", "member_namespace", default=DEFAULT_NAMESPACE, show_default=True, help="Made in the cluster"
)
@click.option("--dry-run", is_flag=True, help="Check, and show what would be done")
@click.option("--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds to wait for it")
@pass_context
def join(
    context: Context,
    /,
    *,
    name: str,
    kubeconfig: Path | None,
    context_name: str,
    dry_run: bool,
    timeout: float,
    **given: object,
) -> None:
    """Make a Kubernetes cluster a member."""
    registration = _registration(given)
    with context.progress("looking at the cluster"):
        member = MemberApi.load(kubeconfig, context_name)
        facts = steps.look_at(member)
    rights = rights_module.rights_of(registration.rights, facts.custom_groups)
    client = context.client()
    _check_not_joined(client, name, facts.cluster_id)
    _say(f"Kubernetes {facts.version} at {member.endpoint}, by context {member.context}")
    if dry_run:
        _preview(client, name, member=member, facts=facts, given=registration, rights=rights)
        return
    steps.prepare(member, rights, registration.namespace, _say)
    token, expires = steps.take_token(member, registration.namespace, _say)
    cluster = steps.to_cluster(member, facts, registration, token, expires)
    answer = client.clusters.create(name, cluster, allow_existing=True)
    for warning in answer.warnings:
        context.warn(warning)
    _say(f"{'renewed' if answer.existed else 'registered'} cluster {name}")
    with context.progress(f"waiting until fedsvc reaches {name}"):
        stored = _wait_ready(client, name, timeout)
    place = " ".join(filter(None, (stored.provider, stored.region, ",".join(stored.zones))))
    click.echo(f"cluster/{name} joined" + (f" ({place})" if place else ""))


@click.command(epilog=_UNJOIN_EXAMPLES)
@click.argument("name")
@click.option("--kubeconfig", type=click.Path(path_type=Path), help="Kubeconfig [default: $KUBECONFIG, ~/.kube/config]")
@click.option("--context", "context_name", default="", help="Context of it [default: its current one]")
@click.option("--keep/--delete-objects", default=True, show_default=True, help="What becomes of what fedsvc put there")
@click.option("--force", is_flag=True, help="Forget it at once, without asking the cluster")
@click.option("--yes", is_flag=True, help="Do not ask")
@click.option("--timeout", type=click.FloatRange(min=0), default=120.0, show_default=True, help="Seconds to wait")
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
    timeout: float,
) -> None:
    """Make a member leave."""
    client = context.client()
    try:
        stored = client.clusters.get(name)
    except NotFoundError as error:
        if force:
            raise
        stored = None
        _say(f"the server does not know a cluster {name}")
        if not context_name:
            raise Failure(f"there is no cluster {name}", code=Exit.NOT_FOUND) from error
    member = None if force else MemberApi.load(kubeconfig, context_name)
    if member is not None and stored is not None:
        _check_same(member, stored, name)
    if stored is not None:
        fate = "stay there, no longer managed" if keep else "are DELETED there"
        works = f"{stored.status.work_count} objects {fate}" if not force else "what fedsvc put there stays as it is"
        if not yes and not click.confirm(f"Unjoin {name}? {works}", err=True):
            raise Failure("nothing was changed")
        objects = cluster_service_pb2.OBJECT_DELETION_ORPHAN if keep else cluster_service_pb2.OBJECT_DELETION_BACKGROUND
        client.clusters.delete(name, objects=objects, force=force)
        if not force:
            with context.progress(f"waiting until nothing in {name} is managed any more"):
                _wait_gone(client, name, timeout)
        _say(f"removed cluster {name} from the server")
    if member is not None:
        namespace = stored.connection.member_namespace if stored is not None else ""
        steps.clean_up(member, namespace or DEFAULT_NAMESPACE, _say)
    click.echo(f"cluster/{name} unjoined")


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


def _registration(given: dict[str, object]) -> steps.Registration:
    labels = {}
    for label in _words(given["labels"]):
        key, is_set, value = label.partition("=")
        if not is_set or not key:
            raise UsageFailure(f"--label {label!r}: write KEY=VALUE")
        labels[key] = value
    return steps.Registration(
        namespace=str(given["member_namespace"]),
        endpoint=str(given["endpoint"]),
        provider=str(given["provider"]),
        region=str(given["region"]),
        zones=_words(given["zones"]),
        labels=labels,
        taints=[_taint(word) for word in _words(given["taints"])],
        rights=str(given["rights"]),
    )


def _words(value: object) -> tuple[str, ...]:
    assert isinstance(value, tuple)
    return value


def _taint(word: str) -> cluster_pb2.Taint:
    effects = {
        "NoSchedule": cluster_pb2.TAINT_EFFECT_NO_SCHEDULE,
        "PreferNoSchedule": cluster_pb2.TAINT_EFFECT_PREFER_NO_SCHEDULE,
        "NoExecute": cluster_pb2.TAINT_EFFECT_NO_EXECUTE,
        "NoScheduleNew": cluster_pb2.TAINT_EFFECT_NO_SCHEDULE_NEW,
    }
    front, _, effect = word.rpartition(":")
    key, _, value = front.partition("=")
    if effect not in effects or not key:
        raise UsageFailure(f"--taint {word!r}: write KEY=VALUE:EFFECT, the effect one of {', '.join(effects)}")
    return cluster_pb2.Taint(key=key, value=value, effect=effects[effect])


def _check_not_joined(client: Client, name: str, cluster_id: str) -> None:
    for other in client.clusters.list():
        other_id, other_name = other.annotations.get(_ID_KEY, ""), other.name.removeprefix("clusters/")
        if other_id == cluster_id and other_name != name:
            text = f"this cluster is a member already, as {other_name}: unjoin that first, or choose another --context"
            raise Failure(text, code=Exit.CONFLICT)
        if other_name == name and other_id and other_id != cluster_id:
            text = f"{name} is another cluster's name here: choose another name or --context, or unjoin {name} first"
            raise Failure(text, code=Exit.CONFLICT)


def _check_same(member: MemberApi, stored: cluster_pb2.Cluster, name: str) -> None:
    wanted = stored.annotations.get(_ID_KEY, "")
    if wanted and steps.look_at(member).cluster_id != wanted:
        raise Failure(
            f"context {member.context} is another cluster than {name}: choose the right --context", code=Exit.CONFLICT
        )


def _preview(
    client: Client,
    name: str,
    *,
    member: MemberApi,
    facts: steps.Facts,
    given: steps.Registration,
    rights: rights_module.Rights,
) -> None:
    cluster = steps.to_cluster(member, facts, given, "not-taken-in-a-dry-run", None)
    client.clusters.create(name, cluster, allow_existing=True, validate_only=True)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": given.namespace}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": rights_module.NAME, "namespace": given.namespace},
    }
    manifests = [namespace, account, *(manifest for _, manifest in rights_module.objects(rights, given.namespace))]
    _say("nothing was written; these objects would be made in the cluster:")
    click.echo(yaml.safe_dump_all(manifests, sort_keys=False), nl=False)


def _wait_ready(client: Client, name: str, timeout_seconds: float) -> cluster_pb2.Cluster:
    deadline = time.monotonic() + timeout_seconds
    while True:
        cluster = client.clusters.get(name)
        conditions = {item.type: item for item in cluster.status.conditions}
        ready = conditions.get("Ready")
        if ready is not None and ready.status == common_pb2.CONDITION_STATUS_TRUE:
            return cluster
        if time.monotonic() > deadline:
            wrong = [item.message for item in conditions.values() if item.status != common_pb2.CONDITION_STATUS_TRUE]
            text = "; ".join(dict.fromkeys(wrong)) or "the server has not looked at it yet"
            hint = "From the server the cluster may have another address: --endpoint. Joining again goes on from here."
            raise Failure(f"{name} is registered, but fedsvc does not reach it: {text}", hint=hint, code=Exit.TIMED_OUT)
        time.sleep(_POLL_SECONDS)


def _wait_gone(client: Client, name: str, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            cluster = client.clusters.get(name)
        except NotFoundError:
            return
        if time.monotonic() > deadline:
            count = cluster.status.work_count
            text = f"{count} objects in {name} are still managed; `fedctl describe cluster {name}` tells why"
            raise Failure(text, hint="Where the cluster is gone for good: --force", code=Exit.TIMED_OUT)
        time.sleep(_POLL_SECONDS)
