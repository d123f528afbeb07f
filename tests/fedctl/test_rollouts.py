"""Rollouts and revisions as a user sees them: a server, simulated clusters and fedctl."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

UNIT = """
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {name: web, namespace: shop}
spec:
  placement: {clusterSelector: {}}
  rollout:
    soakSeconds: %(soak)s
    onFailure: roll-back
    waves:
      - {name: canary, clusters: {names: [a]}}
      - {name: others, approval: true}
  resources:
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: settings}
      data: {v: "%(v)s"}
%(more)s"""
MORE = """
    - apiVersion: v1
      kind: ConfigMap
      metadata: {name: more}
"""


async def apply(town: Any, folder: Path, v: str, *, soak: int = 0, more: str = "", unit: str = UNIT) -> None:
    file = folder / "unit.yaml"
    file.write_text(unit % {"v": v, "soak": soak, "more": more})
    done = await town.fedctl("apply", "-f", str(file))
    assert done.exit_code == 0, done.stderr


@pytest.fixture
async def going(town: Any, tmp_path: Path) -> Any:
    """Revision 2 of unit shop/web is on cluster a; its second wave has to be approved."""
    for name in ("a", "b"):
        joined = await town.join(name)
        assert joined.exit_code == 0, joined.stderr
    await apply(town, tmp_path, "1")
    waited = await town.fedctl("wait", "web", "-n", "shop", "--timeout", "30s")
    assert waited.exit_code == 0, waited.stderr
    await apply(town, tmp_path, "2", more=MORE)
    return town


def said(done: Any) -> str:
    """What fedctl printed, without what the server in this process logs."""
    lines = [line for line in done.stdout.splitlines() if not re.match(r"\d{4}-\d\d-\d\d .*\[\w+ *\]", line)]
    return "\n".join(lines)


async def until_waiting(town: Any) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        shown = await town.fedctl("rollout", "status", "web", "-n", "shop", "-o", "json")
        if shown.exit_code == 0 and json.loads(said(shown))["phase"] == "WaitingForApproval":
            return said(await town.fedctl("rollout", "status", "web", "-n", "shop"))
    raise AssertionError(shown.stdout + shown.stderr)


async def test_a_rollout_is_followed_approved_and_looked_back_at(going: Any) -> None:
    told = await until_waiting(going)

    assert told.splitlines() == [
        "rollout of unit shop/web: WaitingForApproval, revision 2 (stable 1), wave 2 of 2, others",
        "  waits for approval: b",
        "",
        "WAVE       CLUSTER   STATE     REVISION   MESSAGE",
        "1 canary   a         Healthy   2          -",
        "2 others   b         Pending   1          -",
    ]
    waited = await going.fedctl("wait", "web", "-n", "shop", "--for", "applied", "--timeout", "1")
    assert waited.exit_code == 5
    assert "waits for approval" in waited.stderr

    approved = await going.fedctl("rollout", "approve", "web", "-n", "shop")
    assert approved.exit_code == 0, approved.stderr
    followed = await going.fedctl("rollout", "status", "web", "-n", "shop", "-w", "--timeout", "60s")
    assert followed.exit_code == 0, followed.stderr
    assert "rollout of unit shop/web: Completed, revision 2" in followed.stdout

    history = await going.fedctl("history", "web", "-n", "shop")
    lines = [" ".join(line.split()) for line in said(history).splitlines()]
    assert lines[1].startswith("2 (newest) ")
    assert lines[1].endswith("tester a, b +1 (ConfigMap/more); ~1 (ConfigMap/settings)")
    assert lines[2].endswith("+1 (ConfigMap/settings)")
    one = await going.fedctl("history", "web", "-n", "shop", "--revision", "1", "-o", "yaml")
    assert 'v: "1"' in one.stdout.replace("'", '"')


async def test_a_rollback_is_shown_first_and_done_when_it_is_said_to_be(going: Any) -> None:
    await until_waiting(going)
    await going.fedctl("rollout", "approve", "web", "-n", "shop")
    followed = await going.fedctl("rollout", "status", "web", "-n", "shop", "-w", "--timeout", "60s")
    assert followed.exit_code == 0, followed.stdout + followed.stderr

    asked = await going.fedctl("rollback", "web", "-n", "shop")
    assert asked.exit_code == 1
    assert said(asked).splitlines() == [
        "unit shop/web would be as in revision 1 again:",
        "  ~ ConfigMap shop/settings",
        "  - ConfigMap shop/more",
        "on a, b, in waves",
    ]
    assert "say --yes" in asked.stderr

    done = await going.fedctl("rollback", "web", "-n", "shop", "--yes", "--at-once", "--wait", "--timeout", "60s")
    assert done.exit_code == 0, done.stderr
    assert "unit/shop/web rolled back to 1 as revision 3" in done.stdout
    live = await going.get("b", "/api/v1/namespaces/shop/configmaps/settings")
    assert live["data"] == {"v": "1"}
    again = await going.fedctl("rollback", "web", "-n", "shop", "--to", "1", "--yes")
    assert said(again) == "unit shop/web is as in revision 1 already: nothing to do"


async def test_an_abort_tells_who_goes_back_and_brings_them_back(going: Any) -> None:
    await until_waiting(going)

    unsure = await going.fedctl("rollout", "abort", "web", "-n", "shop")
    assert unsure.exit_code == 1
    assert "1 cluster (a) would go back to revision 1" in unsure.stderr

    aborted = await going.fedctl("rollout", "abort", "web", "-n", "shop", "--yes", "--reason", "too slow")
    assert aborted.exit_code == 0, aborted.stderr
    followed = await going.fedctl("rollout", "status", "web", "-n", "shop", "-w", "--timeout", "60s")
    assert followed.exit_code == 1
    assert "RolledBack, revision 2 (stable 1)" in followed.stdout
    assert "aborted by tester: too slow" in followed.stdout
    refused = await going.fedctl("rollout", "resume", "web", "-n", "shop")
    assert refused.exit_code == 4
    assert "is RolledBack and cannot be resumed" in refused.stderr
    assert "fedctl rollout retry shop/web" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("rollout", "status", "web"), 0, "has no rollout: its newest revision went to all clusters at once"),
        (("rollout", "pause", "web"), 3, "has no rollout"),
        (("rollout", "abort", "web", "--yes"), 3, "To go back to an earlier one:  fedctl rollback shop/web"),
        (("rollout", "status", "wep"), 3, "Did you mean web?"),
        (("history", "wep"), 3, "Did you mean web?"),
        (("history", "web", "--revision", "9"), 3, "revision 9 of unit shop/web does not exist"),
        (("rollback", "web", "--to", "9"), 3, "revision 9 of unit shop/web does not exist"),
        (("rollback", "web"), 4, "has no earlier revision that is kept"),
        (("rollback", "wep"), 3, "Did you mean web?"),
    ],
)
async def test_what_is_not_there_is_told_with_what_to_do(
    town: Any, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    await apply(town, tmp_path, "1")

    done = await town.fedctl(*words, "-n", "shop")

    assert done.exit_code == code, done.stdout + done.stderr
    assert told in done.stdout + done.stderr


async def test_a_wrong_policy_is_told_with_its_place_in_the_file(town: Any, tmp_path: Path) -> None:
    file = tmp_path / "unit.yaml"
    file.write_text(
        UNIT.replace("{name: others, approval: true}", "{name: others, percent: 120}")
        % {"v": "1", "soak": -1, "more": ""}
    )

    done = await town.fedctl("apply", "-f", str(file))

    assert done.exit_code != 0
    assert "unit.yaml:8: spec.rollout.soakSeconds: is -1, must be from 0 to 2592000 (30 days)" in done.stderr
    assert "spec.rollout.waves[1].percent: is 120, must be from 1 to 100" in done.stderr
