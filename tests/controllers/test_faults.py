import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from fedsvc.controllers import group_writing, metrics, storing
from fedsvc.model.cluster import Credential
from fedsvc.model.unit import UnitState
from fedsvc.simulator import Faults, Outage
from fedsvc.store import clusters, works

PATH = "/api/v1/namespaces/shop/configmaps/settings"


@pytest.mark.parametrize(
    ("faults", "state", "reason"),
    [
        pytest.param(Faults(outage=Outage.REFUSED), "Retrying", "MemberUnreachable", id="refused"),
        pytest.param(Faults(outage=Outage.BLACK_HOLE), "Retrying", "MemberUnreachable", id="black-hole"),
        pytest.param(Faults(credentials_revoked=True), "Retrying", "CredentialsInvalid", id="401"),
        pytest.param(Faults(error_status=429, retry_after_seconds=1), "Retrying", "TooManyRequests", id="429"),
        pytest.param(Faults(error_status=500), "Retrying", "MemberError", id="500"),
        pytest.param(Faults(error_status=503), "Retrying", "MemberError", id="503"),
        pytest.param(Faults(error_status=410), "Retrying", "Conflict", id="410"),
        pytest.param(Faults(error_status=422), "Failed", "Invalid", id="422"),
        pytest.param(Faults(error_status=400), "Failed", "Invalid", id="400"),
        pytest.param(Faults(garbage=True), "Retrying", "BadAnswer", id="garbage"),
        pytest.param(Faults(reject_writes="admission webhook said no"), "Failed", "Denied", id="admission"),
    ],
)
async def test_a_member_in_trouble_says_so_and_delays_no_other(
    world: Any, make_config_map: Callable[..., Any], faults: Faults, state: str, reason: str
) -> None:
    await world.apply("first", make_config_map("first"))  # the kinds that members serve are known
    await world.until_state("first", UnitState.READY)
    world.member("b").inject(faults)

    await world.apply("web", make_config_map())

    await world.until_work("a", "Applied", unit="web")
    await world.until_work("c", "Applied", unit="web")
    await world.until_work("b", state, reason, unit="web")

    world.member("b").inject(Faults())
    if state == "Failed":
        async with world.store.transaction() as tx:
            await works.wake_cluster(tx, "b")
        await world.change_cluster("b", labels={"touched": "yes"})
    await world.until_state("web", UnitState.READY, seconds=15)
    assert metrics.MEMBER_PAUSED.labels("b")._value.get() == 0


async def test_a_paused_member_burns_no_attempts(world: Any, make_config_map: Callable[..., Any]) -> None:
    world.member("b").inject(Faults(outage=Outage.REFUSED))
    await world.apply("web", *[make_config_map(f"settings-{number}") for number in range(30)])

    async def all_wait() -> bool:
        found = await world.works("web", cluster="b")
        return len(found) == 30 and all(work.reason == "MemberUnreachable" for work in found)

    await world.until(all_wait)
    assert {work.attempts for work in await world.works("web", cluster="b")} == {0}
    status = await world.until_state("web", UnitState.DEGRADED)
    assert [line.reason for line in status.clusters if line.cluster == "b"] == ["MemberUnreachable"]

    world.member("b").inject(Faults())
    await world.until_state("web", UnitState.READY)


async def test_a_right_that_is_missing_is_named_with_verb_and_resource(
    world: Any, make_config_map: Callable[..., Any]
) -> None:
    client = world.client("b")
    await client.post("/api/v1/namespaces", {"metadata": {"name": "fed"}})
    account = "/api/v1/namespaces/fed/serviceaccounts"
    await client.post(account, {"metadata": {"name": "weak"}})
    await client.post(
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        {"metadata": {"name": "weak"}, "rules": [{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["*"]}]},
    )
    await client.post(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "metadata": {"name": "weak"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "weak"},
            "subjects": [{"kind": "ServiceAccount", "name": "weak", "namespace": "fed"}],
        },
    )
    answer = await client.post(f"{account}/weak/token", {"spec": {}})
    async with world.store.transaction() as tx:
        cluster = await clusters.lock(tx, "b")
        credential = Credential(token=answer["status"]["token"])
        await clusters.update(tx, replace(cluster, connection=replace(cluster.connection, credential=credential)))
    await world.apply("web", make_config_map())

    work = await world.until_work("b", "Failed", "Forbidden")
    assert "configmaps" in work.message
    assert "patch" in work.message

    await client.patch(
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/weak",
        orjson.dumps({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}),
    )
    await world.change_cluster("b", labels={"rejoined": "yes"})
    await world.until_work("b", "Applied")


async def test_a_refusal_that_is_stored_after_it_was_mended_is_tried_again_at_once(
    world: Any, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    refused, woken, stored_late = asyncio.Event(), asyncio.Event(), asyncio.Event()
    store_group, wake_cluster = storing.write, works.wake_cluster

    async def store_late(store: Any, act: Any) -> Any:
        if any(result.state == "Failed" for result in act.keywords.get("results", ())):
            refused.set()
            await stored_late.wait()
        return await store_group(store, act)

    async def wake(tx: Any, cluster: str) -> None:
        await wake_cluster(tx, cluster)
        woken.set()

    world.member("b").inject(Faults(reject_writes="not before noon"))
    monkeypatch.setattr(group_writing, "write", store_late)
    await world.apply("web", make_config_map())
    async with asyncio.timeout(10):
        await refused.wait()
        world.member("b").inject(Faults())
        monkeypatch.setattr(works, "wake_cluster", wake)
        await world.change_cluster("b", labels={"rejoined": "yes"})
        await woken.wait()
    stored_late.set()

    await world.until_work("b", "Applied")  # else it waits for the minutes that a refusal does


async def test_a_kind_that_is_not_served_is_that_cluster_alone(world: Any, make_config_map: Callable[..., Any]) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "x", "namespace": "shop"}}
    # It runs there already: a kind that is missing keeps new units away alone.
    await world.apply("web", make_config_map())
    await world.until_state("web", UnitState.READY)
    await world.apply("web", make_config_map(), widget)

    work = await world.until_work("a", "Retrying", "KindNotServed")

    assert "Widget" in work.message
    await world.until_work("a", "Applied")


async def test_an_immutable_field_is_told_with_what_to_do(world: Any, make_deployment: Callable[..., Any]) -> None:
    await world.apply("web", make_deployment())
    await world.until_state("web", UnitState.READY)
    changed = make_deployment()
    changed["spec"]["selector"]["matchLabels"] = {"app": "other"}
    changed["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    await world.apply("web", changed)

    work = await world.until_work("a", "Failed", "ImmutableField")
    assert "propagation.immutable" in work.message


async def test_an_invalid_object_fails_in_the_words_of_the_member(
    world: Any, make_deployment: Callable[..., Any]
) -> None:
    wrong = make_deployment()
    wrong["spec"]["template"]["metadata"]["labels"] = {"app": "another"}
    await world.apply("web", wrong)
    work = await world.until_work("a", "Failed", "Invalid")
    assert "selector" in work.message


async def test_a_slow_member_delays_no_other(world: Any, make_config_map: Callable[..., Any]) -> None:
    world.member("b").inject(Faults(latency_seconds=1.5))
    await world.apply("web", *[make_config_map(f"settings-{number}") for number in range(60)])

    async def others_done() -> bool:
        found = await world.works("web")
        return all(work.state == "Applied" for work in found if work.cluster != "b") and len(found) == 180

    await world.until(others_done)
    assert any(work.state == "Pending" for work in await world.works("web", cluster="b"))
