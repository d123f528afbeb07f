from typing import Any

import pytest

from fedsvc.store import served_kinds

pytestmark = pytest.mark.postgres

WIDGET = ["example.com", "v1", "Widget", "widgets", True]
GADGET = ["example.com", "v1", "Gadget", "gadgets", False]


async def served(world: Any, *names: str) -> dict[str, Any]:
    async with world.store.look() as look:
        return await served_kinds.api_resources(look, names or None)


async def test_clusters_that_serve_the_same_have_the_same_kinds(world: Any) -> None:
    for name in ("a", "b", "c"):
        await world.cluster(name)
    for name in ("a", "b"):
        await world.run(served_kinds.set_api_resources, name, [WIDGET])

    found = await served(world)

    assert found == {"a": (tuple(WIDGET),), "b": (tuple(WIDGET),), "c": ()}
    assert found["a"] is found["b"] is (await served(world, "a"))["a"]


async def test_what_a_member_serves_anew_is_known_at_the_next_look(world: Any) -> None:
    await world.cluster("a")
    for kinds in ([WIDGET], [WIDGET, GADGET], [WIDGET], []):
        await world.run(served_kinds.set_api_resources, "a", kinds)
        assert await served(world, "a", "unknown") == {"a": tuple(tuple(kind) for kind in kinds)}


async def test_only_a_bounded_number_of_sets_is_kept(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served_kinds, "_MAX_KNOWN", 2)
    monkeypatch.setattr(served_kinds, "_known", {})
    await world.cluster("a")
    for number in range(5):
        await world.run(served_kinds.set_api_resources, "a", [[*WIDGET[:2], f"Kind{number}", *WIDGET[3:]]])
        assert (await served(world))["a"][0][2] == f"Kind{number}"

    assert len(served_kinds._known) == 2
