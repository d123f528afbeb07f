"""The simulator: many simulated clusters behind one HTTP server, told apart by the path ``/clusters/NAME``."""

import asyncio
import datetime as dt
import logging
import ssl
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from fedsvc.simulator import state
from fedsvc.simulator.bodies import BODY_LIMIT_BYTES, failure, text
from fedsvc.simulator.certificates import KeyPair, issue_serving, make_authority
from fedsvc.simulator.cluster import SimulatedCluster
from fedsvc.simulator.control import serve_control
from fedsvc.simulator.errors import ApiError
from fedsvc.simulator.faults import Outage
from fedsvc.simulator.kubeconfig import kubeconfig_document, write_document
from fedsvc.simulator.root import serve_cluster
from fedsvc.simulator.spec import Options, SimulatedClusterSpec
from fedsvc.simulator.store import Event

_log = logging.getLogger(__name__)
CONTROL = "/_simulator"
_CLUSTERS = "/clusters/"
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request to change something that a cluster has dealt with."""

    cluster: str
    method: str
    path: str  # below the cluster's address
    query: Mapping[str, str]
    body: bytes
    user_agent: str
    status: int  # of the answer, arrived or not


class Simulator:
    """Simulated clusters over HTTP or HTTPS on one loopback port.

    Use it as an asynchronous context manager, or with :meth:`start` and :meth:`stop`. All methods belong to the event
    loop in which it was started.
    """

    def __init__(
        self,
        clusters: Iterable[SimulatedClusterSpec],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        options: Options | None = None,
        state_dir: Path | None = None,
    ) -> None:
        """Make a simulator; nothing listens until :meth:`start`.

        Args:
            clusters: The clusters there are; more can come by :meth:`add`.
            host: The address to listen on.
            port: The port to listen on; 0: any (with a state folder, the same one as last time).
            tls: Serve HTTPS with a certificate of an authority made here.
            options: How the clusters behave.
            state_dir: Keep the state of all clusters in this folder, and go on from it.
        """
        self.options = options or Options()
        self._host = host
        self._port = port
        self._tls = tls
        self._state_dir = state_dir
        self._specs = {spec.name: spec for spec in clusters}
        self._clusters: dict[str, SimulatedCluster] = {}
        self._authority: KeyPair | None = None
        self._runner: web.ServerRunner | None = None
        self._changed: set[str] = set()
        self._save_timer: asyncio.TimerHandle | None = None
        self.listeners: list[Callable[[Received], None]] = []  # told of every request to change something
        self._moved = asyncio.Event()  # replaced whenever faults change: requests in a black hole look again
        self._late: set[asyncio.Task[web.StreamResponse]] = set()  # writes that are done later

    @property
    def url(self) -> str:
        """The base address."""
        return f"{'https' if self._tls else 'http'}://{self._host}:{self._port}"

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._port

    @property
    def ca_pem(self) -> str:
        """The authority of the serving certificate; empty over plain HTTP."""
        return self._authority.certificate_pem.decode() if self._authority is not None else ""

    @property
    def clusters(self) -> tuple[SimulatedCluster, ...]:
        """All clusters, in the order they were given."""
        return tuple(self._clusters.values())

    def cluster(self, name: str) -> SimulatedCluster:
        """One cluster.

        Raises:
            KeyError: there is none of that name.
        """
        return self._clusters[name]

    def server_of(self, name: str) -> str:
        """The address of a cluster's API server, as a kubeconfig has it."""
        return f"{self.url}{_CLUSTERS}{name}"

    async def start(self) -> Self:
        """Load the state if there is any, and listen."""
        if self._state_dir is not None:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._port = self._port or state.load_port(self._state_dir)
        context = self._ssl_context() if self._tls else None
        for spec in self._specs.values():
            self._make(spec)
        server = web.Server(self._handle, request_factory=_request, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await self._listen(context)
        except OSError:
            if self._state_dir is None or not self._port:
                raise
            self._port = 0  # the port of last time is somebody else's now
            await self._listen(context)
        if self._state_dir is not None:
            state.save_port(self._state_dir, self._port)
        for cluster in self._clusters.values():
            cluster.controllers.start()
        return self

    async def stop(self) -> None:
        """Write the state and stop listening; safe to call twice."""
        for cluster in self._clusters.values():
            cluster.controllers.stop()
            cluster.store.close_watchers()
        self._moved.set()
        if self._save_timer is not None:
            self._save_timer.cancel()
            self._save_timer = None
        for task in self._late:
            task.cancel()
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
            self._save(all_clusters=True)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def add(self, spec: SimulatedClusterSpec) -> SimulatedCluster:
        """Add a cluster while running.

        Raises:
            ValueError: there is one of that name.
        """
        if spec.name in self._clusters:
            raise ValueError(f"cluster {spec.name!r} exists")
        self._specs[spec.name] = spec
        cluster = self._make(spec)
        if self._runner is not None:
            cluster.controllers.start()
        return cluster

    def write_kubeconfig(self, path: Path) -> None:
        """Write a kubeconfig with one context for each cluster, named like it; the first is the current one."""
        write_document(path, kubeconfig_document(self))

    def faults_changed(self) -> None:
        """Let requests that wait in a black hole look at the faults again."""
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _make(self, spec: SimulatedClusterSpec) -> SimulatedCluster:
        snapshot = state.load_cluster(self._state_dir, spec.name) if self._state_dir is not None else None
        cluster = SimulatedCluster(spec, self.options, snapshot=snapshot, authority_pem=self.ca_pem)
        cluster.gate.listeners.append(self.faults_changed)
        self._clusters[spec.name] = cluster
        if self._state_dir is not None:
            name = spec.name

            def changed(_event: Event) -> None:
                self._changed.add(name)
                self._save_soon()

            cluster.store.listeners.append(changed)
        return cluster

    def _save_soon(self) -> None:
        if self._save_timer is None and self._runner is not None:
            loop = asyncio.get_running_loop()
            self._save_timer = loop.call_later(self.options.save_delay_seconds, self._save)

    def _save(self, *, all_clusters: bool = False) -> None:
        self._save_timer = None
        if self._state_dir is None:
            return
        for name in self._clusters if all_clusters else sorted(self._changed):
            state.save_cluster(self._state_dir, name, self._clusters[name].snapshot())
        self._changed.clear()

    def _ssl_context(self) -> ssl.SSLContext:
        authority = state.load_authority(self._state_dir) if self._state_dir is not None else None
        if authority is None:
            authority = make_authority("simulator-authority")
            if self._state_dir is not None:
                state.save_authority(self._state_dir, authority)
        self._authority = authority
        serving = issue_serving(authority, hosts=tuple(dict.fromkeys((self._host, "127.0.0.1", "localhost"))))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile() as pem:  # the ssl module reads files only
            pem.write(serving.certificate_pem + serving.key_pem)
            pem.flush()
            context.load_cert_chain(pem.name)
        return context

    async def _listen(self, context: ssl.SSLContext | None) -> None:
        assert self._runner is not None
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=context, backlog=1024)
        await site.start()
        addresses: list[Any] = self._runner.addresses
        self._port = int(addresses[0][1])

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path.startswith(_CLUSTERS):
            name, _, rest = path[len(_CLUSTERS) :].partition("/")
            cluster = self._clusters.get(name)
            if cluster is not None:
                return await self._serve(cluster, request, "/" + rest)
        elif path.startswith(CONTROL):
            return await serve_control(self, request, path[len(CONTROL) :])
        return text("404 page not found\n", 404)

    async def _serve(self, cluster: SimulatedCluster, request: web.BaseRequest, path: str) -> web.StreamResponse:
        faults = cluster.faults
        while faults.outage is Outage.BLACK_HOLE:
            await self._moved.wait()
            faults = cluster.faults
            if self._runner is None or faults.outage is not Outage.BLACK_HOLE:
                return _cut(request)  # what was sent into the hole is lost, also when the hole closes
        if faults.outage is Outage.REFUSED:
            return _cut(request)
        if faults.latency_seconds > 0:
            await asyncio.sleep(faults.latency_seconds)
        if faults.late_write_seconds > 0 and request.method in _WRITING:
            await request.read()  # what was not sent whole is not done
            task = asyncio.get_running_loop().create_task(self._deal_late(cluster, request, path), name="late-write")
            self._late.add(task)
            task.add_done_callback(self._late.discard)
            return await asyncio.shield(task)
        return await self._deal(cluster, request, path)

    async def _deal_late(self, cluster: SimulatedCluster, request: web.BaseRequest, path: str) -> web.StreamResponse:
        await asyncio.sleep(cluster.faults.late_write_seconds)
        return await self._deal(cluster, request, path)

    async def _deal(self, cluster: SimulatedCluster, request: web.BaseRequest, path: str) -> web.StreamResponse:
        faults = cluster.faults
        if faults.garbage:
            return text("<html>\x00 this is no JSON {", 200)
        if faults.broken_group and path.startswith(f"/apis/{faults.broken_group}/"):
            return _injected(503, 0)
        status = cluster.gate.take_error()
        if status:
            return _injected(status, faults.retry_after_seconds)
        try:
            response = await serve_cluster(cluster, request, path, self.url.partition("//")[2])
        except ApiError as error:
            response = failure(error)
        if request.method in _WRITING:
            for listener in self.listeners:
                listener(await _received(cluster, request, path, response.status))
            if cluster.gate.take_loss():
                return _cut(request)
        if faults.clock_skew_seconds and not response.prepared:
            response.headers["Date"] = format_datetime(cluster.now().astimezone(dt.UTC), usegmt=True)
        return response


async def _received(cluster: SimulatedCluster, request: web.BaseRequest, path: str, status: int) -> Received:
    return Received(
        cluster=cluster.name,
        method=request.method,
        path=path,
        query=dict(request.query),
        body=await request.read(),
        user_agent=request.headers.get("User-Agent", ""),
        status=status,
    )


def _cut(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection without an answer."""
    request.protocol.force_close()
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _injected(status: int, retry_after_seconds: int) -> web.StreamResponse:
    reasons = {
        400: "BadRequest",
        401: "Unauthorized",
        403: "Forbidden",
        404: "NotFound",
        409: "Conflict",
        410: "Expired",
        422: "Invalid",
        429: "TooManyRequests",
        500: "InternalError",
        503: "ServiceUnavailable",
        504: "Timeout",
    }
    reason = reasons.get(status, "")
    message = "Unauthorized" if status == 401 else f"injected by the simulator: {status} {reason}"
    return failure(ApiError(status, reason, message, details={}, retry_after=retry_after_seconds))


def _request(*args: Any) -> web.BaseRequest:
    message, payload, protocol, writer, task = args
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT_BYTES)
