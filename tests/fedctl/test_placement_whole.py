"""Why, and what if, against a server with its controllers and simulated clusters."""

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
  placement: {clusterSelector: {matchLabels: {tier: prod}}}
  resources:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {a: b}}
"""


def said(result: Any) -> str:
    """What fedctl wrote: the service logs to the same stream here."""
    lines = result.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line))


async def test_a_unit_is_explained_simulated_and_rebalanced(town: Any) -> None:
    for name, labels in (("a", ("--label", "tier=prod")), ("b", ())):
        joined = await town.join(name, *labels)
        assert joined.exit_code == 0, joined.output
    assert (await town.fedctl("apply", "-f", "-", stdin=UNIT)).exit_code == 0
    waited = await town.fedctl("wait", "--for=applied", "shop", "--timeout", "30s")
    assert waited.exit_code == 0, waited.output

    explained = await town.fedctl("explain", "unit", "shop")
    history = await town.fedctl("explain", "shop", "--history", "-o", "json")
    now = await town.fedctl("explain", "shop", "--now", "-o", "json")
    lost = await town.fedctl("simulate", "--lose-region", "r-a")
    wrong = await town.fedctl("simulate", "--lose-region", "mars")
    balanced = await town.fedctl("rebalance", "shop", "--yes")

    head, where, _, chosen, refused = said(explained).splitlines()[:5]
    assert head.startswith("unit default/shop, revision 1: decision ")
    assert where == "on 1 of 2 clusters: a"
    assert chosen.startswith("a  chosen      LabelsMatch: its labels match placement.clusterSelector")
    assert refused.startswith("b  not chosen  LabelsDoNotMatch: label tier is missing")
    (first, *_) = json.loads(said(history))
    assert first["name"].rpartition("/")[2] in head
    assert "name" not in json.loads(said(now))
    assert (lost.exit_code, said(lost).splitlines()[-2:]) == (
        1,
        [
            "  on no cluster: none of the registered clusters fits",
            "1 of 1 unit would move; 1 unit would be on no cluster",
        ],
    )
    assert (wrong.exit_code, wrong.stderr) == (
        1,
        "error: lost_regions[0]: there is no region 'mars'; there are: r-a, r-b\n",
    )
    assert (balanced.exit_code, said(balanced)) == (0, "0 of 1 unit would move; everything finds its place\n")


async def test_fleet_settings_are_applied_and_read_back(town: Any) -> None:
    before = await town.fedctl("get", "fleetsettings", "-o", "json")
    document = json.loads(said(before))["items"][0]
    document["spec"] = {"headroom": {"by": "region"}, "datasets": [{"name": "orders", "primary": "a"}]}

    applied = await town.fedctl("apply", "-f", "-", stdin=json.dumps(document))
    stale = await town.fedctl("apply", "-f", "-", stdin=json.dumps(document | {"spec": {}}))
    shown = await town.fedctl("get", "fs")

    assert said(applied) == "fleetsettings/fleet configured\n", applied.output
    assert "dataset orders names clusters that are not registered: a" in applied.stderr
    assert stale.exit_code == 4
    assert said(shown).splitlines()[1].split()[:4] == ["fleet", "0", "orders", "region"]
