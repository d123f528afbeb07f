"""The launcher of real control planes: outages on purpose, and what a kubelet would do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from fedsvc.testing.control_plane import ControlPlane, ControlPlaneError, control_planes, write_kubeconfig
from fedsvc.testing.kubelet import create_node, mark_pods_ready
from fedsvc.testing.members import Member, Reply

pytestmark = pytest.mark.kube


@pytest.fixture(scope="module")
async def plane(kube_assets: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane]:
    async with ControlPlane(name="one", directory=tmp_path_factory.mktemp("plane"), assets=kube_assets) as running:
        yield running


@pytest.fixture
async def real(plane: ControlPlane) -> AsyncIterator[Member]:
    member = Member(name="one", server=plane.server, token=plane.token, ssl_context=plane.ssl_context())
    async with member:
        yield member


async def test_a_killed_api_server_refuses_and_comes_back_with_its_data(plane: ControlPlane, real: Member) -> None:
    (await real.post("/api/v1/namespaces", {"metadata": {"name": "kept"}})).expect(201)
    await plane.kill_apiserver()
    with pytest.raises(aiohttp.ClientConnectionError):
        await real.get("/version")
    await plane.start_apiserver()
    (await real.get("/api/v1/namespaces/kept")).expect(200)


async def test_a_suspended_api_server_does_not_answer(plane: ControlPlane, real: Member) -> None:
    plane.suspend_apiserver()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await real.get("/version")
    finally:
        plane.resume_apiserver()
    (await real.get("/version")).expect(200)


async def test_pods_become_ready_as_by_a_kubelet(plane: ControlPlane, real: Member) -> None:
    await create_node(real, "node-1", labels={"topology.kubernetes.io/region": "eu"})
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "c:1"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    path = "/apis/apps/v1/namespaces/default/deployments"
    (await real.post(path, {"metadata": {"name": "web"}, "spec": spec})).expect(201)
    ready: set[str] = set()

    def has_two(reply: Reply) -> bool:
        return len(reply.body["items"]) == 2

    await real.until("/api/v1/namespaces/default/pods", has_two, what="two pods")
    ready.update(await mark_pods_ready(real, "default"))
    assert len(ready) == 2

    def is_ready(reply: Reply) -> bool:
        return bool(reply.body["status"].get("readyReplicas") == 2)

    await real.until(f"{path}/web", is_ready, what="the deployment is ready")


async def test_a_component_that_ends_is_told_with_its_output(kube_assets: Path, tmp_path: Path) -> None:
    broken = ControlPlane(
        name="broken",
        directory=tmp_path,
        assets=kube_assets,
        apiserver_flags=("--no-such-flag",),
        controller_manager=False,
    )
    try:
        with pytest.raises(ControlPlaneError, match="unknown flag: --no-such-flag"):
            await broken.start()
    finally:
        await broken.stop()


async def test_several_start_side_by_side_with_one_kubeconfig(kube_assets: Path, tmp_path: Path) -> None:
    async with control_planes(["a", "b"], directory=tmp_path, controller_manager=False) as planes:
        write_kubeconfig(planes, tmp_path / "kubeconfig")
        text = (tmp_path / "kubeconfig").read_text()
        assert "current-context: a" in text
        assert planes[1].server in text
