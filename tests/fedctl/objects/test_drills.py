"""fedctl drill and drills: what they ask the server, and what they show."""

from typing import Any

import pytest

from fedctl.commands import drill as command
from fedsvc.v1 import automation_pb2, drill_pb2, placement_service_pb2
from fedsvc.v1 import automation_service_pb2 as pb

MOVING = placement_service_pb2.UnitSimulation(
    unit="namespaces/default/units/web", clusters_before=["eu-1"], clusters_after=["us-1"]
)
STAYS = automation_pb2.PendingMove(
    unit="namespaces/default/units/db",
    cluster="eu-1",
    kind=automation_pb2.MOVE_KIND_AWAY,
    reason="Manual",
    message="its failover.mode is manual",
    command="fedctl failover unit/default/db --from eu-1",
)


def drill(**fields: Any) -> drill_pb2.Drill:
    report = drill_pb2.DrillReport(score=50, unit_count=2, left_out=[STAYS], findings=["default/db would not leave"])
    values: dict[str, Any] = {"subject": "regions/eu", "clusters": ["eu-1"], "report": report, "target_seconds": 60}
    return drill_pb2.Drill(**(values | fields))


def begun(phase: drill_pb2.DrillPhase.ValueType, **fields: Any) -> drill_pb2.Drill:
    return drill(name="drills/7", mode=drill_pb2.DRILL_MODE_FULL, phase=phase, **fields)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_POLL_SECONDS", 0.0)


def test_by_default_it_is_only_told_what_would_come_of_it(fedctl: Any, world: Any) -> None:
    simulated = drill(mode=drill_pb2.DRILL_MODE_SIMULATE)
    world.on("StartDrill", lambda _: pb.StartDrillResponse(drill=simulated, units=[MOVING]))
    shown = fedctl("drill", "region", "eu")
    assert shown.exit_code == 0
    assert "Score:    50 of 100" in shown.stdout
    assert "2 on eu-1; 1 would stay" in shown.stdout
    assert "fedctl failover unit/default/db --from eu-1" in shown.stdout
    (request,) = world.requests("StartDrill")
    assert (request.subject, request.mode) == ("regions/eu", drill_pb2.DRILL_MODE_SIMULATE)


def test_a_drill_is_followed_to_its_end_and_told(fedctl: Any, world: Any, quick: None) -> None:
    del quick
    done = begun(drill_pb2.DRILL_PHASE_OVER, outcome=drill_pb2.DRILL_OUTCOME_PASSED)
    done.report.away_seconds, done.report.return_seconds, done.report.half_seconds = 12.34, 5.0, 3.0
    steps = iter([begun(drill_pb2.DRILL_PHASE_AWAY), done])
    world.on("StartDrill", lambda _: pb.StartDrillResponse(drill=begun(drill_pb2.DRILL_PHASE_LEAVING)))
    world.on("GetDrill", lambda _: pb.GetDrillResponse(drill=next(steps)))
    refused = fedctl("drill", "region/eu", "--mode", "full")
    assert (refused.exit_code, "say --yes" in refused.stderr) == (1, True)
    words = ("--mode", "full", "--yes", "--away", "5m", "--target", "90s", "--abort-on", "no-place", "--why", "q4")
    shown = fedctl("drill", "region/eu", *words)
    assert shown.exit_code == 0, shown.stderr
    assert "Away:     after 12.3s (half of it after 3.0s)" in shown.stdout
    assert "Restored: in 5.0s" in shown.stdout
    assert "Finding:  default/db would not leave" in shown.stdout
    last = world.requests("StartDrill")[-1]
    assert (last.mode, last.away_seconds, last.target_seconds, last.reason) == (
        drill_pb2.DRILL_MODE_FULL,
        300,
        90,
        "q4",
    )
    assert list(last.abort_on) == [drill_pb2.DRILL_ABORT_NO_PLACE]
    assert not last.HasField("limit_seconds")


def test_an_aborted_drill_says_why_and_fails(fedctl: Any, world: Any, quick: None) -> None:
    del quick
    over = begun(drill_pb2.DRILL_PHASE_OVER, outcome=drill_pb2.DRILL_OUTCOME_ABORTED, message="us-1 is Suspect")
    world.on("StartDrill", lambda _: pb.StartDrillResponse(drill=over))
    result = fedctl("drill", "region/eu", "--mode", "traffic", "--yes")
    assert (result.exit_code, "the drill was aborted: us-1 is Suspect" in result.stderr) == (1, True)


def test_the_drill_under_way_is_stopped(fedctl: Any, world: Any, quick: None) -> None:
    del quick
    over = begun(drill_pb2.DRILL_PHASE_OVER, outcome=drill_pb2.DRILL_OUTCOME_STOPPED)
    world.on("ListDrills", lambda _: pb.ListDrillsResponse(drills=[begun(drill_pb2.DRILL_PHASE_AWAY)]))
    world.on("StopDrill", lambda _: pb.StopDrillResponse(drill=begun(drill_pb2.DRILL_PHASE_RETURNING)))
    world.on("GetDrill", lambda _: pb.GetDrillResponse(drill=over))
    assert fedctl("drill", "--stop").exit_code == 0
    assert world.requests("StopDrill")[0].name == "drills/7"
    world.on("ListDrills", lambda _: pb.ListDrillsResponse(drills=[over]))
    assert "no drill is under way" in fedctl("drill", "--stop").stderr


@pytest.mark.parametrize("words", [(), ("unit/web",), ("--stop", "region/eu")])
def test_a_drill_says_of_what(fedctl: Any, world: Any, words: tuple[str, ...]) -> None:
    assert fedctl("drill", *words).exit_code == 2
    assert not world.asked


def test_drills_are_listed(fedctl: Any, world: Any) -> None:
    row = begun(drill_pb2.DRILL_PHASE_OVER, outcome=drill_pb2.DRILL_OUTCOME_PASSED)
    row.report.away_seconds = 12.34
    world.on("ListDrills", lambda _: pb.ListDrillsResponse(drills=[row]))
    shown = fedctl("drills")
    (line,) = shown.stdout.splitlines()[1:]
    assert line.split()[:5] == ["7", "region/eu", "full", "Passed", "50"]
    assert "12.3s" in line
    assert fedctl("drills", "-o", "name").stdout == "drills/7\n"
