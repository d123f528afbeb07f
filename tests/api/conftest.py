import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from fedsvc.api.edge import Edge, EdgeSettings
from fedsvc.store import tokens
from fedsvc.store.store import Store
from fedsvc.v1 import (
    cluster_pb2,
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    common_pb2,
    event_service_pb2_grpc,
    placement_pb2,
    policy_service_pb2_grpc,
    resource_service_pb2_grpc,
    server_service_pb2_grpc,
    unit_pb2,
    unit_service_pb2,
    unit_service_pb2_grpc,
    watch_service_pb2_grpc,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What a caller sees of an error."""

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: dict[str, str]
    fields: list[tuple[str, str]]
    detail: str


class Api:
    """Stubs of all services on one channel, and what most tests do with them."""

    def __init__(self, channel: aio.Channel, port: int, token: str) -> None:
        self.channel = channel
        self.port = port
        self.token = token
        self.clusters = cluster_service_pb2_grpc.ClusterServiceStub(channel)
        self.units = unit_service_pb2_grpc.UnitServiceStub(channel)
        self.resources = resource_service_pb2_grpc.ResourceServiceStub(channel)
        self.policies = policy_service_pb2_grpc.PolicyServiceStub(channel)
        self.events = event_service_pb2_grpc.EventServiceStub(channel)
        self.server = server_service_pb2_grpc.ServerServiceStub(channel)
        self.watch = watch_service_pb2_grpc.WatchServiceStub(channel)

    async def join(self, name: str, **fields: Any) -> cluster_pb2.Cluster:
        connection = cluster_pb2.ClusterConnection(
            endpoint=f"https://{name}.example:6443", credential=cluster_pb2.ClusterCredential(token="t0ken")
        )
        request = cluster_service_pb2.CreateClusterRequest(
            cluster_id=name, cluster=cluster_pb2.Cluster(connection=connection, **fields)
        )
        return (await self.clusters.CreateCluster(request)).cluster

    async def apply(self, name: str = "shop", *objects: Any, **spec: Any) -> unit_service_pb2.ApplyUnitResponse:
        return await self.units.ApplyUnit(apply_request(name, *objects, **spec))


def apply_request(name: str = "shop", *objects: Any, **spec: Any) -> unit_service_pb2.ApplyUnitRequest:
    manifests = [common_pb2.Manifest(json=json.dumps(item).encode()) for item in objects]
    unit = unit_pb2.Unit(name=f"namespaces/shop/units/{name}", spec=unit_pb2.UnitSpec(resources=manifests, **spec))
    return unit_service_pb2.ApplyUnitRequest(unit=unit)


def everywhere() -> placement_pb2.Placement:
    return placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector())


def config_map(name: str = "web", **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


async def refused(call: Awaitable[Any]) -> Refusal:
    with pytest.raises(aio.AioRpcError) as caught:
        await call
    return decode(caught.value)


def decode(error: aio.AioRpcError) -> Refusal:
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs know no aio
    assert status is not None, f"no details in {error}"
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "fedsvc"
    assert len(status.details) <= 2
    bad = error_details_pb2.BadRequest()
    if len(status.details) == 2:
        status.details[1].Unpack(bad)
    return Refusal(
        code=error.code(),
        reason=info.reason,
        message=error.details() or "",
        metadata=dict(info.metadata),
        fields=[(violation.field, violation.description) for violation in bad.field_violations],
        detail=status.details[1].TypeName().rpartition(".")[2] if len(status.details) == 2 else "",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """Functions that tests share."""

    refused: Callable[[Awaitable[Any]], Awaitable[Refusal]] = refused
    decode: Callable[[aio.AioRpcError], Refusal] = decode
    apply_request: Callable[..., unit_service_pb2.ApplyUnitRequest] = apply_request
    everywhere: Callable[[], placement_pb2.Placement] = everywhere
    config_map: Callable[..., dict[str, Any]] = config_map


@pytest.fixture(scope="session")
def helpers() -> Helpers:
    return Helpers()


def authorized(token: str) -> list[aio.ClientInterceptor]:
    class Unary(aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            return await continuation(_with_token(details, token), request)

    class Stream(aio.UnaryStreamClientInterceptor):
        async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
            return await continuation(_with_token(details, token), request)

    return [Unary(), Stream()]


def _with_token(details: Any, token: str) -> Any:
    metadata = aio.Metadata(*(details.metadata or ()), ("authorization", f"Bearer {token}"))
    return details._replace(metadata=metadata)


@pytest.fixture
def edge_settings() -> EdgeSettings:
    return EdgeSettings(
        address="127.0.0.1:0",
        version="1.2.3",
        bookmark_seconds=0.2,
        token_cache_seconds=0.0,
        health_probe_seconds=0.05,
    )


@pytest.fixture
async def edge(store: Store, edge_settings: EdgeSettings) -> AsyncIterator[tuple[Edge, int]]:
    edge = Edge(store, edge_settings, is_leader=lambda: True)
    port = await edge.start()
    health = asyncio.get_running_loop().create_task(edge.run())
    try:
        yield edge, port
    finally:
        health.cancel()
        await asyncio.gather(health, return_exceptions=True)
        await edge.stop(0)


@pytest.fixture
async def api(store: Store, edge: tuple[Edge, int]) -> AsyncIterator[Api]:
    async with store.transaction() as tx:
        token = await tokens.create(tx, "tester")
    async with aio.insecure_channel(
        f"127.0.0.1:{edge[1]}",
        interceptors=authorized(token),
        options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)],
    ) as channel:
        yield Api(channel, edge[1], token)
