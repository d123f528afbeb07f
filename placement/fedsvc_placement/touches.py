"""Which changes of a cluster can alter which decisions: lets the controller decide anew what is touched, no more."""

from datetime import datetime

from fedsvc_placement.model import ClusterSnapshot, Effect, Mode, Placement
from fedsvc_placement.selectors import excluded, named_clusters, selected, toleration_for
from fedsvc_placement.terms import rule_index


def touches(placement: Placement, before: ClusterSnapshot | None, after: ClusterSnapshot | None) -> bool:
    """Tell whether a cluster's change may alter the decisions of a placement.

    Careful: it may say yes for nothing. Where it says no, `decide` gives the same targets with the cluster as it was
    and as it is, wherever the unit is now; kept verdicts on a cluster that fits neither way may then tell old reasons.

    Args:
        placement: the placement of a unit, policies resolved.
        before: the cluster as it was, None when it was not registered.
        after: the cluster as it is, None when it is registered no more.
    """
    if (before is None or after is None) and _names(placement, before or after):
        return True  # a warning about an unknown name comes or goes, whatever becomes of the targets
    return _relevant(placement, before) != _relevant(placement, after)


# Name, rule of the replica policy, and the taints that are not borne for ever: all that counts of a usable cluster.
_Relevant = tuple[str, int | None, frozenset[tuple[str, str, str, datetime | None]]]


def _relevant(placement: Placement, cluster: ClusterSnapshot | None) -> _Relevant | None:
    """Return what decisions look at in a cluster, None when they cannot use it at all."""
    if cluster is None or cluster.deleting or not selected(placement, cluster) or excluded(placement, cluster):
        return None
    policy = placement.replicas
    rule = rule_index(policy, cluster) if policy is not None and policy.mode != Mode.DUPLICATED else None
    taints: set[tuple[str, str, str, datetime | None]] = set()
    for taint in cluster.taints:
        toleration = toleration_for(taint, placement.tolerations)
        limited = (
            taint.effect == Effect.NO_EXECUTE and toleration is not None and toleration.toleration_seconds is not None
        )
        if toleration is None or limited:
            taints.add((taint.key, taint.value, taint.effect, taint.time_added))
    return cluster.name, rule, frozenset(taints)


def _names(placement: Placement, cluster: ClusterSnapshot | None) -> bool:
    return cluster is not None and any(cluster.name in names for _, names in named_clusters(placement))
