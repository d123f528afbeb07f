"""Asks this server's own API, the way a caller on this machine would: where that fails, so may all that it sees.

A machine without a network stack that works, without sockets or time to answer, finds its members silent, too.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

_NOT_OURS: Final = "CERTIFICATE_VERIFY_FAILED"
"""Whoever answers with a certificate that has ended does answer; callers are told of that by themselves."""


class SelfCheck:
    """A connection of a server to itself. Made by `self_check`."""

    def __init__(self, channel: aio.Channel, address: str) -> None:
        self._health: Any = health_pb2_grpc.HealthStub(channel)  # its stubs tell no types
        self._address = address

    async def ask(self, timeout_seconds: float) -> str:
        """Why the API does not answer, for people; empty: it does, whatever it says of itself."""
        try:
            await self._health.Check(health_pb2.HealthCheckRequest(), timeout=timeout_seconds, wait_for_ready=False)
        except aio.AioRpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                return ""
            if _NOT_OURS in (error.details() or ""):
                return ""
            return f"its own API at {self._address} does not answer"
        return ""


@asynccontextmanager
async def self_check(address: str, *, certificate: bytes | None, server_name: str | None) -> AsyncIterator[SelfCheck]:
    """A connection to the server's own API while the context is open.

    Args:
        address: "host:port" that can be reached on this machine.
        certificate: of the server, PEM; None: it serves without TLS.
        server_name: what the certificate is made out for, where that is not the host of the address.
    """
    # A refused connection is tried again at once: gRPC's own pauses are far longer than those between two looks.
    options: list[tuple[str, int | str]] = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.enable_http_proxy", 0)]
    if server_name is not None:
        options.append(("grpc.ssl_target_name_override", server_name))
    if certificate is None:
        channel = aio.insecure_channel(address, options)
    else:
        channel = aio.secure_channel(address, grpc.ssl_channel_credentials(certificate), options)
    async with channel:
        yield SelfCheck(channel, address)
