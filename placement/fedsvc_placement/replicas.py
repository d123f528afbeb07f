"""From a replica policy and the chosen clusters to the replicas of each workload, with the record of how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from fedsvc_placement.divide import Party, divide
from fedsvc_placement.model import (
    ClusterSnapshot,
    Division,
    Mode,
    Movement,
    ReplicaPolicy,
    Share,
    Shortfall,
    Strategy,
    WorkloadInput,
)
from fedsvc_placement.selectors import matches_cluster

MAXIMUMS_REACHED = "MaximumsReached"
NO_WEIGHT = "NoWeight"
HELD_BY_TAINT = "HeldByTaint"
NO_CLUSTER = "NoCluster"
MINIMUMS_NOT_MET = "MinimumsNotMet"

_UNPLACED = {
    MAXIMUMS_REACHED: "every cluster that has a weight is at its maximum",
    NO_WEIGHT: "no cluster has a weight above 0, so nothing goes beyond the minimums",
    HELD_BY_TAINT: "NoScheduleNew taints hold clusters at what they have",
    NO_CLUSTER: "no cluster is chosen",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On which terms one chosen cluster takes part in the divisions of a unit."""

    # Name of the cluster.
    cluster: str
    # Index of the replica rule that it takes, None for none.
    rule: int | None
    # What that rule says.
    weight: int
    min: int
    max: int | None
    # Replicas by workload that it may not exceed, None when nothing holds it.
    held: Mapping[str, int] | None


def rule_index(policy: ReplicaPolicy, cluster: ClusterSnapshot) -> int | None:
    """Return the index of the replica rule a cluster takes: the first that matches; None when none does."""
    return next((i for i, rule in enumerate(policy.clusters) if matches_cluster(rule.clusters, cluster)), None)


def terms_of(policy: ReplicaPolicy, cluster: ClusterSnapshot, held: Mapping[str, int] | None) -> Terms:
    """Return the terms of one cluster; `held` are replicas by workload that it may not exceed."""
    if policy.mode == Mode.DUPLICATED or not policy.clusters:
        return Terms(cluster=cluster.name, rule=None, weight=1, min=0, max=None, held=held)
    index = rule_index(policy, cluster)
    if index is None:
        return Terms(cluster=cluster.name, rule=None, weight=0, min=0, max=None, held=held)
    rule = policy.clusters[index]
    weight = 1 if rule.weight is None else rule.weight
    return Terms(cluster=cluster.name, rule=index, weight=weight, min=rule.min, max=rule.max, held=held)


def divide_workload(unit: str, workload: WorkloadInput, policy: ReplicaPolicy, terms: Sequence[Terms]) -> Division:
    """Divide one workload to the chosen clusters.

    Args:
        unit: key of the unit; with the cluster's name it breaks ties, so that single replicas of many units spread over
            the clusters, while workloads of one unit stay together.
        workload: what to divide.
        policy: how.
        terms: the chosen clusters, sorted by name.

    Raises:
        ValueError: a mode or strategy that does not exist, or negative numbers; `validate` tells them with their path.
    """
    total = workload.replicas if policy.total is None else policy.total
    source = "the template" if policy.total is None else "placement.replicas.total"
    bounds = [_bound(term, workload.key) for term in terms]
    if policy.mode == Mode.DUPLICATED:
        wanted = total * (len(terms) or 1)
        parts = tuple(total if bound is None else min(total, bound) for bound in bounds)
        steps = [f"{total} replicas in each cluster, from {source}"]
    elif policy.mode == Mode.DIVIDED and policy.strategy == Strategy.WEIGHTED:
        wanted = total
        parts = divide(
            total,
            [
                Party(weight=term.weight, min=term.min, max=bound, order=tie_break(unit, term.cluster))
                for term, bound in zip(terms, bounds, strict=True)
            ],
        )
        steps = [f"{total} replicas over all clusters, from {source}", *_weighted_steps(total, terms, bounds, parts)]
    else:
        raise ValueError(f"replica mode {policy.mode} with strategy {policy.strategy} does not exist")
    shares = tuple(
        Share(
            cluster=term.cluster,
            weight=term.weight,
            min=term.min,
            max=bound,
            rule=term.rule,
            held=bound != term.max,
            replicas=part,
        )
        for term, bound, part in zip(terms, bounds, parts, strict=True)
    )
    unplaced = wanted - sum(parts)
    reason = _unplaced_reason(shares) if unplaced else ""
    below = sum(max(0, share.min - share.replicas) for share in shares)
    if unplaced:
        steps.append(f"{unplaced} found no place: {_UNPLACED[reason]}")
    return Division(
        workload=workload.key,
        mode=policy.mode,
        strategy=policy.strategy,
        movement=policy.movement or Movement.FRESH,
        wanted=wanted,
        placed=sum(parts),
        unplaced=unplaced,
        unplaced_reason=reason,
        below_minimum=below,
        steps=tuple(steps),
        shares=shares,
    )


def shortfalls_of(division: Division) -> tuple[Shortfall, ...]:
    """Return what a division could not give."""
    found: list[Shortfall] = []
    if division.below_minimum:
        short = [share for share in division.shares if share.replicas < share.min]
        message = ", ".join(f"{share.cluster} has {share.replicas} of at least {share.min}" for share in short)
        found.append(
            Shortfall(
                workload=division.workload,
                replicas=division.below_minimum,
                reason=MINIMUMS_NOT_MET,
                message=message,
            )
        )
    if division.unplaced:
        found.append(
            Shortfall(
                workload=division.workload,
                replicas=division.unplaced,
                reason=division.unplaced_reason,
                message=f"{division.unplaced} of {division.wanted} replicas found no place: "
                f"{_UNPLACED[division.unplaced_reason]}",
            )
        )
    return tuple(sorted(found, key=lambda shortfall: shortfall.reason))


def tie_break(unit: str, cluster: str) -> tuple[int, str]:
    """Return a cluster's place among equals for a unit: a hash, the same everywhere; the name ends the last ties."""
    digest = sha256(f"{unit}\0{cluster}".encode()).digest()
    return int.from_bytes(digest[:8]), cluster


def _bound(term: Terms, workload: str) -> int | None:
    if term.held is None:
        return term.max
    held = term.held.get(workload, 0)
    return held if term.max is None else min(term.max, held)


def _weighted_steps(
    total: int, terms: Sequence[Terms], bounds: Sequence[int | None], parts: Sequence[int]
) -> list[str]:
    lows = [term.min if bound is None else min(term.min, bound) for term, bound in zip(terms, bounds, strict=True)]
    wanted = sum(lows)
    if wanted > total:
        return [f"minimums ask for {wanted}: given in order of weight, ties by hash, until nothing is left"]
    steps = [f"minimums take {wanted}"] if wanted else []
    by_weight = sum(parts) - wanted
    if by_weight:
        bidders = sum(1 for term in terms if term.weight)
        steps.append(f"weights divide {by_weight} over {bidders} clusters by Webster's method, ties by hash")
    return steps


def _unplaced_reason(shares: Sequence[Share]) -> str:
    if not shares:
        return NO_CLUSTER
    weighted = [share for share in shares if share.weight]
    if any(share.held for share in weighted):
        return HELD_BY_TAINT
    return MAXIMUMS_REACHED if weighted else NO_WEIGHT
