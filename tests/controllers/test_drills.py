"""Drills: real PostgreSQL, simulated members, the controllers running, and killed in the midst of one."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedsvc.errors import DrillStateError
from fedsvc.model.departure import DepartureCause
from fedsvc.model.drill import Drill, DrillMode, DrillOutcome, DrillPhase, Plan, Step
from fedsvc.model.hold import HoldScope
from fedsvc.store import drills, failovers, holds
from fedsvc.store.departures import Order
from fedsvc_placement import LabelSelector, Placement, SpreadConstraint, Topology

ONE = Placement(cluster_selector=LabelSelector(), spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=1),))


@pytest.fixture
async def fleet(quiet_world: Any) -> Any:
    """Three members, controllers that look often."""
    quiet_world.settings = replace(quiet_world.settings, return_seconds=0.1, drill_seconds=0.1)
    for name in ("a", "b", "c"):
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    quiet_world.start()
    return quiet_world


async def place(world: Any, manifest: Any) -> str:
    await world.apply("web", manifest, placement=ONE)
    (line,) = (await world.until_state("web", "Ready")).clusters
    return str(line.cluster)


async def begin(world: Any, cluster: str, **fields: Any) -> Drill:
    unit = await world.unit("web")
    plan = Plan(subject=f"clusters/{cluster}", clusters=(cluster,), mode=DrillMode.FULL, unit_count=1, leaving_count=1)
    async with world.store.transaction() as tx:
        drill = await drills.begin(tx, replace(plan, **fields), author="ann", reason="why not")
        orders = [Order(uid=unit.uid, cluster=cluster, due_time=tx.now)]
        await drills.order(tx, orders, author="ann", reason=f"drill {drill.id}")
    return drill


async def until_phase(world: Any, drill: Drill, phase: DrillPhase) -> Drill:
    async def stands() -> Drill | None:
        async with world.store.reader() as tx:
            found = await drills.get(tx, drill.id)
        return found if found.phase is phase else None

    found = await world.until(stands)
    assert isinstance(found, Drill)
    return found


async def where(world: Any) -> set[str]:
    return {work.cluster for work in await world.works("web")}


async def test_a_drill_takes_units_away_and_brings_them_back_and_tells_how_long_it_took(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    home = await place(fleet, make_deployment())
    drill = await begin(fleet, home, away_seconds=1)
    with pytest.raises(DrillStateError, match="another drill is not over"):
        await begin(fleet, home)
    away = await until_phase(fleet, drill, DrillPhase.AWAY)
    assert home not in {work.cluster for work in await fleet.works("web") if work.removal is None}
    assert away.away_time is not None
    done = await until_phase(fleet, drill, DrillPhase.OVER)
    assert (done.outcome, done.message) == (DrillOutcome.PASSED, "")
    assert await where(fleet) == {home}
    assert await fleet.count("departure") == 0
    async with fleet.store.reader() as tx:
        (entry,) = await failovers.list_page(tx, before=2**62, limit=10)
        (moved,) = await drills.moved(tx, done)
    assert (entry.cause, entry.cluster) == (DepartureCause.DRILL, home)
    assert moved.ready_time is not None
    assert moved.ready_time <= away.away_time

    async def is_told() -> bool:
        return any(reason == "DrillPassed" and "score 100" in words for _, reason, words in await fleet.events())

    await fleet.until(is_told)


async def test_a_drill_is_brought_to_its_end_by_whoever_leads_next(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    home = await place(fleet, make_deployment())
    drill = await begin(fleet, home, away_seconds=600)
    await until_phase(fleet, drill, DrillPhase.AWAY)
    await fleet.stop()
    assert await fleet.count("departure") == 1
    async with fleet.store.database.begin() as connection:  # meanwhile its time passes
        await connection.execute("UPDATE drill SET away_time = away_time - interval '600 s'")
    fleet.start()
    done = await until_phase(fleet, drill, DrillPhase.OVER)
    assert done.outcome is DrillOutcome.PASSED
    assert await where(fleet) == {home}


async def test_a_hold_ends_a_drill_and_what_was_decided_too_late_is_brought_back_too(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    home = await place(fleet, make_deployment())
    drill = await begin(fleet, home, away_seconds=600)
    await until_phase(fleet, drill, DrillPhase.AWAY)
    async with fleet.store.transaction() as tx:
        await holds.put(tx, subject="fleet", scope=HoldScope.AUTOMATION, reason="x", end_time=None, author="ann")

    async def is_returning() -> bool:
        async with fleet.store.reader() as tx:
            found = await drills.get(tx, drill.id)
        return found.outcome is DrillOutcome.ABORTED and "automation does not act" in found.message

    await fleet.until(is_returning)
    async with fleet.store.transaction() as tx:
        await holds.end(tx, subject="fleet", scope=None)
    await until_phase(fleet, drill, DrillPhase.OVER)
    assert await where(fleet) == {home}
    late = await begin(fleet, home, away_seconds=600)
    async with fleet.store.transaction() as tx:
        await drills.move(tx, late, Step(phase=DrillPhase.OVER, outcome=DrillOutcome.STOPPED))

    async def is_home() -> bool:
        return await where(fleet) == {home} and await fleet.count("departure") == 0

    await fleet.until(is_home)
