"""What is remembered of a rollout, and what is seen of the clusters it goes over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fedsvc_placement import ClusterSnapshot


class Phase(StrEnum):
    """Where a rollout stands.

    ====================  ==================================================================
    Progressing           clusters of the wave take the revision
    Soaking               all of them are healthy, and are watched for a while
    WaitingForApproval    the next wave begins when somebody approves
    Paused                somebody paused it
    Failed                too many clusters failed: it waits for somebody
    RollingBack           all clusters go back to the stable revision
    RolledBack            they are back; the revision is held nowhere
    Completed             all clusters hold it
    ====================  ==================================================================
    """

    PROGRESSING = "Progressing"
    SOAKING = "Soaking"
    WAITING_FOR_APPROVAL = "WaitingForApproval"
    PAUSED = "Paused"
    FAILED = "Failed"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    COMPLETED = "Completed"

    @property
    def goes_back(self) -> bool:
        """Whether every cluster shall hold the stable revision."""
        return self in (Phase.ROLLING_BACK, Phase.ROLLED_BACK)

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself, nor by pausing or approving."""
        return self in (Phase.ROLLED_BACK, Phase.COMPLETED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A cluster that was let have the revision."""

    cluster: str
    time: datetime
    unwell_since: datetime | None  # not applied and healthy since then; None: it is
    broken_since: datetime | None = None  # failing since then, not only under way
    waits: bool = False  # by somebody's will nothing is written to it: no time counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A revision on its way over the clusters of a unit."""

    revision: int
    stable: int  # what clusters hold that it has not come to, and go back to
    phase: Phase = Phase.PROGRESSING
    wave: int = 0  # that it is in; one more than the last when it is over
    begin_time: datetime
    phase_time: datetime  # since when it is in this phase
    released: tuple[Release, ...] = ()  # sorted by cluster
    healthy_since: datetime | None = None  # of all waves so far; None: they are not
    approved: tuple[int, ...] = ()  # waves
    excused: tuple[str, ...] = ()  # clusters that failed before somebody said to go on
    message: str = ""  # why it is so
    by: str = ""  # who paused, aborted or approved last

    @property
    def names(self) -> frozenset[str]:
        """The clusters that were let have the revision."""
        return frozenset(release.cluster for release in self.released)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """How a unit fares on one of its clusters."""

    facts: ClusterSnapshot
    revision: int  # that it shall hold
    applied: bool  # all its works are as they should be, and were seen since
    healthy: bool
    trouble: str = ""  # why it will not get well by waiting; empty where it may
    waits_for: str = ""  # why nothing is written to it, by somebody's will; empty where something may be
    silent: str = ""  # why it is not heard; empty where it is

    @property
    def name(self) -> str:
        """Of the cluster."""
        return self.facts.name

    def is_well(self, revision: int) -> bool:
        """Whether it holds a revision and is healthy, as far as can be known now."""
        return self.revision == revision and self.applied and self.healthy and not self.silent
