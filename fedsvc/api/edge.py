"""The gRPC server put together: servicers, interceptor, health, reflection, listener."""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from fedsvc.api.authentication import Authenticator
from fedsvc.api.calls import CallInterceptor
from fedsvc.api.health import PROBE_SECONDS, Health
from fedsvc.api.limits import MAX_MESSAGE_BYTES
from fedsvc.api.services.audit import AuditServicer
from fedsvc.api.services.automation import AutomationServicer
from fedsvc.api.services.clusters import ClusterServicer
from fedsvc.api.services.events import EventServicer
from fedsvc.api.services.holds import HoldServicer
from fedsvc.api.services.members import MemberServicer
from fedsvc.api.services.ownership import OwnershipServicer
from fedsvc.api.services.placement import PlacementServicer
from fedsvc.api.services.policies import PolicyServicer
from fedsvc.api.services.removals import RemovalServicer
from fedsvc.api.services.resources import ResourceServicer
from fedsvc.api.services.revisions import RevisionServicer
from fedsvc.api.services.rollouts import RolloutServicer
from fedsvc.api.services.server_info import ServerServicer
from fedsvc.api.services.units import UnitServicer
from fedsvc.api.services.watch import MAX_PENDING, WatchServicer
from fedsvc.api.services.zones import ZoneServicer
from fedsvc.errors import ConfigurationError, UnauthenticatedError
from fedsvc.members.registry import Members
from fedsvc.store import tokens
from fedsvc.store.store import Store
from fedsvc.v1 import (
    audit_service_pb2,
    audit_service_pb2_grpc,
    automation_service_pb2,
    automation_service_pb2_grpc,
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    event_service_pb2,
    event_service_pb2_grpc,
    hold_service_pb2,
    hold_service_pb2_grpc,
    member_service_pb2,
    member_service_pb2_grpc,
    ownership_service_pb2,
    ownership_service_pb2_grpc,
    placement_service_pb2,
    placement_service_pb2_grpc,
    policy_service_pb2,
    policy_service_pb2_grpc,
    removal_service_pb2,
    removal_service_pb2_grpc,
    resource_service_pb2,
    resource_service_pb2_grpc,
    revision_service_pb2,
    revision_service_pb2_grpc,
    rollout_service_pb2,
    rollout_service_pb2_grpc,
    server_service_pb2,
    server_service_pb2_grpc,
    unit_service_pb2,
    unit_service_pb2_grpc,
    watch_service_pb2,
    watch_service_pb2_grpc,
    zone_service_pb2,
    zone_service_pb2_grpc,
)

SERVICES: Final = tuple(
    descriptor.full_name
    for module in (
        audit_service_pb2,
        automation_service_pb2,
        cluster_service_pb2,
        event_service_pb2,
        ownership_service_pb2,
        member_service_pb2,
        hold_service_pb2,
        placement_service_pb2,
        policy_service_pb2,
        removal_service_pb2,
        resource_service_pb2,
        revision_service_pb2,
        rollout_service_pb2,
        server_service_pb2,
        unit_service_pb2,
        watch_service_pb2,
        zone_service_pb2,
    )
    for descriptor in module.DESCRIPTOR.services_by_name.values()
)
"""The full names of our services."""

_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Without this a second server could listen on the same port, and calls would go to either.
    ("grpc.so_reuseport", 0),
    # Dead clients are noticed, and idle streams stay open through proxies.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """How the API is served."""

    address: str  # host:port
    tls: tuple[bytes, bytes] | None = None  # private key and certificate chain, PEM
    version: str = ""
    bookmark_seconds: float = 15.0
    max_pending_changes: int = MAX_PENDING
    token_cache_seconds: float = 5.0
    health_probe_seconds: float = PROBE_SECONDS


class Edge:
    """The running API."""

    def __init__(
        self,
        store: Store,
        settings: EdgeSettings,
        *,
        is_leader: Callable[[], bool],
        name_servers: Callable[[], Sequence[tuple[str, int]]] = tuple,
    ) -> None:
        async def find_caller(token: str) -> str | None:
            async with store.reader() as tx:
                name = await tokens.authenticate(tx, token)
                end = None if name is not None else await tokens.end_of(tx, token)
            if end is not None:
                raise UnauthenticatedError(
                    f"the token ended at {end:%Y-%m-%d %H:%M} UTC: make another with `fedsvc token create NAME`"
                )
            return name

        authenticator = Authenticator(find_caller, cache_seconds=settings.token_cache_seconds)
        self._settings = settings
        self._interceptor = CallInterceptor(authenticator)
        self._server = aio.server(interceptors=[self._interceptor], options=_OPTIONS)
        self._health = Health(SERVICES, store.ping, probe_seconds=settings.health_probe_seconds)
        self.ready = False
        # Connections of the API's own: what people look at holds up no propagation, and the other way round.
        self._members = Members()
        server = self._server
        cluster_service_pb2_grpc.add_ClusterServiceServicer_to_server(ClusterServicer(store), server)
        unit_service_pb2_grpc.add_UnitServiceServicer_to_server(UnitServicer(store), server)
        revision_service_pb2_grpc.add_RevisionServiceServicer_to_server(RevisionServicer(store), server)
        rollout_service_pb2_grpc.add_RolloutServiceServicer_to_server(RolloutServicer(store), server)
        removal_service_pb2_grpc.add_RemovalServiceServicer_to_server(RemovalServicer(store), server)
        resource_service_pb2_grpc.add_ResourceServiceServicer_to_server(ResourceServicer(store), server)
        policy_service_pb2_grpc.add_PolicyServiceServicer_to_server(PolicyServicer(store), server)
        placement_service_pb2_grpc.add_PlacementServiceServicer_to_server(PlacementServicer(store), server)
        event_service_pb2_grpc.add_EventServiceServicer_to_server(EventServicer(store), server)
        member_service_pb2_grpc.add_MemberServiceServicer_to_server(MemberServicer(store, self._members), server)
        hold_service_pb2_grpc.add_HoldServiceServicer_to_server(HoldServicer(store), server)
        automation_service_pb2_grpc.add_AutomationServiceServicer_to_server(AutomationServicer(store), server)
        audit_service_pb2_grpc.add_AuditServiceServicer_to_server(AuditServicer(store), server)
        zone_service_pb2_grpc.add_ZoneServiceServicer_to_server(ZoneServicer(store, name_servers), server)
        watch_service_pb2_grpc.add_WatchServiceServicer_to_server(
            WatchServicer(store, bookmark_seconds=settings.bookmark_seconds, max_pending=settings.max_pending_changes),
            server,
        )
        ownership_service_pb2_grpc.add_OwnershipServiceServicer_to_server(
            OwnershipServicer(store, self._members), server
        )
        server_service_pb2_grpc.add_ServerServiceServicer_to_server(
            ServerServicer(store, version=settings.version, is_leader=is_leader), server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health.servicer, server)
        names = (*SERVICES, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)

    async def start(self) -> int:
        """Listen and answer; gives the port.

        Raises:
            OSError: the address cannot be listened on; the text says why and what to do.
        """
        address, tls = self._settings.address, self._settings.tls
        # Before gRPC is asked, which would put a line of its own on stderr, and does not tell why.
        if (problem := await asyncio.to_thread(_why_not, address)) is not None:
            raise problem
        try:
            if tls is None:
                port = self._server.add_insecure_port(address)
            else:
                port = self._server.add_secure_port(address, grpc.ssl_server_credentials([tls]))
        except RuntimeError as error:
            raise OSError(errno.EADDRINUSE, f"{address} could not be listened on: try again") from error
        await self._server.start()
        self.ready = True
        return int(port)

    async def run(self) -> None:
        """Keep the health service true, for ever."""
        await self._health.run()

    async def stop(self, grace_seconds: float) -> None:
        """Say NOT_SERVING, end streams, refuse new calls, let those under way finish; then close."""
        self.ready = False
        await self._health.drain()
        self._interceptor.drain()
        await self._server.stop(grace_seconds)
        await self._members.close()


def _why_not(address: str) -> OSError | ConfigurationError | None:
    """Find out why an address cannot be listened on; None where it can, on one at least of those that it stands for."""
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        found = socket.getaddrinfo(host or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        return ConfigurationError(f"--listen {address}: '{host}' is not an address of this machine")
    problems: list[OSError] = []
    for family, kind, protocol, _, where in found:
        try:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(where)
        except OSError as error:
            problems.append(error)
        else:
            return None
    return _explained(address, port, problems[0])


def _explained(address: str, port: str, error: OSError) -> OSError | ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return OSError(
            f"port {port} is in use (--listen {address}): another fedsvc or another program listens there; stop it, or "
            "choose another with --listen"
        )
    if error.errno == errno.EACCES:
        return OSError(f"port {port} (--listen {address}) may not be used by this user: choose one above 1023")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigurationError(f"--listen {address}: this machine has no such address")
    return OSError(f"--listen {address}: {error.strerror}")
