"""Pure: what is to be looked for in each member, so that names and imports can be told; and no more than that."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from fedsvc.model.sighting import (
    DERIVED,
    ENDPOINTS,
    EXPORTS,
    IMPORTS,
    NAMESPACES,
    SERVICES,
    Lookings,
    Lookout,
    Sighting,
)
from fedsvc.model.zone import ForeignObjects
from fedsvc.rendering.marks import MANAGED_SELECTOR
from fedsvc_dns.planner.clusterset import EXPORT_KIND, GROUP, IMPORT_KIND, SERVICE_LABEL, VERSION

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
"""By which an EndpointSlice tells its Service."""


def service_of(slice_: Sighting) -> str:
    """The name of the Service whose EndpointSlice that is; empty: of none."""
    labels = (slice_.body.get("metadata") or {}).get("labels") or {}
    return str(labels.get(SERVICE_NAME_LABEL, ""))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class EndpointsOf:
    """A Service on a cluster whose names rest on its endpoints."""

    cluster: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedElsewhere:
    """What names rest on that no work tells.

    Attributes:
        endpoints: Services whose endpoints are looked at.
        foreign: (zone, objects) that fedsvc does not manage.
    """

    endpoints: tuple[EndpointsOf, ...] = ()
    foreign: tuple[tuple[str, ForeignObjects], ...] = ()


def lookouts(
    served: Mapping[str, Collection[tuple[str, str]]], seen: Lookings, named: NamedElsewhere | None = None
) -> dict[str, frozenset[Lookout]]:
    """Return what is to be looked for in each member.

    Args:
        served: by cluster, (group, kind) of what it serves, as far as that was surveyed.
        seen: what was found so far: who exports is looked into.
        named: what names rest on.
    """
    wanted = named or NamedElsewhere()
    exported: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # cluster, namespace, names
    for cluster, one in seen.of(EXPORTS):
        exported[cluster][one.namespace].add(one.name)
    with_names: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for service in wanted.endpoints:
        with_names[service.cluster][service.namespace].add(service.name)
    namespaces = sorted({namespace for own in exported.values() for namespace in own})
    return {
        cluster: frozenset(
            (
                *_of_exports(cluster, kinds, seen),
                *_of_imports(kinds, namespaces),
                *_of_services(exported.get(cluster, {}), with_names.get(cluster, {})),
                *_of_foreign(cluster, kinds, seen, wanted.foreign),
            )
        )
        for cluster, kinds in served.items()
    }


def _of_exports(cluster: str, kinds: Collection[tuple[str, str]], seen: Lookings) -> Iterable[Lookout]:
    is_served = (GROUP, EXPORT_KIND) in kinds
    if is_served or seen.at(cluster, EXPORTS):
        yield Lookout(purpose=EXPORTS, group=GROUP, version=VERSION, kind=EXPORT_KIND, is_served=is_served)


def _of_imports(kinds: Collection[tuple[str, str]], namespaces: Collection[str]) -> Iterable[Lookout]:
    """What imports need: whether the namespace is there, and what became of the objects that were put there."""
    if not namespaces:
        return
    yield Lookout(purpose=NAMESPACES, group="", version="v1", kind="Namespace", names=tuple(namespaces))
    if (GROUP, IMPORT_KIND) in kinds:
        yield Lookout(purpose=IMPORTS, group=GROUP, version=VERSION, kind=IMPORT_KIND, selector=MANAGED_SELECTOR)
        yield Lookout(
            purpose=DERIVED, group="", version="v1", kind="Service", selector=f"{SERVICE_LABEL},{MANAGED_SELECTOR}"
        )


def _of_foreign(
    cluster: str,
    kinds: Collection[tuple[str, str]],
    seen: Lookings,
    foreign: Iterable[tuple[str, ForeignObjects]],
) -> Iterable[Lookout]:
    for zone, one in foreign:
        found = one.lookout(zone)
        is_served = (found.group, found.kind) in kinds
        if (not one.clusters or cluster in one.clusters) and (is_served or seen.at(cluster, *found.key)):
            yield replace(found, is_served=is_served)


def _of_services(exported: Mapping[str, set[str]], named: Mapping[str, set[str]]) -> Iterable[Lookout]:
    for namespace, names in exported.items():
        yield Lookout(
            purpose=SERVICES, group="", version="v1", kind="Service", namespace=namespace, names=tuple(sorted(names))
        )
    for namespace in exported.keys() | named.keys():
        names = exported.get(namespace, set()) | named.get(namespace, set())
        yield Lookout(
            purpose=ENDPOINTS,
            group="discovery.k8s.io",
            version="v1",
            kind="EndpointSlice",
            namespace=namespace,
            label=SERVICE_NAME_LABEL,
            names=tuple(sorted(names)),
        )
