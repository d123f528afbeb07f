"""Rollouts on simulated members: what goes where, when, and back."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fedsvc.errors import InUseError
from fedsvc.model.cluster import Condition
from fedsvc.model.hold import HoldScope
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.rendering.overrides import Override
from fedsvc.rollout import Phase, Rollout, RolloutPolicy, RolloutWave, acts, step
from fedsvc.rollout.policy import OnFailure, OnSilence
from fedsvc.simulator import Faults, Outage
from fedsvc.store import holds, policies, rollouts, units
from fedsvc.store.sql import text
from fedsvc_placement import ClusterMatcher, LabelSelector, Placement
from fedsvc_placement.model import Mode, ReplicaPolicy

EVERYWHERE = Placement(cluster_selector=LabelSelector())
CANARY = RolloutWave(name="canary", clusters=ClusterMatcher(names=("a",)), approval=False)
PATH = "/api/v1/namespaces/shop/configmaps/settings"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in trouble has failed after a moment."""
    monkeypatch.setattr(step, "PATIENCE_SECONDS", 1)


def spec(*waves: RolloutWave, placement: Placement = EVERYWHERE, **policy: Any) -> UnitSpec:
    return UnitSpec(placement=placement, rollout=RolloutPolicy(waves=waves, **policy))


async def rollout(world: Any, unit: str = "web") -> Rollout | None:
    async with world.store.reader() as tx:
        found = await units.get(tx, "shop", unit)
        stored = (await rollouts.of_units(tx, [found.uid])).get(found.uid)
    return None if stored is None else stored.state


async def until_phase(world: Any, phase: Phase, *, seconds: float = 40.0, wave: int | None = None) -> Rollout:
    async def in_phase() -> Rollout | None:
        found = await rollout(world)
        if found is None or found.phase is not phase or (wave is not None and found.wave != wave):
            return None
        return found

    found: Rollout = await world.until(in_phase, seconds=seconds)
    return found


async def act(world: Any, change: Callable[[Rollout, Any], Rollout]) -> None:
    """What the API does when somebody acts on the rollout."""
    async with world.store.transaction() as tx:
        unit = await units.get(tx, "shop", "web")
        stored = await rollouts.lock(tx, unit.uid)
        assert stored is not None
        await rollouts.put(tx, unit.uid, unit.resource_name, change(stored.state, tx.now))


async def values(world: Any) -> dict[str, str | None]:
    """Of key `v` of the ConfigMap on each member; None where it is not there."""
    found = {name: await world.get(name, PATH) for name in ("a", "b", "c")}
    return {name: None if one is None else one["data"]["v"] for name, one in found.items()}


async def until_told(world: Any, reason: str) -> dict[str, Condition]:
    """Wait until the unit's condition RolledOut has a reason; gives all conditions."""

    async def told() -> dict[str, Condition] | None:
        conditions = {one.type: one for one in (await world.status("web")).conditions}
        return conditions if "RolledOut" in conditions and conditions["RolledOut"].reason == reason else None

    found: dict[str, Condition] = await world.until(told, seconds=40)
    return found


async def revisions(world: Any) -> dict[str, int]:
    return {line.cluster: line.revision for line in (await world.status("web")).clusters}


async def test_the_first_revision_goes_everywhere_at_once(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map(v="1"), spec=spec(CANARY, soak_seconds=3600))

    status = await world.until_state("web", UnitState.READY, seconds=40)

    assert await values(world) == {"a": "1", "b": "1", "c": "1"}
    assert await rollout(world) is None
    assert {line.revision for line in status.clusters} == {1}
    assert "RolledOut" not in {condition.type for condition in status.conditions}


async def test_a_new_revision_goes_wave_by_wave_and_is_everywhere_in_the_end(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    gated = RolloutWave(name="most", percent=50, approval=True)
    waves = spec(CANARY, gated, soak_seconds=1)
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)

    await world.apply("web", make_config_map(v="2"), spec=waves)
    waiting = await until_phase(world, Phase.WAITING_FOR_APPROVAL)

    assert waiting.wave == 1
    assert await values(world) == {"a": "2", "b": "1", "c": "1"}
    conditions = await until_told(world, "WaitingForApproval")
    assert (await world.status("web")).state is UnitState.PROGRESSING
    assert conditions["RolledOut"].message == ("revision 2 goes out in wave 2 of 3, most: waits for approval: b")
    assert (conditions["Applied"].status, conditions["Ready"].status) == ("False", "False")
    assert await revisions(world) == {"a": 2, "b": 1, "c": 1}

    await act(world, lambda state, _: acts.approve(waves.rollout, state, wave=None, by="somebody"))  # type: ignore[arg-type]
    await until_phase(world, Phase.COMPLETED)

    status = await world.until_state("web", UnitState.READY, seconds=40)
    assert await values(world) == {"a": "2", "b": "2", "c": "2"}
    assert await revisions(world) == {"a": 2, "b": 2, "c": 2}
    assert {condition.type: condition.status for condition in status.conditions}["RolledOut"] == "True"
    told = [reason for _, reason, _ in await world.events()]
    assert [reason for reason in told if reason.startswith("Rollout")] == [
        "RolloutWaveBegun",
        "RolloutWaitsForApproval",
        "RolloutWaveBegun",
        "RolloutWaveBegun",
        "RolloutCompleted",
    ]


@pytest.fixture
async def paused(world: Any, make_config_map: Callable[..., Any]) -> Any:
    """Revision 2 is on cluster a, and the next wave waits for approval."""
    waves = spec(CANARY, RolloutWave(approval=True))
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)
    await world.apply("web", make_config_map(v="2"), spec=waves)
    await until_phase(world, Phase.WAITING_FOR_APPROVAL)
    return waves


async def test_an_aborted_rollout_goes_back_and_stays_back_when_the_same_is_applied_again(
    world: Any, make_config_map: Callable[..., Any], paused: UnitSpec
) -> None:
    await act(world, lambda state, now: acts.abort(state, now, by="me", reason="too slow"))
    await until_phase(world, Phase.ROLLED_BACK)

    assert await values(world) == {"a": "1", "b": "1", "c": "1"}
    conditions = await until_told(world, "RolledBack")
    assert (await world.status("web")).state is UnitState.DEGRADED
    assert conditions["RolledOut"].message == "revision 2 was rolled back to 1: aborted by me: too slow"

    await world.apply("web", make_config_map(v="2"), spec=paused)

    found = await rollout(world)
    assert found is not None
    assert found.phase is Phase.ROLLED_BACK
    await act(world, lambda state, now: acts.retry(state, now, by="me"))
    await until_phase(world, Phase.WAITING_FOR_APPROVAL)
    assert await values(world) == {"a": "2", "b": "1", "c": "1"}


async def test_a_newer_revision_takes_over_from_the_first_wave_and_the_others_never_see_the_one_between(
    world: Any, make_config_map: Callable[..., Any], paused: UnitSpec
) -> None:
    await world.apply("web", make_config_map(v="3"), spec=paused)
    found = await until_phase(world, Phase.WAITING_FOR_APPROVAL)

    assert (found.revision, found.stable) == (3, 1)
    assert await values(world) == {"a": "3", "b": "1", "c": "1"}
    await act(world, lambda state, now: acts.abort(state, now, by="me", reason=""))
    await until_phase(world, Phase.ROLLED_BACK)
    assert await values(world) == {"a": "1", "b": "1", "c": "1"}


async def test_the_content_of_the_stable_revision_is_the_way_back_and_needs_no_waves(
    world: Any, make_config_map: Callable[..., Any], paused: UnitSpec
) -> None:
    await world.apply("web", make_config_map(v="1"), spec=paused)
    await world.until_state("web", UnitState.READY, seconds=40)

    assert await values(world) == {"a": "1", "b": "1", "c": "1"}
    assert await rollout(world) is None


async def test_the_state_survives_a_restart_of_the_controllers(
    world: Any, make_config_map: Callable[..., Any], paused: UnitSpec
) -> None:
    await world.stop()
    world.start()
    await world.apply("other", make_config_map("other"))
    await world.until_state("other", UnitState.READY, seconds=40)

    assert await values(world) == {"a": "2", "b": "1", "c": "1"}
    await act(world, lambda state, _: acts.approve(paused.rollout, state, wave=None, by="me"))  # type: ignore[arg-type]
    await world.until_state("web", UnitState.READY, seconds=40)
    assert await values(world) == {"a": "2", "b": "2", "c": "2"}


async def test_a_shared_override_policy_that_changes_is_everywhere_at_once_on_the_revision_each_cluster_holds(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    async def put_policy(value: str) -> None:
        override = Override(labels={"flavour": value})
        async with world.store.transaction() as tx:
            await policies.apply(tx, policies.OVERRIDE, name="flavour", labels={}, spec=(override,))

    async def flavours() -> dict[str, str]:
        return {name: (await world.get(name, PATH))["metadata"]["labels"]["flavour"] for name in ("a", "b", "c")}

    await put_policy("mild")
    waves = replace(spec(CANARY, RolloutWave(approval=True)), override_policies=("flavour",))
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)
    await world.apply("web", make_config_map(v="2"), spec=waves)
    await until_phase(world, Phase.WAITING_FOR_APPROVAL)

    await put_policy("hot")

    async def all_hot() -> bool:
        return set((await flavours()).values()) == {"hot"}

    await world.until(all_hot, seconds=40)
    assert await values(world) == {"a": "2", "b": "1", "c": "1"}


async def test_replicas_move_while_clusters_keep_the_revision_that_they_hold(
    world: Any, make_deployment: Callable[..., Any]
) -> None:
    divided = Placement(cluster_selector=LabelSelector(), replicas=ReplicaPolicy(mode=Mode.DIVIDED))
    waves = spec(CANARY, RolloutWave(approval=True), placement=divided)

    async def seen(name: str) -> tuple[int, str] | None:
        found = await world.get(name, "/apis/apps/v1/namespaces/shop/deployments/web")
        if found is None:
            return None
        return found["spec"]["replicas"], found["spec"]["template"]["spec"]["containers"][0]["image"]

    await world.apply("web", make_deployment(replicas=6, image="nginx:1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)
    await world.apply("web", make_deployment(replicas=6, image="nginx:2"), spec=waves)
    await until_phase(world, Phase.WAITING_FOR_APPROVAL)

    two = replace(divided, clusters=("a", "b"), cluster_selector=None)
    await world.apply("web", make_deployment(replicas=6, image="nginx:2"), spec=replace(waves, placement=two))

    async def moved() -> bool:
        return [await seen(name) for name in ("a", "b", "c")] == [(3, "nginx:2"), (3, "nginx:1"), None]

    await world.until(moved, seconds=40)
    found = await rollout(world)
    assert found is not None
    assert (found.revision, found.stable) == (3, 1)


async def test_a_cluster_that_comes_to_the_unit_in_between_gets_what_its_wave_says(
    quiet_world: Any, make_config_map: Callable[..., Any]
) -> None:
    world = quiet_world
    for name in ("a", "b"):
        await world.register(name)
    world.start()
    waves = spec(CANARY, RolloutWave(approval=True))
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)
    await world.apply("web", make_config_map(v="2"), spec=waves)
    await until_phase(world, Phase.WAITING_FOR_APPROVAL)

    await world.register("c")

    async def there() -> bool:
        return (await values(world))["c"] is not None

    await world.until(there, seconds=40)
    assert await values(world) == {"a": "2", "b": "1", "c": "1"}


@pytest.mark.parametrize(
    ("action", "phase", "left"),
    [(OnFailure.PAUSE, Phase.FAILED, "2"), (OnFailure.ROLL_BACK, Phase.ROLLED_BACK, "1")],
)
async def test_a_revision_that_a_cluster_refuses_goes_no_further(
    world: Any, make_config_map: Callable[..., Any], action: OnFailure, phase: Phase, left: str
) -> None:
    waves = spec(CANARY, on_failure=action)
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)

    broken = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "broken", "namespace": "shop"},
        "spec": {
            "replicas": -1,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}},
        },
    }
    await world.apply("web", make_config_map(v="2"), broken, spec=waves)
    found = await until_phase(world, phase)

    assert found.message.startswith("revision 2 failed on a: a: apps/v1 Deployment shop/broken")
    assert await values(world) == {"a": left, "b": "1", "c": "1"}
    await world.until_state("web", UnitState.DEGRADED, seconds=40)

    async def told() -> bool:  # events are written a moment after what they tell of
        return any(reason == "RolloutFailed" for _, reason, _ in await world.events())

    await world.until(told)


@pytest.mark.parametrize(("silence", "phase"), [(OnSilence.FAIL, Phase.FAILED), (OnSilence.SKIP, Phase.COMPLETED)])
async def test_a_cluster_that_is_not_heard_counts_as_the_policy_says(
    world: Any, make_config_map: Callable[..., Any], silence: OnSilence, phase: Phase
) -> None:
    deadline_seconds = 5 if silence is OnSilence.FAIL else 600
    both = RolloutWave(clusters=ClusterMatcher(names=("a", "b")))
    waves = spec(both, on_silence=silence, deadline_seconds=deadline_seconds)
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)
    world.member("a").inject(Faults(outage=Outage.REFUSED))

    async def silent() -> bool:
        return any(line.last_heard_time is not None for line in (await world.status("web")).clusters)

    await world.until(silent, seconds=40)
    await world.apply("web", make_config_map(v="2"), spec=waves)
    found = await until_phase(world, phase)

    if silence is OnSilence.FAIL:
        assert "failed on a" in found.message
        assert "does not answer" in found.message


async def test_while_a_cluster_is_paused_its_time_stands_still(world: Any, make_config_map: Callable[..., Any]) -> None:
    waves = spec(CANARY, deadline_seconds=2)
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)
    async with world.store.transaction() as tx:
        await holds.put(
            tx, subject="clusters/a", scope=HoldScope.EVERYTHING, reason="mending", end_time=None, author="ann"
        )

    await world.apply("web", make_config_map(v="2"), spec=waves)

    async def waits() -> bool:
        found = await rollout(world)
        return found is not None and "a: paused by ann: mending" in found.message

    await world.until(waits, seconds=40)

    async def late() -> bool:
        found = await rollout(world)
        return found is not None and datetime.now(UTC) > found.released[0].time + timedelta(seconds=3)

    await world.until(late, seconds=40)
    found = await rollout(world)
    assert found is not None
    assert found.phase is Phase.PROGRESSING
    async with world.store.transaction() as tx:
        await holds.end(tx, subject="clusters/a", scope=None)

    async def there() -> bool:
        return (await values(world))["a"] == "2"

    await world.until(there, seconds=40)


async def test_a_policy_that_only_an_earlier_revision_names_is_in_use_while_a_cluster_holds_that(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    async with world.store.transaction() as tx:
        await policies.apply(
            tx, policies.OVERRIDE, name="mild", labels={}, spec=(Override(labels={"flavour": "mild"}),)
        )
    waves = spec(CANARY, RolloutWave(approval=True))
    await world.apply("web", make_config_map(v="1"), spec=replace(waves, override_policies=("mild",)))
    await world.until_state("web", UnitState.READY, seconds=40)
    await world.apply("web", make_config_map(v="2"), spec=waves)
    await until_phase(world, Phase.WAITING_FOR_APPROVAL)

    async with world.store.transaction() as tx:
        with pytest.raises(InUseError):
            await policies.delete(tx, policies.OVERRIDE, "mild")
        await policies.apply(tx, policies.OVERRIDE, name="mild", labels={}, spec=(Override(labels={"flavour": "hot"}),))

    async def flavours() -> list[str | None]:
        found = [await world.get(name, PATH) for name in ("a", "b", "c")]
        return [one["metadata"]["labels"].get("flavour") for one in found]

    async def hot() -> bool:
        return await flavours() == [None, "hot", "hot"]

    await world.until(hot, seconds=40)
    await act(world, lambda state, _: acts.approve(waves.rollout, state, wave=None, by="me"))  # type: ignore[arg-type]
    await until_phase(world, Phase.COMPLETED)
    async with world.store.transaction() as tx:
        await policies.delete(tx, policies.OVERRIDE, "mild")


@pytest.mark.parametrize("step_millis", [7, 23])
async def test_controllers_killed_again_and_again_lead_it_to_its_end_and_never_before_its_wave(
    world: Any, make_config_map: Callable[..., Any], step_millis: int
) -> None:
    waves = spec(CANARY, RolloutWave(clusters=ClusterMatcher(names=("b",))))
    await world.apply("web", make_config_map(v="1"), spec=waves)
    await world.until_state("web", UnitState.READY, seconds=40)
    await world.apply("web", make_config_map(v="2"), spec=waves)
    seen = set()
    for round_number in range(1, 12):
        await asyncio.sleep(step_millis * round_number / 1000)  # whatever it is doing just then
        await world.stop()
        seen.add(tuple((await values(world)).values()))
        world.start()
    await until_phase(world, Phase.COMPLETED)

    assert seen <= {("1", "1", "1"), ("2", "1", "1"), ("2", "2", "1"), ("2", "2", "2")}
    await world.until_state("web", UnitState.READY, seconds=40)
    assert await values(world) == {"a": "2", "b": "2", "c": "2"}


async def test_what_clusters_hold_is_kept_and_the_rest_is_forgotten(
    world: Any, make_config_map: Callable[..., Any], paused: UnitSpec
) -> None:
    from fedsvc.store import retention  # noqa: PLC0415

    for number in range(3, 8):
        await world.apply("web", make_config_map(v=str(number)), spec=paused)
    await world.stop()
    async with world.store.transaction() as tx:
        await retention.trim(tx, revisions_kept=2)
        rows = await tx.execute(text("SELECT revision FROM unit_revision ORDER BY 1"))
        kept = [row.revision for row in rows]

    assert kept[0] == 1
    assert kept[-2:] == [6, 7]
    assert 4 not in kept
