"""What a unit asks for: in which waves a new revision goes over its clusters, and what stops it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fedsvc_placement import ClusterMatcher, Problem
from fedsvc_placement.checks import validate_matcher

MAX_WAVES: Final = 100
MAX_SECONDS: Final = 30 * 24 * 3600
"""A rollout that is to wait for longer than a month waits for an approval."""

DEADLINE_SECONDS: Final = 600
"""As long as a Deployment's own progress deadline."""


MIN_DEADLINE_SECONDS: Final = 10
"""A shorter one would fail clusters before anything could be seen of them."""


class OnFailure(StrEnum):
    """What becomes of a rollout when more clusters fail than may."""

    PAUSE = "pause"
    ROLL_BACK = "roll-back"


class OnSilence(StrEnum):
    """What a cluster counts as that is not heard."""

    FAIL = "fail"  # once its deadline is over
    SKIP = "skip"  # it is passed over, and takes the revision when it is back


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutWave:
    """Clusters that take a revision together."""

    name: str = ""  # for people
    clusters: ClusterMatcher = field(default_factory=ClusterMatcher)  # of the unit's clusters
    percent: int | None = None  # of the clusters that match, so many are done after it, rounded up; None: all
    count: int | None = None  # likewise, as a number
    soak_seconds: int | None = None  # None: that of the policy
    approval: bool = False  # somebody has to approve before it begins


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPolicy:
    """How a new revision goes over the clusters."""

    waves: tuple[RolloutWave, ...] = ()  # clusters that none of them takes are a last wave
    soak_seconds: int = 0  # a wave is healthy for so long before the next begins
    max_parallel: int = 0  # clusters under way at the same time; 0: as many as the wave has
    max_failures: int = 0  # clusters that may fail
    deadline_seconds: int = DEADLINE_SECONDS  # a cluster that is not healthy for so long has failed
    on_failure: OnFailure = OnFailure.PAUSE
    on_silence: OnSilence = OnSilence.FAIL


def validate(policy: RolloutPolicy, path: str) -> Iterator[Problem]:
    """What is wrong with a policy at `path`, in the spelling of documents."""
    if len(policy.waves) > MAX_WAVES:
        yield Problem(path=f"{path}.waves", message=f"has {len(policy.waves)} waves; at most {MAX_WAVES} are accepted")
        return
    for name, seconds, least in (
        ("soakSeconds", policy.soak_seconds, 0),
        ("deadlineSeconds", policy.deadline_seconds, MIN_DEADLINE_SECONDS),
    ):
        yield from _seconds(f"{path}.{name}", seconds, least)
    for name, number in (("maxParallel", policy.max_parallel), ("maxFailures", policy.max_failures)):
        if number < 0:
            yield Problem(path=f"{path}.{name}", message=f"is {number}, must not be negative")
    names: dict[str, int] = {}
    for index, wave in enumerate(policy.waves):
        yield from _wave(wave, f"{path}.waves[{index}]")
        if wave.name and (first := names.setdefault(wave.name, index)) != index:
            message = f"'{wave.name}' is the name of waves[{first}] too: names of waves are there to tell them apart"
            yield Problem(path=f"{path}.waves[{index}].name", message=message)


def _wave(wave: RolloutWave, path: str) -> Iterator[Problem]:
    yield from validate_matcher(wave.clusters, f"{path}.clusters")
    if wave.percent is not None and not 1 <= wave.percent <= 100:
        yield Problem(path=f"{path}.percent", message=f"is {wave.percent}, must be from 1 to 100")
    if wave.count is not None and wave.count < 1:
        yield Problem(path=f"{path}.count", message=f"is {wave.count}, must be 1 or more")
    if wave.percent is not None and wave.count is not None:
        yield Problem(path=f"{path}.count", message="contradicts percent: give one of the two")
    if wave.soak_seconds is not None:
        yield from _seconds(f"{path}.soakSeconds", wave.soak_seconds, 0)
    if len(wave.name) > 63:
        yield Problem(path=f"{path}.name", message=f"has {len(wave.name)} characters; at most 63 are allowed")


def _seconds(path: str, seconds: int, least: int) -> Iterator[Problem]:
    if not least <= seconds <= MAX_SECONDS:
        yield Problem(path=path, message=f"is {seconds}, must be from {least} to {MAX_SECONDS} (30 days)")
