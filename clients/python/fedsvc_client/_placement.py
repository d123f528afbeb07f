from collections.abc import AsyncIterator, Sequence

from fedsvc.v1 import decision_pb2, fleet_pb2, placement_service_pb2, placement_service_pb2_grpc
from fedsvc_client import names
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id, pages

SIMULATION_SECONDS = 120.0
"""Deciding on a whole fleet takes longer than other calls; the server gives it no more."""


class AsyncPlacement:
    """Why units are where they are, and what would be."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = placement_service_pb2_grpc.PlacementServiceStub(caller.channel)

    async def explain(
        self,
        unit: str = "",
        *,
        decision: str = "",
        now: bool = False,
        replay: bool = False,
        cluster: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> placement_service_pb2.ExplainPlacementResponse:
        """Explain a unit's decision in force, a past one (by its id or name), or what would be decided `now`.

        With `cluster` (by its id or name) all is told of that one, and nothing of others.
        """
        request = placement_service_pb2.ExplainPlacementRequest(
            unit=names.unit_name(unit) if unit else "",
            decision=names.decision_name(decision) if decision else "",
            now=now,
            replay=replay,
            cluster=names.last_part(cluster),
        )
        return await self._caller.call(self._stub.ExplainPlacement, request, timeout_seconds=timeout_seconds)

    async def list_decisions_page(
        self, unit: str, *, page_size: int = 0, page_token: str = "", timeout_seconds: float = DEADLINE_SECONDS
    ) -> placement_service_pb2.ListDecisionsResponse:
        """Return one page of the decisions on a unit, the newest first."""
        request = placement_service_pb2.ListDecisionsRequest(
            parent=names.unit_name(unit), page_size=page_size, page_token=page_token
        )
        return await self._caller.call(self._stub.ListDecisions, request, timeout_seconds=timeout_seconds)

    def list_decisions(
        self, unit: str, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[decision_pb2.Decision]:
        """Yield the decisions on a unit, the newest first, without their full records."""
        return pages(
            lambda token: self.list_decisions_page(
                unit, page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.decisions,
        )

    async def simulate(
        self,
        request: placement_service_pb2.SimulatePlacementRequest,
        *,
        timeout_seconds: float = SIMULATION_SECONDS,
    ) -> placement_service_pb2.SimulatePlacementResponse:
        """Tell what would become of units on a changed copy of what is; nothing is stored."""
        return await self._caller.call(self._stub.SimulatePlacement, request, timeout_seconds=timeout_seconds)

    async def rebalance(
        self, units: Sequence[str], *, validate_only: bool = False, timeout_seconds: float = SIMULATION_SECONDS
    ) -> placement_service_pb2.RebalanceUnitsResponse:
        """Decide anew on units as if everything could move; "namespaces/-/units/-" are all."""
        request = placement_service_pb2.RebalanceUnitsRequest(
            units=[names.unit_name(unit) for unit in units],
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.RebalanceUnits, request, timeout_seconds=timeout_seconds)

    async def fleet_settings(self, *, timeout_seconds: float = DEADLINE_SECONDS) -> fleet_pb2.FleetSettings:
        """Return what placement knows of the fleet as a whole."""
        request = placement_service_pb2.GetFleetSettingsRequest()
        answer = await self._caller.call(self._stub.GetFleetSettings, request, timeout_seconds=timeout_seconds)
        return answer.fleet_settings

    async def update_fleet_settings(
        self,
        settings: fleet_pb2.FleetSettings,
        *,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> placement_service_pb2.UpdateFleetSettingsResponse:
        """Replace what placement knows of the fleet as a whole; `etag`, where set, guards the change."""
        request = placement_service_pb2.UpdateFleetSettingsRequest(
            fleet_settings=settings, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.UpdateFleetSettings, request, timeout_seconds=timeout_seconds)
