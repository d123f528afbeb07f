"""The three classic patches: JSON patch (RFC 6902), merge patch (RFC 7396) and strategic merge patch. Pure."""

from typing import Any

import jsonpatch
import orjson

from fedsvc.simulator.errors import ApiError, bad_request
from fedsvc.simulator.schema import Schema, Shape, child_schema, item_schema

Json = Any

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
SUPPORTED = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


def apply_json_patch(document: Json, patch: Json) -> Json:
    """Apply a JSON patch to a copy of a document.

    Raises:
        ApiError: 400 for what is no patch, 422 where it does not fit the document.
    """
    if not isinstance(patch, list):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    try:
        return jsonpatch.apply_patch(orjson.loads(orjson.dumps(document)), patch)
    except jsonpatch.InvalidJsonPatch as error:
        raise bad_request(str(error)) from error
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        message = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", message, details={"causes": [{"message": str(error)}]}) from error


def apply_merge_patch(document: Json, patch: Json) -> Json:
    """Apply a JSON merge patch; parts that it does not touch are shared."""
    if not isinstance(patch, dict):
        return patch
    out = dict(document) if isinstance(document, dict) else {}
    for name, value in patch.items():
        if value is None:
            out.pop(name, None)
        else:
            out[name] = apply_merge_patch(out.get(name), value)
    return out


def apply_strategic_patch(document: Json, patch: Json, schema: Schema) -> Json:
    """Apply a strategic merge patch: keyed lists are merged by key.

    Directives: ``$patch``, ``$retainKeys``, ``$deleteFromPrimitiveList`` and ``$setElementOrder``.

    Raises:
        ApiError: 400 where an item of a keyed list lacks its key.
    """
    if not isinstance(patch, dict):
        return patch
    directive = patch.get("$patch")
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if directive == "delete":
        return {}
    out = dict(document) if isinstance(document, dict) else {}
    retained = patch.get("$retainKeys")
    if isinstance(retained, list):
        out = {name: value for name, value in out.items() if name in retained}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            target = name.partition("/")[2]
            out[target] = [item for item in out.get(target) or () if item not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            out.pop(name, None)
        else:
            order = patch.get(f"$setElementOrder/{name}")
            out[name] = _patched(out.get(name), value, child_schema(schema, name), order)
    for name, order in patch.items():
        target = name.partition("/")[2]
        if name.startswith("$setElementOrder/") and target in out and target not in patch:
            out[target] = _ordered(out[target], order, child_schema(schema, target).merge_key)
    return out


def _patched(live: Json, patch: Json, schema: Schema, order: Json) -> Json:
    if isinstance(patch, list):
        if schema.shape is Shape.KEYED and schema.merge_key:
            return _ordered(_patched_items(live or [], patch, schema), order, schema.merge_key)
        if schema.shape is Shape.SET and schema.merge_key:
            return [*(live or []), *(item for item in patch if item not in (live or []))]
        return patch
    if isinstance(patch, dict):
        return apply_strategic_patch(live, patch, schema)
    return patch


def _patched_items(live: list[Json], patch: list[Json], schema: Schema) -> list[Json]:
    key = schema.merge_key
    if any(isinstance(item, dict) and item.get("$patch") == "replace" and key not in item for item in patch):
        return [item for item in patch if "$patch" not in item]
    out = list(live)
    for item in patch:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {orjson.dumps(item).decode()} does not contain declared merge key: {key}")
        index = next((position for position, old in enumerate(out) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            out = [old for old in out if old.get(key) != item[key]]
        elif index is None:
            out.append({name: value for name, value in item.items() if not name.startswith("$") and value is not None})
        else:
            out[index] = apply_strategic_patch(out[index], item, item_schema(schema))
    return out


def _ordered(items: list[Json], order: Json, key: str) -> list[Json]:
    if not isinstance(order, list):
        return items
    if not key:
        positions = {orjson.dumps(value): index for index, value in enumerate(order)}
        return sorted(items, key=lambda item: positions.get(orjson.dumps(item), len(positions)))
    ranks = {item.get(key): index for index, item in enumerate(order) if isinstance(item, dict)}
    return sorted(items, key=lambda item: ranks.get(item.get(key), len(ranks)))
