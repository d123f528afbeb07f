"""Whose fields and objects are, against a real API server; the same behaviour is tested on the simulator beside this."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from fedsvc.api.diffing import diff_unit
from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError
from fedsvc.members.registry import Members
from fedsvc.model.cluster import Connection, Credential
from fedsvc.model.unit import ConflictMode, DriftMode, FieldPolicy, FieldRule, ImmutableMode, Propagation, UnitState
from fedsvc.rendering.identity import key_of
from fedsvc.store import clusters, handing, recreations, units
from fedsvc.testing.control_plane import ControlPlane
from fedsvc_placement import Placement

pytestmark = [pytest.mark.kube, pytest.mark.slow]

PATH = "/api/v1/namespaces/shop/configmaps/settings"
WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
ON_REAL = Placement(clusters=("real",))
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


@pytest.fixture(scope="module")
async def plane(kube_assets: Path) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(name="real", assets=kube_assets) as made:
        yield made


@pytest.fixture
async def real(quiet_world: Any, plane: ControlPlane) -> AsyncIterator[MemberClient]:
    """The administrator's client of a real member, which is registered; its namespace `shop` is empty."""
    connection = Connection(
        endpoint=plane.server, ca_pem=plane.ca_file.read_bytes(), credential=Credential(token=plane.token)
    )
    await quiet_world.register("real", connection=connection)
    quiet_world.settings = replace(quiet_world.settings, request_timeout_seconds=10.0)
    quiet_world.start()
    async with MemberClient(connection) as client:
        yield client
        for path in (PATH, WEB):
            await forget(client, path)


async def forget(client: MemberClient, path: str) -> None:
    try:
        await client.delete(path)
    except MemberStatusError as error:
        if error.code != 404:
            raise


async def test_a_field_that_is_ignored_from_now_on_keeps_what_its_writer_gave_it(
    quiet_world: Any, real: MemberClient, make_deployment: Callable[..., Any]
) -> None:
    rule = FieldRule(path="spec.replicas", policy=FieldPolicy.IGNORE)
    await quiet_world.apply("web", make_deployment(replicas=3), placement=ON_REAL)
    await quiet_world.until_work("real", "Applied")

    ignoring = Propagation(fields=(rule,))
    await quiet_world.apply("web", make_deployment(replicas=3), placement=ON_REAL, propagation=ignoring)

    async def let_go() -> bool:
        (work,) = await quiet_world.works("web")
        entries = (await real.get(WEB))["metadata"]["managedFields"]
        ours = next(entry for entry in entries if entry["manager"] == "fedsvc")
        return work.state == "Applied" and "f:replicas" not in ours["fieldsV1"]["f:spec"]

    await quiet_world.until(let_go)
    assert (await real.get(WEB))["spec"]["replicas"] == 3
    await real.patch(WEB, orjson.dumps({"spec": {"replicas": 7}}), field_manager="autoscaler")
    await quiet_world.apply(
        "web", make_deployment(replicas=3, image="nginx:2"), placement=ON_REAL, propagation=ignoring
    )

    async def applied() -> bool:
        live = await real.get(WEB)
        return bool(live["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:2")

    await quiet_world.until(applied)
    assert (await real.get(WEB))["spec"]["replicas"] == 7


async def test_a_forced_and_a_failing_field_are_judged_by_the_words_of_a_real_server(
    quiet_world: Any, real: MemberClient, make_deployment: Callable[..., Any]
) -> None:
    image = "spec.template.spec.containers[name=web].image"
    rules = (
        FieldRule(path=image, policy=FieldPolicy.FORCE),
        FieldRule(path="spec.replicas", policy=FieldPolicy.FAIL),
    )
    propagation = Propagation(drift=DriftMode.REPORT, fields=rules)
    await quiet_world.apply("web", make_deployment(), placement=ON_REAL, propagation=propagation)
    await quiet_world.until_work("real", "Applied")
    pod = {"spec": {"containers": [{"name": "web", "image": "evil"}]}}
    patch = orjson.dumps({"spec": {"template": pod}})
    await real.patch(WEB, patch, field_manager="kubectl-edit")

    async def back() -> bool:
        live = await real.get(WEB)
        return bool(live["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.27")

    await quiet_world.until(back)
    await real.patch(WEB, orjson.dumps({"spec": {"replicas": 7}}), field_manager="kubectl-edit")
    await quiet_world.until_work("real", "Drifted", "DriftDetected")
    await quiet_world.apply("web", make_deployment(replicas=4), placement=ON_REAL, propagation=propagation)

    work = await quiet_world.until_work("real", "Drifted", "FieldConflict")
    assert "spec.replicas" in work.message
    assert "kubectl-edit" in work.message
    assert (await real.get(WEB))["spec"]["replicas"] == 7


async def test_what_kubectl_applied_goes_with_the_template(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any]
) -> None:
    theirs = make_config_map(a="1", old="gone")
    theirs["metadata"]["annotations"] = {LAST_APPLIED: orjson.dumps(theirs).decode()}
    with_namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    await real.apply("/api/v1/namespaces/shop", orjson.dumps(with_namespace), force=True, field_manager="test")
    manager = {"fieldManager": "kubectl-client-side-apply"}
    await real.post("/api/v1/namespaces/shop/configmaps", theirs, manager)

    propagation = Propagation(conflict=ConflictMode.ADOPT, migrate=("kubectl",))
    await quiet_world.apply("web", make_config_map(a="2"), placement=ON_REAL, propagation=propagation)

    await quiet_world.until_work("real", "Applied")
    live = await real.get(PATH)
    assert live["data"] == {"a": "2"}
    assert LAST_APPLIED not in live["metadata"]["annotations"]
    assert {entry["manager"] for entry in live["metadata"]["managedFields"]} == {"fedsvc"}


async def test_an_object_changes_hands_and_is_let_go_where_it_is(
    quiet_world: Any, real: MemberClient, make_deployment: Callable[..., Any], make_config_map: Callable[..., Any]
) -> None:
    await quiet_world.apply("web", make_deployment(), make_config_map("stays", a="1"), placement=ON_REAL)
    await quiet_world.until_state("web", UnitState.PROGRESSING, seconds=30)
    before = (await real.get(WEB))["metadata"]
    adopts = Propagation(adopts=("namespaces/shop/units/web",))

    await quiet_world.apply("other", make_deployment(replicas=3), placement=ON_REAL, propagation=adopts)

    async def moved() -> bool:
        live = await real.get(WEB)
        return live["metadata"]["annotations"]["fedsvc.io/unit"] == "shop/other" and live["spec"]["replicas"] == 3

    await quiet_world.until(moved, seconds=30)
    assert (await real.get(WEB))["metadata"]["uid"] == before["uid"]
    unit = await quiet_world.unit("other")
    async with quiet_world.store.transaction() as tx:
        await units.lock_generations(tx, [unit.uid])
        await handing.release(tx, unit.uid, [key_of(make_deployment())], author="test")

    async def let_go() -> bool:
        return not await quiet_world.works("other")

    await quiet_world.until(let_go, seconds=30)
    live = await real.get(WEB)
    assert (live["metadata"]["uid"], live["spec"]["replicas"]) == (before["uid"], 3)
    assert "fedsvc.io/managed" not in live["metadata"].get("labels", {})
    assert "fedsvc" not in {entry["manager"] for entry in live["metadata"]["managedFields"]}
    for name in ("web", "other"):
        await quiet_world.delete(name)
        await quiet_world.until_gone(name, seconds=30)


async def test_a_diff_knows_defaults_and_managers_of_a_real_server(
    quiet_world: Any, real: MemberClient, make_deployment: Callable[..., Any]
) -> None:
    report = Propagation(drift=DriftMode.REPORT)
    await quiet_world.apply("web", make_deployment(), placement=ON_REAL, propagation=report)
    await quiet_world.until_work("real", "Applied")
    unit = await quiet_world.unit("web")
    async with quiet_world.store.reader() as tx:
        cluster = await clusters.get(tx, "real")

    async with Members() as members:
        (same,) = await diff_unit(quiet_world.store, members, unit.uid, [cluster], seconds=10)
        await real.patch(WEB, orjson.dumps({"spec": {"replicas": 7, "paused": True}}), field_manager="kubectl-edit")
        generation = (await real.get(WEB))["metadata"]["generation"]
        (other,) = await diff_unit(quiet_world.store, members, unit.uid, [cluster], seconds=10)

    assert (same.compared_count, same.differences, same.trouble) == (1, [], "")
    (difference,) = other.differences
    fields = [(field.path, field.before, field.after, field.managers) for field in difference.fields]
    assert fields == [("spec.replicas", 7, 2, ("kubectl-edit",))]
    assert (await real.get(WEB))["metadata"]["generation"] == generation


def changed(manifest: Any, *path: Any, value: Any) -> Any:
    found = manifest = orjson.loads(orjson.dumps(manifest))
    for step in path[:-1]:
        found = found[step]
    found[path[-1]] = value
    return manifest


def named(kind: str, api_version: str, **fields: Any) -> Any:
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": "fixed", "namespace": "shop"}, **fields}


POD = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
JOB = named("Job", "batch/v1", spec={"template": changed(POD, "spec", "restartPolicy", value="Never")})
SET = named(
    "StatefulSet",
    "apps/v1",
    spec={"serviceName": "x", "selector": {"matchLabels": {"app": "x"}}, "template": POD},
)
SERVICE = named("Service", "v1", spec={"clusterIP": "10.0.0.77", "ports": [{"port": 80}], "selector": {"app": "x"}})
CLAIM = named(
    "PersistentVolumeClaim",
    "v1",
    spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "a"},
)
BINDING = named(
    "RoleBinding",
    "rbac.authorization.k8s.io/v1",
    roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
)
SETTINGS = named("ConfigMap", "v1", immutable=True, data={"a": "1"})


@pytest.mark.parametrize(
    ("manifest", "path", "value", "field"),
    [
        pytest.param(JOB, ("spec", "template", "spec", "containers", 0, "image"), "y", "spec.template", id="job"),
        pytest.param(SET, ("spec", "serviceName"), "y", "spec", id="statefulset"),
        pytest.param(SERVICE, ("spec", "clusterIP"), "10.0.0.78", "spec.clusterIPs[0]", id="service"),
        pytest.param(CLAIM, ("spec", "storageClassName"), "b", "spec", id="claim"),
        pytest.param(BINDING, ("roleRef", "name"), "b", "roleRef", id="rolebinding"),
        pytest.param(SETTINGS, ("data", "a"), "2", "data", id="configmap"),
    ],
)
async def test_what_a_real_server_says_of_what_cannot_be_changed_is_understood(
    quiet_world: Any, real: MemberClient, manifest: Any, path: tuple[Any, ...], value: Any, field: str
) -> None:
    recreate = Propagation(immutable=ImmutableMode.RECREATE)
    await quiet_world.apply("fixed", manifest, placement=ON_REAL, propagation=recreate)
    await quiet_world.until_work("real", "Applied")
    await quiet_world.apply(
        "fixed", changed(manifest, *path, value=value), placement=ON_REAL, propagation=Propagation()
    )
    work = await quiet_world.until_work("real", "Failed", "ImmutableField")
    assert work.message.startswith(f"{field} ")
    assert "propagation.immutable: recreate" in work.message

    await quiet_world.apply("fixed", changed(manifest, *path, value=value), placement=ON_REAL, propagation=recreate)
    work = await quiet_world.until_work("real", "Failed", "RecreationUnconfirmed")
    kind = manifest["kind"]
    unit = await quiet_world.unit("fixed")
    async with quiet_world.store.transaction() as tx:
        confirmed = await recreations.confirm(
            tx, unit.uid, api_version="", kind=kind, namespace="shop", name="fixed", clusters=["real"]
        )
    assert confirmed == ["real"]

    await quiet_world.until_work("real", "Applied", seconds=30)
    await quiet_world.delete("fixed")
    await quiet_world.until_gone("fixed", seconds=30)
