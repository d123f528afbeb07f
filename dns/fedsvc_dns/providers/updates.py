"""Messages of dynamic update (RFC 2136): one zone, all or nothing."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from fedsvc_dns.providers import asking, wire
from fedsvc_dns.providers.judging import NameChange
from fedsvc_dns.providers.keys import TSIG_OCTETS
from fedsvc_dns.providers.marks import MARK_TTL_SECONDS
from fedsvc_dns.records import RecordSet

_OPCODE_UPDATE = 5
_CLASS_NONE = 254
_CLASS_ANY = 255
MOST_OCTETS = 65_535 - TSIG_OCTETS - 2_000
"""Of the changes in one message: what TCP carries, less the zone, the fence and the signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What is to be done at one name, as a message has it.

    Attributes:
        change: what it is.
        octets: its records.
        record_count: how many.
    """

    change: NameChange
    octets: bytes
    record_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """The TXT record whose value must be the last that we know, and that each message writes anew.

    Attributes:
        name: whose.
        expected: the value that it has; None where there must be none.
        written: the value that it gets.
    """

    name: str
    expected: str | None
    written: str


def item(change: NameChange, origin: str) -> Item:
    """Render a change: whole sets are deleted, never single records, and before any is added.

    Raises:
        ValueError: a type or datum is none.
    """
    gone = dict.fromkeys((*change.deletes, *(record_set.key for record_set in change.puts)))
    parts = [_delete(name, type_, origin) for name, type_ in gone]
    count = len(parts)
    for record_set in change.puts:
        records = wire.records(record_set, origin)
        parts += records
        count += len(records)
    return Item(change=change, octets=b"".join(parts), record_count=count)


def message(origin: str, prerequisite: Prerequisite, items: Iterable[Item]) -> bytes:
    """A message that does all of it if the prerequisite holds; not signed yet."""
    name = wire.name_in_zone(prerequisite.name, origin)
    txt = wire.type_number("TXT")
    if prerequisite.expected is None:
        required = name + struct.pack("!HHIH", txt, _CLASS_NONE, 0, 0)
    else:
        data = wire.data_wire("TXT", prerequisite.expected)
        required = name + struct.pack("!HHIH", txt, 1, 0, len(data)) + data
    state = RecordSet(name=prerequisite.name, type="TXT", ttl_seconds=MARK_TTL_SECONDS, values=(prerequisite.written,))
    parts = [required, _delete(prerequisite.name, "TXT", origin), *wire.records(state, origin)]
    count = 2
    for one in items:
        parts.append(one.octets)
        count += one.record_count
    head = asking.header(asking.new_id(), opcode=_OPCODE_UPDATE, counts=(1, 1, count, 0))
    return b"".join((head, asking.question(origin, "SOA"), *parts))


def _delete(name: str, type_: str, origin: str) -> bytes:
    return wire.name_in_zone(name, origin) + struct.pack("!HHIH", wire.type_number(type_), _CLASS_ANY, 0, 0)
