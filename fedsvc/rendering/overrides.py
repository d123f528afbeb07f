"""Overrides: changes to a template for some clusters. The model, which ones match, and carrying them out.

Order: the overrides of the policies a unit refers to, in the listed order, then the unit's own; each list from first to
last. Within one override: images, labels, annotations, patch. A later change sees what an earlier one did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fedsvc.rendering.canonical import JsonObject, canonical_json, digest, json_type
from fedsvc.rendering.errors import OverrideError
from fedsvc.rendering.images import ImageOverride, override_images
from fedsvc.rendering.keys import ObjectKey, key_of
from fedsvc.rendering.patch import ABSENT, PatchError, PatchOp, PatchOperation, apply_operation
from fedsvc.rendering.roles import Role, RoleView, filled
from fedsvc_placement.model import ClusterMatcher, ClusterSnapshot, LabelSelector
from fedsvc_placement.selectors import matches, matches_cluster

__all__ = [
    "ABSENT",
    "ImageOverride",
    "Override",
    "PatchOp",
    "PatchOperation",
    "ResourceMatcher",
    "apply_overrides",
    "labels_of",
    "matching_overrides",
    "override_digests",
    "resource_matches",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceMatcher:
    """Which resources of a unit an override changes: all that is given must fit; nothing given is all resources.

    Attributes:
        api_version: as the template writes it, such as ``apps/v1``.
        kind: such as ``Deployment``.
        namespace: the resource's namespace; "" is that of cluster-scoped ones.
        name: the resource's name.
        selector: over the template's labels, as they are before any override.
    """

    api_version: str | None = None
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A change to some resources in some clusters.

    Attributes:
        clusters: where.
        target: which resources.
        images: changes to container images, in order.
        labels: set on the object's own metadata; pod templates keep theirs, since selectors cannot change.
        annotations: set on the object's own metadata.
        patch: JSON Patch operations, in order.
        role: only where the unit has this role; its values may then have ``$(fedsvc.NAME)`` in them.
    """

    clusters: ClusterMatcher = field(default_factory=ClusterMatcher)
    target: ResourceMatcher = field(default_factory=ResourceMatcher)
    images: tuple[ImageOverride, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    patch: tuple[PatchOperation, ...] = ()
    role: Role | None = None


def resource_matches(matcher: ResourceMatcher, key: ObjectKey, labels: Mapping[str, str]) -> bool:
    """Whether a matcher means this resource; `labels` are the template's."""
    return (
        (matcher.kind is None or matcher.kind == key.kind)
        and (matcher.name is None or matcher.name == key.name)
        and (matcher.namespace is None or matcher.namespace == key.namespace)
        and (matcher.api_version is None or matcher.api_version == key.api_version)
        and (matcher.selector is None or matches(matcher.selector, labels))
    )


def matching_overrides(
    overrides: Sequence[Override],
    cluster: ClusterSnapshot,
    key: ObjectKey,
    labels: Mapping[str, str],
    role: Role | None = None,
) -> tuple[int, ...]:
    """The indexes of the overrides that change this resource (`key`, template `labels`) in this cluster and role."""
    return tuple(
        index
        for index, override in enumerate(overrides)
        if override.role in (None, role)
        and resource_matches(override.target, key, labels)
        and matches_cluster(override.clusters, cluster)
    )


def labels_of(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels of an object; {} where it has none."""
    labels = manifest["metadata"].get("labels")
    return labels if isinstance(labels, dict) else {}


def apply_overrides(
    manifest: JsonObject, overrides: Sequence[Override], cluster: ClusterSnapshot, view: RoleView | None = None
) -> JsonObject:
    """Carry out the overrides that match, in order, in place.

    Args:
        manifest: a fresh parse that nobody else holds; it is changed.
        overrides: all of the unit, policies' first; each accepted by `validate_override`.
        cluster: the member cluster.
        view: the unit's role there; None: it has none.

    Returns:
        The manifest.

    Raises:
        OverrideError: one does not fit this object; the manifest is then half changed and must be thrown away.
    """
    role = None if view is None else view.role
    matched = matching_overrides(overrides, cluster, key_of(manifest), labels_of(manifest), role)
    for index in matched:
        override = overrides[index]
        _apply(manifest, override if view is None or override.role is None else _filled(override, view), index)
    return manifest


def _filled(override: Override, view: RoleView) -> Override:
    return replace(
        override,
        labels=filled(dict(override.labels), view),
        annotations=filled(dict(override.annotations), view),
        patch=tuple(
            one if one.value is ABSENT else replace(one, value=filled(one.value, view)) for one in override.patch
        ),
    )


def override_digests(overrides: Sequence[Override]) -> tuple[bytes, ...]:
    """A digest of what each override does (not of where): computed once a unit revision, for `render_key`."""
    return tuple(digest(canonical_json(_content(override))) for override in overrides)


def _apply(manifest: JsonObject, override: Override, index: int) -> None:
    if override.images:
        override_images(manifest, override.images)
    if override.labels:
        _set_strings(manifest, "labels", override.labels, index)
    if override.annotations:
        _set_strings(manifest, "annotations", override.annotations, index)
    for op_index, operation in enumerate(override.patch):
        try:
            apply_operation(manifest, operation)
        except PatchError as error:
            raise OverrideError(index=index, op_index=op_index, path=operation.path, message=str(error)) from error


def _set_strings(manifest: JsonObject, name: str, values: Mapping[str, str], index: int) -> None:
    metadata = manifest["metadata"]
    current = metadata.get(name)
    if current is None:
        metadata[name] = dict(values)
    elif isinstance(current, dict):
        current.update(values)
    else:
        # An earlier patch put something else there.
        message = f"must be an object of strings, not {json_type(current)}"
        raise OverrideError(index=index, op_index=None, path=f"/metadata/{name}", message=message)


def _content(override: Override) -> JsonObject:
    role = {} if override.role is None else {"role": override.role}
    return role | {
        "images": [[image.name, image.new_name, image.new_tag, image.digest] for image in override.images],
        "labels": dict(override.labels),
        "annotations": dict(override.annotations),
        "patch": [
            [operation.op, operation.path] + ([] if operation.value is ABSENT else [operation.value])
            for operation in override.patch
        ],
    }
