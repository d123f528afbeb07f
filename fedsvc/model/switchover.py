"""Pure: how the primary of a unit goes from a cluster to another, step by step.

No second primary is authorised without one of these: the first is known to be a replica and its proof was seen; it was
deleted; its cluster is lost and the unit's policy for that is met; somebody accepted that writes may be lost. A
switchover that could wait and does not get its proof in time is called off: the old primary is made primary again,
which is safe, since nobody else was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from fedsvc.model.failback import FailbackMode, FailbackPolicy
from fedsvc.model.roles import Ask, Cause, Phase, Reading, RolePolicy, Switchover, ranked_by
from fedsvc.rendering.roles import Role

ACCEPTED_WAIT: Final = timedelta(seconds=30)
"""Where somebody accepts a loss and the primary's cluster is heard, it is demoted first, if it can be in this time."""


REDECIDED_WITHIN: Final = timedelta(seconds=30)
"""So long after a lost cluster is healthy again a unit is decided for it as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A unit on one of its clusters."""

    cluster: str
    role: Role | None = None  # that its works there were made for
    is_applied: bool = False  # all of them are as they should be, and were seen since
    is_healthy: bool = False
    is_heard: bool = False
    is_lost: bool = False
    is_held: bool = False  # automation is kept from it
    well_since: datetime | None = None  # since when the cluster is healthy
    trouble: str = ""  # of its works

    @property
    def is_ready(self) -> bool:
        """Whether it is all that it shall be, as far as can be known now."""
        return self.is_applied and self.is_healthy and self.is_heard and not self.is_lost

    def holds(self, role: Role) -> bool:
        """Whether it is known to have been made for a role."""
        return self.role is role and self.is_applied and self.is_heard


_NOWHERE: Final = Reading()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What is seen of a unit."""

    places: Mapping[str, Place]  # clusters that it is bound to
    wanted: frozenset[str]  # clusters of its newest decision
    gone: frozenset[str] = frozenset()  # that it is bound to no more, where nothing of it is left, and that are there
    departures: Mapping[str, tuple[str, str]] = field(default_factory=dict)  # who took it from a cluster, and why
    demote: Mapping[str, Reading] = field(default_factory=dict)  # these: by cluster
    fence: Mapping[str, Reading] = field(default_factory=dict)
    promote: Mapping[str, Reading] = field(default_factory=dict)
    proof: Mapping[str, Reading] = field(default_factory=dict)
    loss_proof: Mapping[str, Reading] = field(default_factory=dict)
    held: str = ""  # why automation may not act for the unit; empty: it may


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What is told of a step."""

    reason: str  # constant word
    message: str
    is_warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What comes next."""

    state: Switchover
    news: tuple[News, ...] = ()
    is_done: bool = False  # a switchover has come to its end
    keeps_ask: bool = False  # what somebody wants is looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class _At:
    """All that a step is found from."""

    policy: RolePolicy
    back: FailbackPolicy
    state: Switchover
    sight: Sight
    ask: Ask | None
    now: datetime

    @property
    def source(self) -> Place | None:
        return self.sight.places.get(self.state.primary)

    @property
    def target(self) -> Place | None:
        return self.sight.places.get(self.state.target)

    @property
    def is_late(self) -> bool:
        since = self.state.phase_time or self.now
        return self.now - since > timedelta(seconds=self.policy.timeout_seconds)

    @property
    def held(self) -> str:
        """Why it may not go on; what somebody asked for goes on whatever is held."""
        if self.state.cause is Cause.ASKED or self.state.is_loss_accepted:
            return ""
        held = [one for one in (self.source, self.target) if one is not None and one.is_held]
        return self.sight.held or (f"automation is held for {held[0].cluster}" if held else "")


def step(
    policy: RolePolicy, back: FailbackPolicy, state: Switchover, sight: Sight, now: datetime, *, ask: Ask | None = None
) -> Step:
    """What comes next; the same state where there is nothing to do but to wait.

    Args:
        policy: of the unit.
        back: whether and when the primary returns to the cluster that is preferred.
        state: as it is stored.
        sight: what is seen now.
        now: time zone aware.
        ask: what somebody wants, and no step has heard of yet.
    """
    seen, news = _demoted_since(state, sight)
    at = _At(policy=policy, back=back, state=seen, sight=sight, ask=ask, now=now)
    found = _asked(at) if ask is not None else _next(at)
    return replace(found, news=(*news, *found.news))


def best_target(policy: RolePolicy, sight: Sight, *, but: str) -> str:
    """The cluster with a replica that is ready and may become the primary; empty: there is none."""
    fit = [
        one.cluster
        for one in sight.places.values()
        if one.cluster != but and one.cluster in sight.wanted and one.is_ready and one.role is Role.REPLICA
    ]
    return next(iter(ranked_by(policy, fit)), "")


def _demoted_since(state: Switchover, sight: Sight) -> tuple[Switchover, tuple[News, ...]]:
    """Without those of which it is known by now that they are replicas, or gone."""
    done = [name for name in state.undemoted if _is_replica(name, sight)]
    if not done:
        return state, ()
    left = tuple(name for name in state.undemoted if name not in done)
    news = News(reason="OldPrimaryDemoted", message=f"what was primary on {', '.join(done)} is no more")
    return replace(state, undemoted=left), (news,)


def _is_replica(name: str, sight: Sight) -> bool:
    place = sight.places.get(name)
    return name in sight.gone if place is None else place.holds(Role.REPLICA)


def _next(at: _At) -> Step:
    match at.state.phase:
        case Phase.STEADY:
            return _steady(at)
        case Phase.QUIESCING:
            return _quiescing(at)
        case Phase.DEMOTING | Phase.AWAITING_PROOF:
            return _demoting(at)
        case Phase.FENCING:
            return _fencing(at)
        case Phase.PROMOTING | Phase.FINISHING:
            return _promoting(at)


def _asked(at: _At) -> Step:
    assert at.ask is not None
    state, ask = at.state, at.ask
    target = ask.target or best_target(at.policy, at.sight, but=state.primary)
    place = at.sight.places.get(target)
    if place is None:
        why = f"the unit is not on {target}" if target else "no replica is ready"
        return _told(state, "SwitchoverRefused", f"the primary stays: {why}", is_warning=True)
    if not (place.is_ready or ask.accepts_loss or target == state.primary):
        waits = _waits(at, f"the primary is to go to {target}, whose replica is not ready", blocked="NoReplica")
        return replace(waits, keeps_ask=True)
    state = replace(
        state,
        cause=Cause.ASKED,
        author=ask.author,
        why=ask.why,
        is_loss_accepted=ask.accepts_loss,
        is_kept=target != next(iter(at.policy.prefer), ""),
    )
    if target == state.primary:
        if state.phase.is_before_promotion:
            return _promote(replace(at, state=replace(state, target=target)), proven=True, how="it goes back")
        return Step(state=replace(at.state, is_kept=state.is_kept, blocked="", message=""))
    if state.phase.is_before_promotion:
        return _told(replace(state, target=target), "SwitchoverAsked", f"to {target}{_by(ask)}")
    return _begin(replace(at, state=state), target, Cause.ASKED, words=_by(ask))


def _by(ask: Ask) -> str:
    who = f", asked for by {ask.author}" if ask.author else ", asked for"
    loss = ", with what was not copied yet lost" if ask.accepts_loss else ""
    return f"{who}{loss}{f': {ask.why}' if ask.why else ''}"


def _steady(at: _At) -> Step:
    state, sight = at.state, at.sight
    if state.primary not in sight.wanted and sight.wanted:
        return _leave(at)
    if state.blocked == _CALLED_OFF and state.cause is Cause.RETURN:
        return Step(state=state)
    state = replace(state, blocked="", message="")
    goal = next(iter(at.policy.prefer), "")
    place = sight.places.get(goal)
    returns = at.back.mode is FailbackMode.AFTER and not state.is_kept and not state.undemoted
    if not (returns and goal != state.primary and goal in sight.wanted and place is not None and place.is_ready):
        return Step(state=state)
    since = max((time for time in (place.well_since, state.promote_time) if time is not None), default=None)
    going = replace(at, state=replace(state, cause=Cause.RETURN, target=goal))
    if since is None or since + timedelta(seconds=at.back.stable_seconds) > at.now or going.held:
        return Step(state=state)
    return _begin(replace(at, state=state), goal, Cause.RETURN)


_CALLED_OFF: Final = "CalledOff"


def _leave(at: _At) -> Step:
    state, source = at.state, at.source
    lost = source is None or source.is_lost
    at = replace(at, state=replace(state, cause=Cause.LOST if lost else Cause.LEAVING, is_loss_accepted=False))
    if state.blocked == _CALLED_OFF and not lost:
        return Step(state=state)  # once more would stop the writes once more: that is for people to say
    if at.held:
        return _waits(replace(at, state=state), at.held, blocked="Held")
    target = best_target(at.policy, at.sight, but=state.primary)
    if not target:
        why = f"the primary is to leave {state.primary}, and no replica elsewhere is ready"
        return _waits(replace(at, state=state), why, blocked="NoReplica")
    return _begin(at, target, Cause.LOST if lost else Cause.LEAVING)


def _begin(at: _At, target: str, cause: Cause, *, words: str = "") -> Step:
    state, source = at.state, at.source
    by_departure = at.sight.departures.get(state.primary, ("", ""))
    state = replace(
        state,
        target=target,
        source=state.primary,
        cause=cause,
        author=state.author if cause is Cause.ASKED else by_departure[0],
        why=state.why if cause is Cause.ASKED else by_departure[1],
        begin_time=at.now,
        phase_time=at.now,
        is_loss_accepted=cause is Cause.ASKED and state.is_loss_accepted,
        is_kept=cause is Cause.ASKED and state.is_kept,
        home=state.primary if cause in (Cause.LOST, Cause.LEAVING) else "",
        stale_proof=at.sight.proof.get(state.primary, _NOWHERE).value or "",
        blocked="",
        message="",
    )
    if source is None or source.is_lost:
        phase = Phase.FENCING
    else:
        phase = Phase.QUIESCING if at.policy.demote is not None and not state.is_loss_accepted else Phase.DEMOTING
    begun = replace(at, state=replace(state, phase=phase, is_demoted=phase is Phase.DEMOTING))
    waits = _left_of_before(begun)
    if waits:
        return replace(_waits(at, waits), keeps_ask=at.ask is not None)
    message = f"the primary goes from {state.primary} to {target} ({cause}){words}"
    return _told(begun.state, "SwitchoverBegun", message, is_warning=cause is Cause.LOST)


def _left_of_before(at: _At) -> str:
    """What a switchover would take for its own and is of the one before; empty: there is nothing."""
    state, sight = at.state, at.sight
    for hook, readings, cluster in (
        (at.policy.demote if state.phase is Phase.QUIESCING else None, sight.demote, state.primary),
        (at.policy.on_loss.fence, sight.fence, state.target),
        (at.policy.promote, sight.promote, state.target),
    ):
        if hook is not None and readings.get(cluster, _NOWHERE).is_there:
            return f"waits for {hook} of the switchover before to be gone from {cluster}"
    return ""


def _quiescing(at: _At) -> Step:
    stop = _stop(at)
    if stop is not None:
        return stop
    reading = at.sight.demote.get(at.state.primary, _NOWHERE)
    if reading.value is not None or at.state.is_loss_accepted:
        return _enter(at, Phase.DEMOTING)
    lacks = reading.lacks or f"{at.policy.demote} to be made"
    if reading.problem or at.is_late:
        return _call_off(at, reading.problem or f"not in time: {lacks}")
    return _waits(at, f"waits for {lacks} on {at.state.primary}")


def _stop(at: _At) -> Step | None:
    """What keeps the old primary from being seen to; None: nothing does."""
    if at.source is None or at.source.is_lost:
        # It may be a replica already: what shows that does not reach us any more.
        return _enter(at, Phase.FENCING)
    return _waits(at, at.held, blocked="Held") if at.held else None


def _demoting(at: _At) -> Step:
    stop, source = _stop(at), at.source
    if stop is not None or source is None:
        return stop or Step(state=at.state)
    if not source.holds(Role.REPLICA):
        if at.state.is_loss_accepted and (not source.is_heard or _waited(at) > ACCEPTED_WAIT):
            return _promote(at, proven=False, how="without proof")
        what = f"waits for it to be made a replica on {source.cluster}{_because(source)}"
        return _call_off(at, f"not in time: {what}") if at.is_late else _waits(at, what)
    if at.state.is_loss_accepted:
        return _promote(at, proven=True, how="without proof that all was copied")
    return _enter(at, Phase.AWAITING_PROOF) if at.state.phase is Phase.DEMOTING else _awaiting_proof(at, source)


def _because(place: Place) -> str:
    return f": {place.trouble}" if place.trouble else ""


def _awaiting_proof(at: _At, source: Place) -> Step:
    reading = _proof_of(at, source)
    if reading.value is not None:
        return _promote(at, proven=True, how="with proof", proof=reading.value)
    if reading.problem or at.is_late:
        return _call_off(at, reading.problem or f"no proof in time: {reading.lacks}")
    return _waits(at, f"waits for proof on {source.cluster}: {reading.lacks}")


def _waited(at: _At) -> timedelta:
    return at.now - (at.state.phase_time or at.now)


def _proof_of(at: _At, source: Place) -> Reading:
    if at.policy.proof is None:
        return Reading(value="") if source.is_ready else Reading(lacks="all of it to be healthy as a replica")
    reading = at.sight.proof.get(source.cluster, _NOWHERE)
    is_any = at.policy.proof.equals is None and at.policy.proof.at_most is None
    if is_any and reading.value and reading.value == at.state.stale_proof:
        return Reading(lacks=f"{at.policy.proof.path} of {at.policy.proof} to be another than before")
    return reading


def _fencing(at: _At) -> Step:
    state, source, sight = at.state, at.source, at.sight
    is_gone = state.primary in sight.gone
    if state.is_loss_accepted or is_gone:
        if at.target is None or at.target.is_lost:
            return _waits(at, f"{state.target} is lost, too", blocked="NoReplica")
        return _promote(at, proven=is_gone, how="what was primary was deleted" if is_gone else "without proof")
    if source is not None and not source.is_lost and source.is_heard:
        return _source_back(at)
    if at.held:
        return _waits(at, at.held, blocked="Held")
    # What runs there to cut the old primary off is not ready for a while: that is no reason to go elsewhere.
    if at.target is None or at.target.is_lost:
        other = best_target(at.policy, sight, but=state.primary)
        if other:
            return _told(replace(state, target=other), "SwitchoverTurned", f"to {other}: {state.target} is lost, too")
    return _without_source(at)


def _source_back(at: _At) -> Step:
    state, source = at.state, at.source
    if state.primary in at.sight.wanted and state.cause is Cause.LOST and not state.is_demoted:
        over = replace(_settled(state), home="")
        return _told(over, "PrimaryBack", f"{state.primary} is back before anything was changed: it stays primary")
    since = None if source is None else source.well_since
    is_fresh = since is None or at.now - since < REDECIDED_WITHIN
    if state.cause is Cause.LOST and not state.is_demoted and is_fresh and state.primary not in at.sight.departures:
        return _waits(at, f"{state.primary} is heard again: waits whether the unit is still to leave it")
    return _enter(at, Phase.QUIESCING if at.policy.demote and not state.is_demoted else Phase.DEMOTING)


def _without_source(at: _At) -> Step:
    state, loss, sight = at.state, at.policy.on_loss, at.sight
    is_known = state.primary in sight.places
    why = f"{state.primary} is lost" if is_known else f"what was primary on {state.primary} is not known to be gone"
    if loss == type(loss)():
        return _waits(at, f"{why}, and nothing can prove that what is primary there takes no more writes", "NoProof")
    readings = [
        (readings.get(state.target, _NOWHERE), wanted)
        for wanted, readings in ((loss.fence, sight.fence), (loss.proof, sight.loss_proof))
        if wanted is not None
    ]
    for reading, wanted in readings:
        if reading.problem:
            return _waits(at, f"{why}: {reading.problem}", "HookFailed" if wanted is loss.fence else "NoProof")
    lacking = [reading.lacks or f"{wanted} to be there" for reading, wanted in readings if reading.value is None]
    if lacking:
        message = f"{why}: waits on {state.target} for {'; '.join(lacking)}"
        return _waits(at, message, "NoProof" if at.is_late else "")
    return _promote(at, proven=False, how="by its policy for lost clusters")


def _promoting(at: _At) -> Step:
    state, place = at.state, at.source
    if place is None or (place.is_lost and state.primary not in at.sight.wanted):
        return _leave(replace(at, state=replace(state, phase=Phase.STEADY)))
    problem, lacks = "", ""
    if not place.holds(Role.PRIMARY):
        lacks = f"it to be made the primary on {state.primary}{_because(place)}"
    elif at.policy.promote is None:
        lacks = "" if place.is_ready else f"it to be healthy as the primary on {state.primary}"
    elif state.phase is Phase.PROMOTING:
        return _enter(at, Phase.FINISHING)
    else:
        reading = at.sight.promote.get(state.primary, _NOWHERE)
        problem = reading.problem
        if reading.value is None:
            lacks = f"{reading.lacks or f'{at.policy.promote} to be made'} on {state.primary}"
    if problem or lacks:
        blocked = "HookFailed" if problem else "NotPromoted" if at.is_late else ""
        return _waits(at, problem or f"waits for {lacks}", blocked)
    return _done(at)


def _done(at: _At) -> Step:
    state, over = at.state, _settled(at.state)
    if state.blocked == _CALLED_OFF:
        over = over if state.cause is Cause.ASKED else replace(over, blocked=_CALLED_OFF, message=state.message)
        message = f"{state.primary} is primary again: {state.message}"
        return _told(over, "SwitchoverCalledOff", message, is_warning=True)
    news = News(reason="SwitchoverDone", message=f"{state.primary} is primary")
    return Step(state=over, news=(news,), is_done=True)


def _settled(state: Switchover) -> Switchover:
    return replace(
        state,
        phase=Phase.STEADY,
        target="",
        phase_time=None,
        is_demoted=False,
        is_loss_accepted=False,
        stale_proof="",
        blocked="",
        message="",
    )


def _promote(at: _At, *, proven: bool, how: str, proof: str = "") -> Step:
    """Authorise the target; the old primary is to be a replica from now on, wherever it is."""
    state = at.state
    left = {*state.undemoted} - {state.target}
    if state.target != state.primary and not proven:
        left.add(state.primary)
    state = replace(
        state,
        primary=state.target,
        phase=Phase.PROMOTING,
        phase_time=at.now,
        promote_time=at.now,
        is_demoted=False,
        proof=proof,
        undemoted=tuple(sorted(left)),
        blocked="",
        message="",
    )
    return _told(state, "Promoting", f"{state.target} becomes primary, {how}", is_warning=not proven)


def _call_off(at: _At, why: str) -> Step:
    """The old primary is primary again: nobody else was authorised."""
    state = replace(at.state, target=at.state.primary, home="")
    done = _promote(replace(at, state=state), proven=True, how=f"again: {why}")
    return replace(done, state=replace(done.state, proof=at.state.proof, blocked=_CALLED_OFF, message=why))


def _enter(at: _At, phase: Phase) -> Step:
    state = replace(at.state, phase=phase, phase_time=at.now, blocked="", message="")
    return Step(state=replace(state, is_demoted=state.is_demoted or phase is Phase.DEMOTING))


def _waits(at: _At, message: str, blocked: str = "") -> Step:
    before = at.state
    if before.blocked == _CALLED_OFF:  # it goes back: why is told until that is over
        return Step(state=before)
    state = replace(before, blocked=blocked, message=message)
    if blocked and blocked != before.blocked:
        return _told(state, "SwitchoverBlocked", message, is_warning=True)
    return Step(state=state)


def _told(state: Switchover, reason: str, message: str, *, is_warning: bool = False) -> Step:
    return Step(state=state, news=(News(reason=reason, message=message, is_warning=is_warning),))
