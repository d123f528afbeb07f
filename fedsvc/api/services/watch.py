"""WatchService: one stream of what is there and what changes.

List, then follow: the place in the change log is taken before anything is read, so that what changes in between is sent
twice rather than never. What is sent are states, read when they are sent; an object that changed often is sent once.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

from grpc import aio

from fedsvc.api.metrics import WATCH_CHANGES
from fedsvc.api.watch_initial import initial_state
from fedsvc.api.watch_reads import SharedReads
from fedsvc.api.watch_request import parse_watch
from fedsvc.api.watch_silence import SilenceTeller
from fedsvc.api.watch_stream import CHUNK, Teller
from fedsvc.errors import ResumeTokenExpiredError
from fedsvc.store.changes import Batch, ResumeToken, decode_token
from fedsvc.store.store import Store
from fedsvc.v1 import watch_service_pb2 as pb
from fedsvc.v1 import watch_service_pb2_grpc

MAX_PENDING: Final = 10_000
"""Changes that may wait for one slow reader before it loses its place."""


class WatchServicer(watch_service_pb2_grpc.WatchServiceServicer):
    """See watch_service.proto."""

    def __init__(self, store: Store, *, bookmark_seconds: float, max_pending: int = MAX_PENDING) -> None:
        self._store = store
        self._bookmark_seconds = bookmark_seconds
        self._max_pending = max_pending
        self._reads = SharedReads(store, clock=time.monotonic)

    async def Watch(
        self, request: pb.WatchRequest, context: aio.ServicerContext[Any, Any]
    ) -> AsyncGenerator[pb.WatchResponse, None]:
        """Send what is there, where asked for, then every change."""
        del context
        wanted = parse_watch(request)
        position = await self._begin(request.resume_token)
        teller = Teller(wanted, knows_nothing=request.send_initial_state)
        silence = SilenceTeller(self._store, self._reads, wanted)
        await silence.begin()
        if request.send_initial_state:
            async with aclosing(initial_state(self._store, wanted)) as pages:
                async for page in pages:
                    teller.told(page)
                    # Nothing can be resumed from within the initial state, so there is no token yet.
                    yield pb.WatchResponse(changes=[watched.change for watched in page])
        yield pb.WatchResponse(initial_state_complete=request.send_initial_state, resume_token=position.encode())
        clock = asyncio.get_running_loop().time
        last_sent = clock()
        async with aclosing(self._batches(position)) as batches:
            async for batch in batches:
                async with aclosing(silence.works(batch.changes, seen_at=batch.seen_at)) as pages:
                    async for page in pages:
                        teller.told(page)
                        yield pb.WatchResponse(
                            changes=[watched.change for watched in page], resume_token=position.encode()
                        )
                        WATCH_CHANGES.inc(len(page))
                        last_sent = clock()
                changes = await self._changes(teller, batch)
                if changes or clock() - last_sent >= self._bookmark_seconds:
                    for response in _responses(changes, position, batch.token):
                        yield response
                    WATCH_CHANGES.inc(len(changes))
                    last_sent = clock()
                position = batch.token

    async def _begin(self, resume_token: str) -> ResumeToken:
        if resume_token:
            return decode_token(resume_token)
        async with self._store.reader() as tx:
            return await tx.resume_token()

    async def _batches(self, position: ResumeToken) -> AsyncGenerator[Batch, None]:
        """All changes after a place, for ever; an empty batch from time to time when there are none."""
        async with self._store.feed.subscribe(after=position, max_pending=self._max_pending) as subscription:
            while True:
                try:
                    async with asyncio.timeout(self._bookmark_seconds):
                        batch = await subscription.next_batch()
                except TimeoutError:
                    yield Batch(changes=(), token=position)
                    continue
                if not batch.changes:
                    raise ResumeTokenExpiredError("changes were lost while the database was away: list again")
                position = max(position, batch.token)
                yield replace(batch, token=position)

    async def _changes(self, teller: Teller, batch: Batch) -> list[pb.WatchChange]:
        candidates = teller.candidates(batch.changes)
        if not candidates:
            return []
        there = [change for change in candidates if not change.deleted]
        objects = await self._reads.objects(there, not_before=batch.seen_at)
        return list(teller.changes(candidates, objects))


def _responses(
    changes: Sequence[pb.WatchChange], before: ResumeToken, after: ResumeToken
) -> Iterator[pb.WatchResponse]:
    """Messages of bounded size; only the last one brings the reader past the batch."""
    for start in range(0, max(len(changes), 1), CHUNK):
        last = start + CHUNK >= len(changes)
        token = after if last else before
        yield pb.WatchResponse(changes=changes[start : start + CHUNK], resume_token=token.encode())
