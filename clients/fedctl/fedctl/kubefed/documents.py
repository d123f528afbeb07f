"""From what KubeFed has to units and placement policies, with all that has to be said of it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fedctl.files.convert import Findings
from fedctl.files.plan import told
from fedctl.files.shape import API_VERSION, sanitized
from fedctl.files.source import Document
from fedctl.kubefed import preferences
from fedctl.kubefed.federated import PREFIX, REPLICAS_PATH, Federated, read_federated
from fedctl.kubefed.placements import EVERYWHERE, Placement, preferred, within
from fedctl.kubefed.preferences import Preference, read_preference

_CONFIG = "FederatedTypeConfig"
# Bookkeeping of KubeFed's own, which nobody wrote.
_NEEDLESS = frozenset(
    {
        _CONFIG,
        "PropagatedVersion",
        "ClusterPropagatedVersion",
        "FederatedServiceStatus",
        "FederatedServiceStatusCollection",
    }
)
# What has no document here, and what to do instead.
_ELSEWHERE: Mapping[str, str] = {
    "KubeFedCluster": "join the cluster: fedctl join {name} --context CONTEXT",
    "KubeFedConfig": "fedsvc serve has options for what is set here",
    "Domain": "write a Zone, and `dns` of the units that are to have names in it",
    "ServiceDNSRecord": "write a Zone, and `dns` of the unit that has the Service",
    "IngressDNSRecord": "write a Zone, and `dns` of the unit that has the Ingress",
    "DNSEndpoint": "KubeFed made it; names of units come from their `dns`",
}


@dataclass(slots=True, kw_only=True)
class Converted:
    """What came of a conversion."""

    documents: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)  # what cannot be read, with file and line
    lost: list[str] = field(default_factory=list)  # what is in no document
    remarks: list[str] = field(default_factory=list)  # what is done otherwise than by KubeFed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Preferred:
    """A preference, and where it was written."""

    document: Document
    name: str
    preference: Preference


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A federated object, and what it becomes of it: those with the same terms can be one unit."""

    federated: Federated
    namespace: str  # of the unit
    placement: Placement
    is_divided: bool

    @property
    def terms(self) -> str:
        """What units hold as a whole."""
        kept = [self.placement, self.federated.labels, self.federated.annotations, self.federated.is_orphaned]
        return json.dumps(kept, sort_keys=True)


def convert(documents: Sequence[Document], *, namespace: str, adopts: bool) -> Converted:
    """Make documents of KubeFed's objects.

    Objects of one name and namespace that are placed alike become one unit; where there are others of that name, their
    kind is in its name.

    Args:
        documents: what the user gave.
        namespace: of units whose objects are in none.
        adopts: whether units take over the objects that KubeFed made.
    """
    found = Converted()
    api_versions: dict[str, str] = {}
    for document in documents:
        if document.value["kind"] == _CONFIG:
            api_versions.update(_api_versions(document.value))
    federated: list[Federated] = []
    preferred_by: dict[tuple[str, str, str], _Preferred] = {}
    for document in documents:
        kind, findings = document.value["kind"], Findings()
        if kind == preferences.KIND:
            one = _preferred(document, findings)
            preferred_by[one.preference.target_kind, _namespace_of(document), one.name] = one
        elif kind in _NEEDLESS:
            continue
        elif kind.startswith(PREFIX) and "template" in (document.value.get("spec") or {}):
            read = read_federated(document, api_versions, findings)
            federated.append(read)
            found.lost += [told(document, path, message) for path, message in read.lost]
            found.remarks += [told(document, path, message) for path, message in read.remarks]
        else:
            found.lost.append(_left_out(document))
        found.problems += [told(document, wrong.path, wrong.message) for wrong in findings.problems]
    if found.problems:
        return found
    parts = list(_parts(federated, preferred_by, namespace, found))
    found.documents += [
        _policy(one) for key, one in preferred_by.items() if key not in {_key(part.federated) for part in parts}
    ]
    found.documents += [_unit(name, group, adopts=adopts) for name, group in _named(parts)]
    found.remarks += _remarks(preferred_by, parts, adopts=adopts)
    return found


def _preferred(document: Document, findings: Findings) -> _Preferred:
    name = (document.value.get("metadata") or {}).get("name")
    if not isinstance(name, str) or not name:
        findings.add(("metadata",), "`name` is missing")
        name = ""
    return _Preferred(document=document, name=name, preference=read_preference(document.value, findings))


def _namespace_of(document: Document) -> str:
    return str((document.value.get("metadata") or {}).get("namespace") or "")


def _key(federated: Federated) -> tuple[str, str, str]:
    return f"{PREFIX}{federated.kind}", federated.namespace, federated.name


def _api_versions(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    target = (config.get("spec") or {}).get("targetType") or {}
    if target.get("kind") and target.get("version"):
        group = f"{target['group']}/" if target.get("group") else ""
        yield target["kind"], f"{group}{target['version']}"


def _left_out(document: Document) -> str:
    kind, name = document.value["kind"], (document.value.get("metadata") or {}).get("name", "")
    advice = _ELSEWHERE.get(kind)
    what = "is no object of KubeFed: apply it as it is" if advice is None else advice.format(name=name or "NAME")
    return told(document, (), f"{kind} {name} is left out: {what}")


def _parts(
    federated: Sequence[Federated],
    preferred_by: Mapping[tuple[str, str, str], _Preferred],
    namespace: str,
    found: Converted,
) -> Iterator[_Part]:
    spaces = {one.name: one for one in federated if one.is_namespace}
    for one in federated:
        space = None if one.is_namespace else spaces.get(one.namespace)
        preference = preferred_by.get(_key(one))
        placement = one.placement if space is None else within(one.placement, space.placement)
        if preference is not None:
            outer = EVERYWHERE if space is None else space.selected
            placement = preferred(one.placement, one.selected, outer, preference.preference)
        if one.namespace and space is None and not one.is_namespace:
            message = (
                f"KubeFed places it only where namespace {one.namespace} is placed, whose FederatedNamespace is not "
                "among these: give it along, or look at the placement"
            )
            found.remarks.append(told(one.document, (), message))
        if not one.placement and preference is None:
            found.remarks.append(
                told(one.document, ("spec", "placement"), "is absent: it is placed nowhere, as before")
            )
        yield _Part(
            federated=one, namespace=one.namespace or namespace, placement=placement, is_divided=preference is not None
        )


def _named(parts: Iterable[_Part]) -> Iterator[tuple[str, Sequence[_Part]]]:
    """Group what can be one unit; names are unique in a namespace."""
    groups: dict[tuple[str, str], dict[str, list[_Part]]] = {}
    for part in parts:
        named = groups.setdefault((part.namespace, sanitized(part.federated.name) or "unit"), {})
        named.setdefault(part.terms, []).append(part)
    for (_, name), alike in groups.items():
        for group in alike.values():
            kinds = sorted({part.federated.kind.lower() for part in group})
            yield (name if len(alike) == 1 else sanitized(f"{name[:40]}-{'-'.join(kinds)}")), group


def _unit(name: str, group: Sequence[_Part], *, adopts: bool) -> dict[str, Any]:
    first = group[0]
    several = len(group) > 1
    spec: dict[str, Any] = {"placement": first.placement} if first.placement else {}
    overrides = [entry for part in group for entry in _overrides(part, several=several)]
    if overrides:
        spec["overrides"] = overrides
    if propagation := _propagation(group, several=several, adopts=adopts):
        spec["propagation"] = propagation
    metadata: dict[str, Any] = {"name": name, "namespace": first.namespace}
    for key, texts in (("labels", first.federated.labels), ("annotations", first.federated.annotations)):
        if texts:
            metadata[key] = dict(texts)
    spec["resources"] = [part.federated.manifest for part in group]
    return {"apiVersion": API_VERSION, "kind": "Unit", "metadata": metadata, "spec": spec}


def _target(part: _Part, *, several: bool) -> dict[str, Any]:
    """What tells a resource from others of its unit."""
    return {"target": {"kind": part.federated.kind, "name": part.federated.name}} if several else {}


def _overrides(part: _Part, *, several: bool) -> Iterator[dict[str, Any]]:
    by_cluster: dict[str, list[Mapping[str, Any]]] = {}
    for cluster, step in part.federated.patches:
        if not (part.is_divided and step["path"] == REPLICAS_PATH):  # the preference wrote that
            by_cluster.setdefault(cluster, []).append(step)
    for cluster, steps in by_cluster.items():
        yield {"clusters": {"names": [cluster]}, **_target(part, several=several), "patch": steps}


def _propagation(group: Sequence[_Part], *, several: bool, adopts: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"conflict": "adopt", "migrate": ["kubefed"]} if adopts else {}
    if group[0].federated.is_orphaned:
        found["deletion"] = "orphan"
    rules = [
        {**_target(part, several=several), "path": "spec.replicas", "policy": "ignore"}
        for part in group
        if part.federated.retains_replicas and not part.is_divided
    ]
    return {**found, **({"fields": rules} if rules else {})}


def _policy(one: _Preferred) -> dict[str, Any]:
    """A preference without its target: a policy that units can name."""
    spec = preferred({}, {}, EVERYWHERE, one.preference)
    return {
        "apiVersion": API_VERSION,
        "kind": "PlacementPolicy",
        "metadata": {"name": sanitized(one.name) or "preference"},
        "spec": spec,
    }


def _remarks(
    preferred_by: Mapping[tuple[str, str, str], _Preferred], parts: Sequence[_Part], *, adopts: bool
) -> Iterator[str]:
    targets = {_key(part.federated) for part in parts}
    for (kind, _, name), one in preferred_by.items():
        if (kind, _, name) not in targets:
            yield told(
                one.document,
                (),
                f"{kind} {name} is not among these: this becomes a placement policy of that name, which divides every "
                "workload of the units that name it in spec.placementPolicy",
            )
    if preferred_by:
        yield (
            "replicas never add up to more than totalReplicas, weights hold over all of them with minimums as floors, "
            "and what does not fit is told as a shortfall"
        )
    if parts and not adopts:
        yield "the clusters hold these objects already: with --adopt the units take them over, else they refuse to"
    if parts:
        yield (
            "a unit leaves a cluster that is lost after 30 s, where KubeFed leaves objects alone: "
            "spec.failover.mode: never keeps it there"
        )
