"""Who stays where it is: units on others, when a cluster gets worse, and those that others concern as a wish alone.

Most of a fleet, when a region is lost.
"""

from dataclasses import replace

from fedsvc_placement.model import ClusterSnapshot, Memory, Movement, Placement, Trigger


def got_worse(before: ClusterSnapshot | None, after: ClusterSnapshot | None) -> bool:
    """Tell whether a cluster is as it was but for taints that came."""
    if before is None or after is None or not set(before.taints) < set(after.taints):
        return False
    return replace(before, taints=()) == replace(after, taints=())


def minds_others(placement: Placement, memory: Memory) -> bool:
    """Tell whether a unit may move because a cluster got worse that it is not on.

    Where it does not, `decide` gives the targets that it gave before: a place that was not the best one with the unit's
    own at hand is not the best one for being worse. What may change that is an affinity group to which the unit is
    about to return, and points, which go by the best and worst of what fits, where they may move something: when places
    are chosen anew for any reason, or when replicas are divided afresh. Leaders and neighbours that move tell
    themselves.

    Args:
        placement: of the unit, policies resolved.
        memory: as it came out of its newest decision.
    """
    replicas = placement.replicas
    return bool(
        memory.fitting_since
        or memory.pending
        or Trigger.OTHER in placement.stability.replace_on
        or (replicas is not None and replicas.movement == Movement.FRESH)
    )


def minds_neighbours(placement: Placement, memory: Memory) -> bool:
    """Tell whether a unit may move because others did.

    Where it does not, `decide` gives the targets that it gave before: that it would rather be near some units, or far
    from them, is points alone.

    Args:
        placement: of the unit, policies resolved.
        memory: as it came out of its newest decision.
    """
    is_bound = bool(placement.follows) or any(affinity.weight is None for affinity in placement.affinities)
    return is_bound or (bool(placement.affinities) and minds_others(placement, memory))
