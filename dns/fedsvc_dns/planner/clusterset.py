"""Pure: Services that clusters export to each other (KEP-1645): what importing clusters shall hold.

CoreDNS' `multicluster` option answers `SERVICE.NAMESPACE.svc.clusterset.local` from these objects. Of a namespace and a
name there is one Service in the whole fleet (namespace sameness); where its exports differ, the oldest decides.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Manifest = Mapping[str, Any]

GROUP = "multicluster.x-k8s.io"
VERSION = "v1alpha1"
"""What CoreDNS reads; `v1beta1` has the same schema."""
API_VERSION = f"{GROUP}/{VERSION}"
EXPORT_KIND, IMPORT_KIND = "ServiceExport", "ServiceImport"
SERVICE_LABEL = "multicluster.kubernetes.io/service-name"
SOURCE_LABEL = "multicluster.kubernetes.io/source-cluster"
MANAGER_LABEL = "endpointslice.kubernetes.io/managed-by"
MANAGER = "fedsvc.io"
HEADLESS, CLUSTER_SET_IP = "Headless", "ClusterSetIP"
_OF_ENDPOINTS = ("addresses", "conditions", "hostname")
"""What of an endpoint means anything outside of its cluster: nodes, zones and pods are named there only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A ServiceExport of a cluster, and what it exports.

    Attributes:
        cluster: that exports; a DNS label.
        exported_at: when the ServiceExport was made.
        service: the Service of its name; None: there is none.
        slices: its EndpointSlices.
        is_withdrawn: the cluster's endpoints shall not be used, as planning decided, unless there are no others.
    """

    cluster: str
    exported_at: datetime
    service: Manifest | None
    slices: tuple[Manifest, ...] = ()
    is_withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition of a ServiceExport."""

    type: str
    status: bool
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSetService:
    """A Service of the whole fleet.

    Attributes:
        namespace: of it, in every cluster.
        name: of it.
        type: `Headless` or `ClusterSetIP`.
        ports: of all exports; of those that clash, the oldest export's.
        session_affinity: of the oldest export.
        session_affinity_config: of the oldest export; None: it has none.
        exports: those that count, the oldest first.
    """

    namespace: str
    name: str
    type: str
    ports: tuple[Manifest, ...]
    session_affinity: str
    session_affinity_config: Manifest | None
    exports: tuple[Export, ...]


def combine(
    namespace: str, name: str, exports: Iterable[Export]
) -> tuple[ClusterSetService | None, Mapping[str, tuple[Condition, ...]]]:
    """Return what exports of one name come to, None where none counts; and the conditions of each export by cluster.

    Args:
        namespace: of the exports.
        name: of the exports.
        exports: at most one of each cluster.
    """
    ordered = sorted(exports, key=lambda export: (export.exported_at, export.cluster))
    conditions = {export.cluster: [_validity(export)] for export in ordered}
    valid = [export for export in ordered if conditions[export.cluster][0].status]
    if not valid:
        return None, {cluster: tuple(found) for cluster, found in conditions.items()}
    ports, port_clash = _ports(valid)
    clashes = [
        port_clash,
        _differing(valid, _type, "TypeConflict", "type"),
        _differing(valid, _affinity, "SessionAffinityConflict", "session affinity"),
        _differing(valid, _affinity_config, "SessionAffinityConfigConflict", "configuration of session affinity"),
    ]
    conflict = _conflict([clash for clash in clashes if clash is not None])
    for export in valid:
        conditions[export.cluster] += [Condition(type="Ready", status=True, reason="Exported"), conflict]
    combined = ClusterSetService(
        namespace=namespace,
        name=name,
        type=_type(valid[0]),
        ports=ports,
        session_affinity=_affinity(valid[0]),
        session_affinity_config=_affinity_config(valid[0]),
        exports=tuple(valid),
    )
    return combined, {cluster: tuple(found) for cluster, found in conditions.items()}


def derived_name(name: str) -> str:
    """Return the name of the Service that holds the address of an imported one in a cluster; always a label."""
    return f"derived-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def imported(service: ClusterSetService) -> list[Manifest]:
    """Return the objects that clusters which have the namespace shall hold, the same in all of them.

    The address of an import is that of its derived Service, which each cluster gives: it is not told here.
    """
    objects: list[Manifest] = []
    is_headless = service.type == HEADLESS
    affinity: dict[str, Any] = {"sessionAffinity": service.session_affinity}
    if service.session_affinity_config is not None:
        affinity["sessionAffinityConfig"] = dict(service.session_affinity_config)
    ports = [dict(port) for port in service.ports]
    if not is_headless:
        objects.append(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": _metadata(service, derived_name(service.name), {SERVICE_LABEL: service.name}),
                "spec": {"type": "ClusterIP", "ports": ports, **affinity},
            }
        )
    objects.append(
        {
            "apiVersion": API_VERSION,
            "kind": IMPORT_KIND,
            "metadata": _metadata(service, service.name, {}),
            "spec": {"type": service.type, "ports": ports, **affinity},
        }
    )
    objects.extend(_slices(service, is_headless=is_headless))
    return objects


def import_status(service: ClusterSetService) -> Manifest:
    """Return what the status of an import tells in every cluster."""
    return {"clusters": [{"cluster": cluster} for cluster in sorted(export.cluster for export in service.exports)]}


def _metadata(service: ClusterSetService, name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"namespace": service.namespace, "name": name, **({"labels": dict(labels)} if labels else {})}


def _slices(service: ClusterSetService, *, is_headless: bool) -> Iterator[Manifest]:
    """The slices of all exports; those of withdrawn ones stay, without endpoints: nothing goes for a while only."""
    is_any_used = any(not export.is_withdrawn and _endpoints_of(export) for export in service.exports)
    for export in sorted(service.exports, key=lambda one: one.cluster):
        for one in sorted(export.slices, key=_name_of):
            if one.get("addressType") == "FQDN":
                continue
            # kube-proxy routes by the label of the derived Service, CoreDNS reads the others.
            labels = {SERVICE_LABEL: service.name, SOURCE_LABEL: export.cluster, MANAGER_LABEL: MANAGER}
            if not is_headless:
                labels["kubernetes.io/service-name"] = derived_name(service.name)
            yield {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": _metadata(service, _slice_name(service.name, export.cluster, _name_of(one)), labels),
                "addressType": one.get("addressType", "IPv4"),
                "ports": [dict(port) for port in one.get("ports") or ()],
                "endpoints": [] if export.is_withdrawn and is_any_used else _endpoints(one),
            }


def _name_of(one: Manifest) -> str:
    return str((one.get("metadata") or {}).get("name"))


def _slice_name(name: str, cluster: str, slice_name: str) -> str:
    """By the name of the slice that it is of: whatever comes and goes beside it, it stays the same."""
    return f"imported-{hashlib.sha256(f'{cluster}/{name}/{slice_name}'.encode()).hexdigest()[:16]}"


def _endpoints(one: Manifest) -> list[Manifest]:
    """The ready endpoints of a slice; what is not said is ready, as the API has it."""
    return [
        {key: endpoint[key] for key in _OF_ENDPOINTS if key in endpoint}
        for endpoint in one.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
    ]


def _endpoints_of(export: Export) -> bool:
    return any(_endpoints(one) for one in export.slices)


def _validity(export: Export) -> Condition:
    if export.service is None:
        return Condition(type="Valid", status=False, reason="NoService", message="there is no Service of this name")
    if _spec(export).get("type") == "ExternalName":
        message = "a Service of type ExternalName has no endpoints to export"
        return Condition(type="Valid", status=False, reason="InvalidServiceType", message=message)
    return Condition(type="Valid", status=True, reason="Valid")


def _spec(export: Export) -> Manifest:
    return (export.service or {}).get("spec") or {}


def _type(export: Export) -> str:
    return HEADLESS if _spec(export).get("clusterIP") == "None" else CLUSTER_SET_IP


def _affinity(export: Export) -> str:
    return str(_spec(export).get("sessionAffinity") or "None")


def _affinity_config(export: Export) -> Manifest | None:
    return _spec(export).get("sessionAffinityConfig") or None


def _differing(exports: Sequence[Export], part: Any, reason: str, words: str) -> tuple[str, str] | None:
    oldest = exports[0]
    others = sorted(export.cluster for export in exports if part(export) != part(oldest))
    if not others:
        return None
    return reason, f"{words}: {part(oldest)} of {oldest.cluster}, the oldest export, counts; {', '.join(others)} differ"


def _port(port: Manifest) -> dict[str, Any]:
    made = {"port": port["port"], "protocol": port.get("protocol") or "TCP"}
    return made | {key: port[key] for key in ("name", "appProtocol") if port.get(key)}


def _ports(exports: Sequence[Export]) -> tuple[tuple[Manifest, ...], tuple[str, str] | None]:
    """Return the ports of all, and where they clash: a name, or a number and protocol, is of one port only.

    No name is one too, and is only for a port that is alone: Services have it so.
    """
    kept: list[dict[str, Any]] = []
    clashing: list[str] = []
    for export in exports:
        for port in map(_port, _spec(export).get("ports") or ()):
            same = [
                one
                for one in kept
                if one.get("name") == port.get("name")
                or not (one.get("name") and port.get("name"))
                or (one["port"], one["protocol"]) == (port["port"], port["protocol"])
            ]
            if not same:
                kept.append(port)
            elif port not in same:
                shown = port.get("name") or str(port["port"])
                clashing.append(f"{shown} of {export.cluster}")
    if not clashing:
        return tuple(kept), None
    return tuple(kept), ("PortConflict", f"ports: those of the oldest export count, not {', '.join(clashing)}")


def _conflict(clashes: Sequence[tuple[str, str]]) -> Condition:
    if not clashes:
        return Condition(type="Conflict", status=False, reason="NoConflicts")
    return Condition(
        type="Conflict",
        status=True,
        reason=",".join(reason for reason, _ in clashes),
        message="; ".join(message for _, message in clashes),
    )
