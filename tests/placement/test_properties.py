"""What holds of every decision, whatever the fleet and the placement."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fedsvc_placement import (
    ClusterMatcher,
    ClusterSnapshot,
    Decision,
    Fleet,
    LabelRequirement,
    LabelSelector,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    Taint,
    Toleration,
    UnitInput,
    WorkloadInput,
    decide,
    explain_lines,
    from_dict,
    to_dict,
    touches,
    validate,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("a", "b", "c", "d", "e")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute", "NoScheduleNew")

keys = st.sampled_from(("k", "l"))
values = st.sampled_from(("x", "y"))
name_lists = st.lists(st.sampled_from((*NAMES, "unknown")), max_size=3, unique=True).map(tuple)
requirements = st.one_of(
    st.builds(
        LabelRequirement,
        key=keys,
        operator=st.sampled_from(("In", "NotIn")),
        values=st.lists(values, min_size=1, max_size=2).map(tuple),
    ),
    st.builds(LabelRequirement, key=keys, operator=st.sampled_from(("Exists", "DoesNotExist"))),
)
selectors = st.builds(
    LabelSelector,
    match_labels=st.dictionaries(keys, values, max_size=1).map(lambda labels: tuple(labels.items())),
    match_expressions=st.lists(requirements, max_size=1).map(tuple),
)
matchers = st.builds(ClusterMatcher, names=st.none() | name_lists, selector=st.none() | selectors)
tolerations = st.one_of(
    st.builds(
        Toleration,
        key=keys,
        operator=st.just("Exists"),
        effect=st.just("NoExecute"),
        toleration_seconds=st.none() | st.integers(-1, 120),
    ),
    st.builds(Toleration, key=keys, value=values, effect=st.none() | st.sampled_from(EFFECTS)),
)
rules = st.builds(
    lambda clusters, weight, low, extra: ReplicaRule(
        clusters=clusters, weight=weight, min=low, max=None if extra is None else low + extra
    ),
    matchers,
    st.none() | st.integers(0, 4),
    st.integers(0, 4),
    st.none() | st.integers(0, 6),
)
policies = st.one_of(
    st.builds(ReplicaPolicy, mode=st.just("Duplicated"), total=st.none() | st.integers(0, 9)),
    st.builds(
        ReplicaPolicy,
        mode=st.just("Divided"),
        total=st.none() | st.integers(0, 30),
        clusters=st.lists(rules, max_size=3).map(tuple),
    ),
)
placements = st.builds(
    Placement,
    clusters=st.none() | name_lists,
    cluster_selector=st.none() | selectors | st.just(LabelSelector()),
    exclude=st.none() | matchers,
    tolerations=st.lists(tolerations, max_size=3).map(tuple),
    replicas=st.none() | policies,
)
taints = st.builds(
    Taint,
    key=keys,
    value=values,
    effect=st.sampled_from(EFFECTS),
    time_added=st.none() | st.integers(-200, 0).map(lambda seconds: NOW + timedelta(seconds=seconds)),
)


def clusters_named(names: st.SearchStrategy[str]) -> st.SearchStrategy[ClusterSnapshot]:
    return st.builds(
        ClusterSnapshot,
        name=names,
        labels=st.dictionaries(keys, values),
        taints=st.lists(taints, max_size=2, unique_by=lambda taint: (taint.key, taint.effect)).map(tuple),
        deleting=st.sampled_from((False, False, False, True)),
        ready=st.none() | st.booleans(),
    )


fleets = st.lists(clusters_named(st.sampled_from(NAMES)), max_size=5, unique_by=lambda cluster: cluster.name)
bindings = st.lists(
    st.builds(
        PreviousBinding,
        cluster=st.sampled_from(NAMES),
        replicas=st.none() | st.dictionaries(st.sampled_from(("w1", "w2")), st.integers(0, 9)),
    ),
    max_size=5,
    unique_by=lambda binding: binding.cluster,
)
units = st.builds(
    UnitInput,
    key=st.sampled_from(("u1", "u2", "u3")),
    placement=placements,
    workloads=st.lists(
        st.builds(WorkloadInput, key=st.sampled_from(("w1", "w2")), replicas=st.integers(0, 30)),
        max_size=2,
        unique_by=lambda workload: workload.key,
    ).map(tuple),
)


def replicas(decision: Decision) -> dict[tuple[str, str], int]:
    return {
        (target.cluster, workload): count for target in decision.targets for workload, count in target.replicas.items()
    }


def bound(decision: Decision) -> list[PreviousBinding]:
    return [PreviousBinding(cluster=target.cluster, replicas=target.replicas) for target in decision.targets]


@given(placements)
def test_the_placements_tried_here_are_valid(placement: Placement) -> None:
    assert validate(placement) == []


@given(units, fleets, bindings)
def test_placed_and_missing_add_up_to_wanted(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding]
) -> None:
    decision = decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW)
    assert [division.workload for division in decision.divisions] == sorted(entry.key for entry in unit.workloads)
    for division in decision.divisions:
        missing = sum(
            entry.replicas
            for entry in decision.shortfall
            if entry.workload == division.workload and entry.reason != "MinimumsNotMet"
        )
        assert division.placed + missing == division.wanted
        assert missing == division.unplaced
        assert division.placed == sum(
            count for (_, workload), count in replicas(decision).items() if workload == division.workload
        )


@given(units, fleets, bindings)
def test_bounds_hold_and_broken_minimums_are_told(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding]
) -> None:
    decision = decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW)
    for division in decision.divisions:
        below = 0
        for share in division.shares:
            assert share.max is None or share.replicas <= share.max
            assert share.weight or share.replicas <= share.min
            below += max(0, share.min - share.replicas)
        told = [
            entry.replicas
            for entry in decision.shortfall
            if entry.workload == division.workload and entry.reason == "MinimumsNotMet"
        ]
        assert told == ([below] if below else [])


@given(units, fleets, bindings)
def test_a_cluster_is_chosen_exactly_when_no_rule_refuses_it(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding]
) -> None:
    decision = decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW)
    assert [entry.cluster for entry in decision.clusters] == sorted(cluster.name for cluster in fleet)
    for entry in decision.clusters:
        assert entry.chosen == all(verdict.passed for verdict in entry.verdicts)
        assert all(verdict.message for verdict in entry.verdicts if not verdict.passed)
    assert [target.cluster for target in decision.targets] == [
        entry.cluster for entry in decision.clusters if entry.chosen
    ]
    assert bool(decision.reason) == (not decision.targets)


@given(units, fleets, bindings, st.data())
def test_the_order_of_the_parts_does_not_change_a_byte(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding], data: st.DataObject
) -> None:
    shuffled = [
        replace(
            cluster,
            labels=dict(reversed(list(cluster.labels.items()))),
            taints=cluster.taints[::-1],
        )
        for cluster in data.draw(st.permutations(fleet))
    ]
    placement = unit.placement
    same = replace(
        unit,
        workloads=unit.workloads[::-1],
        placement=replace(placement, clusters=None if placement.clusters is None else placement.clusters[::-1]),
    )
    one = json.dumps(to_dict(decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW)))
    assert (
        json.dumps(to_dict(decide(same, Fleet(clusters=tuple(shuffled)), data.draw(st.permutations(previous)), NOW)))
        == one
    )


@given(units, fleets, bindings)
def test_deciding_again_from_the_answer_moves_nothing(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding]
) -> None:
    decision = decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW)
    assert decide(unit, Fleet(clusters=tuple(fleet)), bound(decision), NOW).targets == decision.targets


@given(units, fleets, bindings)
def test_time_alone_changes_nothing_before_the_instant_that_is_told(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding]
) -> None:
    decision = decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW)
    if decision.reconsider_at is None:
        assert decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW + timedelta(days=9)).targets == decision.targets
        return
    assert decision.reconsider_at > NOW
    just_before = decision.reconsider_at - timedelta(microseconds=1)
    assert decide(unit, Fleet(clusters=tuple(fleet)), previous, just_before) == decision
    assert decide(unit, Fleet(clusters=tuple(fleet)), previous, decision.reconsider_at).targets != decision.targets


@given(units, fleets, bindings)
def test_one_more_replica_takes_none_away(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding]
) -> None:
    policy = unit.placement.replicas
    if policy is not None and policy.total is not None:
        more = replace(unit, placement=replace(unit.placement, replicas=replace(policy, total=policy.total + 1)))
    else:
        more = replace(unit, workloads=tuple(replace(entry, replicas=entry.replicas + 1) for entry in unit.workloads))
    before, after = (replicas(decide(entry, Fleet(clusters=tuple(fleet)), previous, NOW)) for entry in (unit, more))
    assert all(after[where] >= count for where, count in before.items())


@given(units, fleets, bindings, st.data())
def test_without_a_cluster_the_others_get_no_more_than_its_share(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding], data: st.DataObject
) -> None:
    if not fleet:
        return
    gone = data.draw(st.sampled_from(fleet))
    before = replicas(decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW))
    after = replicas(
        decide(unit, Fleet(clusters=tuple(cluster for cluster in fleet if cluster != gone)), previous, NOW)
    )
    assert set(after) == {where for where in before if where[0] != gone.name}
    for workload in {where[1] for where in before}:
        moved = 0
        for where, count in after.items():
            if where[1] == workload:
                assert count >= before[where]
                moved += count - before[where]
        assert moved <= before.get((gone.name, workload), 0)


@given(placements, fleets, bindings, st.data())
def test_a_change_that_touches_nothing_leaves_the_targets_as_they_are(
    placement: Placement, fleet: list[ClusterSnapshot], previous: list[PreviousBinding], data: st.DataObject
) -> None:
    unit = UnitInput(key="u", placement=placement, workloads=(WorkloadInput(key="w1", replicas=7),))
    name = data.draw(st.sampled_from(NAMES))
    others = [cluster for cluster in fleet if cluster.name != name]
    states = st.none() | clusters_named(st.just(name))
    before, after = data.draw(states), data.draw(states)
    if touches(placement, before, after):
        return
    old, new = (
        decide(unit, Fleet(clusters=(*others, *([] if state is None else [state]))), previous, NOW)
        for state in (before, after)
    )
    assert (new.targets, new.warnings, new.reconsider_at) == (old.targets, old.warnings, old.reconsider_at)


@given(units, fleets, bindings)
def test_a_decision_survives_json_and_can_be_explained(
    unit: UnitInput, fleet: list[ClusterSnapshot], previous: list[PreviousBinding]
) -> None:
    decision = decide(unit, Fleet(clusters=tuple(fleet)), previous, NOW)
    kept = from_dict(json.loads(json.dumps(to_dict(decision))))
    assert kept == decision
    lines = explain_lines(kept)
    assert [line.split(":")[0] for line in lines[: len(fleet)]] == sorted(cluster.name for cluster in fleet)
    assert all(line.startswith("unit: ") for line in lines[len(fleet) :])
