"""What several controllers need: conditions, owner references, percentages, pods made from templates."""

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import orjson

from fedsvc.simulator.registry import Deletion
from fedsvc.simulator.store import Body, Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
BROKEN_WORDS = ("fail", "broken")


def owner_reference(owner: Stored) -> Body:
    """The reference by which a controller owns what it makes."""
    kind = owner.kind
    return {
        "apiVersion": kind.api_version(kind.versions[0]),
        "kind": kind.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def with_condition(conditions: list[Body], condition: Body, now: str) -> list[Body]:
    """Set one condition; its transition time moves only when its status does."""
    out = []
    placed = False
    for old in conditions:
        if old.get("type") != condition["type"]:
            out.append(old)
            continue
        moved = old.get("status") != condition["status"]
        out.append({**condition, "lastTransitionTime": now if moved else old.get("lastTransitionTime", now)})
        placed = True
    if not placed:
        out.append({**condition, "lastTransitionTime": now})
    return out


def condition_is(stored: Stored, name: str) -> bool:
    """Whether a condition of an object is True."""
    return any(
        item.get("type") == name and item.get("status") == "True" for item in stored.status.get("conditions") or ()
    )


def template_hash(template: Body) -> str:
    """A short name for a pod template; equal templates have equal names."""
    number = int.from_bytes(hashlib.sha256(orjson.dumps(template, option=orjson.OPT_SORT_KEYS)).digest()[:8], "big")
    out = ""
    for _ in range(10):
        number, rest = divmod(number, len(_LETTERS))
        out += _LETTERS[rest]
    return out


def random_suffix() -> str:
    """Five letters as generated names end in."""
    return "".join(secrets.choice(_LETTERS) for _ in range(5))


def share_of(value: Any, total: int, *, up: bool) -> int:
    """A number or percentage of replicas (``25%``) as a number."""
    if isinstance(value, int):
        return value
    percent = int(str(value).removesuffix("%") or 0)
    return -(-percent * total // 100) if up else percent * total // 100


def can_start(pod_spec: Body) -> bool:
    """Whether all images can be pulled: a name with ``fail`` or ``broken`` in it cannot."""
    containers = [*(pod_spec.get("containers") or ()), *(pod_spec.get("initContainers") or ())]
    return not any(word in str(container.get("image", "")) for container in containers for word in BROKEN_WORDS)


def pods_of(controllers: "Controllers", owner: Stored) -> list[Stored]:
    """The pods an object owns that are not on their way out, oldest first."""
    return sorted(
        (item for item in controllers.store.owned_by(owner.uid) if item.kind.plural == "pods" and not item.terminating),
        key=lambda pod: (pod.metadata.get("creationTimestamp", ""), pod.name),
    )


def make_pod(
    controllers: "Controllers", owner: Stored, template: Body, *, name: str, labels: Body, extra: Body
) -> None:
    """Create one pod from a template."""
    metadata = template.get("metadata") or {}
    kind = controllers.cluster.kind(("", "pods"))
    document = {
        "metadata": {
            "name": name,
            "labels": {**(metadata.get("labels") or {}), **labels},
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {**(template.get("spec") or {}), **extra},
    }
    controllers.registry.create(kind, "v1", owner.namespace, document, controllers.cluster.controller_write())


def delete_pod(controllers: "Controllers", pod: Stored) -> None:
    """Delete one pod at once."""
    controllers.registry.delete(pod.kind, pod.namespace, pod.name, Deletion())
