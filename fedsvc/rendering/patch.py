"""JSON Patch (RFC 6902) with the operations add, remove, replace and test, and errors that tell what is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

import jsonpatch
from jsonpointer import JsonPointer, JsonPointerException

from fedsvc.rendering.canonical import JsonObject, canonical_json, json_type, load_json
from fedsvc.rendering.paths import make_pointer, parse_pointer

_SHOWN_NAMES: Final = 12
_SHOWN_VALUE: Final = 80


class PatchOp(StrEnum):
    """The operations that overrides may use; move and copy are refused: they hide what is changed."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"
    TEST = "test"


class Absent:
    """The type of `ABSENT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent()
"""No value was given, which is not the value null."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchOperation:
    """One operation of a JSON Patch.

    Attributes:
        op: as written by the user; `validate_override` refuses what is not a `PatchOp`.
        path: JSON Pointer (RFC 6901).
        value: any JSON; `ABSENT` where none was given.
    """

    op: str
    path: str
    value: Any = ABSENT


class PatchError(ValueError):
    """An operation does not fit the document; the text tells what is there instead."""


def apply_operation(document: JsonObject, operation: PatchOperation) -> None:
    """Carry out one operation, in place.

    Args:
        document: the object; half changed by no error: an operation happens or does not.
        operation: one that `validate_override` accepts.

    Raises:
        PatchError: the path is not there, a test fails, or a value stands where an object or list is needed.
    """
    try:
        match operation.op:
            case PatchOp.ADD:
                jsonpatch.AddOperation(_step("add", operation)).apply(document)
            case PatchOp.REPLACE:
                jsonpatch.ReplaceOperation(_step("replace", operation)).apply(document)
            case PatchOp.REMOVE:
                jsonpatch.RemoveOperation({"op": "remove", "path": _pointer(operation.path)}).apply(document)
            case PatchOp.TEST:
                _test(document, operation)
            case _:
                raise PatchError(f"operation '{operation.op}' is not one of {', '.join(PatchOp)}")
    except (jsonpatch.JsonPatchException, JsonPointerException, KeyError, IndexError, TypeError) as error:
        raise PatchError(explain(document, operation.op, operation.path)) from error


def json_equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: numbers by value (RFC 6902 section 4.6), and true is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(value, right[name]) for name, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(json_equal(*pair) for pair in zip(left, right, strict=True))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def explain(document: Any, op: str, path: str) -> str:
    """Why an operation at `path` does not fit: how far the path leads, and what is there."""
    segments = parse_pointer(path)
    current = document
    for depth, segment in enumerate(segments):
        here = make_pointer(segments[:depth]) or "the object"
        last = depth == len(segments) - 1
        if isinstance(current, list):
            if segment == "-" and last and op != PatchOp.ADD:
                return f"'-' means behind the last item of {here}; only add can use it"
            if not segment.isdecimal() or (segment != "0" and segment.startswith("0")):
                return f"'{segment}' is not an index of the list {here}, which has {_items(current)}"
            if int(segment) >= len(current):
                advice = "; '-' appends" if op == PatchOp.ADD and last else ""
                return (
                    f"path {make_pointer(segments[: depth + 1])} does not exist: the list has {_items(current)}{advice}"
                )
            current = current[int(segment)]
        elif isinstance(current, dict):
            if segment not in current:
                return _missing(current, segments[: depth + 1], here, op)
            current = current[segment]
        else:
            return f"path {make_pointer(segments[: depth + 1])} does not exist: {here} is {json_type(current)}"
    return f"path {path} cannot be changed by {op}: it is {json_type(current)}"


def shown(value: Any) -> str:
    """A value as canonical JSON, cut to a length that fits a message."""
    text = canonical_json(value).decode()
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 3] + "..."


def _step(op: str, operation: PatchOperation) -> dict[str, Any]:
    return {"op": op, "path": _pointer(operation.path), "value": _own_copy(operation.value)}


@lru_cache(maxsize=4096)
def _pointer(path: str) -> JsonPointer:
    return JsonPointer(path)


def _own_copy(value: Any) -> Any:
    # jsonpatch puts the very value into the document, and a later operation may change what lies in it.
    return load_json(canonical_json(value)) if isinstance(value, (dict, list)) else value


def _test(document: JsonObject, operation: PatchOperation) -> None:
    found = _pointer(operation.path).resolve(document)
    if not json_equal(found, operation.value):
        raise PatchError(f"test failed: {operation.path} is {shown(found)}, not {shown(operation.value)}")


def _missing(current: JsonObject, segments: Sequence[str], here: str, op: str) -> str:
    names = sorted(current)
    listed = ", ".join(names[:_SHOWN_NAMES]) + (", ..." if len(names) > _SHOWN_NAMES else "")
    message = f"path {make_pointer(segments)} does not exist: {here} has " + (listed or "nothing in it")
    if op == PatchOp.REPLACE:
        message += "; use add to set what is not there"
    elif op == PatchOp.ADD:
        message += "; add its parent first"
    return message


def _items(value: list[Any]) -> str:
    return "1 item" if len(value) == 1 else f"{len(value)} items"
