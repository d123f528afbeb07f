"""Pure: zones and the settings by which the objects of a unit get names in them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Layout(StrEnum):
    """What a region's or zone's name holds while nothing there is fit to answer.

    `FLAT`: the addresses of the next level up. `CNAME`: an alias of the next level's name, as KubeFed did.
    """

    FLAT = "flat"
    CNAME = "cname"


class Strategy(StrEnum):
    """Which of the targets that are fit answer.

    `ROUND_ROBIN`: all, up to the zone's number of answers. `WEIGHTED`: the same, and how much each shall get stands in
    SRV records and in the answers of a server that chooses by query: a set of addresses says nothing of weights.
    `FAILOVER`: those of the first tier that has enough. `LOCALITY`: as round robin, but the name of a region without
    targets takes those of the nearest region that has some.
    """

    ROUND_ROBIN = "roundRobin"
    WEIGHTED = "weighted"
    FAILOVER = "failover"
    LOCALITY = "locality"


class OnAllDown(StrEnum):
    """What a name holds when too few targets are fit in every tier."""

    ALL = "all"
    LAST = "last"
    SORRY = "sorry"
    NXDOMAIN = "nxdomain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many names may be removed from a zone without a confirmation.

    Attributes:
        names: so many always.
        share: or this share of the zone's names, where that is more.
        names_a_minute: and never more than so many in a minute.
    """

    names: int = 10
    share: float = 0.2
    names_a_minute: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A DNS zone that is kept.

    Attributes:
        name: of the zone as a resource; a label of the names of Services in it (KubeFed's `domainRef`).
        domain: its apex, such as `example.com`; U-labels are taken too.
        ttl_seconds: of record sets whose unit gives none.
        layout: see there.
        max_answers: at most so many endpoints answer for one name.
        is_frozen: nothing of it changes.
        budget: of removals.
    """

    name: str
    domain: str
    ttl_seconds: int = 30
    layout: Layout = Layout.FLAT
    max_answers: int = 8
    is_frozen: bool = False
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinHealthy:
    """How many targets have to be fit for them to answer alone: a number, or a share of those that could be."""

    count: int = 1
    share: float = 0.0

    def of(self, total: int) -> int:
        """How many that is of so many targets; at least one."""
        return max(1, self.count, math.ceil(round(self.share * total, 6)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Clusters that answer together: by name, by region, or by all of some labels; any of the three suffices."""

    clusters: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceBinding:
    """An HTTPS or SVCB record (RFC 9460) beside the addresses of each name.

    Attributes:
        scheme: `https` makes HTTPS records, every other scheme SVCB records at `_scheme`.
        port: where it is not the scheme's own (443 of https); then the record stands at `_port._scheme`.
        alpn: protocols that are offered, the preferred one first.
    """

    scheme: str = "https"
    port: int | None = None
    alpn: tuple[str, ...] = ("h2", "http/1.1")


class ProbeProtocol(StrEnum):
    """How a target is probed: by a connection, by GET, by GET within TLS, or by gRPC's health service."""

    TCP = "tcp"
    HTTP = "http"
    HTTPS = "https"
    GRPC = "grpc"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSettings:
    """How whoever probes finds out whether a target can be reached; the planner judges by what is found.

    Attributes:
        protocol: see there.
        port: None: the first TCP port of a Service; of what has hosts 80, or 443 with HTTPS.
        path: that is asked for.
        host: whom it is asked of; empty: the first host of the object, else the address.
        interval_seconds: between two probes.
        timeout_seconds: of one probe.
        service: that is asked for by gRPC; empty: the server as a whole.
    """

    protocol: ProbeProtocol = ProbeProtocol.TCP
    port: int | None = None
    path: str = "/"
    host: str = ""
    interval_seconds: int = 5
    timeout_seconds: int = 2
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsSettings:
    """What a unit says of the names of its objects.

    Attributes:
        zone: name of the zone.
        hosts: further names, within the zone; U-labels are taken too.
        strategy: see there.
        ttl_seconds: of all of its record sets; None: the zone's.
        min_healthy: None: one target with failover, 30 % with the others.
        on_all_down: see there; None: all.
        weights: cluster -> share of the queries, 100 where none is given. Of weight 0 is a standby: it answers when
            nothing else can.
        tiers: for failover, the first is preferred; clusters in none of them come last.
        spill: with failover, a tier that has too few is helped by the next, not replaced by it.
        prefix: one more name, `prefix.domain`, for the same as the global one.
        external_name: takes the place of the Service's name in its names.
        sorry: addresses for `OnAllDown.SORRY`.
        srv: whether named ports get SRV records.
        bindings: HTTPS and SVCB records.
        require_endpoints: whether a cluster without ready endpoints is taken to be down.
        probe: how targets are probed; None: they are not.
    """

    zone: str
    hosts: tuple[str, ...] = ()
    strategy: Strategy = Strategy.ROUND_ROBIN
    ttl_seconds: int | None = None
    min_healthy: MinHealthy | None = None
    on_all_down: OnAllDown | None = None
    weights: Mapping[str, int] = field(default_factory=dict)
    tiers: tuple[Tier, ...] = ()
    spill: bool = False
    prefix: str = ""
    external_name: str = ""
    sorry: tuple[str, ...] = ()
    srv: bool = True
    bindings: tuple[ServiceBinding, ...] = ()
    require_endpoints: bool = True
    probe: ProbeSettings | None = None

    @property
    def needed(self) -> MinHealthy:
        """What is asked of fit targets, written or by default."""
        if self.min_healthy is not None:
            return self.min_healthy
        return MinHealthy() if self.strategy is Strategy.FAILOVER else MinHealthy(share=0.3)
