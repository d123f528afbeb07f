"""What every provider does, on every server: what is asked of the server is asked without the provider."""

from collections.abc import Iterable
from typing import Any

import pytest

from fedsvc.testing.processes import free_ports
from fedsvc_dns.providers.connection import ServerAddress
from fedsvc_dns.providers.contract import ChangeSet, Fence, Reason, StaleWriterError
from fedsvc_dns.providers.verifying import verify
from fedsvc_dns.records import RecordSet, record_set


def change(
    epoch: int = 1, generation: int = 1, *, puts: Iterable[RecordSet] = (), deletes: Iterable[tuple[str, str]] = ()
) -> ChangeSet:
    return ChangeSet(fence=Fence(epoch=epoch, generation=generation), puts=tuple(puts), deletes=tuple(deletes))


def a(name: str, *values: str, ttl_seconds: int = 30) -> RecordSet:
    return record_set(name, "A", values, ttl_seconds=ttl_seconds)


async def test_it_writes_record_sets_of_all_types_that_are_planned_and_reads_them_back(place: Any) -> None:
    zone = place.origin
    texts = ['"one" "two"', '"with \\"quotes\\""' if place.takes_quotes else '"without"']
    puts = [
        a(zone, "10.0.0.9"),
        a(f"web.{zone}", "10.0.0.1", "10.0.0.2"),
        record_set(f"web.{zone}", "AAAA", ["2001:db8::1", "2001:0DB8::0002"], ttl_seconds=30),
        record_set(f"*.{zone}", "A", ["10.0.0.3"], ttl_seconds=30),
        record_set(f"www.{zone}", "CNAME", [f"Web.{zone}"], ttl_seconds=60),
        record_set(f"_http._tcp.web.{zone}", "SRV", [f"10 50 80 web.{zone}"], ttl_seconds=30),
        record_set(f"web.{zone}", "TXT", texts, ttl_seconds=30),
        record_set(f"web.{zone}", "HTTPS", ["1 . alpn=h2,h3 ipv4hint=10.0.0.1"], ttl_seconds=30),
        record_set(f"sub.{zone}", "NS", [f"ns.other.{zone}"], ttl_seconds=30),
    ]
    puts = [one for one in puts if one.type not in place.lacks]
    provider = place.provider()

    outcome = await provider.apply(change(puts=puts))

    assert outcome.refused == ()
    assert set(outcome.written) == {record_set.name for record_set in puts}
    served = await place.served()
    assert served[f"web.{zone}", "A"] == (30, {"10.0.0.1", "10.0.0.2"})
    assert served[f"web.{zone}", "AAAA"] == (30, {"2001:db8::1", "2001:db8::2"})
    assert served[f"*.{zone}", "A"] == (30, {"10.0.0.3"})
    assert {value.lower() for value in served[f"www.{zone}", "CNAME"][1]} == {f"web.{zone}"}
    assert len(served) == len(puts)
    read = (await provider.read()).record_sets
    assert read[f"web.{zone}", "AAAA"].values == ("2001:db8::1", "2001:db8::2")
    assert read[f"www.{zone}", "CNAME"].values == (f"web.{zone}",)


async def test_the_same_again_writes_nothing(place: Any) -> None:
    changes = change(puts=[a(f"web.{place.origin}", "10.0.0.1")])
    provider = place.provider()
    first = await provider.apply(changes)

    again = await provider.apply(changes)
    of_another = await place.provider().apply(changes)

    assert (again.written, again.serial) == ((), first.serial)
    assert (of_another.written, of_another.serial) == ((), first.serial)


async def test_it_replaces_a_set_whole_and_leaves_no_stray_of_what_it_did_not_know(place: Any) -> None:
    name = f"web.{place.origin}"
    await place.provider().apply(change(puts=[a(name, "10.0.0.1", "10.0.0.2")]))

    await place.provider().apply(change(generation=2, puts=[a(name, "10.0.0.3")]))

    assert await place.served() == {(name, "A"): (30, {"10.0.0.3"})}


async def test_a_ttl_alone_is_a_difference(place: Any) -> None:
    name = f"web.{place.origin}"
    provider = place.provider()
    await provider.apply(change(puts=[a(name, "10.0.0.1", ttl_seconds=30)]))

    outcome = await provider.apply(change(generation=2, puts=[a(name, "10.0.0.1", ttl_seconds=15)]))

    assert outcome.written == (name,)
    assert await place.served() == {(name, "A"): (15, {"10.0.0.1"})}


async def test_it_deletes_what_is_there_and_does_not_mind_what_is_not(place: Any) -> None:
    name, other = f"web.{place.origin}", f"other.{place.origin}"
    provider = place.provider()
    await provider.apply(change(puts=[a(name, "10.0.0.1"), a(other, "10.0.0.2")]))

    outcome = await provider.apply(change(generation=2, deletes=[(name, "A"), (name, "AAAA"), ("no." + name, "A")]))

    assert outcome.written == (name,)
    assert await place.served() == {(other, "A"): (30, {"10.0.0.2"})}


async def test_addresses_become_a_canonical_name_and_the_other_way_round_in_one_step(place: Any) -> None:
    name = f"web.{place.origin}"
    alias = record_set(name, "CNAME", [f"other.{place.origin}"], ttl_seconds=30)
    provider = place.provider()
    await provider.apply(change(puts=[a(name, "10.0.0.1")]))

    await provider.apply(change(generation=2, puts=[alias], deletes=[(name, "A")]))
    between = await place.served()
    await provider.apply(change(generation=3, puts=[a(name, "10.0.0.2")], deletes=[(name, "CNAME")]))

    assert list(between) == [(name, "CNAME")]
    assert await place.served() == {(name, "A"): (30, {"10.0.0.2"})}


async def test_a_canonical_name_beside_other_data_is_refused_and_the_rest_is_written(place: Any) -> None:
    name, good = f"web.{place.origin}", f"good.{place.origin}"
    provider = place.provider()
    await provider.apply(change(puts=[a(name, "10.0.0.1")]))

    alias = record_set(name, "CNAME", [good], ttl_seconds=30)
    outcome = await provider.apply(change(generation=2, puts=[alias, a(good, "10.0.0.2")]))

    assert [(refusal.name, refusal.reason) for refusal in outcome.refused] == [(name, Reason.CNAME_BESIDE_DATA)]
    assert outcome.written == (good,)
    assert await place.served() == {(name, "A"): (30, {"10.0.0.1"}), (good, "A"): (30, {"10.0.0.2"})}


REFUSED = [
    ("web.elsewhere.", "A", "10.0.0.1", Reason.NOT_IN_ZONE),
    ("web.not{}", "A", "10.0.0.1", Reason.NOT_IN_ZONE),  # the same ending, and no boundary of labels
    ("address.{}", "A", "10.0.0.256", Reason.INVALID),
    ("type.{}", "BOGUS", "1", Reason.INVALID),
    ("relative.{}", "SRV", "10 50 80 relative", Reason.INVALID),
    ("string.{}", "TXT", f'"{"x" * 256}"', Reason.INVALID),
    ("transfer.{}", "AXFR", "1", Reason.INVALID),
    ("signed.{}", "NSEC", "a. A", Reason.PROTECTED),
    ("_fedsvc-zone.{}", "TXT", '"x"', Reason.PROTECTED),
]


async def test_what_a_zone_may_not_take_is_refused_name_by_name_and_the_rest_is_written(place: Any) -> None:
    bad = [
        RecordSet(name=name.format(place.origin), type=type_, ttl_seconds=30, values=(value,))
        for name, type_, value, _ in REFUSED
    ]
    good = f"good.{place.origin}"

    outcome = await place.provider().apply(change(puts=[*bad, a(good, "10.0.0.1")]))

    expected = {name.format(place.origin): reason for name, _, _, reason in REFUSED}
    assert {refusal.name: refusal.reason for refusal in outcome.refused} == expected
    assert all(refusal.name in refusal.message for refusal in outcome.refused)
    assert outcome.written == (good,)
    assert await place.served() == {(good, "A"): (30, {"10.0.0.1"})}


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    [
        ("NS", "ns.evil.example.", Reason.PROTECTED),
        ("SOA", "a. b. 1 2 3 4 5", Reason.PROTECTED),
        ("CNAME", "web.example.", Reason.CNAME_BESIDE_DATA),
    ],
)
async def test_what_a_server_needs_at_the_apex_is_not_touched(
    updated: Any, type_: str, value: str, reason: Reason
) -> None:
    bad = RecordSet(name=updated.origin, type=type_, ttl_seconds=30, values=(value,))

    by_put = await updated.provider().apply(change(puts=[bad]))
    by_delete = await updated.provider().apply(change(generation=2, deletes=[bad.key]))

    assert [refusal.reason for refusal in by_put.refused] == [reason]
    assert [refusal.reason for refusal in by_delete.refused] == [reason]


async def test_a_set_of_a_hundred_records_is_taken_whole(place: Any) -> None:
    many = a(f"web.{place.origin}", *(f"10.0.1.{number}" for number in range(100)))

    outcome = await place.provider().apply(change(puts=[many]))

    assert outcome.refused == ()
    assert len((await place.served())[many.key][1]) == 100


async def test_more_than_a_message_holds_is_written_whole(place: Any) -> None:
    text = f'"{"x" * 200}"'
    puts = [record_set(f"t{number}.{place.origin}", "TXT", [text], ttl_seconds=30) for number in range(600)]

    outcome = await place.provider().apply(change(puts=puts))

    assert (len(outcome.written), outcome.refused) == (600, ())
    assert len(await place.served()) == 600


@pytest.mark.parametrize(("epoch", "generation"), [(1, 9), (2, 4)], ids=["of-an-older-epoch", "of-an-older-generation"])
async def test_a_late_writer_changes_nothing(place: Any, epoch: int, generation: int) -> None:
    name = f"web.{place.origin}"
    late = place.provider()
    await late.apply(change(1, 1, puts=[a(name, "10.0.0.1")]))
    await place.provider().apply(change(2, 5, puts=[a(name, "10.0.0.2")]))

    with pytest.raises(StaleWriterError, match=f"epoch {epoch}, generation {generation} comes too late"):
        await late.apply(change(epoch, generation, puts=[a(name, "10.0.0.3")]))

    assert await place.served() == {(name, "A"): (30, {"10.0.0.2"})}


async def test_a_plan_that_changes_nothing_still_makes_older_ones_late(place: Any) -> None:
    name = f"web.{place.origin}"
    await place.provider().apply(change(1, 1, puts=[a(name, "10.0.0.1")]))
    await place.provider().apply(change(1, 3, puts=[a(name, "10.0.0.1")]))

    with pytest.raises(StaleWriterError):
        await place.provider().apply(change(1, 2, puts=[a(name, "10.0.0.2")]))


async def test_a_name_that_is_refused_in_part_is_left_as_it_was_in_all(place: Any) -> None:
    name = f"web.{place.origin}"
    provider = place.provider()
    await provider.apply(change(puts=[a(name, "10.0.0.1")]))

    bad = RecordSet(name=name, type="AAAA", ttl_seconds=30, values=("nonsense",))
    outcome = await provider.apply(change(generation=2, puts=[a(name, "10.0.0.2"), bad]))

    assert [refusal.reason for refusal in outcome.refused] == [Reason.INVALID]
    assert await place.served() == {(name, "A"): (30, {"10.0.0.1"})}


async def test_every_authority_is_asked_whether_it_answers_as_it_should(answered: Any) -> None:
    name, alias, gone = f"web.{answered.origin}", f"www.{answered.origin}", f"gone.{answered.origin}"
    addresses = a(name, "10.0.0.1", "10.0.0.2")
    to_it = record_set(alias, "CNAME", [name], ttl_seconds=30)
    await answered.provider().apply(change(puts=[addresses, to_it, a(gone, "10.0.0.3")]))
    await answered.served()
    here = ServerAddress(host="127.0.0.1", port=answered.port)
    nobody = ServerAddress(host="127.0.0.1", port=free_ports(1)[0], timeout_seconds=1)

    agreed = await verify([here], {(name, "A"): addresses, (alias, "CNAME"): to_it, (alias, "A"): None})
    differ = await verify(
        [here, nobody],
        {(name, "A"): a(name, "10.0.0.1"), (gone, "A"): None, ("no." + name, "A"): a("no." + name, "10.0.0.1")},
    )

    assert [one.agrees for one in agreed] == [True]
    assert [stray.message for stray in differ[0].strays] == [
        f"{gone} A shall not be there, and has TTL 30 and 10.0.0.3",
        f"no.{name} A shall have TTL 30 and 10.0.0.1, and is not there",
        f"{name} A shall have TTL 30 and 10.0.0.1, and has TTL 30 and 10.0.0.1, 10.0.0.2",
    ]
    assert not differ[1].agrees
    assert f"port {nobody.port}" in differ[1].trouble


async def test_a_server_that_knows_nothing_of_a_zone_is_no_authority_for_it(answered: Any) -> None:
    (found,) = await verify(
        [ServerAddress(host="127.0.0.1", port=answered.port)],
        {("web.elsewhere.", "A"): a("web.elsewhere.", "10.0.0.1")},
    )

    assert "REFUSED" in found.trouble or "no authority" in found.trouble
