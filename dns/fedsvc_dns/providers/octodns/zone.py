"""A zone that is kept by a provider of octoDNS, under our own rules: fence, marks, and what is refused.

octoDNS has no prerequisites: a worker compares our mark with what it was, at the very reading that its plan is made
of, so the time in which two writers can miss each other is that of the provider's own writing. What was written is read
back.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from fedsvc_dns.providers import judging, marks
from fedsvc_dns.providers.contract import (
    ChangeSet,
    CredentialsError,
    Key,
    Outcome,
    ProviderError,
    Reason,
    Refusal,
    ServerRefusedError,
    UnreachableError,
    ZoneContent,
)
from fedsvc_dns.providers.doubting import check_shrunk, drifted, gone
from fedsvc_dns.providers.fencing import MarkMovedError
from fedsvc_dns.providers.judging import NameChange
from fedsvc_dns.providers.marks import MARK_TTL_SECONDS, State
from fedsvc_dns.providers.octodns import forms
from fedsvc_dns.providers.octodns.accounts import Account
from fedsvc_dns.providers.octodns.asking import Ask, ask_process
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.preparing import canonical_changes
from fedsvc_dns.providers.sending import Sent, by_name, keys_of, outcome, send_parts
from fedsvc_dns.records import RecordSet

DEADLINE_SECONDS: Final = 300.0
"""For one reading or writing: Cloudflare's provider alone waits as long where it is asked too often."""
_PLANS: Final = 3
_MOST_REFUSALS: Final = 8
"""One by one: each try reads the whole zone twice."""
_ERRORS: Final[Mapping[str, type[ProviderError]]] = {"credentials": CredentialsError, "unreachable": UnreachableError}
_UNFIT: Final = {"invalid": Reason.INVALID, "unsupported": Reason.UNSUPPORTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    change: NameChange


class OctodnsZone:
    """One zone; a `Provider`. Its calls wait for one another."""

    def __init__(
        self, claim: Claim, account: Account, *, ask: Ask = ask_process, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self._claim = claim
        self._worker = _Worker(claim.origin, account, ask, deadline_seconds)
        self._lock = asyncio.Lock()
        self._writer = secrets.token_hex(6)
        self._step = 0
        self._known: ZoneContent | None = None
        self._read: ZoneContent | None = None  # and nothing was planned by it yet
        self._ours: set[Key] = set()

    async def read(self, *, may_shrink: bool = False) -> ZoneContent:
        """What the zone holds now.

        Args:
            may_shrink: believe a zone that lost more than half, and not by our doing.

        Raises:
            TransferError: it lost more than half.
            ProviderError: it cannot be read.
        """
        async with self._lock:
            self._read = await self._refreshed(may_shrink=may_shrink)
            return self._read

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Make the zone hold it, as far as it may, and read back whether it does.

        What `read` told last is planned by, once: the mark tells whether somebody wrote since.

        Raises:
            ReadOnlyZoneError: the mode says so.
            StaleWriterError: a newer writer has been here.
            ZoneNotOursError: the zone is another's, or holds what nobody has marked and is not adopted.
            ServerRefusedError: the provider takes nothing from us at all.
            ProviderError: what the others of its kind say; reading tells what was done.
        """
        self._claim.check_mode()
        changes, invalid = await asyncio.to_thread(_told_changes, changes)
        async with self._lock:
            for _ in range(_PLANS):
                before, self._read = self._read or await self._refreshed(), None
                try:
                    return await self._apply(changes, invalid, before)
                except MarkMovedError:
                    continue
        raise ProviderError(f"others write to {self._claim.origin} all the time: {_PLANS} plans came too late")

    async def _apply(self, changes: ChangeSet, invalid: tuple[Refusal, ...], before: ZoneContent) -> Outcome:
        state = self._claim.checked_state(before, changes)
        accepted, refused = await asyncio.to_thread(_judged, changes, before.record_sets, self._claim)
        sent = Sent[_Item](refused=[*invalid, *refused])
        if not accepted and self._claim.is_written(state, changes):
            return Outcome(serial=before.serial, written=(), refused=by_name(sent.refused))
        expected = state.value() if state else None
        writing = _Writing(self._worker, self._claim.mark, expected, lambda: self._next_value(changes))
        self._ours.update([(self._claim.mark, "TXT"), *(key for one in accepted for key in keys_of(one))])
        part = tuple(_Item(change=one) for one in accepted)
        await send_parts([part], sent, send=writing.send, check=writing.check, most_refusals=_MOST_REFUSALS)
        after = self._learnt(writing.held)
        self._claim.check_last(after, changes, self._writer)
        sent.refused.extend(writing.unfit.values())
        sent.done = [one for one in sent.done if one.change.name not in writing.unfit]
        return await asyncio.to_thread(outcome, sent, after.record_sets, serial=after.serial)

    async def _refreshed(self, *, may_shrink: bool = False) -> ZoneContent:
        found = await self._worker.asked({})
        held = await asyncio.to_thread(forms.read_sets, found["sets"])
        if self._known is not None and not may_shrink:
            check_shrunk(self._claim.origin, self._known.record_sets, held, self._ours)
        return self._learnt(held)

    def _learnt(self, held: dict[Key, RecordSet]) -> ZoneContent:
        known = held if self._known is None else self._known.record_sets
        strange = drifted(known, held | gone(known, held), self._ours)
        self._ours.clear()
        state = _state_of(held, self._claim.mark)
        serial = 0 if state is None else state.fence.generation  # providers do not tell that of the SOA
        self._known = ZoneContent(serial=serial, record_sets=MappingProxyType(held), drifted=strange)
        return self._known

    def _next_value(self, changes: ChangeSet) -> str:
        """A value of our mark that was never written before."""
        self._step += 1
        state = State(owner=self._claim.owner, fence=changes.fence, step=self._step, writer=self._writer)
        return state.value()


class _Worker:
    """Asks for one zone of one account."""

    def __init__(self, origin: str, account: Account, ask: Ask, deadline_seconds: float) -> None:
        self._origin = origin
        self._account = account
        self._ask = ask
        self._deadline_seconds = deadline_seconds

    async def asked(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer to what is wanted; raises what went wrong."""
        account = self._account
        provider = {"class": account.class_path, "id": account.name, "settings": account.settings}
        found = await self._ask({"provider": provider, "zone": self._origin, **wanted}, self._deadline_seconds)
        error = forms.error_of(found)
        if error is not None:
            kind, message = error
            if kind == "moved":
                raise MarkMovedError
            raise _ERRORS.get(kind, ServerRefusedError)(f"{account.name}: {message}")
        return found


class _Writing:
    """Sends the parts of one change set, each after the one before."""

    def __init__(self, worker: _Worker, mark: str, expected: str | None, next_value: Callable[[], str]) -> None:
        self._worker = worker
        self._mark = mark
        self._expected = expected
        self._next_value = next_value
        self.held: dict[Key, RecordSet] = {}
        self.unfit: dict[str, Refusal] = {}

    async def send(self, items: Sequence[_Item]) -> str:
        """Send a part, and learn what the zone holds then.

        Raises:
            MarkMovedError: somebody else wrote.
            ServerRefusedError: the provider cannot have our mark.
        """
        value = self._next_value()
        mark = RecordSet(name=self._mark, type="TXT", ttl_seconds=MARK_TTL_SECONDS, values=(value,))
        puts = {one.change.name: list(map(forms.written_set, one.change.puts)) for one in items}
        write = {
            "mark": {"name": self._mark, "expected": self._expected},
            "puts": {**puts, self._mark: [forms.written_set(mark)]},
            "deletes": {one.change.name: one.change.deletes for one in items},
        }
        found = await self._worker.asked({"write": write})
        self.held = await asyncio.to_thread(forms.read_sets, found["sets"])
        for name, (kind, message) in found["unfit"].items():
            if name == self._mark:
                raise ServerRefusedError(f"the mark of the zone is not taken: {message}")
            self.unfit[name] = Refusal(name=name, reason=_UNFIT[kind], message=f"{name}: {message}")
        said = str(found["said"])
        held = self.held.get((self._mark, "TXT"))
        if held is not None and held.values == (value,):  # one that refuses a part may have done some of it
            self._expected = value
        elif not said:
            raise MarkMovedError
        return said

    async def check(self) -> None:
        """See whether the provider takes the mark alone.

        Raises:
            ServerRefusedError: it does not.
        """
        said = await self.send(())
        if said:
            raise ServerRefusedError(f"the provider refuses every change: {said}")


def _state_of(held: Mapping[Key, RecordSet], mark: str) -> State | None:
    """What the mark of a zone says."""
    found = held.get((mark, "TXT"))
    return marks.state_of(found.values[0]) if found else None


def _judged(
    changes: ChangeSet, held: Mapping[Key, RecordSet], claim: Claim
) -> tuple[tuple[NameChange, ...], list[Refusal]]:
    """As `judging.judge`; and names that have what only the provider knows (aliases, scripts) are left alone."""
    accepted, refused = judging.judge(changes, held, claim.holder)
    others = {name: type_ for name, type_ in held if forms.is_own_type(type_)}
    messages = {
        one.name: f"{one.name} has {others[one.name]}, which is the provider's own: remove it there first"
        for one in accepted
        if one.name in others
    }
    foreign = [Refusal(name=name, reason=Reason.FOREIGN, message=text) for name, text in messages.items()]
    return tuple(one for one in accepted if one.name not in messages), [*refused, *foreign]


def _told_changes(changes: ChangeSet) -> tuple[ChangeSet, tuple[Refusal, ...]]:
    """The change set in the form that octoDNS tells it in, without the names that have none, and these."""
    kept, bad = canonical_changes(changes)
    puts = tuple(forms.told_as(one) for one in kept.puts)
    return ChangeSet(fence=kept.fence, puts=puts, deletes=kept.deletes), bad
