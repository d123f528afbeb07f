"""Where replicas have to run so that spread minimums are met by replicas, and not by clusters that get none."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from fedsvc_placement.eligibility import Standing
from fedsvc_placement.model import Mode, PreviousBinding
from fedsvc_placement.selecting import Measures
from fedsvc_placement.selectors import matches_cluster
from fedsvc_placement.terms import name_number, ties_of


def covering(
    measures: Measures, taken: Sequence[Standing], bindings: Mapping[str, PreviousBinding]
) -> AbstractSet[str]:
    """Return the clusters that shall get a replica of each workload at least: one of each group that is asked for.

    Of the groups those come first in which replicas run, then by the score of their best cluster, ties by hash.
    Clusters that have no room, or to which the replica policy gives nothing, cover no group.

    Args:
        measures: by what clusters are compared.
        taken: the chosen clusters, but for those that are there for overflow alone.
        bindings: where the unit is.
    """
    placement = measures.unit.placement
    policy = placement.replicas
    asked = [
        (entry.min_groups, groups)
        for entry, groups in zip(placement.spread, measures.groups(), strict=True)
        if entry.min_groups > 1
    ]
    if policy is None or policy.mode != Mode.DIVIDED or not asked:
        return frozenset()
    running = {name for name, binding in bindings.items() if any((binding.replicas or {}).values())}
    names = [standing.cluster.name for standing in taken if _may_have(measures, standing, running)]
    ties = dict(zip(names, ties_of(measures.unit.key, [name_number(name) for name in names]), strict=True))
    names.sort(key=lambda name: (name not in running, -measures.scores.total(name), ties[name], name))
    found: set[str] = set()
    # Few groups first: what covers them covers some of the finer ones.
    for least, groups in sorted(asked, key=lambda entry: len({entry[1][name] for name in names})):
        covered = {groups[name] for name in found}
        for name in names:
            if len(covered) >= least:
                break
            if groups[name] not in covered:
                covered.add(groups[name])
                found.add(name)
    return found


def _may_have(measures: Measures, standing: Standing, running: AbstractSet[str]) -> bool:
    name = standing.cluster.name
    if measures.rooms is not None and not any(measures.rooms.room(name)):
        return False
    if standing.judged.holds and name not in running:  # it takes no more than it has
        return False
    policy = measures.unit.placement.replicas
    if policy is None or not policy.clusters:
        return True
    rule = next((rule for rule in policy.clusters if matches_cluster(rule.clusters, standing.cluster)), None)
    return rule is not None and rule.weight != 0 and rule.max != 0
