"""What dynamic updates are refused for, on real servers: names, sizes, keys, clocks."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from fedsvc.testing.name_servers import Kind
from fedsvc.testing.primaries import SECRET
from fedsvc.testing.relay import Relay
from fedsvc.testing.zone_writing import UPDATE, a, by_hand, opcode, puts, through
from fedsvc_dns.providers import keys, updates, wire
from fedsvc_dns.providers.contract import (
    CredentialsError,
    Reason,
    ServerRefusedError,
)
from fedsvc_dns.providers.keys import TsigKey
from fedsvc_dns.records import RecordSet, record_set


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
    assert "the server took its change, and yet" in refusal.message
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


async def test_a_wrong_secret_is_told_from_an_unknown_key(updated: Any, updated_kind: Kind) -> None:
    wrong = TsigKey(name="fedsvc-test.", secret="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
    unknown = TsigKey(name="nobody.", secret=SECRET)

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
        TsigKey(name="k.", secret=SECRET, algorithm=algorithm)


def test_a_secret_is_not_shown() -> None:
    assert SECRET not in repr(TsigKey(name="k.", secret=SECRET))
