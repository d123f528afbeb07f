"""Pure: which clusters a decision drives a unit from, that would be where it is but for a taint or being taken away."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from fedsvc.health.verdict import UNREACHABLE_TAINT
from fedsvc_placement import ClusterSnapshot, Decision
from fedsvc_placement.model import ClusterVerdict, verdicts_of
from fedsvc_placement.rules.location import DATA_ANCHOR, JURISDICTION
from fedsvc_placement.rules.selection import DEPARTURE, EXCLUSION, LEAVING, SELECTION
from fedsvc_placement.rules.taints import NO_EXECUTE

_FORBIDDING: Final = frozenset({SELECTION.name, EXCLUSION.name, LEAVING.name, JURISDICTION.name, DATA_ANCHOR.name})
"""Rules by which a unit must not be on a cluster, whatever else it does there."""


def driven_out(
    decision: Decision, *, left: Collection[str], clusters: Mapping[str, ClusterSnapshot]
) -> list[ClusterSnapshot]:
    """Those of the clusters that a unit leaves, and was placed on, for a taint or being taken away alone."""
    if not left:
        return []
    judged = verdicts_of(decision, left)
    return [clusters[one.cluster] for one in judged if one.cluster in clusters and _fits_otherwise(one)]


def lost_among(found: Iterable[ClusterSnapshot]) -> list[str]:
    """The names of those that are lost, as far as automation may act on it."""
    return [one.name for one in found if is_lost(one)]


def living_among(found: Iterable[ClusterSnapshot]) -> list[str]:
    """The names of those that live and stay in the fleet."""
    return [one.name for one in found if not (is_lost(one) or one.deleting)]


def is_lost(cluster: ClusterSnapshot) -> bool:
    """Whether a cluster is lost, as far as automation may act on it."""
    return any(taint.key == UNREACHABLE_TAINT for taint in cluster.taints)


def _fits_otherwise(judged: ClusterVerdict) -> bool:
    failing = {verdict.rule for verdict in judged.verdicts if not verdict.passed}
    return failing == {NO_EXECUTE.name} or (DEPARTURE.name in failing and not failing & _FORBIDDING)
