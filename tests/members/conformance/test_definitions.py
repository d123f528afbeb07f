"""CustomResourceDefinitions and their objects."""

from typing import Any

import pytest

from fedsvc.testing.members import JSON_PATCH, STRATEGIC, Member, Reply, fields_of

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "steps": {"type": "array", "items": {"type": "string"}},
                "parts": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}},
                    },
                },
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}


def definition(group: str) -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _SCHEMA},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"gadgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gd"]},
            "versions": [version],
        },
    }


def gadget(group: str, name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
async def group(member: Member, namespace: str) -> str:
    """A group in which gadgets are served."""
    name = f"{namespace}.example.com"
    body = definition(name)
    (await member.apply(f"{DEFINITIONS}/{body['metadata']['name']}", body)).expect(201)

    def is_served(reply: Reply) -> bool:
        return reply.status == 200

    await member.until(f"/apis/{name}/v1/gadgets", is_served, what="the kind is served")
    return name


def path(group: str, namespace: str, name: str = "") -> str:
    return f"/apis/{group}/v1/namespaces/{namespace}/gadgets" + (f"/{name}" if name else "")


async def test_a_definition_is_established_and_discovered(member: Member, group: str) -> None:
    def is_established(reply: Reply) -> bool:
        conditions = reply.body.get("status", {}).get("conditions") or []
        return ("Established", "True") in [(item["type"], item["status"]) for item in conditions]

    found = await member.until(f"{DEFINITIONS}/gadgets.{group}", is_established, what="Established")
    assert found.body["status"]["storedVersions"] == ["v1"]
    assert found.body["status"]["acceptedNames"]["listKind"] == "GadgetList"

    def is_listed(reply: Reply) -> bool:
        return reply.status == 200 and bool(reply.body["resources"])

    resources = (await member.until(f"/apis/{group}/v1", is_listed, what="discovery lists it")).expect(200)
    found_names = {item["name"]: item for item in resources["resources"]}
    assert found_names["gadgets"]["shortNames"] == ["gd"]
    assert "gadgets/status" in found_names


async def test_objects_of_a_custom_kind(member: Member, namespace: str, group: str) -> None:
    made = (await member.apply(path(group, namespace, "a"), gadget(group, "a", size=1))).expect(201)
    assert made["metadata"]["generation"] == 1
    assert fields_of(made, "tester") == {"f:spec": {"f:size": {}}}
    again = (await member.apply(path(group, namespace, "a"), gadget(group, "a", size=1))).expect(200)
    assert again == made
    changed = (await member.apply(path(group, namespace, "a"), gadget(group, "a", size=2))).expect(200)
    assert changed["metadata"]["generation"] == 2
    listed = (await member.get(path(group, namespace))).expect(200)
    assert (listed["kind"], listed["items"][0]["kind"]) == ("GadgetList", "Gadget")


async def test_list_types_of_a_definition_count(member: Member, namespace: str, group: str) -> None:
    where = path(group, namespace, "a")
    one = gadget(group, "a", tags=["x", "y"], parts=[{"name": "p", "weight": 1}], steps=["1"])
    made = (await member.apply(where, one, "one")).expect(201)
    assert fields_of(made, "one") == {
        "f:spec": {
            "f:parts": {'k:{"name":"p"}': {".": {}, "f:name": {}, "f:weight": {}}},
            "f:steps": {},
            "f:tags": {'v:"x"': {}, 'v:"y"': {}},
        }
    }
    two = gadget(group, "a", tags=["z"], parts=[{"name": "q", "weight": 2}])
    both = (await member.apply(where, two, "two")).expect(200)
    assert sorted(both["spec"]["tags"]) == ["x", "y", "z"]
    assert [part["name"] for part in both["spec"]["parts"]] == ["p", "q"]
    conflict = (await member.apply(where, gadget(group, "a", steps=["2"]), "three")).expect(409)
    assert conflict["details"]["causes"][0]["field"] == ".spec.steps"
    part = gadget(group, "a", parts=[{"name": "p", "weight": 9}])
    conflict = (await member.apply(where, part, "three")).expect(409)
    assert conflict["details"]["causes"][0]["field"] == '.spec.parts[name="p"].weight'
    left = (await member.apply(where, gadget(group, "a", tags=["x"]), "one")).expect(200)
    assert sorted(left["spec"]["tags"]) == ["x", "z"]
    assert [part["name"] for part in left["spec"]["parts"]] == ["q"]
    assert "steps" not in left["spec"]


async def test_free_objects_are_owned_key_by_key(member: Member, namespace: str, group: str) -> None:
    where = path(group, namespace, "a")
    (await member.apply(where, gadget(group, "a", free={"a": 1}), "one")).expect(201)
    both = (await member.apply(where, gadget(group, "a", free={"b": 2}), "two")).expect(200)
    assert both["spec"]["free"] == {"a": 1, "b": 2}
    left = (await member.apply(where, gadget(group, "a", size=1), "one")).expect(200)
    assert left["spec"] == {"free": {"b": 2}, "size": 1}


async def test_an_apply_of_undeclared_fields_is_refused(member: Member, namespace: str, group: str) -> None:
    status = (await member.apply(path(group, namespace, "a"), gadget(group, "a", unknown=1))).expect(400, 500)
    assert ".spec.unknown: field not declared in schema" in status["message"]


async def test_the_status_of_a_custom_kind_has_its_own_path(member: Member, namespace: str, group: str) -> None:
    where = path(group, namespace, "a")
    body = {**gadget(group, "a", size=1), "status": {"phase": "Early"}}
    made = (await member.post(path(group, namespace), body)).expect(201)
    assert "status" not in made
    told = (await member.patch(f"{where}/status", {"status": {"phase": "Told"}, "spec": {"size": 9}})).expect(200)
    assert (told["status"], told["spec"]) == ({"phase": "Told"}, {"size": 1})
    assert told["metadata"]["generation"] == 1
    kept = (await member.put(where, {**told, "spec": {"size": 2}, "status": {"phase": "Lost"}})).expect(200)
    assert (kept["status"], kept["metadata"]["generation"]) == ({"phase": "Told"}, 2)


async def test_custom_kinds_know_no_strategic_merge_patch(member: Member, namespace: str, group: str) -> None:
    (await member.apply(path(group, namespace, "a"), gadget(group, "a", size=1))).expect(201)
    (await member.patch(path(group, namespace, "a"), {"spec": {"size": 2}}, STRATEGIC)).expect(415)
    patch = [{"op": "replace", "path": "/spec/size", "value": 3}]
    assert (await member.patch(path(group, namespace, "a"), patch, JSON_PATCH)).expect(200)["spec"]["size"] == 3


async def test_values_of_the_wrong_type_are_refused(member: Member, namespace: str, group: str) -> None:
    body = gadget(group, "a", size="large")
    status = (await member.post(path(group, namespace), body)).expect(422)
    assert (
        'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"' in status["message"]
    )


async def test_unknown_fields_of_a_custom_kind_are_dropped(member: Member, namespace: str, group: str) -> None:
    made = (await member.post(path(group, namespace), gadget(group, "a", size=1, unknown=2))).expect(201)
    assert made["spec"] == {"size": 1}


async def test_a_definition_that_goes_takes_its_objects(member: Member, namespace: str, group: str) -> None:
    (await member.apply(path(group, namespace, "a"), gadget(group, "a", size=1))).expect(201)
    (await member.delete(f"{DEFINITIONS}/gadgets.{group}")).expect(200)

    def is_gone(reply: Reply) -> bool:
        return reply.status == 404

    await member.until(f"{DEFINITIONS}/gadgets.{group}", is_gone, what="the definition is gone")
    await member.until(path(group, namespace), is_gone, what="the kind is served no more")


async def test_a_definition_is_named_by_plural_and_group(member: Member) -> None:
    body = definition("wrong.example.com")
    body["metadata"]["name"] = "other.wrong.example.com"
    status = (await member.post(DEFINITIONS, body)).expect(422)
    assert 'must be spec.names.plural+"."+spec.group' in status["message"]
