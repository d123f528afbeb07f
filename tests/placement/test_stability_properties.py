"""What moves units and what does not, under every rule."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedsvc.testing.placement_strategies import (
    NAMES,
    NOW,
    affinities,
    bindings,
    bound,
    clusters_named,
    fleets,
    matchers,
    memories,
    others,
    policies,
    settled,
    triggers,
    units,
    with_policy,
)
from fedsvc_placement import (
    Capacity,
    ClusterSnapshot,
    Fleet,
    Memory,
    PlacedUnit,
    PreviousBinding,
    ReplicaPolicy,
    Taint,
    UnitInput,
    decide,
    touches,
    touches_unit,
    validate,
)
from fedsvc_placement.bystanders import got_worse, minds_neighbours, minds_others


@given(units, policies, fleets, bindings, memories, triggers)
def test_deciding_again_from_the_answer_moves_nothing(
    unit: UnitInput,
    policy: ReplicaPolicy | None,
    fleet: Fleet,
    previous: list[PreviousBinding],
    memory: Memory,
    trigger: str,
) -> None:
    unit = with_policy(unit, policy)
    first = decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)
    around = settled(unit, fleet, previous, first)
    second = decide(unit, around, bound(first), NOW, memory=first.memory)
    assert second.targets == first.targets
    assert second.group == first.group
    assert second.moves == ()


@given(units, fleets, bindings, memories, triggers)
def test_deciding_again_for_the_same_trigger_moves_nothing(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], memory: Memory, trigger: str
) -> None:
    first = decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)
    around = settled(unit, fleet, previous, first)
    second = decide(unit, around, bound(first), NOW, memory=first.memory, trigger=trigger)
    assert (second.targets, second.group, second.moves) == (first.targets, first.group, ())


@given(units, policies, fleets, bindings, st.sampled_from(NAMES))
def test_without_an_unrelated_cluster_nothing_moves(
    unit: UnitInput, policy: ReplicaPolicy | None, fleet: Fleet, previous: list[PreviousBinding], name: str
) -> None:
    unit = with_policy(unit, policy)
    first = decide(unit, fleet, previous, NOW)
    assume(name not in {target.cluster for target in first.targets})
    # Where other units or data are is no part of the fleet's size.
    assume(not unit.placement.affinities)
    less = replace(fleet, clusters=tuple(entry for entry in fleet.clusters if entry.name != name))
    second = decide(unit, settled(unit, less, previous, first), bound(first), NOW, memory=first.memory)
    assert second.targets == first.targets or first.group != second.group


@given(units, policies, fleets, bindings, st.data())
def test_a_unit_stays_where_it_is_when_a_cluster_gets_worse_that_it_is_not_on(
    unit: UnitInput, policy: ReplicaPolicy | None, fleet: Fleet, previous: list[PreviousBinding], data: st.DataObject
) -> None:
    overflows = st.lists(matchers, max_size=1).map(tuple)
    placement = replace(
        unit.placement,
        groups=tuple(replace(group, overflow=data.draw(overflows)) for group in unit.placement.groups),
        replicas=data.draw(st.sampled_from((unit.placement.replicas, policy))),
        stability=replace(unit.placement.stability, replace_on=()),
    )
    assume(not validate(placement))
    unit = replace(unit, placement=placement)
    first = decide(unit, fleet, previous, NOW)
    assume(not minds_others(placement, first.memory))
    targets = {target.cluster for target in first.targets}
    elsewhere = [cluster for cluster in fleet.clusters if cluster.name not in targets]
    assume(elsewhere)
    before = data.draw(st.sampled_from(elsewhere))
    lost = Taint(key="lost", effect=data.draw(st.sampled_from(("NoExecute", "NoSchedule", "PreferNoSchedule"))))
    after = replace(before, taints=(*before.taints, lost))
    assert got_worse(before, after)
    changed = replace(fleet, clusters=(*(cluster for cluster in fleet.clusters if cluster is not before), after))
    around = settled(unit, changed, previous, first)
    assert decide(unit, around, bound(first), NOW, memory=first.memory).targets == first.targets


@given(units, policies, fleets, bindings, others, st.data())
def test_a_unit_stays_where_it_is_when_others_move_of_which_it_has_no_more_than_a_wish(
    unit: UnitInput,
    policy: ReplicaPolicy | None,
    fleet: Fleet,
    previous: list[PreviousBinding],
    moved: list[PlacedUnit],
    data: st.DataObject,
) -> None:
    wishes = st.lists(affinities().map(lambda entry: replace(entry, weight=entry.weight or 7)), min_size=1, max_size=2)
    placement = replace(
        unit.placement,
        affinities=tuple(data.draw(wishes)),
        replicas=data.draw(st.sampled_from((unit.placement.replicas, policy))),
        stability=replace(unit.placement.stability, replace_on=()),
    )
    assume(not validate(placement))
    unit = replace(unit, placement=placement)
    first = decide(unit, fleet, previous, NOW)
    assume(not minds_neighbours(placement, first.memory))
    around = settled(unit, replace(fleet, units=tuple(moved)), previous, first)
    assert decide(unit, around, bound(first), NOW, memory=first.memory).targets == first.targets


@pytest.mark.parametrize(
    ("change", "worse"),
    [
        pytest.param({"taints": (Taint(key="lost", effect="NoExecute"),)}, True, id="taint"),
        pytest.param(
            {"taints": (Taint(key="lost", effect="NoExecute"),), "capacity": Capacity(nodes=())}, False, id="and-room"
        ),
        pytest.param({"taints": (Taint(key="lost", effect="NoExecute"),), "region": "us"}, False, id="and-region"),
        pytest.param({"deleting": True}, False, id="leaves"),
        pytest.param({"labels": {"rack": "r1"}}, False, id="label"),
    ],
)
def test_a_cluster_gets_worse_by_taints_alone(change: dict[str, Any], *, worse: bool) -> None:
    before = ClusterSnapshot(name="a", region="eu")
    after = replace(before, **change)
    assert got_worse(before, after) is worse
    assert not got_worse(after, before)
    assert not got_worse(before, None)
    assert not got_worse(None, before)


@given(units, fleets, bindings, memories, triggers)
def test_what_is_bound_and_fits_leaves_only_for_a_reason_that_is_told(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], memory: Memory, trigger: str
) -> None:
    decision = decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)
    moves = {move.cluster: move for move in decision.moves if not move.workload}
    targets = {target.cluster for target in decision.targets}
    was = {binding.cluster for binding in previous}
    assert set(moves) == was ^ targets
    assert all(move.message for move in decision.moves)
    voluntary = [move for move in decision.moves if move.voluntary]
    if trigger not in unit.placement.stability.replace_on and not decision.group:
        assert not voluntary
    assert not voluntary or decision.memory.moved_at == NOW


@given(units, fleets, bindings, st.data())
def test_a_change_that_touches_nothing_leaves_the_targets_as_they_are(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(NAMES))
    rest = tuple(cluster for cluster in fleet.clusters if cluster.name != name)
    states = st.none() | clusters_named(st.just(name))
    before, after = data.draw(states), data.draw(states)
    assume(not touches(unit.placement, before, after, unit.kinds))
    old, new = (
        decide(unit, replace(fleet, clusters=rest if state is None else (*rest, state)), previous, NOW)
        for state in (before, after)
    )
    assert (new.targets, new.warnings, new.reconsider_at) == (old.targets, old.warnings, old.reconsider_at)


@given(units, fleets, bindings, others, st.sampled_from(("n/one", "n/two")))
def test_a_unit_that_touches_nothing_leaves_the_targets_as_they_are(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], changed: list[PlacedUnit], key: str
) -> None:
    before = next((other for other in fleet.units if other.key == key), None)
    after = next((other for other in changed if other.key == key), None)
    assume(not touches_unit(unit.placement, unit.key, before, after))
    rest = tuple(other for other in fleet.units if other.key != key)
    old, new = (
        decide(unit, replace(fleet, units=rest if state is None else (*rest, state)), previous, NOW)
        for state in (before, after)
    )
    assert (new.targets, new.inputs_digest) == (old.targets, old.inputs_digest)


@given(units, fleets, bindings, memories, triggers)
def test_time_alone_changes_no_target_before_the_instant_that_is_told(
    unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], memory: Memory, trigger: str
) -> None:
    first = decide(unit, fleet, previous, NOW, memory=memory, trigger=trigger)
    at = first.reconsider_at
    assert at is None or at > NOW
    later = NOW + timedelta(days=9) if at is None else at - timedelta(microseconds=1)
    around = settled(unit, fleet, previous, first)
    assert decide(unit, around, bound(first), later, memory=first.memory).targets == first.targets
