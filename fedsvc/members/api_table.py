"""Pure: which kinds a member serves, and at which path; read from both forms of Kubernetes' discovery documents."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fedsvc.members.errors import KindNotServedError
from fedsvc.rendering.keys import ObjectKey, split_api_version

GroupVersion = tuple[str, str]  # ("apps", "v1"), ("", "v1")
GroupVersionKind = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiResource:
    """One kind in one version, as a member serves it."""

    group: str
    version: str
    kind: str
    plural: str  # its name in paths and in RBAC rules
    namespaced: bool
    verbs: frozenset[str] = frozenset()
    subresources: frozenset[str] = frozenset()  # "status", "scale", ...

    @property
    def base_path(self) -> str:
        """Of its version: ``/apis/apps/v1``, ``/api/v1``."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    @property
    def collection_path(self) -> str:
        """Of all objects in the cluster, to list and to watch."""
        return f"{self.base_path}/{self.plural}"

    def path(self, *, namespace: str, name: str = "") -> str:
        """Of one object, or of the collection in a namespace; `namespace` is ignored for cluster-scoped kinds."""
        place = f"{self.base_path}/namespaces/{quote(namespace, safe='')}" if self.namespaced else self.base_path
        return f"{place}/{self.plural}/{quote(name, safe=':')}" if name else f"{place}/{self.plural}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTable:
    """All that a member serves.

    Attributes:
        resources: by (group, version, kind).
        failed: group versions whose discovery failed, with the reason; what was known of them before is kept.
    """

    resources: Mapping[GroupVersionKind, ApiResource]
    failed: Mapping[GroupVersion, str] = field(default_factory=dict)

    def resource(self, group: str, version: str, kind: str) -> ApiResource:
        """How a kind is served.

        Raises:
            KindNotServedError: it is not.
        """
        found = self.resources.get((group, version, kind))
        if found is None:
            raise self._not_served(group, version, kind)
        return found

    def path(self, key: ObjectKey, *, default_namespace: str = "default") -> str:
        """The path of an object.

        Raises:
            KindNotServedError: its kind is not served in that version.
        """
        resource = self.resource(key.group, key.version, key.kind)
        return resource.path(namespace=key.namespace or default_namespace, name=key.name)

    def collection(self, key: ObjectKey) -> str:
        """The path of all objects of the key's kind in the cluster.

        Raises:
            KindNotServedError: its kind is not served in that version.
        """
        return self.resource(key.group, key.version, key.kind).collection_path

    def serves(self, group: str, version: str, kind: str) -> bool:
        """Whether the kind is served in that version."""
        return (group, version, kind) in self.resources

    def rows(self) -> list[list[str | bool]]:
        """Sorted ``[group, version, kind, plural, namespaced]``: what is kept of a table to be shown."""
        return sorted([r.group, r.version, r.kind, r.plural, r.namespaced] for r in self.resources.values())

    def _not_served(self, group: str, version: str, kind: str) -> KindNotServedError:
        served = sorted(v for g, v, k in self.resources if (g, k) == (group, kind))
        failure = self.failed.get((group, version))
        note = f"its discovery fails: {failure}" if failure else ""
        return KindNotServedError(group=group, version=version, kind=kind, served_versions=tuple(served), note=note)


def table_of(
    resources: Iterable[ApiResource], failed: Mapping[GroupVersion, str], previous: ApiTable | None
) -> ApiTable:
    """A table of what was read; of group versions that failed it keeps what `previous` had."""
    found = {(r.group, r.version, r.kind): r for r in resources}
    if previous is not None:
        for gvk, resource in previous.resources.items():
            if (resource.group, resource.version) in failed:
                found.setdefault(gvk, resource)
    return ApiTable(resources=found, failed=dict(failed))


def read_aggregated(document: Mapping[str, Any]) -> tuple[list[ApiResource], dict[GroupVersion, str]]:
    """What an APIGroupDiscoveryList (apidiscovery.k8s.io, KEP-3352) says, and the versions it calls stale."""
    resources: list[ApiResource] = []
    failed: dict[GroupVersion, str] = {}
    for group in _dicts(document.get("items")):
        group_name = _text(_dict(group.get("metadata")).get("name"))
        for version in _dicts(group.get("versions")):
            version_name = _text(version.get("version"))
            if version.get("freshness") == "Stale":
                failed[group_name, version_name] = "the API service behind it does not answer"
            for item in _dicts(version.get("resources")):
                made = _aggregated_resource(group_name, version_name, item)
                if made is not None:
                    resources.append(made)
    return resources, failed


def read_groups(document: Mapping[str, Any]) -> list[GroupVersion]:
    """The group versions in an APIGroupList (``/apis``) or APIVersions (``/api``)."""
    if document.get("kind") == "APIVersions":
        versions = document.get("versions")
        return [("", version) for version in versions if isinstance(version, str)] if isinstance(versions, list) else []
    named = (
        _text(version.get("groupVersion"))
        for group in _dicts(document.get("groups"))
        for version in _dicts(group.get("versions"))
    )
    return [split_api_version(text) for text in named if text]


def read_resources(group: str, version: str, document: Mapping[str, Any]) -> list[ApiResource]:
    """The kinds in an APIResourceList."""
    items = [item for item in _dicts(document.get("resources")) if _text(item.get("name"))]
    subresources: dict[str, set[str]] = {}
    for item in items:
        plural, slash, sub = item["name"].partition("/")
        if slash:
            subresources.setdefault(plural, set()).add(sub)
    return [
        ApiResource(
            group=group,
            version=version,
            kind=_text(item.get("kind")),
            plural=item["name"],
            namespaced=item.get("namespaced") is True,
            verbs=_words(item.get("verbs")),
            subresources=frozenset(subresources.get(item["name"], ())),
        )
        for item in items
        if "/" not in item["name"] and _text(item.get("kind"))
    ]


def _aggregated_resource(group: str, version: str, item: Mapping[str, Any]) -> ApiResource | None:
    kind, plural = _text(_dict(item.get("responseKind")).get("kind")), _text(item.get("resource"))
    if not kind or not plural:  # a resource of which only subresources are served
        return None
    return ApiResource(
        group=group,
        version=version,
        kind=kind,
        plural=plural,
        namespaced=item.get("scope") == "Namespaced",
        verbs=_words(item.get("verbs")),
        subresources=frozenset(_text(sub.get("subresource")) for sub in _dicts(item.get("subresources"))),
    )


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _words(value: Any) -> frozenset[str]:
    return frozenset(word for word in value if isinstance(word, str)) if isinstance(value, list) else frozenset()
