"""One story, told to two members under all that can go wrong: it comes to the intended end, and no write was forbidden.

The story has adoption that is not allowed, a pause, a change with a removal, a drift, a decision that would remove more
than the unit's budget, and a deletion. In each of these acts it is killed at awaits of the propagator (`--kills 0`: at
each there is), and the whole is told in every weather of `WEATHERS`. The oracle (`fedsvc.testing.audit`) knows what was intended and sees every write
that the members received.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import aiohttp
import pytest

from fedsvc.errors import StoreUnavailableError
from fedsvc.model.fleet import FleetSpec
from fedsvc.model.hold import HoldScope
from fedsvc.model.removal import RemovalBudget
from fedsvc.model.unit import UnitSpec
from fedsvc.simulator import Faults, Outage
from fedsvc.simulator.server import Received
from fedsvc.store import fleet, holds, removals, units
from fedsvc.testing.audit import Intent, why_forbidden
from fedsvc.testing.members import Member
from fedsvc.testing.stepping import Steps
from fedsvc_placement import LabelSelector, Placement

PROPAGATION = frozenset(
    {
        "Propagator.run",
        "Propagator._handle",
        "Propagator._wake_outdated",
        "Propagator._wake_served",
        "Results.run",
        "GroupWriter.run",
        "Pauses.run",
    }
)
MEMBERS = ("a", "b")
COLLECTION = "/api/v1/namespaces/shop/configmaps"
SECONDS = 30.0
ResultT = TypeVar("ResultT")
Act = Callable[["Stage", "Scene"], Awaitable[None]]

# All deadlines and waits cost nothing here: see fedsvc.testing.virtual_loop, also for what is the same at each run.
pytestmark = pytest.mark.virtual_time


@dataclass(kw_only=True)
class Stage:
    """A world whose members' writes are held against what is intended."""

    world: Any
    others: dict[str, Member]
    make: Callable[..., dict[str, Any]]
    intent: Intent = field(default_factory=Intent)
    forbidden: list[str] = field(default_factory=list)
    kept_up: int = 0  # writes of the service that were as they should be

    def received(self, write: Received) -> None:
        fault = why_forbidden(write, self.intent)
        if fault is not None:
            self.forbidden.append(fault)
        else:
            self.kept_up += 1

    async def patiently(self, act: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Do something with the store, again while it is away."""
        async with asyncio.timeout(SECONDS):
            while True:
                try:
                    return await act()
                except StoreUnavailableError:
                    await asyncio.sleep(0.02)

    async def apply(self, unit: str, *manifests: dict[str, Any], spec: UnitSpec | None = None) -> None:
        await self.patiently(lambda: self.world.apply(unit, *manifests, spec=spec))

    async def label(self, member: str, **labels: str) -> None:
        await self.patiently(lambda: self.world.change_cluster(member, labels={"name": member, **labels}))

    async def until_held(self, unit: str) -> None:
        """Wait until a removal waits for somebody who confirms it."""

        async def is_held() -> bool:
            return any(work.state == "Held" for work in await self.world.works(unit))

        async with asyncio.timeout(SECONDS):
            while not await self.patiently(is_held):
                await asyncio.sleep(0.02)

    async def confirm(self, unit: str) -> None:
        async def release() -> None:
            async with self.world.store.transaction() as tx:
                await removals.release(tx, uid=(await units.get(tx, "shop", unit)).uid)

        await self.patiently(release)

    async def pause(self, unit: str) -> None:
        async def put() -> None:
            async with self.world.store.transaction() as tx:
                subject = f"namespaces/shop/units/{unit}"
                await holds.put(
                    tx, subject=subject, scope=HoldScope.EVERYTHING, reason="", end_time=None, author="test"
                )

        await self.patiently(put)

    async def resume(self, unit: str) -> None:
        async def end() -> None:
            async with self.world.store.transaction() as tx:
                await holds.end(tx, subject=f"namespaces/shop/units/{unit}", scope=None)

        await self.patiently(end)

    async def settle(self, unit: str) -> None:
        """Wait until nothing of a unit is under way: what is sent before a pause is stored may arrive after it."""

        async def is_settled() -> bool:
            found = await self.world.works(unit)
            return all(work.state in ("Applied", "Failed") for work in found)

        async with asyncio.timeout(SECONDS):
            while not await self.patiently(is_settled):
                await asyncio.sleep(0.02)

    def data(self, member: str, name: str) -> Any:
        """What an object holds, as the member itself knows; None where it is not there."""
        for stored in self.world.member(member).store.everything():
            if stored.kind.plural == "configmaps" and stored.metadata["name"] == name:
                return stored.body.get("data")
        return None

    async def until(self, expected: dict[tuple[str, str], Any]) -> None:
        """Wait until objects, by member and name, hold this."""
        found: dict[tuple[str, str], Any] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while (found := {key: self.data(*key) for key in expected}) != expected:
                    await asyncio.sleep(0.01)
        works = "" if found == expected else await self.world._shown()
        assert found == expected, f"not so after {SECONDS} s; forbidden: {self.forbidden}; works: {works}"


class Scene:
    """One telling of the story, with names of its own."""

    def __init__(self, number: int) -> None:
        self.unit, self.other, self.guarded, self.label = (
            f"{name}-{number}" for name in ("story", "other", "guarded", "guard")
        )
        self.x, self.y, self.taken, self.beside, self.kept = names = tuple(
            f"{name}-{number}" for name in ("x", "y", "taken", "beside", "kept")
        )
        self.path = {name: f"{COLLECTION}/{name}" for name in names}
        self.foreign = frozenset({("b", self.path[self.taken])})


ONE, TWO, THEIRS = {"v": "1"}, {"v": "2"}, {"whose": "theirs"}


async def adopting_is_not_allowed(stage: Stage, scene: Scene) -> None:
    x, y, taken = scene.x, scene.y, scene.taken
    stage.intent = Intent(data={scene.path[name]: (ONE,) for name in (x, y, taken)}, foreign=scene.foreign)
    await somebody(stage, "b", taken, THEIRS)
    await stage.apply(scene.unit, *[stage.make(name, **ONE) for name in (x, y, taken)])
    await stage.until({("a", taken): ONE, ("b", taken): THEIRS} | {(m, n): ONE for m in MEMBERS for n in (x, y)})
    await stage.settle(scene.unit)


async def a_paused_unit_is_not_written(stage: Stage, scene: Scene) -> None:
    x, y, taken, beside, path = scene.x, scene.y, scene.taken, scene.beside, scene.path
    await stage.pause(scene.unit)
    stage.intent = replace(stage.intent, data={path[beside]: (ONE,)}, held=frozenset({path[x], path[y], path[taken]}))
    await stage.apply(scene.unit, stage.make(x, **TWO), stage.make(taken, **ONE))
    await stage.apply(scene.other, stage.make(beside, **ONE))
    await stage.until({(member, beside): ONE for member in MEMBERS} | {("a", x): ONE, ("a", y): ONE, ("b", y): ONE})


async def a_change_and_a_removal_go_out(stage: Stage, scene: Scene) -> None:
    x, y, path = scene.x, scene.y, scene.path
    data = {path[x]: (TWO,), path[scene.taken]: (ONE,), path[scene.beside]: (ONE,)}
    stage.intent = Intent(data=data, foreign=scene.foreign, removable=frozenset({path[y]}))
    await stage.resume(scene.unit)
    await stage.until({(member, x): TWO for member in MEMBERS} | {(member, y): None for member in MEMBERS})


async def a_drift_is_put_right(stage: Stage, scene: Scene) -> None:
    await somebody(stage, "a", scene.x, {"v": "hacked"})
    await stage.until({("a", scene.x): TWO})


async def more_than_the_budget_is_held(stage: Stage, scene: Scene) -> None:
    kept, path = scene.kept, scene.path
    stage.intent = replace(stage.intent, data={**stage.intent.data, path[kept]: (ONE,)})
    for member in MEMBERS:
        await stage.label(member, **{scene.label: "on"})
    where = Placement(cluster_selector=LabelSelector(match_labels=((scene.label, "on"),)))
    nothing = UnitSpec(placement=where, removals=RemovalBudget(objects_per_change=0))
    await stage.apply(scene.guarded, stage.make(kept, **ONE), spec=nothing)
    await stage.until({(member, kept): ONE for member in MEMBERS})
    await stage.label("b")
    await stage.until_held(scene.guarded)
    stage.intent = replace(stage.intent, removable=stage.intent.removable | {path[kept]})
    await stage.confirm(scene.guarded)
    await stage.until({("a", kept): ONE, ("b", kept): None})


async def all_of_it_is_deleted(stage: Stage, scene: Scene) -> None:
    # What is on its way when it is stored that it shall go may still arrive; what comes after that is seen by the next.
    stage.intent = replace(stage.intent, removable=frozenset(scene.path.values()))
    for name in (scene.unit, scene.other, scene.guarded):
        await stage.patiently(partial(stage.world.delete, name))
    await stage.until_held(scene.guarded)
    await stage.confirm(scene.guarded)
    ours = (scene.x, scene.y, scene.beside, scene.kept)
    gone = {(member, name): None for member in MEMBERS for name in ours}
    await stage.until(gone | {("a", scene.taken): None, ("b", scene.taken): THEIRS})


ACTS = (
    adopting_is_not_allowed,
    a_paused_unit_is_not_written,
    a_change_and_a_removal_go_out,
    a_drift_is_put_right,
    more_than_the_budget_is_held,
    all_of_it_is_deleted,
)


async def tell(stage: Stage) -> None:
    """The story."""
    scene = Scene(0)
    for act in ACTS:
        await act(stage, scene)


async def somebody(stage: Stage, member: str, name: str, data: dict[str, str]) -> None:
    """Somebody else makes or changes an object, whatever is wrong with the member's API just then."""
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "shop"}, "data": data}
    async with asyncio.timeout(SECONDS):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                reply = await stage.others[member].apply(f"{COLLECTION}/{name}", body, force="true")
                if reply.status in (200, 201):
                    return
            await asyncio.sleep(0.01)


@pytest.fixture
async def stage(quiet_world: Any, make_config_map: Callable[..., Any]) -> AsyncIterator[Stage]:
    """Two members, controllers running; a fleet that may lose all that many stories take away."""
    world = quiet_world
    async with world.store.transaction() as tx:
        await fleet.update(tx, FleetSpec(removals=RemovalBudget(objects_per_change=10**6, objects_per_hour=10**6)))
    for name in MEMBERS:
        await world.register(name, labels={"name": name})
    async with contextlib.AsyncExitStack() as stack:
        others = {}
        for name in MEMBERS:
            member = Member(name=name, server=world.simulator.server_of(name), token=world.member(name).admin_token)
            others[name] = await stack.enter_async_context(member)
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
            (await others[name].apply("/api/v1/namespaces/shop", namespace)).expect(201)
        made = Stage(world=world, others=others, make=make_config_map)
        world.simulator.listeners.append(made.received)
        world.start()
        yield made


class Killer:
    """Kills the process while it propagates, and starts it again."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._killed = asyncio.Event()
        self._steps = Steps(PROPAGATION, ended=self._killed.set)

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Know of the propagator's awaits within."""
        loop = asyncio.get_running_loop()
        await self._stage.world.stop()
        loop.set_task_factory(self._steps)
        try:
            self._stage.world.start()
            yield
        finally:
            loop.set_task_factory(None)

    async def count(self, act: Act, scene: Scene) -> int:
        """Let something happen; gives the awaits there were."""
        self._steps.begin(None)
        await act(self._stage, scene)
        return self._steps.count

    async def kill_at(self, step: int, act: Act, scene: Scene) -> bool:
        """Let it happen, and kill the process at one of the awaits; False where there are not so many."""
        self._killed.clear()
        self._steps.begin(step)
        story = asyncio.ensure_future(act(self._stage, scene))
        death = asyncio.ensure_future(self._killed.wait())
        await asyncio.wait({story, death}, return_when=asyncio.FIRST_COMPLETED)
        is_killed = self._killed.is_set()
        if is_killed:
            await self._stage.world.stop()
            self._steps.begin(None)
            self._stage.world.start()
        death.cancel()
        await story
        return is_killed


async def test_the_propagator_may_be_killed_at_any_await(stage: Stage, request: pytest.FixtureRequest) -> None:
    killer = Killer(stage)
    async with killer.following():
        scene = Scene(0)
        counts = [await killer.count(act, scene) for act in ACTS]
        chosen = list(range(1, max(counts) + 1))
        if request.config.getoption("--kills"):
            picks = random.Random(request.config.getoption("--seed"))  # noqa: S311 - a choice of examples
            chosen = sorted(picks.sample(chosen, request.config.getoption("--kills")))
        kills = 0
        for number, step in enumerate(chosen, start=1):
            scene = Scene(number)
            for act in ACTS:
                kills += await killer.kill_at(step, act, scene)
                assert stage.forbidden == [], f"killed at await {step} of {counts} in {act.__name__}"
    assert sum(counts) > 50
    assert kills >= len(chosen)
    assert stage.kept_up > 10 * len(chosen)


async def _constantly(faults: Faults, stage: Stage, _picks: random.Random, _end: Callable[[], Awaitable[None]]) -> None:
    for name in MEMBERS:
        stage.world.member(name).inject(faults)
    await asyncio.Event().wait()


async def _flapping(stage: Stage, picks: random.Random, _end: Callable[[], Awaitable[None]]) -> None:
    while True:
        name = picks.choice(MEMBERS)
        stage.world.member(name).inject(Faults(outage=picks.choice([Outage.REFUSED, Outage.BLACK_HOLE])))
        await asyncio.sleep(picks.uniform(0.01, 0.1))
        stage.world.member(name).inject(Faults())
        await asyncio.sleep(picks.uniform(0.01, 0.2))


async def _refusing(status: int, stage: Stage, picks: random.Random, _end: Callable[[], Awaitable[None]]) -> None:
    """Short storms of refusals."""
    while True:
        name = picks.choice(MEMBERS)
        stage.world.member(name).inject(Faults(error_status=status))
        await asyncio.sleep(picks.uniform(0.01, 0.1))
        stage.world.member(name).inject(Faults())
        await asyncio.sleep(picks.uniform(0.05, 0.3))


async def _forgetting(stage: Stage, picks: random.Random, _end: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(picks.uniform(0.01, 0.1))
        stage.world.member(picks.choice(MEMBERS)).forget_history()


async def _raging(stage: Stage, picks: random.Random, end: Callable[[], Awaitable[None]]) -> None:
    """All of it by turns, and the process killed now and then."""
    faults = [
        Faults(lost_share=0.5),
        Faults(late_write_seconds=0.1),
        Faults(reverse_events=True, repeat_events=True),
        Faults(latency_seconds=0.05, clock_skew_seconds=7_200.0),
        Faults(error_status=429, retry_after_seconds=0),
        Faults(error_status=503, error_share=0.5),
        Faults(watch_silence=True),
        Faults(outage=Outage.REFUSED),
        Faults(outage=Outage.BLACK_HOLE),
    ]
    while True:
        name = picks.choice(MEMBERS)
        stage.world.member(name).inject(picks.choice(faults))
        await asyncio.sleep(picks.uniform(0.02, 0.2))
        match picks.randrange(10):
            case 0:
                await end()
            case 1:
                stage.world.member(name).forget_history()
            case 2:
                await stage.world.stop()
                stage.world.start()
            case _:
                pass
        stage.world.member(name).inject(Faults())
        await asyncio.sleep(picks.uniform(0.02, 0.2))


async def _losing_postgresql(stage: Stage, picks: random.Random, end: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(picks.uniform(0.5, 2.0))
        await end()


def constantly(**faults: Any) -> Any:
    return lambda *arguments: _constantly(Faults(**faults), *arguments)


WEATHERS = {
    "fair": constantly(),
    "lost-answers": constantly(lost_share=0.3),
    "repeated-events": constantly(repeat_events=True),
    "reversed-events": constantly(reverse_events=True, repeat_events=True),
    "late-writes": constantly(late_write_seconds=0.15),
    "slow": constantly(latency_seconds=0.05),
    "clock-ahead": constantly(clock_skew_seconds=7_200.0),
    "clock-behind": constantly(clock_skew_seconds=-7_200.0),
    "overloaded": partial(_refusing, 429),
    "failing": partial(_refusing, 503),
    "history-forgotten": _forgetting,
    "flapping": _flapping,
    "postgresql-gone": _losing_postgresql,
    "raging": _raging,
}


@pytest.mark.parametrize("weather", WEATHERS.values(), ids=WEATHERS.keys())
async def test_in_any_weather_the_story_comes_to_its_end(
    stage: Stage, weather: Any, request: pytest.FixtureRequest, end_connections: Callable[[], Awaitable[None]]
) -> None:
    picks = random.Random(request.config.getoption("--seed"))  # noqa: S311 - a choice of examples
    blowing = asyncio.get_running_loop().create_task(weather(stage, picks, end_connections))
    try:
        await tell(stage)
    finally:
        blowing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await blowing
        for name in MEMBERS:
            stage.world.member(name).inject(Faults())
    assert stage.forbidden == []
