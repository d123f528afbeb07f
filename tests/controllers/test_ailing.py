"""Units that leave where they are unhealthy: real PostgreSQL, simulated members whose nodes take no pods any more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from fedsvc.model.ailing import UnhealthyPolicy, Wait
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failover import AWAITING_REPLACEMENT, FailoverMode, FailoverPolicy
from fedsvc.model.hold import HoldScope
from fedsvc.model.pending import PendingMove, pending_move
from fedsvc.model.unit import UnitSpec, WorkState
from fedsvc.store import failovers, holds, pending
from fedsvc.store.sql import text
from fedsvc_placement import LabelSelector, Placement, SpreadConstraint, Topology

ONE = Placement(cluster_selector=LabelSelector(), spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=1),))
AT_ONCE = FailoverPolicy(unhealthy=UnhealthyPolicy(after_seconds=0, forget_seconds=3_600))


@pytest.fixture
async def fleet(quiet_world: Any, make_deployment: Callable[..., Any]) -> Any:
    """Three members, controllers that look often."""
    quiet_world.settings = replace(
        quiet_world.settings, return_seconds=0.1, ailing_seconds=0.1, ailing_settle_seconds=0.0
    )
    for name in ("a", "b", "c"):
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    quiet_world.start()
    return quiet_world


async def place(world: Any, manifest: Any, policy: FailoverPolicy = AT_ONCE, placement: Placement = ONE) -> list[str]:
    """A unit that is ready; gives where. Until then it is unhealthy, and nothing is borne here: automation is held."""
    await hold(world, "fleet")
    await world.apply("web", manifest, spec=UnitSpec(placement=placement, failover=policy))
    status = await world.until_state("web", "Ready")
    await release(world, "fleet")
    return [line.cluster for line in status.clusters]


async def sicken(world: Any, *names: str) -> None:
    """No pod starts there any more, and those that run end."""
    for name in names:
        await cordon(world, name, is_on=True)
        pods = await world.client(name).get("/api/v1/namespaces/shop/pods")
        for pod in pods["items"]:
            await world.client(name).delete(f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}")


async def cordon(world: Any, name: str, *, is_on: bool) -> None:
    for node in (await world.client(name).get("/api/v1/nodes"))["items"]:
        path = f"/api/v1/nodes/{node['metadata']['name']}"
        await world.client(name).patch(path, orjson.dumps({"spec": {"unschedulable": is_on}}))


async def until_on(world: Any, *names: str) -> None:
    """Wait until the unit is on these clusters and on no other any more."""

    async def is_on() -> bool:
        works = await world.works("web")
        return {(work.cluster, work.state) for work in works} == {(name, WorkState.APPLIED) for name in names}

    await world.until(is_on)


async def until_pending(world: Any, cluster: str, reason: str) -> PendingMove:
    async def waits() -> PendingMove | None:
        async with world.store.reader() as tx:
            standing = await pending.list_page(tx, after=("", ""), limit=10)
            stop = await pending.stop(tx)
        moves = [pending_move(one, stop, tx.now) for one in standing if one.cluster == cluster]
        return next((move for move in moves if move is not None and move.reason == reason), None)

    found = await world.until(waits)
    assert isinstance(found, PendingMove)
    return found


async def hold(world: Any, subject: str) -> None:
    async with world.store.transaction() as tx:
        await holds.put(tx, subject=subject, scope=HoldScope.AUTOMATION, reason="", end_time=None, author="ann")


async def release(world: Any, subject: str) -> None:
    async with world.store.transaction() as tx:
        await holds.end(tx, subject=subject, scope=None)


def others(*names: str) -> list[str]:
    return sorted({"a", "b", "c"}.difference(names))


async def test_a_unit_leaves_where_it_is_unhealthy_and_what_it_left_goes_when_it_is_ready_elsewhere(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    (sick,) = await place(fleet, make_deployment())
    for name in others(sick):
        await cordon(fleet, name, is_on=True)
    await sicken(fleet, sick)
    kept = await fleet.until_work(sick, WorkState.HELD, AWAITING_REPLACEMENT)
    assert kept.removal is not None
    await until_pending(fleet, sick, "AwaitingReplacement")
    for name in others(sick):
        await cordon(fleet, name, is_on=False)
    await fleet.until_state("web", "Ready")
    (target,) = {work.cluster for work in await fleet.works("web") if work.removal is None}
    await until_on(fleet, target)
    assert target != sick
    async with fleet.store.reader() as tx:
        (entry,) = await failovers.list_page(tx, before=2**62, limit=10)
    assert (entry.cluster, entry.targets, entry.cause) == (sick, (target,), DepartureCause.UNHEALTHY)
    assert "Deployment web" in entry.message
    assert entry.trouble_time is not None
    assert entry.detect_time is not None
    assert entry.trouble_time <= entry.detect_time <= entry.decide_time
    waits = await until_pending(fleet, sick, Wait.TIME.value)
    assert waits.command == f"fedctl failback unit/shop/web --to {sick}"

    async def is_told() -> bool:
        return any(reason == "LeavesUnhealthy" for _, reason, _ in await fleet.events())

    await fleet.until(is_told)


async def test_where_a_unit_was_unhealthy_is_remembered_over_a_restart_and_forgotten_in_time(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    (first,) = await place(fleet, make_deployment())
    await sicken(fleet, first)
    (second,) = await _moved_from(fleet, first)
    await fleet.stop()
    fleet.start()
    await cordon(fleet, first, is_on=False)
    await sicken(fleet, second)
    (third,) = await _moved_from(fleet, second)
    assert third == others(first, second)[0]  # and not where it was before, though that is well again
    assert await fleet.count("departure WHERE cause = 'Unhealthy'") == 2
    async with fleet.store.transaction() as tx:
        await tx.execute(text("UPDATE departure SET leave_time = now() - interval '2 hours'"))

    async def is_forgotten() -> bool:
        return await fleet.count("departure") == 0

    await fleet.until(is_forgotten)
    await until_on(fleet, third)  # it may be there again, and does not go back for that


async def _moved_from(world: Any, left: str) -> list[str]:
    async def is_elsewhere() -> list[str]:
        works = await world.works("web")
        if any(work.cluster == left or work.state != WorkState.APPLIED or work.ready_replicas != 2 for work in works):
            return []
        return [work.cluster for work in works]

    found = await world.until(is_elsewhere)
    assert isinstance(found, list)
    return found


async def test_a_unit_that_is_unhealthy_everywhere_stays_where_it_is(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    two = replace(ONE, spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=2),))
    placed = await place(fleet, make_deployment(), placement=two)
    await hold(fleet, "fleet")
    await sicken(fleet, *placed)
    for name in placed:
        await until_pending(fleet, name, "Held")
    await release(fleet, "fleet")
    for name in placed:
        await until_pending(fleet, name, Wait.EVERYWHERE.value)
    assert await fleet.count("departure") == 0


async def test_a_unit_that_moved_in_vain_moves_no_further_and_back_when_it_is_well_where_it_was(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    (first,) = await place(fleet, make_deployment())
    await sicken(fleet, "a", "b", "c")
    kept = await fleet.until_work(first, WorkState.HELD, AWAITING_REPLACEMENT)
    (second,) = {work.cluster for work in await fleet.works("web") if work.cluster != first}
    await until_pending(fleet, second, Wait.EVERYWHERE.value)
    assert {work.cluster for work in await fleet.works("web")} == {first, second}
    await cordon(fleet, first, is_on=False)
    await until_on(fleet, first)
    assert (await fleet.works("web"))[0].id == kept.id
    assert await fleet.get(second, "/apis/apps/v1/namespaces/shop/deployments/web") is None


async def test_a_unit_stays_where_nothing_else_takes_it_and_is_tried_again(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    await place(fleet, make_deployment(), placement=Placement(clusters=("a", "b")))
    await sicken(fleet, "a")
    move = await until_pending(fleet, "a", "NoPlace")
    assert move.due_time is not None
    assert {work.cluster for work in await fleet.works("web")} == {"a", "b"}
    await cordon(fleet, "a", is_on=False)

    async def is_called_off() -> bool:
        return await fleet.count("departure") == 0 and await fleet.count("ailment") == 0

    await fleet.until(is_called_off)


@pytest.mark.parametrize("subject", ["fleet", "clusters/{}"])
async def test_while_automation_is_held_a_unit_stays_where_it_is_unhealthy(
    fleet: Any, make_deployment: Callable[..., Any], subject: str
) -> None:
    (sick,) = await place(fleet, make_deployment())
    await hold(fleet, subject.format(sick))
    await sicken(fleet, sick)
    move = await until_pending(fleet, sick, "Held")
    assert move.command.startswith(("fedctl release", "fedctl resume"))
    assert await fleet.count("departure") == 0
    await release(fleet, subject.format(sick))
    await _moved_from(fleet, sick)


async def test_a_unit_that_waits_for_a_person_stays_where_it_is_unhealthy(
    fleet: Any, make_deployment: Callable[..., Any]
) -> None:
    (sick,) = await place(fleet, make_deployment(), replace(AT_ONCE, mode=FailoverMode.MANUAL))
    await sicken(fleet, sick)
    move = await until_pending(fleet, sick, "Manual")
    assert move.command == f"fedctl failover unit/shop/web --from {sick}"
    assert await fleet.count("departure") == 0


async def test_a_unit_that_does_not_ask_for_it_is_not_followed(fleet: Any, make_deployment: Callable[..., Any]) -> None:
    (sick,) = await place(fleet, make_deployment(), FailoverPolicy())
    await sicken(fleet, sick)
    await fleet.until_state("web", "Progressing")
    await fleet.apply("mark", make_deployment("mark"), spec=UnitSpec(placement=ONE, failover=AT_ONCE))
    if (await fleet.status("mark")).clusters:
        await fleet.until_state("mark", "Ready")
    assert await fleet.count("ailment a JOIN unit u ON u.uid = a.unit_uid WHERE u.name = 'web'") == 0
