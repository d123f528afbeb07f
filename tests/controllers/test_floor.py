"""Floors under units whose replicas move: real PostgreSQL, simulated members, the controllers running."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedsvc.model.failover import AWAITING_REPLACEMENT, FailoverPolicy
from fedsvc.model.floor import Floor
from fedsvc.model.unit import UnitSpec, WorkState
from fedsvc.simulator.faults import Faults
from fedsvc_placement import LabelSelector, Placement, ReplicaPolicy, ReplicaRule, Taint
from fedsvc_placement.model import MAINTENANCE_TAINT, ClusterMatcher, Effect, Mode

WEB = "/apis/apps/v1/namespaces/shop/deployments/web"


def weighted(**weights: int) -> Placement:
    rules = tuple(
        ReplicaRule(clusters=ClusterMatcher(names=(name,)), weight=weight) for name, weight in weights.items()
    )
    return Placement(
        cluster_selector=LabelSelector(),
        replicas=ReplicaPolicy(mode=Mode.DIVIDED, total=6, clusters=rules),
    )


async def replicas(world: Any, name: str) -> int:
    found = await world.get(name, WEB)
    return 0 if found is None else int(found["spec"]["replicas"])


async def until_replicas(world: Any, **wanted: int) -> None:
    async def has_them() -> bool:
        return {name: await replicas(world, name) for name in wanted} == wanted

    await world.until(has_them)


@pytest.fixture
async def floored(quiet_world: Any, make_deployment: Callable[..., Any]) -> Any:
    """A Deployment of 6 replicas on a, with a floor of all of them."""
    quiet_world.settings = replace(quiet_world.settings, return_seconds=0.1)
    for name in ("a", "b", "c"):
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    quiet_world.start()
    await apply(quiet_world, make_deployment(), weighted(a=1))
    await quiet_world.until_state("web", "Ready")
    await until_replicas(quiet_world, a=6, b=0, c=0)
    return quiet_world


async def apply(world: Any, manifest: Any, placement: Placement) -> None:
    policy = FailoverPolicy(floor=Floor(percent=100))
    await world.apply("web", manifest, spec=UnitSpec(placement=placement, failover=policy))


async def test_replicas_go_only_as_far_as_enough_is_ready_elsewhere(
    floored: Any, make_deployment: Callable[..., Any]
) -> None:
    floored.member("b").gate.change(Faults(error_status=503))
    await apply(floored, make_deployment(), weighted(b=1))

    async def is_told() -> bool:
        return any(
            reason == "KeptUp" and "keeps 6 replicas on a in place of 0" in message
            for _, reason, message in await floored.events()
        )

    await floored.until(is_told)
    await until_replicas(floored, a=6)
    floored.member("b").gate.change(Faults())
    await until_replicas(floored, a=0, b=6)


async def test_what_is_left_stays_below_the_floor_and_says_so(
    floored: Any, make_deployment: Callable[..., Any]
) -> None:
    # Elsewhere is room for 4 at most: ready everywhere, and yet not enough.
    few = replace(
        weighted(),
        replicas=ReplicaPolicy(
            mode=Mode.DIVIDED,
            total=6,
            clusters=(
                ReplicaRule(clusters=ClusterMatcher(names=("a",))),
                ReplicaRule(clusters=ClusterMatcher(names=("b", "c")), max=2),
            ),
        ),
    )
    await apply(floored, make_deployment(), replace(few, clusters=("b", "c")))
    await until_replicas(floored, a=6, b=2, c=2)
    kept = await floored.until_work("a", WorkState.HELD, AWAITING_REPLACEMENT)

    async def is_told() -> bool:
        (work,) = await floored.works("web", cluster="a")
        return "its floor is" in work.message

    del kept
    await floored.until(is_told)
    assert await replicas(floored, "a") == 6


async def test_a_cluster_is_emptied_in_maintenance_when_the_floor_is_elsewhere(
    floored: Any, make_deployment: Callable[..., Any]
) -> None:
    await apply(floored, make_deployment(), weighted(a=1, b=1))
    await until_replicas(floored, a=3, b=3)
    await floored.change_cluster("a", taints=[Taint(key=MAINTENANCE_TAINT, value="", effect=Effect.NO_EXECUTE)])
    await until_replicas(floored, a=0, b=6)
