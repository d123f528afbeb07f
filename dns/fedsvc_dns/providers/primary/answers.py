"""What transfers are answered with (RFC 5936, RFC 1995); nothing is sent here.

A record that is rendered once fits into any message of its zone, so a transfer is as fast as its records are joined.
"""

import struct
from collections.abc import Iterator, Sequence

from fedsvc_dns.providers import asking, wire
from fedsvc_dns.providers.keys import TSIG_OCTETS
from fedsvc_dns.providers.primary.versions import Delta, ZoneVersion, since
from fedsvc_dns.providers.serials import is_newer

AUTHORITATIVE = 0x8400
"""Flags of an answer (QR) with authority (AA)."""
MOST_OCTETS = 65_535 - TSIG_OCTETS - 12 - 260
"""Of the records in one message: what TCP carries, less header, question and signature."""
_OPT = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
"""What tells that EDNS is understood (RFC 6891), and how much fits into a datagram."""


def soa_answer(version: ZoneVersion, identifier: int, type_: str, *, edns: bool) -> bytes:
    """The SOA alone: to a question for it, or for a difference where there is none or a datagram has no room."""
    (soa,) = wire.records(version.soa(), version.origin)
    return error_free(version.origin, identifier, type_, [soa], edns=edns)


def error_free(origin: str, identifier: int, type_: str, records: Sequence[bytes], *, edns: bool) -> bytes:
    """One message with records in answer."""
    head = asking.header(identifier, flags=AUTHORITATIVE, counts=(1, len(records), 0, int(edns)))
    return b"".join((head, asking.question(origin, type_), *records, _OPT if edns else b""))


def whole(version: ZoneVersion, type_: str) -> list[bytes]:
    """The messages of a whole zone, unsigned, with 0 as identifier."""
    (soa,) = wire.records(version.soa(), version.origin)
    records = [soa]
    for record_set in version.record_sets.values():
        records += wire.records(record_set, version.origin)
    records.append(soa)
    return list(_messages(version.origin, type_, records))


def difference(version: ZoneVersion, serial: int) -> list[bytes] | None:
    """The messages of what changed since a serial; None where the whole zone is to be sent instead.

    That is where the way from there is not known, or longer than half of the zone. A secondary that is not behind gets
    the SOA alone.
    """
    deltas = since(version, serial)
    if deltas is None and not is_newer(version.serial, serial):
        deltas = ()
    if deltas is None:
        return None
    (soa,) = wire.records(version.soa(), version.origin)
    if not deltas:
        return list(_messages(version.origin, "IXFR", [soa]))
    size = sum(len(record_set.values) for record_set in version.record_sets.values())
    if 2 * sum(delta.record_count for delta in deltas) > size + 2 * _SMALL:
        return None
    records = [soa]
    for delta in deltas:
        records += _step(version, delta)
    records.append(soa)
    return list(_messages(version.origin, "IXFR", records))


_SMALL = 20
"""Records; below that a difference is sent though the zone is hardly bigger."""


def _step(version: ZoneVersion, delta: Delta) -> Iterator[bytes]:
    yield from wire.records(version.soa(delta.before), version.origin)
    for record_set in delta.removed:
        yield from wire.records(record_set, version.origin)
    yield from wire.records(version.soa(delta.after), version.origin)
    for record_set in delta.added:
        yield from wire.records(record_set, version.origin)


def _messages(origin: str, type_: str, records: Sequence[bytes]) -> Iterator[bytes]:
    batch: list[bytes] = []
    used = 0
    for record in records:
        if used + len(record) > MOST_OCTETS:
            yield error_free(origin, 0, type_, batch, edns=False)
            batch, used = [], 0
        batch.append(record)
        used += len(record)
    yield error_free(origin, 0, type_, batch, edns=False)
