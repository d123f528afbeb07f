"""From a replica policy and the chosen clusters to the replicas of each workload of a unit."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from fedsvc_placement.capacity import room_in, settled, take
from fedsvc_placement.division import Seat, divide_workload, wanted_of
from fedsvc_placement.model import (
    Division,
    Learned,
    Mode,
    Movement,
    ReplicaPolicy,
    Strategy,
    UnitInput,
    WorkloadInput,
)
from fedsvc_placement.terms import Chosen, Terms, terms_of

_DUPLICATED = ReplicaPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDivision:
    """How all workloads of a unit were divided."""

    # Sorted by workload.
    divisions: tuple[Division, ...]
    # Names of the clusters the unit shall be on: the chosen ones but those that are left for lack of replicas.
    targets: frozenset[str]


def divide_unit(
    unit: UnitInput,
    chosen: Sequence[Chosen],
    *,
    learned: Sequence[Learned],
    reserve_ppm: int,
    now: datetime,
    rebalance: bool = False,
    counted: Callable[[str], int | None] | None = None,
) -> UnitDivision:
    """Divide all workloads of a unit to the chosen clusters.

    Workloads are divided largest first, each finding the room the others left. They share tie-breaks, and with strategy
    Capacity the weights, which are the room for the largest: hence equal workloads get equal shares, and a smaller one
    is where the larger is, unless bounds force it elsewhere.

    With strategy Aggregated a cluster that gets no replicas of any workload is no target, except the most preferred
    one where none gets any: the unit stays somewhere. Clusters of overflow tiers are targets only with replicas.

    Args:
        unit: the unit; its key breaks ties.
        chosen: the clusters, sorted by name.
        learned: what was learned of clusters and workloads.
        reserve_ppm: part of every cluster that is kept back as head-room, in millionths; 0 where the capacities are
            `settled` already, as is worth while for many units on one fleet.
        now: time zone aware.
        rebalance: divide as if nothing ran, whatever the policy's movement.
        counted: gives the room of a cluster by name, those before included, where that is known already; for a unit
            of one workload.

    Raises:
        ValueError: a mode, strategy or movement that does not exist, or negative numbers; `validate` tells them with
            their path.
    """
    policy = _defaulted(unit.placement.replicas or _DUPLICATED, rebalance=rebalance)
    terms = [terms_of(unit.key, policy, entry) for entry in chosen]
    if policy.mode == Mode.DUPLICATED:
        terms = [entry for entry in terms if not entry.chosen.tier]
    known = _by_place(learned)
    asks_room = policy.within_capacity or not _is_promise(policy)
    # What each cluster has left; what a workload is given now is taken off before the next is divided.
    capacities = [
        None if capacity is None or not asks_room or counted is not None else settled(capacity, reserve_ppm)
        for capacity in (entry.chosen.cluster.capacity for entry in terms)
    ]
    weights: Sequence[int] | None = None
    divisions: list[Division] = []
    used: set[str] = set()
    for workload in sorted(unit.workloads, key=lambda workload: (-wanted_of(policy, workload), workload.key)):
        befores = [_before(entry.chosen, workload) for entry in terms]
        rooms: list[int | None] = [None] * len(terms)
        if asks_room:
            rooms = (
                [counted(entry.chosen.cluster.name) for entry in terms]
                if counted is not None
                else [
                    room_in(
                        capacity,
                        workload,
                        before=before or 0,
                        learned=known.get((entry.chosen.cluster.name, workload.key), ()),
                        now=now,
                    )
                    for entry, capacity, before in zip(terms, capacities, befores, strict=True)
                ]
            )
            if not _is_promise(policy):
                rooms = [(before or 0) if room is None else room for room, before in zip(rooms, befores, strict=True)]
        if weights is None:
            weights = [room or 0 for room in rooms]
        seats = [
            _seat(policy, entry, before, room, weight, used=entry.chosen.cluster.name in used)
            for entry, before, room, weight in zip(terms, befores, rooms, weights, strict=True)
        ]
        division = divide_workload(workload, policy, seats)
        divisions.append(division)
        used.update(share.cluster for share in division.shares if share.replicas)
        if asks_room and len(unit.workloads) > 1:
            capacities = [
                None if capacity is None else take(capacity, workload.requests, share.replicas - (before or 0))
                for capacity, share, before in zip(capacities, division.shares, befores, strict=True)
            ]
    return UnitDivision(
        divisions=tuple(sorted(divisions, key=lambda division: division.workload)),
        targets=_targets(policy, terms, used, divided=bool(divisions)),
    )


def _is_promise(policy: ReplicaPolicy) -> bool:
    """Tell whether shares are promised: then unknown room is no limit, else it is room for what is there already."""
    return policy.mode == Mode.DUPLICATED or policy.strategy == Strategy.WEIGHTED


def _defaulted(policy: ReplicaPolicy, *, rebalance: bool) -> ReplicaPolicy:
    """Return the policy with its defaults filled in."""
    movement = policy.movement or (Movement.FRESH if _is_promise(policy) else Movement.STEADY)
    return replace(
        policy,
        movement=Movement.FRESH if rebalance else movement,
        within_capacity=not _is_promise(policy) if policy.within_capacity is None else policy.within_capacity,
    )


def _by_place(learned: Sequence[Learned]) -> Mapping[tuple[str, str], Sequence[Learned]]:
    found: dict[tuple[str, str], list[Learned]] = defaultdict(list)
    for entry in learned:
        found[entry.cluster, entry.workload].append(entry)
    return found


def _before(chosen: Chosen, workload: WorkloadInput) -> int | None:
    return None if chosen.before is None else chosen.before.get(workload.key, 0)


def _seat(
    policy: ReplicaPolicy, terms: Terms, before: int | None, room: int | None, common: int, *, used: bool
) -> Seat:
    by_room = policy.mode == Mode.DIVIDED and policy.strategy == Strategy.CAPACITY
    # Room for this workload, none for the largest: it has no weight beside the others and comes after them.
    spare = by_room and not common and bool(room)
    factor = ((room or 0) if spare else common) if by_room else 1
    bound = terms.max
    if terms.chosen.held and before is not None:
        bound = before if bound is None else min(bound, before)
    return Seat(
        terms=terms, weight=terms.weight * factor, before=before, room=room, spare=spare, used=used, bound=bound
    )


def _targets(policy: ReplicaPolicy, terms: Sequence[Terms], used: set[str], *, divided: bool) -> frozenset[str]:
    own = [entry for entry in terms if not entry.chosen.tier]
    if not divided or policy.mode == Mode.DUPLICATED or policy.strategy != Strategy.AGGREGATED:
        return frozenset({*used, *(entry.chosen.cluster.name for entry in own)})
    if used or not terms:
        return frozenset(used)
    first = min(
        own or terms, key=lambda entry: (not entry.weight, not entry.chosen.bound, -entry.chosen.score, entry.order)
    )
    return frozenset({first.chosen.cluster.name})
