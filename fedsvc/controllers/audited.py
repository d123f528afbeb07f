"""Pure: what the audit keeps of decisions: who leaves what and why, and what of a decision was not stored."""

from collections.abc import Sequence
from typing import Any

from fedsvc.controllers.preparing import Prepared
from fedsvc.model.audit import AuditKind, AuditOutcome, NewRecord, health_evidence, said
from fedsvc.model.floor import kept_words
from fedsvc.store.failovers import Left
from fedsvc.store.floors import Readiness


def failover_told(given: Prepared, left: Left, decision_id: str) -> NewRecord:
    """That a unit leaves a cluster by a decision that is being stored.

    Args:
        given: what was decided.
        left: that it leaves the cluster.
        decision_id: of the decision; empty where it says nothing new.
    """
    to = f"to {', '.join(left.targets)}" if left.targets else "and runs elsewhere"
    where = to if left.targets or left.is_elsewhere else "and found no other"
    return NewRecord(
        kind=AuditKind.FAILOVER,
        reason=left.cause.value,
        message=f"it left {left.cluster} {where}{f': {left.message}' if left.message else ''}",
        author=left.author,
        unit=left.unit_name,
        cluster=left.cluster,
        evidence=_grounds(given, left.cluster) | said(decision=decision_id, targets=list(left.targets)),
    )


def overtaken(given: Prepared, clusters: Sequence[str]) -> list[NewRecord]:
    """That a unit does not leave clusters: what automation may do, or how they are, changed before that was stored."""
    return [
        NewRecord(
            kind=AuditKind.FAILOVER,
            outcome=AuditOutcome.REFUSED,
            reason="Overtaken",
            message=f"it was to leave {name}: what automation may do, or how that is, changed before it was stored",
            unit=given.unit.resource_name,
            cluster=name,
            evidence=_grounds(given, name),
        )
        for name in clusters
    ]


def below_floor(given: Prepared, found: Readiness) -> NewRecord:
    """That a decision was not stored by which less of a unit would run than its floor bears."""
    before, after = _replicas(given)
    return NewRecord(
        kind=AuditKind.REMOVAL,
        outcome=AuditOutcome.REFUSED,
        reason="Floor",
        message="less of it is ready by now than its floor bears: it is decided anew",
        unit=given.unit.resource_name,
        evidence=said(floor=_floor(given), before=before, after=after, ready=found.ready),
    )


def kept_up(given: Prepared) -> list[NewRecord]:
    """What a decision that is being stored keeps where it is until enough of a unit is ready elsewhere."""
    if not given.plan.kept or not (given.outcome.news or given.outcome.moved):
        return []
    before, after = _replicas(given)
    return [
        NewRecord(
            kind=AuditKind.REMOVAL,
            outcome=AuditOutcome.REFUSED,
            reason="Floor",
            message=f"until enough is ready elsewhere: {kept_words(given.plan.kept)}",
            unit=given.unit.resource_name,
            evidence=said(floor=_floor(given), before=before, after=after),
        )
    ]


def _grounds(given: Prepared, cluster: str) -> dict[str, Any]:
    """What a decision on a cluster that is to be left was made on."""
    ground, policy = given.decided.ground, given.unit.spec.failover
    before, after = _replicas(given)
    member = ground.members.get(cluster)
    return said(
        health={} if member is None else health_evidence(member.health),
        automationVersion=ground.automation_version,
        decidedAt=given.decided.inputs.now,
        policy=said(mode=policy.mode.value, tolerationSeconds=policy.toleration_seconds, priority=policy.priority),
        before=before,
        after=after,
    )


def _replicas(given: Prepared) -> tuple[dict[str, dict[str, int]], dict[str, dict[str, int]]]:
    """By cluster and workload, what a unit had and has."""
    before = {one.cluster: dict(one.replicas) for one in given.decided.given.request.bindings}
    return before, {one.binding.cluster: dict(one.binding.replicas) for one in given.plan.clusters}


def _floor(given: Prepared) -> dict[str, Any]:
    floor = given.unit.spec.failover.floor
    return {} if floor is None else said(replicas=floor.replicas, percent=floor.percent)
