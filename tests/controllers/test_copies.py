"""What works name comes along: copied from the unit that holds it, before them, removed after the last of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fedsvc.errors import InUseError
from fedsvc.model.unit import UnitSpec, UnitState
from fedsvc.rendering.canonical import canonical_json
from fedsvc.rendering.overrides import Override, PatchOp, PatchOperation
from fedsvc.rollout import RolloutPolicy, RolloutWave
from fedsvc.store import references
from fedsvc_placement import ClusterMatcher, Placement

SETTINGS = "/api/v1/namespaces/shop/configmaps/settings"
SECRET = "/api/v1/namespaces/shop/secrets/registry"
ACCOUNT = "/api/v1/namespaces/shop/serviceaccounts/runner"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
NAMESPACE = b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}'
NOWHERE = UnitSpec()
PATIENT_SECONDS = 30.0  # a follower waits for the decision, the copy and the turn of its own work, one after the other


def following(*clusters: str) -> UnitSpec:
    return UnitSpec(placement=Placement(clusters=clusters), follow_dependencies=True)


def naming(deployment: dict[str, Any], **pod: Any) -> dict[str, Any]:
    """A Deployment whose pods name ConfigMap settings, and more."""
    volumes = [{"name": "v", "configMap": {"name": "settings"}}]
    deployment["spec"]["template"]["spec"].update({"volumes": volumes, **pod})
    return deployment


def condition(status: Any, type_: str) -> Any:
    return next(one for one in status.conditions if one.type == type_)


async def until_gone(world: Any, cluster: str, path: str) -> None:
    async def gone() -> bool:
        return await world.get(cluster, path) is None

    await world.until(gone, seconds=PATIENT_SECONDS)


async def until_there(world: Any, cluster: str, path: str) -> Any:
    async def there() -> Any:
        return await world.get(cluster, path)

    return await world.until(there, seconds=PATIENT_SECONDS)


async def test_what_a_pod_template_names_comes_along_before_it(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("shared", make_config_map(), make_config_map("unnamed"), spec=NOWHERE)
    await world.apply("web", naming(make_deployment()), spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)

    copy = await world.get("a", SETTINGS)
    assert copy["metadata"]["annotations"]["fedsvc.io/unit"] == "shop/shared"
    assert copy["metadata"]["creationTimestamp"] <= (await world.get("a", WEB))["metadata"]["creationTimestamp"]
    assert [(work.cluster, work.key.name) for work in await world.works("shared")] == [("a", "settings")]
    assert condition(await world.status("web"), "DependenciesMet").status == "True"
    status = await world.until_state("shared", UnitState.READY, seconds=PATIENT_SECONDS)
    placed = condition(status, "Placed")
    assert (placed.status, placed.reason) == ("True", "Copied")
    assert placed.message == "what others name of it is copied to 1 cluster: a"


async def test_it_is_the_order_of_applying_that_does_not_matter(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("web", naming(make_deployment()), spec=following("a", "b"))
    await until_there(world, "a", WEB)
    status = await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)
    assert condition(status, "DependenciesMet").message == (
        "all that it depends on is as far as it must be; no unit of the namespace holds ConfigMap shop/settings: "
        "it must be in the clusters by other means"
    )
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await until_there(world, "a", SETTINGS)
    await until_there(world, "b", SETTINGS)


async def test_works_wait_for_the_copy_and_say_so(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    held = make_config_map()
    held["metadata"]["finalizers"] = ["example.com/held"]
    await world.client("a").apply("/api/v1/namespaces/shop", NAMESPACE, force=False)
    await world.client("a").apply(SETTINGS, canonical_json(held), force=False)
    await world.client("a").delete(SETTINGS)
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await world.apply("web", naming(make_deployment()), spec=following("a"))

    text = (
        "a waits for v1 ConfigMap shop/settings of units/shared to be applied on a: it is Retrying: an object of that "
        "name is being deleted there"
    )

    async def told() -> bool:
        found = [one for one in (await world.status("web")).conditions if one.type == "DependenciesMet"]
        return bool(found) and found[0].reason == "CopyNotApplied" and text in found[0].message

    await world.until(told, seconds=PATIENT_SECONDS)
    assert await world.get("a", WEB) is None
    await world.client("a").patch(SETTINGS, b'{"metadata":{"finalizers":null}}', field_manager="me")
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)


async def test_several_follow_and_the_last_takes_the_copy_with_it(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    held = naming(make_deployment("api"))
    held["metadata"]["finalizers"] = ["example.com/held"]
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await world.apply("web", naming(make_deployment()), spec=following("a"))
    await world.apply("api", held, spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)
    await world.until_state("api", UnitState.READY, seconds=PATIENT_SECONDS)

    await world.delete("web")
    await world.until_gone("web", seconds=PATIENT_SECONDS)
    await world.delete("api")
    await world.until_work("a", "Removing", "BeingDeleted", unit="api")
    assert await world.get("a", SETTINGS) is not None

    path = "/apis/apps/v1/namespaces/shop/deployments/api"
    await world.client("a").patch(path, b'{"metadata":{"finalizers":null}}', field_manager="me")
    await world.until_gone("api", seconds=PATIENT_SECONDS)
    await until_gone(world, "a", SETTINGS)

    async def no_works() -> bool:
        return not await world.works("shared")

    await world.until(no_works, seconds=PATIENT_SECONDS)


async def test_a_copy_goes_where_the_follower_goes(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await world.apply("web", naming(make_deployment()), spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)

    await world.apply("web", naming(make_deployment()), spec=following("b"))

    await until_there(world, "b", WEB)
    assert await world.get("b", SETTINGS) is not None
    await until_gone(world, "a", SETTINGS)
    assert await world.get("a", WEB) is None


async def test_a_copy_is_never_taken_from_where_its_own_unit_is(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    on_a = Placement(clusters=("a",))
    await world.apply("shared", make_config_map(), make_config_map("more"), placement=on_a)
    await world.apply("web", naming(make_deployment()), spec=following("a", "b"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)
    assert await world.get("b", SETTINGS) is not None

    await world.delete("web")
    await world.until_gone("web", seconds=PATIENT_SECONDS)
    await until_gone(world, "b", SETTINGS)
    assert await world.get("a", SETTINGS) is not None


async def test_a_unit_that_comes_and_goes_leaves_its_copies(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    more = "/api/v1/namespaces/shop/configmaps/more"
    objects = make_config_map(), make_config_map("more")
    await world.apply("shared", *objects, spec=NOWHERE)
    await world.apply("web", naming(make_deployment()), spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)
    uid = (await world.get("a", SETTINGS))["metadata"]["uid"]

    await world.apply("shared", *objects, placement=Placement(clusters=("a", "b")))
    await until_there(world, "a", more)
    await until_there(world, "b", more)
    await world.apply("shared", *objects, placement=Placement(clusters=("b",)))
    await until_gone(world, "a", more)

    assert (await world.get("a", SETTINGS))["metadata"]["uid"] == uid


async def test_a_change_of_what_is_copied_reaches_the_copies_with_the_overrides_of_its_unit(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    override = Override(
        clusters=ClusterMatcher(names=("b",)),
        patch=(PatchOperation(op=PatchOp.REPLACE, path="/data/a", value="for b"),),
    )
    await world.apply("shared", make_config_map(a="1"), spec=UnitSpec(overrides=(override,)))
    await world.apply("web", naming(make_deployment()), spec=following("a", "b"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)
    assert [(await world.get(name, SETTINGS))["data"]["a"] for name in ("a", "b")] == ["1", "for b"]

    await world.apply("shared", make_config_map(a="2", more="3"), spec=UnitSpec(overrides=(override,)))

    async def changed() -> bool:
        found = [(await world.get(name, SETTINGS))["data"] for name in ("a", "b")]
        return found == [{"a": "2", "more": "3"}, {"a": "for b", "more": "3"}]

    await world.until(changed, seconds=PATIENT_SECONDS)


async def test_an_override_of_the_follower_decides_what_it_names_there(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    path = "/spec/template/spec/volumes/0/configMap/name"
    override = Override(
        clusters=ClusterMatcher(names=("b",)), patch=(PatchOperation(op=PatchOp.REPLACE, path=path, value="other"),)
    )
    await world.apply("shared", make_config_map(), make_config_map("other"), spec=NOWHERE)
    spec = UnitSpec(placement=Placement(clusters=("a", "b")), follow_dependencies=True, overrides=(override,))
    await world.apply("web", naming(make_deployment()), spec=spec)
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)

    found = {(work.cluster, work.key.name) for work in await world.works("shared")}
    assert found == {("a", "settings"), ("b", "other")}


async def test_an_account_brings_its_secrets_which_stay_sealed(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    metadata = {"namespace": "shop"}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry", **metadata}, "data": {"k": "djM="}}
    account = {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "runner", **metadata},
        "imagePullSecrets": [{"name": "registry"}],
    }
    await world.apply("accounts", account, spec=NOWHERE)
    await world.apply("secrets", secret, spec=NOWHERE)
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await world.apply("web", naming(make_deployment(), serviceAccountName="runner"), spec=following("a"))
    await until_there(world, "a", WEB)

    assert (await until_there(world, "a", SECRET))["data"] == {"k": "djM="}
    assert await world.get("a", ACCOUNT) is not None
    assert await world.count("manifest WHERE position('djM='::bytea IN body) > 0") == 0

    await world.delete("web")
    await world.until_gone("web", seconds=PATIENT_SECONDS)
    await until_gone(world, "a", ACCOUNT)
    await until_gone(world, "a", SECRET)


async def test_units_that_name_each_others_objects_come_and_go(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    def other(name: str) -> dict[str, Any]:
        return naming(make_deployment(name), volumes=[{"name": "v", "configMap": {"name": "other"}}])

    await world.apply("one", make_config_map(), other("one"), spec=following("a"))
    await world.apply("two", make_config_map("other"), naming(make_deployment("two")), spec=following("a"))
    await world.until_state("one", UnitState.READY, seconds=PATIENT_SECONDS)
    await world.until_state("two", UnitState.READY, seconds=PATIENT_SECONDS)

    one = await world.unit("one")
    with pytest.raises(InUseError, match="units/one is used by namespaces/shop/units/two"):
        await world.delete("one")
    await world.apply(
        "two", make_config_map("other"), naming(make_deployment("two")), placement=Placement(clusters=("a",))
    )

    async def let_go() -> bool:
        async with world.store.reader() as tx:
            return not await references.followers_of(tx, one.uid)

    await world.until(let_go, seconds=PATIENT_SECONDS)
    await world.delete("one")
    await world.delete("two")
    await world.until_gone("one", seconds=PATIENT_SECONDS)
    await world.until_gone("two", seconds=PATIENT_SECONDS)


async def test_a_unit_whose_objects_are_needed_is_not_deleted_before_those_who_need_them(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    held = naming(make_deployment())
    held["metadata"]["finalizers"] = ["example.com/held"]
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await world.apply("web", held, spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)
    with pytest.raises(InUseError, match="used by namespaces/shop/units/web: they name objects of it and have them"):
        await world.delete("shared")
    await world.delete("web")
    await world.delete("shared")

    async def told() -> bool:
        lines = (await world.status("shared")).clusters
        text = "v1 ConfigMap shop/settings: is removed after units/web, which names it"
        return [line.message for line in lines] == [text]

    await world.until(told, seconds=PATIENT_SECONDS)
    assert await world.get("a", SETTINGS) is not None
    await world.client("a").patch(WEB, b'{"metadata":{"finalizers":null}}', field_manager="me")
    await world.until_gone("shared", seconds=PATIENT_SECONDS)
    assert await world.get("a", SETTINGS) is None


async def test_who_follows_no_more_gives_the_copy_back(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await world.apply("web", naming(make_deployment()), spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)

    await world.apply("web", naming(make_deployment()), placement=Placement(clusters=("a",)))

    await until_gone(world, "a", SETTINGS)
    assert await world.get("a", WEB) is not None


async def test_what_the_law_binds_elsewhere_is_not_copied(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("shared", make_config_map(), placement=Placement(clusters=(), jurisdictions=("EU",)))
    await world.apply("web", naming(make_deployment()), spec=following("a"))

    async def told() -> bool:
        found = [one for one in (await world.status("web")).conditions if one.type == "DependenciesMet"]
        text = "ConfigMap shop/settings of units/shared, which is bound to EU and so not copied to a"
        return bool(found) and found[0].reason == "CopyWithheld" and text in found[0].message

    await world.until(told, seconds=PATIENT_SECONDS)
    assert await world.get("a", WEB) is None
    assert await world.get("a", SETTINGS) is None


async def test_copies_keep_to_the_stable_revision_until_a_rollout_is_over(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    manual = RolloutWave(name="canary", clusters=ClusterMatcher(names=("b",)), approval=True)
    placement = Placement(clusters=("b",))
    in_waves = UnitSpec(placement=placement, rollout=RolloutPolicy(waves=(manual,)))
    extra = {"name": "extra", "configMap": {"name": "extra"}}
    await world.apply("shared", make_config_map(a="1"), spec=in_waves)
    await world.apply("web", naming(make_deployment()), spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)

    await world.apply("shared", make_config_map(a="2"), make_config_map("extra"), spec=in_waves)
    other = naming(make_deployment())
    other["spec"]["template"]["spec"]["volumes"].append(extra)
    await world.apply("web", other, spec=following("a"))

    async def told() -> bool:
        found = condition(await world.status("web"), "DependenciesMet")
        return found.reason == "CopyWithheld" and "which revision 2 brings" in found.message

    await world.until(told, seconds=PATIENT_SECONDS)
    assert (await world.get("a", SETTINGS))["data"] == {"a": "1"}
    assert await world.get("a", "/api/v1/namespaces/shop/configmaps/extra") is None

    await world.apply("shared", make_config_map(a="2"), make_config_map("extra"), spec=replace(in_waves, rollout=None))

    async def over() -> bool:
        copy = await world.get("a", SETTINGS)
        web = await world.get("a", WEB)
        return bool(copy["data"] == {"a": "2"} and len(web["spec"]["template"]["spec"]["volumes"]) == 2)

    await world.until(over, seconds=PATIENT_SECONDS)


async def test_copies_are_made_up_for_after_a_restart(
    world: Any, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await world.apply("shared", make_config_map(), spec=NOWHERE)
    await world.apply("web", naming(make_deployment()), spec=following("a"))
    await world.until_state("web", UnitState.READY, seconds=PATIENT_SECONDS)
    await world.stop()
    await world.delete("web")
    world.start()
    await world.until_gone("web", seconds=PATIENT_SECONDS)
    await until_gone(world, "a", SETTINGS)
