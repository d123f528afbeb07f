"""Keeps one zone as it was planned on a name server that takes dynamic updates."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.publication import SHOWN, Difference, difference, forgotten, refusal_lines, shortened
from fedsvc.controllers.publication_metrics import tell_metrics
from fedsvc.controllers.wakeups import Signal
from fedsvc.model.zone import Zone
from fedsvc.model.zone_provider import Endpoint, Publication, Rfc2136, ServerStanding
from fedsvc.store import publications, zone_keys
from fedsvc.store.sealing import SealError
from fedsvc.store.store import Store
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.providers import wire
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import (
    Fence,
    Key,
    Mode,
    Outcome,
    ProviderError,
    StaleWriterError,
    TransferError,
    ZoneContent,
    ZoneNotOursError,
)
from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
from fedsvc_dns.providers.verifying import serials
from fedsvc_dns.records import RecordSet

_log = structlog.get_logger(__name__)

CHECK_SECONDS: Final = 30.0
"""How often it is looked whether others changed the zone; where nobody did, that is one message each way."""
FIRST_RETRY_SECONDS: Final = 0.5
_MAX_RETRY_SECONDS: Final = 60.0
_BELIEVED_AFTER: Final = 3
"""Transfers in a row that say that most of a zone is gone: then it is."""


class Updating:
    """One zone on its primary. Whoever runs it owns it, and leads: others find that they come too late."""

    def __init__(self, store: Store, zone: Zone, provider: Rfc2136, signal: Signal) -> None:
        self._store = store
        self._zone = zone
        self._provider = provider
        self._signal = signal
        self._origin = to_a_labels(zone.spec.domain)
        self._epoch = 0
        self._serial = 0
        self._planned: Mapping[Key, RecordSet] = {}
        self._noted: set[Key] = set()
        self._told = Publication()
        self._doubted = 0

    async def run(self) -> None:
        """Follow the plan until cancelled.

        Raises:
            StoreUnavailableError: PostgreSQL does not answer; start anew, nothing is lost.
        """
        async with self._store.transaction() as tx:
            self._epoch = _epoch(tx.now)
            self._told = await publications.report(tx, self._zone.uid)
            self._noted = await publications.noted(tx, self._zone.uid)
        try:
            key = zone_keys.opened(self._store.sealer, self._zone.name, self._provider.key)
        except (SealError, ValueError) as error:
            await self._tell(replace(self._told, trouble=shortened(str(error))))
            return
        backoff = Backoff(f"zone-{self._zone.name}", first=FIRST_RETRY_SECONDS, maximum=_MAX_RETRY_SECONDS)
        zone = Rfc2136Zone(
            Rfc2136Settings(
                origin=self._origin,
                address=ServerAddress(host=self._provider.server.host, port=self._provider.server.port),
                key=key,
                owner=self._provider.owner or f"fedsvc-{self._zone.uid[:8]}",
                ownership=self._provider.ownership,
                mode=self._provider.mode,
                foreign_marks=self._provider.foreign_marks,
                take_over=frozenset(self._provider.take_over),
            )
        )
        try:
            while True:
                is_done = await self._turn(zone)
                if is_done:
                    backoff.reset()
                await self._signal.wait(timeout_seconds=CHECK_SECONDS if is_done else backoff.next_seconds())
        finally:
            await zone.close()

    async def _turn(self, zone: Rfc2136Zone) -> bool:
        """Look once, and write what is to be written; whether all is as it shall be, for now."""
        await self._follow()
        if not self._serial:
            return True
        try:
            content = await zone.read(may_shrink=self._doubted >= _BELIEVED_AFTER)
            self._doubted = 0
            found = await asyncio.to_thread(
                difference, self._planned, content, frozenset(self._noted), origin=self._origin
            )
            return await self._write(zone, content, found)
        except ProviderError as error:
            self._doubted += isinstance(error, TransferError)
            if isinstance(error, StaleWriterError):
                await self._lead_anew()
            if self._told.trouble != shortened(str(error)):
                _log.warning("dns_zone_not_published", zone=self._zone.name, message=str(error))
            await self._tell(replace(self._told, trouble=shortened(str(error)), servers=self._unknown(str(error))))
            return False

    async def _follow(self) -> None:
        """Read what was planned since."""
        async with self._store.look() as look:
            if await publications.planned_serial(look, self._zone.uid) == self._serial:
                return
        async with self._store.reader() as tx:
            serial, planned = await publications.planned(tx, self._zone.uid)
        self._planned = await asyncio.to_thread(_canonical, planned, self._planned)
        self._serial = serial

    async def _write(self, zone: Rfc2136Zone, content: ZoneContent, found: Difference) -> bool:
        drifted = [f"{name} {type_}" for name, type_ in content.drifted if (name, type_) in self._noted]
        told = replace(
            self._told,
            trouble="",
            stranger_count=found.strangers,
            drifted=tuple(dict.fromkeys([*self._told.drifted, *drifted]))[-SHOWN:],
        )
        if drifted:
            _log.info("dns_zone_drifted", zone=self._zone.name, count=len(drifted), first=drifted[0])
        if self._zone.spec.frozen or self._provider.mode is Mode.READ_ONLY:
            standings = await self._standings(content.serial, is_right=not found.count)
            await self._tell(replace(told, waiting_count=found.count, servers=standings))
            return True
        outcome = Outcome(serial=content.serial, written=(), refused=())
        if found.count:
            outcome = await self._apply(zone, found)
        elif found.gone:
            await self._forget(found.gone)
        standings = await self._standings(outcome.serial, is_right=True)
        await self._tell(
            replace(
                told,
                serial=self._serial,
                waiting_count=0,
                refused=refusal_lines(outcome.refused),
                refused_count=len(outcome.refused),
                servers=standings,
                publish_time=await self._now() if outcome.written else told.publish_time,
            )
        )
        return not outcome.refused and all(one.is_current or one.trouble for one in standings)

    async def _apply(self, zone: Rfc2136Zone, found: Difference) -> Outcome:
        new = {one.key for one in found.puts} - self._noted
        async with self._store.transaction() as tx:  # before anything is written: what may be there is remembered
            await publications.note(tx, self._zone.uid, sorted(new))
        before = frozenset(self._noted)
        self._noted |= new
        try:
            outcome = await zone.apply(found.change_set(Fence(epoch=self._epoch, generation=self._serial)))
        except ZoneNotOursError:
            await self._forget(frozenset(new))  # nothing was written: what is there is somebody else's, and stays so
            raise
        await self._forget(forgotten(found, before, outcome.refused))
        _log.info(
            "dns_zone_published",
            zone=self._zone.name,
            serial=self._serial,
            written=len(outcome.written),
            refused=len(outcome.refused),
        )
        return outcome

    async def _forget(self, keys: frozenset[Key]) -> None:
        if keys:
            async with self._store.transaction() as tx:
                await publications.forget(tx, self._zone.uid, sorted(keys))
            self._noted -= keys

    async def _lead_anew(self) -> None:
        """Take the zone back from whoever wrote later: only the leader gets through this transaction."""
        self._epoch = max(self._epoch + 1, _epoch(await self._now()))

    async def _now(self) -> datetime:
        async with self._store.transaction() as tx:
            return tx.now

    async def _standings(self, serial: int, *, is_right: bool) -> tuple[ServerStanding, ...]:
        primary, *others = self._provider.servers
        asked = await serials([ServerAddress(host=one.host, port=one.port) for one in others], self._origin)
        return (
            ServerStanding(server=primary, serial=serial, is_current=is_right),
            *(_standing(server, seen, serial) for server, seen in zip(others, asked, strict=True)),
        )

    def _unknown(self, trouble: str) -> tuple[ServerStanding, ...]:
        told = {one.server: one for one in self._told.servers}
        primary, *others = (told.get(one, ServerStanding(server=one)) for one in self._provider.servers)
        return (replace(primary, is_current=False, trouble=shortened(trouble)), *others)

    async def _tell(self, stands: Publication) -> None:
        tell_metrics(self._zone.name, stands)
        if stands != self._told:
            async with self._store.transaction() as tx:
                await publications.put(tx, self._zone.uid, stands)
            self._told = stands


def _standing(server: Endpoint, seen: int | ProviderError, serial: int) -> ServerStanding:
    if isinstance(seen, ProviderError):
        return ServerStanding(server=server, trouble=shortened(str(seen)))
    return ServerStanding(server=server, serial=seen, is_current=seen == serial)


def _canonical(planned: Mapping[Key, RecordSet], known: Mapping[Key, RecordSet]) -> dict[Key, RecordSet]:
    """What is planned, as name servers tell it; what was so before is not made again."""
    return {key: one if known.get(key) == one else _told_as(one) for key, one in planned.items()}


def _told_as(one: RecordSet) -> RecordSet:
    try:
        return wire.canonical(one)
    except ValueError:
        return one  # the provider refuses it, with the reason


def _epoch(now: datetime) -> int:
    """Of a leader: later ones have a newer one, also after a restore of the database."""
    return int(now.timestamp() * 1000)
