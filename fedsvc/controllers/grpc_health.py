"""A probe by gRPC's own health service, which others serve: none of our messages are in it."""

import asyncio
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fedsvc.naming.reachable import ProbeTarget


async def ask_health(target: ProbeTarget, address: str) -> str:
    """What is wrong with the server or one service of it, by the standard health service; empty: it serves.

    See https://github.com/grpc/grpc/blob/master/doc/health-checking.md.
    """
    # First a plain connection: the errors of gRPC do not tell a network of ours from one who does not answer.
    _, writer = await asyncio.open_connection(address, target.port)
    writer.transport.abort()
    at = f"ipv6:[{address}]:{target.port}" if ":" in address else f"ipv4:{address}:{target.port}"
    options: list[tuple[str, Any]] = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
    if target.host:
        options.append(("grpc.default_authority", target.host))
    async with grpc.aio.insecure_channel(at, options=options) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await health.Check(
                health_pb2.HealthCheckRequest(service=target.service), timeout=target.timeout_seconds
            )
        except grpc.aio.AioRpcError as error:
            return _refusal_words(target, error)
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    return "" if status == "SERVING" else f"says {status} of {_asked(target)}"


def _refusal_words(target: ProbeTarget, error: grpc.aio.AioRpcError) -> str:
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return "has no health service (grpc.health.v1.Health)"
    if error.code() is grpc.StatusCode.NOT_FOUND:
        return f"does not know {_asked(target)}"
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"did not answer within {target.timeout_seconds} s"
    return f"answered {error.code().name}"


def _asked(target: ProbeTarget) -> str:
    return f"service {target.service}" if target.service else "the server"
