from fedsvc.v1 import removal_service_pb2, removal_service_pb2_grpc
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id


class AsyncRemovals:
    """Removals that are held until somebody confirms them; `works.list(only_removals=True)` has them one by one."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = removal_service_pb2_grpc.RemovalServiceStub(caller.channel)

    async def confirm(
        self, subject: str, *, validate_only: bool = False, timeout_seconds: float = DEADLINE_SECONDS
    ) -> removal_service_pb2.ConfirmRemovalsResponse:
        """Let them be done: of a unit, on a cluster (by their names in the API), or all ("fleet")."""
        request = removal_service_pb2.ConfirmRemovalsRequest(
            subject=subject, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.ConfirmRemovals, request, timeout_seconds=timeout_seconds)
