"""Deployments and ReplicaSets (and ReplicationControllers): rollouts within their surge, pods, status."""

from typing import TYPE_CHECKING

from fedsvc.simulator.controllers.common import (
    can_start,
    condition_is,
    delete_pod,
    make_pod,
    owner_reference,
    pods_of,
    random_suffix,
    share_of,
    template_hash,
    with_condition,
)
from fedsvc.simulator.controllers.recording import record
from fedsvc.simulator.registry import Deletion
from fedsvc.simulator.store import Body, Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers

HASH_LABEL = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"


def reconcile_deployment(controllers: "Controllers", deployment: Stored) -> None:
    """Bring a deployment's ReplicaSets to its template and number, then tell its status."""
    if deployment.terminating:
        return
    owned = [item for item in controllers.store.owned_by(deployment.uid) if item.kind.plural == "replicasets"]
    name = f"{deployment.name}-{template_hash(deployment.spec['template'])}"
    new = next((item for item in owned if item.name == name), None)
    old = [item for item in owned if item.name != name]
    if not deployment.spec.get("paused"):
        new = _roll(controllers, deployment, new, old, name)
    _deployment_status(controllers, deployment, new, old)


def _roll(
    controllers: "Controllers", deployment: Stored, new: Stored | None, old: list[Stored], name: str
) -> Stored | None:
    desired = deployment.spec.get("replicas", 1)
    strategy = deployment.spec.get("strategy") or {}
    old_total = sum(item.spec.get("replicas", 0) for item in old)
    if strategy.get("type") == "Recreate":
        for item in old:
            _scale(controllers, item, 0)
        if any(item.status.get("replicas") for item in old) and new is None:
            return None
        surge, lowest = 0, 0
    else:
        rolling = strategy.get("rollingUpdate") or {}
        surge = share_of(rolling.get("maxSurge", "25%"), desired, up=True)
        lowest = desired - (share_of(rolling.get("maxUnavailable", "25%"), desired, up=False) or (0 if surge else 1))
    if new is None:
        wanted = min(desired, max(0, desired + surge - old_total))
        return _make_replica_set(controllers, deployment, name, wanted, len(old) + 1)
    current = new.spec.get("replicas", 0)
    wanted = desired if not old_total else min(desired, max(current, desired + surge - old_total))
    if wanted != current:
        new = _scale(controllers, new, wanted)
    waiting = wanted - (new.status.get("availableReplicas") or 0)
    removable = old_total + wanted - lowest - max(0, waiting)
    for item in old:
        have = item.spec.get("replicas", 0)
        taken = min(have, max(0, removable))
        if taken:
            _scale(controllers, item, have - taken)
            removable -= taken
    _forget_history(controllers, deployment, old)
    return new


def _make_replica_set(
    controllers: "Controllers", deployment: Stored, name: str, replicas: int, revision: int
) -> Stored:
    template = deployment.spec["template"]
    label = {HASH_LABEL: name.rpartition("-")[2]}
    metadata = template.get("metadata") or {}
    selector = deployment.spec.get("selector") or {}
    kind = controllers.cluster.kind(("apps", "replicasets"))
    document = {
        "metadata": {
            "name": name,
            "labels": {**(metadata.get("labels") or {}), **label},
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": replicas,
            "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), **label}},
            "template": {
                **template,
                "metadata": {**metadata, "labels": {**(metadata.get("labels") or {}), **label}},
            },
        },
    }
    write = controllers.cluster.controller_write()
    made = controllers.registry.create(kind, "v1", deployment.namespace, document, write)
    message = f"Scaled up replica set {name} to {replicas}"
    record(controllers, deployment, reason="ScalingReplicaSet", message=message, source="deployment-controller")
    return made


def _scale(controllers: "Controllers", replica_set: Stored, replicas: int) -> Stored:
    if replica_set.spec.get("replicas") == replicas:
        return replica_set
    document = {**replica_set.body, "spec": {**replica_set.spec, "replicas": replicas}}
    kind = replica_set.kind
    write = controllers.cluster.controller_write()
    return controllers.registry.update(kind, kind.versions[0], replica_set.namespace, replica_set.name, document, write)


def _forget_history(controllers: "Controllers", deployment: Stored, old: list[Stored]) -> None:
    empty = [item for item in old if not item.spec.get("replicas") and not item.status.get("replicas")]
    keep = deployment.spec.get("revisionHistoryLimit", 10)
    for item in sorted(empty, key=lambda item: item.revision)[: max(0, len(empty) - keep)]:
        controllers.registry.delete(item.kind, item.namespace, item.name, Deletion())


def _deployment_status(controllers: "Controllers", deployment: Stored, new: Stored | None, old: list[Stored]) -> None:
    desired = deployment.spec.get("replicas", 1)
    sets = [*old, *((new,) if new is not None else ())]

    def total(name: str) -> int:
        return sum(item.status.get(name) or 0 for item in sets)

    replicas, ready, available = total("replicas"), total("readyReplicas"), total("availableReplicas")
    updated = (new.status.get("replicas") or 0) if new is not None else 0
    complete = updated == desired == available and replicas == desired
    now = controllers.registry.timestamp()
    rolling = (deployment.spec.get("strategy") or {}).get("rollingUpdate") or {}
    lowest = desired - share_of(rolling.get("maxUnavailable", "25%"), desired, up=False)
    enough = available >= lowest
    conditions = list(deployment.status.get("conditions") or ())
    conditions = _set(
        conditions,
        {
            "type": "Available",
            "status": "True" if enough else "False",
            "reason": "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            "message": "Deployment has minimum availability."
            if enough
            else "Deployment does not have minimum availability.",
        },
        now,
    )
    named = new.name if new is not None else deployment.name
    conditions = _set(
        conditions,
        {
            "type": "Progressing",
            "status": "True",
            "reason": "NewReplicaSetAvailable" if complete else "ReplicaSetUpdated",
            "message": f'ReplicaSet "{named}" has successfully progressed.'
            if complete
            else f'ReplicaSet "{named}" is progressing.',
        },
        now,
    )
    counts = {
        "replicas": replicas,
        "updatedReplicas": updated,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(0, max(desired, replicas) - available),
    }
    status: Body = {
        "observedGeneration": deployment.metadata["generation"],
        **{name: count for name, count in counts.items() if count},
        "conditions": conditions,
    }
    controllers.registry.write_status(deployment, status)


def _set(conditions: list[Body], condition: Body, now: str) -> list[Body]:
    old = next((item for item in conditions if item.get("type") == condition["type"]), {})
    same = all(old.get(name) == value for name, value in condition.items())
    stamped = {**condition, "lastUpdateTime": old.get("lastUpdateTime", now) if same else now}
    return with_condition(conditions, stamped, now)


def reconcile_replica_set(controllers: "Controllers", replica_set: Stored) -> None:
    """Make or delete pods until there are as many as asked for, then tell the status."""
    desired = replica_set.spec.get("replicas", 1)
    if controllers.options.pod_objects:
        if not replica_set.terminating:
            _adjust_pods(controllers, replica_set, desired)
        pods = pods_of(controllers, replica_set)
        have, ready = len(pods), sum(1 for pod in pods if condition_is(pod, "Ready"))
    else:
        have, ready = desired, controllers.nodes.room_for(replica_set.spec["template"].get("spec") or {}, desired)
        if not can_start(replica_set.spec["template"].get("spec") or {}):
            ready = 0
    counts = {"fullyLabeledReplicas": have, "readyReplicas": ready, "availableReplicas": ready}
    status = {
        **{name: value for name, value in replica_set.status.items() if name == "conditions"},
        "replicas": have,
        **{name: count for name, count in counts.items() if count},
        "observedGeneration": replica_set.metadata["generation"],
    }
    controllers.registry.write_status(replica_set, status)


def _adjust_pods(controllers: "Controllers", replica_set: Stored, desired: int) -> None:
    pods = pods_of(controllers, replica_set)
    for _ in range(desired - len(pods)):
        name = f"{replica_set.name}-{random_suffix()}"
        make_pod(controllers, replica_set, replica_set.spec["template"], name=name, labels={}, extra={})
    if len(pods) > desired:
        # Those that do not run go first, as the real one does.
        order = sorted(pods, key=lambda pod: (condition_is(pod, "Ready"), bool(pod.spec.get("nodeName"))))
        for pod in order[: len(pods) - desired]:
            delete_pod(controllers, pod)
