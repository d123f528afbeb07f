"""Automation and failovers as people see them."""

import datetime as dt
import json
import re
from typing import Any

import pytest

from fedctl.output import failover_views, views
from fedsvc.v1 import automation_pb2, cluster_pb2, hold_pb2

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def said(result: Any) -> str:
    """What fedctl wrote: the service logs to the same stream here."""
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if not re.match(r"\d{4}-\d\d-\d\d \d\d:", line))


@pytest.mark.postgres
async def test_automation_is_shown_held_and_released(town: Any) -> None:
    said(await town.join("a"))
    shown = said(await town.fedctl("automation"))
    assert shown.startswith("Automation:  Off for ")
    assert "join a third, or name a witness" in shown
    assert said(await town.fedctl("hold", "--why", "drill")) == "automation held for fleet\n"
    assert said(await town.fedctl("hold", "cluster/a", "--why", "disks", "--for", "2h")).startswith(
        "automation held for cluster/a until "
    )
    shown = said(await town.fedctl("automation"))
    assert "Held:        fleet is paused for automation by tester: drill" in shown
    document = json.loads(said(await town.fedctl("automation", "-o", "json")))
    assert document["state"] == "Off"
    assert [hold["subject"] for hold in document["holds"]] == ["clusters/a", "fleet"]
    assert "Ready,AutomationHeld" in said(await town.fedctl("get", "clusters"))
    assert said(await town.fedctl("release", "cluster/a")) == "cluster/a released\n"
    assert said(await town.fedctl("release", "fleet")) == "fleet released\n"
    assert said(await town.fedctl("release", "fleet")) == "fleet was not held\n"
    assert (await town.fedctl("release", "cluster/nowhere")).exit_code == 3
    failovers = await town.fedctl("failovers", "-o", "json")
    assert json.loads(said(failovers)) == {"failovers": [], "pendingMoves": []}
    assert "no unit has left a cluster" in (await town.fedctl("failovers")).stderr
    assert "Health:" in said(await town.fedctl("describe", "cluster", "a"))


def test_automation_that_is_held_says_why_and_how_it_goes_on() -> None:
    found = automation_pb2.Automation(
        state=automation_pb2.AUTOMATION_STATE_HOLDING, message="2 of 3 members are lost: a, b", settled_clusters=["c"]
    )
    found.since.FromDatetime(NOW - dt.timedelta(seconds=90))
    lines = list(failover_views.automation_lines(found, NOW))
    assert lines[0] == "Automation:  Holding for 90s"
    assert any("2 of 3 members are lost: a, b" in line for line in lines)
    assert any("fedctl release fleet" in line for line in lines)
    assert "Acted on:    c" in lines


def at(seconds: float) -> Any:
    stamp = automation_pb2.Failover().trouble_time
    stamp.FromDatetime(NOW + dt.timedelta(seconds=seconds))
    return stamp


def test_failovers_are_told_by_the_length_of_their_phases() -> None:
    row = automation_pb2.Failover(
        name="failovers/1",
        unit="namespaces/shop/units/web",
        cluster="eu-1",
        targets=["us-1", "us-2"],
        trouble_time=at(-60),
        detect_time=at(-49.5),
        decide_time=at(-19),
        place_time=at(-18.7),
    )
    table = failover_views.failovers(lambda: NOW)
    cells = {column.title: column.text(row) for column in table.columns}
    assert (cells["UNIT"], cells["FROM"], cells["TO"], cells["AGE"]) == ("shop/web", "eu-1", "us-1,us-2", "19s")
    phases = ("DETECT", "DECIDE", "PLACE", "READY", "TRAFFIC", "TOTAL")
    assert [cells[name] for name in phases] == ["10.5s", "30.5s", "0.3s", "-", "n/a", "-"]


@pytest.mark.parametrize(
    ("times", "traffic", "total"),
    [
        ({"is_named": True, "ready_time": at(-10)}, "-", "-"),
        ({"is_named": True, "ready_time": at(-10), "traffic_time": at(-8)}, "2.0s", "52.0s"),
        ({"is_named": True, "ready_time": at(-10), "traffic_time": at(-12)}, "0.0s", "50.0s"),
        ({"ready_time": at(-10)}, "n/a", "50.0s"),
    ],
)
def test_the_last_phase_is_that_names_lead_elsewhere(times: dict[str, Any], traffic: str, total: str) -> None:
    row = automation_pb2.Failover(trouble_time=at(-60), decide_time=at(-30), **times)
    cells = {column.title: column.text(row) for column in failover_views.failovers(lambda: NOW).columns}
    assert (cells["TRAFFIC"], cells["TOTAL"]) == (traffic, total)


@pytest.mark.parametrize(
    ("health", "state"),
    [
        (cluster_pb2.ClusterHealth(verdict=cluster_pb2.HEALTH_VERDICT_HEALTHY), "Ready"),
        (cluster_pb2.ClusterHealth(verdict=cluster_pb2.HEALTH_VERDICT_SUSPECT), "Suspect"),
        (
            cluster_pb2.ClusterHealth(verdict=cluster_pb2.HEALTH_VERDICT_SUSPECT, is_quarantined=True),
            "Quarantined",
        ),
        (cluster_pb2.ClusterHealth(), "Ready"),
    ],
)
def test_a_cluster_in_doubt_is_not_shown_as_ready(health: cluster_pb2.ClusterHealth, state: str) -> None:
    row = cluster_pb2.Cluster(status=cluster_pb2.ClusterStatus(health=health))
    for kind in ("Reachable", "Ready"):
        row.status.conditions.add(type=kind, status=1)
    assert views.cluster_state(row) == state


def test_a_hold_of_the_breaker_and_one_for_the_health_of_a_cluster_say_what_they_are() -> None:
    breaker = hold_pb2.Hold(
        subject="fleet", kind=hold_pb2.HOLD_KIND_BREAKER, scope=hold_pb2.HOLD_SCOPE_AUTOMATION, reason="2 of 3 lost"
    )
    trouble = hold_pb2.Hold(
        subject="clusters/a", kind=hold_pb2.HOLD_KIND_HEALTH, scope=hold_pb2.HOLD_SCOPE_REMOVALS, reason="it is Suspect"
    )
    assert views.hold_text(breaker) == "automation, by the breaker: 2 of 3 lost"
    assert views.hold_text(trouble) == "nothing is removed from cluster/a: it is Suspect"
    assert views.hold_marks([breaker, trouble]) == ["AutomationHeld"]
