"""What a pod asks of a node, from its specification.

Source: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers and
KEP-753 (sidecar containers): sidecars run beside the init containers after them and beside the containers.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.quantities import parse_quantity

CPU: Final = "cpu"
MAX_AMOUNT: Final = 2**62
"""More than any node has; keeps sums in what PostgreSQL and protobuf hold."""

_TEMPLATED: Final = frozenset(
    {("apps", "Deployment"), ("apps", "ReplicaSet"), ("apps", "StatefulSet"), ("apps", "DaemonSet"), ("batch", "Job")}
) | {("", "ReplicationController")}


def amount_of(resource: str, quantity: Any) -> int:
    """A quantity in the smallest unit of its resource (millicores, bytes, pieces), rounded up; 0 for what is none."""
    parsed = parse_quantity(quantity)
    if parsed is None or parsed <= 0:
        return 0
    scaled = parsed * 1000 if resource == CPU else parsed
    return min(int(scaled) + (scaled != int(scaled)), MAX_AMOUNT)


def pod_requests(pod_spec: Mapping[str, Any]) -> dict[str, int]:
    """What a pod requests, by resource, in smallest units; resources it does not request are left out.

    The larger of what runs in the end (containers and sidecars) and what runs at any one time before (an init
    container and the sidecars started by then), and the pod's overhead on top.
    """
    sidecars: Counter[str] = Counter()
    peak: Counter[str] = Counter()
    for container in _containers(pod_spec, "initContainers"):
        requests = _requests(container)
        if container.get("restartPolicy") == "Always":
            sidecars += requests
            peak |= sidecars
        else:
            peak |= sidecars + requests
    running = sidecars + sum((_requests(container) for container in _containers(pod_spec, "containers")), Counter())
    overhead = Counter(_amounts(pod_spec.get("overhead")))
    return dict(sorted(((running | peak) + overhead).items()))


def template_requests(group: str, kind: str, manifest: Mapping[str, Any]) -> dict[str, int]:
    """What each replica of a workload requests; {} for kinds without a pod template of their own."""
    if (group, kind) not in _TEMPLATED:
        return {}
    template = _object(_object(manifest.get("spec")).get("template"))
    return pod_requests(_object(template.get("spec")))


def _containers(pod_spec: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = pod_spec.get(name)
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []


def _requests(container: Mapping[str, Any]) -> Counter[str]:
    """A limit without a request is the request, too, as the API server defaults it."""
    resources = _object(container.get("resources"))
    return Counter(_amounts(resources.get("limits")) | _amounts(resources.get("requests")))


def _amounts(value: Any) -> dict[str, int]:
    amounts = {str(name): amount_of(str(name), quantity) for name, quantity in _object(value).items()}
    return {name: amount for name, amount in amounts.items() if amount}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
