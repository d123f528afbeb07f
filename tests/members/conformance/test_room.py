"""What nodes offer and pods take, read from members of both kinds."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.members.client import MemberClient
from fedsvc.members.room import NodeSummary, RoomReading, read_room
from fedsvc.model.room import Room, StuckWorkload
from fedsvc.testing.kubelet import create_node
from fedsvc.testing.members import MERGE, Member, Reply

LATER = timedelta(minutes=5)


@pytest.fixture
async def service_account(member: Member, namespace: str) -> None:
    """Pods are refused until their namespace has one, which its controller makes in its own time."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    (await member.post(path, {"metadata": {"name": "default"}})).expect(201, 409)


async def make_pod(member: Member, namespace: str, name: str, *, node: str = "", **metadata: Any) -> None:
    container = {"name": "main", "image": "main", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}
    spec: dict[str, Any] = {"containers": [container], "automountServiceAccountToken": False}
    body = {"metadata": {"name": name, **metadata}, "spec": {**spec, **({"nodeName": node} if node else {})}}
    (await member.post(f"/api/v1/namespaces/{namespace}/pods", body)).expect(201)


async def set_status(member: Member, namespace: str, pod: str, **status: Any) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/status"
    (await member.patch(path, {"status": status}, content_type=MERGE)).expect(200)


def has_items(reply: Reply) -> bool:
    return reply.status == 200 and bool(reply.body["items"])


async def room_of(client: MemberClient, **given: Any) -> Room:
    room = (await read_room(client, **given)).room
    assert room is not None
    return room


def free_of(room: Room, allocatable_cpu: int) -> list[tuple[int, int, int, int]]:
    """(nodes, millicores, bytes, pods) of the nodes that offer so many millicores."""
    return [
        (shape.count, shape.free["cpu"], shape.free["memory"], shape.free["pods"])
        for shape in room.nodes
        if shape.allocatable["cpu"] == allocatable_cpu
    ]


async def test_what_pods_request_is_taken_off_their_node(
    member: Member, client: MemberClient, namespace: str, service_account: None
) -> None:
    for name in ("room-a", "room-b", "room-c"):
        await create_node(member, name, cpu="17", memory="8Gi")
    (await member.patch("/api/v1/nodes/room-c", {"spec": {"unschedulable": True}}, content_type=MERGE)).expect(200)
    await make_pod(member, namespace, "runs", node="room-a")
    await make_pod(member, namespace, "done", node="room-a")
    await set_status(member, namespace, "done", phase="Succeeded")

    room = await room_of(client, now=datetime.now(UTC))

    assert free_of(room, 17_000) == [(1, 16_500, 7 << 30, 109), (1, 17_000, 8 << 30, 110)]


async def test_nodes_are_counted_in_the_same_reading(member: Member, client: MemberClient) -> None:
    before = (await read_room(client, now=datetime.now(UTC))).summary
    for name in ("count-a", "count-b", "count-c"):
        await create_node(member, name, cpu="7", memory="1Gi")
    (await member.patch("/api/v1/nodes/count-b", {"spec": {"unschedulable": True}}, content_type=MERGE)).expect(200)
    broken = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    (await member.patch("/api/v1/nodes/count-c/status", broken, content_type=MERGE)).expect(200)

    after = (await read_room(client, now=datetime.now(UTC))).summary

    assert after.node_count - before.node_count == 3
    assert after.ready_node_count - before.ready_node_count == 2
    assert after.allocatable.cpu_millicores - before.allocatable.cpu_millicores == 7_000
    assert after.allocatable.memory_bytes - before.allocatable.memory_bytes == 1 << 30
    assert after.allocatable.pods - before.allocatable.pods == 110


async def test_rights_that_do_not_cover_nodes_or_pods_are_no_trouble(
    member: Member, namespace: str, client_of: Callable[[str], MemberClient]
) -> None:
    reader = f"reader-{namespace}"
    token = await token_of(member, namespace, reader)
    async with client_of(token) as client:
        nothing = await read_room(client, now=datetime.now(UTC))
        await grant(member, namespace, reader, "nodes")
        nodes_only = await until_read(client, lambda reading: reading.summary.node_count > 0)
        await grant(member, namespace, reader, "nodes", "pods")
        everything = await until_read(client, lambda reading: reading.room is not None)

    assert nothing == RoomReading(summary=NodeSummary(), room=None)
    assert nodes_only.room is None
    assert everything.room is not None
    assert everything.room.nodes


async def token_of(member: Member, namespace: str, account: str) -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    (await member.post(path, {"metadata": {"name": account}})).expect(201)
    asked = await member.post(f"{path}/{account}/token", {"spec": {"expirationSeconds": 3_600}})
    return str(asked.expect(201)["status"]["token"])


async def grant(member: Member, namespace: str, account: str, *resources: str) -> None:
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    rules = [{"apiGroups": [""], "resources": list(resources), "verbs": ["list"]}]
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": account}}
    await member.apply(f"{rbac}/clusterroles/{account}", {**head, "kind": "ClusterRole", "rules": rules})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": account}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    binding = {"kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]}
    (await member.apply(f"{rbac}/clusterrolebindings/{account}", {**head, **binding})).expect(200, 201)


async def until_read(client: MemberClient, is_so: Callable[[RoomReading], bool]) -> RoomReading:
    """Authorizers learn of new rights a moment after they are written."""
    async with asyncio.timeout(20):
        while not is_so(reading := await read_room(client, now=datetime.now(UTC))):
            await asyncio.sleep(0.05)
    return reading


async def test_a_pod_without_a_node_waits_and_in_time_is_told_as_stuck(
    member: Member, client: MemberClient, namespace: str, service_account: None
) -> None:
    labels = {"app": "web"}
    container = {"name": "main", "image": "main", "resources": {"requests": {"cpu": "900", "memory": "1Gi"}}}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    (await member.post(deployments, {"metadata": {"name": "web"}, "spec": spec})).expect(201)
    listed = await member.until(f"/api/v1/namespaces/{namespace}/pods", has_items, what="a pod of the Deployment")
    now = datetime.now(UTC)
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    pod = listed.body["items"][0]["metadata"]["name"]
    await set_status(member, namespace, pod, conditions=[{**condition, "lastTransitionTime": moment}])

    early = await room_of(client, now=now)
    late = await room_of(client, now=now + LATER)
    skewed = await room_of(client, now=now, skew_seconds=LATER.total_seconds())

    stuck = StuckWorkload(group="apps", kind="Deployment", namespace=namespace, name="web", replicas=1)
    requests = {"cpu": 900_000, "memory": 1 << 30}
    assert [grant.replicas for grant in early.waiting if grant.requests == requests] == [1]
    assert stuck not in early.stuck
    assert stuck in late.stuck
    assert stuck in skewed.stuck
