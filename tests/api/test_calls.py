import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc import aio
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from prometheus_client import REGISTRY

from fedsvc.api.edge import Edge
from fedsvc.store import clusters, tokens
from fedsvc.store.store import Store
from fedsvc.v1 import (
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    common_pb2,
    watch_service_pb2,
    watch_service_pb2_grpc,
)
from fedsvc.v1 import unit_service_pb2 as unit_pb

LIST = cluster_service_pb2.ListClustersRequest()

BAD_METADATA = [
    pytest.param([], "the call brings no token", id="none"),
    pytest.param([("authorization", "")], "not a bearer token", id="empty"),
    pytest.param([("authorization", "Bearer")], "not a bearer token", id="no token"),
    pytest.param([("authorization", "Basic abc")], "not a bearer token", id="basic"),
    pytest.param([("authorization", "Bearer fedsvc_wrong")], "not known to this server", id="unknown"),
    pytest.param([("authorization", "Bearer a"), ("authorization", "Bearer b")], "2 authorization values", id="two"),
]


@pytest.mark.parametrize(("metadata", "text"), BAD_METADATA)
async def test_a_call_without_a_known_token_is_refused(
    helpers: Any, edge: tuple[Edge, int], metadata: list[tuple[str, str]], text: str
) -> None:
    async with aio.insecure_channel(f"127.0.0.1:{edge[1]}") as channel:
        stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
        refusal = await helpers.refused(stub.ListClusters(LIST, metadata=metadata))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "UNAUTHENTICATED")
    assert text in refusal.message


async def test_streams_and_reflection_need_a_token_too(helpers: Any, edge: tuple[Edge, int]) -> None:
    async with aio.insecure_channel(f"127.0.0.1:{edge[1]}") as channel:
        watch = watch_service_pb2_grpc.WatchServiceStub(channel).Watch(
            watch_service_pb2.WatchRequest(kinds=[watch_service_pb2.WATCH_KIND_CLUSTER])
        )
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]  # the stubs know no aio
        reflection = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        for call in (watch, reflection):
            with pytest.raises(aio.AioRpcError) as caught:
                await call.read()
            assert caught.value.code() == grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
async def test_the_scheme_is_read_in_any_case(store: Store, edge: tuple[Edge, int], scheme: str) -> None:
    async with store.transaction() as tx:
        token = await tokens.create(tx, "ci")
    async with aio.insecure_channel(f"127.0.0.1:{edge[1]}") as channel:
        stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)

        await stub.ListClusters(LIST, metadata=[("authorization", f"{scheme} {token}")])


async def test_a_token_that_has_ended_or_is_revoked_is_refused(
    api: Any, helpers: Any, store: Store, edge: tuple[Edge, int]
) -> None:
    async with store.transaction() as tx:
        old = await tokens.create(tx, "old", expire_time=datetime.now(UTC) - timedelta(seconds=1))
        await tokens.revoke(tx, "tester")
    async with aio.insecure_channel(f"127.0.0.1:{edge[1]}") as channel:
        stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
        ended = await helpers.refused(stub.ListClusters(LIST, metadata=[("authorization", f"Bearer {old}")]))

    assert ended.reason == "UNAUTHENTICATED"
    assert "the token ended at 2" in ended.message
    assert "fedsvc token create NAME" in ended.message
    assert (await helpers.refused(api.clusters.ListClusters(LIST))).reason == "UNAUTHENTICATED"


async def test_a_defect_is_told_by_its_id_only(
    api: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(clusters, "list_page", broken)
    with pytest.raises(aio.AioRpcError) as caught:
        await api.clusters.ListClusters(LIST)

    status = rpc_status.from_call(caught.value)  # type: ignore[arg-type]  # the stubs know no aio
    assert status is not None
    info = error_details_pb2.RequestInfo()
    assert status.details[1].Unpack(info)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "hunter2" not in str(status)
    output = capfd.readouterr()
    assert info.request_id in output.out + output.err
    assert "ZeroDivisionError" in output.out + output.err


async def test_the_log_holds_no_token(api: Any, capfd: pytest.CaptureFixture[str]) -> None:
    await api.join("eu-1")

    output = capfd.readouterr()
    assert "ClusterService/CreateCluster" in output.out + output.err
    assert api.token not in output.out + output.err
    assert "t0ken" not in output.out + output.err


async def test_a_callers_deadline_ends_the_work(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()

    async def slow(*_: Any, **__: Any) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(clusters, "list_page", slow)
    with pytest.raises(aio.AioRpcError) as caught:
        await api.clusters.ListClusters(LIST, timeout=0.2)

    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    async with asyncio.timeout(5):
        await ended.wait()


async def test_a_call_gets_no_more_than_the_servers_own_limit(
    api: Any, helpers: Any, edge: tuple[Edge, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: Any, **__: Any) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr(clusters, "list_page", slow)
    monkeypatch.setattr(edge[0]._interceptor, "_max_call_seconds", 0.1)

    refusal = await helpers.refused(api.clusters.ListClusters(LIST, timeout=30))

    assert (refusal.code, refusal.metadata) == (
        grpc.StatusCode.DEADLINE_EXCEEDED,
        {"limit": "call_seconds", "value": "0.1"},
    )


async def test_a_database_that_does_not_answer_is_told_as_unavailable(
    api: Any, helpers: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError(111, "refused")

    monkeypatch.setattr("fedsvc.store.store.run", refuse)

    refusal = await helpers.refused(api.clusters.ListClusters(LIST))

    assert (refusal.code, refusal.reason, refusal.detail) == (
        grpc.StatusCode.UNAVAILABLE,
        "STORE_UNAVAILABLE",
        "RetryInfo",
    )


async def test_calls_are_counted_by_method_and_code(api: Any, helpers: Any) -> None:
    def count(code: str) -> float:
        labels = {"method": "/fedsvc.v1.ClusterService/GetCluster", "code": code}
        return REGISTRY.get_sample_value("fedsvc_grpc_calls_total", labels) or 0.0

    before = count("NOT_FOUND")
    await helpers.refused(api.clusters.GetCluster(cluster_service_pb2.GetClusterRequest(name="clusters/x")))

    assert count("NOT_FOUND") == before + 1


async def test_an_unknown_method_is_unimplemented(api: Any) -> None:
    call = api.channel.unary_unary("/fedsvc.v1.ClusterService/Explode", lambda _: b"", lambda data: data)

    with pytest.raises(aio.AioRpcError) as caught:
        await call(None)

    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize(
    ("manifests", "limit"),
    [
        pytest.param([b"x" * (2**20 + 1)], "max_manifest_bytes", id="object"),
        pytest.param([b"x" * 2**20] * 17, "max_unit_bytes", id="unit"),
        pytest.param([b"{}"] * 5001, "max_unit_resources", id="count"),
    ],
)
async def test_stated_limits_are_enforced(api: Any, helpers: Any, manifests: list[bytes], limit: str) -> None:
    request = helpers.apply_request("shop")
    request.unit.spec.resources.extend(common_pb2.Manifest(json=data) for data in manifests)

    refusal = await helpers.refused(api.units.ApplyUnit(request))

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "LIMIT_EXCEEDED")
    assert refusal.metadata["limit"] == limit
    assert "at most" in refusal.message


async def test_a_message_beyond_everything_is_refused_by_the_transport(api: Any, helpers: Any) -> None:
    request = helpers.apply_request("shop")
    request.unit.spec.resources.append(common_pb2.Manifest(json=b"x" * (21 * 2**20)))

    with pytest.raises(aio.AioRpcError) as caught:
        await api.units.ApplyUnit(request)

    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_an_object_of_exactly_the_limit_is_accepted(api: Any, helpers: Any) -> None:
    empty = json.dumps(helpers.config_map(a="")).encode()
    padding = "x" * (2**20 - len(empty))

    response = await api.apply("shop", helpers.config_map(a=padding))

    assert response.outcome == unit_pb.APPLY_OUTCOME_CREATED


async def test_five_thousand_objects_are_accepted_and_read_back(api: Any, helpers: Any) -> None:
    await api.join("eu-1")
    objects = [helpers.config_map(f"c-{index}", value="x" * 100) for index in range(5_000)]

    response = await api.apply("shop", *objects, placement=helpers.everywhere())

    assert (len(response.resources), response.unit.status.resource_count) == (5_000, 5_000)
    unit = (await api.units.GetUnit(unit_pb.GetUnitRequest(name="namespaces/shop/units/shop"))).unit
    assert unit.spec.resources[4_999].ref.name == "c-4999"
