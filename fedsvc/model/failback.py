"""Pure: when units take back what left a cluster that is back: when that was well for long enough, and in steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

DEFAULT_STABLE_SECONDS: Final = 600
DEFAULT_PACE_PERCENT: Final = 10
STEP: Final = timedelta(minutes=1)
"""A pace is so much in this time."""


class FailbackMode(StrEnum):
    """Whether a unit goes back to a cluster that it left."""

    AFTER = "after"  # by itself, when that was well for some time
    MANUAL = "manual"  # when somebody asks for it
    NEVER = "never"  # only when somebody names the unit


@dataclass(frozen=True, slots=True, kw_only=True)
class FailbackPolicy:
    """What a unit asks for."""

    mode: FailbackMode = FailbackMode.AFTER
    stable_seconds: int = DEFAULT_STABLE_SECONDS  # how long the cluster is well before
    # Of the units that left the cluster at most so many, 1 at least, go back within a minute; this one is among them.
    pace_percent: int = DEFAULT_PACE_PERCENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Away:
    """A unit that is away from a cluster it left."""

    uid: str
    cluster: str
    policy: FailbackPolicy
    priority: int
    leave_time: datetime
    # Since when the cluster is well, open to new units, and no person keeps the unit away; None: that is not so.
    well_since: datetime | None

    @property
    def stable_time(self) -> datetime | None:
        """From when it may go back by itself; None: that is not known."""
        if self.well_since is None or self.policy.mode is not FailbackMode.AFTER:
            return None
        return self.well_since + timedelta(seconds=self.policy.stable_seconds)


def due_back(away: Iterable[Away], returned: Mapping[str, Sequence[datetime]], now: datetime) -> list[Away]:
    """The units that go back now, those of a higher priority first.

    Args:
        away: all that are away from the clusters.
        returned: by cluster, when units went back to it since it is well.
        now: time zone aware.
    """
    by_cluster: dict[str, list[Away]] = {}
    for one in away:
        by_cluster.setdefault(one.cluster, []).append(one)
    found: list[Away] = []
    for cluster, units in sorted(by_cluster.items()):
        times = returned.get(cluster, ())
        total = len(units) + len(times)
        going = sum(1 for time in times if time > now - STEP)
        for one in sorted(units, key=lambda each: (-each.priority, each.leave_time, each.uid)):
            stable = one.stable_time
            if stable is None or stable > now:
                continue
            if going < max(1, total * one.policy.pace_percent // 100):
                found.append(one)
                going += 1
    return found
