"""`fedsvc serve` with its data on a disk that is full."""

import asyncio
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from fedsvc.v1 import cluster_service_pb2, cluster_service_pb2_grpc

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

SECONDS = 60
DISK_MIB = 160


def own_disk(folder: Path) -> list[str]:
    """A command that runs another one where `folder` is a small disk of its own; nobody else sees it."""
    mount = f'mount -t tmpfs -o size={DISK_MIB}m,mode=755 tmpfs "$0" && exec "$@"'
    if os.geteuid() == 0:
        return ["unshare", "--mount", "sh", "-c", mount, str(folder)]
    # To mount, be root in a user namespace; to run PostgreSQL, be oneself again in another one within.
    oneself = ["unshare", "--user", f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}"]
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(folder), *oneself]


@pytest.fixture
def disk(folder: Path, require: Callable[[str], None]) -> list[str]:
    place = folder / "data"
    place.mkdir()
    command = own_disk(place)
    try:
        done = subprocess.run([*command, "true"], capture_output=True, check=False, timeout=10)
    except OSError as error:
        require(f"no unshare to make a small disk with: {error}")
    else:
        if done.returncode:
            refused = f"nothing can be mounted here: {done.stderr.decode().strip()}"
            if os.geteuid() != 0:
                pytest.skip(refused)  # which is up to the kernel's settings
            require(refused)
    return command


async def create(server: Any, channel: aio.Channel, name: str, *, kib: int) -> str:
    """Register a cluster that takes some space; why it cannot be, or nothing."""
    request = cluster_service_pb2.CreateClusterRequest(cluster_id=name)
    request.cluster.connection.endpoint = "https://127.0.0.1:1"
    request.cluster.connection.credential.token = "t"
    for number in range(kib // 4):
        request.cluster.annotations[f"example.com/{number}"] = secrets.token_hex(2048)
    try:
        stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
        await stub.CreateCluster(request, metadata=server.metadata, timeout=30)
    except aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"
    return ""


@pytest.mark.parametrize("left_mib", [25, 2], ids=["tables cannot grow", "the log cannot grow either"])
async def test_a_full_disk_is_told_and_got_over_and_nothing_is_lost(
    folder: Path, disk: list[str], left_mib: int, serving: Any
) -> None:
    async with serving(folder, before=disk) as server:
        place = Path(f"/proc/{server.process.process.pid}/root{server.data}")  # as the server sees it
        reached = replace(server, data=place)
        async with aio.insecure_channel(server.address) as channel:
            free = os.statvfs(place)
            filler = place / "filler"
            filler.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - left_mib * 2**20)))
            stored, refusals = set[str](), set[str]()
            deadline = time.monotonic() + SECONDS
            while not any("full" in refusal for refusal in refusals):
                assert time.monotonic() < deadline, refusals
                name = f"c{len(stored)}"
                refusal = await create(reached, channel, name, kib=200)
                if refusal:
                    refusals.add(refusal)
                    await asyncio.sleep(0.05)
                else:
                    stored.add(name)
            assert all(refusal.startswith("UNAVAILABLE: ") for refusal in refusals), refusals
            assert any("disk" in refusal and "nothing is lost" in refusal for refusal in refusals), refusals
            assert server.process.process.returncode is None

            filler.unlink()
            deadline = time.monotonic() + SECONDS
            while await create(reached, channel, "after", kib=4):
                assert time.monotonic() < deadline, "works again once there is space"
                await asyncio.sleep(0.1)
            stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
            assert stored
            for name in (*stored, "after"):
                asked = cluster_service_pb2.GetClusterRequest(name=f"clusters/{name}")
                found = await stub.GetCluster(asked, metadata=reached.metadata, timeout=30)
                assert found.cluster.connection.endpoint == "https://127.0.0.1:1"
