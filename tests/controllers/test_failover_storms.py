"""Failover in random weather, with the real controllers: real PostgreSQL, simulated members, replicas that come and go.

A run that fails names its seed: `pytest tests/controllers/test_failover_storms.py --seed SEED --storms 1`. The same
seed does the same things; what meets what is up to the machine. The oracle knows what was done to the members, and
looks at what they received; `tests/health/test_failover_simulation.py` has the long runs, under a virtual clock.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from fedsvc.controllers import health
from fedsvc.controllers.runner import run_controllers
from fedsvc.health import Automation, Limits, Verdict
from fedsvc.model.failover import Failover, FailoverMode, FailoverPolicy
from fedsvc.model.hold import FLEET_SUBJECT, HoldScope
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.simulator.faults import Faults, Outage
from fedsvc.simulator.server import Received
from fedsvc.store import automation, clusters, failovers, holds
from fedsvc_placement import MAINTENANCE_TAINT, Placement, SpreadConstraint, Taint, Topology
from fedsvc_placement.model import Effect

pytestmark = pytest.mark.timeout(3_600)  # with --storms it may take long

MEMBERS = ("a", "b", "c")
LIMITS = Limits(unreachable_seconds=0.2, stable_seconds=0.6, quarantine_seconds=0.8)
TROUBLES = (
    Faults(outage=Outage.REFUSED),
    Faults(outage=Outage.BLACK_HOLE),
    Faults(credentials_revoked=True),
    Faults(error_status=503),
    Faults(lost_share=0.5),
    Faults(latency_seconds=0.25),
)
DEADLY = TROUBLES[:2]
SECONDS = 30.0
LATE_SECONDS = 0.3
"""What was sent before a hold, on knowledge as old as it may be, may still arrive."""


@dataclass(kw_only=True)
class Storm:
    """What is done to the fleet, and what must not come of it."""

    world: Any
    make: Callable[..., Any]  # a manifest
    picks: random.Random
    specs: dict[str, UnitSpec] = field(default_factory=dict)
    units: dict[str, FailoverPolicy] = field(default_factory=dict)
    allowed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    healed_at: dict[str, float] = field(default_factory=dict)  # members that were lost and are well since then
    held_at: float | None = None  # since when somebody holds automation
    others: list[asyncio.Task[None]] = field(default_factory=list)
    deletions: int = 0
    writes: list[str] = field(default_factory=list)  # and what was done, in order
    wrong: list[str] = field(default_factory=list)

    def received(self, write: Received) -> None:
        """A member has dealt with a write."""
        self.note(f"{write.method} {write.cluster}{write.path} {write.status}")
        if write.method != "DELETE" or not write.user_agent.startswith("fedsvc/") or write.status >= 300:
            return
        now, name = asyncio.get_running_loop().time(), write.path.rpartition("/")[2]
        self.deletions += 1
        if now - self.healed_at.get(write.cluster, 0.0) < LIMITS.stable_seconds:
            self.wrong.append(f"{name} was deleted from {write.cluster}, which was lost until a moment ago")
        if self.held_at is not None and now - self.held_at > LATE_SECONDS:
            self.wrong.append(f"{name} was deleted from {write.cluster} while automation was held")

    async def begin(self) -> None:
        """Units of all kinds."""
        for number in range(6):
            name = f"unit-{number}"
            policy = FailoverPolicy(
                mode=FailoverMode.MANUAL if number == 0 else FailoverMode.AUTO,
                toleration_seconds=self.picks.choice([0, 0, 1]),
            )
            most = self.picks.choice([1, 2])
            allowed = tuple(sorted(self.picks.sample(MEMBERS, self.picks.choice([2, 3]))))
            placement = Placement(
                clusters=allowed, spread=(SpreadConstraint(by=Topology.CLUSTER, max_groups=min(most, len(allowed))),)
            )
            self.units[name], self.allowed[name] = policy, allowed
            self.specs[name] = UnitSpec(placement=placement, failover=policy)
            await self.world.apply(name, self.make(name), spec=self.specs[name])
        for name in self.units:
            await self.world.until_state(name, UnitState.READY)

    def told(self) -> str:
        """What happened last, for whoever looks into a failure."""
        return "\n".join(self.writes[-150:])

    def note(self, what: str) -> None:
        """Something was done to the fleet."""
        self.writes.append(f"{asyncio.get_running_loop().time():.2f} {what}")

    async def blow(self) -> None:
        """Some troubles, one after the other or at once."""
        deeds = [self._lose] * 4 + [self._heal, self._hold, self._restart, self._depose, self._empty, self._change]
        for deed in self.picks.choices(deeds, k=8):
            self.note(deed.__name__)
            await deed()
            await asyncio.sleep(self.picks.uniform(0.1, 0.8))

    async def calm(self) -> None:
        """All is well from now on; somebody takes what is lost as lost, since nobody waits for the breaker here."""
        await self._let_go()
        for name in MEMBERS:
            await self.world.change_cluster(name, taints=[])
            await self._mend(name)
        if self.world.running is None:
            self.world.start()

    async def verdicts(self) -> dict[str, Verdict]:
        async with self.world.store.reader() as tx:
            return {name: (await clusters.get(tx, name)).health.verdict for name in MEMBERS}

    async def history(self) -> list[Failover]:
        async with self.world.store.reader() as tx:
            return await failovers.list_page(tx, before=2**62, limit=1_000)

    async def is_settled(self) -> bool:
        """Every unit is where it is placed, ready, and nowhere else."""
        if set((await self.verdicts()).values()) != {Verdict.HEALTHY}:
            return False
        async with self.world.store.transaction() as tx:
            if (await automation.look(tx, released=True)).automation is not Automation.ON:
                return False
        works = await self.world.works()
        placed = {(work.cluster, work.key.name) for work in works if work.state == "Applied"}
        return len(placed) == len(works) and self.there() == placed and {unit for _, unit in placed} == set(self.units)

    def there(self) -> set[tuple[str, str]]:
        """Where objects of units are in truth."""
        return {
            (name, stored.metadata["name"])
            for name in MEMBERS
            for stored in self.world.member(name).store.everything()
            if stored.kind.plural == "configmaps" and stored.metadata["name"] in self.units
        }

    async def _lose(self) -> None:
        name, faults = self.picks.choice(MEMBERS), self.picks.choice([*DEADLY, *TROUBLES])
        self.healed_at.pop(name, None)
        self.note(f"{name}: trouble {TROUBLES.index(faults)}")
        self.world.member(name).inject(faults)

    async def _heal(self) -> None:
        await self._mend(self.picks.choice(MEMBERS))

    async def _mend(self, name: str) -> None:
        was_lost = (await self.verdicts())[name] is Verdict.UNREACHABLE
        if was_lost and self.world.member(name).faults in DEADLY:
            self.healed_at[name] = asyncio.get_running_loop().time()
        self.world.member(name).inject(Faults())

    async def _empty(self) -> None:
        """A maintenance begins."""
        taint = Taint(key=MAINTENANCE_TAINT, value="", effect=Effect.NO_EXECUTE)
        await self.world.change_cluster(self.picks.choice(MEMBERS), taints=[taint])

    async def _change(self) -> None:
        """Somebody changes a unit."""
        name = self.picks.choice(sorted(self.units))
        manifest = self.make(name, v=str(self.picks.randint(0, 10**6)))
        await self.world.apply(name, manifest, spec=self.specs[name])

    async def _hold(self) -> None:
        if self.held_at is not None:
            await self._let_go()
            return
        async with self.world.store.transaction() as tx:
            await holds.put(
                tx, subject=FLEET_SUBJECT, scope=HoldScope.AUTOMATION, reason="", end_time=None, author="ann"
            )
        self.held_at = asyncio.get_running_loop().time()

    async def _let_go(self) -> None:
        self.held_at = None
        async with self.world.store.transaction() as tx:
            await holds.end(tx, subject=FLEET_SUBJECT, scope=None)

    async def _restart(self) -> None:
        """The process is killed, and another begins at once or a little later."""
        await self.world.stop()
        await asyncio.sleep(self.picks.choice([0.0, 0.3]))
        self.world.start()

    async def _depose(self) -> None:
        """A second replica waits for its turn, and the first one ends."""
        run = run_controllers(self.world.store, holder=f"other-{len(self.others)}", settings=self.world.settings)
        self.others.append(asyncio.get_running_loop().create_task(run, name="other-controllers"))
        await asyncio.sleep(0.1)
        await self.world.stop()
        self.world.start()


@pytest.fixture
async def storm(
    quiet_world: Any, monkeypatch: pytest.MonkeyPatch, make_config_map: Callable[..., Any]
) -> AsyncIterator[Storm]:
    """Three members in regions of their own, looked at often; controllers running."""
    quick = partial(
        health.HealthSettings, probe_seconds=0.1, probe_again_seconds=0.05, probe_timeout_seconds=0.2, limits=LIMITS
    )
    monkeypatch.setattr(health, "HealthSettings", quick)
    for name in MEMBERS:
        await quiet_world.register(name, labels={"name": name}, region=f"region-{name}")
    made = Storm(world=quiet_world, make=make_config_map, picks=random.Random(0))  # noqa: S311 - a choice of examples
    quiet_world.simulator.listeners.append(made.received)
    quiet_world.start()
    yield made
    for task in made.others:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_in_any_weather_nothing_is_harmed_and_all_is_well_in_the_end(
    storm: Storm, request: pytest.FixtureRequest
) -> None:
    first = request.config.getoption("--seed")
    await storm.begin()
    for seed in range(first, first + request.config.getoption("--storms")):
        storm.picks = random.Random(seed)  # noqa: S311 - a choice of examples
        await storm.blow()
        await storm.calm()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while not await storm.is_settled():
                    await asyncio.sleep(0.05)
        shown = await storm.world._shown()
        assert await storm.is_settled(), (
            f"seed {seed}: {await storm.verdicts()}, {storm.there()}, {shown}, {storm.told()}"
        )
        assert storm.wrong == [], f"seed {seed}"
        for work in await storm.world.works():
            assert work.cluster in storm.allowed[work.key.name], f"seed {seed}"
    moved = await storm.history()
    if request.config.getoption("--storms") >= 5:  # what is judged did happen
        assert moved
        assert storm.deletions
    for entry in moved:
        policy = storm.units[entry.unit_name.rpartition("/")[2]]
        assert policy.mode is FailoverMode.AUTO
        assert entry.detect_time is not None
        assert (entry.decide_time - entry.detect_time).total_seconds() >= policy.toleration_seconds
