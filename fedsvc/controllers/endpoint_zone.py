"""A zone as objects of ExternalDNS in a member: it reads them, and writes to whatever it is set up for.

One object a name, so a name is changed whole. The object of the mark is written first, if it is still what was read: a
late writer comes no further. The others are written if they are what was read.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import orjson

from fedsvc.members.client import MemberClient, with_resource_version
from fedsvc.members.errors import MemberError, MemberStatusError
from fedsvc_dns.providers import endpoint_objects as objects
from fedsvc_dns.providers import judging
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
from fedsvc_dns.providers.marks import State, state_of
from fedsvc_dns.providers.octodns.forms import told_as
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.preparing import canonical_changes
from fedsvc_dns.providers.sending import Sent, by_name, keys_of, outcome
from fedsvc_dns.records import RecordSet

_PLANS: Final = 3
_AT_ONCE: Final = 16
"""Writes under way: names are many, and a member takes so many from its propagation as well."""
_API: Final = f"/apis/{objects.API_VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointPlace:
    """Where objects are.

    Attributes:
        client: gives the client of the cluster; raises `ProviderError` where there is none.
        cluster: its name, for messages.
        namespace: of the objects.
        labels: that they have, for those who choose by them.
    """

    client: Callable[[], Awaitable[MemberClient]]
    cluster: str
    namespace: str
    labels: Mapping[str, str]

    @property
    def path(self) -> str:
        """Of all objects."""
        return f"{_API}/namespaces/{self.namespace}/dnsendpoints"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    change: NameChange


class EndpointZone:
    """One zone; a `Provider`. Its calls wait for one another."""

    def __init__(self, claim: Claim, place: EndpointPlace) -> None:
        self._claim = claim
        self._place = place
        self._lock = asyncio.Lock()
        self._writer = secrets.token_hex(6)
        self._step = 0
        self._known: Mapping[Key, RecordSet] | None = None
        self._ours: set[Key] = set()

    async def read(self, *, may_shrink: bool = False) -> ZoneContent:
        """What the objects of the zone stand for.

        Args:
            may_shrink: believe it where more than half is gone, and not by our doing.

        Raises:
            TransferError: more than half is gone.
            ProviderError: they cannot be read.
        """
        async with self._lock:
            return self._learnt(await self._listed(may_shrink=may_shrink))

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Have the objects stand for it, as far as they may.

        Raises:
            ReadOnlyZoneError: the mode says so.
            StaleWriterError: a newer writer has been here.
            ZoneNotOursError: the objects are another's.
            ProviderError: what the others of its kind say; reading tells what was done.
        """
        self._claim.check_mode()
        changes, invalid = await asyncio.to_thread(_told_changes, changes)
        async with self._lock:
            for _ in range(_PLANS):
                try:
                    return await self._apply(changes, invalid)
                except MarkMovedError:
                    continue
        raise ProviderError(f"others write to {self._claim.origin} all the time: {_PLANS} plans came too late")

    async def _apply(self, changes: ChangeSet, invalid: tuple[Refusal, ...]) -> Outcome:
        found = await self._listed()
        before = self._learnt(found)
        state = self._claim.checked_state(_content(found, self._claim), changes)
        accepted, refused = await asyncio.to_thread(self._judged, changes, found)
        sent = Sent[_Item](refused=[*invalid, *refused])
        if not accepted and self._claim.is_written(state, changes):
            return Outcome(serial=before.serial, written=(), refused=by_name(sent.refused))
        client = await self._place.client()
        self._ours.update([(self._claim.mark, "TXT"), *(key for one in accepted for key in keys_of(one))])
        await self._write_mark(client, found, changes)
        turns = asyncio.Semaphore(_AT_ONCE)
        async with _plain_errors(), asyncio.TaskGroup() as group:
            for one in accepted:
                group.create_task(self._write(client, one, found, sent, turns), name=f"write-{one.name}")
        after = await self._listed(may_shrink=True)
        content = self._learnt(after)
        self._claim.check_last(_content(after, self._claim), changes, self._writer)
        return await asyncio.to_thread(outcome, sent, after.sets, serial=content.serial)

    def _judged(self, changes: ChangeSet, found: objects.Objects) -> tuple[tuple[NameChange, ...], list[Refusal]]:
        accepted, refused = judging.judge(changes, found.sets, self._claim.holder)
        kept: list[NameChange] = []
        more = list(refused)
        for one in accepted:
            why = self._unfit(one, found)
            if why is None:
                kept.append(one)
            else:
                more.append(why)
        return tuple(kept), more

    def _unfit(self, change: NameChange, found: objects.Objects) -> Refusal | None:
        name = change.name
        if name in found.others:
            message = f"{name} is of the object {found.others[name]}, which is not fedsvc's: remove it there first"
            return Refusal(name=name, reason=Reason.FOREIGN, message=message)
        try:
            self._object(change, found)
        except ValueError as error:
            return Refusal(name=name, reason=Reason.UNSUPPORTED, message=str(error))
        return None

    def _object(self, change: NameChange, found: objects.Objects) -> dict[str, Any] | None:
        """The object of a name as it shall be; None: there shall be none."""
        held = found.ours.get(change.name)
        sets = dict({} if held is None else held.sets)
        for key in change.deletes:
            sets.pop(key, None)
        sets |= {one.key: one for one in change.puts}
        if not sets:
            return None
        return objects.object_of(change.name, sets.values(), origin=self._claim.origin, labels=self._place.labels)

    async def _write_mark(self, client: MemberClient, found: objects.Objects, changes: ChangeSet) -> None:
        self._step += 1
        value = State(owner=self._claim.owner, fence=changes.fence, step=self._step, writer=self._writer).value()
        made = objects.mark_object(value, origin=self._claim.origin, labels=self._place.labels)
        async with _plain_errors():
            await self._apply_object(client, made, found.ours.get(self._claim.mark))

    async def _write(
        self,
        client: MemberClient,
        change: NameChange,
        found: objects.Objects,
        sent: Sent[_Item],
        turns: asyncio.Semaphore,
    ) -> None:
        made, held = self._object(change, found), found.ours.get(change.name)
        async with turns:
            try:
                if made is not None:
                    await self._apply_object(client, made, held)
                elif held is not None:
                    await self._delete(client, held)
            except MemberStatusError as error:
                if error.code not in {400, 413, 422}:
                    raise
                message = f"{change.name}: {error.message}"
                sent.refused.append(Refusal(name=change.name, reason=Reason.SERVER_REFUSED, message=message))
                return
        sent.done.append(_Item(change=change))

    async def _apply_object(self, client: MemberClient, made: dict[str, Any], held: objects.Held | None) -> None:
        """Write an object if it is still what was read.

        Raises:
            MarkMovedError: it is not.
        """
        path = f"{self._place.path}/{made['metadata']['name']}"
        body = orjson.dumps(made)
        try:
            if held is None:
                await client.apply(path, body, force=True, create_only=True)
            else:
                await client.apply(path, with_resource_version(body, held.version), force=True)
        except MemberStatusError as error:
            if error.code == 409:
                raise MarkMovedError from error
            raise

    async def _delete(self, client: MemberClient, held: objects.Held) -> None:
        try:
            await client.delete(f"{self._place.path}/{held.object_name}", uid=held.uid)
        except MemberStatusError as error:
            if error.code == 409:
                raise MarkMovedError from error
            if error.code != 404:
                raise

    async def _listed(self, *, may_shrink: bool = False) -> objects.Objects:
        client = await self._place.client()
        items: list[Any] = []
        async with _plain_errors():
            async for page in client.list_pages(self._place.path):
                items.extend(page.get("items") or ())
        found = await asyncio.to_thread(objects.read_objects, items, self._claim.origin)
        if self._known is not None and not may_shrink:
            check_shrunk(self._claim.origin, self._known, found.sets, self._ours)
        return found

    def _learnt(self, found: objects.Objects) -> ZoneContent:
        sets = found.sets
        known = sets if self._known is None else self._known
        strange = drifted(known, sets | gone(known, sets), self._ours)
        self._ours.clear()
        self._known = sets
        content = _content(found, self._claim)
        return ZoneContent(serial=content.serial, record_sets=content.record_sets, drifted=strange)


def _content(found: objects.Objects, claim: Claim) -> ZoneContent:
    sets = found.sets
    mark = sets.get((claim.mark, "TXT"))
    state = None if mark is None else state_of(mark.values[0])
    return ZoneContent(serial=0 if state is None else state.fence.generation, record_sets=MappingProxyType(sets))


def _told_changes(changes: ChangeSet) -> tuple[ChangeSet, tuple[Refusal, ...]]:
    """The change set in the form that objects tell it in, without the names that have none, and these."""
    kept, bad = canonical_changes(changes)
    return ChangeSet(fence=kept.fence, puts=tuple(map(told_as, kept.puts)), deletes=kept.deletes), bad


@contextlib.asynccontextmanager
async def _plain_errors() -> AsyncIterator[None]:
    """Have what a member says said as providers do."""
    try:
        yield
    except BaseExceptionGroup as group:
        raise _as_provider(_first(group)) from group
    except MemberError as error:
        raise _as_provider(error) from error


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner


def _as_provider(error: BaseException) -> BaseException:
    if isinstance(error, MemberStatusError):
        if error.code in {401, 403}:
            return CredentialsError(error.message)
        if error.kind_absent:
            return ServerRefusedError(
                f"the cluster does not serve {objects.KIND} in {objects.API_VERSION}: install the definition that"
                " ExternalDNS comes with"
            )
        return UnreachableError(error.message) if error.transient else ServerRefusedError(error.message)
    return UnreachableError(str(error)) if isinstance(error, MemberError) else error
