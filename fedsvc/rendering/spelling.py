"""Spelling that every API server takes in a server-side apply, whatever its release.

Measured on Kubernetes 1.20: an apply answers 500 for a port without its protocol ("omits key field": the list of ports
is a map by it) and for a quantity written as a number ("expected string"), though a plain create takes both, as later
releases do. Both have one meaning only, so they are written out.
"""

from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject
from fedsvc.rendering.keys import ObjectKey
from fedsvc.rendering.quantities import holds_quantity

# Kinds in which a field of such a name is nothing else. A CustomResourceDefinition, say, may name anything like that.
_KINDS: Final = frozenset(
    {
        ("", "LimitRange"),
        ("", "PersistentVolume"),
        ("", "PersistentVolumeClaim"),
        ("", "Pod"),
        ("", "PodTemplate"),
        ("", "ReplicationController"),
        ("", "ResourceQuota"),
        ("", "Service"),
        ("apps", "DaemonSet"),
        ("apps", "Deployment"),
        ("apps", "ReplicaSet"),
        ("apps", "StatefulSet"),
        ("autoscaling", "HorizontalPodAutoscaler"),
        ("batch", "CronJob"),
        ("batch", "Job"),
    }
)


def write_out(key: ObjectKey, manifest: JsonObject) -> None:
    """Write out default protocols of ports, and quantities as strings, in place."""
    if key.group_kind not in _KINDS:
        return
    stack: list[tuple[str, JsonObject]] = [("", manifest)]
    while stack:
        parent, value = stack.pop()
        for name, child in value.items():
            if isinstance(child, dict):
                stack.append((name, child))
            elif isinstance(child, list):
                members = [item for item in child if isinstance(item, dict)]
                if name == "ports":
                    _set_protocols(members)
                stack += [(name, item) for item in members]
            elif _is_number(child) and holds_quantity(parent, name):
                value[name] = str(child)


def _set_protocols(ports: list[JsonObject]) -> None:
    for port in ports:
        if port.get("protocol") is None and ("port" in port or "containerPort" in port):
            port["protocol"] = "TCP"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
