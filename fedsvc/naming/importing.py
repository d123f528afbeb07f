"""Pure: from what was seen in members to what importing clusters shall hold, and what exports are told (KEP-1645)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from fedsvc import health
from fedsvc.model.cluster import Cluster
from fedsvc.model.sighting import (
    DERIVED,
    ENDPOINTS,
    EXPORTS,
    IMPORTS,
    NAMESPACES,
    SERVICES,
    Lookings,
    Sighting,
    created,
)
from fedsvc.naming.lookouts import service_of
from fedsvc_dns.planner.clusterset import (
    EXPORT_KIND,
    GROUP,
    IMPORT_KIND,
    SERVICE_LABEL,
    ClusterSetService,
    Condition,
    Export,
    combine,
    import_status,
    imported,
)

Manifest = Mapping[str, Any]
Name = tuple[str, str]
"""Namespace and name of a Service, the same in the whole fleet."""

_FOREVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceImport:
    """A Service that is exported, as importing clusters shall hold it.

    Attributes:
        namespace: of it.
        name: of it.
        clusters: that have the namespace, sorted.
        objects: that each of them shall hold.
        addresses: by cluster, of the derived Service there.
        withdrawn: clusters whose endpoints are left out.
    """

    namespace: str
    name: str
    clusters: tuple[str, ...]
    objects: tuple[Manifest, ...]
    addresses: Mapping[str, tuple[str, ...]]
    withdrawn: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusWrite:
    """A status that an object in a member is to be given."""

    cluster: str
    kind: str
    namespace: str
    name: str
    uid: str
    status: Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """What all exports come to.

    Attributes:
        services: that are imported.
        pending: Services that are exported, of which nothing was read yet: what is there stays.
        statuses: that differ from what was seen.
    """

    services: Mapping[Name, ServiceImport]
    pending: frozenset[Name]
    statuses: tuple[StatusWrite, ...]


def imports(
    seen: Lookings,
    clusters: Iterable[Cluster],
    *,
    withdrawn: Mapping[Name, Collection[str]],
    drained: Collection[str],
    is_held: bool,
    now: datetime,
) -> Imports:
    """Return what is to be imported, and what is to be told of it.

    Args:
        seen: in members.
        clusters: that are registered.
        withdrawn: by Service, clusters whose endpoints are left out as it stands.
        drained: clusters that traffic is kept away from.
        is_held: automation is: no endpoints are left out that were not before.
        now: of conditions that change.
    """
    fleet = {cluster.name: cluster for cluster in clusters if cluster.delete_time is None}
    lost = {name for name, cluster in fleet.items() if cluster.health.verdict is health.Verdict.UNREACHABLE}
    services: dict[Name, ServiceImport] = {}
    pending: set[Name] = set()
    statuses: list[StatusWrite] = []
    here = _namespaces(seen, fleet)
    derived = _derived(seen)
    for place, exports in sorted(_exports(seen, fleet).items()):
        before = frozenset(withdrawn.get(place, ()))
        out = frozenset(drained) | (lost & before if is_held else lost)
        known = [export for _, export in exports if export is not None]
        marked = [_with_withdrawal(export, is_withdrawn=export.cluster in out) for export in known]
        combined, conditions = combine(*place, marked)
        for sighting, export in exports:
            if export is not None:
                wanted = conditions[export.cluster]
                statuses.extend(_export_status(export.cluster, sighting, wanted, now))
        if not known:
            pending.add(place)
        if combined is None:
            continue
        services[place] = ServiceImport(
            namespace=place[0],
            name=place[1],
            clusters=here.get(place[0], ()),
            objects=tuple(imported(combined)),
            addresses={cluster: ips for (cluster, *of), ips in derived.items() if tuple(of) == place},
            withdrawn=out & {export.cluster for export in known},
        )
        statuses.extend(_import_statuses(seen, combined))
    return Imports(services=services, pending=frozenset(pending), statuses=tuple(statuses))


def _exports(seen: Lookings, fleet: Collection[str]) -> Mapping[Name, Sequence[tuple[Sighting, Export | None]]]:
    found: dict[Name, list[tuple[Sighting, Export | None]]] = defaultdict(list)
    for cluster, one in seen.of(EXPORTS):
        if cluster in fleet and not _metadata(one).get("deletionTimestamp"):
            found[one.namespace, one.name].append((one, _export(seen, cluster, one)))
    return found


def _export(seen: Lookings, cluster: str, one: Sighting) -> Export | None:
    """What an export exports; None: that was not read yet."""
    services = seen.at(cluster, SERVICES, one.namespace)
    slices = seen.at(cluster, ENDPOINTS, one.namespace)
    if services is None or slices is None:
        return None
    return Export(
        cluster=cluster,
        exported_at=created(one.body) or _FOREVER,
        service=next((service.body for service in services if service.name == one.name), None),
        slices=tuple(slice_.body for slice_ in slices if service_of(slice_) == one.name),
    )


def _with_withdrawal(export: Export, *, is_withdrawn: bool) -> Export:
    if not is_withdrawn:
        return export
    return Export(
        cluster=export.cluster,
        exported_at=export.exported_at,
        service=export.service,
        slices=export.slices,
        is_withdrawn=True,
    )


def _namespaces(seen: Lookings, fleet: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """By namespace, the clusters that have it."""
    found: dict[str, list[str]] = defaultdict(list)
    for cluster, one in seen.of(NAMESPACES):
        if cluster in fleet and (one.body.get("status") or {}).get("phase") != "Terminating":
            found[one.name].append(cluster)
    return {namespace: tuple(sorted(clusters)) for namespace, clusters in found.items()}


def _derived(seen: Lookings) -> Mapping[tuple[str, str, str], tuple[str, ...]]:
    """By cluster, namespace and name of an import, the addresses of its derived Service there."""
    found: dict[tuple[str, str, str], tuple[str, ...]] = {}
    for cluster, one in seen.of(DERIVED):
        spec = one.body.get("spec") or {}
        addresses = tuple(spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else ()))
        if addresses and (name := _labels(one).get(SERVICE_LABEL)):
            found[cluster, one.namespace, name] = addresses
    return found


def _export_status(cluster: str, one: Sighting, wanted: Sequence[Condition], now: datetime) -> Iterable[StatusWrite]:
    """The conditions of an export, where others are seen; a condition that stays keeps the time of its last change."""
    stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    before = {
        str(condition.get("type")): condition for condition in (one.body.get("status") or {}).get("conditions") or ()
    }
    made = []
    for condition in wanted:
        old = before.get(condition.type) or {}
        status = "True" if condition.status else "False"
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        made.append(
            {
                "type": condition.type,
                "status": status,
                "reason": condition.reason,
                "message": condition.message,
                "lastTransitionTime": since or stamp,
            }
        )
    shown = [{key: before.get(new["type"], {}).get(key) for key in new} for new in made]
    if shown != made or len(before) != len(made):
        yield _write(cluster, EXPORT_KIND, one, {"conditions": made})


def _import_statuses(seen: Lookings, service: ClusterSetService) -> Iterable[StatusWrite]:
    wanted = import_status(service)
    sources = [entry["cluster"] for entry in wanted["clusters"]]
    for cluster, one in seen.of(IMPORTS):
        if (one.namespace, one.name) == (service.namespace, service.name):
            told = (one.body.get("status") or {}).get("clusters") or []
            if sorted(str(entry.get("cluster")) for entry in told) != sources:
                yield _write(cluster, IMPORT_KIND, one, wanted)


def _write(cluster: str, kind: str, one: Sighting, status: Manifest) -> StatusWrite:
    uid = str(_metadata(one).get("uid") or "")
    return StatusWrite(cluster=cluster, kind=kind, namespace=one.namespace, name=one.name, uid=uid, status=status)


def status_body(one: StatusWrite, version: str) -> dict[str, Any]:
    """What is applied to the status of an object, in a version that its cluster serves."""
    metadata = {"namespace": one.namespace, "name": one.name}
    return {"apiVersion": f"{GROUP}/{version}", "kind": one.kind, "metadata": metadata, "status": dict(one.status)}


def _metadata(one: Sighting) -> Manifest:
    return one.body.get("metadata") or {}


def _labels(one: Sighting) -> Manifest:
    return _metadata(one).get("labels") or {}
