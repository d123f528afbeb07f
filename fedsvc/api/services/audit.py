"""AuditService: what automation did and refused, and what people asked of it."""

from typing import Any

from grpc import aio

from fedsvc.api.convert.audit import audit_message, read_filter
from fedsvc.api.names import check_cluster_id, parse_hold_subject, parse_unit
from fedsvc.api.paging import TIME_KEY, cut, parse_page, time_key, time_place
from fedsvc.api.problems import Problems
from fedsvc.model.hold import REGIONS
from fedsvc.store import audit
from fedsvc.store.store import Store
from fedsvc.v1 import audit_service_pb2 as pb
from fedsvc.v1 import audit_service_pb2_grpc


class AuditServicer(audit_service_pb2_grpc.AuditServiceServicer):
    """See audit_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ListAuditRecords(
        self, request: pb.ListAuditRecordsRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.ListAuditRecordsResponse:
        """Return a page of them, the newest first."""
        del context
        problems = Problems()
        if request.unit:
            parse_unit(request.unit, "unit")
        if request.cluster:
            check_cluster_id(request.cluster, "cluster", problems)
        if request.region:
            parse_hold_subject(f"{REGIONS}{request.region}", "region", has_regions=True)
        wanted = read_filter(request, problems)
        problems.refuse()
        restricted = tuple(f"{name}={value}" for name, value in wanted.values().items())
        page = parse_page(request.page_size, request.page_token, filter=("audit", *restricted), key=TIME_KEY)
        async with self._store.look() as look:
            rows = await audit.list_page(look, wanted, before=time_place(page.after), limit=page.size + 1)
        found = cut(page, rows, [time_key(row.update_time, row.id) for row in rows])
        return pb.ListAuditRecordsResponse(
            records=map(audit_message, found.rows), next_page_token=found.next_page_token
        )
