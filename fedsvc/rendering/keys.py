"""Which Kubernetes object a manifest is: group, version, kind, namespace, name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedsvc.rendering.kinds import Scope, scope_of


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class ObjectKey:
    """The identity of one object in a cluster.

    Attributes:
        group: API group; "" is the core group.
        version: API version, such as "v1".
        kind: CamelCase kind.
        namespace: "" for cluster-scoped objects, and for namespaced ones that name none.
        name: the object's name.
    """

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    @property
    def api_version(self) -> str:
        """As manifests write it: ``v1``, ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def gvk(self) -> tuple[str, str, str]:
        """(group, version, kind)."""
        return (self.group, self.version, self.kind)

    @property
    def group_kind(self) -> tuple[str, str]:
        """(group, kind): what the tables of kinds are keyed by."""
        return (self.group, self.kind)

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """(group, kind, namespace, name): equal for one object written in two versions of its API."""
        return (self.group, self.kind, self.namespace, self.name)

    def __str__(self) -> str:
        """As people read it: ``apps/v1 Deployment shop/web``, ``v1 Namespace shop``."""
        place = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{self.api_version} {self.kind} {place}"


def split_api_version(api_version: str) -> tuple[str, str]:
    """(group, version) of ``apps/v1`` or ``v1``."""
    group, slash, version = api_version.partition("/")
    return (group, version) if slash else ("", group)


def key_of(manifest: Mapping[str, Any]) -> ObjectKey:
    """The identity of an object that is known to be valid, such as a stored manifest or an API server's answer.

    Raises:
        KeyError: for an object without apiVersion, kind or name; use `object_key` for what users send.
    """
    group, version = split_api_version(manifest["apiVersion"])
    metadata = manifest["metadata"]
    kind = manifest["kind"]
    # API servers clear the namespace of cluster-scoped objects, so it is no part of their identity.
    namespace = "" if scope_of(group, kind) is Scope.CLUSTER else metadata.get("namespace") or ""
    return ObjectKey(group=group, version=version, kind=kind, namespace=namespace, name=metadata["name"])
