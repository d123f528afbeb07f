"""Judges a run of `failover_model`: what failover may never do, whatever goes wrong, and what it must do in time."""

from collections.abc import Collection, Hashable, Iterator
from datetime import timedelta
from typing import Final

from fedsvc.health import Automation, EvidenceKind, Health, Verdict
from fedsvc.model.departure import DepartureCause
from fedsvc.model.failback import FailbackMode
from fedsvc.model.failover import MEMBER_LOST, FailoverMode
from fedsvc.model.hold import FLEET_SUBJECT, HoldScope
from fedsvc.model.removal import CHANGE_SECONDS, HOUR_SECONDS, OVER_BUDGET, limits
from fedsvc.testing.failover_parts import Member, Unit, Watcher
from fedsvc.testing.failover_rows import START, Rows, with_objects

PROMPT_SECONDS: Final = 15.0
"""What is due is done within so long: decided, stored, written and looked at again, with answers that get lost."""

DETECT_SECONDS: Final = 25.0
"""A member that is gone is known to be within so long."""


class ViolationError(AssertionError):
    """A run did what it must not, or did not what it must."""


class Oracle(Watcher):
    """Raises `ViolationError` at the first thing that is wrong."""

    def __init__(self) -> None:
        self._since: dict[tuple[Hashable, ...], float] = {}
        self._let: list[tuple[float, int]] = []
        self._released_at = START
        self._bound: dict[str, set[str]] = {}
        self.evictions = 0
        self.deletions = 0
        self.returns = 0
        self.holds = 0
        self.ordered = 0

    def released(self, model: Rows) -> None:
        """Somebody takes what is lost as lost, so it may be acted on."""
        self._released_at = model.now

    def deleted(self, model: Rows, member: Member, unit: str) -> None:
        """Nothing is deleted from a member that is not Healthy, or while automation is held."""
        self.deletions += 1
        if not _is_trusted(member.health):
            self._fail(model, f"{unit} is deleted from {member.name}, which is {member.health.verdict}")
        if model.is_held:
            self._fail(model, f"{unit} is deleted from {member.name} while automation is held")

    def let_go(self, model: Rows, unit: Unit, clusters: Collection[str]) -> None:
        """What a unit left is let go only while enough of it is ready elsewhere, in truth and where it is heard."""
        floor = unit.policy.floor
        if floor is None or unit.is_deleting:
            return
        ready = {
            name
            for name, member in model.members.items()
            if member.health.verdict not in (Verdict.UNREACHABLE, Verdict.SUSPECT)
            and model.is_ready(unit.name, name, after_seconds=PROMPT_SECONDS)
        }
        rest, least = len(ready.difference(clusters)), floor.least(len(unit.bindings))
        if rest < least and ready.intersection(clusters):
            self._fail(model, f"{unit.name} leaves {sorted(clusters)}, is ready on {rest}, and its floor is {least}")

    def evicted(self, model: Rows, unit: Unit, cluster: str) -> None:
        """A unit leaves a lost cluster only when it may: nothing is held, its toleration is over, we see the others."""
        self.evictions += 1
        if model.is_held or model.breaker.automation is not Automation.ON:
            self._fail(model, f"{unit.name} leaves {cluster} while automation is {model.breaker.automation} or held")
        health = model.members[cluster].health
        since = health.since or model.now
        if health.verdict is not Verdict.UNREACHABLE or health.kind is EvidenceKind.CREDENTIALS_REFUSED:
            self._fail(model, f"{unit.name} leaves {cluster}, which is {health.verdict} ({health.kind})")
        if model.members[cluster].taints:
            return  # somebody empties it: that holds for all, and at once
        if unit.policy.mode is not FailoverMode.AUTO:
            self._fail(model, f"{unit.name} leaves {cluster} and is not to be moved by itself")
        if _is_paused(model, unit, cluster):
            self._fail(model, f"{unit.name} leaves {cluster}, which somebody holds")
        if (model.now - since).total_seconds() < unit.policy.toleration_seconds:
            self._fail(model, f"{unit.name} leaves {cluster} before its toleration is over")
        used = [name for name, one in model.members.items() if not one.taints]
        begin = model.seconds - 20.0
        if model.weather.is_cut_off(used, begin, model.seconds) and self._released_at < since:
            self._fail(model, f"{unit.name} leaves {cluster} while not one member is reached")

    def ordered_away(self, model: Rows, unit: Unit, cluster: str) -> None:
        """A unit leaves for its health only where it is not well for its time, and is not so everywhere."""
        self.ordered += 1
        assert unit.policy.unhealthy is not None
        health, since = model.members[cluster].health, unit.ailments.get(cluster, model.now)
        if health.verdict is not Verdict.HEALTHY:
            self._fail(model, f"{unit.name} is to leave {cluster} for its health, and that is {health.verdict}")
        if model.is_held or model.breaker.automation is not Automation.ON or _is_paused(model, unit, cluster):
            self._fail(model, f"{unit.name} is to leave {cluster} for its health while automation is held")
        if unit.policy.mode is not FailoverMode.AUTO:
            self._fail(model, f"{unit.name} is to leave {cluster} for its health, and is not to be moved by itself")
        if (model.now - since).total_seconds() < unit.policy.unhealthy.after_seconds:
            self._fail(model, f"{unit.name} is to leave {cluster} for its health before its time")
        others = unit.bindings.keys() - {cluster}
        if others and not any(unit.works[name].is_ready for name in others if name in unit.works):
            self._fail(model, f"{unit.name} is to leave {cluster} for its health, and is ready nowhere else")

    def left_ailing(self, model: Rows, unit: Unit, cluster: str) -> None:
        """A hold that came since it was to leave is not overrun."""
        if model.is_held or model.breaker.automation is not Automation.ON or _is_paused(model, unit, cluster):
            self._fail(model, f"{unit.name} leaves {cluster} for its health while automation is held")

    def authorised(self, model: Rows, unit: str, count: int) -> None:
        """Budgets let go what they may, and no more."""
        self._let.append((model.seconds, count))
        within = limits(model.budget, None, fleet_objects=model.fleet_objects(), unit_objects=0)
        for span, most in ((CHANGE_SECONDS, within.per_change), (HOUR_SECONDS, within.per_hour)):
            found = sum(count for at, count in self._let if at > model.seconds - span)
            if found > most:
                self._fail(model, f"{found} objects are let go in {span} s, the last of {unit}: {most} may be")

    def moved(self, model: Rows, unit: Unit) -> None:
        """A unit is where it may be, and on no more clusters than it says."""
        before, after = self._bound.get(unit.name, set()), set(unit.bindings)
        self._bound[unit.name] = after
        lost = {name for name in before - after if model.members[name].health.verdict is Verdict.UNREACHABLE}
        if lost and not unit.is_deleting and model.is_held and not any(model.members[name].taints for name in lost):
            self._fail(model, f"{unit.name} left {sorted(lost)} while automation was held")
        for name in after:
            law = unit.placement.jurisdictions
            if law is not None and model.members[name].jurisdiction not in law:
                self._fail(model, f"{unit.name}, bound to {law}, is placed on {name}")
            if unit.placement.clusters is not None and name not in unit.placement.clusters:
                self._fail(model, f"{unit.name} is placed on {name}, not one of {unit.placement.clusters}")
        most = unit.placement.spread[0].max_groups if unit.placement.spread else None
        if most is not None and len(after) > most:
            self._fail(model, f"{unit.name} is on {sorted(after)}: {most} may be")

    def returned(self, model: Rows, unit: Unit, cluster: str) -> None:
        """A unit goes back only to a cluster that is well for as long as it asks for, or where nothing else is left."""
        self.returns += 1
        departure, health = unit.departures[cluster], model.members[cluster].health
        if departure.return_time is None or departure.cause is DepartureCause.UNHEALTHY:
            return  # no other place had room, or is better: what it left is better than none
        if unit.policy.failback.mode is not FailbackMode.AFTER:
            self._fail(model, f"{unit.name} goes back to {cluster}, and is not to by itself")
        if health.verdict in (Verdict.UNREACHABLE, Verdict.SUSPECT):
            self._fail(model, f"{unit.name} goes back to {cluster}, which is {health.verdict}")
        stable = timedelta(seconds=unit.policy.failback.stable_seconds)
        if health.verdict is Verdict.HEALTHY and model.now - (health.since or model.now) < stable:
            self._fail(model, f"{unit.name} goes back to {cluster} before that is well for {stable}")

    def passed(self, model: Rows) -> None:
        """What is due is done in time."""
        self.holds += model.breaker.automation is Automation.HOLDING
        due = dict(self._due(model))
        self._since = {key: self._since.get(key, model.seconds) for key in due}
        for key, since in self._since.items():
            if model.seconds - since > (DETECT_SECONDS if "detect" in key else PROMPT_SECONDS):
                self._fail(model, due[key])

    def ended(self, model: Rows) -> None:
        """When the faults have ended the fleet converges."""
        why = self.why_not_settled(model)
        if why:
            self._fail(model, why)

    def why_not_settled(self, model: Rows) -> str:
        """What is not as it shall be in the end; empty: nothing."""
        if model.breaker.automation is not Automation.ON:
            return f"automation is {model.breaker.automation}: {model.breaker.message}"
        for member in model.members.values():
            if member.health.verdict is not Verdict.HEALTHY:
                return f"{member.name} is {member.health.verdict}"
        there = with_objects(model)
        for name in sorted(there.keys() | model.units.keys()):
            why = _why_not_right(model.units.get(name), there.get(name, set()))
            if why:
                return f"{name} {why}"
        return ""

    def _due(self, model: Rows) -> Iterator[tuple[tuple[Hashable, ...], str]]:
        if model.leader is None:
            return
        process = id(model.leader)  # one that takes over has its own time
        for name, member in model.members.items():
            is_gone = model.weather.is_cut_off([name], model.seconds - 1.0, model.seconds)
            if is_gone and member.health.verdict is not Verdict.UNREACHABLE and not member.taints:
                yield (process, "detect", name), f"{name} is gone, and {member.health.verdict}"
        for unit in model.units.values():
            if unit.decided < unit.generation:
                yield (process, "decide", unit.name, unit.generation), f"{unit.name} is applied, and not decided"
            for name in unit.bindings:
                if self._must_leave(model, unit, name):
                    yield (process, "leave", unit.name, name), f"{unit.name} stays on {name} beyond its toleration"
            for name, work in unit.works.items():
                if work.is_removal and self._must_go(model, unit, name):
                    yield (process, "go", unit.name, name), f"{unit.name} runs twice, on {name} too ({work})"

    def _must_leave(self, model: Rows, unit: Unit, cluster: str) -> bool:
        member = model.members[cluster]
        if model.is_held or model.breaker.automation is not Automation.ON or unit.is_deleting:
            return False
        if unit.policy.mode is not FailoverMode.AUTO or member.health.verdict is not Verdict.UNREACHABLE:
            return False
        if _is_paused(model, unit, cluster):
            return False
        since = member.health.since or model.now
        return (model.now - since).total_seconds() >= unit.policy.toleration_seconds

    def _must_go(self, model: Rows, unit: Unit, cluster: str) -> bool:
        member, work = model.members[cluster], unit.works[cluster]
        places = (FLEET_SUBJECT, f"clusters/{cluster}", f"namespaces/shop/units/{unit.name}")
        if model.is_held or work.reason == OVER_BUDGET or any(place in model.pauses for place in places):
            return False
        reached = model.weather.found(cluster, model.seconds) is EvidenceKind.WELL
        if not reached or not _is_trusted(member.health):
            return False
        if work.reason == MEMBER_LOST and member.health.verdict is not Verdict.HEALTHY:
            return False
        if unit.is_deleting:
            return True
        return bool(unit.bindings) and all(
            model.members[name].health.verdict is Verdict.HEALTHY
            and name in unit.works
            and unit.works[name].is_ready
            and unit.works[name].state == "Applied"
            and model.weather.found(name, model.seconds) is EvidenceKind.WELL
            for name in unit.bindings
        )

    def _fail(self, model: Rows, what: str) -> None:
        raise ViolationError(f"after {model.seconds:.1f} s: {what} (seed {model.seed})")


def _is_trusted(health: Health) -> bool:
    if health.verdict in (Verdict.MAINTENANCE, Verdict.HIBERNATED):
        return health.kind is EvidenceKind.WELL
    return health.verdict in (Verdict.HEALTHY, Verdict.UNKNOWN)


def _why_not_right(unit: Unit | None, there: Collection[str]) -> str:
    if unit is None:
        return f"is deleted, and there on {sorted(there)}"
    if unit.is_deleting:
        return "is not gone"
    if not unit.bindings:
        return "is placed nowhere"
    if set(there) != set(unit.bindings):
        return f"is placed on {sorted(unit.bindings)}, and on {sorted(there)}"
    lost = [name for name, one in unit.departures.items() if one.cause is DepartureCause.LOST]
    if lost and unit.policy.failback.mode is FailbackMode.AFTER:
        return f"is away from {sorted(lost)}, and may go back"
    states = {cluster: work.state for cluster, work in unit.works.items()}
    return "" if set(states.values()) == {"Applied"} else f"has works that are {states}"


def _is_paused(model: Rows, unit: Unit, cluster: str) -> bool:
    """Whether somebody keeps automation from moving a unit from a cluster."""
    subjects = (f"clusters/{cluster}", f"namespaces/shop/units/{unit.name}")
    return any(model.pauses.get(subject) is HoldScope.AUTOMATION for subject in subjects)
