"""What is known of Kubernetes' own kinds: scope, where replicas stand, and in which wave they are applied.

A kind is named by (group, kind), never by version: the facts here hold for all served versions since Kubernetes 1.20.
Unknown kinds (custom resources) have no scope here; a member's discovery tells it.
"""

import difflib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final


class Scope(StrEnum):
    """Whether objects of a kind live in a namespace."""

    NAMESPACED = "Namespaced"
    CLUSTER = "Cluster"


WAVE_UNKNOWN: Final = 5
"""The wave of kinds that are not in the table: with the workloads, after every definition and configuration."""

LAST_CONFIGURATION_WAVE: Final = 3
"""The last wave of what workloads name; what names it comes later."""

LAST_WAVE: Final = 9

_RBAC: Final = "rbac.authorization.k8s.io"
_ADMISSION: Final = "admissionregistration.k8s.io"
_NETWORKING: Final = "networking.k8s.io"
_STORAGE: Final = "storage.k8s.io"
_GATEWAY: Final = "gateway.networking.k8s.io"

CRD_GROUP: Final = "apiextensions.k8s.io"
CRD_KIND: Final = "CustomResourceDefinition"

# wave, group, cluster-scoped kinds, namespaced kinds
_TABLE: Final[tuple[tuple[int, str, str, str], ...]] = (
    (0, "", "Namespace", ""),
    (1, CRD_GROUP, CRD_KIND, ""),
    # What workloads read or are bounded by.
    (2, "", "PersistentVolume Node", "ConfigMap LimitRange ResourceQuota Secret ServiceAccount"),
    (2, _RBAC, "ClusterRole", "Role"),
    (2, _STORAGE, "CSIDriver CSINode StorageClass VolumeAttachment VolumeAttributesClass", "CSIStorageCapacity"),
    (2, "scheduling.k8s.io", "PriorityClass", ""),
    (2, "node.k8s.io", "RuntimeClass", ""),
    (2, "flowcontrol.apiserver.k8s.io", "FlowSchema PriorityLevelConfiguration", ""),
    (2, "resource.k8s.io", "DeviceClass ResourceSlice", "ResourceClaimTemplate"),
    (2, "certificates.k8s.io", "CertificateSigningRequest ClusterTrustBundle", ""),
    (2, _NETWORKING, "IngressClass IPAddress ServiceCIDR", "NetworkPolicy"),
    (2, _GATEWAY, "GatewayClass", ""),
    # What needs the wave before: bindings name roles and accounts, claims name classes.
    (3, _RBAC, "ClusterRoleBinding", "RoleBinding"),
    (3, "", "", "PersistentVolumeClaim"),
    (3, "resource.k8s.io", "", "ResourceClaim"),
    # Services before workloads: their addresses become environment variables of the pods.
    (4, "", "", "Endpoints Service"),
    (4, "discovery.k8s.io", "", "EndpointSlice"),
    (5, "", "", "Event Pod PodTemplate ReplicationController"),
    (5, "apps", "", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
    (5, "coordination.k8s.io", "", "Lease"),
    (5, "events.k8s.io", "", "Event"),
    (6, "batch", "", "CronJob Job"),
    (7, "autoscaling", "", "HorizontalPodAutoscaler"),
    (7, "policy", "", "PodDisruptionBudget"),
    # Traffic comes when there is something to answer it.
    (8, _NETWORKING, "", "Ingress"),
    (8, _GATEWAY, "", "Gateway GRPCRoute HTTPRoute ReferenceGrant TCPRoute TLSRoute UDPRoute"),
    # What stands in the way of other requests comes last: its backend should be there.
    (9, "apiregistration.k8s.io", "APIService", ""),
    (9, _ADMISSION, "MutatingWebhookConfiguration ValidatingWebhookConfiguration", ""),
    (9, _ADMISSION, "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding", ""),
    (9, _ADMISSION, "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding", ""),
)


def _scopes() -> dict[tuple[str, str], tuple[Scope, int]]:
    table: dict[tuple[str, str], tuple[Scope, int]] = {}
    for wave, group, cluster_kinds, namespaced_kinds in _TABLE:
        table |= {(group, kind): (Scope.CLUSTER, wave) for kind in cluster_kinds.split()}
        table |= {(group, kind): (Scope.NAMESPACED, wave) for kind in namespaced_kinds.split()}
    return table


_KINDS: Final[Mapping[tuple[str, str], tuple[Scope, int]]] = _scopes()

_GROUPS_OF_KIND: Final[Mapping[str, tuple[str, str]]] = {kind.lower(): (group, kind) for group, kind in _KINDS}

_REPLICA_PATHS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("apps", "Deployment"): ("/spec/replicas",),
    ("apps", "ReplicaSet"): ("/spec/replicas",),
    ("apps", "StatefulSet"): ("/spec/replicas",),
    ("", "ReplicationController"): ("/spec/replicas",),
    ("batch", "Job"): ("/spec/parallelism", "/spec/completions"),
}


def scope_of(group: str, kind: str) -> Scope | None:
    """The scope of a built-in kind; None where only a member's discovery knows."""
    known = _KINDS.get((group, kind))
    return None if known is None else known[0]


def known_kind(kind: str) -> tuple[str, str] | None:
    """The (group, kind) of a built-in kind by its name in any case, for suggestions; None where there is none."""
    return _GROUPS_OF_KIND.get(kind.lower())


def near_kind(group: str, kind: str) -> str | None:
    """The built-in kind of a group that a word may be a typing error of; None where none is near."""
    kinds = [known for known_group, known in _KINDS if known_group == group]
    return next(iter(difflib.get_close_matches(kind, kinds, n=1, cutoff=0.75)), None)


def is_known(group: str, kind: str) -> bool:
    """Whether the kind is built in."""
    return (group, kind) in _KINDS


def replica_paths(group: str, kind: str) -> tuple[str, ...]:
    """The JSON Pointers of the fields that hold the replica count; empty for kinds that cannot be divided."""
    return _REPLICA_PATHS.get((group, kind), ())


def wave_of(group: str, kind: str) -> int:
    """The wave (0 to `LAST_WAVE`) in which objects of a kind are applied; a wave begins when the one before is applied.

    Custom resources come with the workloads, so after the definitions, accounts and configuration of the same unit.
    """
    known = _KINDS.get((group, kind))
    return WAVE_UNKNOWN if known is None else known[1]


def defined_scopes(manifests: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Scope]:
    """The (group, kind) that the CustomResourceDefinitions among the manifests define, with their scope.

    Objects of these kinds can be applied only when the member serves the definition.
    """
    defined: dict[tuple[str, str], Scope] = {}
    for manifest in manifests:
        if manifest.get("kind") != CRD_KIND or not str(manifest.get("apiVersion", "")).startswith(f"{CRD_GROUP}/"):
            continue
        spec = manifest.get("spec")
        names = spec.get("names") if isinstance(spec, dict) else None
        if isinstance(spec, dict) and isinstance(names, dict):
            group, kind = spec.get("group"), names.get("kind")
            if isinstance(group, str) and isinstance(kind, str):
                defined[group, kind] = Scope.CLUSTER if spec.get("scope") == "Cluster" else Scope.NAMESPACED
    return defined
