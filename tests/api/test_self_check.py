"""A server that asks its own API: over plain text and TLS, while it answers, is stuck, or is gone."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc

from fedsvc.api.self_check import self_check
from fedsvc.simulator.certificates import issue_serving, make_authority


@asynccontextmanager
async def serving(tls: tuple[bytes, bytes] | None = None) -> AsyncIterator[tuple[aio.Server, str]]:
    server = aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    if tls is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([tls]))
    await server.start()
    try:
        yield server, f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_who_answers_itself_is_not_cut_off_and_who_is_gone_says_so() -> None:
    async with (
        serving() as (server, address),
        self_check(address, certificate=None, server_name=None) as check,
    ):
        assert not await check.ask(5.0)
        await server.stop(None)
        assert await check.ask(5.0) == f"its own API at {address} does not answer"


@pytest.mark.parametrize("knows", [True, False])
async def test_a_server_knows_itself_by_its_certificate_and_what_is_wrong_with_that_is_no_sign(*, knows: bool) -> None:
    pair = issue_serving(make_authority("test"), hosts=("fedsvc.example",))
    certificate = pair.certificate_pem if knows else make_authority("other").certificate_pem
    async with (
        serving((pair.key_pem, pair.certificate_pem)) as (_, address),
        self_check(address, certificate=certificate, server_name="fedsvc.example") as check,
    ):
        assert not await check.ask(5.0)


async def test_a_server_that_takes_connections_and_answers_nothing_is_told() -> None:
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda _, writer: taken.append(writer), "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, self_check(address, certificate=None, server_name=None) as check:
        assert await check.ask(0.2) == f"its own API at {address} does not answer"
    for writer in taken:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
