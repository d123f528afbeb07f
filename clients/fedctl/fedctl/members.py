"""Changing one registered cluster: read, change, write under its etag, and again where somebody was faster."""

from collections.abc import Callable, Sequence

from fedctl import kinds
from fedctl.failures import UsageFailure
from fedctl.listing import missing
from fedsvc.v1 import cluster_pb2
from fedsvc_client import Client, ConflictError, NotFoundError

_ATTEMPTS = 4


def change_cluster(
    client: Client, name: str, fields: Sequence[str], change: Callable[[cluster_pb2.Cluster], bool]
) -> cluster_pb2.Cluster | None:
    """Change some fields of a cluster.

    Args:
        client: The client.
        name: Id of the cluster.
        fields: Which fields `change` changes, such as "labels" or "taints".
        change: Changes the cluster it is given; tells whether anything is different then.

    Returns:
        The cluster as it is stored now, or None where nothing had to change.

    Raises:
        Failure: There is no such cluster.
        ConflictError: Somebody else was faster each time.
    """
    for attempt in range(_ATTEMPTS):
        try:
            cluster = client.clusters.get(name)
        except NotFoundError as error:
            raise missing(client, kinds.CLUSTER, name, namespace="") from error
        if not change(cluster):
            return None
        try:
            return client.clusters.update(cluster, fields)
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def cluster_and_rest(words: tuple[str, ...], command: str, form: str) -> tuple[str, tuple[str, ...]]:
    """Split "cluster eu-1 a=b ..." or "cluster/eu-1 a=b ..." into the cluster and the rest.

    Raises:
        UsageFailure: It is neither; the message shows the right form.
    """
    first, _, name = words[0].partition("/") if words else ("", "", "")
    rest = words[1:]
    if not name and rest:
        name, rest = rest[0], rest[1:]
    right = f"fedctl {command} cluster NAME {form}"
    if not first or not name or (form and not rest):
        raise UsageFailure(f"write:  {right}")
    kinds.find_kind(first, (kinds.CLUSTER,))
    return name, rest
