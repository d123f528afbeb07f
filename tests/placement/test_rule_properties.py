"""What holds of every decision under every rule, whatever is down."""

import json
from dataclasses import replace
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from fedsvc.testing.placement_strategies import (
    NOW,
    bindings,
    fleets,
    groups_used,
    memories,
    placements,
    policies,
    triggers,
    units,
    with_policy,
)
from fedsvc_placement import (
    ClusterSnapshot,
    Fleet,
    GroupReturnPolicy,
    Memory,
    PlacedUnit,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    UnitAffinity,
    UnitInput,
    decide,
    explain_lines,
    from_dict,
    prepare_fleet,
    to_dict,
    validate,
)
from fedsvc_placement.topology import domains, group_of


@given(placements())
def test_the_placements_tried_here_are_valid(placement: Placement) -> None:
    assert validate(placement) == []


@given(units, fleets, bindings, memories, triggers)
def test_no_hard_rule_is_ever_broken(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], memory: Memory, trigger: str
) -> None:
    decision = decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)
    placement = unit.placement
    was = {binding.cluster for binding in previous}
    targets = {target.cluster for target in decision.targets}
    leaders = {name for other in fleet.units if other.key in placement.follows for name in other.clusters}
    for cluster in fleet.clusters:
        if cluster.name not in targets:
            continue
        assert not cluster.deleting
        assert placement.exclude is None or cluster.name not in (placement.exclude.names or ())
        assert placement.jurisdictions is None or cluster.jurisdiction in placement.jurisdictions
        assert not placement.follows or cluster.name in leaders
        assert all(taint.effect != "NoExecute" for taint in cluster.taints)
        for anchor in placement.data:
            dataset = next(entry for entry in fleet.datasets if entry.name == anchor.dataset)
            lags = {copy.cluster: copy.lag_seconds for copy in dataset.copies}
            lag = lags.get(cluster.name)
            assert dataset.primary == cluster.name or (
                anchor.access == "Read" and lag is not None and lag <= (anchor.max_lag_seconds or 0)
            )
        if cluster.name in was:
            continue
        assert all(taint.effect not in {"NoSchedule", "NoScheduleNew"} for taint in cluster.taints)
        assert cluster.kinds is None or set(unit.kinds) <= cluster.kinds
        assert placement.kubernetes is None or cluster.kubernetes_version == "v1.30.1"
        assert not placement.conditions or cluster.conditions.get("Ready") == "True"
        for affinity in placement.affinities:
            if affinity.weight is None and affinity.mode == "Apart":
                assert not near(unit, fleet, affinity, cluster)
            elif affinity.weight is None:
                others = [one for one in fleet.units if one.key != unit.key and wanted(affinity, one) and one.clusters]
                first = not others and wanted(affinity, unit)
                assert first or near(unit, fleet, affinity, cluster)


def wanted(affinity: UnitAffinity, unit: UnitInput | PlacedUnit) -> bool:
    matcher = affinity.units
    labels = matcher.selector is None or set(matcher.selector.match_labels) <= set(unit.labels.items())
    return labels and (matcher.names is None or unit.key in matcher.names)


def near(unit: UnitInput, fleet: Fleet, affinity: UnitAffinity, cluster: ClusterSnapshot) -> bool:
    by_name = {entry.name: entry for entry in fleet.clusters}
    here = set(domains(cluster, affinity.by, affinity.label_key))
    for other in fleet.units:
        if other.key == unit.key or not wanted(affinity, other):
            continue
        for name in other.clusters:
            if name == cluster.name:
                return True
            if name in by_name and here & set(domains(by_name[name], affinity.by, affinity.label_key)):
                return True
    return False


@given(units, policies, fleets, bindings, memories, triggers, st.booleans())
def test_no_maximum_is_ever_exceeded_and_what_is_missing_is_told(
    unit: UnitInput,
    policy: ReplicaPolicy | None,
    fleet: Fleet,
    previous: list[PreviousBinding],
    memory: Memory,
    trigger: str,
    other_policy: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    unit = with_policy(unit, policy) if other_policy else unit
    decision = decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)
    assert [entry.constraint for entry in decision.spread] == list(range(len(unit.placement.spread)))
    for entry, result in zip(unit.placement.spread, decision.spread, strict=True):
        used = groups_used(decision, fleet, entry)
        assert "" not in used
        assert set(result.groups) == used
        assert entry.max_groups is None or len(used) <= entry.max_groups
        assert result.missing == max(0, entry.min_groups - len(used))


@given(units, fleets)
def test_minimums_are_met_wherever_that_is_possible(unit: UnitInput, fleet: Fleet) -> None:
    placement = replace(unit.placement, groups=(), group_return=GroupReturnPolicy())
    decision = decide(replace(unit, placement=placement), fleet, (), NOW)
    if not any(entry.missing for entry in decision.spread):
        return
    fitting = [
        entry.cluster
        for entry in decision.clusters
        if all(verdict.passed for verdict in entry.verdicts if verdict.rule != "Select")
    ]
    least = sum(entry.missing for entry in decision.spread)
    clusters = {entry.name: entry for entry in fleet.clusters}
    for size in range(len(fitting) + 1):
        for names in combinations(fitting, size):
            missing = 0
            allowed = True
            for entry in placement.spread:
                used = {group_of(clusters[name], entry.by, entry.label_key) for name in names}
                allowed = allowed and (entry.max_groups is None or len(used) <= entry.max_groups)
                missing += max(0, entry.min_groups - len(used))
            assert not allowed or missing >= least


@given(units, fleets, bindings, memories, triggers, st.data())
def test_the_order_of_the_parts_does_not_change_a_byte(
    unit: UnitInput,
    fleet: Fleet,
    previous: list[PreviousBinding],
    memory: Memory,
    trigger: str,
    data: st.DataObject,
) -> None:
    def shuffled(cluster: ClusterSnapshot) -> ClusterSnapshot:
        return replace(cluster, zones=cluster.zones[::-1], taints=cluster.taints[::-1])

    placement = unit.placement
    same = replace(
        unit,
        placement=replace(
            placement,
            jurisdictions=None if placement.jurisdictions is None else placement.jurisdictions[::-1],
            stability=replace(placement.stability, replace_on=placement.stability.replace_on[::-1]),
        ),
    )
    other = replace(
        fleet,
        clusters=tuple(shuffled(cluster) for cluster in data.draw(st.permutations(fleet.clusters))),
        units=tuple(replace(one, clusters=one.clusters[::-1]) for one in fleet.units[::-1]),
        datasets=tuple(replace(one, copies=one.copies[::-1]) for one in fleet.datasets),
    )
    one = json.dumps(to_dict(decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)))
    again = decide(same, other, data.draw(st.permutations(previous)), NOW, memory=memory, trigger=trigger)
    assert json.dumps(to_dict(again)) == one


@given(units, fleets, bindings, memories, triggers)
def test_a_prepared_fleet_gives_the_same_answers_and_they_can_be_kept_and_explained(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], memory: Memory, trigger: str
) -> None:
    prepared = prepare_fleet(fleet)
    decide(replace(unit, key="n/u1"), prepared, (), NOW)
    decide(replace(unit, key="n/u2"), prepared, previous[::-1], NOW)
    decision = decide(unit, prepared, previous, NOW, memory=memory, trigger=trigger)
    assert decision == decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)
    assert from_dict(json.loads(json.dumps(to_dict(decision)))) == decision
    assert len(explain_lines(decision)) >= len(fleet.clusters)
