"""Apply a unit with one ConfigMap to all clusters, read it back, and remove it: the blocking client.

Usage: apply_unit.py [CONFIG]     CONFIG is a configuration file of fedctl; by default fedctl's own
"""

import json
import sys
from pathlib import Path

from fedsvc.v1 import common_pb2, placement_pb2, unit_pb2
from fedsvc_client import Client, InvalidArgumentError, unit_name

MANIFEST = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "greeting"}, "data": {"text": "hello"}}


def main() -> None:
    """Do it."""
    config = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    unit = unit_pb2.Unit(
        name=unit_name("greeting", namespace="examples"),
        spec=unit_pb2.UnitSpec(
            placement=placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector()),  # set and empty: all
            resources=[common_pb2.Manifest(json=json.dumps(MANIFEST).encode())],
        ),
    )
    with Client.from_config(config) as client:
        try:
            answer = client.units.apply(unit)
        except InvalidArgumentError as error:
            for problem in error.fields:
                print(f"{problem.path}: {problem.message}")
            raise
        print("clusters now:", list(answer.clusters))
        print("units:", [stored.name for stored in client.units.list(namespace="examples")])
        client.units.delete(unit.name)
        client.units.wait_for(unit.name, "deleted", timeout_seconds=60)
        print("gone")


if __name__ == "__main__":
    main()
