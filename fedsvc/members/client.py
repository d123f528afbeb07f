"""The client of one member cluster: Kubernetes' verbs over `transport`."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlencode

import orjson

from fedsvc.members.answers import JsonObject, parse_object, status_error
from fedsvc.members.errors import MemberGarbageError, MemberStatusError, MemberUnreachableError, UnreachableKind
from fedsvc.members.transport import (
    MAX_ANSWER_BYTES,
    Answer,
    Guard,
    Pool,
    Transport,
    read_body,
    stream_timeout,
    timeout_of,
)
from fedsvc.members.watching import LineSplitter, WatchEvent, parse_event
from fedsvc.model.cluster import Connection
from fedsvc.rendering.marks import FIELD_MANAGER

REQUEST_TIMEOUT_SECONDS: Final = 30.0
PAGE_SIZE: Final = 500
MAX_OBJECT_BYTES: Final = 8 * 1024 * 1024
"""Of the answer to a write, which is one object: API servers take 3 MiB. So many writes at once hold little memory,
whatever a member answers."""
WATCH_SECONDS: Final = (
    240  # the server is asked to end a watch after so long: a silent loss is noticed then at the latest
)
_WATCH_SLACK_SECONDS: Final = 20.0

_READ: Final = {"Accept": "application/json"}
_READ_PACKED: Final = {"Accept": "application/json", "Accept-Encoding": "gzip"}
_READ_ANY: Final = {"Accept": "application/json, */*"}
_READ_METADATA: Final = {
    "Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
    "Accept-Encoding": "gzip",
}
_APPLY: Final = {"Accept": "application/json", "Content-Type": "application/apply-patch+yaml"}
_WRITE: Final = {"Accept": "application/json", "Content-Type": "application/json"}


class PatchType(StrEnum):
    """The content type of a patch."""

    MERGE = "application/merge-patch+json"  # RFC 7396
    JSON = "application/json-patch+json"  # RFC 6902
    STRATEGIC = "application/strategic-merge-patch+json"


class PropagationPolicy(StrEnum):
    """What becomes of the dependents of a deleted object."""

    ORPHAN = "Orphan"
    BACKGROUND = "Background"
    FOREGROUND = "Foreground"


class MemberClient:
    """One member's API server. All methods raise `errors.MemberError` and nothing else (cancellation aside).

    Paths are absolute below the endpoint ("/api/v1/namespaces/shop/configmaps/web"; see `discovery.ApiTable.path`).
    Every request has a deadline, waiting for a free connection included.
    """

    def __init__(
        self, connection: Connection, *, name: str = "", request_timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    ) -> None:
        self.name = name
        self.connection = connection
        self._transport = Transport(connection, user_agent=_user_agent())
        self._deadline = timeout_of(request_timeout_seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def set_token(self, token: str) -> None:
        """Use another bearer token from the next request on; kept connections and running watches go on."""
        self._transport.set_token(token)

    async def close(self) -> None:
        """Close all connections; what runs on them fails as if reset."""
        await self._transport.close()

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> JsonObject:
        """GET an object or a list."""
        return await self._call("GET", _with(path, params), _READ)

    async def apply(
        self,
        path: str,
        body: bytes,
        *,
        force: bool,
        field_manager: str = FIELD_MANAGER,
        create_only: bool = False,
        uid: str = "",
        dry_run: bool = False,
        guard: Guard | None = None,
    ) -> JsonObject:
        """Server-side apply (KEP-555) of the object in `body`, which is JSON; returns the object as it is then.

        With `create_only` an object that exists already is left alone and answered by 409: the apply carries resource
        version "1", which an absent object takes (201) and no existing one has. A request whose connection breaks is
        sent once more, so such a 409 may also mean that the first one came through: look whose the object is.

        With `uid` only that very object is written: where it is gone the answer is 409, and where another one has its
        name 422 for ``metadata.uid``, with or without force.

        `guard` is asked directly before it is sent, each time; see `Transport.request`.
        """
        if create_only:
            body = with_resource_version(body, "1")
        elif uid:
            body = _with_metadata(body, "uid", uid)
        query = f"{path}?fieldManager={field_manager}&force={'true' if force else 'false'}"
        if dry_run:
            query += "&dryRun=All"
        try:
            return await self._call("PATCH", query, _APPLY, body, guard=guard)
        except MemberUnreachableError as error:
            if error.kind is not UnreachableKind.RESET:
                raise
        # A kept connection that the server closed meanwhile (a restart) is no trouble of the member's, and apply is
        # idempotent.
        return await self._call("PATCH", query, _APPLY, body, guard=guard)

    async def patch(
        self,
        path: str,
        body: bytes,
        *,
        patch_type: PatchType = PatchType.MERGE,
        field_manager: str = FIELD_MANAGER,
        guard: Guard | None = None,
    ) -> JsonObject:
        """PATCH an object with a patch of the given type."""
        headers = {"Accept": "application/json", "Content-Type": patch_type.value}
        return await self._call("PATCH", f"{path}?fieldManager={field_manager}", headers, body, guard=guard)

    async def post(self, path: str, body: JsonObject | bytes, params: Mapping[str, str] | None = None) -> JsonObject:
        """POST an object to a collection or a subresource."""
        data = body if isinstance(body, bytes) else orjson.dumps(body)
        return await self._call("POST", _with(path, params), _WRITE, data)

    async def delete(
        self,
        path: str,
        *,
        propagation: PropagationPolicy = PropagationPolicy.BACKGROUND,
        uid: str = "",
        guard: Guard | None = None,
    ) -> JsonObject:
        """DELETE an object; returns it (while finalizers hold it) or a Status. With `uid` only that very object."""
        options: JsonObject = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": propagation.value}
        if uid:
            options["preconditions"] = {"uid": uid}
        return await self._call("DELETE", path, _WRITE, orjson.dumps(options), guard=guard)

    async def list_pages(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        page_size: int = PAGE_SIZE,
        metadata_only: bool = False,
    ) -> AsyncIterator[JsonObject]:
        """GET a list page by page; each page is a list object with "items" and "metadata".

        With `metadata_only` the items have no more than that (PartialObjectMetadata, since Kubernetes 1.15).

        The resource version of the pages (equal in all) is where a watch goes on without a gap. MemberStatusError of
        code 410 means that the list took too long: begin again.
        """
        query = {**(params or {}), "limit": str(page_size)}
        while True:
            page = await self._call("GET", _with(path, query), _READ_METADATA if metadata_only else _READ_PACKED)
            yield page
            metadata = page.get("metadata")
            token = metadata.get("continue") if isinstance(metadata, dict) else None
            if not isinstance(token, str) or not token:
                return
            query["continue"] = token

    async def watch(
        self,
        path: str,
        *,
        resource_version: str = "",
        label_selector: str = "",
        timeout_seconds: int = WATCH_SECONDS,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Events of a collection from `resource_version` on, bookmarks included; ends when the server ends it.

        Close the iterator (`contextlib.aclosing`) to end it earlier. An ERROR event is raised as MemberStatusError;
        code 410: list again.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(timeout_seconds)}
        if resource_version:
            query["resourceVersion"] = resource_version
        if label_selector:
            query["labelSelector"] = label_selector
        deadline = stream_timeout(timeout_seconds + _WATCH_SLACK_SECONDS)
        splitter = LineSplitter()
        begin = self._deadline.total
        async with self._transport.stream(
            _with(path, query), headers=_READ, begin_seconds=begin, deadline=deadline
        ) as response:
            if response.status != 200:
                async with asyncio.timeout(begin):
                    body = await read_body(response, max_bytes=1024 * 1024, what=f"GET {path}")
                _refuse_redirect(response.status, f"GET {path}")
                raise _status(response.status, body, response.headers.get("Retry-After"), "GET", path)
            async for piece in response.content.iter_any():
                for line in splitter.feed(piece):
                    yield parse_event(line)
            splitter.end()

    async def stream(
        self, path: str, params: Mapping[str, str] | None = None, *, begin_seconds: float | None
    ) -> AsyncGenerator[bytes, None]:
        """The bytes of an answer that goes on for as long as it likes, in pieces as they come; logs are such.

        Args:
            path: what to GET.
            params: its query.
            begin_seconds: how long the answer may take to begin; None: for ever, since what is followed may be quiet.

        A vanished peer is noticed by the kept-alive socket. Close the iterator (`contextlib.aclosing`) to end it.
        """
        async with self._transport.stream(
            _with(path, params), headers=_READ_ANY, begin_seconds=begin_seconds, deadline=stream_timeout(None)
        ) as response:
            if response.status not in (200, 204):  # 204: the log of a pod that has no node yet
                async with asyncio.timeout(self._deadline.total):
                    body = await read_body(response, max_bytes=1024 * 1024, what=f"GET {path}")
                _refuse_redirect(response.status, f"GET {path}")
                raise _status(response.status, body, response.headers.get("Retry-After"), "GET", path)
            async for piece in response.content.iter_any():
                yield piece

    async def raw_get(
        self, path: str, *, accept: str = "application/json", etag: str = "", timeout_seconds: float | None = None
    ) -> Answer:
        """GET whatever is there, also when its status is an error. Discovery uses it."""
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        if etag:
            headers["If-None-Match"] = etag
        deadline = self._deadline if timeout_seconds is None else timeout_of(timeout_seconds)
        return await self._transport.request("GET", path, headers=headers, deadline=deadline)

    async def probe_get(self, path: str, *, timeout_seconds: float) -> Answer:
        """As `raw_get`, on the connection that is kept for probes: no queue of work holds it up."""
        deadline = timeout_of(timeout_seconds)
        headers = {"Accept": "application/json, text/plain, */*"}
        return await self._transport.request(
            "GET", path, headers=headers, deadline=deadline, pool=Pool.PROBE, max_bytes=1024 * 1024
        )

    async def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        *,
        guard: Guard | None = None,
    ) -> JsonObject:
        answer = await self._transport.request(
            method,
            path,
            headers=headers,
            body=body,
            deadline=self._deadline,
            max_bytes=MAX_ANSWER_BYTES if method == "GET" else MAX_OBJECT_BYTES,
            guard=guard,
        )
        if 200 <= answer.status < 300:
            return parse_object(answer.body, what=f"{method} {path}")
        _refuse_redirect(answer.status, f"{method} {path}")
        raise status_of(answer, method=method, path=path)


def status_of(answer: Answer, *, method: str, path: str) -> MemberStatusError:
    """The error that an answer stands for whose status is not of success."""
    return _status(answer.status, answer.body, answer.retry_after, method, path)


def with_resource_version(body: bytes, resource_version: str) -> bytes:
    """The object in `body` with another ``metadata.resourceVersion``."""
    return _with_metadata(body, "resourceVersion", resource_version)


def _with_metadata(body: bytes, name: str, value: str) -> bytes:
    document = orjson.loads(body)
    document.setdefault("metadata", {})[name] = value
    return orjson.dumps(document)


def _status(code: int, body: bytes, retry_after: str | None, method: str, path: str) -> MemberStatusError:
    bare = path.partition("?")[0]
    return status_error(code, body, retry_after=retry_after, now=datetime.now(UTC), method=method, path=bare)


def _refuse_redirect(code: int, what: str) -> None:
    # API servers redirect nothing; whatever stands in front of one and does wants a person to log in.
    if 300 <= code < 400:
        raise MemberGarbageError(f"{what} is redirected elsewhere (status {code}), which no API server does")


def _with(path: str, params: Mapping[str, str] | None) -> str:
    return f"{path}?{urlencode(params)}" if params else path


def _user_agent() -> str:
    try:
        return f"fedsvc/{version('fedsvc')}"
    except PackageNotFoundError:  # run from a tree that is not installed
        return "fedsvc"
