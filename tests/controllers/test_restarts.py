import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from fedsvc.controllers import deciding
from fedsvc.controllers.runner import Leadership, run_controllers
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.rendering.overrides import Override
from fedsvc.store import leases, policies
from fedsvc.store.database import Database
from fedsvc.store.sql import text
from fedsvc.store.store import Store
from fedsvc.testing.postgres import ScratchPostgres
from fedsvc_placement import ClusterMatcher, LabelSelector, Placement


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
    manifests = [make_config_map(f"settings-{number}") for number in range(36)]
    await world.apply("web", *manifests)
    for round_number in range(1, 9):
        await asyncio.sleep(step_millis * round_number / 1000)  # whatever it is doing just then
        await world.stop()
        world.start()
    await world.until_state("web", UnitState.READY, seconds=20)
    expected = Counter(f"settings-{number}" for number in range(36))
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


# --- changes that nobody decided on yet -----------------------------------------------------------------------------

TIER = Placement(cluster_selector=LabelSelector(match_labels=(("tier", "prod"),)))
BY_POLICY = UnitSpec(placement_policy="p", override_policies=("o",))


async def put_policies(world: Any, *, clusters: tuple[str, ...] = ("a",), team: str = "one") -> None:
    async with world.store.transaction() as tx:
        await policies.apply(tx, policies.PLACEMENT, name="p", labels={}, spec=Placement(clusters=clusters))
        await policies.apply(tx, policies.OVERRIDE, name="o", labels={}, spec=(Override(annotations={"team": team}),))


async def change_placement_policy(world: Any) -> None:
    await put_policies(world, clusters=("b",))


async def change_override_policy(world: Any) -> None:
    await put_policies(world, team="two")


async def change_labels(world: Any) -> None:
    await world.change_cluster("c", labels={"tier": "prod", "colour": "blue"})


async def look(world: Any) -> dict[str, tuple[str, ...]]:
    """Where each unit is, with what its object there is annotated."""
    found: dict[str, tuple[str, ...]] = {}
    for name in ("by-policy", "by-label"):
        status = await world.status(name)
        settled = status.state == UnitState.READY
        for cluster in [line.cluster for line in status.clusters] if settled else ["?"]:
            live = await world.get(cluster, f"/api/v1/namespaces/shop/configmaps/{name}") if settled else None
            marks = live["metadata"].get("annotations", {}) if live else {}
            found[name] = (*found.get(name, ()), f"{cluster}{marks.get('team', '')}{marks.get('colour', '')}")
    return found


@pytest.fixture
async def decided_world(world: Any, make_config_map: Callable[..., Any]) -> Any:
    """A unit that is placed and overridden by policies, and one that is by labels of clusters."""
    await put_policies(world)
    blue = ClusterMatcher(selector=LabelSelector(match_labels=(("colour", "blue"),)))
    await world.change_cluster("a", labels={"tier": "prod"})
    await world.apply("by-policy", make_config_map("by-policy"), spec=BY_POLICY)
    await world.apply(
        "by-label",
        make_config_map("by-label"),
        placement=TIER,
        overrides=(Override(clusters=blue, annotations={"colour": "blue"}),),
    )
    await until_it_looks(world, BEFORE)
    return world


BEFORE: dict[str, tuple[str, ...]] = {"by-policy": ("aone",), "by-label": ("a",)}
CHANGES: list[tuple[Callable[[Any], Awaitable[None]], dict[str, tuple[str, ...]]]] = [
    (change_placement_policy, {"by-policy": ("bone",), "by-label": ("a",)}),
    (change_override_policy, {"by-policy": ("atwo",), "by-label": ("a",)}),
    (change_labels, {"by-policy": ("aone",), "by-label": ("a", "cblue")}),
]


async def until_it_looks(world: Any, expected: dict[str, tuple[str, ...]]) -> None:
    async def as_expected() -> bool:
        return await look(world) == expected

    await world.until(as_expected, seconds=15)


@pytest.fixture
async def other_store(database_url: str, store: Store) -> AsyncIterator[Store]:
    """What another replica has: its own connections and its own feed."""
    other = Store(Database(database_url), store.sealer)
    feed = asyncio.get_running_loop().create_task(other.feed.run())
    try:
        yield other
    finally:
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)
        await other.close()


@pytest.mark.parametrize("successor", ["itself, started again", "another replica"])
@pytest.mark.parametrize(("change", "expected"), CHANGES, ids=[change.__name__ for change, _ in CHANGES])
async def test_a_leader_killed_between_a_change_and_the_decision_is_made_up_for(
    decided_world: Any,
    other_store: Store,
    change: Callable[[Any], Awaitable[None]],
    expected: dict[str, tuple[str, ...]],
    successor: str,
) -> None:
    world, leader = decided_world, decided_world.running
    # Within the commit: it has taken note, and not come to anything else.
    stop = world.store.on_commit(lambda _: leader.cancel())
    await change(world)
    stop()
    await asyncio.gather(leader, return_exceptions=True)
    assert await look(world) == BEFORE

    if successor == "another replica":
        run = run_controllers(other_store, holder="second", settings=world.settings)
        world.running = asyncio.get_running_loop().create_task(run)
    else:
        world.start()
    await until_it_looks(world, expected)


MOVE_POLICY = (
    "UPDATE policy SET spec = jsonb_set(spec, '{clusters}', '[\"b\"]'), generation = generation + 1"
    " WHERE type = 'placement'"
)
LABEL_CLUSTER = (
    "UPDATE cluster SET labels = jsonb_build_object('tier', 'prod', 'colour', 'blue'), generation = generation + 1"
    " WHERE name = 'c'"
)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (MOVE_POLICY, {"by-policy": ("bone",), "by-label": ("a", "b")}),
        (LABEL_CLUSTER, {"by-policy": ("aone",), "by-label": ("a", "b", "cblue")}),
    ],
    ids=["policy", "labels"],
)
async def test_a_change_that_nobody_told_of_is_found_with_the_next_rescan(
    decided_world: Any, statement: str, expected: dict[str, tuple[str, ...]]
) -> None:
    world = decided_world
    await world.stop()
    world.settings = replace(world.settings, rescan_seconds=0.3)
    world.start()
    # Both units are in one batch: when this is seen, the look at everything with which a leader begins is over.
    await world.change_cluster("b", labels={"tier": "prod"})
    await until_it_looks(world, {"by-policy": ("aone",), "by-label": ("a", "b")})
    # Past the change log, as what another replica commits while this one's feed is away.
    async with world.store.database.begin() as connection:
        await connection.execute(statement)
    await until_it_looks(world, expected)


async def test_a_policy_that_changes_while_a_unit_is_first_decided_with_it_is_not_missed(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await put_policies(world)
    decide_batch = deciding.decide_batch
    changed = asyncio.Event()

    async def change_and_decide(*arguments: Any, **named: Any) -> Any:
        if not changed.is_set():
            changed.set()
            await put_policies(world, clusters=("b",), team="two")  # after the policies were read for the decision
        return await decide_batch(*arguments, **named)

    monkeypatch.setattr("fedsvc.controllers.placement.decide_batch", change_and_decide)
    await world.apply("by-policy", make_config_map("by-policy"), spec=BY_POLICY)
    await world.apply("by-label", make_config_map("by-label"), spec=UnitSpec())
    await asyncio.wait_for(changed.wait(), 5)

    async def moved() -> bool:
        status = await world.status("by-policy")
        return [line.cluster for line in status.clusters] == ["b"] and status.state == UnitState.READY

    await world.until(moved)


async def test_a_leader_that_does_not_know_it_was_followed_steps_down_and_writes_nothing(
    decided_world: Any, other_store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = decided_world
    # Deaf to the end of its connection, as a process that was stopped and goes on.
    await world.stop()
    monkeypatch.setattr(leases, "CHECK_SECONDS", 1_000.0)
    monkeypatch.setattr(asyncpg.Connection, "add_termination_listener", lambda *_: None)
    world.start()
    await asyncio.wait_for(world.leadership.leading.wait(), 5)
    first = world.leadership
    monkeypatch.undo()

    admin = await asyncpg.connect(database_url)
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'fedsvc lease controllers'"
    )
    await admin.close()
    assert first.leading.is_set(), "it does not know that it lost the lock"
    second = Leadership()
    run = run_controllers(other_store, holder="second", settings=world.settings, leadership=second)
    waiting = asyncio.get_running_loop().create_task(run)
    try:
        await asyncio.wait_for(second.leading.wait(), 10)
        await change_placement_policy(world)
        await until_it_looks(world, CHANGES[0][1])

        async def stepped_down() -> bool:
            return not first.leading.is_set()

        await world.until(stepped_down)
        assert second.leading.is_set()
        async with world.store.reader() as tx:
            assert (await tx.execute(text("SELECT holder FROM lease"))).scalar_one() == "second"
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
