"""Pure: sections to octets, with names compressed (RFC 1035 section 4.1.4)."""

from collections.abc import Callable, Iterable
from struct import Struct

from fedsvc_dns.server import wire
from fedsvc_dns.server.choice import Draw, candidates
from fedsvc_dns.server.lookup import Outcome, Sets
from fedsvc_dns.server.zone import Record, WireSet

Chooser = Callable[[WireSet], tuple[Record, ...]]

_RECORD = Struct("!HHIH")
_SHORT = Struct("!H")
_REFERRAL, _ANSWER = 0x8000, 0x8400
"""Flags: a reply, and one with authority."""
_REACH_OCTETS = 0x4000
"""A pointer reaches no farther."""


def all_records(found: WireSet) -> tuple[Record, ...]:
    """The chooser that leaves nothing out."""
    return found.records


class Writer:
    """Octets of a message after its header, and where in it names are that others may point to."""

    def __init__(self, question: bytes, known: bytes | None = None) -> None:
        """After a question; of its name, only `known` (it ends with it) may be pointed to if that is given."""
        self.octets = bytearray(question)
        self._offsets: dict[bytes, int] = {}
        name = question[:-4].lower()
        at = len(name) - len(known) if known is not None else 0
        while at < len(name) and name[at]:
            self._offsets[name[at:]] = wire.HEADER_OCTETS + at
            at += name[at] + 1

    def record(self, owner: bytes, type_: int, ttl_seconds: int, record: Record) -> None:
        """Append one."""
        self._name(owner)
        if not record.names:
            self.octets += _RECORD.pack(type_, wire.CLASS_IN, ttl_seconds, len(record.head))
            self.octets += record.head
            return
        self.octets += _RECORD.pack(type_, wire.CLASS_IN, ttl_seconds, 0)
        start = len(self.octets)
        self.octets += record.head
        for name in record.names:
            self._name(name)
        self.octets += record.tail
        _SHORT.pack_into(self.octets, start - 2, len(self.octets) - start)

    def sets(self, sets: Sets, chooser: Chooser = all_records) -> int:
        """Append sets; the number of their records."""
        count = 0
        for owner, found in sets:
            records = chooser(found) if found.options else found.records
            count += len(records)
            for record in records:
                self.record(owner, found.type, found.ttl_seconds, record)
        return count

    def _name(self, name: bytes) -> None:
        lowered = name.lower()
        here = wire.HEADER_OCTETS + len(self.octets)
        at = 0
        while name[at]:
            suffix = lowered[at:]
            known = self._offsets.get(suffix)
            if known is not None:
                self.octets += name[:at] + _SHORT.pack(0xC000 | known)
                return
            if here + at < _REACH_OCTETS:
                self._offsets[suffix] = here + at
            at += name[at] + 1
        self.octets += name


class Template:
    """An answer without ID, question and OPT record, for a question of some length.

    Attributes:
        heads: flags and counts: without and with EDNS, and the same with recursion desired.
        tail: octets after the question.
        rcode: what it is.
        identity: what a rate limit takes for the same answer; empty: the question.
        without_additional: the answer that is sent where this one does not fit.
    """

    __slots__ = ("heads", "identity", "rcode", "tail", "without_additional")

    def __init__(
        self,
        *,
        heads: tuple[bytes, ...],
        tail: bytes,
        rcode: int = wire.NOERROR,
        identity: bytes = b"",
        without_additional: "Template | None" = None,
    ) -> None:
        self.heads = heads
        self.tail = tail
        self.rcode = rcode
        self.identity = identity
        self.without_additional = without_additional


class Drawing:
    """Addresses of the very name asked for, drawn anew for each who asks.

    Attributes:
        is_placed: whether it matters where that is.
    """

    def __init__(self, found: WireSet) -> None:
        self.is_placed = found.is_placed
        self._found = found
        self._tables: dict[str, tuple[Draw, tuple[bytes, ...], tuple[bytes, ...]]] = {}

    def template(self, place: str, seed: int) -> Template:
        """The answer for a client at a place."""
        table = self._tables.get(place)
        if table is None:
            options = candidates(self._found, place)
            draw = Draw([option.weight for option in options], self._found.answer_count)
            records = tuple(_addressed(self._found, option.record) for option in options)
            table = self._tables[place] = draw, records, _heads(_ANSWER, (draw.count, 0, 0))
        draw, records, heads = table
        return Template(heads=heads, tail=b"".join([records[index] for index in draw.indexes(seed)]))


def _addressed(found: WireSet, record: Record) -> bytes:
    """A record of the name asked for."""
    return b"\xc0\x0c" + _RECORD.pack(found.type, wire.CLASS_IN, found.ttl_seconds, len(record.head)) + record.head


def _heads(flags: int, counts: tuple[int, int, int]) -> tuple[bytes, ...]:
    return tuple(_head(flags | rd << 8, counts, opt) for rd in (0, 1) for opt in (0, 1))


def _head(flags: int, counts: tuple[int, int, int], opt: int) -> bytes:
    answers, authorities, additionals = counts
    numbers = (flags, 1, answers, authorities, additionals + opt)
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def compose(question: bytes, outcome: Outcome, identity: bytes, chooser: Chooser = all_records) -> Template:
    """The answer to a question, from its outcome.

    A denial points to no more of the question's name than the zone's: it then fits all names that are as long.
    """
    known = outcome.authority[0][0] if outcome.is_denial else None
    writer = Writer(question, known)
    answers = writer.sets(outcome.answer, chooser)
    authorities = writer.sets(outcome.authority)
    glue = writer.sets(outcome.glue, chooser)
    required = bytes(writer.octets[len(question) :])
    flags = (_ANSWER if outcome.authoritative else _REFERRAL) | outcome.rcode
    least = Template(
        heads=_heads(flags, (answers, authorities, glue)), tail=required, rcode=outcome.rcode, identity=identity
    )
    additionals = glue + writer.sets(outcome.additional, chooser)
    if additionals == glue:
        return least
    return Template(
        heads=_heads(flags, (answers, authorities, additionals)),
        tail=bytes(writer.octets[len(question) :]),
        rcode=outcome.rcode,
        identity=identity,
        without_additional=least,
    )


def opt_record(rcode: int = 0, *, dnssec_ok: bool = False, options: Iterable[bytes] = ()) -> bytes:
    """The OPT record of an answer; `rcode` tells its upper bits (RFC 6891 section 6.1.3)."""
    data = b"".join(options)
    flags = (rcode >> 4) << 24 | (0x8000 if dnssec_ok else 0)
    return b"\0" + _RECORD.pack(wire.OPT, wire.PAYLOAD_OCTETS, flags, len(data)) + data
