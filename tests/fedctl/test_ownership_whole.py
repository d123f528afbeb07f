"""Whose objects are, against a server with its controllers and simulated clusters."""

import json
import re
from typing import Any

import orjson
import pytest

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
