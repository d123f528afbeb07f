"""Which revision a cluster shall hold while a rollout is under way."""

from fedsvc.rollout.state import Phase, Rollout


def revision_for(rollout: Rollout | None, newest: int, cluster: str, *, held: int | None) -> int:
    """The revision of a unit that a cluster shall hold.

    ==============================  =============================================================================
    no rollout, or a completed one  the newest
    it goes back                    the stable one
    the rollout came to it          the newest
    new to the unit                 the stable one, until its wave comes
    else                            what it holds: the stable one, or that of a rollout which this one took over
    ==============================  =============================================================================

    Args:
        rollout: of the unit; None where there is none.
        newest: the unit's newest revision.
        cluster: by name.
        held: the revision it was told to hold; None where the unit is new there.
    """
    if rollout is None or rollout.phase is Phase.COMPLETED:
        return newest
    if rollout.phase.goes_back:
        return rollout.stable
    if cluster in rollout.names:
        return rollout.revision
    return rollout.stable if held is None else held


def is_settled(rollout: Rollout | None) -> bool:
    """Whether every cluster shall hold the newest revision."""
    return rollout is None or rollout.phase is Phase.COMPLETED
