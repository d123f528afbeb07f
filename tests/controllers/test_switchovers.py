"""Primaries that go elsewhere: real PostgreSQL, simulated members, the controllers running, and killed in the midst."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson
import pytest

from fedsvc.controllers import health
from fedsvc.controllers.switching import with_primary
from fedsvc.health import Limits, Verdict
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failback import FailbackMode, FailbackPolicy
from fedsvc.model.failover import FailoverPolicy
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.hold import HoldScope
from fedsvc.model.pending import MoveKind, PendingMove, pending_move
from fedsvc.model.roles import Ask, Evidence, LossPolicy, Phase, RolePolicy, Switchover
from fedsvc.model.unit import Propagation, UnitSpec
from fedsvc.rendering.overrides import Override, PatchOperation, ResourceMatcher
from fedsvc.rendering.roles import Role
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.store import clusters, departures, failovers, holds, pending, switchovers
from fedsvc.store import fleet as fleet_settings
from fedsvc.testing.stepping import Steps
from fedsvc_placement import LabelSelector, Placement
from fedsvc_placement.model import DataCopy, Dataset

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "databases.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "databases", "kind": "Database", "singular": "database", "listKind": "DatabaseList"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
            }
        ],
    },
}
PATH = "/apis/example.com/v1/namespaces/shop/databases/db"
TOKEN = Evidence(kind="Database", name="db", path="status.token")
NEVER = FailbackPolicy(mode=FailbackMode.NEVER)
EVERYWHERE = Placement(cluster_selector=LabelSelector())
DATABASE = ResourceMatcher(kind="Database")
ROLES = (
    Override(
        target=DATABASE,
        role=Role.PRIMARY,
        patch=(PatchOperation(op="add", path="/spec/token", value="$(fedsvc.proof)"),),
    ),
    Override(
        target=DATABASE,
        role=Role.REPLICA,
        patch=(PatchOperation(op="add", path="/spec/follows", value="$(fedsvc.primary)"),),
    ),
)


def database() -> dict[str, Any]:
    return {
        "apiVersion": "example.com/v1",
        "kind": "Database",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"size": 1},
    }


def job(name: str) -> dict[str, Any]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "run", "image": "tools:1"}]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"template": {"spec": pod}},
    }


def spec(
    policy: RolePolicy, *, back: FailbackPolicy = NEVER, placement: Placement = EVERYWHERE, **fields: Any
) -> UnitSpec:
    failover = FailoverPolicy(toleration_seconds=0, roles=policy, failback=back)
    return UnitSpec(placement=placement, overrides=ROLES, failover=failover, **fields)


@pytest.fixture
async def fleet(quiet_world: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Three members that know databases, looked at often; controllers running."""
    quick = partial(
        health.HealthSettings,
        probe_seconds=0.1,
        probe_again_seconds=0.05,
        probe_timeout_seconds=0.3,
        limits=Limits(unreachable_seconds=0.2, stable_seconds=0.5),
    )
    monkeypatch.setattr(health, "HealthSettings", quick)
    quiet_world.settings = replace(quiet_world.settings, return_seconds=0.1, switchover_seconds=0.05)
    for name in ("a", "b", "c"):
        await quiet_world.client(name).apply(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/databases.example.com",
            orjson.dumps(CRD),
            force=True,
        )
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    quiet_world.start()
    for name in ("a", "b", "c"):
        await until_verdict(quiet_world, name, Verdict.HEALTHY)
    return quiet_world


async def until_verdict(world: Any, name: str, verdict: Verdict) -> None:
    async def has_verdict() -> bool:
        async with world.store.reader() as tx:
            return bool((await clusters.get(tx, name)).health.verdict is verdict)

    await world.until(has_verdict, seconds=20)


async def stored(world: Any) -> Switchover | None:
    async with world.store.reader() as tx:
        found = await switchovers.of_units(tx, [(await world.unit("db")).uid])
    return next((one.state for one in found.values()), None)


async def until(world: Any, is_so: Callable[[Switchover], bool]) -> Switchover:
    async def stands() -> Switchover | None:
        found = await stored(world)
        return found if found is not None and is_so(found) else None

    found = await world.until(stands, seconds=20)
    assert isinstance(found, Switchover)
    return found


async def until_steady(world: Any, primary: str) -> Switchover:
    return await until(world, lambda one: one.primary == primary and one.phase is Phase.STEADY)


async def ask(world: Any, target: str, *, accepts_loss: bool = False) -> None:
    unit = await world.unit("db")
    async with world.store.transaction() as tx:
        await switchovers.ask(
            tx, unit.uid, unit.resource_name, Ask(target=target, accepts_loss=accepts_loss, author="ada")
        )


async def give_token(world: Any, cluster: str, token: str) -> None:
    """What the operator in the member does when its database was demoted."""
    body = orjson.dumps({"status": {"token": token}})
    await world.client(cluster).patch(f"{PATH}/status", body)


async def told(world: Any) -> dict[str, tuple[str, str]]:
    """By cluster: whom the database follows there, and the token that it was promoted with."""
    found = {}
    for name in ("a", "b", "c"):
        live = await world.get(name, PATH)
        if live is not None:
            found[name] = (live["spec"].get("follows", ""), live["spec"].get("token", ""))
    return found


async def place(world: Any, policy: RolePolicy, *more: dict[str, Any], **fields: Any) -> None:
    await world.apply("db", database(), *more, spec=spec(policy, **fields))
    await world.until_state("db", "Ready", seconds=20)


async def until_told(world: Any, reason: str) -> str:
    async def is_told() -> str:
        return next((words for _, found, words in await world.events() if found == reason), "")

    found = await world.until(is_told)
    assert isinstance(found, str)
    return found


async def pending_of(world: Any, cluster: str) -> PendingMove | None:
    async with world.store.reader() as tx:
        standing = await pending.list_page(tx, after=("", ""), limit=10)
        stop = await pending.stop(tx)
    moves = [pending_move(one, stop, datetime.now(UTC)) for one in standing if one.cluster == cluster]
    return next((move for move in moves if move is not None), None)


async def test_the_primary_is_made_a_replica_proves_that_and_then_another_is_primary(fleet: Any) -> None:
    data = Dataset(name="orders", primary="a", copies=(DataCopy(cluster="b", lag_seconds=3),))
    async with fleet.store.transaction() as tx:
        await fleet_settings.update(tx, FleetSpec(datasets=(data,)))
    await place(fleet, RolePolicy(proof=TOKEN, dataset="orders"))
    assert await told(fleet) == {"a": ("", ""), "b": ("a", ""), "c": ("a", "")}
    await ask(fleet, "b")
    waits = await until(fleet, lambda one: one.phase is Phase.AWAITING_PROOF)
    assert waits.primary == "a"

    async def is_demoted() -> bool:
        return await told(fleet) == {"a": ("b", ""), "b": ("a", ""), "c": ("a", "")}

    await fleet.until(is_demoted)
    move = await pending_of(fleet, "a")
    assert move is not None
    assert (move.kind, move.reason) == (MoveKind.PRIMARY, "AwaitingProof")
    await give_token(fleet, "a", "t-1")
    await until_steady(fleet, "b")

    async def is_promoted() -> bool:
        return await told(fleet) == {"a": ("b", ""), "b": ("", "t-1"), "c": ("b", "")}

    await fleet.until(is_promoted)
    status = await fleet.until_state("db", "Ready", seconds=20)
    assert {line.cluster: line.role for line in status.clusters} == {"a": "replica", "b": "primary", "c": "replica"}
    async with fleet.store.reader() as tx:
        (entry,) = await failovers.list_page(tx, before=2**62, limit=10)
        (dataset,) = (await fleet_settings.get(tx)).spec.datasets
    assert (entry.cluster, entry.targets, entry.author) == ("a", ("b",), "ada")
    assert entry.ready_time is not None
    assert (dataset.primary, [copy.cluster for copy in dataset.copies]) == ("b", ["a"])
    assert await until_told(fleet, "SwitchoverDone") == "b is primary"
    # The same token does not prove it once more, from where it stood before.
    await give_token(fleet, "b", "t-2")

    async def is_seen() -> bool:
        (work,) = await fleet.works("db", cluster="b")
        return (work.observed_status or {}).get("token") == "t-2"

    await fleet.until(is_seen)
    await ask(fleet, "a")
    await until(fleet, lambda one: "another than before" in one.message)
    await give_token(fleet, "b", "t-3")
    await until_steady(fleet, "a")


async def test_what_runs_before_and_after_is_there_in_its_step_alone_and_counts_for_no_budget(fleet: Any) -> None:
    policy = RolePolicy(
        demote=Evidence(kind="Job", name="quiet"), promote=Evidence(kind="Job", name="open"), prefer=("b",)
    )
    await place(fleet, policy, job("quiet"), job("open"), protected=True)
    assert {str(work.key.name) for work in await fleet.works("db")} == {"db"}
    for target in ("c", "b"):
        await ask(fleet, target)
        await until(fleet, lambda one: one.phase is Phase.QUIESCING)
        await until_steady(fleet, target)

        async def is_clean() -> bool:
            return {(work.key.name, work.state) for work in await fleet.works("db")} == {("db", "Applied")}

        await fleet.until(is_clean)
    for name in ("b", "c"):
        assert await fleet.get(name, "/apis/batch/v1/namespaces/shop/jobs/quiet") is None


async def test_a_lost_primary_is_replaced_when_somebody_accepts_the_loss_and_made_a_replica_when_it_is_back(
    fleet: Any,
) -> None:
    await place(fleet, RolePolicy(proof=TOKEN))
    fleet.member("a").gate.change(Faults(outage=Outage.REFUSED))
    waits = await until(fleet, lambda one: one.blocked == "NoProof")
    assert (waits.primary, waits.phase) == ("a", Phase.FENCING)
    move = await pending_of(fleet, "a")
    assert move is not None
    assert move.command == f"fedctl failover unit/shop/db --to {waits.target} --accept-loss"
    assert "nothing can prove" in await until_told(fleet, "SwitchoverBlocked")
    await ask(fleet, "c", accepts_loss=True)
    await until_steady(fleet, "c")
    assert await told_but(fleet, "a") == {"b": ("c", ""), "c": ("", "")}

    async def is_shown() -> bool:
        status = await fleet.status("db")
        is_replica = next(line for line in status.clusters if line.cluster == "a").role == Role.REPLICA
        return is_replica and status.primary is not None and status.primary.undemoted == ("a",)

    await fleet.until(is_shown)
    fleet.member("a").gate.change(Faults())

    async def is_replica() -> bool:
        return await told(fleet) == {"a": ("c", ""), "b": ("c", ""), "c": ("", "")}

    await fleet.until(is_replica, seconds=20)
    await until(fleet, lambda one: one.is_over)
    assert "a is no more" in await until_told(fleet, "OldPrimaryDemoted")


async def told_but(world: Any, lost: str) -> dict[str, tuple[str, str]]:
    found = {}
    for name in sorted({"a", "b", "c"} - {lost}):
        live = await world.get(name, PATH)
        found[name] = (live["spec"].get("follows", ""), live["spec"].get("token", ""))
    return found


async def test_a_lost_primary_that_is_back_before_stays_primary(fleet: Any) -> None:
    await place(fleet, RolePolicy(proof=TOKEN))
    fleet.member("a").gate.change(Faults(outage=Outage.REFUSED))
    await until(fleet, lambda one: one.blocked == "NoProof")
    fleet.member("a").gate.change(Faults())
    assert (await until_steady(fleet, "a")).is_over
    await fleet.until_state("db", "Ready", seconds=20)
    assert await told(fleet) == {"a": ("", ""), "b": ("a", ""), "c": ("a", "")}
    assert await fleet.count("departure") == 0


async def test_a_policy_for_lost_clusters_is_asked_where_the_new_primary_is_to_be_and_a_hold_freezes_it(
    fleet: Any,
) -> None:
    loss = LossPolicy(fence=Evidence(kind="Job", name="fence"))
    await place(fleet, RolePolicy(proof=TOKEN, prefer=("a", "c"), on_loss=loss), job("fence"))
    async with fleet.store.transaction() as tx:
        name = "namespaces/shop/units/db"
        await holds.put(tx, subject=name, scope=HoldScope.AUTOMATION, reason="", end_time=None, author="ann")
    await ask(fleet, "a")  # nothing: it is there
    fleet.member("a").gate.change(Faults(outage=Outage.REFUSED))
    await until_verdict(fleet, "a", Verdict.UNREACHABLE)
    assert (await stored(fleet) or Switchover(primary="")).primary == "a"
    async with fleet.store.transaction() as tx:
        await holds.end(tx, subject=name, scope=None)
    found = await until(fleet, lambda one: one.primary != "a" and one.phase is Phase.STEADY)
    assert found.undemoted == ("a",)


async def test_a_unit_that_is_to_leave_the_cluster_of_its_primary_leaves_when_that_is_elsewhere(fleet: Any) -> None:
    await place(fleet, RolePolicy(prefer=("a", "b")), propagation=Propagation())
    unit = await fleet.unit("db")
    async with fleet.store.transaction() as tx:
        orders = [departures.Order(uid=unit.uid, cluster="a", due_time=tx.now)]
        await departures.order(tx, orders, cause=DepartureCause.ASKED, author="ada", reason="new disks")
    found = await until(fleet, lambda one: one.primary != "a" and one.phase is Phase.STEADY)
    assert (found.author, found.why) == ("ada", "new disks")

    async def has_left() -> bool:
        return {work.cluster for work in await fleet.works("db")} == {"b", "c"}

    await fleet.until(has_left, seconds=20)
    assert await fleet.get("a", PATH) is None
    async with fleet.store.reader() as tx:
        (departure,) = await departures.of_unit(tx, unit.uid)
    assert departure.leave_time is not None
    assert not departure.is_pending


async def test_what_is_not_proved_in_time_is_called_off(fleet: Any) -> None:
    await place(fleet, RolePolicy(proof=TOKEN, timeout_seconds=1))
    await ask(fleet, "b")
    await until(fleet, lambda one: one.phase is Phase.AWAITING_PROOF)
    await until_steady(fleet, "a")
    assert "a is primary again" in await until_told(fleet, "SwitchoverCalledOff")

    async def is_primary() -> bool:
        return await told(fleet) == {"a": ("", ""), "b": ("a", ""), "c": ("a", "")}

    await fleet.until(is_primary)


async def test_the_primary_returns_to_where_it_is_preferred_and_a_unit_without_roles_has_none(fleet: Any) -> None:
    back = FailbackPolicy(stable_seconds=0)
    await place(fleet, RolePolicy(prefer=("a",)), back=back)
    await fleet.apply("db", database(), spec=spec(RolePolicy(prefer=("c",)), back=back))
    assert (await until_steady(fleet, "c")).cause == "Return"
    plain = UnitSpec(placement=EVERYWHERE)
    await fleet.apply("db", database(), spec=plain)

    async def is_plain() -> bool:
        return await stored(fleet) is None and set((await told(fleet)).values()) == {("", "")}

    await fleet.until(is_plain)
    assert {line.role for line in (await fleet.until_state("db", "Ready")).clusters} == {""}


FOLLOW = frozenset({"SwitchoverController.run", "PlacementController.run"})


async def test_it_comes_to_its_end_wherever_controllers_are_killed_and_two_are_never_primary(fleet: Any) -> None:
    await place(fleet, RolePolicy(demote=Evidence(kind="Job", name="quiet")), job("quiet"))
    primary, seen = "a", set()

    async def look_on() -> None:
        while True:
            seen.add(tuple(sorted(name for name, found in (await told(fleet)).items() if not found[0])))
            await asyncio.sleep(0.005)

    watcher = asyncio.get_running_loop().create_task(look_on())
    steps = Steps(FOLLOW, ended=lambda: None)
    loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    try:
        for kill_at in (7, 29):
            target = "b" if primary == "a" else "a"
            await fleet.stop()
            await ask(fleet, target)
            loop.set_task_factory(steps)
            steps.begin(kill_at)
            fleet.start()

            async def is_ended() -> bool:
                return steps.is_over

            await fleet.until(is_ended, seconds=20)
            await fleet.stop()
            loop.set_task_factory(before)
            fleet.start()
            await until_steady(fleet, target)
            primary = target
    finally:
        loop.set_task_factory(before)
        watcher.cancel()
    assert all(len(found) <= 1 for found in seen), seen


def test_a_dataset_goes_along_with_the_primary() -> None:
    before = FleetSpec(
        datasets=(
            Dataset(name="orders", primary="a", copies=(DataCopy(cluster="b", lag_seconds=3), DataCopy(cluster="c"))),
            Dataset(name="users", primary="a"),
        )
    )
    after = with_primary(before, "orders", "a", "b")
    assert after.datasets == (
        Dataset(name="orders", primary="b", copies=(DataCopy(cluster="a"), DataCopy(cluster="c"))),
        Dataset(name="users", primary="a"),
    )
