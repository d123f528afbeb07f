"""What an object names and cannot do without where it runs: configuration, secrets, accounts and claims of its pods.

Pod templates are found by where Kubernetes' own kinds have them. In a custom kind every `template` counts whose spec
lists containers, wherever it is: that is the shape by which Argo Rollouts, OpenKruise, Volcano, Ray, Kubeflow and
Knative embed one. Besides pods: an Ingress' and a Gateway's certificates, and the secrets of a ServiceAccount.

Not among them: what a StatefulSet's claim templates and ephemeral volumes make for themselves, and classes (storage,
priority, runtime), which are each cluster's own.
(https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.kinds import is_known

CONFIG_MAP: Final = ("", "ConfigMap")
SECRET: Final = ("", "Secret")
SERVICE_ACCOUNT: Final = ("", "ServiceAccount")
CLAIM: Final = ("", "PersistentVolumeClaim")

NAMING_NOTHING: Final = (CONFIG_MAP, SECRET, CLAIM)
"""Kinds that are named and name nothing themselves."""

_RESOURCE: Final = "resource.k8s.io"
_PROVIDER_CLASS: Final = ("secrets-store.csi.x-k8s.io", "SecretProviderClass")
_PROVIDER_DRIVER: Final = "secrets-store.csi.k8s.io"
_GATEWAY: Final = ("gateway.networking.k8s.io", "Gateway")
_INGRESS: Final = ("networking.k8s.io", "Ingress")

# In every namespace of every cluster, made by the cluster itself.
_EVERYWHERE: Final = frozenset({(SERVICE_ACCOUNT, "default"), (CONFIG_MAP, "kube-root-ca.crt")})

_POD_SPECS: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "Pod"): ("spec",),
    ("", "PodTemplate"): ("template", "spec"),
    ("", "ReplicationController"): ("spec", "template", "spec"),
    ("apps", "DaemonSet"): ("spec", "template", "spec"),
    ("apps", "Deployment"): ("spec", "template", "spec"),
    ("apps", "ReplicaSet"): ("spec", "template", "spec"),
    ("apps", "StatefulSet"): ("spec", "template", "spec"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template", "spec"),
    ("batch", "Job"): ("spec", "template", "spec"),
}

_CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")
# Volumes of storage systems that read a Secret: where its name stands.
_SECRET_VOLUMES: Final[Mapping[str, tuple[str, ...]]] = {
    "azureFile": ("secretName",),
    "cephfs": ("secretRef", "name"),
    "csi": ("nodePublishSecretRef", "name"),
    "flexVolume": ("secretRef", "name"),
    "iscsi": ("secretRef", "name"),
    "rbd": ("secretRef", "name"),
    "scaleIO": ("secretRef", "name"),
    "storageos": ("secretRef", "name"),
}
_MAX_DEPTH: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Reference:
    """An object that another one names."""

    group: str
    kind: str
    namespace: str
    name: str
    optional: bool = False  # what names it runs without it, or it is in every cluster already

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """(group, kind, namespace, name), as that of `ObjectKey`."""
        return (self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


_Found = tuple[tuple[str, str], str, bool]
"""(group, kind), name, whether it is optional."""


def names_others(group: str, kind: str) -> bool:
    """Whether objects of a kind may name others."""
    known = (group, kind) in _POD_SPECS or (group, kind) in (SERVICE_ACCOUNT, _INGRESS, _GATEWAY)
    return known or not is_known(group, kind)


def references_of(key: ObjectKey, manifest: Mapping[str, Any]) -> tuple[Reference, ...]:
    """What an object names, each once, sorted; what has another shape than expected names nothing.

    Args:
        key: its identity; what it names is in its namespace, but for certificates of a Gateway that say otherwise.
        manifest: the object.
    """
    namespace = key.namespace or "default"
    # What one place cannot do without is not optional, whatever another says.
    needed: dict[tuple[str, str, str, str], bool] = {}
    for (group, kind), name, optional in _named(key, manifest):
        place, _, plain = name.rpartition("/")
        identity = (group, kind, place or namespace, plain)
        is_optional = optional or ((group, kind), plain) in _EVERYWHERE
        needed[identity] = needed.get(identity, True) and is_optional
    return tuple(
        Reference(group=group, kind=kind, namespace=place, name=name, optional=optional)
        for (group, kind, place, name), optional in sorted(needed.items())
    )


def _named(key: ObjectKey, manifest: Mapping[str, Any]) -> Iterator[_Found]:
    if key.group_kind == SERVICE_ACCOUNT:
        for field in ("secrets", "imagePullSecrets"):
            yield from _names(manifest, field, SECRET)
    elif key.group_kind == _INGRESS:
        for entry in _items(_part(manifest, "spec"), "tls"):
            yield from _name(entry, ("secretName",), SECRET)
    elif key.group_kind == _GATEWAY:
        yield from _certificates(manifest)
    elif (path := _POD_SPECS.get(key.group_kind)) is not None:
        yield from _of_pod(_part(manifest, *path))
    elif not is_known(*key.group_kind):
        for spec in _embedded(manifest, 0):
            yield from _of_pod(spec)


def _embedded(value: Any, depth: int) -> Iterator[Mapping[str, Any]]:
    """The pod specs somewhere below a value."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value:
            yield from _embedded(item, depth + 1)
    elif isinstance(value, Mapping):
        for field, inner in value.items():
            spec = _part(inner, "spec") if field == "template" else {}
            if isinstance(spec.get("containers"), list):
                yield spec
            else:
                yield from _embedded(inner, depth + 1)


def _of_pod(spec: Mapping[str, Any]) -> Iterator[_Found]:
    for volume in _items(spec, "volumes"):
        yield from _of_volume(volume)
    for field in _CONTAINERS:
        for container in _items(spec, field):
            yield from _of_container(container)
    yield from _names(spec, "imagePullSecrets", SECRET)
    account = spec.get("serviceAccountName") or spec.get("serviceAccount")  # the second is its old name
    if isinstance(account, str):
        yield SERVICE_ACCOUNT, account, False
    for claim in _items(spec, "resourceClaims"):
        yield from _name(claim, ("resourceClaimName",), (_RESOURCE, "ResourceClaim"))
        yield from _name(claim, ("resourceClaimTemplateName",), (_RESOURCE, "ResourceClaimTemplate"))


def _of_volume(volume: Mapping[str, Any]) -> Iterator[_Found]:
    yield from _name(volume, ("configMap", "name"), CONFIG_MAP)
    yield from _name(volume, ("secret", "secretName"), SECRET)
    yield from _name(volume, ("persistentVolumeClaim", "claimName"), CLAIM)
    for source in _items(_part(volume, "projected"), "sources"):
        yield from _name(source, ("configMap", "name"), CONFIG_MAP)
        yield from _name(source, ("secret", "name"), SECRET)
    for system, path in _SECRET_VOLUMES.items():
        yield from _name(volume, (system, *path), SECRET)
    if _part(volume, "csi").get("driver") == _PROVIDER_DRIVER:
        yield from _name(volume, ("csi", "volumeAttributes", "secretProviderClass"), _PROVIDER_CLASS)


def _of_container(container: Mapping[str, Any]) -> Iterator[_Found]:
    for source in _items(container, "envFrom"):
        yield from _name(source, ("configMapRef", "name"), CONFIG_MAP)
        yield from _name(source, ("secretRef", "name"), SECRET)
    for variable in _items(container, "env"):
        yield from _name(variable, ("valueFrom", "configMapKeyRef", "name"), CONFIG_MAP)
        yield from _name(variable, ("valueFrom", "secretKeyRef", "name"), SECRET)


def _certificates(manifest: Mapping[str, Any]) -> Iterator[_Found]:
    for listener in _items(_part(manifest, "spec"), "listeners"):
        for certificate in _items(_part(listener, "tls"), "certificateRefs"):
            group, kind = certificate.get("group") or "", certificate.get("kind") or "Secret"
            name, place = certificate.get("name"), certificate.get("namespace")
            if isinstance(name, str) and (group, kind) in (SECRET, CONFIG_MAP):
                yield (group, kind), f"{place}/{name}" if isinstance(place, str) else name, False


def _names(holder: Mapping[str, Any], field: str, kind: tuple[str, str]) -> Iterator[_Found]:
    for entry in _items(holder, field):
        yield from _name(entry, ("name",), kind)


def _name(holder: Mapping[str, Any], path: tuple[str, ...], kind: tuple[str, str]) -> Iterator[_Found]:
    parent = _part(holder, *path[:-1])
    name = parent.get(path[-1])
    if isinstance(name, str) and name and "/" not in name:
        yield kind, name, parent.get("optional") is True


def _part(value: Any, *path: str) -> Mapping[str, Any]:
    for field in path:
        value = value.get(field) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _items(holder: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    found = holder.get(field)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []
