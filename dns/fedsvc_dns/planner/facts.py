"""Pure: what is seen of the world: clusters, objects, the addresses they have there, and the evidence of health."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from fedsvc_dns.planner.zone import DnsSettings, Zone


class Verdict(StrEnum):
    """What is held of a cluster; the last two are no failures but somebody's will."""

    HEALTHY = "Healthy"
    DEGRADED = "Degraded"
    SUSPECT = "Suspect"
    UNREACHABLE = "Unreachable"
    MAINTENANCE = "Maintenance"
    HIBERNATED = "Hibernated"


class Outcome(StrEnum):
    """What one probe found."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


class Presence(StrEnum):
    """Whether an object is in a cluster. Only what is known to be absent is taken to be gone."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """What an object is; Services get names by level, the others have hosts of their own."""

    SERVICE = "Service"
    HEADLESS = "HeadlessService"
    INGRESS = "Ingress"
    ROUTE = "Route"
    GATEWAY = "Gateway"

    @property
    def is_service(self) -> bool:
        """Whether it is named by the levels of the fleet."""
        return self in (Kind.SERVICE, Kind.HEADLESS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A member cluster.

    Attributes:
        name: a DNS label.
        region: empty where it is not known: then its targets have the global name only.
        zones: all that its nodes are in.
        labels: for tiers.
        weight_percent: how much of its share it gets, while it is drained bit by bit.
        is_drained: it gets nothing, since somebody wants so.
        verdict: of the health controller.
        verdict_since: since when; asked for where the verdict is `UNREACHABLE`.
    """

    name: str
    region: str = ""
    zones: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    weight_percent: int = 100
    is_drained: bool = False
    verdict: Verdict = Verdict.HEALTHY
    verdict_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The fleet: clusters that are not in it have left, and so have their targets.

    Attributes:
        zones: that are kept.
        clusters: that have joined.
        distances_ms: (region, region) -> round trip in milliseconds, for locality; either order.
    """

    zones: tuple[Zone, ...]
    clusters: tuple[Cluster, ...]
    distances_ms: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """An object that shall have names, the same in every cluster that has it.

    Attributes:
        key: what it is called in observations, memory and decisions; unique.
        kind: see there.
        namespace: of the object.
        name: of the object.
        settings: of its unit.
        hosts: of its rules, listeners or routes; those outside of the zone are left alone.
    """

    key: str
    kind: Kind
    namespace: str
    name: str
    settings: DnsSettings
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Port:
    """A port of a Service; only those with names get SRV records."""

    name: str
    port: int
    protocol: str = "TCP"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A ready endpoint of a headless Service.

    Attributes:
        id: unique within the Service in its cluster, such as the pod's name.
        addresses: of both families, where it has both.
        hostname: that it asked for; empty: none.
    """

    id: str
    addresses: tuple[str, ...]
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The last result of one vantage for one target.

    Attributes:
        vantage: who asked, such as a replica or the agent of another cluster.
        outcome: what was found.
        streak: how often in a row it was found, this time included.
        at: when.
        detail: what failed, in words: `TCP 443 timed out`.
    """

    vantage: str
    outcome: Outcome
    streak: int
    at: datetime
    detail: str = ""


def counted(previous: Probe | None, found: Probe) -> Probe:
    """A result with its streak, after the one before it. What is not known neither adds nor breaks."""
    if previous is None or found.outcome is Outcome.UNKNOWN:
        return found
    streak = previous.streak + 1 if previous.outcome is found.outcome else 1
    return Probe(vantage=found.vantage, outcome=found.outcome, streak=streak, at=found.at, detail=found.detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """What is seen of an object in one cluster: a target.

    Attributes:
        service: key of the object.
        cluster: name of the cluster.
        presence: whether it is there.
        addresses: of its load balancer, its external IPs or its gateways: IP addresses and host names.
        ready: number of ready endpoints; None: not known, or nothing that has endpoints.
        ports: as they are there.
        endpoints: of a headless Service, the ready ones.
        probes: the last result of each vantage.
    """

    service: str
    cluster: str
    presence: Presence = Presence.PRESENT
    addresses: tuple[str, ...] = ()
    ready: int | None = None
    ports: tuple[Port, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    probes: tuple[Probe, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """All that is seen. What is missing is not known, which never removes anything.

    Attributes:
        instances: at most one for each object and cluster.
        resolved: host name of a load balancer -> its addresses, as resolved in the background.
    """

    instances: tuple[Instance, ...] = ()
    resolved: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
