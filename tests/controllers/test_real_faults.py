"""The story of faults on a real API server: frozen and killed in the middle of propagation, thawed and started again.

What was written is read off the API server's own audit log, which was there when fedsvc's members were not.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from fedsvc.members.client import MemberClient
from fedsvc.model.cluster import Connection, Credential
from fedsvc.model.hold import HoldScope
from fedsvc.model.unit import UnitState
from fedsvc.store import holds
from fedsvc.testing.audit import AGENT
from fedsvc.testing.control_plane import ControlPlane

pytestmark = [pytest.mark.kube, pytest.mark.slow, pytest.mark.timeout(300)]

COLLECTION = "/api/v1/namespaces/shop/configmaps"
COUNT = 60
SECONDS = 60.0
WEB = "namespaces/shop/units/web"


AUDIT_POLICY = b"""\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: Metadata, verbs: [create, update, patch, delete], resources: [{group: "", resources: [configmaps]}]}
  - {level: None}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One write of ours that the API server did."""

    verb: str
    name: str
    time: datetime


def written(log: Path) -> list[Written]:
    """All writes of ours, in order."""
    found = [orjson.loads(line) for line in log.read_bytes().splitlines()]
    return [
        Written(
            verb=event["verb"],
            name=event["objectRef"]["name"],
            time=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        )
        for event in found
        if event["userAgent"].startswith(AGENT) and event["responseStatus"]["code"] < 300
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A real member "real" beside the simulated "a", and what is seen of both."""

    world: Any
    plane: ControlPlane
    client: MemberClient
    make: Callable[..., dict[str, Any]]

    async def apply(self, value: str, count: int = COUNT) -> None:
        await self.world.apply("web", *[self.make(f"item-{number}", v=value) for number in range(count)])

    async def pause(self) -> None:
        async with self.world.store.transaction() as tx:
            everything = HoldScope.EVERYTHING
            await holds.put(tx, subject=WEB, scope=everything, reason="", end_time=None, author="test")

    async def resume(self) -> None:
        async with self.world.store.transaction() as tx:
            await holds.end(tx, subject=WEB, scope=None)

    async def restart_controllers(self) -> None:
        await self.world.stop()
        self.world.start()

    async def held(self) -> dict[str, tuple[str, str]]:
        """uid and value by name of what is ours in the real member."""
        answer = await self.client.get(COLLECTION, {"labelSelector": "fedsvc.io/managed"})
        return {item["metadata"]["name"]: (item["metadata"]["uid"], item["data"]["v"]) for item in answer["items"]}

    async def until_there(self, value: str, count: int) -> None:
        async def in_both() -> bool:
            found = await self.held()
            return len(found) == count == sum(1 for _, there in found.values() if there == value)

        await self.world.until(in_both, seconds=SECONDS)

    async def until_begun(self, value: str) -> None:
        async def begun() -> bool:
            return sum(1 for _, there in (await self.held()).values() if there == value) >= 5

        await self.world.until(begun, seconds=SECONDS)

    async def until_simulated_has(self, value: str) -> None:
        async def simulated_has() -> bool:
            everything = self.world.member("a").store.everything()
            there = [one for one in everything if one.name.startswith("item-")]
            return len(there) == COUNT and all(one.body["data"] == {"v": value} for one in there)

        await self.world.until(simulated_has, seconds=SECONDS)


@asynccontextmanager
async def staged(world: Any, plane: ControlPlane, make: Callable[..., Any]) -> AsyncIterator[Stage]:
    """Both members registered, controllers running that write one object after the other, so that there is a middle."""
    credential = Credential(token=plane.token)
    connection = Connection(endpoint=plane.server, ca_pem=plane.ca_file.read_bytes(), credential=credential)
    async with MemberClient(connection) as client:
        await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
        await client.post(COLLECTION, {"metadata": {"name": "item-0"}, "data": {"whose": "theirs"}})
        await world.register("a", labels={"name": "a"})
        await world.register("real", connection=connection)
        world.settings = replace(world.settings, concurrency=1, concurrency_max=1)
        world.start()
        yield Stage(world=world, plane=plane, client=client, make=make)


async def test_a_real_member_frozen_and_killed_in_the_middle_comes_to_what_was_intended(
    quiet_world: Any, kube_assets: Path, make_config_map: Callable[..., Any], tmp_path: Path
) -> None:
    policy, log = tmp_path / "policy.yaml", tmp_path / "audit.log"
    policy.write_bytes(AUDIT_POLICY)
    audit = (f"--audit-policy-file={policy}", f"--audit-log-path={log}")
    async with (
        ControlPlane(name="real", assets=kube_assets, controller_manager=False, apiserver_flags=audit) as plane,
        staged(quiet_world, plane, make_config_map) as stage,
    ):
        began = datetime.now(UTC)
        foreign = await stage.client.get(f"{COLLECTION}/item-0")
        await interrupted(stage)
        paused, resumed = await held_back(stage)
        removing = await taken_away(stage)
        assert await stage.client.get(f"{COLLECTION}/item-0") == foreign

    ours = [one for one in written(log) if one.time > began]
    assert {one.name for one in ours} == {"beside", *(f"item-{number}" for number in range(1, COUNT))}
    assert [one for one in ours if one.verb == "delete" and one.time < removing] == []
    assert [one for one in ours if one.name != "beside" and paused < one.time < resumed] == []


async def interrupted(stage: Stage) -> None:
    """Two revisions, the member frozen in the middle of one, killed with the controllers in the middle of the other."""
    await stage.apply("1")
    await stage.until_begun("1")
    stage.plane.suspend_apiserver()
    await stage.until_simulated_has("1")  # the other one does not wait for it
    stage.plane.resume_apiserver()
    await stage.until_there("1", COUNT - 1)
    uids = {name: uid for name, (uid, _) in (await stage.held()).items()}

    await stage.apply("2")
    await stage.until_begun("2")
    await stage.plane.kill_apiserver()
    await stage.until_simulated_has("2")
    await stage.restart_controllers()
    await stage.plane.start_apiserver()
    await stage.until_there("2", COUNT - 1)
    assert {name: uid for name, (uid, _) in (await stage.held()).items()} == uids  # none was made anew


async def held_back(stage: Stage) -> tuple[datetime, datetime]:
    """A change while the unit is paused, whatever is frozen and killed, and a drift after that; gives since when, until."""
    await stage.pause()
    paused = datetime.now(UTC)
    await stage.apply("3")
    stage.plane.suspend_apiserver()
    await stage.restart_controllers()
    stage.plane.resume_apiserver()
    await stage.world.apply("beside", stage.make("beside", v="3"))
    await stage.world.until_state("beside", UnitState.READY, seconds=SECONDS)
    await stage.plane.restart_apiserver()
    assert {there for name, (_, there) in (await stage.held()).items() if name != "beside"} == {"2"}
    resumed = datetime.now(UTC)
    await stage.resume()
    await stage.until_there("3", COUNT)
    await stage.client.patch(f"{COLLECTION}/item-1", b'{"data":{"v":"hacked"}}', field_manager="somebody")
    await stage.until_there("3", COUNT)
    return paused, resumed


async def taken_away(stage: Stage) -> datetime:
    """Some objects, asked for while the member is frozen, then all; gives since when."""
    stage.plane.suspend_apiserver()
    removing = datetime.now(UTC)
    await stage.apply("3", COUNT - 20)
    stage.plane.resume_apiserver()
    await stage.until_there("3", COUNT - 20)
    for unit in ("web", "beside"):
        await stage.world.delete(unit)
        await stage.world.until_gone(unit, seconds=SECONDS)
    assert await stage.held() == {}
    return removing
