"""What the server is told of a cluster: from the command line, from the cluster itself, and from an earlier join."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fedctl.costs import put_cost, read_price
from fedctl.failures import Exit, Failure, UsageFailure
from fedctl.join.member import MemberApi
from fedctl.join.rights import NAME
from fedctl.join.steps import DEFAULT_NAMESPACE, Facts
from fedsvc.v1 import cluster_pb2
from fedsvc_client import Client

CLUSTER_ID_ANNOTATION = "fedsvc.io/cluster-id"
CUSTOM_GROUPS_ANNOTATION = "fedsvc.io/custom-groups"  # those that were named, with commas between


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What the server is told."""

    namespace: str
    endpoint: str
    provider: str
    region: str
    zones: tuple[str, ...]
    labels: dict[str, str]
    taints: list[cluster_pb2.Taint]
    rights: str
    jurisdiction: str
    core_micros: int | None  # None: not said
    gib_micros: int | None
    custom_groups: tuple[str, ...] = ()  # of custom resources that are to come
    annotations: dict[str, str] = field(default_factory=dict)  # those it has already


def completed(given: Registration, stored: cluster_pb2.Cluster | None) -> Registration:
    """What is not said again stays as it was when the cluster joined: who renews a credential means nothing else.

    Raises:
        Failure: the rights were those of a file, which is not known any more.
    """
    if stored is None:
        return replace(given, namespace=given.namespace or DEFAULT_NAMESPACE, rights=given.rights or "standard")
    rights = given.rights or stored.connection.rights or "standard"
    if rights == "custom" and not given.rights:
        name = stored.name.removeprefix("clusters/")
        text = f"{name} joined with the rights of a file: name it again with --rights FILE, or choose another profile"
        raise UsageFailure(text)
    said = {(taint.key, taint.effect) for taint in given.taints}
    return replace(
        given,
        namespace=given.namespace or stored.connection.member_namespace or DEFAULT_NAMESPACE,
        rights=rights,
        custom_groups=tuple(sorted({*given.custom_groups, *_named_before(stored)})),
        provider=given.provider or stored.provider,
        region=given.region or stored.region,
        zones=given.zones or tuple(stored.zones),
        jurisdiction=given.jurisdiction or stored.jurisdiction,
        core_micros=_kept(given.core_micros, stored.cost.micros_per_core, stored),
        gib_micros=_kept(given.gib_micros, stored.cost.micros_per_gib, stored),
        annotations=dict(stored.annotations),
        labels={**stored.labels, **given.labels},
        taints=[*(taint for taint in stored.taints if (taint.key, taint.effect) not in said), *given.taints],
    )


def _kept(given: int | None, known: int, stored: cluster_pb2.Cluster) -> int | None:
    return given if given is not None or not stored.HasField("cost") else known


def _named_before(stored: cluster_pb2.Cluster) -> list[str]:
    return [group for group in stored.annotations.get(CUSTOM_GROUPS_ANNOTATION, "").split(",") if group]


def to_cluster(
    member: MemberApi, facts: Facts, given: Registration, token: str, expires: datetime | None
) -> cluster_pb2.Cluster:
    """The cluster as it is registered."""
    configuration: Any = member.configuration
    credential = cluster_pb2.ClusterCredential(token=token)
    if expires is not None:
        credential.token_expire_time.FromDatetime(expires)
    annotations = {**given.annotations, CLUSTER_ID_ANNOTATION: facts.cluster_id}
    if given.custom_groups:
        annotations[CUSTOM_GROUPS_ANNOTATION] = ",".join(given.custom_groups)
    cluster = cluster_pb2.Cluster(
        labels=given.labels,
        annotations=annotations,
        provider=given.provider,
        region=given.region or facts.region,
        zones=sorted(given.zones or facts.zones),
        taints=given.taints,
        connection=cluster_pb2.ClusterConnection(
            endpoint=given.endpoint or member.endpoint,
            ca_pem=member.ca_pem(),
            tls_server_name=configuration.tls_server_name or "",
            insecure_skip_tls_verify=not configuration.verify_ssl,
            proxy_url=member.proxy_url(),
            credential=credential,
            member_namespace=given.namespace,
            service_account=NAME if expires is not None else "",
            rights=given.rights,
        ),
        jurisdiction=given.jurisdiction,
    )
    put_cost(cluster, core_micros=given.core_micros, gib_micros=given.gib_micros)
    return cluster


def read_registration(given: dict[str, object]) -> Registration:
    """What the command line says of the cluster.

    Raises:
        UsageFailure: a label, a taint or a price is not written as one.
    """
    labels = {}
    for label in _words(given["labels"]):
        key, is_set, value = label.partition("=")
        if not is_set or not key:
            raise UsageFailure(f"--label {label!r}: write KEY=VALUE")
        labels[key] = value
    return Registration(
        namespace=str(given["member_namespace"]),
        endpoint=str(given["endpoint"]),
        provider=str(given["provider"]),
        region=str(given["region"]),
        zones=_words(given["zones"]),
        labels=labels,
        taints=[_taint(word) for word in _words(given["taints"])],
        rights=str(given["rights"]),
        jurisdiction=str(given["jurisdiction"]),
        core_micros=_price(given, "cost_core"),
        gib_micros=_price(given, "cost_gib"),
        custom_groups=_words(given["custom_groups"]),
    )


def _price(given: dict[str, object], name: str) -> int | None:
    text = str(given[name])
    return read_price(text, f"--{name.replace('_', '-')}") if text else None


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


def find_stored(client: Client, name: str, cluster_id: str) -> cluster_pb2.Cluster | None:
    """The cluster as the server knows it; None for a new one.

    Raises:
        Failure: the cluster is a member under another name, or the name is another cluster's.
    """
    stored = None
    for other in client.clusters.list():
        other_id, other_name = other.annotations.get(CLUSTER_ID_ANNOTATION, ""), other.name.removeprefix("clusters/")
        if other_name == name:
            stored = other
        elif other_id == cluster_id:
            text = f"this cluster is a member already, as {other_name}: unjoin that first, or choose another --context"
            raise Failure(text, code=Exit.CONFLICT)
    stored_id = "" if stored is None else stored.annotations.get(CLUSTER_ID_ANNOTATION, "")
    if stored_id not in ("", cluster_id):
        text = f"{name} is another cluster's name here: choose another name or --context, or unjoin {name} first"
        raise Failure(text, code=Exit.CONFLICT)
    return stored
