"""Clusters between protobuf and the model. Credentials go in and never come out."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from fedsvc.api.convert.common import condition_message, read_enum, read_time, timestamp
from fedsvc.api.convert.hold import hold_message
from fedsvc.api.convert.placement import taint_message
from fedsvc.api.problems import Problems
from fedsvc.health import Health, Verdict
from fedsvc.model.cluster import Capacity, Cluster, Connection, Credential, ObjectDeletion
from fedsvc.model.hold import Hold, holds_of_cluster
from fedsvc.model.room import MEMORY, PODS, Room
from fedsvc.rendering.requests import CPU
from fedsvc.v1 import cluster_pb2, cluster_service_pb2
from fedsvc_placement import ExternalScore

_DELETIONS: Final[dict[cluster_service_pb2.ObjectDeletion.ValueType, ObjectDeletion | None]] = {
    cluster_service_pb2.OBJECT_DELETION_UNSPECIFIED: None,
    cluster_service_pb2.OBJECT_DELETION_ORPHAN: ObjectDeletion.ORPHAN,
    cluster_service_pb2.OBJECT_DELETION_BACKGROUND: ObjectDeletion.BACKGROUND,
    cluster_service_pb2.OBJECT_DELETION_FOREGROUND: ObjectDeletion.FOREGROUND,
}
_VERDICTS: Final = {
    Verdict.UNKNOWN: cluster_pb2.HEALTH_VERDICT_UNSPECIFIED,
    Verdict.HEALTHY: cluster_pb2.HEALTH_VERDICT_HEALTHY,
    Verdict.SUSPECT: cluster_pb2.HEALTH_VERDICT_SUSPECT,
    Verdict.UNREACHABLE: cluster_pb2.HEALTH_VERDICT_UNREACHABLE,
    Verdict.DEGRADED: cluster_pb2.HEALTH_VERDICT_DEGRADED,
    Verdict.MAINTENANCE: cluster_pb2.HEALTH_VERDICT_MAINTENANCE,
    Verdict.HIBERNATED: cluster_pb2.HEALTH_VERDICT_HIBERNATED,
}


def cluster_message(cluster: Cluster, holds: Iterable[Hold] = ()) -> cluster_pb2.Cluster:
    """A cluster as protobuf, without its credential."""
    return cluster_pb2.Cluster(
        name=cluster.resource_name,
        uid=cluster.uid,
        labels=cluster.labels,
        annotations=cluster.annotations,
        provider=cluster.provider,
        region=cluster.region,
        zones=cluster.zones,
        taints=[taint_message(taint) for taint in cluster.taints],
        connection=_connection_message(cluster.connection),
        status=_status_message(cluster, holds),
        create_time=timestamp(cluster.create_time),
        update_time=timestamp(cluster.update_time),
        delete_time=timestamp(cluster.delete_time),
        etag=cluster.etag,
        jurisdiction=cluster.jurisdiction,
        cost=None
        if cluster.cost is None
        else cluster_pb2.ClusterCost(
            micros_per_core=cluster.cost.micros_per_core, micros_per_gib=cluster.cost.micros_per_gib
        ),
        scores=[
            cluster_pb2.ExternalScore(name=score.name, value=score.value, valid_until=timestamp(score.valid_until))
            for score in cluster.scores
        ],
    )


def read_score(message: cluster_pb2.ExternalScore, path: str, problems: Problems) -> ExternalScore:
    """An external score of protobuf."""
    until: datetime | None = None
    if message.HasField("valid_until"):
        until = read_time(message.valid_until, f"{path}.valid_until", problems)
    return ExternalScore(name=message.name, value=message.value, valid_until=until)


def read_connection(message: cluster_pb2.ClusterConnection, path: str, problems: Problems) -> Connection:
    """A connection of protobuf, credential included."""
    return Connection(
        endpoint=message.endpoint.rstrip("/"),
        ca_pem=message.ca_pem,
        tls_server_name=message.tls_server_name,
        insecure_skip_tls_verify=message.insecure_skip_tls_verify,
        proxy_url=message.proxy_url,
        member_namespace=message.member_namespace,
        service_account=message.service_account,
        rights=message.rights,
        credential=_read_credential(message.credential, f"{path}.credential", problems),
    )


def read_object_deletion(
    value: cluster_service_pb2.ObjectDeletion.ValueType, path: str, problems: Problems
) -> ObjectDeletion | None:
    """What becomes of objects; None where the caller leaves it to the default."""
    return read_enum(value, _DELETIONS, path, problems)


def object_deletion(deletion: ObjectDeletion) -> cluster_service_pb2.ObjectDeletion.ValueType:
    """What becomes of objects as protobuf."""
    return next(value for value, known in _DELETIONS.items() if known is deletion)


def _connection_message(connection: Connection) -> cluster_pb2.ClusterConnection:
    return cluster_pb2.ClusterConnection(
        endpoint=connection.endpoint,
        ca_pem=connection.ca_pem,
        tls_server_name=connection.tls_server_name,
        insecure_skip_tls_verify=connection.insecure_skip_tls_verify,
        proxy_url=connection.proxy_url,
        member_namespace=connection.member_namespace,
        service_account=connection.service_account,
        rights=connection.rights,
    )


def _status_message(cluster: Cluster, holds: Iterable[Hold]) -> cluster_pb2.ClusterStatus:
    observation = cluster.observation
    return cluster_pb2.ClusterStatus(
        conditions=[condition_message(condition) for condition in observation.conditions],
        kubernetes_version=observation.kubernetes_version,
        node_count=observation.node_count,
        ready_node_count=observation.ready_node_count,
        allocatable=_capacity_message(observation.allocatable),
        last_seen_time=timestamp(observation.last_seen_time),
        credential_expire_time=timestamp(cluster.connection.credential.token_expire_time),
        work_count=cluster.work_count,
        pending_work_count=cluster.pending_work_count,
        free=None if cluster.room is None else _free_message(cluster.room),
        free_read_time=None if cluster.room is None else timestamp(cluster.room.read_time),
        holds=[hold_message(hold) for hold in holds_of_cluster(holds, cluster.name)],
        health=_health_message(cluster.health),
    )


def _health_message(health: Health) -> cluster_pb2.ClusterHealth:
    return cluster_pb2.ClusterHealth(
        verdict=_VERDICTS[health.verdict],
        since=timestamp(health.since),
        reason=health.kind.value,
        message=health.message,
        trouble_time=timestamp(health.trouble_time),
        is_returning=health.is_returning,
        is_quarantined=health.is_quarantined,
    )


def _free_message(room: Room) -> cluster_pb2.Capacity:
    return cluster_pb2.Capacity(cpu_millicores=room.free(CPU), memory_bytes=room.free(MEMORY), pods=room.free(PODS))


def _capacity_message(capacity: Capacity) -> cluster_pb2.Capacity:
    return cluster_pb2.Capacity(
        cpu_millicores=capacity.cpu_millicores, memory_bytes=capacity.memory_bytes, pods=capacity.pods
    )


def _read_credential(message: cluster_pb2.ClusterCredential, path: str, problems: Problems) -> Credential:
    expires: datetime | None = None
    if message.HasField("token_expire_time"):
        expires = read_time(message.token_expire_time, f"{path}.token_expire_time", problems)
    return Credential(
        token=message.token,
        token_expire_time=expires,
        client_certificate_pem=message.client_certificate_pem,
        client_key_pem=message.client_key_pem,
    )
