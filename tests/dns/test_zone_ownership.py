"""Whose a zone is that somebody keeps on a server, and what others change in it, on real servers."""

import asyncio
from typing import Any

import pytest

from fedsvc.testing.name_servers import Kind
from fedsvc.testing.relay import Relay
from fedsvc.testing.zone_writing import UPDATE, a, by_hand, opcode, puts, through
from fedsvc_dns.providers.contract import (
    ChangeSet,
    Fence,
    Mode,
    ReadOnlyZoneError,
    Reason,
    TransferError,
    UnreachableError,
    ZoneNotOursError,
)
from fedsvc_dns.providers.judging import Ownership


async def test_a_zone_that_is_nobodys_and_not_empty_is_not_written_to_until_it_is_adopted(kept: Any) -> None:
    name = f"old.{kept.origin}"
    await by_hand(kept, lambda update: update.add(name, 30, "A", "10.0.0.1"))
    wanted = puts(a(name, "10.0.0.1"), a(f"new.{kept.origin}", "10.0.0.2"))

    with pytest.raises(ZoneNotOursError, match=r"nobody's and not empty"):
        await kept.provider().apply(wanted)
    outcome = await kept.provider(mode=Mode.ADOPT).apply(wanted)
    after = await kept.provider().apply(ChangeSet(fence=Fence(epoch=1, generation=2), deletes=((name, "A"),)))

    assert outcome.written == (f"new.{kept.origin}",), "what is right is not written again"
    assert after.written == (name,), "it is ours from then on"


async def test_a_zone_of_another_owner_is_not_written_to(kept: Any) -> None:
    await kept.provider(owner="other").apply(puts(a(f"web.{kept.origin}", "10.0.0.1")))

    for ownership in Ownership:
        with pytest.raises(ZoneNotOursError, match="that of the owner other, not of test"):
            await kept.provider(ownership=ownership).apply(puts(a(f"web.{kept.origin}", "10.0.0.2")))


async def test_a_read_only_zone_is_read_and_not_written_to(kept: Any) -> None:
    provider = kept.provider(mode=Mode.READ_ONLY)

    assert (kept.origin, "NS") in (await provider.read()).record_sets
    with pytest.raises(ReadOnlyZoneError, match="set its mode to ADOPT or WRITE"):
        await provider.apply(puts(a(f"web.{kept.origin}", "10.0.0.1")))
    assert await kept.served() == {}


async def test_two_owners_share_a_zone_record_set_by_record_set(kept: Any) -> None:
    ours, theirs = f"ours.{kept.origin}", f"theirs.{kept.origin}"
    one = kept.provider(ownership=Ownership.RECORDS, owner="one")
    two = kept.provider(ownership=Ownership.RECORDS, owner="two")
    await one.apply(puts(a(ours, "10.0.0.1")))
    await two.apply(puts(a(theirs, "10.0.0.2"), epoch=7))

    outcome = await one.apply(puts(a(ours, "10.0.0.3"), a(theirs, "10.0.0.4"), generation=2))

    assert outcome.written == (ours,)
    assert [(refusal.name, refusal.reason) for refusal in outcome.refused] == [(theirs, Reason.FOREIGN)]
    assert "that of the owner two" in outcome.refused[0].message
    assert await kept.served() == {(ours, "A"): (30, {"10.0.0.3"}), (theirs, "A"): (30, {"10.0.0.2"})}


async def test_in_a_shared_zone_what_nobody_marked_is_left_alone_until_it_is_adopted_as_it_is(kept: Any) -> None:
    name = f"old.{kept.origin}"
    await by_hand(kept, lambda update: update.add(name, 30, "A", "10.0.0.1"))
    shared = {"ownership": Ownership.RECORDS}

    unmarked = await kept.provider(**shared).apply(puts(a(name, "10.0.0.1")))
    different = await kept.provider(**shared, mode=Mode.ADOPT).apply(puts(a(name, "10.0.0.2"), generation=2))
    adopted = await kept.provider(**shared, mode=Mode.ADOPT).apply(puts(a(name, "10.0.0.1"), generation=3))
    after = await kept.provider(**shared).apply(puts(a(name, "10.0.0.2"), generation=4))

    assert [refusal.reason for refusal in (*unmarked.refused, *different.refused)] == [Reason.FOREIGN, Reason.FOREIGN]
    assert (adopted.written, adopted.refused) == ((name,), ())
    assert after.written == (name,)


async def test_in_a_shared_zone_the_mark_goes_with_what_it_marks(kept: Any) -> None:
    name = f"*.web.{kept.origin}"
    provider = kept.provider(ownership=Ownership.RECORDS)
    await provider.apply(puts(a(name, "10.0.0.1")))
    with_it = (await provider.read()).record_sets
    await provider.apply(ChangeSet(fence=Fence(epoch=1, generation=2), deletes=((name, "A"),)))
    without = (await provider.read()).record_sets

    mark = (f"_fedsvc-a._wildcard.web.{kept.origin}", "TXT")
    assert with_it[mark].values == ('"heritage=fedsvc,owner=test"',)
    assert set(without) == {(kept.origin, "NS"), (f"_fedsvc-records-test.{kept.origin}", "TXT")}


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
    kept: Any, mark: str, text: str, who: str, ownership: Ownership
) -> None:
    name = f"web.{kept.origin}"
    await by_hand(kept, lambda update: update.add(f"{mark}.{kept.origin}", 30, "TXT", text))
    await by_hand(kept, lambda update: update.add(name, 30, "A", "10.0.0.1"))

    provider = kept.provider(mode=Mode.ADOPT, ownership=ownership)
    outcome = await provider.apply(puts(a(name, "10.0.0.2"), a(f"free.{kept.origin}", "10.0.0.3")))

    assert [(refusal.name, refusal.reason) for refusal in outcome.refused] == [(name, Reason.FOREIGN)]
    assert who in outcome.refused[0].message
    assert outcome.written == (f"free.{kept.origin}",)


async def test_what_others_change_is_seen_as_drift_and_what_we_change_is_not(kept: Any) -> None:
    name, ours = f"web.{kept.origin}", f"ours.{kept.origin}"
    provider = kept.provider()
    first = await provider.read()
    await provider.apply(puts(a(name, "10.0.0.1"), a(ours, "10.0.0.1")))
    after_ours = await provider.read()
    await by_hand(kept, lambda update: update.replace(name, 30, "A", "10.9.9.9"))
    after_theirs = await provider.read()

    assert (first.drifted, after_ours.drifted) == ((), ())
    assert after_theirs.drifted == ((name, "A"),)
    assert after_theirs.record_sets[name, "A"].values == ("10.9.9.9",)


async def test_drift_is_mended_by_the_next_change_set_that_says_how_it_shall_be(kept: Any) -> None:
    name = f"web.{kept.origin}"
    provider = kept.provider()
    await provider.apply(puts(a(name, "10.0.0.1")))
    await by_hand(kept, lambda update: update.delete(name))

    outcome = await provider.apply(puts(a(name, "10.0.0.1")))

    assert outcome.written == (name,)
    assert await kept.served() == {(name, "A"): (30, {"10.0.0.1"})}


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
    kept: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = kept.provider()
    await provider.apply(puts(*(a(f"n{number}.{kept.origin}", "10.0.0.1") for number in range(30))))

    def empty(update: Any) -> None:
        for number in range(29):
            update.delete(f"n{number}.{kept.origin}", "A")

    await by_hand(kept, empty)
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


async def test_a_mark_that_somebody_edited_is_told(kept: Any) -> None:
    await kept.provider().apply(puts(a(f"web.{kept.origin}", "10.0.0.1")))
    await by_hand(kept, lambda update: update.add(f"_fedsvc-zone.{kept.origin}", 10, "TXT", "edited"))

    with pytest.raises(ZoneNotOursError, match=r"is not as fedsvc writes it: .*edited.*; remove it"):
        await kept.provider().apply(puts(a(f"web.{kept.origin}", "10.0.0.2"), generation=2))


@pytest.mark.parametrize("ownership", list(Ownership))
async def test_what_another_installation_owned_is_taken_over_where_it_is_named(kept: Any, ownership: Ownership) -> None:
    name, gone = f"web.{kept.origin}", f"gone.{kept.origin}"
    old = kept.provider(owner="old", ownership=ownership)
    await old.apply(puts(a(name, "10.0.0.1"), a(gone, "10.0.0.1"), epoch=9, generation=9))

    new = kept.provider(owner="new", ownership=ownership, take_over=frozenset({"old"}))
    wanted = ChangeSet(fence=Fence(epoch=1, generation=1), puts=(a(name, "10.0.0.2"),), deletes=((gone, "A"),))
    outcome = await new.apply(wanted)

    assert (outcome.written, outcome.refused) == ((gone, name), ())
    assert await kept.served() == {(name, "A"): (30, {"10.0.0.2"})}
    late = puts(a(name, "10.0.0.3"), epoch=9, generation=10)
    if ownership is Ownership.ZONE:
        with pytest.raises(ZoneNotOursError, match="that of the owner new, not of old"):
            await old.apply(late)
    else:
        assert [refusal.reason for refusal in (await old.apply(late)).refused] == [Reason.FOREIGN]
