"""Watches: past events, then coming ones, filtered for one reader; bookmarks, and 410 as an ERROR event."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping

import orjson
from aiohttp import web

from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.errors import ApiError, bad_request
from fedsvc.simulator.faults import Faults
from fedsvc.simulator.filters import Filter, read_filter
from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.store import ADDED, DELETED, MODIFIED, Event, Watcher, parse_revision

LONGEST_SECONDS = 3600.0
_BACKLOG = 20_000  # events a reader may be behind; then its watch ends and it starts again
_INITIAL_END = "k8s.io/initial-events-end"


class _Stream:
    """The events that wait for one reader."""

    def __init__(self, selection: Filter, version: str) -> None:
        self.selection = selection
        self.version = version
        self.lines: deque[bytes] = deque()
        self.closed = False
        self._waiter: asyncio.Future[None] | None = None

    def notify(self, event: Event) -> None:
        """Take an event, if it is for this reader."""
        event_type = _event_type(event, self.selection)
        if event_type is None:
            return
        self.lines.append(event.line(event_type, self.version))
        if len(self.lines) > _BACKLOG:
            self.closed = True
        self._wake()

    def close(self) -> None:
        """End the watch after what waits."""
        self.closed = True
        self._wake()

    async def wait(self, seconds: float) -> None:
        """Wait for an event, the end, or the time."""
        if self.lines or self.closed:
            return
        loop = asyncio.get_running_loop()
        waiter = self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake)
        try:
            await waiter
        finally:
            timer.cancel()
            self._waiter = None

    def take(self, faults: Faults) -> bytes:
        """All that waits, joined, as the faults distort it."""
        lines = list(self.lines)
        self.lines.clear()
        if faults.reverse_events:
            lines.reverse()
        return b"".join(lines * 2 if faults.repeat_events else lines)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _event_type(event: Event, selection: Filter) -> str | None:
    """What an event is for somebody who sees only the selection."""
    before = event.before is not None and selection.matches(event.before)
    after = event.after is not None and selection.matches(event.after)
    if after:
        return MODIFIED if before else ADDED
    return DELETED if before else None


async def serve_watch(
    cluster: SimulatedCluster,
    request: web.BaseRequest,
    kind: Kind,
    version: str,
    namespace: str,
    query: Mapping[str, str],
) -> web.StreamResponse:
    """Answer a watch request until its time is over, the reader goes, or the watch is closed.

    Raises:
        ApiError: 400 for bad parameters.
    """
    selection = read_filter(kind, namespace, query)
    seconds = _seconds(query.get("timeoutSeconds", ""))
    stream = _Stream(selection, version)
    first, start = _beginning(cluster, kind, version, selection, query)
    watcher = Watcher(notify=stream.notify, closed=stream.close)
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Cache-Control": "no-cache, private"})
    try:
        past = cluster.store.events_since(kind, start)
    except ApiError as error:
        await response.prepare(request)
        await response.write(b'{"type":"ERROR","object":%s}\n' % orjson.dumps(error.status()))
        return response
    for event in past:
        stream.notify(event)
    cluster.store.watch(kind, watcher)
    try:
        await response.prepare(request)
        if first:
            await response.write(first)
        bookmarks = query.get("allowWatchBookmarks", "").lower() in {"true", "1"}
        await _pump(cluster, response, stream, kind, seconds=seconds, bookmarks=bookmarks)
    except ConnectionResetError:
        pass  # the reader went away: the usual end of a watch
    finally:
        cluster.store.unwatch(kind, watcher)
    return response


def _beginning(
    cluster: SimulatedCluster, kind: Kind, version: str, selection: Filter, query: Mapping[str, str]
) -> tuple[bytes, int]:
    """What a watch begins with, and the revision after which it goes on."""
    start = parse_revision(query.get("resourceVersion", ""))
    initial = query.get("sendInitialEvents", "").lower() in {"true", "1"}
    if start and not initial:
        return b"", start
    revision = cluster.store.revision
    if query.get("sendInitialEvents", "").lower() in {"false", "0"}:
        return b"", revision
    chosen = [stored for stored in cluster.store.all(kind, selection.namespace) if selection.matches(stored)]
    lines = [b'{"type":"ADDED","object":%s}\n' % stored.document(version) for stored in chosen]
    if initial:
        lines.append(_bookmark(kind, version, revision, {_INITIAL_END: "true"}))
    return b"".join(lines), revision


async def _pump(
    cluster: SimulatedCluster,
    response: web.StreamResponse,
    stream: _Stream,
    kind: Kind,
    *,
    seconds: float,
    bookmarks: bool,
) -> None:
    now = time.monotonic()
    end = now + seconds
    interval = cluster.options.timing.bookmark_interval_seconds
    next_bookmark = now + interval if bookmarks else end
    while now < end:
        await stream.wait(min(end, next_bookmark) - now)
        now = time.monotonic()
        if cluster.faults.watch_silence:
            stream.lines.clear()
        elif stream.lines:
            await response.write(stream.take(cluster.faults))
        elif bookmarks and now >= min(next_bookmark, end) and not stream.closed:
            # Also just before the end, so that a reader can go on from here.
            await response.write(_bookmark(kind, stream.version, cluster.store.revision, None))
            next_bookmark = now + interval
        if stream.closed:
            return


def _bookmark(kind: Kind, version: str, revision: int, annotations: dict[str, str] | None) -> bytes:
    metadata: dict[str, object] = {"resourceVersion": str(revision), "creationTimestamp": None}
    if annotations:
        metadata["annotations"] = annotations
    document = {"kind": kind.kind, "apiVersion": kind.api_version(version), "metadata": metadata}
    return b'{"type":"BOOKMARK","object":%s}\n' % orjson.dumps(document)


def _seconds(text: str) -> float:
    if not text:
        return LONGEST_SECONDS / 2
    try:
        return min(float(int(text)), LONGEST_SECONDS) or LONGEST_SECONDS / 2
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
