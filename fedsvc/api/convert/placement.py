"""Placements between protobuf and the engine's model."""

from typing import Final

from fedsvc.api.convert.common import (
    inverted,
    matcher_message,
    read_enum,
    read_matcher,
    read_selector,
    selector_message,
    timestamp,
)
from fedsvc.api.convert.replicas import read_replicas, replicas_message
from fedsvc.api.convert.rules import read_rules, rules_fields
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.problems import Problems
from fedsvc.v1 import cluster_pb2, placement_pb2
from fedsvc_placement import (
    Effect,
    Placement,
    Taint,
    Toleration,
    TolerationOperator,
)

_EFFECTS: Final = {
    Effect.NO_SCHEDULE: cluster_pb2.TAINT_EFFECT_NO_SCHEDULE,
    Effect.PREFER_NO_SCHEDULE: cluster_pb2.TAINT_EFFECT_PREFER_NO_SCHEDULE,
    Effect.NO_EXECUTE: cluster_pb2.TAINT_EFFECT_NO_EXECUTE,
    Effect.NO_SCHEDULE_NEW: cluster_pb2.TAINT_EFFECT_NO_SCHEDULE_NEW,
}
_READ_EFFECTS: Final = inverted(_EFFECTS)


def taint_message(taint: Taint) -> cluster_pb2.Taint:
    """A taint as protobuf."""
    return cluster_pb2.Taint(
        key=taint.key,
        value=taint.value,
        effect=_EFFECTS[Effect(taint.effect)],
        time_added=timestamp(taint.time_added),
    )


def read_taint(message: cluster_pb2.Taint, path: str, problems: Problems) -> Taint:
    """A taint of protobuf, without its time, which is the server's to set."""
    effect = read_enum(message.effect, _READ_EFFECTS, f"{path}.effect", problems)
    return Taint(key=message.key, value=message.value, effect=effect)


def placement_message(placement: Placement | None) -> placement_pb2.Placement | None:
    """A placement as protobuf; None stays unset."""
    if placement is None:
        return None
    return placement_pb2.Placement(
        clusters=None if placement.clusters is None else placement_pb2.ClusterNames(names=placement.clusters),
        cluster_selector=selector_message(placement.cluster_selector),
        exclude=matcher_message(placement.exclude),
        tolerations=[_toleration_message(toleration) for toleration in placement.tolerations],
        replicas=replicas_message(placement.replicas),
        **rules_fields(placement),
    )


def read_placement(message: placement_pb2.Placement, path: str, problems: Problems) -> Placement:
    """A placement of protobuf."""
    for name, count in (
        ("clusters.names", len(message.clusters.names)),
        ("tolerations", len(message.tolerations)),
        ("replicas.clusters", len(message.replicas.clusters)),
        ("fields", len(message.fields)),
        ("groups", len(message.groups)),
        ("conditions", len(message.conditions)),
        ("jurisdictions.names", len(message.jurisdictions.names)),
        ("data", len(message.data)),
        ("follows", len(message.follows)),
        ("affinities", len(message.affinities)),
        ("spread", len(message.spread)),
        ("preferences", len(message.preferences)),
    ):
        if count > MAX_LISTED:
            problems.add(f"{path}.{name}", f"has {count} entries; at most {MAX_LISTED} are accepted")
            return Placement()
    return Placement(
        clusters=tuple(message.clusters.names) if message.HasField("clusters") else None,
        cluster_selector=read_selector(message.cluster_selector) if message.HasField("cluster_selector") else None,
        exclude=read_matcher(message.exclude) if message.HasField("exclude") else None,
        tolerations=tuple(
            _read_toleration(entry, f"{path}.tolerations[{index}]", problems)
            for index, entry in enumerate(message.tolerations)
        ),
        replicas=read_replicas(message.replicas, f"{path}.replicas", problems)
        if message.HasField("replicas")
        else None,
        **read_rules(message, path, problems),
    )


def _toleration_message(toleration: Toleration) -> placement_pb2.Toleration:
    return placement_pb2.Toleration(
        key=toleration.key,
        operator=toleration.operator,
        value=toleration.value,
        effect=cluster_pb2.TAINT_EFFECT_UNSPECIFIED
        if toleration.effect is None
        else _EFFECTS[Effect(toleration.effect)],
        toleration_seconds=toleration.toleration_seconds,
    )


def _read_toleration(message: placement_pb2.Toleration, path: str, problems: Problems) -> Toleration:
    unset = cluster_pb2.TAINT_EFFECT_UNSPECIFIED
    known: dict[cluster_pb2.TaintEffect.ValueType, Effect | None] = {unset: None, **_READ_EFFECTS}
    return Toleration(
        key=message.key,
        operator=message.operator or TolerationOperator.EQUAL,
        value=message.value,
        effect=read_enum(message.effect, known, f"{path}.effect", problems),
        toleration_seconds=message.toleration_seconds if message.HasField("toleration_seconds") else None,
    )
