import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from fedsvc.controllers.runner import Leadership, run_controllers
from fedsvc.model.unit import UnitState
from fedsvc.testing.postgres import ScratchPostgres


def writes(world: Any, name: str) -> Counter[str]:
    """Names of ConfigMaps of ours in a member."""
    stored = world.member(name).store.everything()
    return Counter(
        one.metadata["name"]
        for one in stored
        if one.kind.plural == "configmaps" and one.metadata.get("labels", {}).get("fedsvc.io/managed")
    )


@pytest.mark.parametrize("step_millis", [3, 11, 29])
async def test_controllers_killed_again_and_again_lose_and_double_nothing(
    world: Any, make_config_map: Callable[..., Any], step_millis: int
) -> None:
    manifests = [make_config_map(f"settings-{number}") for number in range(40)]
    await world.apply("web", *manifests)
    for round_number in range(1, 9):
        await asyncio.sleep(step_millis * round_number / 1000)  # whatever it is doing just then
        await world.stop()
        world.start()
    await world.until_state("web", UnitState.READY, seconds=20)
    expected = Counter(f"settings-{number}" for number in range(40))
    assert [writes(world, name) for name in ("a", "b", "c")] == [expected] * 3
    assert {work.attempts for work in await world.works("web")} == {0}

    await world.apply("web", *manifests[:20])
    await world.delete("web")
    for round_number in range(1, 6):
        await asyncio.sleep(step_millis * round_number / 1000)
        await world.stop()
        world.start()
    await world.until_gone("web", seconds=20)
    assert [writes(world, name) for name in ("a", "b", "c")] == [Counter()] * 3


async def test_a_restart_of_postgresql_in_the_middle_is_survived(
    world: Any, make_config_map: Callable[..., Any], postgres_server: ScratchPostgres
) -> None:
    manifests = [make_config_map(f"settings-{number}") for number in range(100)]
    await world.apply("web", *manifests)
    await world.until_work("a", "Applied")

    await postgres_server.server.stop()
    await postgres_server.server.start()

    await world.until_state("web", UnitState.READY, seconds=40)
    assert not world.running.done()


async def test_one_of_two_replicas_leads_and_the_other_follows_at_once(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await asyncio.wait_for(world.leadership.leading.wait(), 5)
    second = Leadership()
    run = run_controllers(world.store, holder="second", settings=world.settings, leadership=second)
    waiting = asyncio.get_running_loop().create_task(run)
    try:
        await world.apply("first", make_config_map("first"))
        await world.until_state("first", UnitState.READY)
        assert not second.leading.is_set()
        await world.stop()
        await asyncio.wait_for(second.leading.wait(), 5)
        assert second.epoch == world.leadership.epoch + 1
        await world.apply("web", make_config_map())
        await world.until_state("web", UnitState.READY)
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_member_that_comes_late_gets_what_belongs_to_it(
    quiet_world: Any, make_config_map: Callable[..., Any]
) -> None:
    await quiet_world.register("a")
    quiet_world.start()
    await quiet_world.apply("web", make_config_map())
    await quiet_world.until_state("web", UnitState.READY)

    await quiet_world.register("b")

    async def both() -> bool:
        status = await quiet_world.status("web")
        return [line.cluster for line in status.clusters] == ["a", "b"] and status.state == UnitState.READY

    await quiet_world.until(both)
