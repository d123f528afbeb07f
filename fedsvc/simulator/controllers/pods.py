"""What scheduler and kubelet do: a pod gets a node, starts, and finishes if it is of a job."""

from typing import TYPE_CHECKING

from fedsvc.simulator.controllers.common import can_start, with_condition
from fedsvc.simulator.controllers.recording import record
from fedsvc.simulator.controllers.scheduling import FINISHED
from fedsvc.simulator.store import Body, Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers


def reconcile(controllers: "Controllers", pod: Stored) -> None:
    """Move a pod one step on."""
    phase = pod.status.get("phase", "")
    if phase in FINISHED or pod.terminating:
        return
    if not pod.spec.get("nodeName"):
        _schedule(controllers, pod)
    elif not pod.status.get("startTime"):
        _pull(controllers, pod)
    elif phase == "Pending" and can_start(pod.spec):
        _run(controllers, pod)
    elif phase == "Running" and _finishes(pod):
        _finish(controllers, pod)


def _schedule(controllers: "Controllers", pod: Stored) -> None:
    now = controllers.registry.timestamp()
    node, message = controllers.nodes.find(pod.spec)
    status = {"phase": "Pending", "qosClass": "Burstable", **pod.status}
    if not node:
        controllers.nodes.pending[pod.uid] = None
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        status["conditions"] = with_condition(list(pod.status.get("conditions") or ()), condition, now)
        if status != pod.status:
            record(
                controllers, pod, reason="FailedScheduling", message=message, source="default-scheduler", warning=True
            )
        _store(controllers, pod, {"status": status})
        return
    condition = {"type": "PodScheduled", "status": "True"}
    status["conditions"] = with_condition(list(pod.status.get("conditions") or ()), condition, now)
    _store(controllers, pod, {"spec": {**pod.spec, "nodeName": node}, "status": status})


def _pull(controllers: "Controllers", pod: Stored) -> None:
    now = controllers.registry.timestamp()
    conditions = list(pod.status.get("conditions") or ())
    if not any(item.get("type") == "PodScheduled" for item in conditions):  # the pod came with its node
        conditions = with_condition(conditions, {"type": "PodScheduled", "status": "True"}, now)
    conditions = with_condition(conditions, {"type": "Initialized", "status": "True"}, now)
    for name in ("Ready", "ContainersReady"):
        condition = {"type": name, "status": "False", "reason": "ContainersNotReady"}
        conditions = with_condition(conditions, condition, now)
    starts = can_start(pod.spec)
    reason = "ContainerCreating" if starts else "ImagePullBackOff"
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 0,
            "state": {
                "waiting": {"reason": reason}
                if starts
                else {"reason": reason, "message": f'Back-off pulling image "{container["image"]}"'}
            },
        }
        for container in pod.spec.get("containers") or ()
    ]
    status = {
        **pod.status,
        "phase": "Pending",
        "hostIP": _host_address(controllers, pod),
        "startTime": now,
        "conditions": conditions,
        "containerStatuses": containers,
    }
    delay = controllers.timing.pod_start_seconds
    if starts and delay <= 0:  # one step instead of two: most pods of a test or a benchmark
        _store(controllers, pod, {"status": _running(controllers, status)})
        return
    for container in () if starts else containers:
        record(
            controllers,
            pod,
            reason="BackOff",
            message=container["state"]["waiting"]["message"],
            source="kubelet",
            warning=True,
        )
    _store(controllers, pod, {"status": status}, quiet=starts)
    if starts:
        controllers.after(delay, "pod", pod.uid)


def _run(controllers: "Controllers", pod: Stored) -> None:
    _store(controllers, pod, {"status": _running(controllers, pod.status)})


def _running(controllers: "Controllers", status: Body) -> Body:
    now = controllers.registry.timestamp()
    conditions = list(status["conditions"])
    for name in ("Ready", "ContainersReady"):
        conditions = with_condition(conditions, {"type": name, "status": "True"}, now)
    number = controllers.store.revision
    address = f"10.{128 + number // 62500 % 100}.{number // 250 % 250}.{number % 250 + 1}"
    return {
        **status,
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions,
        "containerStatuses": [
            {**container, "ready": True, "started": True, "state": {"running": {"startedAt": now}}}
            for container in status.get("containerStatuses") or ()
        ],
    }


def _finishes(pod: Stored) -> bool:
    owners = pod.metadata.get("ownerReferences") or ()
    return any(owner.get("kind") == "Job" for owner in owners) or pod.spec.get("restartPolicy") == "Never"


def _finish(controllers: "Controllers", pod: Stored) -> None:
    seconds = controllers.timing.job_seconds
    if seconds > 0 and not pod.metadata.get("annotations", {}).get(_DUE):
        # The second visit, by the timer, finds the mark.
        annotations = {**(pod.metadata.get("annotations") or {}), _DUE: controllers.registry.timestamp()}
        _store(controllers, pod, {"metadata": {**pod.metadata, "annotations": annotations}}, quiet=True)
        controllers.after(seconds, "pod", pod.uid)
        return
    now = controllers.registry.timestamp()
    conditions = list(pod.status.get("conditions") or ())
    for name in ("Ready", "ContainersReady"):
        condition = {"type": name, "status": "False", "reason": "PodCompleted"}
        conditions = with_condition(conditions, condition, now)
    terminated = {"exitCode": 0, "reason": "Completed", "startedAt": pod.status.get("startTime"), "finishedAt": now}
    containers = [
        {**container, "ready": False, "started": False, "state": {"terminated": terminated}}
        for container in pod.status.get("containerStatuses") or ()
    ]
    status = {**pod.status, "phase": "Succeeded", "conditions": conditions, "containerStatuses": containers}
    _store(controllers, pod, {"status": status})


_DUE = "simulator/finish-after"


def _host_address(controllers: "Controllers", pod: Stored) -> str:
    node = controllers.nodes.get(pod.spec["nodeName"])
    for address in node.status.get("addresses") or () if node is not None else ():
        if address["type"] == "InternalIP":
            return str(address["address"])
    return ""


def _store(controllers: "Controllers", pod: Stored, parts: Body, *, quiet: bool = False) -> None:
    """Write parts of a pod; ``quiet``: the step that follows is a timer's, not this write's event's."""
    body = {**pod.body, **parts}
    if body == pod.body:
        return
    controllers.store.put(pod.kind, body)
    if quiet:
        controllers.withdraw("pod", pod.uid)
