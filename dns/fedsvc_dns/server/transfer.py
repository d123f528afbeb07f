"""Pure: a whole zone in messages (AXFR, RFC 5936). IXFR is answered so too (RFC 1995), or by the SOA alone."""

from collections.abc import Iterator

from fedsvc_dns.providers.serials import is_newer
from fedsvc_dns.server import wire
from fedsvc_dns.server.compose import Writer
from fedsvc_dns.server.responder import Book
from fedsvc_dns.server.wire import Query, read_query
from fedsvc_dns.server.zone import Record, Zone

_MESSAGE_OCTETS = 16_000
"""So many at least, where there are as many: pointers of compression reach no farther."""


def asked_for(book: Book, message: bytes) -> tuple[Query, Zone] | None:
    """The query and its zone, where a message asks for a transfer of a zone that is here."""
    if len(message) < wire.HEADER_OCTETS or message[2] & 0xF8:
        return None
    try:
        query = read_query(message)
    except wire.MalformedError:
        return None
    zone = book.zones.get(query.name)
    is_plain = query.class_ == wire.CLASS_IN and not query.tsig and not (query.edns and query.edns.version)
    return (query, zone) if zone is not None and is_plain and query.type in (wire.AXFR, wire.IXFR) else None


def transfer(query: Query, zone: Zone, message_id: bytes) -> Iterator[bytes]:
    """Messages that hold the zone, the SOA first and last; made one by one."""
    if query.have_serial is not None and not is_newer(zone.serial, query.have_serial):
        writer = Writer(query.question)
        writer.sets(((zone.origin, zone.soa),))
        yield _message(message_id, query, writer, 1)
        return
    writer, count = Writer(query.question), 0
    for owner, type_, ttl_seconds, record in _records(zone):
        writer.record(owner, type_, ttl_seconds, record)
        count += 1
        if len(writer.octets) >= _MESSAGE_OCTETS:
            yield _message(message_id, query, writer, count)
            writer, count = Writer(query.question), 0
    if count:
        yield _message(message_id, query, writer, count)


def _records(zone: Zone) -> Iterator[tuple[bytes, int, int, Record]]:
    soa = (zone.origin, wire.SOA, zone.soa.ttl_seconds, zone.soa.records[0])
    yield soa
    for owner, node in zone.nodes.items():
        for found in node.sets.values():
            if found.type != wire.SOA:
                for record in found.records:
                    yield owner, found.type, found.ttl_seconds, record
    yield soa


def _message(message_id: bytes, query: Query, writer: Writer, count: int) -> bytes:
    head = bytes((0x84 | query.recursion_desired, 0, 0, 1)) + count.to_bytes(2, "big") + b"\0\0\0\0"
    return message_id + head + bytes(writer.octets)
