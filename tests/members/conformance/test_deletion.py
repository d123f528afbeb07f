"""Deletion: preconditions, finalizers, owners and what becomes of what they own, namespaces."""

from typing import Any

import pytest

from fedsvc.testing.members import Member, Reply


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def owned_by(owner: dict[str, Any], name: str, *, blocking: bool = False) -> dict[str, Any]:
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": blocking,
    }
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


def is_gone(reply: Reply) -> bool:
    return reply.status == 404


async def test_preconditions_of_a_deletion(member: Member, namespace: str) -> None:
    made = (await member.post(maps(namespace), {"metadata": {"name": "a"}})).expect(201)
    for wrong in ({"uid": "x"}, {"resourceVersion": "1"}):
        status = (await member.delete(maps(namespace, "a"), {"preconditions": wrong})).expect(409)
        assert status["reason"] == "Conflict"
        assert status["message"].startswith("Operation cannot be fulfilled on ")
        assert "in the precondition" in status["message"]
    right = {"uid": made["metadata"]["uid"], "resourceVersion": made["metadata"]["resourceVersion"]}
    (await member.delete(maps(namespace, "a"), {"preconditions": right})).expect(200)
    (await member.delete(maps(namespace, "a"))).expect(404)


async def test_an_object_with_finalizers_waits_for_them(member: Member, namespace: str) -> None:
    body = {"metadata": {"name": "a", "finalizers": ["example.com/wait"]}, "data": {"x": "1"}}
    (await member.post(maps(namespace), body)).expect(201)
    waiting = (await member.delete(maps(namespace, "a"))).expect(200)
    assert waiting["metadata"]["deletionTimestamp"]
    assert waiting["kind"] == "ConfigMap"
    found = (await member.get(maps(namespace, "a"))).expect(200)
    assert found["metadata"]["deletionTimestamp"] == waiting["metadata"]["deletionTimestamp"]
    (await member.patch(maps(namespace, "a"), {"data": {"x": "2"}})).expect(200)
    (await member.patch(maps(namespace, "a"), {"metadata": {"finalizers": None}})).expect(200)
    (await member.get(maps(namespace, "a"))).expect(404)


async def test_no_finalizer_comes_to_what_is_being_deleted(member: Member, namespace: str) -> None:
    body = {"metadata": {"name": "a", "finalizers": ["example.com/wait"]}}
    (await member.post(maps(namespace), body)).expect(201)
    (await member.delete(maps(namespace, "a"))).expect(200)
    more = {"metadata": {"finalizers": ["example.com/wait", "example.com/more"]}}
    status = (await member.patch(maps(namespace, "a"), more)).expect(422)
    assert "no new finalizers can be added if the object is being deleted" in status["message"]
    (await member.patch(maps(namespace, "a"), {"metadata": {"finalizers": None}})).expect(200)


async def test_dry_run_of_a_deletion_deletes_nothing(member: Member, namespace: str) -> None:
    (await member.post(maps(namespace), {"metadata": {"name": "a"}})).expect(201)
    (await member.delete(maps(namespace, "a"), dryRun="All")).expect(200)
    (await member.get(maps(namespace, "a"))).expect(200)


async def test_a_collection_is_deleted_by_selector(member: Member, namespace: str) -> None:
    for name, label in (("a", "1"), ("b", "1"), ("c", "2")):
        (await member.post(maps(namespace), {"metadata": {"name": name, "labels": {"l": label}}})).expect(201)
    (await member.delete(maps(namespace), labelSelector="l=1")).expect(200)
    left = (await member.get(maps(namespace), labelSelector="l")).expect(200)
    assert [item["metadata"]["name"] for item in left["items"]] == ["c"]


async def test_what_an_object_owns_goes_with_it(member: Member, namespace: str) -> None:
    owner = (await member.post(maps(namespace), {"metadata": {"name": "owner"}})).expect(201)
    (await member.post(maps(namespace), owned_by(owner, "owned"))).expect(201)
    (await member.delete(maps(namespace, "owner"), {"propagationPolicy": "Background"})).expect(200)
    (await member.get(maps(namespace, "owner"))).expect(404)
    await member.until(maps(namespace, "owned"), is_gone, what="the owned object is collected")


async def test_orphans_stay_and_forget_their_owner(member: Member, namespace: str) -> None:
    owner = (await member.post(maps(namespace), {"metadata": {"name": "owner"}})).expect(201)
    (await member.post(maps(namespace), owned_by(owner, "owned"))).expect(201)
    (await member.delete(maps(namespace, "owner"), {"propagationPolicy": "Orphan"})).expect(200)
    await member.until(maps(namespace, "owner"), is_gone, what="the owner is gone")
    left = (await member.get(maps(namespace, "owned"))).expect(200)
    assert "ownerReferences" not in left["metadata"]


async def test_in_the_foreground_the_owner_goes_last(member: Member, namespace: str) -> None:
    owner = (await member.post(maps(namespace), {"metadata": {"name": "owner"}})).expect(201)
    body = owned_by(owner, "owned", blocking=True)
    body["metadata"]["finalizers"] = ["example.com/wait"]
    (await member.post(maps(namespace), body)).expect(201)
    waiting = (await member.delete(maps(namespace, "owner"), {"propagationPolicy": "Foreground"})).expect(200)
    assert waiting["metadata"]["finalizers"] == ["foregroundDeletion"]

    def is_going(reply: Reply) -> bool:
        return "deletionTimestamp" in reply.body["metadata"]

    await member.until(maps(namespace, "owned"), is_going, what="the owned object is being deleted")
    (await member.get(maps(namespace, "owner"))).expect(200)
    (await member.patch(maps(namespace, "owned"), {"metadata": {"finalizers": None}})).expect(200)
    await member.until(maps(namespace, "owner"), is_gone, what="the owner is gone")


async def test_an_object_with_a_living_owner_stays(member: Member, namespace: str) -> None:
    one = (await member.post(maps(namespace), {"metadata": {"name": "one"}})).expect(201)
    two = (await member.post(maps(namespace), {"metadata": {"name": "two"}})).expect(201)
    body = owned_by(one, "owned")
    body["metadata"]["ownerReferences"] += owned_by(two, "owned")["metadata"]["ownerReferences"]
    (await member.post(maps(namespace), body)).expect(201)
    (await member.delete(maps(namespace, "one"))).expect(200)

    def forgot_one(reply: Reply) -> bool:
        return len(reply.body["metadata"]["ownerReferences"]) == 1

    left = await member.until(maps(namespace, "owned"), forgot_one, what="the owner that is gone is forgotten")
    assert left.body["metadata"]["ownerReferences"][0]["name"] == "two"


async def test_a_deployment_makes_a_replica_set_that_goes_with_it(member: Member, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}}
    body = {
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    base = f"/apis/apps/v1/namespaces/{namespace}"
    (await member.post(f"{base}/deployments", body)).expect(201)

    def has_pods(reply: Reply) -> bool:
        return [item["status"].get("replicas") for item in reply.body["items"]] == [2]

    sets = await member.until(f"{base}/replicasets", has_pods, what="a ReplicaSet with two pods")
    (found,) = sets.body["items"]
    assert found["metadata"]["name"].startswith("web-")
    assert found["metadata"]["labels"]["pod-template-hash"]
    pods = (await member.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector="app=web")).expect(200)
    assert [pod["metadata"]["ownerReferences"][0]["kind"] for pod in pods["items"]] == ["ReplicaSet"] * 2
    observed = (await member.get(f"{base}/deployments/web")).expect(200)
    assert observed["status"]["observedGeneration"] == 1
    (await member.delete(f"{base}/deployments/web")).expect(200)

    def is_empty(reply: Reply) -> bool:
        return reply.body["items"] == []

    await member.until(f"{base}/replicasets", is_empty, what="no ReplicaSet is left")
    await member.until(f"/api/v1/namespaces/{namespace}/pods", is_empty, what="no pod is left")


async def test_a_namespace_is_emptied_and_goes(member: Member, namespace: str) -> None:
    body = {"metadata": {"name": "a", "finalizers": ["example.com/wait"]}}
    (await member.post(maps(namespace), body)).expect(201)
    path = f"/api/v1/namespaces/{namespace}"
    going = (await member.delete(path)).expect(200)
    assert going["status"]["phase"] == "Terminating"
    assert going["metadata"]["deletionTimestamp"]
    status = (await member.post(maps(namespace), {"metadata": {"name": "b"}})).expect(403)
    assert status["message"] == (
        f'configmaps "b" is forbidden: unable to create new content in namespace {namespace} because it is being terminated'
    )
    assert status["details"]["causes"][0]["reason"] == "NamespaceTerminating"

    def is_going(reply: Reply) -> bool:
        return "deletionTimestamp" in reply.body["metadata"]

    await member.until(maps(namespace, "a"), is_going, what="its content is being deleted")
    (await member.get(path)).expect(200)
    (await member.patch(maps(namespace, "a"), {"metadata": {"finalizers": None}})).expect(200)
    # A real controller looks again after a back-off, which takes some seconds.
    await member.until(path, is_gone, what="the namespace is gone", seconds=60)


async def test_a_new_namespace_has_what_every_one_has(member: Member, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    found = (await member.get(path)).expect(200)
    assert found["status"]["phase"] == "Active"
    assert found["spec"]["finalizers"] == ["kubernetes"]

    def is_there(reply: Reply) -> bool:
        return reply.status == 200

    await member.until(f"{path}/serviceaccounts/default", is_there, what="the default service account")
    await member.until(f"{path}/configmaps/kube-root-ca.crt", is_there, what="the authority's certificate")


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
async def test_basic_namespaces_exist_and_stay(member: Member, name: str) -> None:
    (await member.get(f"/api/v1/namespaces/{name}")).expect(200)
    status = (await member.delete(f"/api/v1/namespaces/{name}")).expect(403)
    assert "this namespace may not be deleted" in status["message"]
