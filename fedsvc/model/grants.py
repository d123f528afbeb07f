"""Pure: the room that decisions gave away and that no reading of a member has seen yet.

The room of a member is read about once a minute. What was placed since, and what was placed so shortly before that its
pods may not have been there yet, is taken off it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from fedsvc_placement import ClusterSnapshot, Fleet
from fedsvc_placement.model import Grant, Spoken

SETTLING: Final = timedelta(seconds=30)
"""So long after a decision its pods may not be on their nodes yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """Room that a stored decision gave away."""

    at: datetime
    spoken: Spoken


def outstanding(granted: Iterable[Granted], rooms: Mapping[str, datetime]) -> list[Granted]:
    """Those grants that a reading may not have seen yet.

    Args:
        granted: the grants.
        rooms: when reading the room of each cluster began; one whose room is unknown has none to give.
    """
    return [
        grant
        for grant in granted
        if (read := rooms.get(grant.spoken.cluster)) is not None and grant.at >= read - SETTLING
    ]


def with_grants(fleet: Fleet, granted: Iterable[Granted]) -> Fleet:
    """The fleet, its clusters without the room that was granted."""
    counts: dict[str, Counter[tuple[tuple[str, int], ...]]] = {}
    for grant in granted:
        spoken = grant.spoken
        counts.setdefault(spoken.cluster, Counter())[tuple(sorted(spoken.requests.items()))] += spoken.replicas
    if not counts:
        return fleet
    by_cluster = {
        cluster: [Grant(requests=dict(requests), replicas=replicas) for requests, replicas in sorted(found.items())]
        for cluster, found in counts.items()
    }
    return replace(
        fleet, clusters=tuple(_granting(cluster, by_cluster.get(cluster.name, ())) for cluster in fleet.clusters)
    )


def _granting(cluster: ClusterSnapshot, grants: Sequence[Grant]) -> ClusterSnapshot:
    if not grants or cluster.capacity is None:
        return cluster
    return replace(cluster, capacity=replace(cluster.capacity, grants=(*cluster.capacity.grants, *grants)))
