"""Decisions as plain data, to be kept as JSON and read back to the same value.

Fields that have their default are left out: most of a fleet's verdicts say little, and are kept ten thousand times.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from fedsvc_placement.model import Decision

T = TypeVar("T")

_ATOMS = (str, int, bool)


def to_dict(decision: Decision) -> dict[str, Any]:
    """Return a decision as JSON types; keys are the field names, instants are ISO 8601 text, tuples are lists."""
    return to_plain(decision)


def to_plain(value: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """Return one of the model's values as JSON types, but for some fields; mappings and sets are sorted."""
    names, defaults, get = _form(type(value))  # type: ignore[arg-type]  # classes are hashable
    return {
        name: found if found is None or type(found) in _ATOMS else _plain(found)
        for name, default, found in zip(names, defaults, get(value), strict=True)
        if name not in without and found != default
    }


def _plain(value: object) -> Any:
    if value is None or type(value) in _ATOMS:
        return value
    return _way(type(value))(value)  # type: ignore[arg-type]  # classes are hashable


@cache
def _way(kind: type) -> Callable[[Any], Any]:
    """Return what makes JSON types of the values of a class."""
    if issubclass(kind, datetime):
        return kind.isoformat
    if issubclass(kind, Mapping):
        return _plain_mapping
    if issubclass(kind, frozenset):
        return lambda value: [_plain(part) for part in sorted(value)]
    if issubclass(kind, Sequence) and not issubclass(kind, str):
        return lambda value: [_plain(part) for part in value]
    return to_plain if is_dataclass(kind) else lambda value: value


def _plain_mapping(value: Mapping[Any, Any]) -> Any:
    keys = sorted(value) if len(value) > 1 else list(value)
    if keys and isinstance(keys[0], tuple):  # JSON has no such keys: a list of the key's parts and the value
        return [[*key, _plain(value[key])] for key in keys]
    return {key: _plain(value[key]) for key in keys}


@cache
def _form(kind: type) -> tuple[tuple[str, ...], tuple[Any, ...], Callable[[Any], tuple[Any, ...]]]:
    """Return the names of a class's fields, their defaults, and what reads them all at once."""
    parts = fields(kind)
    names = tuple(part.name for part in parts)
    defaults = tuple(part.default if part.default_factory is MISSING else part.default_factory() for part in parts)
    get = attrgetter(*names)
    return names, defaults, get if len(names) > 1 else lambda value: (get(value),)


def from_plain(kind: type[T], data: Mapping[str, Any]) -> T:
    """Return the value of `kind` that `to_plain` was given.

    Raises:
        TypeError: a field is missing that has no default, or one is not known.
    """
    hints = _hints(kind)  # type: ignore[arg-type]  # classes are hashable
    return kind(**{name: _read(hints.get(name), value) for name, value in data.items()})


def _read(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(hint, UnionType):  # only `X | None` is used
        hint = next(part for part in get_args(hint) if part is not type(None))
    if hint is datetime:
        return datetime.fromisoformat(value)
    if is_dataclass(hint):
        return from_plain(hint, value)  # type: ignore[arg-type]  # a hint is a class, never an instance
    return _read_many(get_origin(hint), get_args(hint), value)


def _read_many(origin: Any, parts: tuple[Any, ...], value: Any) -> Any:
    if origin is tuple:
        return _tuple(parts, value)
    if origin is Sequence:
        return tuple(_read(parts[0], part) for part in value)
    if origin is frozenset:
        return frozenset(_read(parts[0], part) for part in value)
    if origin is Mapping and get_origin(parts[0]) is tuple:
        return {tuple(key): found for *key, found in value}
    return value


def _tuple(kinds: tuple[Any, ...], value: list[Any]) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        return tuple(_read(kinds[0], part) for part in value)
    return tuple(_read(kind, part) for kind, part in zip(kinds, value, strict=True))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
