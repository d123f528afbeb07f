"""ServerService: the server itself."""

from collections.abc import Callable
from typing import Any

from grpc import aio

from fedsvc.api.caller import caller
from fedsvc.api.limits import MAX_MANIFEST_BYTES, MAX_UNIT_BYTES, MAX_UNIT_RESOURCES
from fedsvc.store.migrate import head
from fedsvc.store.store import Store
from fedsvc.v1 import server_service_pb2 as pb
from fedsvc.v1 import server_service_pb2_grpc


class ServerServicer(server_service_pb2_grpc.ServerServiceServicer):
    """See server_service.proto."""

    def __init__(self, store: Store, *, version: str, is_leader: Callable[[], bool]) -> None:
        self._store = store
        self._version = version
        self._is_leader = is_leader
        self._schema = head()

    async def GetServerInfo(
        self, request: pb.GetServerInfoRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.GetServerInfoResponse:
        """Return version, limits and state."""
        del request, context
        return pb.GetServerInfoResponse(
            version=self._version,
            database_version=await self._store.database.version(),
            schema_revision=self._schema,
            max_manifest_bytes=MAX_MANIFEST_BYTES,
            max_unit_bytes=MAX_UNIT_BYTES,
            max_unit_resources=MAX_UNIT_RESOURCES,
            leader=self._is_leader(),
            caller=caller(),
        )
