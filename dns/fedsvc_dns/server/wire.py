"""Pure: names and questions in wire form (RFC 1035 section 4), read strictly.

A query holds one question, perhaps an OPT record (RFC 6891), perhaps a TSIG record at its end, an SOA record where it
is for IXFR, and nothing else: whatever is left over, cut off or unheard of makes it malformed.
"""

from dataclasses import dataclass
from functools import lru_cache
from struct import Struct

A, NS, CNAME, SOA, PTR, MX, AAAA, SRV, DNAME, OPT, DS = 1, 2, 5, 6, 12, 15, 28, 33, 39, 41, 43
RRSIG, NSEC, NSEC3, NSEC3PARAM, SVCB, HTTPS = 46, 47, 50, 51, 64, 65
TSIG, IXFR, AXFR, ANY = 250, 251, 252, 255
CLASS_IN = 1

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, NOTAUTH, BADVERS = 0, 1, 2, 3, 4, 5, 9, 16
BADKEY = 17

HEADER_OCTETS = 12
MAX_NAME_OCTETS = 255
PAYLOAD_OCTETS = 1232
"""What a UDP answer of ours has at most: it fits any path without fragments (DNS flag day 2020)."""
PLAIN_PAYLOAD_OCTETS = 512
"""The same for those who do not speak EDNS (RFC 1035 section 2.3.4)."""
MAX_MESSAGE_OCTETS = 65_535

_SUBNET_OPTION = 8
_COUNTS = Struct("!HHHH")
_TYPE_CLASS = Struct("!HH")
_RECORD = Struct("!HHIH")
_SUBNET = Struct("!HBB")
_SHORT = Struct("!H")
_ADDRESS_BITS = {1: 32, 2: 128}


class MalformedError(ValueError):
    """A message does not follow the format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSubnet:
    """Whom a resolver asks for (RFC 7871 section 6).

    Attributes:
        family: 1 for IPv4, 2 for IPv6; 0 goes only with no address.
        source_bits: how much of the address is told.
        address: its octets, as many as hold `source_bits`.
    """

    family: int
    source_bits: int
    address: bytes

    @property
    def bits(self) -> int:
        """How long an address of the family is."""
        return _ADDRESS_BITS.get(self.family, 0)

    def option(self, scope_bits: int) -> bytes:
        """The option of an answer that is good for so much of the address."""
        fixed = _SUBNET.pack(self.family, self.source_bits, scope_bits)
        return _TYPE_CLASS.pack(_SUBNET_OPTION, len(fixed) + len(self.address)) + fixed + self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Edns:
    """What an OPT record says of who asks."""

    version: int
    payload_octets: int
    dnssec_ok: bool
    subnet: ClientSubnet | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question, as asked.

    Attributes:
        question: octets of the question section: the name in the case it came in, the type, the class.
        name: the name in lower case.
        tsig: octets of a TSIG record up to its MAC, and its original ID, where the query is signed.
        have_serial: the serial that an IXFR goes on from.
    """

    recursion_desired: bool
    question: bytes
    name: bytes
    type: int
    class_: int
    edns: Edns | None
    tsig: tuple[bytes, bytes] | None
    have_serial: int | None


def read_query(message: bytes) -> Query:
    """The query in a message whose header says that it is a standard query.

    Raises:
        MalformedError: it is not exactly one well-formed query.
    """
    questions, answers, authorities, additionals = _COUNTS.unpack_from(message, 4)
    if questions != 1 or answers or authorities > 1 or additionals > 2:
        raise MalformedError("a query has one question, and no answers")
    after_name = _plain_name_end(message, HEADER_OCTETS)
    end = after_name + 4
    if end > len(message):
        raise MalformedError("the question is cut off")
    type_, class_ = _TYPE_CLASS.unpack_from(message, after_name)
    at, have_serial = end, None
    if authorities:
        if type_ != IXFR:
            raise MalformedError("only IXFR has an authority section")
        have_serial, at = _serial(message, at)
    edns: Edns | None = None
    tsig: tuple[bytes, bytes] | None = None
    for _ in range(additionals):
        name_end = _plain_name_end(message, at)
        record_type, record_class, ttl, start, stop = _record(message, name_end)
        if record_type == OPT and edns is None and tsig is None and name_end == at + 1:
            edns = _edns(record_class, ttl, message[start:stop])
        elif record_type == TSIG and tsig is None:
            tsig = _tsig(message, at, name_end, start, stop)
        else:
            raise MalformedError("the additional section holds one OPT record and one TSIG record at most")
        at = stop
    if at != len(message):
        raise MalformedError("octets are left over")
    return Query(
        recursion_desired=bool(message[2] & 1),
        question=message[HEADER_OCTETS:end],
        name=message[HEADER_OCTETS:after_name].lower(),
        type=type_,
        class_=class_,
        edns=edns,
        tsig=tsig,
        have_serial=have_serial,
    )


def read_opt(record: bytes) -> Edns | None:
    """What an OPT record says that stands alone; None for another record.

    Raises:
        MalformedError: it is cut off, or its options are malformed.
    """
    if record[:3] != b"\0\0\x29":
        return None
    _, payload_octets, ttl, start, stop = _record(record, 1)
    return _edns(payload_octets, ttl, record[start:]) if stop == len(record) else None


def parent(name: bytes) -> bytes:
    """The name without its first label; not for the root."""
    return name[name[0] + 1 :]


def is_at_or_below(name: bytes, origin: bytes) -> bool:
    """Whether a name is that of a zone or below it, label by label; both in lower case."""
    while len(name) > len(origin):
        name = name[name[0] + 1 :]
    return name == origin


def wire_name(text: str) -> bytes:
    """A name in normal form (see `records`) as octets.

    Raises:
        ValueError: it has an escape: no name of ours needs one.
    """
    if "\\" in text:
        raise ValueError(f"{text!r} has an escape: names are of printable characters without one")
    if text == ".":
        return b"\0"
    return b"".join(bytes((len(label),)) + label.encode("ascii") for label in text.split("."))


def text_name(name: bytes) -> str:
    """The same the other way; octets that print badly are escaped as in master files."""
    labels = []
    while name[0]:
        label = name[1 : name[0] + 1]
        labels.append("".join(chr(o) if 0x20 < o < 0x7F and o not in b".\\" else f"\\{o:03d}" for o in label))
        name = name[name[0] + 1 :]
    return ".".join(labels) + "."


def _plain_name_end(message: bytes, at: int) -> int:
    """Where a name ends that is written out: those of a query have nothing before them that they need to point to."""
    start = at
    while True:
        if at >= len(message):
            raise MalformedError("a name is cut off")
        length = message[at]
        at += 1
        if not length:
            break
        if length > 63:
            raise MalformedError("a label has 1 to 63 octets")
        at += length
    if at - start > MAX_NAME_OCTETS:
        raise MalformedError("a name has at most 255 octets")
    return at


def _record(message: bytes, name_end: int) -> tuple[int, int, int, int, int]:
    """Type, class and TTL of a record, where its data starts and where it stops."""
    start = name_end + _RECORD.size
    if start > len(message):
        raise MalformedError("a record is cut off")
    type_, class_, ttl, length = _RECORD.unpack_from(message, name_end)
    if start + length > len(message):
        raise MalformedError("the data of a record is cut off")
    return type_, class_, ttl, start, start + length


def _any_name_end(message: bytes, at: int) -> int:
    """Where a name ends that may end in a pointer: programs compress the owner of the SOA record of an IXFR."""
    while at < len(message) and 0 < message[at] <= 63:
        at += message[at] + 1
    if at < len(message) and message[at] >= 0xC0:
        return at + 2
    if at >= len(message) or message[at]:
        raise MalformedError("a name is cut off")
    return at + 1


def _serial(message: bytes, at: int) -> tuple[int, int]:
    type_, _, _, start, stop = _record(message, _any_name_end(message, at))
    numbers = _any_name_end(message, _any_name_end(message, start))
    if type_ != SOA or numbers + 20 != stop:
        raise MalformedError("the authority section of an IXFR is an SOA record")
    return int.from_bytes(message[numbers : numbers + 4], "big"), stop


def _edns(payload_octets: int, ttl: int, options: bytes) -> Edns:
    subnet: ClientSubnet | None = None
    at = 0
    while at < len(options):
        if at + 4 > len(options):
            raise MalformedError("an option is cut off")
        code, length = _TYPE_CLASS.unpack_from(options, at)
        at += 4
        if at + length > len(options):
            raise MalformedError("the data of an option is cut off")
        if code == _SUBNET_OPTION and not ttl & 0xFF0000:
            subnet = _subnet(options[at : at + length])
        at += length
    if subnet is None:
        return _plain_edns(payload_octets, ttl)
    return Edns(version=ttl >> 16 & 0xFF, payload_octets=payload_octets, dnssec_ok=bool(ttl & 0x8000), subnet=subnet)


@lru_cache(maxsize=1024)
def _plain_edns(payload_octets: int, ttl: int) -> Edns:
    return Edns(version=ttl >> 16 & 0xFF, payload_octets=payload_octets, dnssec_ok=bool(ttl & 0x8000), subnet=None)


def _subnet(data: bytes) -> ClientSubnet:
    if len(data) < _SUBNET.size:
        raise MalformedError("the subnet option is cut off")
    family, source_bits, scope_bits = _SUBNET.unpack_from(data)
    address = data[_SUBNET.size :]
    unused_bits = len(address) * 8 - source_bits
    if scope_bits or not 0 <= unused_bits < 8 or source_bits > _ADDRESS_BITS.get(family, 0):
        raise MalformedError("lengths of the subnet option do not fit each other")
    if int.from_bytes(address, "big") & ((1 << unused_bits) - 1):
        raise MalformedError("the subnet option has bits beyond its length (RFC 7871 section 6)")
    return ClientSubnet(family=family, source_bits=source_bits, address=address)


def _tsig(message: bytes, at: int, name_end: int, start: int, stop: int) -> tuple[bytes, bytes]:
    """Owner, type, class and TTL with algorithm, time and fudge; the original ID (RFC 8945 section 4.2)."""
    mac_length_at = _plain_name_end(message, start) + 8
    if mac_length_at + 2 > stop:
        raise MalformedError("the TSIG record is cut off")
    id_at = mac_length_at + 2 + _SHORT.unpack_from(message, mac_length_at)[0]
    if id_at + 6 > stop or id_at + 6 + _SHORT.unpack_from(message, id_at + 4)[0] != stop:
        raise MalformedError("the parts of the TSIG record do not fit its length")
    fixed = message[start:mac_length_at]
    head = message[at : name_end + 8] + _SHORT.pack(len(fixed) + 8) + fixed
    return head, message[id_at : id_at + 2]
