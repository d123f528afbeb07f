"""One list and watch for each kind that a member holds for us, managed objects only.

Where our rights do not reach over all namespaces (`--rights namespaced:A,B`) a kind is listed and watched in each
namespace that its works are in. Nobody has to tell which those are: the member's refusal tells that one watch will not
do, and the works tell the rest. Now and then it is asked whether one watch would do again.
"""

import asyncio
import time
from collections.abc import Collection
from contextlib import aclosing
from typing import Any, Final, Protocol

import structlog

from fedsvc.controllers import metrics
from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.index import GroupVersionKind, Place
from fedsvc.controllers.outcomes import pause_of
from fedsvc.controllers.session import MemberSession, metadata_of
from fedsvc.members import inspect
from fedsvc.members.errors import KindNotServedError, MemberError, MemberStatusError
from fedsvc.members.refusals import Right
from fedsvc.rendering.marks import MANAGED_SELECTOR

_log = structlog.get_logger(__name__)

DEFAULT_NAMESPACE: Final = "default"
"""Where an object is that names none."""

_FORBIDDEN_SECONDS: Final = 60.0
_SHORT_SECONDS: Final = 1.0
_LIST_SECONDS: Final = 300.0  # a long list comes in pages, each with its own deadline; this bounds them together


class Observer(Protocol):
    """Takes note of what is seen; see `collector.Collector`."""

    def saw(self, gvk: GroupVersionKind, live: dict[str, Any], *, deleted: bool = False) -> int | None:
        """An object of a list or event."""

    def listed(self, gvk: GroupVersionKind, namespace: str, seen: Collection[int], version: int) -> None:
        """A list of a kind, in a namespace or (empty) everywhere, is complete."""


class KindWatches:
    """Keeps a watch for each kind in use; starts and stops them as works come and go."""

    def __init__(self, session: MemberSession, observer: Observer) -> None:
        self._session = session
        self._observer = observer
        self._tasks: dict[Place, asyncio.Task[None]] = {}
        self._narrow: set[GroupVersionKind] = set()  # kinds that we may not watch over all namespaces

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._widen(), name=f"widen-{self._session.cluster}")
            while True:
                wanted = self._places()
                relisted = self._session.take_relisted(wanted)
                keep = frozenset() if self._session.take_reread(wanted) else wanted - relisted
                for place in [place for place in self._tasks if place not in keep]:
                    self._tasks.pop(place).cancel()
                    if place not in wanted:
                        self._session.was_read(place)
                for place in sorted(wanted - self._tasks.keys()):
                    (_, _, kind), namespace = place
                    name = f"watch-{self._session.cluster}-{kind}-{namespace}"
                    self._tasks[place] = group.create_task(self._watch(place), name=name)
                metrics.WATCHES.labels(self._session.cluster).set(len(self._tasks))
                await self._session.kinds.wait()

    def _places(self) -> set[Place]:
        kinds = self._session.index.kinds
        self._narrow &= kinds
        return {place for gvk in kinds for place in self._places_of(gvk)}

    def _places_of(self, gvk: GroupVersionKind) -> set[Place]:
        if gvk not in self._narrow:
            return {(gvk, "")}
        return {(gvk, namespace or DEFAULT_NAMESPACE) for namespace in self._session.index.namespaces_of(gvk)}

    async def _widen(self) -> None:
        """Go back to one watch for a kind when the member allows it, as after joining again with other rights."""
        while True:
            await asyncio.sleep(_FORBIDDEN_SECONDS)
            await self._session.wait_until_open()
            for gvk in sorted(self._narrow):
                try:
                    wide = await self._may_watch_everywhere(gvk)
                except MemberError as error:
                    _log.info("rights_not_told", cluster=self._session.cluster, kind=gvk[2], error=str(error))
                    break
                if wide:
                    self._narrow.discard(gvk)
                    self._session.kinds.set()

    async def _may_watch_everywhere(self, gvk: GroupVersionKind) -> bool:
        resource = await self._session.resource(gvk)
        rights = [Right(group=resource.group, resource=resource.plural, verb=verb) for verb in ("list", "watch")]
        async with self._session.deadline("an access review"):
            return all([await inspect.may(self._session.member.client, right) for right in rights])

    async def _watch(self, place: Place) -> None:
        gvk, namespace = place
        settings = self._session.settings
        backoff = Backoff(
            f"watch-{self._session.cluster}-{gvk}-{namespace}",
            first=settings.watch_retry_seconds,
            maximum=settings.watch_retry_max_seconds,
        )
        version = ""  # where the watch goes on; empty: a list is needed
        while True:
            await self._session.wait_until_open()
            try:
                if not version:
                    version = await self._list(place)
                    backoff.reset()
                started = time.monotonic()
                version = await self._follow(place, version, backoff)
                if time.monotonic() - started < _SHORT_SECONDS:
                    await asyncio.sleep(backoff.next_seconds())  # a server that ends watches at once is not run after
            except MemberError as error:
                # An error of the server's (410, or a version it never had) needs a list; a broken line does not.
                if isinstance(error, MemberStatusError | KindNotServedError):
                    version = ""
                if await self._is_too_wide(place, error):
                    self._narrow.add(gvk)
                    self._session.read_instead(place, self._places_of(gvk))
                    self._session.kinds.set()
                    return
                if pause_of(error) is None:
                    # Nothing better is to be had; a member that does not answer may tell yet.
                    self._session.was_read(place)
                await self._pause_after(place, error, backoff)

    async def _is_too_wide(self, place: Place, error: MemberError) -> bool:
        """Whether a refusal may be one of looking at all namespaces at once."""
        gvk, namespace = place
        if namespace or not isinstance(error, MemberStatusError) or error.code != 403:
            return False
        try:
            return (await self._session.resource(gvk)).namespaced
        except MemberError:
            return False  # the next try tells more

    async def _list(self, place: Place) -> str:
        """See all objects of the kind there; gives the version from where a watch goes on.

        Raises:
            MemberError: the list failed.
        """
        gvk, namespace = place
        path = await self._collection(place)
        seen: set[int] = set()
        version = ""
        async with self._session.deadline(f"the list of {gvk[2]}", seconds=_LIST_SECONDS):
            async for page in self._session.member.client.list_pages(path, {"labelSelector": MANAGED_SELECTOR}):
                version = str(metadata_of(page).get("resourceVersion") or "")
                items = page.get("items")
                for live in items if isinstance(items, list) else []:
                    if isinstance(live, dict) and (work_id := self._observer.saw(gvk, live)) is not None:
                        seen.add(work_id)
        self._observer.listed(gvk, namespace, seen, int(version) if version.isdigit() else 0)
        return version

    async def _follow(self, place: Place, version: str, backoff: Backoff) -> str:
        """Pass events on until the server ends the watch; gives where the next one goes on.

        Raises:
            MemberError: the watch failed or broke.
        """
        path = await self._collection(place)
        client = self._session.member.client
        events = client.watch(path, resource_version=version, label_selector=MANAGED_SELECTOR)
        async with aclosing(events):
            async for event in events:
                backoff.reset()
                if event.type != "BOOKMARK":
                    self._observer.saw(place[0], event.object, deleted=event.type == "DELETED")
                version = event.resource_version or version
        return version

    async def _collection(self, place: Place) -> str:
        gvk, namespace = place
        resource = await self._session.resource(gvk)
        return resource.path(namespace=namespace) if namespace else resource.collection_path

    async def _pause_after(self, place: Place, error: MemberError, backoff: Backoff) -> None:
        gvk, namespace = place
        kind = gvk[2]
        wait = backoff.next_seconds()
        if isinstance(error, MemberStatusError) and error.code == 403:
            self._session.member.refusals.report(error)
            where = f" in namespace {namespace}" if namespace else ""
            message = f"{kind} cannot be watched{where}, so its status and drift are not seen: {error.message}"
            self._session.events.warning(
                self._session.subject, "WatchForbidden", message, cluster=self._session.cluster
            )
            wait = max(wait, _FORBIDDEN_SECONDS)
        metrics.WATCH_RESTARTS.labels(self._session.cluster).inc()
        _log.info(
            "watch_interrupted",
            cluster=self._session.cluster,
            kind=kind,
            namespace=namespace,
            error=str(error),
            retry_seconds=round(wait, 3),
        )
        if isinstance(error, KindNotServedError):
            await self._session.definitions.wait(gvk, timeout_seconds=wait)
        else:
            await asyncio.sleep(wait)
