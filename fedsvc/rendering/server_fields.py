"""Taking out of a manifest what the API server owns, as it stands in objects exported from a live cluster."""

from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import split_api_version
from fedsvc.rendering.kinds import Scope, scope_of
from fedsvc.rendering.marks import MANAGED_LABEL, UNIT_ANNOTATION, UNIT_UID_ANNOTATION
from fedsvc.rendering.paths import child_path

SERVER_METADATA: Final = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
"""Fields of metadata that a cluster sets. ownerReferences name uids, which are one cluster's own."""

_LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_REMOVED_ANNOTATIONS: Final = (
    _LAST_APPLIED,
    "deployment.kubernetes.io/revision",
    UNIT_ANNOTATION,
    UNIT_UID_ANNOTATION,
)
_REMOVED_LABELS: Final = (MANAGED_LABEL,)


def strip_server_fields(manifest: JsonObject) -> list[str]:
    """Remove, in place, what a cluster or fedsvc itself writes into an object; a template cannot own these.

    Args:
        manifest: a fresh parse of a manifest; it is changed.

    Returns:
        The paths of what was removed, for a warning. Nulls and an empty status go without mention: every export and
        scaffold has them, and nothing is lost.
    """
    removed: list[str] = []
    if "status" in manifest:
        _note(removed, "status", manifest.pop("status"))
    metadata = manifest.get("metadata")
    if not isinstance(metadata, dict):
        return removed
    for name in SERVER_METADATA:
        if name in metadata:
            _note(removed, f"metadata.{name}", metadata.pop(name))
    if metadata.get("namespace") and _is_cluster_scoped(manifest):
        _note(removed, "metadata.namespace", metadata.pop("namespace"))
    _remove_keys(metadata, "labels", _REMOVED_LABELS, removed)
    _remove_keys(metadata, "annotations", _REMOVED_ANNOTATIONS, removed)
    return removed


def _remove_keys(metadata: JsonObject, field: str, keys: tuple[str, ...], removed: list[str]) -> None:
    value = metadata.get(field)
    if not isinstance(value, dict):
        if field in metadata and value is None:
            del metadata[field]
        return
    for key in keys:
        if key in value:
            _note(removed, child_path(f"metadata.{field}", key), value.pop(key))
    if not value:
        del metadata[field]


def _is_cluster_scoped(manifest: JsonObject) -> bool:
    api_version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return False
    return scope_of(split_api_version(api_version)[0], kind) is Scope.CLUSTER


def _note(removed: list[str], path: str, value: Any) -> None:
    if value not in (None, {}, []):
        removed.append(path)
