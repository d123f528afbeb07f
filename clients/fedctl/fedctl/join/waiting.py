"""Waiting for what the server does after a cluster came or is to go."""

import time

from fedctl.failures import Exit, Failure
from fedsvc.v1 import cluster_pb2, common_pb2
from fedsvc_client import Client, NotFoundError

_POLL_SECONDS = 0.3


def wait_ready(client: Client, name: str, timeout_seconds: float) -> cluster_pb2.Cluster:
    """Wait until the server finds a cluster ready.

    Raises:
        Failure: it does not in time; the message says what is wrong.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        cluster = client.clusters.get(name)
        conditions = {item.type: item for item in cluster.status.conditions}
        ready = conditions.get("Ready")
        if ready is not None and ready.status == common_pb2.CONDITION_STATUS_TRUE:
            return cluster
        if time.monotonic() > deadline:
            wrong = [item.message for item in conditions.values() if item.status != common_pb2.CONDITION_STATUS_TRUE]
            text = "; ".join(dict.fromkeys(wrong)) or "the server has not looked at it yet"
            hint = "From the server the cluster may have another address: --endpoint. Joining again goes on from here."
            raise Failure(f"{name} is registered, but fedsvc does not reach it: {text}", hint=hint, code=Exit.TIMED_OUT)
        time.sleep(_POLL_SECONDS)


def wait_gone(client: Client, name: str, timeout_seconds: float) -> None:
    """Wait until a cluster that leaves is gone.

    Raises:
        Failure: it is not in time.
    """
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            cluster = client.clusters.get(name)
        except NotFoundError:
            return
        if time.monotonic() > deadline:
            count = cluster.status.work_count
            text = f"{count} objects in {name} are still managed; `fedctl describe cluster {name}` tells why"
            raise Failure(text, hint="Where the cluster is gone for good: --force", code=Exit.TIMED_OUT)
        time.sleep(_POLL_SECONDS)
