"""OwnershipService: whose objects in members are."""

from typing import Any

from grpc import aio

from fedsvc.api.mutation import mutate
from fedsvc.api.names import check_cluster_id, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.errors import NothingToConfirmError
from fedsvc.store import recreations, units
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import common_pb2, ownership_service_pb2_grpc
from fedsvc.v1 import ownership_service_pb2 as pb

Context = aio.ServicerContext[Any, Any]


class OwnershipServicer(ownership_service_pb2_grpc.OwnershipServiceServicer):
    """See ownership_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ConfirmRecreation(
        self, request: pb.ConfirmRecreationRequest, context: Context
    ) -> pb.ConfirmRecreationResponse:
        """Let objects be made anew."""
        del context
        return await mutate(self._store, request, pb.ConfirmRecreationResponse, _confirm)


async def _confirm(tx: Transaction, request: pb.ConfirmRecreationRequest) -> pb.ConfirmRecreationResponse:
    name = parse_unit(request.name, "name")
    problems = Problems()
    check_ref(request.ref, "ref", problems)
    if request.revision < 1:
        problems.add("revision", "is missing: the revision of the unit that is confirmed, from 1")
    for index, cluster in enumerate(request.clusters):
        check_cluster_id(cluster, f"clusters[{index}]", problems)
    problems.refuse()
    unit = await units.get(tx, name.namespace, name.name)
    await units.lock_generations(tx, [unit.uid])
    if unit.revision != request.revision:
        why = f"{name} is at revision {unit.revision} by now, not {request.revision}: look at it, and confirm that"
        raise NothingToConfirmError(str(name), why)
    ref = request.ref
    confirmed = await recreations.confirm(
        tx,
        unit.uid,
        api_version=ref.api_version,
        kind=ref.kind,
        namespace=ref.namespace,
        name=ref.name,
        clusters=request.clusters,
    )
    if not confirmed:
        shown = f"{ref.namespace}/{ref.name}".removeprefix("/")
        where = f" on {', '.join(request.clusters)}" if request.clusters else ""
        why = (
            f"{ref.kind} {shown} of {name} does not wait to be made anew{where}: it does where a member refuses a "
            "change of what cannot be changed, and propagation.immutable is recreate"
        )
        raise NothingToConfirmError(str(name), why)
    return pb.ConfirmRecreationResponse(clusters=confirmed)


def check_ref(ref: common_pb2.ManifestRef, path: str, problems: Problems) -> None:
    """Note what a reference to a resource lacks."""
    for field in ("kind", "name"):
        if not getattr(ref, field):
            problems.add(f"{path}.{field}", "is missing")
