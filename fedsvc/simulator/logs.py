"""What containers write: a line when they start, and what tests and the demo let them say; served as a kubelet does."""

import asyncio
import datetime as dt
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from fedsvc.simulator.errors import ApiError, bad_request
from fedsvc.simulator.store import Stored

_KEPT: Final = 10_000  # lines of a container
_LOOK_SECONDS: Final = 1.0  # how soon a follower finds that its pod is gone


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    number: int  # over all lines of the container, from 1
    time: dt.datetime
    text: str


class ContainerLogs:
    """The logs of one cluster's containers, in memory only."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], deque[_Line]] = {}
        self._counts: dict[tuple[str, str], int] = {}
        self._said = asyncio.Event()  # replaced with every line: followers wait for it

    def say(self, uid: str, container: str, text: str, time: dt.datetime) -> None:
        """Add a line to the log of a container of the pod of `uid`."""
        key = (uid, container)
        number = self._counts[key] = self._counts.get(key, 0) + 1
        self._lines.setdefault(key, deque(maxlen=_KEPT)).append(_Line(number=number, time=time, text=text))
        self._said.set()
        self._said = asyncio.Event()

    def after(self, uid: str, container: str, number: int) -> list[_Line]:
        """The lines after one."""
        return [line for line in self._lines.get((uid, container), ()) if line.number > number]

    async def more(self, seconds: float) -> None:
        """Wait for a line of any container, or the time."""
        said = self._said
        try:
            async with asyncio.timeout(seconds):
                await said.wait()
        except TimeoutError:
            return


async def serve_log(
    logs: ContainerLogs, request: web.BaseRequest, pod: Stored, exists: Any, now: dt.datetime
) -> web.StreamResponse:
    """Answer GET .../pods/NAME/log.

    Raises:
        ApiError: 400 where the container is not named, not there, or has not started.
    """
    query = request.query
    container = _container(pod, query.get("container", ""))
    if not pod.spec.get("nodeName"):
        return web.Response(status=204)
    begun = _begun(pod, container, previous=_flag(query, "previous"))
    lines = [_Line(number=0, time=begun, text=f"{container} started"), *logs.after(pod.uid, container, 0)]
    last = lines[-1].number
    if (since := _number(query, "sinceSeconds")) is not None:
        lines = [line for line in lines if (now - line.time).total_seconds() <= since]
    if (tail := _number(query, "tailLines")) is not None:
        lines = lines[-tail:] if tail else []
    timestamps = _flag(query, "timestamps")
    response = web.StreamResponse(headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private"})
    if not _flag(query, "follow"):
        await response.prepare(request)
        await response.write(_encoded(lines, timestamps=timestamps))
        return response
    try:
        # As an API server does: a log that is followed begins with its first line.
        if lines:
            await response.prepare(request)
            await response.write(_encoded(lines, timestamps=timestamps))
        while exists():
            if not (lines := logs.after(pod.uid, container, last)):
                await logs.more(_LOOK_SECONDS)
                continue
            if not response.prepared:
                await response.prepare(request)
            await response.write(_encoded(lines, timestamps=timestamps))
            last = lines[-1].number
        if not response.prepared:
            await response.prepare(request)
    except ConnectionResetError:
        pass  # the reader went away: the usual end
    return response


def _container(pod: Stored, name: str) -> str:
    known = [one["name"] for field in ("containers", "initContainers") for one in pod.spec.get(field) or ()]
    serving = [one["name"] for one in pod.spec.get("containers") or ()]
    if name:
        if name not in known:
            raise bad_request(f"container {name} is not valid for pod {pod.name}")
        return name
    if len(serving) != 1:
        choices = f"[{' '.join(serving)}]"
        raise bad_request(f"a container name must be specified for pod {pod.name}, choose one of: {choices}")
    return str(serving[0])


def _begun(pod: Stored, container: str, *, previous: bool) -> dt.datetime:
    if previous:
        raise bad_request(f'previous terminated container "{container}" in pod "{pod.name}" not found')
    statuses = pod.status.get("containerStatuses") or ()
    state: Mapping[str, Any] = next((one.get("state") or {} for one in statuses if one["name"] == container), {})
    for word in ("running", "terminated"):
        if begun := (state.get(word) or {}).get("startedAt"):
            return dt.datetime.fromisoformat(begun)
    reason = (state.get("waiting") or {}).get("reason", "ContainerCreating")
    raise bad_request(f'container "{container}" in pod "{pod.name}" is waiting to start: {reason}')


def _encoded(lines: list[_Line], *, timestamps: bool) -> bytes:
    stamps = (f"{line.time.strftime('%Y-%m-%dT%H:%M:%S.%f')}000Z " if timestamps else "" for line in lines)
    return "".join(f"{stamp}{line.text}\n" for stamp, line in zip(stamps, lines, strict=True)).encode()


def _flag(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "").lower() in {"true", "1"}


def _number(query: Mapping[str, str], name: str) -> int | None:
    value = query.get(name)
    if value is None:
        return None
    if not value.isdecimal():
        raise ApiError(422, "Invalid", f'PodLogOptions "" is invalid: {name}: Invalid value: "{value}"')
    return int(value)
