"""Keeps the lookouts of one member: a list and watch each of what fedsvc only reads there, stored as it comes.

What is stored stays while a member is silent, or refuses: that nothing is heard takes nothing away. Only a list that
was answered does, or the event that an object was deleted.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog

from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.session import MemberSession
from fedsvc.controllers.storing import write
from fedsvc.controllers.wakeups import Signal
from fedsvc.members.errors import KindNotServedError, MemberError, MemberStatusError
from fedsvc.model.sighting import Key, Lookout, Sighting, sighting_of
from fedsvc.naming.importing import StatusWrite
from fedsvc.store import sightings
from fedsvc.store.store import Store, Transaction

_log = structlog.get_logger(__name__)

_GATHER_SECONDS: Final = 0.02
_LIST_SECONDS: Final = 300.0
_SHORT_SECONDS: Final = 1.0
_REFUSED_SECONDS: Final = 60.0

API_NOT_SERVED: Final = "ApiNotServed"
FORBIDDEN: Final = "Forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a member is asked for, and told."""

    lookouts: frozenset[Lookout] = frozenset()
    statuses: tuple[StatusWrite, ...] = ()


class Looking:
    """The lookouts of one member."""

    def __init__(self, store: Store, session: MemberSession) -> None:
        self._store = store
        self._session = session
        self._wanted: frozenset[Lookout] | None = None  # None: not known yet
        self._signal = Signal()
        self._tasks: dict[Lookout, asyncio.Task[None]] = {}
        self._told: dict[Key, dict[tuple[str, str], Sighting | None]] = {}  # by events; of each object the newest
        self._some = Signal()
        self._writing = asyncio.Lock()  # what a list found and what events told is stored in the order of the member

    def want(self, wanted: frozenset[Lookout]) -> None:
        """Look for these from now on."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._signal.set()

    async def run(self) -> None:
        """Look until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store_told(), name=f"sightings-{self._session.cluster}")
            while True:
                if self._wanted is not None:
                    await self._follow(group, self._wanted)
                await self._signal.wait()

    async def _follow(self, group: asyncio.TaskGroup, wanted: frozenset[Lookout]) -> None:
        for lookout in [lookout for lookout in self._tasks if lookout not in wanted]:
            self._tasks.pop(lookout).cancel()
        keys = {lookout.key for lookout in wanted}
        async with self._writing:
            self._told = {key: newest for key, newest in self._told.items() if key in keys}
            await write(self._store, partial(sightings.keep, cluster=self._session.cluster, keys=keys))
        for lookout in sorted(wanted - self._tasks.keys()):
            name = f"lookout-{self._session.cluster}-{lookout.purpose}-{lookout.namespace}"
            self._tasks[lookout] = group.create_task(self._look(lookout), name=name)

    async def _look(self, lookout: Lookout) -> None:
        settings = self._session.settings
        backoff = Backoff(
            f"lookout-{self._session.cluster}-{lookout.key}",
            first=settings.watch_retry_seconds,
            maximum=settings.watch_retry_max_seconds,
        )
        version = ""  # where the watch goes on; empty: a list is needed
        while True:
            await self._session.wait_until_open()
            try:
                if not version:
                    version = await self._list(lookout)
                    backoff.reset()
                started = time.monotonic()
                version = await self._watch(lookout, version)
                if time.monotonic() - started < _SHORT_SECONDS:
                    await asyncio.sleep(backoff.next_seconds())
            except KindNotServedError as error:
                version = ""
                await self._not_served(lookout, error, backoff)
            except MemberError as error:
                if isinstance(error, MemberStatusError):
                    version = ""
                wait = backoff.next_seconds()
                if isinstance(error, MemberStatusError) and error.code in (401, 403):
                    wait = max(wait, _REFUSED_SECONDS)
                    await self._note(lookout, FORBIDDEN, str(error))
                _log.info(
                    "lookout_interrupted",
                    cluster=self._session.cluster,
                    purpose=lookout.purpose,
                    error=str(error),
                    retry_seconds=round(wait, 3),
                )
                await asyncio.sleep(wait)

    async def _not_served(self, lookout: Lookout, error: KindNotServedError, backoff: Backoff) -> None:
        """A kind that is not served has no objects; but only a complete survey tells that surely."""
        if not lookout.is_served:
            await self._replace(lookout.key, ())
        await self._note(lookout, API_NOT_SERVED, str(error))
        gvk = (lookout.group, lookout.version, lookout.kind)
        await self._session.definitions.wait(gvk, timeout_seconds=max(backoff.next_seconds(), _REFUSED_SECONDS))

    async def _note(self, lookout: Lookout, reason: str, message: str) -> None:
        noted = partial(
            sightings.note_problem, cluster=self._session.cluster, key=lookout.key, reason=reason, message=message
        )
        await write(self._store, noted)

    async def _replace(self, key: Key, seen: Sequence[Sighting]) -> None:
        async with self._writing:
            self._told.pop(key, None)  # from before the list
            await write(self._store, partial(sightings.replace, cluster=self._session.cluster, key=key, seen=seen))

    async def _path(self, lookout: Lookout) -> str:
        resource = await self._session.resource((lookout.group, lookout.version, lookout.kind))
        return resource.path(namespace=lookout.namespace) if lookout.namespace else resource.collection_path

    async def _list(self, lookout: Lookout) -> str:
        """Store all that is there; gives the version from where a watch goes on.

        Raises:
            MemberError: the list failed.
        """
        path = await self._path(lookout)
        query = {"labelSelector": lookout.label_selector} if lookout.label_selector else {}
        seen: dict[tuple[str, str], Sighting] = {}
        version = ""
        async with self._session.deadline(f"the list of {lookout.kind}", seconds=_LIST_SECONDS):
            async for page in self._session.member.client.list_pages(path, query):
                version = str((page.get("metadata") or {}).get("resourceVersion") or "")
                items = page.get("items")
                for live in items if isinstance(items, list) else ():
                    if isinstance(live, dict) and lookout.counts(live):
                        one = sighting_of(live)
                        seen[one.namespace, one.name] = one
        await self._replace(lookout.key, list(seen.values()))
        return version

    async def _watch(self, lookout: Lookout, version: str) -> str:
        """Take note of events until the server ends the watch; gives where the next one goes on.

        Raises:
            MemberError: the watch failed or broke.
        """
        path = await self._path(lookout)
        client = self._session.member.client
        events = client.watch(path, resource_version=version, label_selector=lookout.label_selector)
        async with aclosing(events):
            async for event in events:
                if event.type != "BOOKMARK" and lookout.counts(event.object):
                    one = sighting_of(event.object)
                    gone = event.type == "DELETED"
                    self._told.setdefault(lookout.key, {})[one.namespace, one.name] = None if gone else one
                    self._some.set()
                version = event.resource_version or version
        return version

    async def _store_told(self) -> None:
        while True:
            await self._some.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            async with self._writing:
                told, self._told = self._told, {}
                await write(self._store, partial(self._update_all, told=told))

    async def _update_all(self, tx: Transaction, told: Mapping[Key, Mapping[tuple[str, str], Sighting | None]]) -> None:
        for key, newest in told.items():
            seen = [one for one in newest.values() if one is not None]
            gone = [name for name, one in newest.items() if one is None]
            await sightings.update(tx, self._session.cluster, key, seen, gone)
