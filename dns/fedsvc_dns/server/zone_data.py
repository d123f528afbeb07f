"""Pure: what a zone is given as: record sets, how some of them are chosen from, and where clients are. Also as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from fedsvc_dns.records import RecordSet, record_set


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceOption:
    """One record of a set that is chosen from.

    Attributes:
        value: its data, as in the record set.
        weight: its share of the answers; 0: none, unless all have 0.
        place: the place whose clients get it before any other; "" is none.
    """

    value: str
    weight: int = 1
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Answers for a set of addresses have `answer_count` of its records, chosen by weight and place at each query."""

    name: str
    type: str
    options: tuple[ChoiceOption, ...]
    answer_count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Clients whose addresses have a prefix (CIDR) are at a place."""

    prefix: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneData:
    """A zone of one serial: `record_sets` have its SOA and NS sets too."""

    origin: str
    record_sets: tuple[RecordSet, ...]
    choices: tuple[Choice, ...] = ()
    networks: tuple[Network, ...] = ()


def to_json(data: Iterable[ZoneData]) -> bytes:
    """Zones as a JSON list of objects: the same zones, the same octets."""
    return orjson.dumps(tuple(data))


def from_json(given: object, path: str = "zone") -> ZoneData:
    """The zone that a JSON object says.

    Raises:
        ValueError: with the path of the field that is not as it has to be.
    """
    fields = _fields(given, path, {"origin": str, "record_sets": list}, {"choices": list, "networks": list})
    return ZoneData(
        origin=fields["origin"],
        record_sets=tuple(_set(one, at) for one, at in _each(fields["record_sets"], f"{path}.record_sets")),
        choices=tuple(_choice(one, at) for one, at in _each(fields.get("choices", ()), f"{path}.choices")),
        networks=tuple(
            Network(**_fields(one, at, {"prefix": str, "place": str}, {}))
            for one, at in _each(fields.get("networks", ()), f"{path}.networks")
        ),
    )


def _set(given: object, path: str) -> RecordSet:
    fields = _fields(given, path, {"name": str, "type": str, "ttl_seconds": int, "values": list}, {})
    for value, at in _each(fields["values"], f"{path}.values"):
        if not isinstance(value, str):
            raise ValueError(f"{at}: a string is needed")  # noqa: TRY004
    try:
        return record_set(fields["name"], fields["type"], fields["values"], ttl_seconds=fields["ttl_seconds"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _choice(given: object, path: str) -> Choice:
    fields = _fields(given, path, {"name": str, "type": str, "options": list}, {"answer_count": int})
    options = tuple(
        ChoiceOption(**_fields(one, at, {"value": str}, {"weight": int, "place": str}))
        for one, at in _each(fields["options"], f"{path}.options")
    )
    return Choice(**{**fields, "options": options})


def _each(given: Iterable[object], path: str) -> Iterable[tuple[object, str]]:
    return ((one, f"{path}[{index}]") for index, one in enumerate(given))


def _fields(given: object, path: str, needed: Mapping[str, type], optional: Mapping[str, type]) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise ValueError(f"{path}: an object is needed")  # noqa: TRY004
    known = {**needed, **optional}
    if unknown := sorted(given.keys() - known):
        raise ValueError(f"{path}.{unknown[0]}: there is no such field; known are {', '.join(known)}")
    if missing := [name for name in needed if name not in given]:
        raise ValueError(f"{path}.{missing[0]}: is needed")
    for name, value in given.items():
        if not isinstance(value, known[name]) or isinstance(value, bool):
            raise ValueError(f"{path}.{name}: is of type {known[name].__name__}")  # noqa: TRY004
    return dict(given)
