"""Asking a member what it serves: in two requests where it can (1.27 on), version by version where it cannot."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from fedsvc.members.answers import parse_object
from fedsvc.members.api_table import (
    ApiResource,
    ApiTable,
    GroupVersion,
    read_aggregated,
    read_groups,
    read_resources,
    table_of,
)
from fedsvc.members.client import MemberClient, status_of
from fedsvc.members.errors import MemberError, MemberGarbageError
from fedsvc.rendering.compatibility import equal_version
from fedsvc.rendering.keys import ObjectKey

__all__ = ["ApiResource", "ApiTable", "Discovery", "discover"]

MAX_AGE_SECONDS: Final = 300.0
MIN_INTERVAL_SECONDS: Final = 3.0
"""A kind that is not found makes the table be read anew, but no more often than this."""

_AGGREGATED: Final = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)
_PARALLEL: Final = 8  # of the member's connections; the rest stay free for work


async def discover(client: MemberClient, previous: ApiTable | None = None) -> ApiTable:
    """What the member serves now. A group that cannot be read keeps what `previous` knew of it.

    Raises:
        MemberError: the list of groups itself cannot be read.
    """
    groups = [await _groups(client, path) for path in ("/api", "/apis")]
    resources: list[ApiResource] = []
    failed: dict[GroupVersion, str] = {}
    pending: list[GroupVersion] = []
    for document in groups:
        if document.get("kind") == "APIGroupDiscoveryList":
            read, stale = read_aggregated(document)
            resources += read
            failed |= stale
        else:
            pending += read_groups(document)
    room = asyncio.Semaphore(_PARALLEL)

    async def read_one(group_version: GroupVersion) -> None:
        async with room:
            try:
                document = await _fetch(client, _version_path(group_version), {"APIResourceList"})
            except MemberError as error:
                failed[group_version] = str(error)
            else:
                resources.extend(read_resources(*group_version, document))

    async with asyncio.TaskGroup() as group:
        for group_version in pending:
            group.create_task(read_one(group_version))
    return table_of(resources, failed, previous)


class Discovery:
    """The table of one member, read when it is first needed, when it is old, and when a kind is missing from it.

    Callers at the same time share one reading. Nothing here is shared between members.
    """

    def __init__(self, client: MemberClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._table: ApiTable | None = None
        self._read_at = 0.0
        self._tried_at: float | None = None
        self._stale = False
        self._failure: MemberError | None = None  # of the last reading
        self._lock = asyncio.Lock()

    def invalidate(self) -> None:
        """Make the next `table` or `path` read anew: a CRD was applied, or a path that was served answers 404."""
        self._stale = True

    async def table(self, *, max_age_seconds: float = MAX_AGE_SECONDS) -> ApiTable:
        """The table, read anew where it is older than `max_age_seconds` or was invalidated.

        Raises:
            MemberError: it cannot be read, and there is no older one.
        """
        async with self._lock:
            table = self._table
            if table is not None and not self._stale and self._clock() - self._read_at < max_age_seconds:
                return table
            if table is not None and not self._may_ask():
                return table
            try:
                return await self._refresh()
            except MemberError:
                if table is None:
                    raise
                return table

    async def resource(self, group: str, version: str, kind: str) -> ApiResource:
        """How the kind is served; a kind that is not known is looked for in the member, once in a few seconds.

        A member of another Kubernetes release may serve it in another version of the same schema: then that is given,
        and its `version` is not the one asked for.

        Raises:
            KindNotServedError: the member does not serve it.
            MemberError: it is not known, and the member cannot be asked.
        """
        table = self._table if not self._stale else None
        if table is None or self._clock() - self._read_at >= MAX_AGE_SECONDS:
            table = await self.table()
        if (found := _served(table, group, version, kind)) is None:
            async with self._lock:
                if self._table is table and self._may_ask():
                    table = await self._refresh()
                elif self._table is not None:
                    table = self._table
            found = _served(table, group, version, kind)
            if found is None and self._failure is not None:
                # Of what a member does not serve only the member can tell.
                raise self._failure.with_traceback(None)
        return found if found is not None else table.resource(group, version, kind)

    def known(self, group: str, version: str, kind: str) -> ApiResource | None:
        """How the kind is served, where that was read not long ago; None: ask `resource`."""
        table = self._table
        if table is None or self._stale or self._clock() - self._read_at >= MAX_AGE_SECONDS:
            return None
        return _served(table, group, version, kind)

    async def path(self, key: ObjectKey, *, default_namespace: str = "default") -> str:
        """The path of an object; see `resource`.

        Raises:
            KindNotServedError: the member does not serve its kind.
            MemberError: the member cannot be asked.
        """
        table = self._table
        if table is None or self._stale or key.gvk not in table.resources:
            resource = await self.resource(key.group, key.version, key.kind)
        else:
            resource = table.resources[key.gvk]
        return resource.path(namespace=key.namespace or default_namespace, name=key.name)

    def _may_ask(self) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= MIN_INTERVAL_SECONDS

    async def _refresh(self) -> ApiTable:
        self._tried_at = self._clock()
        try:
            table = await discover(self._client, self._table)
        except MemberError as error:
            self._failure = error
            raise
        self._table, self._read_at, self._stale, self._failure = table, self._clock(), False, None
        return table


def _served(table: ApiTable, group: str, version: str, kind: str) -> ApiResource | None:
    if (found := table.resources.get((group, version, kind))) is not None:
        return found
    equal = equal_version(group, version, kind, table.resources)
    return None if equal is None else table.resources[group, equal, kind]


async def _groups(client: MemberClient, path: str) -> dict[str, Any]:
    return await _fetch(client, path, {"APIGroupDiscoveryList", "APIVersions", "APIGroupList"})


async def _fetch(client: MemberClient, path: str, kinds: set[str]) -> dict[str, Any]:
    """A discovery document; anything else would read as a member that serves nothing."""
    answer = await client.raw_get(path, accept=_AGGREGATED)
    if answer.status != 200:
        raise status_of(answer, method="GET", path=path)
    document = parse_object(answer.body, what=path)
    if document.get("kind") not in kinds:
        raise MemberGarbageError(f"the answer to {path} is no discovery document: its kind is {document.get('kind')!r}")
    return document


def _version_path(group_version: GroupVersion) -> str:
    group, version = group_version
    return f"/apis/{group}/{version}" if group else f"/api/{version}"
