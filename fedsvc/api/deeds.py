"""Pure: what the audit keeps of what people asked of automation."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from google.protobuf.message import Message

from fedsvc.model.audit import AuditKind, NewRecord, said
from fedsvc.model.hold import REGIONS, HoldScope
from fedsvc.v1 import (
    automation_service_pb2,
    cluster_pb2,
    cluster_service_pb2,
    drill_pb2,
    hold_pb2,
    hold_service_pb2,
    ownership_service_pb2,
    removal_service_pb2,
    revision_service_pb2,
    unit_service_pb2,
    zone_service_pb2,
)

_CLUSTERS: Final = "clusters/"
_UNITS: Final = "namespaces/"
_SHOWN: Final = 20

Deed = Callable[[Any, Any, str], NewRecord | None]


def deed_of(request: object, response: Message, author: str) -> NewRecord | None:
    """What is kept of a call that was done; None: it asks nothing of automation.

    Args:
        request: as it was sent.
        response: what it was answered with.
        author: name of the caller's token.
    """
    found = _DEEDS.get(type(request))
    return None if found is None else found(request, response, author)


def _paused(request: hold_service_pb2.PauseRequest, response: hold_service_pb2.PauseResponse, author: str) -> NewRecord:
    scope = HoldScope.EVERYTHING.value if not request.scope else _word(hold_pb2.HoldScope, request.scope)
    return _record(
        AuditKind.HOLD,
        "Paused",
        request.subject,
        _because(f"{scope.lower()} is held", request.reason),
        author,
        scope=scope,
        why=request.reason,
        until=_moment(response.hold, "end_time"),
    )


def _resumed(
    request: hold_service_pb2.ResumeRequest, response: hold_service_pb2.ResumeResponse, author: str
) -> NewRecord:
    message = f"{_count(len(response.ended), 'pause')} ended"
    return _record(AuditKind.HOLD, "Resumed", request.subject, message, author, ended=_holds(response.ended))


def _thawed(request: hold_service_pb2.ThawRequest, response: hold_service_pb2.ThawResponse, author: str) -> NewRecord:
    message = _because(f"let through {', '.join(request.windows)}", request.reason)
    return _record(
        AuditKind.HOLD,
        "Thawed",
        request.subject,
        message,
        author,
        windows=list(request.windows),
        why=request.reason,
        until=_moment(response, "end_time"),
    )


def _released(
    request: automation_service_pb2.ReleaseAutomationRequest,
    response: automation_service_pb2.ReleaseAutomationResponse,
    author: str,
) -> NewRecord:
    return _record(
        AuditKind.HOLD,
        "Released",
        request.subject,
        "automation may act on it again" if response.ended else "nothing held it",
        author,
        ended=_holds(response.ended),
        settled=list(response.automation.settled_clusters),
    )


def _failed_over(
    request: automation_service_pb2.FailOverRequest, response: automation_service_pb2.FailOverResponse, author: str
) -> NewRecord:
    message = _because(f"{_count(response.unit_count, 'unit')} to leave", request.reason)
    return _record(
        AuditKind.MOVE,
        "FailOver",
        request.subject,
        message,
        author,
        why=request.reason,
        clusters=list(request.clusters),
        targets=list(request.targets),
        **_moved(response),
    )


def _failed_back(
    request: automation_service_pb2.FailBackRequest, response: automation_service_pb2.FailBackResponse, author: str
) -> NewRecord:
    message = f"{_count(response.unit_count, 'unit')} to go back"
    clusters = list(request.clusters)
    return _record(AuditKind.MOVE, "FailBack", request.subject, message, author, clusters=clusters, **_moved(response))


def _drained(
    request: automation_service_pb2.DrainClustersRequest,
    response: automation_service_pb2.DrainClustersResponse,
    author: str,
) -> NewRecord:
    return _record(
        AuditKind.MOVE,
        "Drain",
        request.subject,
        _because(f"{_count(response.unit_count, 'unit')} to leave", request.reason),
        author,
        why=request.reason,
        pacePercent=request.pace_percent,
        clusters=list(response.clusters),
        **_moved(response),
    )


def _drill_begun(
    request: automation_service_pb2.StartDrillRequest,
    response: automation_service_pb2.StartDrillResponse,
    author: str,
) -> NewRecord:
    mode = _word(drill_pb2.DrillMode, request.mode)
    message = _because(f"{response.drill.name.replace('drills/', 'drill ')} ({mode.lower()}) begun", request.reason)
    return _record(
        AuditKind.DRILL,
        "DrillBegun",
        request.subject,
        message,
        author,
        drill=response.drill.name,
        mode=mode,
        why=request.reason,
    )


def _drill_stopped(
    request: automation_service_pb2.StopDrillRequest, response: automation_service_pb2.StopDrillResponse, author: str
) -> NewRecord:
    message = f"{request.name.replace('drills/', 'drill ')} stopped"
    return _record(AuditKind.DRILL, "DrillStopped", response.drill.subject, message, author, drill=request.name)


def _joined(
    request: cluster_service_pb2.CreateClusterRequest, response: cluster_service_pb2.CreateClusterResponse, author: str
) -> NewRecord:
    reason, message = ("JoinedAgain", "it joined again") if response.existed else ("Joined", "it joined")
    return _record(AuditKind.CLUSTER, reason, f"{_CLUSTERS}{request.cluster_id}", message, author)


def _tainted(
    request: cluster_service_pb2.UpdateClusterRequest, response: cluster_service_pb2.UpdateClusterResponse, author: str
) -> NewRecord | None:
    if not {"taints", "*"} & set(request.update_mask.paths):
        return None
    taints = sorted(f"{one.key}:{_word(cluster_pb2.TaintEffect, one.effect)}" for one in response.cluster.taints)
    message = f"its taints are {', '.join(taints)}" if taints else "it has no taints any more"
    return _record(AuditKind.CLUSTER, "Taints", request.cluster.name, message, author, taints=taints)


def _left(
    request: cluster_service_pb2.DeleteClusterRequest, response: cluster_service_pb2.DeleteClusterResponse, author: str
) -> NewRecord:
    objects = "Orphan" if not request.objects else _word(cluster_service_pb2.ObjectDeletion, request.objects)
    reason, message = ("Forgotten", "it is forgotten") if request.force else ("Leaves", "it is to leave")
    return _record(
        AuditKind.CLUSTER,
        reason,
        request.name,
        f"{message} with {_count(response.work_count, 'object')}",
        author,
        works=response.work_count,
        objects=objects,
        confirmed=list(request.confirmed_removals),
    )


def _removals_confirmed(
    request: removal_service_pb2.ConfirmRemovalsRequest,
    response: removal_service_pb2.ConfirmRemovalsResponse,
    author: str,
) -> NewRecord:
    counts = {one.unit: one.object_count for one in response.removals}
    message = f"the removal of {_count(sum(counts.values()), 'object')} is confirmed"
    return _record(AuditKind.CONFIRMATION, "Removals", request.subject, message, author, objects=counts)


def _recreation_confirmed(
    request: ownership_service_pb2.ConfirmRecreationRequest,
    response: ownership_service_pb2.ConfirmRecreationResponse,
    author: str,
) -> NewRecord:
    what = f"{request.ref.kind} {request.ref.namespace}/{request.ref.name}"
    message = f"{what} may be made anew on {', '.join(response.clusters)}"
    return _record(
        AuditKind.CONFIRMATION, "Recreation", request.name, message, author, clusters=list(response.clusters)
    )


def _zone_confirmed(
    request: zone_service_pb2.ConfirmZoneRequest, response: zone_service_pb2.ConfirmZoneResponse, author: str
) -> NewRecord:
    del response
    message = f"what waits in {request.name} is confirmed"
    return _record(AuditKind.CONFIRMATION, "Zone", "", message, author, zone=request.name, approval=request.approval)


def _intent_confirmed(
    request: unit_service_pb2.ApplyUnitRequest
    | unit_service_pb2.DeleteUnitRequest
    | revision_service_pb2.RollBackUnitRequest,
    response: Message,
    author: str,
) -> NewRecord | None:
    """An apply, deletion or roll-back that confirms at once what it removes."""
    del response
    if not request.confirmed_removals:
        return None
    reason = type(request).__name__.removesuffix("UnitRequest")
    message = "what its new intent removes is confirmed"
    return _record(AuditKind.CONFIRMATION, reason, request.confirmed_removals[0], message, author)


_DEEDS: Final[Mapping[type, Deed]] = {
    hold_service_pb2.PauseRequest: _paused,
    hold_service_pb2.ResumeRequest: _resumed,
    hold_service_pb2.ThawRequest: _thawed,
    automation_service_pb2.ReleaseAutomationRequest: _released,
    automation_service_pb2.FailOverRequest: _failed_over,
    automation_service_pb2.FailBackRequest: _failed_back,
    automation_service_pb2.DrainClustersRequest: _drained,
    automation_service_pb2.StartDrillRequest: _drill_begun,
    automation_service_pb2.StopDrillRequest: _drill_stopped,
    cluster_service_pb2.CreateClusterRequest: _joined,
    cluster_service_pb2.UpdateClusterRequest: _tainted,
    cluster_service_pb2.DeleteClusterRequest: _left,
    removal_service_pb2.ConfirmRemovalsRequest: _removals_confirmed,
    ownership_service_pb2.ConfirmRecreationRequest: _recreation_confirmed,
    zone_service_pb2.ConfirmZoneRequest: _zone_confirmed,
    unit_service_pb2.ApplyUnitRequest: _intent_confirmed,
    unit_service_pb2.DeleteUnitRequest: _intent_confirmed,
    revision_service_pb2.RollBackUnitRequest: _intent_confirmed,
}


def _record(kind: AuditKind, reason: str, subject: str, message: str, author: str, **evidence: Any) -> NewRecord:
    return NewRecord(
        kind=kind,
        reason=reason,
        message=message,
        author=author,
        unit=subject if subject.startswith(_UNITS) else "",
        cluster=subject.removeprefix(_CLUSTERS) if subject.startswith(_CLUSTERS) else "",
        region=subject.removeprefix(REGIONS) if subject.startswith(REGIONS) else "",
        evidence=said(**evidence),
    )


def _moved(response: Any) -> dict[str, Any]:
    left_out = [f"{one.unit} on {one.cluster}: {one.reason}" for one in response.left_out[:_SHOWN]]
    return {"units": response.unit_count, "leftOut": left_out, "leftOutCount": len(response.left_out)}


def _holds(ended: Any) -> list[str]:
    return [f"{one.subject} by {one.author or 'fedsvc'}: {one.reason}" for one in ended]


def _because(message: str, reason: str) -> str:
    return f"{message}: {reason}" if reason else message


def _word(enum: Any, value: int) -> str:
    """HOLD_SCOPE_EVERYTHING as Everything."""
    prefix = enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    name = enum.DESCRIPTOR.values_by_number[value].name.removeprefix(prefix)
    return "".join(part.capitalize() for part in name.split("_"))


def _moment(message: Any, field: str) -> str:
    return getattr(message, field).ToJsonString() if message.HasField(field) else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
