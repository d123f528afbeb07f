"""Taking an object over from another tool: how it is recognised, and how its fields become ours.

An apply drops what its own manager owned and no longer names. What another tool wrote is not its manager's, so a field
that the tool had and the template has not would stay for ever. So before the first apply the tool's entries in
managedFields are made part of ours: the way in which client-go moves client-side apply to server-side apply
(https://pkg.go.dev/k8s.io/client-go/util/csaupgrade, KEP-555).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.marks import FIELD_MANAGER


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something that keeps objects in clusters.

    Attributes:
        title: what people call it.
        managers: its field managers.
        labels: keys, or beginnings of keys that end with "/", of labels by which it knows its objects.
        annotations: the same of annotations.
        needs_mark: its managers' names are too common to tell it by them alone.
        controls: it puts objects back by itself, so two of its kind fight.
    """

    title: str
    managers: tuple[str, ...]
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    needs_mark: bool = False
    controls: bool = True


TOOLS: Final[Mapping[str, Tool]] = {
    "kubectl": Tool(
        title="kubectl apply",
        # The last one stands for an object that nobody's writes were noted of before its first server-side apply.
        managers=(
            "kubectl-client-side-apply",
            "kubectl",
            "kubectl-create",
            "kubectl-last-applied",
            "before-first-apply",
        ),
        annotations=("kubectl.kubernetes.io/last-applied-configuration",),
        controls=False,
    ),
    "kubefed": Tool(
        title="KubeFed",
        managers=("controller-manager", "hyperfed", "kubefed", "kubefed-controller-manager"),
        labels=("kubefed.io/managed",),
        annotations=("kubefed.io/",),
        needs_mark=True,
    ),
    "karmada": Tool(
        title="Karmada",
        managers=("karmada", "karmada-controller-manager", "karmada-agent"),
        labels=("work.karmada.io/", "karmada.io/managed"),
        annotations=("work.karmada.io/", "resourcebinding.karmada.io/", "resourcetemplate.karmada.io/"),
    ),
    "argocd": Tool(
        title="Argo CD",
        managers=("argocd-controller", "argocd-application-controller"),
        labels=("argocd.argoproj.io/instance",),
        annotations=("argocd.argoproj.io/tracking-id",),
    ),
    "helm": Tool(
        title="Helm",
        managers=("helm",),
        annotations=("meta.helm.sh/release-name", "meta.helm.sh/release-namespace"),
        controls=False,
    ),
    "flux": Tool(
        title="Flux",
        managers=("kustomize-controller", "helm-controller"),
        labels=("kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"),
    ),
}
"""By the names under which `propagation.migrate` takes them."""


def tools_of(live: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the tools that an object's marks or field managers speak of, in the order of `TOOLS`."""
    managers = {str(entry.get("manager")) for entry in _entries(live)}
    return tuple(name for name, tool in TOOLS.items() if _is_marked(live, tool) or _wrote(managers, tool))


def managers_of(live: Mapping[str, Any], *, but: str) -> tuple[str, ...]:
    """The field managers of an object other than `but`, the latest writer first, each once."""
    return tuple(dict.fromkeys(manager for manager, _ in writers_of(live, but=but)))


def writers_of(live: Mapping[str, Any], *, but: str) -> tuple[tuple[str, str], ...]:
    """The field managers of an object other than `but`, each with when it wrote (RFC 3339), the latest first."""
    found = [(entry.get("manager"), str(entry.get("time") or "")) for entry in _entries(live)]
    named = [(manager, time) for manager, time in found if isinstance(manager, str) and manager != but]
    return tuple(sorted(named, key=lambda one: one[1], reverse=True))


def controller_title(live: Mapping[str, Any], manager: str) -> str:
    """What people call the tool of a field manager where it puts objects back by itself; empty for all others."""
    return next(
        (
            tool.title
            for tool in TOOLS.values()
            if tool.controls and manager in tool.managers and (not tool.needs_mark or _is_marked(live, tool))
        ),
        "",
    )


def migrated_managers(live: Mapping[str, Any], migrate: Sequence[str]) -> tuple[str, ...]:
    """The field managers of an object whose fields are to become ours, sorted.

    Args:
        live: the object.
        migrate: names of `TOOLS`, or of field managers.
    """
    wanted = {name for asked in migrate for name in _managers_for(live, asked)}
    return tuple(sorted({str(entry.get("manager")) for entry in _entries(live) if _is_migrated(entry, wanted)}))


def migrated_fields(live: Mapping[str, Any], managers: Sequence[str]) -> list[JsonObject]:
    """The managedFields of an object with the entries of `managers` made part of ours.

    What they own of subresources, such as the status, stays theirs.
    """
    taken = [entry for entry in _entries(live) if _is_migrated(entry, managers) or _is_ours(entry)]
    others = [dict(entry) for entry in _entries(live) if not (_is_migrated(entry, managers) or _is_ours(entry))]
    fields: JsonObject = {}
    for entry in taken:
        fields = _union(fields, entry.get("fieldsV1") or {})
    latest = max(taken, key=lambda entry: str(entry.get("time") or ""))
    ours = {
        "manager": FIELD_MANAGER,
        "operation": "Apply",
        "apiVersion": latest.get("apiVersion") or live.get("apiVersion"),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **({"time": latest["time"]} if latest.get("time") else {}),
    }
    return [ours, *others]


def _managers_for(live: Mapping[str, Any], asked: str) -> tuple[str, ...]:
    tool = TOOLS.get(asked)
    if tool is None:
        return (asked,)
    return () if tool.needs_mark and not _is_marked(live, tool) else tool.managers


def _is_migrated(entry: Mapping[str, Any], managers: Sequence[str] | set[str]) -> bool:
    return not entry.get("subresource") and not _is_ours(entry) and entry.get("manager") in managers


def _is_ours(entry: Mapping[str, Any]) -> bool:
    return entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" and not entry.get("subresource")


def _wrote(managers: set[str], tool: Tool) -> bool:
    return not tool.needs_mark and not managers.isdisjoint(tool.managers)


def _is_marked(live: Mapping[str, Any], tool: Tool) -> bool:
    metadata = live.get("metadata")
    if not isinstance(metadata, dict):
        return False
    pairs = ((metadata.get("labels"), tool.labels), (metadata.get("annotations"), tool.annotations))
    return any(
        key == mark or (mark.endswith("/") and key.startswith(mark))
        for found, marks in pairs
        if isinstance(found, dict)
        for key in found
        for mark in marks
    )


def _entries(live: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    metadata = live.get("metadata")
    entries = metadata.get("managedFields") if isinstance(metadata, dict) else None
    yield from (entry for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else ()


def _union(one: JsonObject, other: JsonObject) -> JsonObject:
    merged = dict(one)
    for name, children in other.items():
        known = merged.get(name)
        both = isinstance(known, dict) and isinstance(children, dict)
        merged[name] = _union(known, children) if both and known is not None else children
    return merged
