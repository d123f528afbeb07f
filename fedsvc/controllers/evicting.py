"""Pure: which units a decision takes away from clusters that are lost, or that they are to leave otherwise."""

from collections.abc import Mapping
from datetime import datetime

from fedsvc.controllers.driven import living_among, lost_among
from fedsvc.controllers.preparing import Prepared
from fedsvc.model.departure import Departure, DepartureCause, gained_by
from fedsvc.store.departures import Leave
from fedsvc.store.failovers import Left
from fedsvc_placement import ClusterSnapshot, Trigger


def evicted_from(given: Prepared) -> list[str]:
    """The lost clusters that a unit leaves by automation: for no other reason than that they are lost."""
    ordered = _ordered_of(given)
    return [name for name in lost_by(given) if name not in ordered or not ordered[name].is_asked]


def ailing_on(given: Prepared) -> list[str]:
    """The clusters that a unit leaves by automation since it is unhealthy there."""
    left = [one.cluster for one in leaving(given) if one.cause is DepartureCause.UNHEALTHY]
    return left if given.plan.clusters else []


def lost_by(given: Prepared) -> list[str]:
    """The lost clusters that a unit leaves since they are lost, or are to leave anyway."""
    return [] if given.unit.delete_time is not None else lost_among(given.driven_out)


def emptied_for(given: Prepared) -> dict[str, list[str]]:
    """The clusters that live and that a unit leaves by a move that could wait, with where it is from then on.

    They are to be emptied, or somebody wants it elsewhere, or it goes back to where it was, is placed anew, or has a
    floor. Where nothing else can take it, it waits for a place.
    """
    if given.unit.delete_time is not None:
        return {}
    targets = [plan.binding.cluster for plan in given.plan.clusters]
    if not targets:
        return dict.fromkeys(living_among(given.driven_out), targets)
    could_wait = given.plan.floor is not None or given.decided.inputs.trigger == Trigger.REBALANCE
    return dict.fromkeys(living_among(_left_by(given) if could_wait else given.driven_out), targets)


def _left_by(given: Prepared) -> list[ClusterSnapshot]:
    clusters = given.decided.ground.prepared.clusters_by_name
    bound = {binding.cluster for binding in given.decided.given.request.bindings}
    return [clusters[name] for name in given.plan.gone if name in bound and name in clusters]


def _ordered_of(given: Prepared) -> dict[str, Departure]:
    """The departures of this unit that were stored before it was decided, by cluster."""
    now = given.decided.inputs.now
    return {one.cluster: one for one in given.plan.request.departures if one.is_ordered and one.keeps_away(now)}


def leaving(given: Prepared) -> list[Leave]:
    """What is noted of clusters that a unit leaves since they are lost, or since they are to be left."""
    ordered, lost = _ordered_of(given), set(lost_by(given))
    bound = {binding.cluster: binding.replicas for binding in given.decided.given.request.bindings}
    gained = gained_by(bound, {plan.binding.cluster: plan.binding.replicas for plan in given.plan.clusters})
    left = lost | {name for name, targets in emptied_for(given).items() if targets and name in ordered}
    return [
        Leave(
            uid=given.unit.uid,
            cluster=name,
            cause=DepartureCause.LOST if name in lost else ordered[name].cause,
            share=bound[name],
            gained=gained,
        )
        for name in sorted(left)
    ]


def failing_over(given: Prepared) -> list[Left]:
    """What is kept in the history of failovers of a unit that leaves clusters which are lost, or are to be left."""
    left = leaving(given)
    if not left:
        return []
    ordered, lost = _ordered_of(given), set(lost_by(given))
    before = {binding.cluster: binding.replicas for binding in given.decided.given.request.bindings}
    targets = sorted(
        plan.binding.cluster
        for plan in given.plan.clusters
        if plan.changed and _grows(before.get(plan.binding.cluster), plan.binding.replicas)
    )
    shortfall = "; ".join(entry.message for entry in given.plan.decision.shortfall)
    found = []
    for name in (one.cluster for one in left):
        order = ordered.get(name)
        why, trouble_time, detect_time = _seen(given, name, order, is_lost=name in lost)
        found.append(
            Left(
                uid=given.unit.uid,
                unit_name=given.unit.resource_name,
                cluster=name,
                targets=targets,
                is_elsewhere=bool(given.plan.clusters),
                priority=given.unit.spec.failover.priority,
                message="; ".join(part for part in (why, shortfall) if part),
                trouble_time=trouble_time,
                detect_time=detect_time,
                is_lost=name in lost,
                cause=order.cause if order is not None else DepartureCause.LOST,
                author=order.author if order is not None else "",
            )
        )
    return found


def _seen(
    given: Prepared, cluster: str, order: Departure | None, *, is_lost: bool
) -> tuple[str, datetime | None, datetime | None]:
    """Why a unit leaves a cluster, when that was first seen, and when it was taken for sure."""
    if is_lost:
        health = given.decided.ground.members[cluster].health
        return health.message, health.trouble_time, health.since
    if order is not None and order.cause is DepartureCause.UNHEALTHY:
        return order.reason, order.trouble_time, order.due_time
    return "", None, None


def _grows(before: Mapping[str, int] | None, after: Mapping[str, int]) -> bool:
    return before is None or any(count > before.get(key, 0) for key, count in after.items())
