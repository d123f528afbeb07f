"""On which terms the chosen clusters take part in the divisions of a unit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from fedsvc_placement.model import ClusterSnapshot, Mode, ReplicaPolicy, Strategy
from fedsvc_placement.selectors import matches_cluster


class Chosen(NamedTuple):
    """A cluster that is chosen for a unit, or is there for its overflow.

    A tuple, which is made in a quarter of the time: a division may have a thousand.
    """

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
    # Replicas that it shall have at least, for the spread of the unit.
    least: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What holds of the chosen clusters in every division of the unit, in columns."""

    # The clusters, and their names.
    chosen: Sequence[Chosen]
    names: Sequence[str]
    # Index of the replica rule that each takes, None for none.
    rules: Sequence[int | None]
    # What that rule says.
    weights: Sequence[int]
    mins: Sequence[int]
    maxs: Sequence[int | None]
    # Lower is filled first.
    tiers: Sequence[int]
    # Places among equals.
    orders: Sequence[tuple[int, str]]


def rule_index(policy: ReplicaPolicy, cluster: ClusterSnapshot) -> int | None:
    """Return the index of the replica rule a cluster takes: the first that matches; None when none does."""
    return next((i for i, rule in enumerate(policy.clusters) if matches_cluster(rule.clusters, cluster)), None)


def terms_of(
    unit: str, policy: ReplicaPolicy, chosen: Sequence[Chosen], rule_of: Callable[[ClusterSnapshot], int | None]
) -> Terms:
    """Return the terms of the chosen clusters.

    The overflow tiers of an affinity group come after all tiers of the rules: whatever the rules say of a cluster that
    is only there for the overflow, it is used last.

    Args:
        unit: its key, which breaks ties.
        policy: how replicas are divided.
        chosen: the clusters.
        rule_of: gives the `rule_index` of a cluster.
    """
    count = len(chosen)
    names = [entry.cluster.name for entry in chosen]
    orders = list(zip(ties_of(unit, [name_number(name) for name in names]), names, strict=True))
    tiers = [entry.tier for entry in chosen]
    rules: list[int | None] = [None] * count
    if policy.mode == Mode.DUPLICATED or not policy.clusters:
        weights, mins = [1] * count, [0] * count
        maxs: list[int | None] = [None] * count
    else:
        rules = [rule_of(entry.cluster) for entry in chosen]
        found = [None if rule is None else policy.clusters[rule] for rule in rules]
        weights = [0 if rule is None else 1 if rule.weight is None else rule.weight for rule in found]
        mins = [0 if rule is None else rule.min for rule in found]
        maxs = [None if rule is None else rule.max for rule in found]
        if policy.strategy == Strategy.OVERFLOW:
            of_rule = [tier_of(policy, rule) for rule in range(len(policy.clusters))]
            last = max(of_rule)
            tiers = [
                last + tier if tier or rule is None else of_rule[rule] for tier, rule in zip(tiers, rules, strict=True)
            ]
    if any(entry.least for entry in chosen):
        mins = [max(low, entry.least) for low, entry in zip(mins, chosen, strict=True)]
    return Terms(
        chosen=chosen, names=names, rules=rules, weights=weights, mins=mins, maxs=maxs, tiers=tiers, orders=orders
    )


def tier_of(policy: ReplicaPolicy, rule: int) -> int:
    """Return the tier that a rule gives with strategy Overflow: its own, or its place in the list."""
    tier = policy.clusters[rule].tier
    return rule if tier is None else tier


def ties_of(unit: str, numbers: Sequence[int], bits: int = 64) -> list[int]:
    """Return the places of clusters among equals for a unit: hashes, the same everywhere, of which lower ones win.

    With the unit's key in them, single replicas of many units spread over the clusters, while the workloads of one unit
    stay together. Each is the product of two hashes, modulo 2**64: as evenly spread as a hash of both, at a tenth of
    the time. An odd factor maps different numbers to different ones; the name ends what ties there are left.

    Args:
        unit: its key.
        numbers: the `name_number` of each cluster.
        bits: so many bits of each, the first ones.
    """
    factor, cut, mask = name_number(unit) | 1, 64 - bits, (1 << bits) - 1
    return [number * factor >> cut & mask for number in numbers]


@lru_cache(maxsize=1 << 15)
def name_number(name: str) -> int:
    """Return 64 bits that stand for a name."""
    return int.from_bytes(sha256(name.encode()).digest()[:8])
