"""The pure parts of the providers, and what they know of messages."""

import ipaddress
from itertools import pairwise
from typing import Any

import dns.message
import dns.name
import dns.rdatatype
import dns.rrset
import dns.serial
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_dns.providers import marks, serials, walking, wire
from fedsvc_dns.providers.batching import batches, halves
from fedsvc_dns.providers.contract import ChangeSet, Fence
from fedsvc_dns.providers.judging import Holder, Ownership, judge
from fedsvc_dns.providers.marks import ForeignMarks, State, foreign_owners, record_mark, state_of
from fedsvc_dns.providers.transfer import Record, Step, advanced, changed, grouped
from fedsvc_dns.records import RecordSet, record_set

ORIGIN = "example.com."
NAMES = st.sampled_from([ORIGIN, f"a.{ORIGIN}", f"b.{ORIGIN}", f"*.{ORIGIN}", "a.other."])
ADDRESSES = st.lists(st.integers(0, 5).map(lambda n: f"10.0.0.{n}"), min_size=1, max_size=3)


@st.composite
def some_sets(draw: st.DrawFn) -> tuple[RecordSet, ...]:
    found: dict[tuple[str, str], RecordSet] = {}
    for _ in range(draw(st.integers(0, 6))):
        name, type_ = draw(NAMES), draw(st.sampled_from(["A", "CNAME", "TXT"]))
        values = draw(ADDRESSES) if type_ == "A" else {"CNAME": ["x.example."], "TXT": ['"x"']}[type_]
        made = record_set(name, type_, values, ttl_seconds=draw(st.sampled_from([30, 60])))
        found[made.key] = made
    return tuple(found.values())


@st.composite
def zones(draw: st.DrawFn) -> dict[tuple[str, str], RecordSet]:
    sets = {one.key: one for one in draw(some_sets()) if one.name.endswith(ORIGIN)}
    aliases = {name for name, type_ in sets if type_ == "CNAME"}
    return {key: one for key, one in sets.items() if key[1] == "CNAME" or key[0] not in aliases}


# Judging


@given(
    zones(), some_sets(), st.lists(st.tuples(NAMES, st.sampled_from(["A", "CNAME", "TXT"]))), st.sampled_from(Ownership)
)
def test_what_is_accepted_is_all_that_differs_and_leaves_every_canonical_name_alone(
    held: dict[tuple[str, str], RecordSet],
    wanted: tuple[RecordSet, ...],
    gone: list[tuple[str, str]],
    ownership: Ownership,
) -> None:
    keys = {one.key for one in wanted}
    changes = ChangeSet(
        fence=Fence(epoch=1, generation=1), puts=wanted, deletes=tuple(key for key in gone if key not in keys)
    )
    holder = Holder(origin=ORIGIN, owner="us", ownership=ownership)

    accepted, refused = judge(changes, held, holder)

    after = dict(held)
    for change in accepted:
        for key in change.deletes:
            del after[key]
        after |= {one.key: one for one in change.puts}
    types: dict[str, set[str]] = {}
    for name, type_ in after:
        types.setdefault(name, set()).add(type_)
    assert all(found == {"CNAME"} for found in types.values() if "CNAME" in found)
    not_done = {one.name for one in refused}
    assert not not_done & {change.name for change in accepted}
    assert all(after.get(one.key) == one for one in wanted if one.name not in not_done)
    assert all(key not in after for key in changes.deletes if key[0] not in not_done)
    touched = {change.name for change in accepted}
    assert all(after[key] == one for key, one in held.items() if key[0] not in touched)
    assert judge(changes, after, holder)[0] == (), "a second time there is nothing to do"


def test_a_change_set_that_contradicts_itself_is_refused() -> None:
    made = record_set("a.example.com", "A", ["10.0.0.1"], ttl_seconds=30)
    with pytest.raises(ValueError, match=r"a\.example\.com\. A is in the change set twice"):
        ChangeSet(fence=Fence(epoch=1, generation=1), puts=(made,), deletes=(made.key,))


# Marks


def test_the_mark_of_a_zone_is_read_as_it_was_written() -> None:
    state = State(owner="blue", fence=Fence(epoch=7, generation=42), step=3, writer="0a1b")

    assert state_of(state.value()) == state


@pytest.mark.parametrize(
    "value",
    [
        '"anything"',
        '"heritage=external-dns,external-dns/owner=x"',
        '"heritage=fedsvc,owner=x,epoch=1,generation=x,step=1,writer=a"',
    ],
)
def test_other_text_is_no_mark_of_a_zone(value: str) -> None:
    assert state_of(value) is None


@pytest.mark.parametrize(
    ("key", "mark"),
    [
        (("web.example.com.", "A"), "_fedsvc-a.web.example.com."),
        (("*.example.com.", "HTTPS"), "_fedsvc-https._wildcard.example.com."),
        (("example.com.", "TXT"), "_fedsvc-txt.example.com."),
    ],
)
def test_a_record_set_is_marked_below_its_name(key: tuple[str, str], mark: str) -> None:
    assert record_mark(key, ORIGIN) == mark


def test_the_mark_of_a_long_name_is_a_digest_below_the_zone() -> None:
    long = ".".join(["x" * 60] * 3 + ["y" * 50]) + f".{ORIGIN}"

    mark = record_mark((long, "AAAA"), ORIGIN)

    assert mark.startswith("_fedsvc-aaaa-")
    assert mark.endswith(f".{ORIGIN}")
    assert mark.count(".") == 3
    dns.name.from_text(mark)


@pytest.mark.parametrize(
    ("name", "value", "prefix", "suffix", "marked"),
    [
        ("web.example.com.", "external-dns", "", "", "web.example.com."),
        ("a-web.example.com.", "external-dns", "", "", "web.example.com."),
        ("aaaa-web.example.com.", "external-dns", "", "", "web.example.com."),
        ("xt-a-web.example.com.", "external-dns", "xt-", "", "web.example.com."),
        ("a-xt-web.example.com.", "external-dns", "xt-", "", "web.example.com."),
        ("a-web-xt.example.com.", "external-dns", "", "-xt", "web.example.com."),
        ("xt.a-web.example.com.", "external-dns", "xt.", "", "web.example.com."),
        ("cname-*.example.com.", "external-dns", "", "", "*.example.com."),
        ("_owner.A.web.example.com.", "octodns", "", "", "web.example.com."),
        ("_owner.cname._wildcard.example.com.", "octodns", "", "", "*.example.com."),
        ("_owner.a.example.com.", "octodns", "", "", "example.com."),
    ],
)
def test_marks_of_others_are_known(name: str, value: str, prefix: str, suffix: str, marked: str) -> None:
    text = {"external-dns": '"heritage=external-dns,external-dns/owner=blue"', "octodns": '"*octodns*"'}[value]
    sets = [record_set(name, "TXT", [text], ttl_seconds=30)]

    assert marked in foreign_owners(sets, ForeignMarks(txt_prefix=prefix, txt_suffix=suffix))


@pytest.mark.parametrize("owner", ["", "Blue", "a b", "x" * 41, "-x", 'x"'])
def test_an_owner_that_would_not_do_in_a_name_is_refused(owner: str) -> None:
    with pytest.raises(ValueError, match="1 to 40 of a-z"):
        marks.check_owner(owner)


# Serials

SERIALS = st.one_of(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]))


@given(SERIALS, SERIALS)
def test_serials_are_compared_as_rfc_1982_says(one: int, other: int) -> None:
    assert serials.is_newer(one, other) == (dns.serial.Serial(one) > dns.serial.Serial(other))


@given(SERIALS)
def test_the_following_serial_is_newer_and_never_none(serial: int) -> None:
    assert serials.is_newer(serials.following(serial), serial)
    assert serials.following(serial) != 0


@given(SERIALS, st.lists(st.integers(-(2**29), 2**29), max_size=4), st.integers(0, 2**40))
def test_after_a_restore_the_serial_is_newer_than_all_that_was_served(
    stored: int, distances: list[int], unix_seconds: int
) -> None:
    seen = [(stored + distance) % 2**32 for distance in distances]

    serial = serials.after_restore(stored, seen=seen, unix_seconds=unix_seconds)

    assert all(serials.is_newer(serial, one) for one in (stored, *seen))


def test_a_secondary_at_half_the_circle_is_told() -> None:
    with pytest.raises(ValueError, match="knows no order"):
        serials.after_restore(1, seen=[1 + 2**31], unix_seconds=0)


# Batches


@given(st.lists(st.integers(1, 200)), st.integers(1, 300))
def test_batches_keep_order_and_limit(sizes: list[int], limit: int) -> None:
    found = list(batches(sizes, lambda size: size, limit_octets=limit))

    assert [size for batch in found for size in batch] == sizes
    assert all(batch and (sum(batch) <= limit or len(batch) == 1) for batch in found)
    assert all(sum(one) + other[0] > limit for one, other in pairwise(found)), "no room is left"


@given(st.lists(st.integers(), min_size=2))
def test_halves_are_both_smaller_and_together_the_whole(items: list[int]) -> None:
    first, second = halves(items)
    assert [*first, *second] == items
    assert first
    assert second


# Messages

TYPED = st.one_of(
    st.tuples(st.just("A"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("AAAA"), st.ip_addresses(v=6).map(lambda address: ipaddress.IPv6Address(address).exploded)),
    st.tuples(st.just("CNAME"), st.sampled_from(["Web.Example.com.", ".", "x.y."])),
    st.tuples(st.just("SRV"), st.sampled_from(["1 2 3 Web.example.com.", "0 0 0 ."])),
    st.tuples(
        st.just("TXT"),
        st.text('ab \\"'.replace("\\", ""), max_size=9).map(lambda text: '"' + text.replace('"', '\\"') + '"'),
    ),
)


@given(st.sampled_from([ORIGIN, f"web.{ORIGIN}", f"*.x.{ORIGIN}", f"_http._tcp.{ORIGIN}"]), TYPED)
def test_a_rendered_record_set_is_what_dnspython_reads(name: str, typed: tuple[str, str]) -> None:
    wanted = wire.canonical(record_set(name, typed[0], [typed[1]], ttl_seconds=30))
    (octets,), count = wire.records(wanted, ORIGIN), 1
    message = b"\0\1\x84\0\0\1" + count.to_bytes(2, "big") + b"\0\0\0\0" + wire.full_name(ORIGIN) + b"\0\6\0\1" + octets

    read = dns.message.from_wire(message).answer[0]

    assert (read.name.to_text(), read.ttl, read.rdtype.name) == (name, 30, typed[0])
    assert read[0] == dns.rdata.from_text("IN", typed[0], typed[1])
    (walked,) = walking.records(message)
    assert walking.name_at(message, walked.start, {}) == name
    assert wire.data_text(typed[0], message, walked.data, walked.octets) == wanted.values[0]


@given(st.binary(max_size=200))
def test_what_is_no_message_is_never_anything_but_malformed(octets: bytes) -> None:
    try:
        for record in walking.records(octets):
            walking.name_at(octets, record.start, {})
    except walking.MalformedError:
        return
    dns.message.from_wire(octets[:12] + octets[12:], continue_on_error=True)


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"\xc0\x00", id="pointer-to-itself"),
        pytest.param(b"\xc0\x05", id="pointer-forward"),
        pytest.param(b"\1a" * 400 + b"\0", id="400-labels"),
        pytest.param(b"\5ab", id="label-beyond-the-end"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_a_name_that_is_none_is_malformed(octets: bytes) -> None:
    with pytest.raises(walking.MalformedError):
        walking.name_at(octets, 0, {})


def test_unusual_octets_of_a_name_are_escaped_and_compression_is_followed() -> None:
    octets = b"\3com\0\x07ex.mple\xc0\x00\2WW\xc0\x05"

    assert walking.name_at(octets, 15, {}) == "ww.ex\\.mple.com."


# Differences


def records_of(sets: Any) -> list[Record]:
    return [(one.name, one.type, one.ttl_seconds, value) for one in sets for value in one.values]


@given(zones(), zones(), zones())
def test_a_zone_after_the_steps_between_is_the_newer_zone(
    first: dict[tuple[str, str], RecordSet],
    second: dict[tuple[str, str], RecordSet],
    third: dict[tuple[str, str], RecordSet],
) -> None:
    steps = [
        Step(
            removed=tuple(records_of(one for key, one in before.items() if after.get(key) != one)),
            added=tuple(records_of(one for key, one in after.items() if before.get(key) != one)),
        )
        for before, after in pairwise((first, second, third))
    ]

    found = changed(first, steps)
    assert found is not None
    assert advanced(first, found) == third
    assert grouped(records_of(third.values())) == third


def test_steps_that_remove_what_is_not_there_do_not_fit() -> None:
    assert changed({}, [Step(removed=(("a.", "A", 1, "10.0.0.1"),), added=())]) is None
