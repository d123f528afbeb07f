"""fedctl failover, failback and drain: what they ask the server, and what they show."""

import datetime as dt
from typing import Any

import pytest

from fedctl.output import failover_views
from fedsvc.v1 import (
    automation_pb2,
    cluster_pb2,
    cluster_service_pb2,
    hold_pb2,
    hold_service_pb2,
    placement_service_pb2,
)
from fedsvc.v1 import automation_service_pb2 as pb

NOW = dt.datetime(2026, 11, 27, 1, tzinfo=dt.UTC)
WEB = "namespaces/default/units/web"
MOVING = placement_service_pb2.UnitSimulation(unit=WEB, clusters_before=["a"], clusters_after=["b"])
STAYS = automation_pb2.PendingMove(
    unit="namespaces/default/units/db",
    cluster="a",
    kind=automation_pb2.MOVE_KIND_AWAY,
    reason="Never",
    message="its failover.mode is never",
    command="fedctl failover unit/default/db --from a",
)


def asked(world: Any, method: str) -> list[bool]:
    return [request.validate_only for request in world.requests(method)]


def test_what_would_move_is_shown_before_it_is_done(fedctl: Any, world: Any) -> None:
    world.on("FailOver", lambda _: pb.FailOverResponse(units=[MOVING], unit_count=1, left_out=[STAYS]))
    shown = fedctl("failover", "cluster/a", "--dry-run")
    assert shown.exit_code == 0
    assert "default/web" in shown.stdout
    assert "fedctl failover unit/default/db --from a" in shown.stdout
    assert asked(world, "FailOver") == [True]
    refused = fedctl("failover", "cluster/a")
    assert (refused.exit_code, "say --yes" in refused.stderr) == (1, True)
    done = fedctl("failover", "cluster", "a", "--yes", "--to", "b", "--why", "disks")
    assert done.stdout.endswith("cluster/a: 1 unit to leave\n")
    last = world.requests("FailOver")[-1]
    assert (last.subject, list(last.targets), last.reason, last.validate_only) == ("clusters/a", ["b"], "disks", False)
    assert last.request_id


@pytest.mark.parametrize(
    ("words", "subject"),
    [
        (("unit/web",), WEB),
        (("unit", "web"), WEB),
        (("unit/shop/web",), "namespaces/shop/units/web"),
        (("cluster/a",), "clusters/a"),
        (("region/eu",), "regions/eu"),
        (("region", "eu"), "regions/eu"),
    ],
)
def test_what_moves_is_named_as_everywhere(fedctl: Any, world: Any, words: tuple[str, ...], subject: str) -> None:
    world.on("FailBack", lambda _: pb.FailBackResponse(units=[MOVING], unit_count=1))
    result = fedctl("failback", *words, "--yes", "-o", "json")
    assert (result.exit_code, '"unitCount": 1' in result.stdout) == (0, True)
    assert [request.subject for request in world.requests("FailBack")] == [subject, subject]


def test_where_nothing_moves_that_is_said(fedctl: Any, world: Any) -> None:
    world.on("FailBack", lambda _: pb.FailBackResponse())
    result = fedctl("failback", "cluster/a", "--yes")
    assert (result.exit_code, result.stderr) == (1, "error: nothing of cluster/a is to go back\n")
    assert asked(world, "FailBack") == [True]


@pytest.mark.parametrize("words", [("web",), ("fleet",), ("unit/",), ("cluster/a", "cluster/b"), ("policy/x",)])
def test_what_cannot_move_is_refused_with_the_right_forms(fedctl: Any, words: tuple[str, ...]) -> None:
    assert fedctl("failover", *words).exit_code == 2


def test_a_drain_is_paced_and_cancelled(fedctl: Any, world: Any) -> None:
    world.on("DrainClusters", lambda _: pb.DrainClustersResponse(units=[MOVING], unit_count=1, clusters=["a"]))
    assert fedctl("drain", "a", "--pace", "10", "--yes").exit_code == 0
    assert fedctl("drain", "--region", "eu", "--yes").exit_code == 0
    first, last = world.requests("DrainClusters")[1], world.requests("DrainClusters")[-1]
    assert (first.subject, first.pace_percent) == ("clusters/a", 10)
    assert (last.subject, last.HasField("pace_percent")) == ("regions/eu", False)
    assert fedctl("drain").exit_code == 2
    assert fedctl("drain", "a", "--region", "eu").exit_code == 2

    drained = cluster_pb2.Cluster(
        name="clusters/a",
        taints=[cluster_pb2.Taint(key="fedsvc.io/cordoned", effect=cluster_pb2.TAINT_EFFECT_NO_SCHEDULE)],
    )
    world.on("GetCluster", lambda _: cluster_service_pb2.GetClusterResponse(cluster=drained))
    world.on("UpdateCluster", lambda request: cluster_service_pb2.UpdateClusterResponse(cluster=request.cluster))
    assert fedctl("drain", "a", "--cancel").stdout == "cluster/a may have units again\n"
    assert not world.requests("UpdateCluster")[0].cluster.taints


def test_moves_that_wait_say_for_what_and_what_makes_them_at_once() -> None:
    move = automation_pb2.PendingMove(
        unit=WEB,
        cluster="a",
        kind=automation_pb2.MOVE_KIND_BACK,
        reason="Stable",
        message="it goes back when a was well for 600 s",
        command="fedctl failback unit/default/web --to a",
    )
    move.due_time.FromDatetime(NOW + dt.timedelta(minutes=5))
    text = "back to a: it goes back when a was well for 600 s in 5m: fedctl failback unit/default/web --to a"
    assert failover_views.pending_text(move, NOW) == text
    table = failover_views.pending_moves(lambda: NOW)
    cells = {column.title: column.text(move) for column in table.columns}
    assert (cells["UNIT"], cells["MOVE"], cells["WAITS FOR"], cells["IN"]) == (
        "default/web",
        "back to a",
        "Stable",
        "5m",
    )


def test_automation_is_held_for_a_region(fedctl: Any, world: Any) -> None:
    held = hold_pb2.Hold(subject="regions/eu", scope=hold_pb2.HOLD_SCOPE_AUTOMATION)
    world.on("Pause", lambda _: hold_service_pb2.PauseResponse(hold=held))
    for words in (("--region", "eu"), ("region/eu",), ("region", "eu")):
        result = fedctl("hold", *words, "--why", "cut over")
        assert (result.exit_code, result.stdout) == (0, "automation held for region/eu\n")
    assert {request.subject for request in world.requests("Pause")} == {"regions/eu"}
    assert fedctl("hold", "fleet", "--region", "eu", "--why", "x").exit_code == 2
    world.on("ReleaseAutomation", lambda _: pb.ReleaseAutomationResponse(ended=[held]))
    assert fedctl("release", "region/eu").stdout == "region/eu released\n"
