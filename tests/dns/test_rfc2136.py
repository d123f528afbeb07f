"""What is true of dynamic updates only, on real servers."""

import asyncio
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dns.asyncquery
import dns.rcode
import dns.update
import pytest

from fedsvc.errors import ConfigurationError
from fedsvc.simulator.certificates import issue_serving, make_authority
from fedsvc.testing.name_servers import KEY, HostedZone, Kind, TlsFiles, start_name_server
from fedsvc.testing.processes import Child
from fedsvc.testing.relay import Relay
from fedsvc_dns.providers import keys, updates, wire
from fedsvc_dns.providers.connection import ServerAddress, client_tls
from fedsvc_dns.providers.contract import (
    ChangeSet,
    CredentialsError,
    Fence,
    Mode,
    Outcome,
    ReadOnlyZoneError,
    Reason,
    ServerRefusedError,
    StaleWriterError,
    TransferError,
    UnreachableError,
    ZoneNotOursError,
)
from fedsvc_dns.providers.judging import Ownership
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
from fedsvc_dns.records import RecordSet, record_set

UPDATE = 5


def opcode(message: bytes) -> int:
    return (message[2] >> 3) & 0xF


def puts(*record_sets: RecordSet, epoch: int = 1, generation: int = 1) -> ChangeSet:
    return ChangeSet(fence=Fence(epoch=epoch, generation=generation), puts=record_sets)


def a(name: str, *values: str) -> RecordSet:
    return record_set(name, "A", values, ttl_seconds=30)


async def by_hand(place: Any, change: Any) -> None:
    """Update the zone as somebody else, without a fence."""
    update = dns.update.UpdateMessage(place.origin, keyring={KEY.name: KEY}, keyname=KEY.name)
    change(update)
    answer = await dns.asyncquery.tcp(update, "127.0.0.1", port=place.port, timeout=10)
    assert answer.rcode() == dns.rcode.NOERROR


@pytest.fixture
async def relay(updated: Any) -> AsyncIterator[Relay]:
    async with Relay(updated.port).running() as running:
        yield running


def through(relay: Relay, *, timeout_seconds: float = 10.0) -> ServerAddress:
    return ServerAddress(host="127.0.0.1", port=relay.port, timeout_seconds=timeout_seconds)


# Races and lost answers


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
        from fedsvc_dns.providers.rfc2136 import Rfc2136Settings, Rfc2136Zone
        from fedsvc_dns.records import record_set

        settings = Rfc2136Settings(
            origin={updated.origin!r},
            address=ServerAddress(host="127.0.0.1", port={relay.port}),
            key=TsigKey(name="fedsvc-test.", secret={keys_secret()!r}),
            owner="test",
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


def keys_secret() -> str:
    import base64  # noqa: PLC0415

    return base64.b64encode(KEY.secret).decode()


# What servers refuse


def refused_by(kind: Kind, origin: str) -> list[RecordSet]:
    """What the planner's side lets through and this server does not."""
    return {
        Kind.BIND: [a(f"bad_host.{origin}", "10.0.0.1")],
        Kind.KNOT: [
            record_set(f"above.{origin}", "DNAME", ["other.example."], ttl_seconds=30),
            a(f"below.above.{origin}", "10.0.0.1"),
        ],
        Kind.POWERDNS: [record_set(f"private.{origin}", "TYPE65534", ["\\# 2 0102"], ttl_seconds=30)],
    }[kind]


async def test_a_name_that_a_server_refuses_is_quarantined_and_all_others_are_written(
    updated: Any, updated_kind: Kind
) -> None:
    good = [a(f"n{number}.{updated.origin}", "10.0.0.1") for number in range(50)]
    bad = refused_by(updated_kind, updated.origin)

    outcome = await updated.provider().apply(puts(*good[:20], *bad, *good[20:]))

    (refusal,) = outcome.refused
    assert refusal.reason is Reason.SERVER_REFUSED
    assert refusal.name in {record_set.name for record_set in bad}
    assert {record_set.name for record_set in good} <= set(outcome.written)


@pytest.mark.parametrize("updated_kind", [Kind.BIND], ids=["bind"])
@pytest.mark.parametrize(
    "skipped",
    [
        record_set("private", "TYPE65534", ["\\# 2 0102"], ttl_seconds=30),
        record_set("ds", "DS", [f"12345 8 2 {'ab' * 32}"], ttl_seconds=30),
    ],
    ids=lambda one: one.type,
)
async def test_what_a_server_skips_without_a_word_is_told(updated: Any, skipped: RecordSet) -> None:
    silent = RecordSet(name=f"{skipped.name}{updated.origin}", type=skipped.type, ttl_seconds=30, values=skipped.values)
    outcome = await updated.provider().apply(puts(silent, a(f"good.{updated.origin}", "10.0.0.1")))

    (refusal,) = outcome.refused
    assert (refusal.name, refusal.reason) == (silent.name, Reason.NOT_TAKEN)
    assert "NOERROR" in refusal.message
    assert outcome.written == (f"good.{updated.origin}",)


async def test_what_somebody_changes_between_writing_and_reading_back_is_told(updated: Any, relay: Relay) -> None:
    name = f"web.{updated.origin}"

    async def meddle(message: bytes) -> bool:
        if opcode(message) == UPDATE:
            await by_hand(updated, lambda update: update.replace(name, 60, "A", "10.9.9.9"))
        return True

    relay.answers = meddle
    outcome = await updated.provider(address=through(relay)).apply(puts(a(name, "10.0.0.1")))

    (refusal,) = outcome.refused
    assert refusal.reason is Reason.NOT_TAKEN
    assert "has TTL 60 and 10.9.9.9" in refusal.message


@pytest.mark.parametrize("updated_kind", [Kind.BIND], ids=["bind"])
async def test_after_many_refused_names_the_rest_of_their_messages_is_not_tried(updated: Any) -> None:
    bad = [a(f"bad_host{number}.{updated.origin}", "10.0.0.1") for number in range(100)]

    outcome = await updated.provider().apply(puts(*bad))

    reasons = [refusal.reason for refusal in outcome.refused]
    assert len(reasons) == 100
    assert set(reasons) == {Reason.SERVER_REFUSED, Reason.NOT_TRIED}
    assert reasons.count(Reason.SERVER_REFUSED) <= 66


async def test_a_name_that_no_message_holds_is_refused_and_one_that_just_fits_is_written(updated: Any) -> None:
    def texts(name: str, count: int) -> RecordSet:
        return record_set(name, "TXT", [f'"{number:03}{"x" * 240}"' for number in range(count)], ttl_seconds=30)

    each = len(wire.records(texts(f"fit.{updated.origin}", 1), updated.origin)[0])
    most = updates.MOST_OCTETS // each
    fits = [number for number in (most, 100) if number <= most][-1]  # BIND takes a hundred records in a set
    outcome = await updated.provider().apply(
        puts(texts(f"fit.{updated.origin}", fits), texts(f"big.{updated.origin}", most + 1))
    )

    (refusal,) = outcome.refused
    assert (refusal.name, refusal.reason) == (f"big.{updated.origin}", Reason.TOO_BIG)
    assert len((await updated.served())[f"fit.{updated.origin}", "TXT"][1]) == fits


async def test_messages_of_the_most_octets_are_taken(updated: Any) -> None:
    text = f'"{"x" * 255}"'
    many = [record_set(f"t{number}.{updated.origin}", "TXT", [text], ttl_seconds=30) for number in range(300)]

    outcome = await updated.provider(most_octets=updates.MOST_OCTETS).apply(puts(*many))

    assert (len(outcome.written), outcome.refused) == (300, ())


# Credentials


async def test_a_wrong_secret_is_told_from_an_unknown_key(updated: Any, updated_kind: Kind) -> None:
    wrong = TsigKey(name="fedsvc-test.", secret="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    unknown = TsigKey(name="nobody.", secret=keys_secret())

    wrong_told, unknown_told = r"key fedsvc-test\.: .*BADSIG", r"key nobody\.: it does not know the key"
    if updated_kind is Kind.POWERDNS:  # it does not say which
        wrong_told = unknown_told = "NOTAUTH .* or does not accept the signature"
    with pytest.raises((CredentialsError, ServerRefusedError), match=wrong_told):
        await updated.provider(key=wrong).read()
    with pytest.raises((CredentialsError, ServerRefusedError), match=unknown_told):
        await updated.provider(key=unknown).read()


@pytest.mark.parametrize("updated_kind", [Kind.BIND, Kind.KNOT], ids=["bind", "knot"])
async def test_a_clock_that_is_wrong_is_told(updated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    early = SimpleNamespace(time=lambda: time.time() - 3600)
    monkeypatch.setattr(keys, "time", early)

    with pytest.raises(CredentialsError, match="clock"):
        await updated.provider().read()


async def test_a_zone_that_is_not_served_there_is_told(updated: Any) -> None:
    with pytest.raises(ServerRefusedError, match=r"the transfer of elsewhere\.example\."):
        await updated.provider(origin="elsewhere.example.").read()


@pytest.mark.parametrize("algorithm", ["hmac-md5", "hmac-sha1", "sha256"])
def test_a_weak_algorithm_is_refused(algorithm: str) -> None:
    with pytest.raises(ValueError, match="hmac-sha256, hmac-sha384, hmac-sha512"):
        TsigKey(name="k.", secret=keys_secret(), algorithm=algorithm)


def test_a_secret_is_not_shown() -> None:
    assert keys_secret() not in repr(TsigKey(name="k.", secret=keys_secret()))


# Whose it is


async def test_a_zone_that_is_nobodys_and_not_empty_is_not_written_to_until_it_is_adopted(updated: Any) -> None:
    name = f"old.{updated.origin}"
    await by_hand(updated, lambda update: update.add(name, 30, "A", "10.0.0.1"))
    wanted = puts(a(name, "10.0.0.1"), a(f"new.{updated.origin}", "10.0.0.2"))

    with pytest.raises(ZoneNotOursError, match=r"nobody's and not empty"):
        await updated.provider().apply(wanted)
    outcome = await updated.provider(mode=Mode.ADOPT).apply(wanted)
    after = await updated.provider().apply(ChangeSet(fence=Fence(epoch=1, generation=2), deletes=((name, "A"),)))

    assert outcome.written == (f"new.{updated.origin}",), "what is right is not written again"
    assert after.written == (name,), "it is ours from then on"


async def test_a_zone_of_another_owner_is_not_written_to(updated: Any) -> None:
    await updated.provider(owner="other").apply(puts(a(f"web.{updated.origin}", "10.0.0.1")))

    for ownership in Ownership:
        with pytest.raises(ZoneNotOursError, match="that of the owner other, not of test"):
            await updated.provider(ownership=ownership).apply(puts(a(f"web.{updated.origin}", "10.0.0.2")))


async def test_a_read_only_zone_is_read_and_not_written_to(updated: Any) -> None:
    provider = updated.provider(mode=Mode.READ_ONLY)

    assert (updated.origin, "NS") in (await provider.read()).record_sets
    with pytest.raises(ReadOnlyZoneError, match="set its mode to ADOPT or WRITE"):
        await provider.apply(puts(a(f"web.{updated.origin}", "10.0.0.1")))
    assert await updated.served() == {}


async def test_two_owners_share_a_zone_record_set_by_record_set(updated: Any) -> None:
    ours, theirs = f"ours.{updated.origin}", f"theirs.{updated.origin}"
    one = updated.provider(ownership=Ownership.RECORDS, owner="one")
    two = updated.provider(ownership=Ownership.RECORDS, owner="two")
    await one.apply(puts(a(ours, "10.0.0.1")))
    await two.apply(puts(a(theirs, "10.0.0.2"), epoch=7))

    outcome = await one.apply(puts(a(ours, "10.0.0.3"), a(theirs, "10.0.0.4"), generation=2))

    assert outcome.written == (ours,)
    assert [(refusal.name, refusal.reason) for refusal in outcome.refused] == [(theirs, Reason.FOREIGN)]
    assert "that of the owner two" in outcome.refused[0].message
    assert await updated.served() == {(ours, "A"): (30, {"10.0.0.3"}), (theirs, "A"): (30, {"10.0.0.2"})}


async def test_in_a_shared_zone_what_nobody_marked_is_left_alone_until_it_is_adopted_as_it_is(updated: Any) -> None:
    name = f"old.{updated.origin}"
    await by_hand(updated, lambda update: update.add(name, 30, "A", "10.0.0.1"))
    shared = {"ownership": Ownership.RECORDS}

    unmarked = await updated.provider(**shared).apply(puts(a(name, "10.0.0.1")))
    different = await updated.provider(**shared, mode=Mode.ADOPT).apply(puts(a(name, "10.0.0.2"), generation=2))
    adopted = await updated.provider(**shared, mode=Mode.ADOPT).apply(puts(a(name, "10.0.0.1"), generation=3))
    after = await updated.provider(**shared).apply(puts(a(name, "10.0.0.2"), generation=4))

    assert [refusal.reason for refusal in (*unmarked.refused, *different.refused)] == [Reason.FOREIGN, Reason.FOREIGN]
    assert (adopted.written, adopted.refused) == ((name,), ())
    assert after.written == (name,)


async def test_in_a_shared_zone_the_mark_goes_with_what_it_marks(updated: Any) -> None:
    name = f"*.web.{updated.origin}"
    provider = updated.provider(ownership=Ownership.RECORDS)
    await provider.apply(puts(a(name, "10.0.0.1")))
    with_it = (await provider.read()).record_sets
    await provider.apply(ChangeSet(fence=Fence(epoch=1, generation=2), deletes=((name, "A"),)))
    without = (await provider.read()).record_sets

    mark = (f"_fedsvc-a._wildcard.web.{updated.origin}", "TXT")
    assert with_it[mark].values == ('"heritage=fedsvc,owner=test"',)
    assert set(without) == {(updated.origin, "NS"), (f"_fedsvc-records-test.{updated.origin}", "TXT")}


@pytest.mark.parametrize(
    ("mark", "text", "who"),
    [
        ("a-web", '"heritage=external-dns,external-dns/owner=blue,external-dns/resource=ingress/x/y"', "owner blue"),
        ("_owner.A.web", "*octodns*", "octoDNS"),
    ],
    ids=["external-dns", "octodns"],
)
@pytest.mark.parametrize("ownership", list(Ownership))
async def test_names_that_others_have_marked_are_left_to_them(
    updated: Any, mark: str, text: str, who: str, ownership: Ownership
) -> None:
    name = f"web.{updated.origin}"
    await by_hand(updated, lambda update: update.add(f"{mark}.{updated.origin}", 30, "TXT", text))
    await by_hand(updated, lambda update: update.add(name, 30, "A", "10.0.0.1"))

    provider = updated.provider(mode=Mode.ADOPT, ownership=ownership)
    outcome = await provider.apply(puts(a(name, "10.0.0.2"), a(f"free.{updated.origin}", "10.0.0.3")))

    assert [(refusal.name, refusal.reason) for refusal in outcome.refused] == [(name, Reason.FOREIGN)]
    assert who in outcome.refused[0].message
    assert outcome.written == (f"free.{updated.origin}",)


# Drift


async def test_what_others_change_is_seen_as_drift_and_what_we_change_is_not(updated: Any) -> None:
    name, ours = f"web.{updated.origin}", f"ours.{updated.origin}"
    provider = updated.provider()
    first = await provider.read()
    await provider.apply(puts(a(name, "10.0.0.1"), a(ours, "10.0.0.1")))
    after_ours = await provider.read()
    await by_hand(updated, lambda update: update.replace(name, 30, "A", "10.9.9.9"))
    after_theirs = await provider.read()

    assert (first.drifted, after_ours.drifted) == ((), ())
    assert after_theirs.drifted == ((name, "A"),)
    assert after_theirs.record_sets[name, "A"].values == ("10.9.9.9",)


async def test_drift_is_mended_by_the_next_change_set_that_says_how_it_shall_be(updated: Any) -> None:
    name = f"web.{updated.origin}"
    provider = updated.provider()
    await provider.apply(puts(a(name, "10.0.0.1")))
    await by_hand(updated, lambda update: update.delete(name))

    outcome = await provider.apply(puts(a(name, "10.0.0.1")))

    assert outcome.written == (name,)
    assert await updated.served() == {(name, "A"): (30, {"10.0.0.1"})}


@pytest.mark.parametrize("updated_kind", [Kind.BIND, Kind.KNOT], ids=["bind", "knot"])
async def test_what_is_known_is_brought_up_to_date_by_the_difference_alone(updated: Any, relay: Relay) -> None:
    provider = updated.provider(address=through(relay))
    await provider.apply(puts(*(a(f"n{number}.{updated.origin}", "10.0.0.1") for number in range(500))))
    octets: list[int] = []

    async def count(message: bytes) -> bool:
        octets.append(len(message))
        return True

    relay.answers = count
    await by_hand(updated, lambda update: update.add(f"n1.{updated.origin}", 30, "A", "10.0.0.2"))
    content = await provider.read()

    assert content.drifted == ((f"n1.{updated.origin}", "A"),)
    assert sum(octets) < 1000, "500 names are some 15 kB"


async def test_a_zone_that_lost_more_than_half_is_not_believed_until_it_is_said_to_be_so(
    updated: Any, updated_kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = updated.provider()
    await provider.apply(puts(*(a(f"n{number}.{updated.origin}", "10.0.0.1") for number in range(30))))

    def empty(update: Any) -> None:
        for number in range(29):
            update.delete(f"n{number}.{updated.origin}", "A")

    await by_hand(updated, empty)
    monkeypatch.setattr("fedsvc_dns.providers.mirror.FULL_READ_SECONDS", 0.0)

    with pytest.raises(TransferError, match="had 32 record sets and is said to have 3: not believed"):
        await provider.read()
    assert len((await provider.read(may_shrink=True)).record_sets) == 3


async def test_what_was_sent_before_a_failure_is_no_drift_afterwards(updated: Any, relay: Relay) -> None:
    name = f"web.{updated.origin}"
    provider = updated.provider(address=through(relay))
    await provider.read()
    done = asyncio.Event()

    async def then_nothing(message: bytes) -> bool:
        if opcode(message) == UPDATE:
            done.set()
        return not done.is_set()

    relay.answers = then_nothing
    with pytest.raises(UnreachableError):
        await provider.apply(puts(a(name, "10.0.0.1")))
    done.clear()

    content = await provider.read()

    assert content.record_sets[name, "A"].values == ("10.0.0.1",)
    assert content.drifted == ()


async def test_a_mark_that_somebody_edited_is_told(updated: Any) -> None:
    await updated.provider().apply(puts(a(f"web.{updated.origin}", "10.0.0.1")))
    await by_hand(updated, lambda update: update.add(f"_fedsvc-zone.{updated.origin}", 10, "TXT", "edited"))

    with pytest.raises(ZoneNotOursError, match=r"is not as fedsvc writes it: .*edited.*; remove it"):
        await updated.provider().apply(puts(a(f"web.{updated.origin}", "10.0.0.2"), generation=2))


@pytest.mark.parametrize("ownership", list(Ownership))
async def test_what_another_installation_owned_is_taken_over_where_it_is_named(
    updated: Any, ownership: Ownership
) -> None:
    name, gone = f"web.{updated.origin}", f"gone.{updated.origin}"
    old = updated.provider(owner="old", ownership=ownership)
    await old.apply(puts(a(name, "10.0.0.1"), a(gone, "10.0.0.1"), epoch=9, generation=9))

    new = updated.provider(owner="new", ownership=ownership, take_over=frozenset({"old"}))
    wanted = ChangeSet(fence=Fence(epoch=1, generation=1), puts=(a(name, "10.0.0.2"),), deletes=((gone, "A"),))
    outcome = await new.apply(wanted)

    assert (outcome.written, outcome.refused) == ((gone, name), ())
    assert await updated.served() == {(name, "A"): (30, {"10.0.0.2"})}
    late = puts(a(name, "10.0.0.3"), epoch=9, generation=10)
    if ownership is Ownership.ZONE:
        with pytest.raises(ZoneNotOursError, match="that of the owner new, not of old"):
            await old.apply(late)
    else:
        assert [refusal.reason for refusal in (await old.apply(late)).refused] == [Reason.FOREIGN]


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
    key = TsigKey(name="fedsvc-test.", secret=keys_secret())
    zones = []
    for trusted in (authority, stranger):
        context = client_tls(ca_pem=trusted.certificate_pem.decode())
        address = ServerAddress(host="127.0.0.1", port=server.tls_port or 0, tls=context)
        zones.append(Rfc2136Zone(Rfc2136Settings(origin="tls.example.", address=address, key=key, owner="test")))
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
