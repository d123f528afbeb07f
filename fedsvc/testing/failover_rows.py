"""The store of `failover_model`, as plain data: what is asked of it, and what decisions and removals change in it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from fedsvc.health import (
    Automation,
    BreakerState,
    Verdict,
    taints_of,
)
from fedsvc.model.ailing import RETRY
from fedsvc.model.departure import (
    Departure,
    DepartureCause,
)
from fedsvc.model.failover import AWAITING_REPLACEMENT, MEMBER_LOST
from fedsvc.model.floor import WHOLE
from fedsvc.model.hold import FLEET_SUBJECT, Hold, HoldKind, HoldScope
from fedsvc.model.removal import CHANGE_SECONDS, DEFAULT, HOUR_SECONDS, OVER_BUDGET, RemovalBudget, limits
from fedsvc.store.automation import Gate
from fedsvc.testing.failover_parts import REAL, Decided, Illness, Member, Process, Rules, Unit, Watcher, Work
from fedsvc.testing.weather import Weather
from fedsvc_placement import ClusterSnapshot, Fleet, PreparedFleet, prepare_fleet

START: Final = datetime(2026, 11, 27, tzinfo=UTC)


class Rows:
    """Members, units and what is held; time is told from outside."""

    def __init__(
        self,
        *,
        seed: int,
        members: Sequence[Member],
        units: Sequence[Unit],
        weather: Weather,
        watcher: Watcher,
        rules: Rules = REAL,
        budget: RemovalBudget = DEFAULT,
        has_witness: bool = False,
        ills: Sequence[Illness] = (),
    ) -> None:
        self.seed = seed
        self.members = {one.name: one for one in members}
        self.units = {one.name: one for one in units}
        self.weather = weather
        self.ills = tuple(ills)
        self.rules = rules
        self.budget = budget
        self.seconds = 0.0
        self.breaker = BreakerState()
        self.version = 0
        self.pauses: dict[str, HoldScope] = {}  # of people, by subject
        self.leader: Process | None = None
        self.returns: list[tuple[str, datetime]] = []  # by cluster: when a unit went back to it
        self.removed: list[tuple[float, int, bool]] = []  # (when, how many, by a decision), unconfirmed
        self._has_witness = has_witness
        self._sight: tuple[str, bool] = ("", False)
        self._watcher = watcher
        self._prepared: tuple[object, PreparedFleet] | None = None

    @property
    def now(self) -> datetime:
        """The clock."""
        return START + timedelta(seconds=self.seconds)

    @property
    def is_held(self) -> bool:
        """Whether automation is held for the fleet, by the breaker or by somebody."""
        return self.breaker.automation is Automation.HOLDING or self.pauses.get(FLEET_SUBJECT) is HoldScope.AUTOMATION

    def is_ready(self, unit: str, member: str, *, after_seconds: float = 0.0) -> bool:
        """Whether a unit is ready on a member in truth, or was so long ago."""
        seconds = self.seconds - after_seconds
        ready = self.members[member].objects.get(unit, float("inf")) <= self.seconds
        return ready and not any(
            ill.ails(unit, member, self.seconds) and ill.begin_seconds < seconds for ill in self.ills
        )

    def holds(self) -> list[Hold]:
        """What is held, as it is asked before each write."""
        found = [
            Hold(subject=subject, kind=HoldKind.PAUSE, scope=scope, reason="", create_time=START)
            for subject, scope in self.pauses.items()
        ]
        if self.breaker.automation is Automation.HOLDING:
            breaker = HoldKind.BREAKER
            found.append(
                Hold(subject=FLEET_SUBJECT, kind=breaker, scope=HoldScope.AUTOMATION, reason="", create_time=START)
            )
        for member in self.members.values():
            if not self.rules.may_be_removed_from(member.health):
                subject, kind = f"clusters/{member.name}", HoldKind.HEALTH
                found.append(Hold(subject=subject, kind=kind, scope=HoldScope.REMOVALS, reason="", create_time=START))
        return found

    def gate(self) -> Gate:
        """What automation may act on."""
        subjects = {subject for subject, scope in self.pauses.items() if scope is HoldScope.AUTOMATION}
        return Gate(
            version=self.version,
            is_on=self.breaker.automation is Automation.ON and FLEET_SUBJECT not in subjects,
            held_clusters=frozenset(one.removeprefix("clusters/") for one in subjects if one.startswith("clusters/")),
            held_units=frozenset(one for one in subjects if "/units/" in one),
            is_held=self.is_held,
        )

    def _snapshots(self) -> tuple[ClusterSnapshot, ...]:
        gate = self.gate()
        return tuple(
            gate.seen(
                ClusterSnapshot(
                    name=one.name,
                    region=one.region,
                    jurisdiction=one.jurisdiction,
                    labels={"region": one.region},
                    taints=(*one.taints, *taints_of(one.health)),
                )
            )
            for _, one in sorted(self.members.items())
        )

    def _snapshots_key(self) -> object:
        return tuple((one.name, one.taints) for one in self._snapshots())

    def _fleet_key(self) -> object:
        return (self._snapshots_key(), tuple(sorted(self.gate().held_units)))

    def _fleet(self) -> PreparedFleet:
        key = self._snapshots_key()
        if self._prepared is None or self._prepared[0] != key:
            self._prepared = (key, prepare_fleet(Fleet(clusters=self._snapshots())))
        return self._prepared[1]

    def _still_acts(self, one: Decided) -> bool:
        if not (one.lost or one.ailing) or not self.rules.is_checked:
            return True
        return self.version == one.version and all(
            self.members[name].health.verdict is Verdict.UNREACHABLE for name in one.lost
        )

    def _note_departures(self, unit: Unit, one: Decided) -> None:
        for name in one.lost:
            self._watcher.evicted(self, unit, name)
        for name in one.ailing:
            self._watcher.left_ailing(self, unit, name)
        for name in one.heard:
            unit.departures[name] = replace(unit.departures[name], is_pending=False, return_time=None)
        for name in one.ended:
            tried = unit.departures[name]
            if tried.cause is DepartureCause.UNHEALTHY and tried.leave_time is None and tried.return_time is None:
                unit.departures[name] = replace(tried, is_pending=False, due_time=self.now + RETRY)
                continue
            self._watcher.returned(self, unit, name)
            self.returns.append((name, self.now))
            del unit.departures[name]
        for name in one.lost:
            unit.departures[name] = Departure(
                cluster=name,
                cause=DepartureCause.LOST,
                due_time=self.now,
                leave_time=self.now,
                free_time=self.now,
                gained=one.gained,
            )
        for name in one.ailing:
            if name in unit.bindings:
                unit.departures[name] = replace(unit.departures[name], leave_time=self.now, gained=one.gained)

    def _return_times(self) -> dict[str, list[datetime]]:
        found: dict[str, list[datetime]] = {}
        for cluster, at in self.returns:
            if at >= (self.members[cluster].health.since or self.now):
                found.setdefault(cluster, []).append(at)
        return found

    def _judge(self, doomed: Sequence[tuple[Unit, list[Work]]]) -> None:
        """Count what goes by decisions, or hold it; a unit that only moves loses nothing."""
        asked = [(unit, works) for unit, works in doomed if works and not unit.bindings]
        count = sum(max(0, len(works) - unit.granted) for unit, works in asked)
        for unit, works in asked:
            unit.granted = max(0, unit.granted - len(works))
        if not count:
            return
        if self._refused(count) is None:
            self._authorise("decisions", count)
            return
        for _, works in asked:
            for work in works:
                work.state, work.reason = "Held", OVER_BUDGET

    def ready_on(self, unit: Unit) -> dict[str, dict[str, int]]:
        """Where a unit is ready, of the clusters that live, what it left included."""
        return {
            name: {WHOLE: int(work.is_ready)}
            for name, work in unit.works.items()
            if self.members[name].health.verdict not in (Verdict.UNREACHABLE, Verdict.SUSPECT)
        }

    def _is_short(self, unit: Unit, left: Collection[str]) -> bool:
        """Whether the floor of a unit keeps what it left."""
        floor = unit.policy.floor
        if floor is None or unit.is_deleting:
            return False
        return bool(self.rules.shortage(left, {WHOLE: len(unit.bindings)}, self.ready_on(unit), floor))

    def _spent(self) -> tuple[int, int]:
        of_change = sum(n for at, n, made in self.removed if made and at > self.seconds - CHANGE_SECONDS)
        return of_change, sum(n for at, n, _ in self.removed if at > self.seconds - HOUR_SECONDS)

    def fleet_objects(self) -> int:
        """Objects that members hold, as far as is known."""
        return sum(work.is_there for unit in self.units.values() for work in unit.works.values())

    def _refused(self, count: int) -> tuple[str, str] | None:
        change, hour = self._spent()
        within = limits(self.budget, None, fleet_objects=self.fleet_objects(), unit_objects=0)
        return self.rules.refusal(count, change_objects=change, hour_objects=hour, is_emptied=False, within=within)

    def _authorise(self, what: str, count: int) -> None:
        self.removed.append((self.seconds, count, True))
        self._watcher.authorised(self, what, count)

    def _is_grave(self, unit: Unit, name: str, work: Work) -> bool:
        if work.state != "Held" or work.reason not in (MEMBER_LOST, AWAITING_REPLACEMENT):
            return False
        return self.rules.may_go(
            work.reason,
            self.members[name].health,
            is_going=unit.is_deleting,
            bound=[self.members[cluster].health for cluster in unit.bindings],
            works=[
                (self.members[cluster].health, other.is_ready and other.state == "Applied")
                for cluster, other in unit.works.items()
                if not other.is_removal
            ],
        )

    def _finish(self, unit: Unit) -> None:
        if unit.is_deleting and not unit.works and unit.decided == unit.generation:
            self.units.pop(unit.name, None)


def with_objects(model: Rows) -> Mapping[str, set[str]]:
    """The clusters that hold each unit in truth."""
    found: dict[str, set[str]] = {}
    for member in model.members.values():
        for unit in member.objects:
            found.setdefault(unit, set()).add(member.name)
    return found
