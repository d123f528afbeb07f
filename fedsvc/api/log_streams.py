"""The logs of many containers of many members as one stream: bounded, as fast as its reader, each member for itself."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from fedsvc.api.convert.member import answer_message, log_message
from fedsvc.api.fan_out import Failure, end, failure_of, too_late
from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberError, MemberStatusError, MemberUnreachableError, UnreachableKind
from fedsvc.members.logs import LogOptions, LogSource, read_log
from fedsvc.v1 import member_pb2
from fedsvc.v1 import member_service_pb2 as pb

LOOK_SECONDS: Final = 5.0
"""How soon the logs of pods that came meanwhile are read, where logs are followed."""

_PENDING: Final = 64
"""Messages that wait for the reader, of all logs together; whoever reads a log waits where there are more."""

_MAX_MESSAGE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLogs:
    """The logs that are to be read of one member."""

    cluster: str
    client: MemberClient
    sources: Sequence[LogSource]
    look: Callable[[], Awaitable[Sequence[LogSource]]] | None = None  # for those that come later; None: none are read


Queue: TypeAlias = "asyncio.Queue[pb.ReadMemberLogsResponse | Exception]"


async def stream_logs(
    wanted: Sequence[MemberLogs],
    options: LogOptions,
    *,
    begin_seconds: float,
    most: int = 200,
    look_seconds: float = LOOK_SECONDS,
) -> AsyncGenerator[pb.ReadMemberLogsResponse, None]:
    """Lines as they come; what could not be read; and an answer of each member once all its logs have ended.

    Args:
        wanted: what is read of each member. One that is looked at for more never ends by itself.
        options: how much of each log.
        begin_seconds: how long each may take to begin.
        most: logs of a member that are read at once, later ones included.
        look_seconds: between two looks.
    """
    queue: Queue = asyncio.Queue(maxsize=_PENDING)
    loop = asyncio.get_running_loop()
    members = [
        loop.create_task(
            _Reading(queue, logs, options, begin_seconds, most).run(look_seconds), name=f"logs-{logs.cluster}"
        )
        for logs in wanted
    ]
    try:
        left = len(members)
        while left:
            response = await queue.get()
            if isinstance(response, Exception):
                raise response
            left -= response.WhichOneof("content") == "answer"
            yield response
    finally:
        await end(members)


class _Reading:
    """The logs of one member, each in a task of its own."""

    def __init__(self, queue: Queue, logs: MemberLogs, options: LogOptions, begin_seconds: float, most: int) -> None:
        self._queue = queue
        self._logs = logs
        self._options = options
        self._begin_seconds = begin_seconds
        self._most = most
        self._known: set[LogSource] = set()
        self._reading = 0
        self._failure: Failure | None = None  # the first, of those for which the member is to blame

    async def run(self, look_seconds: float) -> None:
        """Read to the end of all."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._begin(group, self._logs.sources, self._options)
                while self._logs.look is not None:
                    await asyncio.sleep(look_seconds)
                    # What comes later is read from its beginning.
                    later = replace(self._options, tail_lines=None, since_seconds=None)
                    await self._begin(group, await self._look(), later)
        except ExceptionGroup as error:  # a defect: it is the caller's to raise, who would wait for ever
            await self._queue.put(error)
            return
        await self._queue.put(pb.ReadMemberLogsResponse(answer=answer_message(self._logs.cluster, self._failure)))

    async def _look(self) -> Sequence[LogSource]:
        assert self._logs.look is not None
        try:
            async with asyncio.timeout(self._begin_seconds):
                return [source for source in await self._logs.look() if source.started]
        except (MemberError, TimeoutError):
            return ()  # the logs that break off tell of it, and the next look may find more

    async def _begin(self, group: asyncio.TaskGroup, sources: Sequence[LogSource], options: LogOptions) -> None:
        for source in sources:
            if source in self._known:
                continue
            self._known.add(source)
            if self._reading >= self._most:
                failure = Failure(reason="TooManyLogs", message=f"{self._most} logs of the cluster are read already")
                await self._queue.put(_told(log_message(self._logs.cluster, source), failure))
                continue
            self._reading += 1
            group.create_task(self._read(source, options), name=f"log-{source.pod}")

    async def _read(self, source: LogSource, options: LogOptions) -> None:
        failure = await _read_one(self._queue, self._logs, source, options, self._begin_seconds)
        self._reading -= 1
        if failure is not None and failure.reason == "NotStarted":
            # That a container has no log yet is an answer, and it may have one later.
            self._known = {known for known in self._known if known is not source}
        else:
            self._failure = self._failure or failure


async def _read_one(
    queue: Queue, logs: MemberLogs, source: LogSource, options: LogOptions, begin_seconds: float
) -> Failure | None:
    """Read one log to its end; gives why it could not be read, None where it could."""
    log = log_message(logs.cluster, source)
    try:
        async with aclosing(read_log(logs.client, source, options, begin_seconds=begin_seconds)) as pieces:
            async for lines in pieces:
                for part in _parts(lines):
                    await queue.put(pb.ReadMemberLogsResponse(lines=pb.LogLines(log=log, lines=part)))
    except MemberError as error:
        failure = _log_failure(logs.cluster, error, begin_seconds)
    else:
        return None
    await queue.put(_told(log, failure))
    return failure


def _told(log: member_pb2.MemberLog, failure: Failure) -> pb.ReadMemberLogsResponse:
    told = pb.LogFailure(log=log, reason=failure.reason, message=failure.message)
    return pb.ReadMemberLogsResponse(failure=told)


def _log_failure(cluster: str, error: MemberError, begin_seconds: float) -> Failure:
    if isinstance(error, MemberUnreachableError) and error.kind is UnreachableKind.TIMEOUT:
        return too_late(begin_seconds)
    if isinstance(error, MemberStatusError) and error.code in (400, 404):
        # 400: a container waits to start, or there was none before; 404: the pod went meanwhile.
        return Failure(reason="NotStarted", message=error.message)
    return failure_of(cluster, error)


def _parts(lines: list[bytes]) -> list[list[bytes]]:
    """The lines in parts of a size that is fit for one message."""
    parts: list[list[bytes]] = []
    room = 0
    for line in lines:
        if not parts or room < len(line):
            parts.append([])
            room = _MAX_MESSAGE_BYTES
        parts[-1].append(line)
        room -= len(line)
    return parts
