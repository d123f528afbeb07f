"""Differential: what the embedded server answers is what Knot answers on the same zone."""

import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from fedsvc.errors import ConfigurationError
from fedsvc.testing.name_servers import HostedZone, Kind, start_name_server
from fedsvc_dns.records import RecordSet, record_set
from fedsvc_dns.server.encoding import Encoded
from fedsvc_dns.server.responder import Book, respond
from fedsvc_dns.server.zone_data import ZoneData

ORIGIN = "zone.example."
LABELS = ("a", "b", "c", "*")
TYPES = ("A", "AAAA", "CNAME", "TXT", "MX", "SRV", "NS", "DS", "SOA", "HTTPS")

names = st.lists(st.sampled_from(LABELS), min_size=0, max_size=3).map(lambda labels: ".".join([*labels, ORIGIN]))
targets = st.one_of(names, st.just("elsewhere.test."))
DATA = {
    "A": st.sampled_from(["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
    "AAAA": st.sampled_from(["2001:db8::1", "2001:db8::2"]),
    "TXT": st.sampled_from(['"one"', '"two" "three"']),
    "MX": targets.map(lambda name: f"10 {name}"),
    "SRV": targets.map(lambda name: f"0 1 80 {name}"),
    "HTTPS": targets.map(lambda name: f"1 {name} alpn=h2"),
    "NS": targets,
    "CNAME": targets,
    "DS": st.just("1 13 2 " + "00" * 32),
}
PLAIN = ("A", "AAAA", "TXT", "MX", "SRV", "HTTPS")


@st.composite
def zones(draw: st.DrawFn) -> dict[str, dict[str, list[str]]]:
    """Data by name and type, as a zone may hold it: aliases alone, only glue below delegations."""
    made: dict[str, dict[str, list[str]]] = {}
    cuts: list[str] = []
    for name in sorted(draw(st.lists(names, min_size=1, max_size=9, unique=True)), key=len):
        below = [cut for cut in cuts if name.endswith(f".{cut}")]
        kind = draw(st.sampled_from(["plain", "plain", "plain", "alias", "cut"]))
        if below:
            types = ["A", "AAAA"]
        elif kind == "alias" and name != ORIGIN:
            types = ["CNAME"]
        elif kind == "cut" and name != ORIGIN and not name.startswith("*"):
            types = ["NS", *draw(st.sampled_from([(), ("DS",), ("A",)]))]
            cuts.append(name)
        else:
            types = draw(st.lists(st.sampled_from(PLAIN), min_size=1, max_size=3, unique=True))
        most = 1 if types == ["CNAME"] else 2
        made[name] = {type_: draw(st.lists(DATA[type_], min_size=1, max_size=most, unique=True)) for type_ in types}
    return made


def record_sets(made: dict[str, dict[str, list[str]]], serial: int) -> list[RecordSet]:
    soa = f"ns.elsewhere.test. admin.{ORIGIN} {serial} 3600 600 86400 15"
    apex = {"SOA": [soa], "NS": ["ns.elsewhere.test.", f"a.{ORIGIN}"]}
    with_apex = {**made, ORIGIN: {**made.get(ORIGIN, {}), **apex}}
    return [
        record_set(name, type_, values, ttl_seconds=60 + len(type_))
        for name, kinds in with_apex.items()
        for type_, values in kinds.items()
    ]


@dataclass
class Knot:
    """A real server whose zone is changed again and again."""

    folder: Path
    port: int
    serial: int = 1

    def load(self, sets: list[RecordSet]) -> None:
        lines = [f"{one.name} {one.ttl_seconds} IN {one.type} {value}" for one in sets for value in one.values]
        HostedZone(origin=ORIGIN).file(self.folder).write_text("\n".join(lines) + "\n")
        subprocess.run(
            ["knotc", "-b", "-s", str(self.folder / "knot.sock"), "zone-reload", ORIGIN],
            check=True,
            capture_output=True,
            timeout=30,
        )

    def ask(self, query: bytes) -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(10)
            one.connect(("127.0.0.1", self.port))
            one.send(query)
            return one.recv(65_535)


@pytest.fixture(scope="module")
async def knot(tmp_path_factory: pytest.TempPathFactory, require: Callable[[str], None]) -> AsyncIterator[Knot]:
    folder = tmp_path_factory.mktemp("knot")
    if shutil.which("knotc", path="/usr/sbin:/usr/bin") is None:
        require("no knotc: apt-get install knot")
    try:
        server = await start_name_server(Kind.KNOT, folder, [HostedZone(origin=ORIGIN)])
    except ConfigurationError as error:
        require(str(error))
        raise
    yield Knot(folder, server.port)
    await server.stop()


def said(wire: bytes) -> tuple[object, ...]:
    """What a message says, whatever the order and the compression."""
    message = dns.message.from_wire(wire)
    if message.question[0].rdtype == dns.rdatatype.HTTPS:
        message.additional = []  # Knot gives addresses by wildcard the wildcard's name there, which helps nobody
    sections = [sorted(map(rrset_said, section)) for section in (message.answer, message.authority, message.additional)]
    return (message.rcode(), bool(message.flags & dns.flags.AA), bool(message.flags & dns.flags.TC), *sections)


def rrset_said(one: dns.rrset.RRset) -> tuple[str, str, int, list[str]]:
    return one.name.to_text().lower(), one.rdtype.name, one.ttl, sorted(data.to_text().lower() for data in one)


def questions(made: dict[str, dict[str, list[str]]]) -> Iterator[tuple[str, str]]:
    asked = {ORIGIN, f"x.{ORIGIN}", f"x.y.{ORIGIN}", "*." + ORIGIN}
    for name in made:
        asked |= {name, f"x.{name}", f"a.{name}", name.partition(".")[2]}
    for name in sorted(asked):
        if name.endswith(ORIGIN):
            for type_ in TYPES:
                yield name, type_


@given(made=zones())
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_answers_are_those_of_knot_on_the_same_zone(knot: Knot, made: dict[str, dict[str, list[str]]]) -> None:
    knot.serial += 1
    sets = record_sets(made, knot.serial)
    knot.load(sets)
    book = Book([Encoded().zone(ZoneData(origin=ORIGIN, record_sets=tuple(sets)))])
    for name, type_ in questions(made):
        query = dns.message.make_query(name, type_, use_edns=0, payload=1232, id=7).to_wire()
        theirs = said(knot.ask(query))
        for _ in range(2):  # composed, and then as kept
            reply = respond(book, query, client="127.0.0.1", max_octets=1232, seed=0)
            assert reply is not None
            assert said(reply.message) == theirs, f"{name} {type_}"
