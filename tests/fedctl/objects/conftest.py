"""A server with two clusters, a unit and its works."""

import datetime as dt
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import (
    cluster_pb2,
    cluster_service_pb2,
    common_pb2,
    event_pb2,
    event_service_pb2,
    policy_service_pb2,
    resource_pb2,
    resource_service_pb2,
    unit_pb2,
    unit_service_pb2,
)
from fedsvc_client.testing import FakeServer, RefusalError

TRUE, FALSE = common_pb2.CONDITION_STATUS_TRUE, common_pb2.CONDITION_STATUS_FALSE
NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def ago(**span: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(NOW - dt.timedelta(**span))
    return stamp


def condition(kind: str, status: common_pb2.ConditionStatus.ValueType, message: str = "") -> common_pb2.Condition:
    return common_pb2.Condition(type=kind, status=status, reason=f"{kind}Reason", message=message)


EU = cluster_pb2.Cluster(
    name="clusters/eu-1",
    region="eu",
    zones=["eu-a", "eu-b"],
    provider="aws",
    labels={"region": "eu"},
    create_time=ago(days=3, hours=4),
    etag="7",
    connection=cluster_pb2.ClusterConnection(endpoint="https://eu.example.org"),
    status=cluster_pb2.ClusterStatus(
        conditions=[condition("Reachable", TRUE), condition("Ready", TRUE), condition("CredentialsValid", TRUE)],
        kubernetes_version="v1.36.1",
        node_count=3,
        ready_node_count=3,
        work_count=5,
        allocatable=cluster_pb2.Capacity(cpu_millicores=23500, memory_bytes=96 * 2**30, pods=330),
        last_seen_time=ago(seconds=4),
        free=cluster_pb2.Capacity(cpu_millicores=21500, memory_bytes=90 * 2**30, pods=320),
        free_read_time=ago(seconds=34),
    ),
    jurisdiction="EU",
    cost=cluster_pb2.ClusterCost(micros_per_core=31_000, micros_per_gib=4_000),
    scores=[
        cluster_pb2.ExternalScore(name="carbon", value=40, valid_until=ago(minutes=-45)),
        cluster_pb2.ExternalScore(name="latency", value=-5),
        cluster_pb2.ExternalScore(name="old", value=1, valid_until=ago(minutes=1)),
    ],
)
US = cluster_pb2.Cluster(
    name="clusters/us-1",
    region="us",
    create_time=ago(minutes=3),
    taints=[cluster_pb2.Taint(key="fedsvc.io/cordoned", effect=cluster_pb2.TAINT_EFFECT_NO_SCHEDULE)],
    status=cluster_pb2.ClusterStatus(
        conditions=[
            condition("Reachable", FALSE, "connect to us.example.org:443: refused; it has not answered for 3 minutes"),
            condition("Ready", FALSE, "not reachable"),
        ],
        kubernetes_version="v1.35.0",
        node_count=2,
        work_count=5,
        pending_work_count=2,
    ),
)
SHOP = unit_pb2.Unit(
    name="namespaces/default/units/shop",
    labels={"team": "web"},
    revision=4,
    create_time=ago(hours=2),
    etag="shop-4",
    spec=unit_pb2.UnitSpec(placement_policy="everywhere"),
    status=unit_pb2.UnitStatus(
        state=unit_pb2.UNIT_STATE_DEGRADED,
        conditions=[condition("Placed", TRUE), condition("Ready", FALSE, "1 of 2 clusters is not as it should be")],
        clusters=[
            unit_pb2.UnitClusterStatus(
                cluster="eu-1",
                state=unit_pb2.WORK_STATE_APPLIED,
                work_count=3,
                applied_work_count=3,
                healthy_work_count=3,
                desired_replicas=4,
                ready_replicas=4,
                update_time=ago(minutes=5),
            ),
            unit_pb2.UnitClusterStatus(
                cluster="us-1",
                state=unit_pb2.WORK_STATE_FAILED,
                reason="Forbidden",
                message='deployments.apps is forbidden: User "x" cannot patch resource "deployments"',
                work_count=3,
                applied_work_count=2,
                healthy_work_count=2,
                desired_replicas=2,
                update_time=ago(seconds=30),
            ),
        ],
        observed_revision=4,
        desired_replicas=6,
        ready_replicas=4,
        resource_count=3,
    ),
)
WORK = resource_pb2.Work(
    name="works/42",
    unit=SHOP.name,
    cluster="us-1",
    ref=common_pb2.ManifestRef(api_version="apps/v1", kind="Deployment", namespace="default", name="web"),
    state=unit_pb2.WORK_STATE_FAILED,
    reason="Forbidden",
    message='deployments.apps is forbidden: User "x" cannot patch resource "deployments"',
    attempts=3,
    update_time=ago(seconds=30),
)


def missing(_: Any) -> Any:
    raise RefusalError(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "does not exist", metadata={"name": "x"})


@pytest.fixture
def world(server: FakeServer) -> FakeServer:
    """A server with two clusters, a unit and its works."""
    clusters = {cluster.name: cluster for cluster in (EU, US)}

    def get_cluster(request: Any) -> Any:
        if request.name not in clusters:
            missing(request)
        return cluster_service_pb2.GetClusterResponse(cluster=clusters[request.name])

    def list_units(request: Any) -> Any:
        units = [SHOP] if request.parent in ("namespaces/-", "namespaces/default") else []
        return unit_service_pb2.ListUnitsResponse(units=units, resume_token="u1")

    def get_unit(request: Any) -> Any:
        return unit_service_pb2.GetUnitResponse(unit=SHOP) if request.name == SHOP.name else missing(request)

    def get_status(request: Any) -> Any:
        if request.name != SHOP.name:
            missing(request)
        verdicts = [
            unit_service_pb2.ClusterVerdict(cluster="ap-1", chosen=False, reasons=["labels do not match tier=prod"]),
            unit_service_pb2.ClusterVerdict(cluster="eu-1", chosen=True, reasons=["matches the policy"]),
        ]
        return unit_service_pb2.GetUnitStatusResponse(unit=SHOP, verdicts=verdicts)

    def update(request: Any) -> Any:
        return cluster_service_pb2.UpdateClusterResponse(cluster=request.cluster)

    def apply_unit(request: Any) -> Any:
        outcomes = [
            unit_service_pb2.ResourceOutcome(ref=WORK.ref, outcome=unit_service_pb2.APPLY_OUTCOME_CREATED)
            for _ in request.unit.spec.resources
        ]
        return unit_service_pb2.ApplyUnitResponse(
            unit=request.unit,
            outcome=unit_service_pb2.APPLY_OUTCOME_CREATED,
            resources=outcomes,
            clusters=["eu-1", "us-1"],
            warnings=["cluster ap-9 is not registered"],
        )

    server.on("GetCluster", get_cluster)
    server.on("ListClusters", lambda _: cluster_service_pb2.ListClustersResponse(clusters=[EU, US], resume_token="c1"))
    server.on("UpdateCluster", update)
    server.on("ListUnits", list_units)
    server.on("GetUnit", get_unit)
    server.on("GetUnitStatus", get_status)
    server.on("ApplyUnit", apply_unit)
    server.on("DeleteUnit", lambda _: unit_service_pb2.DeleteUnitResponse(unit=SHOP))
    server.on("ListWorks", lambda _: resource_service_pb2.ListWorksResponse(works=[WORK]))
    server.on("ListPlacementPolicies", lambda _: policy_service_pb2.ListPlacementPoliciesResponse())
    server.on("ListOverridePolicies", lambda _: policy_service_pb2.ListOverridePoliciesResponse())
    event = event_pb2.Event(
        name="events/1", subject=SHOP.name, type="Warning", reason="ApplyFailed", message="forbidden", count=2
    )
    server.on("ListEvents", lambda _: event_service_pb2.ListEventsResponse(events=[event]))
    return server


@pytest.fixture
def eu() -> cluster_pb2.Cluster:
    return EU


@pytest.fixture
def shop() -> unit_pb2.Unit:
    return SHOP
