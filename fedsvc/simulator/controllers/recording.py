"""Events that the simulated controllers write: those that tell of trouble and of rollouts, equal ones counted."""

import hashlib
from typing import TYPE_CHECKING

from fedsvc.simulator.errors import ApiError
from fedsvc.simulator.store import Body, Stored

if TYPE_CHECKING:
    from fedsvc.simulator.controllers.runner import Controllers


def record(
    controllers: "Controllers", about: Stored, *, reason: str, message: str, source: str, warning: bool = False
) -> None:
    """Write that something happened to an object."""
    kind = controllers.cluster.kind(("", "events"))
    now = controllers.registry.timestamp()
    mark = hashlib.sha256(f"{about.uid} {reason} {message}".encode()).hexdigest()[:16]
    name = f"{about.name[:200]}.{mark}"
    before = controllers.store.get(kind, about.namespace, name)
    if before is not None:
        body: Body = {**before.body, "count": before.body["count"] + 1, "lastTimestamp": now}
        controllers.store.put(kind, body)
        return
    version = about.kind.api_version(about.kind.versions[0])
    document = {
        "metadata": {"name": name},
        "involvedObject": {
            "apiVersion": version,
            "kind": about.kind.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        },
        "type": "Warning" if warning else "Normal",
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": source},
        "reportingComponent": source,
        "reportingInstance": "",
    }
    try:
        controllers.registry.create(kind, "v1", about.namespace, document, controllers.cluster.controller_write())
    except ApiError:
        return  # events are told where that can be, as in a namespace that is going away it cannot
