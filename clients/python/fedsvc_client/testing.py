"""A server for tests: it answers over a real channel what the test tells it to, and remembers what it was asked.

with FakeServer() as server:
    server.on("GetCluster", lambda request: GetClusterResponse(cluster=Cluster(name=request.name)))
    client = Client(server.address)
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn, Self, TypeAlias

import grpc
from google.protobuf import any_pb2, message_factory
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from fedsvc.v1 import (
    automation_service_pb2,
    cluster_service_pb2,
    event_service_pb2,
    hold_service_pb2,
    member_service_pb2,
    ownership_service_pb2,
    placement_service_pb2,
    policy_service_pb2,
    resource_service_pb2,
    server_service_pb2,
    unit_service_pb2,
    watch_service_pb2,
    zone_service_pb2,
)

Reply: TypeAlias = Callable[[Any], Any]  # from the request to the answer, or to the answers of a stream

_FILES = (
    automation_service_pb2,
    cluster_service_pb2,
    event_service_pb2,
    hold_service_pb2,
    ownership_service_pb2,
    member_service_pb2,
    placement_service_pb2,
    policy_service_pb2,
    resource_service_pb2,
    server_service_pb2,
    unit_service_pb2,
    watch_service_pb2,
    zone_service_pb2,
)
_WORKERS = 16  # an open watch holds one


class RefusalError(Exception):
    """Raised by a reply to let the call fail as the service would."""

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str = "",
        message: str = "",
        *,
        metadata: Mapping[str, str] | None = None,
        fields: Sequence[tuple[str, str]] = (),
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message or reason or code.name)
        self.code = code
        self.reason = reason
        self.metadata = metadata or {}
        self.fields = fields
        self.retry_after_seconds = retry_after_seconds

    def status(self) -> status_pb2.Status:
        """Return what goes over the wire."""
        details: list[Message] = []
        if self.reason:
            details.append(error_details_pb2.ErrorInfo(reason=self.reason, domain="fedsvc", metadata=self.metadata))
        if self.fields:
            violations = [{"field": path, "description": text} for path, text in self.fields]
            details.append(error_details_pb2.BadRequest(field_violations=violations))
        if self.retry_after_seconds is not None:
            delay = Duration(nanos=int(self.retry_after_seconds * 1e9) % 10**9, seconds=int(self.retry_after_seconds))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = [any_pb2.Any() for _ in details]
        for target, detail in zip(packed, details, strict=True):
            target.Pack(detail)
        return status_pb2.Status(code=self.code.value[0], message=str(self), details=packed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One call that arrived."""

    method: str
    request: Any
    metadata: Mapping[str, str | bytes]


class FakeServer:
    """A gRPC server on a free port of the loopback interface; a method without a reply is UNIMPLEMENTED."""

    def __init__(self) -> None:
        self._replies: dict[str, Reply] = {}
        self.asked: list[Asked] = []
        self._server = grpc.server(futures.ThreadPoolExecutor(_WORKERS), options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(tuple(self._handlers()))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def on(self, method: str, reply: Reply) -> None:
        """Answer a method, for example "GetCluster"; a later reply takes the place of an earlier one."""
        self._replies[method] = reply

    def requests(self, method: str) -> list[Any]:
        """Return what a method was asked, in order."""
        return [asked.request for asked in self.asked if asked.method == method]

    def close(self) -> None:
        """Stop; open streams end."""
        self._server.stop(None).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _handlers(self) -> Iterator[grpc.GenericRpcHandler]:
        for file in _FILES:
            for service in file.DESCRIPTOR.services_by_name.values():
                methods = {}
                for method in service.methods:
                    request = message_factory.GetMessageClass(method.input_type)
                    make = (
                        grpc.unary_stream_rpc_method_handler
                        if method.server_streaming
                        else grpc.unary_unary_rpc_method_handler
                    )
                    answer = self._stream(method.name) if method.server_streaming else self._unary(method.name)
                    methods[method.name] = make(
                        answer, request_deserializer=request.FromString, response_serializer=_serialize
                    )
                yield grpc.method_handlers_generic_handler(service.full_name, methods)

    def _unary(self, method: str) -> Callable[[Any, grpc.ServicerContext], Any]:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            try:
                return self._reply(method, request, context)(request)
            except RefusalError as refusal:
                _abort(context, refusal)

        return answer

    def _stream(self, method: str) -> Callable[[Any, grpc.ServicerContext], Iterable[Any]]:
        def answer(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
            try:
                yield from self._reply(method, request, context)(request)
            except RefusalError as refusal:
                _abort(context, refusal)

        return answer

    def _reply(self, method: str, request: Any, context: grpc.ServicerContext) -> Reply:
        metadata = dict(context.invocation_metadata())
        self.asked.append(Asked(method=method, request=request, metadata=metadata))
        if method not in self._replies:
            raise RefusalError(grpc.StatusCode.UNIMPLEMENTED, message=f"{method} has no reply")
        return self._replies[method]


def _abort(context: grpc.ServicerContext, refusal: RefusalError) -> NoReturn:
    context.abort_with_status(rpc_status.to_status(refusal.status()))
    raise AssertionError("abort raises")


def _serialize(message: Message) -> bytes:
    return message.SerializeToString()
