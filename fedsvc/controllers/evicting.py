"""Pure: which units a decision takes away from lost clusters, and what is noted of it."""

from collections.abc import Collection, Iterable, Mapping

from fedsvc.controllers.preparing import Prepared
from fedsvc.health.verdict import UNREACHABLE_TAINT
from fedsvc.store.failovers import Left
from fedsvc_placement import ClusterSnapshot, Decision
from fedsvc_placement.model import ClusterVerdict
from fedsvc_placement.rules.taints import NO_EXECUTE


def evicted_from(given: Prepared) -> list[str]:
    """The lost clusters that a unit leaves for no other reason than that they are lost."""
    return [] if given.unit.delete_time is not None else lost_among(_driven_out(given))


def emptied_for(given: Prepared) -> dict[str, list[str]]:
    """The clusters that live and that a unit leaves since they are to be emptied, with where it is from then on."""
    targets = [plan.binding.cluster for plan in given.plan.clusters]
    if given.unit.delete_time is not None or not targets:
        return {}
    return dict.fromkeys(living_among(_driven_out(given)), targets)


def _driven_out(given: Prepared) -> list[ClusterSnapshot]:
    bound = {binding.cluster for binding in given.decided.given.request.bindings}
    return driven_out(
        given.plan.decision,
        left=bound.intersection(given.plan.gone),
        clusters=given.decided.ground.prepared.clusters_by_name,
    )


def driven_out(
    decision: Decision, *, left: Collection[str], clusters: Mapping[str, ClusterSnapshot]
) -> list[ClusterSnapshot]:
    """Those of the clusters that a unit leaves, and was placed on, that it leaves for no other reason than a taint."""
    if not left:
        return []
    known = [one for one in decision.clusters if one.cluster in left and one.cluster in clusters]
    return [clusters[one.cluster] for one in known if _fits_otherwise(one)]


def lost_among(found: Iterable[ClusterSnapshot]) -> list[str]:
    """The names of those that are lost, as far as automation may act on it."""
    return [one.name for one in found if _is_lost(one)]


def living_among(found: Iterable[ClusterSnapshot]) -> list[str]:
    """The names of those that live and stay in the fleet."""
    return [one.name for one in found if not (_is_lost(one) or one.deleting)]


def failing_over(given: Prepared) -> list[Left]:
    """What is noted of a unit that leaves lost clusters."""
    lost = evicted_from(given)
    if not lost:
        return []
    members = given.decided.ground.members
    before = {binding.cluster: binding.replicas for binding in given.decided.given.request.bindings}
    targets = sorted(
        plan.binding.cluster
        for plan in given.plan.clusters
        if plan.changed and _grows(before.get(plan.binding.cluster), plan.binding.replicas)
    )
    shortfall = "; ".join(entry.message for entry in given.plan.decision.shortfall)
    found = []
    for name in lost:
        health = members[name].health
        found.append(
            Left(
                uid=given.unit.uid,
                unit_name=given.unit.resource_name,
                cluster=name,
                targets=targets,
                is_elsewhere=bool(given.plan.clusters),
                priority=given.unit.spec.failover.priority,
                message="; ".join(part for part in (health.message, shortfall) if part),
                trouble_time=health.trouble_time,
                detect_time=health.since,
            )
        )
    return found


def _grows(before: Mapping[str, int] | None, after: Mapping[str, int]) -> bool:
    return before is None or any(count > before.get(key, 0) for key, count in after.items())


def _fits_otherwise(judged: ClusterVerdict) -> bool:
    failing = {verdict.rule for verdict in judged.verdicts if not verdict.passed}
    return failing == {NO_EXECUTE.name}


def _is_lost(cluster: ClusterSnapshot) -> bool:
    return any(taint.key == UNREACHABLE_TAINT for taint in cluster.taints)
