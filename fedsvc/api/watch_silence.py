"""Telling those who watch works that a cluster fell silent or is heard again, which changes no work by itself."""

from collections.abc import AsyncGenerator, Collection
from typing import Final

from fedsvc.api.watch_objects import Watched, watched_works
from fedsvc.api.watch_request import WatchFilter
from fedsvc.model.silence import Silence
from fedsvc.store import clusters, lookups, works
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_PAGE: Final = 500


class SilenceTeller:
    """Knows, for one watcher of works, which clusters are silent; tells the works of those where that changes."""

    def __init__(self, store: Store, wanted: WatchFilter) -> None:
        self._store = store
        self._wanted = wanted
        self._concerns = "work" in wanted.kinds
        self._cluster = wanted.name.removeprefix("clusters/") if wanted.name.startswith("clusters/") else ""
        self._silent: dict[str, Silence] = {}

    async def begin(self) -> None:
        """Learn who is silent now. To be called once, before anything is told.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        if self._concerns:
            async with self._store.reader() as tx:
                self._silent = await clusters.silences(tx)

    async def works(self, changes: Collection[Change]) -> AsyncGenerator[list[Watched], None]:
        """Pages of the works that are to be told anew, given what changed.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        if not self._concerns:
            return
        names = {change.name.removeprefix("clusters/") for change in changes if change.kind == "cluster"}
        if self._cluster:
            names &= {self._cluster}
        if not names:
            return
        async with self._store.reader() as tx:
            now = await clusters.silences(tx, names)
        for name in sorted(names):
            if now.get(name) == self._silent.get(name):
                continue
            async for page in self._works_on(name):
                yield page
            if name in now:
                self._silent[name] = now[name]
            else:
                del self._silent[name]

    async def _works_on(self, cluster: str) -> AsyncGenerator[list[Watched], None]:
        after, wanted = 0, self._wanted
        while True:
            async with self._store.reader() as tx:
                uids = None
                if wanted.name.startswith("namespaces/"):
                    _, namespace, _, unit = wanted.name.split("/")
                    uids = [found.uid for found in await lookups.units_by_name(tx, [(namespace, unit)])]
                rows = await works.list_page(
                    tx, after=after, limit=_PAGE, cluster=cluster, namespace=wanted.namespace, unit_uids=uids
                )
                page = await watched_works(tx, rows)
            if page:
                yield page
            if len(rows) < _PAGE:
                return
            after = rows[-1].id
