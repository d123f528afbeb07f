"""What a unit's status says of members that are not heard, and who is told of it."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.controllers.collector import Collector
from fedsvc.controllers.session import MemberSession
from fedsvc.model.cluster import ClusterObservation, Condition, ConditionStatus
from fedsvc.model.unit import UnitState, UnitStatus, WorkState
from fedsvc.simulator import Faults
from fedsvc.store import clusters, summaries
from fedsvc_placement import Placement

SEEN = datetime.now(UTC) - timedelta(minutes=3)


def observed(*, reachable: bool) -> ClusterObservation:
    condition = Condition(
        type="Reachable",
        status=ConditionStatus.TRUE if reachable else ConditionStatus.FALSE,
        reason="Answering" if reachable else "ConnectionRefused",
        message="the API server answers" if reachable else "connection refused",
        last_transition_time=SEEN,
    )
    return ClusterObservation(conditions=(condition,), last_seen_time=SEEN)


async def observe(world: Any, name: str, *, reachable: bool) -> None:
    """What the health controller writes, without waiting for its probes."""
    async with world.store.transaction() as tx:
        await clusters.observe(tx, name, observed(reachable=reachable), connection=world.connection(name))


@pytest.fixture
async def unit(world: Any, make_deployment: Callable[..., Any]) -> UnitStatus:
    """Unit "web" on all three members, ready."""
    await world.apply("web", make_deployment())
    status: UnitStatus = await world.until_state("web", UnitState.READY)
    return status


async def test_a_ready_unit_is_degraded_while_a_member_is_not_heard_and_ready_again_after(
    world: Any, unit: UnitStatus
) -> None:
    await observe(world, "b", reachable=False)
    silent = await world.until_state("web", UnitState.DEGRADED)

    lines = {line.cluster: line for line in silent.clusters}
    assert (lines["b"].state, lines["b"].reason) == (WorkState.UNKNOWN, "MemberUnreachable")
    assert (lines["b"].ready_replicas, lines["b"].desired_replicas) == (2, 2)
    assert lines["b"].last_heard_time == SEEN
    assert lines["a"] == next(line for line in unit.clusters if line.cluster == "a")
    ready = next(condition for condition in silent.conditions if condition.type == "Ready")
    assert (ready.status, ready.message) == (
        ConditionStatus.UNKNOWN,
        "1 of 3 clusters is not heard: b (MemberUnreachable)",
    )

    await observe(world, "b", reachable=True)
    again = await world.until_state("web", UnitState.READY)
    assert {line.state for line in again.clusters} == {WorkState.APPLIED}
    assert {line.last_heard_time for line in again.clusters} == {None}


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], list[str]]]:
    """(clusters whose silence changed, units that are summed anew for it), each time there were any."""
    found: list[tuple[list[str], list[str]]] = []
    original = summaries.units_on

    async def noting(tx: Any, names: Sequence[str]) -> list[str]:
        woken_units = await original(tx, names)
        found.append((list(names), woken_units))
        return woken_units

    monkeypatch.setattr(summaries, "units_on", noting)
    return found


async def test_only_the_units_on_the_silent_member_are_summed_anew(
    world: Any, unit: UnitStatus, make_config_map: Callable[..., Any], woken: list[tuple[list[str], list[str]]]
) -> None:
    await world.apply("elsewhere", make_config_map("elsewhere"), placement=Placement(clusters=("a",)))
    await world.until_state("elsewhere", UnitState.READY)

    await observe(world, "c", reachable=False)
    await observe(world, "b", reachable=False)

    async def both_told() -> bool:
        return "2 of 3 clusters are not heard" in str(await world.status("web"))

    await world.until(both_told)
    assert sorted(name for names, _ in woken for name in names) == ["b", "c"]
    assert {unit for _, units in woken for unit in units} == {"namespaces/shop/units/web"}
    assert (await world.status("elsewhere")).state is UnitState.READY


async def test_a_change_of_a_member_that_is_heard_before_and_after_sums_nothing(
    world: Any, unit: UnitStatus, monkeypatch: pytest.MonkeyPatch, woken: list[tuple[list[str], list[str]]]
) -> None:
    looked: list[Any] = []
    original = clusters.observations

    async def noting(*args: Any) -> Any:
        looked.append(args[1])
        return await original(*args)

    monkeypatch.setattr(clusters, "observations", noting)
    async with world.store.transaction() as tx:
        seen = replace(observed(reachable=True), kubernetes_version="v1.99.0")
        await clusters.observe(tx, "a", seen, connection=world.connection("a"))

    async def has_looked() -> bool:
        return ["a"] in looked

    await world.until(has_looked)
    assert woken == []


async def test_a_start_finds_the_members_that_were_silent_before(world: Any, unit: UnitStatus) -> None:
    await world.stop()
    await observe(world, "b", reachable=False)
    world.start()
    silent = await world.until_state("web", UnitState.DEGRADED)
    assert [line.cluster for line in silent.clusters if line.state == WorkState.UNKNOWN] == ["b"]


async def test_a_watcher_is_told(world: Any, unit: UnitStatus) -> None:
    async with world.store.feed.subscribe(max_pending=10_000) as changes:
        await observe(world, "b", reachable=False)
        await world.until_state("web", UnitState.DEGRADED)
        async for batch in changes:
            if any(change.name == "namespaces/shop/units/web" for change in batch.changes):
                return


async def test_a_member_that_is_back_counts_as_heard_when_its_objects_are_read_again(
    world: Any, unit: UnitStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[Callable[[], None]] = []

    def reread(_: MemberSession, read: Callable[[], None]) -> bool:
        reads.append(read)
        return True

    await observe(world, "b", reachable=False)
    await world.until_state("web", UnitState.DEGRADED)
    monkeypatch.setattr(MemberSession, "reread", reread)
    await observe(world, "b", reachable=True)

    async def is_reading() -> bool:
        return bool(reads)

    await world.until(is_reading)
    # A fence: this change of another member is looked at after that of b.
    await observe(world, "c", reachable=False)

    async def both_told() -> bool:
        return "2 of 3 clusters are not heard" in str(await world.status("web"))

    await world.until(both_told)
    assert len(reads) == 1
    reads[0]()

    async def one_told() -> bool:
        return "1 of 3 clusters is not heard: c" in str(await world.status("web"))

    await world.until(one_told)


async def test_all_kinds_of_a_member_that_is_back_are_listed_anew(
    world: Any, unit: UnitStatus, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.apply("settings", make_config_map())
    await world.until_state("settings", UnitState.READY)
    await observe(world, "b", reachable=False)
    await world.until_state("web", UnitState.DEGRADED)
    listed: list[str] = []
    original = Collector.listed

    def noting(collector: Collector, gvk: Any, *args: Any) -> None:
        listed.append(gvk[2])
        original(collector, gvk, *args)

    monkeypatch.setattr(Collector, "listed", noting)
    await observe(world, "b", reachable=True)
    await world.until_state("web", UnitState.READY)
    assert sorted(listed) == ["ConfigMap", "Deployment"]


async def test_a_member_whose_lists_are_refused_counts_as_heard_all_the_same(world: Any, unit: UnitStatus) -> None:
    await observe(world, "b", reachable=False)
    await world.until_state("web", UnitState.DEGRADED)
    world.member("b").inject(Faults(error_status=500))
    await observe(world, "b", reachable=True)
    await world.until_state("web", UnitState.READY)
    world.member("b").inject(Faults())
