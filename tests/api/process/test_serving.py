"""`fedsvc serve` from its start to its end, and what outlives it."""

import asyncio
import contextlib
import os
import signal
import stat
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.message
import dns.rcode
import dns.tsig
import grpc
import pytest
from grpc import aio

from fedsvc.testing.name_servers import KEY
from fedsvc.testing.processes import free_ports
from fedsvc.v1 import (
    cluster_service_pb2,
    cluster_service_pb2_grpc,
    watch_service_pb2,
    watch_service_pb2_grpc,
    zone_pb2,
    zone_service_pb2,
    zone_service_pb2_grpc,
)

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

SECONDS = 60


async def test_it_serves_on_an_embedded_database_and_stops_on_sigterm(folder: Path, serving: Any, info: Any) -> None:
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


async def test_state_and_token_outlive_a_restart_and_a_kill(folder: Path, serving: Any) -> None:
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
async def test_the_database_of_a_killed_server_ends_with_it(folder: Path, serving: Any, info: Any) -> None:
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


async def test_streams_end_with_draining_and_the_exit_code_is_0(folder: Path, serving: Any) -> None:
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


@pytest.fixture
def code_of(info: Any) -> Callable[[aio.Channel, list[tuple[str, str]]], Awaitable[grpc.StatusCode]]:
    async def ask(channel: aio.Channel, metadata: list[tuple[str, str]]) -> grpc.StatusCode:
        try:
            await info(channel, metadata)
        except aio.AioRpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    return ask


async def test_it_survives_a_restart_of_its_database(folder: Path, serving: Any, info: Any, code_of: Any) -> None:
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


async def test_it_answers_names_again_after_a_restart_from_what_was_planned(folder: Path, serving: Any) -> None:
    query = dns.message.make_query("example.org.", "NS")
    (port,) = free_ports(1)
    for is_first in (True, False):
        async with serving(folder, "--dns-listen", f"127.0.0.1:{port}") as server:
            assert server.names == f"127.0.0.1:{port}"
            if is_first:
                async with aio.insecure_channel(server.address) as channel:
                    made = zone_pb2.Zone(name="zones/main", spec=zone_pb2.ZoneSpec(domain="example.org"))
                    zones = zone_service_pb2_grpc.ZoneServiceStub(channel)
                    request = zone_service_pb2.ApplyZoneRequest(zone=made)
                    await zones.ApplyZone(request, metadata=server.metadata)
                async with asyncio.timeout(SECONDS):
                    while (await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=10)).rcode():
                        await asyncio.sleep(0.02)
                async with aio.insecure_channel(server.address) as channel:
                    zones = zone_service_pb2_grpc.ZoneServiceStub(channel)
                    verify = zone_service_pb2.VerifyZoneRequest(name="zones/main")
                    (asked,) = (await zones.VerifyZone(verify, metadata=server.metadata)).servers
                    assert (asked.server.host, asked.server.port, asked.agrees) == ("127.0.0.1", port, True)
            reply = await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=10)
            assert [str(record) for record in reply.answer[0]] == ["ns.example.org."]


async def test_it_lets_secondaries_transfer_zones_signed_by_their_keys(folder: Path, serving: Any) -> None:
    secret = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="
    key = zone_pb2.TsigKey(name="fedsvc-test", secret=secret)
    away = zone_pb2.NameServerEndpoint(host="127.0.0.1", port=free_ports(1)[0])
    provider = zone_pb2.HiddenPrimaryProvider(secondaries=[zone_pb2.ZoneSecondary(server=away, key=key)])
    spec = zone_pb2.ZoneSpec(domain="example.org", hidden_primary=provider)
    (port,) = free_ports(1)
    async with serving(folder, "--transfer-listen", f"127.0.0.1:{port}") as server:
        async with aio.insecure_channel(server.address) as channel:
            zones = zone_service_pb2_grpc.ZoneServiceStub(channel)
            request = zone_service_pb2.ApplyZoneRequest(zone=zone_pb2.Zone(name="zones/main", spec=spec))
            await zones.ApplyZone(request, metadata=server.metadata)
        signed = dns.message.make_query("example.org.", "SOA")
        signed.use_tsig({KEY.name: KEY}, keyname=KEY.name)
        code = None
        async with asyncio.timeout(SECONDS):
            while code != dns.rcode.NOERROR:
                with contextlib.suppress(dns.tsig.PeerBadKey):  # it does not know the zone yet
                    code = (await dns.asyncquery.tcp(signed, "127.0.0.1", port=port, timeout=10)).rcode()
                await asyncio.sleep(0.02)
        unsigned = dns.message.make_query("example.org.", "AXFR")
        assert (await dns.asyncquery.tcp(unsigned, "127.0.0.1", port=port, timeout=10)).rcode() == dns.rcode.REFUSED
