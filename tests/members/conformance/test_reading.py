"""What is read from members on demand, and how they answer where there is nothing to read."""

from contextlib import aclosing

import pytest

from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError
from fedsvc.members.logs import LogOptions, LogSource, read_log
from fedsvc.members.reading import read_events, read_pods
from fedsvc.rendering.belonging import Holding
from fedsvc.rendering.keys import ObjectKey
from fedsvc.testing.members import Member

UNIT = "namespaces/x/units/web"
LABELS = {"app": "web"}
# No node is such, so that the pods wait on both kinds of members.
POD = {
    "containers": [{"name": "web", "image": "web"}],
    "nodeSelector": {"never": "there"},
    "automountServiceAccountToken": False,
}
TEMPLATE = {"metadata": {"labels": LABELS}, "spec": POD}


@pytest.fixture
async def holding(member: Member, namespace: str) -> Holding:
    """A Deployment of a unit with one pod by way of a ReplicaSet; beside it a pod of nobody."""
    base = f"/apis/apps/v1/namespaces/{namespace}"
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": TEMPLATE}
    paused = {"metadata": {"name": "web"}, "spec": {**spec, "paused": True}}
    deployment = (await member.post(f"{base}/deployments", paused)).expect(201)
    uid = deployment["metadata"]["uid"]
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": uid, "controller": True}
    metadata = {"name": "web-1", "labels": LABELS, "ownerReferences": [owner]}
    made = (await member.post(f"{base}/replicasets", {"metadata": metadata, "spec": spec})).expect(201)
    below = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": made["metadata"]["uid"]}
    (await member.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "default"}})).expect(
        201, 409
    )
    pods = f"/api/v1/namespaces/{namespace}/pods"
    (await member.post(pods, {"metadata": {"name": "alone"}, "spec": POD})).expect(201)
    if not (await member.get(f"{pods}?labelSelector=app=web")).expect(200)["items"]:  # no controller makes it
        document = {"metadata": {"name": "web-1-a", "labels": LABELS, "ownerReferences": [below]}, "spec": POD}
        (await member.post(pods, document)).expect(201)
    key = ObjectKey(group="apps", version="v1", kind="Deployment", namespace=namespace, name="web")
    return Holding(unit=UNIT, key=key, uid=uid)


async def test_the_pods_of_a_unit_are_those_that_its_objects_own(
    client: MemberClient, holding: Holding, namespace: str
) -> None:
    ((pod,), cut) = await read_pods(client, [holding])
    assert pod.view.name.startswith("web-1-")
    assert pod.owner == holding
    assert not cut


async def test_the_pods_of_a_namespace_are_all_with_their_unit_where_they_have_one(
    client: MemberClient, holding: Holding, namespace: str
) -> None:
    pods, _ = await read_pods(client, [holding], namespace=namespace)
    assert sorted((pod.view.name[:6], pod.owner == holding) for pod in pods) == [("alone", False), ("web-1-", True)]


async def test_events_of_a_unit_are_those_of_its_objects_and_of_what_they_own(
    member: Member, client: MemberClient, holding: Holding, namespace: str
) -> None:
    alone, own = [pod.view for pod in (await read_pods(client, [holding], namespace=namespace))[0]]
    for number, pod in enumerate((own, own, alone)):
        name = pod.name
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": pod.uid}
        event = {
            "metadata": {"name": f"{name}.{number}"},
            "involvedObject": about,
            "type": "Warning",
            "reason": "Tested",
            "message": "tested",
            "count": 2,
            "firstTimestamp": "2026-01-02T03:00:00Z",
            "lastTimestamp": f"2026-01-02T03:0{number}:00Z",
        }
        (await member.post(f"/api/v1/namespaces/{namespace}/events", event)).expect(201)

    found, cut = await read_events(client, [holding])
    (tested,) = [item for item in found if item.event.reason == "Tested"]
    assert (tested.event.name, tested.event.count, tested.owner) == (own.name, 4, holding)
    assert tested.event.last_time == "2026-01-02T03:01:00Z"
    assert not cut


async def test_a_pod_that_has_no_node_yet_has_an_empty_log(
    client: MemberClient, holding: Holding, namespace: str
) -> None:
    source = LogSource(namespace=namespace, pod="alone", container="web", is_only=True)
    async with aclosing(read_log(client, source, LogOptions(), begin_seconds=10.0)) as pieces:
        assert [piece async for piece in pieces] == []


async def test_the_log_of_a_pod_that_is_not_there_is_refused(client: MemberClient, namespace: str) -> None:
    source = LogSource(namespace=namespace, pod="nobody", container="web", is_only=True)
    with pytest.raises(MemberStatusError) as caught:
        async with aclosing(read_log(client, source, LogOptions(), begin_seconds=10.0)) as pieces:
            await anext(pieces)
    assert caught.value.code == 404
