"""The health controller alone, against a simulated member, on a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from fedsvc.controllers.events import EventRecorder
from fedsvc.controllers.health import HealthController, HealthSettings
from fedsvc.controllers.hub import Hub
from fedsvc.members.lifetimes import TOKEN_LIFETIME_SECONDS
from fedsvc.members.registry import Members
from fedsvc.model.cluster import Cluster, Condition, Credential
from fedsvc.store import clusters

HEALTH = HealthSettings(
    probe_seconds=0.05,
    probe_again_seconds=0.02,
    probe_timeout_seconds=0.3,
    survey_seconds=0.1,
    renewal_retry_seconds=30.0,
)
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@dataclass
class Ward:
    """One member "a" with a service account, watched over by the health controller."""

    world: Any
    members: Members = field(default_factory=Members)
    ahead: timedelta = timedelta()  # of our clock, before the member's
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def start(self) -> None:
        settings, store = self.world.settings, self.world.store
        events, hub = EventRecorder(store, settings), Hub(store, rescan_seconds=60)
        controller = HealthController(
            store, self.members, settings=settings, events=events, health=HEALTH, clock=self.now
        )
        controller.listen(hub)
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(run()) for run in (hub.run, events.run, controller.run)]

    async def stop(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def cluster(self) -> Cluster:
        async with self.world.store.reader() as tx:
            return await clusters.get(tx, "a")

    async def until(self, condition: str, status: str, reason: str) -> Condition:
        """Wait for a condition."""

        async def is_so() -> Condition | None:
            found = (await self.cluster()).condition(condition)
            return found if found is not None and (found.status.value, found.reason) == (status, reason) else None

        found = await self.world.until(is_so)
        assert isinstance(found, Condition)
        return found

    async def token(self, seconds: int) -> Credential:
        """A new token of the service account."""
        path = "/api/v1/namespaces/fed/serviceaccounts/fedsvc/token"
        answer = await self.world.client("a").post(path, {"spec": {"expirationSeconds": seconds}})
        end = datetime.fromisoformat(answer["status"]["expirationTimestamp"])
        return Credential(token=answer["status"]["token"], token_expire_time=end)

    async def give(self, credential: Credential, *, account: str = "fedsvc") -> None:
        """As joining again does."""
        async with self.world.store.transaction() as tx:
            cluster = await clusters.lock(tx, "a")
            connection = replace(
                cluster.connection, credential=credential, member_namespace="fed", service_account=account
            )
            await clusters.update(tx, replace(cluster, connection=connection))

    async def grant(self, *rules: dict[str, Any]) -> None:
        own = {"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}
        role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "fedsvc"}}
        body = orjson.dumps({**role, "rules": [own, *rules]})
        await self.world.client("a").apply(f"{RBAC}/clusterroles/fedsvc", body, force=True)


@pytest.fixture
async def ward(quiet_world: Any) -> AsyncIterator[Ward]:
    client = quiet_world.client("a")
    await client.post("/api/v1/namespaces", {"metadata": {"name": "fed"}})
    await client.post("/api/v1/namespaces/fed/serviceaccounts", {"metadata": {"name": "fedsvc"}})
    made = Ward(world=quiet_world)
    await made.grant({"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]})
    binding = {
        "metadata": {"name": "fedsvc"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "fedsvc"},
        "subjects": [{"kind": "ServiceAccount", "name": "fedsvc", "namespace": "fed"}],
    }
    await client.post(f"{RBAC}/clusterrolebindings", binding)
    await quiet_world.register("a")
    await made.give(await made.token(TOKEN_LIFETIME_SECONDS - 3_600))
    try:
        yield made
    finally:
        await made.stop()
        await made.members.close()
