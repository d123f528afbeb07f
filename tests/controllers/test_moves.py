"""Moves by people and back: real PostgreSQL, simulated members that go and come back, the controllers running."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from fedsvc.controllers import health
from fedsvc.health import Limits, Verdict
from fedsvc.model.cluster import Cluster
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failback import FailbackMode, FailbackPolicy
from fedsvc.model.failover import AWAITING_REPLACEMENT, FailoverMode, FailoverPolicy
from fedsvc.model.hold import HoldScope
from fedsvc.model.pending import pending_move
from fedsvc.model.unit import UnitSpec, WorkState
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.store import clusters, departures, failovers, holds, pending
from fedsvc.store.departures import Order
from fedsvc_placement import MAINTENANCE_TAINT, LabelSelector, Placement, SpreadConstraint, Taint, Topology
from fedsvc_placement.model import CORDON_TAINT, Effect

SETTINGS = "/api/v1/namespaces/shop/configmaps/settings"
ANYWHERE = Placement(cluster_selector=LabelSelector())
ONE = replace(ANYWHERE, spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=1),))
AT_ONCE = FailbackPolicy(stable_seconds=0)
LOST = Faults(outage=Outage.REFUSED)


@pytest.fixture
async def fleet(quiet_world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three members in regions of their own, looked at often; controllers running."""
    quick = partial(
        health.HealthSettings,
        probe_seconds=0.1,
        probe_again_seconds=0.05,
        probe_timeout_seconds=0.3,
        limits=Limits(unreachable_seconds=0.2, stable_seconds=0.3),
    )
    monkeypatch.setattr(health, "HealthSettings", quick)
    quiet_world.settings = replace(quiet_world.settings, return_seconds=0.1)
    for name in ("a", "b", "c"):
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    quiet_world.start()
    for name in ("a", "b", "c"):
        await until_verdict(quiet_world, name, Verdict.HEALTHY)
    return quiet_world


async def until_verdict(world: Any, name: str, verdict: Verdict) -> Cluster:
    async def has_verdict() -> Cluster | None:
        async with world.store.reader() as tx:
            found = await clusters.get(tx, name)
        return found if found.health.verdict is verdict else None

    found = await world.until(has_verdict)
    assert isinstance(found, Cluster)
    return found


async def place(
    world: Any, manifest: Any, failover: FailoverPolicy | None = None, placement: Placement = ONE
) -> set[str]:
    """A unit that is ready; gives where."""
    policy = failover or FailoverPolicy(toleration_seconds=0, failback=AT_ONCE)
    await world.apply("web", manifest, spec=UnitSpec(placement=placement, failover=policy))
    status = await world.until_state("web", "Ready")
    return {line.cluster for line in status.clusters}


async def until_on(world: Any, *names: str) -> None:
    """Wait until the unit is wanted and applied on exactly these clusters, and nowhere else any more."""

    async def is_on() -> bool:
        works = await world.works("web")
        return {(work.cluster, work.state) for work in works} == {(name, WorkState.APPLIED) for name in names}

    await world.until(is_on)


async def until_left(world: Any, name: str) -> None:
    async def has_left() -> bool:
        works = await world.works("web")
        return all(
            work.cluster != name or work.state in (WorkState.HELD, WorkState.REMOVING) for work in works
        ) and any(work.state == WorkState.APPLIED for work in works)

    await world.until(has_left)


async def order(
    world: Any, cluster: str, *, cause: DepartureCause = DepartureCause.ASKED, to: tuple[str, ...] = ()
) -> None:
    unit = await world.unit("web")
    async with world.store.transaction() as tx:
        orders = [Order(uid=unit.uid, cluster=cluster, due_time=tx.now)]
        await departures.order(tx, orders, cause=cause, targets=to, author="ann", reason="why not")


async def let_back(world: Any, cluster: str) -> None:
    unit = await world.unit("web")
    async with world.store.transaction() as tx:
        await departures.begin_return(tx, [(unit.uid, cluster)])


def others(*names: str) -> list[str]:
    return sorted({"a", "b", "c"}.difference(names))


@pytest.mark.parametrize(
    "failback", [FailbackPolicy(stable_seconds=600), FailbackPolicy(mode=FailbackMode.MANUAL, stable_seconds=0)]
)
async def test_a_unit_stays_away_until_its_time_or_a_person_comes_also_over_a_restart(
    fleet: Any, make_config_map: Callable[..., Any], failback: FailbackPolicy
) -> None:
    placed = await place(
        fleet, make_config_map(), FailoverPolicy(toleration_seconds=0, failback=failback), placement=ANYWHERE
    )
    assert placed == {"a", "b", "c"}
    fleet.member("a").gate.change(LOST)
    await until_left(fleet, "a")
    fleet.member("a").gate.change(Faults())
    await until_verdict(fleet, "a", Verdict.HEALTHY)
    await until_on(fleet, "b", "c")
    await fleet.stop()
    fleet.start()
    await fleet.apply("mark", make_config_map("mark"), placement=ANYWHERE)
    await fleet.until_state("mark", "Ready")
    await until_on(fleet, "b", "c")
    await let_back(fleet, "a")
    await until_on(fleet, "a", "b", "c")


async def test_a_unit_comes_back_at_once_where_there_is_nothing_else(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    policy = FailoverPolicy(toleration_seconds=0, failback=FailbackPolicy(mode=FailbackMode.NEVER))
    await place(fleet, make_config_map(), policy, placement=Placement(clusters=("a",)))
    fleet.member("a").gate.change(LOST)

    async def is_away() -> bool:
        return bool(await fleet.count("departure"))

    await fleet.until(is_away)
    fleet.member("a").gate.change(Faults())
    await until_on(fleet, "a")


async def test_a_unit_goes_back_where_it_was_lost_from_but_not_while_automation_is_held(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    (lost,) = await place(fleet, make_config_map())
    fleet.member(lost).gate.change(LOST)
    await until_left(fleet, lost)
    async with fleet.store.transaction() as tx:
        await holds.put(
            tx, subject=f"clusters/{lost}", scope=HoldScope.AUTOMATION, reason="", end_time=None, author="ann"
        )
    fleet.member(lost).gate.change(Faults())
    await until_verdict(fleet, lost, Verdict.HEALTHY)
    await fleet.apply("mark", make_config_map("mark"), placement=ANYWHERE)
    await fleet.until_state("mark", "Ready")
    assert await fleet.count("departure WHERE return_time IS NOT NULL") == 0
    async with fleet.store.transaction() as tx:
        await holds.end(tx, subject=f"clusters/{lost}", scope=None)
    await until_on(fleet, lost)
    assert await fleet.get(lost, SETTINGS) is not None
    assert [await fleet.get(name, SETTINGS) for name in others(lost)] == [None, None]
    async with fleet.store.reader() as tx:
        (entry,) = await failovers.list_page(tx, before=2**62, limit=10)
    assert entry.return_time is not None
    assert await fleet.count("departure") == 0


async def test_a_unit_that_waits_for_a_person_leaves_a_lost_cluster_when_somebody_says_so(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    policy = FailoverPolicy(mode=FailoverMode.MANUAL, toleration_seconds=0)
    (lost,) = await place(fleet, make_config_map(), policy)
    fleet.member(lost).gate.change(LOST)
    await until_verdict(fleet, lost, Verdict.UNREACHABLE)
    target = others(lost)[1]
    await order(fleet, lost, to=(target,))
    await until_left(fleet, lost)
    assert {work.cluster for work in await fleet.works("web") if work.state == WorkState.APPLIED} == {target}
    async with fleet.store.reader() as tx:
        (entry,) = await failovers.list_page(tx, before=2**62, limit=10)
    assert (entry.cluster, entry.targets, entry.cause, entry.author) == (lost, (target,), DepartureCause.ASKED, "ann")
    assert entry.detect_time is not None


async def test_a_unit_leaves_a_cluster_that_lives_when_it_is_ready_elsewhere_and_comes_back_when_let(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    (left,) = await place(fleet, make_config_map())
    target = others(left)[0]
    fleet.member(target).gate.change(Faults(error_status=503))
    await order(fleet, left, to=(target,))
    await fleet.until_work(left, WorkState.HELD, AWAITING_REPLACEMENT)
    assert await fleet.get(left, SETTINGS) is not None
    async with fleet.store.reader() as tx:
        (standing,) = await pending.list_page(tx, after=("", ""), limit=10)
        move = pending_move(standing, await pending.stop(tx), tx.now)
    assert move is not None
    assert (move.cluster, move.reason, move.command) == (left, AWAITING_REPLACEMENT, "fedctl confirm unit/shop/web")
    assert f"until the unit is ready on {target}" in move.message
    fleet.member(target).gate.change(Faults())
    await until_on(fleet, target)
    await let_back(fleet, left)
    await until_on(fleet, left)


async def test_neither_a_loss_nor_a_taint_moves_a_unit_that_never_moves(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    policy = FailoverPolicy(mode=FailoverMode.NEVER, toleration_seconds=0)
    (there,) = await place(fleet, make_config_map(), policy)
    await fleet.change_cluster(there, taints=[Taint(key=MAINTENANCE_TAINT, value="", effect=Effect.NO_EXECUTE)])
    await fleet.apply("mark", make_config_map("mark"), placement=Placement(clusters=tuple(others(there))))
    await fleet.until_state("mark", "Ready")
    async with fleet.store.reader() as tx:
        (standing,) = await pending.list_page(tx, after=("", ""), limit=10)
        move = pending_move(standing, await pending.stop(tx), tx.now)
    assert move is not None
    assert (move.cluster, move.reason) == (there, "Never")
    fleet.member(there).gate.change(LOST)
    await fleet.change_cluster(there, taints=[])
    await until_verdict(fleet, there, Verdict.UNREACHABLE)
    await fleet.apply("mark", make_config_map("mark", b="2"), placement=Placement(clusters=tuple(others(there))))
    await fleet.until_state("mark", "Ready")
    assert {work.cluster for work in await fleet.works("web")} == {there}


async def test_a_drain_ends_with_its_cordon(fleet: Any, make_config_map: Callable[..., Any]) -> None:
    (left,) = await place(fleet, make_config_map())
    mark = Taint(key=CORDON_TAINT, value="", effect=Effect.NO_SCHEDULE)
    await fleet.change_cluster(left, taints=[mark])
    await order(fleet, left, cause=DepartureCause.DRAIN)

    async def is_gone() -> bool:
        return await fleet.get(left, SETTINGS) is None

    await fleet.until(is_gone)
    assert await fleet.count("departure WHERE free_time IS NOT NULL") == 0
    await fleet.change_cluster(left, taints=[])
    await until_on(fleet, left)


async def test_a_drain_goes_on_when_what_left_before_is_ready_elsewhere(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    (left,) = await place(fleet, make_config_map())
    await fleet.apply("next", make_config_map("next"), placement=Placement(clusters=(left,)))
    await fleet.until_state("next", "Ready")
    await fleet.apply("next", make_config_map("next"), placement=ONE)
    await fleet.until_state("next", "Ready")
    assert {work.cluster for work in await fleet.works("next")} == {left}
    for name in others(left):
        fleet.member(name).gate.change(Faults(error_status=503))
    mark = Taint(key=CORDON_TAINT, value="", effect=Effect.NO_SCHEDULE)
    await fleet.change_cluster(left, taints=[mark])
    first, second = await fleet.unit("web"), await fleet.unit("next")
    async with fleet.store.transaction() as tx:
        soon = tx.now + timedelta(milliseconds=50)
        orders = [
            Order(uid=first.uid, cluster=left, due_time=tx.now),
            Order(uid=second.uid, cluster=left, due_time=soon),
        ]
        await departures.order(tx, orders, cause=DepartureCause.DRAIN, author="ann")

    async def waits_for_its_turn() -> bool:
        async with fleet.store.reader() as tx:
            standing = await pending.list_page(tx, after=("", ""), limit=10)
            stop = await pending.stop(tx)
        moves = [pending_move(one, stop, tx.now) for one in standing]
        return any(
            move is not None and (move.unit_name, move.reason, move.due_time) == (second.resource_name, "Turn", None)
            for move in moves
        )

    await fleet.until(waits_for_its_turn)
    assert {work.cluster for work in await fleet.works("next")} == {left}
    for name in others(left):
        fleet.member(name).gate.change(Faults())

    async def both_are_gone() -> bool:
        return not [work for work in await fleet.works() if work.cluster == left]

    await fleet.until(both_are_gone)


async def test_who_says_anew_where_a_unit_is_to_run_is_heard(fleet: Any, make_config_map: Callable[..., Any]) -> None:
    (left,) = await place(fleet, make_config_map())
    await order(fleet, left)
    await until_left(fleet, left)
    await fleet.apply("web", make_config_map(), spec=UnitSpec(placement=Placement(clusters=(left,))))
    await until_on(fleet, left)
