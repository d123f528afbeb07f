"""What a unit of very many objects costs the others: their turn, and no more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fedsvc.model.unit import UnitState
from fedsvc.simulator import Faults


async def test_a_small_unit_is_decided_while_a_large_one_is_carried_out(
    quiet_world: Any, make_config_map: Callable[..., Any]
) -> None:
    world = quiet_world
    world.settings = replace(world.settings, placement_batch_works=100)
    await world.register("a", labels={"name": "a"})
    await world.apply("large", *[make_config_map(f"large-{number}") for number in range(300)])
    await world.apply("small", make_config_map("small"))

    async with world.store.database.begin() as connection:
        await connection.execute("SELECT 1 FROM unit WHERE name = 'large' FOR UPDATE")  # storing it takes long
        world.start()
        await world.until_state("small", UnitState.READY)
        assert await world.works("large") == []

    await world.until_state("large", UnitState.READY, seconds=60)
    # Applied anew while it is carried out, a large unit comes to what it was applied as last.
    await world.apply("large", *[make_config_map(f"large-{number}", a="2") for number in range(300)])
    await world.apply("large", *[make_config_map(f"large-{number}", a="3") for number in range(295)])

    async def as_applied_last() -> bool:
        first, last = [await world.get("a", f"/api/v1/namespaces/shop/configmaps/large-{n}") for n in (0, 299)]
        return bool(first and first["data"] == {"a": "3"} and last is None)

    await world.until(as_applied_last, seconds=60)


async def test_a_change_of_one_object_overtakes_a_rollout_of_hundreds(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("small", make_config_map("small"))
    await world.until_state("small", UnitState.READY)
    world.member("b").inject(Faults(latency_seconds=0.02))
    await world.apply("large", *[make_config_map(f"large-{number}") for number in range(400)])

    async def underway() -> bool:
        return any(work.state == "Applied" for work in await world.works("large", cluster="b"))

    await world.until(underway, seconds=30)
    await world.apply("small", make_config_map("small", a="2"))

    async def changed() -> bool:
        found = await world.get("b", "/api/v1/namespaces/shop/configmaps/small")
        return bool(found and found["data"] == {"a": "2"})

    await world.until(changed)
    waiting = [work for work in await world.works("large", cluster="b") if work.state == "Pending"]
    assert len(waiting) > 100
    await world.until_state("large", UnitState.READY, seconds=60)
