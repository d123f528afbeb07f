from collections.abc import Sequence

from fedsvc.v1 import common_pb2, ownership_service_pb2, ownership_service_pb2_grpc
from fedsvc_client import names
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id


class AsyncOwnership:
    """Whose objects in members are."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = ownership_service_pb2_grpc.OwnershipServiceStub(caller.channel)

    async def diff(
        self,
        unit: str,
        *,
        clusters: Sequence[str] = (),
        member_timeout_seconds: int = 0,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> ownership_service_pb2.DiffUnitResponse:
        """Ask members what an apply of a unit would change; nothing is written.

        Args:
            unit: Its name, or "namespace/unit".
            clusters: Ids of those to ask; empty: all the unit is on.
            member_timeout_seconds: How long each member has to answer, at most 25; 0 means 10.
            timeout_seconds: How long the call may take.
        """
        request = ownership_service_pb2.DiffUnitRequest(
            name=names.unit_name(unit), clusters=clusters, member_timeout_seconds=member_timeout_seconds
        )
        return await self._caller.call(self._stub.DiffUnit, request, timeout_seconds=timeout_seconds)

    async def hand_over(
        self,
        source: str,
        target: str,
        refs: Sequence[common_pb2.ManifestRef],
        *,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> ownership_service_pb2.HandOverResourcesResponse:
        """Move resources from one unit to another; their objects in members stay where they are.

        Raises:
            PreconditionError: The other unit is not on all the clusters, or is being deleted.
        """
        request = ownership_service_pb2.HandOverResourcesRequest(
            source=names.unit_name(source),
            target=names.unit_name(target),
            refs=refs,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.HandOverResources, request, timeout_seconds=timeout_seconds)

    async def release(
        self,
        unit: str,
        refs: Sequence[common_pb2.ManifestRef],
        *,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> ownership_service_pb2.ReleaseResourcesResponse:
        """Take resources out of a unit and leave their objects in members, no longer managed."""
        request = ownership_service_pb2.ReleaseResourcesRequest(
            name=names.unit_name(unit), refs=refs, validate_only=validate_only, request_id=new_request_id()
        )
        return await self._caller.call(self._stub.ReleaseResources, request, timeout_seconds=timeout_seconds)

    async def read_objects(
        self, cluster: str, refs: Sequence[common_pb2.ManifestRef], *, timeout_seconds: float = 25.0
    ) -> list[ownership_service_pb2.ReadObject]:
        """Read objects of one cluster as templates, in the order asked for; each says why where there is none."""
        request = ownership_service_pb2.ReadObjectsRequest(cluster=names.cluster_name(cluster), refs=refs)
        answer = await self._caller.call(self._stub.ReadObjects, request, timeout_seconds=timeout_seconds)
        return list(answer.objects)

    async def confirm_recreation(
        self,
        unit: str,
        ref: common_pb2.ManifestRef,
        *,
        revision: int,
        clusters: Sequence[str] = (),
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> ownership_service_pb2.ConfirmRecreationResponse:
        """Let an object be deleted and made anew whose template changes what cannot be changed.

        Args:
            unit: Its name, or "namespace/unit".
            ref: The resource.
            revision: The revision of the unit that is confirmed.
            clusters: Where; empty: wherever it waits for that.
            validate_only: Whether to check only.
            timeout_seconds: How long the call may take.

        Raises:
            PreconditionError: It does not wait for that, or the unit is at another revision.
        """
        request = ownership_service_pb2.ConfirmRecreationRequest(
            name=names.unit_name(unit),
            ref=ref,
            revision=revision,
            clusters=clusters,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.ConfirmRecreation, request, timeout_seconds=timeout_seconds)
