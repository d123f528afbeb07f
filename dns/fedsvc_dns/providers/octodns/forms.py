"""Record sets as octoDNS tells them: strings of a text are put together, and divided where they must be."""

import contextlib
from collections.abc import Iterable, Mapping
from typing import Any

import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.TXT

from fedsvc_dns.providers import wire
from fedsvc_dns.providers.contract import Key
from fedsvc_dns.records import RecordSet

_STRING_OCTETS = 255
_OPAQUE = "(of the provider's own)"


def told_as(one: RecordSet) -> RecordSet:
    """A record set in the one form that equal ones share once octoDNS has been through them.

    Raises:
        ValueError: a name, type or datum is none.
    """
    found = wire.canonical(one)
    if found.type != "TXT":
        return found
    values = tuple(sorted({_joined(value) for value in found.values}))
    return RecordSet(name=found.name, type=found.type, ttl_seconds=found.ttl_seconds, values=values)


def _joined(value: str) -> str:
    rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, value)
    assert isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)
    octets = b"".join(rdata.strings)
    if len(octets) <= _STRING_OCTETS and len(rdata.strings) == 1:
        return value
    parts = [octets[at : at + _STRING_OCTETS] for at in range(0, len(octets), _STRING_OCTETS)] or [b""]
    return dns.rdtypes.ANY.TXT.TXT(dns.rdataclass.IN, dns.rdatatype.TXT, parts).to_text()


def read_sets(told: Iterable[Any]) -> dict[Key, RecordSet]:
    """What a worker told of a zone; what is no plain record set has data that no other has."""
    found: dict[Key, RecordSet] = {}
    for name, type_, ttl, values in told:
        one = RecordSet(name=name.lower(), type=type_, ttl_seconds=ttl, values=tuple(values or (_OPAQUE,)))
        with contextlib.suppress(ValueError):  # of types of the provider's own
            one = told_as(one)
        found[one.key] = one
    return found


def is_own_type(type_: str) -> bool:
    """Whether a type is one that octoDNS has for a provider alone, such as `Route53Provider/ALIAS`."""
    return "/" in type_ or type_ == "ALIAS"


def written_set(one: RecordSet) -> list[Any]:
    """A record set as a worker takes it."""
    return [one.name, one.type, one.ttl_seconds, list(one.values)]


def error_of(answer: Mapping[str, Any]) -> tuple[str, str] | None:
    """Kind and message of what went wrong."""
    error = answer.get("error")
    return None if error is None else (error["kind"], error["message"])
