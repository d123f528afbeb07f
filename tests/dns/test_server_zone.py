import dataclasses
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsvc_dns.records import RecordSet, record_set
from fedsvc_dns.server.encoding import Encoded, encode_set
from fedsvc_dns.server.kept import KeptFileError, keep, load_kept
from fedsvc_dns.server.wire import text_name, wire_name
from fedsvc_dns.server.zone import ZoneError
from fedsvc_dns.server.zone_data import Choice, ChoiceOption, Network, ZoneData, from_json, to_json
from fedsvc_dns.server.zone_file import read_zone_file

SOA = record_set("z.", "SOA", ["ns.z. admin.z. 7 3600 600 86400 15"], ttl_seconds=60)
NS = record_set("z.", "NS", ["ns.z."], ttl_seconds=60)
APEX = (SOA, NS)


def one(name: str, type_: str, *values: str) -> RecordSet:
    return record_set(name, type_, values, ttl_seconds=60)


def zone(*sets: RecordSet, **parts: object) -> ZoneData:
    return dataclasses.replace(ZoneData(origin="z.", record_sets=(*APEX, *sets)), **parts)  # type: ignore[arg-type]


def weighted(*options: ChoiceOption, type_: str = "A", answer_count: int = 1) -> tuple[Choice, ...]:
    return (Choice(name="w.z.", type=type_, options=options, answer_count=answer_count),)


TWO = one("w.z.", "A", "10.0.0.1", "10.0.0.2")
FIRST, SECOND = ChoiceOption(value="10.0.0.1"), ChoiceOption(value="10.0.0.2")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(ZoneData(origin="z.", record_sets=(NS,)), "z.: the apex needs an SOA", id="no-soa"),
        pytest.param(ZoneData(origin="z.", record_sets=(SOA,)), "z.: the apex needs an NS", id="no-ns"),
        pytest.param(zone(one("a.", "A", "10.0.0.1")), "a. is not in the zone", id="out-of-zone"),
        pytest.param(zone(one("az.", "A", "10.0.0.1")), "az. is not in the zone", id="no-label-border"),
        pytest.param(zone(TWO, TWO), None, id="the-same-twice"),
        pytest.param(zone(TWO, one("w.z.", "A", "10.0.0.9")), "w.z. has two sets of type 1", id="two-sets"),
        pytest.param(zone(TWO, one("w.z.", "CNAME", "a.z.")), "w.z.: CNAME is beside", id="alias-beside-data"),
        pytest.param(zone(one("a.z.", "SOA", SOA.values[0])), "a.z.: SOA is only at the apex", id="soa-inside"),
        pytest.param(
            zone(one("a.z.", "NS", "ns.a.z."), one("b.a.z.", "TXT", "x")), "b.a.z.: types 16 are hid", id="hid"
        ),
        pytest.param(zone(one("a.z.", "NS", "ns.a.z."), one("ns.a.z.", "A", "10.0.0.1")), None, id="glue"),
        pytest.param(zone(one("*.z.", "NS", "ns.a.z.")), "wildcard cannot be delegated", id="wildcard-ns"),
        pytest.param(zone(one("a.z.", "DS", f"1 13 2 {'00' * 32}")), "DS is without a delegation", id="ds-alone"),
        pytest.param(zone(one("a.z.", "DNAME", "b.z.")), "a.z. DNAME: aliases of whole subtrees", id="dname"),
        pytest.param(zone(one("z.", "NSEC", "a.z. A")), "signed zones are not served", id="signed"),
        pytest.param(zone(one("a.z.", "AXFR", "x")), "a.z. AXFR: it is no type of data", id="meta-type"),
        pytest.param(zone(one("a.z.", "NOSUCH", "x")), "a.z. NOSUCH: there is no such type", id="no-type"),
        pytest.param(
            zone(one("a.z.", "A", "10.0.0.256")), "a.z. A: '10.0.0.256' is not of its format", id="no-address"
        ),
        pytest.param(zone(one("a.z.", "MX", "ten b.z.")), "a.z. MX: 'ten b.z.' is not", id="no-number"),
        pytest.param(zone(one("a\\.b.z.", "A", "10.0.0.1")), "has an escape", id="escape"),
        pytest.param(
            zone(one("a.z.", "TXT", *(f'"{n:03}{"x" * 250}"' for n in range(240)))), "more records than", id="big"
        ),
        pytest.param(zone(choices=weighted(FIRST)), "choice of w.z. A: there is no such", id="choice-of-nothing"),
        pytest.param(zone(TWO, choices=weighted(FIRST)), "its options are not the values", id="choice-of-some"),
        pytest.param(zone(TWO, choices=weighted(FIRST, FIRST, SECOND)), "each once", id="option-twice"),
        pytest.param(zone(TWO, choices=weighted(FIRST, SECOND, answer_count=0)), "at least 1", id="choice-of-none"),
        pytest.param(
            zone(TWO, choices=weighted(FIRST, ChoiceOption(value="10.0.0.2", weight=-1))), "not -1", id="bad-weight"
        ),
        pytest.param(
            zone(one("w.z.", "TXT", "x"), choices=weighted(ChoiceOption(value="x"), type_="TXT")),
            "only addr",
            id="text",
        ),
        pytest.param(zone(networks=(Network(prefix="10.0.0.0/33", place="eu"),)), "networks: ", id="bad-network"),
    ],
)
def test_a_zone_that_cannot_be_served_is_refused_with_what_is_wrong(data: ZoneData, words: str | None) -> None:
    if words is None:
        assert Encoded().zone(data).serial == 7
    else:
        with pytest.raises(ZoneError, match=r"^zone z\.: ") as caught:
            Encoded().zone(data)
        assert words in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ZoneError) as caught:
        Encoded().zone(zone(one("a.z.", "A", "x"), one("b.z.", "A", "y"), choices=weighted(FIRST)))

    assert [problem.split(":")[0] for problem in caught.value.problems] == ["a.z. A", "b.z. A", "choice of w.z. A"]


def test_what_was_encoded_is_encoded_once() -> None:
    encoded = Encoded()
    first = encoded.zone(zone(TWO))
    second = encoded.zone(zone(TWO, one("b.z.", "A", "10.0.0.3")))

    assert second.nodes[wire_name("w.z.")].sets[1] is first.nodes[wire_name("w.z.")].sets[1]
    assert second.nodes[wire_name("b.z.")].sets[1] is not None


@pytest.mark.parametrize("type_", ["A", "AAAA"])
@given(number=st.integers(0, 2**32 - 1))
def test_addresses_are_read_as_dnspython_reads_them(type_: str, number: int) -> None:
    import ipaddress  # noqa: PLC0415

    address = ipaddress.IPv4Address(number) if type_ == "A" else ipaddress.IPv6Address(number << 90)
    assert encode_set(one("a.z.", type_, str(address))).records[0].head == address.packed


def test_names_go_to_octets_and_back() -> None:
    assert wire_name("a.bc.") == b"\x01a\x02bc\0"
    assert wire_name(".") == b"\0"
    assert text_name(b"\x01a\x02bc\0") == "a.bc."
    assert text_name(b"\x03a.b\0") == "a\\046b."


FULL = zone(
    TWO,
    choices=weighted(FIRST, ChoiceOption(value="10.0.0.2", weight=4, place="eu"), answer_count=2),
    networks=(Network(prefix="10.0.0.0/8", place="eu"),),
)


def test_a_zone_comes_back_from_json_as_it_was() -> None:
    assert [from_json(one) for one in json.loads(to_json([FULL]))] == [FULL]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "zone: an object is needed"),
        ({}, "zone.origin: is needed"),
        ({"origin": "z.", "record_sets": {}}, "zone.record_sets: is of type list"),
        ({"origin": "z.", "record_sets": [], "ttl": 3}, "zone.ttl: there is no such field"),
        ({"origin": "z.", "record_sets": [{"name": "z."}]}, "zone.record_sets[0].type: is needed"),
        (
            {"origin": "z.", "record_sets": [{"name": "z.", "type": "A", "ttl_seconds": True, "values": []}]},
            "zone.record_sets[0].ttl_seconds: is of type int",
        ),
        (
            {"origin": "z.", "record_sets": [{"name": "z.", "type": "A", "ttl_seconds": 1, "values": [1]}]},
            "zone.record_sets[0].values[0]: a string is needed",
        ),
        (
            {"origin": "z.", "record_sets": [{"name": "z.", "type": "A", "ttl_seconds": 1, "values": []}]},
            "zone.record_sets[0]: z. A: a record set has at least one record",
        ),
        (
            {"origin": "z.", "record_sets": [], "choices": [{"name": "a.", "type": "A", "options": [{"weight": 1}]}]},
            "zone.choices[0].options[0].value: is needed",
        ),
        ({"origin": "z.", "record_sets": [], "networks": [{"prefix": "::/0"}]}, "zone.networks[0].place: is needed"),
    ],
)
def test_json_that_is_no_zone_is_refused_with_the_path(given: object, words: str) -> None:
    with pytest.raises(ValueError, match="zone") as caught:
        from_json(given)
    assert words in str(caught.value)


def test_kept_zones_come_back(tmp_path: Path) -> None:
    keep(tmp_path / "zones", [FULL])
    keep(tmp_path / "zones", [FULL, dataclasses.replace(FULL, origin="y.")])

    assert load_kept(tmp_path / "zones") == (FULL, dataclasses.replace(FULL, origin="y."))
    assert [path.name for path in tmp_path.iterdir()] == ["zones"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda text: text[:-10], "is damaged", id="cut-off"),
        pytest.param(lambda text: text.replace(b"10.0.0.1", b"10.0.0.9"), "is damaged", id="changed"),
        pytest.param(lambda _: b"", "no file of zones", id="empty"),
        pytest.param(lambda _: b"$ORIGIN z.\n", "no file of zones", id="master-file"),
    ],
)
def test_a_damaged_file_is_never_served(tmp_path: Path, change: object, words: str) -> None:
    path = tmp_path / "zones"
    keep(path, [FULL])
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]

    with pytest.raises(KeptFileError, match=words):
        load_kept(path)


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left_over(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        keep(tmp_path / "folder", [FULL])
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(FileNotFoundError):
        keep(tmp_path / "none" / "zones", [FULL])


def test_what_is_there_stays_until_the_new_file_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "zones"
    keep(path, [FULL])

    def fails(_: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="no space left"):
        keep(path, [zone()])
    assert load_kept(path) == (FULL,)
    assert [one.name for one in tmp_path.iterdir()] == ["zones"]


MASTER = """$TTL 60
@ SOA ns admin 7 3600 600 86400 15
@ NS ns
ns A 192.0.2.1
w 30 A 192.0.2.2
w 30 A 192.0.2.3
"""


def test_a_master_file_is_read_for_the_origin_given_or_in_it(tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_text(MASTER)
    given = read_zone_file(path, "z.")
    path.write_text("$ORIGIN z.\n" + MASTER)

    assert read_zone_file(path) == given
    assert record_set("w.z.", "A", ["192.0.2.2", "192.0.2.3"], ttl_seconds=30) in given.record_sets
    assert Encoded().zone(given).serial == 7


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("zone", MASTER, "give the origin as ORIGIN=FILE"),
        ("zone", "$ORIGIN z.\n@ 60 A 10.0.0.256\n", r"zone:3: "),
        ("zone.json", "{", "EOF|unexpected end"),
        ("zone.json", '{"origin": "z."}', "zone.record_sets: is needed"),
    ],
)
def test_a_file_that_is_no_zone_is_refused(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)

    with pytest.raises(ValueError, match=words):
        read_zone_file(tmp_path / name)


def test_the_example_is_a_zone() -> None:
    example = Path(__file__).parents[2] / "examples" / "zone.json"

    assert len(Encoded().zone(read_zone_file(example)).nodes) == 4
