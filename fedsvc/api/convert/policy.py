"""Policies as protobuf; their specs are read by the converters of placement and override."""

from fedsvc.api.convert.common import timestamp
from fedsvc.api.convert.override import override_message
from fedsvc.api.convert.placement import placement_message
from fedsvc.model.policy import OverridePolicy, PlacementPolicy
from fedsvc.v1 import policy_pb2


def placement_policy_message(policy: PlacementPolicy) -> policy_pb2.PlacementPolicy:
    """A placement policy as protobuf."""
    return policy_pb2.PlacementPolicy(
        name=f"placementPolicies/{policy.name}",
        uid=policy.uid,
        labels=policy.labels,
        spec=placement_message(policy.spec),
        unit_count=policy.unit_count,
        create_time=timestamp(policy.create_time),
        update_time=timestamp(policy.update_time),
        etag=policy.etag,
    )


def override_policy_message(policy: OverridePolicy) -> policy_pb2.OverridePolicy:
    """An override policy as protobuf."""
    return policy_pb2.OverridePolicy(
        name=f"overridePolicies/{policy.name}",
        uid=policy.uid,
        labels=policy.labels,
        spec=policy_pb2.OverridePolicySpec(overrides=[override_message(override) for override in policy.spec]),
        unit_count=policy.unit_count,
        create_time=timestamp(policy.create_time),
        update_time=timestamp(policy.update_time),
        etag=policy.etag,
    )
