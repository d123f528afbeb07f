from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.model.room import Room
from fedsvc.store import clusters
from fedsvc.store.store import Store
from fedsvc.v1 import cluster_pb2, cluster_service_pb2
from fedsvc_placement import NodeShape

NO_SCHEDULE = cluster_pb2.TAINT_EFFECT_NO_SCHEDULE


async def test_a_cluster_is_registered_and_read_back_without_its_credential(api: Any) -> None:
    created = await api.join("eu-1", labels={"tier": "prod"}, provider="aws", region="eu", zones=["b", "a"])

    found = (await api.clusters.GetCluster(cluster_service_pb2.GetClusterRequest(name="clusters/eu-1"))).cluster
    assert found == created
    assert (found.name, dict(found.labels), list(found.zones)) == ("clusters/eu-1", {"tier": "prod"}, ["a", "b"])
    assert not found.connection.HasField("credential")
    assert found.etag.startswith('"')
    assert found.HasField("create_time")


async def test_a_cluster_is_registered_once(api: Any, helpers: Any) -> None:
    await api.join("eu-1")

    refusal = await helpers.refused(api.join("eu-1"))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")
    assert refusal.metadata == {"name": "clusters/eu-1"}
    assert refusal.detail == "ResourceInfo"


async def test_joining_again_updates_the_connection_and_keeps_the_rest(api: Any) -> None:
    await api.join("eu-1", labels={"tier": "prod"}, region="eu")
    connection = cluster_pb2.ClusterConnection(
        endpoint="https://new", credential=cluster_pb2.ClusterCredential(token="new")
    )

    response = await api.clusters.CreateCluster(
        cluster_service_pb2.CreateClusterRequest(
            cluster_id="eu-1",
            cluster=cluster_pb2.Cluster(connection=connection, region="eu-north"),
            allow_existing=True,
        )
    )

    assert response.existed
    assert response.cluster.connection.endpoint == "https://new"
    assert (dict(response.cluster.labels), response.cluster.region) == ({"tier": "prod"}, "eu-north")


async def test_joining_again_replaces_each_field_that_is_set_as_a_whole(api: Any) -> None:
    await api.join("eu-1", labels={"tier": "prod", "team": "web"}, annotations={"note": "x"}, zones=["a", "b"])
    connection = cluster_pb2.ClusterConnection(
        endpoint="https://new", credential=cluster_pb2.ClusterCredential(token="new")
    )
    again = cluster_pb2.Cluster(connection=connection, labels={"tier": "test"}, zones=["c"])

    response = await api.clusters.CreateCluster(
        cluster_service_pb2.CreateClusterRequest(cluster_id="eu-1", cluster=again, allow_existing=True)
    )

    cluster = response.cluster
    assert (dict(cluster.labels), list(cluster.zones)) == ({"tier": "test"}, ["c"])
    assert dict(cluster.annotations) == {"note": "x"}


async def test_all_that_is_wrong_with_a_new_cluster_is_told_at_once(api: Any, helpers: Any) -> None:
    request = cluster_service_pb2.CreateClusterRequest(
        cluster_id="EU_1",
        cluster=cluster_pb2.Cluster(
            name="clusters/other",
            labels={"a b": "c"},
            taints=[cluster_pb2.Taint(key="x")],
            connection=cluster_pb2.ClusterConnection(endpoint="http://example"),
        ),
    )

    refusal = await helpers.refused(api.clusters.CreateCluster(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID")
    assert [path for path, _ in refusal.fields] == [
        "cluster_id",
        "cluster.name",
        "cluster.labels[a b]",
        "cluster.taints[0].effect",
        "cluster.connection.endpoint",
        "cluster.connection.credential",
    ]
    assert "'eu-1' would do" in refusal.fields[0][1]


async def test_only_what_the_mask_names_is_updated(api: Any) -> None:
    created = await api.join("eu-1", labels={"tier": "prod"}, region="eu")

    response = await api.clusters.UpdateCluster(
        cluster_service_pb2.UpdateClusterRequest(
            cluster=cluster_pb2.Cluster(name="clusters/eu-1", labels={"tier": "test"}, region="ignored"),
            update_mask=FieldMask(paths=["labels"]),
        )
    )

    assert (dict(response.cluster.labels), response.cluster.region) == ({"tier": "test"}, "eu")
    assert response.cluster.etag != created.etag


async def test_an_update_that_changes_nothing_keeps_the_etag(api: Any) -> None:
    created = await api.join("eu-1", labels={"tier": "prod"})

    response = await api.clusters.UpdateCluster(
        cluster_service_pb2.UpdateClusterRequest(
            cluster=cluster_pb2.Cluster(name="clusters/eu-1", labels={"tier": "prod"}),
            update_mask=FieldMask(paths=["labels"]),
        )
    )

    assert response.cluster.etag == created.etag


@pytest.mark.parametrize(
    ("paths", "text"),
    [
        pytest.param([], "is missing: name what to change", id="no mask"),
        pytest.param(["colour"], "'colour' is not one of labels,", id="unknown"),
        pytest.param(["connection.endpoint"], "connection is replaced as a whole", id="nested"),
        pytest.param(["status"], "'status' is not one of", id="output only"),
    ],
)
async def test_the_mask_must_name_what_can_change(api: Any, helpers: Any, paths: list[str], text: str) -> None:
    await api.join("eu-1")
    request = cluster_service_pb2.UpdateClusterRequest(
        cluster=cluster_pb2.Cluster(name="clusters/eu-1"), update_mask=FieldMask(paths=paths)
    )

    refusal = await helpers.refused(api.clusters.UpdateCluster(request))

    assert [path for path, _ in refusal.fields] == ["update_mask"]
    assert text in refusal.fields[0][1]


async def test_an_old_etag_is_refused_with_the_stored_one(api: Any, helpers: Any) -> None:
    created = await api.join("eu-1")
    request = cluster_service_pb2.UpdateClusterRequest(
        cluster=cluster_pb2.Cluster(name="clusters/eu-1", region="x", etag=created.etag),
        update_mask=FieldMask(paths=["region"]),
    )
    updated = (await api.clusters.UpdateCluster(request)).cluster

    refusal = await helpers.refused(api.clusters.UpdateCluster(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert refusal.metadata == {"name": "clusters/eu-1", "etag": updated.etag}


async def test_clusters_are_listed_page_by_page_in_order(api: Any) -> None:
    names = [f"c-{index:02}" for index in range(7)]
    for name in reversed(names):
        await api.join(name)
    found, token = [], ""
    while True:
        response = await api.clusters.ListClusters(
            cluster_service_pb2.ListClustersRequest(page_size=3, page_token=token)
        )
        found.append([cluster.name.removeprefix("clusters/") for cluster in response.clusters])
        token = response.next_page_token
        assert response.resume_token
        if not token:
            break

    assert found == [names[:3], names[3:6], names[6:]]


async def test_lists_are_restricted_by_labels_across_pages(api: Any) -> None:
    for index in range(6):
        await api.join(f"c-{index}", labels={"parity": "even" if index % 2 == 0 else "odd"})
    first = await api.clusters.ListClusters(
        cluster_service_pb2.ListClustersRequest(page_size=2, label_selector="parity in (even)")
    )

    second = await api.clusters.ListClusters(
        cluster_service_pb2.ListClustersRequest(
            page_size=2, label_selector="parity in (even)", page_token=first.next_page_token
        )
    )

    assert [cluster.name for cluster in first.clusters] == ["clusters/c-0", "clusters/c-2"]
    assert [cluster.name for cluster in second.clusters] == ["clusters/c-4"]
    assert second.next_page_token == ""


async def test_a_page_token_belongs_to_its_filter(api: Any, helpers: Any) -> None:
    for name in ("a", "b"):
        await api.join(name)
    token = (await api.clusters.ListClusters(cluster_service_pb2.ListClustersRequest(page_size=1))).next_page_token

    refusal = await helpers.refused(
        api.clusters.ListClusters(
            cluster_service_pb2.ListClustersRequest(page_size=1, page_token=token, label_selector="a=b")
        )
    )

    assert [path for path, _ in refusal.fields] == ["page_token"]


async def test_validate_only_answers_as_the_real_call_and_writes_nothing(api: Any, helpers: Any) -> None:
    connection = cluster_pb2.ClusterConnection(
        endpoint="https://eu-1", credential=cluster_pb2.ClusterCredential(token="t")
    )
    request = cluster_service_pb2.CreateClusterRequest(
        cluster_id="eu-1", cluster=cluster_pb2.Cluster(connection=connection), validate_only=True
    )

    response = await api.clusters.CreateCluster(request)

    assert response.cluster.name == "clusters/eu-1"
    refusal = await helpers.refused(
        api.clusters.GetCluster(cluster_service_pb2.GetClusterRequest(name="clusters/eu-1"))
    )
    assert (refusal.code, refusal.metadata) == (grpc.StatusCode.NOT_FOUND, {"name": "clusters/eu-1"})


async def test_a_request_id_makes_repeating_safe(api: Any, helpers: Any) -> None:
    connection = cluster_pb2.ClusterConnection(
        endpoint="https://eu-1", credential=cluster_pb2.ClusterCredential(token="t")
    )
    request = cluster_service_pb2.CreateClusterRequest(
        cluster_id="eu-1", cluster=cluster_pb2.Cluster(connection=connection), request_id=str(uuid4())
    )
    first = await api.clusters.CreateCluster(request)

    assert await api.clusters.CreateCluster(request) == first
    request.cluster_id = "eu-2"
    refusal = await helpers.refused(api.clusters.CreateCluster(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")


async def test_a_refused_call_does_not_use_up_its_request_id(api: Any, helpers: Any) -> None:
    request = cluster_service_pb2.CreateClusterRequest(
        cluster_id="eu-1", cluster=cluster_pb2.Cluster(), request_id=str(uuid4())
    )
    await helpers.refused(api.clusters.CreateCluster(request))
    request.cluster.connection.endpoint = "https://eu-1"
    request.cluster.connection.credential.token = "t"

    assert (await api.clusters.CreateCluster(request)).cluster.name == "clusters/eu-1"


async def test_a_leaving_cluster_has_a_delete_time_and_takes_no_changes(api: Any, helpers: Any) -> None:
    await api.join("eu-1")
    request = cluster_service_pb2.DeleteClusterRequest(
        name="clusters/eu-1", objects=cluster_service_pb2.OBJECT_DELETION_BACKGROUND
    )

    response = await api.clusters.DeleteCluster(request)

    assert response.cluster.HasField("delete_time")
    update = cluster_service_pb2.UpdateClusterRequest(
        cluster=cluster_pb2.Cluster(name="clusters/eu-1"), update_mask=FieldMask(paths=["labels"])
    )
    refusal = await helpers.refused(api.clusters.UpdateCluster(update))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "DELETING")


async def test_a_cluster_that_is_gone_for_good_is_forgotten_by_force(api: Any, helpers: Any) -> None:
    await api.join("eu-1")

    response = await api.clusters.DeleteCluster(
        cluster_service_pb2.DeleteClusterRequest(name="clusters/eu-1", force=True)
    )

    assert not response.HasField("cluster")
    refusal = await helpers.refused(
        api.clusters.GetCluster(cluster_service_pb2.GetClusterRequest(name="clusters/eu-1"))
    )
    assert refusal.reason == "NOT_FOUND"


async def test_force_cannot_delete_objects(api: Any, helpers: Any) -> None:
    await api.join("eu-1")
    request = cluster_service_pb2.DeleteClusterRequest(
        name="clusters/eu-1", force=True, objects=cluster_service_pb2.OBJECT_DELETION_FOREGROUND
    )

    refusal = await helpers.refused(api.clusters.DeleteCluster(request))

    assert [path for path, _ in refusal.fields] == ["objects"]


async def test_taints_get_the_time_they_were_added(api: Any) -> None:
    created = await api.join("eu-1", taints=[cluster_pb2.Taint(key="a", effect=NO_SCHEDULE)])

    assert created.taints[0].HasField("time_added")


async def test_what_placement_prefers_and_allows_is_kept_and_changed_by_name(api: Any) -> None:
    until = Timestamp(seconds=2_000_000_000)
    created = await api.join(
        "eu-1",
        jurisdiction="EU",
        cost=cluster_pb2.ClusterCost(micros_per_core=31_000, micros_per_gib=4_000),
        scores=[cluster_pb2.ExternalScore(name="carbon", value=-20, valid_until=until)],
    )

    update = cluster_service_pb2.UpdateClusterRequest(
        cluster=cluster_pb2.Cluster(name="clusters/eu-1", scores=[cluster_pb2.ExternalScore(name="carbon", value=40)]),
        update_mask=FieldMask(paths=["scores", "cost"]),
    )
    updated = (await api.clusters.UpdateCluster(update)).cluster

    assert (created.jurisdiction, created.cost.micros_per_core, created.scores[0].valid_until) == ("EU", 31_000, until)
    assert (updated.jurisdiction, updated.HasField("cost"), updated.scores[0].value) == ("EU", False, 40)


async def test_what_is_free_is_told_beside_when_it_was_read(api: Any, store: Store) -> None:
    await api.join("eu-1")
    unknown = (await api.clusters.GetCluster(cluster_service_pb2.GetClusterRequest(name="clusters/eu-1"))).cluster
    offered = {"cpu": 8_000, "memory": 32 << 30, "pods": 110}
    busy = NodeShape(count=2, allocatable=offered, free={**offered, "cpu": 500, "pods": 90})
    idle = NodeShape(count=1, allocatable=offered, free=offered)
    room = Room(nodes=(busy, idle), read_time=datetime(2026, 11, 24, 12, 0, tzinfo=UTC))
    async with store.transaction() as tx:
        await clusters.set_room(tx, "eu-1", room)

    told = (await api.clusters.GetCluster(cluster_service_pb2.GetClusterRequest(name="clusters/eu-1"))).cluster.status

    assert (unknown.status.HasField("free"), unknown.status.HasField("free_read_time")) == (False, False)
    assert told.free == cluster_pb2.Capacity(cpu_millicores=9_000, memory_bytes=96 << 30, pods=290)
    assert told.free_read_time.ToDatetime(UTC) == room.read_time
