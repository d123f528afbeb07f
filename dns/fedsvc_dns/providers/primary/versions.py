"""Pure: a zone as of one serial, with how it came to be: what transfers are answered from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Protocol

from fedsvc_dns.providers.contract import Fence, Key
from fedsvc_dns.providers.judging import NameChange
from fedsvc_dns.providers.serials import following
from fedsvc_dns.records import RecordSet, normal_name, record_set

MOST_DELTAS = 1000
"""That are kept of a zone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """What the SOA of a zone says besides its serial (RFC 1035 section 3.3.13).

    Attributes:
        primary_name: a name server; the first of the secondaries', for the primary itself is not told of.
        contact: a mail address, its @ a dot.
        refresh_seconds: how often secondaries ask without being notified.
        retry_seconds: how soon after a failure.
        expire_seconds: how long they answer without having reached the primary.
        negative_seconds: how long resolvers may keep that there is nothing (RFC 2308); short, or it outlives an outage.
        ttl_seconds: of the SOA itself.
    """

    primary_name: str
    contact: str
    refresh_seconds: int = 60
    retry_seconds: int = 15
    expire_seconds: int = 14 * 86_400
    negative_seconds: int = 15
    ttl_seconds: int = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What changed from one serial to the next, in records; a set that is here holds only those that changed."""

    before: int
    after: int
    removed: tuple[RecordSet, ...]
    added: tuple[RecordSet, ...]

    @property
    def record_count(self) -> int:
        """How many records it takes to send."""
        return sum(len(one.values) for one in (*self.removed, *self.added))


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneVersion:
    """A zone as of one serial.

    Attributes:
        origin: of the zone.
        authority: for its SOA, which is not among the record sets.
        serial: of this version.
        fence: of the change that made it.
        record_sets: all of it, the apex' NS included.
        journal: how it came to be from the oldest serial that is still known, oldest first.
    """

    origin: str
    authority: Authority
    serial: int
    fence: Fence
    record_sets: Mapping[Key, RecordSet]
    journal: tuple[Delta, ...] = ()

    def soa(self, serial: int | None = None) -> RecordSet:
        """The SOA of this version, or of another serial of the same zone."""
        authority = self.authority
        numbers = (
            self.serial if serial is None else serial,
            authority.refresh_seconds,
            authority.retry_seconds,
            authority.expire_seconds,
            authority.negative_seconds,
        )
        value = f"{authority.primary_name} {authority.contact} {' '.join(str(number) for number in numbers)}"
        return RecordSet(name=self.origin, type="SOA", ttl_seconds=authority.ttl_seconds, values=(value,))


class VersionStore(Protocol):
    """Where versions are kept; all replicas that serve a zone share it. It raises `ProviderError` when out of reach."""

    async def load(self, origin: str) -> ZoneVersion | None:
        """The newest version of a zone, or None: it is not served."""
        ...

    async def save(self, version: ZoneVersion, *, replacing: ZoneVersion) -> bool:
        """Keep a version in the place of another; False where the newest has not that one's serial and fence."""
        ...


class MemoryVersions:
    """Versions that last as long as the process: a `VersionStore` for what can be planned anew."""

    def __init__(self, versions: Iterable[ZoneVersion] = ()) -> None:
        self._versions = {version.origin: version for version in versions}

    async def load(self, origin: str) -> ZoneVersion | None:
        """The newest version."""
        return self._versions.get(origin)

    async def save(self, version: ZoneVersion, *, replacing: ZoneVersion) -> bool:
        """Keep it, if nobody was faster."""
        newest = self._versions[version.origin]
        if (newest.serial, newest.fence) != (replacing.serial, replacing.fence):
            return False
        self._versions[version.origin] = version
        return True


def first_version(origin: str, name_servers: Sequence[str], contact: str, *, serial: int = 1) -> ZoneVersion:
    """A zone that holds nothing but its apex.

    Args:
        origin: of the zone.
        name_servers: names of the secondaries that answer for it.
        contact: a mail address, its @ a dot, as in `hostmaster.example.com.`.
        serial: to begin with.

    Raises:
        ValueError: there is no name server, or a name is none.
    """
    names = [normal_name(name) for name in name_servers]
    apex = record_set(origin, "NS", names, ttl_seconds=3600)
    return ZoneVersion(
        origin=normal_name(origin),
        authority=Authority(primary_name=names[0], contact=normal_name(contact)),
        serial=serial,
        fence=Fence(epoch=0, generation=0),
        record_sets=MappingProxyType({apex.key: apex}),
    )


def version_of(
    origin: str, record_sets: Iterable[RecordSet], *, fence: Fence, serial: int, journal: tuple[Delta, ...] = ()
) -> ZoneVersion:
    """A version made of all record sets of a zone, its SOA among them.

    Args:
        origin: of the zone.
        record_sets: canonical or not; of the SOA all but the serial is taken.
        fence: of the change that made it.
        serial: of this version.
        journal: how it came to be, oldest first; what does not lead to the serial is left out.

    Raises:
        ValueError: there is no SOA.
    """
    held = {one.key: one for one in record_sets}
    soa = held.pop((origin, "SOA"), None)
    if soa is None:
        raise ValueError(f"{origin} has no SOA")
    primary_name, contact, _, refresh, retry, expire, negative = soa.values[0].split()
    return ZoneVersion(
        origin=origin,
        authority=Authority(
            primary_name=primary_name,
            contact=contact,
            refresh_seconds=int(refresh),
            retry_seconds=int(retry),
            expire_seconds=int(expire),
            negative_seconds=int(negative),
            ttl_seconds=soa.ttl_seconds,
        ),
        serial=serial,
        fence=fence,
        record_sets=MappingProxyType(held),
        journal=_leading_to(serial, journal),
    )


def step(before: ZoneVersion, after: ZoneVersion) -> Delta | None:
    """How one version came to be from another; None: no difference tells it, since the SOA says more than a serial."""
    if before.authority != after.authority or before.serial == after.serial:
        return None
    removed: list[RecordSet] = []
    added: list[RecordSet] = []
    for key in sorted(before.record_sets.keys() | after.record_sets.keys()):
        held, wanted = before.record_sets.get(key), after.record_sets.get(key)
        if held != wanted:
            removed += _only(held, wanted)
            added += _only(wanted, held)
    return Delta(before=before.serial, after=after.serial, removed=tuple(removed), added=tuple(added))


def _leading_to(serial: int, journal: Sequence[Delta]) -> tuple[Delta, ...]:
    chain: list[Delta] = []
    wanted = serial
    for delta in reversed(journal):
        if delta.after != wanted:
            break
        chain.append(delta)
        wanted = delta.before
    return tuple(reversed(chain))


def advanced(version: ZoneVersion, fence: Fence, changes: Iterable[NameChange]) -> ZoneVersion:
    """The version after changes: with the following serial where they change something, else with their fence only."""
    after = dict(version.record_sets)
    removed: list[RecordSet] = []
    added: list[RecordSet] = []
    for change in changes:
        removed.extend(after.pop(key) for key in change.deletes)
        for wanted in change.puts:
            held = after.get(wanted.key)
            after[wanted.key] = wanted
            removed += _only(held, wanted)
            added += _only(wanted, held)
    if not removed and not added:
        return replace(version, fence=fence)
    serial = following(version.serial)
    delta = Delta(before=version.serial, after=serial, removed=tuple(removed), added=tuple(added))
    return replace(
        version,
        serial=serial,
        fence=fence,
        record_sets=MappingProxyType(after),
        journal=(*version.journal[-MOST_DELTAS + 1 :], delta),
    )


def renumbered(version: ZoneVersion, serial: int) -> ZoneVersion:
    """The same zone under another serial, to which no difference leads: secondaries transfer it whole."""
    return replace(version, serial=serial, journal=())


def since(version: ZoneVersion, serial: int) -> tuple[Delta, ...] | None:
    """The deltas that lead from a serial to this version; None where they are not known."""
    if serial == version.serial:
        return ()
    for number, delta in enumerate(version.journal):
        if delta.before == serial:
            return version.journal[number:]
    return None


def _only(one: RecordSet | None, other: RecordSet | None) -> list[RecordSet]:
    """The records of a set that another has not; all of them where the TTLs differ, for that is every record's."""
    if one is None:
        return []
    if other is None or one.ttl_seconds != other.ttl_seconds:
        return [one]
    values = tuple(value for value in one.values if value not in other.values)
    return [replace(one, values=values)] if values else []
