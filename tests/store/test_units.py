import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fedsvc.errors import DeletingError, EtagMismatchError, InvalidInputError, NotFoundError, ObjectOwnedError
from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import UnitSpec, UnitState, UnitStatus
from fedsvc.rendering.overrides import Override
from fedsvc.rendering.patch import PatchOperation
from fedsvc.store import units
from fedsvc.store.changes import Change
from fedsvc.store.connection import run
from fedsvc.store.outcome import ApplyOutcome
from fedsvc.store.sql import Rows, Statement, text
from fedsvc_placement.model import Placement

pytestmark = pytest.mark.postgres

Manifest = Callable[..., dict[str, Any]]
CREATED, CONFIGURED = ApplyOutcome.CREATED, ApplyOutcome.CONFIGURED
UNCHANGED, REMOVED = ApplyOutcome.UNCHANGED, ApplyOutcome.REMOVED


def outcomes(applied: units.AppliedUnit) -> dict[str, ApplyOutcome]:
    return {key.name: outcome for key, outcome in applied.resources}


async def test_the_outcome_of_each_resource_is_told(world: Any, manifest: Manifest) -> None:
    first = await world.apply(manifest("a"), manifest("b"), manifest("c"))
    assert (first.outcome, outcomes(first)) == (CREATED, {"a": CREATED, "b": CREATED, "c": CREATED})
    second = await world.apply(manifest("a"), manifest("b", "new"), manifest("d"))
    assert second.outcome is CONFIGURED
    assert outcomes(second) == {"a": UNCHANGED, "b": CONFIGURED, "d": CREATED, "c": REMOVED}
    assert (second.unit.revision, second.unit.generation, second.unit.resource_count) == (2, 2, 3)


async def test_the_same_again_writes_nothing(world: Any, manifest: Manifest) -> None:
    first = await world.apply(manifest("a"), spec=UnitSpec(placement=Placement(clusters=("x",))))
    seen: list[Change] = []
    world.store.on_commit(seen.extend)
    again = await world.apply(manifest("a"), spec=UnitSpec(placement=Placement(clusters=("x",))))
    assert (again.outcome, again.unit, seen) == (UNCHANGED, first.unit, [])


async def test_labels_alone_make_no_revision(world: Any, manifest: Manifest) -> None:
    await world.apply(manifest("a"))
    unit = (await world.apply(manifest("a"), labels={"team": "web"})).unit
    assert (unit.revision, unit.generation, unit.labels) == (1, 2, {"team": "web"})


async def test_another_order_is_a_change(world: Any, manifest: Manifest) -> None:
    await world.apply(manifest("a"), manifest("b"))
    unit = (await world.apply(manifest("b"), manifest("a"))).unit
    assert unit.revision == 2
    assert [resource.key.name for resource in await world.run(units.resources_of, unit.uid)] == ["b", "a"]


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(PatchOperation(op="remove", path="/spec/x"), id="no value"),
        pytest.param(PatchOperation(op="add", path="/x", value=None), id="null"),
        pytest.param(PatchOperation(op="add", path="/x", value=2**80), id="big integer"),
        pytest.param(PatchOperation(op="add", path="/x", value="a\x00b"), id="nul"),
        pytest.param(PatchOperation(op="add", path="/x", value=1e22), id="big float"),
        pytest.param(PatchOperation(op="add", path="/x", value=1.0), id="float of a whole number"),
    ],
)
async def test_overrides_come_back_as_they_were_given(
    world: Any, manifest: Manifest, operation: PatchOperation
) -> None:
    spec = UnitSpec(overrides=(Override(patch=(operation,)),))
    applied = await world.apply(manifest("a"), spec=spec)
    assert applied.unit.spec == spec
    assert repr(applied.unit.spec.overrides[0].patch[0].value) == repr(operation.value)
    assert (await world.apply(manifest("a"), spec=spec)).outcome is UNCHANGED


async def test_what_postgresql_cannot_keep_is_bad_input(world: Any, manifest: Manifest) -> None:
    with pytest.raises(InvalidInputError, match=r"U\+0000"):
        await world.apply(manifest("a"), labels={"a": "b\x00"})
    with pytest.raises(InvalidInputError, match=r"U\+0000"):
        await world.apply(manifest("a"), author="b\x00")


async def test_an_etag_guards(world: Any, manifest: Manifest) -> None:
    unit = await world.unit(manifest("a"))
    await world.apply(manifest("b"), etag=unit.etag)
    with pytest.raises(EtagMismatchError):
        await world.apply(manifest("c"), etag=unit.etag)
    with pytest.raises(NotFoundError):
        await world.apply(manifest("c"), name="other", etag=unit.etag)
    with pytest.raises(EtagMismatchError):
        await world.run(units.mark_deleted, "shop", "web", cascade=None, etag=unit.etag)


async def test_an_object_of_another_unit_is_refused_with_its_place(world: Any, manifest: Manifest) -> None:
    await world.unit(manifest("a"), manifest("b"))
    with pytest.raises(ObjectOwnedError) as caught:
        await world.unit(manifest("c"), manifest("b"), manifest("a"), name="two")
    assert (caught.value.path, caught.value.unit) == ("unit.spec.resources[1]", "namespaces/shop/units/web")
    assert "ConfigMap shop/b" in caught.value.key


async def test_an_object_can_move_once_its_unit_gave_it_up(world: Any, manifest: Manifest) -> None:
    await world.unit(manifest("a"))
    await world.unit(manifest("b"))
    assert (await world.apply(manifest("a"), name="two")).outcome is CREATED


async def test_a_unit_that_is_being_removed_takes_no_change_and_goes_when_nothing_is_left(
    world: Any, manifest: Manifest
) -> None:
    unit = await world.unit(manifest("a"))
    deleted = await world.run(units.mark_deleted, "shop", "web", cascade=ObjectDeletion.ORPHAN)
    assert (deleted.cascade, deleted.generation) == (ObjectDeletion.ORPHAN, 2)
    assert deleted == await world.run(units.mark_deleted, "shop", "web", cascade=ObjectDeletion.ORPHAN)
    with pytest.raises(DeletingError):
        await world.apply(manifest("b"))
    assert await world.run(units.remove_finished) == [], "nobody decided on the deletion yet"
    await world.run(units.set_decided, [units.DecidedUnit(unit=deleted)])
    assert await world.run(units.remove_finished) == [unit.resource_name]
    assert (await world.apply(manifest("a"))).unit.uid != unit.uid


async def test_a_new_generation_is_undecided_until_decided(world: Any, manifest: Manifest) -> None:
    unit = await world.unit(manifest("a"))
    assert await world.run(units.list_undecided, limit=10) == [unit]
    await world.run(units.set_decided, [units.DecidedUnit(unit=unit)])
    assert await world.run(units.list_undecided, limit=10) == []
    await world.unit(manifest("b"))
    assert len(await world.run(units.list_undecided, limit=10)) == 1


async def test_pages_are_by_name_and_complete(world: Any, manifest: Manifest) -> None:
    names = [f"u{number}" for number in range(7)]
    for name in reversed(names):
        await world.unit(manifest(name), name=name)
    got: list[str] = []
    after = ("", "")
    while page := await world.run(units.list_page, namespace="shop", after=after, limit=3):
        got += [unit.name for unit in page]
        after = (page[-1].namespace, page[-1].name)
    assert got == names
    assert await world.run(units.list_page, namespace="other", after=("", ""), limit=3) == []


async def test_a_status_is_written_where_it_differs(world: Any, manifest: Manifest) -> None:
    unit = await world.unit(manifest("a"))
    status = UnitStatus(state=UnitState.READY, observed_revision=1)
    assert await world.run(units.set_statuses, [(unit, status)]) == 1
    assert await world.run(units.set_statuses, [(unit, status)]) == 0
    [read] = await world.run(units.get_many, [unit.uid])
    assert read.status == status
    assert read.generation == unit.generation


async def test_secrets_cannot_be_read_in_the_database(world: Any, manifest: Manifest) -> None:
    unit = await world.unit(manifest("s", "correct horse", kind="Secret"))
    async with world.store.reader() as tx:
        tables = (await tx.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))).scalars()
        for table in tables:
            dump = (await tx.execute(text(f'SELECT CAST(t AS text) FROM "{table}" t'))).scalars()  # noqa: S608 - names of our own tables
            assert not any("correct horse" in row or b"correct horse".hex() in row for row in dump), table
    [resource] = await world.run(units.resources_of, unit.uid)
    assert b"correct horse" in resource.body


async def test_five_thousand_resources_are_applied_by_a_few_statements(
    world: Any, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[Statement] = []

    async def counted(connection: Any, statement: Statement, parameters: Any = None) -> Rows:
        statements.append(statement)
        return await run(connection, statement, parameters)

    monkeypatch.setattr("fedsvc.store.store.run", counted)
    many = [manifest(f"c{number}") for number in range(5000)]
    await world.unit(*many)
    many[7] = manifest("c7", "new")
    applied = await world.apply(*many)
    assert 0 < len(statements) < 50
    assert list(outcomes(applied).values()).count(CONFIGURED) == 1


async def test_applies_of_one_unit_at_once_follow_each_other(world: Any, manifest: Manifest) -> None:
    applied = await asyncio.gather(*(world.apply(manifest("a", str(number))) for number in range(8)))
    assert sorted(one.unit.revision for one in applied) == list(range(1, 9))
    assert [one.outcome for one in applied].count(CREATED) == 1


async def test_units_that_want_the_same_objects_at_once_do_not_block_each_other_for_ever(
    world: Any, manifest: Manifest
) -> None:
    objects = [manifest(f"o{number}") for number in range(40)]
    orders = [objects, objects[::-1], objects[20:] + objects[:20], objects]
    applies = [world.apply(*order, name=f"u{number}") for number, order in enumerate(orders)]
    answers = await asyncio.gather(*applies, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert len(refused) == 3
    assert all(isinstance(answer, ObjectOwnedError) for answer in refused), refused
