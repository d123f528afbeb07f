"""The declared fields of built-in kinds, read off the models of the official client: what is unknown, what has a wrong type.

Real servers drop unknown fields of a POST or PUT and refuse those of an apply; a simulator that takes them all would hide
the commonest mistake of all, a misspelt field. The models are imported when first needed (about a second, once a process).
"""

import importlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from fedsvc.simulator.kinds import Kind
from fedsvc.simulator.schema import (
    ATOMIC,
    Schema,
    SchemaError,
    child_schema,
    is_granular_list,
    item_element,
    item_schema,
)

Json = Any
_LIST = re.compile(r"^List\[(.+)\]$")
_DICT = re.compile(r"^Dict\[str, (.+)\]$")
_NUMBERS = frozenset({"int", "float"})
_TEXTS = frozenset({"str", "bytes", "datetime"})
_GO_NAMES = {"int": "int32", "float": "float64", "str": "string", "bytes": "string", "bool": "bool", "datetime": "Time"}
_MODEL_PREFIX = re.compile(r"^(?:[A-Z][a-z]+)?V\d+(?:(?:alpha|beta)\d+)?")
# Quantities are texts in the models, but numbers are taken as well.
_QUANTITY_MAPS = frozenset(
    {"allocatable", "capacity", "default", "defaultRequest", "hard", "limits", "max", "maxLimitRequestRatio", "min"}
    | {"overhead", "requests", "used"}
)
_QUANTITY_FIELDS = frozenset({"averageValue", "divisor", "sizeLimit", "value"})
_QUANTITY_OWNERS = frozenset({"V1EmptyDirVolumeSource", "V1ResourceFieldSelector", "V2MetricTarget"})


class DeclaredTypeError(ValueError):
    """A value has another type than its field; the message is that of the API server's decoder."""


@cache
def _fields(type_name: str) -> dict[str, str] | None:
    """The fields of an object type by their JSON names; None of a type that is no object with known fields."""
    model = getattr(importlib.import_module("kubernetes.client.models"), type_name, None)
    if model is None or not hasattr(model, "attribute_map"):
        return None
    return {name: model.openapi_types[attribute] for attribute, name in model.attribute_map.items()}


@cache
def _type_of(group: str, version: str, kind: str) -> str:
    """The name of a kind's type; empty where it is not known."""
    for name in (version.upper() + kind, "CoreV1" + kind if not group else "EventsV1" + kind):
        if _fields(name) is not None:
            return name
    return ""


def check_applied(kind: Kind, version: str, config: Json) -> None:
    """Refuse an applied configuration with unknown fields or wrong types, as server-side apply does.

    Raises:
        SchemaError: with everything that is wrong.
    """
    name = _type_of(kind.group, version, kind.kind)
    found = list(_errors(config, name, kind.shape(version), "")) if name else []
    if found:
        raise SchemaError(found[0] if len(found) == 1 else "errors:\n" + "\n".join(f"  {item}" for item in found))


def _errors(value: Json, type_name: str, schema: Schema, path: str) -> Iterator[str]:
    if value is None or type_name == "object":
        return
    item_type = _LIST.match(type_name)
    if item_type is not None:
        if not isinstance(value, list):
            yield f"{path}: expected list, got {_shown(value)}"
            return
        keyed = is_granular_list(schema, value)
        for index, item in enumerate(value):
            where = f"{path}{_item_path(schema, item) if keyed else f'[{index}]'}"
            yield from _errors(item, item_type.group(1), item_schema(schema) if keyed else ATOMIC, where)
        return
    fields = _object_fields(type_name, value)
    if fields is None:
        wrong = _wrong_scalar(value, type_name)
        if wrong:
            yield f"{path}: expected {wrong}, got {_shown(value)}"
        return
    if not isinstance(value, dict):
        yield f"{path}: expected map, got {_shown(value)}"
        return
    for name, part in value.items():
        declared = fields.get(name)
        if declared is None:
            yield f"{path}.{name}: field not declared in schema"
        else:  # a number for a quantity too: old releases take those of POST and PUT only
            yield from _errors(part, declared, child_schema(schema, name), f"{path}.{name}")


def without_unknown(kind: Kind, version: str, body: Json) -> tuple[Json, list[str]]:
    """A copy without unknown fields, and their paths.

    Raises:
        DeclaredTypeError: a value has a wrong type.
    """
    name = _type_of(kind.group, version, kind.kind)
    unknown: list[str] = []
    return (_known(body, name, "", "", unknown) if name else body), unknown


def _known(value: Json, type_name: str, owner: str, path: str, unknown: list[str]) -> Json:
    if value is None or type_name == "object":
        return value
    item_type = _LIST.match(type_name)
    if item_type is not None:
        if not isinstance(value, list):
            raise DeclaredTypeError(_mismatch(value, owner, path, f"[]{_go_name(item_type.group(1))}"))
        return [_known(item, item_type.group(1), owner, path, unknown) for item in value]
    fields = _object_fields(type_name, value)
    if fields is None:
        if _wrong_scalar(value, type_name):
            raise DeclaredTypeError(_mismatch(value, owner, path, _go_name(type_name)))
        return value
    if not isinstance(value, dict):
        raise DeclaredTypeError(_mismatch(value, owner, path, _go_name(type_name)))
    out: dict[str, Json] = {}
    for name, part in value.items():
        where = f"{path}.{name}" if path else name
        declared = fields.get(name)
        if declared is None:
            unknown.append(where)
        elif _is_quantity(type_name, path, name, part):
            out[name] = part
        else:
            out[name] = _known(part, declared, _MODEL_PREFIX.sub("", type_name), where, unknown)
    return out


def _object_fields(type_name: str, value: Json) -> dict[str, str] | None:
    """The fields an object of this type may have; None where the type is a scalar."""
    values = _DICT.match(type_name)
    if values is None:
        return _fields(type_name)
    return dict.fromkeys(value, values.group(1)) if isinstance(value, dict) else {}


def _is_quantity(type_name: str, path: str, name: str, value: Json) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if _DICT.match(type_name):
        return path.rpartition(".")[2] in _QUANTITY_MAPS
    return type_name in _QUANTITY_OWNERS and name in _QUANTITY_FIELDS


def _wrong_scalar(value: Json, type_name: str) -> str:
    """What was expected of a scalar that has another type; empty where it is right."""
    if type_name in _NUMBERS:
        good = isinstance(value, int | float) and not isinstance(value, bool)
        return "" if good else "numeric (int or float)"
    if type_name in _TEXTS:
        return "" if isinstance(value, str) else "string"
    return "" if type_name != "bool" or isinstance(value, bool) else "boolean"


def _item_path(schema: Schema, item: Json) -> str:
    try:
        element = item_element(schema, item)
    except SchemaError:
        return "[?]"  # the ownership's own check tells what its key lacks
    pairs = element[2:].removeprefix("{").removesuffix("}").split(',"')
    return "[" + ",".join(pair.removeprefix('"').replace('":', "=", 1) for pair in pairs) + "]"


def _mismatch(value: Json, owner: str, path: str, wanted: str) -> str:
    found = {str: "string", bool: "bool", dict: "object", list: "array"}.get(type(value), "number")
    return f"json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {wanted}"


def _go_name(type_name: str) -> str:
    return _GO_NAMES.get(type_name) or "v1." + _MODEL_PREFIX.sub("", type_name)


def _shown(value: Json) -> str:
    return f"&value.valueUnstructured{{Value:{orjson.dumps(value).decode()}}}"
