"""Any order of deciding, claiming, answering, dying and drifting: no work is lost, and none is applied by mistake."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsvc.model.unit import WorkState
from fedsvc.model.work import DirtyWork, WorkResult
from fedsvc.store import works

pytestmark = pytest.mark.postgres

Manifest = Callable[..., dict[str, Any]]
OBJECTS = ("x", "y")

STEP = st.one_of(
    st.tuples(st.just("want"), st.dictionaries(st.sampled_from(OBJECTS), st.integers(0, 2))),
    st.tuples(st.just("claim"), st.none()),
    st.tuples(st.just("answer"), st.sampled_from(["applied", "retry", "failed"])),
    st.tuples(st.just("answer late"), st.sampled_from(["applied", "retry", "failed"])),
    st.tuples(st.just("die"), st.none()),  # the propagator forgets what it claimed
    st.tuples(st.just("drift"), st.sampled_from(OBJECTS)),
    st.tuples(st.just("delete in member"), st.sampled_from(OBJECTS)),
)


class Machine:
    """One unit on one cluster, and a member that really holds what was applied to it."""

    def __init__(self, world: Any, manifest: Manifest, cluster: str) -> None:
        self.world, self.manifest, self.cluster = world, manifest, cluster
        self.unit: Any = None
        self.wanted: dict[str, int] = {}
        self.member: dict[str, bytes] = {}  # digest by object
        self.in_flight: list[DirtyWork] = []

    def object(self, name: str, version: int) -> dict[str, Any]:
        made = self.manifest(name, str(version), namespace=self.cluster)
        assert isinstance(made, dict)
        return made

    async def want(self, wanted: dict[str, int]) -> None:
        self.wanted = wanted
        objects = [self.object(name, version) for name, version in wanted.items()]
        await self.world.place(self.unit, {self.cluster: objects}, waves={"x": 1, "y": 2})

    async def claim(self) -> None:
        claimed = await self.world.claim(self.cluster, exclude=[work.id for work in self.in_flight])
        self.in_flight += claimed

    async def answer(self, work: DirtyWork, what: str) -> None:
        name = work.key.name
        if what != "applied":
            state = WorkState.RETRYING if what == "retry" else WorkState.FAILED
            pause: dict[str, Any] = {"state": state, "reason": what, "retry_after_seconds": 0.0}
            await self.world.results(WorkResult(id=work.id, generation=work.generation, **pause))
        elif work.removal is not None:
            self.member.pop(name, None)
            gone: dict[str, Any] = {"state": WorkState.REMOVING, "gone": True}
            await self.world.results(WorkResult(id=work.id, generation=work.generation, **gone))
        else:
            assert work.digest is not None
            assert work.body is not None, "a work that is to be applied always has its manifest"
            self.member[name] = work.digest
            done: dict[str, Any] = {"state": WorkState.APPLIED, "applied_digest": work.digest, "member_uid": "u"}
            await self.world.results(WorkResult(id=work.id, generation=work.generation, **done))

    async def step(self, name: str, argument: Any) -> None:
        if name == "want":
            await self.want(argument)
        elif name == "claim":
            await self.claim()
        elif name == "answer" and self.in_flight:
            await self.answer(self.in_flight.pop(0), argument)
        elif name == "answer late" and self.in_flight:
            await self.answer(self.in_flight.pop(), argument)
        elif name == "die":
            self.in_flight = []
        elif name in ("drift", "delete in member"):
            await self.disturb(argument, deleted=name != "drift")

    async def disturb(self, name: str, *, deleted: bool) -> None:
        if name not in self.member:
            return
        if deleted:
            del self.member[name]
        else:
            self.member[name] = b"drifted"
        ids = [row.id for row in await self.rows() if row.key.name == name]
        await self.world.run(works.mark_drifted, ids, reason="Drifted", message="", deleted=deleted)

    async def rows(self) -> list[Any]:
        return [row for row in await self.world.works() if row.cluster == self.cluster]

    async def check(self) -> None:
        """What says that it is applied is in the member as it is wanted."""
        for row in await self.rows():
            if row.state is WorkState.APPLIED and row.next_attempt_time is None:
                assert row.key.name in self.wanted
                assert self.member.get(row.key.name) == row.desired_digest == self.digest(row.key.name)

    def digest(self, name: str) -> bytes:
        found = self.world.resource(self.object(name, self.wanted[name])).digest
        assert isinstance(found, bytes)
        return found

    async def settle(self) -> None:
        """Whatever happened: let alone, the member comes to hold what is wanted, and no row is left over."""
        self.in_flight = []
        for _ in range(3 * len(OBJECTS) + 3):
            await self.claim()
            if not self.in_flight:
                break
            while self.in_flight:
                await self.answer(self.in_flight.pop(0), "applied")
        assert self.member == {name: self.digest(name) for name in self.wanted}
        rows = await self.rows()
        assert {row.key.name: row.state for row in rows} == dict.fromkeys(self.wanted, WorkState.APPLIED)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=25))
async def test_no_work_is_lost_and_none_is_applied_by_mistake(
    world: Any, manifest: Manifest, steps: list[tuple[str, Any]]
) -> None:
    cluster = f"c{len(await world.run(_cluster_names))}"
    await world.cluster(cluster)
    machine = Machine(world, manifest, cluster)
    machine.unit = await world.unit(name=cluster)
    for name, argument in steps:
        await machine.step(name, argument)
        await machine.check()
    await machine.settle()


async def _cluster_names(tx: Any) -> list[str]:
    from fedsvc.store import clusters  # noqa: PLC0415 - used once

    return [cluster.name for cluster in await clusters.list_all(tx)]


async def test_deciding_and_answering_at_once_neither_loses_nor_blocks(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    objects = [manifest(f"o{number}", "0") for number in range(60)]
    unit = await world.unit(*objects)
    await world.place(unit, {"a": objects})
    latest = objects

    async def decide() -> None:
        nonlocal latest
        for version in range(1, 8):
            latest = [manifest(f"o{number}", str(version)) for number in range(60)]
            await world.place(unit, {"a": latest[::-1] if version % 2 else latest})

    async def propagate() -> None:
        for _ in range(12):
            claimed = await world.claim(limit=100)
            results = [
                WorkResult(id=work.id, generation=work.generation, state=WorkState.APPLIED, applied_digest=work.digest)
                for work in reversed(claimed)
            ]
            await world.results(*results)
            await asyncio.sleep(0)

    await asyncio.gather(decide(), propagate(), propagate())
    await propagate()
    expected = {world.resource(one).digest for one in latest}
    rows = await world.works()
    assert {row.applied_digest for row in rows} == expected
    assert {row.state for row in rows} == {WorkState.APPLIED}


async def test_a_unit_of_five_thousand_objects_is_placed_claimed_and_removed_in_one_go_each(
    world: Any, manifest: Manifest, gone: Callable[[DirtyWork], WorkResult]
) -> None:
    await world.cluster("a")
    objects = [manifest(f"o{number}") for number in range(5000)]
    unit = await world.unit(*objects)
    async with asyncio.timeout(60):
        await world.place(unit, {"a": objects})
        await world.place(unit, {"a": objects[:10]})
        removing = [work for work in await world.claim(limit=10_000) if work.removal is not None]
        assert len(removing) == 4990
        await world.results(*(gone(work) for work in removing))
        assert len(await world.works()) == 10
