"""Timestamps, enums, conditions, selectors, manifests' references: what all nouns share."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.api.problems import Problems
from fedsvc.model.cluster import Condition, ConditionStatus
from fedsvc.rendering.identity import ObjectKey
from fedsvc.v1 import common_pb2
from fedsvc_placement import ClusterMatcher, FieldRequirement, LabelRequirement, LabelSelector

ModelT = TypeVar("ModelT")
ProtoT = TypeVar("ProtoT", bound=int)

_STATUSES = {
    ConditionStatus.TRUE: common_pb2.CONDITION_STATUS_TRUE,
    ConditionStatus.FALSE: common_pb2.CONDITION_STATUS_FALSE,
    ConditionStatus.UNKNOWN: common_pb2.CONDITION_STATUS_UNKNOWN,
}


def timestamp(time: datetime | None) -> Timestamp | None:
    """A time as protobuf has it; None stays unset."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def read_time(message: Timestamp, path: str, problems: Problems) -> datetime | None:
    """A time that a caller sent, in UTC; None where it is not one."""
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        problems.add(path, "is not a time between the years 1 and 9999")
        return None


def read_enum(value: ProtoT, known: Mapping[ProtoT, ModelT], path: str, problems: Problems) -> ModelT:
    """The model's value for an enum's; one that is not known is noted, and read as the first that is."""
    if value in known:
        return known[value]
    names = ", ".join(dict.fromkeys(str(name) for name in known.values() if name is not None))
    problems.add(path, f"{'is not set' if not value else f'is {int(value)}'}; it must be one of {names}")
    return next(iter(known.values()))


def inverted(table: Mapping[ModelT, ProtoT]) -> dict[ProtoT, ModelT]:
    """The table of the other direction."""
    return {proto: model for model, proto in table.items()}


def condition_message(condition: Condition) -> common_pb2.Condition:
    """A condition as protobuf."""
    return common_pb2.Condition(
        type=condition.type,
        status=_STATUSES[condition.status],
        reason=condition.reason,
        message=condition.message,
        last_transition_time=timestamp(condition.last_transition_time),
    )


def ref_message(key: ObjectKey) -> common_pb2.ManifestRef:
    """The identity of a Kubernetes object as protobuf."""
    return common_pb2.ManifestRef(api_version=key.api_version, kind=key.kind, namespace=key.namespace, name=key.name)


def selector_message(selector: LabelSelector | None) -> common_pb2.LabelSelector | None:
    """A label selector as protobuf; None stays unset, which is not the empty one."""
    if selector is None:
        return None
    return common_pb2.LabelSelector(
        match_labels=dict(selector.match_labels),
        match_expressions=[
            common_pb2.LabelSelectorRequirement(
                key=requirement.key, operator=requirement.operator, values=requirement.values
            )
            for requirement in selector.match_expressions
        ],
    )


def read_selector(message: common_pb2.LabelSelector) -> LabelSelector:
    """A label selector of protobuf; labels are sorted, since maps have no order."""
    return LabelSelector(
        match_labels=tuple(sorted(message.match_labels.items())),
        match_expressions=tuple(
            LabelRequirement(key=entry.key, operator=entry.operator, values=tuple(entry.values))
            for entry in message.match_expressions
        ),
    )


def matcher_message(matcher: ClusterMatcher | None) -> common_pb2.ClusterMatcher | None:
    """A cluster matcher as protobuf."""
    if matcher is None:
        return None
    return common_pb2.ClusterMatcher(
        names=matcher.names or (), selector=selector_message(matcher.selector), fields=field_messages(matcher.fields)
    )


def read_matcher(message: common_pb2.ClusterMatcher) -> ClusterMatcher:
    """A cluster matcher of protobuf, which cannot tell no names from an empty list: both mean any name."""
    return ClusterMatcher(
        names=tuple(message.names) or None,
        selector=read_selector(message.selector) if message.HasField("selector") else None,
        fields=read_fields(message.fields),
    )


def field_messages(requirements: Iterable[FieldRequirement]) -> list[common_pb2.FieldRequirement]:
    """Requirements of provider, region and zone as protobuf."""
    return [
        common_pb2.FieldRequirement(field=entry.field, operator=entry.operator, values=entry.values)
        for entry in requirements
    ]


def read_fields(messages: Iterable[common_pb2.FieldRequirement]) -> tuple[FieldRequirement, ...]:
    """Requirements of provider, region and zone of protobuf."""
    return tuple(
        FieldRequirement(field=entry.field, operator=entry.operator, values=tuple(entry.values)) for entry in messages
    )
