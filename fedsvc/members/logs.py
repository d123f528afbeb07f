"""The log of one container of a member, line by line, by way of its API server."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from fedsvc.members.client import MemberClient

MAX_LINE_BYTES: Final = 16 * 1024
"""A longer line comes in pieces: a container may write without ever ending one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """Whose log."""

    namespace: str
    pod: str
    container: str
    is_only: bool  # container of the pod, those of its start aside
    instance: str = ""  # tells a container from the one before its restart, and a pod from an earlier one of its name
    started: bool = field(default=True, compare=False)  # there is a log


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """How much of it, as `kubectl logs` has it."""

    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since_seconds: int | None = None
    tail_lines: int | None = None

    def query(self, container: str) -> dict[str, str]:
        """The parameters of the request (PodLogOptions, core/v1)."""
        flags = {"follow": self.follow, "previous": self.previous, "timestamps": self.timestamps}
        numbers = {"sinceSeconds": self.since_seconds, "tailLines": self.tail_lines}
        return (
            {"container": container}
            | {name: "true" for name, value in flags.items() if value}
            | {name: str(value) for name, value in numbers.items() if value is not None}
        )


class Lines:
    """Cuts a stream of bytes into lines without their ends, and too long ones into pieces."""

    def __init__(self, *, max_bytes: int = MAX_LINE_BYTES) -> None:
        self._max_bytes = max_bytes
        self._rest = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """The lines that are complete with `piece`."""
        *ended, rest = (self._rest + piece).split(b"\n")
        lines = [part for line in ended for part in self._pieces(line.removesuffix(b"\r"))]
        while len(rest) > self._max_bytes:
            lines.append(rest[: self._max_bytes])
            rest = rest[self._max_bytes :]
        self._rest = rest
        return lines

    def end(self) -> list[bytes]:
        """What is left at the end of the stream."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []

    def _pieces(self, line: bytes) -> list[bytes]:
        starts = range(0, max(len(line), 1), self._max_bytes)
        return [line[start : start + self._max_bytes] for start in starts]


async def read_log(
    client: MemberClient, source: LogSource, options: LogOptions, *, begin_seconds: float
) -> AsyncGenerator[list[bytes], None]:
    """The lines of a log, some at a time as they come; ends with the log, or with the container when followed.

    It is read as fast as the caller takes it. A log that is followed may begin when it likes, since a container may
    be quiet and API servers answer with its first line.

    Raises:
        MemberError: the member does not answer within `begin_seconds`, or refuses it: a container that waits to start
            has no log yet (400).
    """
    path = f"/api/v1/namespaces/{source.namespace}/pods/{source.pod}/log"
    lines = Lines()
    begin = None if options.follow else begin_seconds
    async with aclosing(client.stream(path, options.query(source.container), begin_seconds=begin)) as pieces:
        async for piece in pieces:
            if found := lines.feed(piece):
                yield found
    if found := lines.end():
        yield found
