"""The rules of a placement beyond selection, taints and replicas, between protobuf and the engine's model."""

from typing import Any, Final

from fedsvc.api.convert.common import (
    field_messages,
    inverted,
    matcher_message,
    read_enum,
    read_fields,
    read_matcher,
    read_selector,
    selector_message,
)
from fedsvc.api.problems import Problems
from fedsvc.v1 import placement_pb2 as pb
from fedsvc_placement import (
    AffinityGroup,
    AffinityMode,
    ClusterMatcher,
    ClusterPreference,
    ConditionRequirement,
    DataAccess,
    DataAnchor,
    GroupReturn,
    GroupReturnPolicy,
    Placement,
    SpreadConstraint,
    Stability,
    Topology,
    Trigger,
    UnitAffinity,
    UnitMatcher,
    VersionRange,
)

_RETURNS: Final = {
    GroupReturn.NEVER: pb.GROUP_RETURN_NEVER,
    GroupReturn.IMMEDIATE: pb.GROUP_RETURN_IMMEDIATE,
    GroupReturn.AFTER: pb.GROUP_RETURN_AFTER,
}
_READ_RETURNS: Final = {pb.GROUP_RETURN_UNSPECIFIED: GroupReturn.NEVER, **inverted(_RETURNS)}
_ACCESSES: Final = {DataAccess.READ: pb.DATA_ACCESS_READ, DataAccess.WRITE: pb.DATA_ACCESS_WRITE}
_READ_ACCESSES: Final = inverted(_ACCESSES)
_MODES: Final = {AffinityMode.TOGETHER: pb.AFFINITY_MODE_TOGETHER, AffinityMode.APART: pb.AFFINITY_MODE_APART}
_READ_MODES: Final = inverted(_MODES)
TOPOLOGIES: Final = {
    Topology.CLUSTER: pb.TOPOLOGY_CLUSTER,
    Topology.ZONE: pb.TOPOLOGY_ZONE,
    Topology.REGION: pb.TOPOLOGY_REGION,
    Topology.PROVIDER: pb.TOPOLOGY_PROVIDER,
    Topology.LABEL: pb.TOPOLOGY_LABEL,
}
READ_TOPOLOGIES: Final = {pb.TOPOLOGY_UNSPECIFIED: Topology.CLUSTER, **inverted(TOPOLOGIES)}
_TRIGGERS: Final = {
    Trigger.INTENT: pb.PLACEMENT_TRIGGER_INTENT,
    Trigger.LABELS: pb.PLACEMENT_TRIGGER_LABELS,
    Trigger.CLUSTER_JOINED: pb.PLACEMENT_TRIGGER_CLUSTER_JOINED,
    Trigger.CAPACITY: pb.PLACEMENT_TRIGGER_CAPACITY,
    Trigger.REBALANCE: pb.PLACEMENT_TRIGGER_REBALANCE,
    Trigger.OTHER: pb.PLACEMENT_TRIGGER_OTHER,
}
_READ_TRIGGERS: Final = inverted(_TRIGGERS)
_DEFAULT_RETURN: Final = GroupReturnPolicy()
_DEFAULT_STABILITY: Final = Stability()


def rules_fields(placement: Placement) -> dict[str, Any]:
    """The fields of the protobuf message, by name."""
    jurisdictions = placement.jurisdictions
    return {
        "fields": field_messages(placement.fields),
        "groups": [_group_message(group) for group in placement.groups],
        "group_return": _return_message(placement.group_return),
        "kubernetes": None
        if placement.kubernetes is None
        else pb.VersionRange(at_least=placement.kubernetes.at_least, below=placement.kubernetes.below),
        "conditions": [pb.ConditionRequirement(type=entry.type, status=entry.status) for entry in placement.conditions],
        "jurisdictions": None if jurisdictions is None else pb.Jurisdictions(names=jurisdictions),
        "data": [
            pb.DataAnchor(
                dataset=anchor.dataset,
                access=_ACCESSES[DataAccess(anchor.access)],
                max_lag_seconds=anchor.max_lag_seconds,
            )
            for anchor in placement.data
        ],
        "follows": placement.follows,
        "affinities": [_affinity_message(affinity) for affinity in placement.affinities],
        "spread": [
            pb.SpreadConstraint(
                by=TOPOLOGIES[Topology(entry.by)],
                label_key=entry.label_key,
                min_groups=entry.min_groups,
                max_groups=entry.max_groups,
            )
            for entry in placement.spread
        ],
        "preferences": [
            pb.ClusterPreference(
                weight=entry.weight,
                clusters=matcher_message(entry.clusters),
                near_regions=entry.near_regions,
                cheap=entry.cheap,
                score=entry.score,
            )
            for entry in placement.preferences
        ],
        "stability": _stability_message(placement.stability),
    }


def read_rules(message: pb.Placement, path: str, problems: Problems) -> dict[str, Any]:
    """The fields of the model, by name."""
    return {
        "fields": read_fields(message.fields),
        "groups": tuple(_read_group(entry) for entry in message.groups),
        "group_return": _read_return(message, path, problems),
        "kubernetes": VersionRange(at_least=message.kubernetes.at_least, below=message.kubernetes.below)
        if message.HasField("kubernetes")
        else None,
        "conditions": tuple(
            ConditionRequirement(type=entry.type, status=entry.status or "True") for entry in message.conditions
        ),
        "jurisdictions": tuple(message.jurisdictions.names) if message.HasField("jurisdictions") else None,
        "data": tuple(
            DataAnchor(
                dataset=entry.dataset,
                access=read_enum(entry.access, _READ_ACCESSES, f"{path}.data[{index}].access", problems),
                max_lag_seconds=entry.max_lag_seconds if entry.HasField("max_lag_seconds") else None,
            )
            for index, entry in enumerate(message.data)
        ),
        "follows": tuple(message.follows),
        "affinities": tuple(
            _read_affinity(entry, f"{path}.affinities[{index}]", problems)
            for index, entry in enumerate(message.affinities)
        ),
        "spread": tuple(
            SpreadConstraint(
                by=read_enum(entry.by, READ_TOPOLOGIES, f"{path}.spread[{index}].by", problems),
                label_key=entry.label_key,
                min_groups=entry.min_groups if entry.HasField("min_groups") else 1,
                max_groups=entry.max_groups if entry.HasField("max_groups") else None,
            )
            for index, entry in enumerate(message.spread)
        ),
        "preferences": tuple(_read_preference(entry) for entry in message.preferences),
        "stability": _read_stability(message, path, problems),
    }


def _group_message(group: AffinityGroup) -> pb.AffinityGroup:
    return pb.AffinityGroup(
        name=group.name,
        clusters=matcher_message(group.clusters),
        overflow=[matcher for tier in group.overflow if (matcher := matcher_message(tier)) is not None],
    )


def _read_group(message: pb.AffinityGroup) -> AffinityGroup:
    return AffinityGroup(
        name=message.name,
        clusters=read_matcher(message.clusters) if message.HasField("clusters") else ClusterMatcher(),
        overflow=tuple(read_matcher(tier) for tier in message.overflow),
    )


def _return_message(policy: GroupReturnPolicy) -> pb.GroupReturnPolicy | None:
    if policy == _DEFAULT_RETURN:
        return None
    return pb.GroupReturnPolicy(mode=_RETURNS[GroupReturn(policy.mode)], stable_seconds=policy.stable_seconds)


def _read_return(message: pb.Placement, path: str, problems: Problems) -> GroupReturnPolicy:
    policy = message.group_return
    return GroupReturnPolicy(
        mode=read_enum(policy.mode, _READ_RETURNS, f"{path}.group_return.mode", problems),
        stable_seconds=policy.stable_seconds if policy.HasField("stable_seconds") else _DEFAULT_RETURN.stable_seconds,
    )


def _affinity_message(affinity: UnitAffinity) -> pb.UnitAffinity:
    units = affinity.units
    return pb.UnitAffinity(
        mode=_MODES[AffinityMode(affinity.mode)],
        units=pb.UnitMatcher(names=units.names or (), selector=selector_message(units.selector)),
        by=TOPOLOGIES[Topology(affinity.by)],
        label_key=affinity.label_key,
        weight=affinity.weight,
    )


def _read_affinity(message: pb.UnitAffinity, path: str, problems: Problems) -> UnitAffinity:
    units = message.units
    return UnitAffinity(
        mode=read_enum(message.mode, _READ_MODES, f"{path}.mode", problems),
        units=UnitMatcher(
            names=tuple(units.names) or None,
            selector=read_selector(units.selector) if units.HasField("selector") else None,
        ),
        by=read_enum(message.by, READ_TOPOLOGIES, f"{path}.by", problems),
        label_key=message.label_key,
        weight=message.weight if message.HasField("weight") else None,
    )


def _read_preference(message: pb.ClusterPreference) -> ClusterPreference:
    return ClusterPreference(
        weight=message.weight,
        clusters=read_matcher(message.clusters) if message.HasField("clusters") else None,
        near_regions=tuple(message.near_regions),
        cheap=message.cheap,
        score=message.score,
    )


def _stability_message(stability: Stability) -> pb.Stability | None:
    if stability == _DEFAULT_STABILITY:
        return None
    return pb.Stability(
        stickiness=stability.stickiness,
        replace_on=pb.PlacementTriggers(triggers=[_TRIGGERS[Trigger(word)] for word in stability.replace_on]),
        cooldown_seconds=stability.cooldown_seconds,
    )


def _read_stability(message: pb.Placement, path: str, problems: Problems) -> Stability:
    stability = message.stability
    replace_on: tuple[str, ...] = _DEFAULT_STABILITY.replace_on
    if stability.HasField("replace_on"):
        at = f"{path}.stability.replace_on.triggers"
        replace_on = tuple(
            read_enum(trigger, _READ_TRIGGERS, f"{at}[{index}]", problems)
            for index, trigger in enumerate(stability.replace_on.triggers)
        )
    return Stability(
        stickiness=stability.stickiness if stability.HasField("stickiness") else _DEFAULT_STABILITY.stickiness,
        replace_on=replace_on,
        cooldown_seconds=stability.cooldown_seconds,
    )
