"""A template made of a live object: without what its cluster and other tools wrote, and what is that cluster's own."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.fieldpaths import parse_field_path, remove_field
from fedsvc.rendering.keys import split_api_version
from fedsvc.rendering.paths import child_path
from fedsvc.rendering.server_fields import strip_server_fields
from fedsvc.rendering.takeover import TOOLS

# What a cluster gives an object of its own accord, and another cluster would give otherwise.
_OWN: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("", "Service"): (
        "spec.clusterIP",
        "spec.clusterIPs",
        "spec.ipFamilies",
        "spec.ipFamilyPolicy",
        "spec.healthCheckNodePort",
        "spec.ports[*].nodePort",
    ),
    ("", "PersistentVolumeClaim"): (
        "spec.volumeName",
        'metadata.annotations["pv.kubernetes.io/bind-completed"]',
        'metadata.annotations["pv.kubernetes.io/bound-by-controller"]',
        'metadata.annotations["volume.kubernetes.io/selected-node"]',
        'metadata.annotations["volume.kubernetes.io/storage-provisioner"]',
        'metadata.annotations["volume.beta.kubernetes.io/storage-provisioner"]',
        "metadata.finalizers[=kubernetes.io/pvc-protection]",
    ),
    ("", "ServiceAccount"): ("secrets",),
    ("", "Namespace"): ("spec.finalizers", 'metadata.labels["kubernetes.io/metadata.name"]'),
    ("", "Pod"): ("spec.nodeName",),
    ("batch", "Job"): (
        "spec.selector",
        'metadata.labels["batch.kubernetes.io/controller-uid"]',
        'metadata.labels["controller-uid"]',
        'spec.template.metadata.labels["batch.kubernetes.io/controller-uid"]',
        'spec.template.metadata.labels["batch.kubernetes.io/job-name"]',
        'spec.template.metadata.labels["controller-uid"]',
        'spec.template.metadata.labels["job-name"]',
    ),
}
_HEADLESS: Final = "None"


def template_of(live: JsonObject) -> list[str]:
    """Make a template of a live object, in place; gives the paths of what was left out, sorted.

    Args:
        live: a fresh parse that nobody else holds.
    """
    left_out = strip_server_fields(live)
    left_out += _strip_marks(live)
    group = split_api_version(str(live.get("apiVersion", "")))[0]
    kind = str(live.get("kind", ""))
    spec = live.get("spec")
    is_headless = kind == "Service" and isinstance(spec, dict) and spec.get("clusterIP") == _HEADLESS
    for path in _OWN.get((group, kind), ()):
        # A headless Service is one by what its template says.
        if not (is_headless and path == "spec.clusterIP") and remove_field(live, parse_field_path(path)):
            left_out.append(path)
    _drop_empty(live)
    return sorted(left_out)


def _strip_marks(live: JsonObject) -> list[str]:
    """Take out by what other tools know their objects: it would make them believe that this is still theirs."""
    metadata = live.get("metadata")
    if not isinstance(metadata, dict):
        return []
    removed = []
    for field in ("labels", "annotations"):
        marks = tuple(mark for tool in TOOLS.values() for mark in getattr(tool, field))
        values = metadata.get(field)
        if not isinstance(values, dict):
            continue
        for key in list(values):
            if any(key == mark or (mark.endswith("/") and key.startswith(mark)) for mark in marks):
                del values[key]
                removed.append(child_path(f"metadata.{field}", key))
    return removed


def _drop_empty(live: JsonObject) -> None:
    for holder, names in ((live.get("metadata"), ("labels", "annotations", "finalizers")), (live, ("spec",))):
        if not isinstance(holder, dict):
            continue
        for name in names:
            if holder.get(name) in ({}, []):
                del holder[name]


def is_readable(live: Mapping[str, Any]) -> bool:
    """Whether the values of an object may leave the server: those of Secrets may not."""
    return (live.get("apiVersion"), live.get("kind")) != ("v1", "Secret")
