"""What an apply did, as protobuf."""

from typing import Final

from fedsvc.store.outcome import ApplyOutcome
from fedsvc.v1 import unit_service_pb2

_OUTCOMES: Final = {
    ApplyOutcome.CREATED: unit_service_pb2.APPLY_OUTCOME_CREATED,
    ApplyOutcome.CONFIGURED: unit_service_pb2.APPLY_OUTCOME_CONFIGURED,
    ApplyOutcome.UNCHANGED: unit_service_pb2.APPLY_OUTCOME_UNCHANGED,
    ApplyOutcome.REMOVED: unit_service_pb2.APPLY_OUTCOME_REMOVED,
}


def outcome_value(outcome: ApplyOutcome) -> unit_service_pb2.ApplyOutcome.ValueType:
    """An outcome as protobuf."""
    return _OUTCOMES[outcome]
