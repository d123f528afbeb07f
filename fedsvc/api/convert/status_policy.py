"""Status policies as protobuf, and back."""

from typing import Final

from fedsvc.api.convert.common import timestamp
from fedsvc.api.problems import Problems
from fedsvc.model.policy import StatusPolicy
from fedsvc.rendering.status.rules import Aggregation, FieldRule, StatusRule
from fedsvc.v1 import policy_pb2

_AGGREGATIONS: Final = {
    policy_pb2.STATUS_AGGREGATION_SUM: Aggregation.SUM,
    policy_pb2.STATUS_AGGREGATION_MIN: Aggregation.MIN,
    policy_pb2.STATUS_AGGREGATION_MAX: Aggregation.MAX,
    policy_pb2.STATUS_AGGREGATION_ALL: Aggregation.ALL,
    policy_pb2.STATUS_AGGREGATION_ANY: Aggregation.ANY,
    policy_pb2.STATUS_AGGREGATION_UNION: Aggregation.UNION,
}
_VALUES: Final = {aggregation: value for value, aggregation in _AGGREGATIONS.items()}


def status_policy_message(policy: StatusPolicy) -> policy_pb2.StatusPolicy:
    """A status policy as protobuf."""
    return policy_pb2.StatusPolicy(
        name=f"statusPolicies/{policy.name}",
        uid=policy.uid,
        labels=policy.labels,
        spec=policy_pb2.StatusPolicySpec(rules=[_rule_message(rule) for rule in policy.spec]),
        create_time=timestamp(policy.create_time),
        update_time=timestamp(policy.update_time),
        etag=policy.etag,
    )


def _rule_message(rule: StatusRule) -> policy_pb2.StatusRule:
    return policy_pb2.StatusRule(
        group=rule.group,
        kind=rule.kind,
        health=rule.health,
        reason=rule.reason,
        message=rule.message,
        desired_replicas=rule.desired_replicas,
        ready_replicas=rule.ready_replicas,
        fields=[
            policy_pb2.StatusField(
                name=field.name,
                value=field.value,
                aggregation=policy_pb2.STATUS_AGGREGATION_UNSPECIFIED
                if field.aggregation is None
                else _VALUES[field.aggregation],
            )
            for field in rule.fields
        ],
    )


def read_status_rule(message: policy_pb2.StatusRule, path: str, problems: Problems) -> StatusRule:
    """A rule as it is stored; what its enums say that there is not is added to `problems`."""
    fields = []
    for index, field in enumerate(message.fields):
        aggregation = _AGGREGATIONS.get(field.aggregation)
        if aggregation is None and field.aggregation != policy_pb2.STATUS_AGGREGATION_UNSPECIFIED:
            known = ", ".join(one.value for one in Aggregation)
            problems.add(f"{path}.fields[{index}].aggregation", f"{int(field.aggregation)} is not one of {known}")
        fields.append(FieldRule(name=field.name, value=field.value, aggregation=aggregation))
    return StatusRule(
        group=message.group,
        kind=message.kind,
        health=message.health,
        reason=message.reason,
        message=message.message,
        desired_replicas=message.desired_replicas,
        ready_replicas=message.ready_replicas,
        fields=tuple(fields),
    )
