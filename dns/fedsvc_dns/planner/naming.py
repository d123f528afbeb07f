"""Pure: the names of an object, as KubeFed gave them.

For a Service S of namespace N in the zone F with the domain D:

| level | name |
| --- | --- |
| global | `S.N.F.svc.D` |
| region | `S.N.F.svc.REGION.D` |
| zone | `S.N.F.svc.ZONE.REGION.D` |
| prefix | `PREFIX.D` |

An external name takes the place of S. What differs from KubeFed: a region without zones, or a cluster without a region,
only lacks the names below it and stops nothing; AAAA records hold IPv6 addresses; names are in lower case; and once
published the global name stays (see `choosing`). In the layout `cname` the rest is as there: levels without targets are
aliases of the next level, also where that has none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from fedsvc_dns.planner.facts import Cluster, Service
from fedsvc_dns.planner.idn import to_a_labels
from fedsvc_dns.planner.zone import Zone
from fedsvc_dns.records import is_within, normal_name


class Level(StrEnum):
    """What a name stands for."""

    GLOBAL = "global"
    REGION = "region"
    ZONE = "zone"
    PREFIX = "prefix"
    HOST = "host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The names of one object; None and empty where it has none of a level."""

    origin: str
    whole: str | None = None
    prefix: str | None = None
    regions: tuple[tuple[str, str], ...] = ()
    zones: tuple[tuple[str, str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()

    @property
    def seed(self) -> str:
        """A name that is always there to draw subsets from."""
        return self.whole or (self.hosts[0] if self.hosts else self.origin)


Places = tuple[tuple[str, tuple[str, ...]], ...]


def places_of(clusters: Iterable[Cluster]) -> Places:
    """Return the regions of a fleet, each with its zones; both sorted."""
    places: dict[str, set[str]] = {}
    for cluster in clusters:
        if cluster.region:
            places.setdefault(cluster.region, set()).update(cluster.zones)
    return tuple((region, tuple(sorted(zones))) for region, zones in sorted(places.items()))


def names_of(service: Service, zone: Zone, places: Places) -> Names:
    """Return the names of an object in a zone; hosts of its rules that are not within it are told apart.

    Raises:
        ValueError: one of them is no name.
    """
    settings = service.settings
    stem = f"{settings.external_name or service.name}.{service.namespace}.{zone.name}.svc."
    hosts = (*settings.hosts, *service.hosts)
    return _names(stem if service.kind.is_service else "", zone.domain, settings.prefix, hosts, places)


@lru_cache(maxsize=65536)  # the same are asked for at every plan
def _names(stem: str, domain: str, prefix_label: str, written: tuple[str, ...], places: Places) -> Names:
    origin = to_a_labels(domain)
    hosts = {to_a_labels(host): host for host in written}
    inside = tuple(sorted(host for host in hosts if is_within(host, origin)))
    outside = tuple(sorted(hosts[host] for host in hosts if not is_within(host, origin)))
    prefix = to_a_labels(f"{prefix_label}.{origin}") if prefix_label else None
    if not stem:
        return Names(origin=origin, prefix=prefix, hosts=inside, outside=outside)
    return Names(
        origin=origin,
        whole=normal_name(f"{stem}{origin}"),
        prefix=prefix,
        regions=tuple((region, normal_name(f"{stem}{region}.{origin}")) for region, _ in places),
        zones=tuple(
            (region, inner, normal_name(f"{stem}{inner}.{region}.{origin}"))
            for region, zones in places
            for inner in zones
        ),
        hosts=inside,
        outside=outside,
    )


def name_in_cluster(cluster: str, whole: str, hostname: str = "") -> str:
    """Return the name of what answers in one cluster: SRV records need names with the addresses of one each.

    Raises:
        ValueError: it is too long.
    """
    return normal_name(f"{hostname}.{cluster}.{whole}" if hostname else f"{cluster}.{whole}")
