"""Whose objects are, against a server with its controllers and simulated clusters."""

import asyncio
import json
import re
from typing import Any

import orjson
import pytest
import yaml

from fedsvc.members.client import MemberClient

pytestmark = pytest.mark.postgres

PATH = "/api/v1/namespaces/default/configmaps/web"
UNIT = """\
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {name: shop}
spec:
  placement: {clusterSelector: {}}
  propagation:
    drift: report
    immutable: recreate
    fields:
    - {path: data.theirs, policy: ignore, target: {kind: ConfigMap}}
  resources:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b, theirs: x}}
  - {apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {password: hunter2}}
"""


def said(result: Any) -> str:
    """What fedctl wrote: the service logs to the same stream here."""
    lines = result.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line))


def client(town: Any, name: str) -> MemberClient:
    """Somebody else's access to a member."""
    return MemberClient(town.connection(name), name=name)


async def shop(town: Any, document: str = UNIT) -> None:
    for name in ("a", "b"):
        joined = await town.join(name)
        assert joined.exit_code == 0, joined.output
    applied = await town.fedctl("apply", "-f", "-", stdin=document)
    assert applied.exit_code == 0, applied.output
    waited = await town.fedctl("wait", "--for=applied", "shop", "--timeout", "30s")
    assert waited.exit_code == 0, waited.output


async def test_a_unit_is_compared_with_what_members_hold(town: Any) -> None:
    await shop(town)
    same = await town.fedctl("diff", "shop")
    assert (same.exit_code, said(same)) == (
        0,
        "unit/default/shop: nothing differs (4 objects on 2 clusters)\n",
    )
    async with client(town, "a") as other:
        patch = orjson.dumps({"data": {"a": "changed", "theirs": "too"}})
        await other.patch(PATH, patch, field_manager="kubectl-edit")
        secret = orjson.dumps({"data": {"password": "ZXZpbA=="}})
        await other.patch("/api/v1/namespaces/default/secrets/key", secret, field_manager="kubectl-edit")

    differs = await town.fedctl("diff", "shop")
    other_cluster = await town.fedctl("diff", "shop", "--cluster", "b")
    as_json = await town.fedctl("diff", "shop", "-o", "json")
    wrong = await town.fedctl("diff", "shop", "--cluster", "c")

    assert differs.exit_code == 1
    assert said(differs) == (
        "cluster/a\n"
        "  ConfigMap default/web would be changed\n"
        "    data.a  (by kubectl-edit)\n"
        '      - "changed"\n'
        '      + "b"\n'
        "  Secret default/key would be changed\n"
        "    data.password  (by kubectl-edit)\n"
        '      - "***"\n'
        '      + "***"\n'
    )
    assert other_cluster.exit_code == 0
    assert [entry["ref"]["kind"] for entry in json.loads(said(as_json))["differences"]] == ["ConfigMap", "Secret"]
    assert "hunter2" not in as_json.stdout
    assert wrong.exit_code == 2
    assert "has nothing on c: it is on a, b" in wrong.stderr


TWO = """\
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {{name: shop}}
spec:
  placement: {{clusterSelector: {{}}}}
  resources:
  - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: stays}}, data: {{a: b}}}}
  {first}
---
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {{name: pay}}
spec:
  placement: {{clusterSelector: {{}}}}
  propagation: {{adopts: [namespaces/default/units/shop]}}
  resources:
  - {{apiVersion: v1, kind: ConfigMap, metadata: {{name: own}}, data: {{a: b}}}}
  {second}
"""
WEB = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b}}"


async def uid_and_unit(town: Any) -> tuple[str, str | None]:
    live = await town.get("a", PATH)
    return live["metadata"]["uid"], live["metadata"].get("annotations", {}).get("fedsvc.io/unit")


async def until_of(town: Any, unit: str | None) -> str:
    async with asyncio.timeout(30):
        while True:
            uid, of = await uid_and_unit(town)
            if of == unit:
                return uid
            await asyncio.sleep(0.05)


async def test_an_object_moves_in_one_file_is_handed_back_and_let_go(town: Any) -> None:
    await shop(town, TWO.format(first=WEB, second=""))
    before, _ = await uid_and_unit(town)

    moved = await town.fedctl("apply", "-f", "-", stdin=TWO.format(first="", second=WEB))
    assert moved.exit_code == 0, moved.output
    lines = [line for line in said(moved).splitlines() if line.startswith("unit/")]
    assert [line.split()[0] for line in lines] == ["unit/default/pay", "unit/default/shop"]
    assert await until_of(town, "default/pay") == before

    shown = await town.fedctl("handover", "pay", "shop", "configmap/web", "--dry-run")
    assert said(shown) == (
        "ConfigMap default/web: from unit/default/pay to unit/default/shop: would be handed over, on a, b (dry run)\n"
    )
    assert (await town.fedctl("handover", "pay", "shop", "configmap/web")).exit_code == 2
    back = await town.fedctl("handover", "pay", "shop", "configmap/web", "--yes")
    assert back.exit_code == 0, back.output
    assert await until_of(town, "default/shop") == before

    released = await town.fedctl("release", "shop", "configmap/web", "--yes")
    assert said(released) == "ConfigMap default/web of unit/default/shop: released, on a, b\n"
    assert await until_of(town, None) == before
    left = await town.fedctl("get", "resources", "-o", "name")
    assert "web" not in said(left)

    gone = await town.fedctl("release", "pay", "--all", "-y")
    assert gone.exit_code == 0, gone.output
    waited = await town.fedctl("wait", "--for=deleted", "pay", "--timeout", "30s")
    assert waited.exit_code == 0, waited.output
    assert "fedsvc.io/managed" not in (await town.get("a", PATH.replace("web", "own")))["metadata"].get("labels", {})


async def test_nothing_is_handed_to_a_unit_that_is_not_there(town: Any) -> None:
    await shop(town, TWO.format(first=WEB, second=""))
    only_a = UNIT.replace("shop", "only-a").replace("clusterSelector: {}", "clusters: [a]").partition("  resources:")[0]
    own = "  resources:\n  - {apiVersion: v1, kind: ConfigMap, metadata: {name: mine}, data: {a: b}}\n"
    applied = await town.fedctl("apply", "-f", "-", stdin=only_a + own)
    assert applied.exit_code == 0, applied.output
    assert (await town.fedctl("wait", "--for=applied", "only-a", "--timeout", "30s")).exit_code == 0

    refused = await town.fedctl("handover", "shop", "only-a", "configmap/web", "--yes")
    unknown = await town.fedctl("handover", "shop", "nobody", "configmap/web", "--yes")
    nothing = await town.fedctl("release", "shop", "configmap/none", "--yes")

    assert refused.exit_code == 4
    assert "namespaces/default/units/only-a is not on b, where objects would be removed" in refused.stderr
    assert (unknown.exit_code, nothing.exit_code) == (3, 3)
    assert (await uid_and_unit(town))[1] == "default/shop"


async def test_an_object_is_made_anew_once_that_is_confirmed(town: Any) -> None:
    fixed = UNIT.replace("data: {a: b, theirs: x}", "data: {a: b}, immutable: true")
    await shop(town, fixed)
    before, _ = await uid_and_unit(town)
    assert (await town.fedctl("apply", "-f", "-", stdin=fixed.replace("{a: b}", "{a: c}"))).exit_code == 0

    async with asyncio.timeout(30):
        while said(shown := await town.fedctl("get", "works", "-o", "json")).count("RecreationUnconfirmed") < 2:
            await asyncio.sleep(0.1)
    messages = [work.get("status", work).get("message", "") for work in json.loads(said(shown))["items"]]
    assert any("fedctl recreate default/shop configmap/web" in message for message in messages), messages
    confirmed = await town.fedctl("recreate", "shop", "configmap/web", "--yes")

    assert confirmed.exit_code == 0, confirmed.output
    waited = await town.fedctl("wait", "--for=applied", "shop", "--timeout", "30s")
    assert waited.exit_code == 0, waited.output
    assert (await town.get("a", PATH))["data"] == {"a": "c"}
    assert (await uid_and_unit(town))[0] != before


SERVICE = {
    "metadata": {"name": "api", "namespace": "old", "labels": {"app": "api", "work.karmada.io/permanent-id": "x"}},
    "spec": {"ports": [{"port": 80}], "selector": {"app": "api"}},
}


async def test_objects_that_are_there_are_taken_over_as_they_are(town: Any) -> None:
    for name in ("a", "b"):
        assert (await town.join(name)).exit_code == 0
    async with client(town, "a") as other:
        await other.post("/api/v1/namespaces", {"metadata": {"name": "old"}})
        await other.post("/api/v1/namespaces/old/services", SERVICE, {"fieldManager": "karmada-controller-manager"})
        limits = {"metadata": {"name": "limits", "namespace": "old"}, "data": {"max": "3"}}
        await other.post("/api/v1/namespaces/old/configmaps", limits, {"fieldManager": "kubectl-client-side-apply"})
        secret = {"metadata": {"name": "key", "namespace": "old"}, "stringData": {"a": "hunter2"}}
        await other.post("/api/v1/namespaces/old/secrets", secret)
    paths = ("/api/v1/namespaces/old/services/api", "/api/v1/namespaces/old/configmaps/limits")
    before = [(await town.get("a", path))["metadata"]["uid"] for path in paths]
    words = ("adopt", "shop", "service/api", "configmaps/limits", "--cluster", "a", "--from-namespace", "old")

    unclear = await town.fedctl("adopt", "shop", "widget/x", "--cluster", "a", "--yes")
    missing = await town.fedctl("adopt", "shop", "service/none", "--cluster", "a", "--yes")
    hidden = await town.fedctl("adopt", "shop", "secret/old/key", "--cluster", "a", "--yes")
    document = await town.fedctl(*words, "--dry-run")

    assert "the cluster serves no widget" in unclear.stderr
    assert (unclear.exit_code, missing.exit_code, hidden.exit_code) == (1, 3, 1)
    assert "do not leave the server" in hidden.stderr
    assert "hunter2" not in hidden.output
    shown = yaml.safe_load(said(document))
    assert shown["spec"]["propagation"]["migrate"] == ["karmada", "kubectl"]
    assert shown["spec"]["placement"]["clusters"] == ["a"]
    service, limits = shown["spec"]["resources"]
    assert service["metadata"] == {"labels": {"app": "api"}, "name": "api", "namespace": "old"}
    assert "clusterIP" not in service["spec"]
    assert limits["data"] == {"max": "3"}
    assert (await town.fedctl(*words)).exit_code == 2

    adopted = await town.fedctl(*words, "--yes")

    assert said(adopted) == "unit/default/shop takes over Service old/api, ConfigMap old/limits on a\n"
    waited = await town.fedctl("wait", "--for=applied", "shop", "--timeout", "30s")
    assert waited.exit_code == 0, waited.output
    for path, uid in zip(paths, before, strict=True):
        live = await town.get("a", path)
        assert live["metadata"]["uid"] == uid
        assert live["metadata"]["annotations"]["fedsvc.io/unit"] == "default/shop"
    live = await town.get("a", paths[0])
    assert set(live["metadata"]["labels"]) == {"app", "fedsvc.io/managed"}
    assert live["spec"]["clusterIP"]
    again = await town.fedctl(*words, "--yes")
    assert "unit default/shop has it already" in again.stderr
    assert (await town.fedctl("diff", "shop")).exit_code == 0
