"""How zones are written, by the kind of their provider: what `Updating` has in common for all of them."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Final, Protocol

from fedsvc.controllers.endpoint_zone import EndpointPlace, EndpointZone
from fedsvc.controllers.publication import shortened
from fedsvc.members.client import MemberClient
from fedsvc.model.zone import Zone
from fedsvc.model.zone_provider import DnsEndpoints, Endpoint, Octodns, Rfc2136, ServerStanding, Written
from fedsvc.store import zone_keys
from fedsvc.store.sealing import Sealer
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.providers import wire
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import ChangeSet, Key, Outcome, ProviderError, ZoneContent
from fedsvc_dns.providers.marks import is_mark
from fedsvc_dns.providers.octodns.accounts import Account
from fedsvc_dns.providers.octodns.forms import told_as
from fedsvc_dns.providers.octodns.zone import OctodnsZone
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
from fedsvc_dns.providers.verifying import marked_generations, serials, verify
from fedsvc_dns.records import RecordSet

_UPDATES_CHECK_SECONDS: Final = 30.0
"""How often it is looked whether others changed a zone; where nobody did, that is one message each way."""
_ACCOUNTS_CHECK_SECONDS: Final = 300.0
"""As above, where each look lists the whole zone and counts against what an account may ask in a while."""

_ASKED: Final = 20
"""Record sets that name servers are asked for to see how far they are: those that were written last."""
_ASKING_SECONDS: Final = 10.0


class ZoneWriter(Protocol):
    """One zone, at one place; see `fedsvc_dns.providers.contract`."""

    check_seconds: float

    async def read(self, *, may_shrink: bool = False) -> ZoneContent:
        """What the zone holds now."""
        ...

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Make the zone hold it, as far as it may."""
        ...

    def told_as(self, one: RecordSet) -> RecordSet:
        """A record set in the form that reading tells it in.

        Raises:
            ValueError: it has none; applying refuses it.
        """
        ...

    async def standings(self, serial: int, *, is_right: bool) -> tuple[ServerStanding, ...]:
        """How the zone stands on all name servers that are known; `serial` and `is_right` are of what is written."""
        ...

    def unknown(self, told: Sequence[ServerStanding], trouble: str) -> tuple[ServerStanding, ...]:
        """How it stood when it was told last, now that it cannot be looked at."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterParts:
    """What writers share.

    Attributes:
        sealer: opens keys.
        accounts: of octoDNS, by name.
        client: of a cluster, by its name; raises `ProviderError` where there is none.
        turns: one at a time asks an account, whatever the zone.
    """

    sealer: Sealer
    accounts: Mapping[str, Account]
    client: Callable[[str], Awaitable[MemberClient]]
    turns: Mapping[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))


def make_writer(zone: Zone, provider: Written, parts: WriterParts) -> ZoneWriter:
    """The writer of a zone.

    Raises:
        SealError: its key does not open.
        ValueError: what is stored is no key, or names no account.
    """
    match provider:
        case Rfc2136():
            return _Updates(zone, provider, parts.sealer)
        case Octodns():
            account = parts.accounts.get(provider.account)
            if account is None:
                listed = ", ".join(sorted(parts.accounts)) or "none, since --octodns-config is not given"
                raise ValueError(
                    f"the server that leads has no account '{provider.account}' of octoDNS; it has: {listed}"
                )
            return _Bridge(zone, provider, account, parts.turns[account.name])
        case DnsEndpoints():
            return _Objects(zone, provider, parts)


def _claim(zone: Zone, provider: Written) -> Claim:
    return Claim(
        origin=to_a_labels(zone.spec.domain),
        owner=provider.owner or f"fedsvc-{zone.uid[:8]}",
        ownership=provider.ownership,
        mode=provider.mode,
        foreign_marks=provider.foreign_marks,
        take_over=frozenset(provider.take_over),
    )


class _Updates:
    """By dynamic updates."""

    check_seconds = _UPDATES_CHECK_SECONDS

    def __init__(self, zone: Zone, provider: Rfc2136, sealer: Sealer) -> None:
        claim = _claim(zone, provider)
        self._provider = provider
        self._origin = claim.origin
        key = zone_keys.opened(sealer, zone.name, provider.key)
        self._zone = Rfc2136Zone(Rfc2136Settings(claim=claim, address=_address(provider.server), key=key))
        self.read = self._zone.read
        self.apply = self._zone.apply
        self.told_as = wire.canonical
        self.close = self._zone.close

    async def standings(self, serial: int, *, is_right: bool) -> tuple[ServerStanding, ...]:
        """The primary, and the others by the serials that they tell."""
        primary, *others = self._provider.servers
        asked = await serials(list(map(_address, others)), self._origin)
        return (ServerStanding(server=primary, serial=serial, is_current=is_right), *_seen(others, asked, serial))

    def unknown(self, told: Sequence[ServerStanding], trouble: str) -> tuple[ServerStanding, ...]:
        """The trouble is the primary's."""
        known = {one.server: one for one in told}
        primary, *others = (known.get(one, ServerStanding(server=one)) for one in self._provider.servers)
        return (replace(primary, is_current=False, trouble=shortened(trouble)), *others)


class _Bridge:
    """By a provider of octoDNS."""

    check_seconds = _ACCOUNTS_CHECK_SECONDS

    def __init__(self, zone: Zone, provider: Octodns, account: Account, turn: asyncio.Lock) -> None:
        claim = _claim(zone, provider)
        self._servers = provider.servers
        self._mark = claim.mark
        self._turn = turn
        self._zone = OctodnsZone(claim, account)
        self.told_as = told_as

    async def read(self, *, may_shrink: bool = False) -> ZoneContent:
        """What the zone holds now."""
        async with self._turn:
            return await self._zone.read(may_shrink=may_shrink)

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Make the zone hold it, as far as it may."""
        async with self._turn:
            return await self._zone.apply(changes)

    async def standings(self, serial: int, *, is_right: bool) -> tuple[ServerStanding, ...]:
        """All by the mark that they have: a provider may take a while until its name servers answer by what it took."""
        del is_right
        asked = await marked_generations(list(map(_address, self._servers)), self._mark)
        return tuple(_seen(self._servers, asked, serial))

    def unknown(self, told: Sequence[ServerStanding], trouble: str) -> tuple[ServerStanding, ...]:
        """The trouble is none of the name servers'."""
        del trouble
        return tuple(told)

    async def close(self) -> None:
        """There is nothing to close: workers end with what they are asked."""


class _Objects:
    """As objects of ExternalDNS."""

    check_seconds = _UPDATES_CHECK_SECONDS

    def __init__(self, zone: Zone, provider: DnsEndpoints, parts: WriterParts) -> None:
        self._servers = provider.servers
        self._shown: Mapping[Key, RecordSet] = {}
        place = EndpointPlace(
            client=partial(parts.client, provider.cluster),
            cluster=provider.cluster,
            namespace=provider.namespace,
            labels=provider.labels,
        )
        self._zone = EndpointZone(_claim(zone, provider), place)
        self.told_as = told_as

    async def read(self, *, may_shrink: bool = False) -> ZoneContent:
        """What the objects stand for."""
        found = await self._zone.read(may_shrink=may_shrink)
        self._note(found.record_sets.values())
        return found

    async def apply(self, changes: ChangeSet) -> Outcome:
        """Have the objects stand for it, as far as they may."""
        done = await self._zone.apply(changes)
        written = set(done.written)
        self._note(one for one in changes.puts if one.name in written)
        return done

    def _note(self, sets: Iterable[RecordSet]) -> None:
        shown = (one for one in sets if not is_mark(one.name))
        self._shown = {one.key: one for one in islice(shown, _ASKED)} or self._shown

    async def standings(self, serial: int, *, is_right: bool) -> tuple[ServerStanding, ...]:
        """All by whether they answer as the objects say, of some: ExternalDNS tells nothing of when."""
        del is_right
        asked = await verify(list(map(_address, self._servers)), self._shown, timeout_seconds=_ASKING_SECONDS)
        return tuple(
            ServerStanding(
                server=server,
                serial=serial if found.agrees else 0,
                is_current=found.agrees,
                trouble=shortened(found.trouble),
            )
            for server, found in zip(self._servers, asked, strict=True)
        )

    def unknown(self, told: Sequence[ServerStanding], trouble: str) -> tuple[ServerStanding, ...]:
        """The trouble is none of the name servers'."""
        del trouble
        return tuple(told)

    async def close(self) -> None:
        """There is nothing to close: the cluster's connections are everybody's."""


def _address(one: Endpoint) -> ServerAddress:
    return ServerAddress(host=one.host, port=one.port)


def _seen(servers: Sequence[Endpoint], asked: Sequence[int | ProviderError], serial: int) -> list[ServerStanding]:
    return [
        ServerStanding(server=server, trouble=shortened(str(seen)))
        if isinstance(seen, ProviderError)
        else ServerStanding(server=server, serial=seen, is_current=seen == serial)
        for server, seen in zip(servers, asked, strict=True)
    ]
