"""From the taken clusters to the replicas of each workload: hands the chosen half over to the dividing half."""

from collections.abc import Mapping, Sequence

from fedsvc_placement.eligibility import Standing
from fedsvc_placement.model import PreviousBinding
from fedsvc_placement.occasion import Occasion
from fedsvc_placement.replicas import UnitDivision, divide_unit
from fedsvc_placement.selecting import Measures, Selection
from fedsvc_placement.terms import Chosen


def divide_chosen(
    measures: Measures,
    taken: Sequence[Standing],
    selection: Selection,
    bindings: Mapping[str, PreviousBinding],
    occasion: Occasion,
) -> UnitDivision:
    """Divide the workloads of a unit to the taken clusters, sorted by name."""
    rooms = measures.rooms
    return divide_unit(
        measures.unit,
        [
            Chosen(
                cluster=measures.fleet.left(standing.cluster)[0] if rooms is not None else standing.cluster,
                bound=standing.bound,
                before=bindings[standing.cluster.name].replicas if standing.bound else None,
                held=standing.judged.holds,
                score=measures.scores.total(standing.cluster.name),
                tier=selection.tiers.get(standing.cluster.name, 0),
            )
            for standing in taken
        ],
        learned=occasion.memory.learned,
        reserve_ppm=0,  # what is left is without it
        now=occasion.now,
        rebalance=occasion.anew and occasion.free,
        counted=(lambda name: rooms.counted(name)[0]) if rooms is not None and len(rooms.workloads) == 1 else None,
    )
