"""Pauses and freeze windows as people see them, against a server with its controllers and simulated clusters."""

import json
import re
from typing import Any

import pytest

pytestmark = pytest.mark.postgres

UNIT = """\
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {name: shop}
spec:
  placement: {clusterSelector: {}}
  resources:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: VALUE}}
"""
SETTINGS = """\
apiVersion: fedsvc.io/v1
kind: FleetSettings
metadata: {name: fleet}
spec:
  freezes:
  - {name: always, start: "2020-01-01 00:00", end: "2099-01-01 00:00"}
"""


def said(result: Any) -> str:
    """What fedctl wrote: the service logs to the same stream here."""
    lines = result.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line))


async def test_a_pause_is_told_everywhere_and_ended(town: Any) -> None:
    assert (await town.join("a")).exit_code == 0
    assert (await town.fedctl("apply", "-f", "-", stdin=UNIT)).exit_code == 0
    assert (await town.fedctl("wait", "--for=ready", "shop", "--timeout", "30s")).exit_code == 0
    assert said(await town.fedctl("pause", "unit/shop", "--reason", "migration")) == "unit/default/shop paused\n"
    assert said(await town.fedctl("pause", "cluster", "a", "--only", "changes")) == (
        "cluster/a paused: nothing is changed\n"
    )
    assert (await town.fedctl("apply", "-f", "-", stdin=UNIT.replace("VALUE", "new"))).exit_code == 0
    waited = await town.fedctl("wait", "--for=applied", "shop", "--timeout", "2s")
    assert waited.exit_code == 5

    status = said(await town.fedctl("status", "shop"))
    assert status.startswith("unit default/shop: Applying,Paused")
    assert "Writable: changes are paused by tester; paused by tester: migration" in status
    assert "Ready,Paused" in said(await town.fedctl("get", "clusters"))
    assert "cluster/a is paused for changes by tester" in said(await town.fedctl("get", "clusters"))
    holds = said(await town.fedctl("get", "holds")).splitlines()
    assert [line.split()[:3] for line in holds[1:]] == [
        ["cluster/a", "Pause", "Changes"],
        ["unit/default/shop", "Pause", "Everything"],
    ]
    document = json.loads(said(await town.fedctl("get", "hold", "unit/default/shop", "-o", "json")))
    assert document["metadata"]["name"] == "namespaces/default/units/shop"
    assert document["status"]["reason"] == "migration"

    assert "still held: cluster/a" not in (await town.fedctl("resume", "unit/shop")).stderr
    assert said(await town.fedctl("resume", "cluster/a")) == "cluster/a resumed\n"
    assert said(await town.fedctl("resume", "cluster/a")) == "cluster/a was not paused\n"
    assert (await town.fedctl("wait", "--for=ready", "shop", "--timeout", "30s")).exit_code == 0


async def test_a_freeze_is_told_and_broken_by_its_name(town: Any) -> None:
    assert (await town.join("a")).exit_code == 0
    assert (await town.fedctl("apply", "-f", "-", stdin=SETTINGS)).exit_code == 0
    assert (await town.fedctl("apply", "-f", "-", stdin=UNIT)).exit_code == 0
    assert (await town.fedctl("wait", "--for=applied", "shop", "--timeout", "2s")).exit_code == 5
    assert "frozen by window always until 2099-01-01 00:00 UTC" in said(await town.fedctl("status", "shop"))
    assert "Ready,Frozen" in said(await town.fedctl("get", "clusters"))

    asked = await town.fedctl("thaw", "unit/shop", "--reason", "INC-1")
    assert (asked.exit_code, asked.stderr) == (2, "error: name the freeze windows to break: --window always\n")
    thawed = await town.fedctl("thaw", "unit/shop", "--reason", "INC-1", "--window", "always", "--for", "1h")
    assert said(thawed).startswith("unit/default/shop thawed until ")
    assert (await town.fedctl("wait", "--for=ready", "shop", "--timeout", "30s")).exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("pause", "shop"), "'shop': write fleet, cluster/NAME or unit/NAME"),
        (("pause", "policy/x"), "policies cannot be used here; there are: clusters, units"),
        (("resume", "unit/a", "unit/b"), "name one of: fleet, cluster/NAME or unit/NAME"),
    ],
)
def test_what_cannot_be_paused_is_refused_before_anything_is_asked(
    bare: Any, words: tuple[str, ...], told: str
) -> None:
    result = bare(*words)
    assert (result.exit_code, result.stderr) == (2, f"error: {told}\n")
