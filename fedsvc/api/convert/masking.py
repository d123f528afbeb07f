"""What the API shows of Secrets: that a key is there, never its value."""

from collections.abc import Mapping
from typing import Any, Final

from fedsvc.rendering.canonical import JsonObject, canonical_json, load_json
from fedsvc.rendering.identity import ObjectKey
from fedsvc.rendering.paths import child_path

MASK: Final = "***"

_SECRET: Final = ("", "Secret")
_VALUES: Final = ("data", "stringData")


def shown_manifest(key: ObjectKey, body: bytes) -> bytes:
    """The bytes of a manifest as callers may see them: the values of a Secret are masked, its keys stay."""
    if key.group_kind != _SECRET:
        return body
    manifest: JsonObject = load_json(body)
    for name in _VALUES:
        values = manifest.get(name)
        if values is not None:
            # Whatever stands there, a wrong type included, is taken for secret.
            manifest[name] = dict.fromkeys(values, MASK) if isinstance(values, dict) else MASK
    return canonical_json(manifest)


def masked_values(manifest: Mapping[str, Any]) -> list[str]:
    """Paths of the values of a Secret that are the mask: it was read from the API, and would lose what it holds."""
    if manifest.get("kind") != "Secret" or manifest.get("apiVersion") != "v1":
        return []
    return [
        child_path(name, key)
        for name in _VALUES
        if isinstance(values := manifest.get(name), dict)
        for key, value in values.items()
        if value == MASK
    ]


def shown_value(key: ObjectKey, value: Any) -> str:
    """A value in an object as JSON text, masked where the object is a Secret; empty where there is none."""
    if value is None:
        return ""
    return canonical_json(MASK if key.group_kind == _SECRET else value).decode()
