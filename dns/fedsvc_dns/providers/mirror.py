"""What is known of a zone that a server holds, kept true by the differences that it sends."""

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from fedsvc_dns.providers.connection import ServerConnection
from fedsvc_dns.providers.contract import Key, ZoneContent
from fedsvc_dns.providers.doubting import check_shrunk, drifted, gone
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.transfer import advanced, changed, grouped, transfer
from fedsvc_dns.records import RecordSet

FULL_READ_SECONDS = 600.0
"""How long what was learnt by differences is believed before the zone is read whole again."""


class Mirror:
    """The last known content of one zone. Its calls are not to overlap."""

    def __init__(self, connection: ServerConnection, origin: str, key: TsigKey) -> None:
        self._connection = connection
        self._origin = origin
        self._key = key
        self._known: ZoneContent | None = None
        self._read_whole_at = 0.0
        self._ours: set[Key] = set()

    def expect(self, keys: Iterable[Key]) -> None:
        """Say what we are about to change: until the next look it is no drift."""
        self._ours.update(keys)

    async def refreshed(self, *, may_shrink: bool = False) -> ZoneContent:
        """What the zone holds now, by IXFR where something is known already, else by AXFR.

        Args:
            may_shrink: believe a zone that lost more than half of what is not ours.

        Raises:
            TransferError: it is not whole, or lost more than half; what is known stays.
            ProviderError: it cannot be read.
        """
        known, now = self._known, asyncio.get_running_loop().time()
        since = known.serial if known is not None and now - self._read_whole_at < FULL_READ_SECONDS else None
        sent = await transfer(self._connection, self._origin, self._key, since=since)
        if sent.whole is None and known is not None and (sent.steps or sent.serial == known.serial):
            found = await asyncio.to_thread(changed, known.record_sets, sent.steps)
            if found is not None:
                return self._learnt(sent.serial, advanced(known.record_sets, found), found)
        if sent.whole is None:  # the difference does not fit: what is known is wrong
            sent = await transfer(self._connection, self._origin, self._key)
        after = await asyncio.to_thread(grouped, sent.whole or ())
        if known is not None and not may_shrink:
            check_shrunk(self._origin, known.record_sets, after, self._ours)
        self._read_whole_at = now
        held = known.record_sets if known is not None else after
        return self._learnt(sent.serial, after, after | gone(held, after))

    def _learnt(
        self, serial: int, record_sets: dict[Key, RecordSet], found: Mapping[Key, RecordSet | None]
    ) -> ZoneContent:
        held = self._known.record_sets if self._known is not None else record_sets
        strange = drifted(held, found, self._ours)
        self._ours.clear()
        self._known = ZoneContent(serial=serial, record_sets=MappingProxyType(record_sets), drifted=strange)
        return self._known
