import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from fedsvc.v1 import cluster_service_pb2, unit_pb2, unit_service_pb2, unit_service_pb2_grpc, watch_service_pb2
from fedsvc_client import names
from fedsvc_client._calls import APPLY_DEADLINE_SECONDS, DEADLINE_SECONDS, Caller, new_request_id, pages
from fedsvc_client._errors import NotFoundError, WaitTimeoutError
from fedsvc_client._goals import Goal, is_reached, last_words
from fedsvc_client._watch import AsyncWatch, Kind, Resynced, Synced, WatchFilter


class AsyncUnits:
    """The federated units of work."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = unit_service_pb2_grpc.UnitServiceStub(caller.channel)

    async def apply(
        self,
        unit: unit_pb2.Unit,
        *,
        confirmed_removals: Sequence[str] = (),
        validate_only: bool = False,
        timeout_seconds: float = APPLY_DEADLINE_SECONDS,
    ) -> unit_service_pb2.ApplyUnitResponse:
        """Create a unit, or replace its labels, annotations and spec; its `etag`, where set, guards that.

        Where that would remove more from members than goes without a confirmation, the unit's name must be among
        `confirmed_removals`.
        """
        request = unit_service_pb2.ApplyUnitRequest(
            unit=unit,
            confirmed_removals=[names.unit_name(name) for name in confirmed_removals],
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.ApplyUnit, request, timeout_seconds=timeout_seconds)

    async def get(self, unit: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> unit_pb2.Unit:
        """Return one with its resources, by its name or as "namespace/unit"."""
        request = unit_service_pb2.GetUnitRequest(name=names.unit_name(unit))
        return (await self._caller.call(self._stub.GetUnit, request, timeout_seconds=timeout_seconds)).unit

    async def list_page(
        self,
        *,
        namespace: str = "-",
        label_selector: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> unit_service_pb2.ListUnitsResponse:
        """Return one page, which also has the token to watch from."""
        request = unit_service_pb2.ListUnitsRequest(
            parent=f"namespaces/{namespace}",
            page_size=page_size,
            page_token=page_token,
            label_selector=label_selector,
        )
        return await self._caller.call(self._stub.ListUnits, request, timeout_seconds=timeout_seconds)

    def list(
        self,
        *,
        namespace: str = "-",
        label_selector: str = "",
        page_size: int = 0,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> AsyncIterator[unit_pb2.Unit]:
        """Yield all of a namespace ("-": of all), by name, without manifests."""
        return pages(
            lambda token: self.list_page(
                namespace=namespace,
                label_selector=label_selector,
                page_size=page_size,
                page_token=token,
                timeout_seconds=timeout_seconds,
            ),
            lambda page: page.units,
        )

    async def status(
        self, unit: str, *, timeout_seconds: float = DEADLINE_SECONDS
    ) -> unit_service_pb2.GetUnitStatusResponse:
        """Return how a unit fares, with what the newest decision says of every cluster."""
        request = unit_service_pb2.GetUnitStatusRequest(name=names.unit_name(unit))
        return await self._caller.call(self._stub.GetUnitStatus, request, timeout_seconds=timeout_seconds)

    async def delete(
        self,
        unit: str,
        *,
        cascade: cluster_service_pb2.ObjectDeletion.ValueType = cluster_service_pb2.OBJECT_DELETION_UNSPECIFIED,
        etag: str = "",
        allow_missing: bool = False,
        confirmed_removals: Sequence[str] = (),
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> unit_service_pb2.DeleteUnitResponse:
        """Remove a unit; it is gone when its objects in the members are: see `wait_for`, and `apply`."""
        request = unit_service_pb2.DeleteUnitRequest(
            name=names.unit_name(unit),
            cascade=cascade,
            etag=etag,
            allow_missing=allow_missing,
            confirmed_removals=[names.unit_name(name) for name in confirmed_removals],
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.DeleteUnit, request, timeout_seconds=timeout_seconds)

    async def wait_for(
        self,
        unit: str,
        goal: Goal,
        *,
        timeout_seconds: float = 300.0,
        on_waiting: Callable[[str], object] | None = None,
    ) -> unit_pb2.Unit | None:
        """Wait until a unit is "applied", "ready" or "deleted"; return it as it then is, None where deleted.

        Args:
            unit: Its name, or "namespace/unit".
            goal: What to wait for.
            timeout_seconds: How long.
            on_waiting: Called with where the unit stands and what it lacks, first and whenever that changes.

        Raises:
            NotFoundError: It does not exist, or was deleted meanwhile.
            WaitTimeoutError: It did not come to that in time; the text says where it stands.
        """
        name = names.unit_name(unit)
        seen: unit_pb2.Unit | None = None
        told = ""
        filtered = WatchFilter(kinds=(Kind.UNIT,), name=name)
        watch = AsyncWatch(self._caller, filtered, give_up_seconds=timeout_seconds)
        try:
            async with asyncio.timeout(timeout_seconds), watch:
                async for item in watch:
                    if isinstance(item, Resynced):
                        seen = None
                        continue
                    if not isinstance(item, Synced):
                        is_gone = item.type == watch_service_pb2.CHANGE_TYPE_DELETED
                        seen = None if is_gone else item.unit
                        if not is_gone and is_reached(item.unit, goal):
                            return item.unit
                        if not is_gone:
                            if on_waiting is not None and (words := last_words(item.unit, goal)) != told:
                                told = words
                                on_waiting(told)
                            continue
                    if seen is None and goal == "deleted":
                        return None
                    if seen is None:
                        raise NotFoundError(f"{name} does not exist")
        except TimeoutError as error:
            shown = "/".join(names.split_unit_name(name))
            text = f"unit {shown} is not {goal} after {timeout_seconds:g} s: {last_words(seen, goal)}"
            raise WaitTimeoutError(text) from error
        raise AssertionError("a watch only ends by an error")
