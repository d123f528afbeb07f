"""A member cluster as tests see it: an address, a token, and plain HTTP; simulated and real ones alike."""

import asyncio
import io
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp

JSON = "application/json"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
REQUEST_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of an API server."""

    status: int
    body: Any  # decoded JSON, or the text where it is none
    headers: dict[str, str]

    def expect(self, *statuses: int) -> Any:
        """The body, where the status is one of these.

        Raises:
            AssertionError: it is another; the message shows the answer.
        """
        assert self.status in statuses, f"{self.status}, not {statuses}: {self.body}"
        return self.body


@dataclass(slots=True, kw_only=True)
class Member:
    """One member cluster and a caller's credentials."""

    name: str
    server: str
    token: str
    ssl_context: ssl.SSLContext | None = None
    forget_history: Callable[[], Awaitable[None]] | None = None  # makes earlier watches get 410
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)

    def as_user(self, token: str) -> "Member":
        """The same cluster with other credentials; shares the connection pool."""
        return Member(
            name=self.name, server=self.server, token=token, ssl_context=self.ssl_context, _session=self._session
        )

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self.ssl_context if self.ssl_context is not None else False)
        self._session = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(self, *_error: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = JSON,
        query: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send one request and read the whole answer."""
        assert self._session is not None
        encoded = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        data = None if encoded is None else io.BytesIO(encoded)  # a stream: aiohttp warns of large bytes
        sent = {"Authorization": f"Bearer {self.token}", **({"Content-Type": content_type} if data else {})}
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with self._session.request(
            method, self.server + path, data=data, params=query, headers={**sent, **(headers or {})}, timeout=timeout
        ) as response:
            text = await response.text()
            decoded = json.loads(text) if response.content_type == JSON else text
            return Reply(status=response.status, body=decoded, headers=dict(response.headers))

    async def get(self, path: str, **query: str) -> Reply:
        """GET."""
        return await self.request("GET", path, query=query)

    async def post(self, path: str, body: Any, **query: str) -> Reply:
        """POST."""
        return await self.request("POST", path, body, query=query)

    async def put(self, path: str, body: Any, **query: str) -> Reply:
        """PUT."""
        return await self.request("PUT", path, body, query=query)

    async def delete(self, path: str, body: Any = None, **query: str) -> Reply:
        """DELETE."""
        return await self.request("DELETE", path, body, query=query)

    async def patch(self, path: str, body: Any, content_type: str = MERGE, **query: str) -> Reply:
        """PATCH of one of the classic kinds."""
        return await self.request("PATCH", path, body, content_type=content_type, query=query)

    async def apply(self, path: str, body: Any, manager: str = "tester", **query: str) -> Reply:
        """Server-side apply."""
        query = {"fieldManager": manager, **query}
        return await self.request("PATCH", path, body, content_type=APPLY, query=query)

    async def until(
        self, path: str, condition: Callable[[Reply], bool], *, what: str, seconds: float = REQUEST_SECONDS
    ) -> Reply:
        """Ask until an answer fulfils a condition: real controllers take their time.

        Raises:
            AssertionError: it did not in time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            reply = await self.get(path)
            if condition(reply):
                return reply
            assert loop.time() < deadline, f"not in {seconds} s: {what}; last: {reply.status} {reply.body}"
            await asyncio.sleep(0.03)

    @asynccontextmanager
    async def watch(self, path: str, *, seconds: int = 15, **query: str) -> AsyncIterator["WatchReader"]:
        """Follow a collection."""
        assert self._session is not None
        params = {"watch": "true", "timeoutSeconds": str(seconds), **query}
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=seconds + REQUEST_SECONDS)
        async with self._session.get(self.server + path, params=params, headers=headers, timeout=timeout) as response:
            yield WatchReader(response)


class WatchReader:
    """The events of one watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self, seconds: float = REQUEST_SECONDS) -> tuple[str, dict[str, Any]]:
        """The next event: its type and object; ("", {}) when the watch has ended."""
        async with asyncio.timeout(seconds):
            line = await self.response.content.readline()
        if not line:
            return "", {}
        event = json.loads(line)
        return str(event["type"]), dict(event["object"])

    async def take(self, count: int) -> list[tuple[str, str]]:
        """The next events as (type, name)."""
        events = [await self.next() for _ in range(count)]
        return [(kind, document["metadata"]["name"]) for kind, document in events]


def fields_of(document: dict[str, Any], manager: str, operation: str = "Apply", subresource: str = "") -> Any:
    """What a manager owns of an object, as fieldsV1; None where it owns nothing."""
    for entry in document["metadata"].get("managedFields") or ():
        if (entry["manager"], entry["operation"], entry.get("subresource", "")) == (manager, operation, subresource):
            return entry["fieldsV1"]
    return None
