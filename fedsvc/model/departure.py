"""Pure: that a unit is taken away from a cluster, and kept away from it until it is let back.

A unit has one departure of a cluster at most. It begins when the cluster is lost, or when somebody asks for it, and
ends when the unit takes back what it had there. Placement hears of it as of clusters that were left.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from fedsvc.health.verdict import SUSPECT_TAINT
from fedsvc_placement import ClusterSnapshot, Decision, PreviousBinding


class DepartureCause(StrEnum):
    """Why a unit leaves a cluster."""

    LOST = "Lost"  # the cluster was lost
    ASKED = "Asked"  # somebody wants it elsewhere
    DRAIN = "Drain"  # somebody wants the cluster empty
    DRILL = "Drill"  # it is rehearsed that the cluster is lost
    UNHEALTHY = "Unhealthy"  # the cluster is well, and the unit was not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One unit that leaves one cluster, or has left it."""

    cluster: str
    cause: DepartureCause
    targets: tuple[str, ...] = ()  # where it is to go, as somebody asked; empty: anywhere
    author: str = ""  # who asked; empty: nobody did
    reason: str = ""  # why, for people
    trouble_time: datetime | None = None  # since when it was unhealthy there, where it leaves for that
    due_time: datetime  # from when it is to be away
    leave_time: datetime | None = None  # when it was decided without the cluster
    free_time: datetime | None = None  # since when no person keeps it away; None: somebody does
    return_time: datetime | None = None  # since when it is to take back what it had
    is_pending: bool = False  # no decision has heard of it yet
    share: Mapping[str, int] = field(default_factory=dict)  # replicas that it had there, by workload
    gained: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # what others got for it, by cluster

    @property
    def is_asked(self) -> bool:
        """Whether a person is behind it."""
        return self.cause in (DepartureCause.ASKED, DepartureCause.DRAIN, DepartureCause.DRILL)

    @property
    def is_ordered(self) -> bool:
        """Whether it was stored before the decision that takes the unit away: asked for, or for the unit's health."""
        return self.cause is not DepartureCause.LOST

    def keeps_away(self, now: datetime) -> bool:
        """Whether the unit is not to be there."""
        return self.due_time <= now and self.return_time is None


def away_from(departures: Iterable[Departure], now: datetime) -> tuple[str, ...]:
    """The clusters that a unit is not to be on, sorted."""
    return tuple(sorted(one.cluster for one in departures if one.keeps_away(now)))


def acted_on(departures: Iterable[Departure], *, is_held: bool, held: Collection[str]) -> tuple[Departure, ...]:
    """Those that decisions hear of: for its health nothing leaves while automation is held for the unit or cluster."""
    return tuple(
        one
        for one in departures
        if one.cause is not DepartureCause.UNHEALTHY
        or one.leave_time is not None
        or not (is_held or one.cluster in held)
    )


def seen_at(
    bindings: Sequence[PreviousBinding], departures: Iterable[Departure], now: datetime
) -> tuple[PreviousBinding, ...]:
    """Where a unit is taken to be when it is decided: what shall take its place is, and what it leaves is not.

    A decision keeps what is there. So who is to go to a cluster is taken to be there with what it had, and who got that
    in its place to have got nothing.

    Args:
        bindings: where it is.
        departures: of the unit.
        now: time zone aware.
    """
    found: dict[str, Mapping[str, int]] = {one.cluster: one.replicas or {} for one in bindings}
    since = {one.cluster: one.since for one in bindings}
    changed = False
    for one in sorted(departures, key=lambda each: each.cluster):
        if not one.is_pending:
            continue
        if one.return_time is not None:
            changed = True
            for cluster, gained in one.gained.items():
                _give_back(found, cluster, gained)
            found[one.cluster] = {**one.share, **found.get(one.cluster, {})}
        elif one.targets and one.keeps_away(now) and one.cluster in found:
            changed = True
            share = found.pop(one.cluster)
            for target in one.targets:
                found.setdefault(target, dict(share))
    if not changed:
        return tuple(bindings)
    return tuple(
        PreviousBinding(cluster=cluster, replicas=found[cluster], since=since.get(cluster)) for cluster in sorted(found)
    )


def _give_back(found: dict[str, Mapping[str, int]], cluster: str, gained: Mapping[str, int]) -> None:
    if cluster not in found:
        return
    left = {key: max(0, count - gained.get(key, 0)) for key, count in found[cluster].items()}
    if any(left.values()):
        found[cluster] = left
    else:  # it came there in place of what is back, and for nothing else
        del found[cluster]


def gained_by(
    before: Mapping[str, Mapping[str, int]], after: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    """What clusters hold more of a unit than before, by workload; one that is new holds it, whatever its replicas."""
    found: dict[str, dict[str, int]] = {}
    for cluster, replicas in after.items():
        held = before.get(cluster, {})
        more = {key: count - held.get(key, 0) for key, count in replicas.items() if count > held.get(key, 0)}
        if more or cluster not in before:
            found[cluster] = more
    return found


def waivable(left: Iterable[str], clusters: Mapping[str, ClusterSnapshot]) -> frozenset[str]:
    """The clusters that a unit was taken away from and could be on, were there nothing else: they live."""
    return frozenset(name for name in left if name in clusters and _lives(clusters[name]))


def stopped(departures: Sequence[Departure], clusters: Mapping[str, ClusterSnapshot]) -> tuple[Departure, ...] | None:
    """The departures, none of them over whose cluster is in trouble again; None: they are as they were."""
    alive = waivable([one.cluster for one in departures], clusters)
    found = tuple(
        replace(one, return_time=None) if one.is_pending and one.cluster not in alive else one for one in departures
    )
    return found if found != tuple(departures) else None


def in_vain(
    departures: Iterable[Departure],
    before: Mapping[str, Mapping[str, int]],
    decision: Decision,
    now: datetime,
) -> frozenset[str]:
    """The clusters that a unit is to leave for its health though no other would hold any more of it for that.

    Args:
        departures: of the unit.
        before: what clusters hold of it, by workload.
        decision: without these clusters.
        now: time zone aware.
    """
    left = frozenset(
        one.cluster
        for one in departures
        if one.cause is DepartureCause.UNHEALTHY and one.is_pending and one.keeps_away(now) and one.cluster in before
    )
    if not left or gained_by(before, {target.cluster: target.replicas for target in decision.targets}):
        return frozenset()
    return left


def _lives(cluster: ClusterSnapshot) -> bool:
    return not cluster.deleting and all(taint.key != SUSPECT_TAINT for taint in cluster.taints)


def places_better(other: Decision, decision: Decision) -> bool:
    """Whether another decision runs more of a unit."""
    return _placed(other) > _placed(decision)


def lacks_place(decision: Decision) -> bool:
    """Whether something of a unit found no place."""
    return not decision.targets or any(division.unplaced for division in decision.divisions)


def _placed(decision: Decision) -> tuple[bool, int]:
    return bool(decision.targets), -sum(division.unplaced for division in decision.divisions)


def ended_by(
    departures: Iterable[Departure], targets: Collection[str], waived: Collection[str], *, is_over: bool
) -> list[str]:
    """The clusters whose departures a decision ends: the unit took back what it left, or nothing else would do.

    Args:
        departures: of the unit.
        targets: where it is from now on.
        waived: clusters that it was let be on for lack of others.
        is_over: whether what had gone elsewhere instead is given up; else that is to be looked at again.
    """
    return sorted(
        one.cluster
        for one in departures
        if (is_over and one.return_time is not None) or (one.cluster in waived and one.cluster in targets)
    )
