"""Record sets in text to zones in wire form. dnspython knows the formats of types; addresses are read here."""

import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from fedsvc_dns.records import RecordSet, normal_name
from fedsvc_dns.server import wire
from fedsvc_dns.server.places import places
from fedsvc_dns.server.zone import Option, Record, WireSet, Zone, ZoneError, build_zone
from fedsvc_dns.server.zone_data import Choice, ZoneData

MAX_WEIGHT = 1_000_000
_MAX_SET_OCTETS = 60_000
_RECORD_OCTETS = 12
"""Of each record beside its data, its name being compressed."""
_UNSERVED = {
    wire.DNAME: "aliases of whole subtrees are not served",
    wire.RRSIG: "signed zones are not served: let a secondary sign",
    wire.NSEC: "signed zones are not served: let a secondary sign",
    wire.NSEC3: "signed zones are not served: let a secondary sign",
    wire.NSEC3PARAM: "signed zones are not served: let a secondary sign",
}


class Encoded:
    """Record sets that were encoded before: most of a zone's are the same in its next serial."""

    def __init__(self) -> None:
        self._sets: Mapping[RecordSet, tuple[bytes, WireSet]] = {}

    def zone(self, data: ZoneData) -> Zone:
        """The zone of some data.

        Raises:
            ZoneError: with everything that is wrong with it.
        """
        problems: list[str] = []
        sets: dict[RecordSet, tuple[bytes, WireSet]] = {}
        for one in data.record_sets:
            try:
                sets[one] = self._sets.get(one) or (wire.wire_name(one.name), encode_set(one))
            except ValueError as error:
                problems.append(f"{one.name} {one.type}: {error}")
        chosen, choice_problems = _with_choices(sets, data.choices)
        problems += choice_problems
        try:
            table = places((network.prefix, network.place) for network in data.networks)
        except ValueError as error:
            problems.append(f"networks: {error}")
        if problems:
            raise ZoneError(data.origin, problems)
        zone = build_zone(wire.wire_name(normal_name(data.origin)), chosen.values(), table)
        self._sets = sets
        return zone


def encode_set(one: RecordSet) -> WireSet:
    """A record set in wire form.

    Raises:
        ValueError: its type is unknown or not served here, a value is not of its format, or a message cannot hold it.
    """
    try:
        type_ = int(dns.rdatatype.from_text(one.type))
    except dns.exception.DNSException as error:
        raise ValueError("there is no such type") from error
    if type_ in _UNSERVED:
        raise ValueError(_UNSERVED[type_])
    if type_ == wire.OPT or 128 <= type_ < 256:
        raise ValueError("it is no type of data")
    records = tuple(_record(type_, value) for value in one.values)
    if sum(record.octets + _RECORD_OCTETS for record in records) > _MAX_SET_OCTETS:
        raise ValueError(f"it has more records than a message can hold ({_MAX_SET_OCTETS} octets)")
    return WireSet(type=type_, ttl_seconds=one.ttl_seconds, records=records)


def _record(type_: int, value: str) -> Record:
    try:
        if type_ == wire.A:
            return Record(head=socket.inet_pton(socket.AF_INET, value))
        if type_ == wire.AAAA:
            return Record(head=socket.inet_pton(socket.AF_INET6, value))
        data = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.RdataType.make(type_), value, relativize=False)
        octets = data.to_wire()
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise ValueError(f"{value!r} is not of its format: {str(error) or type(error).__name__}") from error
    assert octets is not None
    head_octets = {wire.NS: 0, wire.CNAME: 0, wire.PTR: 0, wire.SOA: 0, wire.MX: 2}.get(type_)
    if head_octets is None:
        return Record(head=octets, leads_to=_target(type_, octets))
    names, at = [], head_octets
    for _ in range(2 if type_ == wire.SOA else 1):
        start = at
        while octets[at]:
            at += octets[at] + 1
        at += 1
        names.append(octets[start:at])
    leads_to = names[0].lower() if type_ in {wire.NS, wire.MX} else None
    return Record(head=octets[:head_octets], names=tuple(names), tail=octets[at:], leads_to=leads_to)


def _target(type_: int, octets: bytes) -> bytes | None:
    """The host that an SRV record, or an SVCB or HTTPS record with a host of its own, leads to."""
    start = {wire.SRV: 6, wire.SVCB: 2, wire.HTTPS: 2}.get(type_)
    if start is None:
        return None
    end = start
    while octets[end]:
        end += octets[end] + 1
    return octets[start : end + 1].lower()


def _with_choices(
    sets: Mapping[RecordSet, tuple[bytes, WireSet]], choices: Sequence[Choice]
) -> tuple[dict[RecordSet, tuple[bytes, WireSet]], list[str]]:
    chosen = dict(sets)
    problems: list[str] = []
    by_key = {one.key: one for one in sets} if choices else {}
    for choice in choices:
        at = f"choice of {choice.name} {choice.type}"
        one = by_key.get((choice.name, choice.type))
        if one is None:
            problems.append(f"{at}: there is no such record set")
            continue
        problems += [f"{at}: {problem}" for problem in _choice_problems(choice, one)]
        name, plain = sets[one]
        records = dict(zip(one.values, plain.records, strict=True))
        options = tuple(
            Option(record=records[option.value], weight=option.weight, place=option.place)
            for option in choice.options
            if option.value in records
        )
        chosen[one] = name, replace(plain, options=options, answer_count=choice.answer_count)
    return chosen, problems


def _choice_problems(choice: Choice, one: RecordSet) -> Iterable[str]:
    values = [option.value for option in choice.options]
    if choice.type not in {"A", "AAAA"}:
        yield "only addresses are chosen from (A and AAAA)"
    if sorted(values) != list(one.values):
        yield "its options are not the values of the record set, each once"
    if choice.answer_count < 1:
        yield f"an answer has at least 1 record, not {choice.answer_count}"
    for option in choice.options:
        if not 0 <= option.weight <= MAX_WEIGHT:
            yield f"the weight of {option.value} is between 0 and {MAX_WEIGHT}, not {option.weight}"
