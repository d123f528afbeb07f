"""How a call is made: always with a deadline, tried again only where that is safe, failing with our own errors."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from google.protobuf.message import Message
from grpc import aio

from fedsvc_client._answers import error_from_call
from fedsvc_client._errors import FedsvcError, UnavailableError

DEADLINE_SECONDS = 10.0
APPLY_DEADLINE_SECONDS = 60.0  # a unit of 16 MiB over a slow line

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often and how soon a call that found the server unavailable is tried again."""

    attempts: int = 5  # tries in all; 1 never tries again
    initial_seconds: float = 0.1
    factor: float = 2.0
    longest_seconds: float = 2.0

    def delay_seconds(self, attempt: int, *, asked: float | None = None) -> float:
        """Return how long to wait after the try of that number, from 0; never less than the server asked for."""
        ceiling = min(self.longest_seconds, self.initial_seconds * self.factor**attempt)
        # Half of it is random, so that clients which failed together do not come back together.
        jittered = ceiling * (0.5 + random.random() / 2)  # noqa: S311 - spreads load, guards nothing
        return max(jittered, asked or 0.0)


class Page(Protocol):
    """What every answer to a list has."""

    @property
    def next_page_token(self) -> str:
        """Empty at the end."""


P = TypeVar("P", bound=Page)


class Caller:
    """Makes the calls of one client."""

    def __init__(self, channel: aio.Channel, *, address: str, token: str, retries: Retries) -> None:
        self.channel = channel
        self.address = address
        self.retries = retries
        self.metadata: tuple[tuple[str, str], ...] = (("authorization", f"Bearer {token}"),) if token else ()

    async def call(
        self, method: aio.UnaryUnaryMultiCallable[Q, R], request: Q, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> R:
        """Make one unary call. It must be a read, or carry a request id: it may be sent more than once.

        Raises:
            FedsvcError: It failed; `timeout_seconds` counts over all tries.
        """
        clock = asyncio.get_running_loop()
        deadline = clock.time() + timeout_seconds
        attempt = 0
        while True:
            try:
                remaining = max(0.001, deadline - clock.time())
                return await method(request, timeout=remaining, metadata=self.metadata)
            except aio.AioRpcError as error:
                failure = error_from_call(error, self.address)
                delay = self.retries.delay_seconds(attempt, asked=failure.answer.retry_after_seconds)
                attempt += 1
                is_last = attempt >= self.retries.attempts or clock.time() + delay >= deadline
                if is_last or not isinstance(failure, UnavailableError):
                    raise failure from error
                await asyncio.sleep(delay)

    async def stream(self, method: aio.UnaryStreamMultiCallable[Q, R], request: Q) -> AsyncIterator[R]:
        """Yield what a streaming call answers, until it ends; closing the iterator cancels the call.

        The server bounds how long it takes; a connection that is gone is noticed by its keepalive.

        Raises:
            FedsvcError: It failed.
        """
        call = method(request, metadata=self.metadata)
        try:
            async for response in call:
                yield response
        except aio.AioRpcError as error:
            raise error_from_call(error, self.address) from error
        finally:
            call.cancel()


async def pages(fetch: Callable[[str], Awaitable[P]], items: Callable[[P], Iterable[T]]) -> AsyncIterator[T]:
    """Yield what all pages of a list hold, fetching each when it is needed.

    Args:
        fetch: Fetches the page of a token; the first has the empty one.
        items: What of an answer to yield.
    """
    token = ""
    while True:
        page = await fetch(token)
        for item in items(page):
            yield item
        if not page.next_page_token:
            return
        if page.next_page_token == token:
            raise FedsvcError("the server sent the same page token twice: the list would never end")
        token = page.next_page_token


def new_request_id() -> str:
    """Make the id by which the server knows a repeated call for the same one."""
    return str(uuid.uuid4())
