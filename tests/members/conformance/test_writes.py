"""Creating, replacing and patching: revisions, generations, status, names, namespaces."""

import asyncio
from typing import Any

import pytest

from fedsvc.testing.members import JSON_PATCH, MERGE, Member, fields_of


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def deployment(name: str, **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}}
    return {"metadata": {"name": name}, "spec": {"selector": {"matchLabels": labels}, "template": template, **spec}}


def deployments(namespace: str, name: str = "") -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments" + (f"/{name}" if name else "")


async def test_create_read_replace_delete(member: Member, namespace: str) -> None:
    made = (await member.post(maps(namespace), {"metadata": {"name": "a"}, "data": {"x": "1"}})).expect(201)
    assert (made["apiVersion"], made["kind"]) == ("v1", "ConfigMap")
    assert (await member.get(maps(namespace, "a"))).expect(200) == made
    made["data"] = {"x": "2"}
    after = (await member.put(maps(namespace, "a"), made)).expect(200)
    assert after["data"] == {"x": "2"}
    assert int(after["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert after["metadata"]["uid"] == made["metadata"]["uid"]
    gone = (await member.delete(maps(namespace, "a"))).expect(200)
    assert (gone["kind"], gone["status"]) == ("Status", "Success")
    assert gone["details"] == {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}
    status = (await member.get(maps(namespace, "a"))).expect(404)
    assert status["message"] == 'configmaps "a" not found'
    assert status["reason"] == "NotFound"
    assert status["details"] == {"name": "a", "kind": "configmaps"}


async def test_creating_twice_is_refused(member: Member, namespace: str) -> None:
    (await member.post(maps(namespace), {"metadata": {"name": "a"}})).expect(201)
    status = (await member.post(maps(namespace), {"metadata": {"name": "a"}})).expect(409)
    assert (status["reason"], status["message"]) == ("AlreadyExists", 'configmaps "a" already exists')


async def test_errors_of_grouped_kinds_name_the_group(member: Member, namespace: str) -> None:
    status = (await member.get(deployments(namespace, "a"))).expect(404)
    assert status["message"] == 'deployments.apps "a" not found'
    assert status["details"] == {"name": "a", "group": "apps", "kind": "deployments"}


async def test_a_write_with_an_old_revision_is_refused(member: Member, namespace: str) -> None:
    old = (await member.post(maps(namespace), {"metadata": {"name": "a"}, "data": {"x": "1"}})).expect(201)
    (await member.patch(maps(namespace, "a"), {"data": {"x": "2"}})).expect(200)
    status = (await member.put(maps(namespace, "a"), {**old, "data": {"x": "3"}})).expect(409)
    assert status["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to '
        "the latest version and try again"
    )
    patch = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "data": {"x": "3"}}
    (await member.patch(maps(namespace, "a"), patch)).expect(409)


async def test_a_write_that_changes_nothing_keeps_the_revision(member: Member, namespace: str) -> None:
    made = (await member.post(maps(namespace), {"metadata": {"name": "a"}, "data": {"x": "1"}})).expect(201)
    assert (await member.put(maps(namespace, "a"), made)).expect(200) == made
    assert (await member.patch(maps(namespace, "a"), {})).expect(200) == made


async def test_replacing_what_is_not_there_is_refused(member: Member, namespace: str) -> None:
    (await member.put(deployments(namespace, "a"), deployment("a"))).expect(404)
    (await member.patch(maps(namespace, "a"), {"data": {}})).expect(404)


async def test_a_replacement_must_bear_the_same_name(member: Member, namespace: str) -> None:
    (await member.post(maps(namespace), {"metadata": {"name": "a"}})).expect(201)
    status = (await member.put(maps(namespace, "a"), {"metadata": {"name": "b"}})).expect(400)
    assert status["message"] == "the name of the object (b) does not match the name on the URL (a)"


async def test_merge_patch_removes_by_null(member: Member, namespace: str) -> None:
    (await member.post(maps(namespace), {"metadata": {"name": "a"}, "data": {"x": "1", "y": "2"}})).expect(201)
    after = (await member.patch(maps(namespace, "a"), {"data": {"x": None, "z": "3"}}, MERGE)).expect(200)
    assert after["data"] == {"y": "2", "z": "3"}


async def test_json_patch_and_its_test(member: Member, namespace: str) -> None:
    (await member.post(maps(namespace), {"metadata": {"name": "a"}, "data": {"x": "1"}})).expect(201)
    good = [{"op": "test", "path": "/data/x", "value": "1"}, {"op": "replace", "path": "/data/x", "value": "2"}]
    assert (await member.patch(maps(namespace, "a"), good, JSON_PATCH)).expect(200)["data"] == {"x": "2"}
    status = (await member.patch(maps(namespace, "a"), good, JSON_PATCH)).expect(422)
    assert status["reason"] == "Invalid"


async def test_generation_counts_changes_of_the_spec(member: Member, namespace: str) -> None:
    made = (await member.post(deployments(namespace), deployment("a", replicas=0))).expect(201)
    assert made["metadata"]["generation"] == 1
    labelled = (await member.patch(deployments(namespace, "a"), {"metadata": {"labels": {"l": "1"}}})).expect(200)
    assert labelled["metadata"]["generation"] == 1
    changed = (await member.patch(deployments(namespace, "a"), {"spec": {"paused": True}})).expect(200)
    assert changed["metadata"]["generation"] == 2


async def test_status_is_written_through_its_subresource_only(member: Member, namespace: str) -> None:
    path = deployments(namespace, "a")
    body = {**deployment("a", replicas=0, paused=True), "status": {"replicas": 7}}
    made = (await member.post(deployments(namespace), body)).expect(201)
    assert made.get("status", {}).get("replicas") is None
    main = (await member.patch(path, {"status": {"replicas": 7}})).expect(200)
    assert main.get("status", {}).get("replicas") is None
    patch = {"spec": {"minReadySeconds": 5}, "status": {"conditions": [{"type": "Told", "status": "True"}]}}
    status = (await member.patch(f"{path}/status", patch, fieldManager="teller")).expect(200)
    assert "minReadySeconds" not in status["spec"]
    assert "Told" in [item["type"] for item in status["status"]["conditions"]]
    assert status["metadata"]["generation"] == 1


async def test_scale_reads_and_writes_replicas(member: Member, namespace: str) -> None:
    path = deployments(namespace, "a")
    (await member.post(deployments(namespace), deployment("a", replicas=0, paused=True))).expect(201)
    scale = (await member.get(f"{path}/scale")).expect(200)
    assert (scale["kind"], scale["apiVersion"], scale["spec"]) == ("Scale", "autoscaling/v1", {})
    (await member.patch(f"{path}/scale", {"spec": {"replicas": 3}}, fieldManager="scaler")).expect(200)
    after = (await member.get(path)).expect(200)
    assert after["spec"]["replicas"] == 3


@pytest.mark.parametrize(
    ("path", "name", "text"),
    [
        pytest.param(
            "/api/v1/namespaces/{}/configmaps", "A_b", "a lowercase RFC 1123 subdomain must consist of", id="capitals"
        ),
        pytest.param("/api/v1/namespaces/{}/configmaps", "x" * 254, "must be no more than 253 characters", id="long"),
        pytest.param("/api/v1/namespaces/{}/services", "1a", "a DNS-1035 label must consist of", id="service"),
        pytest.param(
            "/api/v1/namespaces", "a.b", "must not contain dots|RFC 1123 label must consist of", id="namespace"
        ),
    ],
)
async def test_bad_names_are_refused_with_their_rule(
    member: Member, namespace: str, path: str, name: str, text: str
) -> None:
    body: dict[str, Any] = {"metadata": {"name": name}}
    if path.endswith("services"):
        body["spec"] = {"ports": [{"port": 80}]}
    status = (await member.post(path.format(namespace), body)).expect(422)
    assert status["reason"] == "Invalid"
    assert any(part in status["message"] for part in text.split("|"))
    (cause,) = [cause for cause in status["details"]["causes"] if cause["field"] == "metadata.name"]
    assert cause["reason"] == "FieldValueInvalid"


async def test_a_name_is_needed(member: Member, namespace: str) -> None:
    status = (await member.post(maps(namespace), {"metadata": {}})).expect(422)
    assert "metadata.name: Required value: name or generateName is required" in status["message"]


async def test_a_name_can_be_generated(member: Member, namespace: str) -> None:
    made = (await member.post(maps(namespace), {"metadata": {"generateName": "made-"}})).expect(201)
    assert made["metadata"]["name"].startswith("made-")
    assert len(made["metadata"]["name"]) == len("made-") + 5


async def test_bad_labels_are_refused(member: Member, namespace: str) -> None:
    status = (await member.post(maps(namespace), {"metadata": {"name": "a", "labels": {"l": "b/d"}}})).expect(422)
    assert "metadata.labels: Invalid value" in status["message"]
    assert "a valid label must be an empty string or consist of" in status["message"]


async def test_a_selector_must_match_its_template(member: Member, namespace: str) -> None:
    body = deployment("a")
    body["spec"]["selector"] = {"matchLabels": {"other": "x"}}
    status = (await member.post(deployments(namespace), body)).expect(422)
    assert "`selector` does not match template `labels`" in status["message"]


async def test_a_selector_cannot_change(member: Member, namespace: str) -> None:
    (await member.post(deployments(namespace), deployment("a", replicas=0))).expect(201)
    labels = {"app": "b"}
    patch = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}
    status = (await member.patch(deployments(namespace, "a"), patch)).expect(422)
    assert "spec.selector: Invalid value" in status["message"]
    assert "field is immutable" in status["message"]


async def test_containers_need_an_image(member: Member, namespace: str) -> None:
    body = deployment("a")
    body["spec"]["template"]["spec"]["containers"] = [{"name": "c"}]
    status = (await member.post(deployments(namespace), body)).expect(422)
    assert "spec.template.spec.containers[0].image: Required value" in status["message"]
    assert status["details"]["kind"] == "Deployment"
    assert status["details"]["group"] == "apps"


async def test_an_absent_namespace_is_named(member: Member) -> None:
    path = maps("never-there")
    status = (await member.post(path, {"metadata": {"name": "a"}})).expect(404)
    assert status["message"] == 'namespaces "never-there" not found'
    assert status["details"] == {"name": "never-there", "kind": "namespaces"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
    (await member.apply(f"{path}/a", body)).expect(404)
    assert (await member.get(path)).expect(200)["items"] == []


async def test_the_namespace_of_the_body_must_be_that_of_the_path(member: Member, namespace: str) -> None:
    body = {"metadata": {"name": "a", "namespace": "kube-system"}}
    status = (await member.post(maps(namespace), body)).expect(400)
    assert status["message"] == "the namespace of the provided object does not match the namespace sent on the request"


async def test_what_is_no_json_is_refused(member: Member, namespace: str) -> None:
    status = (await member.request("POST", maps(namespace), b"{bad")).expect(400)
    assert status["reason"] == "BadRequest"


async def test_a_body_of_another_kind_is_refused(member: Member, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}
    (await member.post(maps(namespace), body)).expect(400)


async def test_unknown_fields_are_dropped(member: Member, namespace: str) -> None:
    body = deployment("a", replicas=0, replica=3)
    made = (await member.post(deployments(namespace), body)).expect(201)
    assert "replica" not in made["spec"]
    patched = (await member.patch(deployments(namespace, "a"), {"spec": {"replica": 4}})).expect(200)
    assert (patched["spec"], patched["metadata"]["generation"]) == (made["spec"], 1)


async def test_values_of_a_wrong_type_are_refused(member: Member, namespace: str) -> None:
    status = (await member.post(deployments(namespace), deployment("a", replicas="x"))).expect(400)
    assert status["reason"] == "BadRequest"
    assert status["message"].startswith('Deployment in version "v1" cannot be handled as a Deployment: ')


async def test_too_much_is_refused(member: Member, namespace: str) -> None:
    body = {"metadata": {"name": "a"}, "data": {"x": "y" * (4 * 1024 * 1024)}}
    status = (await member.post(maps(namespace), body)).expect(413)
    assert status["reason"] == "RequestEntityTooLarge"


async def test_an_object_has_a_limit(member: Member, namespace: str) -> None:
    body = deployment("a", replicas=0)
    body["spec"]["template"]["spec"]["containers"][0]["args"] = ["y" * (1700 * 1024)]
    status = (await member.post(deployments(namespace), body)).expect(500)
    assert status["message"] == "etcdserver: request is too large"
    (await member.get(deployments(namespace, "a"))).expect(404)


async def test_a_config_map_has_a_limit(member: Member, namespace: str) -> None:
    body = {"metadata": {"name": "a"}, "data": {"x": "y" * (1100 * 1024)}}
    status = (await member.post(maps(namespace), body)).expect(422)
    assert "Too long: must have at most 1048576" in status["message"]


async def test_an_immutable_config_map_stays_as_it_is(member: Member, namespace: str) -> None:
    body = {"metadata": {"name": "a"}, "data": {"x": "1"}, "immutable": True}
    (await member.post(maps(namespace), body)).expect(201)
    status = (await member.patch(maps(namespace, "a"), {"data": {"x": "2"}})).expect(422)
    assert "field is immutable when `immutable` is set" in status["message"]


async def test_concurrent_appliers_of_different_fields_all_win(member: Member, namespace: str) -> None:
    async def apply(index: int) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "a"},
            "data": {f"key-{index}": str(index)},
        }
        (await member.apply(maps(namespace, "a"), body, f"manager-{index}")).expect(200, 201)

    await apply(0)
    await asyncio.gather(*(apply(index) for index in range(1, 6)))
    found = (await member.get(maps(namespace, "a"))).expect(200)
    assert found["data"] == {f"key-{index}": str(index) for index in range(6)}
    assert fields_of(found, "manager-3") == {"f:data": {"f:key-3": {}}}
