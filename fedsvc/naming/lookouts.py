"""Pure: what is to be looked for in each member, so that names and imports can be told; and no more than that."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
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
from fedsvc.rendering.marks import MANAGED_SELECTOR
from fedsvc_dns.planner.clusterset import EXPORT_KIND, GROUP, IMPORT_KIND, SERVICE_LABEL, VERSION

SERVICE_NAME_LABEL: Final = "kubernetes.io/service-name"
"""By which an EndpointSlice tells its Service."""


def service_of(slice_: Sighting) -> str:
    """The name of the Service whose EndpointSlice that is; empty: of none."""
    labels = (slice_.body.get("metadata") or {}).get("labels") or {}
    return str(labels.get(SERVICE_NAME_LABEL, ""))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class HeadlessService:
    """A headless Service of a unit that wants names, on a cluster."""

    cluster: str
    namespace: str
    name: str


def lookouts(
    served: Mapping[str, Collection[tuple[str, str]]], seen: Lookings, headless: Iterable[HeadlessService] = ()
) -> dict[str, frozenset[Lookout]]:
    """Return what is to be looked for in each member.

    Args:
        served: by cluster, (group, kind) of what it serves, as far as that was surveyed.
        seen: what was found so far: who exports is looked into.
        headless: Services whose endpoints have names.
    """
    exported: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # cluster, namespace, names
    for cluster, one in seen.of(EXPORTS):
        exported[cluster][one.namespace].add(one.name)
    named: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for service in headless:
        named[service.cluster][service.namespace].add(service.name)
    namespaces = sorted({namespace for own in exported.values() for namespace in own})
    return {
        cluster: frozenset(
            (
                *_of_exports(cluster, kinds, seen),
                *_of_imports(kinds, namespaces),
                *_of_services(exported.get(cluster, {}), named.get(cluster, {})),
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
