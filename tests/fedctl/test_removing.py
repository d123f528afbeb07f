"""Removals that need a confirmation, against a server with its controllers and simulated clusters."""

import asyncio
import re
from typing import Any

import pytest

pytestmark = pytest.mark.postgres

UNIT = """\
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {name: shop}
spec:
  placement: {clusterSelector: {matchLabels: {tier: prod}}}
  protected: PROTECTED
  resources:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: more}, data: {a: b}}
"""
SETTINGS = """\
apiVersion: fedsvc.io/v1
kind: FleetSettings
metadata: {name: fleet}
spec:
  removals: {objectsPerChange: 1, percentPerChange: 0}
"""


def said(result: Any) -> str:
    """What fedctl wrote: the service logs to the same stream here."""
    lines = result.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line))


async def runs(town: Any, *, protected: str = "false") -> None:
    assert (await town.join("a", "--label", "tier=prod")).exit_code == 0
    assert (await town.fedctl("apply", "-f", "-", stdin=SETTINGS)).exit_code == 0
    assert (await town.fedctl("apply", "-f", "-", stdin=UNIT.replace("PROTECTED", protected))).exit_code == 0
    waited = await town.fedctl("wait", "--for=ready", "shop", "--timeout", "30s")
    assert waited.exit_code == 0, waited.output


async def until_status(town: Any, begin: str) -> str:
    async with asyncio.timeout(30):
        while True:
            status = said(await town.fedctl("status", "shop"))
            if status.startswith(begin):
                return status


async def test_what_would_remove_too_much_is_said_and_confirmed_by_name(town: Any) -> None:
    await runs(town)
    refused = await town.fedctl("delete", "unit", "shop")
    why = "2 objects are more than the 1 that may go in one change"
    hint = "To remove it all the same:  --confirm-removal shop"
    assert refused.exit_code == 4
    assert refused.stderr == f"error: 2 objects would be removed from members: 2 on a; {why}\n{hint}\n"
    wrong = await town.fedctl("delete", "unit", "shop", "--confirm-removal", "shopp")
    assert (wrong.exit_code, wrong.stderr) == (2, "error: --confirm-removal shopp: this is about shop\n")
    empty = UNIT.replace("PROTECTED", "false").replace("tier: prod", "tier: none")
    tried = await town.fedctl("apply", "-f", "-", stdin=empty)
    assert "unit default/shop: 2 objects would be removed from members: all of it on a; nothing would be left" in (
        tried.stderr
    )
    done = await town.fedctl("delete", "unit", "shop", "--confirm-removal", "shop", "--wait", "--timeout", "30s")
    assert done.exit_code == 0, done.output


async def test_a_changed_label_holds_what_would_go_and_confirm_lets_it(town: Any) -> None:
    await runs(town)
    assert (await town.fedctl("label", "cluster", "a", "tier-")).exit_code == 0
    status = await until_status(town, "unit default/shop: Unplaced,RemovalsHeld")
    assert "Writable: the removal of 2 objects from a is held: nothing would be left of it" in status
    lines = said(await town.fedctl("get", "removals")).splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["default/shop", "a"]] * 2
    assert all(" Held " in line and " ClusterLeft " in line for line in lines[1:])

    asked = await town.fedctl("confirm", "unit/shop")
    assert "nothing was removed: say --yes" in asked.stderr
    confirmed = await town.fedctl("confirm", "unit/shop", "--yes")
    assert said(confirmed) == "unit/default/shop confirmed: 2 objects of 1 unit\n"
    again = await town.fedctl("confirm", "unit/shop", "--yes")
    assert (again.exit_code, again.stderr) == (3, "error: nothing of unit/default/shop is held\n")


async def test_a_protected_unit_is_kept_and_a_leaving_cluster_is_previewed(town: Any) -> None:
    await runs(town, protected="true")
    refused = await town.fedctl("delete", "unit", "shop")
    assert refused.stderr == (
        "error: namespaces/default/units/shop is protected and would lose all of it: take protection back first\n"
    )
    shown = await town.fedctl("unjoin", "a", "--dry-run", "--delete-objects")
    assert (shown.exit_code, [line.split() for line in said(shown).splitlines()]) == (
        0,
        [["UNIT", "OBJECTS", "ON", "A", "THEN", "ON"], ["default/shop", "2", "DELETED", "no", "cluster"]],
    )
    assert "1 unit, 2 objects; 1 unit would be on no cluster" in shown.stderr
    left = await town.unjoin("a")
    assert "is protected and would lose what it has on a" in left.stderr
