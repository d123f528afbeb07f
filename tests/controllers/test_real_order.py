"""When things are written, against real API servers; the same behaviour is tested on the simulator beside this."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError
from fedsvc.model.cluster import Connection, Credential
from fedsvc.model.dependency import Dependency
from fedsvc.model.hold import HoldScope
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.rendering.waves import AwaitedState
from fedsvc.rollout import Phase, RolloutPolicy, RolloutWave, acts
from fedsvc.store import gates, holds, rollouts, units
from fedsvc.testing.control_plane import ControlPlane
from fedsvc_placement import ClusterMatcher, Placement

pytestmark = [pytest.mark.kube, pytest.mark.slow]

MAP = "/api/v1/namespaces/shop/configmaps/settings"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
PODS = "/api/v1/namespaces/shop/pods"
LATE = "/api/v1/namespaces/shop/configmaps/late"
ON_REAL = Placement(clusters=("real",))


@pytest.fixture(scope="module")
async def plane(kube_assets: Path) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(name="real", assets=kube_assets) as made:
        yield made


@pytest.fixture
async def real(quiet_world: Any, plane: ControlPlane) -> AsyncIterator[MemberClient]:
    """The administrator's client of a real member, registered beside the simulated "a"; its namespace is empty."""
    connection = Connection(
        endpoint=plane.server, ca_pem=plane.ca_file.read_bytes(), credential=Credential(token=plane.token)
    )
    await quiet_world.register("real", connection=connection)
    await quiet_world.register("a", labels={"name": "a"})
    quiet_world.start()
    async with MemberClient(connection) as client:
        yield client
        for path in (MAP, WEB, LATE):
            if await found(client, path) is not None:
                await client.delete(path)


async def found(client: MemberClient, path: str) -> Any | None:
    """The object; None where it is not there."""
    try:
        return await client.get(path)
    except MemberStatusError as error:
        if error.code == 404:
            return None
        raise


async def become_ready(client: MemberClient, world: Any) -> None:
    """What the nodes of a cluster do with the pods of the Deployment: here there are none."""
    replicas = (await client.get(WEB))["spec"]["replicas"]

    async def made() -> list[Any] | None:
        pods: list[Any] = (await client.get(PODS, {"labelSelector": "app=web"}))["items"]
        return pods if len(pods) == replicas else None

    ready = {"type": "Ready", "status": "True", "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    body = orjson.dumps({"status": {"phase": "Running", "conditions": [ready]}})
    for pod in await world.until(made, seconds=30):
        await client.patch(f"{PODS}/{pod['metadata']['name']}/status", body, field_manager="kubelet")


def in_wave(manifest: dict[str, Any], wave: int) -> dict[str, Any]:
    manifest["metadata"].setdefault("annotations", {})["fedsvc.io/wave"] = str(wave)
    return manifest


async def waits_of(world: Any, unit: str) -> dict[str, str]:
    """Why works of a unit wait, by name of the object."""
    async with world.store.reader() as tx:
        shown = await gates.with_waits(tx, await world.works(unit))
    return {work.key.name: work.reason for work in shown}


async def until_seen(client: MemberClient, world: Any, path: str, what: Callable[[Any], bool]) -> None:
    async def seen() -> bool:
        live = await found(client, path)
        return live is not None and what(live)

    await world.until(seen, seconds=30)


async def test_a_later_wave_waits_until_what_it_needs_is_ready_in_the_member(
    quiet_world: Any, real: MemberClient, make_deployment: Callable[..., Any], make_config_map: Callable[..., Any]
) -> None:
    late = in_wave(make_config_map("late"), 1)
    await quiet_world.apply("web", make_deployment(), late, placement=ON_REAL)
    await until_seen(real, quiet_world, WEB, bool)
    await quiet_world.until_work("real", "Applied", seconds=30)

    assert await waits_of(quiet_world, "web") == {"web": "", "late": "WaitingForWave"}
    assert await found(real, LATE) is None

    await become_ready(real, quiet_world)
    await until_seen(real, quiet_world, LATE, bool)


async def test_a_unit_waits_for_another_on_the_same_member_and_goes_before_it(
    quiet_world: Any, real: MemberClient, make_deployment: Callable[..., Any], make_config_map: Callable[..., Any]
) -> None:
    waiting = UnitSpec(placement=ON_REAL, depends_on=(Dependency(unit="db"),))
    await quiet_world.apply("db", make_deployment(), placement=ON_REAL)
    await quiet_world.apply("web", make_config_map("late"), spec=waiting)
    await until_seen(real, quiet_world, WEB, bool)

    async def told() -> bool:
        return await waits_of(quiet_world, "web") == {"late": "DependencyNotReady"}

    await quiet_world.until(told, seconds=30)
    await become_ready(real, quiet_world)
    await quiet_world.until_state("web", UnitState.READY, seconds=30)

    await quiet_world.delete("web")
    await quiet_world.until_gone("web", seconds=30)
    await quiet_world.delete("db")
    await quiet_world.until_gone("db", seconds=30)
    assert await found(real, WEB) is None


async def test_a_new_revision_reaches_the_real_member_after_the_canary_and_its_approval(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any]
) -> None:
    canary = RolloutWave(name="canary", clusters=ClusterMatcher(names=("a",)), approval=False)
    rest = RolloutWave(name="rest", percent=100, approval=True)
    policy = RolloutPolicy(waves=(canary, rest), soak_seconds=1)
    spec = UnitSpec(placement=Placement(clusters=("a", "real")), wave_state=AwaitedState.APPLIED, rollout=policy)
    await quiet_world.apply("web", make_config_map(v="1"), spec=spec)
    await quiet_world.until_state("web", UnitState.READY, seconds=30)
    await quiet_world.apply("web", make_config_map(v="2"), spec=spec)

    async def waiting() -> bool:
        unit = await quiet_world.unit("web")
        async with quiet_world.store.reader() as tx:
            stored = (await rollouts.of_units(tx, [unit.uid])).get(unit.uid)
        return stored is not None and stored.state.phase is Phase.WAITING_FOR_APPROVAL

    await quiet_world.until(waiting, seconds=30)
    assert (await quiet_world.get("a", MAP))["data"] == {"v": "2"}
    assert (await real.get(MAP))["data"] == {"v": "1"}

    async with quiet_world.store.transaction() as tx:
        unit = await units.get(tx, "shop", "web")
        stored = await rollouts.lock(tx, unit.uid)
        assert stored is not None
        await rollouts.put(tx, unit.uid, unit.resource_name, acts.approve(policy, stored.state, wave=None, by="ann"))
    await until_seen(real, quiet_world, MAP, lambda live: live["data"] == {"v": "2"})


async def test_nothing_is_written_to_a_real_member_that_is_paused(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any]
) -> None:
    await quiet_world.apply("web", make_config_map(v="1"), placement=ON_REAL)
    await quiet_world.until_state("web", UnitState.READY, seconds=30)
    version = (await real.get(MAP))["metadata"]["resourceVersion"]
    async with quiet_world.store.transaction() as tx:
        everything = HoldScope.EVERYTHING
        await holds.put(tx, subject="clusters/real", scope=everything, reason="test", end_time=None, author="ann")

    await quiet_world.apply("web", make_config_map(v="2"), placement=ON_REAL)

    async def decided() -> bool:
        unit = await quiet_world.unit("web")
        (work,) = await quiet_world.works("web")
        return unit.decided_generation >= unit.generation and work.desired_digest != work.applied_digest

    await quiet_world.until(decided, seconds=30)
    await quiet_world.apply("other", make_config_map("late"), placement=Placement(clusters=("a",)))
    await quiet_world.until_state("other", UnitState.READY, seconds=30)  # as much as it takes to write
    assert (await real.get(MAP))["metadata"]["resourceVersion"] == version

    async with quiet_world.store.transaction() as tx:
        assert await holds.end(tx, subject="clusters/real", scope=None)
    await until_seen(real, quiet_world, MAP, lambda live: live["data"] == {"v": "2"})
