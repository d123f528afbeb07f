"""Which changes of a cluster can alter which decisions: lets the controller decide anew what is touched, no more."""

from collections.abc import Hashable, Sequence

from fedsvc_placement.model import (
    ApiKind,
    ClusterSnapshot,
    Effect,
    Mode,
    PlacedUnit,
    Placement,
)
from fedsvc_placement.rooms import counts_capacity
from fedsvc_placement.rules.platform import condition_status
from fedsvc_placement.selectors import (
    excluded,
    matchers_of,
    matches_cluster,
    matches_unit,
    named_clusters,
    selected,
    toleration_for,
)
from fedsvc_placement.terms import rule_index
from fedsvc_placement.topology import domains
from fedsvc_placement.versions import in_range, served_version


def touches(
    placement: Placement,
    before: ClusterSnapshot | None,
    after: ClusterSnapshot | None,
    kinds: Sequence[ApiKind] | None = None,
) -> bool:
    """Tell whether a cluster's change may alter the decisions of a placement.

    Careful: it may say yes for nothing. Where it says no, `decide` gives the same targets with the cluster as it was
    and as it is, wherever the unit is now; kept verdicts on a cluster that fits neither way may then tell old reasons.

    Args:
        placement: the placement of a unit, policies resolved.
        before: the cluster as it was, None when it was not registered.
        after: the cluster as it is, None when it is registered no more.
        kinds: what the unit needs the cluster to serve; None where that is not known, then any change of it counts.
    """
    if (before is None or after is None) and _names(placement, before or after):
        return True  # a warning about an unknown name comes or goes, whatever becomes of the targets
    if _around(placement, before) != _around(placement, after):
        return True
    return _relevant(placement, before, kinds) != _relevant(placement, after, kinds)


def touches_unit(placement: Placement, key: str, before: PlacedUnit | None, after: PlacedUnit | None) -> bool:
    """Tell whether a change of another unit may alter the decisions of a unit.

    Args:
        placement: the placement of the unit, policies resolved.
        key: the unit's own key.
        before: the other unit as it was, None when it was not there.
        after: the other unit as it is, None when it is there no more.
    """
    return _neighbour(placement, key, before) != _neighbour(placement, key, after)


def _neighbour(placement: Placement, key: str, other: PlacedUnit | None) -> Hashable:
    if other is None or other.key == key:
        return None
    matched = tuple(matches_unit(affinity.units, other.key, other.labels) for affinity in placement.affinities)
    follows = other.key in placement.follows
    return (follows, matched, frozenset(other.clusters)) if follows or any(matched) else None


def _around(placement: Placement, cluster: ClusterSnapshot | None) -> Hashable:
    """Return what counts of a cluster though the unit can never be there: it hosts others, and is part of the whole."""
    found: list[Hashable] = []
    if placement.affinities:
        found.append(None if cluster is None else _places(placement, cluster))
    if counts_capacity(placement.replicas):
        # Head-room is a part of the whole fleet, grouped by anything.
        found.append(None if cluster is None else _room(cluster))
    return tuple(found)


def _places(placement: Placement, cluster: ClusterSnapshot) -> Hashable:
    return tuple(domains(cluster, affinity.by, affinity.label_key) for affinity in placement.affinities)


def _room(cluster: ClusterSnapshot) -> Hashable:
    location = (cluster.region, cluster.provider, frozenset(cluster.zones), frozenset(cluster.labels.items()))
    # Deep in it there are mappings: their text is as good as they are, and at worst another order says yes for nothing.
    return (location, cluster.deleting, repr(cluster.capacity))


def _relevant(placement: Placement, cluster: ClusterSnapshot | None, kinds: Sequence[ApiKind] | None) -> Hashable:
    """Return what decisions look at in a cluster, None when they cannot use it at all."""
    if cluster is None or cluster.deleting or not selected(placement, cluster) or excluded(placement, cluster):
        return None
    if placement.jurisdictions is not None and cluster.jurisdiction not in placement.jurisdictions:
        return None
    return (
        cluster.name,
        _rule(placement, cluster),
        _taints(placement, cluster),
        tuple(matches_cluster(matcher, cluster) for _, matcher in matchers_of(placement)),
        tuple(domains(cluster, entry.by, entry.label_key) for entry in placement.spread),
        tuple(condition_status(cluster, wanted.type) for wanted in placement.conditions),
        _version(placement, cluster),
        _served(cluster, kinds),
        _preferred(placement, cluster),
    )


def _rule(placement: Placement, cluster: ClusterSnapshot) -> int | None:
    policy = placement.replicas
    return rule_index(policy, cluster) if policy is not None and policy.mode != Mode.DUPLICATED else None


def _taints(placement: Placement, cluster: ClusterSnapshot) -> Hashable:
    """Return the taints that are not borne for ever."""
    taints: set[Hashable] = set()
    for taint in cluster.taints:
        toleration = toleration_for(taint, placement.tolerations)
        limited = (
            taint.effect == Effect.NO_EXECUTE and toleration is not None and toleration.toleration_seconds is not None
        )
        if toleration is None or limited:
            taints.add((taint.key, taint.value, taint.effect, taint.time_added))
    return frozenset(taints)


def _version(placement: Placement, cluster: ClusterSnapshot) -> bool | None:
    if placement.kubernetes is None:
        return None
    version = served_version(cluster.kubernetes_version)
    return version is not None and in_range(version, placement.kubernetes)


def _served(cluster: ClusterSnapshot, kinds: Sequence[ApiKind] | None) -> Hashable:
    if kinds is None:
        return cluster.kinds
    return cluster.kinds is None or set(kinds) <= cluster.kinds


def _preferred(placement: Placement, cluster: ClusterSnapshot) -> Hashable:
    found: list[Hashable] = []
    for preference in placement.preferences:
        if preference.near_regions:
            found.append(cluster.region)
        elif preference.cheap:
            found.append(cluster.cost)
        elif preference.score:
            found.append(tuple(score for score in cluster.scores if score.name == preference.score))
    return tuple(found)


def _names(placement: Placement, cluster: ClusterSnapshot | None) -> bool:
    return cluster is not None and any(cluster.name in names for _, names in named_clusters(placement))
