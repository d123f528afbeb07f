from collections.abc import AsyncIterator

from fedsvc.v1 import automation_pb2, automation_service_pb2, automation_service_pb2_grpc
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id, pages


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
