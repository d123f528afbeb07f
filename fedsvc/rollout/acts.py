"""What people do to a rollout: begin it with a new revision, pause, go on, abort, approve, try again."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from fedsvc.errors import RolloutStateError
from fedsvc.rollout.policy import RolloutPolicy
from fedsvc.rollout.state import Phase, Rollout
from fedsvc.rollout.waves import waves_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRevision:
    """A revision that was just stored."""

    number: int
    previous: int  # 0: it is the first
    same_as_previous: bool  # what goes in waves is what it was
    same_as_stable: bool  # what goes in waves is that of the stable revision of the rollout before
    at_once: bool  # no policy, or somebody does not want to wait


def begin(before: Rollout | None, new: NewRevision, now: datetime) -> Rollout | None:
    """The rollout of a new revision; None where every cluster shall hold it at once.

    ===================================  ======================================================================
    the first revision, or at once       none: there is nothing to go back to, or nothing to go through
    the same content as before           the rollout goes on: through the waves again, by the new policy
    the content of the stable revision   none: it is the way back
    else                                 a new one; where one was under way, from what was stable before that
    ===================================  ======================================================================

    That a person paused holds for the rollout that takes over.
    """
    if new.previous == 0 or new.at_once:
        return None
    if before is None or before.phase is Phase.COMPLETED:
        if new.same_as_previous:
            return None if before is None else replace(before, revision=new.number, stable=new.number)
        return Rollout(revision=new.number, stable=new.previous, begin_time=now, phase_time=now)
    if new.same_as_previous:
        # A failure stays one; clusters that are done stay done, and are gone through again in a moment.
        return replace(before, revision=new.number, wave=0, healthy_since=None, approved=())
    if new.same_as_stable:
        return None
    paused = before.phase is Phase.PAUSED
    return Rollout(
        revision=new.number,
        stable=before.stable,
        phase=Phase.PAUSED if paused else Phase.PROGRESSING,
        begin_time=now,
        phase_time=now,
        message=before.message if paused else "",
        by=before.by if paused else "",
    )


def pause(rollout: Rollout, now: datetime, *, by: str, reason: str) -> Rollout:
    """Let it go to no further cluster until somebody says so; what it came to stays.

    Raises:
        RolloutStateError: it is over, or goes back.
    """
    if rollout.phase.is_over or rollout.phase.goes_back:
        raise _refused(rollout, "paused")
    if rollout.phase is Phase.PAUSED:
        return replace(rollout, message=reason, by=by)
    return replace(rollout, phase=Phase.PAUSED, phase_time=now, message=reason, by=by)


def resume(rollout: Rollout, now: datetime, *, by: str) -> Rollout:
    """Go on where it stopped, in spite of the clusters that have failed.

    Raises:
        RolloutStateError: it neither is paused nor has failed.
    """
    if rollout.phase not in (Phase.PAUSED, Phase.FAILED):
        raise _refused(rollout, "resumed")
    excused = rollout.excused
    if rollout.phase is Phase.FAILED:
        unwell = {release.cluster for release in rollout.released if release.unwell_since is not None}
        excused = tuple(sorted(unwell.union(excused)))
    return replace(rollout, phase=Phase.PROGRESSING, phase_time=now, excused=excused, message="", by=by)


def abort(rollout: Rollout, now: datetime, *, by: str, reason: str) -> Rollout:
    """Go back to the stable revision everywhere.

    Raises:
        RolloutStateError: it is over, or goes back already.
    """
    if rollout.phase.is_over or rollout.phase.goes_back:
        raise _refused(rollout, "aborted")
    text = f"aborted by {by or 'somebody'}" + (f": {reason}" if reason else "")
    return replace(rollout, phase=Phase.ROLLING_BACK, phase_time=now, healthy_since=None, message=text, by=by)


def approve(policy: RolloutPolicy, rollout: Rollout, *, wave: int | None, by: str) -> Rollout:
    """Let a wave begin; None stands for the one that the rollout waits for.

    Raises:
        RolloutStateError: it is over or goes back, waits for no approval, or the wave asks for none.
    """
    if rollout.phase.is_over or rollout.phase.goes_back:
        raise _refused(rollout, "approved")
    if wave is None and rollout.phase is not Phase.WAITING_FOR_APPROVAL:
        message = f"the rollout of revision {rollout.revision} waits for no approval (it is {rollout.phase})"
        raise RolloutStateError(phase=rollout.phase, message=f"{message}: name a wave to approve it beforehand")
    chosen = rollout.wave if wave is None else wave
    waves = waves_of(policy)
    if not 0 <= chosen < len(waves) or not waves[chosen].approval:
        asking = [str(index + 1) for index, one in enumerate(waves) if one.approval]
        which = f"those that do: {', '.join(asking)}" if asking else "none does"
        raise RolloutStateError(phase=rollout.phase, message=f"wave {chosen + 1} asks for no approval; {which}")
    return replace(rollout, approved=tuple(sorted({*rollout.approved, chosen})), by=by)


def retry(rollout: Rollout, now: datetime, *, by: str) -> Rollout:
    """Begin again from the first wave, after it was rolled back.

    Raises:
        RolloutStateError: it was not rolled back.
    """
    if not rollout.phase.goes_back:
        raise _refused(rollout, "tried again")
    return Rollout(revision=rollout.revision, stable=rollout.stable, begin_time=now, phase_time=now, by=by)


_ADVICE: Final = {
    Phase.COMPLETED: "to go back to an earlier revision:  fedctl rollback UNIT",
    Phase.ROLLED_BACK: "apply a revision that is mended, or begin it again:  fedctl rollout retry UNIT",
    Phase.ROLLING_BACK: "it is on its way back; then:  fedctl rollout retry UNIT",
    Phase.PAUSED: "go on with  fedctl rollout resume UNIT, or back with  fedctl rollout abort UNIT",
    Phase.FAILED: "go on with  fedctl rollout resume UNIT, or back with  fedctl rollout abort UNIT",
}


def _refused(rollout: Rollout, what: str) -> RolloutStateError:
    advice = _ADVICE.get(rollout.phase, "it is under way")
    message = f"the rollout of revision {rollout.revision} is {rollout.phase} and cannot be {what}: {advice}"
    return RolloutStateError(phase=rollout.phase, message=message)
