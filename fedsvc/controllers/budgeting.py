"""Judges what decisions remove from members: counts it, or keeps it there until somebody confirms it.

It runs in the transaction that stores the decisions. What an apply or a deletion asked for was counted there, and is
granted to the next decision on the unit; all else comes of something that nobody may have meant so: a label, a policy,
a taint. What the decisions of one minute remove counts as one change, and a batch of them goes or stays as a whole:
half of a mistake is no better.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fedsvc.controllers.preparing import Prepared
from fedsvc.controllers.removing import RemovalHeldError
from fedsvc.model.audit import AuditKind, NewRecord, said
from fedsvc.model.removal import AWAITING_TAKER, PROTECTED, Limits, limits, lost_objects, refusal
from fedsvc.model.unit import Unit
from fedsvc.model.work import CLUSTER_LEAVING, RESOURCE_REMOVED, DirtyWork
from fedsvc.store import audit, fleet, removals, units, works
from fedsvc.store.store import Transaction
from fedsvc.store.works import Doomed


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a decision on a unit removes that nobody has authorised yet."""

    given: Prepared
    doomed: Sequence[Doomed]
    lost: int  # objects that the unit loses
    objects: int  # of these, beyond what was granted
    within: Limits

    @property
    def is_emptied(self) -> bool:
        """Whether the unit loses all it has without being deleted; copies for others come and go with these."""
        unit, had = self.given.unit, self.given.decided.given.request.bindings
        return unit.delete_time is None and bool(had) and (not self.given.plan.clusters or not unit.resource_count)


async def judge(tx: Transaction, prepared: Sequence[Prepared], doomed: Sequence[Doomed]) -> dict[str, str]:
    """Authorise removals, or hold them; gives by uid of the unit why they are held."""
    if not doomed:
        return {}
    change, hour = await removals.spent(tx)
    asked = await _asked(tx, prepared, doomed)
    held = judged(asked, change_objects=change, hour_objects=hour)
    let = [(one, one.objects - len(_given(one))) for one in asked if one.given.unit.uid not in held]
    done = {one.given.unit.resource_name: objects for one, objects in let if objects > 0}
    await removals.add(tx, done, is_decision=True)
    await audit.add(tx, [_authorised(one, change, hour) for one, objects in let if objects > 0])
    spent = {one.given.unit.uid: one.lost for one in asked if one.given.unit.granted_removals}
    if spent:
        await removals.spend(tx, spent)
    reasons = _for_takers(asked) | {
        found.id: (held[one.given.unit.uid][0], _words(one.given.unit, held[one.given.unit.uid][1]))
        for one in asked
        if one.given.unit.uid in held
        for found in one.doomed
    }
    if reasons:
        await removals.hold(tx, reasons)
    return {one.given.unit.uid: _taker_words(one.given.unit) for one in asked if _given(one)} | {
        uid: why for uid, (_, why) in held.items()
    }


def _authorised(one: Asked, change_objects: int, hour_objects: int) -> NewRecord:
    clusters = sorted({found.cluster for found in one.doomed})
    return NewRecord(
        kind=AuditKind.REMOVAL,
        reason="Decided",
        message=f"{len(one.doomed)} of its objects may go from {', '.join(clusters)}",
        unit=one.given.unit.resource_name,
        cluster=clusters[0] if len(clusters) == 1 else "",
        evidence=said(
            objects=len(one.doomed),
            counted=one.objects,
            clusters=clusters,
            inThisChange=change_objects,
            inTheLastHour=hour_objects,
            mayGoInAChange=one.within.per_change,
            mayGoInAnHour=one.within.per_hour,
        ),
    )


def _given(asked: Asked) -> list[Doomed]:
    """What is taken out of a unit that says who takes it over."""
    unit = asked.given.unit
    waits = bool(unit.spec.propagation.gives) and unit.delete_time is None
    return [one for one in asked.doomed if one.stays] if waits else []


def _for_takers(asked: Sequence[Asked]) -> dict[int, tuple[str, str]]:
    return {
        found.id: (AWAITING_TAKER, _words(one.given.unit, _taker_words(one.given.unit)))
        for one in asked
        for found in _given(one)
    }


def _taker_words(unit: Unit) -> str:
    takers = " or ".join(f"unit/{'/'.join(name.split('/')[1::2])}" for name in unit.spec.propagation.gives)
    return f"it is kept for {takers}, which takes it by naming it and adopting from this unit"


def judged(asked: Sequence[Asked], *, change_objects: int, hour_objects: int) -> dict[str, tuple[str, str]]:
    """Pure: the units whose removals are held, by uid, with reason and words."""
    held: dict[str, tuple[str, str]] = {}
    shared: list[Asked] = []
    for one in asked:
        uid = one.given.unit.uid
        if one.given.unit.spec.protected:
            held[uid] = (PROTECTED, "the unit is protected")
        elif has_own_limit(one.given.unit) or (one.is_emptied and not one.within.allow_empty):
            found = refusal(
                one.objects,
                change_objects=0,
                hour_objects=hour_objects,
                is_emptied=one.is_emptied,
                within=one.within,
            )
            if found is not None:
                held[uid] = found
            hour_objects += 0 if found is not None else one.objects
        elif one.objects:
            shared.append(one)
    if shared:
        found = refusal(
            sum(one.objects for one in shared),
            change_objects=change_objects,
            hour_objects=hour_objects,
            is_emptied=False,
            within=shared[0].within,
        )
        if found is not None:
            held.update((one.given.unit.uid, found) for one in shared)
    return held


async def judge_found(tx: Transaction, *, work: DirtyWork, member_uid: str) -> str:
    """Authorise the removal of an object that no decision counted, or hold it; gives why it is held, else nothing.

    It was made by a process that was killed before it stored so: whoever decided took the member to hold nothing.

    Raises:
        RemovalHeldError: it is not to go any more.
    """
    cause = await removals.found(tx, work, member_uid)
    if cause is None:
        raise RemovalHeldError("it is decided otherwise by now")
    (unit,) = await units.get_many(tx, [work.unit_uid])
    roles = unit.spec.failover.roles
    if cause == CLUSTER_LEAVING or (cause == RESOURCE_REMOVED and roles is not None and roles.is_hook(work.key)):
        return ""
    if unit.granted_removals:
        await removals.spend(tx, {unit.uid: 1})
        return ""
    change, hour = await removals.spent(tx)
    budget = (await fleet.get(tx)).spec.removals
    of_unit = (await removals.objects_of_units(tx, [unit.uid])).get(unit.uid, 0)
    within = limits(budget, unit.spec.removals, fleet_objects=await removals.fleet_objects(tx), unit_objects=of_unit)
    is_emptied = unit.delete_time is None and not (await works.bindings_of(tx, [unit.uid]))[unit.uid]
    if unit.spec.protected:
        refused: tuple[str, str] | None = (PROTECTED, "the unit is protected")
    elif cause == RESOURCE_REMOVED and unit.spec.propagation.gives:
        refused = AWAITING_TAKER, _taker_words(unit)
    else:
        before = 0 if has_own_limit(unit) else change
        refused = refusal(1, change_objects=before, hour_objects=hour, is_emptied=is_emptied, within=within)
    if refused is None:
        await removals.add(tx, {unit.resource_name: 1}, is_decision=True)
        return ""
    reason, why = refused
    words = _words(unit, why)
    await removals.hold(tx, {work.id: (reason, words)})
    tx.record("work", f"works/{work.id}", subject=unit.resource_name)
    return words


def has_own_limit(unit: Unit) -> bool:
    """Whether a unit says itself what may go in one change."""
    own = unit.spec.removals
    return own is not None and (own.objects_per_change is not None or own.percent_per_change is not None)


async def _asked(tx: Transaction, prepared: Sequence[Prepared], doomed: Sequence[Doomed]) -> list[Asked]:
    by_unit: dict[str, list[Doomed]] = defaultdict(list)
    for one in doomed:
        by_unit[one.unit_uid].append(one)
    budget = (await fleet.get(tx)).spec.removals
    in_fleet = await removals.fleet_objects(tx)
    of_units = await removals.objects_of_units(tx, list(by_unit))
    found = []
    for given in prepared:
        unit = given.unit
        if unit.uid not in by_unit:
            continue
        lost = _lost(given, by_unit[unit.uid])
        within = limits(budget, unit.spec.removals, fleet_objects=in_fleet, unit_objects=of_units.get(unit.uid, 0))
        found.append(
            Asked(
                given=given,
                doomed=by_unit[unit.uid],
                lost=lost,
                objects=max(0, lost - unit.granted_removals),
                within=within,
            )
        )
    return found


def _lost(given: Prepared, doomed: Sequence[Doomed]) -> int:
    dropped, left = _count(doomed, stays=True), _count(doomed, stays=False)
    before = {binding.cluster for binding in given.decided.given.request.bindings}
    after = {plan.binding.cluster for plan in given.plan.clusters}
    elsewhere = len(given.plan.gone) - len(left)  # clusters that are left, and where nothing is lost by it
    return lost_objects(
        dropped, left, gained=max(0, len(after - before) - elsewhere), keeps_replicas=_keeps_replicas(given)
    )


def _count(doomed: Sequence[Doomed], *, stays: bool) -> Mapping[str, int]:
    found: dict[str, int] = defaultdict(int)
    for one in doomed:
        if one.stays is stays:
            found[one.cluster] += 1
    return found


def _keeps_replicas(given: Prepared) -> bool:
    before = sum(sum(binding.replicas.values()) for binding in given.decided.given.request.bindings)
    after = sum(sum(plan.binding.replicas.values()) for plan in given.plan.clusters)
    return 0 < before <= after


def _words(unit: Unit, why: str) -> str:
    name = f"unit/{unit.namespace}/{unit.name}"
    first = "take protection back, then " if unit.spec.protected else ""
    return f"{why}: it stays there until that is confirmed: {first}fedctl confirm {name}"
