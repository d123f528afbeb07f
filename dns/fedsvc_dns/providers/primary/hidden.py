"""The hidden primary: answers transfers of its zones from the store of versions, and keeps their secondaries current.

Any number of replicas may serve the same store. Whoever changes a zone does so through `HiddenZone`, a `Provider`.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass

import dns.rcode

from fedsvc_dns.providers import wire
from fedsvc_dns.providers.contract import (
    ChangeSet,
    Outcome,
    ProviderError,
    Reason,
    Refusal,
    StaleWriterError,
    UnreachableError,
    ZoneContent,
)
from fedsvc_dns.providers.judging import Holder, NameChange, Ownership, judge
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.preparing import canonical_changes
from fedsvc_dns.providers.primary import answers, requests
from fedsvc_dns.providers.primary.following import Follower, Secondary, Standing, following
from fedsvc_dns.providers.primary.requests import Reply, Request
from fedsvc_dns.providers.primary.serving import Listener, Listening
from fedsvc_dns.providers.primary.versions import VersionStore, ZoneVersion, advanced, renumbered
from fedsvc_dns.providers.serials import after_restore

_SAVES = 5
"""Of one change set, where another replica was faster."""
_CACHED = 8
"""Whole zones that are kept rendered; each secondary that comes up asks for the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrimaryZone:
    """A zone that is served, and by whom it is transferred; only they may."""

    origin: str
    secondaries: tuple[Secondary, ...]


class HiddenPrimary:
    """All zones of one process."""

    def __init__(
        self, store: VersionStore, zones: Sequence[PrimaryZone], listening: Listening, *, follows: bool = True
    ) -> None:
        """Serve zones.

        Args:
            store: has the versions.
            zones: which, and to whom.
            listening: where.
            follows: whether to notify their secondaries as well; no other zones can be served later then.

        Raises:
            ValueError: two keys have one name and are not the same.
        """
        self._store = store
        self._listener = Listener(listening, self._answer)
        self._follows = follows
        self._allow(zones)
        self._followers = {
            zone.origin: [Follower(zone.origin, one, store) for one in zone.secondaries] for zone in zones if follows
        }
        self._rendering = asyncio.Lock()
        self._rendered: dict[tuple[str, int, str], list[bytes]] = {}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["HiddenPrimary"]:
        """Serve and notify, until left."""
        every = [follower for followers in self._followers.values() for follower in followers]
        async with self._listener.running(), following(every):
            yield self

    def serve(self, zones: Sequence[PrimaryZone]) -> None:
        """Serve these zones from now on, and no others; for one that does not follow.

        Raises:
            ValueError: two keys have one name and are not the same; nothing changed.
            RuntimeError: secondaries are followed here.
        """
        if self._follows:
            raise RuntimeError("the zones of a primary that follows their secondaries stay as they are")
        self._allow(zones)

    def _allow(self, zones: Sequence[PrimaryZone]) -> None:
        self._keys = requests.keyring(one.key for zone in zones for one in zone.secondaries)
        self._allowed = {zone.origin: frozenset(_key_name(one.key) for one in zone.secondaries) for zone in zones}

    @property
    def port(self) -> int:
        """For UDP and TCP."""
        return self._listener.port

    @property
    def tls_port(self) -> int:
        """For TLS."""
        return self._listener.tls_port

    def wake(self, origin: str) -> None:
        """Somebody made a newer version of a zone: notify at once."""
        for follower in self._followers[origin]:
            follower.wake()

    def standings(self, origin: str) -> tuple[Standing, ...]:
        """How the secondaries of a zone stand, in the order that they are configured in."""
        return tuple(follower.standing for follower in self._followers[origin])

    async def reached(self, origin: str, serial: int, *, timeout_seconds: float) -> None:
        """Wait until all secondaries of a zone have a serial.

        Raises:
            UnreachableError: not all have it in time; says which and why.
        """
        followers = self._followers[origin]
        try:
            async with asyncio.timeout(timeout_seconds):
                for follower in followers:
                    await follower.reached(serial)
        except TimeoutError as error:
            behind = [str(follower) for follower in followers if not follower.has(serial)]
            raise UnreachableError(
                f"{origin} serial {serial} is not everywhere after {timeout_seconds:g} seconds: {'; '.join(behind)}"
            ) from error

    async def serials(self, origin: str) -> list[int]:
        """The serials that the secondaries of a zone say they have; those that do not answer are left out."""
        found = await asyncio.gather(*(one.ask_serial() for one in self._followers[origin]), return_exceptions=True)
        serials: list[int] = []
        for one in found:
            if isinstance(one, int):
                serials.append(one)
            elif not isinstance(one, ProviderError):
                raise one
        return serials

    async def _answer(self, octets: bytes, is_datagram: bool) -> list[bytes]:  # noqa: FBT001 - as `Answering` says
        asked = requests.understood(octets, self._keys)
        if asked is None:
            return []
        if isinstance(asked, Reply):
            return [asked.octets]
        if asked.key_name not in self._allowed.get(asked.origin, frozenset()):
            return [requests.failed(asked, dns.rcode.REFUSED)]
        try:
            version = await self._store.load(asked.origin)
        except ProviderError:
            version = None
        if version is None:
            return [requests.failed(asked, dns.rcode.SERVFAIL)]
        return await self._answer_from(version, asked, is_datagram=is_datagram)

    async def _answer_from(self, version: ZoneVersion, asked: Request, *, is_datagram: bool) -> list[bytes]:
        if asked.type_ == "SOA" or (asked.type_ == "IXFR" and is_datagram):
            # a difference would hardly ever fit into a datagram: the SOA alone sends the asker to TCP (RFC 1995)
            answer = answers.soa_answer(version, asked.identifier, asked.type_, edns=asked.edns)
            return [asked.signer.sign(answer)]
        if asked.type_ not in {"AXFR", "IXFR"} or is_datagram:
            return [requests.failed(asked, dns.rcode.REFUSED)]
        return _addressed(await self._transfer(version, asked), asked)

    async def _transfer(self, version: ZoneVersion, asked: Request) -> list[bytes]:
        if asked.type_ == "IXFR" and asked.since is not None:
            messages = await asyncio.to_thread(answers.difference, version, asked.since)
            if messages is not None:
                return messages
        async with self._rendering:  # all secondaries come at once, and want the same
            cached = (version.origin, version.serial, asked.type_)
            if cached not in self._rendered:
                messages = await asyncio.to_thread(answers.whole, version, asked.type_)
                while len(self._rendered) >= _CACHED:
                    del self._rendered[next(iter(self._rendered))]
                self._rendered[cached] = messages
            return self._rendered[cached]


class HiddenZone:
    """One zone of a hidden primary; a `Provider`."""

    def __init__(self, primary: HiddenPrimary, store: VersionStore, origin: str) -> None:
        self._primary = primary
        self._store = store
        self._origin = origin

    async def read(self) -> ZoneContent:
        """What the newest version holds."""
        version = await self._newest()
        return ZoneContent(serial=version.serial, record_sets=version.record_sets)

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Make the next version, and notify the secondaries; they have it soon after, see `HiddenPrimary.reached`.

        Raises:
            StaleWriterError: a newer writer has been here.
            ProviderError: the store is out of reach, or others write all the time.
        """
        changes, invalid = await asyncio.to_thread(canonical_changes, changes)
        holder = Holder(origin=self._origin, owner="", ownership=Ownership.ZONE)
        for _ in range(_SAVES):
            version = await self._newest()
            if version.fence > changes.fence:
                raise StaleWriterError(
                    f"{self._origin} was written by epoch {version.fence.epoch}, generation {version.fence.generation};"
                    f" epoch {changes.fence.epoch}, generation {changes.fence.generation} comes too late"
                )
            # thousands of names take longer than anybody else on the event loop shall wait
            after, accepted, refused = await asyncio.to_thread(_following, version, changes, holder)
            if after == version or await self._store.save(after, replacing=version):
                if after.serial != version.serial:
                    self._primary.wake(self._origin)
                refusals = sorted((*invalid, *refused), key=lambda refusal: refusal.name)
                written = tuple(sorted(change.name for change in accepted))
                return Outcome(serial=after.serial, written=written, refused=tuple(refusals))
        raise ProviderError(f"others write to {self._origin} all the time: {_SAVES} versions came too late")

    async def raise_serial(self, *, unix_seconds: int) -> int:
        """Go on with a serial that is newer than what any secondary has, after a restore from a backup.

        Without it secondaries keep what they have, which is newer, for ever.

        Args:
            unix_seconds: the time; secondaries that do not answer now are assumed not to be ahead of it.

        Returns:
            The serial.

        Raises:
            ValueError: no serial is newer than what all of them have.
            ProviderError: the store is out of reach, or others write all the time.
        """
        seen = await self._primary.serials(self._origin)
        for _ in range(_SAVES):
            version = await self._newest()
            serial = after_restore(version.serial, seen=seen, unix_seconds=unix_seconds)
            if await self._store.save(renumbered(version, serial), replacing=version):
                self._primary.wake(self._origin)
                return serial
        raise ProviderError(f"others write to {self._origin} all the time: {_SAVES} versions came too late")

    async def _newest(self) -> ZoneVersion:
        version = await self._store.load(self._origin)
        if version is None:
            raise ProviderError(f"there is no version of {self._origin}")
        return version


def _following(
    version: ZoneVersion, changes: ChangeSet, holder: Holder
) -> tuple[ZoneVersion, tuple[NameChange, ...], tuple[Refusal, ...]]:
    """The next version, with what is done and what is refused."""
    judged, refused = judge(changes, version.record_sets, holder)
    big = _too_big(judged, version.origin)
    accepted = tuple(change for change in judged if change.name not in big)
    return advanced(version, changes.fence, accepted), accepted, (*refused, *big.values())


def _addressed(messages: Iterable[bytes], asked: Request) -> list[bytes]:
    """Messages as they go to one asker: with its identifier, and signed one after the other."""
    identifier = struct.pack("!H", asked.identifier)
    return [asked.signer.sign(identifier + message[2:], more=True) for message in messages]


def _too_big(accepted: Iterable[NameChange], origin: str) -> dict[str, Refusal]:
    found: dict[str, Refusal] = {}
    for change in accepted:
        for record_set in change.puts:
            most = max(len(record) for record in wire.records(record_set, origin))
            if most > answers.MOST_OCTETS:
                message = f"{change.name}: a record of {most} octets is too big for a message: {answers.MOST_OCTETS}"
                found[change.name] = Refusal(name=change.name, reason=Reason.TOO_BIG, message=message)
    return found


def _key_name(key: TsigKey) -> str:
    return key.dns_key().name.to_text().lower()
