"""The sub-clients that only read: resources, works, events, the audit and the server itself."""

from collections.abc import AsyncIterator
from datetime import datetime

from fedsvc.v1 import (
    audit_pb2,
    audit_service_pb2,
    audit_service_pb2_grpc,
    event_pb2,
    event_service_pb2,
    event_service_pb2_grpc,
    resource_pb2,
    resource_service_pb2,
    resource_service_pb2_grpc,
    server_service_pb2,
    server_service_pb2_grpc,
)
from fedsvc_client import names
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, pages

ANY_UNIT = "namespaces/-/units/-"


class AsyncResources:
    """The Kubernetes objects that units are made of."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = resource_service_pb2_grpc.ResourceServiceStub(caller.channel)

    async def get(
        self, name: str, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> resource_service_pb2.GetResourceResponse:
        """Return one with its manifest and works, by its name."""
        request = resource_service_pb2.GetResourceRequest(name=name)
        return await self._caller.call(self._stub.GetResource, request, timeout_seconds=timeout_seconds)

    async def list_page(
        self,
        *,
        parent: str = ANY_UNIT,
        kind: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> resource_service_pb2.ListResourcesResponse:
        """Return one page, which also has the token to watch from."""
        request = resource_service_pb2.ListResourcesRequest(
            parent=parent, kind=kind, page_size=page_size, page_token=page_token
        )
        return await self._caller.call(self._stub.ListResources, request, timeout_seconds=timeout_seconds)

    def list(
        self,
        *,
        parent: str = ANY_UNIT,
        kind: str = "",
        page_size: int = 0,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[resource_pb2.FederatedResource]:
        """Yield those of a unit ("namespaces/shop/units/web"; "-" for any), without manifests' bytes."""
        return pages(
            lambda token: self.list_page(
                parent=parent, kind=kind, page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.resources,
        )


class AsyncWorks:
    """What each cluster shall hold of each resource, and what it said of it."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = resource_service_pb2_grpc.ResourceServiceStub(caller.channel)

    async def list_page(
        self,
        *,
        parent: str = ANY_UNIT,
        cluster: str = "",
        only_trouble: bool = False,
        only_removals: bool = False,
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> resource_service_pb2.ListWorksResponse:
        """Return one page, which also has the token to watch from."""
        request = resource_service_pb2.ListWorksRequest(
            parent=parent,
            cluster=names.last_part(cluster),
            only_trouble=only_trouble,
            only_removals=only_removals,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._caller.call(self._stub.ListWorks, request, timeout_seconds=timeout_seconds)

    def list(
        self,
        *,
        parent: str = ANY_UNIT,
        cluster: str = "",
        only_trouble: bool = False,
        only_removals: bool = False,
        page_size: int = 0,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[resource_pb2.Work]:
        """Yield those of a unit, of a cluster, or of both; with `only_trouble` those that are not as they should be."""
        return pages(
            lambda token: self.list_page(
                parent=parent,
                cluster=cluster,
                only_trouble=only_trouble,
                only_removals=only_removals,
                page_size=page_size,
                page_token=token,
                timeout_seconds=timeout_seconds,
            ),
            lambda page: page.works,
        )


class AsyncEvents:
    """What happened."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = event_service_pb2_grpc.EventServiceStub(caller.channel)

    async def list_page(
        self,
        *,
        subject: str = "",
        namespace: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> event_service_pb2.ListEventsResponse:
        """Return one page, which also has the token to watch from."""
        request = event_service_pb2.ListEventsRequest(
            page_size=page_size, page_token=page_token, subject=subject, namespace=namespace
        )
        return await self._caller.call(self._stub.ListEvents, request, timeout_seconds=timeout_seconds)

    def list(
        self,
        *,
        subject: str = "",
        namespace: str = "",
        page_size: int = 0,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[event_pb2.Event]:
        """Yield those of a subject ("clusters/a", "namespaces/x/units/y") or namespace, newest first."""
        return pages(
            lambda token: self.list_page(
                subject=subject,
                namespace=namespace,
                page_size=page_size,
                page_token=token,
                timeout_seconds=timeout_seconds,
            ),
            lambda page: page.events,
        )


class AsyncAudit:
    """What automation did and refused, with its evidence, and what people asked of it."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = audit_service_pb2_grpc.AuditServiceStub(caller.channel)

    async def list_page(
        self,
        *,
        unit: str = "",
        cluster: str = "",
        region: str = "",
        kind: audit_pb2.AuditKind.ValueType = audit_pb2.AUDIT_KIND_UNSPECIFIED,
        outcome: audit_pb2.AuditOutcome.ValueType = audit_pb2.AUDIT_OUTCOME_UNSPECIFIED,
        author: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> audit_service_pb2.ListAuditRecordsResponse:
        """Return one page, the newest first; see `list`."""
        request = audit_service_pb2.ListAuditRecordsRequest(
            page_size=page_size,
            page_token=page_token,
            unit=unit,
            cluster=names.last_part(cluster),
            region=names.last_part(region),
            kind=kind,
            outcome=outcome,
            author=author,
        )
        if start_time is not None:
            request.start_time.FromDatetime(start_time)
        if end_time is not None:
            request.end_time.FromDatetime(end_time)
        return await self._caller.call(self._stub.ListAuditRecords, request, timeout_seconds=timeout_seconds)

    def list(
        self,
        *,
        unit: str = "",
        cluster: str = "",
        region: str = "",
        kind: audit_pb2.AuditKind.ValueType = audit_pb2.AUDIT_KIND_UNSPECIFIED,
        outcome: audit_pb2.AuditOutcome.ValueType = audit_pb2.AUDIT_OUTCOME_UNSPECIFIED,
        author: str | None = None,
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page_size: int = 0,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[audit_pb2.AuditRecord]:
        """Yield the records that match, the newest first; `timeout_seconds` is for each page.

        Args:
            unit: A unit by its name in the API.
            cluster: A cluster.
            region: A region, clusters in it included.
            kind: What was done or refused.
            outcome: Whether it was done.
            author: Name of a caller's token; empty: automation alone; None: whoever.
            start_time: Only what happened then or later; time zone aware.
            end_time: Only what happened before.
            page_size: Records read at once.
            timeout_seconds: Deadline of a call.
        """
        return pages(
            lambda token: self.list_page(
                unit=unit,
                cluster=cluster,
                region=region,
                kind=kind,
                outcome=outcome,
                author=author,
                start_time=start_time,
                end_time=end_time,
                page_size=page_size,
                page_token=token,
                timeout_seconds=timeout_seconds,
            ),
            lambda page: page.records,
        )


class AsyncServerInfo:
    """The server itself."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = server_service_pb2_grpc.ServerServiceStub(caller.channel)

    async def info(self, *, timeout_seconds: float = DEADLINE_SECONDS) -> server_service_pb2.GetServerInfoResponse:
        """Return version, limits and state."""
        request = server_service_pb2.GetServerInfoRequest()
        return await self._caller.call(self._stub.GetServerInfo, request, timeout_seconds=timeout_seconds)
