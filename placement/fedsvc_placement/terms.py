"""On which terms the chosen clusters take part in the divisions of a unit."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from fedsvc_placement.model import ClusterSnapshot, Mode, ReplicaPolicy, Strategy
from fedsvc_placement.selectors import matches_cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A cluster that is chosen for a unit, or is there for its overflow."""

    # The cluster, its capacity without what the unit is given now.
    cluster: ClusterSnapshot
    # Whether the unit is there already.
    bound: bool
    # Replicas by workload that it was given before, one that is not listed 0; None where not known or not bound.
    before: Mapping[str, int] | None
    # Whether a NoScheduleNew taint keeps it from growing beyond that.
    held: bool
    # Points, higher is better.
    score: int = 0
    # 0 for the affinity group's own clusters; its overflow tiers count from 1 and are used for nothing else.
    tier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds of one chosen cluster in every division of the unit."""

    # The cluster.
    chosen: Chosen
    # Index of the replica rule that it takes, None for none.
    rule: int | None
    # What that rule says.
    weight: int
    min: int
    max: int | None
    # Lower is filled first.
    tier: int
    # Its place among equals.
    order: tuple[int, str]


def rule_index(policy: ReplicaPolicy, cluster: ClusterSnapshot) -> int | None:
    """Return the index of the replica rule a cluster takes: the first that matches; None when none does."""
    return next((i for i, rule in enumerate(policy.clusters) if matches_cluster(rule.clusters, cluster)), None)


def terms_of(unit: str, policy: ReplicaPolicy, chosen: Chosen) -> Terms:
    """Return the terms of one cluster.

    The overflow tiers of an affinity group come after all tiers of the rules: whatever the rules say of a cluster that
    is only there for the overflow, it is used last.
    """
    order = tie_break(unit, chosen.cluster.name)
    if policy.mode == Mode.DUPLICATED or not policy.clusters:
        return Terms(chosen=chosen, rule=None, weight=1, min=0, max=None, tier=chosen.tier, order=order)
    index = rule_index(policy, chosen.cluster)
    last = 0
    if policy.strategy == Strategy.OVERFLOW:
        last = max(tier_of(policy, entry) for entry in range(len(policy.clusters)))
    if index is None:
        return Terms(chosen=chosen, rule=None, weight=0, min=0, max=None, tier=last + chosen.tier, order=order)
    rule = policy.clusters[index]
    tier = tier_of(policy, index) if policy.strategy == Strategy.OVERFLOW and not chosen.tier else last + chosen.tier
    weight = 1 if rule.weight is None else rule.weight
    return Terms(chosen=chosen, rule=index, weight=weight, min=rule.min, max=rule.max, tier=tier, order=order)


def tier_of(policy: ReplicaPolicy, rule: int) -> int:
    """Return the tier that a rule gives with strategy Overflow: its own, or its place in the list."""
    tier = policy.clusters[rule].tier
    return rule if tier is None else tier


def tie_break(unit: str, cluster: str) -> tuple[int, str]:
    """Return a cluster's place among equals for a unit: a hash, the same everywhere; the name ends the last ties.

    With the unit's key in it, single replicas of many units spread over the clusters, while the workloads of one unit
    stay together.
    """
    digest = sha256(f"{unit}\0{cluster}".encode()).digest()
    return int.from_bytes(digest[:8]), cluster
