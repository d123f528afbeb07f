"""EventService: what happened."""

from typing import Any

from grpc import aio

from fedsvc.api.convert.event import event_message
from fedsvc.api.names import parse_cluster, parse_unit
from fedsvc.api.paging import TIME_KEY, cut, parse_page, time_key, time_place
from fedsvc.api.problems import Problems
from fedsvc.model.hold import FLEET_SUBJECT
from fedsvc.rendering.names import dns_label_problem
from fedsvc.store import events
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
            key=TIME_KEY,
        )
        async with self._store.reader() as tx:
            rows = await events.list_page(
                tx,
                before=time_place(page.after),
                limit=page.size + 1,
                subject=request.subject,
                namespace=request.namespace,
            )
            token = await tx.resume_token()
        found = cut(page, rows, [time_key(event.update_time, event.id) for event in rows])
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
