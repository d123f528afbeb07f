"""Jobs: pods until enough have succeeded, then the condition Complete."""

from typing import TYPE_CHECKING

from fedsvc.simulator.controllers.common import condition_is, make_pod, random_suffix, with_condition
from fedsvc.simulator.controllers.scheduling import FINISHED
from fedsvc.simulator.store import Body, Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers


def reconcile(controllers: "Controllers", job: Stored) -> None:
    """Run a job one step on."""
    if job.terminating or condition_is(job, "Complete") or job.spec.get("suspend"):
        return
    now = controllers.registry.timestamp()
    completions = job.spec.get("completions") or job.spec.get("parallelism", 1)
    pods = [item for item in controllers.store.owned_by(job.uid) if item.kind.plural == "pods"]
    if controllers.options.pod_objects:
        succeeded = sum(1 for pod in pods if pod.status.get("phase") == "Succeeded")
        active = [pod for pod in pods if pod.status.get("phase") not in FINISHED]
        missing = min(job.spec.get("parallelism", 1), completions - succeeded) - len(active)
        labels = {"job-name": job.name, "controller-uid": job.uid}
        for _ in range(missing):
            name = f"{job.name}-{random_suffix()}"
            make_pod(controllers, job, job.spec["template"], name=name, labels=labels, extra={})
        running = len(active) + max(0, missing)
    else:
        succeeded, running = completions, 0
    status: Body = {"startTime": job.status.get("startTime", now)}
    if succeeded:
        status["succeeded"] = succeeded
    if running:
        status["active"] = running
    if succeeded >= completions:
        condition = {"type": "Complete", "status": "True", "lastProbeTime": now}
        status["conditions"] = with_condition(list(job.status.get("conditions") or ()), condition, now)
        status["completionTime"] = now
    controllers.registry.write_status(job, status)
