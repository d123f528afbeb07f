"""A real resolver in front of the embedded server, as careful as they get: what clients see."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import pytest

from fedsvc.testing.name_servers import find_program
from fedsvc.testing.processes import Child, free_ports
from fedsvc_dns.records import RecordSet, record_set
from fedsvc_dns.server.name_server import NameServer
from fedsvc_dns.server.zone_data import Choice, ChoiceOption, ZoneData

HOST = "127.0.0.1"
ORIGIN = "zone.example."
START_SECONDS = 30.0


def one(name: str, type_: str, *values: str, ttl_seconds: int = 60) -> RecordSet:
    return record_set(f"{name}{ORIGIN}", type_, values, ttl_seconds=ttl_seconds)


def zone(serial: int, address: str) -> ZoneData:
    return ZoneData(
        origin=ORIGIN,
        record_sets=(
            one("", "SOA", f"ns.{ORIGIN} admin.{ORIGIN} {serial} 3600 600 86400 15"),
            one("", "NS", f"ns.{ORIGIN}"),
            one("ns.", "A", HOST),
            one("www.", "A", "192.0.2.10", "192.0.2.11"),
            one("alias.", "CNAME", f"www.{ORIGIN}"),
            one("a.b.deep.", "A", "192.0.2.12"),
            one("*.wild.", "A", "192.0.2.20"),
            one("long.", "TXT", *(f'"{number:02}{"x" * 200}"' for number in range(20))),
            one("moved.", "A", address, ttl_seconds=1),
            one("weighted.", "A", "192.0.2.1", "192.0.2.2", ttl_seconds=0),
        ),
        choices=(
            Choice(
                name=f"weighted.{ORIGIN}",
                type="A",
                options=(ChoiceOption(value="192.0.2.1", weight=1), ChoiceOption(value="192.0.2.2", weight=1)),
            ),
        ),
    )


@dataclass
class Resolver:
    """unbound in front of a server."""

    server: NameServer
    port: int

    async def ask(self, name: str, type_: str = "A") -> dns.message.Message:
        query = dns.message.make_query(f"{name}{ORIGIN}", type_)
        message, _ = await dns.asyncquery.udp_with_fallback(query, HOST, port=self.port, timeout=10)
        return message


@pytest.fixture
async def resolver(tmp_path: Path, require: Callable[[str], None]) -> AsyncIterator[Resolver]:
    program = find_program("unbound")
    if program is None:
        require("no unbound: apt-get install unbound")
    assert program is not None
    server = NameServer()
    await server.serve([zone(1, "192.0.2.31")])
    _, server_port = await server.listen(HOST, 0)
    port = free_ports(1)[0]
    (tmp_path / "unbound.conf").write_text(
        f'server:\n  directory: "{tmp_path}"\n  username: ""\n  chroot: ""\n  pidfile: ""\n  use-syslog: no\n'
        f"  do-daemonize: no\n  interface: {HOST}@{port}\n  do-not-query-localhost: no\n  do-ip6: no\n"
        # names in mixed case, which have to come back so; label by label, which empty non-terminals have to bear
        '  use-caps-for-id: yes\n  qname-minimisation-strict: yes\n  module-config: "iterator"\n'
        f"stub-zone:\n  name: {ORIGIN}\n  stub-addr: {HOST}@{server_port}\n"
        "remote-control:\n  control-enable: no\n"
    )
    child = Child("unbound", [program, "-d", "-c", str(tmp_path / "unbound.conf")], log=tmp_path / "log")
    found = Resolver(server, port)
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await answers(found):
                assert child.running(), child.tail()
                await asyncio.sleep(0.02)
        yield found
    finally:
        await child.stop()
        await server.stop()


async def answers(resolver: Resolver) -> bool:
    query = dns.message.make_query(".", "SOA")
    query.flags &= ~dns.flags.RD
    try:
        await dns.asyncquery.udp(query, HOST, port=resolver.port, timeout=0.5)
    except (OSError, dns.exception.Timeout):
        return False
    return True


async def test_a_resolver_resolves_what_the_zone_has(resolver: Resolver) -> None:
    for name, addresses in {
        "www.": ["192.0.2.10", "192.0.2.11"],
        "alias.": ["192.0.2.10", "192.0.2.11"],
        "a.b.deep.": ["192.0.2.12"],
        "any.wild.": ["192.0.2.20"],
    }.items():
        message = await resolver.ask(name)
        assert message.rcode() == dns.rcode.NOERROR, name
        assert sorted(map(str, message.answer[-1])) == addresses
    assert len((await resolver.ask("long.", "TXT")).answer[0]) == 20
    assert resolver.server.counters.tcp_queries, "what was truncated was asked for again by TCP"
    assert resolver.server.counters.rcodes.keys() == {0}


async def test_a_resolver_keeps_a_denial_for_no_longer_than_the_zone_says(resolver: Resolver) -> None:
    for _ in range(2):
        message = await resolver.ask("nowhere.")
        assert message.rcode() == dns.rcode.NXDOMAIN
        assert message.authority[0].ttl <= 15


async def test_clients_see_a_changed_zone_when_the_ttl_is_over(resolver: Resolver) -> None:
    assert str((await resolver.ask("moved.")).answer[0][0]) == "192.0.2.31"
    await resolver.server.serve([zone(2, "192.0.2.32")])

    async with asyncio.timeout(20):
        while str((await resolver.ask("moved.")).answer[0][0]) != "192.0.2.32":
            await asyncio.sleep(0.05)


async def test_clients_of_a_resolver_are_spread_over_weighted_addresses(resolver: Resolver) -> None:
    seen: set[str] = set()
    async with asyncio.timeout(20):
        while len(seen) < 2:
            answer = (await resolver.ask("weighted.")).answer[0]
            assert len(answer) == 1
            seen.add(str(answer[0]))
