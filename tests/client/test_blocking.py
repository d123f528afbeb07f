import inspect
import subprocess
import sys
from typing import Any

import grpc
import pytest

from fedsvc.v1 import cluster_pb2, cluster_service_pb2, watch_service_pb2
from fedsvc_client import AsyncClient, Client, Kind, NotFoundError, Synced
from fedsvc_client.testing import FakeServer, RefusalError

SUBCLIENTS = ("clusters", "units", "resources", "works", "policies", "placement", "events", "members", "server")


def test_a_blocking_call_returns_the_message(server: FakeServer, blocking: Client) -> None:
    server.on(
        "GetCluster",
        lambda request: cluster_service_pb2.GetClusterResponse(cluster=cluster_pb2.Cluster(name=request.name)),
    )
    assert blocking.clusters.get("eu-1", timeout_seconds=5).name == "clusters/eu-1"


def test_a_blocking_call_raises_the_same_errors(server: FakeServer, blocking: Client) -> None:
    def reply(_: Any) -> Any:
        raise RefusalError(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", "no", metadata={"name": "clusters/a"})

    server.on("GetCluster", reply)
    with pytest.raises(NotFoundError) as caught:
        blocking.clusters.get("a")
    assert caught.value.name == "clusters/a"


def test_a_blocking_list_fetches_pages_when_they_are_needed(server: FakeServer, blocking: Client) -> None:
    def reply(request: cluster_service_pb2.ListClustersRequest) -> cluster_service_pb2.ListClustersResponse:
        page = int(request.page_token or 0)
        return cluster_service_pb2.ListClustersResponse(
            clusters=[cluster_pb2.Cluster(name=f"clusters/{page}")], next_page_token=str(page + 1) if page < 2 else ""
        )

    server.on("ListClusters", reply)
    clusters = blocking.clusters.list()
    assert next(clusters).name == "clusters/0"
    assert len(server.asked) == 1
    assert [cluster.name for cluster in clusters] == ["clusters/1", "clusters/2"]


def test_a_blocking_watch_is_an_iterator(server: FakeServer, blocking: Client) -> None:
    response = watch_service_pb2.WatchResponse(initial_state_complete=True, resume_token="5")
    server.on("Watch", lambda _: iter([response]))
    with blocking.watch(Kind.CLUSTER) as watch:
        assert isinstance(next(watch), Synced)
        assert watch.resume_token == "5"


async def test_the_blocking_client_has_every_method_of_the_asynchronous_one(
    client: AsyncClient, blocking: Client
) -> None:
    for name in SUBCLIENTS:
        asynchronous, facade = getattr(client, name), getattr(blocking, name)
        methods = {each for each, _ in inspect.getmembers(asynchronous, callable) if not each.startswith("_")}
        assert methods == {each for each in dir(facade) if not each.startswith("_")} - {"inner"}


def test_types_are_kept(tmp_path: Any) -> None:
    """mypy knows the parameters and results of the blocking methods."""
    probe = tmp_path / "probe.py"
    probe.write_text(
        "from fedsvc_client import Client\n"
        "def f(client: Client) -> None:\n"
        "    reveal_type(client.clusters.get('a'))\n"
        "    reveal_type(client.units.list(namespace='x'))\n"
        "    client.units.get(5)\n"
        "    client.units.get('a', nonsense=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", str(tmp_path), str(probe)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "cluster_pb2.Cluster" in done.stdout
    assert "Iterator[fedsvc.v1.unit_pb2.Unit]" in done.stdout
    assert "Found 2 errors" in done.stdout
