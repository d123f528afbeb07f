"""AutomationService: drills. Units are of a town whose members are judged here; nobody brings a drill on."""

from typing import Any

import grpc
import pytest

from fedsvc.health import EvidenceKind, Health, Verdict
from fedsvc.model.cluster import ClusterObservation
from fedsvc.store import automation, clusters
from fedsvc.v1 import automation_service_pb2 as pb
from fedsvc.v1 import drill_pb2, hold_pb2, hold_service_pb2

UUID = "7d0a1f0e-5a3c-4b0e-8d43-0f1f4c1f6a12"


@pytest.fixture
async def placed(town: Any) -> Any:
    """Unit shop, 12 replicas on eu-1 and us-1, each of which has room for all of it; automation acts."""
    await town.divided("shop")
    await town.decide("shop")
    for name in ("eu-1", "us-1"):
        await town.room(name, cpu=7000)
    async with town.store.transaction() as tx:
        await automation.look(tx, sight=automation.Sight(has_witness=True))
    return town


async def start(town: Any, subject: str = "clusters/eu-1", **fields: Any) -> pb.StartDrillResponse:
    response: pb.StartDrillResponse = await town.api.automation.StartDrill(
        pb.StartDrillRequest(subject=subject, **fields)
    )
    return response


async def test_a_simulation_tells_what_would_come_of_it_and_stores_nothing(placed: Any) -> None:
    before = await placed.tables()
    answer = await start(placed)
    assert (answer.drill.name, answer.drill.mode) == ("", drill_pb2.DRILL_MODE_SIMULATE)
    assert (answer.drill.report.score, answer.drill.report.unit_count) == (100, 1)
    assert [list(unit.clusters_after) for unit in answer.units] == [["us-1"]]
    assert await placed.tables() == before


async def test_what_would_stay_costs_points(placed: Any) -> None:
    await placed.room("us-1", cpu=1000)
    report = (await start(placed)).drill.report
    assert report.score == 0
    assert [one.reason for one in report.left_out] == ["NoPlace"]


async def test_a_drill_is_begun_once_shown_and_stopped(placed: Any, helpers: Any) -> None:
    fields: dict[str, Any] = {
        "mode": drill_pb2.DRILL_MODE_FULL,
        "away_seconds": 0,
        "reason": "quarterly",
        "request_id": UUID,
    }
    begun = await start(placed, **fields)
    assert await start(placed, **fields) == begun
    drill = begun.drill
    assert (drill.phase, list(drill.clusters)) == (drill_pb2.DRILL_PHASE_LEAVING, ["eu-1"])
    assert list(drill.abort_on) == [drill_pb2.DRILL_ABORT_TROUBLE, drill_pb2.DRILL_ABORT_DEGRADED]
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await start(placed, mode=drill_pb2.DRILL_MODE_TRAFFIC)
    assert helpers.decode(found.value).reason == "DRILL_STATE"
    service = placed.api.automation
    (listed,) = (await service.ListDrills(pb.ListDrillsRequest())).drills
    assert (listed.name, listed.reason) == (drill.name, "quarterly")
    stopped = (await service.StopDrill(pb.StopDrillRequest(name=drill.name))).drill
    assert (stopped.phase, stopped.outcome) == (drill_pb2.DRILL_PHASE_RETURNING, drill_pb2.DRILL_OUTCOME_STOPPED)
    assert (await service.GetDrill(pb.GetDrillRequest(name=drill.name))).drill == stopped


async def test_a_drill_waits_until_all_is_well(placed: Any, helpers: Any) -> None:
    pause = hold_service_pb2.PauseRequest(subject="fleet", scope=hold_pb2.HOLD_SCOPE_AUTOMATION, reason="x")
    await placed.api.holds.Pause(pause)
    with pytest.raises(grpc.aio.AioRpcError, match="automation does not act") as found:
        await start(placed, mode=drill_pb2.DRILL_MODE_TRAFFIC)
    assert helpers.decode(found.value).reason == "DRILL_STATE"
    await placed.api.automation.ReleaseAutomation(pb.ReleaseAutomationRequest(subject="fleet"))
    async with placed.store.transaction() as tx:
        stored = await clusters.get(tx, "us-1")
        health = Health(verdict=Verdict.DEGRADED, since=tx.now, kind=EvidenceKind.NOT_READY, message="etcd")
        await clusters.observe(tx, "us-1", ClusterObservation(health=health), connection=stored.connection)
    with pytest.raises(grpc.aio.AioRpcError, match="us-1 is Degraded"):
        await start(placed, mode=drill_pb2.DRILL_MODE_FULL)


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"subject": "namespaces/shop/units/shop"}, "subject"),
        ({"subject": "regions/nowhere"}, "subject"),
        ({"away_seconds": -1}, "away_seconds"),
        ({"limit_seconds": 9}, "limit_seconds"),
        ({"target_seconds": 0}, "target_seconds"),
        ({"mode": 9}, "mode"),
        ({"abort_on": [0]}, "abort_on[0]"),
        ({"reason": "x" * 501}, "reason"),
    ],
)
async def test_what_makes_no_sense_is_refused_by_its_field(
    placed: Any, helpers: Any, fields: dict[str, Any], path: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await start(placed, **fields)
    assert [where for where, _ in helpers.decode(found.value).fields] == [path]


async def test_a_drill_that_is_not_there_is_not_found(placed: Any, helpers: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await placed.api.automation.GetDrill(pb.GetDrillRequest(name="drills/7"))
    assert helpers.decode(found.value).reason == "NOT_FOUND"
    with pytest.raises(grpc.aio.AioRpcError) as found:
        await placed.api.automation.StopDrill(pb.StopDrillRequest(name="drills/seven"))
    assert [where for where, _ in helpers.decode(found.value).fields] == ["name"]
