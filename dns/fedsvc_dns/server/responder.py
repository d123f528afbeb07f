"""Pure: a message in, the answer's octets out. What was composed once is kept for the zone's serial."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fedsvc_dns.server import wire
from fedsvc_dns.server.choice import Draw, candidates
from fedsvc_dns.server.compose import Drawing, Template, compose, opt_record
from fedsvc_dns.server.lookup import Outcome, find, wildcard_of
from fedsvc_dns.server.wire import Edns, Query, read_opt, read_query
from fedsvc_dns.server.zone import Record, WireSet, Zone

_MAX_KEPT = 200_000
_KEPT_TYPES = 32
"""What is not data of the type asked for is kept for the types below, and HTTPS."""
_PLAIN_OPT, _DNSSEC_OPT = opt_record(), opt_record(dnssec_ok=True)
_OPTS = {
    b"\0\0\x29" + b"\0\0\0\0\0\0": _PLAIN_OPT,
    b"\0\0\x29" + b"\0\0\x80\0\0\0": _DNSSEC_OPT,
}
"""OPT records of common queries, without their payload size, and ours to them."""
_HEADS = {
    bytes((rd, bits, 0, 1, 0, 0, 0, 0, 0, opt)): (bool(rd), bool(opt))
    for rd in (0, 1)
    for bits in (0, 0x10, 0x20, 0x30)  # AD and CD may be set and mean nothing here
    for opt in (0, 1)
}
"""Flags and counts of common queries: recursion desired, with an OPT record."""


class Reply(NamedTuple):
    """An answer.

    Attributes:
        message: its octets.
        rcode: with its upper bits.
        identity: what a rate limit takes for the same answer.
        truncated: the asker has to come again by TCP.
    """

    message: bytes
    rcode: int
    identity: bytes
    truncated: bool = False


class Book:
    """Zones as they are answered from: whole, never changed. A change of a zone makes a new book."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.zones: Mapping[bytes, Zone] = {zone.origin: zone for zone in zones}
        self.templates: dict[bytes, Template] = {}
        self.drawings: dict[bytes, tuple[Zone, Drawing]] = {}
        self._denials: dict[tuple[bytes, int, int], Template] = {}
        self._expanded: dict[tuple[bytes, bytes, int], Template] = {}

    def zone_of(self, name: bytes, type_: int) -> Zone | None:
        """The zone nearest to a name in lower case; a DS set is above the zone that it is about."""
        above = wire.parent(name) if type_ == wire.DS and len(name) > 1 else name
        while True:
            zone = self.zones.get(above)
            if zone is not None:
                return zone
            if len(above) == 1:
                return self.zones.get(name) if type_ == wire.DS else None
            above = wire.parent(above)

    def template(self, query: Query, zone: Zone, client: str, seed: int) -> tuple[Template, int]:
        """What a question for data is answered, and for how many bits of the client's subnet that holds."""
        key = query.name + query.question[-4:]
        template = self.templates.get(key)
        if template is not None:
            return template, 0
        if key in self.drawings:
            drawing = self.drawings[key][1]
            place, scope_bits = _place(query, zone, client) if drawing.is_placed else ("", 0)
            return drawing.template(place, seed), scope_bits
        if query.name not in zone.nodes:
            template = self._known_absent(query, zone)
            if template is not None:
                return template, 0
        outcome = find(zone, query.name, query.type)
        if outcome.is_chosen:
            place, scope_bits = _place(query, zone, client) if outcome.is_placed else ("", 0)
            if len(outcome.answer) == 1 and outcome.existing and not outcome.additional:
                drawing = Drawing(outcome.answer[0][1])
                self.drawings[key] = zone, drawing
                return drawing.template(place, seed), scope_bits
            return _chosen(query, zone, outcome, place, seed), scope_bits
        template = self._denial(query, zone, outcome) if outcome.is_denial else self._data(query, zone, outcome)
        if outcome.existing:
            self._keep(key, query.type, outcome, template)
        return template, 0

    def _keep(self, key: bytes, type_: int, outcome: Outcome, template: Template) -> None:
        """Keep an answer; of those that are not data of the type asked for, fewer: askers could go through all."""
        if outcome.answer and outcome.answer[0][1].type == type_:
            limit = _MAX_KEPT
        else:
            limit = _MAX_KEPT // 2 if type_ < _KEPT_TYPES or type_ == wire.HTTPS else 0
        if len(self.templates) < limit:
            self.templates[key] = template

    def _known_absent(self, query: Query, zone: Zone) -> Template | None:
        """The answer for a name that does not exist, where another such name had it before."""
        wildcard = wildcard_of(zone, query.name)
        if not wildcard:
            return None
        if wildcard in zone.nodes:
            return self._expanded.get((zone.origin, wildcard, query.type))
        return self._denials.get((zone.origin, len(query.name), wire.NXDOMAIN))

    def _denial(self, query: Query, zone: Zone, outcome: Outcome) -> Template:
        key = (zone.origin, len(query.name), outcome.rcode)
        template = self._denials.get(key)
        if template is None:
            identity = zone.origin if outcome.rcode else b""
            template = self._denials[key] = compose(query.question, outcome, identity)
        return template

    def _data(self, query: Query, zone: Zone, outcome: Outcome) -> Template:
        if outcome.existing:
            return compose(query.question, outcome, b"")
        # Data of a wildcard without names in it reads the same for every name that it stands for.
        key = (zone.origin, outcome.wildcard, query.type)
        template = self._expanded.get(key)
        if template is None:
            template = compose(query.question, outcome, zone.origin)
            is_data_alone = outcome.wildcard and len(outcome.answer) == 1 and not outcome.additional
            if is_data_alone and not any(record.names for record in outcome.answer[0][1].records):
                self._expanded[key] = template
        return template


def _chosen(query: Query, zone: Zone, outcome: Outcome, place: str, seed: int) -> Template:
    def chooser(found: WireSet) -> tuple[Record, ...]:
        options = candidates(found, place)
        draw = Draw([option.weight for option in options], found.answer_count)
        return tuple(options[index].record for index in draw.indexes(seed))

    return compose(query.question, outcome, b"" if outcome.existing else zone.origin, chooser)


def _place(query: Query, zone: Zone, client: str) -> tuple[str, int]:
    """Where the asker is, and how many bits of its subnet say so."""
    subnet = query.edns.subnet if query.edns else None
    if subnet is not None and subnet.source_bits:
        return zone.places.of_subnet(subnet)
    return zone.places.of_address(client), 0


def respond(book: Book, message: bytes, *, client: str, max_octets: int, seed: int) -> Reply | None:
    """The reply to a message, or nothing for what must not be answered: an answer, or what has not even a header.

    Args:
        book: the zones.
        message: octets as they came.
        client: address of who asks, for zones that tell clients apart.
        max_octets: of the reply; at most `PAYLOAD_OCTETS` by UDP, where the asker may take less, and 65,535 by TCP.
        seed: 64 bits of chance.
    """
    shape = _HEADS.get(message[2:12])
    if shape is not None:
        recursion_desired, has_opt = shape
        end = message.find(b"\0", wire.HEADER_OCTETS) + 5  # the root's label, type and class: as in what is kept
        question, rest = message[12:end], message[end:]
        key = question[:-4].lower() + question[-4:]
        template = book.templates.get(key)
        opt = _OPTS.get(rest[:3] + rest[5:]) if has_opt else (None if rest else b"")
        if template is None:
            if opt is not None and key in book.drawings:
                zone, drawing = book.drawings[key]
                template = drawing.template(zone.places.of_address(client) if drawing.is_placed else "", seed)
        elif opt is None and has_opt:
            opt = _opt_to(rest)
        if template is not None and opt is not None:
            payload_octets = rest[3] << 8 | rest[4] if has_opt else 0
            reply = message[:2] + template.heads[2 * recursion_desired + has_opt] + question + template.tail + opt
            if len(reply) <= _limit(max_octets, payload_octets):
                return Reply(reply, template.rcode, template.identity or key)
    return _respond_slowly(book, message, client, max_octets, seed)


def _opt_to(record: bytes) -> bytes | None:
    """Our OPT record to one with options, where the answer is the same for all; None if it takes a closer look."""
    try:
        edns = read_opt(record)
    except wire.MalformedError:
        return None
    return None if edns is None or edns.version else _opt(edns, wire.NOERROR)


def _limit(max_octets: int, payload_octets: int) -> int:
    if max_octets > wire.PAYLOAD_OCTETS:
        return max_octets
    return min(max_octets, max(payload_octets, wire.PLAIN_PAYLOAD_OCTETS))


def _respond_slowly(book: Book, message: bytes, client: str, max_octets: int, seed: int) -> Reply | None:
    if len(message) < wire.HEADER_OCTETS or message[2] & 0x80:
        return None
    if message[2] & 0x78:
        return _bare(message, wire.NOTIMP)
    try:
        query = read_query(message)
    except wire.MalformedError:
        return _bare(message, wire.FORMERR)
    zone = book.zone_of(query.name, query.type)
    rcode = _refusal(query, zone, by_tcp=max_octets > wire.PAYLOAD_OCTETS)
    if rcode or zone is None:
        return _error(message, query, rcode)
    if query.type == wire.IXFR:  # by UDP the SOA alone says that there is more by TCP (RFC 1995 section 4)
        outcome = Outcome(answer=((zone.origin, zone.soa),))
        template, scope_bits = compose(query.question, outcome, zone.origin), 0
    else:
        template, scope_bits = book.template(query, zone, client, seed)
    opt = _opt(query.edns, template.rcode, scope_bits)
    limit = _limit(max_octets, query.edns.payload_octets if query.edns else 0)
    fitting: Template | None = template
    while fitting is not None and 12 + len(query.question) + len(fitting.tail) + len(opt) > limit:
        fitting = fitting.without_additional
    identity = template.identity or query.name + query.question[-4:]
    head = (fitting or template).heads[2 * query.recursion_desired + bool(opt)]
    if fitting is None:
        head = bytes((head[0] | 2, head[1], 0, 1, 0, 0, 0, 0, 0, bool(opt)))
    tail = b"" if fitting is None else fitting.tail
    return Reply(message[:2] + head + query.question + tail + opt, template.rcode, identity, fitting is None)


def _refusal(query: Query, zone: Zone | None, *, by_tcp: bool) -> int:
    """Why a well-formed query has no answer; 0 if it has one. Transfers are not answered here."""
    if query.edns and query.edns.version:
        return wire.BADVERS
    if query.tsig:
        return wire.NOTAUTH
    if query.type == wire.OPT:
        return wire.FORMERR
    if zone is None or query.class_ != wire.CLASS_IN or query.type == wire.AXFR:
        return wire.REFUSED
    if 128 <= query.type < wire.ANY and query.type != wire.IXFR:
        return wire.NOTIMP
    return wire.REFUSED if query.type == wire.IXFR and (by_tcp or query.name != zone.origin) else wire.NOERROR


def _opt(edns: Edns | None, rcode: int, scope_bits: int = 0) -> bytes:
    if edns is None:
        return b""
    if edns.subnet is None and rcode < 16:
        return _DNSSEC_OPT if edns.dnssec_ok else _PLAIN_OPT
    options = (edns.subnet.option(scope_bits),) if edns.subnet else ()
    return opt_record(rcode, dnssec_ok=edns.dnssec_ok, options=options)


def _bare(message: bytes, rcode: int) -> Reply:
    """The header alone: what follows it cannot be relied on."""
    head = bytes((0x80 | message[2] & 0x79, rcode, 0, 0, 0, 0, 0, 0, 0, 0))
    return Reply(message[:2] + head, rcode, bytes((rcode,)))


def _error(message: bytes, query: Query, rcode: int) -> Reply:
    records = [_opt(query.edns, rcode)] if query.edns else []
    if query.tsig:  # no key is known here, and a reply that says so is not signed (RFC 8945 section 5.2.1)
        head, original_id = query.tsig
        records.append(head + b"\0\0" + original_id + wire.BADKEY.to_bytes(2, "big") + b"\0\0")
    head = bytes((0x80 | query.recursion_desired, rcode & 0xF, 0, 1, 0, 0, 0, 0, 0, len(records)))
    reply = message[:2] + head + query.question + b"".join(records)
    return Reply(reply, rcode, bytes((rcode,)))
