import datetime as dt
from collections.abc import Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.v1 import hold_pb2, hold_service_pb2, hold_service_pb2_grpc
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id


class AsyncHolds:
    """What is not written to members now: pauses, and freeze windows that are on.

    A subject is "fleet", "clusters/eu-1" or "namespaces/shop/units/web".
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = hold_service_pb2_grpc.HoldServiceStub(caller.channel)

    async def pause(
        self,
        subject: str,
        *,
        scope: hold_pb2.HoldScope.ValueType = hold_pb2.HOLD_SCOPE_UNSPECIFIED,
        reason: str = "",
        end_time: dt.datetime | None = None,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> hold_pb2.Hold:
        """Keep back what would be written to members, until `end_time` (with a time zone) or `resume`."""
        request = hold_service_pb2.PauseRequest(
            subject=subject,
            scope=scope,
            reason=reason,
            end_time=_stamp(end_time),
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return (await self._caller.call(self._stub.Pause, request, timeout_seconds=timeout_seconds)).hold

    async def resume(
        self,
        subject: str,
        *,
        scope: hold_pb2.HoldScope.ValueType = hold_pb2.HOLD_SCOPE_UNSPECIFIED,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> hold_service_pb2.ResumeResponse:
        """End the pauses of a subject; the answer also tells what still holds there."""
        request = hold_service_pb2.ResumeRequest(
            subject=subject, scope=scope, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.Resume, request, timeout_seconds=timeout_seconds)

    async def thaw(
        self,
        subject: str,
        windows: Sequence[str],
        *,
        reason: str,
        end_time: dt.datetime | None = None,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> hold_service_pb2.ThawResponse:
        """Let changes of a subject through freeze windows that are on, which are named to confirm it."""
        request = hold_service_pb2.ThawRequest(
            subject=subject,
            windows=windows,
            reason=reason,
            end_time=_stamp(end_time),
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.Thaw, request, timeout_seconds=timeout_seconds)

    async def list(self, subject: str = "", *, timeout_seconds: float = DEADLINE_SECONDS) -> Sequence[hold_pb2.Hold]:
        """Return all that is held now, or what holds for a subject."""
        request = hold_service_pb2.ListHoldsRequest(subject=subject)
        return (await self._caller.call(self._stub.ListHolds, request, timeout_seconds=timeout_seconds)).holds


def _stamp(time: dt.datetime | None) -> Timestamp | None:
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp
