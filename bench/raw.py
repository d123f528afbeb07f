"""The ceiling by itself: how many objects a second M members take by bare concurrent server-side apply.

./dev bench raw --members 3 --count 1000 --kind real
"""

import argparse
import asyncio

from bench.fleet import config_map, deployment, fleet, make_namespace, raw_apply


async def measure(kind: str, member_count: int, count: int) -> None:
    async with fleet(kind, member_count) as (members, _):
        await make_namespace(members, "raw")
        objects = [make(f"o{index}", namespace="raw") for index in range(count) for make in (config_map, deployment)]
        seconds = await raw_apply(members, objects)
        again = await raw_apply(members, objects)
    writes = len(objects) * member_count
    print(f"raw: {count} ConfigMaps + {count} Deployments to {member_count} {kind} members")
    print(f"  created    {writes / seconds:8.0f} /s")
    print(f"  unchanged  {writes / again:8.0f} /s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Bare concurrent server-side apply.")
    parser.add_argument("--members", type=int, default=3)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--kind", choices=["real", "simulator"], default="real")
    options = parser.parse_args()
    asyncio.run(measure(options.kind, options.members, options.count))
