"""AutomationService: moves that people ask for, and moves that wait. Units are of a town whose members are judged here."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import grpc
import pytest

from fedsvc.health import EvidenceKind, Health, Verdict
from fedsvc.model.cluster import ClusterObservation
from fedsvc.model.failover import FailoverMode, FailoverPolicy
from fedsvc.store import automation, clusters, departures
from fedsvc.store import units as stored_units
from fedsvc.v1 import automation_pb2, cluster_service_pb2, event_service_pb2
from fedsvc.v1 import automation_service_pb2 as pb
from fedsvc_placement.model import CORDON_TAINT

SHOP = "namespaces/shop/units/shop"
UUID = "7d0a1f0e-5a3c-4b0e-8d43-0f1f4c1f6a12"


@pytest.fixture
async def placed(town: Any) -> Any:
    """Unit shop, 12 replicas on eu-1 and us-1, each of which has room for all of it."""
    await town.divided("shop")
    await town.decide("shop")
    for name in ("eu-1", "us-1"):
        await town.room(name, cpu=7000)
    return town


async def judge(town: Any, **verdicts: Verdict) -> None:
    async with town.store.transaction() as tx:
        for word, verdict in verdicts.items():
            name = word.replace("_", "-")
            stored = await clusters.get(tx, name)
            health = Health(verdict=verdict, since=tx.now, kind=EvidenceKind.REFUSED, message="it says nothing")
            await clusters.observe(tx, name, ClusterObservation(health=health), connection=stored.connection)
        await automation.look(tx)


async def fail_over(town: Any, subject: str, **fields: Any) -> pb.FailOverResponse:
    response: pb.FailOverResponse = await town.api.automation.FailOver(pb.FailOverRequest(subject=subject, **fields))
    return response


async def pending(town: Any, **fields: Any) -> Sequence[automation_pb2.PendingMove]:
    request = pb.ListPendingMovesRequest(**fields)
    found: Sequence[automation_pb2.PendingMove] = (await town.api.automation.ListPendingMoves(request)).moves
    return found


async def departures_of(town: Any) -> list[tuple[str, str, bool]]:
    """(cluster, cause, whether it returns) of the unit."""
    async with town.store.reader() as tx:
        unit = await stored_units.get(tx, "shop", "shop")
        found = await departures.of_unit(tx, unit.uid)
    return [(one.cluster, one.cause.value, one.return_time is not None) for one in found]


async def test_a_preview_tells_what_goes_where_and_stores_nothing(placed: Any) -> None:
    before = await placed.tables()
    answer = await fail_over(placed, "clusters/eu-1", validate_only=True)
    (unit,) = answer.units
    assert (answer.unit_count, unit.unit) == (1, SHOP)
    assert (list(unit.clusters_before), list(unit.clusters_after)) == (["eu-1", "us-1"], ["us-1"])
    assert not unit.shortfalls
    assert await placed.tables() == before


async def test_what_is_asked_for_is_stored_once_and_told(placed: Any) -> None:
    first = await fail_over(placed, SHOP, clusters=["eu-1"], reason="disks", request_id=UUID)
    assert await fail_over(placed, SHOP, clusters=["eu-1"], reason="disks", request_id=UUID) == first
    assert await departures_of(placed) == [("eu-1", "Asked", False)]
    request = event_service_pb2.ListEventsRequest(subject=SHOP)
    (event,) = (await placed.api.events.ListEvents(request)).events
    assert (event.reason, event.count) == ("FailOverAsked", 1)
    assert event.message.endswith(": disks")


async def test_a_unit_with_less_room_elsewhere_stays_where_it_lives_and_leaves_what_is_lost(placed: Any) -> None:
    await placed.room("us-1", cpu=500)
    answer = await fail_over(placed, "regions/eu", validate_only=True)
    assert [(move.cluster, move.reason) for move in answer.left_out] == [("eu-1", "NoPlace")]
    assert not answer.units
    await judge(placed, eu_1=Verdict.UNREACHABLE, eu_2=Verdict.HEALTHY, us_1=Verdict.HEALTHY)
    answer = await fail_over(placed, SHOP, validate_only=True)  # the lost one need not be named
    assert not answer.left_out
    assert [shortfall.replicas for shortfall in answer.units[0].shortfalls] == [5]


async def test_a_unit_that_never_moves_is_told_and_moves_when_it_is_named(placed: Any) -> None:
    await _fail_over_by(placed, FailoverMode.NEVER)
    answer = await fail_over(placed, "clusters/eu-1")
    assert answer.unit_count == 0
    (move,) = answer.left_out
    assert (move.reason, move.command) == ("Never", "fedctl failover unit/shop/shop --from eu-1")
    assert await departures_of(placed) == []
    assert (await fail_over(placed, SHOP, clusters=["eu-1"])).unit_count == 1


async def test_what_waits_is_listed_by_unit_and_cluster(placed: Any) -> None:
    await _fail_over_by(placed, FailoverMode.MANUAL)
    assert not await pending(placed)
    await judge(placed, eu_1=Verdict.UNREACHABLE, eu_2=Verdict.HEALTHY, us_1=Verdict.HEALTHY)
    (move,) = await pending(placed)
    assert (move.unit, move.cluster, move.reason) == (SHOP, "eu-1", "Manual")
    assert move.kind == automation_pb2.MOVE_KIND_AWAY
    assert not await pending(placed, cluster="us-1")
    await fail_over(placed, SHOP)
    assert not await pending(placed, unit=SHOP)
    await placed.decide("shop")
    async with placed.store.transaction() as tx:
        await departures.heard(tx, [((await stored_units.get(tx, "shop", "shop")).uid, "eu-1")])
    (move,) = await pending(placed, unit=SHOP)
    assert (move.kind, move.reason) == (automation_pb2.MOVE_KIND_BACK, "NotHealthy")
    refused = await placed.api.automation.FailBack(pb.FailBackRequest(subject=SHOP))
    assert (refused.unit_count, [one.reason for one in refused.left_out]) == (0, ["NotHealthy"])
    await judge(placed, eu_1=Verdict.HEALTHY)
    back = await placed.api.automation.FailBack(pb.FailBackRequest(subject="clusters/eu-1"))
    assert back.unit_count == 1
    assert list(back.units[0].clusters_after) == ["eu-1", "us-1"]
    assert [(move.cluster, move.before, move.after) for move in back.units[0].moves][:1] == [("eu-1", 0, 1)]
    assert await departures_of(placed) == [("eu-1", "Asked", True)]


async def test_a_drain_cordons_and_takes_turns(placed: Any) -> None:
    for name in ("one", "two"):
        await placed.divided(name, name=name, replicas=2)
        await placed.decide(name)
    request = pb.DrainClustersRequest(subject="regions/eu", pace_percent=34, reason="disks")
    answer = await placed.api.automation.DrainClusters(request)
    assert (answer.unit_count, list(answer.clusters)) == (3, ["eu-1", "eu-2"])
    for name in ("eu-1", "eu-2"):
        asked = cluster_service_pb2.GetClusterRequest(name=f"clusters/{name}")
        cluster = (await placed.api.clusters.GetCluster(asked)).cluster
        assert [taint.key for taint in cluster.taints] == [CORDON_TAINT]
    waiting = await pending(placed, cluster="eu-1")
    assert {move.reason for move in waiting} == {"Turn"}
    assert len(waiting) == 2


@pytest.mark.parametrize(
    ("subject", "fields", "path"),
    [
        ("regions/asia", {}, "subject"),
        ("everything", {}, "subject"),
        ("", {}, "subject"),
        (SHOP, {}, "clusters"),  # it is on two that live
        (SHOP, {"clusters": ["eu-2"]}, "clusters[0]"),
        (SHOP, {"clusters": ["eu-9"]}, "clusters[0]"),
        (SHOP, {"clusters": ["eu-1"], "targets": ["eu-1"]}, "targets[0]"),
        (SHOP, {"clusters": ["eu-1"], "targets": ["eu-2"]}, "targets[0]"),  # its placement does not select that
        ("clusters/eu-1", {"targets": ["eu-9"]}, "targets[0]"),
        ("clusters/eu-1", {"clusters": ["eu-1"]}, "clusters"),
        ("clusters/eu-1", {"reason": "x" * 501}, "reason"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(
    placed: Any, helpers: Any, subject: str, fields: dict[str, Any], path: str
) -> None:
    refusal = await helpers.refused(placed.api.automation.FailOver(pb.FailOverRequest(subject=subject, **fields)))
    assert [found for found, _ in refusal.fields] == [path]


@pytest.mark.parametrize("subject", ["clusters/nowhere", "namespaces/shop/units/none"])
async def test_what_is_not_there_is_not_found(placed: Any, helpers: Any, subject: str) -> None:
    for call in (
        placed.api.automation.FailOver(pb.FailOverRequest(subject=subject)),
        placed.api.automation.FailBack(pb.FailBackRequest(subject=subject)),
    ):
        assert (await helpers.refused(call)).code == grpc.StatusCode.NOT_FOUND


async def _fail_over_by(town: Any, mode: FailoverMode) -> None:
    async with town.store.transaction() as tx:
        before = await stored_units.get(tx, "shop", "shop")
        await stored_units.apply(
            tx,
            namespace="shop",
            name="shop",
            labels={},
            annotations={},
            spec=replace(before.spec, failover=FailoverPolicy(mode=mode)),
            resources=await stored_units.resources_of(tx, before.uid),
        )
