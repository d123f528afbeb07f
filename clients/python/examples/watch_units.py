"""Follow all units: the asyncio client. It survives restarts of the server, and says so where it had to start over.

Usage: watch_units.py [CONFIG] [COUNT]     ends after COUNT changes; without, never
"""

import asyncio
import sys
from pathlib import Path

from fedsvc.v1 import unit_pb2
from fedsvc_client import AsyncClient, Kind, Resynced, Synced


async def main() -> None:
    """Do it."""
    config = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    left = int(sys.argv[2]) if len(sys.argv) > 2 else -1
    async with AsyncClient.from_config(config) as client, client.watch(Kind.UNIT) as watch:
        async for item in watch:
            if isinstance(item, Synced):
                print("that is all there is; now the changes")
            elif isinstance(item, Resynced):
                print("some changes were missed; here is everything again")
            else:
                print(
                    item.name, unit_pb2.UnitState.Name(item.unit.status.state) if item.HasField("unit") else "is gone"
                )
                left -= 1
            if left == 0:
                return


if __name__ == "__main__":
    asyncio.run(main())
