"""`fedsvc` as a process, the way operators run it."""

import asyncio
import datetime as dt
import ipaddress
import json
import os
import secrets
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from grpc import aio

from fedsvc.errors import ConfigurationError
from fedsvc.store.embedded import locate
from fedsvc.testing.processes import free_ports
from fedsvc.v1 import (
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    server_service_pb2,
    server_service_pb2_grpc,
    watch_service_pb2,
    watch_service_pb2_grpc,
)

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

SECONDS = 60


@pytest.fixture(scope="module", autouse=True)
def _postgres(require: Any) -> None:
    try:
        locate()
    except ConfigurationError as error:
        require(str(error))


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not tmp_path: as root, PostgreSQL runs as somebody else, who must get through to it.
    with tempfile.TemporaryDirectory(prefix="fedsvc-process-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    code: int
    stdout: str
    stderr: str


class Process:
    """One `fedsvc` that is read to its end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self) -> Ended:
        async with asyncio.timeout(SECONDS):
            stdout, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(code=self.process.returncode, stdout=stdout.decode(), stderr=stderr.decode())


async def start(*arguments: str | Path, before: Sequence[str] = (), **environment: str) -> Process:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("FEDSVC_")}
    binaries = {key: value for key, value in os.environ.items() if key == "FEDSVC_POSTGRES_BIN"}
    command = [*before, sys.executable, "-m", "fedsvc", *map(str, arguments)]
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**clean, **binaries, **environment},
    )
    return Process(process)


async def run(*arguments: str | Path, **environment: str) -> Ended:
    return await (await start(*arguments, **environment)).ended()


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    process: Process
    data: Path
    address: str
    metrics: str | None

    @property
    def config(self) -> dict[str, Any]:
        server: dict[str, Any] = yaml.safe_load((self.data / "fedctl.yaml").read_text())["servers"]["default"]
        return server

    @property
    def metadata(self) -> list[tuple[str, str]]:
        return [("authorization", f"Bearer {self.config['token']}")]


@asynccontextmanager
async def serving(
    folder: Path, *arguments: str | Path, before: Sequence[str] = (), **environment: str
) -> AsyncIterator[Serving]:
    data, ready = folder / "data", folder / "ready.json"
    ready.unlink(missing_ok=True)
    base: list[str | Path] = ["serve", "--data-dir", data, "--ready-file", ready]
    listen = [] if "--listen" in arguments or environment else ["--listen", "127.0.0.1:0"]
    process = await start(*base, *listen, *arguments, before=before, **environment)
    try:
        deadline = time.monotonic() + SECONDS
        while not ready.exists():
            assert process.process.returncode is None, (await process.ended()).stderr
            assert time.monotonic() < deadline, "not ready in time"
            await asyncio.sleep(0.02)
        content = json.loads(ready.read_text())
        assert content["pid"] == process.process.pid
        yield Serving(process=process, data=data, address=content["address"], metrics=content["metrics_address"])
    finally:
        if process.process.returncode is None:
            process.signal(signal.SIGTERM)
            await process.ended()


async def info(channel: aio.Channel, metadata: list[tuple[str, str]]) -> server_service_pb2.GetServerInfoResponse:
    stub = server_service_pb2_grpc.ServerServiceStub(channel)
    return await stub.GetServerInfo(
        server_service_pb2.GetServerInfoRequest(), metadata=metadata, timeout=10, wait_for_ready=True
    )


async def test_it_serves_on_an_embedded_database_and_stops_on_sigterm(folder: Path) -> None:
    (port,) = free_ports(1)
    async with serving(folder, "--metrics-listen", f"127.0.0.1:{port}") as server:
        assert server.config["address"] == server.address
        assert stat.S_IMODE((server.data / "fedctl.yaml").stat().st_mode) == 0o600
        assert stat.S_IMODE((server.data / "keyring").stat().st_mode) == 0o600
        async with aio.insecure_channel(server.address) as channel:
            told = await info(channel, server.metadata)
        assert told.caller == "admin"
        assert server.metrics == f"127.0.0.1:{port}"
        url = f"http://{server.metrics}"
        assert b"fedsvc_grpc_calls_total" in await asyncio.to_thread(fetch, f"{url}/metrics")
        assert await asyncio.to_thread(fetch, f"{url}/readyz") == b"ok\n"

        server.process.signal(signal.SIGTERM)
        ended = await server.process.ended()

    assert ended.code == 0, ended.stderr
    assert '"event": "stopped"' in ended.stderr
    assert server.config["token"] not in ended.stderr + ended.stdout
    assert not (server.data / "postgres" / "data" / "postmaster.pid").exists()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own loopback address
        data: bytes = response.read()
        return data


async def test_state_and_token_outlive_a_restart_and_a_kill(folder: Path) -> None:
    async with serving(folder) as first:
        token = first.config["token"]
        async with aio.insecure_channel(first.address) as channel:
            request = cluster_service_pb2.CreateClusterRequest(cluster_id="eu-1")
            request.cluster.connection.endpoint = "https://127.0.0.1:1"
            request.cluster.connection.credential.token = "t"
            stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
            await stub.CreateCluster(request, metadata=first.metadata, timeout=10)
        first.process.signal(signal.SIGKILL)
        await first.process.ended()
    async with serving(folder) as second:
        assert second.config["token"] == token
        assert second.config["address"] == second.address
        async with aio.insecure_channel(second.address) as channel:
            stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
            found = await stub.GetCluster(
                cluster_service_pb2.GetClusterRequest(name="clusters/eu-1"), metadata=second.metadata, timeout=10
            )
    assert found.cluster.connection.endpoint == "https://127.0.0.1:1"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent ended")
async def test_the_database_of_a_killed_server_ends_with_it(folder: Path) -> None:
    async with serving(folder) as first:
        pid_file = first.data / "postgres" / "data" / "postmaster.pid"
        assert pid_file.exists()
        first.process.signal(signal.SIGKILL)
        await first.process.ended()
        async with asyncio.timeout(SECONDS):
            while pid_file.exists():
                await asyncio.sleep(0.02)
    async with serving(folder) as second, aio.insecure_channel(second.address) as channel:
        assert (await info(channel, second.metadata)).caller == "admin"


async def test_streams_end_with_draining_and_the_exit_code_is_0(folder: Path) -> None:
    async with serving(folder, "--drain-seconds", "5") as server, aio.insecure_channel(server.address) as channel:
        stub = watch_service_pb2_grpc.WatchServiceStub(channel)
        watch = stub.Watch(
            watch_service_pb2.WatchRequest(kinds=[watch_service_pb2.WATCH_KIND_CLUSTER]), metadata=server.metadata
        )
        await watch.read()

        server.process.signal(signal.SIGINT)
        with pytest.raises(aio.AioRpcError) as caught:
            await asyncio.wait_for(watch.read(), SECONDS)
        ended = await server.process.ended()

    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert "stopping" in (caught.value.details() or "")
    assert ended.code == 0


async def test_it_survives_a_restart_of_its_database(folder: Path) -> None:
    async with serving(folder) as server, aio.insecure_channel(server.address) as channel:
        await info(channel, server.metadata)
        pid_file = server.data / "postgres" / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)

        deadline = time.monotonic() + SECONDS
        seen = {code := await code_of(channel, server.metadata)}
        while code is not grpc.StatusCode.OK:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
            seen.add(code := await code_of(channel, server.metadata))
        assert seen <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert server.process.process.returncode is None


async def code_of(channel: aio.Channel, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
    try:
        await info(channel, metadata)
    except aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


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


async def create(server: Serving, channel: aio.Channel, name: str, *, kib: int) -> str:
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
    folder: Path, disk: list[str], left_mib: int
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


async def test_it_serves_over_tls(folder: Path) -> None:
    certificate, key = make_certificate(folder)
    async with serving(folder, "--listen", "127.0.0.1:0", "--tls-cert", certificate, "--tls-key", key) as server:
        assert server.config["tls"] is True
        roots = Path(server.config["ca_file"]).read_bytes()
        async with aio.secure_channel(server.address, grpc.ssl_channel_credentials(roots)) as channel:
            assert (await info(channel, server.metadata)).caller == "admin"


def make_certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fedsvc")])
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "tls.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "tls.crt", folder / "tls.key"


async def test_settings_come_from_flags_then_environment_then_file(folder: Path) -> None:
    taken = [free_port() for _ in range(3)]
    file = folder / "fedsvc.yaml"
    file.write_text(f"listen: 127.0.0.1:{taken[0]}\nlog-level: error\ncontrollers: false\n")
    cases = [
        ([], {}, taken[0]),
        ([], {"FEDSVC_LISTEN": f"127.0.0.1:{taken[1]}"}, taken[1]),
        (["--listen", f"127.0.0.1:{taken[2]}"], {"FEDSVC_LISTEN": f"127.0.0.1:{taken[1]}"}, taken[2]),
    ]
    for arguments, environment, port in cases:
        async with serving(folder, *arguments, **environment, FEDSVC_CONFIG=str(file)) as server:
            assert server.address == f"127.0.0.1:{port}"
            server.process.signal(signal.SIGTERM)
            ended = await server.process.ended()
        assert '"level": "info"' not in ended.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def test_tokens_are_made_listed_and_revoked_while_it_serves(folder: Path) -> None:
    async with serving(folder) as server:
        place = ("--data-dir", server.data)
        made = await run("token", "create", "ci", "--days", "3", *place)
        token = made.stdout.strip()
        async with aio.insecure_channel(server.address) as channel:
            assert (await info(channel, [("authorization", f"Bearer {token}")])).caller == "ci"
        listed = await run("token", "list", *place)
        twice = await run("token", "create", "ci", *place)
        revoked = await run("token", "revoke", "ci", *place)
        missing = await run("token", "revoke", "ci", *place)

    assert token.startswith("fedsvc_")
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["NAME", "admin", "ci"]
    assert (twice.code, twice.stderr) == (1, "fedsvc: token ci exists already\n")
    assert revoked.code == 0
    assert (missing.code, missing.stderr) == (1, "fedsvc: token ci does not exist\n")


async def test_a_lost_configuration_is_replaced_by_a_new_token_without_a_server(folder: Path) -> None:
    async with serving(folder):
        pass
    made = await run("token", "create", "again", "--data-dir", folder / "data")

    assert made.code == 0, made.stderr
    assert made.stdout.startswith("fedsvc_")


async def test_another_database_is_used_where_one_is_given(folder: Path, database_url: str) -> None:
    migrated = await run("migrate", "--database-url", database_url, "--data-dir", folder / "data")
    async with (
        serving(folder, "--database-url", database_url) as server,
        aio.insecure_channel(server.address) as channel,
    ):
        assert (await info(channel, server.metadata)).caller == "admin"

    assert migrated.code == 0, migrated.stderr
    assert "already" in migrated.stdout
    assert not (server.data / "postgres").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(["--listen", "0.0.0.0:7443"], 2, "needs TLS: give --tls-cert and --tls-key", id="off loopback"),
        pytest.param(["--listen", "nonsense"], 2, "is not host:port", id="no address"),
        pytest.param(["--listen", "203.0.113.1:7443"], 2, "needs TLS", id="foreign address"),
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
    folder: Path, arguments: list[str], code: int, text: str
) -> None:
    data: list[str | Path] = [] if "--data-dir" in arguments else ["--data-dir", folder / "data"]

    ended = await run("serve", *data, *arguments)

    assert (ended.code, "Traceback" in ended.stderr) == (code, False), ended.stderr
    assert text in ended.stderr
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["token", "list"]], ids=" ".join)
async def test_a_database_that_is_not_there_is_told_with_how_to_make_it(
    folder: Path, database_url: str, command: list[str]
) -> None:
    url = database_url.replace("/test_", "/none_")

    ended = await run(*command, "--data-dir", folder / "data", "--database-url", url)

    assert (ended.code, "Traceback" in ended.stderr) == (1, False), ended.stderr
    assert "does not exist: make it (createdb" in ended.stderr


async def test_a_port_in_use_is_named(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ended = await run("serve", "--data-dir", folder / "data", "--listen", f"127.0.0.1:{port}")

    assert (ended.code, "Traceback" in ended.stderr) == (1, False), ended.stderr
    assert f"port {port} is in use" in ended.stderr


async def test_a_folder_in_use_is_named(folder: Path) -> None:
    async with serving(folder) as server:
        ended = await run("serve", "--data-dir", server.data, "--listen", "127.0.0.1:0")

    assert (ended.code, "Traceback" in ended.stderr) == (2, False), ended.stderr
    assert "another fedsvc" in ended.stderr


async def test_a_key_file_of_another_server_is_refused_at_the_start(folder: Path) -> None:
    async with serving(folder) as server, aio.insecure_channel(server.address) as channel:
        request = cluster_service_pb2.CreateClusterRequest(cluster_id="eu-1")
        request.cluster.connection.endpoint = "https://127.0.0.1:1"
        request.cluster.connection.credential.token = "t"
        stub = cluster_service_pb2_grpc.ClusterServiceStub(channel)
        await stub.CreateCluster(request, metadata=server.metadata, timeout=10)
    ended = await run("serve", "--data-dir", server.data, "--listen", "127.0.0.1:0", "--key-file", folder / "new")

    assert (ended.code, "Traceback" in ended.stderr) == (2, False), ended.stderr
    assert f"--key-file {folder / 'new'}: cluster/eu-1 is sealed under key" in ended.stderr


async def test_the_version_is_told() -> None:
    ended = await run("version")

    assert (ended.code, ended.stdout.split()[0]) == (0, "fedsvc")
