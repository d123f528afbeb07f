"""What became of an object: health, the status worth keeping for each cluster, and the sum over clusters.

Start at `reflect`, `aggregate`, `health` and `replica_counts`; one file a family of kinds holds the rules. Pure;
imports only `fedsvc.rendering`. Live objects come from members and may hold anything: what has another shape than
expected counts as absent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.status import budgets, conditions, gateways, jobs, network, phases, pods, workloads
from fedsvc.rendering.status.health import Health, HealthState, part, progressing, text
from fedsvc.rendering.status.rules import CompiledRule

__all__ = ["Health", "HealthState", "aggregate", "has_rules", "health", "reflect", "replica_counts", "with_generations"]

_Reflect: TypeAlias = Callable[[ObjectKey, Mapping[str, Any]], JsonObject]
_Aggregate: TypeAlias = Callable[[ObjectKey, Mapping[str, JsonObject]], JsonObject]
_Judge: TypeAlias = Callable[[ObjectKey, Mapping[str, Any]], Health]
_Count: TypeAlias = Callable[[ObjectKey, Mapping[str, Any]], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules of one kind."""

    reflect: _Reflect
    aggregate: _Aggregate
    health: _Judge
    counts: _Count | None = None


def _workload(judge: _Judge) -> _Rules:
    return _Rules(workloads.reflect, workloads.aggregate, judge, workloads.replica_counts)


_OTHER: Final = _Rules(conditions.reflect, conditions.aggregate, conditions.health)

_RULES: Final[Mapping[tuple[str, str], _Rules]] = {
    ("apps", "Deployment"): _workload(workloads.deployment_health),
    ("apps", "StatefulSet"): _workload(workloads.stateful_set_health),
    ("apps", "ReplicaSet"): _workload(workloads.replica_set_health),
    ("apps", "DaemonSet"): _workload(workloads.daemon_set_health),
    ("", "ReplicationController"): _workload(workloads.replica_set_health),
    ("batch", "Job"): _Rules(jobs.reflect_job, jobs.aggregate_job, jobs.job_health, jobs.job_counts),
    ("batch", "CronJob"): _Rules(jobs.reflect_cron_job, jobs.aggregate_cron_job, jobs.cron_job_health),
    ("", "Pod"): _Rules(pods.reflect, pods.aggregate, pods.health, pods.replica_counts),
    ("", "Service"): _Rules(network.reflect, network.aggregate, network.service_health),
    ("networking.k8s.io", "Ingress"): _Rules(network.reflect, network.aggregate, network.ingress_health),
    ("gateway.networking.k8s.io", "Gateway"): _Rules(
        gateways.reflect_gateway, gateways.aggregate_gateway, conditions.health
    ),
    ("gateway.networking.k8s.io", "HTTPRoute"): _Rules(gateways.reflect_route, conditions.aggregate, conditions.health),
    ("", "PersistentVolumeClaim"): _Rules(phases.reflect, phases.aggregate, phases.claim_health),
    ("", "PersistentVolume"): _Rules(phases.reflect, phases.aggregate, phases.volume_health),
    ("", "Namespace"): _Rules(phases.reflect, phases.aggregate, phases.namespace_health),
    ("policy", "PodDisruptionBudget"): _Rules(budgets.reflect_budget, budgets.aggregate_budget, budgets.budget_health),
    ("autoscaling", "HorizontalPodAutoscaler"): _Rules(
        budgets.reflect_scaler, budgets.aggregate_scaler, budgets.scaler_health
    ),
}


def reflect(key: ObjectKey, live: Mapping[str, Any]) -> JsonObject:
    """The part of a live object's status that is kept for its cluster; {} where there is none yet."""
    return _RULES.get(key.group_kind, _OTHER).reflect(key, live)


def aggregate(key: ObjectKey, statuses: Mapping[str, JsonObject], rule: CompiledRule | None = None) -> JsonObject:
    """One status over clusters (cluster name to what `reflect` gave), as if it were one object.

    Where there is a rule for the kind, its fields sum up as it says. Clusters that said nothing yet are simply not in
    `statuses`. The answer does not depend on their order.
    """
    if not statuses:
        return {}
    ordered = {cluster: statuses[cluster] for cluster in sorted(statuses)}
    total = _RULES.get(key.group_kind, _OTHER).aggregate(key, ordered)
    return total if rule is None else total | rule.aggregate(ordered)


def with_generations(status: JsonObject, *, revision: int, held: bool) -> JsonObject:
    """What `aggregate` gave, with the generations of one object, where the kind has any: those of clusters have no sum.

    Args:
        status: what `aggregate` gave.
        revision: of the template.
        held: whether every cluster was made to hold this revision and is heard.

    ``generation`` is the revision; ``observedGeneration`` is there, and equal to it, only where the revision is held
    and every cluster's controller has seen its newest spec: who waits for the two to be equal waits for all.
    """
    if "allObserved" not in status:
        return status
    observed = {"observedGeneration": revision} if held and status["allObserved"] else {}
    return status | {"generation": revision} | observed


def health(key: ObjectKey, live: Mapping[str, Any]) -> Health:
    """How a live object does; an object that is being deleted is progressing, whatever its kind."""
    verdict = _RULES.get(key.group_kind, _OTHER).health(key, live)
    if verdict.state is not HealthState.DEGRADED and text(part(live, "metadata"), "deletionTimestamp"):
        return progressing("Terminating", "the object is being deleted in the cluster")
    return verdict


def has_rules(key_kind: tuple[str, str]) -> bool:
    """Whether a kind, given as (group, kind), has rules of its own here; all others are judged by their conditions."""
    return key_kind in _RULES


def replica_counts(key: ObjectKey, live: Mapping[str, Any]) -> tuple[int, int] | None:
    """(desired, ready) of kinds that run pods (for a Job: completions wanted and reached); None for all others."""
    counts = _RULES.get(key.group_kind, _OTHER).counts
    return None if counts is None else counts(key, live)
