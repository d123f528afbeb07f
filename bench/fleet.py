"""What the benchmarks stand on: members, the service, and the bare ceiling to compare with.

Everything is seen from outside: the service through its gRPC API, the members through their own. Members are real
control planes (no controller manager, so that nothing but the measured writes happens there) or the simulator.
"""

import asyncio
import contextlib
import ssl
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
import orjson
import yaml

from fedsvc.testing.control_plane import control_planes, write_kubeconfig
from fedsvc.testing.processes import Child
from fedsvc.testing.service import Service, fedctl
from fedsvc.v1 import common_pb2, placement_pb2, unit_pb2, unit_service_pb2, unit_service_pb2_grpc

CONNECTIONS_A_MEMBER = 16
JOINING = 3  # members that are joined at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member as its administrator sees it."""

    name: str
    server: str
    token: str
    ssl_context: ssl.SSLContext | None


@contextlib.asynccontextmanager
async def fleet(kind: str, count: int, *, options: Sequence[str] = ()) -> AsyncIterator[tuple[list[Member], Path]]:
    """Start `count` members of that kind ("real" or "simulator"); gives them and a kubeconfig with a context each.

    `options` are further ones of the simulator.
    """
    names = [f"m{index}" for index in range(count)]
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as folder:
        directory = Path(folder)
        kubeconfig = directory / "kubeconfig"
        if kind == "real":
            async with control_planes(names, directory=directory, controller_manager=False) as planes:
                write_kubeconfig(planes, kubeconfig)
                yield (
                    [
                        Member(name=plane.name, server=plane.server, token=plane.token, ssl_context=plane.ssl_context())
                        for plane in planes
                    ],
                    kubeconfig,
                )
            return
        simulator = _start_simulator(names, directory, kubeconfig, options)
        try:
            deadline = time.monotonic() + 60
            while not (directory / "ready.json").exists():
                if time.monotonic() > deadline or not simulator.running():
                    raise RuntimeError(f"the simulator did not start:\n{simulator.tail()}")
                await asyncio.sleep(0.05)
            yield members_of(kubeconfig), kubeconfig
        finally:
            await simulator.stop()


def _start_simulator(names: Sequence[str], directory: Path, kubeconfig: Path, more: Sequence[str]) -> Child:
    import sys  # noqa: PLC0415 - only this function starts an interpreter

    clusters = [part for name in names for part in ("--cluster", f"name={name},region=r-{name},nodes=3")]
    command = [sys.executable, "-m", "fedsvc.simulator", "--listen", "127.0.0.1:0", *clusters]
    options = ["--kubeconfig", str(kubeconfig), "--ready-file", str(directory / "ready.json")]
    return Child("simulator", [*command, *options, *more], log=directory / "simulator.log")


def members_of(kubeconfig: Path) -> list[Member]:
    """Read the members back from a kubeconfig of the simulator."""
    document = yaml.safe_load(kubeconfig.read_text())
    tokens = {user["name"]: user["user"]["token"] for user in document["users"]}
    servers = {item["name"]: item["cluster"]["server"] for item in document["clusters"]}
    return [
        Member(
            name=item["name"],
            server=servers[item["context"]["cluster"]],
            token=tokens[item["context"]["user"]],
            ssl_context=None,
        )
        for item in document["contexts"]
    ]


@contextlib.asynccontextmanager
async def running_service(
    members: Sequence[Member], kubeconfig: Path, *, arguments: tuple[str, ...] = ()
) -> AsyncIterator[Service]:
    """A service on an embedded PostgreSQL with all members joined; `arguments` are further ones of `fedsvc serve`."""
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as folder:
        async with Service(Path(folder), arguments=arguments) as service:
            names = iter([member.name for member in members])

            async def join() -> None:
                for name in names:
                    options = ["--kubeconfig", str(kubeconfig), "--context", name]
                    (await fedctl("join", name, *options, config=service.config, timeout_seconds=300)).ok()

            await asyncio.gather(*(join() for _ in range(JOINING)))
            yield service


def units_stub(service: Service) -> tuple[grpc.aio.Channel, "unit_service_pb2_grpc.UnitServiceAsyncStub", str]:
    """Channel, stub and token, from the configuration the service wrote."""
    settings = yaml.safe_load(service.config.read_text())
    server = settings["servers"][settings["current"]]
    channel = grpc.aio.insecure_channel(
        server["address"],
        options=[("grpc.max_receive_message_length", 32 << 20), ("grpc.max_send_message_length", 32 << 20)],
    )
    return channel, unit_service_pb2_grpc.UnitServiceStub(channel), str(server["token"])


def unit_request(name: str, objects: Sequence[dict[str, object]]) -> unit_service_pb2.ApplyUnitRequest:
    """Apply these on all clusters."""
    return unit_service_pb2.ApplyUnitRequest(
        unit=unit_pb2.Unit(
            name=f"namespaces/bench/units/{name}",
            spec=unit_pb2.UnitSpec(
                placement=placement_pb2.Placement(cluster_selector=common_pb2.LabelSelector()),
                resources=[common_pb2.Manifest(json=orjson.dumps(item)) for item in objects],
            ),
        )
    )


def config_map(name: str, *, namespace: str, text: str = "x" * 2048) -> dict[str, object]:
    """A ConfigMap of 2 KiB."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"text": text},
    }


def deployment(name: str, *, namespace: str) -> dict[str, object]:
    """A small Deployment."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "main",
                            "image": "registry.example/main:1.0.0",
                            "ports": [{"containerPort": 8080}],
                            "env": [{"name": "LEVEL", "value": "info"}],
                            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                        }
                    ]
                },
            },
        },
    }


@contextlib.asynccontextmanager
async def member_session(member: Member) -> AsyncIterator[aiohttp.ClientSession]:
    """Bare HTTP to a member, with as many connections as the service keeps."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_A_MEMBER, ssl=member.ssl_context or False)
    headers = {"Authorization": f"Bearer {member.token}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
        yield session


def object_path(item: dict[str, object]) -> str:
    """Path of one of the objects made here."""
    metadata = item["metadata"]
    assert isinstance(metadata, dict)
    prefix = "/api/v1" if item["kind"] == "ConfigMap" else "/apis/apps/v1"
    plural = "configmaps" if item["kind"] == "ConfigMap" else "deployments"
    return f"{prefix}/namespaces/{metadata['namespace']}/{plural}/{metadata['name']}"


async def raw_apply(members: Sequence[Member], objects: Sequence[dict[str, object]]) -> float:
    """The ceiling: apply the objects to all members at once, concurrently, and nothing else; gives seconds."""
    bodies = [(object_path(item), orjson.dumps(item)) for item in objects]

    async def to_member(member: Member) -> None:
        queue = iter(bodies)

        async def worker(session: aiohttp.ClientSession) -> None:
            for path, body in queue:
                url = f"{member.server}{path}?fieldManager=raw&force=true"
                async with session.patch(
                    url, data=body, headers={"Content-Type": "application/apply-patch+yaml"}
                ) as response:
                    orjson.loads(await response.read())
                    if response.status not in (200, 201):
                        raise RuntimeError(f"{member.name} answered {response.status} to {path}")

        async with member_session(member) as session:
            await asyncio.gather(*(worker(session) for _ in range(CONNECTIONS_A_MEMBER)))

    start = time.monotonic()
    await asyncio.gather(*(to_member(member) for member in members))
    return time.monotonic() - start


async def make_namespace(members: Sequence[Member], name: str) -> None:
    """A namespace in every member."""
    body = orjson.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    for member in members:
        async with (
            member_session(member) as session,
            session.patch(
                f"{member.server}/api/v1/namespaces/{name}?fieldManager=raw&force=true",
                data=body,
                headers={"Content-Type": "application/apply-patch+yaml"},
            ) as response,
        ):
            response.raise_for_status()
