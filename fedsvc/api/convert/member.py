"""What members say when they are asked, as protobuf; all of it output only."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from fedsvc.api.convert.common import ref_message, timestamp
from fedsvc.api.fan_out import Failure
from fedsvc.members.logs import LogSource
from fedsvc.members.reading import FoundEvent, FoundPod
from fedsvc.v1 import common_pb2, member_pb2


def answer_message(cluster: str, failure: Failure | None, *, truncated: bool = False) -> member_pb2.MemberAnswer:
    """How a member answered."""
    return member_pb2.MemberAnswer(
        cluster=cluster,
        answered=failure is None,
        reason="" if failure is None else failure.reason,
        message="" if failure is None else failure.message,
        truncated=truncated,
    )


def pod_message(cluster: str, found: FoundPod) -> member_pb2.MemberPod:
    """A pod."""
    view, owner = found.view, found.owner
    return member_pb2.MemberPod(
        cluster=cluster,
        unit="" if owner is None else owner.unit,
        owner=None if owner is None else ref_message(owner.key),
        namespace=view.namespace,
        pod=view.name,
        status=view.status,
        message=view.message,
        ready_containers=view.ready_containers,
        container_count=view.container_count,
        restarts=view.restarts,
        last_restart_time=_time(view.last_restart_time),
        node=view.node,
        address=view.address,
        create_time=_time(view.create_time),
        containers=[
            member_pb2.MemberContainer(
                name=container.name,
                image=container.image,
                init=container.is_init,
                ready=container.ready,
                restarts=container.restarts,
                state=container.state,
                message=container.message,
            )
            for container in view.containers
        ],
    )


def event_message(cluster: str, found: FoundEvent) -> member_pb2.MemberEvent:
    """An event."""
    event, owner = found.event, found.owner
    return member_pb2.MemberEvent(
        cluster=cluster,
        unit="" if owner is None else owner.unit,
        object=common_pb2.ManifestRef(
            api_version=event.api_version, kind=event.kind, namespace=event.namespace, name=event.name
        ),
        type=event.type,
        reason=event.reason,
        message=event.message,
        count=min(event.count, 2**31 - 1),
        first_time=_time(event.first_time),
        last_time=_time(event.last_time),
        source=event.source,
    )


def log_message(cluster: str, source: LogSource) -> member_pb2.MemberLog:
    """Whose log."""
    return member_pb2.MemberLog(
        cluster=cluster,
        namespace=source.namespace,
        pod=source.pod,
        container=source.container,
        only_container=source.is_only,
    )


def _time(text: str) -> Timestamp | None:
    """A time of RFC 3339 as a member wrote it; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return timestamp(found if found.tzinfo is not None else found.replace(tzinfo=UTC))
