"""Whatever comes: the embedded server does not fail, and garbage gets no answer but that it is garbage."""

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsvc_dns.records import record_set
from fedsvc_dns.server import wire
from fedsvc_dns.server.encoding import Encoded
from fedsvc_dns.server.responder import Book, Reply, respond
from fedsvc_dns.server.transfer import asked_for
from fedsvc_dns.server.zone_data import ZoneData

SETS = (
    record_set("z.", "SOA", ["ns.z. admin.z. 7 3600 600 86400 15"], ttl_seconds=60),
    record_set("z.", "NS", ["ns.z."], ttl_seconds=60),
    record_set("ns.z.", "A", ["192.0.2.1"], ttl_seconds=60),
    record_set("*.w.z.", "MX", ["1 ns.z."], ttl_seconds=60),
    record_set("c.z.", "CNAME", ["x.w.z."], ttl_seconds=60),
    record_set("d.z.", "NS", ["ns.d.z."], ttl_seconds=60),
    record_set("ns.d.z.", "AAAA", ["2001:db8::1"], ttl_seconds=60),
)
BOOK = Book([Encoded().zone(ZoneData(origin="z.", record_sets=SETS))])

names = st.lists(st.sampled_from(["ns", "w", "c", "d", "x", "Ns", "*", "x" * 63]), max_size=3).map(
    lambda labels: ".".join([*labels, "z."])
)
options = st.one_of(
    st.builds(dns.edns.GenericOption, st.integers(100, 65_535), st.binary(max_size=8)),
    st.builds(dns.edns.ECSOption, st.ip_addresses(v=4).map(str), st.integers(0, 32)),
    st.builds(dns.edns.ECSOption, st.ip_addresses(v=6).map(str), st.integers(0, 128)),
)


@st.composite
def queries(draw: st.DrawFn) -> bytes:
    type_ = draw(
        st.one_of(st.sampled_from([1, 2, 5, 6, 15, 28, 41, 43, 249, 250, 251, 252, 255]), st.integers(0, 65_535))
    )
    edns = draw(st.sampled_from([-1, 0, 0, 1]))
    query = dns.message.make_query(draw(names), "A", use_edns=edns if edns >= 0 else False)
    if edns >= 0:
        query.use_edns(
            edns,
            draw(st.sampled_from([0, 0x8000])),
            draw(st.integers(0, 65_535)),
            options=[*draw(st.lists(options, max_size=2))],
        )
    octets = bytearray(query.to_wire())
    at = 12 + octets[12:].index(0)
    octets[at + 1 : at + 3] = type_.to_bytes(2, "big")
    return bytes(octets)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    octets = bytearray(draw(queries()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(octets) - 1)) if octets else 0
        kind = draw(st.sampled_from(["change", "cut", "insert", "double"]))
        if kind == "change" and octets:
            octets[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del octets[at : at + draw(st.integers(1, 4))]
        elif kind == "insert":
            octets[at:at] = draw(st.binary(min_size=1, max_size=8))
        else:
            octets += octets[at:]
    return bytes(octets)


def answered(octets: bytes, max_octets: int = 1232) -> Reply | None:
    asked_for(BOOK, octets)
    reply = respond(BOOK, octets, client="192.0.2.1", max_octets=max_octets, seed=1)
    if reply is not None:
        assert len(reply.message) <= max(max_octets, 512)
        assert reply.message[:2] == octets[:2]
        assert reply.message[2] & 0xF9 == 0x80 | octets[2] & 0x79
        assert len(reply.message) == 12 or reply.message[12:].startswith(octets[12 : 12 + 1])
        read = dns.message.from_wire(reply.message, ignore_trailing=False, keyring=False, continue_on_error=True)
        assert read.flags & dns.flags.QR
        assert not read.flags & dns.flags.RA
    return reply


def read_by_dnspython(octets: bytes) -> dns.message.Message | None:
    try:
        return dns.message.from_wire(octets, keyring=False)
    except (dns.exception.DNSException, ValueError, IndexError):
        return None


@given(
    octets=st.one_of(
        st.binary(max_size=80), st.binary(max_size=60).map(lambda tail: b"\0\1\0\0\0\1\0\0\0\0\0\0" + tail)
    )
)
@settings(max_examples=400)
def test_random_octets_are_not_answered_with_data(octets: bytes) -> None:
    reply = answered(octets)

    if reply is not None and reply.rcode in {wire.NOERROR, wire.NXDOMAIN}:
        assert read_by_dnspython(octets) is not None


@given(octets=damaged())
@settings(max_examples=600)
def test_what_dnspython_cannot_read_gets_no_data(octets: bytes) -> None:
    reply = answered(octets)

    if reply is not None and reply.rcode in {wire.NOERROR, wire.NXDOMAIN}:
        read = read_by_dnspython(octets)
        assert read is not None
        assert read.opcode() == dns.opcode.QUERY
        assert len(read.question) == 1
        assert not read.answer


@given(octets=queries(), max_octets=st.sampled_from([0, 100, 512, 1232, 65_535]))
@settings(max_examples=400)
def test_each_well_formed_query_is_answered_to_its_question(octets: bytes, max_octets: int) -> None:
    for _ in range(2):
        reply = answered(octets, max_octets)
        assert reply is not None
        asked, read = read_by_dnspython(octets), dns.message.from_wire(reply.message)
        assert asked is not None
        assert read.question == asked.question
        assert read.edns == (-1 if asked.edns < 0 else 0)
        assert (read.rcode() == dns.rcode.BADVERS) == (asked.edns > 0)


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"\x01w\xc0\x0c\0\1\0\1", id="pointer-to-itself"),
        pytest.param(b"\xc0\x0c\0\1\0\1", id="pointer-alone"),
        pytest.param(b"\x40a\0\0\1\0\1", id="label-of-another-kind"),
        pytest.param((b"\x3f" + b"x" * 63) * 4 + b"\0\0\1\0\1", id="name-of-257-octets"),
        pytest.param(b"\x01w\x01z", id="name-cut-off"),
        pytest.param(b"\x01z\0\0\1\0", id="class-cut-off"),
        pytest.param(b"\x01z\0\0\1\0\1x", id="octet-left-over"),
    ],
)
def test_a_malformed_question_is_a_format_error_of_the_header_alone(tail: bytes) -> None:
    reply = answered(b"\0\1\1\0\0\1\0\0\0\0\0\0" + tail)

    assert reply is not None
    assert (reply.rcode, len(reply.message)) == (wire.FORMERR, 12)


@pytest.mark.parametrize(
    ("data", "well_formed"),
    [
        pytest.param(b"\0\1\x18\0\x0a\0\0", True, id="ipv4-24"),
        pytest.param(b"\0\0\0\0", True, id="nobody"),
        pytest.param(b"\0\1\0\0", True, id="any-ipv4"),
        pytest.param(b"\0\1\x18\1\x0a\0\0", False, id="scope-in-a-query"),
        pytest.param(b"\0\1\x18\0\x0a\0\0\0", False, id="too-many-octets"),
        pytest.param(b"\0\1\x18\0\x0a\0", False, id="too-few-octets"),
        pytest.param(b"\0\1\x17\0\x0a\0\1", False, id="bits-beyond-the-length"),
        pytest.param(b"\0\1\x21\0\x0a\0\0\0\0", False, id="longer-than-ipv4"),
        pytest.param(b"\0\3\x08\0\x0a", False, id="unknown-family"),
        pytest.param(b"\0\1\x18", False, id="cut-off"),
    ],
)
def test_a_client_subnet_has_to_be_as_rfc_7871_says(data: bytes, *, well_formed: bool) -> None:
    query = dns.message.make_query("ns.z.", "A", options=[dns.edns.GenericOption("ECS", data)]).to_wire()
    reply = answered(query)

    assert reply is not None
    assert reply.rcode == (wire.NOERROR if well_formed else wire.FORMERR)
