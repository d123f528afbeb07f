"""Tables (meta.k8s.io/v1) as ``kubectl get`` asks for them: the columns people know of the common kinds."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from fedsvc.simulator.kinds import Kind, KindKey
from fedsvc.simulator.store import Stored

_Cells = Callable[[Stored], list[Any]]


def wants_table(request: web.BaseRequest) -> bool:
    """Whether the client would rather have a table."""
    return "as=Table" in request.headers.get("Accept", "")


def encode_table(kind: Kind, items: list[Stored], metadata: dict[str, str]) -> bytes:
    """A table of objects; rows carry the objects' metadata only."""
    names, cells = _COLUMNS.get(kind.key, ((), _no_cells))
    columns = [
        {"name": name, "type": "string", "format": "name" if name == "Name" else "", "description": name, "priority": 0}
        for name in ("Name", *names, "Age")
    ]
    rows = [
        {
            "cells": [stored.name, *cells(stored), _age(stored)],
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": stored.metadata,
            },
        }
        for stored in items
    ]
    return orjson.dumps(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata,
            "columnDefinitions": columns,
            "rows": rows,
        }
    )


def _age(stored: Stored) -> str:
    made = dt.datetime.fromisoformat(stored.metadata["creationTimestamp"])
    seconds = max(0, int((dt.datetime.now(dt.UTC) - made).total_seconds()))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"


def _no_cells(_stored: Stored) -> list[Any]:
    return []


def _deployment(stored: Stored) -> list[Any]:
    status = stored.status
    ready = f"{status.get('readyReplicas', 0)}/{stored.spec.get('replicas', 0)}"
    return [ready, status.get("updatedReplicas", 0), status.get("availableReplicas", 0)]


def _replica_set(stored: Stored) -> list[Any]:
    status = stored.status
    return [stored.spec.get("replicas", 0), status.get("replicas", 0), status.get("readyReplicas", 0)]


def _stateful_set(stored: Stored) -> list[Any]:
    return [f"{stored.status.get('readyReplicas', 0)}/{stored.spec.get('replicas', 0)}"]


def _daemon_set(stored: Stored) -> list[Any]:
    status = stored.status
    names = ("desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled")
    return [*(status.get(name, 0) for name in names), status.get("numberAvailable", 0)]


def _pod(stored: Stored) -> list[Any]:
    containers = stored.status.get("containerStatuses") or []
    ready = sum(1 for container in containers if container.get("ready"))
    waiting = [container["state"]["waiting"]["reason"] for container in containers if "waiting" in container["state"]]
    phase = waiting[0] if waiting else stored.status.get("phase", "Pending")
    restarts = sum(container.get("restartCount", 0) for container in containers)
    return [
        f"{ready}/{len(stored.spec.get('containers') or ())}",
        "Completed" if phase == "Succeeded" else "Terminating" if stored.terminating else phase,
        str(restarts),
    ]


def _service(stored: Stored) -> list[Any]:
    spec = stored.spec
    ports = ",".join(
        f"{port.get('port')}{':' + str(port['nodePort']) if 'nodePort' in port else ''}/{port.get('protocol', 'TCP')}"
        for port in spec.get("ports") or ()
    )
    external = _addresses(stored) or ("<pending>" if spec.get("type") == "LoadBalancer" else "<none>")
    return [spec.get("type"), spec.get("clusterIP", "None"), external, ports or "<none>"]


def _ingress(stored: Stored) -> list[Any]:
    hosts = ",".join(rule.get("host", "*") for rule in stored.spec.get("rules") or ()) or "*"
    return [stored.spec.get("ingressClassName") or "<none>", hosts, _addresses(stored), "80"]


def _addresses(stored: Stored) -> str:
    entries = (stored.status.get("loadBalancer") or {}).get("ingress") or ()
    return ",".join(entry.get("ip") or entry.get("hostname", "") for entry in entries)


def _namespace(stored: Stored) -> list[Any]:
    return [stored.status.get("phase", "Active")]


def _node(stored: Stored) -> list[Any]:
    ready = any(
        item.get("type") == "Ready" and item.get("status") == "True" for item in stored.status.get("conditions") or ()
    )
    state = "Ready" if ready else "NotReady"
    if stored.spec.get("unschedulable"):
        state += ",SchedulingDisabled"
    return [state, "<none>", (stored.status.get("nodeInfo") or {}).get("kubeletVersion", "")]


def _data(stored: Stored) -> list[Any]:
    return [len(stored.body.get("data") or ()) + len(stored.body.get("binaryData") or ())]


def _secret(stored: Stored) -> list[Any]:
    return [stored.body.get("type", ""), len(stored.body.get("data") or ())]


def _job(stored: Stored) -> list[Any]:
    return [f"{stored.status.get('succeeded', 0)}/{stored.spec.get('completions', 1)}"]


def _claim(stored: Stored) -> list[Any]:
    capacity = (stored.status.get("capacity") or {}).get("storage", "")
    return [stored.status.get("phase", ""), capacity, stored.spec.get("storageClassName", "")]


_COLUMNS: dict[KindKey, tuple[tuple[str, ...], _Cells]] = {
    ("", "configmaps"): (("Data",), _data),
    ("", "namespaces"): (("Status",), _namespace),
    ("", "nodes"): (("Status", "Roles", "Version"), _node),
    ("", "persistentvolumeclaims"): (("Status", "Capacity", "StorageClass"), _claim),
    ("", "pods"): (("Ready", "Status", "Restarts"), _pod),
    ("", "secrets"): (("Type", "Data"), _secret),
    ("", "services"): (("Type", "Cluster-IP", "External-IP", "Port(s)"), _service),
    ("apps", "daemonsets"): (("Desired", "Current", "Ready", "Up-to-date", "Available"), _daemon_set),
    ("apps", "deployments"): (("Ready", "Up-to-date", "Available"), _deployment),
    ("apps", "replicasets"): (("Desired", "Current", "Ready"), _replica_set),
    ("apps", "statefulsets"): (("Ready",), _stateful_set),
    ("batch", "jobs"): (("Completions",), _job),
    ("networking.k8s.io", "ingresses"): (("Class", "Hosts", "Address", "Ports"), _ingress),
}
