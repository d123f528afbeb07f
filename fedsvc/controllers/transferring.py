"""Lets secondaries transfer zones from this process, whoever planned them and whoever leads."""

from collections.abc import Iterable
from contextlib import AsyncExitStack

import structlog

from fedsvc.controllers.following import follow
from fedsvc.controllers.notifying import secondaries_of
from fedsvc.model.zone_provider import HiddenPrimary as Intent
from fedsvc.store import policies, publications
from fedsvc.store.changes import Change
from fedsvc.store.journal import StoredVersions
from fedsvc.store.policies import ZONE
from fedsvc.store.sealing import SealError
from fedsvc.store.store import Store
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening

_log = structlog.get_logger(__name__)


def _concerns(change: Change) -> bool:
    return change.kind == ZONE.change


class Transferring:
    """The hidden primary of this process. Notifications are the leader's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._versions = StoredVersions(store)
        self._primary: HiddenPrimary | None = None
        self._kept: dict[str, tuple[str, int]] = {}

    async def start(self, stack: AsyncExitStack, listening: Listening) -> HiddenPrimary:
        """Listen until `stack` is left; its ports are known then.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._primary = HiddenPrimary(self._versions, (), listening, follows=False)
        return await stack.enter_async_context(self._primary.running())

    async def run(self) -> None:
        """Follow which zones there are, and who may transfer them, until cancelled."""
        await follow(self._store, "zone-transfers", concerns=_concerns, look=self._follow)

    async def _follow(self) -> None:
        assert self._primary is not None, "it is started first"
        async with self._store.look() as look:
            kept = await publications.kept(look)
        if kept == self._kept:
            return
        async with self._store.reader() as tx:
            found = await policies.get_many(tx, ZONE, sorted(kept))
        served: dict[str, tuple[str, PrimaryZone]] = {}
        keys: dict[str, TsigKey] = {}
        for zone in found.values():
            if isinstance(zone.spec.provider, Intent):
                origin = to_a_labels(zone.spec.domain)
                try:
                    secondaries = secondaries_of(self._store, zone, zone.spec.provider)
                    _check_keys(secondaries, keys)
                except (SealError, ValueError) as error:
                    _log.error("dns_zone_not_transferred", zone=zone.name, message=str(error))
                    continue
                served[origin] = zone.uid, PrimaryZone(origin=origin, secondaries=secondaries)
        self._versions.follow({origin: uid for origin, (uid, _) in served.items()})
        self._primary.serve([one for _, one in served.values()])
        self._kept = kept


def _check_keys(secondaries: Iterable[Secondary], keys: dict[str, TsigKey]) -> None:
    """Note the keys of a zone; raises where another zone has another one of the same name."""
    for one in secondaries:
        if keys.setdefault(one.key.name, one.key) != one.key:
            raise ValueError(f"the key {one.key.name} has another secret in another zone")
