"""OwnershipService: whose objects in members are."""

from collections.abc import Sequence
from typing import Any, Final

from grpc import aio

from fedsvc.api.convert.difference import difference_message
from fedsvc.api.diffing import diff_unit
from fedsvc.api.mutation import mutate
from fedsvc.api.names import check_cluster_id, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.errors import NothingToConfirmError
from fedsvc.members.registry import Members
from fedsvc.store import clusters, recreations, units, works
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import common_pb2, ownership_service_pb2_grpc
from fedsvc.v1 import ownership_service_pb2 as pb

_MEMBER_SECONDS: Final = 10
_MAX_MEMBER_SECONDS: Final = 25  # a call as a whole gets 30

Context = aio.ServicerContext[Any, Any]


class OwnershipServicer(ownership_service_pb2_grpc.OwnershipServiceServicer):
    """See ownership_service.proto."""

    def __init__(self, store: Store, members: Members) -> None:
        self._store = store
        self._members = members

    async def DiffUnit(self, request: pb.DiffUnitRequest, context: Context) -> pb.DiffUnitResponse:
        """Ask members what an apply would change."""
        del context
        name = parse_unit(request.name, "name")
        problems = Problems()
        for index, cluster in enumerate(request.clusters):
            check_cluster_id(cluster, f"clusters[{index}]", problems)
        if not 0 <= request.member_timeout_seconds <= _MAX_MEMBER_SECONDS:
            problems.add(
                "member_timeout_seconds", f"must be from 1 to {_MAX_MEMBER_SECONDS}, or 0 for {_MEMBER_SECONDS}"
            )
        problems.refuse()
        async with self._store.reader() as tx:
            unit = await units.get(tx, name.namespace, name.name)
            held = await works.clusters_of(tx, unit.uid)
            asked = sorted(set(request.clusters)) or held
            found = await clusters.get_many(tx, asked)
        _check_held(str(name), asked, held)
        seconds = request.member_timeout_seconds or _MEMBER_SECONDS
        results = await diff_unit(self._store, self._members, unit.uid, found, seconds=seconds)
        return pb.DiffUnitResponse(
            differences=[difference_message(one) for result in results for one in result.differences],
            clusters=[
                pb.ClusterDiff(
                    cluster=result.cluster,
                    work_count=result.work_count,
                    compared_work_count=result.compared_count,
                    trouble=result.trouble,
                )
                for result in results
            ],
        )

    async def ConfirmRecreation(
        self, request: pb.ConfirmRecreationRequest, context: Context
    ) -> pb.ConfirmRecreationResponse:
        """Let objects be made anew."""
        del context
        return await mutate(self._store, request, pb.ConfirmRecreationResponse, _confirm)


def _check_held(unit: str, asked: Sequence[str], held: Sequence[str]) -> None:
    problems = Problems()
    for index, cluster in enumerate(asked):
        if cluster not in held:
            problems.add(f"clusters[{index}]", f"{unit} has nothing on {cluster}: it is on {', '.join(held) or 'none'}")
    problems.refuse()


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
