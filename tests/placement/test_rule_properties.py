"""What holds of every decision under every rule, whatever is down."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fedsvc_placement import (
    AffinityGroup,
    ApiKind,
    Capacity,
    ClusterMatcher,
    ClusterPreference,
    ClusterSnapshot,
    ConditionRequirement,
    Cost,
    DataAnchor,
    DataCopy,
    Dataset,
    Decision,
    ExternalScore,
    FieldRequirement,
    Fleet,
    GroupReturnPolicy,
    LabelSelector,
    Memory,
    NodeShape,
    PlacedUnit,
    Placement,
    PreviousBinding,
    ReplicaPolicy,
    ReplicaRule,
    SpreadConstraint,
    Stability,
    Taint,
    Trigger,
    UnitAffinity,
    UnitInput,
    UnitMatcher,
    VersionRange,
    WorkloadInput,
    decide,
    explain_lines,
    from_dict,
    prepare_fleet,
    to_dict,
    touches,
    touches_unit,
    validate,
)
from fedsvc_placement.batch import spoken_for
from fedsvc_placement.bystanders import got_worse, minds_neighbours, minds_others
from fedsvc_placement.fleet import PreparedFleet
from fedsvc_placement.topology import domains, group_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("a", "b", "c", "d", "e")
REGIONS = ("", "eu", "us")
ROUTE = ApiKind(group="x.io", version="v1", kind="Route")

instants = st.integers(-900, 900).map(lambda seconds: NOW + timedelta(seconds=seconds))
topologies = st.one_of(
    st.tuples(st.sampled_from(("cluster", "zone", "region", "provider")), st.just("")),
    st.just(("label", "rack")),
)
capacities = st.integers(0, 6).map(
    lambda pods: Capacity(nodes=(NodeShape(count=1, allocatable={"pods": 9}, free={"pods": pods}),))
)


def clusters_named(names: st.SearchStrategy[str]) -> st.SearchStrategy[ClusterSnapshot]:
    return st.builds(
        ClusterSnapshot,
        name=names,
        labels=st.dictionaries(st.just("rack"), st.sampled_from(("r1", "r2"))),
        taints=st.lists(
            st.builds(
                Taint,
                key=st.just("down"),
                effect=st.sampled_from(("NoExecute", "NoSchedule", "PreferNoSchedule", "NoScheduleNew")),
            ),
            max_size=1,
        ).map(tuple),
        provider=st.sampled_from(("", "p1", "p2")),
        region=st.sampled_from(REGIONS),
        zones=st.sampled_from(((), ("z1",), ("z2",), ("z2", "z1"))),
        jurisdiction=st.sampled_from(("", "EU", "US")),
        deleting=st.sampled_from((False, False, False, True)),
        conditions=st.dictionaries(st.just("Ready"), st.sampled_from(("True", "False"))),
        kubernetes_version=st.sampled_from(("", "v1.28.3", "v1.30.1")),
        kinds=st.sampled_from((None, frozenset(), frozenset({ROUTE}))),
        capacity=st.none() | capacities,
        cost=st.none() | st.builds(Cost, micros_per_core=st.integers(0, 9), micros_per_gib=st.integers(0, 9)),
        scores=st.lists(
            st.builds(ExternalScore, name=st.just("s"), value=st.integers(-100, 100), valid_until=st.none() | instants),
            max_size=1,
        ).map(tuple),
    )


@st.composite
def spreads(draw: st.DrawFn) -> SpreadConstraint:
    by, key = draw(topologies)
    least = draw(st.integers(1, 3))
    more = draw(st.none() | st.integers(0, 1))
    return SpreadConstraint(by=by, label_key=key, min_groups=least, max_groups=None if more is None else least + more)


@st.composite
def affinities(draw: st.DrawFn) -> UnitAffinity:
    by, key = draw(topologies)
    units = draw(
        st.sampled_from(
            (
                UnitMatcher(names=("n/one",)),
                UnitMatcher(selector=LabelSelector(match_labels=(("app", "x"),))),
                UnitMatcher(selector=LabelSelector()),
            )
        )
    )
    mode = draw(st.sampled_from(("Together", "Apart")))
    return UnitAffinity(mode=mode, units=units, by=by, label_key=key, weight=draw(st.none() | st.integers(1, 100)))


matchers = st.one_of(
    st.builds(ClusterMatcher, names=st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)),
    st.builds(
        lambda region: ClusterMatcher(fields=(FieldRequirement(field="region", operator="In", values=(region,)),)),
        st.sampled_from(("eu", "us")),
    ),
    st.just(ClusterMatcher()),
)
preferences = st.one_of(
    st.builds(ClusterPreference, weight=st.integers(1, 100), clusters=matchers),
    st.builds(ClusterPreference, weight=st.integers(1, 100), near_regions=st.sampled_from((("eu",), ("us", "eu")))),
    st.builds(ClusterPreference, weight=st.integers(1, 100), cheap=st.just(True)),  # noqa: FBT003 - a strategy's value
    st.builds(ClusterPreference, weight=st.integers(1, 100), score=st.just("s")),
)


@st.composite
def placements(draw: st.DrawFn) -> Placement:
    groups = draw(
        st.lists(matchers, max_size=2).map(
            lambda found: tuple(AffinityGroup(name=f"g{i}", clusters=entry) for i, entry in enumerate(found))
        )
    )
    mode = draw(st.sampled_from(("Never", "Immediate", "After")))
    follows = draw(st.sampled_from(((), (), (), ("n/one",))))
    return Placement(
        cluster_selector=LabelSelector() if not follows or draw(st.booleans()) else None,
        exclude=draw(st.none() | st.just(ClusterMatcher(names=("e",)))),
        groups=groups,
        group_return=GroupReturnPolicy(mode=mode) if groups else GroupReturnPolicy(),
        kubernetes=draw(st.sampled_from((None, None, VersionRange(at_least="1.29")))),
        conditions=draw(st.sampled_from(((), (), (ConditionRequirement(type="Ready"),)))),
        jurisdictions=draw(st.sampled_from((None, None, ("EU",), ("EU", "US")))),
        data=draw(
            st.sampled_from(
                (
                    (),
                    (),
                    (),
                    (DataAnchor(dataset="d", access="Write"),),
                    (DataAnchor(dataset="d", access="Read", max_lag_seconds=5),),
                )
            )
        ),
        follows=follows,
        affinities=draw(st.lists(affinities(), max_size=1).map(tuple)),
        spread=draw(st.lists(spreads(), max_size=2).map(tuple)),
        preferences=draw(st.lists(preferences, max_size=2).map(tuple)),
        replicas=draw(
            st.none()
            | st.builds(
                ReplicaPolicy,
                mode=st.sampled_from(("Duplicated", "Divided")),
                within_capacity=st.none() | st.booleans(),
            )
        ),
        stability=draw(
            st.builds(
                Stability,
                stickiness=st.sampled_from((0, 100)),
                replace_on=st.sampled_from(((), ("Intent", "Rebalance"), ("Other",))),
                cooldown_seconds=st.sampled_from((0, 600)),
            )
        ),
    )


units = st.builds(
    UnitInput,
    key=st.sampled_from(("n/u1", "n/u2")),
    placement=placements(),
    labels=st.dictionaries(st.just("app"), st.just("x")),
    workloads=st.lists(
        st.builds(WorkloadInput, key=st.just("w"), replicas=st.integers(0, 9), requests=st.just({"cpu": 0})), max_size=1
    ).map(tuple),
    kinds=st.sampled_from(((), (), (ROUTE,))),
)
others = st.lists(
    st.builds(
        PlacedUnit,
        key=st.sampled_from(("n/one", "n/two", "n/u1")),
        labels=st.dictionaries(st.just("app"), st.just("x")),
        clusters=st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple),
    ),
    max_size=2,
    unique_by=lambda unit: unit.key,
)
datasets = st.lists(
    st.builds(
        Dataset,
        name=st.just("d"),
        primary=st.sampled_from(("", "a", "b")),
        copies=st.lists(
            st.builds(DataCopy, cluster=st.sampled_from("cd"), lag_seconds=st.none() | st.integers(0, 9)),
            max_size=2,
            unique_by=lambda copy: copy.cluster,
        ).map(tuple),
    ),
    max_size=1,
)
fleets = st.builds(
    Fleet,
    clusters=st.lists(clusters_named(st.sampled_from(NAMES)), max_size=5, unique_by=lambda entry: entry.name).map(
        tuple
    ),
    units=others.map(tuple),
    datasets=datasets.map(tuple),
    distances_ms=st.sampled_from(({}, {("eu", "us"): 90})),
)
bindings = st.lists(st.sampled_from(NAMES), max_size=4, unique=True).map(
    lambda names: [PreviousBinding(cluster=name, replicas={"w": 1}) for name in names]
)
memories = st.builds(
    Memory,
    group=st.sampled_from(("", "g0", "g1")),
    fitting_since=st.just(()) | instants.map(lambda at: (("g0", min(at, NOW)),)),
    moved_at=st.none() | instants.map(lambda at: min(at, NOW)),
)
triggers = st.sampled_from(tuple(Trigger))


policies = st.none() | st.builds(
    ReplicaPolicy,
    mode=st.just("Divided"),
    strategy=st.sampled_from(("Weighted", "Capacity", "Aggregated", "Overflow")),
    movement=st.sampled_from((None, "Steady")),
    within_capacity=st.none() | st.booleans(),
    clusters=st.lists(
        st.builds(
            ReplicaRule,
            clusters=matchers,
            weight=st.none() | st.integers(0, 3),
            min=st.integers(0, 1),
            max=st.none() | st.integers(1, 5),
        ),
        max_size=2,
    ).map(tuple),
)


def with_policy(unit: UnitInput, policy: ReplicaPolicy | None) -> UnitInput:
    placement = replace(unit.placement, replicas=policy)
    assume(not validate(placement))
    return replace(unit, placement=placement)


def bound(decision: Decision) -> list[PreviousBinding]:
    return [PreviousBinding(cluster=target.cluster, replicas=target.replicas) for target in decision.targets]


def settled(unit: UnitInput, fleet: Fleet, previous: list[PreviousBinding], decision: Decision) -> PreparedFleet:
    """Return the fleet once the decision was carried out: what it gave is not free any more."""
    around = prepare_fleet(fleet)
    for spoken in spoken_for(unit, previous, decision):
        around.speak_for(spoken.cluster, spoken.requests, spoken.replicas)
    return around


def groups_used(decision: Decision, fleet: Fleet, entry: SpreadConstraint) -> set[str]:
    """The groups that targets are in: those with replicas, where replicas are divided and there are any."""
    targets = {target.cluster for target in decision.targets}
    divided = {target.cluster for target in decision.targets if any(target.replicas.values())}
    return {group_of(one, entry.by, entry.label_key) for one in fleet.clusters if one.name in (divided or targets)}


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
