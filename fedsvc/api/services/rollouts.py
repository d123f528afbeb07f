"""RolloutService: where the rollout of a unit stands, and what people do to it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from grpc import aio

from fedsvc.api.caller import caller
from fedsvc.api.convert.rollout import rollout_message
from fedsvc.api.mutation import mutate
from fedsvc.api.names import UnitName, parse_rollout
from fedsvc.api.problems import Problems
from fedsvc.errors import NotFoundError, RolloutStateError
from fedsvc.model.unit import Unit
from fedsvc.rollout import Phase, Rollout, RolloutPolicy, acts
from fedsvc.store import events, rollout_views, rollouts, units
from fedsvc.store.events import NewEvent
from fedsvc.store.store import Store, Transaction
from fedsvc.v1 import rollout_pb2, rollout_service_pb2_grpc
from fedsvc.v1 import rollout_service_pb2 as pb

Context = aio.ServicerContext[Any, Any]
Act = Callable[[Unit, Rollout, datetime], Rollout]

_MAX_REASON = 500


class RolloutServicer(rollout_service_pb2_grpc.RolloutServiceServicer):
    """See rollout_service.proto."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def GetRollout(self, request: pb.GetRolloutRequest, context: Context) -> pb.GetRolloutResponse:
        """Return the rollout of a unit."""
        del context
        name = parse_rollout(request.name, "name")
        async with self._store.reader() as tx:
            unit = await units.get(tx, name.namespace, name.name)
            stored = (await rollouts.of_units(tx, [unit.uid])).get(unit.uid)
            if stored is None:
                raise _none(name)
            return pb.GetRolloutResponse(rollout=await _message(tx, unit, stored.state))

    async def PauseRollout(self, request: pb.PauseRolloutRequest, context: Context) -> pb.PauseRolloutResponse:
        """Let it go to no further cluster."""
        del context

        async def run(tx: Transaction, asked: pb.PauseRolloutRequest) -> pb.PauseRolloutResponse:
            reason = _reason(asked.reason)

            def act(_: Unit, rollout: Rollout, now: datetime) -> Rollout:
                return acts.pause(rollout, now, by=caller(), reason=reason)

            return pb.PauseRolloutResponse(
                rollout=await _act(tx, asked.name, asked.revision, act, event="RolloutPaused")
            )

        return await mutate(self._store, request, pb.PauseRolloutResponse, run)

    async def ResumeRollout(self, request: pb.ResumeRolloutRequest, context: Context) -> pb.ResumeRolloutResponse:
        """Let one go on that was paused or failed."""
        del context

        async def run(tx: Transaction, asked: pb.ResumeRolloutRequest) -> pb.ResumeRolloutResponse:
            def act(_: Unit, rollout: Rollout, now: datetime) -> Rollout:
                return acts.resume(rollout, now, by=caller())

            return pb.ResumeRolloutResponse(
                rollout=await _act(tx, asked.name, asked.revision, act, event="RolloutResumed")
            )

        return await mutate(self._store, request, pb.ResumeRolloutResponse, run)

    async def AbortRollout(self, request: pb.AbortRolloutRequest, context: Context) -> pb.AbortRolloutResponse:
        """Let all clusters go back."""
        del context

        async def run(tx: Transaction, asked: pb.AbortRolloutRequest) -> pb.AbortRolloutResponse:
            reason = _reason(asked.reason)

            def act(_: Unit, rollout: Rollout, now: datetime) -> Rollout:
                return acts.abort(rollout, now, by=caller(), reason=reason)

            return pb.AbortRolloutResponse(
                rollout=await _act(tx, asked.name, asked.revision, act, event="RolloutAborted")
            )

        return await mutate(self._store, request, pb.AbortRolloutResponse, run)

    async def ApproveRollout(self, request: pb.ApproveRolloutRequest, context: Context) -> pb.ApproveRolloutResponse:
        """Let a wave begin that has to be approved."""
        del context

        async def run(tx: Transaction, asked: pb.ApproveRolloutRequest) -> pb.ApproveRolloutResponse:
            wave = asked.wave - 1 if asked.HasField("wave") else None

            def act(unit: Unit, rollout: Rollout, _: datetime) -> Rollout:
                return acts.approve(unit.spec.rollout or RolloutPolicy(), rollout, wave=wave, by=caller())

            return pb.ApproveRolloutResponse(
                rollout=await _act(tx, asked.name, asked.revision, act, event="RolloutApproved")
            )

        return await mutate(self._store, request, pb.ApproveRolloutResponse, run)

    async def RetryRollout(self, request: pb.RetryRolloutRequest, context: Context) -> pb.RetryRolloutResponse:
        """Begin one again that was rolled back."""
        del context

        async def run(tx: Transaction, asked: pb.RetryRolloutRequest) -> pb.RetryRolloutResponse:
            def act(_: Unit, rollout: Rollout, now: datetime) -> Rollout:
                return acts.retry(rollout, now, by=caller())

            return pb.RetryRolloutResponse(
                rollout=await _act(tx, asked.name, asked.revision, act, event="RolloutRetried")
            )

        return await mutate(self._store, request, pb.RetryRolloutResponse, run)


async def _act(tx: Transaction, text: str, revision: int, act: Act, *, event: str) -> rollout_pb2.Rollout:
    """Act on the rollout of a unit, and tell so by an event of that reason."""
    name = parse_rollout(text, "name")
    unit = await units.get(tx, name.namespace, name.name)
    stored = await rollouts.lock(tx, unit.uid)
    if stored is None:
        raise _none(name)
    if revision and revision != stored.state.revision:
        message = f"the rollout is of revision {stored.state.revision} meanwhile, not of {revision}: look at it again"
        raise RolloutStateError(phase=stored.state.phase, message=message)
    changed = act(unit, stored.state, tx.now)
    await rollouts.put(tx, unit.uid, unit.resource_name, changed)
    await events.add_many(tx, [_event(unit, changed, event)])
    return await _message(tx, unit, changed)


async def _message(tx: Transaction, unit: Unit, rollout: Rollout) -> rollout_pb2.Rollout:
    views = (await rollout_views.of_units(tx, [unit]))[unit.uid]
    return rollout_message(unit, rollout, views, tx.now)


def _event(unit: Unit, rollout: Rollout, reason: str) -> NewEvent:
    said = f": {rollout.message}" if rollout.phase is Phase.PAUSED and rollout.message else ""
    if rollout.phase is Phase.ROLLING_BACK:
        said = f": {rollout.message}; going back to revision {rollout.stable}"
    message = f"revision {rollout.revision}, by {rollout.by or 'somebody'}{said}"
    return NewEvent(subject=unit.resource_name, cluster="", type=events.NORMAL, reason=reason, message=message)


def _none(name: UnitName) -> NotFoundError:
    return NotFoundError(f"{name}/rollout")


def _reason(text: str) -> str:
    problems = Problems()
    if len(text) > _MAX_REASON:
        problems.add("reason", f"has {len(text)} characters; at most {_MAX_REASON} are allowed")
    problems.refuse()
    return text
