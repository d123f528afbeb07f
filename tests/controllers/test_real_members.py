"""What controllers rely on, against a real API server; the same behaviour is tested on the simulator beside this."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from fedctl.join.rights import NAME, objects, rights_of
from fedsvc.controllers import health, outcomes
from fedsvc.members import discovery
from fedsvc.members.client import MemberClient
from fedsvc.members.errors import MemberStatusError
from fedsvc.model.cluster import Connection, Credential, ObjectDeletion
from fedsvc.model.unit import ConflictMode, DriftMode, Propagation, UnitState
from fedsvc.store import clusters
from fedsvc.testing.control_plane import ControlPlane
from fedsvc.testing.kubelet import create_node
from fedsvc.testing.members import Member
from fedsvc_placement import Placement

pytestmark = [pytest.mark.kube, pytest.mark.slow]

DEFINITIONS = Path(__file__).parents[2] / "deploy" / "mcs-api" / "crds.yaml"
PATH = "/api/v1/namespaces/shop/configmaps/settings"
ON_REAL = Placement(clusters=("real",))
WIDGETS = {
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
        await quiet_world.stop()  # or what is taken away would be put back
        for path in (PATH, "/apis/apps/v1/namespaces/shop/deployments/web"):
            await forget(client, path)


async def forget(client: MemberClient, path: str) -> None:
    try:
        await client.delete(path)
    except MemberStatusError as error:
        if error.code != 404:
            raise


async def get(client: MemberClient, path: str) -> Any:
    try:
        return await client.get(path)
    except MemberStatusError as error:
        if error.code != 404:
            raise
        return None


async def test_a_unit_is_applied_repaired_and_removed(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any], make_deployment: Callable[..., Any]
) -> None:
    await quiet_world.apply("web", make_config_map(a="1"), make_deployment(), placement=ON_REAL)

    async def applied() -> bool:
        return {work.state for work in await quiet_world.works("web")} == {"Applied"}

    await quiet_world.until(applied)
    await real.patch(PATH, orjson.dumps({"data": {"a": "2"}}), field_manager="kubectl-edit")

    async def back() -> bool:
        return bool((await real.get(PATH))["data"] == {"a": "1"})

    await quiet_world.until(back)
    await real.delete(PATH)

    async def made_again() -> bool:
        return await get(real, PATH) is not None

    await quiet_world.until(made_again)
    await quiet_world.delete("web")
    await quiet_world.until_gone("web", seconds=20)
    assert await get(real, PATH) is None


async def test_orphaned_objects_keep_nothing_of_ours(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any]
) -> None:
    await quiet_world.apply("web", make_config_map(a="1"), placement=ON_REAL)
    await quiet_world.until_work("real", "Applied")
    await quiet_world.delete("web", cascade=ObjectDeletion.ORPHAN)
    await quiet_world.until_gone("web")

    live = await real.get(PATH)
    assert live["data"] == {"a": "1"}
    assert "fedsvc" not in orjson.dumps(live["metadata"].get("labels", {})).decode()
    assert "fedsvc" not in orjson.dumps(live["metadata"].get("annotations", {})).decode()
    assert [entry for entry in live["metadata"].get("managedFields", []) if entry["manager"] == "fedsvc"] == []


@pytest.mark.parametrize(
    ("conflict", "state", "reason"),
    [
        (ConflictMode.ABORT, "Failed", "ObjectExists"),
        (ConflictMode.ADOPT, "Failed", "FieldConflict"),
        (ConflictMode.OVERWRITE, "Applied", ""),
    ],
)
async def test_an_object_that_exists_is_dealt_with_by_the_conflict_mode(
    quiet_world: Any,
    real: MemberClient,
    make_config_map: Callable[..., Any],
    conflict: ConflictMode,
    state: str,
    reason: str,
) -> None:
    try:
        await real.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    except MemberStatusError as error:
        if error.code != 409:
            raise
    await real.apply(PATH, orjson.dumps(make_config_map(a="2")), force=False, field_manager="somebody")
    propagation = Propagation(conflict=conflict)
    await quiet_world.apply("web", make_config_map(a="1"), placement=ON_REAL, propagation=propagation)

    work = await quiet_world.until_work("real", state, reason)

    assert not reason or "somebody" in work.message


async def test_reported_drift_names_field_and_manager_and_ends_by_itself(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any]
) -> None:
    propagation = Propagation(drift=DriftMode.REPORT)
    await quiet_world.apply("web", make_config_map(a="1"), placement=ON_REAL, propagation=propagation)
    await quiet_world.until_work("real", "Applied")
    await real.patch(PATH, orjson.dumps({"data": {"a": "2"}}), field_manager="kubectl-edit")
    await quiet_world.until_work("real", "Drifted", "DriftDetected")

    async def reported() -> Any:
        return (await quiet_world.works("web"))[0].drift

    (row,) = await quiet_world.until(reported)
    assert row.pop("first_seen")
    assert row.pop("written")
    assert row == {"path": "data.a", "desired": "1", "live": "2", "manager": "kubectl-edit"}
    await real.patch(PATH, orjson.dumps({"data": {"a": "1"}}), field_manager="kubectl-edit")
    await quiet_world.until_work("real", "Applied")


async def test_a_definition_and_its_object_are_applied_as_soon_as_it_is_served_and_removed(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await quiet_world.apply("web", make_config_map(), placement=ON_REAL)
    await quiet_world.until_work("real", "Applied")
    # What the member serves is known now; it is not asked again in this test, and nothing is tried again by the clock.
    monkeypatch.setattr(discovery, "MIN_INTERVAL_SECONDS", 3_600.0)
    monkeypatch.setattr(outcomes, "KIND_FIRST_SECONDS", 60.0)
    widget = {
        "apiVersion": "example.com/v1",
        "kind": "Widget",
        "metadata": {"name": "one", "namespace": "shop"},
        "spec": {"size": 3},
    }
    await quiet_world.apply("custom", widget, WIDGETS, placement=ON_REAL)

    async def applied() -> bool:
        return [work.state for work in await quiet_world.works("custom")] == ["Applied", "Applied"]

    await quiet_world.until(applied, seconds=20)
    await quiet_world.delete("custom")
    await quiet_world.until_gone("custom", seconds=20)
    assert await get(real, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com") is None


async def test_an_immutable_field_and_an_invalid_object_are_told_apart(
    quiet_world: Any, real: MemberClient, make_deployment: Callable[..., Any]
) -> None:
    await quiet_world.apply("web", make_deployment(), placement=ON_REAL)
    await quiet_world.until_work("real", "Applied")
    changed = make_deployment()
    changed["spec"]["selector"]["matchLabels"] = {"app": "other"}
    changed["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    await quiet_world.apply("web", changed, placement=ON_REAL)
    await quiet_world.until_work("real", "Failed", "ImmutableField")

    invalid = make_deployment()
    invalid["spec"]["template"]["spec"]["containers"] = []
    await quiet_world.apply("web", invalid, placement=ON_REAL)
    work = await quiet_world.until_work("real", "Failed", "Invalid")
    assert "containers" in work.message


async def test_drift_is_repaired_where_rights_are_for_single_namespaces(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any]
) -> None:
    home = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "fed"}}
    account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": NAME, "namespace": "fed"}}
    shop = {"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": "shop"}}
    made = [("/api/v1/namespaces/fed", home), (f"/api/v1/namespaces/fed/serviceaccounts/{NAME}", account)]
    for path, manifest in [*made, ("/api/v1/namespaces/shop", shop), *objects(rights_of("namespaced:shop", []), "fed")]:
        await real.apply(path, orjson.dumps(manifest), force=True)
    path = f"/api/v1/namespaces/fed/serviceaccounts/{NAME}/token"
    token = str((await real.post(path, {"spec": {"expirationSeconds": 3_600}}))["status"]["token"])
    narrow = replace(real.connection, credential=Credential(token=token))
    async with MemberClient(narrow) as robot:

        async def granted() -> bool:  # a real authorizer follows its watches
            return (await robot.raw_get("/api/v1/namespaces/shop/configmaps")).status == 200

        await quiet_world.until(granted)
        assert (await robot.raw_get("/api/v1/configmaps")).status == 403
    async with quiet_world.store.transaction() as tx:
        cluster = await clusters.lock(tx, "real")
        await clusters.update(tx, replace(cluster, connection=narrow))
    await quiet_world.apply("web", make_config_map(a="1"), placement=ON_REAL)

    async def ready() -> bool:
        return (await quiet_world.status("web")).state == UnitState.READY

    await quiet_world.until(ready)
    await real.patch(PATH, orjson.dumps({"data": {"a": "2"}}), field_manager="kubectl-edit")

    async def back() -> bool:
        return bool((await real.get(PATH))["data"] == {"a": "1"})

    await quiet_world.until(back)


@pytest.fixture
def surveyed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "HealthSettings", partial(health.HealthSettings, survey_seconds=0.2))


async def test_the_room_of_a_real_cluster_follows_its_nodes_and_pods(
    surveyed_often: None, quiet_world: Any, real: MemberClient, plane: ControlPlane
) -> None:
    offered = {"cpu": 19_000, "memory": 4 << 30, "pods": 110}

    async def free() -> dict[str, int]:
        async with quiet_world.store.reader() as tx:
            room = (await clusters.get(tx, "real")).room
        return next((dict(shape.free) for shape in room.nodes if shape.allocatable == offered), {}) if room else {}

    async with Member(name="real", server=plane.server, token=plane.token, ssl_context=plane.ssl_context()) as member:
        await create_node(member, "roomy", cpu="19", memory="4Gi")
        account = {"metadata": {"name": "default"}}  # pods are refused until there is one, which comes in its own time
        (await member.post("/api/v1/namespaces/kube-system/serviceaccounts", account)).expect(201, 409)

    async def empty() -> bool:
        return await free() == offered

    await quiet_world.until(empty)
    container = {"name": "main", "image": "main", "resources": {"requests": {"cpu": "1500m", "memory": "1Gi"}}}
    spec = {"containers": [container], "nodeName": "roomy", "automountServiceAccountToken": False}
    pods = "/api/v1/namespaces/kube-system/pods"
    await real.post(pods, {"metadata": {"name": "runs"}, "spec": spec})

    async def taken() -> bool:
        return await free() == {"cpu": 17_500, "memory": 3 << 30, "pods": 109}

    await quiet_world.until(taken)
    await forget(real, f"{pods}/runs")
    await forget(real, "/api/v1/nodes/roomy")


async def test_a_namespace_goes_with_what_the_cluster_put_in_and_not_with_what_others_did(
    quiet_world: Any, real: MemberClient, make_config_map: Callable[..., Any]
) -> None:
    inside = make_config_map("settings")
    inside["metadata"]["namespace"] = "team"
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
    await quiet_world.apply("team", namespace, inside, placement=ON_REAL)
    await quiet_world.until_work("real", "Applied", unit="team", seconds=30)

    async def given() -> bool:  # the account and its token, by the cluster's own controllers
        return bool((await real.get("/api/v1/namespaces/team/secrets"))["items"])

    await quiet_world.until(given, seconds=30)
    theirs = "/api/v1/namespaces/team/configmaps/theirs"
    await real.apply(theirs, orjson.dumps(make_config_map("theirs") | {"metadata": {"name": "theirs"}}), force=True)
    await quiet_world.delete("team")

    work = await quiet_world.until_work("real", "Removing", "Occupied", seconds=30)
    assert "go with it: ConfigMap team/theirs - " in work.message

    await forget(real, theirs)
    await quiet_world.until_gone("team", seconds=60)
    assert await get(real, "/api/v1/namespaces/team") is None


MCS = "/apis/multicluster.x-k8s.io/v1beta1/namespaces/shop"
SERVICES = "/api/v1/namespaces/shop/services"
PORTS = [{"name": "http", "port": 80, "protocol": "TCP", "appProtocol": "http"}]
EXPORT = {"apiVersion": "multicluster.x-k8s.io/v1beta1", "kind": "ServiceExport", "metadata": {"name": "web"}}
SLICE: dict[str, Any] = {
    "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": "web"}},
    "addressType": "IPv4",
    "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": True}, "hostname": "web-0"}],
}


async def until_there(world: Any, client: MemberClient, path: str, is_so: Callable[[Any], bool] = bool) -> Any:
    async def is_there() -> Any:
        found = await get(client, path)
        return found if found is not None and is_so(found) else None

    return await world.until(is_there, seconds=30)


async def define_exports(world: Any, client: MemberClient) -> None:
    """Install the kinds, and make the namespace."""
    for definition in yaml.safe_load_all(DEFINITIONS.read_text(encoding="utf-8")):
        await client.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    for plural in ("serviceexports", "serviceimports"):
        await until_there(world, client, f"{MCS}/{plural}")
    if await get(client, "/api/v1/namespaces/shop") is None:
        await client.post("/api/v1/namespaces", {"metadata": {"name": "shop"}})


async def check_import(world: Any, client: MemberClient, slices: str) -> None:
    """The import of what the real member exports is there as a whole."""

    def is_whole(found: Any) -> bool:
        return bool(found["spec"].get("ips")) and bool(found.get("status", {}).get("clusters"))

    found = await until_there(world, client, f"{MCS}/serviceimports/web", is_whole)
    listed = (await client.get(SERVICES))["items"]
    (derived,) = [one for one in listed if one["metadata"]["name"].startswith("derived-")]
    assert found["spec"]["ips"] == [derived["spec"]["clusterIP"]]
    assert found["spec"]["ports"] == PORTS
    assert found["spec"]["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}
    assert found["status"]["clusters"] == [{"cluster": "real"}]
    query = {"labelSelector": "multicluster.kubernetes.io/source-cluster=real"}
    (imported,) = (await client.get(slices, query))["items"]
    assert imported["endpoints"] == SLICE["endpoints"]
    assert imported["metadata"]["labels"]["multicluster.kubernetes.io/service-name"] == "web"


async def test_what_a_real_member_exports_is_imported_until_it_is_taken_back(
    quiet_world: Any, real: MemberClient
) -> None:
    """KEP-1645: a simulated member beside it imports the same, and the real one imports from itself, too."""
    near = quiet_world.client("a")
    # Servers before 1.21 have them as v1beta1.
    group = (await real.get("/apis/discovery.k8s.io"))["preferredVersion"]["groupVersion"]
    slices = f"/apis/{group}/namespaces/shop/endpointslices"
    await define_exports(quiet_world, real)
    await define_exports(quiet_world, near)
    await real.post(SERVICES, {"metadata": {"name": "web"}, "spec": {"ports": PORTS, "sessionAffinity": "ClientIP"}})
    await real.post(slices, SLICE)
    await real.post(f"{MCS}/serviceexports", EXPORT)
    await quiet_world.register("a")
    await quiet_world.stop()
    quiet_world.start()  # the kinds came after the first look at the real member: the next is a minute away

    await check_import(quiet_world, real, slices)
    await check_import(quiet_world, near, "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices")
    told = await until_there(
        quiet_world, real, f"{MCS}/serviceexports/web", lambda one: "conditions" in one.get("status", {})
    )
    statuses = {one["type"]: one["status"] for one in told["status"]["conditions"]}
    assert statuses == {"Valid": "True", "Ready": "True", "Conflict": "False"}
    await quiet_world.until_state("imported-web", "Ready", seconds=30)
    assert not [work for work in await quiet_world.works("imported-web") if work.drift]

    await real.delete(f"{MCS}/serviceexports/web")
    await quiet_world.until_gone("imported-web", seconds=30)
    for client in (real, near):
        assert (await client.get(f"{MCS}/serviceimports"))["items"] == []
    for path in (f"{SERVICES}/web", f"{slices}/web-x"):
        await forget(real, path)
