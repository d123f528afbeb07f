"""How `failover_model` follows units that are unhealthy where they are, as the controller of the same does."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from typing import Final

from fedsvc.health import Verdict
from fedsvc.model.ailing import Patient, Spot, Wait
from fedsvc.model.departure import Departure, DepartureCause
from fedsvc.model.failover import AWAITING_REPLACEMENT, FailoverMode
from fedsvc.testing.failover_parts import Unit
from fedsvc.testing.failover_rows import Rows

AILING_SECONDS: Final = 5.0
AILING_SETTLE_SECONDS: Final = 30.0
"""As the defaults of the controllers' settings."""

_STOPS: Final = {FailoverMode.MANUAL: Wait.MANUAL, FailoverMode.NEVER: Wait.NEVER}


class Ailing(Rows):
    """The part of the model that looks after the health of units."""

    def _dirty(self, names: set[str]) -> None:
        raise NotImplementedError

    def _follow_ailing(self) -> None:
        gate = self.gate()
        asking = [unit for unit in self.units.values() if unit.policy.unhealthy is not None and not unit.is_deleting]
        for unit in asking:
            self._note_ailments(unit)
        done = self.rules.course(
            [self._patient(unit) for unit in asking if not _is_under_way(unit)],
            bound=self._bound_counts(),
            left={},
            held_clusters=gate.held_clusters,
            now=self.now,
        )
        for unit in asking:
            self._call_off(unit, gate.held_clusters)
            self._retry_and_forget(unit)
        for uid, cluster in done.leaving:
            self._watcher.ordered_away(self, self.units[uid], cluster)
            self.units[uid].departures[cluster] = Departure(
                cluster=cluster, cause=DepartureCause.UNHEALTHY, due_time=self.now, is_pending=True
            )
            self._dirty({uid})
        for uid, cluster in done.returning:
            left = self.units[uid].departures
            left[cluster] = replace(left[cluster], return_time=self.now, is_pending=True)
            self._dirty({uid})

    def _note_ailments(self, unit: Unit) -> None:
        sick = {
            name
            for name in unit.bindings
            if name in unit.works
            and unit.works[name].state == "Applied"
            and not unit.works[name].is_ready
            and self.members[name].health.verdict is Verdict.HEALTHY
        }
        unit.ailments = {name: unit.ailments.get(name, self.now) for name in sorted(sick)}

    def _patient(self, unit: Unit) -> Patient:
        assert unit.policy.unhealthy is not None
        spots = tuple(
            Spot(cluster=name, since=unit.ailments.get(name), is_well=self._is_well(unit, name))
            for name in unit.bindings
        )
        left = {
            name: work.is_ready and self.members[name].health.verdict is Verdict.HEALTHY
            for name, work in unit.works.items()
            if work.state == "Held" and work.reason == AWAITING_REPLACEMENT and _left_for_health(unit, name)
        }
        return Patient(
            uid=unit.name,
            policy=unit.policy.unhealthy,
            priority=unit.policy.priority,
            spots=spots,
            stop=self._stop(unit),
            left=left,
        )

    def _is_well(self, unit: Unit, name: str) -> bool:
        work = unit.works.get(name)
        is_ready = work is not None and work.state == "Applied" and work.is_ready
        return is_ready and self.members[name].health.verdict is Verdict.HEALTHY

    def _stop(self, unit: Unit) -> Wait | None:
        gate = self.gate()
        if not gate.is_on or f"namespaces/shop/units/{unit.name}" in gate.held_units:
            return Wait.HELD
        return _STOPS.get(unit.policy.mode)

    def _bound_counts(self) -> dict[str, int]:
        return {name: sum(name in unit.bindings for unit in self.units.values()) for name in self.members}

    def _call_off(self, unit: Unit, held: Collection[str]) -> None:
        for name, one in list(unit.departures.items()):
            is_tried = one.cause is DepartureCause.UNHEALTHY and one.leave_time is None and one.return_time is None
            if is_tried and (name not in unit.ailments or self._stop(unit) is not None or name in held):
                del unit.departures[name]
                self._dirty({unit.name})

    def _retry_and_forget(self, unit: Unit) -> None:
        assert unit.policy.unhealthy is not None
        forget = timedelta(seconds=unit.policy.unhealthy.forget_seconds)
        for name, one in list(unit.departures.items()):
            if one.cause is not DepartureCause.UNHEALTHY or one.return_time is not None:
                continue
            if one.leave_time is None and not one.is_pending and one.due_time <= self.now:
                unit.departures[name] = replace(one, is_pending=True)
                self._dirty({unit.name})
            kept = name in unit.works and unit.works[name].reason == AWAITING_REPLACEMENT
            if one.leave_time is not None and one.leave_time + forget <= self.now and not kept:
                del unit.departures[name]
                self._dirty({unit.name})


def _left_for_health(unit: Unit, name: str) -> bool:
    one = unit.departures.get(name)
    return one is not None and one.cause is DepartureCause.UNHEALTHY and one.return_time is None


def _is_under_way(unit: Unit) -> bool:
    return any(
        one.cluster in unit.bindings and (one.leave_time is None or one.return_time is not None)
        for one in unit.departures.values()
    )
