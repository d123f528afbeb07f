"""What if a region were lost: where its units would go, and what would find no place. Nothing is changed.

Usage: lose_a_region.py CONFIG REGION
"""

import sys
from pathlib import Path

from fedsvc.v1 import placement_service_pb2
from fedsvc_client import Client, InvalidArgumentError


def main() -> None:
    """Do it."""
    with Client.from_config(Path(sys.argv[1])) as client:
        try:
            answer = client.placement.simulate(
                placement_service_pb2.SimulatePlacementRequest(lost_regions=[sys.argv[2]])
            )
        except InvalidArgumentError as error:
            for problem in error.fields:
                print(f"{problem.path}: {problem.message}")
            return
        for unit in answer.units:
            print(unit.unit, "from", list(unit.clusters_before), "to", list(unit.clusters_after) or unit.message)
            for shortfall in unit.shortfalls:
                print(f"  {shortfall.message}")
        print(f"{len(answer.units)} of {answer.unit_count} units would move or come short")


if __name__ == "__main__":
    main()
