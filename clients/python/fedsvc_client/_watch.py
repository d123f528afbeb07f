"""Following changes: a stream that connects again by itself and goes on where it was cut.

What the iterator yields, in order:

    WatchChange*  Synced  WatchChange* ...            first all that is there, then every change
    ... Resynced  WatchChange*  Synced  WatchChange*  the server could not go on from the last token: all of it again
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from types import TracebackType
from typing import Self, TypeAlias

from grpc import aio

from fedsvc.v1 import watch_service_pb2, watch_service_pb2_grpc
from fedsvc_client._answers import error_from_call
from fedsvc_client._calls import Caller, Retries
from fedsvc_client._errors import (
    DeadlineError,
    FedsvcError,
    ResourceExhaustedError,
    ResumeTokenExpiredError,
    UnavailableError,
)

# The server sends a bookmark every 15 s: after three missed ones the connection is dead, whatever TCP thinks.
SILENCE_SECONDS = 45.0
_RECONNECT = Retries(initial_seconds=0.1, longest_seconds=5.0)


class Kind(IntEnum):
    """Kinds that can be watched."""

    CLUSTER = watch_service_pb2.WATCH_KIND_CLUSTER
    UNIT = watch_service_pb2.WATCH_KIND_UNIT
    WORK = watch_service_pb2.WATCH_KIND_WORK
    PLACEMENT_POLICY = watch_service_pb2.WATCH_KIND_PLACEMENT_POLICY
    OVERRIDE_POLICY = watch_service_pb2.WATCH_KIND_OVERRIDE_POLICY
    EVENT = watch_service_pb2.WATCH_KIND_EVENT
    STATUS_POLICY = watch_service_pb2.WATCH_KIND_STATUS_POLICY
    ZONE = watch_service_pb2.WATCH_KIND_ZONE


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFilter:
    """What to watch."""

    kinds: tuple[Kind, ...]
    namespace: str = ""  # empty: all
    name: str = ""  # only this object; works and events: those of this unit or cluster
    label_selector: str = ""


@dataclass(frozen=True, slots=True)
class Synced:
    """All that was there has been sent; what follows are changes."""

    resume_token: str


@dataclass(frozen=True, slots=True)
class Resynced:
    """Some changes were missed, so all that is there follows again: what is not among it until `Synced` is gone."""


WatchItem: TypeAlias = watch_service_pb2.WatchChange | Synced | Resynced

Trouble: TypeAlias = Callable[[FedsvcError | None], None]
"""Told when the stream is lost, with why, and with None once it goes on; on the event loop, so it must not wait."""


class AsyncWatch:
    """One watch: an asynchronous iterator, to be used with `async with` or closed with `aclose`."""

    def __init__(
        self,
        caller: Caller,
        filtered: WatchFilter,
        *,
        resume_token: str = "",
        give_up_seconds: float | None = None,
        on_trouble: Trouble | None = None,
    ) -> None:
        self._caller = caller
        self._stub = watch_service_pb2_grpc.WatchServiceStub(caller.channel)
        self._filter = filtered
        self._give_up_seconds = give_up_seconds
        self._on_trouble = on_trouble
        self._token = resume_token
        self._is_synced = bool(resume_token)
        self._has_told = False  # whether changes of an initial state that is not complete were handed out
        self._has_connected = False
        self._failures = 0
        self._failing_since: float | None = None
        self._call: aio.UnaryStreamCall[watch_service_pb2.WatchRequest, watch_service_pb2.WatchResponse] | None = None
        self._pending: deque[WatchItem] = deque()

    @property
    def resume_token(self) -> str:
        """Point after all that was handed out, to go on from in another watch; empty before the first `Synced`."""
        return self._token if self._is_synced else ""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> WatchItem:
        while not self._pending:
            await self._receive()
        return self._pending.popleft()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream."""
        self._drop()

    def _drop(self) -> None:
        if self._call is not None:
            self._call.cancel()
            self._call = None

    async def _receive(self) -> None:
        """Take one message of the stream, connecting first where needed; or wait a little after a failure."""
        try:
            message = await self._read()
        except aio.AioRpcError as error:
            self._drop()
            await self._recover(error_from_call(error, self._caller.address))
            return
        except TimeoutError:
            self._drop()
            await self._recover(DeadlineError(f"{self._caller.address}: the watch fell silent"))
            return
        except asyncio.CancelledError:
            self._drop()
            raise
        if message is None:  # the server ended the stream in order
            self._drop()
            await self._recover(UnavailableError(f"{self._caller.address}: the server ended the watch"))
            return
        self._accept(message)

    async def _read(self) -> watch_service_pb2.WatchResponse | None:
        if self._call is None:
            if self._has_told and not self._is_synced:
                self._pending.append(Resynced())
                self._has_told = False
            self._call = self._stub.Watch(self._request(), metadata=self._caller.metadata)
        async with asyncio.timeout(SILENCE_SECONDS):
            message = await self._call.read()
        return message if isinstance(message, watch_service_pb2.WatchResponse) else None

    def _request(self) -> watch_service_pb2.WatchRequest:
        return watch_service_pb2.WatchRequest(
            kinds=[watch_service_pb2.WatchKind.ValueType(kind) for kind in self._filter.kinds],
            namespace=self._filter.namespace,
            name=self._filter.name,
            label_selector=self._filter.label_selector,
            resume_token=self.resume_token,
            send_initial_state=not self._is_synced,
        )

    def _accept(self, message: watch_service_pb2.WatchResponse) -> None:
        if self._has_connected and self._failing_since is not None and self._on_trouble is not None:
            self._on_trouble(None)
        self._has_connected = True
        self._failures, self._failing_since = 0, None
        self._pending.extend(message.changes)
        self._has_told = True
        if message.initial_state_complete and not self._is_synced:
            self._is_synced = True
            self._pending.append(Synced(message.resume_token))
        # Before the initial state is complete a token would skip the rest of it.
        if self._is_synced and message.resume_token:
            self._token = message.resume_token

    async def _recover(self, failure: FedsvcError) -> None:
        if isinstance(failure, ResumeTokenExpiredError):
            self._is_synced, self._token, self._has_told = False, "", True
            return
        is_slow = isinstance(failure, ResourceExhaustedError) and failure.reason == "WATCH_TOO_SLOW"
        if not is_slow and not isinstance(failure, UnavailableError | DeadlineError):
            raise failure
        now = asyncio.get_running_loop().time()
        if self._failing_since is None:
            self._failing_since = now
            if self._has_connected and self._on_trouble is not None:
                self._on_trouble(failure)
        self._failures += 1
        if not self._has_connected and self._failures >= self._caller.retries.attempts:
            raise failure
        if self._give_up_seconds is not None and now - self._failing_since >= self._give_up_seconds:
            raise failure
        await asyncio.sleep(
            _RECONNECT.delay_seconds(min(self._failures - 1, 10), asked=failure.answer.retry_after_seconds)
        )
