"""One list and watch for each kind that a member holds for us, managed objects only."""

import asyncio
import time
from collections.abc import Collection
from contextlib import aclosing
from typing import Any, Final, Protocol

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.index import GroupVersionKind
from fedsvc.controllers.outcomes import pause_of
from fedsvc.controllers.session import MemberSession, metadata_of
from fedsvc.members.errors import KindNotServedError, MemberError, MemberStatusError
from fedsvc.rendering.marks import MANAGED_SELECTOR

_log = structlog.get_logger(__name__)

_FORBIDDEN_SECONDS: Final = 60.0
_SHORT_SECONDS: Final = 1.0
_LIST_SECONDS: Final = 300.0  # a long list comes in pages, each with its own deadline; this bounds them together


class Observer(Protocol):
    """Takes note of what is seen; see `collector.Collector`."""

    def saw(self, gvk: GroupVersionKind, live: dict[str, Any], *, deleted: bool = False) -> int | None:
        """An object of a list or event."""

    def listed(self, gvk: GroupVersionKind, seen: Collection[int], version: int) -> None:
        """A list is complete."""


class KindWatches:
    """Keeps one watch for each kind in use; starts and stops them as works come and go."""

    def __init__(self, session: MemberSession, observer: Observer) -> None:
        self._session = session
        self._observer = observer
        self._tasks: dict[GroupVersionKind, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                wanted = self._session.index.kinds
                keep = frozenset() if self._session.take_reread() else wanted
                for gvk in [gvk for gvk in self._tasks if gvk not in keep]:
                    self._tasks.pop(gvk).cancel()
                    if gvk not in wanted:
                        self._session.was_read(gvk)
                for gvk in sorted(wanted - self._tasks.keys()):
                    name = f"watch-{self._session.cluster}-{gvk[2]}"
                    self._tasks[gvk] = group.create_task(self._watch(gvk), name=name)
                metrics.WATCHES.labels(self._session.cluster).set(len(self._tasks))
                await self._session.kinds.wait()

    async def _watch(self, gvk: GroupVersionKind) -> None:
        settings = self._session.settings
        backoff = Backoff(
            f"watch-{self._session.cluster}-{gvk}",
            first=settings.watch_retry_seconds,
            maximum=settings.watch_retry_max_seconds,
        )
        version = ""  # where the watch goes on; empty: a list is needed
        while True:
            await self._session.wait_until_open()
            try:
                if not version:
                    version = await self._list(gvk)
                    backoff.reset()
                started = time.monotonic()
                version = await self._follow(gvk, version, backoff)
                if time.monotonic() - started < _SHORT_SECONDS:
                    await asyncio.sleep(backoff.next_seconds())  # a server that ends watches at once is not run after
            except MemberError as error:
                # An error of the server's (410, or a version it never had) needs a list; a broken line does not.
                if isinstance(error, MemberStatusError | KindNotServedError):
                    version = ""
                if pause_of(error) is None:
                    self._session.was_read(
                        gvk
                    )  # nothing better is to be had; a member that does not answer may tell yet
                await self._pause_after(gvk, error, backoff)

    async def _list(self, gvk: GroupVersionKind) -> str:
        """See all objects of the kind; gives the version from where a watch goes on.

        Raises:
            MemberError: the list failed.
        """
        path = await self._collection(gvk)
        seen: set[int] = set()
        version = ""
        async with self._session.deadline(f"the list of {gvk[2]}", seconds=_LIST_SECONDS):
            async for page in self._session.member.client.list_pages(path, {"labelSelector": MANAGED_SELECTOR}):
                version = str(metadata_of(page).get("resourceVersion") or "")
                items = page.get("items")
                for live in items if isinstance(items, list) else []:
                    if isinstance(live, dict) and (work_id := self._observer.saw(gvk, live)) is not None:
                        seen.add(work_id)
        self._observer.listed(gvk, seen, int(version) if version.isdigit() else 0)
        return version

    async def _follow(self, gvk: GroupVersionKind, version: str, backoff: Backoff) -> str:
        """Pass events on until the server ends the watch; gives where the next one goes on.

        Raises:
            MemberError: the watch failed or broke.
        """
        path = await self._collection(gvk)
        client = self._session.member.client
        events = client.watch(path, resource_version=version, label_selector=MANAGED_SELECTOR)
        async with aclosing(events):
            async for event in events:
                backoff.reset()
                if event.type != "BOOKMARK":
                    self._observer.saw(gvk, event.object, deleted=event.type == "DELETED")
                version = event.resource_version or version
        return version

    async def _collection(self, gvk: GroupVersionKind) -> str:
        return (await self._session.resource(gvk)).collection_path

    async def _pause_after(self, gvk: GroupVersionKind, error: MemberError, backoff: Backoff) -> None:
        wait = backoff.next_seconds()
        if isinstance(error, MemberStatusError) and error.code == 403:
            self._session.member.refusals.report(error)
            message = f"{gvk[2]} cannot be watched, so its status and drift are not seen: {error.message}"
            self._session.events.warning(
                self._session.subject, "WatchForbidden", message, cluster=self._session.cluster
            )
            wait = max(wait, _FORBIDDEN_SECONDS)
        metrics.WATCH_RESTARTS.labels(self._session.cluster).inc()
        _log.info(
            "watch_interrupted",
            cluster=self._session.cluster,
            kind=gvk[2],
            error=str(error),
            retry_seconds=round(wait, 3),
        )
        if isinstance(error, KindNotServedError):
            await self._session.definitions.wait(gvk, timeout_seconds=wait)
        else:
            await asyncio.sleep(wait)
