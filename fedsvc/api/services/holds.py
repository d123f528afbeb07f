"""HoldService: what is paused and frozen."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from grpc import aio

from fedsvc.api.caller import caller
from fedsvc.api.convert.common import read_enum, read_time, timestamp
from fedsvc.api.convert.hold import READ_SCOPES, hold_message
from fedsvc.api.mutation import mutate
from fedsvc.api.names import parse_hold_subject
from fedsvc.api.problems import Problems
from fedsvc.errors import NotFoundError
from fedsvc.model.hold import FLEET_SUBJECT, REGIONS, Hold, HoldKind, HoldScope, holds_of_cluster, words_of
from fedsvc.store import clusters, events, holds, units
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import hold_pb2, hold_service_pb2_grpc
from fedsvc.v1 import hold_service_pb2 as pb

MAX_REASON: Final = 500

Context = aio.ServicerContext[Any, Any]


class HoldServicer(hold_service_pb2_grpc.HoldServiceServicer):
    """See hold_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def Pause(self, request: pb.PauseRequest, context: Context) -> pb.PauseResponse:
        """Keep back what would be written to members."""
        del context
        return await mutate(self._store, request, pb.PauseResponse, _pause)

    async def Resume(self, request: pb.ResumeRequest, context: Context) -> pb.ResumeResponse:
        """End pauses."""
        del context
        return await mutate(self._store, request, pb.ResumeResponse, _resume)

    async def Thaw(self, request: pb.ThawRequest, context: Context) -> pb.ThawResponse:
        """Let changes through freeze windows."""
        del context
        return await mutate(self._store, request, pb.ThawResponse, _thaw)

    async def ListHolds(self, request: pb.ListHoldsRequest, context: Context) -> pb.ListHoldsResponse:
        """Return all that is held now."""
        del context
        subject = parse_hold_subject(request.subject, "subject", has_regions=True) if request.subject else FLEET_SUBJECT
        async with self._store.reader() as tx:
            found = (await holds.standing(tx)).holds
        return pb.ListHoldsResponse(holds=map(hold_message, _concerning(found, subject)))


async def _pause(tx: Transaction, request: pb.PauseRequest) -> pb.PauseResponse:
    problems = Problems()
    subject = parse_hold_subject(request.subject, "subject", has_regions=True)
    scope = _read_scope(request.scope, problems) or HoldScope.EVERYTHING
    if subject.startswith(REGIONS) and scope is not HoldScope.AUTOMATION:
        problems.add("scope", "must be HOLD_SCOPE_AUTOMATION: of a region automation alone is held; pause its clusters")
    end_time = _read_end(request, tx.now, problems)
    problems.refuse()
    await _check_there(tx, subject)
    hold = await holds.put(tx, subject=subject, scope=scope, reason=request.reason, end_time=end_time, author=caller())
    await _tell(tx, subject, "Paused", words_of(hold))
    return pb.PauseResponse(hold=hold_message(hold))


async def _resume(tx: Transaction, request: pb.ResumeRequest) -> pb.ResumeResponse:
    problems = Problems()
    subject = parse_hold_subject(request.subject, "subject", has_regions=True)
    scope = _read_scope(request.scope, problems)
    problems.refuse()
    await _check_there(tx, subject)
    ended = await holds.end(tx, subject=subject, scope=scope)
    who = f" by {caller()}" if caller() else ""
    for hold in ended:
        await _tell(tx, subject, "Resumed", f"resumed{who}: was {words_of(hold)}")
    remaining = _concerning((await holds.standing(tx)).holds, subject)
    return pb.ResumeResponse(ended=map(hold_message, ended), remaining=map(hold_message, remaining))


async def _thaw(tx: Transaction, request: pb.ThawRequest) -> pb.ThawResponse:
    problems = Problems()
    subject = parse_hold_subject(request.subject, "subject")
    wanted = _read_end(request, tx.now, problems)
    if not request.reason:
        problems.add("reason", "is missing: say why a freeze is broken")
    frozen = {hold.reason: hold for hold in (await holds.standing(tx)).holds if hold.kind is HoldKind.FREEZE}
    names = ", ".join(sorted(frozen)) or "none"
    if not request.windows:
        problems.add("windows", f"is missing: name the freeze windows that are to let it through; on are: {names}")
    for index, window in enumerate(request.windows):
        if window not in frozen:
            problems.add(f"windows[{index}]", f"'{window[:64]}' is no freeze window that is on; on are: {names}")
    problems.refuse()
    await _check_there(tx, subject)
    ends = []
    for window in sorted(set(request.windows)):
        last = frozen[window].end_time
        assert last is not None, "every freeze window ends"
        ends.append(last if wanted is None else min(last, wanted))
        await holds.thaw(tx, subject=subject, window=window, reason=request.reason, end_time=ends[-1], author=caller())
        who = f" by {caller()}" if caller() else ""
        message = f"let through freeze window {window}{who} until {ends[-1]:%Y-%m-%d %H:%M} UTC: {request.reason}"
        await _tell(tx, subject, "Thawed", message)
    remaining = [hold for hold in (await holds.standing(tx)).holds if subject not in hold.thawed]
    return pb.ThawResponse(end_time=timestamp(max(ends)), remaining=map(hold_message, _concerning(remaining, subject)))


def _read_end(request: pb.PauseRequest | pb.ThawRequest, now: datetime, problems: Problems) -> datetime | None:
    if len(request.reason) > MAX_REASON:
        problems.add("reason", f"has {len(request.reason)} characters; at most {MAX_REASON} are accepted")
    if not request.HasField("end_time"):
        return None
    end_time = read_time(request.end_time, "end_time", problems)
    if end_time is not None and end_time <= now:
        problems.add("end_time", f"is over: it is {now:%Y-%m-%d %H:%M:%S} UTC now")
    return end_time


def _read_scope(value: hold_pb2.HoldScope.ValueType, problems: Problems) -> HoldScope | None:
    return read_enum(value, READ_SCOPES, "scope", problems) if value else None


async def _check_there(tx: Transaction, subject: str) -> None:
    """Make sure that what is named exists.

    Raises:
        NotFoundError: it does not.
    """
    if subject.startswith("clusters/"):
        if not await clusters.get_many(tx, [subject.removeprefix("clusters/")]):
            raise NotFoundError(subject)
    elif subject.startswith(REGIONS):
        await _check_region(tx, subject)
    elif subject != FLEET_SUBJECT:
        _, namespace, _, name = subject.split("/")
        await units.get(tx, namespace, name)


async def _check_region(tx: Transaction, subject: str) -> None:
    regions = {one.region for one in await clusters.list_all(tx)}
    if subject.removeprefix(REGIONS) not in regions:
        raise NotFoundError(subject)


async def _tell(tx: Transaction, subject: str, reason: str, message: str) -> None:
    """Write down who did it; each time is an event of its own kind, counted where all of it is the same."""
    cluster = subject.removeprefix("clusters/") if subject.startswith("clusters/") else ""
    event = events.NewEvent(subject=subject, cluster=cluster, type=events.NORMAL, reason=reason, message=message)
    await events.add_many(tx, [event])


def _concerning(found: Sequence[Hold], subject: str) -> list[Hold]:
    """Those of the holds that are over a subject, or part of it; of the fleet all."""
    if subject == FLEET_SUBJECT:
        return list(found)
    if subject.startswith("clusters/"):
        return holds_of_cluster(found, subject.removeprefix("clusters/"))
    if subject.startswith(REGIONS):
        return [hold for hold in found if hold.subject in (FLEET_SUBJECT, subject)]
    return [hold for hold in found if hold.subject in (FLEET_SUBJECT, subject) and hold.is_for(subject)]
