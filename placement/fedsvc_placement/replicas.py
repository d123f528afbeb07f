"""From a replica policy and the chosen clusters to the replicas of each workload of a unit."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from fedsvc_placement.capacity import room_in, settled, take
from fedsvc_placement.division import Seats, divide_workload, wanted_of
from fedsvc_placement.model import (
    Capacity,
    ClusterSnapshot,
    Division,
    Learned,
    Mode,
    Movement,
    ReplicaPolicy,
    Shares,
    Strategy,
    UnitInput,
)
from fedsvc_placement.terms import Chosen, Terms, rule_index, terms_of

_DUPLICATED = ReplicaPolicy()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDivision:
    """How all workloads of a unit were divided."""

    # Sorted by workload.
    divisions: tuple[Division, ...]
    # Names of the clusters the unit shall be on: the chosen ones but those that are left for lack of replicas.
    targets: frozenset[str]
    # Replicas, and completions of Jobs, by cluster and workload.
    replicas: Mapping[str, dict[str, int]]
    completions: Mapping[str, dict[str, int]]


def divide_unit(
    unit: UnitInput,
    chosen: Sequence[Chosen],
    *,
    learned: Sequence[Learned],
    reserve_ppm: int,
    now: datetime,
    rebalance: bool = False,
    counted: Callable[[str], int | None] | None = None,
    rule_of: Callable[[ClusterSnapshot], int | None] | None = None,
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
        rule_of: gives the index of the replica rule that a cluster takes, where that is known already.

    Raises:
        ValueError: a mode, strategy or movement that does not exist, or negative numbers; `validate` tells them with
            their path.
    """
    policy = _defaulted(unit.placement.replicas or _DUPLICATED, rebalance=rebalance)
    if policy.mode == Mode.DUPLICATED:
        chosen = [entry for entry in chosen if not entry.tier]
    terms = terms_of(unit.key, policy, chosen, rule_of or partial(rule_index, policy))
    known = _by_place(learned)
    asks_room = policy.within_capacity or not _is_promise(policy)
    # What each cluster has left; what a workload is given now is taken off before the next is divided.
    capacities: Sequence[Capacity | None] = []
    if asks_room and counted is None:
        capacities = [
            None if capacity is None else settled(capacity, reserve_ppm)
            for capacity in (entry.cluster.capacity for entry in chosen)
        ]
    weights: Sequence[int] | None = None
    divisions: list[Division] = []
    results: list[tuple[str, Shares]] = []
    used: AbstractSet[str] = set()
    for workload in sorted(unit.workloads, key=lambda workload: (-wanted_of(policy, workload), workload.key)):
        befores = [None if entry.before is None else entry.before.get(workload.key, 0) for entry in chosen]
        rooms: Sequence[int | None] = [None] * len(chosen)
        if counted is not None:
            rooms = [counted(name) for name in terms.names]
        elif asks_room:
            rooms = [
                room_in(capacity, workload, before=before or 0, learned=known.get((name, workload.key), ()), now=now)
                for name, capacity, before in zip(terms.names, capacities, befores, strict=True)
            ]
        if asks_room and not _is_promise(policy):
            rooms = [(before or 0) if room is None else room for room, before in zip(rooms, befores, strict=True)]
        if weights is None:
            weights = [room or 0 for room in rooms]
        seats = _seats(policy, terms, befores, rooms, common=weights, used=used)
        division, shares = divide_workload(workload, policy, seats)
        divisions.append(division)
        results.append((workload.key, shares))
        used |= {name for name, count in zip(shares.clusters, shares.replicas, strict=True) if count}
        if asks_room and len(unit.workloads) > 1:
            capacities = [
                None if capacity is None else take(capacity, workload.requests, count - (before or 0))
                for capacity, count, before in zip(capacities, shares.replicas, befores, strict=True)
            ]
    results.sort(key=lambda result: result[0])
    return UnitDivision(
        divisions=tuple(sorted(divisions, key=lambda division: division.workload)),
        targets=_targets(policy, terms, used, divided=bool(divisions)),
        replicas=_by_cluster((key, shares.clusters, shares.replicas) for key, shares in results),
        completions=_by_cluster((key, shares.clusters, shares.completions) for key, shares in results),
    )


def _by_cluster(
    columns: Iterable[tuple[str, Sequence[str], Sequence[int | None]]],
) -> Mapping[str, dict[str, int]]:
    """Return numbers by cluster and workload, given by workload in columns; None stands for none."""
    found: dict[str, dict[str, int]] = {}
    for key, names, numbers in columns:
        for name, number in zip(names, numbers, strict=True):
            if number is not None:
                found.setdefault(name, {})[key] = number
    return found


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


def _seats(
    policy: ReplicaPolicy,
    terms: Terms,
    befores: Sequence[int | None],
    rooms: Sequence[int | None],
    *,
    common: Sequence[int],
    used: AbstractSet[str],
) -> Seats:
    """Return how the clusters take part; `common` is their room for the largest workload."""
    weights, spares, bounds = terms.weights, [False] * len(terms.names), terms.maxs
    if policy.mode == Mode.DIVIDED and policy.strategy == Strategy.CAPACITY:
        # Room for this workload, none for the largest: it has no weight beside the others and comes after them.
        # So has one without any room, where that is no limit.
        least = 0 if policy.within_capacity else 1
        spares = [not size and bool(room or least) for size, room in zip(common, rooms, strict=True)]
        weights = [
            weight * ((room or least) if spare else size)
            for weight, room, spare, size in zip(weights, rooms, spares, common, strict=True)
        ]
    if any(entry.held for entry in terms.chosen):
        bounds = [
            most if before is None or not entry.held else before if most is None else min(most, before)
            for entry, before, most in zip(terms.chosen, befores, terms.maxs, strict=True)
        ]
    return Seats(terms=terms, weights=weights, befores=befores, rooms=rooms, spares=spares, used=used, bounds=bounds)


def _targets(policy: ReplicaPolicy, terms: Terms, used: AbstractSet[str], *, divided: bool) -> frozenset[str]:
    own = [index for index, entry in enumerate(terms.chosen) if not entry.tier]
    if not divided or policy.mode == Mode.DUPLICATED or policy.strategy != Strategy.AGGREGATED:
        return frozenset([*used, *(terms.names[index] for index in own)])
    if used or not terms.names:
        return frozenset(used)

    def preference(index: int) -> tuple[bool, bool, int, tuple[int, str]]:
        entry = terms.chosen[index]
        return not terms.weights[index], not entry.bound, -entry.score, terms.orders[index]

    return frozenset({terms.names[min(own or range(len(terms.names)), key=preference)]})
