"""Replica policies between protobuf and the engine's model."""

from typing import Final

from fedsvc.api.convert.common import (
    field_messages,
    inverted,
    read_enum,
    read_fields,
    read_selector,
    selector_message,
)
from fedsvc.api.problems import Problems
from fedsvc.v1 import placement_pb2
from fedsvc_placement import ClusterMatcher, Mode, Movement, ReplicaPolicy, ReplicaRule, Strategy

_MODES: Final = {
    Mode.DUPLICATED: placement_pb2.REPLICA_MODE_DUPLICATED,
    Mode.DIVIDED: placement_pb2.REPLICA_MODE_DIVIDED,
}
_READ_MODES: Final = {placement_pb2.REPLICA_MODE_UNSPECIFIED: Mode.DUPLICATED, **inverted(_MODES)}
_STRATEGIES: Final = {
    Strategy.WEIGHTED: placement_pb2.REPLICA_STRATEGY_WEIGHTED,
    Strategy.CAPACITY: placement_pb2.REPLICA_STRATEGY_CAPACITY,
    Strategy.AGGREGATED: placement_pb2.REPLICA_STRATEGY_AGGREGATED,
    Strategy.OVERFLOW: placement_pb2.REPLICA_STRATEGY_OVERFLOW,
}
_READ_STRATEGIES: Final = {placement_pb2.REPLICA_STRATEGY_UNSPECIFIED: Strategy.WEIGHTED, **inverted(_STRATEGIES)}
_MOVEMENTS: Final[dict[Movement | None, placement_pb2.ReplicaMovement.ValueType]] = {
    None: placement_pb2.REPLICA_MOVEMENT_UNSPECIFIED,
    Movement.STEADY: placement_pb2.REPLICA_MOVEMENT_STEADY,
    Movement.FRESH: placement_pb2.REPLICA_MOVEMENT_FRESH,
}
_READ_MOVEMENTS: Final = inverted(_MOVEMENTS)


def replicas_message(policy: ReplicaPolicy | None) -> placement_pb2.ReplicaPolicy | None:
    """A replica policy as protobuf; None stays unset."""
    if policy is None:
        return None
    return placement_pb2.ReplicaPolicy(
        mode=_MODES[Mode(policy.mode)],
        strategy=_STRATEGIES[Strategy(policy.strategy)],
        total=policy.total,
        clusters=[
            placement_pb2.ReplicaRule(
                names=rule.clusters.names or (),
                selector=selector_message(rule.clusters.selector),
                weight=rule.weight,
                min=rule.min,
                max=rule.max,
                fields=field_messages(rule.clusters.fields),
                tier=rule.tier,
            )
            for rule in policy.clusters
        ],
        movement=_MOVEMENTS[None if policy.movement is None else Movement(policy.movement)],
        within_capacity=policy.within_capacity,
    )


def read_replicas(message: placement_pb2.ReplicaPolicy, path: str, problems: Problems) -> ReplicaPolicy:
    """A replica policy of protobuf."""
    return ReplicaPolicy(
        mode=read_enum(message.mode, _READ_MODES, f"{path}.mode", problems),
        strategy=read_enum(message.strategy, _READ_STRATEGIES, f"{path}.strategy", problems),
        total=message.total if message.HasField("total") else None,
        clusters=tuple(_read_rule(rule) for rule in message.clusters),
        movement=read_enum(message.movement, _READ_MOVEMENTS, f"{path}.movement", problems),
        within_capacity=message.within_capacity if message.HasField("within_capacity") else None,
    )


def _read_rule(message: placement_pb2.ReplicaRule) -> ReplicaRule:
    return ReplicaRule(
        clusters=ClusterMatcher(
            names=tuple(message.names) or None,
            selector=read_selector(message.selector) if message.HasField("selector") else None,
            fields=read_fields(message.fields),
        ),
        weight=message.weight if message.HasField("weight") else None,
        min=message.min,
        max=message.max if message.HasField("max") else None,
        tier=message.tier if message.HasField("tier") else None,
    )
