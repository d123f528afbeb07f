"""Pure: what a zone holds in wire form, as lookups want it. Built once per serial, never changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from fedsvc_dns.server import wire
from fedsvc_dns.server.places import Places

_GLUE_TYPES = {wire.A, wire.AAAA}
_CUT_TYPES = {wire.NS, wire.DS} | _GLUE_TYPES


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The data of one record: octets around names that may be compressed (RFC 1035's types only, RFC 3597 section 4).

    Attributes:
        leads_to: the name, in lower case, whose addresses belong in the additional section.
    """

    head: bytes
    names: tuple[bytes, ...] = ()
    tail: bytes = b""
    leads_to: bytes | None = None

    @property
    def octets(self) -> int:
        """Length, uncompressed."""
        return len(self.head) + sum(map(len, self.names)) + len(self.tail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How one record of a set is chosen: see `choice`."""

    record: Record
    weight: int
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSet:
    """A record set; with options, every answer has `answer_count` of its records, chosen for who asks."""

    type: int
    ttl_seconds: int
    records: tuple[Record, ...]
    options: tuple[Option, ...] = ()
    answer_count: int = 0

    @property
    def is_placed(self) -> bool:
        """Whether it matters where a client is."""
        return any(option.place for option in self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A name that exists, if only because something exists below it (then without sets).

    Attributes:
        cut: the name of the delegation that it is at or below.
    """

    sets: Mapping[int, WireSet]
    cut: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A zone of one serial.

    Attributes:
        negative_soa: the SOA set with the TTL that denials have (RFC 2308 section 5).
        places: where clients are, for sets with options.
    """

    origin: bytes
    serial: int
    nodes: Mapping[bytes, Node]
    soa: WireSet
    negative_soa: WireSet
    places: Places = field(default_factory=Places)


class ZoneError(ValueError):
    """What is given is no zone that can be served.

    Attributes:
        problems: one line each, with the name and type that it is about.
    """

    def __init__(self, origin: str, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"zone {origin}: " + "; ".join(self.problems))


def build_zone(origin: bytes, sets: Iterable[tuple[bytes, WireSet]], places: Places | None = None) -> Zone:
    """A zone of record sets by name, in lower case.

    Raises:
        ZoneError: there is no SOA or NS at its apex, or a set cannot be served where it is.
    """
    by_name: dict[bytes, dict[int, WireSet]] = {origin: {}}
    problems: list[str] = []
    for name, one in sets:
        if not wire.is_at_or_below(name, origin):
            problems.append(f"{wire.text_name(name)} is not in the zone")
        elif one.type in by_name.setdefault(name, {}):
            problems.append(f"{wire.text_name(name)} has two sets of type {one.type}")
        else:
            by_name[name][one.type] = one
    for name in list(by_name):  # empty non-terminals exist (RFC 8020)
        above = name
        while len(above) > len(origin) and (above := wire.parent(above)) not in by_name:
            by_name[above] = {}
    cuts = {name for name, kinds in by_name.items() if wire.NS in kinds and name != origin}
    nodes = {name: Node(sets=kinds, cut=_cut(name, origin, cuts)) for name, kinds in by_name.items()}
    for name, node in nodes.items():
        problems += [f"{wire.text_name(name)}: {problem}" for problem in _node_problems(name, node, origin)]
    if problems:
        raise ZoneError(wire.text_name(origin), sorted(problems))
    soa = by_name[origin][wire.SOA]
    numbers = soa.records[0].tail
    negative_ttl_seconds = min(soa.ttl_seconds, int.from_bytes(numbers[16:20], "big"))
    return Zone(
        origin=origin,
        serial=int.from_bytes(numbers[:4], "big"),
        nodes=nodes,
        soa=soa,
        negative_soa=replace(soa, ttl_seconds=negative_ttl_seconds),
        places=places or Places(),
    )


def _cut(name: bytes, origin: bytes, cuts: set[bytes]) -> bytes | None:
    """The delegation nearest to the apex that the name is at or below."""
    found = None
    while cuts and len(name) > len(origin):
        if name in cuts:
            found = name
        name = wire.parent(name)
    return found


def _node_problems(name: bytes, node: Node, origin: bytes) -> Iterable[str]:
    kinds = node.sets.keys()
    yield from _apex_problems(node) if name == origin else _inner_problems(node)
    if wire.CNAME in kinds and len(kinds) > 1:
        yield "CNAME is beside other types (RFC 1034 section 3.6.2)"
    if wire.NS in kinds and name.startswith(b"\x01*"):
        yield "a wildcard cannot be delegated (RFC 4592 section 4.2)"
    if node.cut is not None:
        allowed = _CUT_TYPES if node.cut == name else _GLUE_TYPES
        if hidden := sorted(kinds - allowed):
            where = wire.text_name(node.cut)
            yield f"types {', '.join(map(str, hidden))} are hidden by the delegation of {where}"


def _apex_problems(node: Node) -> Iterable[str]:
    if wire.SOA not in node.sets or len(node.sets[wire.SOA].records) != 1:
        yield "the apex needs an SOA set of one record"
    if wire.NS not in node.sets:
        yield "the apex needs an NS set"
    if wire.DS in node.sets:
        yield "DS is kept above a delegation, not at the apex of the zone below it (RFC 4035 section 2.4)"


def _inner_problems(node: Node) -> Iterable[str]:
    if wire.SOA in node.sets:
        yield "SOA is only at the apex"
    if wire.DS in node.sets and node.cut is None:
        yield "DS is without a delegation (RFC 4035 section 2.4)"
