"""Pure: when a unit leaves a cluster that is well, since the unit itself is unhealthy there.

What ails a unit everywhere is the unit's own trouble, and no other cluster mends that. So it leaves one cluster only
while it is well on another, or where it is on that one alone and has not moved in vain before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DEFAULT_AFTER_SECONDS: Final = 300
DEFAULT_FORGET_SECONDS: Final = 3_600
PACE_PERCENT: Final = 10
"""Of the units on a cluster at most so many, one at least, leave it for their health within `STEP`."""
STEP: Final = timedelta(minutes=1)
RETRY: Final = timedelta(minutes=1)
"""Where nothing else took a unit that is unhealthy, it is tried again after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnhealthyPolicy:
    """What a unit asks for."""

    after_seconds: int = DEFAULT_AFTER_SECONDS  # unhealthy on a cluster for so long, it leaves that
    forget_seconds: int = DEFAULT_FORGET_SECONDS  # and is not placed there again for so long


class Wait(StrEnum):
    """Why a unit stays for now where it is unhealthy."""

    TIME = "Unhealthy"  # not for long enough yet
    EVERYWHERE = "UnhealthyEverywhere"  # it is well nowhere
    TURN = "Turn"  # others go first
    MANUAL = "Manual"
    NEVER = "Never"
    HELD = "Held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """A unit on one of the clusters where it is placed."""

    cluster: str
    since: datetime | None = None  # since when it is unhealthy there without a break; None: it is not
    is_well: bool = False  # all of it is ready there, and the cluster is Healthy


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A unit that is unhealthy somewhere."""

    uid: str
    policy: UnhealthyPolicy
    priority: int
    spots: tuple[Spot, ...]  # all clusters where it is placed
    stop: Wait | None = None  # what keeps it where it is, whatever its health; None: nothing does
    # Clusters where something of it is kept until it is ready elsewhere, with whether that is well.
    left: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What becomes of the units that are unhealthy somewhere."""

    leaving: tuple[tuple[str, str], ...]  # uid and cluster, in the order of their going
    returning: tuple[tuple[str, str], ...]  # likewise: where it moved to it does no better, and where it was it is well
    waiting: Mapping[tuple[str, str], tuple[Wait, datetime | None]]  # why others stay, and until when if known


def course(
    patients: Iterable[Patient],
    *,
    bound: Mapping[str, int],
    left: Mapping[str, Sequence[datetime]],
    held_clusters: frozenset[str],
    now: datetime,
) -> Course:
    """What becomes of units that are unhealthy somewhere: those of a higher priority go first.

    Args:
        patients: the units.
        bound: how many units each cluster has.
        left: by cluster, when units left it for their health of late.
        held_clusters: those that automation is kept from.
        now: time zone aware.
    """
    waiting: dict[tuple[str, str], tuple[Wait, datetime | None]] = {}
    due: list[tuple[int, datetime, str, str]] = []
    returning = []
    for one in patients:
        back = _way_back(one)
        if back and one.stop is None and not held_clusters.intersection((back, *(spot.cluster for spot in one.spots))):
            returning.append((one.uid, back))
            continue
        ailing = [spot for spot in one.spots if spot.since is not None]
        found = {spot.cluster: _wait(one, spot, held_clusters, now) for spot in ailing}
        ready = sorted((spot.since or now, spot.cluster) for spot in ailing if found[spot.cluster] is None)
        for since, cluster in ready[:1]:
            due.append((-one.priority, since, one.uid, cluster))
        for _, cluster in ready[1:]:
            waiting[one.uid, cluster] = (Wait.TURN, None)
        waiting.update({(one.uid, cluster): why for cluster, why in found.items() if why is not None})
    leaving = []
    going = {cluster: sum(1 for at in times if at > now - STEP) for cluster, times in left.items()}
    for _, _, uid, cluster in sorted(due):
        if going.get(cluster, 0) < max(1, bound.get(cluster, 0) * PACE_PERCENT // 100):
            leaving.append((uid, cluster))
            going[cluster] = going.get(cluster, 0) + 1
        else:
            waiting[uid, cluster] = (Wait.TURN, None)
    return Course(leaving=tuple(leaving), returning=tuple(sorted(returning)), waiting=waiting)


def _wait(
    one: Patient, spot: Spot, held_clusters: frozenset[str], now: datetime
) -> tuple[Wait, datetime | None] | None:
    assert spot.since is not None
    due = spot.since + timedelta(seconds=one.policy.after_seconds)
    if one.stop in (Wait.MANUAL, Wait.NEVER):
        return one.stop, None
    if due > now:
        return Wait.TIME, due
    if one.stop is not None or spot.cluster in held_clusters:
        return one.stop or Wait.HELD, None
    others = [other for other in one.spots if other is not spot]
    if not any(other.is_well for other in others) and (others or one.left):
        return Wait.EVERYWHERE, None
    return None


def _way_back(one: Patient) -> str:
    """The cluster that a unit moved away from in vain: it is well there by now, and not where it went; empty: none."""
    if not one.left or any(spot.is_well for spot in one.spots):
        return ""
    overdue = all(spot.since is not None for spot in one.spots)
    return min((cluster for cluster, is_well in one.left.items() if is_well), default="") if overdue else ""
