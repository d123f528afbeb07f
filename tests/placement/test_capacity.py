"""Room, node by node: grants, head-room, what was learned."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_placement import Capacity, ClusterSnapshot, Grant, Headroom, Learned, NodeShape, WorkloadInput
from fedsvc_placement.capacity import reserve_ppm, room_of, settled, take
from fedsvc_placement.learning import HALF_LIFE

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LARGE = {"cpu": 8000, "memory": 64, "pods": 110}


def shape(count: int, free: Mapping[str, int], allocatable: Mapping[str, int] | None = None) -> NodeShape:
    return NodeShape(count=count, allocatable=free if allocatable is None else allocatable, free=free)


def cluster(*nodes: NodeShape, grants: tuple[Grant, ...] = (), name: str = "a") -> ClusterSnapshot:
    return ClusterSnapshot(name=name, capacity=Capacity(nodes=nodes, grants=grants))


def room(
    where: ClusterSnapshot,
    requests: Mapping[str, int],
    *,
    before: int = 0,
    kept_ppm: int = 0,
    learned: tuple[Learned, ...] = (),
    now: datetime = NOW,
) -> int | None:
    workload = WorkloadInput(key="w", replicas=1, requests=requests)
    return room_of(where, workload, before=before, reserve_ppm=kept_ppm, learned=learned, now=now)


@pytest.mark.parametrize(
    ("nodes", "requests", "expected"),
    [
        pytest.param((shape(3, LARGE),), {"cpu": 3000}, 6, id="two on each of three nodes, the sums would hold eight"),
        pytest.param((shape(3, LARGE),), {"cpu": 9000}, 0, id="larger than any node"),
        pytest.param((shape(2, LARGE), shape(1, {"cpu": 1000, "pods": 3})), {"cpu": 500}, 34, id="several shapes"),
        pytest.param((shape(2, LARGE),), {"cpu": 1000, "memory": 32}, 4, id="the scarcest resource counts"),
        pytest.param((shape(2, LARGE),), {}, 220, id="without requests, pods count"),
        pytest.param((shape(2, LARGE),), {"cpu": 0}, 220, id="a request of 0 asks for nothing"),
        pytest.param((shape(2, LARGE),), {"nvidia.com/gpu": 1}, 0, id="what a node does not list, it lacks"),
        pytest.param((shape(1, {"cpu": -500, "pods": 9}),), {"cpu": 100}, 0, id="a node that is overcommitted"),
        pytest.param((), {"cpu": 1}, 0, id="no node"),
    ],
)
def test_room_is_counted_node_by_node(nodes: tuple[NodeShape, ...], requests: dict[str, int], expected: int) -> None:
    assert room(cluster(*nodes), requests) == expected


def test_unknown_capacity_is_no_number() -> None:
    assert room(ClusterSnapshot(name="a"), {"cpu": 1}) is None


def test_what_is_there_counts_as_held_on_a_full_cluster() -> None:
    full = cluster(shape(2, {"cpu": 0, "pods": 90}, LARGE))
    assert room(full, {"cpu": 1000}, before=7) == 7
    assert room(full, {"cpu": 1000}, before=7, kept_ppm=500_000) == 7


def test_head_room_is_kept_back_on_each_node() -> None:
    # 40 % of 8 cores are 3.2: of 8 free, 4.8 may be used by each of 2 nodes; of 4 free, 0.8.
    assert room(cluster(shape(2, LARGE)), {"cpu": 1000}, kept_ppm=400_000) == 8
    assert room(cluster(shape(2, {**LARGE, "cpu": 4000}, LARGE)), {"cpu": 400}, kept_ppm=400_000) == 4


def test_grants_are_taken_off_the_nodes_they_fit() -> None:
    nodes = (shape(1, LARGE), shape(2, {"cpu": 4000, "memory": 64, "pods": 110}))
    grants = (Grant(requests={"cpu": 3000}, replicas=3),)
    # Two go to the small nodes (tightest first), one to the large one: 5 cores and twice 1 core are left.
    assert room(cluster(*nodes, grants=grants), {"cpu": 1000}) == 7
    assert room(cluster(*nodes, grants=grants), {"cpu": 5000}) == 1


def test_the_largest_grant_is_fitted_first() -> None:
    # Small ones first would take the only node on which the large one fits.
    nodes = (shape(1, {"cpu": 8000, "pods": 10}), shape(4, {"cpu": 1000, "pods": 10}))
    grants = (Grant(requests={"cpu": 1000}, replicas=4), Grant(requests={"cpu": 8000}, replicas=1))
    assert room(cluster(*nodes, grants=grants), {"cpu": 1}) == 0
    assert room(cluster(*nodes, grants=grants[::-1]), {"cpu": 1}) == 0


def test_grants_that_fit_nowhere_take_nothing_off() -> None:
    assert room(cluster(shape(1, LARGE), grants=(Grant(requests={"cpu": 9000}, replicas=5),)), {"cpu": 4000}) == 2


def test_grants_do_not_use_up_head_room_twice() -> None:
    # Two nodes of 10, 2 kept back on each: 8 replicas of 2 in all, of which 5 are granted.
    nodes = shape(2, {"cpu": 10, "pods": 100})
    grants = (Grant(requests={"cpu": 2}, replicas=5),)
    assert room(cluster(nodes, grants=grants), {"cpu": 2}, kept_ppm=200_000) == 3


def stuck(wanted: int, running: int, *, name: str = "a", workload: str = "w") -> Learned:
    return Learned(cluster=name, workload=workload, wanted=wanted, running=running, at=NOW)


def test_what_was_learned_bounds_the_room_also_below_what_is_there() -> None:
    assert room(cluster(shape(2, LARGE)), {"cpu": 1000}, learned=(stuck(10, 6),)) == 6
    assert room(cluster(shape(2, LARGE)), {"cpu": 1000}, before=10, learned=(stuck(10, 6),)) == 6
    assert room(cluster(shape(2, LARGE)), {"cpu": 4000}, learned=(stuck(10, 6),)) == 4
    assert room(ClusterSnapshot(name="a"), {"cpu": 1000}, learned=(stuck(10, 6),)) == 6


def test_what_was_learned_of_others_does_not_count_and_all_is_forgotten_in_time() -> None:
    others = (stuck(10, 6, name="b"), stuck(10, 6, workload="v"))
    assert room(cluster(shape(2, LARGE)), {"cpu": 1000}, learned=others) == 16
    late = NOW + 9 * HALF_LIFE + timedelta(seconds=1)
    assert room(cluster(shape(2, LARGE)), {"cpu": 1000}, learned=(stuck(10, 6),), now=late) == 16


amounts = st.fixed_dictionaries({"cpu": st.integers(0, 30), "memory": st.integers(0, 30), "pods": st.integers(0, 8)})
requests = st.fixed_dictionaries({"cpu": st.integers(0, 12), "memory": st.integers(0, 12)})
shapes = st.lists(st.builds(shape, st.integers(0, 4), amounts), max_size=4).map(tuple)
grant_lists = st.lists(st.builds(Grant, requests=requests, replicas=st.integers(0, 6)), max_size=3).map(tuple)


@given(shapes, grant_lists, requests, st.integers(0, 500_000))
def test_taking_some_leaves_room_for_exactly_the_others(
    nodes: tuple[NodeShape, ...], grants: tuple[Grant, ...], wanted: dict[str, int], kept_ppm: int
) -> None:
    """Filling nodes one after the other loses nothing to replicas of the same size."""
    nodes = tuple(one for one in nodes if one.count)
    capacity = Capacity(nodes=nodes)
    whole = room(ClusterSnapshot(name="a", capacity=capacity), wanted, kept_ppm=kept_ppm)
    assert whole is not None
    for number in {0, 1, whole // 2, whole}:
        taken = take(settled(capacity, kept_ppm), wanted, number)
        granted = Capacity(nodes=nodes, grants=(Grant(requests=wanted, replicas=number),))
        assert room(ClusterSnapshot(name="a", capacity=taken), wanted) == max(0, whole - number)
        assert sorted(map(repr, settled(granted, kept_ppm).nodes)) == sorted(map(repr, taken.nodes))
    rest = room(ClusterSnapshot(name="a", capacity=replace(capacity, grants=grants)), wanted, kept_ppm=kept_ppm)
    assert rest is not None
    assert rest <= whole


@given(shapes, grant_lists, requests, st.data())
def test_the_order_of_nodes_and_grants_does_not_matter(
    nodes: tuple[NodeShape, ...], grants: tuple[Grant, ...], wanted: dict[str, int], data: st.DataObject
) -> None:
    shuffled = cluster(*data.draw(st.permutations(nodes)), grants=tuple(data.draw(st.permutations(grants))))
    assert room(shuffled, wanted) == room(cluster(*nodes, grants=grants), wanted)


def in_region(name: str, region: str, cores: int, memory: int = 0, *, deleting: bool = False) -> ClusterSnapshot:
    offered = {"cpu": cores, "memory": memory, "nvidia.com/gpu": 8 if name == "gpu" else 0}
    return ClusterSnapshot(
        name=name, region=region, deleting=deleting, capacity=Capacity(nodes=(shape(1, {}, offered),))
    )


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        pytest.param([], 0, id="no cluster"),
        pytest.param([in_region("a", "eu", 10), in_region("b", "eu", 5)], 0, id="one group: nothing outlives its loss"),
        pytest.param([in_region("a", "eu", 10), in_region("b", "us", 10)], 500_000, id="two equal"),
        pytest.param([in_region("a", "eu", 1), in_region("b", "us", 1), in_region("c", "ap", 1)], 333_334, id="thirds"),
        pytest.param([in_region("a", "eu", 6, 1), in_region("b", "us", 4, 9)], 900_000, id="the scarcer resource"),
        pytest.param([in_region("gpu", "eu", 5), in_region("b", "us", 5)], 500_000, id="rare resources do not count"),
        pytest.param([in_region("a", "", 5), in_region("b", "", 5)], 500_000, id="without a region each by itself"),
        pytest.param(
            [in_region("a", "eu", 5), in_region("b", "us", 5), in_region("c", "us", 90, deleting=True)],
            500_000,
            id="what leaves does not count",
        ),
        pytest.param(
            [in_region("a", "eu", 5), in_region("b", "us", 5), ClusterSnapshot(name="c", region="ap")],
            500_000,
            id="what is unknown does not count",
        ),
    ],
)
def test_head_room_for_the_loss_of_any_region(clusters: list[ClusterSnapshot], expected: int) -> None:
    assert reserve_ppm(clusters, Headroom(by="region")) == expected
    assert reserve_ppm(clusters[::-1], Headroom(by="region")) == expected


@pytest.mark.parametrize(
    ("headroom", "expected"),
    [
        (Headroom(by="cluster"), 500_000),
        (Headroom(by="zone"), 750_000),
        (Headroom(by="provider"), 750_000),
        (Headroom(by="label", label_key="rack"), 500_000),
    ],
)
def test_head_room_by_every_topology(headroom: Headroom, expected: int) -> None:
    one = replace(in_region("a", "", 1), zones=("z2", "z1"), provider="p", labels={"rack": "r1"})
    two = replace(in_region("b", "", 2), zones=("z1", "z2"), provider="p", labels={"rack": "r2"})
    three = replace(in_region("c", "", 1), zones=("z1",), provider="q", labels={"rack": "r1"})
    assert reserve_ppm([one, two, three], headroom) == expected


def test_a_topology_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ValueError, match="topology 'planet' is not one of"):
        reserve_ppm([in_region("a", "eu", 1)], Headroom(by="planet"))


@given(st.lists(st.tuples(st.sampled_from(("eu", "us", "ap")), st.integers(1, 50)), min_size=2, max_size=8))
def test_what_is_kept_back_holds_what_ran_in_the_largest_group(members: list[tuple[str, int]]) -> None:
    regions = {region for region, _ in members}
    if len(regions) < 2:
        return
    clusters = [in_region(str(i), region, cores * 1_000_000) for i, (region, cores) in enumerate(members)]
    kept_ppm = reserve_ppm(clusters, Headroom(by="region"))
    for lost in regions:
        ran = sum(cores * (1_000_000 - kept_ppm) for region, cores in members if region == lost)
        free = sum(cores * kept_ppm for region, cores in members if region != lost)
        assert ran <= free
