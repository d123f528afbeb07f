import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc import aio
from grpc_status import rpc_status

from fedsvc.api.edge import Edge, EdgeSettings
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.room import Room
from fedsvc.model.work import Binding
from fedsvc.store import clusters, decisions, placing, tokens, units, works
from fedsvc.store.sql import text
from fedsvc.store.store import Store
from fedsvc.store.tables import metadata
from fedsvc.v1 import (
    audit_service_pb2_grpc,
    automation_service_pb2_grpc,
    cluster_pb2,
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    common_pb2,
    event_service_pb2_grpc,
    hold_service_pb2_grpc,
    member_service_pb2_grpc,
    ownership_service_pb2_grpc,
    placement_pb2,
    placement_service_pb2_grpc,
    policy_service_pb2_grpc,
    removal_service_pb2_grpc,
    resource_service_pb2_grpc,
    server_service_pb2_grpc,
    unit_pb2,
    unit_service_pb2,
    unit_service_pb2_grpc,
    watch_service_pb2_grpc,
    zone_service_pb2_grpc,
)
from fedsvc_placement import NodeShape, to_dict
from fedsvc_placement.inputs import Inputs, decide_on, inputs_to_dict


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
        self.ownership = ownership_service_pb2_grpc.OwnershipServiceStub(channel)
        self.placement = placement_service_pb2_grpc.PlacementServiceStub(channel)
        self.policies = policy_service_pb2_grpc.PolicyServiceStub(channel)
        self.removals = removal_service_pb2_grpc.RemovalServiceStub(channel)
        self.automation = automation_service_pb2_grpc.AutomationServiceStub(channel)
        self.holds = hold_service_pb2_grpc.HoldServiceStub(channel)
        self.events = event_service_pb2_grpc.EventServiceStub(channel)
        self.audit = audit_service_pb2_grpc.AuditServiceStub(channel)
        self.members = member_service_pb2_grpc.MemberServiceStub(channel)
        self.server = server_service_pb2_grpc.ServerServiceStub(channel)
        self.watch = watch_service_pb2_grpc.WatchServiceStub(channel)
        self.zones = zone_service_pb2_grpc.ZoneServiceStub(channel)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Clusters eu-1, eu-2 and us-1 with room, all but eu-2 labelled tier=prod, and what a controller would do to units."""

    api: Api
    store: Store

    async def found(self) -> None:
        """Join the clusters."""
        for name, provider in (("eu-1", "aws"), ("eu-2", "aws"), ("us-1", "gcp")):
            region = name.partition("-")[0]
            labels = {} if name == "eu-2" else {"tier": "prod"}
            await self.api.join(name, region=region, zones=[f"{name}-a"], provider=provider, labels=labels)
            await self.room(name, cpu=4000)

    async def room(self, name: str, *, cpu: int) -> None:
        """Say that the one node of a cluster has so many thousandths of a core free."""
        free = {"cpu": cpu, "memory": 2**32, "pods": 90}
        shape = NodeShape(count=1, allocatable={"cpu": 8000, "memory": 2**33, "pods": 100}, free=free)
        async with self.store.transaction() as tx:
            await clusters.set_room(tx, name, Room(nodes=(shape,), read_time=tx.now))

    async def divided(self, unit: str, *, replicas: int = 12, name: str = "web", beside: Sequence[Any] = ()) -> None:
        """Apply a unit whose Deployment is divided by free room over tier=prod; a replica asks for half a core."""
        template = {"spec": {"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "500m"}}}]}}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"replicas": replicas, "template": template},
        }
        placement = placement_pb2.Placement(
            cluster_selector=common_pb2.LabelSelector(match_labels={"tier": "prod"}),
            replicas=placement_pb2.ReplicaPolicy(
                mode=placement_pb2.REPLICA_MODE_DIVIDED,
                strategy=placement_pb2.REPLICA_STRATEGY_CAPACITY,
                movement=placement_pb2.REPLICA_MOVEMENT_FRESH,
            ),
        )
        await self.api.apply(unit, deployment, *beside, placement=placement)

    async def decide(self, name: str) -> str:
        """Decide on a unit and bind it, as the controller does, with its inputs kept; gives the decision's id."""
        async with self.store.transaction() as tx:
            unit = await units.get(tx, "shop", name)
            (asked,) = await placing.read_requests(tx, [unit])
            fleet = await placing.read_fleet(tx, with_units=False)
            inputs = Inputs(unit=asked.input, previous=asked.previous, memory=asked.memory, now=tx.now)
            decision = decide_on(inputs, fleet)
            made = decisions.NewDecision(
                unit=unit,
                inputs_digest=decision.inputs_digest,
                record=to_dict(decision),
                inputs=inputs_to_dict(inputs),
                fleet_digest=await decisions.put_fleet(tx, decisions.pack_fleet(fleet)),
            )
            (decision_id,) = await decisions.add(tx, [made])
            bindings = [
                Binding(
                    unit_uid=unit.uid,
                    cluster=target.cluster,
                    replicas=dict(target.replicas),
                    render_key=b"r",
                    decision=decision_id,
                )
                for target in decision.targets
            ]
            await units.lock_generations(tx, [unit.uid])
            plan = works.UnitSync(
                unit=unit,
                bindings=bindings,
                desired={binding.cluster: [] for binding in bindings},
                removal=ObjectDeletion.BACKGROUND,
            )
            await works.sync_units(tx, [plan])
            done = units.DecidedUnit(
                unit=unit, decision=decision_id, reconsider_at=decision.reconsider_at, memory=decision.memory
            )
            await units.set_decided(tx, [done])
        return decision_id

    async def tables(self) -> dict[str, list[Any]]:
        """Everything that is stored, but for the tokens of callers."""
        found: dict[str, list[Any]] = {}
        async with self.store.reader() as tx:
            for table in metadata.sorted_tables:
                if table.name != "token":
                    found[table.name] = sorted(map(repr, await tx.execute(text(f"SELECT * FROM {table.name}"))))  # noqa: S608 - names of our own tables
        return found


@pytest.fixture
async def town(api: Api, store: Store) -> Town:
    town = Town(api=api, store=store)
    await town.found()
    return town
