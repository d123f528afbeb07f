from typing import Any

import pytest

from fedsvc.rendering.pod_views import pod_view

READY = {"type": "Ready", "status": "True"}


def pod(*, phase: str = "Running", conditions: Any = (READY,), deleted: bool = False, **status: Any) -> dict[str, Any]:
    metadata = {"name": "web-1", "namespace": "shop", "uid": "u", "creationTimestamp": "2026-01-02T03:04:05Z"}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    spec = {
        "initContainers": [{"name": "init", "image": "i"}],
        "containers": [{"name": "web", "image": "w"}, {"name": "side", "image": "s"}],
        "nodeName": "node-1",
    }
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase, "conditions": list(conditions), **status}}


def container(name: str, *, ready: bool = True, restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state or {"running": {}}}


INIT_DONE = container("init", ready=False, terminated={"reason": "Completed", "exitCode": 0})
BACK_OFF: dict[str, Any] = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
KILLED: dict[str, Any] = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}


@pytest.mark.parametrize(
    ("live", "word", "message"),
    [
        (pod(initContainerStatuses=[INIT_DONE]), "Running", ""),
        (pod(deleted=True), "Terminating", ""),
        (pod(deleted=True, reason="NodeLost"), "Unknown", ""),
        (pod(phase="Failed", reason="Evicted", message="low on disk"), "Evicted", "low on disk"),
        (
            pod(
                phase="Pending",
                conditions=[
                    {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
                ],
            ),
            "Unschedulable",
            "0/3 nodes",
        ),
        (pod(phase="Pending", conditions=[], initContainerStatuses=[container("init", ready=False)]), "Init:0/1", ""),
        (
            pod(phase="Pending", conditions=[], initContainerStatuses=[container("init", ready=False, **BACK_OFF)]),
            "Init:CrashLoopBackOff",
            "back-off 10s",
        ),
        (
            pod(initContainerStatuses=[INIT_DONE], containerStatuses=[container("web", ready=False, **BACK_OFF)]),
            "CrashLoopBackOff",
            "back-off 10s",
        ),
        (pod(initContainerStatuses=[INIT_DONE], containerStatuses=[container("web", **KILLED)]), "OOMKilled", ""),
        (pod(phase="Succeeded", initContainerStatuses=[INIT_DONE]), "Completed", ""),
        (
            pod(
                conditions=[{"type": "Ready", "status": "False", "message": "probe failed"}],
                initContainerStatuses=[INIT_DONE],
            ),
            "NotReady",
            "probe failed",
        ),
        ({}, "Unknown", ""),
        ({"metadata": [], "spec": "x", "status": {"containerStatuses": [1]}}, "Unknown", ""),
    ],
)
def test_a_pod_is_one_word_and_why(live: dict[str, Any], word: str, message: str) -> None:
    view = pod_view(live)
    assert (view.status, view.message) == (word, message)


def test_readiness_and_restarts_are_counted_over_containers() -> None:
    ended = {"lastState": {"terminated": {"finishedAt": "2026-01-02T04:00:00Z"}}}
    view = pod_view(
        pod(
            initContainerStatuses=[INIT_DONE],
            containerStatuses=[container("web", restarts=2) | ended, container("side", ready=False, restarts=1)],
            podIP="10.0.0.1",
        )
    )
    assert (view.ready_containers, view.container_count, view.restarts) == (1, 2, 3)
    assert view.last_restart_time == "2026-01-02T04:00:00Z"
    assert [one.name for one in view.containers] == ["init", "web", "side"]
    assert (view.node, view.address) == ("node-1", "10.0.0.1")
