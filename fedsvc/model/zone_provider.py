"""Name servers of others that a zone is kept on: the intent, and how the zone stands there."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from fedsvc_dns.providers.contract import Mode
from fedsvc_dns.providers.judging import Ownership
from fedsvc_dns.providers.marks import NO_AFFIXES, ForeignMarks

DEFAULT_PORT: Final = 53
DEFAULT_ENDPOINT_NAMESPACE: Final = "external-dns"
DEFAULT_ALGORITHM: Final = "hmac-sha256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a name server is."""

    host: str
    port: int = DEFAULT_PORT

    def __str__(self) -> str:
        """For messages."""
        return f"{self.host} port {self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneKey:
    """A secret that is shared with a name server (RFC 8945)."""

    name: str
    algorithm: str = DEFAULT_ALGORITHM
    sealed: str = ""  # the secret, sealed and then in base64


@dataclass(frozen=True, slots=True, kw_only=True)
class Secondary:
    """A name server that transfers a zone."""

    server: Endpoint
    key: ZoneKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What is said of a zone that is written where others may write, too."""

    mode: Mode = Mode.WRITE
    ownership: Ownership = Ownership.ZONE
    owner: str = ""  # empty: made of the zone's uid
    take_over: tuple[str, ...] = ()
    authorities: tuple[Endpoint, ...] = ()
    foreign_marks: ForeignMarks = NO_AFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class Rfc2136(Claimed):
    """A zone is written to its primary by dynamic updates."""

    kind: Literal["rfc2136"] = "rfc2136"  # tells what is stored apart
    server: Endpoint
    key: ZoneKey

    @property
    def place(self) -> tuple[Endpoint, Ownership]:
        """What was written is remembered for one place; at another nothing was."""
        return self.server, self.ownership

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """All that answer for the zone."""
        return tuple(dict.fromkeys((self.server, *self.authorities)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Octodns(Claimed):
    """A zone is written by a provider of octoDNS."""

    kind: Literal["octodns"] = "octodns"  # as above
    account: str  # as the server's file of accounts calls it

    @property
    def place(self) -> tuple[str, Ownership]:
        """What was written is remembered for one place; at another nothing was."""
        return self.account, self.ownership

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """Those that are known to answer for the zone."""
        return tuple(dict.fromkeys(self.authorities))


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsEndpoints(Claimed):
    """A zone is written as objects of ExternalDNS; ownership is by object, so the claim says nothing of it."""

    kind: Literal["dnsEndpoints"] = "dnsEndpoints"  # as above
    cluster: str
    namespace: str = DEFAULT_ENDPOINT_NAMESPACE
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str]:
        """What was written is remembered for one place; at another nothing was."""
        return self.cluster, self.namespace

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """Those that are known to answer for the zone."""
        return tuple(dict.fromkeys(self.authorities))


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenPrimary:
    """A zone is transferred by its secondaries."""

    kind: Literal["hiddenPrimary"] = "hiddenPrimary"  # as above
    secondaries: tuple[Secondary, ...]

    @property
    def servers(self) -> tuple[Endpoint, ...]:
        """All that answer for the zone."""
        return tuple(one.server for one in self.secondaries)


Written = Rfc2136 | Octodns | DnsEndpoints
"""Providers of zones that are written to; what is written is noted, and put right where others change it."""
Provider = Written | HiddenPrimary


def keys_of(provider: Provider | None) -> Iterator[tuple[str, ZoneKey]]:
    """The keys of a provider, with the path of each within the intent of its zone."""
    match provider:
        case Rfc2136():
            yield "rfc2136.key", provider.key
        case HiddenPrimary():
            for index, one in enumerate(provider.secondaries):
                yield f"hidden_primary.secondaries[{index}].key", one.key
        case _:
            pass


def is_elsewhere(before: Provider | None, after: Provider | None) -> bool:
    """Whether what was written for one provider is not what the other finds."""
    if isinstance(before, Written) and isinstance(after, Written):
        return type(before) is not type(after) or before.place != after.place
    return type(before) is not type(after)


def moving_warnings(before: Provider | None, after: Provider | None) -> list[str]:
    """What becomes of what name servers have of a zone, where they are not kept any more."""
    if isinstance(before, Written) and is_elsewhere(before, after):
        return [
            (
                f"what was written to {written_to(before)} stays there as it is, marks included, and is not kept any"
                " more: change the delegation of the zone first, then remove it there"
            )
        ]
    if isinstance(before, HiddenPrimary):
        left = sorted(set(map(str, before.servers)) - (set() if after is None else set(map(str, after.servers))))
        if left:
            return [
                (
                    f"{', '.join(left)} can transfer the zone no more, and answer with what they have until it expires"
                    " (two weeks): change the delegation of the zone before that, then remove it there"
                )
            ]
    return []


def written_to(provider: Written) -> str:
    """Where a zone is written to, for messages."""
    match provider:
        case Rfc2136():
            return str(provider.server)
        case Octodns():
            return f"the account {provider.account} of octoDNS"
        case DnsEndpoints():
            return f"the namespace {provider.namespace} of clusters/{provider.cluster}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStanding:
    """How a zone stands on one name server."""

    server: Endpoint
    serial: int = 0  # 0: it did not say
    is_current: bool = False
    trouble: str = ""  # empty: it only takes its time


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """How a zone stands on the name servers of its provider."""

    serial: int = 0  # of the plan that they have whole, but for what is refused; 0: none
    trouble: str = ""
    refused: tuple[str, ...] = ()  # the first of them, in words
    refused_count: int = 0
    waiting_count: int = 0  # record sets, where the zone is frozen or read only
    drifted: tuple[str, ...] = ()  # "NAME TYPE" of what others changed last
    stranger_count: int = 0  # record sets that others put there
    servers: tuple[ServerStanding, ...] = ()
    publish_time: datetime | None = None
