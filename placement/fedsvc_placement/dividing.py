"""From the taken clusters to the replicas of each workload: hands the chosen half over to the dividing half."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fedsvc_placement.eligibility import Standing
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.model import Learned, PreviousBinding, UnitInput
from fedsvc_placement.replicas import UnitDivision, divide_unit
from fedsvc_placement.rooms import counts_capacity
from fedsvc_placement.terms import Chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """What the division is made by, besides the clusters themselves."""

    # Points by cluster.
    scores: Mapping[str, int]
    # Overflow tiers by cluster, those of the affinity group itself left out.
    tiers: Mapping[str, int]
    # What was learned of clusters and workloads.
    learned: Sequence[Learned]
    # What has the room that is left.
    fleet: PreparedFleet
    # Whether nothing that runs is minded.
    rebalance: bool
    # Time zone aware.
    now: datetime


def divide_chosen(
    unit: UnitInput, taken: Sequence[Standing], bindings: Mapping[str, PreviousBinding], shares: Shares
) -> UnitDivision:
    """Divide the workloads of a unit to the taken clusters, sorted by name."""
    asks_room = counts_capacity(unit.placement.replicas)
    return divide_unit(
        unit,
        [
            Chosen(
                cluster=shares.fleet.left(standing.cluster)[0] if asks_room else standing.cluster,
                bound=standing.bound,
                before=bindings[standing.cluster.name].replicas if standing.bound else None,
                held=standing.holds,
                score=shares.scores.get(standing.cluster.name, 0),
                tier=shares.tiers.get(standing.cluster.name, 0),
            )
            for standing in taken
        ],
        learned=shares.learned,
        reserve_ppm=0,
        now=shares.now,
        rebalance=shares.rebalance,
    )
