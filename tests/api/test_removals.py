import asyncio
from typing import Any

import grpc
import pytest

from fedsvc.model.cluster import ObjectDeletion
from fedsvc.model.unit import WorkState
from fedsvc.model.work import Binding, DesiredWork, WorkResult
from fedsvc.store import removals, units, works
from fedsvc.store.sql import text
from fedsvc.store.store import Store
from fedsvc.v1 import (
    cluster_service_pb2,
    fleet_pb2,
    placement_pb2,
    placement_service_pb2,
    removal_pb2,
    removal_service_pb2,
    resource_service_pb2,
    unit_pb2,
    unit_service_pb2,
)

WEB = "namespaces/shop/units/web"
ON_A = placement_pb2.Placement(clusters=placement_pb2.ClusterNames(names=["a"]))
NOWHERE = placement_pb2.Placement(clusters=placement_pb2.ClusterNames(names=["none"]))


async def budget(api: Any, **said: Any) -> None:
    told = removal_pb2.RemovalBudget(**{"percent_per_change": 0, "percent_per_hour": 0, **said})
    settings = fleet_pb2.FleetSettings(spec=fleet_pb2.FleetSettingsSpec(removals=told))
    await api.placement.UpdateFleetSettings(placement_service_pb2.UpdateFleetSettingsRequest(fleet_settings=settings))


async def runs(api: Any, store: Store, helpers: Any, *names: str, **spec: Any) -> None:
    """A unit "web" of ConfigMaps that clusters "a" and "b" hold."""
    for cluster in ("a", "b"):
        await api.join(cluster)
    await api.apply("web", *map(helpers.config_map, names), **{"placement": helpers.everywhere(), **spec})
    async with store.transaction() as tx:
        unit = await units.get(tx, "shop", "web")
        resources = await units.resources_of(tx, unit.uid)
        await units.lock_generations(tx, [unit.uid])
        plan = works.UnitSync(
            unit=unit,
            bindings=[
                Binding(unit_uid=unit.uid, cluster=name, replicas={}, render_key=b"x", decision=unit.uid)
                for name in ("a", "b")
            ],
            desired={
                name: [DesiredWork(cluster=name, key=one.key, wave=2, digest=one.digest) for one in resources]
                for name in ("a", "b")
            },
            removal=ObjectDeletion.BACKGROUND,
        )
        await works.sync_units(tx, [plan])
        await units.set_decided(tx, [units.DecidedUnit(unit=unit)])
        held = (await works.of_units(tx, [unit.uid]))[unit.uid]
        done = [
            WorkResult(
                id=work.id,
                generation=1,
                state=WorkState.APPLIED,
                applied_digest=work.desired_digest,
                member_uid=f"uid-{work.id}",
            )
            for work in held
        ]
        assert await works.write_results(tx, done) == len(held)


def apply(api: Any, helpers: Any, *names: str, confirmed: str = "", **spec: Any) -> Any:
    asked = helpers.apply_request("web", *map(helpers.config_map, names), **{"placement": helpers.everywhere(), **spec})
    asked.confirmed_removals.extend([confirmed] if confirmed else [])
    return api.units.ApplyUnit(asked)


def delete(api: Any, *, confirmed: str = "", **more: Any) -> Any:
    names = [confirmed] if confirmed else []
    return api.units.DeleteUnit(unit_service_pb2.DeleteUnitRequest(name=WEB, confirmed_removals=names, **more))


async def granted(store: Store) -> int:
    async with store.reader() as tx:
        return (await units.get(tx, "shop", "web")).granted_removals


async def test_an_apply_that_removes_more_is_refused_until_its_unit_is_named(
    api: Any, store: Store, helpers: Any
) -> None:
    await runs(api, store, helpers, "one", "two", "three")
    await budget(api, objects_per_change=3)
    refusal = await helpers.refused(apply(api, helpers, "three"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "REMOVAL_UNCONFIRMED")
    assert refusal.metadata == {"name": WEB, "objects": "4", "why": "OverBudget"}
    assert refusal.message == (
        "4 objects would be removed from members: v1 ConfigMap shop/one on a, b, v1 ConfigMap shop/two on a, b; "
        "4 objects are more than the 3 that may go in one change: "
        f"confirm it by naming {WEB} in confirmed_removals"
    )
    assert (await helpers.refused(apply(api, helpers, "three", confirmed="web"))).fields == [
        ("confirmed_removals[0]", f"'web' is not what this call is for: write {WEB}")
    ]
    await apply(api, helpers, "three", confirmed=WEB)
    assert await granted(store) == 4


async def test_what_was_confirmed_does_not_use_up_the_hour(api: Any, store: Store, helpers: Any) -> None:
    await runs(api, store, helpers, "one", "two", "three", "four")
    await budget(api, objects_per_change=3, objects_per_hour=3)
    await apply(api, helpers, "three", "four", confirmed=WEB)
    await apply(api, helpers, "one", "two", "three", "four")
    await apply(api, helpers, "two", "three", "four")
    refusal = await helpers.refused(apply(api, helpers, "three", "four"))
    assert "2 objects were removed in the last hour, and 2 more pass the 3 that may go in an hour" in refusal.message


@pytest.mark.parametrize("spec", [{"placement": NOWHERE}, {"names": ()}], ids=["on no cluster", "no resources"])
async def test_an_apply_that_leaves_nothing_of_a_unit_is_refused(
    api: Any, store: Store, helpers: Any, spec: dict[str, Any]
) -> None:
    await runs(api, store, helpers, "one")
    names = spec.get("names", ("one",))
    said = {"placement": spec["placement"]} if "placement" in spec else {}
    refusal = await helpers.refused(apply(api, helpers, *names, **said))
    assert (refusal.reason, refusal.metadata["why"]) == ("REMOVAL_UNCONFIRMED", "Emptied")
    await apply(api, helpers, *names, confirmed=WEB, **said)


async def test_a_trial_tells_what_the_real_call_would(api: Any, store: Store, helpers: Any) -> None:
    await runs(api, store, helpers, "one")
    await budget(api, objects_per_change=1)
    assert (await helpers.refused(delete(api, validate_only=True))).reason == "REMOVAL_UNCONFIRMED"
    await delete(api, validate_only=True, confirmed=WEB)
    assert await granted(store) == 0
    async with store.transaction() as tx:
        assert await removals.spent(tx) == (0, 0)


async def test_a_small_change_needs_no_confirmation(api: Any, store: Store, helpers: Any) -> None:
    await runs(api, store, helpers, "one", "two")
    await apply(api, helpers, "two", placement=ON_A)
    assert await granted(store) == 3  # one on a, both on b
    await delete(api)


async def test_a_unit_may_have_a_budget_of_its_own(api: Any, store: Store, helpers: Any) -> None:
    own = removal_pb2.RemovalBudget(objects_per_change=1)
    await runs(api, store, helpers, "one", "two", removals=own)
    assert (await helpers.refused(apply(api, helpers, "two", removals=own))).metadata["objects"] == "2"
    wrong = removal_pb2.RemovalBudget(objects_per_hour=1, percent_per_change=101)
    assert [path for path, _ in (await helpers.refused(apply(api, helpers, "one", removals=wrong))).fields] == [
        "unit.spec.removals.percent_per_change",
        "unit.spec.removals.objects_per_hour",
    ]


async def test_a_protected_unit_loses_nothing_until_protection_is_taken_back(
    api: Any, store: Store, helpers: Any
) -> None:
    await runs(api, store, helpers, "one", "two", protected=True)
    calls = [
        apply(api, helpers, "one", protected=False, confirmed=WEB),
        apply(api, helpers, "one", "two", placement=ON_A, protected=True),
        delete(api, confirmed=WEB),
        api.clusters.DeleteCluster(cluster_service_pb2.DeleteClusterRequest(name="clusters/a")),
    ]
    for call in calls:
        refusal = await helpers.refused(call)
        assert (refusal.reason, refusal.metadata) == ("PROTECTED", {"name": WEB})
    await apply(api, helpers, "one", "two", "three", protected=True)  # it may grow
    await apply(api, helpers, "one", "two", "three", protected=False)
    await delete(api)


async def test_a_cluster_that_leaves_with_many_objects_is_to_be_named(api: Any, store: Store, helpers: Any) -> None:
    await runs(api, store, helpers, "one", "two")
    await budget(api, objects_per_change=1)
    leave: dict[str, Any] = {"name": "clusters/a", "objects": cluster_service_pb2.OBJECT_DELETION_BACKGROUND}
    refusal = await helpers.refused(api.clusters.DeleteCluster(cluster_service_pb2.DeleteClusterRequest(**leave)))
    assert f"2 of {WEB}" in refusal.message
    request = cluster_service_pb2.DeleteClusterRequest(**leave, confirmed_removals=["clusters/a"])
    assert (await api.clusters.DeleteCluster(request)).work_count == 2


async def test_orphans_are_not_counted(api: Any, store: Store, helpers: Any) -> None:
    await runs(api, store, helpers, "one", "two")
    await budget(api, objects_per_change=0, objects_per_hour=0)
    await api.clusters.DeleteCluster(cluster_service_pb2.DeleteClusterRequest(name="clusters/a"))
    await delete(api, cascade=cluster_service_pb2.OBJECT_DELETION_ORPHAN)


async def test_held_removals_are_listed_and_confirmed(api: Any, store: Store, helpers: Any) -> None:
    await runs(api, store, helpers, "one")
    async with store.transaction() as tx:
        unit = await units.get(tx, "shop", "web")
        await units.lock_generations(tx, [unit.uid])
        plan = works.UnitSync(unit=unit, bindings=[], desired={}, removal=ObjectDeletion.BACKGROUND)
        synced = await works.sync_units(tx, [plan])
        assert [doomed.cluster for doomed in synced.doomed] == ["a", "b"]
        await removals.hold(tx, {doomed.id: ("OverBudget", "too many") for doomed in synced.doomed})
    listed = (await api.resources.ListWorks(resource_service_pb2.ListWorksRequest(only_removals=True))).works
    assert [(work.state, work.reason, work.removal.cause) for work in listed] == [
        (unit_pb2.WORK_STATE_HELD, "OverBudget", "ClusterLeft")
    ] * 2
    confirm = removal_service_pb2.ConfirmRemovalsRequest
    first = await api.removals.ConfirmRemovals(confirm(subject="clusters/b"))
    second = await api.removals.ConfirmRemovals(confirm(subject=WEB))
    third = await api.removals.ConfirmRemovals(confirm(subject="fleet"))
    counts = [[(one.unit, one.object_count) for one in answer.removals] for answer in (first, second, third)]
    assert counts == [[(WEB, 1)], [(WEB, 1)], []]
    listed = (await api.resources.ListWorks(resource_service_pb2.ListWorksRequest(only_removals=True))).works
    assert [work.state for work in listed] == [unit_pb2.WORK_STATE_REMOVING] * 2


async def test_who_counts_and_who_decides_take_their_locks_in_one_order(api: Any, store: Store, helpers: Any) -> None:
    await runs(api, store, helpers, "one")
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with store.transaction() as tx:  # as placement does: the unit's row first, then the count
        unit = await units.get(tx, "shop", "web")
        await units.lock_generations(tx, [unit.uid])
        deletion = asyncio.ensure_future(delete(api))
        async with asyncio.timeout(10):
            while not (await tx.execute(waiting)).scalar_one():
                await asyncio.sleep(0.01)
        assert await removals.spent(tx) == (0, 0)
    assert (await deletion).unit.HasField("delete_time")
