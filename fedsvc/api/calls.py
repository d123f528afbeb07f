"""What holds for every call: who calls, how long it may take, how its errors look, what is logged and counted."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, Final, TypeAlias, cast
from uuid import uuid4

import grpc
import structlog
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from grpc import aio
from grpc_status import rpc_status

from fedsvc.api.authentication import Authenticator
from fedsvc.api.caller import caller, set_caller
from fedsvc.api.limits import MAX_CALL_SECONDS, MAX_DECIDING_SECONDS
from fedsvc.api.metrics import CALL_SECONDS, CALLS, STREAMS
from fedsvc.api.status import DeadlineError, DrainingError, status_of
from fedsvc.errors import FedsvcError

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"  # generic in its types only, not at run time
Context = aio.ServicerContext[Any, Any]
UnaryBehaviour = Callable[[Any, Context], Awaitable[Any]]
StreamBehaviour = Callable[[Any, Context], AsyncGenerator[Any, None]]

_log = structlog.get_logger("fedsvc.api")

# Whoever asks whether the service lives cannot be asked for a token: kubelets and load balancers have none.
_OPEN_SERVICES: Final = ("grpc.health.v1.Health",)
# Reads are many and change nothing: they are logged only where they fail.
_QUIET: Final = ("Get", "List", "Read", "Watch", "ServerReflectionInfo")
_DECIDING: Final = ("SimulatePlacement", "RebalanceUnits", "FailOver", "FailBack", "DrainClusters")
_FAULTS: Final = (code_pb2.INTERNAL, code_pb2.UNKNOWN)


class CallInterceptor(aio.ServerInterceptor):
    """Wraps every handler but those of the health service."""

    def __init__(self, authenticator: Authenticator, *, max_call_seconds: float = MAX_CALL_SECONDS) -> None:
        self._authenticator = authenticator
        self._max_call_seconds = max_call_seconds
        self._draining = False
        self._waiting: set[asyncio.Task[Any]] = set()  # streams whose handler is at work, rather than gRPC's sending

    def drain(self) -> None:
        """End all streams with DRAINING, and refuse new calls; unary calls under way go on."""
        self._draining = True
        # A stream that sends at this moment is not cancelled: gRPC would take that for its own doing, and end the call
        # with no status at all. It looks at the flag before it goes on.
        for task in tuple(self._waiting):
            task.cancel()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable["Handler | None"]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> "Handler | None":
        """Wrap the handler of a method."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.lstrip("/").partition("/")[0] in _OPEN_SERVICES:
            return handler
        if not handler.response_streaming:
            inner = cast("UnaryBehaviour", handler.unary_unary or handler.stream_unary)
            unary = self._unary(method, inner)
            make = (
                grpc.stream_unary_rpc_method_handler
                if handler.request_streaming
                else grpc.unary_unary_rpc_method_handler
            )
            return make(unary, handler.request_deserializer, handler.response_serializer)
        stream = self._stream(method, cast("StreamBehaviour", handler.unary_stream or handler.stream_stream))
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
        return make(stream, handler.request_deserializer, handler.response_serializer)

    def _unary(self, method: str, inner: UnaryBehaviour) -> UnaryBehaviour:
        async def behaviour(request: Any, context: Context) -> Any:
            call = _Call(method, context)
            seconds = self._seconds(method, context)
            try:
                try:
                    async with asyncio.timeout(seconds) as limit:
                        await self._admit(context)
                        response = await inner(request, context)
                except TimeoutError as error:
                    if limit.expired():
                        raise DeadlineError(seconds) from error
                    raise
            except aio.AbortError:
                raise
            except Exception as error:  # noqa: BLE001 - this is the one border at which all errors become statuses
                return await call.fail(error)
            except asyncio.CancelledError:
                call.ended(code_pb2.CANCELLED)
                raise
            call.ended(code_pb2.OK)
            return response

        return behaviour

    def _stream(self, method: str, inner: StreamBehaviour) -> StreamBehaviour:
        async def behaviour(request: Any, context: Context) -> AsyncGenerator[Any, None]:
            call = _Call(method, context)
            task = asyncio.current_task()
            assert task is not None, "a handler runs in a task"
            self._waiting.add(task)
            STREAMS.labels(method).inc()
            try:
                await self._admit(context)
                async with aclosing(inner(request, context)) as responses:
                    async for response in responses:
                        self._waiting.discard(task)
                        yield response
                        self._take_back(task)
            except aio.AbortError:
                raise
            except GeneratorExit:
                call.ended(code_pb2.CANCELLED)
                raise
            except asyncio.CancelledError:
                if not self._draining or context.cancelled():
                    call.ended(code_pb2.CANCELLED)
                    raise
                task.uncancel()
                await call.fail(DrainingError())
            except Exception as error:  # noqa: BLE001 - as for unary calls
                await call.fail(error)
            else:
                call.ended(code_pb2.OK)
            finally:
                STREAMS.labels(method).dec()
                self._waiting.discard(task)

        return behaviour

    def _take_back(self, task: asyncio.Task[Any]) -> None:
        self._waiting.add(task)
        if self._draining:
            raise DrainingError

    def _seconds(self, method: str, context: Context) -> float:
        remaining: float | None = context.time_remaining()
        most = MAX_DECIDING_SECONDS if method.rpartition("/")[2] in _DECIDING else self._max_call_seconds
        return most if remaining is None else min(max(remaining, 0.0), most)

    async def _admit(self, context: Context) -> None:
        if self._draining:
            raise DrainingError
        set_caller(await self._authenticator.caller(context.invocation_metadata() or ()))


class _Call:
    """One call, for its log line and its numbers."""

    def __init__(self, method: str, context: Context) -> None:
        self._method = method
        self._context = context
        # Asked now: once a client has gone the call is freed, and grpc's peer() reads through a null pointer (SIGSEGV).
        self._peer = context.peer()
        self._started = time.perf_counter()
        self._request_id = uuid4().hex

    async def fail(self, error: Exception) -> Any:
        """End the call with the status of an error; does not return."""
        status = status_of(error, self._request_id)
        self.ended(status.code, error=error, status=status)
        await self._context.abort_with_status(rpc_status.to_status(status))

    def ended(self, code: int, *, error: Exception | None = None, status: Status | None = None) -> None:
        """Log and count the end."""
        seconds = time.perf_counter() - self._started
        word = code_pb2.Code.Name(code)
        CALLS.labels(self._method, word).inc()
        CALL_SECONDS.labels(self._method).observe(seconds)
        fields = {
            "method": self._method,
            "code": word,
            "caller": caller(),
            "peer": self._peer,
            "seconds": round(seconds, 6),
        }
        if code in _FAULTS or (error is not None and not isinstance(error, FedsvcError)):
            _log.error("call_failed", request_id=self._request_id, exc_info=error, **fields)
        elif error is not None and status is not None:
            _log.info("call_refused", message=status.message, **fields)
        elif self._method.rpartition("/")[2].startswith(_QUIET):
            _log.debug("call", **fields)
        else:
            _log.info("call", **fields)
