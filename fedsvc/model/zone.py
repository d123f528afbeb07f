"""DNS zones: the intent, and what a zone holds."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from fedsvc.model.policy import Policy
from fedsvc.model.sighting import Lookout
from fedsvc.model.zone_provider import Provider, Publication
from fedsvc.rendering.marks import MANAGED_LABEL, MANAGED_VALUE
from fedsvc_dns.planner.zone import Budget, DnsSettings, Layout, MinHealthy, OnAllDown
from fedsvc_dns.planner.zone import Zone as PlannedZone
from fedsvc_dns.records import RecordSet

DEFAULT_TTL_SECONDS: Final = 30
FOREIGN_KINDS: Final = {
    "Service": ("", "v1"),
    "Ingress": ("networking.k8s.io", "v1"),
    "HTTPRoute": ("gateway.networking.k8s.io", "v1"),
    "Gateway": ("gateway.networking.k8s.io", "v1"),
}
"""Group and version of the kinds that somebody else's objects may have names of."""
DEFAULT_MAX_ANSWERS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NameServer:
    """One of a zone's name servers."""

    host: str
    addresses: tuple[str, ...] = ()  # where its name is within the zone


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignObjects:
    """Objects in members that fedsvc does not manage, and that have names all the same."""

    kind: str
    label_selector: str  # as API servers take it
    namespace: str = ""  # empty: all
    clusters: tuple[str, ...] = ()  # none: all
    dns: DnsSettings

    def lookout(self, zone: str) -> Lookout:
        """What finds them; the same whatever the selector, so that nothing is forgotten when that is another one."""
        group, version = FOREIGN_KINDS[self.kind]
        return Lookout(
            purpose=f"foreign {self.kind} of {zone}",
            group=group,
            version=version,
            kind=self.kind,
            namespace=self.namespace,
            selector=f"{self.label_selector},{MANAGED_LABEL}!={MANAGED_VALUE}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneSpec:
    """The intent of a zone."""

    domain: str
    ttl_seconds: int = DEFAULT_TTL_SECONDS
    layout: Layout = Layout.FLAT
    max_answers: int = DEFAULT_MAX_ANSWERS
    frozen: bool = False
    name_servers: tuple[NameServer, ...] = ()  # none: "ns" within it
    budget: Budget = field(default_factory=Budget)
    min_healthy: MinHealthy | None = None  # for units that say nothing of it, as the next
    on_all_down: OnAllDown | None = None
    provider: Provider | None = None  # None: the name server in fedsvc alone
    foreign: tuple[ForeignObjects, ...] = ()  # objects of others that have names here, too


Zone = Policy[ZoneSpec]


def planned_zone(name: str, spec: ZoneSpec) -> PlannedZone:
    """A zone as the planner knows it."""
    return PlannedZone(
        name=name,
        domain=spec.domain,
        ttl_seconds=spec.ttl_seconds,
        layout=spec.layout,
        max_answers=spec.max_answers,
        is_frozen=spec.frozen,
        budget=spec.budget,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneReport:
    """What the last plan says of a zone, beside what the zone holds."""

    held_count: int = 0  # record sets that wait
    held_reason: str = ""
    approval: str = ""  # what lets them go
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneState:
    """What a zone holds, in numbers."""

    serial: int
    record_set_count: int
    name_count: int
    report: ZoneReport
    change_time: datetime
    publication: Publication | None = None  # None: it has no provider, or was not written yet


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedName:
    """What a zone holds for a name, and why."""

    zone: str  # id of the zone
    record_sets: tuple[RecordSet, ...]
    lines: tuple[str, ...]
