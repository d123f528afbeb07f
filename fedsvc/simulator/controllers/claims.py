"""Claims that are bound at once, disruption budgets that count, autoscalers that watch: status only."""

from typing import TYPE_CHECKING

from fedsvc.simulator.controllers.common import condition_is, share_of, with_condition
from fedsvc.simulator.selectors import from_label_selector
from fedsvc.simulator.store import Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers


def reconcile_claim(controllers: "Controllers", claim: Stored) -> None:
    """Bind a claim to a volume that exists only by name."""
    if claim.status.get("phase") == "Bound" or claim.terminating:
        return
    requests = (claim.spec.get("resources") or {}).get("requests") or {}
    status = {"phase": "Bound", "accessModes": claim.spec.get("accessModes") or ["ReadWriteOnce"], "capacity": requests}
    controllers.registry.write_status(claim, status)


def reconcile_budget(controllers: "Controllers", budget: Stored) -> None:
    """Count the pods a budget is for and how many may go."""
    selector = budget.spec.get("selector")
    matches = from_label_selector(selector) if selector is not None else None
    pods = [
        pod
        for pod in controllers.store.all(controllers.cluster.kind(("", "pods")), budget.namespace)
        if matches is not None and matches(pod.labels)
    ]
    healthy = sum(1 for pod in pods if condition_is(pod, "Ready"))
    expected = len(pods)
    if budget.spec.get("minAvailable") is not None:
        desired = share_of(budget.spec["minAvailable"], expected, up=True)
    else:
        desired = max(0, expected - share_of(budget.spec.get("maxUnavailable", 0), expected, up=True))
    allowed = max(0, healthy - desired)
    condition = {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
        "observedGeneration": budget.metadata["generation"],
    }
    status = {
        "observedGeneration": budget.metadata["generation"],
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "conditions": with_condition(
            list(budget.status.get("conditions") or ()), condition, controllers.registry.timestamp()
        ),
    }
    controllers.registry.write_status(budget, status)


def reconcile_autoscaler(controllers: "Controllers", autoscaler: Stored) -> None:
    """Report the target's size as it is: simulated pods have no load."""
    target = autoscaler.spec.get("scaleTargetRef") or {}
    found = next(
        (
            stored
            for kind in list(controllers.cluster.kinds.values())
            if kind.kind == target.get("kind")
            for stored in (controllers.store.get(kind, autoscaler.namespace, target.get("name", "")),)
            if stored is not None
        ),
        None,
    )
    replicas = found.spec.get("replicas", 1) if found is not None else 0
    now = controllers.registry.timestamp()
    condition = {
        "type": "AbleToScale",
        "status": "True" if found is not None else "False",
        "reason": "ReadyForNewScale" if found is not None else "FailedGetScale",
        "message": "",
    }
    status = {
        "currentReplicas": replicas,
        "desiredReplicas": replicas,
        "currentMetrics": None,
        "conditions": with_condition(list(autoscaler.status.get("conditions") or ()), condition, now),
    }
    controllers.registry.write_status(autoscaler, {name: value for name, value in status.items() if value is not None})
