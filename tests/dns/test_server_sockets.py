"""The embedded server over real sockets: UDP, TCP, transfers, limits, swaps, the file of the last zones."""

import asyncio
import contextlib
import dataclasses
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.zone
import pytest

from fedsvc_dns.providers.primary.serving import Listener, Listening
from fedsvc_dns.records import record_set
from fedsvc_dns.server import name_server as name_server_module
from fedsvc_dns.server.kept import load_kept
from fedsvc_dns.server.name_server import NameServer, Settings
from fedsvc_dns.server.tcp import TcpLimits
from fedsvc_dns.server.zone import ZoneError
from fedsvc_dns.server.zone_data import ZoneData

HOST = "127.0.0.1"
ANYBODY = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def zone(serial: int = 1, address: str = "192.0.2.1", *, hosts: int = 0, origin: str = "z.") -> ZoneData:
    sets = [
        record_set(origin, "SOA", [f"ns.{origin} admin.{origin} {serial} 3600 600 86400 15"], ttl_seconds=60),
        record_set(origin, "NS", [f"ns.{origin}"], ttl_seconds=60),
        record_set(f"ns.{origin}", "A", [address], ttl_seconds=60),
        record_set(f"big.{origin}", "TXT", [f'"{n:03}{"x" * 200}"' for n in range(20)], ttl_seconds=60),
    ]
    sets += [record_set(f"host{n}.{origin}", "A", [f"10.0.{n // 256}.{n % 256}"], ttl_seconds=60) for n in range(hosts)]
    return ZoneData(origin=origin, record_sets=tuple(sets))


@asynccontextmanager
async def serving(*zones: ZoneData, **settings: object) -> AsyncIterator[NameServer]:
    server = NameServer(Settings(**settings))  # type: ignore[arg-type]
    await server.serve(zones)
    await server.listen(HOST, 0)
    try:
        yield server
    finally:
        await server.stop()


def port(server: NameServer) -> int:
    return server.addresses[0][1]


async def ask(server: NameServer, name: str, type_: str = "A", *, host: str = HOST) -> dns.message.Message:
    return await dns.asyncquery.udp(dns.message.make_query(name, type_), host, port=port(server), timeout=10)


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def framed(*queries: dns.message.Message) -> bytes:
    return b"".join(len(wire).to_bytes(2, "big") + wire for wire in (query.to_wire() for query in queries))


async def next_message(reader: asyncio.StreamReader) -> dns.message.Message:
    async with asyncio.timeout(20):
        length = int.from_bytes(await reader.readexactly(2), "big")
        return dns.message.from_wire(await reader.readexactly(length))


async def send_for_ever(client: socket.socket, octets: bytes) -> None:
    async with asyncio.timeout(20):
        while True:
            await asyncio.get_running_loop().sock_sendall(client, octets)


async def comes_through(server: NameServer) -> bool:
    try:
        await dns.asyncquery.tcp(dns.message.make_query("ns.z.", "A"), HOST, port=port(server), timeout=10)
    except (EOFError, ConnectionError):
        return False
    return True


async def gone(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(20):
        try:
            return await reader.read() == b""
        except ConnectionError:
            return True


async def test_udp_says_truncated_and_tcp_has_it_all() -> None:
    async with serving(zone()) as server:
        query = dns.message.make_query("big.z.", "TXT", use_edns=0, payload=1232)
        first = await dns.asyncquery.udp(query, HOST, port=port(server), timeout=10)
        second, by_tcp = await dns.asyncquery.udp_with_fallback(query, HOST, port=port(server), timeout=10)

    assert first.flags & dns.flags.TC
    assert by_tcp
    assert len(second.answer[0]) == 20
    assert (server.counters.udp_queries, server.counters.tcp_queries, server.counters.truncated) == (2, 1, 2)
    assert server.counters.rcodes == {0: 3}


async def test_many_queries_of_one_connection_are_answered_in_order() -> None:
    async with serving(zone(hosts=50)) as server:
        reader, writer = await asyncio.open_connection(HOST, port(server))
        queries = [dns.message.make_query(f"host{n}.z.", "A", id=n + 1) for n in range(50)]
        writer.write(framed(*queries))
        answers = [await next_message(reader) for _ in queries]
        writer.close()

    assert [answer.id for answer in answers] == [query.id for query in queries]
    assert [str(answer.answer[0][0]) for answer in answers] == [f"10.0.0.{n}" for n in range(50)]


async def test_a_query_may_come_octet_by_octet() -> None:
    async with serving(zone()) as server:
        reader, writer = await asyncio.open_connection(HOST, port(server))
        for octet in framed(dns.message.make_query("ns.z.", "A")):
            writer.write(bytes((octet,)))
            await writer.drain()
            await asyncio.sleep(0)
        answer = await next_message(reader)
        writer.close()

    assert answer.rcode() == dns.rcode.NOERROR


async def test_what_is_no_query_is_told_so_and_the_connection_goes_on() -> None:
    async with serving(zone()) as server:
        reader, writer = await asyncio.open_connection(HOST, port(server))
        garbage = b"\0\1" + b"\0" * 10 + b"garbage"
        response = dns.message.make_response(dns.message.make_query("ns.z.", "A")).to_wire()
        for message in (garbage, b"", b"\0\1", response):
            writer.write(len(message).to_bytes(2, "big") + message)
        writer.write(framed(dns.message.make_query("ns.z.", "A")))
        first, second = await next_message(reader), await next_message(reader)
        writer.close()

    assert (first.rcode(), second.rcode()) == (dns.rcode.FORMERR, dns.rcode.NOERROR)
    assert server.counters.ignored == 3


async def test_one_who_sends_nothing_loses_the_connection() -> None:
    async with serving(zone(), tcp=TcpLimits(idle_seconds=0.05)) as server:
        for begun in (b"", b"\0", b"\0\x20half"):
            reader, writer = await asyncio.open_connection(HOST, port(server))
            writer.write(begun)
            assert await gone(reader)
            writer.close()


async def test_one_who_takes_nothing_loses_the_connection() -> None:
    limits = TcpLimits(send_seconds=0.05)
    async with serving(zone(), tcp=limits) as server:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)  # noqa: FBT003
            await asyncio.get_running_loop().sock_connect(client, (HOST, port(server)))
            asked = framed(*[dns.message.make_query("big.z.", "TXT")] * 500)
            with pytest.raises(ConnectionError):
                await send_for_ever(client, asked)
        assert (await ask(server, "ns.z.")).rcode() == dns.rcode.NOERROR


async def test_connections_over_the_limit_are_closed_at_once() -> None:
    async with serving(zone(), tcp=TcpLimits(connections=5, connections_per_client=2)) as server:
        kept = [await asyncio.open_connection(HOST, port(server)) for _ in range(2)]
        await until(lambda: server.counters.connections == 2)
        reader, writer = await asyncio.open_connection(HOST, port(server))
        assert await gone(reader)
        assert server.counters.connections_refused == 1
        for _, one in [*kept, (reader, writer)]:
            one.close()
        async with asyncio.timeout(20):
            while not await comes_through(server):  # until the server has seen that the others are gone
                await asyncio.sleep(0.01)


async def test_where_all_connections_are_taken_the_one_idle_longest_gives_way() -> None:
    async with serving(zone(), tcp=TcpLimits(connections=3)) as server:
        kept = []
        for _ in range(3):
            reader, writer = await asyncio.open_connection(HOST, port(server))
            writer.write(framed(dns.message.make_query("ns.z.", "A")))
            assert (await next_message(reader)).rcode() == dns.rcode.NOERROR
            kept.append((reader, writer))
        kept[0][1].write(framed(dns.message.make_query("z.", "NS")))
        assert (await next_message(kept[0][0])).rcode() == dns.rcode.NOERROR
        more = await dns.asyncquery.tcp(dns.message.make_query("ns.z.", "A"), HOST, port=port(server), timeout=10)
        assert await gone(kept[1][0])
        for reader, writer in (kept[0], kept[2]):
            writer.write(framed(dns.message.make_query("z.", "NS")))
            assert (await next_message(reader)).rcode() == dns.rcode.NOERROR
        for _, writer in kept:
            writer.close()

    assert more.rcode() == dns.rcode.NOERROR
    assert (server.counters.connections_displaced, server.counters.connections_refused) == (1, 0)


async def test_a_zone_is_transferred_whole_to_those_who_may() -> None:
    data = zone(hosts=2000)
    async with serving(data, transfer_to=ANYBODY) as server:
        got = dns.zone.Zone("z.", relativize=False)
        await dns.asyncquery.inbound_xfr(HOST, got, port=port(server), timeout=10, lifetime=20)
        refused = await dns.asyncquery.tcp(dns.message.make_query("y.", "AXFR"), HOST, port=port(server), timeout=10)

    assert {
        (name.to_text(), one.rdtype.name, one.ttl, tuple(sorted(map(str, one))))
        for name, one in got.iterate_rdatasets()
    } == {(one.name, one.type, one.ttl_seconds, one.values) for one in data.record_sets}
    assert refused.rcode() == dns.rcode.REFUSED
    assert server.counters.transfers == 1


@pytest.mark.parametrize("type_", ["AXFR", "IXFR"])
async def test_a_transfer_is_refused_to_anybody_else(type_: str) -> None:
    async with serving(zone()) as server:
        query = dns.message.make_query("z.", type_)
        if type_ == "IXFR":
            query.authority.append(dns.rrset.from_text("z.", 0, "IN", "SOA", ". . 0 0 0 0 0"))
        refused = await dns.asyncquery.tcp(query, HOST, port=port(server), timeout=10)

    assert refused.rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize(("have", "records"), [(4, 1), (3, None), (2**31 + 4, 1), (2**32 - 5, None)])
async def test_ixfr_is_answered_by_the_zone_or_by_the_soa_where_nothing_is_newer(
    have: int, records: int | None
) -> None:
    async with serving(zone(serial=4), transfer_to=ANYBODY) as server:
        query = dns.message.make_query("z.", "IXFR")
        query.authority.append(dns.rrset.from_text("z.", 0, "IN", "SOA", f". . {have} 0 0 0 0"))
        reader, writer = await asyncio.open_connection(HOST, port(server))
        writer.write(framed(query))
        answer = await next_message(reader)
        writer.close()

    assert sum(map(len, answer.answer)) == (
        records or 23
    )  # dnspython takes the SOA at the end for the one at the beginning


async def test_a_new_serial_replaces_the_zone_whole() -> None:
    async with serving(zone(serial=1)) as server:
        await server.serve([zone(serial=2, address="192.0.2.2")])
        assert str((await ask(server, "ns.z.")).answer[0][0]) == "192.0.2.2"
        assert server.serials == {"z.": 2}
        await server.serve([zone(serial=2, address="192.0.2.2"), zone(origin="y.")])
        assert (await ask(server, "ns.y.")).rcode() == dns.rcode.NOERROR
        await server.serve([zone(origin="y.")])
        assert (await ask(server, "ns.z.")).rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("serial", [5, 4, 2**31 + 6])
async def test_a_late_zone_replaces_nothing(serial: int, tmp_path: Path) -> None:
    async with serving(zone(serial=5), kept=tmp_path / "zones") as server:
        with pytest.raises(ZoneError, match=f"serial {serial} is not newer than 5"):
            await server.serve([zone(serial=serial, address="192.0.2.9"), zone(origin="y.")])
        assert str((await ask(server, "ns.z.")).answer[0][0]) == "192.0.2.1"
        assert server.serials == {"z.": 5}
        assert load_kept(tmp_path / "zones") == (zone(serial=5),)


async def test_a_zone_given_twice_is_refused() -> None:
    async with serving(zone()) as server:
        with pytest.raises(ZoneError, match="given twice"):
            await server.serve([zone(), dataclasses.replace(zone(serial=2), origin="Z.")])


async def test_a_server_with_nothing_but_its_file_answers_as_before(tmp_path: Path) -> None:
    async with serving(zone(serial=3), kept=tmp_path / "zones"):
        pass
    again = NameServer(Settings(kept=tmp_path / "zones"))
    await again.serve_kept()
    await again.listen(HOST, 0)
    try:
        assert str((await ask(again, "ns.z.")).answer[0][0]) == "192.0.2.1"
        assert again.serials == {"z.": 3}
    finally:
        await again.stop()


async def test_zones_that_cannot_be_kept_are_served_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(zone(), kept=tmp_path / "none" / "zones") as server:
        assert (await ask(server, "ns.z.")).rcode() == dns.rcode.NOERROR

    assert server.counters.keep_failures == 1
    assert "could not be kept" in caplog.text


async def test_equal_answers_over_the_rate_are_dropped_or_truncated_and_others_are_not() -> None:
    async with serving(zone(), responses_per_second=1, slip=2) as server:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)  # noqa: FBT003
            client.connect((HOST, port(server)))
            query = dns.message.make_query("ns.z.", "A").to_wire()
            for _ in range(9):
                await loop.sock_sendall(client, query)
            await until(lambda: server.counters.udp_queries == 9)
            came = []
            while True:
                try:
                    came.append(dns.message.from_wire(client.recv(4096)))
                except BlockingIOError:
                    break
        other = await ask(server, "z.", "NS")

    truncated = [bool(one.flags & dns.flags.TC) for one in came]
    assert truncated[0] is False
    assert sum(truncated) == server.counters.rate_truncated > 0
    assert len(came) + server.counters.rate_dropped == 9
    assert not other.flags & dns.flags.TC


@pytest.mark.parametrize(("listen", "asked"), [("0.0.0.0", "127.0.0.2"), ("::", "::1"), ("::1", "::1")])  # noqa: S104
async def test_a_reply_comes_from_the_address_that_was_asked(listen: str, asked: str) -> None:
    if ":" in listen and not has_ipv6():
        pytest.skip("the kernel has no IPv6 on loopback, which nothing can be installed for")
    server = NameServer()
    await server.serve([zone()])
    await server.listen(listen, 0)
    try:
        assert (await ask(server, "ns.z.", host=asked)).rcode() == dns.rcode.NOERROR
    finally:
        await server.stop()


async def test_a_fault_of_ours_is_a_failure_to_the_asker_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a defect")

    async with serving(zone()) as server:
        with monkeypatch.context() as patch:
            patch.setattr(name_server_module, "respond", broken)
            by_udp = await ask(server, "ns.z.")
            query = dns.message.make_query("ns.z.", "A")
            by_tcp = await dns.asyncquery.tcp(query, HOST, port=port(server), timeout=10)
        after = await ask(server, "ns.z.")

    assert [one.rcode() for one in (by_udp, by_tcp, after)] == [
        dns.rcode.SERVFAIL,
        dns.rcode.SERVFAIL,
        dns.rcode.NOERROR,
    ]
    assert server.counters.failures == 2
    assert "a defect" in caplog.text


async def test_a_server_that_stops_ends_what_waits_and_lets_go_of_its_addresses() -> None:
    async with serving(zone()) as server:
        first = port(server)
        reader, writer = await asyncio.open_connection(HOST, first)
        writer.write(framed(dns.message.make_query("ns.z.", "A")))
        assert (await next_message(reader)).rcode() == dns.rcode.NOERROR
        await server.stop()
        assert await gone(reader)
        writer.close()
        assert await server.listen(HOST, first) == (HOST, first)
        assert (await ask(server, "ns.z.")).rcode() == dns.rcode.NOERROR


JUST_ACCEPTED = (0, 3, 4)
"""Turns of the loop after which a connection waits, is ours, is read; at 1 and 2 it is asyncio's own, which may forget it."""


@pytest.mark.parametrize("turns", JUST_ACCEPTED)
async def test_who_connects_just_before_a_server_stops_is_let_go(turns: int) -> None:
    async with serving(zone()) as server:
        await is_let_go(port(server), turns, server.stop)


@pytest.mark.parametrize("turns", JUST_ACCEPTED)
async def test_who_connects_just_before_a_primary_stops_is_let_go(turns: int) -> None:
    async def answer(*question: Any) -> list[bytes]:
        raise AssertionError(question)

    listener = Listener(Listening(host=HOST, port=0), answer)
    running = contextlib.AsyncExitStack()
    await running.enter_async_context(listener.running())
    await is_let_go(listener.port, turns, running.aclose)


async def is_let_go(to: int, turns: int, stop: Callable[[], Awaitable[None]]) -> None:
    """Connect, let the server have so many turns of the loop with it, stop it, and see that the connection ends."""
    with socket.create_connection((HOST, to)) as connection:
        connection.setblocking(False)  # noqa: FBT003 - of the standard library
        for _ in range(turns):
            await asyncio.sleep(0)
        await stop()
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                assert await asyncio.get_running_loop().sock_recv(connection, 1) == b""


async def test_a_transfer_that_runs_is_finished_before_the_server_stops() -> None:
    async with serving(zone(hosts=5000), transfer_to=ANYBODY) as server:
        reader, writer = await asyncio.open_connection(HOST, port(server), limit=4096)
        writer.write(framed(dns.message.make_query("z.", "AXFR")))
        messages = [await next_message(reader)]
        stopping: Awaitable[None] = asyncio.create_task(server.stop())
        while not (messages[-1].answer[-1].rdtype.name == "SOA" and len(messages) > 1):
            messages.append(await next_message(reader))
        await stopping
        writer.close()

    assert sum(len(one) for message in messages for one in message.answer) == 5024


async def test_an_address_that_is_taken_is_told() -> None:
    async with serving(zone()) as server:
        with pytest.raises(OSError, match="in use"):
            await NameServer().listen(HOST, port(server))


async def test_processes_may_share_an_address() -> None:
    async with serving(zone(), reuse_port=True) as server:
        other = NameServer(Settings(reuse_port=True))
        await other.serve([zone()])
        await other.listen(HOST, port(server))
        for _ in range(20):
            assert (await ask(server, "ns.z.")).rcode() == dns.rcode.NOERROR
        await other.stop()


async def test_while_zones_are_swapped_each_answer_is_of_one_serial_and_none_is_missing() -> None:
    def of(serial: int) -> ZoneData:
        pair = record_set("pair.z.", "A", [f"10.1.0.{serial}", f"10.2.0.{serial}"], ttl_seconds=60)
        base = zone(serial, hosts=200)
        return dataclasses.replace(base, record_sets=(*base.record_sets, pair))

    async def ask_on(server: NameServer, seen: list[int], swapped: asyncio.Event) -> None:
        while not swapped.is_set():
            answer = (await ask(server, "pair.z.")).answer[0]
            (serial,) = {int(str(one).rpartition(".")[2]) for one in answer}
            assert len(answer) == 2
            seen.append(serial)

    async with serving(of(1)) as server:
        swapped = asyncio.Event()
        seen: list[list[int]] = [[], [], []]
        async with asyncio.TaskGroup() as group:
            for one in seen:
                group.create_task(ask_on(server, one, swapped))
            for serial in range(2, 40):
                await server.serve([of(serial)])
            swapped.set()

    for one in seen:
        assert one == sorted(one), "nobody sees an older zone again"
        assert len(set(one)) > 1
