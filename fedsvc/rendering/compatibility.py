"""Which other version of an API a cluster of another Kubernetes release serves with the same schema.

Only pairs in which every field means the same are here. Deliberately not: webhook
configurations v1beta1 (other defaults), extensions/v1beta1 workloads, Ingress v1beta1 (another shape).
Source: the Kubernetes deprecation guide; the oldest release supported is 1.20.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject, canonical_json, load_json
from fedsvc.rendering.keys import ObjectKey

_PLACES: Final = frozenset(("nodeName", "zone", "hints", "topology", "deprecatedTopology"))  # of endpoints
_RBAC: Final = ("v1", "v1beta1")

# (group, kind) -> versions with the same schema, the best first
_EQUAL: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("batch", "CronJob"): ("v1", "v1beta1"),
    ("discovery.k8s.io", "EndpointSlice"): ("v1", "v1beta1"),
    ("policy", "PodDisruptionBudget"): ("v1", "v1beta1"),
    ("autoscaling", "HorizontalPodAutoscaler"): ("v2", "v2beta2"),
    ("scheduling.k8s.io", "PriorityClass"): ("v1", "v1beta1"),
    ("node.k8s.io", "RuntimeClass"): ("v1", "v1beta1"),
    ("storage.k8s.io", "StorageClass"): ("v1", "v1beta1"),
    ("storage.k8s.io", "CSIDriver"): ("v1", "v1beta1"),
    ("storage.k8s.io", "CSIStorageCapacity"): ("v1", "v1beta1"),
    ("networking.k8s.io", "IngressClass"): ("v1", "v1beta1"),
    ("apiregistration.k8s.io", "APIService"): ("v1", "v1beta1"),
    ("rbac.authorization.k8s.io", "Role"): _RBAC,
    ("rbac.authorization.k8s.io", "RoleBinding"): _RBAC,
    ("rbac.authorization.k8s.io", "ClusterRole"): _RBAC,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _RBAC,
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): ("v1", "v1beta3", "v1beta2", "v1beta1"),
    ("gateway.networking.k8s.io", "Gateway"): ("v1", "v1beta1"),
    ("gateway.networking.k8s.io", "GatewayClass"): ("v1", "v1beta1"),
    ("gateway.networking.k8s.io", "HTTPRoute"): ("v1", "v1beta1"),
    # v1beta1 adds fields that nothing here writes.
    ("multicluster.x-k8s.io", "ServiceExport"): ("v1beta1", "v1alpha1"),
    ("multicluster.x-k8s.io", "ServiceImport"): ("v1beta1", "v1alpha1"),
}


def equal_version(group: str, version: str, kind: str, served: Collection[tuple[str, str, str]]) -> str | None:
    """The version to ask for instead, of those with the same schema that are served; None where there is none.

    Args:
        group: of the kind.
        version: that is not served.
        kind: the kind.
        served: (group, version, kind) of all that the cluster serves.
    """
    versions = _EQUAL.get((group, kind), ())
    if version not in versions:
        return None
    return next((other for other in versions if (group, other, kind) in served), None)


def served_alternative(
    key: ObjectKey, served: Collection[tuple[str, str, str]], manifest: Mapping[str, Any]
) -> str | None:
    """The apiVersion under which a cluster takes this object unchanged, where it does not serve the object's own.

    Args:
        key: the object.
        served: (group, version, kind) of all that the cluster serves.
        manifest: the object itself: a PodDisruptionBudget with an empty selector means nothing in v1beta1 and
            everything in v1, and an EndpointSlice tells places otherwise there, so these have no alternative.

    Returns:
        An apiVersion such as ``batch/v1beta1``; the object's own where it is served; None where nothing fits.
    """
    if key.gvk in served:
        return key.api_version
    if key.kind == "PodDisruptionBudget" and not _selects(manifest):
        return None
    if key.kind == "EndpointSlice" and _tells_places(manifest):
        return None
    version = equal_version(*key.gvk, served)
    return None if version is None else f"{key.group}/{version}"


def with_api_version(body: bytes, api_version: str) -> bytes:
    """The canonical bytes of the same object under another apiVersion, to be sent to a cluster that serves that one."""
    manifest: JsonObject = load_json(body)
    manifest["apiVersion"] = api_version
    return canonical_json(manifest)


def _selects(manifest: Mapping[str, Any]) -> bool:
    spec = manifest.get("spec")
    selector = spec.get("selector") if isinstance(spec, dict) else None
    return isinstance(selector, dict) and any(selector.values())


def _tells_places(manifest: Mapping[str, Any]) -> bool:
    endpoints = manifest.get("endpoints")
    return isinstance(endpoints, list) and any(
        isinstance(one, dict) and not _PLACES.isdisjoint(one) for one in endpoints
    )


def equal_versions(group: str, kind: str) -> tuple[str, ...]:
    """The versions of a kind that have the same schema, the best first; empty where none is known to have."""
    return _EQUAL.get((group, kind), ())
