"""What the embedded server answers, message by message, read by dnspython."""

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.tsig
import pytest

from fedsvc_dns.records import record_set
from fedsvc_dns.server.encoding import Encoded
from fedsvc_dns.server.responder import Book, Reply, respond
from fedsvc_dns.server.zone_data import Choice, ChoiceOption, Network, ZoneData

ORIGIN = "example.org."
RECORDS = {
    ("example.org.", "SOA"): ["ns1.example.org. admin.example.org. 7 3600 600 86400 15"],
    ("example.org.", "NS"): ["ns1.example.org.", "ns2.example.org."],
    ("ns1.example.org.", "A"): ["192.0.2.1"],
    ("ns2.example.org.", "A"): ["192.0.2.2"],
    ("ns2.example.org.", "AAAA"): ["2001:db8::2"],
    ("www.example.org.", "A"): ["192.0.2.10", "192.0.2.11"],
    ("alias.example.org.", "CNAME"): ["www.example.org."],
    ("away.example.org.", "CNAME"): ["www.example.net."],
    ("lost.example.org.", "CNAME"): ["nowhere.example.org."],
    ("loop1.example.org.", "CNAME"): ["loop2.example.org."],
    ("loop2.example.org.", "CNAME"): ["loop1.example.org."],
    ("a.b.deep.example.org.", "TXT"): ['"deep"'],
    ("*.wild.example.org.", "A"): ["192.0.2.20"],
    ("host.wild.example.org.", "TXT"): ['"host"'],
    ("sub.example.org.", "NS"): ["ns.sub.example.org."],
    ("ns.sub.example.org.", "A"): ["192.0.2.30"],
    ("mx.example.org.", "MX"): ["10 www.example.org."],
    ("long.example.org.", "TXT"): [f'"{number:02}{"x" * 98}"' for number in range(8)],
    ("longer.example.org.", "TXT"): [f'"{number:02}{"x" * 98}"' for number in range(20)],
    ("many.example.org.", "MX"): [f"10 host{number}.example.org." for number in range(14)],
    **{(f"host{number}.example.org.", "AAAA"): [f"2001:db8::{number + 1:x}"] for number in range(14)},
    ("weighted.example.org.", "A"): ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
    ("through.example.org.", "CNAME"): ["weighted.example.org."],
    ("to.example.org.", "SRV"): ["0 1 80 weighted.example.org."],
    ("*.any.example.org.", "A"): ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
    ("near.example.org.", "A"): ["10.1.0.1", "10.2.0.1"],
}


def zone() -> ZoneData:
    sets = tuple(record_set(name, type_, values, ttl_seconds=300) for (name, type_), values in RECORDS.items())
    return ZoneData(
        origin=ORIGIN,
        record_sets=sets,
        choices=(
            *(
                Choice(
                    name=name,
                    type="A",
                    options=(
                        ChoiceOption(value="10.0.0.1", weight=3),
                        ChoiceOption(value="10.0.0.2", weight=1),
                        ChoiceOption(value="10.0.0.3", weight=0),
                    ),
                )
                for name in ("weighted.example.org.", "*.any.example.org.")
            ),
            Choice(
                name="near.example.org.",
                type="A",
                options=(ChoiceOption(value="10.1.0.1", place="eu"), ChoiceOption(value="10.2.0.1", place="us")),
            ),
        ),
        networks=(Network(prefix="10.0.0.0/8", place="us"), Network(prefix="10.64.0.0/10", place="eu")),
    )


@pytest.fixture(scope="module")
def book() -> Book:
    return Book([Encoded().zone(zone())])


def reply_to(book: Book, query: dns.message.Message | bytes, **how: object) -> Reply:
    wire = query if isinstance(query, bytes) else query.to_wire()
    arguments = {"client": "203.0.113.1", "max_octets": 1232, "seed": 0, **how}
    reply = respond(book, wire, **arguments)  # type: ignore[arg-type]
    assert reply is not None
    return reply


def ask(book: Book, name: str, type_: str, *, seed: int = 0, payload: int | None = 1232) -> dns.message.Message:
    query = dns.message.make_query(name, type_, use_edns=payload is not None, payload=payload)
    message = dns.message.from_wire(reply_to(book, query, seed=seed).message)
    assert query.is_response(message)
    return message


def data(section: list[dns.rrset.RRset]) -> list[str]:
    return sorted(f"{one.name} {one.rdtype.name} {value}" for one in section for value in one)


@pytest.mark.parametrize(
    ("name", "type_", "rcode", "answer"),
    [
        pytest.param("www", "A", "NOERROR", ["www A 192.0.2.10", "www A 192.0.2.11"], id="data"),
        pytest.param("www", "AAAA", "NOERROR", [], id="nodata"),
        pytest.param("nowhere", "A", "NXDOMAIN", [], id="no-such-name"),
        pytest.param("deep", "A", "NOERROR", [], id="empty-non-terminal"),
        pytest.param("b.deep", "TXT", "NOERROR", [], id="empty-non-terminal-below"),
        pytest.param("x.b.deep", "TXT", "NXDOMAIN", [], id="below-empty-non-terminal"),
        pytest.param("x.wild", "A", "NOERROR", ["x.wild A 192.0.2.20"], id="wildcard"),
        pytest.param("x.y.wild", "A", "NOERROR", ["x.y.wild A 192.0.2.20"], id="wildcard-two-labels"),
        pytest.param("x.wild", "TXT", "NOERROR", [], id="wildcard-nodata"),
        pytest.param("host.wild", "A", "NOERROR", [], id="existing-name-hides-wildcard"),
        pytest.param("x.host.wild", "A", "NXDOMAIN", [], id="below-existing-name-no-wildcard"),
        pytest.param("*.wild", "A", "NOERROR", ["*.wild A 192.0.2.20"], id="wildcard-itself"),
        pytest.param(
            "alias",
            "A",
            "NOERROR",
            ["alias CNAME www.example.org.", "www A 192.0.2.10", "www A 192.0.2.11"],
            id="alias-followed",
        ),
        pytest.param("alias", "CNAME", "NOERROR", ["alias CNAME www.example.org."], id="alias-itself"),
        pytest.param("alias", "TXT", "NOERROR", ["alias CNAME www.example.org."], id="alias-to-nodata"),
        pytest.param("away", "A", "NOERROR", ["away CNAME www.example.net."], id="alias-out-of-zone"),
        pytest.param("lost", "A", "NXDOMAIN", ["lost CNAME nowhere.example.org."], id="alias-to-nothing-rfc6604"),
        pytest.param(
            "loop1",
            "A",
            "NOERROR",
            ["loop1 CNAME loop2.example.org.", "loop2 CNAME loop1.example.org."],
            id="alias-loop",
        ),
        pytest.param("www", "ANY", "NOERROR", ["www A 192.0.2.10", "www A 192.0.2.11"], id="any-has-one-set"),
        pytest.param("deep", "ANY", "NOERROR", [], id="any-of-nothing"),
        pytest.param("www", "TYPE65400", "NOERROR", [], id="unknown-type"),
    ],
)
def test_a_question_is_answered_from_the_zone(book: Book, name: str, type_: str, rcode: str, answer: list[str]) -> None:
    message = ask(book, f"{name}.example.org.", type_)

    assert message.rcode() == dns.rcode.from_text(rcode)
    assert message.flags & dns.flags.AA
    assert [one.replace(".example.org. ", " ", 1) for one in data(message.answer)] == answer
    denies = not answer or rcode == "NXDOMAIN" or (type_ == "TXT" and "CNAME" in answer[-1])
    assert [one.rdtype.name for one in message.authority] == (["SOA"] if denies else [])


def test_a_denial_is_kept_for_the_minimum_of_the_soa(book: Book) -> None:
    assert ask(book, "nowhere.example.org.", "A").authority[0].ttl == 15
    assert ask(book, "example.org.", "SOA").answer[0].ttl == 300


@pytest.mark.parametrize("name", ["sub", "x.sub", "ns.sub"])
def test_what_is_delegated_is_referred_with_glue(book: Book, name: str) -> None:
    message = ask(book, f"{name}.example.org.", "A")

    assert not message.flags & dns.flags.AA
    assert not message.answer
    assert data(message.authority) == ["sub.example.org. NS ns.sub.example.org."]
    assert data(message.additional) == ["ns.sub.example.org. A 192.0.2.30"]


def test_the_zone_above_answers_for_the_ds_of_a_delegation(book: Book) -> None:
    message = ask(book, "sub.example.org.", "DS")

    assert message.flags & dns.flags.AA
    assert [one.rdtype.name for one in message.authority] == ["SOA"]


def test_the_case_of_a_question_comes_back_with_each_answer(book: Book) -> None:
    for name in ("WwW.eXample.ORG.", "www.EXAMPLE.org.", "NoWhere.Example.org.", "X.wILd.example.org."):
        query = dns.message.make_query(name, "A")
        reply = reply_to(book, query).message
        question = query.to_wire()[12:-11] if query.edns >= 0 else query.to_wire()[12:]
        assert reply[12 : 12 + len(question)] == question
        for one in dns.message.from_wire(reply).answer:
            assert one.name.to_text() == name


def test_addresses_of_named_hosts_are_added(book: Book) -> None:
    assert data(ask(book, "mx.example.org.", "MX").additional) == [
        "www.example.org. A 192.0.2.10",
        "www.example.org. A 192.0.2.11",
    ]


def test_what_is_added_is_left_out_where_it_does_not_fit_without_a_word(book: Book) -> None:
    whole, less = ask(book, "many.example.org.", "MX"), ask(book, "many.example.org.", "MX", payload=None)

    assert len(whole.additional) == 14
    assert not less.additional
    assert len(less.answer[0]) == 14
    assert not less.flags & dns.flags.TC


@pytest.mark.parametrize(
    ("name", "payload", "fits"),
    [
        ("long", None, False),
        ("long", 512, False),
        ("long", 1232, True),
        ("long", 100, False),
        ("longer", 4096, False),
    ],
)
def test_an_answer_that_does_not_fit_is_truncated(book: Book, name: str, payload: int | None, *, fits: bool) -> None:
    for _ in range(2):
        message = ask(book, f"{name}.example.org.", "TXT", payload=payload)
        assert bool(message.flags & dns.flags.TC) is not fits
        assert bool(message.answer) is fits
        assert message.edns == (-1 if payload is None else 0)


def test_by_tcp_an_answer_has_room(book: Book) -> None:
    query = dns.message.make_query("longer.example.org.", "TXT")
    message = dns.message.from_wire(reply_to(book, query, max_octets=65_535).message)

    assert len(message.answer[0]) == 20


@pytest.mark.parametrize(
    ("name", "type_", "rcode"),
    [
        pytest.param("example.net.", "A", "REFUSED", id="no-zone-of-ours"),
        pytest.param("notexample.org.", "A", "REFUSED", id="no-label-border"),
        pytest.param(".", "NS", "REFUSED", id="root"),
        pytest.param("example.org.", "AXFR", "REFUSED", id="transfer-by-udp"),
        pytest.param("www.example.org.", "MAILB", "NOTIMP", id="question-type-of-old"),
        pytest.param("www.example.org.", "OPT", "FORMERR", id="opt-is-no-question"),
    ],
)
def test_what_is_not_answered_is_refused_with_its_question(book: Book, name: str, type_: str, rcode: str) -> None:
    message = ask(book, name, type_)

    assert message.rcode() == dns.rcode.from_text(rcode)
    assert not message.answer
    assert not message.authority
    assert not message.flags & dns.flags.AA


def test_another_class_is_refused(book: Book) -> None:
    query = dns.message.make_query("version.bind.", "TXT", "CH")

    assert dns.message.from_wire(reply_to(book, query).message).rcode() == dns.rcode.REFUSED


def test_another_version_of_edns_is_bad(book: Book) -> None:
    query = dns.message.make_query("www.example.org.", "A", use_edns=1)
    message = dns.message.from_wire(reply_to(book, query).message)

    assert message.rcode() == dns.rcode.BADVERS
    assert message.edns == 0


def test_the_options_of_edns_that_nobody_knows_are_passed_over(book: Book) -> None:
    query = dns.message.make_query(
        "www.example.org.",
        "A",
        use_edns=0,
        options=[dns.edns.GenericOption(dns.edns.OptionType.make(65_001), b"x")],
        want_dnssec=True,
    )
    message = dns.message.from_wire(reply_to(book, query).message)

    assert message.rcode() == dns.rcode.NOERROR
    assert not message.options
    assert message.ednsflags & dns.flags.DO
    assert message.payload == 1232


@pytest.mark.parametrize("opcode", [dns.opcode.NOTIFY, dns.opcode.UPDATE, dns.opcode.STATUS])
def test_other_operations_are_not_implemented(book: Book, opcode: dns.opcode.Opcode) -> None:
    query = dns.message.make_query("example.org.", "SOA")
    query.set_opcode(opcode)
    message = dns.message.from_wire(reply_to(book, query).message)

    assert message.rcode() == dns.rcode.NOTIMP
    assert message.opcode() == opcode


def test_a_signed_query_is_told_that_its_key_is_unknown(book: Book) -> None:
    query = dns.message.make_query("www.example.org.", "A")
    query.use_tsig(dns.tsig.Key("key.", b"secret"))

    with pytest.raises(dns.tsig.PeerBadKey):
        dns.message.from_wire(reply_to(book, query).message, keyring=query.keyring, request_mac=query.mac)


def test_answers_are_not_answered(book: Book) -> None:
    answer = reply_to(book, dns.message.make_query("www.example.org.", "A")).message

    assert respond(book, answer, client="203.0.113.1", max_octets=1232, seed=0) is None
    assert respond(book, answer[:11], client="203.0.113.1", max_octets=1232, seed=0) is None


def test_ixfr_by_udp_is_answered_by_the_soa_alone(book: Book) -> None:
    query = dns.message.make_query("example.org.", "IXFR")
    soa = dns.rrset.from_text("example.org.", 0, "IN", "SOA", ". . 3 0 0 0 0")
    query.authority.append(soa)
    message = dns.message.from_wire(reply_to(book, query).message)

    assert [one.rdtype.name for one in message.answer] == ["SOA"]


def test_the_nearest_zone_answers_and_the_one_above_for_the_ds_set() -> None:
    inner = ZoneData(
        origin="sub.example.org.",
        record_sets=(
            record_set("sub.example.org.", "SOA", ["ns.sub.example.org. a. 1 1 1 1 1"], ttl_seconds=60),
            record_set("sub.example.org.", "NS", ["ns.sub.example.org."], ttl_seconds=60),
            record_set("ns.sub.example.org.", "A", ["192.0.2.99"], ttl_seconds=60),
        ),
    )
    both = Book([Encoded().zone(zone()), Encoded().zone(inner)])

    assert data(ask(both, "ns.sub.example.org.", "A").answer) == ["ns.sub.example.org. A 192.0.2.99"]
    assert ask(both, "sub.example.org.", "DS").authority[0].name.to_text() == "example.org."
    assert ask(Book([Encoded().zone(inner)]), "sub.example.org.", "DS").authority[0].name.to_text() == inner.origin


@pytest.mark.parametrize(
    ("name", "type_"), [("weighted", "A"), ("through", "A"), ("x.any", "A"), ("*.any", "A"), ("to", "SRV")]
)
def test_weights_are_shares_of_the_answers(book: Book, name: str, type_: str) -> None:
    chosen = []
    for number in range(64):
        message = ask(book, f"{name}.example.org.", type_, seed=(number * 2**64) // 64)
        drawn = (message.answer + message.additional)[-1]
        assert len(drawn) == 1
        chosen.append(str(drawn[0]))

    assert {value: chosen.count(value) for value in set(chosen)} == {"10.0.0.1": 48, "10.0.0.2": 16}


def subnet(book: Book, name: str, address: str, bits: int) -> tuple[str, dns.edns.ECSOption]:
    query = dns.message.make_query(name, "A", options=[dns.edns.ECSOption(address, bits)])
    message = dns.message.from_wire(reply_to(book, query).message)
    option = message.options[0]
    assert isinstance(option, dns.edns.ECSOption)
    return str(message.answer[0][0]), option


@pytest.mark.parametrize(
    ("address", "bits", "value", "scope_bits"),
    [
        pytest.param("10.70.1.0", 24, "10.1.0.1", 10, id="nearer-network"),
        pytest.param("10.1.2.0", 24, "10.2.0.1", 10, id="outer-network-beside-the-nearer"),
        pytest.param("10.200.2.0", 24, "10.2.0.1", 9, id="outer-network"),
        pytest.param("11.0.0.0", 24, "10.1.0.1", 8, id="no-network"),
        pytest.param("192.0.2.0", 24, "10.1.0.1", 1, id="far-from-any-network"),
    ],
)
def test_a_client_subnet_chooses_the_place_and_the_answer_says_for_whom_it_holds(
    book: Book, address: str, bits: int, value: str, scope_bits: int
) -> None:
    chosen, option = subnet(book, "near.example.org.", address, bits)

    assert chosen == value
    assert (option.address, option.srclen, option.scopelen) == (address, bits, scope_bits)


@pytest.mark.parametrize("name", ["www", "weighted", "through", "x.any"])
def test_an_answer_for_which_the_place_does_not_matter_says_so(book: Book, name: str) -> None:
    for _ in range(2):
        assert subnet(book, f"{name}.example.org.", "10.70.1.0", 24)[1].scopelen == 0


def test_without_a_subnet_the_resolver_s_own_address_chooses(book: Book) -> None:
    query = dns.message.make_query("near.example.org.", "A")
    for client, value in (("10.70.0.1", "10.1.0.1"), ("10.1.0.1", "10.2.0.1")):
        for _ in range(2):
            message = dns.message.from_wire(reply_to(book, query, client=client).message)
            assert str(message.answer[0][0]) == value
            assert not message.options


def test_nobodys_questions_fill_the_memory() -> None:
    fresh = Book([Encoded().zone(zone())])
    for type_ in range(1, 40_000, 97):
        if type_ not in {50, 41} and not 128 <= type_ < 256:
            for name in ("www.example.org.", "alias.example.org.", "sub.example.org.", f"x{type_}.wild.example.org."):
                ask(fresh, name, f"TYPE{type_}")

    assert len(fresh.templates) < 40
