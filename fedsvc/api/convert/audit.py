"""The audit as protobuf; it is output only, but for what is asked for."""

from typing import Final

import orjson

from fedsvc.api.convert.common import inverted, read_enum, read_time, timestamp
from fedsvc.api.problems import Problems
from fedsvc.model.audit import AuditKind, AuditOutcome, AuditRecord
from fedsvc.store.audit import AuditFilter
from fedsvc.v1 import audit_pb2
from fedsvc.v1 import audit_service_pb2 as pb

MAX_UNITS: Final = 100
"""Of the units that a record is for alike so many are named."""

_KINDS: Final = {
    AuditKind.VERDICT: audit_pb2.AUDIT_KIND_VERDICT,
    AuditKind.AUTOMATION: audit_pb2.AUDIT_KIND_AUTOMATION,
    AuditKind.HOLD: audit_pb2.AUDIT_KIND_HOLD,
    AuditKind.MOVE: audit_pb2.AUDIT_KIND_MOVE,
    AuditKind.FAILOVER: audit_pb2.AUDIT_KIND_FAILOVER,
    AuditKind.FAILBACK: audit_pb2.AUDIT_KIND_FAILBACK,
    AuditKind.REMOVAL: audit_pb2.AUDIT_KIND_REMOVAL,
    AuditKind.DRILL: audit_pb2.AUDIT_KIND_DRILL,
    AuditKind.CLUSTER: audit_pb2.AUDIT_KIND_CLUSTER,
    AuditKind.CONFIRMATION: audit_pb2.AUDIT_KIND_CONFIRMATION,
}
_OUTCOMES: Final = {
    AuditOutcome.DID: audit_pb2.AUDIT_OUTCOME_DID,
    AuditOutcome.REFUSED: audit_pb2.AUDIT_OUTCOME_REFUSED,
}
_READ_KINDS: Final = inverted(_KINDS)
_READ_OUTCOMES: Final = inverted(_OUTCOMES)


def read_filter(request: pb.ListAuditRecordsRequest, problems: Problems) -> AuditFilter:
    """What is asked for, its names already checked."""
    start = read_time(request.start_time, "start_time", problems) if request.HasField("start_time") else None
    end = read_time(request.end_time, "end_time", problems) if request.HasField("end_time") else None
    if start is not None and end is not None and end <= start:
        problems.add("end_time", "is not after start_time")
    return AuditFilter(
        unit=request.unit,
        cluster=request.cluster,
        region=request.region,
        kind=read_enum(request.kind, _READ_KINDS, "kind", problems) if request.kind else None,
        outcome=read_enum(request.outcome, _READ_OUTCOMES, "outcome", problems) if request.outcome else None,
        author=request.author if request.HasField("author") else None,
        begin=start,
        end=end,
    )


def audit_message(record: AuditRecord) -> audit_pb2.AuditRecord:
    """A record as protobuf."""
    return audit_pb2.AuditRecord(
        name=f"audit/{record.id}",
        kind=_KINDS[record.kind],
        outcome=_OUTCOMES[record.outcome],
        reason=record.reason,
        message=record.message,
        author=record.author,
        unit=record.unit,
        units=record.units[:MAX_UNITS],
        unit_count=len(record.units),
        cluster=record.cluster,
        region=record.region,
        revision=record.revision,
        epoch=record.epoch,
        evidence=orjson.dumps(record.evidence).decode(),
        count=record.count,
        create_time=timestamp(record.create_time),
        update_time=timestamp(record.update_time),
        end_time=timestamp(record.end_time),
    )
