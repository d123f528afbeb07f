"""What a kubelet would do in a control plane that has none: nodes that are ready, pods that run."""

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Any

from fedsvc.testing.members import MERGE, Member

STATUS_PATCH = MERGE


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def create_node(
    member: Member, name: str, *, labels: Mapping[str, str] | None = None, cpu: str = "8", memory: str = "32Gi"
) -> None:
    """Make a Node that is Ready, with labels such as ``topology.kubernetes.io/region``."""
    (await member.post("/api/v1/nodes", {"metadata": {"name": name, "labels": dict(labels or {})}})).expect(201, 409)
    resources = {"cpu": cpu, "memory": memory, "pods": "110"}
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": _now(),
        "lastTransitionTime": _now(),
    }
    status = {"status": {"capacity": resources, "allocatable": resources, "conditions": [condition]}}
    (await member.patch(f"/api/v1/nodes/{name}/status", status)).expect(200)
    # Without a heartbeat the node controller taints new nodes; pods of tests do not care, schedulers would.


async def mark_pods_ready(
    member: Member, namespace: str, *, names: Iterable[str] | None = None, ready: bool = True
) -> list[str]:
    """Let pods run and be Ready (or not), by their status; the names of those that changed.

    Args:
        member: The cluster.
        namespace: Where the pods are.
        names: Which pods; all of the namespace unless given.
        ready: Whether they are Ready.
    """
    wanted = None if names is None else set(names)
    listed = (await member.get(f"/api/v1/namespaces/{namespace}/pods")).expect(200)
    changed = []
    for pod in listed["items"]:
        name = pod["metadata"]["name"]
        if (wanted is not None and name not in wanted) or _is_ready(pod) is ready:
            continue
        reply = await member.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", _pod_status(pod, ready=ready))
        reply.expect(200, 404)  # 404: its owner deleted it in between
        changed.append(name)
    return changed


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def _pod_status(pod: Mapping[str, Any], *, ready: bool) -> dict[str, Any]:
    state = "True" if ready else "False"
    conditions = [
        {"type": kind, "status": "True" if kind == "PodScheduled" else state, "lastTransitionTime": _now()}
        for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": ready,
            "restartCount": 0,
            "state": {"running": {"startedAt": _now()}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {
        "status": {
            "phase": "Running",
            "conditions": conditions,
            "containerStatuses": containers,
            "podIP": "10.1.0.1",
            "startTime": _now(),
        }
    }
