"""fedsvc's failover as a model: its rules are the real ones, its store, clock and members are plain data.

What is modelled is how the controllers put the rules together: a verdict is stored with a look of the breaker; units
are decided on what was read a moment ago and stored if that still holds; members are written to one work at a time,
with holds asked directly before. Time is virtual, chance comes from a seed, processes may be killed and deposed.
"""

import heapq
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from fedsvc.health import (
    Evidence,
    EvidenceKind,
    FleetMember,
    Limits,
    Streak,
    Verdict,
)
from fedsvc.model.failover import AWAITING_REPLACEMENT, MEMBER_LOST
from fedsvc.model.hold import HoldScope, Write
from fedsvc.model.removal import OVER_BUDGET
from fedsvc.testing.failover_ailing import AILING_SECONDS, AILING_SETTLE_SECONDS, Ailing
from fedsvc.testing.failover_deciding import away, decided
from fedsvc.testing.failover_parts import Decided, Member, Process, Unit, Work
from fedsvc_placement import Taint
from fedsvc_placement.model import MAINTENANCE_TAINT, Effect

PROBE_SECONDS: Final = 5.0
PROBE_AGAIN_SECONDS: Final = 2.0
PROBE_TIMEOUT_SECONDS: Final = 3.0
BREAKER_SECONDS: Final = 5.0
RETURN_SECONDS: Final = 1.0
"""As the defaults of the controllers' settings."""

_SETTLED: Final = frozenset({Verdict.UNREACHABLE, Verdict.DEGRADED, Verdict.MAINTENANCE, Verdict.HIBERNATED})


class Model(Ailing):
    """One run. What it is made of is given to `Rows`."""

    def __init__(self, *, seed: int, **given: Any) -> None:
        super().__init__(seed=seed, **given)
        self._picks = random.Random(f"model/{seed}")  # noqa: S311 - a choice of examples
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._is_begun = False

    def at(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen at a time."""
        self._count += 1
        heapq.heappush(self._queue, (seconds, self._count, act))

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Have something happen so long after now."""
        self.at(self.seconds + seconds, act)

    def run(self, until_seconds: float) -> None:
        """Let time pass until then."""
        if not self._is_begun:
            self._is_begun = True
            self.at(0.0, self.take_over)
            self._every(1.0, lambda: self._watcher.passed(self))
        while self._queue and self._queue[0][0] <= until_seconds:
            self.seconds, _, act = heapq.heappop(self._queue)
            act()

    def take_over(self) -> None:
        """Another process leads from now on; the one before goes on with what it began, not knowing it."""
        process = self.leader = Process(dirty=set(self.units))
        for member in self.members.values():
            self._later(process, member.phase * PROBE_SECONDS, partial(self._probe, process, member))
        self._recurring(process, BREAKER_SECONDS, lambda: self._look_around(process))
        self._recurring(process, RETURN_SECONDS, lambda: self._bring_back(process))
        self._recurring(process, RETURN_SECONDS, lambda: self._clean(process))
        self._later(
            process, AILING_SETTLE_SECONDS, lambda: self._recurring(process, AILING_SECONDS, self._follow_ailing)
        )
        self._recurring(process, 1.0, lambda: self._propagate_all(process))
        self._wake(process)

    def kill(self) -> None:
        """The process ends where it stands."""
        if self.leader is not None:
            self.leader.is_over = True
            self.leader = None

    def hold(self, subject: str, scope: HoldScope | None) -> None:
        """Somebody holds something, or lets go (None)."""
        if scope is None:
            self.pauses.pop(subject, None)
        else:
            self.pauses[subject] = scope
        self.version += 1
        self._changed()

    def release(self) -> None:
        """Somebody takes what is lost as lost."""
        self._look(released=True)

    def empty(self, member: str, *, is_over: bool = False) -> None:
        """A maintenance of a member begins or is over."""
        taint = Taint(key=MAINTENANCE_TAINT, value="", effect=Effect.NO_EXECUTE, time_added=self.now)
        self.members[member].taints = () if is_over else (taint,)
        self._changed()

    def apply(self, unit: Unit) -> None:
        """Somebody applies a new unit."""
        self.units[unit.name] = unit
        self._dirty({unit.name})

    def delete(self, name: str) -> None:
        """Somebody deletes a unit, and confirms what goes with it."""
        unit = self.units.get(name)
        if unit is not None and not unit.is_deleting:
            unit.is_deleting, unit.generation = True, unit.generation + 1
            unit.granted = sum(work.is_there for work in unit.works.values())
            self._dirty({name})

    def confirm(self) -> None:
        """Somebody confirms all removals that are held for their number."""
        for unit in self.units.values():
            for work in unit.works.values():
                if work.state == "Held" and work.reason == OVER_BUDGET:
                    work.state, work.reason = "Removing", ""

    def _probe(self, process: Process, member: Member) -> None:
        kind = self.weather.found(member.name, self.seconds)
        takes = PROBE_TIMEOUT_SECONDS if kind is EvidenceKind.TIMED_OUT else 0.02
        self._later(process, takes, lambda: self._conclude(process, member, kind))

    def _conclude(self, process: Process, member: Member, kind: EvidenceKind) -> None:
        if self.leader is not process:
            return
        expected = Verdict.MAINTENANCE if member.taints else None
        streak = process.streaks.get(member.name, Streak())
        before = member.health
        member.health, process.streaks[member.name] = self.rules.judge(
            before, streak, Evidence(kind=kind), now=self.now, expected=expected, limits=Limits()
        )
        if member.health != before:
            self._look()
        if kind is EvidenceKind.WELL:
            self._observe(member)
        again = process.streaks[member.name].is_bad and member.health.verdict not in _SETTLED
        pause = PROBE_AGAIN_SECONDS if again else PROBE_SECONDS * (0.9 + 0.2 * member.phase)
        self._later(process, pause, partial(self._probe, process, member))

    def _observe(self, member: Member) -> None:
        """What the watches of a member that is heard tell."""
        for unit in self.units.values():
            work = unit.works.get(member.name)
            if work is None or work.is_removal:
                continue
            if work.is_there and unit.name not in member.objects:
                work.state, work.is_there = "Pending", False  # drift
            work.is_ready = self.is_ready(unit.name, member.name)

    def _look_around(self, process: Process) -> None:
        if self._has_witness:
            hidden = self.weather.hides_witness(self.seconds)
            process.silent = process.silent + 1 if hidden else 0
            process.was_reached = process.was_reached or not hidden
            error = "the witness does not answer" if process.silent > 1 else ""
            self._sight = (error, process.was_reached)
        self._look()

    def _look(self, *, released: bool = False) -> None:
        fleet = [
            FleetMember(name=one.name, health=one.health, region=one.region) for _, one in sorted(self.members.items())
        ]
        error, has_witness = self._sight
        before = self.breaker
        self.breaker = self.rules.breaker(
            before, fleet, now=self.now, self_check_error=error, has_witness=has_witness, released=released
        )
        if self.breaker.automation is not before.automation:
            self.version += 1
        self._changed()

    def _changed(self) -> None:
        """Whoever decides looks at the fleet."""
        if self.leader is not None and self.leader.seen is not None:
            key = self._fleet_key()
            if key != self.leader.seen:
                self._dirty(set(self.units))

    def _dirty(self, names: set[str]) -> None:
        if self.leader is not None:
            self.leader.dirty |= names
            self._wake(self.leader)

    def _wake(self, process: Process) -> None:
        if not process.is_deciding and not process.is_waiting and process.dirty:
            process.is_waiting = True
            self._later(process, self._picks.uniform(0.0, 0.5), lambda: self._decide(process))

    def _decide(self, process: Process) -> None:
        """Decide all units that are to be looked at, on what is now; stored a little later."""
        process.is_waiting, process.is_deciding = False, True
        process.seen = self._fleet_key()
        names, process.dirty = sorted(process.dirty), set()
        fleet, held = self._fleet(), self.gate().held_units
        done = [
            decided(
                self.units[name],
                fleet,
                rules=self.rules,
                version=self.version,
                is_held=f"namespaces/shop/units/{name}" in held,
                held=self.gate().held_clusters,
                is_on=self.gate().is_on,
                now=self.now,
            )
            for name in names
            if name in self.units
        ]
        self._later(process, self._picks.choice([0.01, 0.05, 2.0]), lambda: self._store(process, done))

    def _store(self, process: Process, done: Sequence[Decided]) -> None:
        process.is_deciding = False
        if self.leader is not process:
            return  # what a deposed process decided is fenced off
        doomed: list[tuple[Unit, list[Work]]] = []
        for one in done:
            unit = self.units.get(one.unit)
            if unit is None:
                continue
            if unit.generation != one.generation or not self._still_acts(one):
                process.dirty.add(one.unit)
                continue
            doomed.append((unit, self._sync(unit, one)))
        self._judge(doomed)
        self._wake(process)

    def _sync(self, unit: Unit, one: Decided) -> list[Work]:
        """Make bindings and works what was decided; gives the works that are to go and that nobody has judged yet."""
        targets = set() if unit.is_deleting else {target.cluster for target in one.decision.targets}
        self._note_departures(unit, one)
        gone = unit.bindings.keys() - targets
        unit.bindings = {name: unit.bindings.get(name, self.now) for name in sorted(targets)}
        unit.decided, unit.memory = one.generation, one.decision.memory
        unit.reconsider_at = one.decision.reconsider_at
        if unit.reconsider_at is not None:
            wait = max(0.0, (unit.reconsider_at - self.now).total_seconds())
            self.after(wait + 0.01, lambda: self._dirty({unit.name}))
        for name in targets:
            wanted = unit.works.setdefault(name, Work())
            if wanted.is_removal:
                wanted.is_removal, wanted.state, wanted.reason, wanted.version = (
                    False,
                    "Pending",
                    "",
                    wanted.version + 1,
                )
        doomed = []
        for name in [*gone, *(unit.works if unit.is_deleting else ())]:
            work = unit.works.get(name)
            if work is None or work.is_removal:
                continue
            work.is_removal, work.state, work.reason, work.version = True, "Removing", "", work.version + 1
            work.is_counted = False
            if name in one.lost:
                work.state, work.reason, work.is_counted = "Held", MEMBER_LOST, work.is_there
            elif name in one.emptied:
                work.state, work.reason = "Held", AWAITING_REPLACEMENT
            elif work.is_there:
                doomed.append(work)
        self._finish(unit)
        self._watcher.moved(self, unit)
        return doomed

    def _bring_back(self, process: Process) -> None:
        """Let units go back to clusters that are well for long enough."""
        if self.leader is not process or not self.gate().is_on:
            return
        gate = self.gate()
        found = [
            away(unit, one, self.members[one.cluster], self.now)
            for unit in self.units.values()
            for one in unit.departures.values()
            if one.return_time is None
            and one.free_time is not None
            and not unit.is_deleting
            and f"namespaces/shop/units/{unit.name}" not in gate.held_units
            and one.cluster not in gate.held_clusters
        ]
        for due in self.rules.due_back(found, self._return_times(), self.now) if found else ():
            unit = self.units[due.uid]
            unit.departures[due.cluster] = replace(unit.departures[due.cluster], return_time=self.now, is_pending=True)
            self._dirty({unit.name})

    def _clean(self, process: Process) -> None:
        """Let go of what units left on clusters that are back."""
        if self.leader is not process or self.is_held:
            return
        for unit in list(self.units.values()):
            left = [name for name, work in unit.works.items() if self._is_grave(unit, name, work)]
            found = [unit.works[name] for name in left]
            count = sum(work.is_counted for work in found)
            if not found or self._is_short(unit, left):
                continue
            if count and self._refused(count) is not None:
                for work in found:
                    work.reason = OVER_BUDGET
                continue
            if count:
                self._authorise(unit.name, count)
            self._watcher.let_go(self, unit, left)
            for work in found:
                work.state, work.reason, work.is_counted = "Removing", "", False

    def _propagate_all(self, process: Process) -> None:
        for unit in list(self.units.values()):
            for name, work in list(unit.works.items()):
                if work.state in ("Pending", "Removing"):
                    # A process that is deposed between the two sends what it had read all the same.
                    wait = self._picks.uniform(0.01, 0.9)
                    self._later(process, wait, partial(self._write, process, unit, name, work, work.version))

    def _write(self, process: Process, unit: Unit, name: str, work: Work, version: int) -> None:
        """One request to a member, and what came of it."""
        member = self.members[name]
        is_removal = work.is_removal
        write = Write(
            cluster=name, unit_name=f"namespaces/shop/units/{unit.name}", is_removal=is_removal, is_change=True
        )
        if work.version != version or self.rules.hold_of(self.holds(), write) is not None:
            return
        if self.weather.found(name, self.seconds) is not EvidenceKind.WELL:
            return
        if is_removal and unit.name in member.objects:
            self._watcher.deleted(self, member, unit.name)
            del member.objects[unit.name]
        elif not is_removal:
            ready = self.seconds + self._picks.uniform(0.5, 5.0)
            member.objects.setdefault(unit.name, ready)
        if self.leader is not process or self._picks.random() < 1 / 20:  # the answer is lost
            work.is_there = True
            return
        if not is_removal:
            work.state, work.is_there = "Applied", True
            return
        unit.works.pop(name, None)
        self._finish(unit)

    def _later(self, process: Process, seconds: float, act: Callable[[], None]) -> None:
        def go() -> None:
            if not process.is_over:
                act()

        self.after(seconds, go)

    def _recurring(self, process: Process, seconds: float, act: Callable[[], None]) -> None:
        def go() -> None:
            if self.leader is process:
                act()
                self._later(process, seconds, go)

        self._later(process, seconds, go)

    def _every(self, seconds: float, act: Callable[[], None]) -> None:
        def go() -> None:
            act()
            self.after(seconds, go)

        self.after(seconds, go)
