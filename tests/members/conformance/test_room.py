"""What nodes offer and pods take, read from members of both kinds."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.members.client import MemberClient
from fedsvc.members.room import read_room
from fedsvc.model.cluster import Connection, Credential
from fedsvc.model.room import Room, StuckWorkload
from fedsvc.testing.kubelet import create_node
from fedsvc.testing.members import MERGE, Member, Reply

LATER = timedelta(minutes=5)


@pytest.fixture
async def client(member: Member) -> AsyncIterator[MemberClient]:
    context = member.ssl_context
    authorities = [] if context is None else context.get_ca_certs(binary_form=True)
    connection = Connection(
        endpoint=member.server,
        insecure_skip_tls_verify=not authorities,  # the real one makes a certificate of its own at each start
        ca_pem="".join(ssl.DER_cert_to_PEM_cert(der) for der in authorities).encode(),
        credential=Credential(token=member.token),
    )
    async with MemberClient(connection, name="member") as made:
        yield made


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

    room = await read_room(client, now=datetime.now(UTC))

    assert free_of(room, 17_000) == [(1, 16_500, 7 << 30, 109), (1, 17_000, 8 << 30, 110)]


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

    early = await read_room(client, now=now)
    late = await read_room(client, now=now + LATER)
    skewed = await read_room(client, now=now, skew_seconds=LATER.total_seconds())

    stuck = StuckWorkload(group="apps", kind="Deployment", namespace=namespace, name="web", replicas=1)
    requests = {"cpu": 900_000, "memory": 1 << 30}
    assert [grant.replicas for grant in early.waiting if grant.requests == requests] == [1]
    assert stuck not in early.stuck
    assert stuck in late.stuck
    assert stuck in skewed.stuck
