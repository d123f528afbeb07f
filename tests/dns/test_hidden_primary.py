"""What is true of the hidden primary only, with real secondaries."""

import asyncio
import contextlib
import re
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
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
from hypothesis import given
from hypothesis import strategies as st

from fedsvc.errors import ConfigurationError
from fedsvc.simulator.certificates import KeyPair, issue_serving, make_authority
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, NameServer, find_program, start_name_server
from fedsvc.testing.processes import free_ports
from fedsvc.testing.relay import Relay
from fedsvc_dns.providers.connection import ServerAddress, ServerConnection, client_tls
from fedsvc_dns.providers.contract import ChangeSet, Fence, UnreachableError
from fedsvc_dns.providers.judging import Holder, Ownership, judge
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.primary import answers, following, requests, versions
from fedsvc_dns.providers.primary.following import Secondary
from fedsvc_dns.providers.primary.hidden import HiddenPrimary, HiddenZone, PrimaryZone
from fedsvc_dns.providers.primary.serving import Listening, server_tls
from fedsvc_dns.providers.primary.versions import (
    MemoryVersions,
    ZoneVersion,
    advanced,
    first_version,
    renumbered,
)
from fedsvc_dns.providers.serials import is_newer
from fedsvc_dns.providers.transfer import Step, Transfer, changed, grouped, transfer
from fedsvc_dns.providers.transfer import advanced as with_changes
from fedsvc_dns.records import RecordSet, record_set

ORIGIN = "example.com."
SECRET = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDAxMjM="
TSIG = TsigKey(name="fedsvc-test.", secret=SECRET)
SECONDARIES = pytest.mark.parametrize("kind", [Kind.BIND, Kind.KNOT, Kind.NSD], ids=["bind", "knot", "nsd"])


def a(name: str, *values: str, ttl_seconds: int = 30) -> RecordSet:
    return record_set(name, "A", values, ttl_seconds=ttl_seconds)


def puts(generation: int, *record_sets: RecordSet) -> ChangeSet:
    return ChangeSet(fence=Fence(epoch=1, generation=generation), puts=record_sets)


def start_version(*record_sets: RecordSet, serial: int = 1) -> ZoneVersion:
    empty = first_version(ORIGIN, ["ns.example.org"], "hostmaster.example.org", serial=serial)
    accepted, refused = judge(
        puts(1, *record_sets), empty.record_sets, Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    )
    assert not refused
    return renumbered(advanced(empty, empty.fence, accepted), serial)


@dataclass
class Pair:
    """A primary of ours and one secondary of it."""

    primary: HiddenPrimary
    store: MemoryVersions
    server: NameServer

    @property
    def zone(self) -> HiddenZone:
        return HiddenZone(self.primary, self.store, ORIGIN)

    async def answers(self, name: str, expected: set[str]) -> None:
        """Wait until it answers so: while NSD reloads, the process that was may still answer."""
        async with asyncio.timeout(20):
            while (found := await self._asked(name)) != expected:
                await asyncio.sleep(0.01)
        assert found == expected

    async def _asked(self, name: str) -> set[str]:
        query = dns.message.make_query(name, "A")
        answer = await dns.asyncquery.udp(query, "127.0.0.1", port=self.server.port, timeout=5)
        return {rdata.to_text() for rrset in answer.answer for rdata in rrset}


@contextlib.asynccontextmanager
async def pair(
    kind: Kind,
    folder: Path,
    require: Callable[[str], None],
    *,
    version: ZoneVersion | None = None,
    relay: Relay | None = None,
    port: int = 0,
    listening: Listening | None = None,
    ca_file: Path | None = None,
) -> AsyncIterator[Pair]:
    port = port or free_ports(1)[0]
    listening = listening or Listening(port=free_ports(1)[0])
    store = MemoryVersions([version or start_version()])
    address = ServerAddress(host="127.0.0.1", port=relay.port if relay else port, timeout_seconds=2)
    zones = [PrimaryZone(origin=ORIGIN, secondaries=(Secondary(address=address, key=TSIG),))]
    async with HiddenPrimary(store, zones, listening).running() as primary:
        from_port = primary.tls_port if ca_file else primary.port
        try:
            hosted = HostedZone(origin=ORIGIN, primary_port=from_port, ca_file=ca_file)
            server = await start_name_server(kind, folder, [hosted], port=port)
        except ConfigurationError as error:
            require(str(error))
            raise
        found = Pair(primary, store, server)
        try:
            yield found
        finally:
            await found.server.stop()


@contextlib.asynccontextmanager
async def alone(*record_sets: RecordSet, **listening: Any) -> AsyncIterator[tuple[HiddenPrimary, HiddenZone]]:
    """A primary whose secondary is away."""
    store = MemoryVersions([start_version(*record_sets)])
    away = ServerAddress(host="127.0.0.1", port=free_ports(1)[0], timeout_seconds=1)
    zones = [PrimaryZone(origin=ORIGIN, secondaries=(Secondary(address=away, key=TSIG),))]
    async with HiddenPrimary(store, zones, Listening(port=0, **listening)).running() as primary:
        yield primary, HiddenZone(primary, store, ORIGIN)


# With real secondaries


@SECONDARIES
async def test_secondaries_follow_by_differences_alone_once_they_have_the_zone(
    kind: Kind, tmp_path: Path, require: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [a(f"n{number}.{ORIGIN}", "10.0.0.1") for number in range(100)]
    async with pair(kind, tmp_path, require, version=start_version(*many)) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)

        def no_whole_zone(version: ZoneVersion, type_: str) -> list[bytes]:
            raise AssertionError(f"{type_} of {version.serial}")

        monkeypatch.setattr(answers, "whole", no_whole_zone)
        for generation in range(2, 7):
            outcome = await found.zone.apply(puts(generation, a(f"n1.{ORIGIN}", f"10.0.1.{generation}")))
            await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)
            await found.answers(f"n1.{ORIGIN}", {f"10.0.1.{generation}"})


@SECONDARIES
async def test_a_secondary_whose_notifications_are_lost_is_notified_until_it_has_the_change(
    kind: Kind, tmp_path: Path, require: Callable[[str], None]
) -> None:
    lost: list[bytes] = []
    lose = False

    async def requests_pass(message: bytes) -> bool:
        if lose and (message[2] >> 3) & 0xF == 4 and len(lost) < 2:
            lost.append(message)
            return False
        return True

    port = free_ports(1)[0]
    relay = Relay(port)
    relay.requests = requests_pass
    async with relay.running(), pair(kind, tmp_path, require, relay=relay, port=port) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)
        lose = True
        outcome = await found.zone.apply(puts(1, a(f"web.{ORIGIN}", "10.0.0.1")))
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        assert len(lost) == 2
        await found.answers(f"web.{ORIGIN}", {"10.0.0.1"})


@SECONDARIES
async def test_serials_go_on_across_the_wrap(kind: Kind, tmp_path: Path, require: Callable[[str], None]) -> None:
    serials = []
    async with pair(kind, tmp_path, require, version=start_version(serial=2**32 - 2)) as found:
        await found.primary.reached(ORIGIN, 2**32 - 2, timeout_seconds=20)
        for generation in range(1, 4):
            outcome = await found.zone.apply(puts(generation, a(f"web.{ORIGIN}", f"10.0.0.{generation}")))
            serials.append(outcome.serial)
            await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)
            await found.answers(f"web.{ORIGIN}", {f"10.0.0.{generation}"})

    assert serials == [2**32 - 1, 1, 2]


@SECONDARIES
async def test_after_a_restore_from_a_backup_secondaries_are_told_to_be_ahead_until_the_serial_is_raised(
    kind: Kind, tmp_path: Path, require: Callable[[str], None]
) -> None:
    async with pair(kind, tmp_path, require) as found:
        backup = await found.store.load(ORIGIN)
        assert backup is not None
        for generation in range(1, 4):
            outcome = await found.zone.apply(puts(generation, a(f"web.{ORIGIN}", f"10.0.0.{generation}")))
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)
        newest = await found.store.load(ORIGIN)
        assert newest is not None
        assert await found.store.save(backup, replacing=newest)
        found.primary.wake(ORIGIN)
        async with asyncio.timeout(20):
            while "newer than 1 here" not in found.primary.standings(ORIGIN)[0].trouble:
                await asyncio.sleep(0.02)

        serial = await found.zone.raise_serial(unix_seconds=0)
        await found.primary.reached(ORIGIN, serial, timeout_seconds=20)

        assert is_newer(serial, outcome.serial)
        await found.answers(f"web.{ORIGIN}", set())  # the backup knows no such name
        assert found.primary.standings(ORIGIN)[0].trouble == ""


@SECONDARIES
async def test_a_secondary_that_was_away_catches_up_through_all_that_it_missed(
    kind: Kind, tmp_path: Path, require: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LONGEST_WAIT_SECONDS", 0.5)
    async with pair(kind, tmp_path, require) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)
        await found.server.stop()
        for generation in range(1, 6):
            outcome = await found.zone.apply(puts(generation, a(f"n{generation}.{ORIGIN}", "10.0.0.1")))
        with pytest.raises(
            UnreachableError, match=rf"example\.com\. serial {outcome.serial} is not everywhere .* has 1"
        ):
            await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=0.3)
        hosted = [HostedZone(origin=ORIGIN, primary_port=found.primary.port)]
        found.server = await start_name_server(kind, tmp_path, hosted, port=found.server.port)
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        await found.answers(f"n5.{ORIGIN}", {"10.0.0.1"})


async def test_bind_transfers_by_tls_from_a_certificate_that_it_can_check(
    tmp_path: Path, require: Callable[[str], None]
) -> None:
    authority = make_authority("test")
    listening, ca_file = with_tls(authority, tmp_path)
    async with pair(Kind.BIND, tmp_path / "bind", require, listening=listening, ca_file=ca_file) as found:
        outcome = await found.zone.apply(puts(1, a(f"web.{ORIGIN}", "10.0.0.1")))
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        await found.answers(f"web.{ORIGIN}", {"10.0.0.1"})


def with_tls(authority: KeyPair, folder: Path) -> tuple[Listening, Path]:
    made = issue_serving(authority, hosts=("127.0.0.1",))
    files = {"ca.pem": authority.certificate_pem, "cert.pem": made.certificate_pem, "key.pem": made.key_pem}
    for name, pem in files.items():
        (folder / name).write_bytes(pem)
    context = server_tls(str(folder / "cert.pem"), str(folder / "key.pem"))
    port, tls_port = free_ports(2)
    return Listening(port=port, tls=context, tls_port=tls_port), folder / "ca.pem"


# What is answered


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


async def test_a_secondary_that_transfers_from_one_replica_gets_what_another_wrote(
    tmp_path: Path, require: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.1)
    async with pair(Kind.KNOT, tmp_path, require) as found:
        await found.primary.reached(ORIGIN, 1, timeout_seconds=20)
        secondary = Secondary(address=ServerAddress(host="127.0.0.1", port=found.server.port), key=TSIG)
        zones = [PrimaryZone(origin=ORIGIN, secondaries=(secondary,))]
        async with HiddenPrimary(found.store, zones, Listening(port=0)).running() as other:
            outcome = await HiddenZone(other, found.store, ORIGIN).apply(puts(1, a(f"web.{ORIGIN}", "10.0.0.1")))
            await other.reached(ORIGIN, outcome.serial, timeout_seconds=20)
        await found.primary.reached(ORIGIN, outcome.serial, timeout_seconds=20)

        await found.answers(f"web.{ORIGIN}", {"10.0.0.1"})


# Versions


@st.composite
def change_sets(draw: st.DrawFn) -> list[ChangeSet]:
    found = []
    for generation in range(1, draw(st.integers(1, 6))):
        wanted = {}
        for _ in range(draw(st.integers(0, 4))):
            one = a(
                f"{draw(st.sampled_from('abc'))}.{ORIGIN}",
                *(f"10.0.0.{number}" for number in draw(st.sets(st.integers(0, 3), min_size=1))),
                ttl_seconds=draw(st.sampled_from([30, 60])),
            )
            wanted[one.key] = one
        gone = {(f"{name}.{ORIGIN}", "A") for name in draw(st.sets(st.sampled_from("abc")))} - wanted.keys()
        found.append(
            ChangeSet(fence=Fence(epoch=1, generation=generation), puts=tuple(wanted.values()), deletes=tuple(gone))
        )
    return found


@given(change_sets(), st.integers(0, 2**32 - 1))
def test_the_journal_leads_from_every_version_to_the_newest(changes: list[ChangeSet], serial: int) -> None:
    holder = Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    seen = [start_version(serial=serial)]
    for change in changes:
        seen.append(advanced(seen[-1], change.fence, judge(change, seen[-1].record_sets, holder)[0]))
    newest = seen[-1]

    for version in seen:
        deltas = versions.since(newest, version.serial)
        assert deltas is not None
        steps = [
            Step(
                removed=tuple((one.name, one.type, one.ttl_seconds, v) for one in delta.removed for v in one.values),
                added=tuple((one.name, one.type, one.ttl_seconds, v) for one in delta.added for v in one.values),
            )
            for delta in deltas
        ]
        assert with_changes(version.record_sets, changed(version.record_sets, steps) or {}) == dict(newest.record_sets)


def test_a_journal_ends_where_it_is_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "MOST_DELTAS", 3)
    holder = Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    version = start_version()
    for generation in range(1, 7):
        change = puts(generation, a(f"web.{ORIGIN}", f"10.0.0.{generation}"))
        version = advanced(version, change.fence, judge(change, version.record_sets, holder)[0])

    assert version.serial == 7
    assert versions.since(version, 3) is None
    assert [delta.before for delta in versions.since(version, 4) or ()] == [4, 5, 6]


def test_a_difference_of_more_than_half_the_zone_is_sent_as_the_zone() -> None:
    holder = Holder(origin=ORIGIN, owner="", ownership=Ownership.ZONE)
    version = start_version(*(a(f"n{number}.{ORIGIN}", "10.0.0.1") for number in range(100)))
    change = puts(2, *(a(f"n{number}.{ORIGIN}", "10.0.0.2") for number in range(50)))
    after = advanced(version, change.fence, judge(change, version.record_sets, holder)[0])

    assert answers.difference(after, 1) is None


@given(st.binary(max_size=300))
def test_no_request_brings_the_primary_down(octets: bytes) -> None:
    requests.understood(octets, requests.keyring([TSIG]))
    plausible = struct.pack("!HHHHHH", 1, 0, 1, 0, 0, 1) + octets
    requests.understood(plausible, requests.keyring([TSIG]))


def test_an_answer_is_not_answered() -> None:
    assert requests.understood(struct.pack("!HHHHHH", 1, 0x8000, 0, 0, 0, 0), {}) is None
