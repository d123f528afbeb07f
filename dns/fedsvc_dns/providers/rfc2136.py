"""A zone that is kept by its server's dynamic updates (RFC 2136), signed by TSIG: BIND, Knot, PowerDNS and others.

The server holds the zone; this holds what it last knew of it and asks for the difference. Each update is fenced: it
requires the value of our mark that was written last, and writes another. So a late writer changes nothing, and after a
lost answer the mark tells whether the update was done.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dns.rcode

from fedsvc_dns.providers import asking, judging, marks, updates
from fedsvc_dns.providers.batching import batches, halves
from fedsvc_dns.providers.connection import ServerAddress, ServerConnection
from fedsvc_dns.providers.contract import (
    ChangeSet,
    Key,
    Mode,
    Outcome,
    ProviderError,
    ReadOnlyZoneError,
    Reason,
    Refusal,
    StaleWriterError,
    ZoneContent,
    ZoneNotOursError,
)
from fedsvc_dns.providers.fencing import FencedWriter, MarkMovedError
from fedsvc_dns.providers.judging import Holder, Ownership
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.marks import ForeignMarks, State
from fedsvc_dns.providers.mirror import Mirror
from fedsvc_dns.providers.preparing import canonical_changes
from fedsvc_dns.records import RecordSet, normal_name

_PLANS = 3
"""Of one change set, where the mark moved between reading and writing."""
_MOST_REFUSALS = 64
"""Names that a server refuses, one by one, before the rest of a refused batch is not tried any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc2136Settings:
    """Which zone, where, and whose.

    Attributes:
        origin: of the zone.
        address: of its primary.
        key: that the server allows transfers and updates to.
        owner: this installation of fedsvc.
        ownership: whether the zone is ours whole, or only the record sets that we mark.
        mode: what may be done to it.
        foreign_marks: how others mark names in it.
        take_over: owners of other installations of fedsvc, whose marks become ours as they are written.
        most_octets: of the changes in one message.
    """

    origin: str
    address: ServerAddress
    key: TsigKey
    owner: str
    ownership: Ownership = Ownership.ZONE
    mode: Mode = Mode.WRITE
    foreign_marks: ForeignMarks = marks.NO_AFFIXES
    take_over: frozenset[str] = frozenset()
    most_octets: int = 48_000

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: the origin, owner or size is not fit.
        """
        if normal_name(self.origin) != self.origin:
            raise ValueError(f"origin {self.origin!r}: write it {normal_name(self.origin)!r}")
        marks.check_owner(self.owner)
        if not 1_000 <= self.most_octets <= updates.MOST_OCTETS:
            raise ValueError(f"most_octets {self.most_octets}: between 1000 and {updates.MOST_OCTETS}")


@dataclass(slots=True)
class _Sent:
    """What became of the items of one change set so far."""

    done: list[updates.Item] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    by_server: int = 0


class Rfc2136Zone:
    """One zone; a `Provider`. Its calls wait for one another. `close` it."""

    def __init__(self, settings: Rfc2136Settings) -> None:
        self._settings = settings
        self._connection = ServerConnection(settings.address)
        self._lock = asyncio.Lock()
        self._mirror = Mirror(self._connection, settings.origin, settings.key)
        self._writer = secrets.token_hex(6)
        self._step = 0
        self._mark = (
            marks.zone_mark(settings.origin)
            if settings.ownership is Ownership.ZONE
            else marks.records_mark(settings.origin, settings.owner)
        )

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
        if self._settings.mode is Mode.READ_ONLY:
            raise ReadOnlyZoneError(f"the zone {self._settings.origin} is read only: set its mode to ADOPT or WRITE")
        changes, invalid = await asyncio.to_thread(canonical_changes, changes)
        async with self._lock:
            for _ in range(_PLANS):
                try:
                    return await self._apply(changes, invalid)
                except MarkMovedError:
                    continue
        raise ProviderError(f"others write to {self._settings.origin} all the time: {_PLANS} plans came too late")

    async def _apply(self, changes: ChangeSet, invalid: tuple[Refusal, ...]) -> Outcome:
        before = await self._mirror.refreshed()
        state = self._checked_state(before, changes)
        # thousands of names take longer than anybody else on the event loop shall wait
        items, refused = await asyncio.to_thread(self._prepared, changes, before)
        sent = _Sent(refused=[*invalid, *refused])
        if not items and state is not None and (state.owner, state.fence) == (self._settings.owner, changes.fence):
            return Outcome(serial=before.serial, written=(), refused=_sorted(sent.refused))
        self._mirror.expect([(self._mark, "TXT"), *(key for item in items for key in _keys(item))])
        # the mark is written even if nothing else is: what is planned before this comes too late from now on
        fence = FencedWriter(
            self._connection,
            self._settings.key,
            origin=self._settings.origin,
            mark=self._mark,
            expected=state.value() if state else None,
            next_value=lambda: self._next_value(changes),
        )
        touched = False
        waiting = list(reversed(list(self._batches(items)) or [()]))
        while waiting:
            batch = waiting.pop()
            code = await fence.send(batch)
            if code == dns.rcode.NOERROR:
                sent.done.extend(batch)
                continue
            if not touched:
                # tells a server that refuses something from one that refuses everything
                asking.refuse_errors(await fence.send(()), f"an update of {self._settings.origin}", self._server)
                touched = True
            waiting.extend(reversed(_after_refusal(batch, code, sent)))
        after = await self._mirror.refreshed()
        return await asyncio.to_thread(self._outcome, after, changes, sent)

    def _outcome(self, after: ZoneContent, changes: ChangeSet, sent: _Sent) -> Outcome:
        state = _state(after.record_sets, self._mark)
        if state is None or state.writer != self._writer:
            seen = "no mark" if state is None else f"epoch {state.fence.epoch}, generation {state.fence.generation}"
            raise StaleWriterError(
                f"{self._settings.origin}: another writer ({seen}) came after epoch {changes.fence.epoch}, generation"
                f" {changes.fence.generation} was written, and may have changed it again"
            )
        written: list[str] = []
        for item in sent.done:
            strays = _not_so(item, after.record_sets)
            if strays:
                message = f"the server answered NOERROR, and yet {'; '.join(strays)}"
                sent.refused.append(Refusal(name=item.change.name, reason=Reason.NOT_TAKEN, message=message))
            else:
                written.append(item.change.name)
        return Outcome(serial=after.serial, written=tuple(sorted(written)), refused=_sorted(sent.refused))

    @property
    def _server(self) -> str:
        return str(self._settings.address)

    def _holder(self) -> Holder:
        settings = self._settings
        return Holder(
            origin=settings.origin,
            owner=settings.owner,
            ownership=settings.ownership,
            adopts=settings.mode is Mode.ADOPT,
            foreign_marks=settings.foreign_marks,
            take_over=settings.take_over,
        )

    def _checked_state(self, content: ZoneContent, changes: ChangeSet) -> State | None:
        """Our mark; raises where the zone is not ours, or a newer writer's."""
        origin, owner = self._settings.origin, self._settings.owner
        states = marks.zone_states(content.record_sets.values(), origin)
        whole = self._settings.ownership is Ownership.ZONE
        for name, state in states.items():
            if not self._holder().owns_as(state.owner) and (whole or name == marks.zone_mark(origin)):
                raise ZoneNotOursError(
                    f"{origin} is marked at {name} as that of the owner {state.owner}, not of {owner};"
                    " if that one is gone, name it in take_over"
                )
        ours = states.get(self._mark)
        if ours is not None and ours.owner == owner and ours.fence > changes.fence:
            raise StaleWriterError(
                f"{origin} was written by epoch {ours.fence.epoch}, generation {ours.fence.generation}; epoch"
                f" {changes.fence.epoch}, generation {changes.fence.generation} comes too late."
                " If the service was restored from a backup, raise its epoch above that"
            )
        unread = content.record_sets.get((self._mark, "TXT"))
        if unread is not None and (ours is None or unread.values != (ours.value(),)):
            raise ZoneNotOursError(
                f"{self._mark} TXT is not as fedsvc writes it: {', '.join(unread.values)};"
                " remove it, and adopt the zone"
            )
        if ours is None and whole and self._settings.mode is not Mode.ADOPT:
            held = sorted(name for name, _ in content.record_sets if name != origin)
            if held:
                raise ZoneNotOursError(
                    f"{origin} is nobody's and not empty: it has {held[0]} and {len(held) - 1} more record sets;"
                    " adopt it, or own single records in it"
                )
        return ours

    def _prepared(self, changes: ChangeSet, content: ZoneContent) -> tuple[list[updates.Item], list[Refusal]]:
        """What to send, and what is not sent."""
        accepted, found = judging.judge(changes, content.record_sets, self._holder())
        items: list[updates.Item] = []
        refused = list(found)
        for change in accepted:
            item = updates.item(change, self._settings.origin)
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
        state = State(owner=self._settings.owner, fence=changes.fence, step=self._step, writer=self._writer)
        return state.value()

    def _batches(self, items: Sequence[updates.Item]) -> Sequence[tuple[updates.Item, ...]]:
        return tuple(batches(items, lambda item: len(item.octets), limit_octets=self._settings.most_octets))


def _after_refusal(batch: Sequence[updates.Item], code: dns.rcode.Rcode, sent: _Sent) -> list[tuple[updates.Item, ...]]:
    """What of a refused batch to send next, in order; a name that is refused by itself is quarantined."""
    said = dns.rcode.to_text(code)
    if len(batch) == 1:
        sent.by_server += 1
        message = (
            f"{batch[0].change.name}: the server answers {said} to its change, and takes others; its log tells why"
        )
        sent.refused.append(Refusal(name=batch[0].change.name, reason=Reason.SERVER_REFUSED, message=message))
        return []
    if sent.by_server >= _MOST_REFUSALS:
        for item in batch:
            message = (
                f"{item.change.name}: it was in a message that the server answers {said} to, after"
                f" {_MOST_REFUSALS} names that it refuses; mend these first"
            )
            sent.refused.append(Refusal(name=item.change.name, reason=Reason.NOT_TRIED, message=message))
        return []
    first, second = halves(batch)
    return [tuple(first), tuple(second)]


def _keys(item: updates.Item) -> list[Key]:
    return [*item.change.deletes, *(record_set.key for record_set in item.change.puts)]


def _not_so(item: updates.Item, record_sets: Mapping[Key, RecordSet]) -> list[str]:
    """What is not as an item says."""
    strays = [f"{name} {type_} is still there" for name, type_ in item.change.deletes if (name, type_) in record_sets]
    for record_set in item.change.puts:
        found = record_sets.get(record_set.key)
        if found != record_set:
            holds = "is not there" if found is None else f"has TTL {found.ttl_seconds} and {', '.join(found.values)}"
            strays.append(f"{record_set.name} {record_set.type} {holds}")
    return strays


def _state(record_sets: Mapping[Key, RecordSet], mark: str) -> State | None:
    found = record_sets.get((mark, "TXT"))
    return marks.state_of(found.values[0]) if found else None


def _sorted(refused: Sequence[Refusal]) -> tuple[Refusal, ...]:
    return tuple(sorted(refused, key=lambda refusal: refusal.name))
