"""A zone that is kept by its server's dynamic updates (RFC 2136), signed by TSIG: BIND, Knot, PowerDNS and others.

The server holds the zone; this holds what it last knew of it and asks for the difference. Each update is fenced: it
requires the value of our mark that was written last, and writes another. So a late writer changes nothing, and after a
lost answer the mark tells whether the update was done.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import dns.rcode

from fedsvc_dns.providers import asking, judging, updates
from fedsvc_dns.providers.batching import batches
from fedsvc_dns.providers.connection import ServerAddress, ServerConnection
from fedsvc_dns.providers.contract import ChangeSet, Outcome, ProviderError, Reason, Refusal, ZoneContent
from fedsvc_dns.providers.fencing import FencedWriter, MarkMovedError
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.marks import State
from fedsvc_dns.providers.mirror import Mirror
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.preparing import canonical_changes
from fedsvc_dns.providers.sending import Sent, by_name, keys_of, outcome, send_parts

_PLANS = 3
"""Of one change set, where the mark moved between reading and writing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc2136Settings:
    """Which zone, where, and whose.

    Attributes:
        claim: which zone, and as what it is kept.
        address: of its primary.
        key: that the server allows transfers and updates to.
        most_octets: of the changes in one message.
    """

    claim: Claim
    address: ServerAddress
    key: TsigKey
    most_octets: int = 48_000

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: the size is not fit.
        """
        if not 1_000 <= self.most_octets <= updates.MOST_OCTETS:
            raise ValueError(f"most_octets {self.most_octets}: between 1000 and {updates.MOST_OCTETS}")


class Rfc2136Zone:
    """One zone; a `Provider`. Its calls wait for one another. `close` it."""

    def __init__(self, settings: Rfc2136Settings) -> None:
        self._settings = settings
        self._claim = settings.claim
        self._connection = ServerConnection(settings.address)
        self._lock = asyncio.Lock()
        self._mirror = Mirror(self._connection, settings.claim.origin, settings.key)
        self._writer = secrets.token_hex(6)
        self._step = 0

    async def close(self) -> None:
        """Close its connection."""
        await self._connection.close()

    async def read(self, *, may_shrink: bool = False) -> ZoneContent:
        """What the zone holds now, by the difference to what is known where that can be.

        Args:
            may_shrink: believe a transfer that lost more than half of the zone, and not by our doing.

        Raises:
            TransferError: the transfer is not whole, or the zone lost more than half.
            ProviderError: it cannot be read at all.
        """
        async with self._lock:
            return await self._mirror.refreshed(may_shrink=may_shrink)

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Make the zone hold it, as far as it may, and read back whether it does.

        Raises:
            ReadOnlyZoneError: the mode says so.
            StaleWriterError: a newer writer has been here.
            ZoneNotOursError: the zone is another's, or holds what nobody has marked and is not adopted.
            ServerRefusedError: the server takes no update from us at all.
            ProviderError: what the others of its kind say; reading tells what was done.
        """
        self._claim.check_mode()
        changes, invalid = await asyncio.to_thread(canonical_changes, changes)
        async with self._lock:
            for _ in range(_PLANS):
                try:
                    return await self._apply(changes, invalid)
                except MarkMovedError:
                    continue
        raise ProviderError(f"others write to {self._claim.origin} all the time: {_PLANS} plans came too late")

    async def _apply(self, changes: ChangeSet, invalid: tuple[Refusal, ...]) -> Outcome:
        before = await self._mirror.refreshed()
        state = self._claim.checked_state(before, changes)
        # thousands of names take longer than anybody else on the event loop shall wait
        items, refused = await asyncio.to_thread(self._prepared, changes, before)
        sent = Sent[updates.Item](refused=[*invalid, *refused])
        if not items and self._claim.is_written(state, changes):
            return Outcome(serial=before.serial, written=(), refused=by_name(sent.refused))
        self._mirror.expect([(self._claim.mark, "TXT"), *(key for item in items for key in keys_of(item.change))])
        # the mark is written even if nothing else is: what is planned before this comes too late from now on
        fence = FencedWriter(
            self._connection,
            self._settings.key,
            origin=self._claim.origin,
            mark=self._claim.mark,
            expected=state.value() if state else None,
            next_value=lambda: self._next_value(changes),
        )

        async def send(part: Sequence[updates.Item]) -> str:
            code = await fence.send(part)
            return "" if code == dns.rcode.NOERROR else dns.rcode.to_text(code)

        async def check() -> None:
            what = f"an update of {self._claim.origin}"
            asking.refuse_errors(await fence.send(()), what, str(self._settings.address))

        await send_parts(list(self._batches(items)) or [()], sent, send=send, check=check)
        after = await self._mirror.refreshed()
        self._claim.check_last(after, changes, self._writer)
        return await asyncio.to_thread(outcome, sent, after.record_sets, serial=after.serial)

    def _prepared(self, changes: ChangeSet, content: ZoneContent) -> tuple[list[updates.Item], list[Refusal]]:
        """What to send, and what is not sent."""
        accepted, found = judging.judge(changes, content.record_sets, self._claim.holder)
        items: list[updates.Item] = []
        refused = list(found)
        for change in accepted:
            item = updates.item(change, self._claim.origin)
            if len(item.octets) <= updates.MOST_OCTETS:
                items.append(item)
                continue
            message = (
                f"{change.name}: its records take {len(item.octets)} octets, and a message has"
                f" {updates.MOST_OCTETS} for them"
            )
            refused.append(Refusal(name=change.name, reason=Reason.TOO_BIG, message=message))
        return items, refused

    def _next_value(self, changes: ChangeSet) -> str:
        """A value of our mark that was never written before."""
        self._step += 1
        state = State(owner=self._claim.owner, fence=changes.fence, step=self._step, writer=self._writer)
        return state.value()

    def _batches(self, items: Sequence[updates.Item]) -> Sequence[tuple[updates.Item, ...]]:
        return tuple(batches(items, lambda item: len(item.octets), limit_octets=self._settings.most_octets))
