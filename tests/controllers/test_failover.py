"""Failover from end to end: real PostgreSQL, simulated members that go and come back, the controllers running."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from fedsvc.controllers import health
from fedsvc.health import Automation, Limits, Verdict
from fedsvc.model.audit import AuditKind, AuditOutcome
from fedsvc.model.cluster import Cluster
from fedsvc.model.failover import AWAITING_REPLACEMENT, MEMBER_LOST, Failover, FailoverMode, FailoverPolicy
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.hold import FLEET_SUBJECT, HoldScope
from fedsvc.model.removal import OVER_BUDGET, RemovalBudget
from fedsvc.model.unit import UnitSpec, WorkState
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.store import automation, clusters, failovers, holds, removals
from fedsvc.store import fleet as fleet_settings
from fedsvc_placement import MAINTENANCE_TAINT, LabelSelector, Placement, SpreadConstraint, Taint, Topology
from fedsvc_placement.model import Effect

SETTINGS = "/api/v1/namespaces/shop/configmaps/settings"
AT_ONCE = FailoverPolicy(toleration_seconds=0)
LOST = Faults(outage=Outage.REFUSED)
WEB = "namespaces/shop/units/web"
PHASES = ("detect", "decide", "place", "ready")
LIMITS = Limits(unreachable_seconds=0.2, stable_seconds=0.5)


def value(name: str, **labels: str) -> float:
    """A metric as Prometheus would get it; 0 where it is not there yet."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
async def fleet(quiet_world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three members in regions of their own, looked at often; controllers running."""
    quick = partial(
        health.HealthSettings,
        probe_seconds=0.1,
        probe_again_seconds=0.05,
        probe_timeout_seconds=0.3,
        limits=LIMITS,
    )
    monkeypatch.setattr(health, "HealthSettings", quick)
    for name in ("a", "b", "c"):
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    quiet_world.start()
    for name in ("a", "b", "c"):
        await until_verdict(quiet_world, name, Verdict.HEALTHY)
    return quiet_world


async def cluster(world: Any, name: str) -> Cluster:
    async with world.store.reader() as tx:
        return await clusters.get(tx, name)


async def until_verdict(world: Any, name: str, verdict: Verdict) -> Cluster:
    async def has_verdict() -> Cluster | None:
        found = await cluster(world, name)
        return found if found.health.verdict is verdict else None

    found = await world.until(has_verdict)
    assert isinstance(found, Cluster)
    return found


async def until_automation(world: Any, wanted: Automation) -> automation.Stored:
    async def acts() -> automation.Stored | None:
        async with world.store.reader() as tx:
            found = await automation.get(tx)
        return found if found.state.automation is wanted else None

    found = await world.until(acts)
    assert isinstance(found, automation.Stored)
    return found


async def history(world: Any) -> list[Failover]:
    async with world.store.reader() as tx:
        return await failovers.list_page(tx, before=2**62, limit=100)


async def place(world: Any, manifest: Callable[..., Any], policy: FailoverPolicy = AT_ONCE) -> str:
    """A unit on one of the members; gives which."""
    one = Placement(cluster_selector=LabelSelector(), spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=1),))
    await world.apply("web", manifest(), spec=UnitSpec(placement=one, failover=policy))
    status = await world.until_state("web", "Ready")
    (line,) = status.clusters
    return str(line.cluster)


def lose(world: Any, *names: str, faults: Faults = LOST) -> None:
    for name in names:
        world.member(name).gate.change(faults)


def heal(world: Any, *names: str) -> None:
    lose(world, *names, faults=Faults())


async def until_elsewhere(world: Any, left: str) -> str:
    async def applied_elsewhere() -> str:
        works = await world.works("web")
        return next((work.cluster for work in works if work.cluster != left and work.state == "Applied"), "")

    found = await world.until(applied_elsewhere)
    assert isinstance(found, str)
    return found


async def settle(world: Any, manifest: Callable[..., Any], on: str) -> None:
    """Wait until placement has decided all that was to be decided: what is applied after it has arrived."""
    for _ in range(2):
        name = f"mark-{uuid4().hex[:8]}"
        await world.apply(name, manifest(name), spec=UnitSpec(placement=Placement(clusters=(on,))))
        await world.until_work(on, WorkState.APPLIED, unit=name)


def others(name: str) -> list[str]:
    return sorted({"a", "b", "c"} - {name})


@pytest.mark.parametrize("outage", [Outage.REFUSED, Outage.BLACK_HOLE])
async def test_a_unit_leaves_a_lost_cluster_and_what_it_left_goes_when_that_is_back(
    fleet: Any, make_config_map: Callable[..., Any], outage: Outage
) -> None:
    lost = await place(fleet, make_config_map)
    failed_over = value("fedsvc_failovers_total", cluster=lost)
    counts = {phase: value("fedsvc_failover_phase_seconds_count", phase=phase) for phase in PHASES}
    lose(fleet, lost, faults=Faults(outage=outage))
    target = await until_elsewhere(fleet, lost)
    assert await fleet.get(target, SETTINGS) is not None
    grave = await fleet.until_work(lost, WorkState.HELD, MEMBER_LOST)
    assert f"{lost} was lost" in grave.message

    async def is_ready() -> bool:
        (entry,) = await history(fleet)
        return entry.ready_time is not None

    await fleet.until(is_ready)
    await fleet.until_state("web", "Ready")  # whatever it left where nobody hears of it
    assert value("fedsvc_member_verdict", cluster=lost, verdict="Unreachable") == 1
    assert value("fedsvc_member_verdict", cluster=target, verdict="Unreachable") == 0
    assert value("fedsvc_failovers_total", cluster=lost) == failed_over + 1
    assert {
        phase: value("fedsvc_failover_phase_seconds_count", phase=phase) - count for phase, count in counts.items()
    } == dict.fromkeys(PHASES, 1)
    (entry,) = await history(fleet)
    assert (entry.unit_name, entry.cluster, entry.targets) == ("namespaces/shop/units/web", lost, (target,))
    times = [entry.trouble_time, entry.detect_time, entry.decide_time, entry.place_time, entry.ready_time]
    assert times == sorted(times)  # type: ignore[type-var]
    assert entry.clean_time is None
    assert (entry.is_named, entry.traffic_time) == (False, None)

    heal(fleet, lost)
    assert await fleet.get(lost, SETTINGS) is not None  # nothing was removed by its coming back
    await until_verdict(fleet, lost, Verdict.HEALTHY)

    async def is_gone() -> bool:
        return await fleet.get(lost, SETTINGS) is None

    await fleet.until(is_gone)

    async def is_over() -> bool:
        (entry,) = await history(fleet)
        return entry.clean_time is not None

    await fleet.until(is_over)

    async def stands_on_target_alone() -> bool:
        return [line.cluster for line in (await fleet.status("web")).clusters] == [target]

    await fleet.until(stands_on_target_alone)

    left = await fleet.until_kept(AuditKind.FAILOVER, "Lost", unit=WEB)
    assert (left.outcome, left.cluster, left.region, left.author) == (AuditOutcome.DID, lost, f"region-{lost}", "")
    assert (left.revision, left.epoch) == (1, fleet.leadership.epoch)
    assert left.evidence["targets"] == [target]
    assert left.evidence["health"]["verdict"] == "Unreachable"
    assert set(left.evidence) >= {"decision", "automationVersion", "policy", "before", "after"}
    cleaned = await fleet.until_kept(AuditKind.REMOVAL, "LeftBehind", unit=WEB)
    assert (cleaned.cluster, cleaned.evidence["counted"]) == (lost, 1)
    verdicts = [one.reason for one in await fleet.audit(kind=AuditKind.VERDICT, cluster=lost)]
    assert sorted(verdicts) == ["Healthy", "Suspect", "Unreachable"]  # each once, and counted


async def test_nothing_is_removed_from_a_member_that_is_back_and_not_trusted_yet(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    lost = await place(fleet, make_config_map)
    lose(fleet, lost)
    await until_elsewhere(fleet, lost)
    await fleet.delete("web")
    heal(fleet, lost)
    await until_verdict(fleet, lost, Verdict.SUSPECT)
    async with fleet.store.reader() as tx:
        standing = await holds.standing(tx)
    assert [(hold.subject, hold.scope) for hold in standing.holds] == [(f"clusters/{lost}", HoldScope.REMOVALS)]
    assert await fleet.get(lost, SETTINGS) is not None
    await fleet.until_gone("web")
    assert (await cluster(fleet, lost)).health.verdict is Verdict.HEALTHY
    assert await fleet.get(lost, SETTINGS) is None


async def test_a_refused_credential_moves_nothing(fleet: Any, make_config_map: Callable[..., Any]) -> None:
    place_of = await place(fleet, make_config_map)
    lose(fleet, place_of, faults=Faults(credentials_revoked=True))
    await until_verdict(fleet, place_of, Verdict.DEGRADED)
    assert {work.cluster for work in await fleet.works("web")} == {place_of}
    assert await history(fleet) == []


async def test_a_unit_that_is_not_to_be_moved_by_itself_stays(fleet: Any, make_config_map: Callable[..., Any]) -> None:
    policy = FailoverPolicy(mode=FailoverMode.MANUAL, toleration_seconds=0)
    place_of = await place(fleet, make_config_map, policy)
    lose(fleet, place_of)
    await until_verdict(fleet, place_of, Verdict.UNREACHABLE)
    await settle(fleet, make_config_map, others(place_of)[0])
    assert {work.cluster for work in await fleet.works("web")} == {place_of}
    refused = await fleet.until_kept(AuditKind.FAILOVER, "Manual", outcome=AuditOutcome.REFUSED)
    assert (refused.unit, refused.cluster, refused.end_time, refused.count) == (WEB, place_of, None, 1)
    assert refused.evidence["policy"]["mode"] == "manual"
    heal(fleet, place_of)
    await until_verdict(fleet, place_of, Verdict.HEALTHY)

    async def is_over() -> bool:
        (one,) = await fleet.audit(kind=AuditKind.FAILOVER)
        return one.end_time is not None

    await fleet.until(is_over)


async def test_two_lost_at_once_are_held_and_a_release_lets_go(fleet: Any, make_config_map: Callable[..., Any]) -> None:
    place_of = await place(fleet, make_config_map)
    other, third = others(place_of)
    lose(fleet, place_of, other)
    await until_automation(fleet, Automation.HOLDING)
    assert value("fedsvc_automation", state="Holding") == 1
    await until_verdict(fleet, place_of, Verdict.UNREACHABLE)
    await until_verdict(fleet, other, Verdict.UNREACHABLE)
    # New intent is stored and goes to who can take it; nothing is evicted, and nothing removed where all is well.
    only = UnitSpec(placement=Placement(clusters=(third,)), failover=AT_ONCE)
    await fleet.apply("new", make_config_map("new"), spec=only)
    await fleet.until_work(third, WorkState.APPLIED, unit="new")
    await fleet.delete("new")
    await settle(fleet, make_config_map, third)
    assert await fleet.get(third, "/api/v1/namespaces/shop/configmaps/new") is not None
    assert {work.cluster for work in await fleet.works("web")} == {place_of}
    status = await fleet.status("web")
    assert {condition.reason for condition in status.conditions if condition.type == "Writable"} == {"AutomationHeld"}
    assert ("fleet", "AutomationHolding") in [(subject, reason) for subject, reason, _ in await fleet.events()]
    held = await fleet.until_kept(AuditKind.FAILOVER, "Held", cluster=place_of)
    assert (held.outcome, held.unit, held.units, held.end_time) == (AuditOutcome.REFUSED, "", (WEB,), None)
    assert held.evidence["automation"]["state"] == "Holding"
    opened = await fleet.until_kept(AuditKind.AUTOMATION, "RegionsLost")
    assert set(opened.evidence["troubled"]) >= {place_of, other}
    async with fleet.store.transaction() as tx:
        await automation.look(tx, released=True)
    assert await until_elsewhere(fleet, place_of) == third
    await fleet.until_gone("new")
    await fleet.until_kept(AuditKind.AUTOMATION, "On")

    async def is_over() -> bool:
        return all(one.end_time is not None for one in await fleet.audit(outcome=AuditOutcome.REFUSED))

    await fleet.until(is_over)
    assert sorted(one.reason for one in await fleet.audit(unit=WEB, kind=AuditKind.FAILOVER)) == ["Held", "Lost"]


async def test_a_hold_by_somebody_keeps_all_where_it_is_until_it_ends(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    lost = await place(fleet, make_config_map)
    for subject in (FLEET_SUBJECT, f"clusters/{lost}", "namespaces/shop/units/web"):
        async with fleet.store.transaction() as tx:
            await holds.put(
                tx, subject=subject, scope=HoldScope.AUTOMATION, reason="drill", end_time=None, author="ann"
            )
    lose(fleet, lost)
    await until_verdict(fleet, lost, Verdict.UNREACHABLE)
    for subject in (FLEET_SUBJECT, f"clusters/{lost}", "namespaces/shop/units/web"):
        await settle(fleet, make_config_map, others(lost)[0])
        assert {work.cluster for work in await fleet.works("web")} == {lost}
        async with fleet.store.transaction() as tx:
            await holds.end(tx, subject=subject, scope=None)
    await until_elsewhere(fleet, lost)


async def test_a_restart_in_the_middle_goes_on_from_where_the_toleration_began(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    lost = await place(fleet, make_config_map, FailoverPolicy(toleration_seconds=3))
    lose(fleet, lost)
    since = (await until_verdict(fleet, lost, Verdict.UNREACHABLE)).health.since
    assert since is not None
    await fleet.stop()
    fleet.start()
    await until_elsewhere(fleet, lost)
    (entry,) = await history(fleet)
    assert entry.detect_time == since
    assert entry.decide_time - since >= timedelta(seconds=3)


async def test_a_decision_on_what_automation_might_do_before_is_not_stored(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    lost = await place(fleet, make_config_map, FailoverPolicy(mode=FailoverMode.MANUAL))
    lose(fleet, lost)
    await until_verdict(fleet, lost, Verdict.UNREACHABLE)
    async with fleet.store.transaction() as tx:
        version = (await automation.get(tx)).version
        assert await automation.still_acts(tx, version, [lost])
        assert not await automation.still_acts(tx, version, [lost, others(lost)[0]])  # that one is well
        await holds.put(tx, subject=FLEET_SUBJECT, scope=HoldScope.AUTOMATION, reason="", end_time=None, author="")
        assert not await automation.still_acts(tx, version, [lost])


async def test_a_cluster_is_emptied_only_when_what_takes_the_place_is_ready(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    left = await place(fleet, make_config_map)
    lose(fleet, *others(left), faults=Faults(error_status=503))
    await fleet.change_cluster(left, taints=[Taint(key=MAINTENANCE_TAINT, value="", effect=Effect.NO_EXECUTE)])
    kept = await fleet.until_work(left, WorkState.HELD, AWAITING_REPLACEMENT)
    assert "until the unit is ready on" in kept.message
    for name in others(left):
        await until_verdict(fleet, name, Verdict.DEGRADED)
    assert await fleet.get(left, SETTINGS) is not None
    heal(fleet, *others(left))
    target = await until_elsewhere(fleet, left)

    async def is_gone() -> bool:
        return await fleet.get(left, SETTINGS) is None

    await fleet.until(is_gone)
    assert await fleet.get(target, SETTINGS) is not None
    assert await history(fleet) == []  # nothing was lost


async def test_a_cluster_is_emptied_by_itself_when_there_is_a_place_at_last(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    away = Taint(key=MAINTENANCE_TAINT, value="", effect=Effect.NO_EXECUTE)
    await fleet.change_cluster("b", taints=[away])
    await fleet.apply("web", make_config_map(), spec=UnitSpec(placement=Placement(clusters=("a", "b"))))
    await fleet.until_state("web", "Ready")
    await fleet.change_cluster("a", taints=[away])
    kept = await fleet.until_work("a", WorkState.HELD, AWAITING_REPLACEMENT)
    assert kept.message == "it stays there until the unit is ready elsewhere"
    assert await fleet.get("a", SETTINGS) is not None
    await fleet.change_cluster("b", taints=[])
    await fleet.until_work("b", WorkState.APPLIED, unit="web")

    async def is_gone() -> bool:
        return await fleet.get("a", SETTINGS) is None

    await fleet.until(is_gone)  # nobody has to confirm anything


async def test_what_was_left_goes_within_the_budget_or_by_confirmation(
    fleet: Any, make_config_map: Callable[..., Any]
) -> None:
    lost = await place(fleet, make_config_map)
    async with fleet.store.transaction() as tx:
        none = RemovalBudget(objects_per_change=0, percent_per_change=0)
        await fleet_settings.update(tx, FleetSpec(removals=none))
    lose(fleet, lost)
    await until_elsewhere(fleet, lost)
    heal(fleet, lost)
    kept = await fleet.until_work(lost, WorkState.HELD, OVER_BUDGET)
    assert "fedctl confirm unit/shop/web" in kept.message
    assert await fleet.get(lost, SETTINGS) is not None
    async with fleet.store.transaction() as tx:
        await removals.release(tx)

    async def is_gone() -> bool:
        return await fleet.get(lost, SETTINGS) is None

    await fleet.until(is_gone)


async def test_nobody_is_told_any_more_of_a_lost_member_that_left_the_fleet(fleet: Any) -> None:
    lose(fleet, "c")
    await until_verdict(fleet, "c", Verdict.UNREACHABLE)
    assert value("fedsvc_member_verdict", cluster="c", verdict="Unreachable") == 1
    async with fleet.store.transaction() as tx:
        await clusters.forget(tx, "c")

    async def is_forgotten() -> bool:
        return REGISTRY.get_sample_value("fedsvc_member_verdict", {"cluster": "c", "verdict": "Unreachable"}) is None

    await fleet.until(is_forgotten)


async def test_a_process_that_leads_no_more_tells_nothing_of_members_and_automation(fleet: Any) -> None:
    assert value("fedsvc_member_verdict", cluster="a", verdict="Healthy") == 1
    await fleet.stop()
    assert REGISTRY.get_sample_value("fedsvc_member_verdict", {"cluster": "a", "verdict": "Healthy"}) is None
    assert REGISTRY.get_sample_value("fedsvc_automation", {"state": "On"}) is None
