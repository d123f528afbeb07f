"""ClusterService: the registered member clusters."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

from grpc import aio

from fedsvc.api.convert.cluster import cluster_message, read_object_deletion
from fedsvc.api.intent.cluster import MASKABLE, ClusterIntent, read_cluster
from fedsvc.api.intent.connection import connection_warnings
from fedsvc.api.intent.removal import authorise_leave, check_confirmed
from fedsvc.api.listing import collect
from fedsvc.api.mutation import mutate
from fedsvc.api.names import check_cluster_id, parse_cluster
from fedsvc.api.paging import Key, cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.api.selectors import parse_label_selector
from fedsvc.errors import AlreadyExistsError, DeletingError
from fedsvc.model.cluster import Cluster, ObjectDeletion
from fedsvc.store import clusters, holds
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import cluster_pb2, cluster_service_pb2, cluster_service_pb2_grpc

_ALL: Final = "*"


class ClusterServicer(cluster_service_pb2_grpc.ClusterServiceServicer):
    """See cluster_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def CreateCluster(
        self, request: cluster_service_pb2.CreateClusterRequest, context: aio.ServicerContext[Any, Any]
    ) -> cluster_service_pb2.CreateClusterResponse:
        """Register a member."""
        del context
        return await mutate(self._store, request, cluster_service_pb2.CreateClusterResponse, self._create)

    async def GetCluster(
        self, request: cluster_service_pb2.GetClusterRequest, context: aio.ServicerContext[Any, Any]
    ) -> cluster_service_pb2.GetClusterResponse:
        """Return one."""
        del context
        name = parse_cluster(request.name, "name")
        async with self._store.reader() as tx:
            cluster = await clusters.get(tx, name)
            held = (await holds.standing(tx)).holds
        return cluster_service_pb2.GetClusterResponse(cluster=cluster_message(cluster, held))

    async def ListClusters(
        self, request: cluster_service_pb2.ListClustersRequest, context: aio.ServicerContext[Any, Any]
    ) -> cluster_service_pb2.ListClustersResponse:
        """Return a page of them, by name."""
        del context
        selector = parse_label_selector(request.label_selector, "label_selector")
        page = parse_page(
            request.page_size, request.page_token, filter=("clusters", request.label_selector), key=(str,)
        )
        async with self._store.reader() as tx:

            async def fetch(after: Key | None, limit: int) -> Sequence[Cluster]:
                return await clusters.list_page(tx, after=str(after[0]) if after else "", limit=limit)

            rows = await collect(fetch, page, key=lambda cluster: (cluster.name,), selector=selector)
            held = (await holds.standing(tx)).holds
            token = await tx.resume_token()
        found = cut(page, rows, [(cluster.name,) for cluster in rows])
        return cluster_service_pb2.ListClustersResponse(
            clusters=[cluster_message(cluster, held) for cluster in found.rows],
            next_page_token=found.next_page_token,
            resume_token=token.encode(),
        )

    async def UpdateCluster(
        self, request: cluster_service_pb2.UpdateClusterRequest, context: aio.ServicerContext[Any, Any]
    ) -> cluster_service_pb2.UpdateClusterResponse:
        """Change what the mask names."""
        del context
        return await mutate(self._store, request, cluster_service_pb2.UpdateClusterResponse, self._update)

    async def DeleteCluster(
        self, request: cluster_service_pb2.DeleteClusterRequest, context: aio.ServicerContext[Any, Any]
    ) -> cluster_service_pb2.DeleteClusterResponse:
        """Make a member leave."""
        del context
        return await mutate(self._store, request, cluster_service_pb2.DeleteClusterResponse, self._delete)

    async def _create(
        self, tx: Transaction, request: cluster_service_pb2.CreateClusterRequest
    ) -> cluster_service_pb2.CreateClusterResponse:
        problems = Problems()
        check_cluster_id(request.cluster_id, "cluster_id", problems)
        if request.cluster.name not in ("", f"clusters/{request.cluster_id}"):
            problems.add("cluster.name", f"is not clusters/{request.cluster_id}: leave it out, or make the two agree")
        stored = next(iter(await clusters.get_many(tx, [request.cluster_id])), None)
        if stored is not None and not request.allow_existing:
            raise AlreadyExistsError(stored.resource_name)
        # Who joins again says anew how to reach the member; of the rest only what is said changes.
        fields = MASKABLE if stored is None else {"connection", *populated(request.cluster)}
        intent = read_cluster(request.cluster, fields, stored, tx.now, problems)
        problems.refuse()
        if stored is None:
            cluster = await clusters.create(tx, _new_cluster(request.cluster_id, intent, tx))
        else:
            cluster = await _store_intent(tx, stored.name, intent)
        return cluster_service_pb2.CreateClusterResponse(
            cluster=cluster_message(cluster),
            existed=stored is not None,
            warnings=connection_warnings(intent.connection, tx.now),
        )

    async def _update(
        self, tx: Transaction, request: cluster_service_pb2.UpdateClusterRequest
    ) -> cluster_service_pb2.UpdateClusterResponse:
        name = parse_cluster(request.cluster.name, "cluster.name")
        problems = Problems()
        fields = _masked(request.update_mask.paths, problems)
        stored = await clusters.lock(tx, name, etag=request.cluster.etag)
        intent = read_cluster(request.cluster, fields, stored, tx.now, problems)
        problems.refuse()
        cluster = await _store_intent(tx, name, intent)
        return cluster_service_pb2.UpdateClusterResponse(cluster=cluster_message(cluster))

    async def _delete(
        self, tx: Transaction, request: cluster_service_pb2.DeleteClusterRequest
    ) -> cluster_service_pb2.DeleteClusterResponse:
        name = parse_cluster(request.name, "name")
        problems = Problems()
        deletion = read_object_deletion(request.objects, "objects", problems) or ObjectDeletion.ORPHAN
        if request.force and deletion is not ObjectDeletion.ORPHAN:
            problems.add("objects", "contradicts force, which leaves objects as they are: give one of the two")
        is_confirmed = check_confirmed(request.confirmed_removals, f"clusters/{name}", problems)
        problems.refuse()
        stored = await clusters.lock(tx, name, etag=request.etag)
        if request.force:
            works = await clusters.forget(tx, name)
            return cluster_service_pb2.DeleteClusterResponse(work_count=works)
        if stored.delete_time is None or deletion is not ObjectDeletion.ORPHAN:
            await authorise_leave(tx, name, deletion, is_confirmed=is_confirmed)
        leaving = await clusters.mark_deleted(tx, name, deletion)
        return cluster_service_pb2.DeleteClusterResponse(cluster=cluster_message(leaving), work_count=stored.work_count)


def populated(message: cluster_pb2.Cluster) -> set[str]:
    """Which of the maskable fields a message sets."""
    return {field.name for field, _ in message.ListFields()} & set(MASKABLE)


def _masked(paths: Sequence[str], problems: Problems) -> set[str]:
    if not paths:
        problems.add("update_mask", f"is missing: name what to change, of {', '.join(MASKABLE)}, or * for all")
    if _ALL in paths:
        return set(MASKABLE)
    for path in paths:
        if path not in MASKABLE:
            whole = path.partition(".")[0]
            hint = f"; {whole} is replaced as a whole" if whole in MASKABLE else ""
            problems.add("update_mask", f"'{path}' is not one of {', '.join(MASKABLE)}{hint}")
    return set(paths)


def _new_cluster(name: str, intent: ClusterIntent, tx: Transaction) -> Cluster:
    return Cluster(
        name=name,
        uid=str(uuid4()),
        labels=intent.labels,
        annotations=intent.annotations,
        provider=intent.provider,
        region=intent.region,
        zones=intent.zones,
        taints=intent.taints,
        connection=intent.connection,
        jurisdiction=intent.jurisdiction,
        cost=intent.cost,
        scores=intent.scores,
        create_time=tx.now,
        update_time=tx.now,
    )


async def _store_intent(tx: Transaction, name: str, intent: ClusterIntent) -> Cluster:
    stored = await clusters.lock(tx, name)
    if stored.delete_time is not None:
        raise DeletingError(stored.resource_name)
    changed = replace(
        stored,
        labels=intent.labels,
        annotations=intent.annotations,
        provider=intent.provider,
        region=intent.region,
        zones=intent.zones,
        taints=intent.taints,
        connection=intent.connection,
        jurisdiction=intent.jurisdiction,
        cost=intent.cost,
        scores=intent.scores,
    )
    return stored if changed == stored else await clusters.update(tx, changed)
