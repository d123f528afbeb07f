"""EventService: what happened."""

from datetime import UTC, datetime
from typing import Any

from grpc import aio

from fedsvc.api.convert.event import event_message
from fedsvc.api.names import parse_cluster, parse_unit
from fedsvc.api.paging import Key, cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.model.hold import FLEET_SUBJECT
from fedsvc.rendering.names import dns_label_problem
from fedsvc.store import events
from fedsvc.store.events import StoredEvent
from fedsvc.store.store import Store
from fedsvc.v1 import event_service_pb2 as pb
from fedsvc.v1 import event_service_pb2_grpc


class EventServicer(event_service_pb2_grpc.EventServiceServicer):
    """See event_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListEvents(
        self, request: pb.ListEventsRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.ListEventsResponse:
        """Return a page of them, newest first."""
        del context
        problems = Problems()
        if request.namespace and (problem := dns_label_problem(request.namespace)) is not None:
            problems.add("namespace", problem)
        problems.refuse()
        _check_subject(request.subject)
        page = parse_page(
            request.page_size,
            request.page_token,
            filter=("events", request.subject, request.namespace),
            key=(int, int, int),
        )
        async with self._store.reader() as tx:
            rows = await events.list_page(
                tx,
                before=(events.END_OF_TIME, 0) if page.after is None else _place(page.after),
                limit=page.size + 1,
                subject=request.subject,
                namespace=request.namespace,
            )
            token = await tx.resume_token()
        found = cut(page, rows, [_key(event) for event in rows])
        return pb.ListEventsResponse(
            events=[event_message(event) for event in found.rows],
            next_page_token=found.next_page_token,
            resume_token=token.encode(),
        )


def _check_subject(subject: str) -> None:
    if subject.startswith("clusters/"):
        parse_cluster(subject, "subject")
    elif subject and subject != FLEET_SUBJECT:
        parse_unit(subject, "subject")


def _key(event: StoredEvent) -> Key:
    # Whole seconds and microseconds: a float would lose the last ones, and with them rows.
    return (int(event.update_time.timestamp() // 1), event.update_time.microsecond, event.id)


def _place(key: Key) -> tuple[datetime, int]:
    seconds, microseconds, number = (int(part) for part in key)
    try:
        time = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    except (ValueError, OverflowError, OSError):
        return events.END_OF_TIME, 0  # a forged token: begin anew
    return time, number
