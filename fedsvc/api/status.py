"""From domain error to `google.rpc.Status`: the one table of what callers see when something goes wrong.

Every status carries one ErrorInfo (reason: a value of `ErrorReason` without its prefix; domain: fedsvc) and at most one
other detail (AIP-193). Clients decide by code and reason; the message is for people.
"""

from dataclasses import dataclass, field
from functools import singledispatch
from typing import Final

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import code_pb2
from google.rpc.error_details_pb2 import (
    BadRequest,
    ErrorInfo,
    PreconditionFailure,
    RequestInfo,
    ResourceInfo,
    RetryInfo,
)
from google.rpc.status_pb2 import Status

from fedsvc import errors
from fedsvc.api.limits import LONGEST_DETAILS_BYTES
from fedsvc.v1.error_reason_pb2 import ErrorReason

DOMAIN: Final = "fedsvc"

_RETRY_SECONDS: Final = 1
_MAX_MESSAGE: Final = 1_000
_MAX_METADATA: Final = 500


class DrainingError(errors.FedsvcError):
    """The server is stopping: call again, elsewhere."""

    def __init__(self) -> None:
        super().__init__("the server is stopping: try again")


class DeadlineError(errors.FedsvcError):
    """The call took longer than it may."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"the call took longer than {seconds:g} seconds and was given up")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one kind of error becomes."""

    code: int  # of google.rpc.Code
    reason: ErrorReason.ValueType
    metadata: dict[str, str] = field(default_factory=dict)
    detail: Message | None = None


def status_of(error: BaseException, request_id: str) -> Status:
    """The status that tells a caller of an error.

    Args:
        error: what was raised; what is no domain error becomes INTERNAL and tells nothing but `request_id`.
        request_id: under which the log has more.
    """
    answer = _answer(error, request_id)
    internal = answer.reason == ErrorReason.ERROR_REASON_INTERNAL
    text = f"an internal error; the server's log has more under request {request_id}" if internal else str(error)
    info = ErrorInfo(
        reason=reason_text(answer.reason),
        domain=DOMAIN,
        metadata={key: value[:_MAX_METADATA] for key, value in answer.metadata.items()},
    )
    status = Status(code=answer.code, message=text if len(text) <= _MAX_MESSAGE else text[: _MAX_MESSAGE - 3] + "...")
    status.details.append(_packed(info))
    if answer.detail is not None:
        if isinstance(answer.detail, BadRequest):
            _shorten(answer.detail)
        status.details.append(_packed(answer.detail))
    return status


def reason_text(reason: ErrorReason.ValueType) -> str:
    """The `reason` of an ErrorInfo: the name of the value without its prefix."""
    return ErrorReason.Name(reason).removeprefix("ERROR_REASON_")


@singledispatch
def _answer(error: BaseException, request_id: str) -> _Answer:
    del error  # its words may be internals; the log has them
    return _Answer(
        code=code_pb2.INTERNAL,
        reason=ErrorReason.ERROR_REASON_INTERNAL,
        detail=RequestInfo(request_id=request_id),
    )


@_answer.register
def _(error: errors.InvalidInputError, _: str) -> _Answer:
    violations = [_violation(problem.path, problem.message) for problem in error.problems]
    return _Answer(
        code=code_pb2.INVALID_ARGUMENT,
        reason=ErrorReason.ERROR_REASON_FIELD_INVALID,
        detail=BadRequest(field_violations=violations),
    )


@_answer.register
def _(error: errors.RequestIdReusedError, _: str) -> _Answer:
    return _Answer(
        code=code_pb2.INVALID_ARGUMENT,
        reason=ErrorReason.ERROR_REASON_REQUEST_ID_REUSED,
        metadata={"request_id": error.request_id},
        detail=BadRequest(field_violations=[_violation("request_id", str(error))]),
    )


@_answer.register
def _(error: errors.NotFoundError, _: str) -> _Answer:
    return _Answer(
        code=code_pb2.NOT_FOUND,
        reason=ErrorReason.ERROR_REASON_NOT_FOUND,
        metadata={"name": error.name},
        detail=_resource(error.name, str(error)),
    )


@_answer.register
def _(error: errors.AlreadyExistsError, _: str) -> _Answer:
    return _Answer(
        code=code_pb2.ALREADY_EXISTS,
        reason=ErrorReason.ERROR_REASON_ALREADY_EXISTS,
        metadata={"name": error.name},
        detail=_resource(error.name, str(error)),
    )


@_answer.register
def _(error: errors.EtagMismatchError, _: str) -> _Answer:
    return _Answer(
        code=code_pb2.ABORTED,
        reason=ErrorReason.ERROR_REASON_ETAG_MISMATCH,
        metadata={"name": error.name, "etag": error.stored},
        detail=_resource(error.name, str(error)),
    )


@_answer.register
def _(error: errors.ObjectOwnedError, _: str) -> _Answer:
    metadata = {"object": error.key, "unit": error.unit}
    return _precondition(ErrorReason.ERROR_REASON_OBJECT_OWNED, error.path, str(error), metadata)


@_answer.register
def _(error: errors.InUseError, _: str) -> _Answer:
    metadata = {"name": error.name, "used_by": ", ".join(error.used_by)}
    return _precondition(ErrorReason.ERROR_REASON_IN_USE, error.name, str(error), metadata)


@_answer.register
def _(error: errors.NoEarlierRevisionError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_NO_EARLIER_REVISION, error.name, str(error), {"name": error.name})


@_answer.register
def _(error: errors.RolloutStateError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_ROLLOUT_STATE, "rollout", str(error), {"phase": error.phase})


@_answer.register
def _(error: errors.DrillStateError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_DRILL_STATE, "drill", str(error), {"why": error.why})


@_answer.register
def _(error: errors.UnitManagedError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_UNIT_MANAGED, error.name, str(error), {"name": error.name})


@_answer.register
def _(error: errors.RemovalUnconfirmedError, _: str) -> _Answer:
    metadata = {"name": error.name, "objects": str(error.objects), "why": error.reason}
    return _precondition(ErrorReason.ERROR_REASON_REMOVAL_UNCONFIRMED, error.name, str(error), metadata)


@_answer.register
def _(error: errors.ProtectedError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_PROTECTED, error.name, str(error), {"name": error.name})


@_answer.register
def _(error: errors.DeletingError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_DELETING, error.name, str(error), {"name": error.name})


@_answer.register
def _(error: errors.NotDecidedError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_NOT_DECIDED, error.name, str(error), {"name": error.name})


@_answer.register
def _(error: errors.NotReplayableError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_NOT_REPLAYABLE, error.name, str(error), {"name": error.name})


@_answer.register
def _(error: errors.NothingToConfirmError, _: str) -> _Answer:
    return _precondition(ErrorReason.ERROR_REASON_NOTHING_TO_CONFIRM, error.name, str(error), {"name": error.name})


@_answer.register
def _(error: errors.NotOnClustersError, _: str) -> _Answer:
    metadata = {"name": error.name, "clusters": ", ".join(error.clusters)}
    return _precondition(ErrorReason.ERROR_REASON_NOT_ON_CLUSTERS, error.name, str(error), metadata)


@_answer.register
def _(error: errors.LimitExceededError, _: str) -> _Answer:
    return _Answer(
        code=code_pb2.RESOURCE_EXHAUSTED,
        reason=ErrorReason.ERROR_REASON_LIMIT_EXCEEDED,
        metadata={"limit": error.limit, "value": str(error.value)},
    )


@_answer.register
def _(error: errors.ResumeTokenExpiredError, _: str) -> _Answer:
    del error
    return _Answer(code=code_pb2.OUT_OF_RANGE, reason=ErrorReason.ERROR_REASON_RESUME_TOKEN_EXPIRED)


@_answer.register
def _(error: errors.WatchTooSlowError, _: str) -> _Answer:
    del error
    return _Answer(code=code_pb2.RESOURCE_EXHAUSTED, reason=ErrorReason.ERROR_REASON_WATCH_TOO_SLOW, detail=_retry())


@_answer.register
def _(error: errors.UnauthenticatedError, _: str) -> _Answer:
    del error
    return _Answer(code=code_pb2.UNAUTHENTICATED, reason=ErrorReason.ERROR_REASON_UNAUTHENTICATED)


@_answer.register
def _(error: errors.StoreUnavailableError, _: str) -> _Answer:
    del error
    return _Answer(code=code_pb2.UNAVAILABLE, reason=ErrorReason.ERROR_REASON_STORE_UNAVAILABLE, detail=_retry())


@_answer.register
def _(error: DrainingError, _: str) -> _Answer:
    del error
    return _Answer(code=code_pb2.UNAVAILABLE, reason=ErrorReason.ERROR_REASON_DRAINING, detail=_retry())


@_answer.register
def _(error: DeadlineError, _: str) -> _Answer:
    return _Answer(
        code=code_pb2.DEADLINE_EXCEEDED,
        reason=ErrorReason.ERROR_REASON_LIMIT_EXCEEDED,
        metadata={"limit": "call_seconds", "value": f"{error.seconds:g}"},
    )


def _precondition(reason: ErrorReason.ValueType, subject: str, description: str, metadata: dict[str, str]) -> _Answer:
    violation = PreconditionFailure.Violation(type=reason_text(reason), subject=subject, description=description)
    return _Answer(
        code=code_pb2.FAILED_PRECONDITION,
        reason=reason,
        metadata=metadata,
        detail=PreconditionFailure(violations=[violation]),
    )


def _violation(path: str, message: str) -> BadRequest.FieldViolation:
    return BadRequest.FieldViolation(field=path, description=message)


def _resource(name: str, description: str) -> ResourceInfo:
    kinds = {
        "clusters": "Cluster",
        "works": "Work",
        "events": "Event",
        "placementPolicies": "PlacementPolicy",
        "overridePolicies": "OverridePolicy",
        "statusPolicies": "StatusPolicy",
        "zones": "Zone",
        "namespaces": "FederatedResource" if "/resources/" in name else "Unit",
    }
    return ResourceInfo(
        resource_type=f"fedsvc.v1.{kinds.get(name.partition('/')[0], 'Object')}",
        resource_name=name,
        description=description,
    )


def _retry() -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=_RETRY_SECONDS))


def _packed(message: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(message)
    return packed


def _shorten(detail: BadRequest) -> None:
    """Drop the last violations until the rest fits the trailers of HTTP/2; say how many were dropped."""
    dropped = 0
    while len(detail.field_violations) > 1 and detail.ByteSize() > LONGEST_DETAILS_BYTES:
        del detail.field_violations[-1]
        dropped += 1
    if dropped:
        last = detail.field_violations[-1]
        last.description = f"{last.description} ({dropped} more problems are not listed)"
