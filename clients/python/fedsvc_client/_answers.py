"""From a failed gRPC call to one of our errors, with all that the server sent along (google.rpc.Status, AIP-193)."""

from collections.abc import Mapping

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import aio

from fedsvc_client._errors import (
    AlreadyExistsError,
    Answer,
    ConflictError,
    DeadlineError,
    FedsvcError,
    FieldProblem,
    InternalError,
    InvalidArgumentError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    ResourceExhaustedError,
    ResumeTokenExpiredError,
    UnauthenticatedError,
    UnavailableError,
    UnsupportedError,
)

_DETAILS_KEY = "grpc-status-details-bin"
_REASON_PREFIX = "ERROR_REASON_"

_BY_CODE: Mapping[grpc.StatusCode, type[FedsvcError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: InvalidArgumentError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExistsError,
    grpc.StatusCode.ABORTED: ConflictError,
    grpc.StatusCode.FAILED_PRECONDITION: PreconditionError,
    grpc.StatusCode.UNAUTHENTICATED: UnauthenticatedError,
    grpc.StatusCode.PERMISSION_DENIED: PermissionDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: ResourceExhaustedError,
    grpc.StatusCode.OUT_OF_RANGE: ResumeTokenExpiredError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineError,
    grpc.StatusCode.UNIMPLEMENTED: UnsupportedError,
}

# What the transport says, and what that means to the user; the first that fits.
_TRANSPORT: tuple[tuple[str, str], ...] = (
    ("wrong_version_number", "it does not speak TLS there; set `tls: false` (http://HOST:PORT)"),
    (
        "certificate_verify_failed",
        "its certificate is not signed by a trusted authority or not for this name; see `ca_file`",
    ),
    (
        "certificate verify failed",
        "its certificate is not signed by a trusted authority or not for this name; see `ca_file`",
    ),
    ("hostname verification", "its certificate is for another name; see `server_name` of the configuration file"),
    ("handshake", "the TLS handshake failed"),
    ("connection refused", "connection refused: no server is listening there"),
    ("name or service not known", "the host name is not known"),
    ("dns resolution failed", "the host name is not known"),
    ("domain name not found", "the host name is not known"),
    ("network is unreachable", "the network is unreachable"),
    ("no route to host", "there is no route to it"),
    ("timed out", "the connection timed out"),
    ("timeout", "the connection timed out"),
    ("socket closed", "it closed the connection; does it want TLS (https://HOST:PORT)?"),
    ("connection reset", "it closed the connection; does it want TLS (https://HOST:PORT)?"),
)


def error_from_call(error: aio.AioRpcError, address: str) -> FedsvcError:
    """Make our error of a failed call.

    Args:
        error: What grpc raised.
        address: Where the call went, for the message.
    """
    code = error.code()
    message = error.details() or ""
    answer = _read_details(error)
    if not answer.reason:  # it does not come from fedsvc, but from the transport or something in between
        message = _transport_message(code, message, address)
    return _BY_CODE.get(code, InternalError)(message or code.name, answer)


def _read_details(error: aio.AioRpcError) -> Answer:
    code = error.code().name
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                status.ParseFromString(value)
            except DecodeError:
                return Answer(code=code)
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry, request = error_details_pb2.RetryInfo(), error_details_pb2.RequestInfo()
    for detail in status.details:
        for message in (info, bad, retry, request):
            detail.Unpack(message)
    return Answer(
        code=code,
        reason=info.reason.removeprefix(_REASON_PREFIX),
        metadata=dict(info.metadata),
        fields=tuple(FieldProblem(path=item.field, message=item.description) for item in bad.field_violations),
        retry_after_seconds=retry.retry_delay.ToTimedelta().total_seconds() if retry.HasField("retry_delay") else None,
        request_id=request.request_id,
    )


def _transport_message(code: grpc.StatusCode, details: str, address: str) -> str:
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"{address}: no answer in time"
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"{address}: the server does not know this call; it is no fedsvc, or an older one"
    if code is not grpc.StatusCode.UNAVAILABLE:
        return details
    lowered = details.lower()
    meaning = next((meaning for mark, meaning in _TRANSPORT if mark in lowered), details or "no reason is known")
    return f"{address}: the server cannot be reached: {meaning}"
