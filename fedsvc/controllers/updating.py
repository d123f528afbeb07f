"""Keeps one zone as it was planned where it is written to."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

import structlog

from fedsvc.controllers.backoff import Backoff
from fedsvc.controllers.publication import SHOWN, Difference, difference, forgotten, refusal_lines, shortened
from fedsvc.controllers.publication_metrics import tell_metrics
from fedsvc.controllers.wakeups import Signal
from fedsvc.controllers.zone_writers import WriterParts, ZoneWriter, make_writer
from fedsvc.model.zone import Zone
from fedsvc.model.zone_provider import Publication, ServerStanding, Written
from fedsvc.store import publications
from fedsvc.store.sealing import SealError
from fedsvc.store.store import Store
from fedsvc_dns.planner.idn import to_a_labels
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
from fedsvc_dns.records import RecordSet

_log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS: Final = 0.5
_MAX_RETRY_SECONDS: Final = 60.0
_BELIEVED_AFTER: Final = 3
"""Transfers in a row that say that most of a zone is gone: then it is."""


class Updating:
    """One zone at its place. Whoever runs it owns it, and leads: others find that they come too late."""

    def __init__(self, store: Store, zone: Zone, provider: Written, signal: Signal, parts: WriterParts) -> None:
        self._store = store
        self._zone = zone
        self._provider = provider
        self._signal = signal
        self._parts = parts
        self._origin = to_a_labels(zone.spec.domain)
        self._epoch = 0
        self._serial = 0
        self._planned: Mapping[Key, RecordSet] = {}
        self._noted: set[Key] = set()
        self._told = Publication()
        self._doubted = 0
        self._written_serial = 0
        self._looked_at = 0.0  # when the zone was last seen as it shall be, by the clock of the event loop

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
            writer = make_writer(self._zone, self._provider, self._parts)
        except (SealError, ValueError) as error:
            await self._tell(replace(self._told, trouble=shortened(str(error))))
            return
        backoff = Backoff(f"zone-{self._zone.name}", first=FIRST_RETRY_SECONDS, maximum=_MAX_RETRY_SECONDS)
        try:
            while True:
                is_done = await self._turn(writer)
                if is_done:
                    backoff.reset()
                due = self._due_seconds(writer)
                await self._signal.wait(timeout_seconds=due if is_done else min(due, backoff.next_seconds()))
        finally:
            await writer.close()

    async def _turn(self, writer: ZoneWriter) -> bool:
        """Look once, and write what is to be written; whether all is as it shall be, for now."""
        is_new = await self._follow(writer)
        if not self._serial:
            return True
        if not is_new and self._looked_at and self._due_seconds(writer):
            # only name servers are not as far yet: the zone itself need not be read for that
            return await self._tell_servers(writer)
        self._looked_at = 0.0
        try:
            content = await writer.read(may_shrink=self._doubted >= _BELIEVED_AFTER)
            self._doubted = 0
            found = await asyncio.to_thread(
                difference, self._planned, content, frozenset(self._noted), origin=self._origin
            )
            return await self._write(writer, content, found)
        except ProviderError as error:
            self._doubted += isinstance(error, TransferError)
            if isinstance(error, StaleWriterError):
                await self._lead_anew()
            if self._told.trouble != shortened(str(error)):
                _log.warning("dns_zone_not_published", zone=self._zone.name, message=str(error))
            servers = writer.unknown(self._told.servers, str(error))
            await self._tell(replace(self._told, trouble=shortened(str(error)), servers=servers))
            return False

    async def _follow(self, writer: ZoneWriter) -> bool:
        """Read what was planned since; whether anything was."""
        async with self._store.look() as look:
            if await publications.planned_serial(look, self._zone.uid) == self._serial:
                return False
        async with self._store.reader() as tx:
            serial, planned = await publications.planned(tx, self._zone.uid)
        self._planned = await asyncio.to_thread(_told, planned, self._planned, writer)
        self._serial = serial
        return True

    async def _write(self, writer: ZoneWriter, content: ZoneContent, found: Difference) -> bool:
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
            standings = await writer.standings(content.serial, is_right=not found.count)
            await self._tell(replace(told, waiting_count=found.count, servers=standings))
            return True
        outcome = Outcome(serial=content.serial, written=(), refused=())
        if found.count:
            outcome = await self._apply(writer, found)
        elif found.gone:
            await self._forget(found.gone)
        standings = await writer.standings(outcome.serial, is_right=True)
        await self._tell(
            replace(
                told,
                serial=self._serial,
                waiting_count=0,
                refused=refusal_lines(outcome.refused),
                refused_count=len(outcome.refused),
                servers=standings,
                publish_time=await self._stored_now() if outcome.written else told.publish_time,
            )
        )
        if outcome.refused:
            return False
        self._looked_at, self._written_serial = _now(), outcome.serial
        return _are_done(standings)

    def _due_seconds(self, writer: ZoneWriter) -> float:
        """How long what was seen last is taken to be so."""
        if not self._looked_at:
            return writer.check_seconds
        return max(0.0, self._looked_at + writer.check_seconds - _now())

    async def _tell_servers(self, writer: ZoneWriter) -> bool:
        standings = await writer.standings(self._written_serial, is_right=True)
        await self._tell(replace(self._told, servers=standings))
        return _are_done(standings)

    async def _apply(self, writer: ZoneWriter, found: Difference) -> Outcome:
        new = {one.key for one in found.puts} - self._noted
        async with self._store.transaction() as tx:  # before anything is written: what may be there is remembered
            await publications.note(tx, self._zone.uid, sorted(new))
        before = frozenset(self._noted)
        self._noted |= new
        try:
            outcome = await writer.apply(found.change_set(Fence(epoch=self._epoch, generation=self._serial)))
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
        self._epoch = max(self._epoch + 1, _epoch(await self._stored_now()))

    async def _stored_now(self) -> datetime:
        async with self._store.transaction() as tx:
            return tx.now

    async def _tell(self, stands: Publication) -> None:
        tell_metrics(self._zone.name, stands)
        if stands != self._told:
            async with self._store.transaction() as tx:
                await publications.put(tx, self._zone.uid, self._zone.name, stands)
            self._told = stands


def _are_done(standings: Iterable[ServerStanding]) -> bool:
    """Whether nobody is known to take only its time."""
    return all(one.is_current or one.trouble for one in standings)


def _told(planned: Mapping[Key, RecordSet], known: Mapping[Key, RecordSet], writer: ZoneWriter) -> dict[Key, RecordSet]:
    """What is planned, as reading tells it; what was so before is not made again."""
    return {key: one if known.get(key) == one else _told_as(one, writer) for key, one in planned.items()}


def _told_as(one: RecordSet, writer: ZoneWriter) -> RecordSet:
    try:
        return writer.told_as(one)
    except ValueError:
        return one  # applying refuses it, with the reason


def _now() -> float:
    return asyncio.get_running_loop().time()


def _epoch(now: datetime) -> int:
    """Of a leader: later ones have a newer one, also after a restore of the database."""
    return int(now.timestamp() * 1000)
