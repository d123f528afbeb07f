"""Has zones with a provider kept on the name servers of others: a task for each, so that none waits for another."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from fedsvc.controllers.hub import Hub
from fedsvc.controllers.notifying import Notifying
from fedsvc.controllers.publication_metrics import drop_metrics
from fedsvc.controllers.settings import ControllerSettings
from fedsvc.controllers.supervising import supervise
from fedsvc.controllers.updating import Updating
from fedsvc.controllers.wakeups import Signal, Wakeups
from fedsvc.controllers.zone_writers import WriterParts
from fedsvc.errors import NotFoundError
from fedsvc.members.client import MemberClient
from fedsvc.members.registry import Members
from fedsvc.model.zone import Zone
from fedsvc.model.zone_provider import Written
from fedsvc.store import clusters, policies, publications
from fedsvc.store.changes import Change
from fedsvc.store.policies import ZONE, resource_name
from fedsvc.store.store import Store
from fedsvc_dns.providers.contract import ServerRefusedError

_ALL: Final = ""
"""In the place of a zone's name: look which zones there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """A zone that is kept, as it was meant when its task began."""

    zone: Zone
    signal: Signal
    task: asyncio.Task[None]


class PublishingController:
    """The tasks of all zones with a provider."""

    def __init__(self, store: Store, *, settings: ControllerSettings, members: Members) -> None:
        self._store = store
        self._settings = settings
        self._wakeups: Wakeups[str] = Wakeups()
        self._kept: dict[str, _Kept] = {}  # by name
        self._members = members
        self._parts = WriterParts(sealer=store.sealer, accounts=settings.octodns_accounts, client=self._client)

    def listen(self, hub: Hub) -> None:
        """Take wake-ups from `hub`."""
        hub.listen(self._changed, lambda: self._wakeups.add(_ALL))

    async def run(self) -> None:
        """Keep zones until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        self._wakeups.add(_ALL)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._look(group, await self._wakeups.take())
        finally:
            for name in self._kept:
                drop_metrics(name)
            self._kept.clear()

    async def _client(self, cluster: str) -> MemberClient:
        """The client of a cluster.

        Raises:
            ServerRefusedError: there is no such cluster.
        """
        async with self._store.reader() as tx:
            try:
                found = await clusters.get(tx, cluster)
            except NotFoundError as error:
                raise ServerRefusedError(f"there is no cluster {cluster}") from error
        return self._members.member(found).client

    def _changed(self, change: Change) -> None:
        if change.kind == ZONE.change and not publications.is_standing(change):
            self._wakeups.add(change.name)

    async def _look(self, group: asyncio.TaskGroup, names: tuple[str, ...]) -> None:
        async with self._store.look() as look:
            wanted = await publications.kept(look)
        for name, kept in list(self._kept.items()):
            if wanted.get(name) != (kept.zone.uid, kept.zone.generation):
                kept.task.cancel()
                await asyncio.wait([kept.task])  # two that write to one zone would take turns
                del self._kept[name]
                drop_metrics(name)
            elif resource_name(ZONE, name) in names:
                kept.signal.set()
        new = wanted.keys() - self._kept.keys()
        if not new:
            return
        async with self._store.reader() as tx:
            found = await policies.get_many(tx, ZONE, sorted(new))
        for name, zone in found.items():
            if zone.spec.provider is not None:
                signal = Signal()
                run = partial(_keep, self._store, zone, signal, self._parts)
                task = group.create_task(supervise(f"zone {zone.name}", run, settings=self._settings), name=name)
                self._kept[name] = _Kept(zone=zone, signal=signal, task=task)


def _keep(store: Store, zone: Zone, signal: Signal, parts: WriterParts) -> Coroutine[Any, Any, None]:
    provider = zone.spec.provider
    assert provider is not None
    if isinstance(provider, Written):
        return Updating(store, zone, provider, signal, parts).run()
    return Notifying(store, zone, provider, signal).run()
