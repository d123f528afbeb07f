"""Records of a message one after the other, told from its octets without more ado than that takes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import dns.exception
import dns.name

_POINTER = 0xC0
_FIXED_OCTETS = 10
"""Type, class, TTL and length of data."""
_MOST_PARTS = 2 * 127
"""Of a name: labels, each reached by a pointer."""
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_*/")


class MalformedError(Exception):
    """It is no DNS message."""


@dataclass(slots=True)
class Walked:
    """Where one record of a message is.

    Attributes:
        start: of its name.
        type_number: of its type.
        ttl_seconds: as it is written.
        data: where its data begins.
        octets: how long that is.
    """

    start: int
    type_number: int
    ttl_seconds: int
    data: int
    octets: int


def records(message: bytes) -> Iterator[Walked]:
    """The records of all sections but the question.

    Raises:
        MalformedError: it ends before its records do, or after.
    """
    try:
        questions, *counts = struct.unpack_from("!HHHH", message, 4)
        at = 12
        for _ in range(questions):
            at = _after_name(message, at) + 4
        for _ in range(sum(counts)):
            start = at
            at = _after_name(message, at)
            number, _, ttl_seconds, octets = struct.unpack_from("!HHIH", message, at)
            at += _FIXED_OCTETS
            if at + octets > len(message):
                raise MalformedError(f"the record at octet {start} is longer than the message")
            yield Walked(start, number, ttl_seconds, at, octets)
            at += octets
    except (struct.error, IndexError) as error:
        raise MalformedError("the message ends within a record") from error
    if at != len(message):
        raise MalformedError(f"{len(message) - at} octets follow the last record")


def name_at(message: bytes, start: int, known: dict[int, str], depth: int = 0) -> str:
    """The name at an octet, absolute and in lower case; unusual octets are escaped as in master files.

    Args:
        message: all of it, for the name may point back.
        start: where it begins.
        known: names that were found in this message, by where they begin; more are put there.
        depth: how many labels and pointers led here.

    Raises:
        MalformedError: there is no name.
    """
    found = known.get(start)
    if found is not None:
        return found
    if depth > _MOST_PARTS:
        raise MalformedError(f"the name at octet {start} has too many labels")
    try:
        length = message[start]
        if length == 0:
            name = "."
        elif length >= _POINTER:
            target = ((length & 0x3F) << 8) | message[start + 1]
            if target >= start:
                raise MalformedError(f"the name at octet {start} points forward")
            name = name_at(message, target, known, depth + 1)
        else:
            label = message[start + 1 : start + 1 + length]
            if len(label) < length or length > 63:
                raise MalformedError(f"the label at octet {start} is longer than the message")
            rest = name_at(message, start + 1 + length, known, depth + 1)
            text = label.decode("ascii").lower() if _PLAIN.issuperset(label) else _escaped(label)
            name = f"{text}." if rest == "." else f"{text}.{rest}"
    except IndexError as error:
        raise MalformedError("the message ends within a name") from error
    known[start] = name
    return name


def _escaped(label: bytes) -> str:
    try:
        return dns.name.Name((label.lower(),)).to_text()
    except dns.exception.DNSException as error:
        raise MalformedError(f"{label!r} is no label") from error


def _after_name(message: bytes, at: int) -> int:
    while True:
        length = message[at]
        if length == 0:
            return at + 1
        if length >= _POINTER:
            return at + 2
        at += length + 1
