"""Divide one workload to the chosen clusters, and record how."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedsvc_placement.aggregated import aggregate
from fedsvc_placement.divide import Party, divide
from fedsvc_placement.jobs import divide_completions, parallelism
from fedsvc_placement.model import Division, Mode, Movement, ReplicaPolicy, Share, Strategy, WorkloadInput
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
class Seat:
    """One chosen cluster in the division of one workload."""

    # What holds of it in every division of the unit.
    terms: Terms
    # What it takes part with: the rule's weight, times the room with strategy Capacity.
    weight: int
    # Replicas there before, None where not known or new there.
    before: int | None
    # Replicas it has room for, None where not asked for or unlimited.
    room: int | None
    # Whether it comes only after those that have a weight in all divisions of the unit.
    spare: bool
    # Whether a larger workload of the unit has replicas there.
    used: bool
    # Upper bound by rule and taint, None for none.
    bound: int | None


def wanted_of(policy: ReplicaPolicy, workload: WorkloadInput) -> int:
    """Return the replicas wanted over all clusters when divided, in each when duplicated."""
    return parallelism(workload.replicas if policy.total is None else policy.total, workload.completions)


def divide_workload(workload: WorkloadInput, policy: ReplicaPolicy, seats: Sequence[Seat]) -> Division:
    """Divide one workload.

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
    parties = [_party(policy, seat) for seat in seats]
    if policy.mode == Mode.DUPLICATED:
        wanted = total * (len(seats) or 1)
        parts = tuple(total if party.max is None else min(total, party.max) for party in parties)
    elif policy.mode == Mode.DIVIDED:
        wanted = total
        parts = _divided(total, policy, seats, parties)
    else:
        raise ValueError(f"replica mode {policy.mode} with strategy {policy.strategy} does not exist")
    completions = _completions(workload, policy, seats, parts)
    shares = tuple(
        Share(
            cluster=seat.terms.chosen.cluster.name,
            weight=seat.weight,
            min=seat.terms.min,
            max=seat.bound,
            rule=seat.terms.rule,
            held=seat.bound != seat.terms.max,
            replicas=part,
            before=seat.before,
            room=seat.room,
            tier=seat.terms.tier,
            completions=finished,
        )
        for seat, part, finished in zip(seats, parts, completions, strict=True)
    )
    unplaced = wanted - sum(parts)
    reason = _unplaced_reason(policy, seats) if unplaced else ""
    steps = list(steps_of(workload, policy, total, shares))
    if unplaced:
        steps.append(f"{unplaced} found no place: {why_unplaced(reason, shares)}")
    return Division(
        workload=workload.key,
        mode=policy.mode,
        strategy=policy.strategy,
        movement=policy.movement or Movement.FRESH,
        wanted=wanted,
        placed=sum(parts),
        unplaced=unplaced,
        unplaced_reason=reason,
        below_minimum=sum(max(0, share.min - share.replicas) for share in shares),
        steps=tuple(steps),
        shares=shares,
    )


def _party(policy: ReplicaPolicy, seat: Seat) -> Party:
    most = seat.bound
    if policy.within_capacity and seat.room is not None and (most is None or seat.room < most):
        most = seat.room
    return Party(weight=seat.weight, min=seat.terms.min, max=most, order=seat.terms.order)


def _divided(total: int, policy: ReplicaPolicy, seats: Sequence[Seat], parties: Sequence[Party]) -> tuple[int, ...]:
    strategy = policy.strategy
    aggregated = strategy == Strategy.AGGREGATED
    if not aggregated and strategy not in {Strategy.WEIGHTED, Strategy.CAPACITY, Strategy.OVERFLOW}:
        raise ValueError(f"replica mode {policy.mode} with strategy {strategy} does not exist")
    # A smaller workload of an aggregated unit opens another cluster only where it has no room next to the larger.
    beside = aggregated and any(seat.used for seat in seats)
    tiers = [(seat.terms.tier, int(seat.spare or (beside and not seat.used))) for seat in seats]
    preference = [_preference(seat) for seat in seats] if aggregated else []

    def fresh(amount: int, among: Sequence[Party]) -> tuple[int, ...]:
        def inside(part: int, indices: Sequence[int]) -> tuple[int, ...]:
            members = [among[index] for index in indices]
            if aggregated:
                return aggregate(part, members, [preference[index] for index in indices])
            return divide(part, members)

        return by_tier(amount, among, tiers, inside)

    if policy.movement == Movement.STEADY:
        return steady(total, parties, [seat.before or 0 for seat in seats], fresh)
    if policy.movement == Movement.FRESH:
        return fresh(total, parties)
    raise ValueError(f"replica movement {policy.movement} does not exist")


def _preference(seat: Seat) -> tuple[int, ...]:
    chosen = seat.terms.chosen
    return int(not seat.before), int(not chosen.bound), -chosen.score, -(seat.room or 0)


def _completions(
    workload: WorkloadInput, policy: ReplicaPolicy, seats: Sequence[Seat], parts: Sequence[int]
) -> Sequence[int | None]:
    if workload.completions is None:
        return [None] * len(parts)
    if policy.mode == Mode.DUPLICATED:
        return [workload.completions if part else 0 for part in parts]
    return divide_completions(workload.completions, parts, [seat.terms.order for seat in seats])


def _unplaced_reason(policy: ReplicaPolicy, seats: Sequence[Seat]) -> str:
    if not seats:
        return NO_CLUSTER
    weighted = [seat for seat in seats if seat.terms.weight]
    if any(_out_of_room(policy, seat) for seat in weighted):
        return NO_ROOM
    if any(seat.bound != seat.terms.max for seat in weighted):
        return HELD_BY_TAINT
    return MAXIMUMS_REACHED if weighted else NO_WEIGHT


def _out_of_room(policy: ReplicaPolicy, seat: Seat) -> bool:
    """Tell whether it is room, not maximum or taint, that limits the cluster."""
    if seat.room is None:
        return False
    if policy.within_capacity:
        return seat.bound is None or seat.room < seat.bound
    return not seat.weight
