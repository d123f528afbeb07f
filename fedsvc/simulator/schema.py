"""What server-side apply must know of a kind's shape: which lists are maps, and what is replaced as a whole.

The vocabulary is that of KEP-555: structs and maps are *granular* (owned field by field), associative lists are keyed,
everything else is *atomic* (owned whole).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson


class Shape(Enum):
    """How the parts of a value are owned."""

    STRUCT = "struct"  # an object with declared fields: a field that only holds others is no member of an ownership set
    MAP = "map"  # an object with free keys: every key is a member
    KEYED = "keyed"  # a list whose items are told apart by some of their fields
    SET = "set"  # a list of scalars without order
    ATOMIC = "atomic"  # owned whole


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """One node of a kind's shape."""

    shape: Shape
    fields: Mapping[str, "Schema"] = field(default_factory=dict)  # STRUCT: declared fields that are not plain
    element: "Schema | None" = None  # KEYED and MAP: what items are
    keys: tuple[str, ...] = ()  # KEYED: sorted names of the key fields
    key_defaults: Mapping[str, Any] = field(default_factory=dict)  # KEYED: value of a key field that is left out
    merge_key: str = ""  # strategic merge patch: the one field that tells items apart; empty where the list is replaced


class SchemaError(ValueError):
    """A value does not fit its kind: the message names the path."""


ATOMIC = Schema(shape=Shape.ATOMIC)
# A declared object about which nothing else need be known: its objects are structs again, its lists are atomic.
STRUCT = Schema(shape=Shape.STRUCT)
# An object without a schema (KEP-555: deduced): every key is a member.
DEDUCED = Schema(shape=Shape.MAP)
SET = Schema(shape=Shape.SET)


def struct(**fields: Schema) -> Schema:
    """A struct; names that end in an underscore lose it (``in_`` and the like)."""
    return Schema(shape=Shape.STRUCT, fields={name.rstrip("_"): value for name, value in fields.items()})


def keyed(
    *keys: str, element: Schema = STRUCT, merge_key: str | None = None, defaults: Mapping[str, Any] | None = None
) -> Schema:
    """A list whose items are told apart by ``keys``; the first one is strategic merge patch's unless given."""
    return Schema(
        shape=Shape.KEYED,
        element=element,
        keys=tuple(sorted(keys)),
        key_defaults=defaults or {},
        merge_key=keys[0] if merge_key is None else merge_key,
    )


def child_schema(schema: Schema, name: str) -> Schema:
    """The shape of one field of an object."""
    if schema.shape is Shape.STRUCT:
        return schema.fields.get(name, STRUCT)
    if schema.shape is Shape.MAP:
        return schema.fields.get(name) or schema.element or DEDUCED
    return ATOMIC


def item_schema(schema: Schema) -> Schema:
    """The shape of the items of a keyed list."""
    return schema.element or STRUCT


def is_granular_object(schema: Schema, value: object) -> bool:
    """Whether the value is an object that is owned field by field."""
    return isinstance(value, dict) and schema.shape in _OBJECTS


def is_granular_list(schema: Schema, value: object) -> bool:
    """Whether the value is a list that is owned item by item."""
    return isinstance(value, list) and schema.shape in _LISTS


_OBJECTS = frozenset({Shape.STRUCT, Shape.MAP})
_LISTS = frozenset({Shape.KEYED, Shape.SET})


def item_element(schema: Schema, item: Any) -> str:
    """The path element of a list item: ``k:{...}`` of a keyed list, ``v:...`` of a set.

    Raises:
        SchemaError: the item lacks a key field or is no object.
    """
    if schema.shape is Shape.SET:
        return "v:" + orjson.dumps(item).decode()
    if not isinstance(item, dict):
        raise SchemaError("associative list with keys may not have non-map elements")
    key: dict[str, Any] = {}
    for name in schema.keys:
        value = item.get(name, schema.key_defaults.get(name))
        if value is None:
            raise SchemaError(f'associative list with keys has an element that omits key field "{name}"')
        key[name] = value
    return "k:" + orjson.dumps(key).decode()


def index_items(schema: Schema, items: list[Any]) -> dict[str, Any]:
    """Items by their path element, in order.

    Raises:
        SchemaError: an item has no key, or two have the same.
    """
    found: dict[str, Any] = {}
    for item in items:
        element = item_element(schema, item)
        if element in found:
            raise SchemaError(f"duplicate entries for key {element[2:]}")
        found[element] = item
    return found


def from_openapi(node: Mapping[str, Any]) -> Schema:
    """Read the shape out of a structural OpenAPI schema of a CustomResourceDefinition."""
    if node.get("type") == "array":
        return _list_from_openapi(node)
    if node.get("x-kubernetes-map-type") == "atomic":
        return ATOMIC
    properties = node.get("properties")
    if isinstance(properties, dict):
        return Schema(
            shape=Shape.STRUCT, fields={name: from_openapi(value) for name, value in sorted(properties.items())}
        )
    if node.get("x-kubernetes-preserve-unknown-fields"):
        return Schema(shape=Shape.MAP, element=ATOMIC)  # measured on 1.20: its keys are owned one by one, each whole
    additional = node.get("additionalProperties")
    if isinstance(additional, dict):
        return Schema(shape=Shape.MAP, element=from_openapi(additional))
    return DEDUCED if node.get("type") == "object" else ATOMIC


def _list_from_openapi(node: Mapping[str, Any]) -> Schema:
    items = node.get("items") or {}
    kind = node.get("x-kubernetes-list-type")
    if kind == "set":
        return SET
    if kind != "map":
        return ATOMIC
    keys = tuple(node.get("x-kubernetes-list-map-keys") or ())
    declared = items.get("properties") or {}
    defaults = {key: declared[key]["default"] for key in keys if "default" in declared.get(key, {})}
    return keyed(*keys, element=from_openapi(items), merge_key="", defaults=defaults)
