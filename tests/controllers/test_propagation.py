from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from fedsvc.controllers import metrics
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.rendering.overrides import Override, PatchOp, PatchOperation
from fedsvc.simulator import Faults, Outage
from fedsvc.store import clusters, policies, units
from fedsvc_placement import (
    ClusterMatcher,
    LabelSelector,
    Mode,
    Placement,
    ReplicaPolicy,
    ReplicaRule,
    Taint,
    Toleration,
)

PATH = "/api/v1/namespaces/shop/configmaps/settings"


async def test_an_applied_unit_appears_in_every_member_and_is_ready(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(), make_deployment(replicas=2))

    status = await world.until_state("web", UnitState.READY)

    assert [line.cluster for line in status.clusters] == ["a", "b", "c"]
    assert (status.desired_replicas, status.ready_replicas) == (6, 6)
    assert {condition.type: condition.status for condition in status.conditions} == {
        "Placed": "True",
        "Applied": "True",
        "Ready": "True",
        "Heard": "True",
    }
    for name in ("a", "b", "c"):
        live = await world.get(name, PATH)
        assert live["data"] == {"a": "1"}
        assert live["metadata"]["labels"]["fedsvc.io/managed"] == "true"
        assert live["metadata"]["annotations"]["fedsvc.io/unit"] == "shop/web"


async def test_an_override_changes_the_object_in_its_clusters_only(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    override = Override(
        clusters=ClusterMatcher(names=("b",)),
        patch=(PatchOperation(op=PatchOp.REPLACE, path="/data/a", value="for b"),),
    )
    await world.apply("web", make_config_map(a="1"), overrides=[override])
    await world.until_state("web", UnitState.READY)

    assert [(await world.get(name, PATH))["data"]["a"] for name in ("a", "b", "c")] == ["1", "for b", "1"]


async def test_an_override_that_does_not_fit_stops_the_work_of_that_cluster_alone(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    override = Override(
        clusters=ClusterMatcher(names=("b",)),
        patch=(PatchOperation(op=PatchOp.REPLACE, path="/data/nothing/there", value="x"),),
    )
    await world.apply("web", make_config_map(), overrides=[override])

    status = await world.until_state("web", UnitState.DEGRADED)

    async def others_applied() -> bool:
        return [(work.cluster, work.state) for work in await world.works("web")] == [
            ("a", "Applied"),
            ("b", "Failed"),
            ("c", "Applied"),
        ]

    await world.until(others_applied)
    failed = await world.until_work("b", "Failed", "OverrideFailed")
    assert failed.message.startswith("spec.overrides[0].patch[0] cannot be carried out here: /data/nothing/there: ")
    assert status.state == UnitState.DEGRADED


async def test_replicas_are_divided_over_clusters(world: Any, make_deployment: Callable[..., Any]) -> None:
    replicas = ReplicaPolicy(
        mode=Mode.DIVIDED,
        clusters=(ReplicaRule(clusters=ClusterMatcher(names=("a",)), weight=2), ReplicaRule(weight=1)),
    )
    await world.apply(
        "web",
        make_deployment(replicas=8),
        placement=Placement(cluster_selector=LabelSelector(), replicas=replicas),
    )
    status = await world.until_state("web", UnitState.READY)

    assert [line.desired_replicas for line in status.clusters] == [4, 2, 2]
    assert status.ready_replicas == 8


async def test_a_label_change_moves_a_unit_and_leaves_untouched_units_alone(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    by_tier = Placement(cluster_selector=LabelSelector(match_labels=(("tier", "prod"),)))
    await world.change_cluster("a", labels={"tier": "prod"})
    await world.apply("moving", make_config_map("moving"), placement=by_tier)
    await world.apply("staying", make_config_map("staying"), placement=Placement(clusters=("c",)))
    await world.until_state("moving", UnitState.READY)
    await world.until_state("staying", UnitState.READY)
    decisions = await world.count("decision")

    await world.change_cluster("b", labels={"tier": "prod"})
    await world.change_cluster("a", labels={})

    async def moved() -> bool:
        return [(work.cluster, work.state) for work in await world.works("moving")] == [("b", "Applied")]

    await world.until(moved)
    assert await world.get("a", "/api/v1/namespaces/shop/configmaps/moving") is None
    assert await world.get("b", "/api/v1/namespaces/shop/configmaps/moving") is not None
    assert await world.count("decision WHERE unit_uid IN (SELECT uid FROM unit WHERE name = 'staying')") == 1
    assert await world.count("decision") in (decisions + 1, decisions + 2)


async def test_a_policy_change_reaches_the_units_that_use_it(world: Any, make_config_map: Callable[..., Any]) -> None:
    async with world.store.transaction() as tx:
        await policies.apply(tx, policies.PLACEMENT, name="p", labels={}, spec=Placement(clusters=("a",)))
        await policies.apply(tx, policies.OVERRIDE, name="o", labels={}, spec=(Override(annotations={"team": "one"}),))
    spec = UnitSpec(placement_policy="p", override_policies=("o",))
    await world.apply("web", make_config_map(), spec=spec)
    await world.until_state("web", UnitState.READY)

    async with world.store.transaction() as tx:
        await policies.apply(tx, policies.PLACEMENT, name="p", labels={}, spec=Placement(clusters=("b",)))
        await policies.apply(tx, policies.OVERRIDE, name="o", labels={}, spec=(Override(annotations={"team": "two"}),))

    async def moved() -> bool:
        live = await world.get("b", PATH)
        gone = await world.get("a", PATH) is None
        return gone and live is not None and live["metadata"]["annotations"]["team"] == "two"

    await world.until(moved)


async def test_a_namespace_that_is_missing_is_made_and_said_so(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map())
    await world.until_state("web", UnitState.READY)

    namespace = await world.get("a", "/api/v1/namespaces/shop")
    assert namespace["metadata"]["labels"]["fedsvc.io/created-for"] == "shop.web"
    assert "fedsvc.io/managed" not in namespace["metadata"]["labels"]

    async def told() -> bool:
        return any(reason == "NamespaceCreated" for _, reason, _ in await world.events())

    await world.until(told)


async def test_a_definition_and_its_objects_in_one_unit_are_applied_in_order(world: Any) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
                }
            ],
        },
    }
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": "shop"},
        "spec": {"size": 3},
    }
    await world.apply("custom", widget, definition)
    await world.until_state("custom", UnitState.READY, seconds=20)

    live = await world.get("a", "/apis/example.com/v1/namespaces/shop/widgets/one")
    assert live["spec"] == {"size": 3}


async def test_applying_the_same_again_writes_nothing(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map())
    await world.until_state("web", UnitState.READY)
    before = [await world.count(table) for table in ("decision", "change", "work", "binding", "manifest")]
    sent = [metrics.APPLIES.labels(name, "applied")._value.get() for name in ("a", "b", "c")]

    await world.apply("web", make_config_map())
    await world.apply("other", make_config_map("other"), placement=Placement(clusters=("a",)))  # a fence
    await world.until_state("other", UnitState.READY)

    assert await world.count("decision WHERE unit_uid IN (SELECT uid FROM unit WHERE name = 'web')") == before[0]
    assert [metrics.APPLIES.labels(name, "applied")._value.get() for name in ("a", "b", "c")] == [
        sent[0] + 1,
        sent[1],
        sent[2],
    ]


async def test_a_label_of_the_unit_changes_no_decision_and_no_work(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map())
    await world.until_state("web", UnitState.READY)
    rows = [await world.count(table) for table in ("decision", "work", "manifest")]
    generations = [(work.id, work.applied_time) for work in await world.works("web")]

    unit = await world.unit("web")
    async with world.store.transaction() as tx:
        await units.apply(
            tx,
            namespace="shop",
            name="web",
            labels={"team": "web"},
            annotations={},
            spec=unit.spec,
            resources=await units.resources_of(tx, unit.uid),
        )

    async def decided() -> bool:
        found = await world.unit("web")
        return found.generation == 2 and found.decided_generation == 2

    await world.until(decided)
    assert [await world.count(table) for table in ("decision", "work", "manifest")] == rows
    assert [(work.id, work.applied_time) for work in await world.works("web")] == generations


async def test_a_changed_template_changes_the_object_and_drops_fields(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(a="1", b="2"))
    await world.until_state("web", UnitState.READY)

    await world.apply("web", make_config_map(a="3"))

    async def changed() -> bool:
        return all([(await world.get(name, PATH))["data"] == {"a": "3"} for name in ("a", "b", "c")])

    await world.until(changed)


async def test_a_secret_is_sealed_at_rest_and_reaches_the_member(world: Any) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "key", "namespace": "shop"},
        "data": {"password": "aHVudGVyMg=="},
    }
    await world.apply("web", secret, placement=Placement(clusters=("a",)))
    await world.until_state("web", UnitState.READY)

    live = await world.get("a", "/api/v1/namespaces/shop/secrets/key")
    assert live["data"] == {"password": "aHVudGVyMg=="}
    assert await world.count("manifest WHERE position('aHVudGVyMg' in encode(body, 'escape')) > 0") == 0


async def test_a_unit_of_many_objects_is_applied_as_a_whole(world: Any, make_config_map: Callable[..., Any]) -> None:
    manifests = [make_config_map(f"settings-{number}") for number in range(300)]
    await world.apply("many", *manifests)

    status = await world.until_state("many", UnitState.READY, seconds=40)

    assert [line.applied_work_count for line in status.clusters] == [300, 300, 300]


async def test_unknown_clusters_are_a_warning_in_the_condition(world: Any, make_config_map: Callable[..., Any]) -> None:
    await world.apply("web", make_config_map(), placement=Placement(clusters=("a", "nowhere")))
    status = await world.until_state("web", UnitState.READY)
    assert "nowhere" in status.conditions[0].message


async def test_a_unit_that_fits_nowhere_is_unplaced_with_the_reason(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("web", make_config_map(), placement=Placement(clusters=("nowhere",)))
    status = await world.until_state("web", UnitState.UNPLACED)
    assert status.conditions[0].reason == "NoClusterFits"
    assert await world.works("web") == []


async def test_why_a_unit_fits_nowhere_follows_the_last_cluster_that_leaves_and_the_first_that_joins(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    nowhere = Placement(cluster_selector=LabelSelector(match_labels=(("name", "nowhere"),)))
    await world.apply("web", make_config_map(), placement=nowhere)

    async def placed() -> str:
        conditions = (await world.status("web")).conditions
        return conditions[0].reason if conditions else ""

    async def fits_nowhere() -> bool:
        return await placed() == "NoClusterFits"

    async def none_is_there() -> bool:
        return await placed() == "NoClusters"

    await world.until(fits_nowhere)
    async with world.store.transaction() as tx:
        for name in ("a", "b", "c"):
            await clusters.forget(tx, name)
    await world.until(none_is_there)
    await world.register("a", labels={"name": "a"})
    await world.until(fits_nowhere)


async def test_an_object_moves_between_units_when_the_old_work_is_gone(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    await world.apply("old", make_config_map("shared"), make_config_map("rest"), placement=Placement(clusters=("a",)))
    await world.until_state("old", UnitState.READY)
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    path = "/api/v1/namespaces/shop/configmaps/shared"
    await world.client("a").patch(path, orjson.dumps(held), field_manager="holder")
    await world.apply("old", make_config_map("rest"), placement=Placement(clusters=("a",)))
    await world.until_work("a", "Removing", "BeingDeleted")

    await world.apply("new", make_config_map("shared", a="new"), placement=Placement(clusters=("a",)))

    async def waits() -> bool:
        unit = await world.unit("new")
        return any(condition.reason == "WaitingForRemoval" for condition in unit.status.conditions)

    await world.until(waits)
    await world.client("a").patch(path, orjson.dumps({"metadata": {"finalizers": None}}), field_manager="holder")
    await world.until_state("new", UnitState.READY)
    assert (await world.get("a", path))["data"] == {"a": "new"}


async def test_a_toleration_that_ends_moves_the_unit_by_itself(world: Any, make_config_map: Callable[..., Any]) -> None:
    tolerated = Toleration(key="down", operator="Exists", toleration_seconds=1)
    placement = Placement(clusters=("a", "b"), tolerations=(tolerated,))
    await world.apply("web", make_config_map(), placement=placement)
    await world.until_state("web", UnitState.READY)

    await world.change_cluster("a", taints=[Taint(key="down", effect="NoExecute", time_added=datetime.now(UTC))])
    await world.until_work("a", "Applied", unit="web")

    async def left() -> bool:
        return [work.cluster for work in await world.works("web")] == ["b"]

    await world.until(left)
    assert await world.get("a", PATH) is None


async def test_a_cluster_that_is_forgotten_takes_its_works_along_at_once(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    world.member("b").inject(Faults(outage=Outage.BLACK_HOLE))
    await world.apply("web", make_config_map())
    await world.until_work("a", "Applied")

    async with world.store.transaction() as tx:
        await clusters.forget(tx, "b")

    async def told() -> bool:
        status = await world.status("web")
        return [line.cluster for line in status.clusters] == ["a", "c"] and status.state == UnitState.READY

    await world.until(told)
