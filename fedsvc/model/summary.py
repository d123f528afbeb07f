"""The works of one unit on one cluster, summed: what its status is made of; and why some of them wait."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from fedsvc.model.unit import WorkState
from fedsvc.model.work import Work
from fedsvc.rendering.waves import written_of

SEVERITY: Final[tuple[WorkState, ...]] = (
    WorkState.FAILED,
    WorkState.DRIFTED,
    WorkState.RETRYING,
    WorkState.PENDING,
    WorkState.REMOVING,
    WorkState.APPLIED,
    WorkState.HELD,
)
"""Work states, the worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstWork:
    """The work that most needs a look."""

    object: str  # as people read it
    state: WorkState
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Why works of a unit on one cluster are not acted on though they are due."""

    cluster: str
    state: WorkState  # of the works that wait: Pending or Removing
    reason: str  # a constant word
    message: str
    wave: int | None = None  # only works of later ones wait, as they were written; None: all do


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmet:
    """A dependency that is not as far as it must be for the works of a unit on one cluster."""

    cluster: str
    reason: str  # a constant word
    message: str  # goes on after "waits for"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstHealth:
    """The object that most needs a look, among those that are wanted and not healthy."""

    object: str
    health: str  # Degraded, Unknown, Progressing, or empty: not observed yet
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterWorks:
    """The works of one unit on one cluster."""

    cluster: str
    work_count: int  # but for those that are held
    applied_count: int  # state Applied
    healthy_count: int  # state Applied, and Healthy
    desired_replicas: int
    ready_replicas: int
    worst: WorstWork
    worst_health: WorstHealth | None  # None: all healthy
    held_count: int = 0  # that are to be removed once that is confirmed; in no other count
    held_message: str = ""


def may_wait(work: Work) -> bool:
    """Whether a work is yet to be acted on, and nothing is known that went wrong with it."""
    return work.state in (WorkState.PENDING, WorkState.REMOVING) and not work.reason


def with_wait(work: Work, waits: Iterable[Wait]) -> Work:
    """The same work; with reason and message of the first of its unit's waits that keeps it back, where one does."""
    if not may_wait(work):
        return work
    for wait in waits:
        concerns = (wait.cluster, wait.state) == (work.cluster, work.state)
        if concerns and (wait.wave is None or written_of(work.wave) > wait.wave):
            return replace(work, reason=wait.reason, message=wait.message)
    return work
