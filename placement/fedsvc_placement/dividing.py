"""From the taken clusters to the replicas of each workload: hands the chosen half over to the dividing half."""

from collections.abc import Callable, Mapping, Sequence

from fedsvc_placement.covering import covering
from fedsvc_placement.eligibility import Standing
from fedsvc_placement.model import ClusterSnapshot, PreviousBinding
from fedsvc_placement.occasion import Occasion
from fedsvc_placement.replicas import UnitDivision, divide_unit
from fedsvc_placement.selecting import Measures, Selection
from fedsvc_placement.terms import Chosen, rule_index


def divide_chosen(
    measures: Measures,
    taken: Sequence[Standing],
    selection: Selection,
    bindings: Mapping[str, PreviousBinding],
    occasion: Occasion,
) -> UnitDivision:
    """Divide the workloads of a unit to the taken clusters, sorted by name."""
    rooms, fleet, scores = measures.rooms, measures.fleet, measures.scores
    alone = rooms is not None and len(rooms.workloads) == 1
    # Of several workloads each takes room that the next then lacks, which is counted from what the cluster has left.
    left = rooms is not None and not alone
    tiers = selection.tiers
    own = [standing for standing in taken if standing.cluster.name not in tiers] if tiers else taken
    needed = covering(measures, own, bindings)
    return divide_unit(
        measures.unit,
        [
            # By position, which is faster: cluster, bound, before, held, score, tier, least.
            Chosen(
                fleet.left(standing.cluster)[0] if left else standing.cluster,
                standing.bound,
                bindings[standing.cluster.name].replicas if standing.bound else None,
                standing.judged.holds,
                scores.total(standing.cluster.name),
                tiers.get(standing.cluster.name, 0) if tiers else 0,
                int(standing.cluster.name in needed) if needed else 0,
            )
            for standing in taken
        ],
        learned=occasion.memory.learned,
        reserve_ppm=0,  # what is left is without it
        now=occasion.now,
        rebalance=occasion.anew and occasion.free,
        counted=(lambda name: rooms.counted(name)[0]) if rooms is not None and alone else None,
        rule_of=_rules_of(measures),
    )


def _rules_of(measures: Measures) -> Callable[[ClusterSnapshot], int | None] | None:
    """Return what gives the replica rule of a cluster, found once for all units of a placement."""
    placement = measures.unit.placement
    policy = placement.replicas
    if policy is None or not policy.clusters:
        return None
    number = measures.fleet.number_of(placement)
    known: dict[str, int | None] = measures.fleet.keep(("replica rules", number), dict)

    def rule_of(cluster: ClusterSnapshot) -> int | None:
        if cluster.name not in known:
            known[cluster.name] = rule_index(policy, cluster)
        return known[cluster.name]

    return rule_of
