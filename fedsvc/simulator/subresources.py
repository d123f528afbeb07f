"""Subresources other than status: scale, token, eviction, finalize."""

from typing import Any

from fedsvc.simulator import errors
from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.controllers.claims import reconcile_budget
from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.patches import apply_json_patch, apply_merge_patch
from fedsvc.simulator.registry import Deletion, Write
from fedsvc.simulator.selectors import from_label_selector
from fedsvc.simulator.store import Stored

Document = dict[str, Any]


def scale_document(stored: Stored) -> Document:
    """The Scale (autoscaling/v1) of a workload."""
    metadata = {
        name: stored.metadata[name]
        for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
        if name in stored.metadata
    }
    selector = stored.spec.get("selector") or {}
    labels = selector.get("matchLabels", selector) if isinstance(selector, dict) else {}
    status: Document = {"replicas": stored.status.get("replicas", 0)}
    text = ",".join(f"{key}={value}" for key, value in sorted(labels.items()) if isinstance(value, str))
    if text:
        status["selector"] = text
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": {"replicas": stored.spec["replicas"]} if stored.spec.get("replicas") else {},
        "status": status,
    }


def write_scale(cluster: SimulatedCluster, stored: Stored, version: str, document: Document, write: Write) -> Document:
    """Set the number of replicas.

    Raises:
        ApiError: 409 for an old resourceVersion, 422 for a number below 0.
    """
    replicas = (document.get("spec") or {}).get("replicas", 0)
    kind = stored.kind
    if not isinstance(replicas, int) or replicas < 0:
        cause = errors.invalid_value("spec.replicas", str(replicas), "must be greater than or equal to 0")
        raise errors.invalid("Scale", "autoscaling", stored.name, [cause])
    metadata = dict(stored.metadata)
    sent = (document.get("metadata") or {}).get("resourceVersion")
    if sent:
        metadata["resourceVersion"] = sent
    body = {**stored.body, "metadata": metadata, "spec": {**stored.spec, "replicas": replicas}}
    return scale_document(cluster.registry.update(kind, version, stored.namespace, stored.name, body, write))


def patch_scale(cluster: SimulatedCluster, stored: Stored, version: str, patch: Any, write: Write) -> Document:
    """Patch the Scale of a workload by JSON patch (a list) or merge patch (an object).

    Raises:
        ApiError: as :func:`write_scale`.
    """
    document = scale_document(stored)
    patched = apply_json_patch(document, patch) if isinstance(patch, list) else apply_merge_patch(document, patch)
    return write_scale(cluster, stored, version, patched, write)


def request_token(cluster: SimulatedCluster, account: Stored, document: Document) -> Document:
    """Answer a TokenRequest."""
    return cluster.authority.request_token(account, document)


def evict(cluster: SimulatedCluster, pod: Stored, *, dry_run: bool) -> Document:
    """Evict a pod, if the budgets of its namespace let it go.

    Raises:
        ApiError: 429 where a budget does not.
    """
    budgets = cluster.kind(("policy", "poddisruptionbudgets"))
    for budget in cluster.store.all(budgets, pod.namespace):
        if not from_label_selector(budget.spec.get("selector") or {})(pod.labels):
            continue
        reconcile_budget(cluster.controllers, budget)
        current = cluster.registry.read(budgets, budget.namespace, budget.name)
        if not current.status.get("disruptionsAllowed"):
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            raise errors.ApiError(429, "TooManyRequests", message, details={"causes": []}, retry_after=0)
    cluster.registry.delete(pod.kind, pod.namespace, pod.name, Deletion(dry_run=dry_run))
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def finalize_namespace(cluster: SimulatedCluster, kind: Kind, namespace: Stored, document: Document) -> Stored:
    """Replace ``spec.finalizers`` of a namespace; an empty list lets a deleted one go."""
    finalizers = (document.get("spec") or {}).get("finalizers") or []
    spec = {**namespace.spec, "finalizers": finalizers}
    stored = cluster.store.put(kind, {**namespace.body, "spec": spec})
    if stored.terminating and not finalizers and not cluster.store.in_namespace(namespace.name):
        cluster.store.remove(stored)
    return stored
