"""Discovery documents of one cluster: groups, versions, resources, and the health and version of the server."""

from typing import Any

from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.kinds import REVIEWS, Kind

Document = dict[str, Any]

_SCALE_KIND = {"group": "autoscaling", "version": "v1", "kind": "Scale"}


def api_versions(address: str) -> Document:
    """``/api``."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(cluster: SimulatedCluster) -> Document:
    """``/apis``."""
    names = {kind.group for kind in cluster.kinds.values() if kind.group} | {review[0] for review in REVIEWS}
    groups = [group for name in sorted(names) if (group := group_document(cluster, name)) is not None]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group_document(cluster: SimulatedCluster, group: str) -> Document | None:
    """``/apis/GROUP``, or None where there is none."""
    versions = _versions(cluster, group)
    if not versions:
        return None
    listed = [{"groupVersion": f"{group}/{version}", "version": version} for version in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def resource_list(cluster: SimulatedCluster, group: str, version: str) -> Document | None:
    """``/apis/GROUP/VERSION`` or ``/api/v1``, or None where it is not served."""
    resources: list[Document] = []
    for kind in sorted(cluster.kinds.values(), key=lambda kind: kind.key):
        if kind.group == group and version in kind.versions:
            resources.extend(_resources(kind))
    resources.extend(
        {"name": plural, "singularName": "", "namespaced": namespaced, "kind": kind_name, "verbs": ["create"]}
        for review_group, plural, kind_name, namespaced in REVIEWS
        if review_group == group and version == "v1"
    )
    if not resources:
        return None
    group_version = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def version_document(cluster: SimulatedCluster) -> Document:
    """``/version``."""
    text = cluster.spec.kubernetes_version
    major, _, rest = text.removeprefix("v").partition(".")
    return {
        "major": major,
        "minor": rest.partition(".")[0],
        "gitVersion": text,
        "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.23.0",
        "compiler": "gc",
        "platform": f"linux/{cluster.spec.architecture}",
    }


def serves(cluster: SimulatedCluster, group: str, version: str) -> bool:
    """Whether a group version exists at all."""
    return version in _versions(cluster, group)


def _versions(cluster: SimulatedCluster, group: str) -> list[str]:
    out: dict[str, None] = {}
    for kind in cluster.kinds.values():
        if kind.group == group:
            out.update(dict.fromkeys(kind.versions))
    if any(review[0] == group for review in REVIEWS):
        out["v1"] = None
    return list(out)


def _resources(kind: Kind) -> list[Document]:
    main: Document = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        main["shortNames"] = list(kind.short_names)
    if kind.categories:
        main["categories"] = list(kind.categories)
    return [main, *(_subresource(kind, name) for name in sorted(kind.subresources))]


def _subresource(kind: Kind, name: str) -> Document:
    base: Document = {
        "name": f"{kind.plural}/{name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": ["get", "patch", "update"],
    }
    if name == "scale":
        return {**base, **_SCALE_KIND}
    if name == "token":
        return {
            **base,
            "group": "authentication.k8s.io",
            "version": "v1",
            "kind": "TokenRequest",
            "verbs": ["create"],
        }
    if name == "eviction":
        return {**base, "group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]}
    if name == "finalize":
        return {**base, "verbs": ["update"]}
    return base
