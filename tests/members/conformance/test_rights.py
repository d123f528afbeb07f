"""Credentials and rights: tokens, 401, RBAC refusals and escalation."""

import asyncio
import base64
from typing import Any

import pytest

from fedsvc.testing.members import Member, Reply

RBAC = "/apis/rbac.authorization.k8s.io/v1"


async def account(member: Member, namespace: str, name: str = "robot") -> Member:
    """The cluster as a new service account sees it."""
    (await member.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})).expect(201)
    return member.as_user(await token(member, namespace, name))


async def token(member: Member, namespace: str, name: str = "robot") -> str:
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    given = (await member.post(path, request)).expect(201)
    assert given["status"]["expirationTimestamp"].endswith("Z")
    return str(given["status"]["token"])


async def grant(member: Member, namespace: str, *rules: dict[str, Any], name: str = "robot") -> None:
    """Bind a role with these rules to the service account."""
    (
        await member.post(f"{RBAC}/namespaces/{namespace}/roles", {"metadata": {"name": name}, "rules": list(rules)})
    ).expect(201)
    binding = {
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
    (await member.post(f"{RBAC}/namespaces/{namespace}/rolebindings", binding)).expect(201)


def rule(*verbs: str, resource: str = "configmaps", group: str = "", **more: Any) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs), **more}


async def allowed(robot: Member, path: str) -> Reply:
    """Ask until the grant is noticed: a real authorizer follows its watches."""
    for _ in range(100):
        reply = await robot.get(path)
        if reply.status != 403:
            return reply
        await asyncio.sleep(0.03)
    return await robot.get(path)


async def test_wrong_credentials_are_unauthorized(member: Member) -> None:
    status = (await member.as_user("wrong").get("/api/v1/namespaces")).expect(401)
    assert (status["reason"], status["message"], status["code"]) == ("Unauthorized", "Unauthorized", 401)


@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/version", "/api"])
async def test_wrong_credentials_are_unauthorized_also_where_nobody_needs_any(member: Member, path: str) -> None:
    (await member.as_user("wrong").get(path)).expect(401)


async def test_an_account_without_rights_is_told_what_is_missing(member: Member, namespace: str) -> None:
    robot = await account(member, namespace)
    user = f"system:serviceaccount:{namespace}:robot"
    status = (await robot.get(f"/api/v1/namespaces/{namespace}/configmaps")).expect(403)
    assert status["reason"] == "Forbidden"
    assert status["message"] == (
        f'configmaps is forbidden: User "{user}" cannot list resource "configmaps" in API group "" in the namespace "{namespace}"'
    )
    assert status["details"] == {"kind": "configmaps"}
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/web"
    status = (await robot.apply(path, {"apiVersion": "apps/v1", "kind": "Deployment"})).expect(403)
    assert status["message"] == (
        f'deployments.apps "web" is forbidden: User "{user}" cannot patch resource "deployments" in API group "apps" '
        f'in the namespace "{namespace}"'
    )
    assert status["details"] == {"name": "web", "group": "apps", "kind": "deployments"}
    status = (await robot.get("/api/v1/nodes")).expect(403)
    assert status["message"] == (
        f'nodes is forbidden: User "{user}" cannot list resource "nodes" in API group "" at the cluster scope'
    )
    status = (await robot.get("/metrics")).expect(403)
    assert status["message"] == f'forbidden: User "{user}" cannot get path "/metrics"'


async def test_a_role_grants_what_it_says(member: Member, namespace: str) -> None:
    robot = await account(member, namespace)
    await grant(
        member, namespace, rule("get", "list", "create"), rule("get", resource="secrets", resourceNames=["one"])
    )
    maps = f"/api/v1/namespaces/{namespace}/configmaps"
    (await allowed(robot, maps)).expect(200)
    (await robot.post(maps, {"metadata": {"name": "a"}})).expect(201)
    (await robot.delete(f"{maps}/a")).expect(403)
    (await robot.get(f"/api/v1/namespaces/{namespace}/secrets/one")).expect(404)
    (await robot.get(f"/api/v1/namespaces/{namespace}/secrets/two")).expect(403)
    (await robot.get("/api/v1/namespaces/default/configmaps")).expect(403)


async def test_discovery_is_for_everybody_with_an_account(member: Member, namespace: str) -> None:
    robot = await account(member, namespace)
    for path in ("/api", "/apis", "/apis/apps/v1", "/version", "/healthz"):
        (await allowed(robot, path)).expect(200)


async def test_nobody_grants_what_he_has_not(member: Member, namespace: str) -> None:
    robot = await account(member, namespace)
    await grant(member, namespace, rule("get"), rule("create", resource="roles", group="rbac.authorization.k8s.io"))
    (await allowed(robot, f"/api/v1/namespaces/{namespace}/configmaps/none")).expect(404)
    roles = f"{RBAC}/namespaces/{namespace}/roles"
    (await robot.post(roles, {"metadata": {"name": "less"}, "rules": [rule("get")]})).expect(201)
    status = (await robot.post(roles, {"metadata": {"name": "more"}, "rules": [rule("get", "delete")]})).expect(403)
    assert status["message"].startswith(
        f'roles.rbac.authorization.k8s.io "more" is forbidden: user "system:serviceaccount:{namespace}:robot" (groups=['
    )
    assert status["message"].endswith(
        "is attempting to grant RBAC permissions not currently held:\n"
        '{APIGroups:[""], Resources:["configmaps"], Verbs:["delete"]}'
    )


async def test_nobody_binds_to_a_role_beyond_his_rights(member: Member, namespace: str) -> None:
    robot = await account(member, namespace)
    group = "rbac.authorization.k8s.io"
    await grant(member, namespace, rule("get"), rule("create", resource="rolebindings", group=group))
    (await allowed(robot, f"/api/v1/namespaces/{namespace}/configmaps/none")).expect(404)
    binding = {
        "metadata": {"name": "much"},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "robot", "namespace": namespace}],
    }
    status = (await robot.post(f"{RBAC}/namespaces/{namespace}/rolebindings", binding)).expect(403)
    assert "is attempting to grant RBAC permissions not currently held" in status["message"]


async def test_a_binding_keeps_its_role(member: Member, namespace: str) -> None:
    await account(member, namespace)
    await grant(member, namespace, rule("get"))
    path = f"{RBAC}/namespaces/{namespace}/rolebindings/robot"
    status = (await member.patch(path, {"roleRef": {"name": "other"}})).expect(422)
    assert "cannot change roleRef" in status["message"]


async def test_reviews_tell_rights(member: Member, namespace: str) -> None:
    robot = await account(member, namespace)
    await grant(member, namespace, rule("get", "list"))
    (await allowed(robot, f"/api/v1/namespaces/{namespace}/configmaps")).expect(200)
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    for verb, expected in (("get", True), ("delete", False)):
        attributes = {"namespace": namespace, "verb": verb, "resource": "configmaps"}
        head = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        review = (await robot.post(path, {**head, "spec": {"resourceAttributes": attributes}})).expect(201)
        assert review["status"]["allowed"] is expected
    body: dict[str, object] = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    rules = (await robot.post("/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", body)).expect(201)
    assert rule("get", "list") in rules["status"]["resourceRules"]
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{namespace}:robot",
            "resourceAttributes": {"namespace": namespace, "verb": "list", "resource": "configmaps"},
        },
    }
    asked = (await member.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", body)).expect(201)
    assert asked["status"]["allowed"] is True


async def test_a_short_lifetime_of_a_token_is_refused(member: Member, namespace: str) -> None:
    await account(member, namespace)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 10}}
    status = (await member.post(f"/api/v1/namespaces/{namespace}/serviceaccounts/robot/token", body)).expect(422)
    assert "may not specify a duration less than 10 minutes" in status["message"]


async def test_tokens_of_a_deleted_account_are_void(member: Member, namespace: str) -> None:
    robot = await account(member, namespace)
    (await robot.get("/api")).expect(200)
    (await member.delete(f"/api/v1/namespaces/{namespace}/serviceaccounts/robot")).expect(200)

    for _ in range(600):  # real servers keep a verdict for some seconds
        reply = await robot.get("/api")
        if reply.status == 401:
            break
        await asyncio.sleep(0.05)
    assert reply.status == 401


async def test_a_secret_can_hold_a_lasting_token(member: Member, namespace: str) -> None:
    await account(member, namespace)
    body = {
        "metadata": {"name": "lasting", "annotations": {"kubernetes.io/service-account.name": "robot"}},
        "type": "kubernetes.io/service-account-token",
    }
    secrets = f"/api/v1/namespaces/{namespace}/secrets"
    (await member.post(secrets, body)).expect(201)

    def has_token(reply: Reply) -> bool:
        return bool((reply.body.get("data") or {}).get("token"))

    found = await member.until(f"{secrets}/lasting", has_token, what="the token is in the Secret")
    assert base64.b64decode(found.body["data"]["namespace"]).decode() == namespace
    lasting = member.as_user(base64.b64decode(found.body["data"]["token"]).decode())
    (await lasting.get("/api")).expect(200)
