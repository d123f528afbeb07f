"""ResourceService: federated resources, and the works that carry them to members."""

from typing import Any

from grpc import aio

from fedsvc.api.convert.work import resource_message, work_message
from fedsvc.api.names import UnitParent, check_cluster_id, parse_resource, parse_unit_parent
from fedsvc.api.paging import cut, parse_page
from fedsvc.api.problems import Problems
from fedsvc.errors import NotFoundError
from fedsvc.store import clusters, gates, lookups, policies, units, works
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import resource_service_pb2 as pb
from fedsvc.v1 import resource_service_pb2_grpc

Context = aio.ServicerContext[Any, Any]


class ResourceServicer(resource_service_pb2_grpc.ResourceServiceServicer):
    """See resource_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetResource(self, request: pb.GetResourceRequest, context: Context) -> pb.GetResourceResponse:
        """Return one with its works."""
        del context
        name = parse_resource(request.name, "name")
        async with self._store.reader() as tx:
            stored = await lookups.find_resource(tx, name.unit.namespace, name.unit.name, name.id)
            if stored is None:
                raise NotFoundError(str(name))
            of_resource = await works.get_many(tx, await lookups.work_ids_of_resource(tx, name.id))
            found = await gates.with_waits(tx, of_resource)
            silences = await clusters.silences(tx, (work.cluster for work in found))
            rules = await policies.status_rules(tx)
        return pb.GetResourceResponse(
            resource=resource_message(stored, silences, rules),
            works=[
                work_message(work, silences.get(work.cluster)) for work in sorted(found, key=lambda work: work.cluster)
            ],
        )

    async def ListResources(self, request: pb.ListResourcesRequest, context: Context) -> pb.ListResourcesResponse:
        """Return a page of them, without bytes."""
        del context
        parent = parse_unit_parent(request.parent, "parent")
        page = parse_page(
            request.page_size,
            request.page_token,
            filter=("resources", request.parent, request.kind),
            key=(str, str, str, str, int),
        )
        after = lookups.FIRST
        if page.after is not None:
            namespace, unit, kind, name, number = page.after
            after = (str(namespace), str(unit), str(kind), str(name), int(number))
        async with self._store.reader() as tx:
            rows = await lookups.resources_page(
                tx,
                after=after,
                limit=page.size + 1,
                namespace=parent.namespace or "",
                unit=parent.name or "",
                kind=request.kind,
            )
            silences = await clusters.silences(tx, {cluster for row in rows for cluster in row.clusters})
            rules = await policies.status_rules(tx)
            token = await tx.resume_token()
        found = cut(page, rows, [row.order for row in rows])
        return pb.ListResourcesResponse(
            resources=[resource_message(row, silences, rules) for row in found.rows],
            next_page_token=found.next_page_token,
            resume_token=token.encode(),
        )

    async def ListWorks(self, request: pb.ListWorksRequest, context: Context) -> pb.ListWorksResponse:
        """Return a page of them, by id."""
        del context
        problems = Problems()
        if request.cluster:
            check_cluster_id(request.cluster, "cluster", problems)
        problems.refuse()
        parent = parse_unit_parent(request.parent, "parent")
        page = parse_page(
            request.page_size,
            request.page_token,
            filter=("works", request.parent, request.cluster, int(request.only_trouble), int(request.only_removals)),
            key=(int,),
        )
        async with self._store.reader() as tx:
            silences = await clusters.silences(tx)
            rows = await works.list_page(
                tx,
                after=int(page.after[0]) if page.after else 0,
                limit=page.size + 1,
                cluster=request.cluster,
                namespace=parent.namespace or "",
                unit_uids=await _uids(tx, parent),
                only_trouble=request.only_trouble,
                only_removals=request.only_removals,
                silent=silences,
            )
            found = cut(page, rows, [(work.id,) for work in rows])
            shown = await gates.with_waits(tx, found.rows)
            token = await tx.resume_token()
        return pb.ListWorksResponse(
            works=[work_message(work, silences.get(work.cluster)) for work in shown],
            next_page_token=found.next_page_token,
            resume_token=token.encode(),
        )


async def _uids(tx: Transaction, parent: UnitParent) -> list[str] | None:
    """The units of a parent that names one; None where it names none."""
    if parent.name is None:
        return None
    if parent.namespace is not None:
        return [(await units.get(tx, parent.namespace, parent.name)).uid]
    return await lookups.uids_of_units(tx, parent.name)
