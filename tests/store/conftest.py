"""What tests of the store are made of: clusters, units and works in few words."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from fedsvc.model.cluster import Cluster, Connection, Credential, ObjectDeletion
from fedsvc.model.unit import Propagation, Resource, Unit, UnitSpec, WorkState
from fedsvc.model.work import Binding, DesiredWork, DirtyWork, Work, WorkResult
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.identity import key_of
from fedsvc.store import clusters, manifests, units, works
from fedsvc.store.store import Store, is_secret

DECISION = str(uuid4())
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


def config_map(name: str, value: str = "", *, kind: str = "ConfigMap", namespace: str = "shop") -> dict[str, Any]:
    metadata = {"name": name} if kind == "Namespace" else {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": {"v": value}}


@dataclass(frozen=True, slots=True)
class World:
    """A store with shortcuts."""

    store: Store

    def resource(self, manifest: dict[str, Any]) -> Resource:
        body = canonical_json(manifest)
        key = key_of(manifest)
        digest = self.store.sealer.keyed_digest(body) if is_secret(key) else _digest(body)
        return Resource(key=key, digest=digest, labels=manifest["metadata"].get("labels", {}), body=body)

    async def cluster(self, name: str, **changes: Any) -> Cluster:
        fields: dict[str, Any] = {
            "labels": {},
            "annotations": {},
            "provider": "",
            "region": "",
            "zones": (),
            "taints": (),
            "connection": Connection(endpoint="https://h", ca_pem=b"CA", credential=Credential(token="hunter2")),
        }
        given = Cluster(name=name, uid=str(uuid4()), create_time=EPOCH, update_time=EPOCH, **(fields | changes))
        async with self.store.transaction() as tx:
            return await clusters.create(tx, given)

    async def unit(self, *manifests_: dict[str, Any], name: str = "web", **spec: Any) -> Unit:
        return (await self.apply(*manifests_, name=name, spec=UnitSpec(**spec))).unit

    async def apply(self, *manifests_: dict[str, Any], name: str = "web", **arguments: Any) -> units.AppliedUnit:
        defaults: dict[str, Any] = {"namespace": "shop", "labels": {}, "annotations": {}, "spec": UnitSpec()}
        resources = [self.resource(manifest) for manifest in manifests_]
        async with self.store.transaction() as tx:
            return await units.apply(tx, name=name, resources=resources, **(defaults | arguments))

    async def place(
        self,
        unit: Unit,
        on: dict[str, Sequence[dict[str, Any] | tuple[str, dict[str, Any]]]],
        *,
        kept: Sequence[str] = (),
        removal: ObjectDeletion = ObjectDeletion.BACKGROUND,
        waves: dict[str, int] | None = None,
    ) -> list[Any]:
        """Sync the works: manifests by cluster; (reason, manifest) is one that could not be rendered."""
        desired: dict[str, list[DesiredWork]] = {}
        stored = []
        for cluster, given in on.items():
            desired[cluster] = []
            for entry in given:
                error, manifest = (None, entry) if isinstance(entry, dict) else ((entry[0], "why"), entry[1])
                resource = self.resource(manifest)
                assert resource.body is not None
                stored.append((resource.digest, resource.body, is_secret(resource.key)))
                desired[cluster].append(
                    DesiredWork(
                        cluster=cluster,
                        key=resource.key,
                        wave=(waves or {}).get(resource.key.name, 2),
                        digest=None if error else resource.digest,
                        error=error,
                    )
                )
        bindings = [
            Binding(unit_uid=unit.uid, cluster=name, replicas={}, render_key=b"r", decision=DECISION)
            for name in sorted({*on, *kept})
        ]
        async with self.store.transaction() as tx:
            await units.lock_generations(tx, [unit.uid])
            await manifests.put_many(tx, stored)
            plan = works.UnitSync(unit=unit, bindings=bindings, desired=desired, removal=removal)
            return list((await works.sync_units(tx, [plan])).occupied.get(unit.uid, ()))

    async def claim(
        self,
        cluster: str = "a",
        *,
        limit: int = 100,
        exclude: Sequence[int] = (),
        answered: Sequence[tuple[int, int]] = (),
    ) -> list[DirtyWork]:
        async with self.store.look() as look:
            due = await works.due(look, cluster, limit=limit)
            return await works.claim_dirty(
                look, cluster, units=due.units, gated=bool(due.gated), limit=limit, exclude=exclude, answered=answered
            )

    async def results(self, *results: WorkResult) -> None:
        async with self.store.transaction() as tx:
            await works.write_results(tx, results)

    async def works(self) -> list[Work]:
        async with self.store.reader() as tx:
            return await works.list_page(tx, after=0, limit=10_000)

    async def run(self, function: Callable[..., Awaitable[Any]], *arguments: Any, **named: Any) -> Any:
        """Call a function of the store in a transaction of its own."""
        async with self.store.transaction() as tx:
            return await function(tx, *arguments, **named)


def _digest(body: bytes) -> bytes:
    from fedsvc.rendering.canonical import digest  # noqa: PLC0415 - the name is taken by locals above

    return digest(body)


@pytest.fixture
def world(store: Store) -> World:
    return World(store)


@pytest.fixture
def manifest() -> Callable[..., dict[str, Any]]:
    return config_map


@pytest.fixture
def propagation() -> type[Propagation]:
    return Propagation


@pytest.fixture
def applied() -> Callable[[DirtyWork], WorkResult]:
    """The result of an apply that succeeded."""

    def of(work: DirtyWork) -> WorkResult:
        return WorkResult(
            id=work.id,
            generation=work.generation,
            state=WorkState.APPLIED,
            applied_digest=work.digest,
            member_uid=f"uid-{work.id}",
            ownership_digest=b"o",
        )

    return of


@pytest.fixture
def gone() -> Callable[[DirtyWork], WorkResult]:
    """The result of a removal that succeeded."""
    return lambda work: WorkResult(id=work.id, generation=work.generation, state=WorkState.REMOVING, gone=True)
