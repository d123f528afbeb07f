"""OwnershipService: whose objects in members are."""

from collections.abc import Sequence
from typing import Any, Final

from grpc import aio

from fedsvc.api.caller import caller
from fedsvc.api.convert.common import ref_message
from fedsvc.api.convert.difference import difference_message
from fedsvc.api.diffing import diff_unit
from fedsvc.api.limits import MAX_LISTED
from fedsvc.api.mutation import mutate
from fedsvc.api.names import check_cluster_id, parse_cluster, parse_unit
from fedsvc.api.problems import Problems
from fedsvc.api.reading import read_objects
from fedsvc.errors import DeletingError, NothingToConfirmError, NotOnClustersError
from fedsvc.members.registry import Members
from fedsvc.model.service_import import refuse_import
from fedsvc.model.unit import Unit
from fedsvc.rendering.identity import ObjectKey
from fedsvc.store import clusters, handing, recreations, units, works
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

    async def ReadObjects(self, request: pb.ReadObjectsRequest, context: Context) -> pb.ReadObjectsResponse:
        """Read objects of one member as templates."""
        del context
        name = parse_cluster(request.cluster, "cluster")
        problems = Problems()
        _check_refs(request.refs, problems)
        if len(request.refs) > MAX_LISTED:
            problems.add("refs", f"has {len(request.refs)} entries; at most {MAX_LISTED} are accepted")
        problems.refuse()
        async with self._store.reader() as tx:
            cluster = await clusters.get(tx, name)
        return pb.ReadObjectsResponse(objects=await read_objects(self._members, cluster, request.refs))

    async def ConfirmRecreation(
        self, request: pb.ConfirmRecreationRequest, context: Context
    ) -> pb.ConfirmRecreationResponse:
        """Let objects be made anew."""
        del context
        return await mutate(self._store, request, pb.ConfirmRecreationResponse, _confirm)

    async def HandOverResources(
        self, request: pb.HandOverResourcesRequest, context: Context
    ) -> pb.HandOverResourcesResponse:
        """Move resources from one unit to another."""
        del context
        return await mutate(self._store, request, pb.HandOverResourcesResponse, _hand_over)

    async def ReleaseResources(
        self, request: pb.ReleaseResourcesRequest, context: Context
    ) -> pb.ReleaseResourcesResponse:
        """Take resources out of a unit and leave their objects in members."""
        del context
        return await mutate(self._store, request, pb.ReleaseResourcesResponse, _release)


def _check_held(unit: str, asked: Sequence[str], held: Sequence[str]) -> None:
    problems = Problems()
    for index, cluster in enumerate(asked):
        if cluster not in held:
            problems.add(f"clusters[{index}]", f"{unit} has nothing on {cluster}: it is on {', '.join(held) or 'none'}")
    problems.refuse()


async def _hand_over(tx: Transaction, request: pb.HandOverResourcesRequest) -> pb.HandOverResourcesResponse:
    names = (parse_unit(request.source, "source"), parse_unit(request.target, "target"))
    problems = Problems()
    if names[0] == names[1]:
        problems.add("target", "is the unit that has them")
    _check_refs(request.refs, problems)
    problems.refuse()
    source, target = [await units.get(tx, name.namespace, name.name) for name in names]
    refuse_import(source)
    refuse_import(target)
    await units.lock_generations(tx, sorted((source.uid, target.uid)))
    if target.delete_time is not None:
        raise DeletingError(target.resource_name)
    keys = await _keys(tx, source, request.refs)
    held = await handing.clusters_of(tx, source.uid, keys)
    there = {binding.cluster for binding in (await works.bindings_of(tx, [target.uid]))[target.uid]}
    if left := tuple(cluster for cluster in held if cluster not in there):
        raise NotOnClustersError(target.resource_name, clusters=left)
    await handing.take(tx, [source.uid], target.uid, keys, author=caller())
    await handing.revise(tx, target.uid, author=caller())
    return pb.HandOverResourcesResponse(refs=[ref_message(key) for key in keys], clusters=held)


async def _release(tx: Transaction, request: pb.ReleaseResourcesRequest) -> pb.ReleaseResourcesResponse:
    name = parse_unit(request.name, "name")
    problems = Problems()
    _check_refs(request.refs, problems)
    problems.refuse()
    unit = await units.get(tx, name.namespace, name.name)
    refuse_import(unit)
    await units.lock_generations(tx, [unit.uid])
    keys = await _keys(tx, unit, request.refs)
    released = await handing.release(tx, unit.uid, keys, author=caller())
    return pb.ReleaseResourcesResponse(refs=[ref_message(key) for key in keys], clusters=released)


def _check_refs(refs: Sequence[common_pb2.ManifestRef], problems: Problems) -> None:
    if not refs:
        problems.add("refs", "is empty: name at least one resource")
    for index, ref in enumerate(refs):
        check_ref(ref, f"refs[{index}]", problems)


async def _keys(tx: Transaction, unit: Unit, refs: Sequence[common_pb2.ManifestRef]) -> list[ObjectKey]:
    """The resources that are meant, each once, in the order of the unit."""
    known = [resource.key for resource in await units.resources_of(tx, unit.uid, bodies=False)]
    problems = Problems()
    found: set[ObjectKey] = set()
    for index, ref in enumerate(refs):
        fitting = [key for key in known if _is_meant(key, ref)]
        if len(fitting) != 1:
            what = f"{ref.kind} {f'{ref.namespace}/{ref.name}'.removeprefix('/')}"
            none = f"is no resource of {unit.resource_name}"
            why = f"fits {len(fitting)} resources: give its api_version" if fitting else none
            problems.add(f"refs[{index}]", f"{what} {why}")
        found.update(fitting)
    problems.refuse()
    return [key for key in known if key in found]


def _is_meant(key: ObjectKey, ref: common_pb2.ManifestRef) -> bool:
    same = (key.kind, key.namespace, key.name) == (ref.kind, ref.namespace, ref.name)
    return same and ref.api_version in ("", key.api_version)


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
