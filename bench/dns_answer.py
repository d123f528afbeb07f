"""Latency: an address of a Service changes in a member, until name servers answer with it.

    ./dev bench dns_answer --changes 60
    ./dev bench dns_answer --changes 60 --kind real

Two zones have the Service: one is answered by the name server in fedsvc, one is kept on BIND by dynamic updates. The
ceiling is the same change told to BIND by hand, from the sending of the update to its answer.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import dns.asyncquery
import dns.message
import dns.update
import grpc.aio
import orjson

from bench.fleet import Member, fleet, make_namespace, member_session, running_service, unit_request, units_stub
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, NameServer, start_name_server
from fedsvc.testing.processes import free_ports
from fedsvc.v1 import dns_pb2, zone_pb2, zone_service_pb2, zone_service_pb2_grpc

WARM_UP = 5
OWN, KEPT = "own.example", "kept.example"
SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="  # noqa: S105 - made up, of the name servers of tests
_SECONDS = 30
_PAUSE_SECONDS = 0.6
"""Until it is idle again: what keeps coming is written twice a second, and a change then waits for that."""
_ASK_SECONDS = 0.006
"""Between questions: of equal answers a name server gives one client 200 in a second."""

Metadata = tuple[tuple[str, str], ...]


async def measure(kind: str, changes: int) -> None:
    (port,) = free_ports(1)
    with tempfile.TemporaryDirectory(prefix="fedsvc-bench-") as folder:
        hosted = [HostedZone(origin=f"{name}.") for name in (KEPT, "hand.example")]
        bind = await start_name_server(Kind.BIND, Path(folder), hosted)
        try:
            raw = await _raw(bind, changes)
            async with fleet(kind, 1) as (members, kubeconfig):
                await make_namespace(members, "bench")
                arguments = ("--dns-listen", f"127.0.0.1:{port}")
                async with running_service(members, kubeconfig, arguments=arguments) as service:
                    channel, stub, token = units_stub(service)
                    metadata = (("authorization", f"Bearer {token}"),)
                    async with channel:
                        await _make_zones(channel, metadata, bind)
                        for name, zone in (("own", "own"), ("kept", "kept")):
                            request = unit_request(name, [_service(name)])
                            request.unit.spec.dns.CopyFrom(dns_pb2.DnsSettings(zone=zone))
                            await stub.ApplyUnit(request, metadata=metadata, timeout=30)
                        ours = await _changed(members[0], "own", OWN, port, changes)
                        kept = await _changed(members[0], "kept", KEPT, bind.port, changes)
        finally:
            await bind.stop()
    print(f"dns_answer: an address changed in a {kind} member, until it is answered, {changes} times each")
    for name, took in (("BIND by hand", raw), ("fedsvc itself", ours), ("BIND by fedsvc", kept)):
        print(f"  {name:<15} p50 {_at(took, 50):6.1f} ms   p99 {_at(took, 99):6.1f} ms   max {max(took) * 1000:.1f} ms")
    print(f"  ratio           p50 {_at(kept, 50) / _at(raw, 50):6.1f}      p99 {_at(kept, 99) / _at(raw, 99):6.1f}")


async def _make_zones(channel: grpc.aio.Channel, metadata: Metadata, bind: NameServer) -> None:
    zones = zone_service_pb2_grpc.ZoneServiceStub(channel)
    server = zone_pb2.NameServerEndpoint(host="127.0.0.1", port=bind.port)
    provider = zone_pb2.Rfc2136Provider(server=server, key=zone_pb2.TsigKey(name="fedsvc-test", secret=SECRET))
    for name, spec in (
        ("own", zone_pb2.ZoneSpec(domain=OWN)),
        ("kept", zone_pb2.ZoneSpec(domain=KEPT, rfc2136=provider)),
    ):
        request = zone_service_pb2.ApplyZoneRequest(zone=zone_pb2.Zone(name=f"zones/{name}", spec=spec))
        await zones.ApplyZone(request, metadata=metadata, timeout=30)


def _service(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "bench"},
        "spec": {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]},
    }


async def _changed(member: Member, name: str, domain: str, port: int, changes: int) -> list[float]:
    """Give the Service one address after the other, as its load balancer would; gives the seconds of each."""
    url = f"{member.server}/api/v1/namespaces/bench/services/{name}/status"
    asked = f"{name}.bench.{name}.svc.{domain}."
    took: list[float] = []
    async with member_session(member) as session:
        for index in range(changes + WARM_UP):
            address = f"192.0.2.{index % 250 + 1}"
            body = orjson.dumps({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
            start = time.monotonic()
            async with asyncio.timeout(_SECONDS):
                while True:
                    async with session.patch(
                        url, data=body, headers={"Content-Type": "application/merge-patch+json"}
                    ) as response:
                        if response.status != 404:  # it is on its way there
                            response.raise_for_status()
                            break
                    await asyncio.sleep(0.05)
            await _until_answered(port, asked, address)
            took.append(time.monotonic() - start)
            await asyncio.sleep(_PAUSE_SECONDS)
    return took[WARM_UP:]


async def _until_answered(port: int, name: str, address: str) -> None:
    query = dns.message.make_query(name, "A")
    async with asyncio.timeout(_SECONDS):
        while True:
            reply = await dns.asyncquery.udp(query, "127.0.0.1", port=port, timeout=5)
            if {str(record) for found in reply.answer for record in found} == {address}:
                return
            await asyncio.sleep(_ASK_SECONDS)


async def _raw(bind: NameServer, changes: int) -> list[float]:
    took: list[float] = []
    for index in range(changes + WARM_UP):
        address = f"192.0.2.{index % 250 + 1}"
        update = dns.update.UpdateMessage("hand.example.", keyring={KEY.name: KEY}, keyname=KEY.name)
        update.replace("web.hand.example.", 30, "A", address)
        start = time.monotonic()
        await dns.asyncquery.tcp(update, "127.0.0.1", port=bind.port, timeout=5)
        await _until_answered(bind.port, "web.hand.example.", address)
        took.append(time.monotonic() - start)
    return took[WARM_UP:]


def _at(values: Sequence[float], percentile: int) -> float:
    """Milliseconds at that percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[percentile - 1] * 1000


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Latency from a changed address to the answer of name servers.")
    parser.add_argument("--changes", type=int, default=60)
    parser.add_argument("--kind", choices=["real", "simulator"], default="simulator")
    options = parser.parse_args()
    asyncio.run(measure(options.kind, options.changes))
