"""The digest of everything a decision depends on, and nothing else: equal digests, equal decisions.

The clock is not part of it, since only one thing about it counts: which tolerations have ended.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from fedsvc_placement.model import (
    ClusterMatcher,
    ClusterSnapshot,
    LabelSelector,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    UnitInput,
)

# Raised when the same inputs get another answer than in the release before.
ENGINE_VERSION = 1

Plain = None | bool | int | str | Sequence["Plain"]


def inputs_digest(
    unit: UnitInput,
    clusters: Iterable[ClusterSnapshot],
    previous: Iterable[PreviousBinding],
    ended: Mapping[str, Sequence[datetime]],
) -> str:
    """Return the SHA-256 of the canonical inputs, as hexadecimal digits.

    Args:
        unit: the unit asked about.
        clusters: the fleet, sorted by name.
        previous: where the unit is, sorted by cluster.
        ended: by cluster, when tolerations ended that are over by now.
    """
    canonical: Plain = [
        ENGINE_VERSION,
        unit.key,
        _placement(unit.placement),
        sorted([workload.key, workload.replicas] for workload in unit.workloads),
        [_cluster(cluster) for cluster in clusters],
        [
            [binding.cluster, None if binding.replicas is None else _pairs(binding.replicas.items())]
            for binding in previous
        ],
        [[cluster, [end.isoformat() for end in ends]] for cluster, ends in sorted(ended.items()) if ends],
    ]
    return sha256(json.dumps(canonical, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _pairs(pairs: Iterable[tuple[str, int | str]]) -> Plain:
    return [list(pair) for pair in sorted(pairs)]


def _names(names: Sequence[str] | None) -> Plain:
    return None if names is None else sorted(set(names))


def _selector(selector: LabelSelector | None) -> Plain:
    if selector is None:
        return None
    expressions = [[entry.key, entry.operator, list(entry.values)] for entry in selector.match_expressions]
    return [_pairs(selector.match_labels), expressions]


def _matcher(matcher: ClusterMatcher | None) -> Plain:
    return None if matcher is None else [_names(matcher.names), _selector(matcher.selector)]


def _policy(policy: ReplicaPolicy | None) -> Plain:
    if policy is None:
        return None
    rules = [[_matcher(rule.clusters), rule.weight, rule.min, rule.max] for rule in policy.clusters]
    return [policy.mode, policy.strategy, policy.total, rules]


def _placement(placement: Placement) -> Plain:
    tolerations = [
        [entry.key, entry.operator, entry.value, entry.effect, entry.toleration_seconds]
        for entry in placement.tolerations
    ]
    return [
        _names(placement.clusters),
        _selector(placement.cluster_selector),
        _matcher(placement.exclude),
        tolerations,
        _policy(placement.replicas),
    ]


def _cluster(cluster: ClusterSnapshot) -> Plain:
    taints = sorted(
        [taint.effect, taint.key, taint.value, taint.time_added.isoformat() if taint.time_added else ""]
        for taint in cluster.taints
    )
    return [
        cluster.name,
        _pairs(cluster.labels.items()),
        taints,
        cluster.provider,
        cluster.region,
        sorted(cluster.zones),
        cluster.deleting,
    ]
