"""Real Kubernetes control planes for tests: etcd, kube-apiserver and kube-controller-manager as child processes.

Binaries are found by ``KUBEBUILDER_ASSETS`` (the convention of envtest). There is no kubelet: Nodes and readiness of
Pods are made by :mod:`fedsvc.testing.kubelet`.

    async with ControlPlane(name="a", directory=tmp_path) as plane:
        plane.server, plane.token, plane.ca_file, plane.kubeconfig
"""

import asyncio
import functools
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fedsvc.simulator.certificates import KeyPair, issue_client, issue_serving, make_authority
from fedsvc.testing.processes import Child, free_ports

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
START_SECONDS = 90.0
_START_ATTEMPTS = 3  # a port may be taken between asking for it and using it


class ControlPlaneError(Exception):
    """A control plane could not be started; the message ends with its last output."""


def find_assets() -> Path | None:
    """The folder with kube-apiserver and etcd, or None where the machine has none."""
    folder = os.environ.get(ASSETS_VARIABLE)
    if not folder:
        return None
    path = Path(folder)
    return path if (path / "kube-apiserver").exists() and (path / "etcd").exists() else None


class ControlPlane:
    """One member cluster made of real components, all on loopback."""

    def __init__(
        self,
        *,
        name: str,
        directory: Path | None = None,
        assets: Path | None = None,
        controller_manager: bool = True,
        apiserver_flags: Sequence[str] = (),
    ) -> None:
        found = assets or find_assets()
        if found is None:
            raise ControlPlaneError(
                f"no kube-apiserver: set {ASSETS_VARIABLE} to a folder with kube-apiserver and etcd"
            )
        self.name = name
        self.token = secrets.token_urlsafe(24)
        self._assets = found
        self._with_controller_manager = controller_manager
        self._flags = tuple(apiserver_flags)
        self._owns_directory = directory is None
        self.directory = directory or Path(tempfile.mkdtemp(prefix=f"control-plane-{name}-"))
        self._etcd: Child | None = None
        self._apiserver: Child | None = None
        self._controller_manager: Child | None = None
        self._etcd_port, self._etcd_peer_port, self.port = free_ports(3)
        self._authority = make_authority("test-authority")

    @property
    def server(self) -> str:
        """The API server's base address."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca_file(self) -> Path:
        """The authority that signed the serving certificate."""
        return self.directory / "ca.crt"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator, one context named like the cluster."""
        return self.directory / "kubeconfig"

    def ssl_context(self) -> ssl.SSLContext:
        """A TLS context that trusts this cluster only."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def client_certificate(self, *, user: str, groups: tuple[str, ...] = ()) -> KeyPair:
        """Issue a client certificate the API server accepts."""
        return issue_client(self._authority, user=user, groups=groups)

    async def start(self) -> Self:
        """Start all components and wait until the API server is ready.

        Raises:
            ControlPlaneError: a component ended or was not ready in time.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _START_ATTEMPTS + 1):
            self._write_files()
            try:
                self._start_etcd()
                await self.start_apiserver()
                break
            except ControlPlaneError:
                await self._stop_processes()
                if attempt == _START_ATTEMPTS:
                    raise
                self._etcd_port, self._etcd_peer_port, self.port = free_ports(3)
        if self._with_controller_manager:
            self._start_controller_manager()
            # The first thing it does that can be seen; before it, writes would find half a cluster.
            await self._wait_for("/api/v1/namespaces/default/serviceaccounts/default")
        return self

    async def stop(self) -> None:
        """Stop everything and remove what was made; safe to call twice."""
        await self._stop_processes()
        if self._owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:
            await self.stop()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def kill_apiserver(self) -> None:
        """SIGKILL the API server: connections are refused until :meth:`start_apiserver`."""
        if self._apiserver is not None:
            await self._apiserver.stop(kill=True)

    def suspend_apiserver(self) -> None:
        """SIGSTOP the API server: connections are accepted by the kernel and never answered."""
        if self._apiserver is not None:
            self._apiserver.send(signal.SIGSTOP)

    def resume_apiserver(self) -> None:
        """Undo :meth:`suspend_apiserver`."""
        if self._apiserver is not None:
            self._apiserver.send(signal.SIGCONT)

    async def start_apiserver(self) -> None:
        """Start the API server (again) on the same port with the same data, and wait until it is ready.

        Raises:
            ControlPlaneError: it ended or was not ready in time.
        """
        directory = self.directory
        key = directory / "service-account.key"
        self._apiserver = Child(
            f"{self.name}-apiserver",
            [
                self._assets / "kube-apiserver",
                f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
                f"--secure-port={self.port}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                f"--cert-dir={directory / 'pki'}",
                f"--tls-cert-file={directory / 'serving.crt'}",
                f"--tls-private-key-file={directory / 'serving.key'}",
                f"--client-ca-file={directory / 'ca.crt'}",
                f"--token-auth-file={directory / 'tokens.csv'}",
                "--authorization-mode=RBAC",
                f"--service-account-key-file={key}",
                f"--service-account-signing-key-file={key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--service-cluster-ip-range=10.0.0.0/16",
                "--endpoint-reconciler-type=none",
                *self._flags,
            ],
            log=directory / "apiserver.log",
        )
        await self._wait_for("/readyz", "/api/v1/namespaces/default")

    async def restart_apiserver(self) -> None:
        """Kill the API server and start it again."""
        await self.kill_apiserver()
        await self.start_apiserver()

    def _start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self._etcd_port}"
        self._etcd = Child(
            f"{self.name}-etcd",
            [
                self._assets / "etcd",
                f"--data-dir={self.directory / 'etcd'}",
                f"--listen-client-urls={client}",
                f"--advertise-client-urls={client}",
                f"--listen-peer-urls=http://127.0.0.1:{self._etcd_peer_port}",
                "--log-level=error",
                "--unsafe-no-fsync",
            ],
            log=self.directory / "etcd.log",
        )

    def _start_controller_manager(self) -> None:
        binary = self._assets / "kube-controller-manager"
        self._controller_manager = Child(
            f"{self.name}-controller-manager",
            [
                binary,
                f"--kubeconfig={self.kubeconfig}",
                f"--service-account-private-key-file={self.directory / 'service-account.key'}",
                "--leader-elect=false",
                f"--root-ca-file={self.ca_file}",
                "--bind-address=127.0.0.1",
                "--secure-port=0",
                *_no_insecure_port(binary),
            ],
            log=self.directory / "controller-manager.log",
        )

    async def _wait_for(self, *paths: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        headers = {"Authorization": f"Bearer {self.token}"}
        connector = aiohttp.TCPConnector(ssl=self.ssl_context())
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout) as session:
            for path in paths:
                while not await self._answers(session, path):
                    self._check_alive()
                    if time.monotonic() > deadline:
                        raise ControlPlaneError(f"{self.name}: not ready after {START_SECONDS:.0f} s\n{self._tails()}")
                    await asyncio.sleep(0.1)

    async def _answers(self, session: aiohttp.ClientSession, path: str) -> bool:
        try:
            async with session.get(self.server + path) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _check_alive(self) -> None:
        for child in (self._etcd, self._apiserver, self._controller_manager):
            if child is not None and not child.running():
                raise ControlPlaneError(f"{child.name} ended:\n{child.tail()}")

    def _tails(self) -> str:
        children = (self._etcd, self._apiserver, self._controller_manager)
        return "\n".join(f"--- {child.name}\n{child.tail()}" for child in children if child is not None)

    async def _stop_processes(self) -> None:
        for child in (self._controller_manager, self._apiserver, self._etcd):  # in this order: no storm of retries
            if child is not None:
                await child.stop(kill=True)  # nothing in there outlives the test: no reason to wait for a drain

    def _write_files(self) -> None:
        serving = issue_serving(self._authority, hosts=("127.0.0.1", "localhost", "kubernetes.default.svc", "10.0.0.1"))
        write = self._write
        write("ca.crt", self._authority.certificate_pem)
        write("serving.crt", serving.certificate_pem)
        write("serving.key", serving.key_pem)
        write("tokens.csv", f'{self.token},admin,admin,"system:masters"\n'.encode())
        key_file = self.directory / "service-account.key"
        if not key_file.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            write(
                key_file.name,
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                ),
            )
        write("kubeconfig", yaml.safe_dump(self.kubeconfig_document()).encode())

    def _write(self, name: str, content: bytes) -> None:
        path = self.directory / name
        path.write_bytes(content)
        path.chmod(0o600)

    def kubeconfig_document(self) -> dict[str, object]:
        """The administrator's kubeconfig as a document: the authority is a file beside it."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": self.name,
            "clusters": [
                {"name": self.name, "cluster": {"server": self.server, "certificate-authority": str(self.ca_file)}}
            ],
            "users": [{"name": f"{self.name}-admin", "user": {"token": self.token}}],
            "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": f"{self.name}-admin"}}],
        }


@asynccontextmanager
async def control_planes(
    names: Sequence[str],
    *,
    directory: Path | None = None,
    assets: Path | None = None,
    controller_manager: bool = True,
) -> AsyncIterator[list[ControlPlane]]:
    """Start several control planes side by side; all are stopped whatever happens.

    Raises:
        ControlPlaneError: one of them could not be started (the others are stopped again).
    """
    planes = [
        ControlPlane(
            name=name,
            directory=None if directory is None else directory / name,
            assets=assets,
            controller_manager=controller_manager,
        )
        for name in names
    ]
    try:
        results = await asyncio.gather(*(plane.start() for plane in planes), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        yield planes
    finally:
        await asyncio.gather(*(plane.stop() for plane in planes))


@functools.cache
def _no_insecure_port(binary: Path) -> tuple[str, ...]:
    """The flag that keeps old releases (before 1.24) from the fixed port that only one process can have."""
    shown = subprocess.run([str(binary), "--help"], capture_output=True, text=True, check=True, timeout=30)
    return ("--port=0",) if "--port int" in shown.stdout else ()


def write_kubeconfig(planes: Sequence[ControlPlane], path: Path) -> None:
    """Write one kubeconfig with one context for each control plane; the first is the current one."""
    documents = [plane.kubeconfig_document() for plane in planes]
    merged: dict[str, object] = dict(documents[0])
    for key in ("clusters", "users", "contexts"):
        merged[key] = [item for document in documents for item in _items(document, key)]
    path.write_text(yaml.safe_dump(merged))
    path.chmod(0o600)


def _items(document: dict[str, object], key: str) -> list[object]:
    value = document[key]
    assert isinstance(value, list)
    return value
