"""The logs of many containers of many members as one stream: bounded, as fast as its reader, each member for itself."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, TypeAlias

from fedsvc.api.convert.member import answer_message, log_message
from fedsvc.api.fan_out import Failure, end, failure_of, too_late
from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberError, MemberStatusError, MemberUnreachableError, UnreachableKind
from fedsvc.members.logs import LogOptions, LogSource, read_log
from fedsvc.v1 import member_service_pb2 as pb

_PENDING: Final = 64
"""Messages that wait for the reader, of all logs together; whoever reads a log waits where there are more."""

_MAX_MESSAGE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLogs:
    """The logs that are to be read of one member."""

    cluster: str
    client: MemberClient
    sources: Sequence[LogSource]


Queue: TypeAlias = "asyncio.Queue[pb.ReadMemberLogsResponse | Exception]"


async def stream_logs(
    wanted: Sequence[MemberLogs], options: LogOptions, *, begin_seconds: float
) -> AsyncGenerator[pb.ReadMemberLogsResponse, None]:
    """Lines as they come; what could not be read; and an answer of each member once all its logs have ended."""
    queue: Queue = asyncio.Queue(maxsize=_PENDING)
    loop = asyncio.get_running_loop()
    members = [
        loop.create_task(_read_member(queue, logs, options, begin_seconds), name=f"logs-{logs.cluster}")
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


async def _read_member(queue: Queue, logs: MemberLogs, options: LogOptions, begin_seconds: float) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_read_one(queue, logs, source, options, begin_seconds), name=f"log-{source.pod}")
                for source in logs.sources
            ]
    except ExceptionGroup as error:  # a defect: it is the caller's to raise, who would wait for ever
        await queue.put(error)
        return
    failure = next((found for task in tasks if (found := task.result()) is not None), None)
    await queue.put(pb.ReadMemberLogsResponse(answer=answer_message(logs.cluster, failure)))


async def _read_one(
    queue: Queue, logs: MemberLogs, source: LogSource, options: LogOptions, begin_seconds: float
) -> Failure | None:
    """Read one log to its end; gives why the member is said not to have answered, None where it has."""
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
    told = pb.LogFailure(log=log, reason=failure.reason, message=failure.message)
    await queue.put(pb.ReadMemberLogsResponse(failure=told))
    # That a container has no log yet is an answer.
    return None if failure.reason == "NotStarted" else failure


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
