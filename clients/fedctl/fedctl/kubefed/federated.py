"""KubeFed's federated objects: FederatedDeployment and all others that hold a template."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedctl.files.convert import Findings
from fedctl.files.source import Document
from fedctl.files.yamltree import Path
from fedctl.kubefed import fields
from fedctl.kubefed.placements import Placement, read_placement, selected

PREFIX = "Federated"
REPLICAS_PATH = "/spec/replicas"

_ORPHAN = "kubefed.io/orphan"
_DELETE_OPTION = "kubefed.io/deleteoption"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SPEC: Path = ("spec",)
_TEMPLATE_METADATA: Path = ("spec", "template", "metadata")
_DROPPED = ("annotations", "finalizers")
_OTHER_METADATA = ("name", "namespace", "creationTimestamp")
_SPEC_FIELDS = ("template", "placement", "overrides", "retainReplicas")
_OVERRIDE_FIELDS = ("clusterName", "clusterOverrides")
_STEP_FIELDS = ("op", "path", "value")
_STEPS = ("add", "remove", "replace")
_IDENTITY = ("/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/generateName")
# What `kubefedctl enable` knows by itself, by kind; of others the template or the FederatedTypeConfig says it.
_API_VERSIONS: Mapping[str, str] = {
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "Namespace": "v1",
    "ReplicaSet": "apps/v1",
    "Secret": "v1",
    "Service": "v1",
    "ServiceAccount": "v1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Federated:
    """A federated object, read."""

    document: Document
    namespace: str  # empty: it is in none
    name: str
    kind: str  # of what it is a template of
    manifest: Mapping[str, Any]
    placement: Placement
    selected: Placement  # by its selector alone
    patches: Sequence[tuple[str, Mapping[str, Any]]] = ()  # a cluster, and a step of a JSON patch, in order
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    retains_replicas: bool = False
    is_orphaned: bool = False
    lost: tuple[tuple[Path, str], ...] = ()  # what is left out, and why
    remarks: tuple[tuple[Path, str], ...] = ()

    @property
    def is_namespace(self) -> bool:
        """Whether it is the namespace that others are in."""
        return self.kind == "Namespace"


def read_federated(document: Document, api_versions: Mapping[str, str], findings: Findings) -> Federated:
    """Read a federated object; what is wrong goes into `findings`.

    Args:
        document: with a kind that begins with Federated.
        api_versions: of target kinds, as FederatedTypeConfigs have them.
        findings: what is wrong.
    """
    value = document.value
    kind = value["kind"].removeprefix(PREFIX)
    metadata = fields.mapping(value.get("metadata"), ("metadata",), findings)
    name = fields.text(metadata, "name", ("metadata",), findings)
    namespace = fields.text(metadata, "namespace", ("metadata",), findings)
    if not name:
        findings.add(("metadata",), "`name` is missing")
    spec = fields.mapping(value.get("spec"), _SPEC, findings)
    fields.refuse_unknown(spec, _SPEC_FIELDS, _SPEC, findings)
    given = fields.texts(metadata.get("annotations"), ("metadata", "annotations"), findings)
    lost: list[tuple[Path, str]] = []
    if _DELETE_OPTION in given:
        lost.append((("metadata", "annotations", _DELETE_OPTION), "is left out: objects are deleted in the background"))
    path: Path = (*_SPEC, "template")
    template = fields.mapping(spec.get("template"), path, findings)
    api_version = (
        fields.text(template, "apiVersion", path, findings) or api_versions.get(kind) or _API_VERSIONS.get(kind)
    )
    if not api_version:
        message = f"`apiVersion` of the {kind} is missing: write it here, or give its FederatedTypeConfig along"
        findings.add(path, message)
    placed = {"name": name, **({"namespace": namespace} if namespace and kind != "Namespace" else {})}
    manifest = {"apiVersion": api_version, "kind": kind, **_content(template, placed, findings)}
    return Federated(
        document=document,
        namespace=namespace or (name if kind == "Namespace" else ""),
        name=name,
        kind=kind,
        manifest=manifest,
        placement=read_placement(spec.get("placement"), findings),
        selected=selected(spec.get("placement"), findings),
        patches=tuple(_patches(spec.get("overrides"), findings, lost)),
        labels=fields.texts(metadata.get("labels"), ("metadata", "labels"), findings),
        annotations={key: text for key, text in given.items() if key not in (_ORPHAN, _DELETE_OPTION, _LAST_APPLIED)},
        retains_replicas=fields.flag(spec, "retainReplicas", _SPEC, findings),
        is_orphaned=given.get(_ORPHAN) == "true",
        lost=tuple(lost),
        remarks=tuple(_dropped(template)),
    )


def _content(template: Mapping[str, Any], placed: Mapping[str, str], findings: Findings) -> dict[str, Any]:
    """Return what is in a template as KubeFed makes an object of it: with the name of the federated object."""
    metadata = fields.mapping(template.get("metadata"), _TEMPLATE_METADATA, findings)
    kept = {key: value for key, value in metadata.items() if key not in (*_DROPPED, *_OTHER_METADATA)}
    others = ("apiVersion", "kind", "metadata", "status")
    return {"metadata": {**placed, **kept}, **{key: value for key, value in template.items() if key not in others}}


def _dropped(template: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    metadata = template.get("metadata")
    for key in _DROPPED:
        if isinstance(metadata, dict) and metadata.get(key):
            yield (*_TEMPLATE_METADATA, key), "is left out, as KubeFed does; here it could be in the unit's resource"


def _patches(value: Any, findings: Findings, lost: list[tuple[Path, str]]) -> list[tuple[str, dict[str, Any]]]:
    path: Path = (*_SPEC, "overrides")
    found = []
    for index, entry in enumerate(fields.items(value, path, findings)):
        place: Path = (*path, index)
        override = fields.mapping(entry, place, findings)
        fields.refuse_unknown(override, _OVERRIDE_FIELDS, place, findings)
        cluster = fields.text(override, "clusterName", place, findings)
        if not cluster:
            findings.add(place, "`clusterName` is missing")
        steps: Path = (*place, "clusterOverrides")
        for number, item in enumerate(fields.items(override.get("clusterOverrides"), steps, findings)):
            step = _step(item, (*steps, number), findings)
            if step["path"] in _IDENTITY:
                lost.append(((*steps, number), f"{step['path']} is the same on all clusters here, so this is left out"))
            else:
                found.append((cluster, step))
    return found


def _step(value: Any, path: Path, findings: Findings) -> dict[str, Any]:
    given = fields.mapping(value, path, findings)
    fields.refuse_unknown(given, _STEP_FIELDS, path, findings)
    op = fields.text(given, "op", path, findings) or "replace"
    if op not in _STEPS:
        findings.add((*path, "op"), f"{op!r} is none of: {', '.join(_STEPS)}")
    where = fields.text(given, "path", path, findings)
    if not where:
        findings.add(path, "`path` is missing")
    return {"op": op, "path": where, **({} if op == "remove" else {"value": given.get("value")})}
