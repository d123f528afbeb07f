"""Primaries that people ask to be elsewhere."""

from fedsvc.api.caller import caller
from fedsvc.api.problems import Problems
from fedsvc.api.services.move_subjects import Subject
from fedsvc.model.roles import Ask, RolePolicy, Switchover
from fedsvc.model.switchover import Sight, best_target
from fedsvc.model.switchover_words import steps_of
from fedsvc.model.unit import Unit
from fedsvc.store import automation, departures, switchover_views, switchovers
from fedsvc.store.store import Transaction
from fedsvc.v1 import automation_service_pb2 as pb

_SETTLE_SECONDS = 3.0
"""What was applied less long ago, and not seen since, does not count as applied yet."""


def check_loss(request: pb.FailOverRequest, subject: Subject, problems: Problems) -> None:
    """Note where a loss is accepted of what has none."""
    if request.accept_loss and (subject.unit is None or subject.unit.spec.failover.roles is None):
        problems.add("accept_loss", "is for a unit with a primary (failover.roles), and for one at a time: name it")


async def fail_over(tx: Transaction, subject: Subject, request: pb.FailOverRequest) -> pb.FailOverResponse:
    """Have the primary of a unit elsewhere; the unit leaves nothing.

    Raises:
        InvalidInputError: it cannot go there.
    """
    unit, policy = _of(subject)
    problems = Problems()
    await departures.lock(tx, [unit.uid])
    state, sight = await _look(tx, unit, policy)
    if state is None:
        problems.add("subject", "has no primary yet: it is not placed")
        problems.refuse()
    assert state is not None, "else it is refused"
    if len(request.targets) > 1:
        problems.add("targets", f"has {len(request.targets)} entries; a unit has one primary")
        problems.refuse()
    target = next(iter(request.targets), "")
    is_lost = state.primary not in sight.places or sight.places[state.primary].is_lost
    if not target and is_lost:
        target = best_target(policy, sight, but=state.primary)
        if not target:
            problems.add("targets", f"is missing, and no replica is ready: name one of {_others(state, sight)}")
    elif not target:
        problems.add(
            "targets", f"is missing: say where the primary is to go from {state.primary}: {_others(state, sight)}"
        )
    else:
        _check_target(target, state, sight, request, problems)
    problems.refuse()
    wanted = Ask(target=target, accepts_loss=request.accept_loss, author=caller(), why=request.reason)
    await switchovers.ask(tx, unit.uid, unit.resource_name, wanted)
    steps = steps_of(policy, state, target, is_lost=is_lost, accepts_loss=request.accept_loss)
    return pb.FailOverResponse(unit_count=1, steps=steps, primary_target=target)


async def accept_loss(tx: Transaction, subject: Subject, request: pb.FailOverRequest) -> tuple[str, list[str]]:
    """Do without proof where the unit leaves the cluster of its primary; gives where that goes, and what is done."""
    unit, policy = _of(subject)
    state, sight = await _look(tx, unit, policy)
    if state is None or state.primary not in request.clusters:
        return "", []
    target = next((name for name in request.targets if name in sight.places), "")
    target = target or best_target(policy, sight, but=state.primary)
    if not target:
        return "", [f"the primary stays on {state.primary} until a replica elsewhere is ready"]
    if request.accept_loss:
        wanted = Ask(target=target, accepts_loss=True, author=caller(), why=request.reason)
        await switchovers.ask(tx, unit.uid, unit.resource_name, wanted)
    is_lost = sight.places[state.primary].is_lost if state.primary in sight.places else True
    return target, list(steps_of(policy, state, target, is_lost=is_lost, accepts_loss=request.accept_loss))


async def fail_back(tx: Transaction, subject: Subject, request: pb.FailBackRequest) -> tuple[str, list[str]]:
    """Have the primary of a unit return to where it is preferred or was; gives where that is, and what is done."""
    if subject.unit is None or subject.unit.spec.failover.roles is None:
        return "", []
    unit, policy = _of(subject)
    state, sight = await _look(tx, unit, policy)
    if state is None:
        return "", []
    goal = next(iter(policy.prefer), "") or state.home
    place = sight.places.get(goal)
    if goal == state.primary or place is None or place.is_lost or (request.clusters and goal not in request.clusters):
        return "", []
    await switchovers.ask(tx, unit.uid, unit.resource_name, Ask(target=goal, author=caller()))
    return goal, list(steps_of(policy, state, goal, is_lost=sight.places[state.primary].is_lost, accepts_loss=False))


def _of(subject: Subject) -> tuple[Unit, RolePolicy]:
    assert subject.unit is not None, "only a unit has a primary"
    policy = subject.unit.spec.failover.roles
    assert policy is not None, "only of such units is asked"
    return subject.unit, policy


async def _look(tx: Transaction, unit: Unit, policy: RolePolicy) -> tuple[Switchover | None, Sight]:
    stored = (await switchovers.of_units(tx, [unit.uid])).get(unit.uid)
    if stored is None:
        return None, Sight(places={}, wanted=frozenset())
    gate = await automation.gate(tx)
    state = stored.state
    sight = await switchover_views.sight_of(tx, unit, policy, state, gate=gate, settle_seconds=_SETTLE_SECONDS)
    return state, sight


def _others(state: Switchover, sight: Sight) -> str:
    return ", ".join(sorted(name for name in sight.places if name != state.primary)) or "it is on no other cluster"


def _check_target(
    target: str, state: Switchover, sight: Sight, request: pb.FailOverRequest, problems: Problems
) -> None:
    place = sight.places.get(target)
    if place is None:
        where = ", ".join(sorted(sight.places))
        problems.add("targets[0]", f"is {target}, where the unit has no replica; it is on {where}")
    elif place.is_lost:
        problems.add("targets[0]", f"is {target}, which is lost")
    elif target == state.primary and not state.phase.is_before_promotion:
        problems.add("targets[0]", f"is {target}, which is primary already")
    elif target != state.primary and not (place.is_healthy and place.is_heard) and not request.accept_loss:
        why = place.trouble or "not all of it is healthy, or the cluster is not heard"
        problems.add("targets[0]", f"is {target}, where the replica is not ready: {why}")
