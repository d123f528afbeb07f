from collections.abc import Sequence
from dataclasses import replace

import pytest

from fedsvc_placement import (
    Capacity,
    ClusterSnapshot,
    Fleet,
    Grant,
    LabelSelector,
    NodeShape,
    Placement,
    ReplicaPolicy,
    Taint,
    UnitInput,
    WorkloadInput,
)
from fedsvc_placement.whatif import Addition, Supposition, is_lost, supposed_fleet, supposed_unit

SHAPE = NodeShape(count=2, allocatable={"cpu": 4000}, free={"cpu": 100})
EU_1 = ClusterSnapshot(
    name="eu-1",
    region="eu",
    provider="aws",
    zones=("eu-a", "eu-b"),
    labels={"region": "eu"},
    taints=(Taint(key="full", effect="NoSchedule"),),
    capacity=Capacity(nodes=(SHAPE,), grants=(Grant(requests={"cpu": 50}, replicas=1),)),
)
US_1 = ClusterSnapshot(name="us-1", region="us", provider="gcp")
FLEET = Fleet(clusters=(EU_1, US_1))


@pytest.mark.parametrize(
    ("supposition", "lost"),
    [
        pytest.param(Supposition(), "", id="nothing"),
        pytest.param(Supposition(lost_clusters=frozenset({"us-1"})), "us-1", id="cluster"),
        pytest.param(Supposition(lost_regions=frozenset({"eu"})), "eu-1", id="region"),
        pytest.param(Supposition(lost_providers=frozenset({"gcp", "aws"})), "eu-1 us-1", id="providers"),
        pytest.param(Supposition(lost_zones=frozenset({"eu-a"})), "", id="one zone of two"),
        pytest.param(Supposition(lost_zones=frozenset({"eu-a", "eu-b"})), "eu-1", id="all its zones"),
    ],
)
def test_what_is_lost(supposition: Supposition, lost: str) -> None:
    assert " ".join(cluster.name for cluster in FLEET.clusters if is_lost(supposition, cluster)) == lost
    assert (
        " ".join(cluster.name for cluster in supposed_fleet(FLEET, supposition).clusters if cluster.name in lost) == ""
    )


def added(*additions: Addition) -> Sequence[ClusterSnapshot]:
    return supposed_fleet(FLEET, Supposition(added=additions)).clusters[2:]


def test_clusters_that_come_are_as_large_as_their_model_and_empty() -> None:
    first, second = added(Addition(like="eu-1", count=2))

    assert (first.name, second.name, first.region, first.taints) == ("eu-1-new-1", "eu-1-new-2", "eu", ())
    assert first.capacity == Capacity(nodes=(replace(SHAPE, free=SHAPE.allocatable),))


def test_clusters_that_come_are_not_leaving_nor_tainted_even_where_no_room_is_known() -> None:
    cordoned = replace(US_1, deleting=True, taints=(Taint(key="fedsvc.io/cordoned", effect="NoSchedule"),))

    fleet = supposed_fleet(Fleet(clusters=(cordoned,)), Supposition(added=(Addition(like="us-1"),)))

    assert fleet.clusters == (cordoned, replace(US_1, name="us-1-new-1"))


def test_clusters_that_come_elsewhere_carry_the_label_of_their_region() -> None:
    (moved,) = added(Addition(like="eu-1", region="ap"))
    (unlabelled,) = added(Addition(like="us-1", region="ap"))

    assert (moved.region, moved.zones, moved.labels) == ("ap", (), {"region": "ap"})
    assert (unlabelled.region, unlabelled.labels) == ("ap", {})


def test_names_of_clusters_that_come_are_new() -> None:
    assert [cluster.name for cluster in added(Addition(like="us-1"), Addition(like="us-1"))] == [
        "us-1-new-1",
        "us-1-new-2",
    ]


def test_a_model_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="'mars' is not there"):
        added(Addition(like="mars"))


def test_replicas_are_multiplied_and_rounded_up() -> None:
    own = Placement(cluster_selector=LabelSelector(), replicas=ReplicaPolicy(mode="Divided", total=5))
    unit = UnitInput(
        key="u", placement=own, workloads=(WorkloadInput(key="w", replicas=3, completions=7, requests={"cpu": 1}),)
    )

    more = supposed_unit(unit, Supposition(replicas_percent=150))

    assert more.placement.replicas is not None
    assert (more.workloads[0].replicas, more.workloads[0].completions, more.placement.replicas.total) == (5, 11, 8)
    assert supposed_unit(unit, Supposition()) == unit


def test_another_placement_takes_the_place_of_the_own_one() -> None:
    other = Placement(clusters=("us-1",))
    unit = UnitInput(key="u", placement=Placement())

    assert supposed_unit(unit, Supposition(placement=other)).placement == other
