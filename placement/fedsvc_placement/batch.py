"""Many units on one fleet: leaders before those that go with them, and nobody gets room that another was given."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from fedsvc_placement.decide import decide
from fedsvc_placement.fleet import PreparedFleet, prepare_fleet
from fedsvc_placement.model import Decision, Fleet, Memory, PlacedUnit, PreviousBinding, Spoken, Trigger, UnitInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One unit that asks where it shall run; the fields mean what they mean in `decide`."""

    unit: UnitInput
    previous: tuple[PreviousBinding, ...] = ()
    memory: Memory = field(default_factory=Memory)
    trigger: str = Trigger.OTHER


def decide_all(asks: Iterable[Ask], fleet: Fleet | PreparedFleet, now: datetime) -> Iterator[Decision]:
    """Decide on many units, each finding the room that those before it left.

    Units that look at no others come first, in the order they are given; then those that do, leaders before followers,
    each seeing where the others are by then. Where leaders go in a circle, the first given goes first.

    Args:
        asks: the units, the most important first.
        fleet: everything they are placed on and next to; their own places among its units are brought up to date.
        now: time zone aware.

    Raises:
        ValueError: see `decide`.
    """
    around = fleet if isinstance(fleet, PreparedFleet) else prepare_fleet(fleet)
    listed = list(asks)
    apart = [ask for ask in listed if not _looks_around(ask)]
    beside = [ask for ask in listed if _looks_around(ask)]
    for ask in (*apart, *in_order(beside)):
        decision = _decide(ask, around, now)
        if beside:
            around.move(_placed(ask, decision))
        yield decision


def in_order(asks: Sequence[Ask]) -> list[Ask]:
    """Return followers after their leaders, otherwise in the order given."""
    by_key = {ask.unit.key: ask for ask in asks}
    done: dict[str, Ask] = {}
    for ask in asks:
        stack = [ask]
        on_the_way: set[str] = set()
        while stack:
            top = stack[-1]
            on_the_way.add(top.unit.key)
            waits_for = next(
                (
                    by_key[key]
                    for key in sorted(top.unit.placement.follows)
                    if key in by_key and key not in done and key not in on_the_way
                ),
                None,
            )
            if waits_for is not None:
                stack.append(waits_for)
                continue
            stack.pop()
            done.setdefault(top.unit.key, top)
    return list(done.values())


def spoken_for(unit: UnitInput, previous: Iterable[PreviousBinding], decision: Decision) -> tuple[Spoken, ...]:
    """Return the room that a decision gives a unit beyond what it had, sorted by cluster and workload."""
    requests = {workload.key: workload.requests for workload in unit.workloads}
    return tuple(
        Spoken(cluster=cluster, requests=requests[workload], replicas=replicas)
        for cluster, workloads in sorted(added_replicas(previous, decision).items())
        for workload, replicas in sorted(workloads.items())
    )


def added_replicas(previous: Iterable[PreviousBinding], decision: Decision) -> Mapping[str, Mapping[str, int]]:
    """Return how many replicas more than before each cluster gets, by cluster and workload; those that get more."""
    before = {binding.cluster: binding.replicas or {} for binding in previous}
    found: dict[str, dict[str, int]] = {}
    for target in decision.targets:
        there = before.get(target.cluster, {})
        more = {key: count - there.get(key, 0) for key, count in target.replicas.items() if count > there.get(key, 0)}
        if more:
            found[target.cluster] = more
    return found


def _decide(ask: Ask, around: PreparedFleet, now: datetime) -> Decision:
    decision = decide(ask.unit, around, ask.previous, now, memory=ask.memory, trigger=ask.trigger)
    for spoken in spoken_for(ask.unit, ask.previous, decision):
        around.speak_for(spoken.cluster, spoken.requests, spoken.replicas)
    return decision


def _looks_around(ask: Ask) -> bool:
    return bool(ask.unit.placement.follows or ask.unit.placement.affinities)


def _placed(ask: Ask, decision: Decision) -> PlacedUnit:
    clusters = tuple(target.cluster for target in decision.targets)
    return PlacedUnit(key=ask.unit.key, labels=ask.unit.labels, clusters=clusters)
