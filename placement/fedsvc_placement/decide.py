"""The one question this package answers: where shall a unit run, with how many replicas, and why not elsewhere.

filter (every rule, every cluster) -> score -> select -> divide -> record
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise

from fedsvc_placement import filters
from fedsvc_placement.digest import inputs_digest
from fedsvc_placement.filters import Candidate
from fedsvc_placement.model import (
    ClusterSnapshot,
    ClusterVerdict,
    Decision,
    Division,
    Placement,
    PlacementWarning,
    PreviousBinding,
    ReplicaPolicy,
    Target,
    UnitInput,
    Verdict,
)
from fedsvc_placement.replicas import divide_workload, shortfalls_of, terms_of
from fedsvc_placement.selectors import named_clusters

_DUPLICATED = ReplicaPolicy()


def decide(
    unit: UnitInput,
    clusters: Iterable[ClusterSnapshot],
    previous: Iterable[PreviousBinding],
    now: datetime,
) -> Decision:
    """Decide on which clusters a unit runs, and with how many replicas.

    The answer depends on nothing but the arguments and not on the order of their parts. Deciding again with the answer
    as `previous` gives the same targets, until an input changes or `reconsider_at` has come.

    Args:
        unit: the unit, with policies resolved and validated.
        clusters: the whole fleet.
        previous: where the unit is now; clusters that are not in the fleet count for nothing.
        now: time zone aware; compared with the ends of tolerations.

    Raises:
        ValueError: a cluster, binding or workload is given twice, or the placement is one that `validate` refuses.
    """
    fleet = sorted(clusters, key=lambda cluster: cluster.name)
    bound_to = sorted(previous, key=lambda binding: binding.cluster)
    workloads = sorted(unit.workloads, key=lambda workload: workload.key)
    _refuse_twice("cluster", [cluster.name for cluster in fleet])
    _refuse_twice("binding", [binding.cluster for binding in bound_to])
    _refuse_twice("workload", [workload.key for workload in workloads])
    bindings = {binding.cluster: binding for binding in bound_to}

    placement = unit.placement
    candidates = [
        Candidate(placement=placement, cluster=cluster, bound=cluster.name in bindings, now=now) for cluster in fleet
    ]
    judged = [(candidate, tuple(rule(candidate) for rule in filters.RULES)) for candidate in candidates]
    # Nothing limits the number of clusters in this engine yet: select takes all that fit, whatever their score.
    chosen = [candidate for candidate, verdicts in judged if all(verdict.passed for verdict in verdicts)]

    policy = placement.replicas or _DUPLICATED
    terms = [
        terms_of(
            policy,
            candidate.cluster,
            bindings[candidate.cluster.name].replicas if filters.holds_replicas(candidate) else None,
        )
        for candidate in chosen
    ]
    divisions = tuple(divide_workload(unit.key, workload, policy, terms) for workload in workloads)
    replicas = _replicas_by_cluster(divisions)
    targets = tuple(
        Target(cluster=candidate.cluster.name, replicas=replicas.get(candidate.cluster.name, {}))
        for candidate in chosen
    )
    ends = {candidate.cluster.name: filters.toleration_ends(candidate) for candidate in candidates}
    reason, message = ("", "") if chosen else _why_none(placement, fleet)
    return Decision(
        unit=unit.key,
        inputs_digest=inputs_digest(
            unit,
            fleet,
            [binding for binding in bound_to if binding.cluster in ends],
            {name: [end for end in times if end <= now] for name, times in ends.items()},
        ),
        clusters=_cluster_verdicts(judged, replicas),
        targets=targets,
        divisions=divisions,
        shortfall=tuple(shortfall for division in divisions for shortfall in shortfalls_of(division)),
        warnings=_warnings(placement, fleet, chosen),
        reason=reason,
        message=message,
        # Only a cluster that is kept by a toleration can change by time alone: a refusal never ends by itself.
        reconsider_at=min(
            (ends[candidate.cluster.name][0] for candidate in chosen if ends[candidate.cluster.name]), default=None
        ),
    )


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    for one, other in pairwise(names):
        if one == other:
            raise ValueError(f"{what} {one!r} is given twice")


def _replicas_by_cluster(divisions: Sequence[Division]) -> Mapping[str, dict[str, int]]:
    replicas: dict[str, dict[str, int]] = {}
    for division in divisions:
        for share in division.shares:
            replicas.setdefault(share.cluster, {})[division.workload] = share.replicas
    return replicas


def _cluster_verdicts(
    judged: Sequence[tuple[Candidate, tuple[Verdict, ...]]], replicas: Mapping[str, Mapping[str, int]]
) -> tuple[ClusterVerdict, ...]:
    return tuple(
        ClusterVerdict(
            cluster=candidate.cluster.name,
            chosen=all(verdict.passed for verdict in verdicts),
            bound=candidate.bound,
            verdicts=verdicts,
            score=filters.score(candidate),
            replicas=replicas.get(candidate.cluster.name, {}),
        )
        for candidate, verdicts in judged
    )


def _why_none(placement: Placement, fleet: Sequence[ClusterSnapshot]) -> tuple[str, str]:
    if placement.clusters is None and placement.cluster_selector is None:
        return (
            "NoPlacement",
            "the placement has neither clusters nor clusterSelector; `clusterSelector: {}` selects all",
        )
    if placement.clusters is not None and not placement.clusters:
        return "EmptyClusterList", "placement.clusters is an empty list, which selects no cluster"
    if not fleet:
        return "NoClusters", "no cluster is registered"
    return "NoClusterFits", "none of the registered clusters fits"


def _warnings(
    placement: Placement, fleet: Sequence[ClusterSnapshot], chosen: Sequence[Candidate]
) -> tuple[PlacementWarning, ...]:
    found: list[PlacementWarning] = []
    known = {cluster.name for cluster in fleet}
    for path, names in named_clusters(placement):
        unknown = tuple(sorted(set(names) - known))
        if unknown:
            message = f"{path} names clusters that are not registered: {', '.join(unknown)}"
            found.append(PlacementWarning(reason="UnknownClusters", message=message, names=unknown))
    if placement.clusters is not None and placement.cluster_selector is not None:
        message = "placement.clusterSelector is ignored because placement.clusters is given"
        found.append(PlacementWarning(reason="SelectorIgnored", message=message))
    for candidate in chosen:
        for taint in filters.timeless_taints(candidate):
            message = (
                f"taint {filters.taint_text(taint)} of {candidate.cluster.name} does not tell since when, "
                "so the toleration of it does not end"
            )
            found.append(PlacementWarning(reason="TaintWithoutTime", message=message, names=(candidate.cluster.name,)))
    return tuple(sorted(found, key=lambda warning: (warning.reason, warning.message)))
