"""What the hidden primary answers, to whom, and what it refuses."""

import asyncio
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.tsig
import dns.xfr
import dns.zone
import pytest

from fedsvc.simulator.certificates import make_authority
from fedsvc.testing.name_servers import KEY, find_program
from fedsvc.testing.primaries import ORIGIN, SECRET, TSIG, a, alone, puts, start_version, with_tls
from fedsvc.testing.processes import free_ports
from fedsvc_dns.providers.connection import ServerAddress, ServerConnection, client_tls
from fedsvc_dns.providers.contract import ChangeSet, Fence, UnreachableError
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening
from fedsvc_dns.providers.primary.versions import (
    MemoryVersions,
    first_version,
)
from fedsvc_dns.providers.transfer import Transfer, changed, grouped, transfer
from fedsvc_dns.providers.transfer import advanced as with_changes
from fedsvc_dns.records import record_set


async def test_a_zone_by_tls_is_what_it_is_by_tcp_and_by_an_unknown_certificate_it_is_nothing(tmp_path: Path) -> None:
    authority, stranger = make_authority("ours"), make_authority("stranger")
    listening, _ = with_tls(authority, tmp_path)
    async with alone(a(f"web.{ORIGIN}", "10.0.0.1"), tls=listening.tls, tls_port=listening.tls_port) as (primary, _):
        checked = client_tls(ca_pem=authority.certificate_pem.decode())
        unknown = client_tls(ca_pem=stranger.certificate_pem.decode())
        by_tls = await taken(ServerAddress(host="127.0.0.1", port=primary.tls_port, tls=checked))
        by_tcp = await taken(ServerAddress(host="127.0.0.1", port=primary.port))
        with pytest.raises(UnreachableError, match="certificate verify failed"):
            await taken(ServerAddress(host="127.0.0.1", port=primary.tls_port, tls=unknown))

    assert by_tls == by_tcp
    assert by_tls.whole is not None
    assert (f"web.{ORIGIN}", "A", 30, "10.0.0.1") in by_tls.whole


async def taken(address: ServerAddress, *, since: int | None = None) -> Transfer:
    connection = ServerConnection(address)
    try:
        return await transfer(connection, ORIGIN, TSIG, since=since)
    finally:
        await connection.close()


async def test_each_known_serial_leads_to_the_newest_by_its_difference() -> None:
    many = [a(f"n{number}.{ORIGIN}", "10.0.0.1") for number in range(100)]
    async with alone(*many) as (primary, zone):
        seen = [await zone.read()]
        for generation in range(2, 6):
            gone = ((f"n{generation}.{ORIGIN}", "A"),)
            await zone.apply(
                ChangeSet(
                    fence=Fence(epoch=1, generation=generation),
                    puts=(a(f"web.{ORIGIN}", "10.0.0.1", f"10.0.1.{generation}", ttl_seconds=generation),),
                    deletes=gone,
                )
            )
            seen.append(await zone.read())
        address = ServerAddress(host="127.0.0.1", port=primary.port)
        for content in seen:
            sent = await taken(address, since=content.serial)
            assert sent.whole is None
            assert sent.serial == seen[-1].serial
            assert with_changes(content.record_sets, changed(content.record_sets, sent.steps) or {}) == dict(
                seen[-1].record_sets
            )
        unknown = await taken(address, since=seen[0].serial - 1)
        assert grouped(unknown.whole or ()) == dict(seen[-1].record_sets)
        ahead = await taken(address, since=seen[-1].serial + 5)
        assert (ahead.whole, ahead.steps) == (None, ())


async def test_dnspython_reads_the_same_zone(tmp_path: Path) -> None:
    text = f'"{"x" * 250}"'
    many = [record_set(f"t{number}.{ORIGIN}", "TXT", [text], ttl_seconds=30) for number in range(1000)]
    async with alone(*many) as (primary, zone):
        read = dns.zone.Zone(ORIGIN, relativize=False)
        query, _ = dns.xfr.make_query(read, keyring={KEY.name: KEY}, keyname=KEY.name)
        await dns.asyncquery.inbound_xfr("127.0.0.1", read, query, port=primary.port, timeout=10)
        content = await zone.read()

    found = {
        (name.to_text(), rdataset.rdtype.name): (rdataset.ttl, {rdata.to_text() for rdata in rdataset})
        for name, rdataset in read.iterate_rdatasets()
        if rdataset.rdtype != dns.rdatatype.SOA
    }
    assert found == {key: (one.ttl_seconds, set(one.values)) for key, one in content.record_sets.items()}
    assert len(found) == 1001, "more than fits into one message"


async def test_by_datagram_there_is_the_soa_and_for_a_difference_too(require: Callable[[str], None]) -> None:
    async with alone() as (primary, zone):
        await zone.apply(puts(1, a(f"web.{ORIGIN}", "10.0.0.1")))
        for type_ in ("SOA", "IXFR"):
            query = dns.message.make_query(ORIGIN, type_, use_edns=0)
            if type_ == "IXFR":
                query.authority.append(dns.rrset.from_text(ORIGIN, 0, "IN", "SOA", "a. b. 1 2 3 4 5"))
            query.use_tsig({KEY.name: KEY}, KEY.name)
            answer = await dns.asyncquery.udp(query, "127.0.0.1", port=primary.port, timeout=5)
            assert answer.flags & dns.flags.AA
            assert [rrset.rdtype for rrset in answer.answer] == [dns.rdatatype.SOA]
            assert answer.answer[0][0].serial == 2
            assert answer.edns == 0


async def test_kdig_transfers_the_zone(require: Callable[[str], None]) -> None:
    kdig = find_program("kdig")
    if kdig is None:
        require("no kdig: apt-get install knot-dnsutils")
        return
    async with alone(a(f"web.{ORIGIN}", "10.0.0.1")) as (primary, _):
        made = await asyncio.create_subprocess_exec(
            kdig, "@127.0.0.1", "-p", str(primary.port), "-y", f"hmac-sha256:fedsvc-test:{SECRET}", "AXFR", ORIGIN,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(20):
            output, _ = await made.communicate()

    assert re.search(rf"web\.{ORIGIN}\s+30\s+IN\s+A\s+10\.0\.0\.1", output.decode())


@pytest.mark.parametrize(
    ("key", "type_", "expected"),
    [
        pytest.param(None, "AXFR", dns.rcode.REFUSED, id="unsigned"),
        pytest.param(None, "SOA", dns.rcode.REFUSED, id="unsigned-question"),
        pytest.param(dns.tsig.Key("nobody.", SECRET), "AXFR", dns.tsig.PeerBadKey, id="unknown-key"),
        pytest.param(dns.tsig.Key("fedsvc-test.", "AAAA"), "AXFR", dns.tsig.PeerBadSignature, id="wrong-secret"),
        pytest.param(KEY, "A", dns.rcode.REFUSED, id="not-a-resolver"),
    ],
)
async def test_whoever_may_not_have_it_is_told_why(key: Any, type_: str, expected: Any) -> None:
    async with alone() as (primary, _):
        query = dns.message.make_query(ORIGIN, type_)
        if key is not None:
            query.use_tsig({key.name: key}, key.name)
        asking = dns.asyncquery.tcp(query, "127.0.0.1", port=primary.port, timeout=5)
        if isinstance(expected, dns.rcode.Rcode):
            assert (await asking).rcode() == expected
        else:
            with pytest.raises(expected):
                await asking


async def test_a_clock_that_is_wrong_is_told_with_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alone() as (primary, _):
        query = dns.message.make_query(ORIGIN, "SOA")
        query.use_tsig({KEY.name: KEY}, KEY.name)
        early = time.time() - 3600
        monkeypatch.setattr(dns.message, "time", SimpleNamespace(time=lambda: early))
        octets = query.to_wire()
        monkeypatch.undo()
        connection = ServerConnection(ServerAddress(host="127.0.0.1", port=primary.port))
        answer = await connection.ask(octets)
        await connection.close()

    with pytest.raises(dns.tsig.PeerBadTime):
        dns.message.from_wire(answer, keyring={KEY.name: KEY}, request_mac=query.mac or b"")


async def test_the_key_of_one_zone_opens_no_other() -> None:
    other_key = TsigKey(name="other.", secret=SECRET)
    store = MemoryVersions([start_version(), first_version("other.example.", ["ns.example."], "h.example.")])
    away = ServerAddress(host="127.0.0.1", port=free_ports(1)[0], timeout_seconds=1)
    zones = [
        PrimaryZone(origin=ORIGIN, secondaries=(Secondary(address=away, key=TSIG),)),
        PrimaryZone(origin="other.example.", secondaries=(Secondary(address=away, key=other_key),)),
    ]
    async with HiddenPrimary(store, zones, Listening(port=0)).running() as primary:
        query = dns.message.make_query(ORIGIN, "AXFR")
        query.use_tsig(other_key.keyring())
        answer = await dns.asyncquery.tcp(query, "127.0.0.1", port=primary.port, timeout=5)

    assert answer.rcode() == dns.rcode.REFUSED


def test_two_secrets_under_one_name_are_refused() -> None:
    away = ServerAddress(host="127.0.0.1")
    twins = tuple(
        Secondary(address=away, key=TsigKey(name="k.", secret=secret)) for secret in (SECRET, "AAAAAAAAAAAAAAAA")
    )
    with pytest.raises(ValueError, match=r"two keys are called k\."):
        HiddenPrimary(MemoryVersions(), [PrimaryZone(origin=ORIGIN, secondaries=twins)], Listening())
