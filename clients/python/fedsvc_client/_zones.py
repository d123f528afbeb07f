from collections.abc import AsyncIterator, Iterable

from fedsvc.v1 import unit_pb2, zone_pb2, zone_service_pb2, zone_service_pb2_grpc
from fedsvc_client import names
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id, pages


class AsyncZones:
    """DNS zones, and what they hold."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = zone_service_pb2_grpc.ZoneServiceStub(caller.channel)

    async def apply(
        self, zone: zone_pb2.Zone, *, validate_only: bool = False, timeout_seconds: float = DEADLINE_SECONDS
    ) -> zone_service_pb2.ApplyZoneResponse:
        """Create or replace a zone."""
        request = zone_service_pb2.ApplyZoneRequest(zone=zone, validate_only=validate_only, request_id=new_request_id())
        return await self._caller.call(self._stub.ApplyZone, request, timeout_seconds=timeout_seconds)

    async def get(self, zone: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> zone_pb2.Zone:
        """Return one zone, by its id or name."""
        request = zone_service_pb2.GetZoneRequest(name=names.zone_name(zone))
        return (await self._caller.call(self._stub.GetZone, request, timeout_seconds=timeout_seconds)).zone

    async def list_page(
        self, *, page_size: int = 0, page_token: str = "", timeout_seconds: float = DEADLINE_SECONDS
    ) -> zone_service_pb2.ListZonesResponse:
        """Return one page of zones, which also has the token to watch from."""
        request = zone_service_pb2.ListZonesRequest(page_size=page_size, page_token=page_token)
        return await self._caller.call(self._stub.ListZones, request, timeout_seconds=timeout_seconds)

    def list(self, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS) -> AsyncIterator[zone_pb2.Zone]:
        """Yield all zones, by name; `timeout_seconds` is for each page."""
        return pages(
            lambda token: self.list_page(page_size=page_size, page_token=token, timeout_seconds=timeout_seconds),
            lambda page: page.zones,
        )

    async def delete(
        self,
        zone: str,
        *,
        etag: str = "",
        allow_missing: bool = False,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> zone_service_pb2.DeleteZoneResponse:
        """Remove a zone that no unit names; what name servers of others have of it stays there, as `warnings` say."""
        request = zone_service_pb2.DeleteZoneRequest(
            name=names.zone_name(zone),
            etag=etag,
            allow_missing=allow_missing,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.DeleteZone, request, timeout_seconds=timeout_seconds)

    async def confirm(
        self, zone: str, approval: str, *, validate_only: bool = False, timeout_seconds: float = DEADLINE_SECONDS
    ) -> zone_pb2.Zone:
        """Let done what waits since it removes many names: exactly what `approval` of the zone's status stands for."""
        request = zone_service_pb2.ConfirmZoneRequest(
            name=names.zone_name(zone), approval=approval, validate_only=validate_only, request_id=new_request_id()
        )
        return (await self._caller.call(self._stub.ConfirmZone, request, timeout_seconds=timeout_seconds)).zone

    async def record_sets_page(
        self, zone: str, *, page_size: int = 0, page_token: str = "", timeout_seconds: float = DEADLINE_SECONDS
    ) -> zone_service_pb2.ListRecordSetsResponse:
        """Return one page of what a zone holds."""
        request = zone_service_pb2.ListRecordSetsRequest(
            zone=names.zone_name(zone), page_size=page_size, page_token=page_token
        )
        return await self._caller.call(self._stub.ListRecordSets, request, timeout_seconds=timeout_seconds)

    def record_sets(
        self, zone: str, *, page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[zone_pb2.RecordSet]:
        """Yield what a zone holds, by name and type; `timeout_seconds` is for each page."""
        return pages(
            lambda token: self.record_sets_page(
                zone, page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.record_sets,
        )

    async def verify(
        self,
        zone: str,
        *,
        names_asked: Iterable[str] = (),
        servers: Iterable[zone_pb2.NameServerEndpoint] = (),
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> zone_service_pb2.VerifyZoneResponse:
        """Ask the name servers of a zone, or others, whether they answer as planned; for some names or all."""
        request = zone_service_pb2.VerifyZoneRequest(name=names.zone_name(zone), names=names_asked, servers=servers)
        return await self._caller.call(self._stub.VerifyZone, request, timeout_seconds=timeout_seconds)

    async def plan(
        self, zone: str | zone_pb2.Zone | unit_pb2.Unit, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> zone_service_pb2.PlanZoneResponse:
        """Tell what a zone would change by what is now and what waits; as it is, or as it or a unit would be."""
        if isinstance(zone, str):
            request = zone_service_pb2.PlanZoneRequest(name=names.zone_name(zone))
        elif isinstance(zone, unit_pb2.Unit):
            request = zone_service_pb2.PlanZoneRequest(unit=zone)
        else:
            request = zone_service_pb2.PlanZoneRequest(zone=zone)
        return await self._caller.call(self._stub.PlanZone, request, timeout_seconds=timeout_seconds)

    async def explain(
        self, name: str, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> zone_service_pb2.ExplainNameResponse:
        """Tell what a name answers, and why."""
        request = zone_service_pb2.ExplainNameRequest(name=name)
        return await self._caller.call(self._stub.ExplainName, request, timeout_seconds=timeout_seconds)
