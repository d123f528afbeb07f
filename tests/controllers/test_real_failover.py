"""Failover between three real API servers: killed, frozen, two of three at once, and fedsvc itself cut off from all.

Probes, verdicts and tolerations are shortened; `./dev bench failover` has the times of the defaults.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from fedsvc.controllers import health
from fedsvc.health import Automation, Limits, Verdict
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.model.failover import FailoverPolicy
from fedsvc.model.unit import UnitSpec
from fedsvc.store import automation, clusters, failovers
from fedsvc.testing.control_plane import ControlPlane, control_planes
from fedsvc.testing.members import Member
from fedsvc.testing.wire import Wire
from fedsvc_placement import LabelSelector, Placement, SpreadConstraint, Topology

pytestmark = [pytest.mark.kube, pytest.mark.slow, pytest.mark.timeout(300)]

NAMES = ("east", "north", "west")
UNITS = tuple(f"web-{number}" for number in range(9))
SECONDS = 60.0
COLLECTION = "/api/v1/namespaces/shop/configmaps"


@dataclass(kw_only=True)
class Fleet:
    """Three real members, each behind a wire of its own, and who looks at them past that."""

    world: Any
    planes: dict[str, ControlPlane]
    wires: dict[str, Wire]
    members: dict[str, Member]

    async def there(self, name: str) -> set[str]:
        """The units that a member holds."""
        reply = (await self.members[name].get(COLLECTION, labelSelector="fedsvc.io/managed")).expect(200)
        return {item["metadata"]["name"] for item in reply["items"]}

    async def placed(self) -> dict[str, set[str]]:
        """Where units are applied, as fedsvc knows it."""
        works = await self.world.works()
        return {
            name: {work.key.name for work in works if work.cluster == name and work.state == "Applied"}
            for name in NAMES
        }

    async def until_elsewhere(self, lost: str, units: set[str]) -> None:
        """Wait until units that a member held are held by the others."""

        async def elsewhere() -> bool:
            found = [await self.there(name) for name in NAMES if name != lost]
            return units <= set().union(*found)

        await self.world.until(elsewhere, seconds=SECONDS)

    async def until_verdict(self, name: str, verdict: Verdict) -> None:
        async def is_so() -> bool:
            async with self.world.store.reader() as tx:
                return (await clusters.get(tx, name)).health.verdict is verdict

        await self.world.until(is_so, seconds=SECONDS)

    async def until_automation(self, wanted: Automation) -> None:
        async def is_so() -> bool:
            async with self.world.store.reader() as tx:
                return (await automation.get(tx)).state.automation is wanted

        await self.world.until(is_so, seconds=SECONDS)

    async def until_tidy(self) -> None:
        """Wait until every unit is held by one member, where it is placed."""

        async def is_tidy() -> bool:
            placed = await self.placed()
            held = {name: await self.there(name) for name in NAMES}
            return held == placed and sorted(unit for units in held.values() for unit in units) == sorted(UNITS)

        await self.world.until(is_tidy, seconds=SECONDS)

    async def moves(self) -> int:
        """How many failovers there were."""
        async with self.world.store.reader() as tx:
            return len(await failovers.list_page(tx, before=2**62, limit=1_000))

    async def release(self) -> None:
        """Let automation act on what is lost now."""
        async with self.world.store.transaction() as tx:
            await automation.look(tx, released=True)


@pytest.fixture
async def fleet(
    quiet_world: Any, kube_assets: Any, monkeypatch: pytest.MonkeyPatch, make_config_map: Callable[..., Any]
) -> AsyncIterator[Fleet]:
    """Three real members in regions of their own, nine units over them, controllers running."""
    limits = Limits(unreachable_seconds=1.5, stable_seconds=1.5, quarantine_seconds=1.5)
    quick = partial(
        health.HealthSettings, probe_seconds=0.5, probe_again_seconds=0.3, probe_timeout_seconds=1.0, limits=limits
    )
    monkeypatch.setattr(health, "HealthSettings", quick)
    async with contextlib.AsyncExitStack() as stack:
        planes = await stack.enter_async_context(control_planes(NAMES, assets=kube_assets, controller_manager=False))
        wires = {one.name: await stack.enter_async_context(Wire(one.port).running()) for one in planes}
        members = {}
        for plane in planes:
            member = Member(name=plane.name, server=plane.server, token=plane.token, ssl_context=plane.ssl_context())
            members[plane.name] = await stack.enter_async_context(member)
            (await members[plane.name].post("/api/v1/namespaces", {"metadata": {"name": "shop"}})).expect(201)
            await register(quiet_world, plane, wires[plane.name].port)
        found = Fleet(world=quiet_world, planes={plane.name: plane for plane in planes}, wires=wires, members=members)
        quiet_world.start()
        for name in NAMES:
            await found.until_verdict(name, Verdict.HEALTHY)
        one = Placement(cluster_selector=LabelSelector(), spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=1),))
        policy = FailoverPolicy(toleration_seconds=1)
        for name in UNITS:
            await quiet_world.apply(name, make_config_map(name), spec=UnitSpec(placement=one, failover=policy))
        await found.until_tidy()
        yield found
        await quiet_world.stop()


async def register(world: Any, plane: ControlPlane, port: int) -> None:
    now = datetime.now(UTC)
    cluster = Cluster(
        name=plane.name,
        uid=str(uuid4()),
        labels={},
        annotations={},
        provider="",
        region=f"region-{plane.name}",
        zones=(),
        taints=(),
        connection=Connection(
            endpoint=f"https://127.0.0.1:{port}",
            ca_pem=plane.ca_file.read_bytes(),
            credential=Credential(token=plane.token),
        ),
        create_time=now,
        update_time=now,
    )
    async with world.store.transaction() as tx:
        await clusters.create(tx, cluster)


def fullest(placed: dict[str, set[str]]) -> str:
    return max(placed, key=lambda name: (len(placed[name]), name))


async def freeze(fleet: Fleet, names: Sequence[str]) -> None:
    for name in names:
        fleet.planes[name].suspend_apiserver()


async def thaw(fleet: Fleet, names: Sequence[str]) -> None:
    for name in names:
        fleet.planes[name].resume_apiserver()


async def test_real_members_are_killed_and_frozen_and_fedsvc_is_cut_off(fleet: Fleet) -> None:
    # Killed: what ran there runs elsewhere; what it held stays there until it is back and trusted.
    placed = await fleet.placed()
    killed = fullest(placed)
    await fleet.planes[killed].kill_apiserver()
    await fleet.until_elsewhere(killed, placed[killed])
    assert await fleet.moves() == len(placed[killed])
    await fleet.planes[killed].start_apiserver()
    assert placed[killed] <= await fleet.there(killed)
    await fleet.until_verdict(killed, Verdict.HEALTHY)
    await fleet.until_tidy()

    # Frozen: connections are taken and nothing is answered.
    placed = await fleet.placed()
    frozen = fullest(placed)
    await freeze(fleet, [frozen])
    await fleet.until_elsewhere(frozen, placed[frozen])
    await thaw(fleet, [frozen])
    await fleet.until_verdict(frozen, Verdict.HEALTHY)
    await fleet.until_tidy()

    # Two of three: that is rather us, and nothing is moved until somebody says so.
    placed, moves = await fleet.placed(), await fleet.moves()
    first, second = sorted(NAMES, key=lambda name: len(placed[name]))[1:]
    await freeze(fleet, [first, second])
    for name in (first, second):
        await fleet.until_verdict(name, Verdict.UNREACHABLE)
    await fleet.until_automation(Automation.HOLDING)
    await fleet.world.apply("settings", config_map("new"), spec=UnitSpec(placement=Placement(clusters=NAMES)))
    (third,) = {*NAMES} - {first, second}

    async def new_intent_is_applied_where_it_can_be() -> bool:
        return "new" in await fleet.there(third)

    await fleet.world.until(new_intent_is_applied_where_it_can_be, seconds=SECONDS)
    assert await fleet.moves() == moves
    await thaw(fleet, [first, second])
    for name in NAMES:
        await fleet.until_verdict(name, Verdict.HEALTHY)
    assert {name: units & {*UNITS} for name, units in (await fleet.placed()).items()} == placed
    await fleet.release()
    await fleet.world.delete("settings")
    await fleet.world.until_gone("settings", seconds=SECONDS)

    # fedsvc itself is cut off, while the members live and are looked at by others.
    for wire in fleet.wires.values():
        wire.cut()
    await fleet.until_automation(Automation.HOLDING)
    for name in NAMES:
        await fleet.until_verdict(name, Verdict.UNREACHABLE)
        assert await fleet.there(name) == placed[name]
    for wire in fleet.wires.values():
        wire.mend()
    for name in NAMES:
        await fleet.until_verdict(name, Verdict.HEALTHY)
    await fleet.release()
    await fleet.until_tidy()
    assert (await fleet.placed(), await fleet.moves()) == (placed, moves)


def config_map(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop"},
        "data": {"a": "1"},
    }
