from typing import Any

import grpc
import pytest

from fedsvc.v1 import decision_pb2, fleet_pb2
from fedsvc.v1 import placement_service_pb2 as pb
from fedsvc_client import AsyncClient, Client, NotFoundError, PreconditionError
from fedsvc_client.testing import FakeServer, RefusalError

SHOP = "namespaces/web/units/shop"
ID = "1c9f9b3e-6f0a-4d0c-9a0e-3f6f6f1b2a77"
Code = grpc.StatusCode


async def test_a_unit_a_decision_or_what_would_be_now_is_explained(server: FakeServer, client: AsyncClient) -> None:
    server.on("ExplainPlacement", lambda _: pb.ExplainPlacementResponse(lines=["eu-1: chosen"], same=True))

    answer = await client.placement.explain("web/shop")
    await client.placement.explain(decision=ID, replay=True)
    await client.placement.explain(SHOP, decision=f"decisions/{ID}")
    await client.placement.explain("web/shop", now=True)

    assert (list(answer.lines), answer.same) == (["eu-1: chosen"], True)
    assert server.requests("ExplainPlacement") == [
        pb.ExplainPlacementRequest(unit=SHOP),
        pb.ExplainPlacementRequest(decision=f"decisions/{ID}", replay=True),
        pb.ExplainPlacementRequest(unit=SHOP, decision=f"decisions/{ID}"),
        pb.ExplainPlacementRequest(unit=SHOP, now=True),
    ]


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (Code.NOT_FOUND, "NOT_FOUND", NotFoundError),
        (Code.FAILED_PRECONDITION, "NOT_DECIDED", PreconditionError),
        (Code.FAILED_PRECONDITION, "NOT_REPLAYABLE", PreconditionError),
    ],
    ids=["not found", "not decided", "not replayable"],
)
async def test_what_cannot_be_explained_is_an_error_of_its_own(
    server: FakeServer, client: AsyncClient, code: grpc.StatusCode, reason: str, kind: type[Exception]
) -> None:
    def refuse(_: Any) -> Any:
        raise RefusalError(code, reason, "why", metadata={"name": SHOP})

    server.on("ExplainPlacement", refuse)
    with pytest.raises(kind) as caught:
        await client.placement.explain("web/shop")
    assert getattr(caught.value, "reason", "") == reason


async def test_the_decisions_on_a_unit_come_from_all_pages(server: FakeServer, client: AsyncClient) -> None:
    def reply(request: pb.ListDecisionsRequest) -> pb.ListDecisionsResponse:
        start = int(request.page_token or 0)
        rows = [decision_pb2.Decision(revision=revision) for revision in (start, start + 1)]
        return pb.ListDecisionsResponse(decisions=rows, next_page_token=str(start + 2) if start < 4 else "")

    server.on("ListDecisions", reply)

    assert [row.revision async for row in client.placement.list_decisions("web/shop", page_size=2)] == list(range(6))
    assert {(request.parent, request.page_size) for request in server.requests("ListDecisions")} == {(SHOP, 2)}


async def test_rebalancing_brings_a_request_id_and_is_tried_again_with_the_same(
    server: FakeServer, client: AsyncClient
) -> None:
    left = [RefusalError(Code.UNAVAILABLE, "DRAINING", "stopping")]

    def reply(_: Any) -> Any:
        if left:
            raise left.pop()
        return pb.RebalanceUnitsResponse(unit_count=2)

    server.on("RebalanceUnits", reply)
    assert (await client.placement.rebalance(["web/shop", "namespaces/-/units/-"])).unit_count == 2
    first, second = server.requests("RebalanceUnits")
    assert list(first.units) == [SHOP, "namespaces/-/units/-"]
    assert (first.request_id, first.validate_only) == (second.request_id, False)
    assert first.request_id


async def test_fleet_settings_are_read_changed_and_written_back(server: FakeServer, client: AsyncClient) -> None:
    stored = fleet_pb2.FleetSettings(name="fleetSettings", etag='"fleet-1"')
    server.on("GetFleetSettings", lambda _: pb.GetFleetSettingsResponse(fleet_settings=stored))
    server.on(
        "UpdateFleetSettings",
        lambda request: pb.UpdateFleetSettingsResponse(fleet_settings=request.fleet_settings, changed=True),
    )

    settings = await client.placement.fleet_settings()
    settings.spec.distances.add(region="eu", other="us", milliseconds=90)
    answer = await client.placement.update_fleet_settings(settings, validate_only=True)

    (request,) = server.requests("UpdateFleetSettings")
    assert (answer.changed, answer.fleet_settings) == (True, settings)
    assert (request.fleet_settings.etag, request.validate_only) == ('"fleet-1"', True)


def test_the_blocking_client_does_the_same(server: FakeServer, blocking: Client) -> None:
    server.on("SimulatePlacement", lambda _: pb.SimulatePlacementResponse(unit_count=3))
    server.on(
        "ListDecisions", lambda _: pb.ListDecisionsResponse(decisions=[decision_pb2.Decision(name=f"decisions/{ID}")])
    )
    request = pb.SimulatePlacementRequest(lost_regions=["eu"])

    assert blocking.placement.simulate(request).unit_count == 3
    assert server.requests("SimulatePlacement") == [request]
    assert [row.name for row in blocking.placement.list_decisions("web/shop")] == [f"decisions/{ID}"]
