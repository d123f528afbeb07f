"""Dataclasses to and from JSONB: what is stored is read back as what it was, or the row is refused.

The value of a JSON Patch operation is any JSON of the user's and never queried: it is kept as JSON text, since JSONB
would refuse U+0000 in it and write its numbers anew.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from fedsvc.model.unit import UnitSpec
from fedsvc.rendering.canonical import canonical_json, load_json
from fedsvc.rendering.overrides import Override
from fedsvc.rendering.patch import Absent, PatchOperation

ValueT = TypeVar("ValueT")

# No text of a user holds it: PostgreSQL refuses NUL in JSON, and so does the API before it.
_ABSENT_MARK: Final = "\0absent"


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def to_json(kind: Any, value: Any) -> Any:
    """A dataclass as plain JSON values; a field that is absent (which is not null) is left out."""
    found_absent = False

    def replace_absent(item: Any) -> Any:
        nonlocal found_absent
        if isinstance(item, Absent):
            found_absent = True
            return _ABSENT_MARK
        raise PydanticSerializationError(f"{type(item).__name__} is not a value that is stored")

    packed = _with_patch_values(value, lambda given: canonical_json(given).decode())
    plain = _adapter(kind).dump_python(packed, mode="json", fallback=replace_absent)
    return _without_absent(plain) if found_absent else plain


def from_json(kind: type[ValueT], value: Any) -> ValueT:
    """The dataclass that `to_json` made the values from.

    Raises:
        pydantic.ValidationError: the values are not of that kind: the row was written by something else.
    """
    erased: Any = kind
    result: ValueT = _with_patch_values(
        _adapter(erased).validate_python(value, strict=False), lambda stored: load_json(stored.encode())
    )
    return result


def _with_patch_values(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same with the value of every patch operation changed, where it holds overrides."""
    if isinstance(value, UnitSpec):
        return replace(value, overrides=_with_patch_values(value.overrides, change)) if value.overrides else value
    if isinstance(value, tuple) and value and isinstance(value[0], Override):
        return tuple(
            replace(override, patch=tuple(_with_value(operation, change) for operation in override.patch))
            for override in value
        )
    return value


def _with_value(operation: PatchOperation, change: Callable[[Any], Any]) -> PatchOperation:
    return operation if isinstance(operation.value, Absent) else replace(operation, value=change(operation.value))


def _without_absent(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_absent(item) for key, item in value.items() if item != _ABSENT_MARK}
    if isinstance(value, list):
        return [_without_absent(item) for item in value]
    return value
