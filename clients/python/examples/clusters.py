"""List the clusters with their conditions, and label one: the blocking client, with an etag against lost updates.

Usage: clusters.py [CONFIG] [CLUSTER KEY VALUE]
"""

import sys
from pathlib import Path

from fedsvc.v1 import common_pb2
from fedsvc_client import Client, ConflictError, NotFoundError


def label(client: Client, cluster_id: str, key: str, value: str) -> None:
    """Set a label; where somebody else changed the cluster meanwhile, read it again and redo the change."""
    while True:
        cluster = client.clusters.get(cluster_id)
        cluster.labels[key] = value
        try:
            client.clusters.update(cluster, ["labels"])
        except ConflictError:
            continue
        return


def main() -> None:
    """Do it."""
    with Client.from_config(Path(sys.argv[1]) if len(sys.argv) > 1 else None) as client:
        for cluster in client.clusters.list():
            met = [item.type for item in cluster.status.conditions if item.status == common_pb2.CONDITION_STATUS_TRUE]
            print(cluster.name, cluster.region, *met)
        if len(sys.argv) > 4:
            try:
                label(client, *sys.argv[2:5])
            except NotFoundError as error:
                print("no such cluster:", error.name)


if __name__ == "__main__":
    main()
