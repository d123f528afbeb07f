"""What would be: simulations and rebalancing over a real channel."""

import asyncio
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest

from fedsvc.api.calls import CallInterceptor
from fedsvc.api.limits import MAX_CALL_SECONDS, MAX_DECIDING_SECONDS
from fedsvc.api.services import simulating
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.store import units
from fedsvc.store.sql import text
from fedsvc.v1 import common_pb2, placement_pb2, policy_pb2, policy_service_pb2, server_service_pb2
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_client._placement import SIMULATION_SECONDS

SHOP, OTHER = "namespaces/shop/units/shop", "namespaces/shop/units/other"
ALL = "namespaces/-/units/-"
WEB = "apps/v1 Deployment shop/web"
UUID = "7d0a1f0e-5a3c-4b0e-8d43-0f1f4c1f6a11"


@pytest.fixture
async def placed(town: Any) -> Any:
    """Unit shop, 12 replicas on eu-1 and us-1, each of which has room for 2 more."""
    await town.divided("shop")
    await town.decide("shop")
    for name in ("eu-1", "us-1"):
        await town.room(name, cpu=1000)
    return town


async def simulate(api: Any, **fields: Any) -> pb.SimulatePlacementResponse:
    response: pb.SimulatePlacementResponse = await api.placement.SimulatePlacement(
        pb.SimulatePlacementRequest(**fields)
    )
    return response


async def rebalance(api: Any, *names: str, **fields: Any) -> pb.RebalanceUnitsResponse:
    response: pb.RebalanceUnitsResponse = await api.placement.RebalanceUnits(
        pb.RebalanceUnitsRequest(units=names, **fields)
    )
    return response


def moves(unit: pb.UnitSimulation) -> list[tuple[str, str, int, int]]:
    return [(move.cluster, move.workload, move.before, move.after) for move in unit.moves]


# --- simulate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lost",
    [
        {"lost_clusters": ["eu-1"]},
        {"lost_regions": ["eu"]},
        {"lost_zones": ["eu-1-a"]},
        {"lost_providers": ["aws"]},
    ],
    ids=["cluster", "region", "zone", "provider"],
)
async def test_what_is_lost_goes_elsewhere_as_far_as_there_is_room(api: Any, placed: Any, lost: Any) -> None:
    answer = await simulate(api, **lost)

    (unit,) = answer.units
    assert (unit.unit, answer.unit_count) == (SHOP, 1)
    assert (list(unit.clusters_before), list(unit.clusters_after)) == (["eu-1", "us-1"], ["us-1"])
    assert moves(unit) == [("eu-1", "", 1, 0), ("eu-1", WEB, 6, 0), ("us-1", WEB, 6, 8)]
    assert unit.moves[0].message == "it is lost"
    assert [(entry.workload, entry.replicas, entry.reason) for entry in unit.shortfalls] == [(WEB, 4, "NoRoom")]
    assert unit.shortfalls[0].message == "4 of 12 replicas found no place: us-1 has room for 8"
    assert unit.message == ""


async def test_a_unit_that_would_be_nowhere_is_told_with_the_reason(api: Any, placed: Any) -> None:
    (unit,) = (await simulate(api, lost_regions=["eu", "us"])).units

    assert list(unit.clusters_after) == []
    assert moves(unit) == [("eu-1", "", 1, 0), ("eu-1", WEB, 6, 0), ("us-1", "", 1, 0), ("us-1", WEB, 6, 0)]
    assert unit.message == "no cluster is registered"


async def test_nothing_different_changes_nothing_and_tells_the_room_there_is(api: Any, placed: Any) -> None:
    answer = await simulate(api)

    assert (list(answer.units), answer.unit_count) == ([], 1)
    assert [(room.cluster, room.cpu_millicores, room.memory_bytes, room.pods) for room in answer.room] == [
        ("eu-1", 1000, 2**32, 90),
        ("eu-2", 4000, 2**32, 90),
        ("us-1", 1000, 2**32, 90),
    ]


async def test_room_that_would_be_left_is_without_what_comes(api: Any, placed: Any) -> None:
    answer = await simulate(api, lost_clusters=["eu-1"])

    assert [(room.cluster, room.cpu_millicores, room.pods) for room in answer.room] == [
        ("eu-2", 4000, 90),
        ("us-1", 0, 88),
    ], "two replicas more on us-1"


async def test_clusters_that_come_are_used(api: Any, placed: Any) -> None:
    added = [pb.AddedClusters(like="eu-1", count=2, region="ap"), pb.AddedClusters(like="us-1")]

    answer = await simulate(api, added_clusters=added, replicas_percent=200)

    (unit,) = answer.units
    assert list(unit.clusters_after) == ["eu-1", "eu-1-new-1", "eu-1-new-2", "us-1", "us-1-new-1"]
    come = [(move.workload, move.before) for move in unit.moves if move.cluster == "eu-1-new-1"]
    assert come == [("", 0), (WEB, 0)]
    assert sum(after - before for _, workload, before, after in moves(unit) if workload) == 12
    assert not unit.shortfalls
    assert {room.cluster for room in answer.room} == {*unit.clusters_after, "eu-2"}


async def test_more_replicas_come_short_where_there_is_no_room(api: Any, placed: Any) -> None:
    (doubled,) = (await simulate(api, replicas_percent=200)).units
    (halved,) = (await simulate(api, replicas_percent=50)).units

    assert moves(doubled) == [("eu-1", WEB, 6, 8), ("us-1", WEB, 6, 8)]
    assert [entry.replicas for entry in doubled.shortfalls] == [8]
    assert moves(halved) == [("eu-1", WEB, 6, 3), ("us-1", WEB, 6, 3)]
    assert not halved.shortfalls


async def test_another_placement_or_policy_takes_the_place_of_the_own_one(api: Any, placed: Any) -> None:
    everywhere = placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector())
    policy = policy_pb2.PlacementPolicy(name="placementPolicies/everywhere", spec=everywhere)
    await api.policies.ApplyPlacementPolicy(policy_service_pb2.ApplyPlacementPolicyRequest(placement_policy=policy))

    by_placement = await simulate(api, placement=everywhere)
    by_policy = await simulate(api, placement_policy="everywhere")

    assert by_placement == by_policy
    assert list(by_policy.units[0].clusters_after) == ["eu-1", "eu-2", "us-1"]


async def test_a_loss_moves_nothing_that_could_stay(api: Any, town: Any) -> None:
    one = placement_pb2.SpreadConstraint(by=placement_pb2.TOPOLOGY_CLUSTER, max_groups=1)
    await api.apply(
        "shop", placement=placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector(), spread=[one])
    )
    await town.decide("shop")
    decision = (await api.placement.ExplainPlacement(pb.ExplainPlacementRequest(unit=SHOP))).decision
    (chosen,) = [entry.cluster for entry in decision.clusters if entry.chosen]
    first, second = [entry.cluster for entry in decision.clusters if not entry.chosen]

    assert not (await simulate(api, lost_clusters=[first, second])).units
    (unit,) = (await simulate(api, lost_clusters=[chosen, first])).units
    assert sorted(moves(unit)) == sorted([(chosen, "", 1, 0), (second, "", 0, 1)])


async def test_one_unit_some_or_all_are_looked_at(api: Any, placed: Any) -> None:
    await placed.divided("other", name="api", replicas=2)
    await placed.decide("other")

    one = await simulate(api, units=[OTHER], lost_regions=["eu"])
    named = await simulate(api, units=[SHOP, OTHER, SHOP], lost_regions=["eu"])
    every = await simulate(api, units=["namespaces/shop/units/-", SHOP], lost_regions=["eu"])
    everything = await simulate(api, lost_regions=["eu"])
    elsewhere = await simulate(api, units=["namespaces/moon/units/-"], lost_regions=["eu"])

    assert ([unit.unit for unit in one.units], one.unit_count) == ([OTHER], 1)
    assert [unit.unit for unit in everything.units] == [OTHER, SHOP]
    assert named == every == everything
    assert (list(elsewhere.units), elsewhere.unit_count) == ([], 0)
    assert sum(entry.replicas for unit in everything.units for entry in unit.shortfalls) == 5, "the room is shared"


async def test_units_that_are_being_deleted_are_not_looked_at(api: Any, store: Any, placed: Any) -> None:
    async with store.transaction() as tx:
        await units.mark_deleted(tx, "shop", "shop", cascade=ObjectDeletion.BACKGROUND)

    assert (await simulate(api)).unit_count == 0
    assert (await simulate(api, units=[SHOP])).unit_count == 0


async def test_a_simulation_stores_nothing(api: Any, placed: Any) -> None:
    before = await placed.tables()

    await simulate(
        api, lost_regions=["eu"], added_clusters=[pb.AddedClusters(like="us-1", count=3)], replicas_percent=300
    )
    await rebalance(api, ALL, validate_only=True)

    assert await placed.tables() == before


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"lost_clusters": ["us-1", "us-7"]},
            ("lost_clusters[1]", "there is no cluster 'us-7'; there are: us-1 and 2 more"),
        ),
        ({"lost_regions": ["mars"]}, ("lost_regions[0]", "there is no region 'mars'; there are: eu, us")),
        ({"lost_regions": [""]}, ("lost_regions[0]", "is missing; there are: eu, us")),
        ({"lost_zones": ["?"]}, ("lost_zones[0]", "there is no zone '?'; there are: eu-1-a, eu-2-a, us-1-a")),
        ({"lost_providers": ["azure"]}, ("lost_providers[0]", "there is no provider 'azure'; there are: aws, gcp")),
        (
            {"added_clusters": [pb.AddedClusters(like="moon")]},
            ("added_clusters[0].like", "there is no cluster 'moon'; there are: eu-1, eu-2, us-1"),
        ),
        (
            {"added_clusters": [pb.AddedClusters()]},
            ("added_clusters[0].like", "is missing; there are: eu-1, eu-2, us-1"),
        ),
        (
            {"added_clusters": [pb.AddedClusters(like="eu-1", count=-1)]},
            ("added_clusters[0].count", "is -1; it must be 0 or more"),
        ),
        (
            {"added_clusters": [pb.AddedClusters(like="eu-1", count=600)] * 2},
            ("added_clusters", "are more than 1000 together"),
        ),
        ({"placement_policy": "x"}, ("placement_policy", "there is no placement policy 'x'; there are none")),
        ({"replicas_percent": -1}, ("replicas_percent", "is -1; it must be from 0 to 10000")),
        ({"replicas_percent": 10_001}, ("replicas_percent", "is 10001; it must be from 0 to 10000")),
        (
            {"lost_clusters": ["a"] * 1_001},
            ("lost_clusters", "has 1001 entries; at most 1000 are accepted"),
        ),
        (
            {"units": [SHOP] * 1_001},
            ("units", "has 1001 entries; at most 1000 are accepted: - stands for any"),
        ),
        (
            {"units": ["shop"]},
            (
                "units[0]",
                "'shop' is not a name of this kind: write namespaces/{namespace}/units/{unit}, where - stands for any",
            ),
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
async def test_what_is_not_there_is_told_with_what_there_is(
    api: Any, helpers: Any, town: Any, fields: Any, problem: tuple[str, str]
) -> None:
    refusal = await helpers.refused(simulate(api, **fields))

    assert refusal.fields == [problem]


async def test_wrong_placements_and_regions_are_refused(api: Any, helpers: Any, town: Any) -> None:
    toleration = placement_pb2.Toleration(operator="Is")
    refusal = await helpers.refused(
        simulate(
            api,
            placement=placement_pb2.Placement(tolerations=[toleration]),
            placement_policy="x",
            added_clusters=[pb.AddedClusters(like="eu-1", region="a b")],
        )
    )

    assert [path for path, _ in refusal.fields] == [
        "placement.tolerations[0].operator",
        "placement.tolerations[0].key",
        "placement_policy",
        "added_clusters[0].region",
    ]


async def test_what_could_be_meant_is_told_first_and_the_rest_is_counted(api: Any, helpers: Any) -> None:
    for number in range(15):
        await api.join(f"site-{number:02}", region=f"region-{number:02}")

    near = await helpers.refused(simulate(api, lost_regions=["region-7"]))
    far = await helpers.refused(simulate(api, lost_regions=["x"]))

    assert near.fields[0][1].startswith("there is no region 'region-7'; there are: region-07, ")
    assert near.fields[0][1].endswith(" and 12 more")
    shown = ", ".join(f"region-{number:02}" for number in range(10))
    assert far.fields[0][1] == f"there is no region 'x'; there are: {shown} and 5 more"


async def test_a_unit_that_does_not_exist_is_not_found(api: Any, helpers: Any, placed: Any) -> None:
    name = "namespaces/shop/units/moon"
    for call in (simulate(api, units=[SHOP, name]), rebalance(api, SHOP, name)):
        refusal = await helpers.refused(call)
        assert (refusal.reason, refusal.metadata) == ("NOT_FOUND", {"name": name})


async def test_other_calls_are_answered_while_a_fleet_is_decided_on_and_it_ends_with_its_deadline(
    api: Any, helpers: Any, placed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, left = threading.Event(), threading.Event()

    def endless(*_: Any) -> Iterator[Any]:
        begun.set()
        while True:
            yield SimpleNamespace(unit="shop/shop")

    def decided(*arguments: Any) -> Any:
        try:
            return decide(*arguments)
        finally:
            left.set()

    decide = simulating.decide_asks
    monkeypatch.setattr(simulating, "decide_all", endless)
    monkeypatch.setattr(simulating, "decide_asks", decided)
    call = api.placement.SimulatePlacement(pb.SimulatePlacementRequest(), timeout=2.0)
    await asyncio.to_thread(begun.wait, 20)

    for _ in range(3):
        await api.server.GetServerInfo(server_service_pb2.GetServerInfoRequest())
    assert not call.done()
    with pytest.raises(grpc.RpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert await asyncio.to_thread(left.wait, 20), "nobody decides for nobody"
    monkeypatch.undo()
    assert (await simulate(api)).unit_count == 1, "the next one is let in"


def test_calls_that_decide_on_a_fleet_are_given_more_time() -> None:
    interceptor = CallInterceptor(SimpleNamespace())  # type: ignore[arg-type]  # nobody calls
    patient: Any = SimpleNamespace(time_remaining=lambda: 3600.0)
    hurried: Any = SimpleNamespace(time_remaining=lambda: 5.0)

    for method in ("SimulatePlacement", "RebalanceUnits"):
        assert interceptor._seconds(f"/fedsvc.v1.PlacementService/{method}", patient) == MAX_DECIDING_SECONDS
        assert interceptor._seconds(f"/fedsvc.v1.PlacementService/{method}", hurried) == 5.0
    assert interceptor._seconds("/fedsvc.v1.PlacementService/ExplainPlacement", patient) == MAX_CALL_SECONDS
    assert SIMULATION_SECONDS == MAX_DECIDING_SECONDS, "the client waits as long as the server tries"


# --- rebalance ------------------------------------------------------------------------------------------------------


async def flagged(placed: Any) -> list[str]:
    async with placed.store.reader() as tx:
        return list((await tx.execute(text("SELECT name FROM unit WHERE rebalance ORDER BY 1"))).scalars())


async def test_a_preview_tells_what_would_move_and_asks_for_nothing(api: Any, placed: Any) -> None:
    await placed.room("us-1", cpu=0)

    preview = await rebalance(api, SHOP, validate_only=True)

    assert preview.unit_count == 1
    assert moves(preview.units[0]) == [("eu-1", WEB, 6, 7), ("us-1", WEB, 6, 5)]
    assert await flagged(placed) == []


async def test_units_are_asked_to_be_decided_anew(api: Any, placed: Any) -> None:
    await placed.divided("other", name="api", replicas=2)
    await placed.room("us-1", cpu=0)
    preview = await rebalance(api, SHOP, validate_only=True)

    done = await rebalance(api, SHOP)

    assert done == preview
    assert await flagged(placed) == ["shop"]


async def test_all_units_are_asked_to_be_decided_anew_once(api: Any, helpers: Any, placed: Any) -> None:
    await placed.divided("other", name="api", replicas=2)

    first = await rebalance(api, ALL, request_id=UUID)
    again = await rebalance(api, ALL, request_id=UUID)
    other = await helpers.refused(rebalance(api, SHOP, request_id=UUID))

    assert first.unit_count == 2
    assert again == first
    assert other.reason == "REQUEST_ID_REUSED"
    assert await flagged(placed) == ["other", "shop"]


async def test_a_rebalancing_of_nothing_is_refused(api: Any, helpers: Any) -> None:
    refusal = await helpers.refused(rebalance(api))

    assert refusal.fields == [("units", "is empty: name units, or namespaces/-/units/- for all")]
