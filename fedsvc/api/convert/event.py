"""Events as protobuf; they are output only."""

from fedsvc.api.convert.common import timestamp
from fedsvc.store.events import StoredEvent
from fedsvc.v1 import event_pb2


def event_message(event: StoredEvent) -> event_pb2.Event:
    """An event as protobuf."""
    return event_pb2.Event(
        name=f"events/{event.id}",
        subject=event.subject,
        cluster=event.cluster,
        type=event.type,
        reason=event.reason,
        message=event.message,
        count=event.count,
        create_time=timestamp(event.create_time),
        update_time=timestamp(event.update_time),
    )
