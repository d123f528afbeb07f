"""KubeFed's ReplicaSchedulingPreference as a replica policy.

Source: https://github.com/kubernetes-retired/kubefed/blob/master/docs/userguide.md#replicaschedulingpreference
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fedctl.files.convert import Findings
from fedctl.files.yamltree import Path
from fedctl.kubefed import fields

KIND = "ReplicaSchedulingPreference"
TARGETS = ("FederatedDeployment", "FederatedReplicaSet")

_ANY = "*"
_SPEC: Path = ("spec",)
_FIELDS = ("targetKind", "totalReplicas", "rebalance", "intersectWithClusterSelector", "clusters")
_CLUSTER_FIELDS = ("minReplicas", "maxReplicas", "weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """A preference in the words of fedsvc."""

    target_kind: str
    replicas: Mapping[str, Any]  # as `placement.replicas` of a document
    clusters: tuple[str, ...] | None  # those that have replicas; None: any
    intersects: bool  # whether the target's own selector holds, too


def read_preference(document: Mapping[str, Any], findings: Findings) -> Preference:
    """Read a ReplicaSchedulingPreference; what is wrong goes into `findings`.

    Its clusters are given with their names, and `*` last, which hence is for those without an entry of their own;
    absent clusters are `*` with weight 1. What is absent is 0 (minReplicas, weight) or no limit (maxReplicas).

    Where KubeFed is left on purpose: replicas never add up to more than `totalReplicas`, weights hold over all replicas
    and not over what minimums leave, and a cluster that ran more than its share is not preferred when replicas are
    taken away.
    """
    spec = fields.mapping(document.get("spec"), _SPEC, findings)
    fields.refuse_unknown(spec, _FIELDS, _SPEC, findings)
    target = fields.text(spec, "targetKind", _SPEC, findings)
    if target not in TARGETS:
        findings.add((*_SPEC, "targetKind"), f"{target or 'nothing'!r} is none of: {', '.join(TARGETS)}")
    total = fields.count(spec, "totalReplicas", _SPEC, findings)
    if spec.get("totalReplicas") is None:
        findings.add(_SPEC, "`totalReplicas` is missing: how many replicas there are over all clusters")
    path: Path = (*_SPEC, "clusters")
    entries = fields.mapping(spec.get("clusters"), path, findings) or {_ANY: {"weight": 1}}
    names = tuple(sorted(name for name in entries if name != _ANY))
    ordered = (*names, _ANY) if _ANY in entries else names
    return Preference(
        target_kind=target,
        replicas={
            "mode": "Divided",
            "strategy": "Weighted",
            "movement": "Fresh" if fields.flag(spec, "rebalance", _SPEC, findings) else "Steady",
            "total": total or 0,
            "withinCapacity": True,
            "clusters": [_rule(name, entries[name], (*path, name), findings) for name in ordered],
        },
        clusters=None if _ANY in entries else names,
        intersects=fields.flag(spec, "intersectWithClusterSelector", _SPEC, findings),
    )


def _rule(name: str, entry: Any, path: Path, findings: Findings) -> dict[str, Any]:
    limits = fields.mapping(entry, path, findings)
    fields.refuse_unknown(limits, _CLUSTER_FIELDS, path, findings)
    least = fields.count(limits, "minReplicas", path, findings)
    most = fields.count(limits, "maxReplicas", path, findings)
    return {
        **({} if name == _ANY else {"names": [name]}),
        "weight": fields.count(limits, "weight", path, findings) or 0,
        **({"min": least} if least else {}),
        **({} if most is None else {"max": most}),
    }
