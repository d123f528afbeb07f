"""Structural schemas of CustomResourceDefinitions: drop unknown fields, fill in defaults, refuse wrong values. Pure."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from fedsvc.simulator.errors import Causes, invalid_value, required
from fedsvc.simulator.schema import SchemaError

Json = Any
Node = Mapping[str, Any]

_FREE = "x-kubernetes-preserve-unknown-fields"
_ROOT = frozenset({"apiVersion", "kind", "metadata"})
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", dict: "object", list: "array"}


def prune(value: Json, node: Node, *, root: bool = True) -> Json:
    """A copy without the fields that the schema does not declare."""
    if isinstance(value, list):
        items = node.get("items") or {}
        return [prune(item, items, root=False) for item in value]
    if not isinstance(value, dict):
        return value
    properties: Node = node.get("properties") or {}
    additional = node.get("additionalProperties")
    free = bool(node.get(_FREE)) or additional is True
    out: dict[str, Json] = {}
    for name, part in value.items():
        if root and name in _ROOT:
            out[name] = part
        elif name in properties:
            out[name] = prune(part, properties[name], root=False)
        elif isinstance(additional, dict):
            out[name] = prune(part, additional, root=False)
        elif free:
            out[name] = part
    return out


def check_declared(value: Json, node: Node, path: str = "", *, root: bool = True) -> None:
    """Refuse what server-side apply refuses: fields that the schema does not declare.

    Raises:
        SchemaError: with the first such field.
    """
    if isinstance(value, list):
        for item in value:
            check_declared(item, node.get("items") or {}, path, root=False)
    if not isinstance(value, dict):
        return
    properties: Node = node.get("properties") or {}
    additional = node.get("additionalProperties")
    if node.get(_FREE) or additional is True:
        return
    for name, part in value.items():
        where = f"{path}.{name}"
        if root and name in _ROOT:
            continue
        if name in properties:
            check_declared(part, properties[name], where, root=False)
        elif isinstance(additional, dict):
            check_declared(part, additional, where, root=False)
        else:
            raise SchemaError(f"{where}: field not declared in schema")


def with_schema_defaults(value: Json, node: Node) -> Json:
    """A copy with the schema's defaults filled in."""
    if isinstance(value, list):
        items = node.get("items") or {}
        return [with_schema_defaults(item, items) for item in value]
    if not isinstance(value, dict):
        return value
    properties: Node = node.get("properties") or {}
    additional = node.get("additionalProperties")
    out = {name: value[name] for name in value if name not in properties}
    if isinstance(additional, dict):
        out = {name: with_schema_defaults(part, additional) for name, part in out.items()}
    for name, declared in properties.items():
        part = value.get(name)
        if part is None and "default" in declared and not (name in value and declared.get("nullable")):
            part = orjson.loads(orjson.dumps(declared["default"]))
        elif name not in value or (part is None and not declared.get("nullable")):
            continue
        out[name] = with_schema_defaults(part, declared)
    return out


def schema_errors(value: Json, node: Node, path: str = "") -> Causes:
    """Everything in a value that the schema forbids, as causes of a 422."""
    if value is None and node.get("nullable"):
        return []
    wrong = _type_error(value, node, path)
    if wrong is not None:
        return [wrong]
    causes = _value_errors(value, node, path)
    if isinstance(value, dict):
        properties: Node = node.get("properties") or {}
        additional = node.get("additionalProperties")
        causes.extend(required(_join(path, name)) for name in node.get("required") or () if name not in value)
        for name, part in value.items():
            if not path and name in _ROOT:
                continue
            if name in properties:
                causes.extend(schema_errors(part, properties[name], _join(path, name)))
            elif isinstance(additional, dict):
                causes.extend(schema_errors(part, additional, _join(path, name)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            causes.extend(schema_errors(item, node.get("items") or {}, f"{path}[{index}]"))
    return causes


def _type_error(value: Json, node: Node, path: str) -> dict[str, str] | None:
    wanted = node.get("type")
    if node.get("x-kubernetes-int-or-string"):
        if isinstance(value, str | int) and not isinstance(value, bool):
            return None
        wanted = "integer,string"
    elif wanted is None:
        return None
    found = _NAMES.get(type(value), "null")
    if found == wanted or (wanted == "number" and found == "integer"):
        return None
    message = f'{path} in body must be of type {wanted}: "{found}"'
    return invalid_value(path, f'"{found}"', message)


def _value_errors(value: Json, node: Node, path: str) -> Causes:
    causes: Causes = []
    shown = orjson.dumps(value).decode()
    allowed = node.get("enum")
    if allowed is not None and value not in allowed:
        listed = ", ".join(orjson.dumps(item).decode() for item in allowed)
        message = f"Unsupported value: {shown}: supported values: {listed}"
        causes.append({"reason": "FieldValueNotSupported", "message": message, "field": path})
    if isinstance(value, int | float) and not isinstance(value, bool):
        if "minimum" in node and value < node["minimum"]:
            text = f"{path} in body should be greater than or equal to {node['minimum']}"
            causes.append(invalid_value(path, shown, text))
        if "maximum" in node and value > node["maximum"]:
            text = f"{path} in body should be less than or equal to {node['maximum']}"
            causes.append(invalid_value(path, shown, text))
    if isinstance(value, str):
        if "pattern" in node and not re.search(node["pattern"], value):
            causes.append(invalid_value(path, shown, f"{path} in body should match '{node['pattern']}'"))
        if len(value) < node.get("minLength", 0):
            text = f"{path} in body should be at least {node['minLength']} chars long"
            causes.append(invalid_value(path, shown, text))
        if "maxLength" in node and len(value) > node["maxLength"]:
            text = f"{path} in body should be at most {node['maxLength']} chars long"
            causes.append(invalid_value(path, shown, text))
    if isinstance(value, list) and len(value) < node.get("minItems", 0):
        causes.append(invalid_value(path, shown, f"{path} in body should have at least {node['minItems']} items"))
    return causes


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
