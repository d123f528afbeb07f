"""Decisions: kept with what they were made from, listed, and forgotten in time."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from fedsvc.errors import NotFoundError
from fedsvc.model.unit import Unit
from fedsvc.store import decisions, retention, units
from fedsvc.store.retention import DECISIONS_KEPT
from fedsvc.store.sql import text
from fedsvc_placement import ClusterSnapshot, Fleet, LabelSelector, PlacedUnit, Placement, UnitInput, to_dict
from fedsvc_placement.inputs import Inputs, decide_on, inputs_to_dict
from fedsvc_placement.model import Spoken

pytestmark = pytest.mark.postgres

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
EU, US = ClusterSnapshot(name="eu-1", region="eu"), ClusterSnapshot(name="us-1", region="us")
FLEET = Fleet(clusters=(EU, US), units=(PlacedUnit(key="a/b"), PlacedUnit(key="a/a")))
INPUTS = Inputs(unit=UnitInput(key="shop/web", placement=Placement(cluster_selector=LabelSelector())), now=NOW)


async def decided(world: Any, unit: Unit, fleet: Fleet = FLEET) -> str:
    decision = decide_on(INPUTS, fleet)
    async with world.store.transaction() as tx:
        made = decisions.NewDecision(
            unit=unit,
            inputs_digest=decision.inputs_digest,
            record=to_dict(decision),
            inputs=inputs_to_dict(INPUTS),
            fleet_digest=await decisions.put_fleet(tx, decisions.pack_fleet(fleet)),
        )
        (decision_id,) = await decisions.add(tx, [made])
        return decision_id


async def execute(world: Any, statement: str, **parameters: Any) -> Any:
    async with world.store.transaction() as tx:
        result = await tx.execute(text(statement), parameters)
        return list(result.scalars())


async def fleets(world: Any) -> int:
    (count,) = await execute(world, "SELECT count(*) FROM decision_fleet")
    return int(count)


async def test_a_decision_comes_back_with_all_it_was_made_from(world: Any) -> None:
    unit = await world.unit()
    decision_id = await decided(world, unit)

    name, stored = await world.run(decisions.get, decision_id)
    inputs, fleet = await world.run(decisions.inputs_of, decision_id)

    assert (name, stored.id, stored.revision) == ("namespaces/shop/units/web", decision_id, unit.revision)
    assert stored.record == to_dict(decide_on(INPUTS, FLEET))
    assert inputs == INPUTS
    assert fleet == Fleet(clusters=FLEET.clusters, units=FLEET.units[::-1]), "sorted"
    assert to_dict(decide_on(inputs, fleet)) == stored.record


async def test_an_equal_fleet_is_kept_once(world: Any) -> None:
    unit = await world.unit()
    for fleet in (FLEET, Fleet(clusters=(US, EU), units=FLEET.units[::-1]), FLEET):
        await decided(world, unit, fleet)
    assert await fleets(world) == 1

    await decided(world, unit, Fleet(clusters=(EU,)))

    assert await fleets(world) == 2


async def test_what_was_spoken_for_is_kept_once_for_all_decisions_that_found_it(world: Any) -> None:
    unit = await world.unit()
    entries = [Spoken(cluster="eu-1", requests={"cpu": 500}, replicas=count) for count in range(5)]
    decision, ground = decide_on(INPUTS, FLEET), str(uuid4())
    async with world.store.transaction() as tx:
        await decisions.add_spoken(tx, ground, 0, entries[:1])
        await decisions.add_spoken(tx, ground, 0, entries[:2])  # the commit before was thought lost
        await decisions.add_spoken(tx, ground, 2, entries[2:])
        fleet = await decisions.put_fleet(tx, decisions.pack_fleet(FLEET))
        made = [
            decisions.NewDecision(
                unit=unit,
                inputs_digest=decision.inputs_digest,
                record=to_dict(decision),
                inputs=inputs_to_dict(INPUTS),
                fleet_digest=fleet,
                ground=ground,
                spoken_count=count,
            )
            for count in (0, 1, 3, 5)
        ]
        ids = await decisions.add(tx, made)
    for id_, count in zip(ids, (0, 1, 3, 5), strict=True):
        inputs, _ = await world.run(decisions.inputs_of, id_)
        assert inputs == replace(INPUTS, spoken_for=tuple(entries[:count]))


async def test_a_decision_without_its_inputs_says_so(world: Any) -> None:
    unit = await world.unit()
    async with world.store.transaction() as tx:
        made = decisions.NewDecision(unit=unit, inputs_digest="ab" * 32, record={"unit": "x"})
        (bare,) = await decisions.add(tx, [made])

    assert await world.run(decisions.inputs_of, bare) is None
    assert await world.run(decisions.inputs_of, str(uuid4())) is None
    with pytest.raises(NotFoundError, match=r"decisions/[0-9a-f-]+ does not exist"):
        await world.run(decisions.get, str(uuid4()))


async def test_pages_have_the_newest_first_and_no_other_units(world: Any) -> None:
    unit, other = await world.unit(), await world.unit(name="other")
    made = [await decided(world, unit) for _ in range(5)]
    await decided(world, other)

    first = await world.run(decisions.list_page, unit.uid, after=None, limit=3)
    last = first[-1]
    rest = await world.run(decisions.list_page, unit.uid, after=(last.create_time, last.id), limit=3)

    assert [row.id for row in (*first, *rest)] == made[::-1]


async def test_of_decisions_of_one_instant_none_is_left_out(world: Any) -> None:
    unit = await world.unit()
    made = {await decided(world, unit) for _ in range(5)}
    await execute(world, "UPDATE decision SET create_time = now()")

    seen: list[str] = []
    after = None
    while page := await world.run(decisions.list_page, unit.uid, after=after, limit=2):
        seen += [row.id for row in page]
        after = (page[-1].create_time, page[-1].id)

    assert sorted(seen) == sorted(made)


async def test_the_newest_is_the_one_in_force(world: Any) -> None:
    unit, undecided = await world.unit(), await world.unit(name="other")
    in_force = await decided(world, unit)
    async with world.store.transaction() as tx:
        await units.set_decided(tx, [units.DecidedUnit(unit=unit, decision=in_force)])
    await decided(world, unit)

    newest = await world.run(decisions.newest, [unit.uid, undecided.uid])

    assert {uid: row.id for uid, row in newest.items()} == {unit.uid: in_force}


async def test_old_decisions_go_but_for_the_one_in_force(world: Any) -> None:
    unit = await world.unit()
    made = [await decided(world, unit) for _ in range(DECISIONS_KEPT + 3)]
    async with world.store.transaction() as tx:
        await units.set_decided(tx, [units.DecidedUnit(unit=unit, decision=made[0])])

    await world.run(retention.trim)

    kept = await world.run(decisions.list_page, unit.uid, after=None, limit=100)
    assert [row.id for row in kept] == [*made[:2:-1], made[0]]


async def test_a_fleet_goes_with_the_last_decision_on_it_once_it_is_an_hour_old(world: Any) -> None:
    unit = await world.unit()
    await decided(world, unit)
    await decided(world, unit, Fleet(clusters=(EU,)))
    await execute(world, "DELETE FROM decision WHERE inputs_digest = :digest", digest=_digest(FLEET))
    await world.run(retention.trim)
    assert await fleets(world) == 2, "somebody may be about to decide on it"

    await execute(world, "UPDATE decision_fleet SET create_time = now() - interval '61 minutes'")
    await world.run(retention.trim)

    assert await fleets(world) == 1
    [left] = await world.run(decisions.list_page, unit.uid, after=None, limit=9)
    assert await world.run(decisions.inputs_of, left.id) == (INPUTS, Fleet(clusters=(EU,)))


async def test_what_was_spoken_for_goes_with_the_last_decision_that_found_it(world: Any) -> None:
    unit, used, unused = await world.unit(), str(uuid4()), str(uuid4())
    decision = decide_on(INPUTS, FLEET)
    async with world.store.transaction() as tx:
        for ground in (used, unused):
            await decisions.add_spoken(tx, ground, 0, [Spoken(cluster="eu-1", requests={"cpu": 500}, replicas=1)])
        made = decisions.NewDecision(
            unit=unit, inputs_digest=decision.inputs_digest, record={}, ground=used, spoken_count=1
        )
        await decisions.add(tx, [made])
    await world.run(retention.trim)
    assert len(await execute(world, "SELECT ground FROM decision_spoken")) == 2, "somebody may be about to decide on it"

    await execute(world, "UPDATE decision_spoken SET create_time = now() - interval '61 minutes'")
    await world.run(retention.trim)

    assert [str(ground) for ground in await execute(world, "SELECT ground FROM decision_spoken")] == [used]


async def test_an_old_fleet_that_is_put_again_is_not_removed_before_it_is_used(world: Any) -> None:
    await world.run(decisions.put_fleet, decisions.pack_fleet(FLEET))
    await execute(world, "UPDATE decision_fleet SET create_time = now() - interval '2 hours'")

    await world.run(decisions.put_fleet, decisions.pack_fleet(FLEET))
    await world.run(retention.trim)

    assert await fleets(world) == 1


async def test_decisions_go_with_their_unit(world: Any) -> None:
    unit = await world.unit()
    decision_id = await decided(world, unit)
    await execute(world, "DELETE FROM unit WHERE uid = CAST(:uid AS uuid)", uid=unit.uid)

    with pytest.raises(NotFoundError):
        await world.run(decisions.get, decision_id)


def _digest(fleet: Fleet) -> bytes:
    return bytes.fromhex(decide_on(INPUTS, fleet).inputs_digest)
