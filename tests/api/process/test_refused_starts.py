"""What keeps `fedsvc` from starting is told in one clear line."""

import socket
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from fedsvc.v1 import cluster_service_pb2, cluster_service_pb2_grpc

pytestmark = [pytest.mark.slow, pytest.mark.postgres]


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(["--listen", "0.0.0.0:7443"], 2, "needs TLS: give --tls-cert and --tls-key", id="off loopback"),
        pytest.param(["--listen", "nonsense"], 2, "is not host:port", id="no address"),
        pytest.param(["--listen", "203.0.113.1:7443"], 2, "needs TLS", id="foreign address"),
        pytest.param(["--transfer-tls-port", "853"], 2, "needs --transfer-listen", id="transfers nowhere"),
        pytest.param(
            ["--transfer-listen", "127.0.0.1:5353", "--transfer-tls-port", "853"],
            2,
            "needs --tls-cert",
            id="bare transfers",
        ),
        pytest.param(
            ["--transfer-listen", "host:53"], 2, "--transfer-listen: 'host' is no IP address", id="no address"
        ),
        pytest.param(["--detect-seconds", "4"], 2, "4.0 is not in the range 5.0<=x<=120.0", id="detection"),
        pytest.param(["--tls-cert", "/none"], 2, "--tls-cert needs --tls-key", id="half of TLS"),
        pytest.param(["--colour"], 2, "No such option", id="unknown flag"),
        pytest.param(["--config", "/none.yaml"], 2, "cannot be read: No such file", id="no file"),
        pytest.param(["--data-dir", "/proc/x"], 2, "--data-dir /proc/x cannot be written", id="data folder"),
        pytest.param(["--database-url", "mysql://x"], 2, "is not PostgreSQL", id="other database"),
        pytest.param(
            ["--database-url", "postgresql://u:hunter2@127.0.0.1:1/x"], 1, "does not answer", id="no database"
        ),
    ],
)
async def test_what_cannot_work_ends_with_one_clear_line(
    folder: Path, arguments: list[str], code: int, text: str, run: Any
) -> None:
    data: list[str | Path] = [] if "--data-dir" in arguments else ["--data-dir", folder / "data"]

    ended = await run("serve", *data, *arguments)

    assert (ended.code, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert text in ended.stderr
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["token", "list"]], ids=" ".join)
async def test_a_database_that_is_not_there_is_told_with_how_to_make_it(
    folder: Path, database_url: str, command: list[str], run: Any
) -> None:
    url = database_url.replace("/test_", "/none_")

    ended = await run(*command, "--data-dir", folder / "data", "--database-url", url)

    assert (ended.code, "Traceback" in ended.stderr) == (1, False), ended.stderr
    assert "does not exist: make it (createdb" in ended.stderr


async def test_a_port_in_use_is_named(folder: Path, run: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = await run("serve", "--data-dir", folder / "data", "--listen", f"127.0.0.1:{port}")

    assert (ended.code, "Traceback" in ended.stderr) == (1, False), ended.stderr
    # In our own words, and in no others: gRPC would say it too.
    told = [line for line in ended.stderr.splitlines() if "in use" in line or "bind" in line.lower()]
    assert len(told) == 1
    assert told[0].startswith(f"fedsvc: port {port} is in use (--listen 127.0.0.1:{port}): another fedsvc")


async def test_a_folder_in_use_is_named(folder: Path, serving: Any, run: Any) -> None:
    async with serving(folder) as server:
        ended = await run("serve", "--data-dir", server.data, "--listen", "127.0.0.1:0")

    assert (ended.code, "Traceback" in ended.stderr) == (2, False), ended.stderr
    assert "another fedsvc" in ended.stderr


async def test_a_key_file_of_another_server_is_refused_at_the_start(folder: Path, serving: Any, run: Any) -> None:
    async with serving(folder) as server, aio.insecure_channel(server.address) as channel:
        request = cluster_service_pb2.CreateClusterRequest(cluster_id="eu-1")
        request.cluster.connection.endpoint = "https://127.0.0.1:1"
        request.cluster.connection.credential.token = "t"
        stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
        await stub.CreateCluster(request, metadata=server.metadata, timeout=10)
    ended = await run("serve", "--data-dir", server.data, "--listen", "127.0.0.1:0", "--key-file", folder / "new")

    assert (ended.code, "Traceback" in ended.stderr) == (2, False), ended.stderr
    assert f"--key-file {folder / 'new'}: cluster/eu-1 is sealed under key" in ended.stderr
