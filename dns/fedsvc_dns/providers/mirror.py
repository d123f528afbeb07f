"""What is known of a zone that a server holds, kept true by the differences that it sends."""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType

from fedsvc_dns.providers.connection import ServerConnection
from fedsvc_dns.providers.contract import Key, TransferError, ZoneContent
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.transfer import advanced, grouped, transfer
from fedsvc_dns.records import RecordSet

FULL_READ_SECONDS = 600.0
"""How long what was learnt by differences is believed before the zone is read whole again."""
_SHRUNK_FROM = 20
"""Record sets; a smaller zone may lose half of them without suspicion."""
_NOTHING: frozenset[Key] = frozenset()


class Mirror:
    """The last known content of one zone. Its calls are not to overlap."""

    def __init__(self, connection: ServerConnection, origin: str, key: TsigKey) -> None:
        self._connection = connection
        self._origin = origin
        self._key = key
        self._known: ZoneContent | None = None
        self._read_whole_at = 0.0

    async def refreshed(self, *, ours: AbstractSet[Key] = _NOTHING, may_shrink: bool = False) -> ZoneContent:
        """What the zone holds now, by IXFR where something is known already, else by AXFR.

        Args:
            ours: what we may have changed since the last look; it is no drift.
            may_shrink: believe a zone that lost more than half of what is not ours.

        Raises:
            TransferError: it is not whole, or lost more than half; what is known stays.
            ProviderError: it cannot be read.
        """
        known, now = self._known, asyncio.get_running_loop().time()
        since = known.serial if known is not None and now - self._read_whole_at < FULL_READ_SECONDS else None
        sent = await transfer(self._connection, self._origin, self._key, since=since)
        after: dict[Key, RecordSet] | None = None
        if sent.whole is None and known is not None and (sent.steps or sent.serial == known.serial):
            after = advanced(known.record_sets, sent.steps)
        if after is None:
            if sent.whole is None:  # the difference does not fit: what is known is wrong
                sent = await transfer(self._connection, self._origin, self._key)
            after = grouped(sent.whole or ())
            if known is not None and not may_shrink:
                self._check_shrunk(known, after, ours)
            self._read_whole_at = now
        drifted = () if known is None else _different(known.record_sets, after, ours)
        self._known = ZoneContent(serial=sent.serial, record_sets=MappingProxyType(after), drifted=drifted)
        return self._known

    def _check_shrunk(self, known: ZoneContent, after: Mapping[Key, RecordSet], ours: AbstractSet[Key]) -> None:
        before = len(known.record_sets.keys() - ours)
        left = len(after.keys() - ours)
        if before >= _SHRUNK_FROM and 2 * left < before:
            raise TransferError(
                f"{self._origin} had {before} record sets and is said to have {left}: not believed;"
                " read it with may_shrink if it is so"
            )


def _different(
    before: Mapping[Key, RecordSet], after: Mapping[Key, RecordSet], ours: AbstractSet[Key]
) -> tuple[Key, ...]:
    keys = {key for key, record_set in after.items() if before.get(key) != record_set}
    keys |= before.keys() - after.keys()
    return tuple(sorted(keys - ours))
