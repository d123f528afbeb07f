"""RemovalService: removals that are held, confirmed."""

from typing import Any

from grpc import aio

from fedsvc.api.caller import caller
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_hold_subject
from fedsvc.errors import ProtectedError
from fedsvc.model.hold import FLEET_SUBJECT
from fedsvc.store import clusters, events, removals, units
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import removal_service_pb2 as pb
from fedsvc.v1 import removal_service_pb2_grpc


class RemovalServicer(removal_service_pb2_grpc.RemovalServiceServicer):
    """See removal_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def ConfirmRemovals(
        self, request: pb.ConfirmRemovalsRequest, context: aio.ServicerContext[Any, Any]
    ) -> pb.ConfirmRemovalsResponse:
        """Let removals be done that are held."""
        del context
        return await mutate(self._store, request, pb.ConfirmRemovalsResponse, _confirm)


async def _confirm(tx: Transaction, request: pb.ConfirmRemovalsRequest) -> pb.ConfirmRemovalsResponse:
    subject = parse_hold_subject(request.subject, "subject")
    uid: str | None = None
    cluster = ""
    if subject.startswith("clusters/"):
        cluster = (await clusters.get(tx, subject.removeprefix("clusters/"))).name
    elif subject != FLEET_SUBJECT:
        _, namespace, _, name = subject.split("/")
        uid = (await units.get(tx, namespace, name)).uid
    protected = await removals.protected_held(tx, uid=uid, cluster=cluster)
    if protected:
        raise ProtectedError(protected[0], "what is held of it")
    found = await removals.release(tx, uid=uid, cluster=cluster)
    await removals.add(tx, found, is_confirmed=True, author=caller())
    who = f" by {caller()}" if caller() else ""
    await events.add_many(
        tx,
        [
            events.NewEvent(
                subject=unit,
                type=events.NORMAL,
                reason="RemovalsConfirmed",
                message=f"the removal of {count} object{'' if count == 1 else 's'} was confirmed{who}",
            )
            for unit, count in found.items()
        ],
    )
    return pb.ConfirmRemovalsResponse(
        removals=[pb.ConfirmedRemoval(unit=unit, object_count=count) for unit, count in sorted(found.items())]
    )
