"""Asks every authority of a zone whether it answers as was planned: what resolvers see, not what was written."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from fedsvc_dns.providers import asking, wire
from fedsvc_dns.providers.connection import ServerAddress, ServerConnection
from fedsvc_dns.providers.contract import Key, ProviderError
from fedsvc_dns.providers.marks import state_of
from fedsvc_dns.records import RecordSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Stray:
    """A record set that an authority does not answer with as it should.

    Attributes:
        key: name and type.
        message: what it should be, and is.
    """

    key: Key
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What one authority answers.

    Attributes:
        server: where it is.
        strays: what is not as wanted; empty: all is.
        trouble: why not all could be asked; empty: all was.
    """

    server: str
    strays: tuple[Stray, ...]
    trouble: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it was asked for all, and all is as wanted."""
        return not self.strays and not self.trouble


async def verify(
    authorities: Sequence[ServerAddress],
    wanted: Mapping[Key, RecordSet | None],
    *,
    chosen: AbstractSet[Key] = frozenset(),
    timeout_seconds: float | None = None,
) -> tuple[Verified, ...]:
    """Ask each authority for record sets, all at the same time; each is asked one question after the other.

    Args:
        authorities: by TCP, unsigned, as resolvers ask.
        wanted: by name and type; None where there shall be none.
        chosen: of which some records are an answer: the server chooses.
        timeout_seconds: for all questions to one authority; what was asked until then is told.

    Raises:
        ValueError: what is wanted is no record set.
    """
    expected = {key: one and wire.canonical(one) for key, one in sorted(wanted.items())}
    asked = (_verify_one(address, expected, chosen, timeout_seconds) for address in authorities)
    return tuple(await asyncio.gather(*asked))


async def serials(authorities: Sequence[ServerAddress], origin: str) -> tuple[int | ProviderError, ...]:
    """The serial that each authority has of a zone, or why it does not say; all are asked at the same time."""
    asked = await asyncio.gather(*(_answer_or_why(address, (origin, "SOA")) for address in authorities))
    return tuple(
        _read_or_why(found, lambda one: int(one.values[0].split()[2]), f"{address} has no SOA of {origin}")
        for address, found in zip(authorities, asked, strict=True)
    )


async def marked_generations(authorities: Sequence[ServerAddress], mark: str) -> tuple[int | ProviderError, ...]:
    """The generation that each authority has the mark of a zone with, or why it does not say; all at the same time."""
    asked = await asyncio.gather(*(_answer_or_why(address, (mark, "TXT")) for address in authorities))
    return tuple(
        _read_or_why(found, _generation, f"{address} has no mark at {mark} yet")
        for address, found in zip(authorities, asked, strict=True)
    )


def _generation(mark: RecordSet) -> int:
    state = state_of(mark.values[0])
    return 0 if state is None else state.fence.generation


def _read_or_why(
    found: RecordSet | ProviderError | None, read: Callable[[RecordSet], int], missing: str
) -> int | ProviderError:
    if found is None:
        return ProviderError(missing)
    return found if isinstance(found, ProviderError) else read(found)


async def _answer_or_why(address: ServerAddress, key: Key) -> RecordSet | ProviderError | None:
    connection = ServerConnection(address)
    try:
        return await _answer(connection, key)
    except ProviderError as error:
        return error
    finally:
        await connection.close()


async def _verify_one(
    address: ServerAddress,
    wanted: Mapping[Key, RecordSet | None],
    chosen: AbstractSet[Key],
    timeout_seconds: float | None,
) -> Verified:
    connection = ServerConnection(address)
    strays: list[Stray] = []
    count = 0
    try:
        async with asyncio.timeout(timeout_seconds):
            for key, one in wanted.items():
                found = await _answer(connection, key)
                message = "" if key in chosen and _is_part(found, one) else _compared(one, found)
                if message:
                    strays.append(Stray(key=key, message=f"{key[0]} {key[1]} {message}"))
                count += 1
    except TimeoutError:
        trouble = f"{address} was asked for {count} of {len(wanted)} record sets in {timeout_seconds:g} seconds"
        return Verified(server=str(address), strays=tuple(strays), trouble=trouble)
    except ProviderError as error:
        return Verified(server=str(address), strays=tuple(strays), trouble=str(error))
    finally:
        await connection.close()
    return Verified(server=str(address), strays=tuple(strays))


async def _answer(connection: ServerConnection, key: Key) -> RecordSet | None:
    """The record set that a server has authority to answer with."""
    question = asking.header(asking.new_id(), counts=(1, 0, 0, 0)) + asking.question(*key)
    try:
        answer = dns.message.from_wire(await connection.ask(question))
    except (dns.exception.DNSException, ValueError) as error:
        raise ProviderError(f"{connection.address} answered what is no DNS message: {error}") from error
    if answer.rcode() != dns.rcode.NXDOMAIN:
        asking.refuse_errors(answer.rcode(), f"a question for {key[0]} {key[1]}", str(connection.address))
    if not answer.flags & dns.flags.AA:
        raise ProviderError(f"{connection.address} is no authority for {key[0]}")
    name, type_ = dns.name.from_text(key[0]), wire.type_number(key[1])
    return _record_set(key, (rrset for rrset in answer.answer if (rrset.name, rrset.rdtype) == (name, type_)))


def _record_set(key: Key, found: Iterable[dns.rrset.RRset]) -> RecordSet | None:
    for rrset in found:
        values = tuple(rdata.to_text() for rdata in rrset)
        return wire.canonical(RecordSet(name=key[0], type=key[1], ttl_seconds=rrset.ttl, values=values))
    return None


def _is_part(found: RecordSet | None, wanted: RecordSet | None) -> bool:
    """Whether an answer has some records of a set and no others."""
    if found is None or wanted is None or found.ttl_seconds != wanted.ttl_seconds:
        return False
    return set(found.values) <= set(wanted.values)


def _compared(wanted: RecordSet | None, found: RecordSet | None) -> str:
    if wanted == found:
        return ""
    if wanted is None:
        return f"shall not be there, and has {_told(found)}"
    return f"shall have {_told(wanted)}, and {'is not there' if found is None else f'has {_told(found)}'}"


def _told(one: RecordSet | None) -> str:
    return "nothing" if one is None else f"TTL {one.ttl_seconds} and {', '.join(one.values)}"
