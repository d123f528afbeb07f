"""When and why a decision is made, and whether it may move what runs well."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fedsvc_placement.model import Memory, Placement, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What surrounds one decision."""

    now: datetime
    # Of the decision before.
    memory: Memory
    # What gave rise to this one, a word of `Trigger`.
    trigger: str
    # Whether that, or what an earlier decision had to put off, may move units to better clusters.
    replaces: bool
    # Whether it was asked to start anew, from the first affinity group.
    anew: bool
    # End of the cooldown, None when there is none or it is over.
    cooling_until: datetime | None

    @property
    def free(self) -> bool:
        """Whether better places may be taken now."""
        return self.replaces and self.cooling_until is None


def occasion_of(placement: Placement, memory: Memory, trigger: str, now: datetime) -> Occasion:
    """Return what surrounds a decision about a placement."""
    stability = placement.stability
    triggers = {trigger, memory.pending} & set(stability.replace_on)
    until = None
    if memory.moved_at is not None and stability.cooldown_seconds:
        until = memory.moved_at + timedelta(seconds=stability.cooldown_seconds)
    return Occasion(
        now=now,
        memory=memory,
        trigger=trigger,
        replaces=bool(triggers),
        anew=Trigger.REBALANCE in triggers,
        cooling_until=until if until is not None and until > now else None,
    )
