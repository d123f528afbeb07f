"""The main job on three real control planes, from an empty folder to an empty folder, as a platform engineer does it.

Everything goes through the processes people run: `fedsvc serve` and `fedctl`; the members are looked at directly.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fedsvc.testing.control_plane import ControlPlane, control_planes, find_assets, write_kubeconfig
from fedsvc.testing.service import Service

pytestmark = [pytest.mark.kube, pytest.mark.slow, pytest.mark.timeout(600)]

REGIONS = {"alpha": "eu", "beta": "us", "gamma": "ap"}
ROOT = Path(__file__).parents[2]

UNIT = """
apiVersion: fedsvc.io/v1
kind: Unit
metadata: {namespace: shop, name: shop, labels: {team: web}}
spec:
  failover: {failback: {stableSeconds: 0}}
  placement:
    clusterSelector: {matchLabels: {tier: prod}}
    replicas:
      mode: Divided
      strategy: Weighted
      clusters: [{selector: {matchLabels: {region: eu}}, weight: 2, min: 1}, {weight: 1}]
  overrides:
  - clusters: {names: [beta]}
    target: {kind: ConfigMap, name: settings}
    patch: [{op: replace, path: /data/currency, value: USD}]
  resources:
  - apiVersion: apiextensions.k8s.io/v1
    kind: CustomResourceDefinition
    metadata: {name: banners.shop.example}
    spec:
      group: shop.example
      scope: Namespaced
      names: {kind: Banner, plural: banners, singular: banner}
      versions:
      - name: v1
        served: true
        storage: true
        schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
  - {apiVersion: shop.example/v1, kind: Banner, metadata: {name: welcome}, spec: {text: Hello}}
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {currency: EUR}}
  - {apiVersion: v1, kind: Secret, metadata: {name: database}, stringData: {password: correct-horse}}
  - apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web}
    spec:
      replicas: 8
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec: {containers: [{name: web, image: "nginx:1.27"}]}
  - {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {selector: {app: web}, ports: [{port: 80}]}}
"""


class Member:
    """Direct access to a member, past fedsvc."""

    def __init__(self, plane: ControlPlane, session: aiohttp.ClientSession) -> None:
        self.plane = plane
        self._session = session

    async def call(self, method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.plane.token}"} | arguments.pop("headers", {})
        context = self.plane.ssl_context()
        async with self._session.request(
            method, self.plane.server + path, ssl=context, headers=headers, **arguments
        ) as response:
            return response.status, await response.json(content_type=None)

    async def get(self, path: str) -> Any:
        """The object, or None."""
        status, body = await self.call("GET", path)
        assert status in (200, 404), body
        return body if status == 200 else None

    async def merge(self, path: str, patch: dict[str, Any]) -> None:
        status, body = await self.call(
            "PATCH", path, data=json.dumps(patch), headers={"Content-Type": "application/merge-patch+json"}
        )
        assert status == 200, body


async def eventually(question: Callable[[], Awaitable[bool]], *, seconds: float, what: str) -> float:
    """Ask until the answer is yes; returns the seconds it took."""
    start = time.monotonic()
    while not await question():
        assert time.monotonic() - start < seconds, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)
    return time.monotonic() - start


@pytest.fixture(scope="module")
async def members(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, Member]]:
    if find_assets() is None:
        reason = "no real control plane: set KUBEBUILDER_ASSETS"
        if os.environ.get("FEDSVC_TEST_REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(reason)
    directory = tmp_path_factory.mktemp("planes")
    async with (
        control_planes(list(REGIONS), directory=directory) as planes,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
    ):
        write_kubeconfig(planes, directory / "kubeconfig")
        yield {plane.name: Member(plane, session) for plane in planes}


@pytest.fixture(scope="module")
async def service(members: dict[str, Member]) -> AsyncIterator[Service]:
    with tempfile.TemporaryDirectory(prefix="fedsvc-story-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)  # as root, PostgreSQL runs as somebody else, who must get through
        async with Service(Path(folder)) as running:
            yield running


@pytest.fixture(scope="module")
def kubeconfig(members: dict[str, Member]) -> Path:
    return next(iter(members.values())).plane.directory.parent / "kubeconfig"


WEB = "/apis/apps/v1/namespaces/shop/deployments/web"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/banners.shop.example"
SETTINGS = "/api/v1/namespaces/shop/configmaps/settings"


async def test_three_clusters_join_and_joining_again_changes_nothing(
    service: Service, members: dict[str, Member], kubeconfig: Path
) -> None:
    for name, region in REGIONS.items():
        arguments = ["join", name, "--kubeconfig", str(kubeconfig), "--context", name]
        located = [*arguments, "--region", region, "--label", "tier=prod"]
        (await service.fedctl(*located, "--dry-run")).ok()
        status, _ = await members[name].call("GET", "/api/v1/namespaces/fedsvc-system")
        assert status == 404, "a dry run writes nothing"
        (await service.fedctl(*located)).ok()
        (await service.fedctl(*located)).ok()
    listed = json.loads((await service.fedctl("get", "clusters", "-o", "json")).ok())
    assert sorted((await service.fedctl("get", "clusters", "-o", "name")).ok().split()) == [
        f"cluster/{name}" for name in REGIONS
    ]
    assert all(item["status"]["kubernetesVersion"].startswith("v") for item in listed["items"])


async def test_a_unit_reaches_every_member_with_its_overrides_and_shares(
    service: Service, members: dict[str, Member], kubeconfig: Path, tmp_path: Path
) -> None:
    file = tmp_path / "unit.yaml"
    file.write_text(UNIT)
    (await service.fedctl("apply", "-f", str(file))).ok()
    for name, member in members.items():
        await eventually(partial(_exists, member, DEFINITION), seconds=30, what="the definition of Banner is there")
        # Rights for a group that the unit itself brought are given by joining again; RBAC cannot say "all custom kinds".
        (await service.fedctl("join", name, "--kubeconfig", str(kubeconfig), "--context", name)).ok()
    (await service.fedctl("wait", "--for=applied", "shop", "-n", "shop", "--timeout", "60s")).ok()
    replicas = {}
    for name, member in members.items():
        replicas[name] = (await member.get(WEB))["spec"]["replicas"]
        settings = await member.get(SETTINGS)
        assert settings["data"] == {"currency": "USD" if name == "beta" else "EUR"}
        assert settings["metadata"]["labels"]["fedsvc.io/managed"] == "true"
        banner = await member.get("/apis/shop.example/v1/namespaces/shop/banners/welcome")
        assert banner["spec"] == {"text": "Hello"}
        assert await member.get("/api/v1/namespaces/shop/secrets/database") is not None
    assert replicas == {"alpha": 4, "beta": 2, "gamma": 2}


async def test_what_runs_in_the_members_comes_back_as_status(service: Service, members: dict[str, Member]) -> None:
    for member in members.values():
        wanted = (await member.get(WEB))["spec"]["replicas"]
        await eventually(partial(_pods, member, wanted), seconds=30, what="the pods of the Deployment exist")
        await _make_pods_ready(member)
    (await service.fedctl("wait", "--for=ready", "shop", "-n", "shop", "--timeout", "60s")).ok()
    shown = (await service.fedctl("status", "shop", "-n", "shop")).ok()
    assert "4/4" in shown
    assert shown.count("2/2") >= 2


async def _exists(member: Member, path: str) -> bool:
    return await member.get(path) is not None


async def _pods(member: Member, count: int) -> bool:
    pods = await member.get("/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb")
    return len(pods["items"]) == count


async def _make_pods_ready(member: Member) -> None:
    """What a kubelet would say."""
    pods = await member.get("/api/v1/namespaces/shop/pods?labelSelector=app%3Dweb")
    for pod in pods["items"]:
        status = {
            "phase": "Running",
            "conditions": [
                {"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
                for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
        }
        await member.merge(f"/api/v1/namespaces/shop/pods/{pod['metadata']['name']}/status", {"status": status})


async def test_drift_is_repaired_within_a_second_or_so(service: Service, members: dict[str, Member]) -> None:
    member = members["alpha"]
    await member.merge(SETTINGS, {"data": {"currency": "ZZZ"}})
    took = await eventually(lambda: _currency(member, "EUR"), seconds=10, what="the changed value is put back")
    assert took < 5, "event-driven, not by a slow scan"
    await member.call("DELETE", SETTINGS)
    await eventually(lambda: _currency(member, "EUR"), seconds=10, what="the deleted object is made anew")


async def _currency(member: Member, value: str) -> bool:
    settings = await member.get(SETTINGS)
    return settings is not None and settings["data"]["currency"] == value


async def test_a_killed_server_comes_back_and_goes_on(
    service: Service, members: dict[str, Member], tmp_path: Path
) -> None:
    file = tmp_path / "unit.yaml"
    file.write_text(UNIT.replace("currency: EUR", "currency: CHF"))
    (await service.fedctl("apply", "-f", str(file))).ok()
    await service.kill()
    await service.start()
    await eventually(
        lambda: _currency(members["gamma"], "CHF"), seconds=30, what="the change of before the kill arrives"
    )


@pytest.mark.timeout(300)
async def test_a_member_that_is_down_delays_no_other_and_catches_up(
    service: Service, members: dict[str, Member], tmp_path: Path
) -> None:
    await members["beta"].plane.kill_apiserver()
    file = tmp_path / "unit.yaml"
    file.write_text(UNIT.replace("currency: EUR", "currency: SEK"))
    (await service.fedctl("apply", "-f", str(file))).ok()
    for name in ("alpha", "gamma"):
        await eventually(partial(_currency, members[name], "SEK"), seconds=10, what=f"{name} has the change")
    described = (await service.fedctl("describe", "unit", "shop", "-n", "shop")).ok()
    assert "beta" in described
    await eventually(lambda: _reachable(service, "beta", "False"), seconds=60, what="beta is shown as unreachable")
    await eventually(lambda: _unheard(service, ["beta"]), seconds=10, what="the unit on beta is shown as Unknown")
    (await service.fedctl("wait", "--for=ready", "shop", "-n", "shop", "--timeout", "1s")).failed(5)
    await members["beta"].plane.start_apiserver()
    await members["beta"].merge(SETTINGS, {"metadata": {"annotations": {"seen": "yes"}}})
    (await service.fedctl("wait", "--for=applied", "shop", "-n", "shop", "--timeout", "90s")).ok()
    await eventually(lambda: _reachable(service, "beta", "True"), seconds=60, what="beta is shown as reachable")
    await eventually(lambda: _unheard(service, []), seconds=10, what="the unit is known on every cluster")
    # It has to be well for a while: until then nothing new goes there, and nothing is removed.
    await eventually(lambda: _healthy(service, "beta"), seconds=120, what="beta is trusted again")
    # Where all this took so long that the unit has left beta, it goes back now.
    await eventually(lambda: _replicas(members["beta"], 2), seconds=60, what="beta has its part")


async def _unheard(service: Service, names: list[str]) -> bool:
    document = json.loads((await service.fedctl("status", "shop", "-n", "shop", "-o", "json")).stdout)
    return [line["cluster"] for line in document["clusters"] if line["state"] == "Unknown"] == names


async def _reachable(service: Service, cluster: str, status: str) -> bool:
    document = json.loads((await service.fedctl("get", "cluster", cluster, "-o", "json")).ok())
    conditions = document["status"]["conditions"]
    return any(item["type"] == "Reachable" and item["status"] == status for item in conditions)


async def _healthy(service: Service, cluster: str) -> bool:
    document = json.loads((await service.fedctl("get", "cluster", cluster, "-o", "json")).ok())
    return bool(document["status"]["health"]["verdict"] == "Healthy")


async def test_a_label_moves_the_unit_off_a_cluster_and_back(service: Service, members: dict[str, Member]) -> None:
    (await service.fedctl("label", "cluster", "gamma", "tier=test", "--overwrite")).ok()
    await eventually(lambda: _gone(members["gamma"], WEB), seconds=30, what="the Deployment leaves gamma")
    await eventually(lambda: _replicas(members["alpha"], 5), seconds=30, what="alpha takes its part")
    (await service.fedctl("label", "cluster", "gamma", "tier=prod", "--overwrite")).ok()
    await eventually(lambda: _replicas(members["gamma"], 2), seconds=30, what="the Deployment is back on gamma")


async def _gone(member: Member, path: str) -> bool:
    return await member.get(path) is None


async def _replicas(member: Member, count: int) -> bool:
    deployment = await member.get(WEB)
    return deployment is not None and deployment["spec"]["replicas"] == count


async def test_a_deleted_unit_leaves_nothing_behind(service: Service, members: dict[str, Member]) -> None:
    (await service.fedctl("delete", "unit", "shop", "-n", "shop", "--wait", "--timeout", "60s")).ok()
    for member in members.values():
        for path in (WEB, SETTINGS, DEFINITION):
            await eventually(partial(_gone, member, path), seconds=30, what=f"{path} is gone")
    (await service.fedctl("get", "unit", "shop", "-n", "shop")).failed(3)


async def test_an_application_of_twelve_services_runs_on_a_release_that_lacks_its_versions(
    service: Service, members: dict[str, Member]
) -> None:
    """Kubernetes 1.20 has CronJob and PodDisruptionBudget in v1beta1 only; the schema is the same."""
    files = ["-f", str(ROOT / "examples" / "webshop"), "--unit", "webshop", "-n", "webshop"]
    (await service.fedctl("apply", *files, "--selector", "tier=prod")).ok()
    (await service.fedctl("wait", "--for=applied", "webshop", "-n", "webshop", "--timeout", "90s")).ok()
    for member in members.values():
        deployments = await member.get("/apis/apps/v1/namespaces/webshop/deployments")
        assert len(deployments["items"]) == 13
        for path in (
            "batch/v1beta1/namespaces/webshop/cronjobs",
            "policy/v1beta1/namespaces/webshop/poddisruptionbudgets",
        ):
            assert len((await member.get(f"/apis/{path}"))["items"]) == 1
    (await service.fedctl("apply", *files)).ok()
    (await service.fedctl("delete", "unit", "webshop", "-n", "webshop", "--wait", "--timeout", "90s")).ok()
    for member in members.values():
        assert (await member.get("/apis/apps/v1/namespaces/webshop/deployments"))["items"] == []


async def test_unjoining_takes_away_what_joining_brought(
    service: Service, members: dict[str, Member], kubeconfig: Path
) -> None:
    for name, member in members.items():
        context = ["--kubeconfig", str(kubeconfig), "--context", name]
        (await service.fedctl("unjoin", name, *context, "--yes")).ok()
        await eventually(
            partial(_gone, member, "/api/v1/namespaces/fedsvc-system"), seconds=30, what="the namespace is gone"
        )
    assert json.loads((await service.fedctl("get", "clusters", "-o", "json")).ok()).get("items") in ([], None)
