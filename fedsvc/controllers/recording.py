"""Writes what was decided of a batch of units: decisions, bindings, works and the units' own rows."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from fedsvc.controllers import planning
from fedsvc.controllers.audited import below_floor, failover_told, kept_up, overtaken
from fedsvc.controllers.budgeting import judge
from fedsvc.controllers.deciding import Decided
from fedsvc.controllers.evicting import ailing_on, emptied_for, evicted_from, failing_over, leaving
from fedsvc.controllers.preparing import Prepared
from fedsvc.controllers.surroundings import Ground
from fedsvc.model.floor import allows, kept_words
from fedsvc.model.grants import Granted
from fedsvc.model.roles import RolePolicy
from fedsvc.rendering.keys import ObjectKey
from fedsvc.store import (
    audit,
    automation,
    decisions,
    departures,
    failovers,
    floors,
    grants,
    manifests,
    rollouts,
    switchovers,
    units,
    works,
)
from fedsvc.store.floors import Readiness
from fedsvc.store.store import Transaction, is_secret

_SHOWN: Final = 5
_EASE: Final = timedelta(seconds=3)
"""What is kept up until enough is ready elsewhere is looked at again after so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What storing a decision did."""

    wrote: bool
    clusters: tuple[str, ...] = ()  # whose works changed
    blocked: str = ""  # why some works have to wait; empty: none has
    held: str = ""  # why removals are held; empty: none is
    kept: str = ""  # what stays until enough is ready elsewhere; empty: nothing, or nothing new
    event: tuple[str, str, bool] | None = None  # reason, message, whether it is a warning


async def store_prepared(tx: Transaction, prepared: Sequence[Prepared]) -> list[Stored | None]:
    """Write decisions and what follows from them, where anything does; None: the unit changed since it was read.

    Raises:
        ClusterGoneError: a cluster that was decided on is registered no more.
        StoreUnavailableError: PostgreSQL does not answer.
    """
    writing = [given for given in prepared if given.outcome.writes]
    if not writing:
        return [Stored(wrote=False) for _ in prepared]
    current = await units.lock_generations(tx, [given.unit.uid for given in writing])
    writing = [given for given in writing if current.get(given.unit.uid) == given.unit.generation]
    # A rollout that moved on since then may hold other revisions on other clusters.
    versions = await rollouts.lock_versions(tx, [given.unit.uid for given in writing if _may_roll_out(given)])
    writing = [given for given in writing if versions.get(given.unit.uid, 0) == given.decided.rollout_version]
    # Likewise a switchover, of what the unit is on which cluster.
    versions = await switchovers.lock_versions(tx, [given.unit.uid for given in writing if _may_have_roles(given)])
    writing = [given for given in writing if versions.get(given.unit.uid, 0) == given.decided.switchover_version]
    writing = await _above_floor(tx, await _allowed(tx, writing))
    ids = await _add_decisions(tx, [given for given in writing if given.outcome.news])
    moved = [given for given in writing if given.outcome.moved]
    synced = await _sync(tx, moved, ids)
    leaves = [(given, one) for given in moved for one in failing_over(given)]
    left = [one for _, one in leaves]
    await failovers.add(tx, left)
    await audit.add(tx, [failover_told(given, one, ids.get(given.unit.uid, "")) for given, one in leaves])
    lost = {(one.uid, one.cluster) for one in left if one.is_lost}
    emptied = {(given.unit.uid, cluster): targets for given in moved for cluster, targets in emptied_for(given).items()}
    waiting = {pair for pair, targets in emptied.items() if not targets}  # for a place, so nothing is lost
    of_steps = {given.unit.uid: given.unit.spec.failover.roles for given in moved}
    doomed = [
        one
        for one in synced.doomed
        if (one.unit_uid, one.cluster) not in lost | waiting and not _is_of_step(one, of_steps[one.unit_uid])
    ]
    occupied, held = synced.occupied, await judge(tx, moved, doomed)
    await failovers.keep_until_replaced(tx, emptied)
    await audit.count(tx, [one for given in writing for one in kept_up(given)])
    await _note_roles(tx, writing)
    await _note_departures(tx, writing)
    await grants.add(
        tx,
        [
            Granted(at=given.decided.inputs.now, spoken=spoken)
            for given in writing
            for spoken in given.decided.spoken_for
        ],
    )
    await units.set_decided(tx, [_decided(given, ids, occupied) for given in writing])
    written = {given.unit.uid for given in writing}
    return [_stored(given, occupied, held.get(given.unit.uid, ""), written) for given in prepared]


async def _note_departures(tx: Transaction, writing: Sequence[Prepared]) -> None:
    """Keep units away from what they leave, and let them be on what they return to."""
    taking = [
        (given.unit.uid, one.cluster)
        for given in writing
        for one in given.plan.request.departures
        if one.is_pending and one.return_time is not None and one.cluster not in given.plan.ended
    ]
    heard = [
        (given.unit.uid, one.cluster)
        for given in writing
        for one in given.plan.request.departures
        if one.is_pending and one.cluster not in given.plan.ended and one.cluster not in given.plan.staying
    ]
    await departures.heard(tx, [pair for pair in heard if pair not in taking])
    await departures.taking(tx, taking)
    await departures.end(tx, [(given.unit.uid, name) for given in writing for name in given.plan.ended])
    await departures.leave(tx, [one for given in writing for one in leaving(given)])


async def _note_roles(tx: Transaction, writing: Sequence[Prepared]) -> None:
    """Keep where the primaries are of units that have one from now on."""
    plans = {given.unit.uid: given.plan.roles for given in writing}
    await switchovers.begin(tx, {uid: plan.state for uid, plan in plans.items() if plan is not None and plan.is_new})
    over = [
        given.unit.uid
        for given in writing
        if given.decided.switchover_version and given.unit.spec.failover.roles is None
    ]
    await switchovers.drop(tx, over)


def _may_have_roles(given: Prepared) -> bool:
    return given.decided.switchover_version != 0 or given.unit.spec.failover.roles is not None


def _is_of_step(doomed: works.Doomed, policy: RolePolicy | None) -> bool:
    """Whether an object goes since the step of a switchover is over that it was there for: the unit loses nothing."""
    return policy is not None and doomed.stays and policy.is_hook(doomed.key)


def _may_roll_out(given: Prepared) -> bool:
    """Whether the unit may have a rollout: one begins with a new generation alone."""
    return given.decided.rollout_version != 0 or given.unit.spec.rollout is not None


async def _allowed(tx: Transaction, prepared: Sequence[Prepared]) -> list[Prepared]:
    """Without those that automation may not move any more, or that would leave a cluster which is back."""
    leaving = [(given, evicted_from(given), ailing_on(given)) for given in prepared]
    moved = [given for given, lost, ailing in leaving if lost or ailing]
    if not moved:
        return list(prepared)
    versions = {given.decided.ground.automation_version for given in moved}
    gone = sorted({cluster for _, lost, _ in leaving for cluster in lost})
    if len(versions) == 1 and await automation.still_acts(tx, next(iter(versions)), gone):
        return list(prepared)
    await audit.count(tx, [one for given, lost, ailing in leaving for one in overtaken(given, [*lost, *ailing])])
    return [given for given, lost, ailing in leaving if not lost and not ailing]


async def _above_floor(tx: Transaction, prepared: Sequence[Prepared]) -> list[Prepared]:
    """Without those of which less is ready by now than their floor bears."""
    shrinking = [given for given in prepared if given.plan.floor is not None and given.plan.changed]
    ready = await floors.readiness_of(tx, [given.unit.uid for given in shrinking])
    broken = {given.unit.uid for given in shrinking if not _is_above(given, ready[given.unit.uid])}
    kept = [given for given in prepared if given.unit.uid in broken]
    await audit.count(tx, [below_floor(given, ready[given.unit.uid]) for given in kept])
    return [given for given in prepared if given.unit.uid not in broken]


def _is_above(given: Prepared, found: Readiness) -> bool:
    assert given.plan.floor is not None, "only units with a floor are looked at"
    return allows(
        {plan.binding.cluster: plan.binding.replicas for plan in given.plan.clusters},
        {binding.cluster: binding.replicas for binding in given.decided.given.request.bindings},
        {target.cluster: target.replicas for target in given.plan.decision.targets},
        found.ready,
        given.plan.floor,
        asked=planning.asked_of(given.plan.decision),
    )


async def keep_spoken(tx: Transaction, decided: Sequence[Decided]) -> list[tuple[Ground, int]]:
    """Store what decisions found spoken for and is not stored yet; gives the grounds and how much of them is, then."""
    found: dict[str, tuple[Ground, int]] = {}
    for one in decided:
        ground = one.ground
        _, count = found.get(ground.id, (ground, ground.kept_count))
        found[ground.id] = (ground, max(count, one.spoken_count or 0))
    grown = [(ground, count) for ground, count in found.values() if count > ground.kept_count]
    for ground, count in grown:
        await decisions.add_spoken(
            tx, ground.id, ground.kept_count, ground.prepared.spoken_for[ground.kept_count : count]
        )
    return grown


async def _add_decisions(tx: Transaction, prepared: Sequence[Prepared]) -> dict[str, str]:
    """Store decisions; gives the ids of those in force by uid of the unit."""
    if not prepared:
        return {}
    fleets: dict[str, bytes] = {}
    for ground in {given.decided.ground.id: given.decided.ground for given in prepared}.values():
        fleets[ground.id] = await decisions.put_fleet(tx, await asyncio.to_thread(_packed, ground))
    made = [
        decisions.NewDecision(
            unit=given.unit,
            inputs_digest=given.plan.decision.inputs_digest,
            record=given.outcome.record,
            answer_digest=given.outcome.answer_digest,
            inputs=given.outcome.inputs,
            fleet_digest=fleets[given.decided.ground.id],
            ground=None if given.decided.spoken_count is None else given.decided.ground.id,
            spoken_count=given.decided.spoken_count or 0,
        )
        for given in prepared
    ]
    ids = await decisions.add(tx, made)
    return {given.unit.uid: id_ for given, id_ in zip(prepared, ids, strict=True)}


def _packed(ground: Ground) -> decisions.PackedFleet:
    return ground.packed


def _decided(given: Prepared, ids: Mapping[str, str], occupied: Mapping[str, Any]) -> units.DecidedUnit:
    unit = given.unit
    # A unit that has to wait stays undecided, so that it is looked at again.
    covered = replace(unit, generation=unit.decided_generation) if unit.uid in occupied else unit
    return units.DecidedUnit(
        unit=covered,
        decision=ids.get(unit.uid),
        reconsider_at=_reconsider_at(given),
        memory=given.plan.decision.memory,
    )


def _reconsider_at(given: Prepared) -> datetime | None:
    times = [given.plan.decision.reconsider_at, given.decided.inputs.now + _EASE if given.plan.kept else None]
    return min((time for time in times if time is not None), default=None)


def _stored(
    given: Prepared, occupied: Mapping[str, Sequence[tuple[str, ObjectKey]]], held: str, written: Collection[str]
) -> Stored | None:
    outcome, unit = given.outcome, given.unit
    if unit.uid not in written:
        return None if outcome.writes else Stored(wrote=False)
    # Of a unit that goes works may be left where there is no binding any more.
    left = [line.cluster for line in unit.status.clusters] if unit.delete_time is not None else []
    return Stored(
        wrote=outcome.news or outcome.undecided or outcome.moved,
        clusters=tuple(sorted({*given.plan.changed, *given.plan.gone, *left})),
        held=held,
        kept=kept_words(given.plan.kept) if outcome.news or outcome.moved else "",
        blocked=_blocked_text(occupied.get(unit.uid, ())),
        event=_event(given) if outcome.news else None,
    )


async def _sync(tx: Transaction, prepared: Sequence[Prepared], ids: Mapping[str, str]) -> works.Synced:
    """Write bindings and works."""
    keyed: dict[bytes, bytes] = {}
    bodies: list[tuple[bytes, bytes, bool]] = []
    for given in prepared:
        for key, plain, body in given.bodies:
            if plain not in keyed:
                keyed[plain] = tx.digest_for(key, body)
                bodies.append((keyed[plain], body, is_secret(key)))
    await manifests.put_many(tx, bodies)
    plans = [_unit_sync(given, keyed, ids) for given in prepared]
    synced = await works.sync_units(tx, plans)
    occupied = synced.occupied
    # Forget how these were rendered, so that the next look finds them changed and tries again.
    await works.sync_units(tx, [_blank(plan, occupied[plan.unit.uid]) for plan in plans if plan.unit.uid in occupied])
    return synced


def _unit_sync(given: Prepared, keyed: Mapping[bytes, bytes], ids: Mapping[str, str]) -> works.UnitSync:
    before = given.decided.in_force.id if given.decided.in_force is not None else ""
    decision_id = ids.get(given.unit.uid, before)
    return works.UnitSync(
        unit=given.unit,
        bindings=[planning.with_decision(entry, decision_id) for entry in given.plan.clusters],
        desired={
            cluster: [work if work.digest is None else replace(work, digest=keyed[work.digest]) for work in found]
            for cluster, found in given.desired.items()
        },
        removal=planning.removal_of(given.unit),
        copies=[entry.copy for entry in given.plan.copies],
        references=given.references,
    )


def _blank(plan: works.UnitSync, occupied: Sequence[tuple[str, ObjectKey]]) -> works.UnitSync:
    waiting = {cluster for cluster, _ in occupied}
    bindings = [replace(entry, render_key=b"") if entry.cluster in waiting else entry for entry in plan.bindings]
    copies = [replace(entry, render_key=b"") if entry.cluster in waiting else entry for entry in plan.copies]
    return replace(plan, bindings=bindings, copies=copies)


def _blocked_text(occupied: Sequence[tuple[str, ObjectKey]]) -> str:
    if not occupied:
        return ""
    shown = ", ".join(f"{key} on {cluster}" for cluster, key in occupied[:_SHOWN])
    more = f" and {len(occupied) - _SHOWN} more" if len(occupied) > _SHOWN else ""
    return f"another unit's objects are still being removed: {shown}{more}"


def _event(given: Prepared) -> tuple[str, str, bool]:
    decision: Any = given.plan.decision
    lost = evicted_from(given)
    names = [target.cluster for target in decision.targets]
    notes = [*(entry.message for entry in decision.shortfall), *(entry.message for entry in decision.warnings)]
    if lost:
        notes = [f"{', '.join(lost)} {'is' if len(lost) == 1 else 'are'} lost", *notes]
    if not names:
        return "Unplaced", "; ".join((decision.message, *notes)), True
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return "FailedOver" if lost else "Placed", "; ".join((f"on {shown}", *notes)), bool(lost or decision.shortfall)
