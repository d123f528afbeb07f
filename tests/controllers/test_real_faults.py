"""The story of faults on a real API server: frozen and killed in the middle of propagation, thawed and started again."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest

from fedsvc.members.client import MemberClient
from fedsvc.model.cluster import Cluster, Connection, Credential
from fedsvc.store import clusters
from fedsvc.testing.control_plane import ControlPlane

pytestmark = [pytest.mark.kube, pytest.mark.slow, pytest.mark.timeout(300)]

COLLECTION = "/api/v1/namespaces/shop/configmaps"
COUNT = 60
SECONDS = 60.0


async def held(client: MemberClient) -> dict[str, tuple[str, str]]:
    """uid and value by name of what is ours in the real member."""
    answer = await client.get(COLLECTION, {"labelSelector": "fedsvc.io/managed"})
    return {item["metadata"]["name"]: (item["metadata"]["uid"], item["data"]["v"]) for item in answer["items"]}


async def test_a_real_member_frozen_and_killed_in_the_middle_comes_to_what_was_intended(
    quiet_world: Any, kube_assets: Path, make_config_map: Callable[..., Any]
) -> None:
    world = quiet_world

    def manifests(value: str, count: int = COUNT) -> list[dict[str, Any]]:
        return [make_config_map(f"item-{number}", v=value) for number in range(count)]

    async def until_there(value: str, count: int) -> None:
        async def in_both() -> bool:
            found = await held(client)
            return len(found) == count == sum(1 for _, there in found.values() if there == value)

        await world.until(in_both, seconds=SECONDS)

    async def until_begun(value: str) -> None:
        async def begun() -> bool:
            return sum(1 for _, there in (await held(client)).values() if there == value) >= 5

        await world.until(begun, seconds=SECONDS)

    async def simulated_has(value: str) -> bool:
        there = [one for one in world.member("a").store.everything() if one.name.startswith("item-")]
        return len(there) == COUNT and all(one.body["data"] == {"v": value} for one in there)

    async with ControlPlane(name="real", assets=kube_assets, controller_manager=False) as plane:
        credential = Credential(token=plane.token)
        connection = Connection(endpoint=plane.server, ca_pem=plane.ca_file.read_bytes(), credential=credential)
        async with MemberClient(connection) as client:
            await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
            foreign = await client.post(COLLECTION, {"metadata": {"name": "item-0"}, "data": {"whose": "theirs"}})
            await world.register("a", labels={"name": "a"})
            now = datetime.now(UTC)
            async with world.store.transaction() as tx:
                member = Cluster(
                    name="real",
                    uid=str(uuid4()),
                    labels={},
                    annotations={},
                    provider="",
                    region="",
                    zones=(),
                    taints=(),
                    connection=connection,
                    create_time=now,
                    update_time=now,
                )
                await clusters.create(tx, member)
            # One at a time, so that there is a middle.
            world.settings = replace(world.settings, concurrency=1, concurrency_max=1)
            world.start()

            await world.apply("web", *manifests("1"))
            await until_begun("1")
            plane.suspend_apiserver()
            await world.until(lambda: simulated_has("1"), seconds=SECONDS)  # the other one does not wait for it
            plane.resume_apiserver()
            await until_there("1", COUNT - 1)
            uids = {name: uid for name, (uid, _) in (await held(client)).items()}

            await world.apply("web", *manifests("2"))
            await until_begun("2")
            await plane.kill_apiserver()
            await world.until(lambda: simulated_has("2"), seconds=SECONDS)
            await world.stop()  # and the controllers with it
            world.start()
            await plane.start_apiserver()
            await until_there("2", COUNT - 1)
            assert {name: uid for name, (uid, _) in (await held(client)).items()} == uids  # none was made anew

            plane.suspend_apiserver()
            await world.apply("web", *manifests("2", COUNT - 20))
            plane.resume_apiserver()
            await until_there("2", COUNT - 21)
            now_there = await client.get(f"{COLLECTION}/item-0")
            assert now_there["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]
            await world.delete("web")
            await world.until_gone("web", seconds=SECONDS)
            assert await held(client) == {}
            assert orjson.dumps((await client.get(f"{COLLECTION}/item-0"))["data"]) == b'{"whose":"theirs"}'
