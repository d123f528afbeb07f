"""StatefulSets and DaemonSets: pods with fixed places, and their status."""

from typing import TYPE_CHECKING

from fedsvc.simulator.controllers.common import (
    can_start,
    condition_is,
    delete_pod,
    make_pod,
    pods_of,
    random_suffix,
    template_hash,
)
from fedsvc.simulator.controllers.scheduling import refuses
from fedsvc.simulator.store import Body, Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers

REVISION_LABEL = "controller-revision-hash"


def reconcile_stateful_set(controllers: "Controllers", owner: Stored) -> None:
    """Make pods 0 to n-1 in order, replace those of an old template from the last on, tell the status."""
    if owner.terminating:
        return
    desired = owner.spec.get("replicas", 1)
    revision = f"{owner.name}-{template_hash(owner.spec['template'])}"
    if controllers.options.pod_objects:
        _step(controllers, owner, desired, revision)
        pods = pods_of(controllers, owner)
        have = len(pods)
        ready = sum(1 for pod in pods if condition_is(pod, "Ready"))
        updated = sum(1 for pod in pods if pod.labels.get(REVISION_LABEL) == revision)
    else:
        spec = owner.spec["template"].get("spec") or {}
        have = updated = desired
        ready = controllers.nodes.room_for(spec, desired) if can_start(spec) else 0
    done = updated == have == desired
    current = revision if done else owner.status.get("currentRevision", revision)
    counts = {
        "readyReplicas": ready,
        "currentReplicas": updated if current == revision else have - updated,
        "updatedReplicas": updated,
        "availableReplicas": ready,
    }
    status: Body = {
        "observedGeneration": owner.metadata["generation"],
        "replicas": have,
        **{name: count for name, count in counts.items() if count},
        "currentRevision": current,
        "updateRevision": revision,
        "collisionCount": 0,
    }
    controllers.registry.write_status(owner, status)


def _step(controllers: "Controllers", owner: Stored, desired: int, revision: str) -> None:
    """One step in order; what it changes brings us here again."""
    pods = {pod.name: pod for pod in pods_of(controllers, owner)}
    parallel = owner.spec.get("podManagementPolicy") == "Parallel"
    for index in range(desired):
        name = f"{owner.name}-{index}"
        pod = pods.pop(name, None)
        if pod is None:
            _make_claims(controllers, owner, name)
            labels = {REVISION_LABEL: revision, "statefulset.kubernetes.io/pod-name": name}
            make_pod(controllers, owner, owner.spec["template"], name=name, labels=labels, extra=_volumes(owner, name))
            if not parallel:
                return
        elif not condition_is(pod, "Ready") and not parallel and pod.labels.get(REVISION_LABEL) == revision:
            return
    for pod in sorted(pods.values(), key=lambda pod: _ordinal(pod.name), reverse=True):
        delete_pod(controllers, pod)
    if (owner.spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return
    for pod in sorted(pods_of(controllers, owner), key=lambda pod: _ordinal(pod.name), reverse=True):
        if pod.labels.get(REVISION_LABEL) != revision:
            delete_pod(controllers, pod)
            return
        if not condition_is(pod, "Ready"):
            return


def _ordinal(name: str) -> int:
    last = name.rpartition("-")[2]
    return int(last) if last.isdecimal() else -1


def _make_claims(controllers: "Controllers", owner: Stored, pod_name: str) -> None:
    kind = controllers.cluster.kind(("", "persistentvolumeclaims"))
    for template in owner.spec.get("volumeClaimTemplates") or ():
        name = f"{template['metadata']['name']}-{pod_name}"
        if controllers.store.get(kind, owner.namespace, name) is None:
            labels = (owner.spec.get("selector") or {}).get("matchLabels") or {}
            document = {"metadata": {"name": name, "labels": dict(labels)}, "spec": dict(template.get("spec") or {})}
            controllers.registry.create(kind, "v1", owner.namespace, document, controllers.cluster.controller_write())


def _volumes(owner: Stored, pod_name: str) -> Body:
    claims = [template["metadata"]["name"] for template in owner.spec.get("volumeClaimTemplates") or ()]
    if not claims:
        return {"hostname": pod_name}
    own = [
        item
        for item in (owner.spec["template"].get("spec") or {}).get("volumes") or ()
        if item.get("name") not in claims
    ]
    mounted = [{"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{pod_name}"}} for claim in claims]
    return {"hostname": pod_name, "volumes": [*own, *mounted]}


def reconcile_daemon_set(controllers: "Controllers", owner: Stored) -> None:
    """Have one pod on every node that takes it, tell the status."""
    if owner.terminating:
        return
    revision = template_hash(owner.spec["template"])
    spec = owner.spec["template"].get("spec") or {}
    wanted = [
        name
        for name in controllers.nodes.names()
        if (node := controllers.nodes.get(name)) is not None and not refuses(node, spec)
    ]
    if controllers.options.pod_objects:
        pods = _place(controllers, owner, wanted, revision)
        have = len({pod.spec.get("nodeName") for pod in pods})
        ready = sum(1 for pod in pods if condition_is(pod, "Ready"))
        updated = sum(1 for pod in pods if pod.labels.get(REVISION_LABEL) == revision)
    else:
        have = updated = len(wanted)
        ready = len(wanted) if can_start(spec) else 0
    status: Body = {
        "currentNumberScheduled": have,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": len(wanted),
        "numberReady": ready,
        "observedGeneration": owner.metadata["generation"],
        **{
            name: count
            for name, count in (
                ("updatedNumberScheduled", updated),
                ("numberAvailable", ready),
                ("numberUnavailable", len(wanted) - ready),
            )
            if count
        },
    }
    controllers.registry.write_status(owner, status)


def _place(controllers: "Controllers", owner: Stored, wanted: list[str], revision: str) -> list[Stored]:
    by_node = {pod.spec.get("nodeName", ""): pod for pod in pods_of(controllers, owner)}
    waiting = any(not condition_is(pod, "Ready") for pod in by_node.values())
    for name, pod in by_node.items():
        outdated = pod.labels.get(REVISION_LABEL) != revision
        if name not in wanted or (outdated and not waiting):
            delete_pod(controllers, pod)
            waiting = waiting or name in wanted  # one node at a time
    have = {pod.spec.get("nodeName", "") for pod in pods_of(controllers, owner)}
    for node in wanted:
        if node not in have:
            make_pod(
                controllers,
                owner,
                owner.spec["template"],
                name=f"{owner.name}-{random_suffix()}",
                labels={REVISION_LABEL: revision},
                extra={"nodeName": node},
            )
    return pods_of(controllers, owner)
