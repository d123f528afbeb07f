"""Moving a rollout on by what its clusters say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from fedsvc.rollout.policy import OnFailure, OnSilence, RolloutPolicy
from fedsvc.rollout.state import ClusterView, Phase, Release, Rollout
from fedsvc.rollout.waves import plan_waves, waves_of

PATIENCE_SECONDS: Final = 10
"""A cluster in trouble for so long has failed: what is known of it right after a change may be from before it."""

_SHOWN: Final = 3

News = tuple[str, str, bool]
"""Reason, message, whether it is a warning."""

Moved = tuple[Rollout, list[News]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a look at a rollout comes to."""

    rollout: Rollout
    news: tuple[News, ...] = ()  # for people
    look_again: datetime | None = None  # when time alone may move it on; None: it does not


def step(policy: RolloutPolicy, rollout: Rollout, clusters: Sequence[ClusterView], now: datetime) -> Step:
    """Move a rollout on as far as it may go now; asked again with the same, it stays as it is.

    A wave begins when all clusters of the waves before it have been healthy for the time of their soak; clusters that
    failed do not hold it up while there are no more of them than may. Waves without a cluster are passed over.

    Args:
        policy: of the unit.
        rollout: as it is remembered.
        clusters: all that the unit is placed on.
        now: the time.
    """
    if rollout.phase.is_over:
        return Step(rollout=rollout)
    if rollout.phase is Phase.ROLLING_BACK:
        return _go_back(rollout, clusters, now)
    views = {view.name: view for view in clusters}
    rollout = replace(rollout, released=_look(rollout, views, now))
    if rollout.phase in (Phase.PAUSED, Phase.FAILED):
        return Step(rollout=rollout)
    news: list[News] = []
    while True:
        moved, told = _advance(policy, rollout, views, now)
        news.extend(told)
        if moved == rollout or moved.phase not in (Phase.PROGRESSING, Phase.SOAKING):
            return Step(rollout=moved, news=tuple(news), look_again=_look_again(policy, moved, views, now))
        rollout = moved


def failures(policy: RolloutPolicy, rollout: Rollout, views: Mapping[str, ClusterView], now: datetime) -> list[str]:
    """The clusters that failed, sorted, but for those that somebody went on in spite of."""
    return [
        release.cluster
        for release in rollout.released
        if release.cluster in views
        and release.cluster not in rollout.excused
        and not _is_skipped(policy, views[release.cluster])
        and _has_failed(policy, release, now)
    ]


def _look(rollout: Rollout, views: Mapping[str, ClusterView], now: datetime) -> tuple[Release, ...]:
    """The clusters that have the revision and that the unit is still on, since when each is not well noted."""
    found = []
    for release in rollout.released:
        view = views.get(release.cluster)
        if view is None:
            continue
        if view.is_well(rollout.revision):
            found.append(replace(release, unwell_since=None, broken_since=None, waits=False))
            continue
        waits = bool(view.waits_for)
        unwell = now if release.unwell_since is None or (release.waits and not waits) else release.unwell_since
        is_broken = bool(view.trouble) and view.revision == rollout.revision and not (view.silent or waits)
        broken = (release.broken_since or now) if is_broken else None
        found.append(replace(release, unwell_since=unwell, broken_since=broken, waits=waits))
    return tuple(found)


def _advance(policy: RolloutPolicy, rollout: Rollout, views: Mapping[str, ClusterView], now: datetime) -> Moved:
    """One move, or the same rollout where there is none."""
    failed = failures(policy, rollout, views, now)
    if len(failed) > policy.max_failures:
        return _stop(policy, rollout, failed, views, now)
    plan = plan_waves(policy, list(views.values()), released=rollout.names, stable=rollout.stable)
    if rollout.wave >= len(plan):
        moved = replace(rollout, stable=rollout.revision, excused=(), message="")
        text = f"revision {rollout.revision} is on all {len(views)} clusters"
        return _into(moved, Phase.COMPLETED, now), [("RolloutCompleted", text, False)]
    own = plan[rollout.wave]
    if not own:
        return replace(rollout, wave=rollout.wave + 1, message=""), []
    if _lacks_approval(policy, rollout, own):
        message = f"waits for approval: {_listed(own)}"
        waiting = replace(_into(rollout, Phase.WAITING_FOR_APPROVAL, now), message=message)
        text = f"{wave_words(policy, rollout.wave)}, {message}"
        return waiting, [("RolloutWaitsForApproval", text, False)] if rollout.phase is not waiting.phase else []
    return _within(policy, rollout, plan, failed=failed, views=views, now=now)


def _within(
    policy: RolloutPolicy,
    rollout: Rollout,
    plan: Sequence[Sequence[str]],
    *,
    failed: Sequence[str],
    views: Mapping[str, ClusterView],
    now: datetime,
) -> Moved:
    """The next move of a wave that has clusters and may begin."""
    own = plan[rollout.wave]
    allowed = [name for wave in plan[: rollout.wave + 1] for name in wave]
    under_way = _under_way(policy, rollout, failed, views)
    pending = [name for name in allowed if name not in rollout.names]
    if policy.max_parallel:
        pending = pending[: max(0, policy.max_parallel - len(under_way))]
    if pending:
        begins = not any(name in rollout.names for name in own)
        release = [Release(cluster=name, time=now, unwell_since=now) for name in pending]
        merged = tuple(sorted((*rollout.released, *release), key=lambda one: one.cluster))
        moved = replace(rollout, released=merged, healthy_since=None)
        text = f"revision {rollout.revision} goes to {_listed(pending)} ({wave_words(policy, rollout.wave)})"
        reason = "RolloutWaveBegun" if begins else "RolloutGoesOn"
        return replace(_into(moved, Phase.PROGRESSING, now), message=""), [(reason, text, False)]
    if under_way:
        moved = replace(rollout, healthy_since=None, message=_waiting_words(under_way, views))
        return _into(moved, Phase.PROGRESSING, now), []
    if rollout.healthy_since is None:
        return _into(replace(rollout, healthy_since=now, message=""), Phase.SOAKING, now), []
    if now < _soak_end(policy, rollout):
        return replace(rollout, message=""), []
    moved = replace(rollout, wave=rollout.wave + 1, healthy_since=None, message="")
    return _into(moved, Phase.PROGRESSING, now), []


def _stop(
    policy: RolloutPolicy, rollout: Rollout, failed: Sequence[str], views: Mapping[str, ClusterView], now: datetime
) -> Moved:
    first = views[failed[0]]
    why = first.silent or first.trouble or f"not healthy within {policy.deadline_seconds} s"
    allowed = f", and {policy.max_failures} may" if policy.max_failures else ""
    text = f"revision {rollout.revision} failed on {_listed(failed)}{allowed}: {first.name}: {why}"
    if policy.on_failure is OnFailure.ROLL_BACK:
        moved = replace(_into(rollout, Phase.ROLLING_BACK, now), healthy_since=None, message=text)
        return moved, [("RolloutFailed", f"{text}; going back to revision {rollout.stable}", True)]
    return replace(_into(rollout, Phase.FAILED, now), healthy_since=None, message=text), [("RolloutFailed", text, True)]


def _go_back(rollout: Rollout, clusters: Sequence[ClusterView], now: datetime) -> Step:
    open_ = sorted(
        view.name for view in clusters if view.revision != rollout.stable or not (view.applied or view.silent)
    )
    if open_:
        return Step(rollout=rollout)
    silent = sorted(view.name for view in clusters if view.silent)
    text = f"revision {rollout.revision} was rolled back to {rollout.stable}"
    if silent:
        text = f"{text}; not heard, and to follow when it is back: {_listed(silent)}"
    moved = _into(replace(rollout, released=(), healthy_since=None), Phase.ROLLED_BACK, now)
    return Step(rollout=moved, news=(("RolledBack", text, False),))


def _under_way(
    policy: RolloutPolicy, rollout: Rollout, failed: Sequence[str], views: Mapping[str, ClusterView]
) -> list[str]:
    """Clusters that have the revision and are neither healthy nor given up."""
    return [
        release.cluster
        for release in rollout.released
        if release.unwell_since is not None
        and release.cluster not in failed
        and release.cluster not in rollout.excused
        and not _is_skipped(policy, views[release.cluster])
    ]


def _is_skipped(policy: RolloutPolicy, view: ClusterView) -> bool:
    return bool(view.silent) and policy.on_silence is OnSilence.SKIP


def _has_failed(policy: RolloutPolicy, release: Release, now: datetime) -> bool:
    return any(end <= now for end in _ends(policy, release))


def _ends(policy: RolloutPolicy, release: Release) -> list[datetime]:
    """When a cluster that stays as it is has failed."""
    if release.waits:
        return []
    found = []
    if release.unwell_since is not None:
        found.append(release.unwell_since + timedelta(seconds=policy.deadline_seconds))
    if release.broken_since is not None:
        found.append(release.broken_since + timedelta(seconds=min(PATIENCE_SECONDS, policy.deadline_seconds)))
    return found


def _lacks_approval(policy: RolloutPolicy, rollout: Rollout, own: Sequence[str]) -> bool:
    wave = waves_of(policy)[rollout.wave]
    return wave.approval and rollout.wave not in rollout.approved and not any(name in rollout.names for name in own)


def soak_seconds(policy: RolloutPolicy, wave: int) -> int:
    """How long a wave has to be healthy."""
    own = waves_of(policy)[wave].soak_seconds
    return policy.soak_seconds if own is None else own


def _soak_end(policy: RolloutPolicy, rollout: Rollout) -> datetime:
    assert rollout.healthy_since is not None, "asked while the wave is healthy"
    return rollout.healthy_since + timedelta(seconds=soak_seconds(policy, rollout.wave))


def _look_again(
    policy: RolloutPolicy, rollout: Rollout, views: Mapping[str, ClusterView], now: datetime
) -> datetime | None:
    if rollout.phase not in (Phase.PROGRESSING, Phase.SOAKING, Phase.WAITING_FOR_APPROVAL):
        return None
    times = [
        end
        for release in rollout.released
        if release.cluster not in rollout.excused and not _is_skipped(policy, views[release.cluster])
        for end in _ends(policy, release)
    ]
    if rollout.healthy_since is not None and rollout.wave < len(waves_of(policy)):
        times.append(_soak_end(policy, rollout))
    return min((time for time in times if time > now), default=None)


def _into(rollout: Rollout, phase: Phase, now: datetime) -> Rollout:
    return rollout if rollout.phase is phase else replace(rollout, phase=phase, phase_time=now)


def wave_words(policy: RolloutPolicy, wave: int) -> str:
    """A wave as people read it: its number and its name."""
    waves = waves_of(policy)
    name = waves[wave].name
    return f"wave {wave + 1} of {len(waves)}" + (f", {name}" if name else "")


def _waiting_words(names: Sequence[str], views: Mapping[str, ClusterView]) -> str:
    view = views[names[0]]
    why = view.silent or view.waits_for or view.trouble
    return f"waiting for {_listed(names)}" + (f": {view.name}: {why}" if why else "")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
