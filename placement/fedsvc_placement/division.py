"""Divide one workload to the chosen clusters, and record how."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from fedsvc_placement.aggregated import aggregate
from fedsvc_placement.divide import Parties, divide
from fedsvc_placement.jobs import divide_completions, parallelism
from fedsvc_placement.model import Division, Mode, Movement, ReplicaPolicy, Shares, Strategy, WorkloadInput
from fedsvc_placement.shortfalls import (
    HELD_BY_TAINT,
    MAXIMUMS_REACHED,
    NO_CLUSTER,
    NO_ROOM,
    NO_WEIGHT,
    why_unplaced,
)
from fedsvc_placement.steady import steady
from fedsvc_placement.steps import steps_of
from fedsvc_placement.terms import Terms
from fedsvc_placement.tiers import by_tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """The chosen clusters in the division of one workload, in columns."""

    # What holds of them in every division of the unit.
    terms: Terms
    # What each takes part with: the rule's weight, times the room with strategy Capacity.
    weights: Sequence[int]
    # Replicas there before, None where not known or new there.
    befores: Sequence[int | None]
    # Replicas it has room for, None where not asked for or unlimited.
    rooms: Sequence[int | None]
    # Whether it comes only after those that have a weight in all divisions of the unit.
    spares: Sequence[bool]
    # Names of those where a larger workload of the unit has replicas.
    used: AbstractSet[str]
    # Upper bounds by rule and taint, None for none.
    bounds: Sequence[int | None]


def wanted_of(policy: ReplicaPolicy, workload: WorkloadInput) -> int:
    """Return the replicas wanted over all clusters when divided, in each when duplicated."""
    return parallelism(workload.replicas if policy.total is None else policy.total, workload.completions)


def divide_workload(workload: WorkloadInput, policy: ReplicaPolicy, seats: Seats) -> tuple[Division, Shares]:
    """Divide one workload; the shares are those of the division.

    A cluster that is to have all replicas (mode Duplicated) and has no room for them gets as many as it has room for:
    some replicas serve, none do not.

    Args:
        workload: what to divide.
        policy: how, defaults filled in.
        seats: the chosen clusters, sorted by name.

    Raises:
        ValueError: a mode, strategy or movement that does not exist, or negative numbers.
    """
    total = wanted_of(policy, workload)
    terms = seats.terms
    parties = _parties(policy, seats)
    if policy.mode == Mode.DUPLICATED:
        wanted = total * (len(terms.names) or 1)
        parts = tuple([total if most is None or most > total else most for most in parties.maxs])
    elif policy.mode == Mode.DIVIDED:
        wanted = total
        parts = _divided(total, policy, seats, parties)
    else:
        raise ValueError(f"replica mode {policy.mode} with strategy {policy.strategy} does not exist")
    shares = Shares(
        clusters=terms.names,
        weights=seats.weights,
        mins=terms.mins,
        maxs=seats.bounds,
        rules=terms.rules,
        held=[bound != most for bound, most in zip(seats.bounds, terms.maxs, strict=True)],
        replicas=parts,
        befores=seats.befores,
        rooms=seats.rooms,
        tiers=terms.tiers,
        completions=_completions(workload, policy, seats, parts),
    )
    placed = sum(parts)
    unplaced = wanted - placed
    reason = _unplaced_reason(policy, seats) if unplaced else ""
    steps = list(steps_of(workload, policy, total, shares))
    if unplaced:
        steps.append(f"{unplaced} found no place: {why_unplaced(reason, shares)}")
    division = Division(
        workload=workload.key,
        mode=policy.mode,
        strategy=policy.strategy,
        movement=policy.movement or Movement.FRESH,
        wanted=wanted,
        placed=placed,
        unplaced=unplaced,
        unplaced_reason=reason,
        below_minimum=sum([low - part for low, part in zip(terms.mins, parts, strict=True) if part < low]),
        steps=tuple(steps),
        shares=shares,
    )
    return division, shares


def _parties(policy: ReplicaPolicy, seats: Seats) -> Parties:
    maxs = seats.bounds
    if policy.within_capacity:
        maxs = [
            bound if room is None or (bound is not None and bound <= room) else room
            for bound, room in zip(seats.bounds, seats.rooms, strict=True)
        ]
    return Parties(weights=seats.weights, mins=seats.terms.mins, maxs=maxs, orders=seats.terms.orders)


def _divided(total: int, policy: ReplicaPolicy, seats: Seats, parties: Parties) -> tuple[int, ...]:
    strategy, terms = policy.strategy, seats.terms
    aggregated = strategy == Strategy.AGGREGATED
    if not aggregated and strategy not in {Strategy.WEIGHTED, Strategy.CAPACITY, Strategy.OVERFLOW}:
        raise ValueError(f"replica mode {policy.mode} with strategy {strategy} does not exist")
    preference: Sequence[tuple[int, ...]] = ()
    later = seats.spares
    if aggregated:
        preference = [
            (int(not before), int(not chosen.bound), -chosen.score, -(room or 0))
            for chosen, before, room in zip(terms.chosen, seats.befores, seats.rooms, strict=True)
        ]
        # A smaller workload of an aggregated unit opens another cluster only where it has no room next to the larger.
        if not seats.used.isdisjoint(terms.names):
            later = [spare or name not in seats.used for spare, name in zip(seats.spares, terms.names, strict=True)]
    tiers = list(zip(terms.tiers, later, strict=True))

    def fresh(amount: int, among: Parties) -> tuple[int, ...]:
        def inside(part: int, indices: Sequence[int]) -> tuple[int, ...]:
            members = among.among(indices)
            if aggregated:
                return aggregate(part, members, [preference[index] for index in indices])
            return divide(part, members)

        return by_tier(amount, among, tiers, inside)

    if policy.movement == Movement.STEADY:
        return steady(total, parties, [before or 0 for before in seats.befores], fresh)
    if policy.movement == Movement.FRESH:
        return fresh(total, parties)
    raise ValueError(f"replica movement {policy.movement} does not exist")


def _completions(
    workload: WorkloadInput, policy: ReplicaPolicy, seats: Seats, parts: Sequence[int]
) -> Sequence[int | None]:
    if workload.completions is None:
        return [None] * len(parts)
    if policy.mode == Mode.DUPLICATED:
        return [workload.completions if part else 0 for part in parts]
    return divide_completions(workload.completions, parts, seats.terms.orders)


def _unplaced_reason(policy: ReplicaPolicy, seats: Seats) -> str:
    if not seats.terms.names:
        return NO_CLUSTER
    weighted = [index for index, weight in enumerate(seats.terms.weights) if weight]
    if any(_out_of_room(policy, seats, index) for index in weighted):
        return NO_ROOM
    if any(seats.bounds[index] != seats.terms.maxs[index] for index in weighted):
        return HELD_BY_TAINT
    return MAXIMUMS_REACHED if weighted else NO_WEIGHT


def _out_of_room(policy: ReplicaPolicy, seats: Seats, index: int) -> bool:
    """Tell whether it is room, not maximum or taint, that limits the cluster."""
    room, bound = seats.rooms[index], seats.bounds[index]
    if room is None:
        return False
    if policy.within_capacity:
        return bound is None or room < bound
    return not seats.weights[index]
