"""Zones from their servers: AXFR (RFC 5936) and IXFR (RFC 1995).

All messages are read before the first is looked into, but for where a transfer ends: a server that waits for its reader
hangs up. What does not end as a transfer ends, or is not signed, is not believed.
"""

import asyncio
import contextlib
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import dns.exception
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.tsig

from fedsvc_dns.providers import asking, walking, wire
from fedsvc_dns.providers.connection import ServerConnection
from fedsvc_dns.providers.contract import CredentialsError, Key, TransferError
from fedsvc_dns.providers.keys import Signer, TsigKey
from fedsvc_dns.providers.serials import is_newer
from fedsvc_dns.records import RecordSet

_SOA = 6
_TSIG = 250
_OPT = 41
_SOA_TAIL_OCTETS = 20
_MOST_UNSIGNED = 99
"""Messages in a row (RFC 8945 section 5.3.1)."""
_MOST_OCTETS = 1 << 30

Record = tuple[str, str, int, str]
"""Name, type, TTL in seconds, and data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What changed from one serial to the next."""

    removed: tuple[Record, ...]
    added: tuple[Record, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What a server sent.

    Attributes:
        serial: that it brings the zone to.
        whole: all records but the SOA, where it is a whole zone.
        steps: else what changed, oldest first; none where nothing did.
    """

    serial: int
    whole: tuple[Record, ...] | None
    steps: tuple[Step, ...] = ()


@dataclass(slots=True)
class _End:
    """Tells the last message of a transfer: that whose SOA closes the outermost bracket.

    SOAs stand first, then before what is removed and before what is added by turns, then last: so one that has the
    serial of the first ends it where something removed would begin.
    """

    since: int | None
    serials: list[int] = field(default_factory=list)

    def reached(self, message: bytes) -> bool:
        others = 0
        for record in walking.records(message):
            if record.type_number == _SOA:
                self.serials.append(_soa_serial(message, record))
                if len(self.serials) % 2 == 0 and self.serials[-1] == self.serials[0]:
                    return True
            elif record.type_number not in {_TSIG, _OPT}:
                others += 1
                if not self.serials:
                    raise walking.MalformedError("it does not begin with the SOA")
        if not self.serials:
            raise walking.MalformedError("it does not begin with the SOA")
        # a lone SOA that is not newer answers that nothing changed
        return self.since is not None and len(self.serials) == 1 and not others and not self._newer()

    def _newer(self) -> bool:
        return self.since is not None and is_newer(self.serials[0], self.since)


async def transfer(connection: ServerConnection, origin: str, key: TsigKey, *, since: int | None = None) -> Transfer:
    """Ask for a zone, or for what changed in it.

    Args:
        connection: to the server; dropped if the transfer fails.
        origin: of the zone.
        key: signs the request, and must have signed the answers.
        since: the serial that is known; the server may still send the whole zone.

    Raises:
        ServerRefusedError: the server does not give it.
        CredentialsError: one side does not accept the other's signature.
        TransferError: it is malformed, or not whole.
        UnreachableError: the next message did not come in time.
    """
    signer = Signer(key.dns_key())
    messages: list[bytes] = []
    server = str(connection.address)
    try:
        end = _End(since)
        async with contextlib.aclosing(connection.answers(signer.sign(_request(origin, since)))) as answers:
            total = 0
            async for message in answers:
                messages.append(message)
                total += len(message)
                code = asking.code_of(message)
                if code != dns.rcode.NOERROR:
                    asking.checked_answer(message, key, signer.mac, server)  # tells a wrong key from a refusal
                    asking.refuse_errors(code, f"the transfer of {origin}", server)
                if end.reached(message):
                    break
                if total > _MOST_OCTETS:
                    _raise_endless(origin, total)
        return await asyncio.to_thread(_understood, messages, origin, key, signer.mac)
    except walking.MalformedError as error:
        connection.drop()
        raise TransferError(f"{server}: the transfer of {origin} is malformed: {error}") from error
    except BaseException:
        connection.drop()
        raise


def changed(record_sets: Mapping[Key, RecordSet], steps: Sequence[Step]) -> dict[Key, RecordSet | None] | None:
    """What steps make of the sets that they touch, None for those that go.

    None alone where the steps do not fit to the zone, so that it has to be read whole.
    """
    touched: dict[Key, tuple[int, set[str]]] = {}

    def of(key: Key) -> tuple[int, set[str]]:
        if key not in touched:
            held = record_sets.get(key)
            touched[key] = (held.ttl_seconds, set(held.values)) if held else (0, set())
        return touched[key]

    for step in steps:
        for name, type_, _, value in step.removed:
            values = of((name, type_))[1]
            if value not in values:
                return None
            values.remove(value)
        for name, type_, ttl_seconds, value in step.added:
            values = of((name, type_))[1]
            touched[name, type_] = ttl_seconds, values
            values.add(value)
    return {
        key: _record_set(key, ttl_seconds, values) if values else None for key, (ttl_seconds, values) in touched.items()
    }


def advanced(record_sets: Mapping[Key, RecordSet], changes: Mapping[Key, RecordSet | None]) -> dict[Key, RecordSet]:
    """A zone with some of its sets changed."""
    after = dict(record_sets)
    for key, record_set in changes.items():
        if record_set is not None:
            after[key] = record_set
        else:
            after.pop(key, None)
    return after


def grouped(records: Sequence[Record]) -> dict[Key, RecordSet]:
    """Records as sets."""
    found: dict[Key, tuple[int, set[str]]] = {}
    for name, type_, ttl_seconds, value in records:
        found.setdefault((name, type_), (ttl_seconds, set()))[1].add(value)
    return {key: _record_set(key, ttl_seconds, values) for key, (ttl_seconds, values) in found.items()}


def _record_set(key: Key, ttl_seconds: int, values: set[str]) -> RecordSet:
    # not by `record_set`, for a server may hold names that fedsvc would not write
    return RecordSet(name=key[0], type=key[1], ttl_seconds=ttl_seconds, values=tuple(sorted(values)))


def _raise_endless(origin: str, total: int) -> NoReturn:
    raise walking.MalformedError(f"{origin} goes on after {total} octets")


def _request(origin: str, since: int | None) -> bytes:
    identifier = asking.new_id()
    if since is None:
        return asking.header(identifier, counts=(1, 0, 0, 0)) + asking.question(origin, "AXFR")
    # RFC 1995 section 3: the SOA that is known; only its serial is looked at
    soa = b"\xc0\x0c" + struct.pack("!HHIH", _SOA, 1, 0, 2 + _SOA_TAIL_OCTETS) + b"\0\0"
    soa += struct.pack("!IIIII", since, 0, 0, 0, 0)
    return asking.header(identifier, counts=(1, 0, 1, 0)) + asking.question(origin, "IXFR") + soa


def _understood(messages: list[bytes], origin: str, key: TsigKey, request_mac: bytes) -> Transfer:
    walked = [list(walking.records(message)) for message in messages]
    _check_signatures(messages, walked, key, request_mac)
    records: list[Record] = []
    serials: list[tuple[int, int]] = []  # of each SOA, with how many records stand before it
    for message, found in zip(messages, walked, strict=True):
        names: dict[int, str] = {}
        for record in found:
            if record.type_number in {_TSIG, _OPT}:
                continue
            name = walking.name_at(message, record.start, names)
            if record.type_number == _SOA:
                if name != origin:
                    raise TransferError(f"the transfer of {origin} has a SOA of {name}")
                serials.append((_soa_serial(message, record), len(records)))
                continue
            records.append((name, *_typed(message, record)))
    final = serials[0][0]
    if len(serials) == 1:
        return Transfer(serial=final, whole=None)
    if len(serials) == 2:
        return Transfer(serial=final, whole=tuple(records))
    bounds = [before for _, before in serials[1:]]
    steps = tuple(
        Step(removed=tuple(records[start:middle]), added=tuple(records[middle:end]))
        for start, middle, end in zip(bounds[::2], bounds[1::2], bounds[2::2], strict=False)
    )
    return Transfer(serial=final, whole=None, steps=steps)


def _typed(message: bytes, record: walking.Walked) -> tuple[str, int, str]:
    type_ = wire.type_name(record.type_number)
    try:
        return type_, record.ttl_seconds, wire.data_text(type_, message, record.data, record.octets)
    except (dns.exception.DNSException, ValueError, struct.error) as error:
        raise TransferError(f"a record of type {type_} is malformed: {error}") from error


def _soa_serial(message: bytes, record: walking.Walked) -> int:
    if record.octets < 2 + _SOA_TAIL_OCTETS:
        raise walking.MalformedError("a SOA is too short")
    serial: int = struct.unpack_from("!I", message, record.data + record.octets - _SOA_TAIL_OCTETS)[0]
    return serial


def _check_signatures(
    messages: list[bytes], walked: list[list[walking.Walked]], key: TsigKey, request_mac: bytes
) -> None:
    """Check the signatures of many answers to one request: the first and last are signed (RFC 8945 section 5.3.1)."""
    last = [found[-1] if found else None for found in walked]
    signed = [one if one is not None and one.type_number == _TSIG else None for one in last]
    if signed[0] is None or signed[-1] is None:
        raise CredentialsError(f"the transfer is not signed by {key.name}, in its first or last message")
    dns_key = key.dns_key()
    context: dns.tsig.HMACTSig | dns.tsig.GSSTSig | None = None
    unsigned = 0
    for message, signature in zip(messages, signed, strict=True):
        if signature is None:
            unsigned += 1
            if unsigned > _MOST_UNSIGNED:
                raise CredentialsError(
                    f"the transfer has more than {_MOST_UNSIGNED} messages in a row without signature"
                )
            assert context is not None
            context.update(message)  # type: ignore[no-untyped-call]
            continue
        unsigned = 0
        owner, _ = dns.name.from_wire(message, signature.start)
        try:
            rdata = dns.rdata.from_wire(
                dns.rdataclass.ANY, dns.rdatatype.TSIG, message, signature.data, signature.octets
            )
            context = dns.tsig.validate(  # type: ignore[no-untyped-call]
                message, dns_key, owner, rdata, int(time.time()), request_mac, signature.start, context, multi=True
            )
        except dns.exception.DNSException as error:
            why = asking.WRONG_SIGNATURE.get(type(error), f"{type(error).__name__}: {error}")
            raise CredentialsError(f"the transfer's signature by {key.name} is not right: {why}") from error
