"""The kinds a cluster serves: the built-in table, and what a CustomResourceDefinition adds."""

from dataclasses import dataclass
from typing import Any

from fedsvc.simulator.schema import DEDUCED, Schema, from_openapi
from fedsvc.simulator.shapes import builtin_shape, custom_shape

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

KindKey = tuple[str, str]  # (group, plural)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """One kind of object, by group and plural; versions share their storage."""

    group: str
    versions: tuple[str, ...]  # served, the preferred one first
    plural: str
    kind: str
    namespaced: bool
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    verbs: tuple[str, ...] = ALL_VERBS
    custom: bool = False
    schema: Schema = DEDUCED
    schemas: dict[str, Schema] | None = None  # by version, where they differ
    structural: dict[str, dict[str, Any]] | None = None  # of custom kinds: openAPIV3Schema by version

    @property
    def key(self) -> KindKey:
        """The identity of the kind in a cluster."""
        return (self.group, self.plural)

    @property
    def qualified_plural(self) -> str:
        """``deployments.apps``, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def qualified_kind(self) -> str:
        """``Deployment.apps``, as messages name it."""
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def has_status(self) -> bool:
        """Whether the status is written through its own subresource only."""
        return "status" in self.subresources

    def api_version(self, version: str) -> str:
        """``apps/v1``, or ``v1`` in the core group."""
        return f"{self.group}/{version}" if self.group else version

    def shape(self, version: str) -> Schema:
        """The shape of the kind in one version."""
        return (self.schemas or {}).get(version, self.schema)


def _kind(
    group: str,
    version: str,
    plural: str,
    kind: str,
    *,
    short: str = "",
    cluster: bool = False,
    status: bool = False,
    scale: bool = False,
    more: tuple[str, ...] = (),
    everywhere: bool = False,
) -> Kind:
    subresources = {*more, *(("status",) if status else ()), *(("scale",) if scale else ())}
    return Kind(
        group=group,
        versions=tuple(version.split(",")),
        plural=plural,
        singular=kind.lower(),
        kind=kind,
        namespaced=not cluster,
        short_names=tuple(short.split(",")) if short else (),
        categories=("all",) if everywhere else (),
        subresources=frozenset(subresources),
        schema=builtin_shape(group, kind),
    )


_RBAC = "rbac.authorization.k8s.io"
_NETWORKING = "networking.k8s.io"

BUILTIN: tuple[Kind, ...] = (
    _kind("", "v1", "configmaps", "ConfigMap", short="cm"),
    _kind("", "v1", "endpoints", "Endpoints", short="ep"),
    _kind("", "v1", "events", "Event", short="ev"),
    _kind("", "v1", "limitranges", "LimitRange", short="limits"),
    _kind("", "v1", "namespaces", "Namespace", short="ns", cluster=True, status=True, more=("finalize",)),
    _kind("", "v1", "nodes", "Node", short="no", cluster=True, status=True),
    _kind("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", short="pvc", status=True),
    _kind("", "v1", "persistentvolumes", "PersistentVolume", short="pv", cluster=True, status=True),
    _kind("", "v1", "pods", "Pod", short="po", status=True, more=("eviction", "log"), everywhere=True),
    _kind(
        "",
        "v1",
        "replicationcontrollers",
        "ReplicationController",
        short="rc",
        status=True,
        scale=True,
        everywhere=True,
    ),
    _kind("", "v1", "resourcequotas", "ResourceQuota", short="quota", status=True),
    _kind("", "v1", "secrets", "Secret"),
    _kind("", "v1", "serviceaccounts", "ServiceAccount", short="sa", more=("token",)),
    _kind("", "v1", "services", "Service", short="svc", status=True, everywhere=True),
    _kind("apps", "v1", "controllerrevisions", "ControllerRevision"),
    _kind("apps", "v1", "daemonsets", "DaemonSet", short="ds", status=True, everywhere=True),
    _kind("apps", "v1", "deployments", "Deployment", short="deploy", status=True, scale=True, everywhere=True),
    _kind("apps", "v1", "replicasets", "ReplicaSet", short="rs", status=True, scale=True, everywhere=True),
    _kind("apps", "v1", "statefulsets", "StatefulSet", short="sts", status=True, scale=True, everywhere=True),
    _kind(
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        short="hpa",
        status=True,
        everywhere=True,
    ),
    _kind("batch", "v1", "cronjobs", "CronJob", short="cj", status=True, everywhere=True),
    _kind("batch", "v1", "jobs", "Job", status=True, everywhere=True),
    _kind(_NETWORKING, "v1", "ingresses", "Ingress", short="ing", status=True),
    _kind(_NETWORKING, "v1", "ingressclasses", "IngressClass", cluster=True),
    _kind(_NETWORKING, "v1", "networkpolicies", "NetworkPolicy", short="netpol"),
    _kind("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", short="pdb", status=True),
    _kind(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", cluster=True),
    _kind(_RBAC, "v1", "clusterroles", "ClusterRole", cluster=True),
    _kind(_RBAC, "v1", "rolebindings", "RoleBinding"),
    _kind(_RBAC, "v1", "roles", "Role"),
    _kind(
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        short="crd,crds",
        cluster=True,
        status=True,
    ),
    _kind("coordination.k8s.io", "v1", "leases", "Lease"),
    _kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    _kind("events.k8s.io", "v1", "events", "Event", short="ev"),
    _kind("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", short="pc", cluster=True),
    _kind("storage.k8s.io", "v1", "storageclasses", "StorageClass", short="sc", cluster=True),
)

# Kinds that are asked and never kept: (group, plural, kind, namespaced).
REVIEWS: tuple[tuple[str, str, str, bool], ...] = (
    ("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview", False),
    ("authentication.k8s.io", "tokenreviews", "TokenReview", False),
    ("authorization.k8s.io", "localsubjectaccessreviews", "LocalSubjectAccessReview", True),
    ("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
    ("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False),
    ("authorization.k8s.io", "subjectaccessreviews", "SubjectAccessReview", False),
)

# Kinds without metadata.generation: they have no spec that a controller observes.
WITHOUT_GENERATION = frozenset(
    {
        ("", "configmaps"),
        ("", "endpoints"),
        ("", "events"),
        ("", "limitranges"),
        ("", "namespaces"),
        ("", "nodes"),
        ("", "persistentvolumeclaims"),
        ("", "persistentvolumes"),
        ("", "pods"),
        ("", "resourcequotas"),
        ("", "secrets"),
        ("", "serviceaccounts"),
        ("", "services"),
        ("autoscaling", "horizontalpodautoscalers"),
        ("coordination.k8s.io", "leases"),
        ("discovery.k8s.io", "endpointslices"),
        ("events.k8s.io", "events"),
        (_RBAC, "clusterrolebindings"),
        (_RBAC, "clusterroles"),
        (_RBAC, "rolebindings"),
        (_RBAC, "roles"),
        ("storage.k8s.io", "storageclasses"),
    }
)


def custom_kind(definition: dict[str, Any]) -> Kind:
    """The kind a CustomResourceDefinition (apiextensions.k8s.io/v1) defines."""
    spec = definition["spec"]
    names = spec["names"]
    served = [version for version in spec["versions"] if version.get("served")]
    served.sort(key=lambda version: not version.get("storage"))
    structural = {version["name"]: (version.get("schema") or {}).get("openAPIV3Schema") or {} for version in served}
    schemas = {version: custom_shape(from_openapi(node)) for version, node in structural.items()}
    subresources: set[str] = set()
    for version in served:
        subresources.update((version.get("subresources") or {}).keys())
    return Kind(
        group=spec["group"],
        versions=tuple(version["name"] for version in served),
        plural=names["plural"],
        singular=names.get("singular") or names["kind"].lower(),
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(subresources),
        custom=True,
        schema=next(iter(schemas.values()), DEDUCED),
        schemas=schemas,
        structural=structural,
    )
