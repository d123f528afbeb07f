"""Dynamic updates on real servers: writers at once, lost messages and answers, connections that break."""

import asyncio
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.simulator.certificates import issue_serving, make_authority
from fedsvc.testing.name_servers import HostedZone, Kind, TlsFiles, start_name_server
from fedsvc.testing.primaries import SECRET
from fedsvc.testing.processes import Child
from fedsvc.testing.relay import Relay
from fedsvc.testing.zone_writing import UPDATE, a, opcode, puts, through
from fedsvc_dns.providers.connection import ServerAddress, client_tls
from fedsvc_dns.providers.contract import (
    Outcome,
    StaleWriterError,
    UnreachableError,
)
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.owning import Claim
from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
from fedsvc_dns.records import record_set


async def test_of_two_writers_at_once_the_older_never_has_the_last_word(updated: Any) -> None:
    name = f"web.{updated.origin}"
    older, newer = updated.provider(), updated.provider()
    for round_ in range(5):
        outcomes = await asyncio.gather(
            older.apply(puts(a(name, "10.0.1.1"), a(f"x{round_}.{updated.origin}", "10.0.1.1"), epoch=2 * round_ + 1)),
            newer.apply(puts(a(name, "10.0.2.2"), epoch=2 * round_ + 2)),
            return_exceptions=True,
        )
        assert isinstance(outcomes[0], Outcome | StaleWriterError), outcomes[0]
        assert isinstance(outcomes[1], Outcome), outcomes[1]
        assert (await updated.served())[name, "A"] == (30, {"10.0.2.2"})


async def test_an_update_whose_answer_is_lost_is_done_once(updated: Any, relay: Relay) -> None:
    name = f"web.{updated.origin}"
    sent: list[bytes] = []

    async def count(message: bytes) -> bool:
        if opcode(message) == UPDATE:
            sent.append(message)
        return True

    async def lose(message: bytes) -> bool:
        return opcode(message) != UPDATE

    relay.requests, relay.answers = count, lose
    outcome = await updated.provider(address=through(relay)).apply(puts(a(name, "10.0.0.1")))

    assert (outcome.written, len(sent)) == ((name,), 1)
    assert await updated.served() == {(name, "A"): (30, {"10.0.0.1"})}


async def test_an_update_that_is_lost_on_its_way_is_sent_again(updated: Any, relay: Relay) -> None:
    name = f"web.{updated.origin}"
    lost: list[bytes] = []

    async def lose_the_first(message: bytes) -> bool:
        if opcode(message) == UPDATE and not lost:
            lost.append(message)
            return False
        return True

    relay.requests = lose_the_first
    outcome = await updated.provider(address=through(relay)).apply(puts(a(name, "10.0.0.1")))

    assert (outcome.written, len(lost)) == ((name,), 1)


async def test_an_update_that_comes_through_after_all_is_not_done_over_a_newer_one(updated: Any, relay: Relay) -> None:
    name = f"web.{updated.origin}"
    held: list[bytes] = []
    newer = updated.provider()

    async def hold(message: bytes) -> bool:
        if opcode(message) == UPDATE and not held:
            held.append(message)
            await newer.apply(puts(a(name, "10.0.0.2"), epoch=2))
        return True  # and only now let it through

    relay.requests = hold
    with pytest.raises(StaleWriterError, match="comes too late"):
        await updated.provider(address=through(relay)).apply(puts(a(name, "10.0.0.1"), epoch=1))

    assert await updated.served() == {(name, "A"): (30, {"10.0.0.2"})}


async def test_a_server_that_never_answers_is_unreachable_after_its_deadline(updated: Any, relay: Relay) -> None:
    async def lose(message: bytes) -> bool:
        await asyncio.Event().wait()
        return True

    provider = updated.provider(address=through(relay, timeout_seconds=0.2))
    relay.answers = lose
    with pytest.raises(UnreachableError, match=r"did not answer within 0\.2 seconds"):
        await provider.apply(puts(a(f"web.{updated.origin}", "10.0.0.1")))


async def test_a_writer_that_is_killed_before_the_answer_leaves_what_the_next_can_go_on_from(
    updated: Any, relay: Relay, tmp_path: Path
) -> None:
    first, second = f"a.{updated.origin}", f"b.{updated.origin}"
    answered = asyncio.Event()

    async def hold(message: bytes) -> bool:
        if opcode(message) != UPDATE:
            return True
        answered.set()
        await asyncio.Event().wait()
        return False

    relay.answers = hold
    script = tmp_path / "writer.py"
    script.write_text(
        textwrap.dedent(f"""
        import asyncio
        from fedsvc_dns.providers.connection import ServerAddress
        from fedsvc_dns.providers.contract import ChangeSet, Fence
        from fedsvc_dns.providers.keys import TsigKey
        from fedsvc_dns.providers.owning import Claim
        from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
        from fedsvc_dns.records import record_set

        settings = Rfc2136Settings(
            claim=Claim(origin={updated.origin!r}, owner="test"),
            address=ServerAddress(host="127.0.0.1", port={relay.port}),
            key=TsigKey(name="fedsvc-test.", secret={SECRET!r}),
        )
        puts = [record_set(name, "A", ["10.0.0.1"], ttl_seconds=30) for name in ({first!r}, {second!r})]
        changes = ChangeSet(fence=Fence(epoch=1, generation=1), puts=tuple(puts))
        asyncio.run(Rfc2136Zone(settings).apply(changes))
        """)
    )
    child = Child("writer", [sys.executable, script], log=tmp_path / "log")
    async with asyncio.timeout(30):
        await answered.wait()
    await child.stop(kill=True)

    wanted = puts(a(first, "10.0.0.1"), a(second, "10.0.0.2"), epoch=2)
    outcome = await updated.provider().apply(wanted)

    assert outcome.written == (second,), "the first is as it shall be already"
    assert await updated.served() == {(first, "A"): (30, {"10.0.0.1"}), (second, "A"): (30, {"10.0.0.2"})}


async def test_a_zone_is_kept_by_tls_with_a_certificate_that_is_checked(
    tmp_path: Path, require: Callable[[str], None]
) -> None:
    authority, stranger = make_authority("ours"), make_authority("stranger")
    made = issue_serving(authority, hosts=("127.0.0.1",))
    files = TlsFiles(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")
    files.certificate.write_bytes(made.certificate_pem)
    files.key.write_bytes(made.key_pem)
    try:
        server = await start_name_server(Kind.BIND, tmp_path / "bind", [HostedZone(origin="tls.example.")], tls=files)
    except ConfigurationError as error:
        require(str(error))
        raise
    key = TsigKey(name="fedsvc-test.", secret=SECRET)
    zones = []
    for trusted in (authority, stranger):
        context = client_tls(ca_pem=trusted.certificate_pem.decode())
        address = ServerAddress(host="127.0.0.1", port=server.tls_port or 0, tls=context)
        claim = Claim(origin="tls.example.", owner="test")
        zones.append(Rfc2136Zone(Rfc2136Settings(claim=claim, address=address, key=key)))
    try:
        outcome = await zones[0].apply(puts(a("web.tls.example.", "10.0.0.1")))
        with pytest.raises(UnreachableError, match=r"by TLS: .*certificate verify failed"):
            await zones[1].read()
    finally:
        for zone in zones:
            await zone.close()
        await server.stop()

    assert outcome.written == ("web.tls.example.",)


async def test_a_connection_that_the_server_closed_while_it_was_idle_is_opened_again(
    updated: Any, relay: Relay
) -> None:
    name = f"web.{updated.origin}"
    provider = updated.provider(address=through(relay))
    await provider.read()
    await relay.cut()
    read = await provider.read()
    await relay.cut()
    outcome = await provider.apply(puts(a(name, "10.0.0.1")))

    assert (updated.origin, "NS") in read.record_sets
    assert outcome.written == (name,)


async def test_a_connection_that_breaks_between_the_messages_of_a_change_set_costs_nothing_but_time(
    updated: Any, relay: Relay
) -> None:
    text = f'"{"x" * 200}"'
    many = [record_set(f"t{number}.{updated.origin}", "TXT", [text], ttl_seconds=30) for number in range(40)]
    sent: list[bytes] = []

    async def break_each_second(message: bytes) -> bool:
        if opcode(message) == UPDATE:
            sent.append(message)
        return opcode(message) != UPDATE or len(sent) % 2 == 1

    relay.answers = break_each_second
    outcome = await updated.provider(address=through(relay), most_octets=1000).apply(puts(*many))

    assert (len(outcome.written), outcome.refused) == (40, ())
    assert len(sent) >= 8
    assert len(await updated.served()) == 40
