"""Server-side apply (KEP-555): creation, ownership, conflicts, removal, lists that are maps."""

from typing import Any

import pytest

from fedsvc.testing.members import JSON_PATCH, MERGE, STRATEGIC, Member, fields_of


def config_map(name: str, data: dict[str, str] | None, **metadata: Any) -> dict[str, Any]:
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}
    return body if data is None else {**body, "data": data}


def deployment(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": list(containers)}},
            **spec,
        },
    }


def maps(namespace: str, name: str = "") -> str:
    return f"/api/v1/namespaces/{namespace}/configmaps" + (f"/{name}" if name else "")


def deployments(namespace: str, name: str) -> str:
    return f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


async def test_apply_creates_and_records_what_the_applier_sent(member: Member, namespace: str) -> None:
    reply = await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}, labels={"app": "a"}), "one")
    made = reply.expect(201)
    assert made["data"] == {"x": "1"}
    assert made["metadata"]["namespace"] == namespace
    assert made["metadata"]["uid"]
    assert "generation" not in made["metadata"]
    assert fields_of(made, "one") == {"f:data": {"f:x": {}}, "f:metadata": {"f:labels": {"f:app": {}}}}
    (entry,) = made["metadata"]["managedFields"]
    assert (entry["operation"], entry["apiVersion"], entry["fieldsType"]) == ("Apply", "v1", "FieldsV1")


async def test_the_same_apply_again_changes_nothing(member: Member, namespace: str) -> None:
    first = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}))).expect(201)
    again = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}))).expect(200)
    assert again == first


async def test_the_time_of_an_applier_tells_that_it_changed_a_value_and_nothing_else_moves_it(
    member: Member, namespace: str
) -> None:
    def time_of(live: dict[str, Any]) -> str:
        return next(str(one["time"]) for one in live["metadata"]["managedFields"] if one["manager"] == "one")

    path = maps(namespace, "a")
    first = (await member.apply(path, config_map("a", {"x": "1"}), "one")).expect(201)
    number = 0
    while True:  # it has whole seconds
        (await member.patch(path, {"data": {f"z{number}": ""}}, fieldManager="editor")).expect(200)
        same = (await member.apply(path, config_map("a", {"x": "1"}), "one")).expect(200)
        assert time_of(same) == time_of(first)
        other = next(str(one["time"]) for one in same["metadata"]["managedFields"] if one["manager"] == "editor")
        number += 1
        if other > time_of(first):
            break
    changed = (await member.apply(path, config_map("a", {"x": "2"}), "one")).expect(200)
    assert time_of(changed) > time_of(first)
    assert fields_of(changed, "one") == fields_of(first, "one")


async def test_a_dropped_field_is_removed_and_others_stay(member: Member, namespace: str) -> None:
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1", "y": "2"}, labels={"l": "1"}))).expect(201)
    (await member.patch(maps(namespace, "a"), {"data": {"z": "3"}}, fieldManager="editor")).expect(200)
    after = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}))).expect(200)
    assert after["data"] == {"x": "1", "z": "3"}
    assert "labels" not in after["metadata"]
    assert fields_of(after, "tester") == {"f:data": {"f:x": {}}}


async def test_dropping_the_last_field_of_a_map_drops_the_map(member: Member, namespace: str) -> None:
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}))).expect(201)
    after = (await member.apply(maps(namespace, "a"), config_map("a", None))).expect(200)
    assert "data" not in after
    assert "managedFields" not in after["metadata"]


async def test_a_field_of_another_applier_is_a_conflict_that_names_him(member: Member, namespace: str) -> None:
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}), "one")).expect(201)
    status = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "2"}), "two")).expect(409)
    assert status["reason"] == "Conflict"
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "one": .data.x'
    assert status["details"]["causes"] == [
        {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.x"}
    ]


async def test_several_conflicts_are_listed(member: Member, namespace: str) -> None:
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1", "y": "1"}), "one")).expect(201)
    status = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "2", "y": "2"}), "two")).expect(409)
    assert status["message"] == 'Apply failed with 2 conflicts: conflicts with "one":\n- .data.x\n- .data.y'
    assert [cause["field"] for cause in status["details"]["causes"]] == [".data.x", ".data.y"]


async def test_a_conflict_with_an_updater_names_its_version(member: Member, namespace: str) -> None:
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}), "one")).expect(201)
    (await member.patch(maps(namespace, "a"), {"data": {"x": "5"}}, fieldManager="editor")).expect(200)
    status = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}), "one")).expect(409)
    assert status["message"].startswith('Apply failed with 1 conflict: conflict with "editor" using v1')
    assert status["details"]["causes"][0]["field"] == ".data.x"


async def test_force_takes_a_field_over(member: Member, namespace: str) -> None:
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1", "y": "1"}), "one")).expect(201)
    after = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "2"}), "two", force="true")).expect(200)
    assert after["data"] == {"x": "2", "y": "1"}
    assert fields_of(after, "one") == {"f:data": {"f:y": {}}}
    assert fields_of(after, "two") == {"f:data": {"f:x": {}}}


async def test_equal_values_are_owned_together_and_stay_until_the_last_owner_drops_them(
    member: Member, namespace: str
) -> None:
    path = maps(namespace, "a")
    (await member.apply(path, config_map("a", {"x": "1"}), "one")).expect(201)
    shared = (await member.apply(path, config_map("a", {"x": "1"}), "two")).expect(200)
    assert fields_of(shared, "one") == fields_of(shared, "two") == {"f:data": {"f:x": {}}}
    left = (await member.apply(path, config_map("a", None), "one")).expect(200)
    assert left["data"] == {"x": "1"}
    gone = (await member.apply(path, config_map("a", None), "two")).expect(200)
    assert "data" not in gone


async def test_revision_one_means_create_only(member: Member, namespace: str) -> None:
    path = maps(namespace, "a")
    body = config_map("a", {"x": "1"}, resourceVersion="1")
    (await member.apply(path, body)).expect(201)
    for query in ({}, {"force": "true"}):
        status = (await member.apply(path, body, **query)).expect(409)
        assert status["reason"] == "Conflict"
        assert "the object has been modified" in status["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/namespaces/{}/configmaps/a", {"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "1"}}),
        (
            "/api/v1/namespaces/{}/services/a",
            {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80, "protocol": "TCP"}]}},
        ),
        ("/apis/apps/v1/namespaces/{}/deployments/a", deployment("a", {"name": "web", "image": "nginx"})),
    ],
    ids=["configmap", "service", "deployment"],
)
async def test_an_apply_with_a_uid_is_for_that_very_object(
    member: Member, namespace: str, path: str, body: dict[str, Any]
) -> None:
    place = path.format(namespace)
    body = {**body, "metadata": {**body.get("metadata", {}), "name": "a", "namespace": namespace}}

    def of(uid: str) -> dict[str, Any]:
        return {**body, "metadata": {**body["metadata"], "uid": uid, "labels": {"by": "uid"}}}

    stranger = "11111111-1111-1111-1111-111111111111"
    absent = (await member.apply(place, of(stranger))).expect(409)
    assert "uid mismatch" in absent["message"]
    (await member.get(place)).expect(404)
    made = (await member.apply(place, body)).expect(201)
    for query in ({}, {"force": "true"}):
        other = (await member.apply(place, of(stranger), **query)).expect(422)
        assert "metadata.uid" in {cause["field"] for cause in other["details"]["causes"]}
    after = (await member.apply(place, of(made["metadata"]["uid"]))).expect(200)
    assert after["metadata"]["labels"] == {"by": "uid"}
    assert "f:uid" not in fields_of(after, "tester").get("f:metadata", {})


async def test_an_apply_with_the_current_revision_is_taken(member: Member, namespace: str) -> None:
    made = (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}))).expect(201)
    version = made["metadata"]["resourceVersion"]
    after = await member.apply(maps(namespace, "a"), config_map("a", {"x": "2"}, resourceVersion=version))
    assert after.expect(200)["data"] == {"x": "2"}


async def test_an_apply_without_manager_is_refused(member: Member, namespace: str) -> None:
    status = (
        await member.request(
            "PATCH", maps(namespace, "a"), config_map("a", {}), content_type="application/apply-patch+yaml"
        )
    ).expect(422)
    assert (
        status["message"]
        == 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


async def test_an_apply_says_its_type(member: Member, namespace: str) -> None:
    body = {"kind": "ConfigMap", "metadata": {"name": "a"}}
    status = (await member.apply(maps(namespace, "a"), body)).expect(400)
    assert status["message"] == "Incorrect version specified in apply patch. Specified patch version: , expected: v1"


async def test_managed_fields_may_not_be_applied(member: Member, namespace: str) -> None:
    body = config_map("a", {}, managedFields=[{"manager": "x"}])
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}))).expect(201)
    status = (await member.apply(maps(namespace, "a"), body)).expect(400)
    assert status["message"] == "metadata.managedFields must be nil"


@pytest.mark.parametrize(
    ("part", "message"),
    [
        pytest.param({"argz": ["x"]}, ".argz: field not declared in schema", id="misspelt"),
        pytest.param({"image": 1}, ".image: expected string, got &value.valueUnstructured{Value:1}", id="number"),
        pytest.param({"args": [1]}, ".args[0]: expected string, got &value.valueUnstructured{Value:1}", id="in-a-list"),
        pytest.param({"env": [{"name": "A", "value": 1}]}, '.env[name="A"].value: expected string, got ', id="env"),
        pytest.param({"stdin": "yes"}, ".stdin: expected boolean, got ", id="boolean"),
        pytest.param({"args": "x"}, ".args: expected list, got ", id="list"),
        pytest.param({"resources": 1}, ".resources: expected map, got ", id="map"),
    ],
)
async def test_misspelt_and_mistyped_fields_of_an_apply_are_refused(
    member: Member, namespace: str, part: dict[str, Any], message: str
) -> None:
    container = {"name": "web", "image": "web:1", **part}
    reply = await member.apply(deployments(namespace, "web"), deployment("web", container, replicas=0))
    status = reply.expect(400, 500)
    assert status["message"].startswith("failed to create typed patch object")
    assert f'.spec.template.spec.containers[name="web"]{message}' in status["message"]


async def test_quantities_of_an_apply_are_texts(member: Member, namespace: str) -> None:
    """A number is taken by POST everywhere, by apply not in old releases: who applies had better send texts."""
    container = {"name": "web", "image": "web:1", "resources": {"limits": {"cpu": 2}}}
    body = deployment("web", container, replicas=0)
    reply = await member.apply(deployments(namespace, "web"), body)
    if reply.status != 201:
        assert ".resources.limits.cpu: expected string, got " in reply.expect(400, 500)["message"]
        made = (await member.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", body)).expect(201)
        assert made["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2"}


async def test_containers_are_told_apart_by_name(member: Member, namespace: str) -> None:
    path = deployments(namespace, "web")
    own = {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}], "env": [{"name": "A", "value": "1"}]}
    made = (await member.apply(path, deployment("web", own, replicas=0))).expect(201)
    containers: dict[str, object] = {
        'k:{"name":"web"}': {
            ".": {},
            "f:name": {},
            "f:image": {},
            "f:env": {'k:{"name":"A"}': {".": {}, "f:name": {}, "f:value": {}}},
            "f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}},
        }
    }
    assert fields_of(made, "tester") == {
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:metadata": {"f:labels": {"f:app": {}}},
                "f:spec": {"f:containers": containers},
            },
        }
    }
    sidecar = {"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "side", "image": "side:1"}}
    (await member.patch(path, [sidecar], JSON_PATCH, fieldManager="injector")).expect(200)
    own = {"name": "web", "image": "web:2"}
    after = (await member.apply(path, deployment("web", own, replicas=0))).expect(200)
    found = {item["name"]: item for item in after["spec"]["template"]["spec"]["containers"]}
    assert found["web"]["image"] == "web:2"
    assert "env" not in found["web"]
    assert "ports" not in found["web"]
    assert found["side"]["image"] == "side:1"


async def test_an_applied_container_that_is_dropped_goes_whole(member: Member, namespace: str) -> None:
    path = deployments(namespace, "web")
    one, two = {"name": "one", "image": "one:1"}, {"name": "two", "image": "two:1"}
    (await member.apply(path, deployment("web", one, two, replicas=0))).expect(201)
    after = (await member.apply(path, deployment("web", one, replicas=0))).expect(200)
    assert [item["name"] for item in after["spec"]["template"]["spec"]["containers"]] == ["one"]


async def test_replicas_that_are_dropped_fall_to_the_default_or_to_who_took_them(
    member: Member, namespace: str
) -> None:
    path = deployments(namespace, "web")
    container = {"name": "web", "image": "web:1"}
    (await member.apply(path, deployment("web", container, replicas=0))).expect(201)
    (await member.patch(path, {"spec": {"replicas": 2}}, fieldManager="scaler")).expect(200)
    kept = (await member.apply(path, deployment("web", container))).expect(200)
    assert kept["spec"]["replicas"] == 2
    assert "f:replicas" not in fields_of(kept, "tester")["f:spec"]


async def test_dropped_replicas_without_another_owner_become_one(member: Member, namespace: str) -> None:
    path = deployments(namespace, "web")
    container = {"name": "web", "image": "web:1"}
    (await member.apply(path, deployment("web", container, replicas=0))).expect(201)
    after = (await member.apply(path, deployment("web", container))).expect(200)
    assert after["spec"]["replicas"] == 1


async def test_a_service_keeps_what_the_cluster_gave_it(member: Member, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/services/web"
    body = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]},
    }
    made = (await member.apply(path, body)).expect(201)
    address = made["spec"]["clusterIP"]
    assert address
    assert made["spec"]["ports"] == [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}]
    assert fields_of(made, "tester")["f:spec"] == {
        "f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}}},
        "f:selector": fields_of(made, "tester")["f:spec"]["f:selector"],  # atomic or not: versions differ
    }
    body["spec"] = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 81, "protocol": "TCP"}]}
    after = (await member.apply(path, body)).expect(200)
    assert after["spec"]["clusterIP"] == address
    assert [port["port"] for port in after["spec"]["ports"]] == [81]


async def test_quantities_are_stored_in_their_canonical_form(member: Member, namespace: str) -> None:
    resources = {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": "1.5", "memory": "2048Mi"}}
    container = {"name": "web", "image": "web:1", "resources": resources}
    made = (await member.apply(deployments(namespace, "web"), deployment("web", container, replicas=0))).expect(201)
    assert made["spec"]["template"]["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "1", "memory": "1Gi"},
        "limits": {"cpu": "1500m", "memory": "2Gi"},
    }


async def test_defaults_are_filled_in_and_not_owned(member: Member, namespace: str) -> None:
    container = {"name": "web", "image": "web:1"}
    made = (await member.apply(deployments(namespace, "web"), deployment("web", container, replicas=0))).expect(201)
    spec = made["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    assert (spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"]) == (10, 600)
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Always"
    assert pod["containers"] == [
        {
            "name": "web",
            "image": "web:1",
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent",
        }
    ]
    assert "f:strategy" not in fields_of(made, "tester")["f:spec"]


async def test_an_update_takes_ownership_of_what_it_changes(member: Member, namespace: str) -> None:
    path = maps(namespace, "a")
    (await member.apply(path, config_map("a", {"x": "1", "y": "1"}), "one")).expect(201)
    after = (await member.patch(path, {"data": {"x": "2", "z": "3"}}, MERGE, fieldManager="editor")).expect(200)
    assert fields_of(after, "one") == {"f:data": {"f:y": {}}}
    assert fields_of(after, "editor", "Update") == {"f:data": {"f:x": {}, "f:z": {}}}


async def test_an_update_that_changes_nothing_owns_nothing(member: Member, namespace: str) -> None:
    path = maps(namespace, "a")
    made = (await member.apply(path, config_map("a", {"x": "1"}), "one")).expect(201)
    after = (await member.patch(path, {"data": {"x": "1"}}, MERGE, fieldManager="editor")).expect(200)
    assert after == made


async def test_a_created_object_belongs_to_its_creator(member: Member, namespace: str) -> None:
    body = config_map("a", {"x": "1"}, labels={"l": "1"})
    made = (await member.post(maps(namespace), body, fieldManager="maker")).expect(201)
    assert fields_of(made, "maker", "Update") == {
        "f:data": {".": {}, "f:x": {}},
        "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
    }


async def test_a_created_deployment_is_owned_with_its_defaults(member: Member, namespace: str) -> None:
    container = {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}]}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    made = (await member.post(path, deployment("web", container, replicas=0), fieldManager="maker")).expect(201)
    owned = fields_of(made, "maker", "Update")["f:spec"]
    assert owned["f:strategy"] == {
        "f:rollingUpdate": {".": {}, "f:maxSurge": {}, "f:maxUnavailable": {}},
        "f:type": {},
    }
    assert owned["f:template"]["f:spec"]["f:containers"] == {
        'k:{"name":"web"}': {
            ".": {},
            "f:image": {},
            "f:imagePullPolicy": {},
            "f:name": {},
            "f:ports": {
                ".": {},
                'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}, "f:protocol": {}},
            },
            "f:resources": {},
            "f:terminationMessagePath": {},
            "f:terminationMessagePolicy": {},
        }
    }
    assert owned["f:template"]["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}


async def test_the_manager_of_an_update_is_the_user_agent_unless_named(member: Member, namespace: str) -> None:
    reply = await member.request(
        "POST", maps(namespace), config_map("a", {"x": "1"}), headers={"User-Agent": "tool/1.2 (x)"}
    )
    assert fields_of(reply.expect(201), "tool", "Update") == {"f:data": {".": {}, "f:x": {}}}


async def test_strategic_merge_patch_merges_lists_by_key(member: Member, namespace: str) -> None:
    path = deployments(namespace, "web")
    container = {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    (await member.apply(path, deployment("web", container, replicas=0))).expect(201)
    changed = {"name": "web", "image": "web:2", "env": [{"name": "A", "$patch": "delete"}, {"name": "C", "value": "3"}]}
    patch = {"spec": {"template": {"spec": {"containers": [changed]}}}}
    after = (await member.patch(path, patch, STRATEGIC)).expect(200)
    (found,) = after["spec"]["template"]["spec"]["containers"]
    assert found["image"] == "web:2"
    assert {entry["name"] for entry in found["env"]} == {"B", "C"}


async def test_an_unknown_patch_type_is_refused(member: Member, namespace: str) -> None:
    reply = await member.request("PATCH", maps(namespace, "a"), {}, content_type="text/plain")
    assert reply.expect(415)["reason"] == "UnsupportedMediaType"


async def test_dry_run_answers_and_keeps_nothing(member: Member, namespace: str) -> None:
    reply = await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}), dryRun="All")
    assert reply.expect(201)["data"] == {"x": "1"}
    (await member.get(maps(namespace, "a"))).expect(404)
    (await member.apply(maps(namespace, "a"), config_map("a", {"x": "1"}))).expect(201)
    changed = await member.apply(maps(namespace, "a"), config_map("a", {"x": "2"}), dryRun="All")
    assert changed.expect(200)["data"] == {"x": "2"}
    assert (await member.get(maps(namespace, "a"))).expect(200)["data"] == {"x": "1"}


async def test_secrets_in_plain_text_are_stored_encoded(member: Member, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/secrets/s"
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"a": "b"}}
    made = (await member.apply(path, body)).expect(201)
    assert made["data"] == {"a": "Yg=="}
    assert "stringData" not in made
    assert made["type"] == "Opaque"
