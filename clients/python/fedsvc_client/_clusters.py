from collections.abc import AsyncIterator, Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from fedsvc.v1 import cluster_pb2, cluster_service_pb2, cluster_service_pb2_grpc
from fedsvc_client import names
from fedsvc_client._calls import DEADLINE_SECONDS, Caller, new_request_id, pages


class AsyncClusters:
    """The registered member clusters."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = cluster_service_pb2_grpc.ClusterServiceStub(caller.channel)

    async def create(
        self,
        cluster_id: str,
        cluster: cluster_pb2.Cluster,
        *,
        allow_existing: bool = False,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> cluster_service_pb2.CreateClusterResponse:
        """Register a member; with `allow_existing`, update the connection of one that is there."""
        request = cluster_service_pb2.CreateClusterRequest(
            cluster_id=cluster_id,
            cluster=cluster,
            allow_existing=allow_existing,
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.CreateCluster, request, timeout_seconds=timeout_seconds)

    async def get(self, cluster: str, *, timeout_seconds: float = DEADLINE_SECONDS) -> cluster_pb2.Cluster:
        """Return one, by its id or name."""
        request = cluster_service_pb2.GetClusterRequest(name=names.cluster_name(cluster))
        return (await self._caller.call(self._stub.GetCluster, request, timeout_seconds=timeout_seconds)).cluster

    async def list_page(
        self,
        *,
        label_selector: str = "",
        page_size: int = 0,
        page_token: str = "",
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> cluster_service_pb2.ListClustersResponse:
        """Return one page, which also has the token to watch from."""
        request = cluster_service_pb2.ListClustersRequest(
            page_size=page_size, page_token=page_token, label_selector=label_selector
        )
        return await self._caller.call(self._stub.ListClusters, request, timeout_seconds=timeout_seconds)

    def list(
        self, *, label_selector: str = "", page_size: int = 0, timeout_seconds: float = DEADLINE_SECONDS
    ) -> AsyncIterator[cluster_pb2.Cluster]:
        """Yield all that match, by name; `timeout_seconds` is for each page."""
        return pages(
            lambda token: self.list_page(
                label_selector=label_selector, page_size=page_size, page_token=token, timeout_seconds=timeout_seconds
            ),
            lambda page: page.clusters,
        )

    async def update(
        self,
        cluster: cluster_pb2.Cluster,
        fields: Sequence[str],
        *,
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> cluster_pb2.Cluster:
        """Change those fields of a cluster, for example ["labels"]; its `etag`, where set, guards it."""
        request = cluster_service_pb2.UpdateClusterRequest(
            cluster=cluster,
            update_mask=FieldMask(paths=fields),
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return (await self._caller.call(self._stub.UpdateCluster, request, timeout_seconds=timeout_seconds)).cluster

    async def delete(
        self,
        cluster: str,
        *,
        objects: cluster_service_pb2.ObjectDeletion.ValueType = cluster_service_pb2.OBJECT_DELETION_UNSPECIFIED,
        force: bool = False,
        etag: str = "",
        confirmed_removals: Sequence[str] = (),
        validate_only: bool = False,
        timeout_seconds: float = DEADLINE_SECONDS,
    ) -> cluster_service_pb2.DeleteClusterResponse:
        """Make a member leave; with `force`, forget it at once without asking it.

        Where more objects are to be deleted there than goes without a confirmation, its name must be among
        `confirmed_removals`.
        """
        request = cluster_service_pb2.DeleteClusterRequest(
            name=names.cluster_name(cluster),
            objects=objects,
            force=force,
            etag=etag,
            confirmed_removals=[names.cluster_name(name) for name in confirmed_removals],
            validate_only=validate_only,
            request_id=new_request_id(),
        )
        return await self._caller.call(self._stub.DeleteCluster, request, timeout_seconds=timeout_seconds)
