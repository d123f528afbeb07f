"""Record sets as DNS messages have them.

A name in a message is written as its labels and a pointer to the zone's name, which every message here has at the same
place: so what is rendered once can be put into any message, and its size is known before.
"""

import functools
import re
import socket
import struct

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from fedsvc_dns.records import RecordSet, normal_name

HEADER_OCTETS = 12
_TO_ZONE = b"\xc0\x0c"
"""A pointer to the name after the header (RFC 1035 section 4.1.4)."""
_CLASS_IN = int(dns.rdataclass.IN)
_MAX_NAME_TEXT = 254
_NORMAL = re.compile(r"(?:[a-z0-9_*-]{1,63}\.)+")
"""Names that need no second look; nearly all do not."""
_OF_NAMES = frozenset(("CNAME", "DNAME", "MX", "NS", "PTR", "SRV"))
"""Types whose data is numbers and names only: it is the same in any case (RFC 4034 section 6.2)."""


@functools.lru_cache(maxsize=1000)
def type_number(type_: str) -> dns.rdatatype.RdataType:
    """The number of a type.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return dns.rdatatype.from_text(type_)
    except dns.exception.DNSException as error:
        raise ValueError(f"{type_!r} is no type of DNS records") from error


@functools.lru_cache(maxsize=1000)
def type_name(number: int) -> str:
    """The mnemonic of a type, or TYPE and its number (RFC 3597 section 5)."""
    return dns.rdatatype.to_text(dns.rdatatype.RdataType.make(number))


@functools.lru_cache(maxsize=200_000)
def data_wire(type_: str, value: str) -> bytes:
    """The data of a record, uncompressed.

    Raises:
        ValueError: it is no data of this type.
    """
    try:
        if type_ == "A":
            return socket.inet_pton(socket.AF_INET, value)
        if type_ == "AAAA":
            return socket.inet_pton(socket.AF_INET6, value)
        wire = dns.rdata.from_text(dns.rdataclass.IN, type_number(type_), value, relativize=False).to_wire()
    except (dns.exception.DNSException, OSError, ValueError, struct.error) as error:
        raise ValueError(f"{value!r} is no data of type {type_}: {str(error) or type(error).__name__}") from error
    assert wire is not None
    return wire


def data_text(type_: str, message: bytes, start: int, octets: int) -> str:
    """The one text that stands for data here, from where it is in a message.

    Raises:
        dns.exception.DNSException: it is no data of this type.
    """
    if type_ == "A" and octets == 4:  # the two that make up most of a zone
        return socket.inet_ntop(socket.AF_INET, message[start : start + 4])
    if type_ == "AAAA" and octets == 16:
        return socket.inet_ntop(socket.AF_INET6, message[start : start + 16])
    rdata = dns.rdata.from_wire(dns.rdataclass.IN, type_number(type_), message, start, octets)
    text: str = rdata.to_text(relativize=False)
    return text.lower() if type_ in _OF_NAMES else text


@functools.lru_cache(maxsize=200_000)
def _canonical_value(type_: str, value: str) -> str:
    wire = data_wire(type_, value)
    return data_text(type_, wire, 0, len(wire))


def canonical(record_set: RecordSet) -> RecordSet:
    """The same record set with its name, and each datum, in the one form that two equal ones share.

    Raises:
        ValueError: a name, type or datum is none.
    """
    values = tuple(sorted({_canonical_value(record_set.type, value) for value in record_set.values}))
    name = record_set.name
    if len(name) > _MAX_NAME_TEXT or not _NORMAL.fullmatch(name):
        name = normal_name(name)
    if name == record_set.name and values == record_set.values:
        return record_set
    return RecordSet(name=name, type=record_set.type, ttl_seconds=record_set.ttl_seconds, values=values)


def full_name(name: str) -> bytes:
    """A name by itself."""
    return b"".join(_label(label) for label in name.split(".") if label) + b"\0"


@functools.lru_cache(maxsize=100_000)
def name_in_zone(name: str, origin: str) -> bytes:
    """A name of a zone, by a pointer to the zone's name."""
    if name == origin:
        return _TO_ZONE
    above = name[:-1] if origin == "." else name[: -len(origin) - 1]
    return b"".join(_label(label) for label in above.split(".")) + _TO_ZONE


def records(record_set: RecordSet, origin: str) -> list[bytes]:
    """Each record of a set by itself.

    Raises:
        ValueError: a type or datum is none.
    """
    owner = name_in_zone(record_set.name, origin)
    start = owner + struct.pack("!HHI", type_number(record_set.type), _CLASS_IN, record_set.ttl_seconds)
    found: list[bytes] = []
    for value in record_set.values:
        data = data_wire(record_set.type, value)
        found.append(b"".join((start, struct.pack("!H", len(data)), data)))
    return found


def _label(label: str) -> bytes:
    encoded = label.encode("ascii")
    return bytes((len(encoded),)) + encoded
