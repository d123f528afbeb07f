"""Pure: how much of a unit must be ready over all clusters while something of it is taken away.

What is counted are ready replicas by workload; a unit without workloads is counted by clusters on which it is ready.
Only what lives counts: what a lost cluster last said keeps nothing up.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

FLOOR: Final = "Floor"
"""Why less is taken away than would be: too little would be ready."""

WHOLE: Final = ""
"""The workload of a unit that has none: one replica for each cluster on which it is ready."""

Shares = Mapping[str, Mapping[str, int]]
"""Replicas by cluster and workload."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What a unit asks for; one of the two."""

    replicas: int | None = None
    percent: int | None = None  # of those that are wanted

    def least(self, wanted: int) -> int:
        """How many must be ready of so many that are wanted: never more than these."""
        if self.replicas is not None:
            return min(self.replicas, wanted)
        return -(-wanted * (self.percent or 0) // 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptUp:
    """Replicas that stay though they are wanted no more."""

    cluster: str
    workload: str
    replicas: int  # that it keeps
    wanted: int


def eased(
    wanted: Shares, before: Shares, ready: Shares, floor: Floor, *, asked: Mapping[str, int]
) -> tuple[dict[str, dict[str, int]], tuple[KeptUp, ...]]:
    """The shares of this step on the way to those that are wanted, and what is kept up for now.

    What grows does so at once. What shrinks does so as far as enough is ready then; ready replicas go last.

    Args:
        wanted: what was decided.
        before: what clusters hold; of clusters that are left, too.
        ready: what is ready of it, on clusters that live.
        floor: of the unit.
        asked: how many replicas somebody wants, by workload: those too that found no place. What is not in it is all
            placed.
    """
    found = {cluster: dict(shares) for cluster, shares in wanted.items()}
    kept: list[KeptUp] = []
    for workload in sorted({workload for shares in wanted.values() for workload in shares}):
        total = max(asked.get(workload, 0), sum(shares.get(workload, 0) for shares in wanted.values()))
        spare = max(0, _sum(ready, workload) - floor.least(total))
        for cluster in sorted(found):
            old, new = before.get(cluster, {}).get(workload, 0), found[cluster].get(workload, 0)
            if workload not in found[cluster] or new >= old:
                continue
            there = ready.get(cluster, {}).get(workload, 0)
            step = min(old, max(new, there - spare))
            spare -= max(0, there - step)
            if step > new:
                kept.append(KeptUp(cluster=cluster, workload=workload, replicas=step, wanted=new))
                found[cluster][workload] = step
    return found, tuple(kept)


def shortage(left: Collection[str], wanted: Mapping[str, int], ready: Shares, floor: Floor) -> str:
    """Why a unit cannot be taken away from clusters now, for people; empty: it can.

    Args:
        left: the clusters.
        wanted: how many replicas somebody wants, by workload.
        ready: what is ready of it, on clusters that live, these included.
        floor: of the unit.
    """
    for workload in sorted({workload for shares in ready.values() for workload in shares} | set(wanted)):
        least = floor.least(wanted.get(workload, 0))
        rest = sum(shares.get(workload, 0) for cluster, shares in ready.items() if cluster not in left)
        if rest < least and any(ready.get(cluster, {}).get(workload, 0) for cluster in left):
            what = f"replicas of {workload}" if workload else "clusters"
            return f"its floor is {least} ready {what}, and {rest} are elsewhere"
    return ""


def allows(
    after: Shares, before: Shares, wanted: Shares, ready: Shares, floor: Floor, *, asked: Mapping[str, int]
) -> bool:
    """Whether shares may be what clusters hold from now on, by what is ready now."""
    step, _ = eased(wanted, before, ready, floor, asked=asked)
    return all(
        count >= min(step.get(cluster, {}).get(workload, 0), before.get(cluster, {}).get(workload, 0))
        for cluster, shares in after.items()
        for workload, count in shares.items()
    )


def kept_words(kept: Collection[KeptUp]) -> str:
    """What a floor keeps up, for people; empty: nothing."""
    return "; ".join(
        f"{one.workload} keeps {one.replicas} replicas on {one.cluster} in place of {one.wanted}" for one in kept
    )


def _sum(shares: Shares, workload: str) -> int:
    return sum(found.get(workload, 0) for found in shares.values())
