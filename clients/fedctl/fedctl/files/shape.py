"""The frame of fedsvc's own documents: apiVersion, kind, metadata, spec; to messages and back."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from fedctl.failures import UsageFailure
from fedctl.files.convert import (
    Findings,
    fill_message,
    read_message,
    read_texts,
    unknown_field,
    want_text,
    write_message,
)
from fedctl.files.source import is_list
from fedctl.files.yamltree import Path
from fedsvc.v1 import cluster_pb2, event_pb2, fleet_pb2, hold_pb2, policy_pb2, resource_pb2, unit_pb2, zone_pb2
from fedsvc_client.names import last_part, split_unit_name, unit_name

GROUP = "fedsvc.io"
API_VERSION = f"{GROUP}/v1"
FLEET_NAME = "fleet"
FLEET_SETTINGS = "fleetSettings"  # its name in the API

_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?\Z")
# What fedctl prints and does not take: read and left aside, so that `get -o yaml` can be edited and applied.
_OUTPUT_METADATA = ("uid", "revision", "creationTimestamp", "updateTimestamp", "deletionTimestamp")
_METADATA = ("name", "namespace", "labels", "annotations", "etag")
_TOP = ("apiVersion", "kind", "metadata", "spec", "status")
_TIMES = {"create_time": "creationTimestamp", "update_time": "updateTimestamp", "delete_time": "deletionTimestamp"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """A message made of a document, and where the resources in it come from."""

    message: Message
    resource_paths: tuple[Path, ...] = ()  # of a unit: for each manifest, where it lies in the document


def is_ours(value: dict[str, Any]) -> bool:
    """Tell whether an object is a document of fedsvc."""
    api_version = value.get("apiVersion")
    return isinstance(api_version, str) and api_version.partition("/")[0] == GROUP


def id_problem(name: str) -> str | None:
    """Return what keeps a text from being a name, and what would be right; None where nothing does."""
    if _ID.match(name):
        return None
    if len(name) > 63:
        return f"{name[:20]!r}... has {len(name)} characters; at most 63 are allowed"
    better = sanitized(name)
    meant = f"; {better!r} would be right" if better else ""
    return f"{name!r} is no valid name: small letters, digits and '-', a letter first{meant}"


def sanitized(text: str) -> str:
    """Make a valid name of a text, for example of that of a file; empty where nothing is left."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    return re.sub(r"\A[0-9-]+", "", plain)[:63].strip("-")


def read_document(value: dict[str, Any], findings: Findings, *, namespace: str) -> Read | None:
    """Make a message of a document of ours.

    Args:
        value: The document.
        findings: Where what is wrong goes.
        namespace: For units that tell none.

    Returns:
        The message, or None where the kind is not known.
    """
    if value["apiVersion"] != API_VERSION:
        findings.add(("apiVersion",), f"{value['apiVersion']!r} is not known; this fedctl knows {API_VERSION}")
        return None
    kind = value["kind"]
    reader = _READERS.get(kind)
    if kind in _NOT_APPLIED:
        findings.add(("kind",), f"a {kind} is not applied: {_NOT_APPLIED[kind]}")
        return None
    if reader is None:
        findings.add(("kind",), unknown_field(kind, _READERS).replace("unknown field", "unknown kind"))
        return None
    for key in value:
        if key not in _TOP:
            findings.add((key,), unknown_field(key, dict.fromkeys(_TOP)))
    metadata = _read_metadata(value.get("metadata"), findings)
    if kind != "Unit" and metadata.get("namespace"):
        findings.add(("metadata", "namespace"), f"a {kind} has no namespace: leave it out")
    metadata["namespace"] = metadata.get("namespace") or namespace
    spec = value.get("spec")
    if spec is None:
        findings.add((), f"`spec` of the {kind} is missing")
        return None
    if not isinstance(spec, dict):
        findings.add(("spec",), "a mapping is wanted here")
        return None
    return reader(metadata, spec, findings)


def _read_metadata(value: Any, findings: Findings) -> dict[str, Any]:
    if not isinstance(value, dict):
        findings.add(
            ("metadata",) if value is not None else (), "`metadata` with a name is wanted: metadata: {name: ...}"
        )
        return {}
    read: dict[str, Any] = {}
    for key, item in value.items():
        path: Path = ("metadata", key)
        if key in _OUTPUT_METADATA or item is None:
            continue
        if key not in _METADATA:
            findings.add(path, unknown_field(key, dict.fromkeys(_METADATA)))
        elif key in ("labels", "annotations"):
            read[key] = read_texts(item, path, findings)
        elif not isinstance(item, str):
            findings.add(path, want_text(item))
        else:
            read[key] = item
            problem = id_problem(item) if key in ("name", "namespace") else None
            if problem:
                findings.add(path, problem)
    if not value.get("name"):
        findings.add(("metadata",), "`name` is missing")
    return read


def _read_unit(metadata: dict[str, Any], spec: dict[str, Any], findings: Findings) -> Read:
    flat, paths = _flat_resources(spec.get("resources"))
    inner = Findings()
    unit = unit_pb2.Unit(
        name=unit_name(metadata.get("name") or "unnamed", metadata["namespace"]),
        labels=metadata.get("labels"),
        annotations=metadata.get("annotations"),
        etag=metadata.get("etag", ""),
    )
    fill_message(unit.spec, {**spec, "resources": flat} if flat is not None else spec, ("spec",), inner)
    for wrong in inner.problems:
        findings.add(_true_path(wrong.path, paths), wrong.message)
    return Read(message=unit, resource_paths=paths)


def _flat_resources(value: Any) -> tuple[list[Any] | None, tuple[Path, ...]]:
    """Take Lists among the resources apart; return the objects, and where each lies in the document."""
    if not isinstance(value, list):
        return None, ()
    flat: list[Any] = []
    paths: list[Path] = []

    def take(item: Any, path: Path) -> None:
        if is_list(item) and isinstance(item["items"], list):
            for index, inner in enumerate(item["items"]):
                take(inner, (*path, "items", index))
        else:
            flat.append(item)
            paths.append(path)

    for index, item in enumerate(value):
        take(item, ("spec", "resources", index))
    return flat, tuple(paths)


def _true_path(path: Path, paths: tuple[Path, ...]) -> Path:
    if len(path) >= 3 and path[:2] == ("spec", "resources") and isinstance(path[2], int):
        return (*paths[path[2]], *path[3:])
    return path


def _read_placement_policy(metadata: dict[str, Any], spec: dict[str, Any], findings: Findings) -> Read:
    policy = policy_pb2.PlacementPolicy(
        name=f"placementPolicies/{metadata.get('name', '')}",
        labels=metadata.get("labels"),
        etag=metadata.get("etag", ""),
    )
    _no_annotations(metadata, findings)
    fill_message(policy.spec, spec, ("spec",), findings)
    policy.spec.SetInParent()
    return Read(message=policy)


def _read_override_policy(metadata: dict[str, Any], spec: dict[str, Any], findings: Findings) -> Read:
    _no_annotations(metadata, findings)
    return Read(
        message=policy_pb2.OverridePolicy(
            name=f"overridePolicies/{metadata.get('name', '')}",
            labels=metadata.get("labels"),
            etag=metadata.get("etag", ""),
            spec=read_message(policy_pb2.OverridePolicySpec, spec, ("spec",), findings),
        )
    )


def _read_status_policy(metadata: dict[str, Any], spec: dict[str, Any], findings: Findings) -> Read:
    _no_annotations(metadata, findings)
    return Read(
        message=policy_pb2.StatusPolicy(
            name=f"statusPolicies/{metadata.get('name', '')}",
            labels=metadata.get("labels"),
            etag=metadata.get("etag", ""),
            spec=read_message(policy_pb2.StatusPolicySpec, spec, ("spec",), findings),
        )
    )


def _read_fleet_settings(metadata: dict[str, Any], spec: dict[str, Any], findings: Findings) -> Read:
    for key in ("labels", "annotations"):
        if metadata.get(key):
            findings.add(("metadata", key), f"fleet settings have no {key}: leave them out")
    if metadata.get("name") not in (None, FLEET_NAME):
        findings.add(("metadata", "name"), f"there is one of them, and its name is {FLEET_NAME}")
    settings = fleet_pb2.FleetSettings(
        name=FLEET_SETTINGS,
        etag=metadata.get("etag", ""),
        spec=read_message(fleet_pb2.FleetSettingsSpec, spec, ("spec",), findings),
    )
    settings.spec.SetInParent()
    return Read(message=settings)


def _read_zone(metadata: dict[str, Any], spec: dict[str, Any], findings: Findings) -> Read:
    if metadata.get("annotations"):
        findings.add(("metadata", "annotations"), "zones have no annotations: leave them out")
    return Read(
        message=zone_pb2.Zone(
            name=f"zones/{metadata.get('name', '')}",
            labels=metadata.get("labels"),
            etag=metadata.get("etag", ""),
            spec=read_message(zone_pb2.ZoneSpec, spec, ("spec",), findings),
        )
    )


def _no_annotations(metadata: dict[str, Any], findings: Findings) -> None:
    if metadata.get("annotations"):
        findings.add(("metadata", "annotations"), "policies have no annotations: leave them out")


_READERS: dict[str, Callable[[dict[str, Any], dict[str, Any], Findings], Read]] = {
    "Unit": _read_unit,
    "PlacementPolicy": _read_placement_policy,
    "OverridePolicy": _read_override_policy,
    "StatusPolicy": _read_status_policy,
    "FleetSettings": _read_fleet_settings,
    "Zone": _read_zone,
}

# What fedctl prints and never takes, and how each is changed.
_NOT_APPLIED = {
    "Cluster": "it joins by `fedctl join NAME`; its labels and taints are set by `fedctl label cluster NAME` and "
    "`fedctl taint cluster NAME`",
    "FederatedResource": "it is part of a unit: apply the unit, or the Kubernetes object itself with --unit NAME",
    "Work": "the server makes it of a unit and a cluster: change the unit",
    "Event": "the server writes it",
    "Hold": "it is made by `fedctl pause` and ended by `fedctl resume`; freeze windows stand in the FleetSettings",
}

_DOCUMENT_KINDS: dict[type[Message], str] = {
    unit_pb2.Unit: "Unit",
    policy_pb2.PlacementPolicy: "PlacementPolicy",
    policy_pb2.OverridePolicy: "OverridePolicy",
    policy_pb2.StatusPolicy: "StatusPolicy",
    fleet_pb2.FleetSettings: "FleetSettings",
    zone_pb2.Zone: "Zone",
    cluster_pb2.Cluster: "Cluster",
    resource_pb2.FederatedResource: "FederatedResource",
    resource_pb2.Work: "Work",
    event_pb2.Event: "Event",
    hold_pb2.Hold: "Hold",
}


def write_document(message: Message) -> dict[str, Any]:
    """Make a document of a message; applying that of a unit or policy again changes nothing."""
    kind = _DOCUMENT_KINDS.get(type(message))
    if kind is None:
        raise UsageFailure(f"{type(message).__name__} has no document")
    written = write_message(message)
    metadata = _named(message, written)
    for key in ("uid", "labels", "annotations"):
        if key in written:
            metadata[key] = written.pop(key)
    if isinstance(message, unit_pb2.Unit) and message.revision:
        metadata["revision"] = int(message.revision)
        written.pop("revision")
    for field, key in _TIMES.items():
        json_name = field.split("_")[0] + "Time"
        if json_name in written and (field != "update_time" or isinstance(message, unit_pb2.Unit)):
            metadata[key] = written.pop(json_name)
    if "etag" in written:
        metadata["etag"] = written.pop("etag")
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, **_framed(message, written)}


def _named(message: Message, written: dict[str, Any]) -> dict[str, Any]:
    """Take the name out of what is written, as the metadata of a document has it."""
    if isinstance(message, hold_pb2.Hold):  # known by what it is of
        return {"name": written.pop("subject")}
    name = str(written.pop("name", ""))
    if isinstance(message, unit_pb2.Unit):
        namespace, unit = split_unit_name(name)
        return {"name": unit, "namespace": namespace}
    return {"name": FLEET_NAME if isinstance(message, fleet_pb2.FleetSettings) else last_part(name)}


def _framed(message: Message, written: dict[str, Any]) -> dict[str, Any]:
    """Put what is wanted under spec and what is under status, where the message itself does not."""
    if isinstance(message, unit_pb2.Unit | resource_pb2.FederatedResource | event_pb2.Event):
        return written
    if isinstance(message, hold_pb2.Hold):
        return {"status": written}
    if isinstance(message, resource_pb2.Work):
        spec = {key: written.pop(key) for key in ("unit", "cluster", "ref", "desiredDigest") if key in written}
        return {"spec": spec, "status": written}
    if isinstance(message, cluster_pb2.Cluster):
        status = written.pop("status", {})
        return {"spec": written, "status": status}
    spec = written.pop("spec", {})
    if isinstance(message, zone_pb2.Zone):
        written = written.pop("status", {}) | written
    return {"spec": spec, **({"status": written} if written else {})}
