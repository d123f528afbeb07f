"""How a drill goes on, and what came of it: pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.model.drill import (
    Drill,
    DrillAbort,
    DrillMode,
    DrillOutcome,
    DrillPhase,
    Left,
    Moved,
    Plan,
    Sight,
    next_step,
    report,
    simulated_score,
)

BEGIN = datetime(2026, 11, 27, 1, tzinfo=UTC)
NOW = BEGIN + timedelta(seconds=100)
PLAN = Plan(subject="regions/eu", clusters=("eu-1",), mode=DrillMode.FULL, unit_count=2, leaving_count=2)
STAYS = Left(unit_name="namespaces/shop/units/db", cluster="eu-1", reason="Manual", message="it waits")


def drill(phase: DrillPhase = DrillPhase.LEAVING, plan: Plan = PLAN, **fields: object) -> Drill:
    values: dict[str, object] = {"outcome": None, "message": "", "author": "ann", "reason": "", "create_time": BEGIN}
    return Drill(id=7, plan=plan, phase=phase, **(values | fields))  # type: ignore[arg-type]


def moved(name: str, seconds: float | None) -> Moved:
    ready = None if seconds is None else BEGIN + timedelta(seconds=seconds)
    return Moved(unit_name=f"namespaces/shop/units/{name}", cluster="eu-1", decide_time=BEGIN, ready_time=ready)


READY = (moved("web", 20), moved("api", 30))


@pytest.mark.parametrize(
    ("one", "sight", "phase"),
    [
        pytest.param(drill(), Sight(moved=READY), DrillPhase.AWAY, id="left"),
        pytest.param(drill(), Sight(moved=READY, undecided_count=1), None, id="undecided"),
        pytest.param(drill(), Sight(moved=(moved("web", None),)), None, id="unready"),
        pytest.param(drill(), Sight(moved=READY, has_names=True), None, id="names"),
        pytest.param(drill(traffic_time=NOW), Sight(moved=READY, has_names=True), DrillPhase.AWAY, id="names-changed"),
        pytest.param(drill(DrillPhase.AWAY, away_time=NOW - timedelta(seconds=59)), Sight(), None, id="not-yet"),
        pytest.param(
            drill(DrillPhase.AWAY, away_time=NOW - timedelta(seconds=60)), Sight(), DrillPhase.RETURNING, id="time"
        ),
        pytest.param(drill(DrillPhase.RETURNING), Sight(departed_count=1), None, id="departed"),
        pytest.param(drill(DrillPhase.RETURNING), Sight(left_count=1), None, id="kept"),
        pytest.param(drill(DrillPhase.RETURNING), Sight(held="by ann"), DrillPhase.OVER, id="back"),
        pytest.param(drill(DrillPhase.OVER), Sight(held="by ann"), None, id="over"),
    ],
)
def test_a_drill_goes_on_by_what_is(one: Drill, sight: Sight, phase: DrillPhase | None) -> None:
    step = next_step(one, sight, NOW)
    assert (None if step is None else step.phase) == phase
    assert step is None or step.outcome is (DrillOutcome.PASSED if phase is DrillPhase.RETURNING else None)


@pytest.mark.parametrize("phase", [DrillPhase.LEAVING, DrillPhase.AWAY])
@pytest.mark.parametrize(
    ("plan", "sight", "words"),
    [
        pytest.param(PLAN, Sight(held="held by ann"), "automation does not act: held by ann", id="held"),
        pytest.param(PLAN, Sight(troubled={"us-1": "Suspect"}), "us-1 is Suspect", id="trouble"),
        pytest.param(PLAN, Sight(degraded=["namespaces/shop/units/web"]), "shop/web is Degraded", id="degraded"),
        pytest.param(
            replace(PLAN, abort_on=(DrillAbort.NO_PLACE,)),
            Sight(moved=READY[:1], troubled={"us-1": "Suspect"}),
            "1 of 2 units found no place elsewhere",
            id="no-place",
        ),
    ],
)
def test_a_drill_ends_before_its_time(phase: DrillPhase, plan: Plan, sight: Sight, words: str) -> None:
    worse = NOW - timedelta(seconds=10)
    step = next_step(drill(phase, plan, away_time=NOW, worse_time=worse), sight, NOW)
    assert step is not None
    assert (step.phase, step.outcome, step.message) == (DrillPhase.RETURNING, DrillOutcome.ABORTED, words)


def test_what_was_so_before_and_what_is_not_asked_for_ends_nothing() -> None:
    plan = replace(PLAN, degraded=("namespaces/shop/units/old",), abort_on=(DrillAbort.DEGRADED,))
    sight = Sight(degraded=["namespaces/shop/units/old"], troubled={"us-1": "Suspect"}, undecided_count=1)
    assert next_step(drill(plan=plan, worse_time=BEGIN), sight, NOW) is None
    blip = Sight(degraded=["namespaces/shop/units/web"], undecided_count=1)
    assert next_step(drill(worse_time=NOW - timedelta(seconds=9)), blip, NOW) is None
    assert next_step(drill(), blip, NOW) is None


def test_leaving_takes_no_longer_than_its_limit() -> None:
    one = drill(plan=replace(PLAN, limit_seconds=99))
    step = next_step(one, Sight(moved=(moved("web", None),)), NOW)
    assert step is not None
    assert step.message == "not all was ready elsewhere within 99 s: shop/web"


@pytest.mark.parametrize(
    ("ready", "score", "finding"),
    [
        ((20, 30), 100, ""),
        ((20, 90), 75, "shop/u1 took longer than 60 s; shop/u1 90 s"),
        ((20, None), 50, "shop/u1 did not become ready elsewhere"),
        ((20,), 50, "1 of 2 units found no place elsewhere, and stayed"),
        ((), 0, "2 of 2 units found no place elsewhere, and stayed"),
    ],
)
def test_a_drill_is_scored_by_what_was_ready_elsewhere_in_time(
    ready: tuple[int | None, ...], score: int, finding: str
) -> None:
    found = report(drill(DrillPhase.AWAY, away_time=NOW), [moved(f"u{at}", each) for at, each in enumerate(ready)])
    assert found.score == score
    assert (finding in found.findings) == bool(finding)
    assert found.away_seconds == 100


def test_what_would_not_leave_by_itself_is_a_finding_and_costs_points() -> None:
    plan = replace(PLAN, leaving_count=1, left_out=(STAYS,))
    found = report(drill(DrillPhase.OVER, plan), [moved("web", 10)])
    assert (found.score, found.findings) == (50, ("shop/db would not leave by itself",))
    assert simulated_score(2, [STAYS]) == 50
    assert simulated_score(0, []) == 100


@pytest.mark.parametrize(("seconds", "score"), [(None, 0), (60, 100), (61, 50)])
def test_traffic_is_scored_by_how_soon_names_changed(seconds: int | None, score: int) -> None:
    plan = replace(PLAN, mode=DrillMode.TRAFFIC)
    at = None if seconds is None else BEGIN + timedelta(seconds=seconds)
    assert report(drill(plan=plan, traffic_time=at), []).score == score


@given(ready=st.lists(st.none() | st.floats(0, 1_000), max_size=8), others=st.integers(0, 4))
def test_a_score_is_never_beyond_its_bounds_nor_lower_for_more_that_is_ready(
    ready: list[float | None], others: int
) -> None:
    plan = replace(PLAN, unit_count=len(ready) + others, leaving_count=len(ready))
    entries = [moved(f"u{at}", each) for at, each in enumerate(ready)]
    found = report(drill(plan=plan), entries)
    assert 0 <= found.score <= 100
    assert found.prompt_count <= found.ready_count <= found.moved_count <= plan.unit_count
    better = report(drill(plan=plan), [moved(f"u{at}", 1.0) for at in range(len(ready))])
    assert better.score >= found.score
