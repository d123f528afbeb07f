"""Values with a shape: their field sets, merge, comparison and pruning. Pure; objects are never changed, parts are shared.

This is the arithmetic of server-side apply (KEP-555). ``is`` between parts of two versions of an object means that the
part did not change, which is what makes comparing cheap.
"""

from typing import Any

from fedsvc.simulator.fields import SELF, FieldSet, is_member
from fedsvc.simulator.schema import (
    Schema,
    Shape,
    child_schema,
    index_items,
    is_granular_list,
    is_granular_object,
    item_element,
    item_schema,
)

Json = Any
_ABSENT: Any = object()


def field_set(value: Json, schema: Schema) -> FieldSet:
    """The paths an applier owns who sends this value.

    Raises:
        SchemaError: an item of a keyed list lacks its key.
    """
    if is_granular_object(schema, value):
        named = schema.shape is Shape.STRUCT
        out: FieldSet = {}
        for name, part in value.items():
            part_schema = child_schema(schema, name)
            if not _is_granular(part_schema, part) or (isinstance(part, dict) and not part):
                out["f:" + name] = {}
                continue
            beneath = field_set(part, part_schema)
            if not named:
                out["f:" + name] = {SELF: {}, **beneath} if beneath else {}
            elif beneath:
                out["f:" + name] = beneath
        return out
    if is_granular_list(schema, value):
        return {
            element: _member(field_set(item, item_schema(schema)) if schema.shape is Shape.KEYED else {})
            for element, item in index_items(schema, value).items()
        }
    return {}


def merge(live: Json, config: Json, schema: Schema) -> Json:
    """Lay an applied configuration over a live value: the configuration wins, what it leaves out stays.

    Raises:
        SchemaError: an item of a keyed list lacks its key.
    """
    if is_granular_object(schema, config) and isinstance(live, dict):
        out = dict(live)
        changed = False
        for name, part in config.items():
            before = live.get(name, _ABSENT)
            after = part if before is _ABSENT else merge(before, part, child_schema(schema, name))
            if after is not before:
                out[name] = after
                changed = True
        return out if changed else live
    if is_granular_list(schema, config) and isinstance(live, list):
        return _merge_list(live, config, schema)
    return live if same(live, config) else config


def _merge_list(live: list[Json], config: list[Json], schema: Schema) -> list[Json]:
    applied = index_items(schema, config)
    out: list[Json] = []
    changed = False
    for item in live:
        part = applied.pop(item_element(schema, item), _ABSENT)
        after = item if part is _ABSENT else merge(item, part, item_schema(schema))
        changed = changed or after is not item
        out.append(after)
    if applied:
        return out + list(applied.values())
    return out if changed else live


def changed_and_removed(old: Json, new: Json, schema: Schema) -> tuple[FieldSet, FieldSet]:
    """Compare two versions of an object: the paths added or modified, and the paths removed."""
    changed, removed = _compare(old, new, schema)
    return _beneath(changed), _beneath(removed)


def _compare(old: Json, new: Json, schema: Schema) -> tuple[FieldSet | None, FieldSet | None]:
    if old is new:
        return None, None
    if old is _ABSENT:
        return _everything(new, schema), None
    if new is _ABSENT:
        return None, _everything(old, schema)
    if _both(is_granular_object, schema, old, new) and (old or new):
        return _compare_parts(
            {"f:" + name: value for name, value in (old or {}).items()},
            {"f:" + name: value for name, value in (new or {}).items()},
            lambda element: child_schema(schema, element[2:]),
        )
    if _both(is_granular_list, schema, old, new) and (old or new):
        beneath = item_schema(schema)
        return _compare_parts(index_items(schema, old or []), index_items(schema, new or []), lambda _element: beneath)
    if same(old, new):
        return None, None
    if _is_granular(schema, old) or _is_granular(schema, new):  # a scalar became an object, or the other way round
        return _everything(new, schema), _beneath(_everything(old, schema)) or None
    return {}, None


def _compare_parts(
    old: dict[str, Json], new: dict[str, Json], schema_of: Any
) -> tuple[FieldSet | None, FieldSet | None]:
    changed: FieldSet = {}
    removed: FieldSet = {}
    for element in old | new:
        before, after = old.get(element, _ABSENT), new.get(element, _ABSENT)
        if before is after:
            continue
        up, down = _compare(before, after, schema_of(element))
        if up is not None:
            changed[element] = up
        if down is not None:
            removed[element] = down
    return changed or None, removed or None


def prune(merged: Json, last: FieldSet, managed: FieldSet, schema: Schema) -> Json:
    """Drop what the applier owned before (``last``) and nobody owns now (``managed`` is the union of all sets)."""
    if is_granular_object(schema, merged):
        named = schema.shape is Shape.STRUCT
        out = None
        for element, node in last.items():
            name = element[2:]
            if element == SELF or name not in merged:
                continue
            owned = managed.get(element)
            if (named or is_member(node)) and not (owned is not None and (named or is_member(owned))):
                out = dict(merged) if out is None else out
                del out[name]
                continue
            after = prune(merged[name], node, owned or {}, child_schema(schema, name))
            if after is not merged[name]:
                out = dict(merged) if out is None else out
                out[name] = after
        return merged if out is None else out
    if is_granular_list(schema, merged):
        return _prune_list(merged, last, managed, schema)
    return merged


def _prune_list(merged: list[Json], last: FieldSet, managed: FieldSet, schema: Schema) -> list[Json]:
    out: list[Json] = []
    changed = False
    for item in merged:
        element = item_element(schema, item)
        node, owned = last.get(element), managed.get(element)
        if node is None:
            out.append(item)
            continue
        if is_member(node) and not is_member(owned):
            changed = True
            continue
        after = prune(item, node, owned or {}, item_schema(schema))
        changed = changed or after is not item
        out.append(after)
    return out if changed else merged


def same(left: Json, right: Json) -> bool:
    """Equality of JSON values: true is not 1, and 1 is 1.0."""
    if left is right:
        return True
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(
            name in right and same(value, right[name]) for name, value in left.items()
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def _everything(value: Json, schema: Schema) -> FieldSet:
    """Every path of a value that is new or gone, the containers too."""
    if is_granular_object(schema, value) and value:
        return {
            SELF: {},
            **{"f:" + name: _everything(part, child_schema(schema, name)) for name, part in value.items()},
        }
    if is_granular_list(schema, value) and value:
        items = index_items(schema, value)
        return {SELF: {}, **{element: _everything(item, item_schema(schema)) for element, item in items.items()}}
    return {}


def _both(test: Any, schema: Schema, old: Json, new: Json) -> bool:
    return (old is None or test(schema, old)) and (new is None or test(schema, new))


def _is_granular(schema: Schema, value: Json) -> bool:
    return is_granular_object(schema, value) or is_granular_list(schema, value)


def _member(beneath: FieldSet) -> FieldSet:
    return {SELF: {}, **beneath} if beneath else {}


def _beneath(node: FieldSet | None) -> FieldSet:
    return {element: value for element, value in (node or {}).items() if element != SELF}
