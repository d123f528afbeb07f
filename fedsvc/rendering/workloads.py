"""What placement divides: the workloads among a unit's resources."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.compatibility import equal_versions
from fedsvc.rendering.keys import ObjectKey, split_api_version
from fedsvc.rendering.kinds import CRD_GROUP, CRD_KIND, replica_paths
from fedsvc.rendering.requests import template_requests
from fedsvc_placement.model import ApiKind, Placement, WorkloadInput

AUTOSCALER: Final = ("autoscaling", "HorizontalPodAutoscaler")

Identity = tuple[str, str, str, str]
"""Group, kind, namespace and name of an object, whatever version it is written in."""


def is_of_interest(group: str, kind: str) -> bool:
    """Whether a resource of that kind has to be looked into for its unit to be placed."""
    return bool(replica_paths(group, kind)) or (group, kind) == AUTOSCALER


def workload_of(key: ObjectKey, manifest: JsonObject) -> WorkloadInput | None:
    """What is divided of one resource; None for kinds without replicas.

    Of a Job that is its parallelism, and its completions in proportion. A template that does not say how many counts as
    1, as the API server defaults it.
    """
    if not replica_paths(*key.group_kind):
        return None
    spec = _object(manifest.get("spec"))
    requests = template_requests(*key.group_kind, manifest)
    if key.kind != "Job":
        return WorkloadInput(key=str(key), replicas=_count(spec.get("replicas"), 1), requests=requests)
    completions = spec.get("completions")
    return WorkloadInput(
        key=str(key),
        replicas=_count(spec.get("parallelism"), 1),
        completions=None if completions is None else _count(completions, 1),
        requests=requests,
    )


def autoscaled(manifests: Iterable[tuple[ObjectKey, Mapping[str, Any]]]) -> frozenset[Identity]:
    """The objects whose replicas an autoscaler among these owns, by the targets the autoscalers name."""
    owned: set[Identity] = set()
    for key, manifest in manifests:
        if key.group_kind != AUTOSCALER:
            continue
        target = _object(_object(manifest.get("spec")).get("scaleTargetRef"))
        group, _ = split_api_version(str(target.get("apiVersion", "")))
        owned.add((group, str(target.get("kind", "")), key.namespace, str(target.get("name", ""))))
    return frozenset(owned)


def workloads_of(manifests: Iterable[tuple[ObjectKey, JsonObject]]) -> tuple[WorkloadInput, ...]:
    """The workloads of a unit, those left out whose replicas an autoscaler owns."""
    listed = list(manifests)
    owned = autoscaled(listed)
    found = (workload_of(key, manifest) for key, manifest in listed if key.identity not in owned)
    return tuple(workload for workload in found if workload is not None)


def needed_kinds(keys: Iterable[ObjectKey]) -> tuple[ApiKind, ...]:
    """The kinds a cluster has to serve for these objects, sorted; those of definitions among them are left out.

    A definition is named after its kind's plural and group, so its group alone tells which kinds it may bring.
    """
    listed = list(keys)
    brought = {key.name.partition(".")[2] for key in listed if key.group_kind == (CRD_GROUP, CRD_KIND)}
    found = {ApiKind(group=key.group, version=key.version, kind=key.kind) for key in listed if key.group not in brought}
    return tuple(sorted(found))


def kinds_meant(rows: Iterable[tuple[str, str, str]]) -> frozenset[ApiKind]:
    """The kinds a cluster serves, and those that mean the same under another version.

    Args:
        rows: (group, version, kind) of what it serves.
    """
    found: set[ApiKind] = set()
    for group, version, kind in rows:
        equal = equal_versions(group, kind)
        versions = equal if version in equal else (version,)
        found.update(ApiKind(group=group, version=same, kind=kind) for same in versions)
    return frozenset(found)


def looks_into(placement: Placement) -> bool:
    """Whether a placement depends on what the workloads of its unit ask for."""
    return placement.replicas is not None or any(preference.cheap for preference in placement.preferences)


def looks_around(placement: Placement) -> bool:
    """Whether a placement depends on where other units are."""
    return bool(placement.follows or placement.affinities)


def _count(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
