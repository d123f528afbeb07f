"""Sees to it that the secondaries of one zone have it as it was planned, and tells how they stand."""

from dataclasses import replace
from typing import Final

import structlog

from fedsvc.controllers.publication import shortened
from fedsvc.controllers.publication_metrics import tell_metrics
from fedsvc.controllers.wakeups import Signal
from fedsvc.model.zone import Zone
from fedsvc.model.zone_provider import HiddenPrimary, Publication, ServerStanding
from fedsvc.store import publications, zone_keys
from fedsvc.store.journal import StoredVersions
from fedsvc.store.sealing import SealError
from fedsvc.store.store import Store
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import ProviderError
from fedsvc_dns.providers.primary.following import Follower, Secondary, following
from fedsvc_dns.providers.primary.versions import ZoneVersion
from fedsvc_dns.providers.serials import is_newer

_log = structlog.get_logger(__name__)

_CHECK_SECONDS: Final = 30.0


class _Newest:
    """The newest version that this process knows: a `VersionStore` for followers, who look into it all the time."""

    def __init__(self) -> None:
        self.version: ZoneVersion | None = None

    async def load(self, origin: str) -> ZoneVersion | None:
        """The version."""
        del origin
        return self.version

    async def save(self, version: ZoneVersion, *, replacing: ZoneVersion) -> bool:
        """Refuse: only decisions make versions.

        Raises:
            ProviderError: always.
        """
        raise ProviderError(f"{version.origin} at {replacing.serial} is changed by its plan alone")


class Notifying:
    """The secondaries of one zone. Whoever runs it owns it."""

    def __init__(self, store: Store, zone: Zone, provider: HiddenPrimary, signal: Signal) -> None:
        self._store = store
        self._zone = zone
        self._provider = provider
        self._signal = signal
        self._told = Publication()
        self._origin = to_a_labels(zone.spec.domain)
        self._serial = 0
        self._versions = StoredVersions(store)
        self._newest = _Newest()

    async def run(self) -> None:
        """Follow the secondaries until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with self._store.reader() as tx:
            self._told = await publications.report(tx, self._zone.uid)
        try:
            secondaries = secondaries_of(self._store, self._zone, self._provider)
        except (SealError, ValueError) as error:
            await self._tell(replace(self._told, trouble=shortened(str(error))))
            return
        self._versions.follow({self._origin: self._zone.uid})
        await self._refresh()
        followers = [Follower(self._origin, one, self._newest, self._signal.set) for one in secondaries]
        async with following(followers):
            while True:
                await self._look(followers)
                await self._signal.wait(timeout_seconds=_CHECK_SECONDS)

    async def _look(self, followers: list[Follower]) -> None:
        if await self._refresh():
            for one in followers:
                one.wake()
        serial = self._serial
        ahead = [seen for one in followers if (seen := one.standing.serial) is not None and is_newer(seen, serial)]
        if serial and ahead:
            await self._go_on_above(ahead)
        await self._tell(self._report(followers, serial))

    async def _refresh(self) -> bool:
        """Read what was planned since; whether anything was."""
        async with self._store.look() as look:
            serial = await publications.planned_serial(look, self._zone.uid)
        if serial == self._serial:
            return False
        self._newest.version = await self._versions.load(self._origin)
        self._serial = serial
        return True

    async def _go_on_above(self, ahead: list[int]) -> None:
        """Have the zone renumbered: secondaries keep what is newer for ever, as after a restore of the database."""
        newest = ahead[0]
        for one in ahead:
            newest = one if is_newer(one, newest) else newest
        async with self._store.transaction() as tx:
            if await publications.tell_ahead(tx, self._zone.uid, self._zone.name, newest):
                _log.warning("dns_secondary_is_ahead", zone=self._zone.name, serial=newest)

    def _report(self, followers: list[Follower], serial: int) -> Publication:
        servers = tuple(
            ServerStanding(
                server=one.server,
                serial=follower.standing.serial or 0,
                is_current=bool(serial) and follower.standing.serial == serial,
                trouble=shortened(follower.standing.trouble),
            )
            for one, follower in zip(self._provider.secondaries, followers, strict=True)
        )
        troubled = [one for one in servers if one.trouble]
        return replace(
            self._told,
            serial=serial if serial and all(one.is_current for one in servers) else self._told.serial,
            trouble=f"{troubled[0].server}: {troubled[0].trouble}" if troubled else "",
            servers=servers,
        )

    async def _tell(self, stands: Publication) -> None:
        tell_metrics(self._zone.name, stands)
        if stands == self._told:
            return
        async with self._store.transaction() as tx:
            if stands.serial != self._told.serial:
                stands = replace(stands, publish_time=tx.now)
            await publications.put(tx, self._zone.uid, self._zone.name, stands)
        self._told = stands


def secondaries_of(store: Store, zone: Zone, provider: HiddenPrimary) -> tuple[Secondary, ...]:
    """Who transfers a zone, with the keys that they sign with.

    Raises:
        SealError: a key does not open.
        ValueError: what is stored is no key.
    """
    return tuple(
        Secondary(
            address=ServerAddress(host=one.server.host, port=one.server.port),
            key=zone_keys.opened(store.sealer, zone.name, one.key),
        )
        for one in provider.secondaries
    )
