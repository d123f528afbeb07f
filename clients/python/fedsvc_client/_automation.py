from collections.abc import AsyncIterator, Sequence

from fedsvc.v1 import automation_pb2, automation_service_pb2, automation_service_pb2_grpc, drill_pb2
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id, pages

MOVE_SECONDS = 120.0
"""The server decides on all units that move before it answers."""


class AsyncAutomation:
    """What is done about lost clusters. `holds.pause` with scope AUTOMATION keeps it from acting."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = automation_service_pb2_grpc.AutomationServiceStub(caller.channel)

    async def get(self, *, timeout_seconds: float = DEADLINE_SECONDS) -> automation_pb2.Automation:
        """Return whether lost clusters are acted on, and what keeps that back."""
        request = automation_service_pb2.GetAutomationRequest()
        return (await self._caller.call(self._stub.GetAutomation, request, timeout_seconds=timeout_seconds)).automation

    async def release(
        self, subject: str = "fleet", *, validate_only: bool = False, timeout_seconds: float = DEADLINE_SECONDS
    ) -> automation_service_pb2.ReleaseAutomationResponse:
        """End what keeps it from acting on a subject; of the fleet that is the breaker, too."""
        request = automation_service_pb2.ReleaseAutomationRequest(
            subject=subject, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.ReleaseAutomation, request, timeout_seconds=timeout_seconds)

    async def list_page(
        self,
        *,
        unit: str = "",
        cluster: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> automation_service_pb2.ListFailoversResponse:
        """Return one page of failovers: of a unit by its name in the API, from a cluster by its id."""
        request = automation_service_pb2.ListFailoversRequest(
            page_size=page_size, page_token=page_token, unit=unit, cluster=cluster
        )
        return await self._caller.call(self._stub.ListFailovers, request, timeout_seconds=timeout_seconds)

    def failovers(
        self, *, unit: str = "", cluster: str = "", page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[automation_pb2.Failover]:
        """Yield the failovers that match, the newest first; `timeout_seconds` is for each page."""
        return pages(
            lambda token: self.list_page(
                unit=unit, cluster=cluster, page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.failovers,
        )

    def pending_moves(
        self, *, unit: str = "", cluster: str = "", page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[automation_pb2.PendingMove]:
        """Yield what does not leave lost clusters, or not go back, for now, and why, by unit and cluster."""

        async def page(token: str) -> automation_service_pb2.ListPendingMovesResponse:
            request = automation_service_pb2.ListPendingMovesRequest(
                page_size=page_size, page_token=token, unit=unit, cluster=cluster
            )
            return await self._caller.call(self._stub.ListPendingMoves, request, timeout_seconds=timeout_seconds)

        return pages(page, lambda found: found.moves)

    async def fail_over(
        self,
        subject: str,
        *,
        clusters: Sequence[str] = (),
        targets: Sequence[str] = (),
        reason: str = "",
        accept_loss: bool = False,
        validate_only: bool = False,
        timeout_seconds: float = MOVE_SECONDS,
    ) -> automation_service_pb2.FailOverResponse:
        """Have units leave clusters, lost or not; without clusters, the primary of a unit with roles go to a target.

        Args:
            subject: A unit, "clusters/{cluster}" or "regions/{region}".
            clusters: Of a unit, ids of those to leave; none: those that are lost, else the one that it is on.
            targets: Ids of the clusters to go to; none: wherever is best.
            reason: Why, for people.
            accept_loss: Of a unit with roles, do without proof that the old primary takes no more writes.
            validate_only: Only tell what would come of it.
            timeout_seconds: Deadline of the call.
        """
        request = automation_service_pb2.FailOverRequest(
            subject=subject,
            clusters=clusters,
            targets=targets,
            reason=reason,
            accept_loss=accept_loss,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.FailOver, request, timeout_seconds=timeout_seconds)

    async def fail_back(
        self,
        subject: str,
        *,
        clusters: Sequence[str] = (),
        validate_only: bool = False,
        timeout_seconds: float = MOVE_SECONDS,
    ) -> automation_service_pb2.FailBackResponse:
        """Let units take back what left clusters that are healthy, at once; of a unit to these clusters, or to all."""
        request = automation_service_pb2.FailBackRequest(
            subject=subject, clusters=clusters, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.FailBack, request, timeout_seconds=timeout_seconds)

    async def drain(
        self,
        subject: str,
        *,
        pace_percent: int | None = None,
        reason: str = "",
        validate_only: bool = False,
        timeout_seconds: float = MOVE_SECONDS,
    ) -> automation_service_pb2.DrainClustersResponse:
        """Empty "clusters/{cluster}" or "regions/{region}": all at once, or some percent of the units a minute."""
        request = automation_service_pb2.DrainClustersRequest(
            subject=subject,
            pace_percent=pace_percent,
            reason=reason,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.DrainClusters, request, timeout_seconds=timeout_seconds)

    async def start_drill(
        self,
        subject: str,
        *,
        mode: drill_pb2.DrillMode.ValueType = drill_pb2.DRILL_MODE_SIMULATE,
        abort_on: Sequence[drill_pb2.DrillAbort.ValueType] = (),
        away_seconds: int | None = None,
        limit_seconds: int | None = None,
        target_seconds: int | None = None,
        reason: str = "",
        validate_only: bool = False,
        timeout_seconds: float = MOVE_SECONDS,
    ) -> automation_service_pb2.StartDrillResponse:
        """Rehearse the loss of "clusters/{cluster}" or "regions/{region}"; the server brings all back by itself."""
        request = automation_service_pb2.StartDrillRequest(
            subject=subject,
            mode=mode,
            abort_on=abort_on,
            away_seconds=away_seconds,
            limit_seconds=limit_seconds,
            target_seconds=target_seconds,
            reason=reason,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.StartDrill, request, timeout_seconds=timeout_seconds)

    async def stop_drill(
        self, name: str, *, validate_only: bool = False, timeout_seconds: float = DEADLINE_SECONDS
    ) -> drill_pb2.Drill:
        """Have all that left by a drill brought back now."""
        request = automation_service_pb2.StopDrillRequest(
            name=name, validate_only=validate_only, request_id=new_request_id()
        )
        return (await self._caller.call(self._stub.StopDrill, request, timeout_seconds=timeout_seconds)).drill

    async def drill(self, name: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> drill_pb2.Drill:
        """Return a drill, with what came of it so far."""
        request = automation_service_pb2.GetDrillRequest(name=name)
        return (await self._caller.call(self._stub.GetDrill, request, timeout_seconds=timeout_seconds)).drill

    def drills(
        self, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[drill_pb2.Drill]:
        """Yield drills, the newest first; `timeout_seconds` is for each page."""

        async def page(token: str) -> automation_service_pb2.ListDrillsResponse:
            request = automation_service_pb2.ListDrillsRequest(page_size=page_size, page_token=token)
            return await self._caller.call(self._stub.ListDrills, request, timeout_seconds=timeout_seconds)

        return pages(page, lambda found: found.drills)
