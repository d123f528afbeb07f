"""KubeFed's ReplicaSchedulingPreference as a replica policy.

Source: https://github.com/kubernetes-retired/kubefed/blob/master/docs/userguide.md#replicaschedulingpreference
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fedsvc_placement.model import ClusterMatcher, Mode, Movement, ReplicaPolicy, ReplicaRule, Strategy

_KIND = "ReplicaSchedulingPreference"
_ANY = "*"
_FIELDS = ("targetKind", "totalReplicas", "rebalance", "intersectWithClusterSelector", "clusters")
_CLUSTER_FIELDS = ("minReplicas", "maxReplicas", "weight")


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """A preference in the words of this engine."""

    # To be put into a placement.
    policy: ReplicaPolicy
    # What its writer should know: what is not part of a replica policy, and what is done otherwise, a sentence each.
    notes: tuple[str, ...]


def from_replica_scheduling_preference(document: Mapping[str, Any]) -> Translation:
    """Return the replica policy that means what the preference means.

    Its clusters are given with their names, and `*` last, which hence is for those without an entry of their own;
    absent clusters are `*` with weight 1. What is absent is 0 (minReplicas, weight) or no limit (maxReplicas).

    Where KubeFed is left on purpose: replicas never add up to more than `totalReplicas`, weights hold over all replicas
    and not over what minimums leave, and a cluster that ran more than its share is not preferred when replicas are
    taken away.

    Args:
        document: the object as it is in YAML, with `kind` and `spec`.

    Raises:
        ValueError: it is another kind, a field is not known or has the wrong type, or `totalReplicas` is missing; the
            path is in the message.
    """
    if document.get("kind", _KIND) != _KIND:
        raise ValueError(f"kind is {document['kind']!r}, must be {_KIND}")
    spec = _mapping(document.get("spec"), "spec")
    _refuse_unknown(spec, _FIELDS, "spec")
    total = _number(spec, "totalReplicas", "spec")
    if total is None:
        raise ValueError("spec.totalReplicas must be given: how many replicas there are over all clusters")
    given = spec.get("clusters")
    preferences = _mapping({} if given is None else given, "spec.clusters") or {_ANY: {"weight": 1}}
    names = sorted(name for name in preferences if name != _ANY)
    ordered = [*names, _ANY] if _ANY in preferences else names
    return Translation(
        policy=ReplicaPolicy(
            mode=Mode.DIVIDED,
            strategy=Strategy.WEIGHTED,
            movement=Movement.FRESH if _flag(spec, "rebalance") else Movement.STEADY,
            total=total,
            clusters=tuple(_rule(name, preferences[name]) for name in ordered),
            within_capacity=True,
        ),
        notes=tuple(_notes(spec, has_any=_ANY in preferences)),
    )


def _notes(spec: Mapping[str, Any], *, has_any: bool) -> Iterator[str]:
    if spec.get("targetKind") is not None:
        yield (
            f"spec.targetKind {spec['targetKind']} is not kept: the policy divides every workload with replicas of the "
            "units that use it"
        )
    if _flag(spec, "intersectWithClusterSelector"):
        yield (
            "spec.intersectWithClusterSelector needs nothing: replicas are only ever divided over clusters that the "
            "placement selects"
        )
    else:
        yield (
            "spec.intersectWithClusterSelector is false: KubeFed then ignores the placement's own selection; here it "
            "holds, so give the unit a placement that selects all these clusters (`clusterSelector: {}` selects all)"
        )
    if not has_any:
        yield "clusters without an entry hold the workload with 0 replicas; placement.exclude keeps it away from them"


def _rule(name: str, preference: Any) -> ReplicaRule:
    path = f"spec.clusters[{name}]"
    fields = _mapping(preference, path)
    _refuse_unknown(fields, _CLUSTER_FIELDS, path)
    return ReplicaRule(
        clusters=ClusterMatcher() if name == _ANY else ClusterMatcher(names=(name,)),
        weight=_number(fields, "weight", path) or 0,
        min=_number(fields, "minReplicas", path) or 0,
        max=_number(fields, "maxReplicas", path),
    )


def _mapping(value: Any, path: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise ValueError(f"{path} must be an object, not {value!r}")


def _number(fields: Mapping[str, Any], name: str, path: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{path}.{name} is {value!r}, must be a whole number of 0 or more")
    return value


def _flag(spec: Mapping[str, Any], name: str) -> bool:
    value = spec.get(name, False)
    if isinstance(value, bool):
        return value
    raise ValueError(f"spec.{name} is {value!r}, must be true or false")


def _refuse_unknown(fields: Mapping[str, Any], known: tuple[str, ...], path: str) -> None:
    unknown = sorted(set(fields) - set(known))
    if unknown:
        raise ValueError(f"{path}.{unknown[0]} is not a field; there are {', '.join(known)}")
