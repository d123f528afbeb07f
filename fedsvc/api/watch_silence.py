"""Telling those who watch works that a cluster fell silent or is heard again, which changes no work by itself."""

from collections.abc import AsyncGenerator, Collection
from typing import Final

from fedsvc.api.watch_objects import Watched, newest, watched_works
from fedsvc.api.watch_reads import SharedReads
from fedsvc.api.watch_request import WatchFilter
from fedsvc.model.silence import Silence
from fedsvc.store import clusters, lookups, works
from fedsvc.store.changes import Change
from fedsvc.store.store import Store

_PAGE: Final = 500


class SilenceTeller:
    """Knows, for one watcher of works, which clusters are silent; tells the works of those where that changes."""

    def __init__(self, store: Store, reads: SharedReads, wanted: WatchFilter) -> None:
        self._store = store
        self._reads = reads
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

    async def works(self, changes: Collection[Change], *, seen_at: float) -> AsyncGenerator[list[Watched], None]:
        """Pages of the works that are to be told anew, given what changed, which was seen at that time.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer.
        """
        if not self._concerns:
            return
        of_clusters = [
            change
            for change in newest([change for change in changes if change.kind == "cluster"])
            if self._cluster in ("", change.name.removeprefix("clusters/"))
        ]
        if not of_clusters:
            return
        found = await self._reads.objects(of_clusters, not_before=seen_at)
        for change in of_clusters:
            name, watched = change.name.removeprefix("clusters/"), found.get((change.kind, change.name))
            silence = None if watched is None else watched.silence
            if silence == self._silent.get(name):
                continue
            async for page in self._works_on(name):
                yield page
            if silence is not None:
                self._silent[name] = silence
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
