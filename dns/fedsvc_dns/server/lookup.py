"""Pure: what a zone answers (RFC 1034 section 4.3.2, as amended by RFC 2308, 4592, 6604 and 8020)."""

from collections.abc import Iterable
from dataclasses import dataclass

from fedsvc_dns.server import wire
from fedsvc_dns.server.zone import WireSet, Zone

MAX_ALIASES = 16
"""How long a chain of aliases is followed; a resolver goes on from there by itself."""

Sets = tuple[tuple[bytes, WireSet], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Sections of an answer, as sets with the names of their owners.

    Attributes:
        authoritative: not for a referral.
        existing: the name asked for is itself one that exists: there are only so many such answers.
        wildcard: the name whose data the name asked for has instead, where it has none of its own.
        glue: addresses without which a referral leads nowhere (RFC 9471).
        additional: addresses that spare the asker a question; what does not fit is left out.
    """

    rcode: int = wire.NOERROR
    authoritative: bool = True
    existing: bool = False
    wildcard: bytes = b""
    answer: Sets = ()
    authority: Sets = ()
    glue: Sets = ()
    additional: Sets = ()

    @property
    def is_denial(self) -> bool:
        """Nothing but the SOA."""
        return self.authoritative and not self.answer

    @property
    def is_chosen(self) -> bool:
        """Whether its records depend on who asks."""
        return any(one.options for section in (self.answer, self.additional) for _, one in section)

    @property
    def is_placed(self) -> bool:
        """Whether they depend on where the asker is."""
        return any(one.is_placed for section in (self.answer, self.additional) for _, one in section)


def find(zone: Zone, name: bytes, type_: int) -> Outcome:
    """The outcome of a question for a name in the zone (lower case) and a type that is a type of data, or ANY.

    ANY has one set of the name for an answer (RFC 8482 section 4.1).
    """
    existing = name in zone.nodes
    wildcard = b""
    answer: list[tuple[bytes, WireSet]] = []
    seen = {name}
    while True:
        node = zone.nodes.get(name)
        if node is None:
            wildcard = wildcard_of(zone, name)
            node = zone.nodes.get(wildcard or _encloser(zone, name))
        if node is None:
            return _denial(zone, wire.NXDOMAIN, answer, existing=existing)
        if node.cut is not None and not (type_ == wire.DS and node.cut == name):
            return _referral(zone, node.cut, answer, existing=existing)
        found = node.sets.get(type_)
        if found is None and type_ == wire.ANY and node.sets:
            found = node.sets[min(node.sets)]
        if found is not None:
            answer.append((name, found))
            additional = _addresses(zone, found, {(name, found.type)})
            return Outcome(existing=existing, wildcard=wildcard, answer=tuple(answer), additional=additional)
        alias = node.sets.get(wire.CNAME)
        if alias is None:
            return _denial(zone, wire.NOERROR, answer, existing=existing)
        answer.append((name, alias))
        name = alias.records[0].names[0].lower()
        if name in seen or len(answer) == MAX_ALIASES or not wire.is_at_or_below(name, zone.origin):
            return Outcome(existing=existing, answer=tuple(answer))
        seen.add(name)


def wildcard_of(zone: Zone, name: bytes) -> bytes:
    """The wildcard that would stand for a name which does not exist; empty where the name is delegated."""
    encloser = _encloser(zone, name)
    return b"" if zone.nodes[encloser].cut is not None else b"\x01*" + encloser


def _encloser(zone: Zone, name: bytes) -> bytes:
    """The closest name above one that exists (RFC 4592 section 3.3.1)."""
    while name not in zone.nodes:
        name = wire.parent(name)
    return name


def _denial(zone: Zone, rcode: int, answer: list[tuple[bytes, WireSet]], *, existing: bool) -> Outcome:
    soa = ((zone.origin, zone.negative_soa),)
    return Outcome(rcode=rcode, existing=existing, answer=tuple(answer), authority=soa)


def _referral(zone: Zone, cut: bytes, answer: list[tuple[bytes, WireSet]], *, existing: bool) -> Outcome:
    sets = zone.nodes[cut].sets
    return Outcome(
        authoritative=bool(answer),
        existing=existing,
        answer=tuple(answer),
        authority=((cut, sets[wire.NS]),),
        glue=_addresses(zone, sets[wire.NS], set()),
    )


def _addresses(zone: Zone, found: WireSet, present: set[tuple[bytes, int]]) -> Sets:
    return tuple(_each_address(zone, found, present))


def _each_address(zone: Zone, found: WireSet, present: set[tuple[bytes, int]]) -> Iterable[tuple[bytes, WireSet]]:
    for record in found.records:
        target = record.leads_to
        if target is None or not wire.is_at_or_below(target, zone.origin):
            continue
        node = zone.nodes.get(target) or zone.nodes.get(b"\x01*" + _encloser(zone, target))
        if node is None:
            continue
        for type_ in (wire.A, wire.AAAA):
            one = node.sets.get(type_)
            if one is not None and (target, type_) not in present:
                present.add((target, type_))
                yield target, one
