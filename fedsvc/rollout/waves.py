"""Which clusters each wave has."""

from collections.abc import Collection, Sequence

from fedsvc.rollout.policy import RolloutPolicy, RolloutWave
from fedsvc.rollout.state import ClusterView
from fedsvc_placement import ClusterMatcher, matches_cluster

REST = RolloutWave(name="rest")
"""The wave of the clusters that no other takes."""


def waves_of(policy: RolloutPolicy) -> tuple[RolloutWave, ...]:
    """The waves in order, one of the rest last, unless some wave takes all clusters."""
    if any(_takes_all(wave) for wave in policy.waves):
        return policy.waves
    return (*policy.waves, REST)


def _takes_all(wave: RolloutWave) -> bool:
    return wave.clusters == ClusterMatcher() and wave.count is None and wave.percent in (None, 100)


def plan_waves(
    policy: RolloutPolicy, clusters: Sequence[ClusterView], *, released: Collection[str], stable: int
) -> tuple[tuple[str, ...], ...]:
    """The clusters that each wave of `waves_of` adds, each sorted in the order in which they are taken.

    Where a wave takes only a part, those come first that have the revision already, then those that an earlier rollout
    was broken off on, then by name: what was disturbed once is disturbed again before what runs well.

    Args:
        policy: of the unit.
        clusters: all that it is placed on.
        released: those that were let have the revision.
        stable: the revision that the others hold, but for those that an earlier rollout came to.
    """
    ordered = sorted(clusters, key=lambda view: (view.name not in released, view.revision == stable, view.name))
    taken: set[str] = set()
    plan = []
    for wave in waves_of(policy):
        matching = [view.name for view in ordered if matches_cluster(wave.clusters, view.facts)]
        limit = _limit(wave, len(matching)) - sum(name in taken for name in matching)
        found = [name for name in matching if name not in taken][: max(0, limit)]
        taken.update(found)
        plan.append(tuple(found))
    return tuple(plan)


def _limit(wave: RolloutWave, matching: int) -> int:
    """How many of the clusters that match are done after a wave."""
    if wave.count is not None:
        return min(wave.count, matching)
    return matching if wave.percent is None else -(-matching * wave.percent // 100)
