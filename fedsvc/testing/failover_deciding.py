"""How a unit of `failover_model` is decided: by the rules, in the order in which the controllers ask them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from fedsvc.controllers.driven import driven_out, living_among, lost_among
from fedsvc.health import Verdict
from fedsvc.model.departure import (
    Departure,
    DepartureCause,
    away_from,
    ended_by,
    gained_by,
    lacks_place,
    places_better,
    seen_at,
    stopped,
    waivable,
)
from fedsvc.model.failback import Away
from fedsvc.testing.failover_parts import Decided, Member, Rules, Unit
from fedsvc_placement import Decision, Placement, PreparedFleet
from fedsvc_placement.model import PreviousBinding, UnitInput


def decided(
    unit: Unit,
    fleet: PreparedFleet,
    *,
    rules: Rules,
    version: int,
    is_held: bool,
    held: frozenset[str],
    is_on: bool,
    now: datetime,
) -> Decided:
    """Decide a unit, on clusters that it was taken away from too where it has no other place.

    Args:
        unit: as it is stored.
        fleet: as automation may see it.
        rules: those of the service, or with a broken one.
        version: of what automation may do.
        is_held: whether somebody keeps automation from moving the unit.
        held: the clusters that automation is kept from.
        is_on: whether automation acts.
        now: time zone aware.
    """
    placement = rules.tolerating(unit.placement, unit.policy, is_held=is_held)
    clusters = fleet.clusters_by_name
    departures = rules.acted_on(unit.departures.values(), is_held=is_held or not is_on, held=held)
    departures = stopped(departures, clusters) or departures
    kept_from = away_from(departures, now)
    decision = _placed(unit, replace(placement, left=kept_from), fleet, departures, rules=rules, now=now)
    waived = rules.in_vain(departures, {name: {} for name in unit.bindings}, decision, now)
    if waived:
        kept_from = tuple(name for name in kept_from if name not in waived)
        decision = _placed(unit, replace(placement, left=kept_from), fleet, departures, rules=rules, now=now)
    free = waivable(kept_from, clusters)
    if free and lacks_place(decision):
        rest = tuple(name for name in kept_from if name not in free)
        other = _placed(unit, replace(placement, left=rest), fleet, departures, rules=rules, now=now)
        if places_better(other, decision):
            decision, waived = other, waived | free
    targets = {target.cluster for target in decision.targets}
    left = set() if unit.is_deleting else unit.bindings.keys() - targets
    out = driven_out(decision, left=left, clusters=clusters)
    ended = ended_by(departures, targets, waived, is_over=True)
    leaving = [clusters[name] for name in sorted(left)] if ended else out
    for_health = {one.cluster for one in departures if one.cause is DepartureCause.UNHEALTHY and one.keeps_away(now)}
    emptied = living_among(leaving) if targets else []
    return Decided(
        unit=unit.name,
        generation=unit.generation,
        version=version,
        decision=decision,
        lost=lost_among(out),
        emptied=emptied,
        ailing=sorted(for_health.intersection(emptied)),
        heard=[one.cluster for one in departures if one.is_pending and one.cluster not in ended],
        ended=ended,
        gained=gained_by({name: {} for name in unit.bindings}, {name: {} for name in targets}),
    )


def _placed(
    unit: Unit,
    placement: Placement,
    fleet: PreparedFleet,
    departures: Sequence[Departure],
    *,
    rules: Rules,
    now: datetime,
) -> Decision:
    bound = [PreviousBinding(cluster=name, replicas={}, since=since) for name, since in unit.bindings.items()]
    asked = UnitInput(key=f"shop/{unit.name}", placement=placement)
    return rules.place(asked, fleet, seen_at(bound, departures, now), now, memory=unit.memory)


def away(unit: Unit, departure: Departure, member: Member, now: datetime) -> Away:
    """A unit that is away from a member, as `store.departures.away` reads it."""
    assert departure.leave_time is not None
    assert departure.free_time is not None
    is_well = member.health.verdict is Verdict.HEALTHY and not member.taints
    return Away(
        uid=unit.name,
        cluster=departure.cluster,
        policy=unit.policy.failback,
        priority=unit.policy.priority,
        leave_time=departure.leave_time,
        well_since=max(member.health.since or now, departure.free_time) if is_well else None,
    )
