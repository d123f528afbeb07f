import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import DriftMode, Propagation, WorkState
from fedsvc.model.work import DirtyWork, WorkObservation, WorkResult
from fedsvc.store import clusters, removals, units, works
from fedsvc.store.changes import Change

pytestmark = pytest.mark.postgres

Manifest = Callable[..., dict[str, Any]]
Result = Callable[[DirtyWork], WorkResult]


def names(claimed: list[DirtyWork]) -> list[str]:
    return [work.key.name for work in claimed]


async def test_a_new_work_is_dirty_and_carries_its_body(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x", "1"))
    await world.place(unit, {"a": [manifest("x", "1")]})
    [work] = await world.claim()
    assert (work.unit_name, work.member_uid, work.generation, work.removal) == (
        "namespaces/shop/units/web",
        "",
        1,
        None,
    )
    assert work.body is not None
    assert b'"v":"1"' in work.body


async def test_an_applied_work_is_dirty_no_more(world: Any, manifest: Manifest, applied: Result) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    await world.results(applied(work))
    assert await world.claim() == []
    [row] = await world.works()
    assert (row.state, row.applied_digest, row.attempts) == (WorkState.APPLIED, row.desired_digest, 0)


async def test_the_same_again_changes_nothing(world: Any, manifest: Manifest, applied: Result) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    await world.results(applied(work))
    before = await world.works()
    await world.place(unit, {"a": [manifest("x")]})
    assert await world.works() == before


async def test_a_result_never_answers_a_newer_desired_state(world: Any, manifest: Manifest, applied: Result) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x", "1")]})
    [old] = await world.claim()
    await world.place(unit, {"a": [manifest("x", "2")]})
    await world.results(applied(old))
    [row] = await world.works()
    assert row.state is WorkState.PENDING
    assert row.applied_digest == old.digest, "what the member holds is known all the same"
    [new] = await world.claim()
    assert (new.digest, new.member_uid) == (row.desired_digest, f"uid-{old.id}")


async def test_back_to_what_was_applied_while_something_else_may_be_in_flight_is_applied_again(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x", "1")]})
    [first] = await world.claim()
    await world.results(applied(first))
    await world.place(unit, {"a": [manifest("x", "2")]})
    [second] = await world.claim()
    await world.place(unit, {"a": [manifest("x", "1")]})
    await world.results(applied(second))
    [third] = await world.claim()
    assert third.digest == first.digest


async def test_a_failed_work_is_due_again_after_its_pause_and_counts_its_attempts(
    world: Any, manifest: Manifest
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    failure: dict[str, Any] = {"state": WorkState.RETRYING, "reason": "ServerError", "message": "500"}
    await world.results(WorkResult(id=work.id, generation=1, retry_after_seconds=60, **failure))
    assert await world.claim() == []
    [row] = await world.works()
    assert (row.attempts, row.reason, row.message) == (1, "ServerError", "500")
    async with world.store.look() as look:
        due = await works.due(look, "a", limit=10)
    assert due.units == ()
    assert due.next_seconds == pytest.approx((row.next_attempt_time - datetime.now(UTC)).total_seconds(), abs=5)
    await world.run(works.wake_cluster, "a")
    [again] = await world.claim()
    assert again.attempts == 1


async def test_a_failure_without_a_pause_stays_failed(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    await world.results(WorkResult(id=work.id, generation=1, state=WorkState.FAILED, reason="ObjectExists"))
    assert await world.claim() == []
    [row] = await world.works()
    assert (row.state, row.reason, row.next_attempt_time) == (WorkState.FAILED, "ObjectExists", None)


@pytest.mark.parametrize("text", ["a\x00b", "half \ud800 pair"], ids=["nul", "surrogate"])
async def test_a_message_that_postgresql_cannot_keep_does_not_lose_the_batch(
    world: Any, manifest: Manifest, applied: Result, text: str
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"), manifest("y"))
    await world.place(unit, {"a": [manifest("x"), manifest("y")]})
    x, y = await world.claim()
    await world.results(
        WorkResult(id=x.id, generation=1, state=WorkState.FAILED, reason="Denied", message=text), applied(y)
    )
    assert [row.state for row in await world.works()] == [WorkState.FAILED, WorkState.APPLIED]


async def test_what_is_answered_is_claimed_again_in_a_newer_generation_alone(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x", "1")]})
    [first] = await world.claim()
    assert await world.claim(answered=[(first.id, first.generation)]) == []
    await world.place(unit, {"a": [manifest("x", "2")]})

    [second] = await world.claim(answered=[(first.id, first.generation)])

    assert (second.id, second.generation) == (first.id, first.generation + 1)
    assert await world.claim(exclude=[first.id]) == []


# --- waves ----------------------------------------------------------------------------------------------------------


async def test_a_wave_waits_for_the_one_before_also_while_that_is_in_flight_or_retried(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"), manifest("y"))
    await world.place(unit, {"a": [manifest("x"), manifest("y")]}, waves={"x": 1, "y": 5})
    [x] = await world.claim()
    assert x.key.name == "x"
    assert await world.claim(exclude=[x.id]) == []
    retry = WorkResult(id=x.id, generation=1, state=WorkState.RETRYING, reason="ServerError", retry_after_seconds=60)
    await world.results(retry)
    assert await world.claim() == []
    await world.results(applied(x))
    assert names(await world.claim()) == ["y"]


async def test_a_failed_wave_does_not_hold_back_the_next(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"), manifest("y"))
    await world.place(unit, {"a": [manifest("x"), manifest("y")]}, waves={"x": 1, "y": 5})
    [x] = await world.claim()
    failed = WorkResult(id=x.id, generation=1, state=WorkState.FAILED, reason="Denied", retry_after_seconds=300)
    await world.results(failed)
    assert names(await world.claim()) == ["y"]


async def test_removal_goes_from_the_highest_wave_down(
    world: Any, manifest: Manifest, applied: Result, gone: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"), manifest("y"))
    await world.place(unit, {"a": [manifest("x"), manifest("y")]}, waves={"x": 1, "y": 5})
    for name in ("x", "y"):
        [work] = await world.claim()
        assert work.key.name == name
        await world.results(applied(work))
    await world.place(unit, {})
    [y] = await world.claim()
    assert (y.key.name, y.removal, y.digest) == ("y", ObjectDeletion.BACKGROUND, None)
    await world.results(gone(y))
    assert names(await world.claim()) == ["x"]


async def test_a_removal_does_not_hold_back_what_is_to_be_applied(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"), manifest("y"))
    await world.place(unit, {"a": [manifest("x")]}, waves={"x": 1})
    [x] = await world.claim()
    await world.results(applied(x))
    await world.place(unit, {"a": [manifest("y")]}, waves={"y": 5})
    assert names(await world.claim()) == ["x", "y"]


async def test_waves_are_of_one_unit_and_one_cluster(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    await world.cluster("b")
    one = await world.unit(manifest("x"), manifest("y"))
    two = await world.unit(manifest("z"), name="two")
    both = [manifest("x"), manifest("y")]
    await world.place(one, {"a": both, "b": both}, waves={"x": 1, "y": 5})
    await world.place(two, {"a": [manifest("z")]}, waves={"z": 5})
    assert names(await world.claim("a")) == ["x", "z"]
    assert names(await world.claim("b")) == ["x"]


# --- removal --------------------------------------------------------------------------------------------------------


async def test_what_is_no_longer_wanted_is_removed_and_what_is_kept_stays(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    for name in ("a", "b", "c"):
        await world.cluster(name)
    unit = await world.unit(manifest("x"), manifest("y"))
    both = [manifest("x"), manifest("y")]
    await world.place(unit, {"a": both, "b": both, "c": both})
    for name in ("a", "b", "c"):
        await world.results(*(applied(work) for work in await world.claim(name)))
    await world.place(unit, {"a": [manifest("x")]}, kept=["b"])
    got = {(row.cluster, row.key.name): row.state for row in await world.works()}
    assert got == {
        ("a", "x"): WorkState.APPLIED,
        ("a", "y"): WorkState.REMOVING,
        ("b", "x"): WorkState.APPLIED,
        ("b", "y"): WorkState.APPLIED,
        ("c", "x"): WorkState.REMOVING,
        ("c", "y"): WorkState.REMOVING,
    }
    bindings = await world.run(works.bindings_of, [unit.uid])
    assert [binding.cluster for binding in bindings[unit.uid]] == ["a", "b"]


async def test_a_leaving_cluster_has_its_own_say(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    await world.run(clusters.mark_deleted, "a", ObjectDeletion.ORPHAN)
    await world.place(unit, {}, removal=ObjectDeletion.FOREGROUND)
    [work] = await world.claim()
    assert work.removal is ObjectDeletion.ORPHAN


async def test_wanted_again_before_the_removal_is_done(
    world: Any, manifest: Manifest, applied: Result, gone: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    await world.results(*(applied(work) for work in await world.claim()))
    await world.place(unit, {})
    [removal] = await world.claim()
    await world.place(unit, {"a": [manifest("x")]})
    await world.results(gone(removal))
    [work] = await world.claim()
    assert (work.removal, work.member_uid, work.applied_digest) == (None, "", None)
    assert work.digest is not None
    await world.results(applied(work))
    [row] = await world.works()
    assert row.state is WorkState.APPLIED


async def test_wanted_again_but_not_to_be_rendered_while_the_removal_was_in_flight_is_applied_when_it_can_be(
    world: Any, manifest: Manifest, applied: Result, gone: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    await world.results(*(applied(work) for work in await world.claim()))
    await world.place(unit, {})
    [removal] = await world.claim()
    await world.place(unit, {"a": [("OverrideFailed", manifest("x"))]})
    await world.results(gone(removal))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    assert (work.member_uid, work.digest is None) == ("", False)


async def test_an_object_that_another_unit_still_removes_has_to_wait(
    world: Any, manifest: Manifest, applied: Result, gone: Result
) -> None:
    await world.cluster("a")
    one = await world.unit(manifest("x"))
    await world.place(one, {"a": [manifest("x")]})
    await world.results(*(applied(work) for work in await world.claim()))
    await world.place(one, {})
    await world.unit()
    two = await world.unit(manifest("x"), name="two")
    waiting = await world.place(two, {"a": [manifest("x")]})
    assert [(cluster, key.name) for cluster, key in waiting] == [("a", "x")]
    await world.results(*(gone(work) for work in await world.claim()))
    assert await world.place(two, {"a": [manifest("x")]}) == []
    assert [work.unit_name for work in await world.claim()] == ["namespaces/shop/units/two"]


# --- errors, modes, drift -------------------------------------------------------------------------------------------


async def test_what_cannot_be_rendered_fails_and_keeps_what_the_member_has(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    await world.results(applied(work))
    await world.place(unit, {"a": [("OverrideFailed", manifest("x"))]})
    [row] = await world.works()
    assert (row.state, row.reason, row.applied_digest) == (WorkState.FAILED, "OverrideFailed", work.digest)
    assert await world.claim() == []
    await world.place(unit, {"a": [manifest("x")]})
    await world.results(*(applied(work) for work in await world.claim()))
    [row] = await world.works()
    assert (row.state, row.reason) == (WorkState.APPLIED, "")


async def test_another_conflict_mode_lets_a_failed_work_be_tried_again(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    await world.results(
        WorkResult(id=(await world.claim())[0].id, generation=1, state=WorkState.FAILED, reason="Exists")
    )
    unit = await world.unit(manifest("x"), propagation=Propagation(drift=DriftMode.REPORT))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    assert work.drift is DriftMode.REPORT


async def test_drift_is_repaired_also_when_an_apply_was_in_flight(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    await world.run(works.mark_drifted, [work.id], reason="Drifted", message="", deleted=False)
    await world.results(applied(work))
    [again] = await world.claim()
    assert (again.digest, again.member_uid) == (work.digest, f"uid-{work.id}")


async def test_an_object_deleted_in_the_member_is_made_again(world: Any, manifest: Manifest, applied: Result) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    await world.results(applied(work))
    await world.run(works.mark_drifted, [work.id], reason="Deleted", message="", deleted=True)
    [again] = await world.claim()
    assert again.member_uid == ""


def observation(work_id: int, **changes: Any) -> WorkObservation:
    fields: dict[str, Any] = {
        "member_uid": "u",
        "health": "Healthy",
        "health_reason": "",
        "health_message": "",
        "status": {"readyReplicas": 1},
        "desired_replicas": 1,
        "ready_replicas": 1,
    }
    return WorkObservation(id=work_id, **(fields | changes))


async def test_only_what_differs_of_an_observation_is_written(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"), manifest("y"))
    await world.place(unit, {"a": [manifest("x"), manifest("y")]})
    x, y = await world.claim()
    seen: list[Change] = []
    assert await world.run(works.write_observations, [observation(x.id), observation(y.id)]) == 2
    world.store.on_commit(seen.extend)
    again = [observation(x.id), observation(y.id, ready_replicas=0)]
    assert await world.run(works.write_observations, again) == 1
    assert [(change.name, change.subject) for change in seen] == [(f"works/{y.id}", unit.resource_name)]
    assert [row.ready_replicas for row in await world.works()] == [1, 0]


@pytest.mark.parametrize("status", [{"m": "a\x00b"}, {"m": "\ud800"}, {"n": 2**80}], ids=["nul", "surrogate", "big"])
async def test_a_status_that_postgresql_cannot_keep_does_not_lose_the_batch(
    world: Any, manifest: Manifest, status: dict[str, Any]
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"), manifest("y"))
    await world.place(unit, {"a": [manifest("x"), manifest("y")]})
    x, y = await world.claim()
    await world.run(works.write_observations, [observation(x.id, status=status), observation(y.id)])
    assert [row.health for row in await world.works()] == ["Healthy", "Healthy"]


async def test_an_unreachable_member_burns_no_attempts(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    await world.run(works.mark_unreachable, "a", reason="Unreachable", message="refused")
    [work] = await world.claim()
    assert work.attempts == 0
    [row] = await world.works()
    assert (row.state, row.reason) == (WorkState.RETRYING, "Unreachable")
    assert await world.run(works.mark_unreachable, "a", reason="Unreachable", message="refused") == 0


async def test_forgetting_a_cluster_tells_watchers_of_its_works_and_decides_its_units_anew(
    world: Any, manifest: Manifest
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()
    seen: list[Change] = []
    world.store.on_commit(seen.extend)
    assert await world.run(clusters.forget, "a") == 1
    assert Change(kind="cluster", name="clusters/a", deleted=True) in seen
    assert Change(kind="work", name=f"works/{work.id}", subject=unit.resource_name, deleted=True) in seen


# --- fairness -------------------------------------------------------------------------------------------------------


async def test_a_unit_with_many_works_leaves_each_other_unit_its_turn_in_one_claim(
    world: Any, manifest: Manifest
) -> None:
    await world.cluster("a")
    many = [manifest(f"many-{number}") for number in range(30)]
    await world.place(await world.unit(*many, name="big"), {"a": many})
    for number in range(5):
        pair = [manifest(f"{half}-{number}") for half in ("first", "second")]
        await world.place(await world.unit(*pair, name=f"small-{number}"), {"a": pair})

    claimed = await world.claim(limit=12)

    found = [(work.unit_name.rpartition("/")[2].partition("-")[0], work.key.name.partition("-")[0]) for work in claimed]
    assert sorted(found[:6]) == [("big", "many"), *[("small", "first")] * 5]
    assert sorted(found[6:]) == [("big", "many"), *[("small", "second")] * 5]


async def test_units_are_looked_at_one_after_the_other_however_many_there_are(world: Any, manifest: Manifest) -> None:
    await world.cluster("a")
    for number in range(7):
        await world.place(await world.unit(manifest(f"x{number}"), name=f"u{number}"), {"a": [manifest(f"x{number}")]})
    found: list[str] = []
    async with world.store.look() as look:
        while uids := (await works.due(look, "a", limit=3, after=found[-1] if found else "")).units:
            assert len(uids) <= 3
            found += uids

    assert found == sorted({work.unit_uid for work in await world.claim()})
    assert len(found) == 7


async def test_a_unit_whose_works_wait_or_are_clean_is_not_looked_at(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    await world.cluster("a")
    for name in ("x", "y", "z"):
        await world.place(await world.unit(manifest(name), name=name), {"a": [manifest(name)]})
    x, y, z = sorted(await world.claim(), key=lambda work: work.key.name)
    retry = WorkResult(id=y.id, generation=1, state=WorkState.RETRYING, reason="ServerError", retry_after_seconds=60)
    await world.results(applied(x), retry)

    async with world.store.look() as look:
        assert (await works.due(look, "a", limit=10)).units == (z.unit_uid,)


async def test_a_work_that_is_written_twice_waits_for_nobody_who_holds_its_unit(
    world: Any, manifest: Manifest, applied: Result
) -> None:
    await world.cluster("a")
    unit = await world.unit(manifest("x"))
    await world.place(unit, {"a": [manifest("x")]})
    [work] = await world.claim()

    async with asyncio.timeout(20), world.store.transaction() as holder:
        await units.lock_generations(holder, [unit.uid])
        async with world.store.transaction() as tx:
            await works.write_results(tx, [applied(work)])
            await works.write_observations(tx, [observation(work.id)])

    [stored] = await world.works()
    assert (stored.state, stored.health) == ("Applied", "Healthy")


async def test_what_was_made_since_its_removal_was_decided_is_not_taken_for_counted(
    world: Any, manifest: Callable[..., dict[str, Any]], applied: Callable[[Any], WorkResult]
) -> None:
    unit = await world.unit(manifest("x"))
    await world.cluster("a")
    await world.place(unit, {"a": [manifest("x")]})
    (claimed,) = await world.claim()
    await world.place(unit, {})  # nobody knows of an object yet, so none is counted
    await world.results(applied(claimed))

    (work,) = await world.claim()

    assert (work.removal is not None, work.member_uid) == (True, "")
    assert work.applied_digest == claimed.digest
    assert await world.run(removals.found, work, "uid-1") == "ClusterLeft"
    assert [one.member_uid for one in await world.claim()] == ["uid-1"]
