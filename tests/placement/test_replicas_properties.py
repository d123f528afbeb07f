"""What holds of every division of a unit, whatever the clusters and the policy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given
from hypothesis import strategies as st

from fedsvc_placement import (
    Capacity,
    ClusterMatcher,
    ClusterSnapshot,
    Grant,
    Learned,
    NodeShape,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    UnitInput,
    WorkloadInput,
)
from fedsvc_placement.capacity import room_of, take
from fedsvc_placement.replicas import UnitDivision, divide_unit
from fedsvc_placement.shortfalls import shortfalls_of
from fedsvc_placement.terms import Chosen

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("a", "b", "c", "d", "e", "f")
STRATEGIES = ("Weighted", "Capacity", "Aggregated", "Overflow")

requests = st.fixed_dictionaries({}, optional={"cpu": st.integers(1, 4), "memory": st.integers(1, 4)})
shapes = st.builds(
    lambda count, free: NodeShape(count=count, allocatable=free, free=free),
    st.integers(0, 4),
    st.fixed_dictionaries({"cpu": st.integers(0, 12), "memory": st.integers(0, 12), "pods": st.integers(0, 6)}),
)
capacities = st.builds(
    Capacity,
    nodes=st.lists(shapes, max_size=2).map(tuple),
    grants=st.lists(st.builds(Grant, requests=requests, replicas=st.integers(0, 3)), max_size=1).map(tuple),
)


def clusters(names: st.SearchStrategy[str]) -> st.SearchStrategy[Chosen]:
    return st.builds(
        lambda name, capacity, before, held, score, tier: Chosen(
            cluster=ClusterSnapshot(name=name, capacity=capacity),
            bound=before is not None,
            before=before,
            held=held,
            score=score,
            tier=tier,
        ),
        names,
        st.none() | capacities,
        st.none() | st.dictionaries(st.sampled_from(("w1", "w2")), st.integers(0, 9)),
        st.sampled_from((False, False, True)),
        st.integers(0, 2),
        st.sampled_from((0, 0, 0, 1, 2)),
    )


fleets = st.lists(clusters(st.sampled_from(NAMES)), max_size=6, unique_by=lambda entry: entry.cluster.name).map(
    lambda entries: sorted(entries, key=lambda entry: entry.cluster.name)
)
rules = st.builds(
    lambda names, weight, low, extra, tier: ReplicaRule(
        clusters=ClusterMatcher(names=names),
        weight=weight,
        min=low,
        max=None if extra is None else low + extra,
        tier=tier,
    ),
    st.none() | st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple),
    st.none() | st.integers(0, 4),
    st.sampled_from((0, 0, 1, 4)),
    st.none() | st.integers(0, 6),
    st.none() | st.integers(0, 2),
)
policies = st.builds(
    ReplicaPolicy,
    mode=st.just("Divided"),
    strategy=st.sampled_from(STRATEGIES),
    movement=st.sampled_from((None, "Fresh", "Steady")),
    total=st.none() | st.integers(0, 30),
    clusters=st.lists(rules, max_size=3).map(tuple),
    within_capacity=st.sampled_from((None, True, False)),
)
workloads = st.lists(
    st.builds(
        WorkloadInput,
        key=st.sampled_from(("w1", "w2")),
        replicas=st.integers(0, 30),
        completions=st.none() | st.integers(0, 40),
        requests=requests,
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda entry: entry.key,
).map(tuple)
lessons = st.lists(
    st.builds(
        Learned,
        cluster=st.sampled_from(NAMES),
        workload=st.sampled_from(("w1", "w2")),
        wanted=st.integers(0, 12),
        running=st.integers(0, 12),
        at=st.integers(-60, 0).map(lambda minutes: NOW + timedelta(minutes=minutes)),
    ),
    max_size=3,
)
reserves = st.sampled_from((0, 0, 300_000))


def unit_of(policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...]) -> UnitInput:
    return UnitInput(key="shop/web", placement=Placement(replicas=policy), workloads=given_workloads)


def divided(
    unit: UnitInput, fleet: list[Chosen], learned: list[Learned] | None = None, reserve_ppm: int = 0
) -> UnitDivision:
    return divide_unit(unit, fleet, learned=learned or [], reserve_ppm=reserve_ppm, now=NOW)


def parts(result: UnitDivision) -> dict[tuple[str, str], int]:
    return {
        (share.cluster, division.workload): share.replicas for division in result.divisions for share in division.shares
    }


def settled_in(fleet: list[Chosen], unit: UnitInput, result: UnitDivision) -> list[Chosen]:
    """Return the clusters once everything runs as it was divided: room is taken up, nothing returned yet."""
    now_there = parts(result)
    after = []
    for entry in fleet:
        name = entry.cluster.name
        capacity = entry.cluster.capacity
        there = {workload.key: now_there.get((name, workload.key), 0) for workload in unit.workloads}
        for workload in sorted(unit.workloads, key=lambda one: (-wanted(unit, one), one.key)):
            more = there[workload.key] - (entry.before or {}).get(workload.key, 0)
            if capacity is not None and more > 0:
                capacity = take(capacity, workload.requests, more)
        after.append(
            entry._replace(
                cluster=replace(entry.cluster, capacity=capacity), bound=name in result.targets, before=there
            )
        )
    return after


def wanted(unit: UnitInput, workload: WorkloadInput) -> int:
    policy = unit.placement.replicas
    assert policy is not None
    total = workload.replicas if policy.total is None else policy.total
    return total if workload.completions is None else min(total, workload.completions)


@given(policies, workloads, fleets, lessons, reserves)
def test_sums_bounds_and_room_hold(
    policy: ReplicaPolicy,
    given_workloads: tuple[WorkloadInput, ...],
    fleet: list[Chosen],
    learned: list[Learned],
    reserve_ppm: int,
) -> None:
    unit = unit_of(policy, given_workloads)
    result = divided(unit, fleet, learned, reserve_ppm)
    within = policy.strategy != "Weighted" if policy.within_capacity is None else policy.within_capacity
    by_key = {workload.key: workload for workload in given_workloads}
    for division in result.divisions:
        told = {entry.reason: entry.replicas for entry in shortfalls_of(division)}
        below = told.pop("MinimumsNotMet", 0)
        assert sum(told.values()) == division.unplaced
        assert division.placed == sum(share.replicas for share in division.shares)
        assert division.placed + division.unplaced == division.wanted == wanted(unit, by_key[division.workload])
        assert below == sum(max(0, share.min - share.replicas) for share in division.shares)
        for share, entry in zip(division.shares, fleet, strict=True):
            assert share.replicas >= 0
            assert share.max is None or share.replicas <= share.max
            assert not entry.held or share.before is None or share.replicas <= share.before
            assert share.weight or share.replicas <= share.min
            if within and share.room is not None:
                assert share.replicas <= share.room
        if told.get("NoWeight"):
            assert not any(share.weight for share in division.shares)


@given(policies, workloads, fleets, reserves)
def test_room_is_that_of_the_nodes_for_all_workloads_together(
    policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...], fleet: list[Chosen], reserve_ppm: int
) -> None:
    result = divided(unit_of(replace(policy, within_capacity=True), given_workloads), fleet, [], reserve_ppm)
    used = parts(result)
    for entry in fleet:
        capacity = entry.cluster.capacity
        if capacity is None:
            continue
        for resource in ("cpu", "memory", "pods"):
            free = sum(
                shape.count * max(0, shape.free[resource] - shape.allocatable[resource] * reserve_ppm // 1_000_000)
                for shape in capacity.nodes
            )
            added = sum(
                max(0, used[entry.cluster.name, workload.key] - (entry.before or {}).get(workload.key, 0))
                * (1 if resource == "pods" else workload.requests.get(resource, 0))
                for workload in given_workloads
            )
            assert added <= free


@given(policies, workloads, fleets, lessons)
def test_dividing_again_with_the_result_as_before_changes_nothing(
    policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...], fleet: list[Chosen], learned: list[Learned]
) -> None:
    unit = unit_of(policy, given_workloads)
    result = divided(unit, fleet, learned)
    # What gets less has left its room by then, which is more room than before: only Steady does not mind.
    by_room = policy.strategy in {"Capacity", "Aggregated"} and policy.movement == "Fresh"
    if by_room:
        assume(all(share.replicas >= (share.before or 0) for one in result.divisions for share in one.shares))
        assume(len(unit.workloads) == 1)
    again = divided(unit, settled_in(fleet, unit, result), learned)
    assert again.targets == result.targets
    for where, count in parts(result).items():
        if policy.movement != "Fresh" and policy.strategy != "Weighted":
            assert parts(again)[where] >= count
    if len(unit.workloads) == 1:
        assert parts(again) == parts(result)


def test_where_no_room_is_known_and_none_is_a_limit_weights_alone_divide() -> None:
    policy = ReplicaPolicy(
        mode="Divided", strategy="Capacity", within_capacity=False, clusters=(ReplicaRule(weight=1, min=1),)
    )
    unit = unit_of(policy, (WorkloadInput(key="w1", replicas=2),))
    for capacity in (None, Capacity(nodes=())):
        fleet = [Chosen(cluster=ClusterSnapshot(name="a", capacity=capacity), bound=False, before=None, held=False)]
        first = divided(unit, fleet, [])
        assert parts(first) == {("a", "w1"): 2}, "room is no limit"
        assert parts(divided(unit, settled_in(fleet, unit, first), [])) == parts(first)


@given(policies, workloads, fleets)
def test_fresh_one_more_replica_takes_none_from_any_cluster(
    policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...], fleet: list[Chosen]
) -> None:
    assume(policy.strategy != "Aggregated")
    policy = replace(policy, movement="Fresh", total=None)
    workload = replace(given_workloads[0], completions=None)
    more = replace(workload, replicas=workload.replicas + 1)
    before, after = (parts(divided(unit_of(policy, (one,)), fleet)) for one in (workload, more))
    assert all(after[where] >= count for where, count in before.items())
    assert sum(after.values()) - sum(before.values()) in {0, 1}


@given(policies, workloads, fleets, st.data())
def test_another_cluster_takes_at_most_its_own_share_from_the_others(
    policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...], fleet: list[Chosen], data: st.DataObject
) -> None:
    assume(fleet)
    assume(policy.strategy in {"Weighted", "Capacity"})
    new = data.draw(st.sampled_from(fleet))
    unit = unit_of(replace(policy, movement="Fresh"), given_workloads[:1])
    after = parts(divided(unit, fleet))
    before = parts(divided(unit, [entry for entry in fleet if entry != new]))
    key = given_workloads[0].key
    assert all(after[where] <= count for where, count in before.items())
    assert sum(count - after[where] for where, count in before.items()) <= after[new.cluster.name, key]


@given(policies, workloads, fleets, st.data())
def test_steady_without_an_unrelated_cluster_nothing_moves(
    policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...], fleet: list[Chosen], data: st.DataObject
) -> None:
    """Neither does one that comes move anything."""
    unit = unit_of(replace(policy, movement="Steady"), given_workloads[:1])
    key = given_workloads[0].key
    settled = settled_in(fleet, unit, divided(unit, fleet))
    unrelated = [
        entry for entry in settled if not (entry.before or {}).get(key) and _low(policy, entry.cluster.name) == 0
    ]
    assume(unrelated)
    gone = data.draw(st.sampled_from(unrelated))
    with_it = parts(divided(unit, settled))
    without = parts(divided(unit, [entry for entry in settled if entry != gone]))
    assert all(with_it[where] == count for where, count in without.items())


def _low(policy: ReplicaPolicy, name: str) -> int:
    for rule in policy.clusters:
        if rule.clusters.names is None or name in rule.clusters.names:
            return rule.min
    return 0


@given(policies, workloads, fleets, lessons)
def test_steady_nothing_leaves_while_as_many_are_wanted_and_bounds_hold(
    policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...], fleet: list[Chosen], learned: list[Learned]
) -> None:
    unit = unit_of(replace(policy, movement="Steady", clusters=()), given_workloads[:1])
    result = divided(unit, fleet, learned)
    (division,) = result.divisions
    running = sum(share.before or 0 for share in division.shares)
    allowed = [
        min(share.before or 0, share.room if share.room is not None and policy.within_capacity is not False else 99)
        for share in division.shares
    ]
    leaving = sum(max(0, (share.before or 0) - share.replicas) for share in division.shares)
    assert leaving == max(running - division.wanted, running - sum(allowed))


@given(policies, fleets, st.integers(0, 30), requests)
def test_equal_workloads_get_equal_shares_unless_room_forces_them_apart(
    policy: ReplicaPolicy, fleet: list[Chosen], replicas: int, requested: dict[str, int]
) -> None:
    fleet = [entry._replace(before=None, bound=False, held=False) for entry in fleet]
    twins = tuple(WorkloadInput(key=key, replicas=replicas, requests=requested) for key in ("w1", "w2"))
    result = divided(unit_of(policy, twins), fleet)
    one, two = result.divisions
    within = policy.strategy != "Weighted" if policy.within_capacity is None else policy.within_capacity
    shares = list(zip(one.shares, two.shares, strict=True))
    if within and any(second.room is not None and second.room < first.replicas for first, second in shares):
        return
    assert [first.replicas for first, _ in shares] == [second.replicas for _, second in shares]


@given(policies, fleets, st.integers(0, 30), st.integers(0, 30), requests, requests)
def test_a_smaller_workload_is_where_the_larger_is_unless_bounds_force_it(
    policy: ReplicaPolicy,
    fleet: list[Chosen],
    one: int,
    other: int,
    requested: dict[str, int],
    also: dict[str, int],
) -> None:
    policy = replace(policy, total=None)
    fleet = [entry._replace(before=None, bound=False, held=False) for entry in fleet]
    small, large = sorted((one, other))
    pair = (
        WorkloadInput(key="w1", replicas=large, requests=requested),
        WorkloadInput(key="w2", replicas=small, requests=also),
    )
    larger, smaller = divided(unit_of(policy, pair), fleet).divisions
    within = policy.strategy != "Weighted" if policy.within_capacity is None else policy.within_capacity
    alone = [
        (first, second)
        for first, second in zip(larger.shares, smaller.shares, strict=True)
        if second.replicas > second.min and not first.replicas
    ]
    if not alone:
        return
    # Then the larger had no room in these, or the smaller has all it may have where the larger is.
    assert within
    assert all(first.room == 0 for first, _ in alone) or all(
        second.replicas in {second.room, second.max}
        for first, second in zip(larger.shares, smaller.shares, strict=True)
        if first.replicas
    )


@given(st.integers(0, 12), st.integers(0, 40), fleets, policies)
def test_completions_go_with_parallelism(
    replicas: int, completions: int, fleet: list[Chosen], policy: ReplicaPolicy
) -> None:
    fleet = [entry._replace(before=None, bound=False, held=False) for entry in fleet]
    policy = replace(policy, total=None)

    def finished(of: int) -> list[tuple[int, int | None]]:
        job = WorkloadInput(key="w1", replicas=replicas, completions=of)
        (division,) = divided(unit_of(policy, (job,)), fleet).divisions
        return [(share.replicas, share.completions) for share in division.shares]

    result = finished(completions)
    assert sum(done or 0 for _, done in result) == (completions if any(part for part, _ in result) else 0)
    for part, done in result:
        assert done is not None
        assert done >= part
        assert part or not done
    if completions >= replicas:
        assert all(
            (more or 0) >= (done or 0) for (_, done), (_, more) in zip(result, finished(completions + 1), strict=True)
        )


@given(policies, workloads, fleets, lessons)
def test_room_in_the_record_is_that_of_room_of(
    policy: ReplicaPolicy, given_workloads: tuple[WorkloadInput, ...], fleet: list[Chosen], learned: list[Learned]
) -> None:
    workload = given_workloads[0]
    result = divided(unit_of(replace(policy, within_capacity=True), (workload,)), fleet, learned, 300_000)
    for entry, share in zip(fleet, result.divisions[0].shares, strict=True):
        before = share.before or 0
        room = room_of(entry.cluster, workload, before=before, reserve_ppm=300_000, learned=learned, now=NOW)
        unknown = None if policy.strategy == "Weighted" else before
        assert share.room == (unknown if room is None else room)
