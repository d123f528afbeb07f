"""Objects of people's own kinds are judged by status policies: at once when these change, on objects that do not."""

from typing import Any

from fedsvc.model.unit import UnitState
from fedsvc.rendering.status.rules import Aggregation, FieldRule, StatusRule
from fedsvc.store import policies

WIDGETS = ("example.com", "widgets")
DEFINITION = {
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
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
WIDGET = {
    "apiVersion": "example.com/v1",
    "kind": "Widget",
    "metadata": {"name": "one", "namespace": "shop"},
    "spec": {"size": 3},
}


async def say(world: Any, *rules: StatusRule) -> None:
    async with world.store.transaction() as tx:
        if rules:
            await policies.apply(tx, policies.STATUS, name="widgets", labels={}, spec=rules)
        else:
            await policies.delete(tx, policies.STATUS, "widgets")


async def until_shown(world: Any, cluster: str, *wanted: Any) -> None:
    async def shown() -> bool:
        works = [work for work in await world.works("custom", cluster=cluster) if work.key.kind == "Widget"]
        if not works:
            return False
        (work,) = works
        found = (work.health, work.health_reason, work.desired_replicas, work.ready_replicas)
        return found == wanted

    await world.until(shown)


def set_status(world: Any, cluster: str, **status: Any) -> None:
    member = world.member(cluster)
    stored = member.registry.read(member.kind(WIDGETS), "shop", "one")
    member.registry.write_status(stored, status, "widget-controller")


async def test_a_policy_that_comes_changes_and_goes_judges_objects_that_do_not_change(world: Any) -> None:
    await world.apply("custom", DEFINITION, WIDGET)
    await world.until_state("custom", UnitState.READY)
    set_status(world, "a", done=1)
    set_status(world, "b", done=3)
    rule = StatusRule(
        group="example.com",
        kind="Widget",
        health="status.done == spec.size",
        reason="'Done' + string(status.done)",
        desired_replicas="spec.size",
        ready_replicas="status.done",
        fields=(FieldRule(name="done", value="status.done", aggregation=Aggregation.SUM),),
    )

    await say(world, rule)
    await until_shown(world, "a", "Progressing", "Done1", 3, 1)
    await until_shown(world, "b", "Healthy", "Done3", 3, 3)
    # The third member's object has no status yet, which is told and holds up nobody.
    await until_shown(world, "c", "Unknown", "StatusRuleFailed", 3, 0)
    (work,) = [work for work in await world.works("custom", cluster="c") if work.key.kind == "Widget"]
    assert work.health_message == "status policy widgets, health: there is no field done"
    assert set(work.observed_status["ruleErrors"]) == {"health", "reason", "readyReplicas", "fields[0].value"}
    await world.until_state("custom", UnitState.PROGRESSING)

    set_status(world, "a", done=3)
    await until_shown(world, "a", "Healthy", "Done3", 3, 3)
    await say(world, StatusRule(group="example.com", kind="Widget", health="'Degraded'", reason="'Never'"))
    await until_shown(world, "a", "Degraded", "Never", None, None)
    await say(world)
    for cluster in ("a", "b", "c"):
        await until_shown(world, cluster, "Healthy", "", None, None)
    await world.until_state("custom", UnitState.READY)


async def test_members_begin_with_the_policies_there_are(world: Any) -> None:
    await say(world, StatusRule(group="example.com", kind="Widget", health="false", reason="'Waiting'"))
    await world.apply("custom", DEFINITION, WIDGET)
    await until_shown(world, "a", "Progressing", "Waiting", None, None)
    await world.stop()
    await say(world, StatusRule(group="example.com", kind="Widget", health="true", reason="'Again'"))
    world.start()
    await until_shown(world, "a", "Healthy", "Again", None, None)
